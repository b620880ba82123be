"""Classification: what a memory recalls at a state."""

from enum import IntEnum

import equinox as eqx
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Int, PyTree

from .._internal.checks import InputError
from .._internal.datasets import Labeled, labeled, listed
from .._internal.types import BoolScalar, IntScalar, Patterns, Scalar
from ..models.base import AbstractMemory
from ..models.packed import CompactPatterns
from .fixed_points import of_state, scaled_residual

SILENT_RATE = 1e-4  # a state is silent when no firing rate is larger: x = 0, up to what float32 leaves of it
AGREEMENT = 0.9  # least agreement of signs with a memory or a mixture, in [−1, 1]: at most one neuron in 20 may differ
ASYMMETRY = 1e-3  # most by which x → −x changes equations that count as odd, in units of the state; far above rounding
COPY_WEIGHT = 1e-5  # weights of patterns that are not copies of each other are far larger, at least about 1/N
SHARE = 0.5  # weight, relative to the leading pattern's, above which a pattern takes part


class EquilibriumKind(IntEnum):
    """What a state recalls."""

    SILENT = 0  #: Nothing, since x = 0.
    MEMORY = 1  #: One stored pattern, or its negative where the memory does not tell the two apart.
    MIXTURE = 2  #: Several stored patterns at once.
    SPURIOUS = 3  #: Neither close to a stored pattern nor to a mixture of a few.


class Identity(Labeled):
    """What a state recalls.

    Arguments:
        kind: an `EquilibriumKind` as an integer.
        pattern: the pattern that leads in a memory or a mixture, −1 for other states.
        signs: +1 for each pattern that takes part, −1 if its negative does, 0 for all others, shape (K,).
        overlap: cosine between the firing rates and the nearest pattern, or its negative where that counts.
    """

    kind: IntScalar = labeled(listed(EquilibriumKind))
    pattern: IntScalar = labeled("pattern that leads in a memory or a mixture, -1 for other states", name="leader")
    signs: Int[Array, " patterns"] = labeled("1 for patterns that take part, -1 for negatives, else 0", "pattern", name="sign")
    overlap: Scalar = labeled("cosine between firing rates and the nearest pattern")


@of_state
def identify(memory: AbstractMemory, state: PyTree) -> Identity:
    """Classify what a state recalls: one pattern, a mixture of several, nothing, or none of these.

    The overlap of a pattern is the cosine between it and the firing rates φ(x); where x → −x leaves the equations as they are,
    that of the pattern or its negative, whichever is nearer. The stored pattern with the largest overlap leads. Another takes
    part if its weight is more than `SHARE` of the leader's when the rates are a combination of the two by least squares; one
    that is merely correlated with the leader, or a copy of it, does not. Then, in this order, the state is

    - silent, if no firing rate exceeds `SILENT_RATE`;
    - a memory, if the leader alone takes part and the signs of x have the `AGREEMENT` with it: a Hamming error of at most N/20;
    - a mixture, if several take part, the signs of x have this agreement with the sum of these patterns where it is not zero,
      and the leader's overlap exceeds √(2 log(2K)/N), about the largest of K random patterns by chance;
    - spurious otherwise.

    Raises `InputError` for something that is not a memory or a state of it.
    """
    rates, patterns = memory.readout(state), pattern_array(memory.patterns)
    tiny = jnp.finfo(patterns.dtype).tiny
    directions = patterns / jnp.maximum(jnp.linalg.norm(patterns, axis=0, keepdims=True), tiny)
    overlaps = rates @ directions / jnp.maximum(jnp.linalg.norm(rates), tiny)
    stored = jnp.ones(overlaps.shape, bool) if memory.stored is None else memory.stored
    signs = jnp.where(is_odd(memory, state) & (overlaps < 0), -1, 1)
    nearness = signs * overlaps
    leader = jnp.argmax(jnp.where(stored, nearness, -2))

    # Least squares with the leader and one other, both weights times 1 − correlation²: zero for a copy of the leader.
    correlation = signs * signs[leader] * (directions[:, leader] @ directions)
    weight, leading_weight = nearness - correlation * nearness[leader], nearness[leader] - correlation * nearness
    takes_part = (stored & (weight > SHARE * leading_weight + COPY_WEIGHT)).at[leader].set(True)
    signs = jnp.where(takes_part, signs, 0)
    sum_signs = jnp.sign(patterns @ signs.astype(patterns.dtype))
    agreement = jnp.sign(state.x) @ sum_signs / jnp.maximum(jnp.sum(jnp.abs(sum_signs)), 1)
    by_chance = jnp.sqrt(2 * jnp.log(2 * memory.num_patterns) / memory.num_neurons)

    single = jnp.sum(takes_part) == 1
    silent = jnp.max(jnp.abs(rates)) <= SILENT_RATE
    recalled = ~silent & (agreement >= AGREEMENT) & (single | (nearness[leader] > by_chance))
    kind = jnp.where(single, EquilibriumKind.MEMORY, EquilibriumKind.MIXTURE)
    kind = jnp.where(recalled, kind, jnp.where(silent, EquilibriumKind.SILENT, EquilibriumKind.SPURIOUS))
    return Identity(kind, jnp.where(recalled, leader, -1), jnp.where(recalled, signs, 0), nearness[leader])


def is_odd(memory: AbstractMemory, state: PyTree) -> BoolScalar:
    """Whether x → −x turns dx/dt into its negative here, and leaves all other rates of change as they are."""

    def mirrored(tree: PyTree) -> PyTree:
        return eqx.tree_at(lambda s: s.x, tree, -tree.x)

    here, there = scaled_residual(state, memory), mirrored(scaled_residual(mirrored(state), memory))
    return jnp.max(jnp.abs(ravel_pytree(here)[0] - ravel_pytree(there)[0])) <= ASYMMETRY


def pattern_array(patterns: Patterns | CompactPatterns) -> Patterns:
    if isinstance(patterns, CompactPatterns):
        raise InputError("memory must hold its patterns as an array here, not compact")
    return patterns
