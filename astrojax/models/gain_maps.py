"""Gain maps: which gains the logits give."""

import functools
from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._internal.types import BoolScalar, PerPattern, Scalar, Stored

LOGIT_NOT_STORED = -1e30
"""Of columns that are not stored: no infinity, which would spoil gradients, and sums of such numbers do not overflow."""


class AbstractGainMap(eqx.Module):
    """Gains p(z) on the probability simplex: the gradient of Ω*, the convex conjugate of a strictly convex regularizer Ω(p).

        p(z) = argmax ⟨p, z⟩ − Ω(p) over the simplex

    A map of your own defines `__call__` and `regularizer` for stored patterns only. Where patterns are padded, the others have
    logits of −10³⁰, and their gains are set to 0.

    Source: Blondel, Martins and Niculae (2020), arXiv:1901.02324.
    """

    has_kinks: ClassVar[bool] = False
    """Whether the derivative of p(z) jumps anywhere, as where a gain becomes exactly 0 (see `spectrum`)."""

    @abstractmethod
    def __call__(self, logits: PerPattern) -> PerPattern:
        """Gains p(z) of the logits z, shape (K,): at least 0, with the sum 1."""

    @abstractmethod
    def regularizer(self, gains: PerPattern) -> Scalar:
        """Ω(p) of gains p, shape (K,): finite where gains are 0, which contribute nothing."""

    def dissipation(self, logits: PerPattern, direction: PerPattern) -> Scalar:
        """⟨v, ∇²Ω*(z) v⟩ for logits z and a direction v, both of shape (K,): v times the derivative of p along v."""
        _, change = jax.jvp(self, (logits,), (direction,))
        return jnp.sum(direction * change)

    def is_valid(self) -> bool | BoolScalar:
        """Whether its numbers are in range: the only check of traced ones."""
        return True

    def gains(self, logits: PerPattern, stored: Stored | None) -> PerPattern:
        """Gains of padded logits, 0 for columns that are not stored."""
        return masked(self(masked(logits, stored)), stored, 0.0)

    def log_gains(self, logits: PerPattern, stored: Stored | None) -> PerPattern:
        """Logarithms of the gains of padded logits, −inf where they are 0."""
        gains = self.gains(logits, stored)
        return jnp.where(gains > 0, jnp.log(jnp.where(gains > 0, gains, 1)), -jnp.inf)

    def regularizer_of(self, gains: PerPattern, logits: PerPattern, stored: Stored | None) -> Scalar:
        """Ω(p) of the gains of padded logits."""
        return self.regularizer(gains)


class SoftmaxGainMap(AbstractGainMap):
    """The paper's gains, which are never exactly 0.

        p = exp(z)/Σ exp(z),  Ω(p) = Σ p log p

    The dissipation is the variance of the direction under p.

    Source: Vivet and Arenas (2026), arXiv:2604.25481, Eq. 5.
    """

    def __call__(self, logits: PerPattern) -> PerPattern:
        weights, total, _ = _exponentials(logits)
        return weights / total

    def regularizer(self, gains: PerPattern) -> Scalar:
        return jnp.sum(jax.scipy.special.xlogy(gains, gains))

    def dissipation(self, logits: PerPattern, direction: PerPattern) -> Scalar:
        gains = self(logits)
        return gains @ (direction - gains @ direction) ** 2

    def gains(self, logits: PerPattern, stored: Stored | None) -> PerPattern:
        return self(masked(logits, stored))  # exp(−10³⁰) is 0

    def log_gains(self, logits: PerPattern, stored: Stored | None) -> PerPattern:
        return masked(logits - _log_partition(logits, stored), stored, -jnp.inf)

    def regularizer_of(self, gains: PerPattern, logits: PerPattern, stored: Stored | None) -> Scalar:
        """From the logits, without the logarithm of a gain that has underflowed."""
        return gains @ logits - _log_partition(logits, stored)


def masked(values: PerPattern, stored: Stored | None, not_stored: float = LOGIT_NOT_STORED) -> PerPattern:
    """Values with another number in the columns that are not stored."""
    return values if stored is None else jnp.where(stored, values, values.dtype.type(not_stored))


def _log_partition(logits: PerPattern, stored: Stored | None) -> Scalar:
    """log Σ exp of the stored entries, with the exponentials of the gains."""
    _, total, largest = _exponentials(masked(logits, stored))
    return largest + jnp.log(total)


def _exponentials(logits: PerPattern) -> tuple[PerPattern, Scalar, Scalar]:
    """Exponentials of logits less the largest, their sum, and the largest."""
    # As products and split maxima: compilers keep the order of a reduction, and would take one entry at a time.
    largest = jax.lax.stop_gradient(largest_entry(logits))
    weights = jnp.exp(logits - largest)
    return weights, jnp.matmul(weights, jnp.ones_like(weights), precision=jax.lax.Precision.HIGHEST), largest


def largest_entry(values: Float[Array, "*shape"]) -> Scalar:
    """The largest of the entries; NaN if one is."""
    values = values.ravel()
    parts = next(number for number in range(8, 0, -1) if values.size % number == 0)  # which are searched concurrently
    return jnp.max(functools.reduce(jnp.maximum, jnp.split(values, parts)))
