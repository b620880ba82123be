"""Scores: how much a pattern's overlap with the neurons feeds the gain of that pattern."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from .._internal.checks import InputError, at_least
from .._internal.parameters import MOST_ORDER, Range
from .._internal.registry import members
from .._internal.types import Patterns, PerPattern, Scalar
from .packed import CompactPatterns


class AbstractScore(eqx.Module):
    """A score g(m) and its coupling constant c."""

    needs_bounded_rates: ClassVar[bool] = False
    """Whether the drive it leads to grows with the firing rates, so that these must be bounded."""

    @abstractmethod
    def __call__(self, overlaps: PerPattern, num_neurons: int) -> PerPattern:
        """Scores g(m) of the unnormalized overlaps m in [−N, N]."""

    @abstractmethod
    def coupling(self, num_patterns: Scalar) -> Scalar:
        """Coupling constant c for a memory load of `num_patterns`."""

    def bias(self, patterns: Patterns | CompactPatterns) -> PerPattern | None:
        """A part of the scores that depends on the patterns alone, shape (K,), if there is one."""
        return None

    def with_derivative(self, overlaps: PerPattern, num_neurons: int) -> tuple[PerPattern, PerPattern]:
        """Scores g(m) and their derivatives g′(m)."""
        return jax.jvp(lambda m: self(m, num_neurons), (overlaps,), (jnp.ones_like(overlaps),))


class SquaredScore(AbstractScore):
    """The paper's score, blind to the sign of a pattern.

        g(m) = m²/(2N),  c = K

    Source: Vivet and Arenas (2026), arXiv:2604.25481, Eqs. 4-8.
    """

    needs_bounded_rates: ClassVar[bool] = True

    def __call__(self, overlaps: PerPattern, num_neurons: int) -> PerPattern:
        return overlaps**2 / (2 * num_neurons)

    def coupling(self, num_patterns: Scalar) -> Scalar:
        return num_patterns


class LinearScore(AbstractScore):
    """The score that tells a pattern from its negative.

        g(m) = m,  c = 1

    The drive is Ξp: with instantaneous gains the readout of softmax attention.
    """

    def __call__(self, overlaps: PerPattern, num_neurons: int) -> PerPattern:
        return overlaps

    def coupling(self, num_patterns: Scalar) -> Scalar:
        return jnp.ones_like(num_patterns)


class DistanceScore(LinearScore):
    """The score that compares patterns by their distance from the rates, for patterns of different lengths.

        g = m − ½‖ξ‖²,  c = 1

    This is −½‖φ − ξ‖² up to a term common to all patterns. With the linear score alone the longest pattern would win.
    """

    def bias(self, patterns: Patterns | CompactPatterns) -> PerPattern:
        if isinstance(patterns, CompactPatterns):
            raise InputError("patterns must be an array for the score distance; got compact ones")
        return -jnp.sum(patterns**2, axis=0) / 2


class PowerScore(AbstractScore):
    """A power of the overlap, of an even order a ≥ 2.

        g(m) = mᵃ/(a Nᵃ⁻¹),  c = K

    Order 2 is the squared score; higher ones route more sharply.
    """

    needs_bounded_rates: ClassVar[bool] = True
    order: Annotated[int, Range(ge=2, le=MOST_ORDER, multiple_of=2)] = eqx.field(static=True, default=4)

    def __check_init__(self) -> None:
        at_least("order of a power score", self.order, 2, MOST_ORDER)
        if self.order % 2:
            raise InputError(f"order of a power score must be even; got {self.order}")

    def __call__(self, overlaps: PerPattern, num_neurons: int) -> PerPattern:
        return num_neurons * (overlaps / num_neurons) ** self.order / self.order

    def coupling(self, num_patterns: Scalar) -> Scalar:
        return num_patterns


COUPLINGS: dict[str, Callable[[Scalar, int], Scalar]] = {
    "K": lambda num_patterns, num_neurons: num_patterns,
    "N": lambda num_patterns, num_neurons: jnp.full_like(num_patterns, num_neurons),
    "1": lambda num_patterns, num_neurons: jnp.ones_like(num_patterns),
}
"""Coupling constants c by name, functions of the memory load and the number of neurons; a memory may take one in place of the
score's own."""


def scores() -> dict[str, type[AbstractScore]]:
    """The scores of the package by name: `squared`, `linear`, `power`, and any other `…Score` in a file of this folder."""
    return members("score")
