"""Corruption: how a query comes from a pattern, and what that says to a decoder."""

from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Num

from .._internal.checks import InputError, concrete, random_key, real, refuse_bits, refuse_booleans, within
from .._internal.parameters import LARGEST, Range
from .._internal.random import pinned, random_order
from .._internal.registry import members
from .._internal.types import IntScalar, Neurons, RandomKey, Scalar, ScalarLike

Level = Num[Array, ""]
"""A level of corruption: how many flips, which fraction, which scale."""

LEAST_NOISE = 1e-6
"""Noise levels are kept this far from 0 and 1 in a Bayes decoder, where they would make its evidence infinite."""


@pinned
def flip(key: RandomKey, pattern: Neurons, num_flips: ScalarLike) -> Neurons:
    """Change the sign of exactly `num_flips` entries of a pattern, shape (N,), chosen at random.

    Raises `InputError` unless `num_flips` is an integer between 0 and N, and for a pattern of 0 and 1 alone.
    """
    random_key(key)
    pattern = _checked(pattern)
    within("num_flips", num_flips, 0, pattern.shape[0])
    count = jnp.round(jnp.asarray(num_flips))
    if concrete(jnp.asarray(num_flips) == count) is False:
        raise InputError(f"num_flips must be an integer; got {num_flips}")
    return jnp.where(random_order(key, pattern.shape[0]) < count.astype(jnp.int32), -pattern, pattern)


@pinned
def erase(key: RandomKey, pattern: Neurons, fraction: ScalarLike) -> Neurons:
    """Set a `fraction` of the entries of a pattern, shape (N,), to 0, chosen at random.

    Their number is the whole number that is nearest to `fraction` times N; halves (within rounding in single precision) are
    rounded up, so 0.5 of 5 entries is 3.

    Raises `InputError` unless `fraction` lies within [0, 1], and for a pattern of 0 and 1 alone.
    """
    random_key(key)
    pattern = _checked(pattern)
    number = _number_of(fraction, pattern.shape[0])
    return jnp.where(random_order(key, pattern.shape[0]) < number, jnp.zeros_like(pattern), pattern)


def mask(pattern: Neurons, fraction: ScalarLike) -> Neurons:
    """Set the last `fraction` of the entries of a pattern, shape (N,), to 0; rounds their number and raises as `erase` does."""
    pattern = _checked(pattern)
    is_hidden = jnp.arange(pattern.shape[0] - 1, -1, -1, dtype=jnp.int32) < _number_of(fraction, pattern.shape[0])
    return jnp.where(is_hidden, jnp.zeros_like(pattern), pattern)


def _number_of(fraction: ScalarLike, size: int) -> IntScalar:
    """The whole number nearest to a fraction of so many entries."""
    within("fraction", fraction, 0, 1)
    # In single precision always, so that a fraction means the same number in every precision.
    product = jnp.asarray(fraction, jnp.float32) * jnp.float32(size)
    rounding = 2 * jnp.finfo(jnp.float32).eps * product
    return jnp.floor(product + (0.5 + rounding)).astype(jnp.int32)


@pinned
def add_noise(key: RandomKey, pattern: Neurons, scale: ScalarLike) -> Neurons:
    """Add independent Gaussian noise of standard deviation `scale` to a pattern, shape (N,).

    Raises `InputError` for a negative `scale`, and for a pattern of 0 and 1 alone.
    """
    random_key(key)
    pattern = _checked(pattern)
    within("scale", scale, 0, jnp.inf)
    noise = jax.random.normal(key, pattern.shape, jnp.float32).astype(pattern.dtype)
    return pattern + jnp.asarray(scale, pattern.dtype) * noise


