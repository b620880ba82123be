"""Gap junctions: astrocytes of different patterns that are coupled, so that a gain feeds those it is connected with."""

from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._internal.checks import InputError, concrete, finite, real, shown
from .._internal.types import BoolScalar, PerPattern, PerPatternLike, ScalarLike, Stored


class AbstractGapJunctions(eqx.Module):
    """Symmetric couplings κA of the astrocytes, which add κ A p to the scores in the equation of the gains.

        τp dz/dt = g(m) + b + κ A p − T z

    The energy has the term −(cκ/2) pᵀA p. Junctions of your own define `__call__` and the field `gap_strength`, which is κ;
    negative ones inhibit.

    Source: Gordleeva et al. (2021), doi:10.3389/fncel.2021.631485.
    """

    @abstractmethod
    def __call__(self, gains: PerPattern, stored: Stored | None, classes: PerPattern | None) -> PerPattern | None:
        """A p for gains p, which are 0 where columns are not stored; what is returned for those is set to 0.

        `classes` are the memory's `pattern_classes`. All have shape (K,).
        """

    def is_valid(self) -> bool | BoolScalar:
        """Whether their numbers are in range: the only check of traced ones."""
        strength = getattr(self, "gap_strength", None)
        return strength is None or jnp.isfinite(jnp.asarray(strength))

    def __check_init__(self) -> None:
        if (given := getattr(self, "gap_strength", None)) is not None:
            strength = real("gap_strength", given)
            if strength.ndim or concrete(jnp.isfinite(strength)) is False:
                raise InputError(f"gap_strength must be a single finite number; got {shown(given)}")

    def check(self, memory: Any) -> None:
        """Raise `InputError` if they do not fit a memory."""


class NoGapJunctions(AbstractGapJunctions):
    """Astrocytes that are not coupled, as in the paper."""

    kind: ClassVar[str] = "none"

    def __call__(self, gains: PerPattern, stored: Stored | None, classes: PerPattern | None) -> None:
        return None


class RingGapJunctions(AbstractGapJunctions):
    """Each pattern's astrocyte is coupled with those of the patterns before and after it, the last with the first.

    Of two patterns each is both neighbors of the other; a single one is its own.
    """

    gap_strength: ScalarLike = 1.0

    def __call__(self, gains: PerPattern, stored: Stored | None, classes: PerPattern | None) -> PerPattern:
        if stored is None:
            return jnp.roll(gains, 1) + jnp.roll(gains, -1)
        place, number = jnp.cumsum(stored) - 1, jnp.sum(stored)
        in_order = jnp.zeros_like(gains).at[place].add(gains)
        return in_order[(place + 1) % number] + in_order[(place - 1) % number]


class ClassesGapJunctions(AbstractGapJunctions):
    """The astrocytes of all patterns of a class are coupled with each other."""

    gap_strength: ScalarLike = 1.0

    def __call__(self, gains: PerPattern, stored: Stored | None, classes: PerPattern | None) -> PerPattern:
        same = (classes[:, None] == classes[None]).astype(gains.dtype)  # type: ignore[index]
        return same @ gains - gains

    def check(self, memory: Any) -> None:
        if memory.pattern_classes is None:
            raise InputError("pattern_classes must be given for the gap junctions classes: one number per pattern; got None")


class MatrixGapJunctions(AbstractGapJunctions):
    """Astrocytes coupled by any symmetric matrix.

    Arguments:
        gap_matrix: matrix A of the gap junctions, symmetric, shape (K, K).
        gap_strength: κ, strength of the gap junctions; negative ones inhibit.

    Raises `InputError` for a matrix that is not symmetric or not finite.
    """

    gap_matrix: Float[Array, "patterns patterns"]
    gap_strength: ScalarLike

    def __init__(self, gap_matrix: PerPatternLike, gap_strength: ScalarLike = 1.0) -> None:
        self.gap_matrix, self.gap_strength = real("gap_matrix", gap_matrix), gap_strength
        if self.gap_matrix.ndim != 2 or self.gap_matrix.shape[0] != self.gap_matrix.shape[1]:
            raise InputError(f"gap_matrix must have shape (num_patterns, num_patterns); got {self.gap_matrix.shape}")
        finite("gap_matrix", self.gap_matrix)
        if concrete(jnp.all(self.gap_matrix == self.gap_matrix.T)) is False:
            raise InputError("gap_matrix must be symmetric, or no energy would fall; it differs from its transpose")

    def __call__(self, gains: PerPattern, stored: Stored | None, classes: PerPattern | None) -> PerPattern:
        return self.gap_matrix.astype(gains.dtype) @ gains

    def check(self, memory: Any) -> None:
        shape = (memory.patterns.shape[1],) * 2
        if self.gap_matrix.shape[-2:] != shape:
            raise InputError(f"gap_matrix must have shape {shape}, one row per pattern; got {self.gap_matrix.shape}")
