"""Checks of input: static faults raise `InputError`, faults of traced values are left to the status of a trajectory."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .errors import InputError, RunError, did_you_mean, needing, one_of, shown  # noqa: F401 (imported from here)
from .random import GENERATOR


def concrete(condition: jax.Array | bool) -> bool | None:
    """The truth of a condition, or `None` while JAX traces it."""
    try:
        return bool(condition)
    except jax.errors.ConcretizationTypeError:
        return None


def not_traced(function: str, tree: Any) -> None:
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree)):
        raise InputError(f"{function} needs arrays; it cannot be called inside jax.jit, jax.vmap or jax.grad")


def real(name: str, values: Any) -> jax.Array:
    """`values` as an array of floats: floats keep their precision, integers take JAX's default one."""
    try:
        array = jnp.asarray(values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be an array of real numbers; got {shown(values)}") from error
    if jnp.issubdtype(array.dtype, jnp.floating):
        return array
    if jnp.issubdtype(array.dtype, jnp.integer) or array.dtype == jnp.bool_:
        return array.astype(jnp.result_type(float))
    raise InputError(f"{name} must be an array of real numbers; got one of type {array.dtype}")


LARGEST_INTEGER, LARGEST_SIZE = 2**31 - 1, 2**63 - 1  # of compiled programs, and in bytes


def real_number(name: str, value: Any, dtype: Any) -> jax.Array:
    """What the function `name` returned, as a number of this precision. Raises `InputError` if it is not one real number."""
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError):
        raise InputError(f"{name} must return one real number; got {shown(value)}") from None
    if array.shape != () or jnp.iscomplexobj(array):
        raise InputError(f"{name} must return one real number; got shape {array.shape} of type {array.dtype}")
    return array.astype(dtype)


def at_least(name: str, value: object, least: int, most: int = LARGEST_INTEGER) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name} must be an integer of at least {least}; got {shown(value)}")
    if value > most:
        raise InputError(f"{name} must be an integer of at most {most}; got {shown(value)}")


def within(name: str, value: Any, low: float | int, high: float | int) -> None:
    level = real(name, value)
    if level.shape != ():
        raise InputError(f"{name} must be a single number; got an array of shape {level.shape}")
    if concrete((level >= low) & (level <= high)) is False:
        raise InputError(f"{name} must lie within [{low}, {high}]; got {value}")


def float_within(name: str, value: Any, low: float, high: float) -> float:
    """A value as a float; `InputError` unless it is a real number within [low, high]."""
    known = hasattr(value, "__float__") and not isinstance(value, bool | str) and getattr(value, "shape", ()) == ()
    number = float(value) if known else np.nan
    if not low <= number <= high:
        raise InputError(f"{name} must be a number within [{low:g}, {high:g}]; got {shown(value)}")
    return number


def random_key(key: object) -> None:
    if not isinstance(key, jax.Array) or not jnp.issubdtype(key.dtype, jax.dtypes.prng_key) or key.shape != ():
        raise InputError(f"key must be a single key made by jax.random.key; got {shown(key)}")
    if (generator := str(jax.random.key_impl(key))) != GENERATOR:
        raise InputError(
            f"key must be of the generator {GENERATOR}, whose numbers do not depend on batching: "
            f"jax.random.key(seed, impl={GENERATOR!r}); got one of {generator}"
        )


def positive(name: str, value: Any, dtype: jnp.dtype, num_neurons: int | None = None) -> jax.Array:
    """`value` as a scalar of type `dtype`, or as one number per neuron; `InputError` unless it is positive and finite."""
    try:
        array = real(name, None if isinstance(value, bool) else value).astype(dtype)
    except InputError as error:
        raise InputError(f"{name} must be a positive number; got {shown(value)}") from error
    if array.shape not in ((), (num_neurons,)):
        allowed = "a single number" if num_neurons is None else f"a single number, or {num_neurons}, one per neuron"
        raise InputError(f"{name} must be {allowed}; got shape {array.shape} (build one memory per value with jax.vmap)")
    if concrete(jnp.all((array > 0) & jnp.isfinite(array)) if array.ndim else (array > 0) & jnp.isfinite(array)) is False:
        raise InputError(f"{name} must be a positive, finite number in {array.dtype}; got {value}")
    return array


