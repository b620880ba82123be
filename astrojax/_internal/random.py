"""The one random generator. A seed or a key gives the same problems whatever JAX's settings are."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, UInt32

GENERATOR = "threefry2x32"
"""JAX's counter-based generator, in its partitionable form: what a key gives does not depend on batching or on devices."""

Numbers = Int[Array, "..."] | UInt32[Array, "..."]

P = ParamSpec("P")
R = TypeVar("R")


def seed_key(seed: int) -> jax.Array:
    return jax.random.key(seed, impl=GENERATOR)


def pinned(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function draw the same random numbers whatever `jax_threefry_partitionable` is, also inside `jax.jit`."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with jax.threefry_partitionable(True):
            return function(*args, **kwargs)

    return wrapper


def folded(key: Key[Array, ""], *numbers: Numbers) -> Key[Array, "..."]:
    """Fold numbers into a key one after another, as `jax.random.fold_in`; arrays of numbers, broadcast, give arrays of keys."""
    return jax.random.wrap_key_data(jnp.stack(_hashed(key, *numbers), axis=-1), impl=GENERATOR)


def random_words(key: Key[Array, ""], *numbers: Numbers) -> UInt32[Array, "..."]:
    """Words of 32 random bits: word i of `jax.random.bits`, with i the last number, for the key with the others folded in."""
    left, right = _hashed(key, *numbers)
    return left ^ right


def random_order(key: Key[Array, ""], size: int) -> Int[Array, " size"]:
    """A random permutation of 0 … size − 1: sorted by a random word each, and by number where words are equal."""
    words = random_words(key, jnp.arange(size))
    # Sorting words and numbers as single 64-bit integers takes a fifth of the time of an argsort.
    with jax.enable_x64(True):
        numbered = words.astype(jnp.uint64) << 32 | jnp.arange(size, dtype=jnp.uint64)
        return jnp.sort(numbered).astype(jnp.uint32).astype(jnp.int32)


@jax.jit
def _hashed(key: Key[Array, ""], *numbers: Numbers) -> tuple[UInt32[Array, "..."], UInt32[Array, "..."]]:
    """The two words that Threefry-2x32 makes of a key and a number; they are the key for the next number.

    The rounds are written out: JAX's own, a loop on CPUs, takes twice as long. The loop over numbers compiles them once.

    Source: Salmon et al. (2011), Parallel random numbers: as easy as 1, 2, 3, doi:10.1145/2063384.2063405.
    """

    def step(words: tuple[jax.Array, jax.Array], number: jax.Array) -> tuple[tuple[jax.Array, jax.Array], None]:
        left, right = words
        schedule = left, right, left ^ right ^ np.uint32(0x1BD11BDA)
        right = right + number
        for group in range(5):
            for rotation in ((13, 15, 26, 6), (17, 29, 16, 24))[group % 2]:
                left = left + right
                right = (right << rotation | right >> 32 - rotation) ^ left
            left = left + schedule[(group + 1) % 3]
            right = right + schedule[(group + 2) % 3] + np.uint32(group + 1)
        return (left, right), None

    steps = jnp.stack(jnp.broadcast_arrays(*(number.astype(jnp.uint32) for number in numbers)))
    first, second = jax.random.key_data(key)
    start = jnp.broadcast_to(first, steps.shape[1:]), jnp.broadcast_to(second, steps.shape[1:])
    return jax.lax.scan(step, start, steps)[0]
