"""Sparse gains: α-entmax maps, whose gains may be exactly 0."""

from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp

from .._internal.checks import InputError, concrete, real, shown
from .._internal.parameters import Range
from .._internal.types import BoolScalar, IntScalar, PerPattern, Scalar, ScalarLike
from .gain_maps import AbstractGainMap, largest_entry

MOST_ITERATIONS = 60  # of Newton's method; 5 to 10 are usual, since it is applied to a function that is almost linear


class EntmaxGainMap(AbstractGainMap):
    """Sparse gains: those of patterns with low logits are exactly 0.

        p = [(α − 1) z − θ]₊^{1/(α−1)},  θ such that Σ p = 1,  Ω(p) = (Σ p^α − 1)/(α(α − 1))

    At α = 2 it is sparsemax; as α → 1 it becomes softmax.

    Arguments:
        alpha: α, how sparse the gains are, above 1 and at most 2.

    Raises `InputError` for another `alpha`; a traced one makes the memory invalid.

    Source: Peters, Niculae and Martins (2019), arXiv:1905.05702; Santos et al. (2024), arXiv:2402.13725.
    """

    alpha: Annotated[ScalarLike, Range(gt=1, le=2)] = 1.5

    has_kinks: ClassVar[bool] = True

    def __check_init__(self) -> None:
        if jnp.ndim(self.alpha) or concrete(self.is_valid()) is False:
            raise InputError(f"alpha must be a number above 1 and at most 2; got {shown(self.alpha)}")

    def __call__(self, logits: PerPattern) -> PerPattern:
        return entmax(logits, jnp.asarray(self.alpha, logits.dtype))

    def regularizer(self, gains: PerPattern) -> Scalar:
        alpha = jnp.asarray(self.alpha, gains.dtype)  # α − 1 does not cancel
        return jnp.sum(gains * jnp.expm1((alpha - 1) * jnp.log(jnp.where(gains > 0, gains, 1)))) / (alpha * (alpha - 1))

    def is_valid(self) -> BoolScalar:
        alpha = real("alpha", self.alpha)
        return (alpha > 1) & (alpha <= 2)


class SparsemaxGainMap(AbstractGainMap):
    """The sparsest of the entmax gains: the Euclidean projection of the logits onto the simplex.

        p = [z − θ]₊,  θ such that Σ p = 1,  Ω(p) = ½(Σ p² − 1)

    Source: Martins and Astudillo (2016), arXiv:1602.02068.
    """

    has_kinks: ClassVar[bool] = True

    def __call__(self, logits: PerPattern) -> PerPattern:
        return entmax(logits, 2.0)

    def regularizer(self, gains: PerPattern) -> Scalar:
        return (jnp.sum(gains**2) - 1) / 2


def entmax(logits: PerPattern, alpha: ScalarLike) -> PerPattern:
    """The gains of `EntmaxGainMap`.

    With y = (α − 1)(z − max z) they are (1 + y − s)₊^{1/(α−1)}. The shift s ≥ 0 is the root of ‖(1 + y − s)₊‖ − 1, in the norm
    of order 1/(α − 1): a convex function of s, so that Newton's method approaches it from below. Two of its steps are
    differentiated: from the root they give derivatives up to the third order.
    """
    order: Any = alpha - 1
    y = order * (logits - jax.lax.stop_gradient(largest_entry(logits)))
    fixed = jax.lax.stop_gradient((y, order))

    def step(carry: tuple[Scalar, Scalar, IntScalar]) -> tuple[Scalar, Scalar, IntScalar]:
        _, shift, number = carry
        return shift, _newton(shift, *fixed), number + 1

    def is_moving(carry: tuple[Scalar, Scalar, IntScalar]) -> BoolScalar:
        before, shift, number = carry
        return (shift - before > 4 * jnp.finfo(shift.dtype).eps * shift) & (number < MOST_ITERATIONS)

    zero = jnp.zeros((), y.dtype)
    _, shift, _ = jax.lax.while_loop(is_moving, step, step((zero, zero, jnp.zeros((), jnp.int32))))
    bases, powers = _bases_and_powers(_newton(_newton(shift, y, order), y, order), y, order)
    weights = bases * powers
    return weights / jnp.sum(weights)


def _newton(shift: Scalar, y: PerPattern, order: Any) -> Scalar:
    bases, powers = _bases_and_powers(shift, y, order)
    total = jnp.sum(bases * powers)
    return shift - jnp.expm1(-order * jnp.log(total)) * total / jnp.sum(powers)


def _bases_and_powers(shift: Scalar, y: PerPattern, order: Any) -> tuple[PerPattern, PerPattern]:
    """(1 + y − s)₊, and its power 1/(α−1) − 1; both 0 where it is."""
    active = y - shift > -1
    lower = jnp.where(active, y - shift, 0)
    is_linear = isinstance(order, float) and order == 1
    powers = jnp.ones_like(lower) if is_linear else jnp.exp((1 / order - 1) * jnp.log1p(lower))
    return jnp.where(active, 1 + lower, 0), jnp.where(active, powers, 0)