def pattern_matrix(shape: tuple[int, ...]) -> None:
    if len(shape) != 2 or 0 in shape:
        raise InputError(f"patterns must have shape (num_neurons, num_patterns), one pattern per column; got {shape}")


def shaped(name: str, array: jax.Array, shape: tuple[int, ...], meaning: str) -> None:
    if array.shape != shape:
        raise InputError(f"{name} must have shape {shape}, {meaning}; got {array.shape}")


def finite(name: str, array: jax.Array) -> None:
    if concrete(jnp.all(jnp.isfinite(array))) is False:
        where = tuple(int(i) for i in jnp.argwhere(~jnp.isfinite(array))[0])
        raise InputError(f"{name} must be finite; entry {where} is {array[where]}")


REMEDY = "convert bits to signs with 2 * bits - 1"  # bits would cause no error, but wrong recalls


def refuse_bits(name: str, array: Any, stored: Any = None) -> None:
    """Raise `InputError` for booleans, and for concrete patterns whose `stored` columns hold only 0 and 1, or only 0."""
    refuse_booleans(name, array)
    if isinstance(array, jax.core.Tracer) or isinstance(stored, jax.core.Tracer):
        return
    values = np.asarray(array) if stored is None else np.asarray(array)[..., np.asarray(stored)]
    if np.isin(values, (0, 1)).all() and (values == 0).any():
        raise InputError(f"{name} must be of -1 and +1, or of other real numbers; got only 0 and 1 ({REMEDY})")


def refuse_bit_queries(name: str, queries: Any, patterns: Any) -> None:
    """Raise `InputError` for booleans, and for concrete queries, shape (…, N), that are bits rather than erased signs.

    A query of only 0 and 1 is allowed if a stored pattern has +1 wherever the query has, and also at some erased entry (0).
    """
    refuse_booleans(name, queries)
    if isinstance(queries, jax.core.Tracer) or any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(patterns)):
        return
    rows = np.atleast_2d(np.asarray(queries))
    rows = rows[np.isin(rows, (0, 1)).all(axis=1) & (rows == 1).any(axis=1) & (rows == 0).any(axis=1)]
    if not len(rows):
        return
    if isinstance(patterns, jax.Array | np.ndarray) and not np.isin(np.abs(np.asarray(patterns)), (0, 1)).all():
        return
    product = jax.vmap(lambda row: row @ patterns)
    ones, zeros = (np.asarray(part, patterns.dtype) for part in (rows, 1 - rows))
    agrees = np.asarray(product(ones)) == ones.sum(axis=1, keepdims=True)
    lacks_some = np.asarray(product(zeros)) > -zeros.sum(axis=1, keepdims=True)
    if not (agrees & lacks_some).any(axis=1).all():
        raise InputError(
            f"{name} must be of -1 and +1 like the patterns, with 0 for erased entries; got only 0 and 1, which matches no "
            f"stored pattern with erased entries ({REMEDY})"
        )


def require_signs(name: str, array: Any) -> None:
    """Raise `InputError` for booleans, and for a concrete array with entries other than ±1, naming the first."""
    refuse_booleans(name, array)
    if isinstance(array, jax.core.Tracer):
        return
    others = np.argwhere(np.abs(np.asarray(array)) != 1)
    if len(others):
        where = tuple(int(place) for place in others[0])
        raise InputError(f"{name} must have entries of -1 and +1; entry {where} is {float(array[where]):g} ({REMEDY})")


def refuse_booleans(name: str, given: Any) -> None:
    if any(getattr(leaf, "dtype", type(leaf)) in (np.bool_, bool) for leaf in jax.tree.leaves(given)):
        raise InputError(f"{name} must be of -1 and +1, or of other real numbers; got booleans ({REMEDY})")
