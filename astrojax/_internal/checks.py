"""Checks of input: static faults raise `InputError`, faults of traced values are left to the status of a trajectory."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .errors import InputError as InputError
from .errors import RunError as RunError
from .errors import did_you_mean as did_you_mean
from .errors import one_of as one_of
from .errors import shown as shown
from .random import GENERATOR


def concrete(condition: jax.Array | bool) -> bool | None:
    """The truth of a condition, or `None` while JAX traces it and its value is not known."""
    try:
        return bool(condition)
    except jax.errors.ConcretizationTypeError:
        return None


def not_traced(function: str, tree: Any) -> None:
    """Refuse values that JAX traces where a function needs the numbers themselves."""
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree)):
        raise InputError(f"{function} needs arrays; it cannot be called inside jax.jit, jax.vmap or jax.grad")


def real(name: str, values: Any) -> jax.Array:
    """`values` as an array of floats: floats keep their precision, integers take JAX's default one.

    Raises `InputError` for anything but real numbers.
    """
    try:
        array = jnp.asarray(values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be an array of real numbers; got {shown(values)}") from error
    if jnp.issubdtype(array.dtype, jnp.floating):
        return array
    if jnp.issubdtype(array.dtype, jnp.integer) or array.dtype == jnp.bool_:
        return array.astype(jnp.result_type(float))
    raise InputError(f"{name} must be an array of real numbers; got one of type {array.dtype}")


LARGEST_INTEGER, LARGEST_SIZE = 2**31 - 1, 2**63 - 1
"""What compiled programs count to, and the most bytes."""


def at_least(name: str, value: object, least: int, most: int = LARGEST_INTEGER) -> None:
    """Raise `InputError` unless `value` is an integer of at least `least` and at most `most`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name} must be an integer of at least {least}; got {shown(value)}")
    if value > most:
        raise InputError(f"{name} must be an integer of at most {most}; got {shown(value)}")


def within(name: str, value: Any, low: float | int, high: float | int) -> None:
    """Raise `InputError` unless `value` is a single real number within [low, high]."""
    level = real(name, value)
    if level.shape != ():
        raise InputError(f"{name} must be a single number; got an array of shape {level.shape}")
    if concrete((level >= low) & (level <= high)) is False:
        raise InputError(f"{name} must lie within [{low}, {high}]; got {value}")


def random_key(key: object) -> None:
    """Raise `InputError` unless `key` is a single random key of the one generator."""
    if not isinstance(key, jax.Array) or not jnp.issubdtype(key.dtype, jax.dtypes.prng_key) or key.shape != ():
        raise InputError(f"key must be a single key made by jax.random.key; got {shown(key)}")
    if (generator := str(jax.random.key_impl(key))) != GENERATOR:
        raise InputError(
            f"key must be of the generator {GENERATOR}, whose numbers do not depend on batching: "
            f"jax.random.key(seed, impl={GENERATOR!r}); got one of {generator}"
        )


def positive(name: str, value: jax.typing.ArrayLike, dtype: jnp.dtype) -> jax.Array:
    """`value` as a scalar of type `dtype`; `InputError` unless it is a positive, finite number."""
    try:
        array = real(name, value).astype(dtype)
    except InputError as error:
        raise InputError(f"{name} must be a positive number; got {shown(value)}") from error
    if isinstance(value, bool):
        raise InputError(f"{name} must be a positive number; got {value}")
    if array.shape != ():
        raise InputError(
            f"{name} must be a single number; got an array of shape {array.shape} (build one memory per value with jax.vmap)"
        )
    if concrete((array > 0) & jnp.isfinite(array)) is False:
        raise InputError(f"{name} must be a positive, finite number in {array.dtype}; got {value}")
    return array


def pattern_matrix(shape: tuple[int, ...]) -> None:
    """Refuse patterns that are not a matrix with at least one neuron and one pattern."""
    if len(shape) != 2 or 0 in shape:
        raise InputError(
            f"patterns must have shape (num_neurons, num_patterns), one pattern per column and neither 0; got {shape}"
        )


def shaped(name: str, array: jax.Array, shape: tuple[int, ...], meaning: str) -> None:
    """Raise `InputError` unless `array` has the given shape, described by `meaning`."""
    if array.shape != shape:
        raise InputError(f"{name} must have shape {shape}, {meaning}; got {array.shape}")


def finite(name: str, array: jax.Array) -> None:
    """Raise `InputError` if a concrete `array` has entries that are NaN or infinite, naming the first."""
    if concrete(jnp.all(jnp.isfinite(array))) is False:
        where = tuple(int(i) for i in jnp.argwhere(~jnp.isfinite(array))[0])
        raise InputError(f"{name} must be finite; entry {where} is {array[where]}")
