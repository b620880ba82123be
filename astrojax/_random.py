"""The one random generator, whatever JAX's own settings are, so that a seed or a key means the same problems everywhere."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

GENERATOR = "threefry2x32"
"""JAX's counter-based generator, in its partitionable form: what a key gives does not depend on batching or on devices."""

P = ParamSpec("P")
R = TypeVar("R")


def seed_key(seed: int) -> jax.Array:
    """The random key of a seed, whatever `jax_default_prng_impl` is."""
    return jax.random.key(seed, impl=GENERATOR)


def pinned(function: Callable[P, R]) -> Callable[P, R]:
    """The function, drawing the same random numbers whatever `jax_threefry_partitionable` is, also inside `jax.jit`."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with jax.threefry_partitionable(True):
            return function(*args, **kwargs)

    return wrapper