class AbstractCorruption(eqx.Module):
    """A kind of corruption with a level, as an axis of a sweep."""

    level_name: eqx.AbstractClassVar[str]
    """Name of the level, and of its axis."""

    level_range: ClassVar[Range] = Range(ge=0)
    level_meaning: ClassVar[str] = "level of corruption"
    is_count: ClassVar[bool] = False
    """Whether levels are integers."""

    @abstractmethod
    def __call__(self, key: RandomKey, pattern: Neurons, level: Level) -> Neurons:
        """Query of shape (N,) from a pattern of shape (N,)."""

    def evidence(self, level: Level, num_neurons: int) -> Scalar | None:
        """The β for which a pattern ξ has the likelihood exp(β⟨ξ, query⟩), up to a constant; for `bayes_decoder`.

        `None`, the default, where there is no such number: the Bayes decoders are left out then.
        """
        return None

    def precision(self, level: Level) -> Scalar | None:
        """1/s² for which a real-valued pattern ξ has the likelihood exp(−‖query − ξ‖²/(2s²)), up to a constant.

        Entries of 0 in a query are hidden, and do not count. `None`, the default, where there is no such number.
        """
        return None

    def similarity(self, level: Level, num_neurons: int) -> ScalarLike:
        """Expected cosine similarity of a query with its pattern of ±1, or less: memories are given more time steps then."""
        return 0.0


class Flips(AbstractCorruption):
    """Exactly `num_flips` entries change sign. β = ½ log((1−η)/η) at the noise level η = num_flips/N."""

    level_name: ClassVar[str] = "num_flips"
    level_range: ClassVar[Range] = Range(ge=0, le=LARGEST)
    level_meaning: ClassVar[str] = "flipped entries of the query"
    is_count: ClassVar[bool] = True

    def __call__(self, key: RandomKey, pattern: Neurons, level: Level) -> Neurons:
        return flip(key, pattern, level)

    def evidence(self, level: Level, num_neurons: int) -> Scalar:
        noise_level = jnp.clip(level / num_neurons, LEAST_NOISE, 1 - LEAST_NOISE)
        return (jnp.log1p(-noise_level) - jnp.log(noise_level)) / 2

    def similarity(self, level: Level, num_neurons: int) -> ScalarLike:
        return 1 - 2 * level / num_neurons


class Erasures(AbstractCorruption):
    """The share `erased_fraction` of the entries becomes 0; the others are certain, so β is as large as it gets."""

    level_name: ClassVar[str] = "erased_fraction"
    level_range: ClassVar[Range] = Range(ge=0, le=1)
    level_meaning: ClassVar[str] = "erased share of the query"

    def __call__(self, key: RandomKey, pattern: Neurons, level: Level) -> Neurons:
        return erase(key, pattern, level)

    def evidence(self, level: Level, num_neurons: int) -> Scalar:
        return Flips().evidence(jnp.zeros_like(level), num_neurons)

    def precision(self, level: Level) -> Scalar:
        return GaussianNoise().precision(jnp.zeros_like(level))

    def similarity(self, level: Level, num_neurons: int) -> ScalarLike:
        return jnp.sqrt(1 - level)


class Masking(Erasures):
    """The last entries, the share `masked_fraction`, become 0: the bottom of a picture. Otherwise as `Erasures`."""

    level_name: ClassVar[str] = "masked_fraction"
    level_meaning: ClassVar[str] = "masked share of the query"

    def __call__(self, key: RandomKey, pattern: Neurons, level: Level) -> Neurons:
        return mask(pattern, level)


class GaussianNoise(AbstractCorruption):
    """Gaussian noise of standard deviation `noise_scale` is added. β = 1/noise_scale²."""

    kind: ClassVar[str] = "noise"
    level_name: ClassVar[str] = "noise_scale"
    level_meaning: ClassVar[str] = "standard deviation of the noise"

    def __call__(self, key: RandomKey, pattern: Neurons, level: Level) -> Neurons:
        return add_noise(key, pattern, level)

    def evidence(self, level: Level, num_neurons: int) -> Scalar:
        return self.precision(level)

    def precision(self, level: Level) -> Scalar:
        return 1 / jnp.maximum(level**2, LEAST_NOISE)

    def similarity(self, level: Level, num_neurons: int) -> ScalarLike:
        return 1 / jnp.sqrt(1 + level**2)


def corruptions() -> dict[str, type[AbstractCorruption]]:
    """The corruptions of the package by kind, any in a file of this folder: `flips`, `erasures`, `noise`, …"""
    return members("corruption")


def _checked(pattern: Neurons) -> Neurons:
    refuse_booleans("pattern", pattern)
    array = real("pattern", pattern)
    refuse_bits("pattern", array)
    if array.ndim != 1:
        raise InputError(f"pattern must have shape (num_neurons,); got {array.shape} (corrupt many with jax.vmap)")
    return array
