"""Equilibria: where a memory rests, whether it stays there, what it recalls there, and from how far away it gets there."""

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, PyTree

from . import _shown
from ._checks import InputError, at_least, concrete, finite, not_traced, positive, random_key, real, shown
from ._types import BoolScalar, IntScalar, Neurons, Patterns, PerPattern, RandomKey, Scalar, ScalarLike
from .compact import CompactPatterns
from .corruption import flip
from .labelled import batch_dims, dataset, listed
from .models.base import AbstractMemory, check_memory
from .observables import hamming_error
from .retrieval import Status, retrieve

if TYPE_CHECKING:
    import xarray as xr

SETTLING = 30.0
"""Default horizon, in relaxation times of the slowest variable: exp(−30) = 1e-13 of a start is left."""

SETTLING_MAX_STEPS = 16**4
"""Largest number of steps up to such a horizon, which can be thousands of times that of an ordinary retrieval."""

SAME_RATES = 1e-3
"""Equilibria are one when no firing rate differs by more: far more than Newton's method leaves, far less than a flip."""

MOVED_RATES = 0.1
"""A trajectory had not settled when Newton's method moves a firing rate by more: it may then have changed basins."""

SILENT_RATE = 1e-4
"""A state is silent when no firing rate is larger: x = 0, up to what float32 leaves of it."""

AGREEMENT = 0.9
"""Least agreement of signs with a memory or a mixture, in [−1, 1]: at most one neuron in 20 may differ."""

ODD = 1e-3
"""Equations count as odd in x where x → −x changes them by less, in units of the state: rounding in float32 is far below."""

COPY = 1e-5
"""Weights of two patterns that are not each other's copies are larger by far: at least about 1/N."""

SHARE = 0.5
"""Weight, relative to the leading pattern's, from which a pattern takes part: nearer to an equal share than to none."""


class Equilibrium(eqx.Module):
    """A state at which a memory rests.

    Arguments:
        state: the state; its parts depend on the memory, `x` is always there.
        gains: gains p, shape (K,), or `None` for a memory without gains.
        residual: largest distance of a variable from where it is driven to, relative to 1 + the largest |variable| of its kind.
        num_steps: steps of Newton's method.
        converged: whether the residual is within rounding. If not, the state means nothing.
    """

    state: Any
    gains: PerPattern | None
    residual: Scalar
    num_steps: IntScalar
    converged: BoolScalar

    def __repr__(self) -> str:
        known = _shown.known(self.converged)
        parts = _shown.batch(_shown.shape(self.converged))
        if known and np.ndim(self.converged) == 0:
            parts.append("converged" if self.converged else "not converged")
        else:
            parts.append(f"{int(np.sum(self.converged))} converged" if known else f"converged {_shown.number(self.converged)}")
        parts += [f"{_shown.length(getattr(self.state, 'x', None))} neurons"]
        parts.append(f"residual {_shown.number(self.residual)}")
        return f"Equilibrium({', '.join([*parts, _shown.amount(self.num_steps, 'steps')])})"

    def to_xarray(self, *, dims: Sequence[str] | None = None) -> "xr.Dataset":
        """The state, its gains and how it was found as an `xarray.Dataset` with dimensions `neuron` and `pattern`.

        Arguments:
            dims: names of the leading dimensions of a batch; `state` for one, `state_0`, `state_1`, … for more when left out.

        Raises:
            InputError (a ValueError): for names that do not fit, inside `jax.jit`, or without xarray.
        """
        return _labelled("equilibrium.to_xarray", self, dims, np.ndim(self.converged))

    @property
    def x(self) -> Float[Array, "*batch neurons"]:
        """Neuronal state x, shape (N,); with a leading axis for several equilibria."""
        return self.state.x


class Stability(IntEnum):
    """What small deviations from an equilibrium do."""

    STABLE = 0
    """All of them decay."""
    SADDLE = 1
    """Some grow."""
    REPELLER = 2
    """All of them grow."""
    MARGINAL = 3
    """The leading eigenvalue is zero within rounding, so that the linearised equations do not tell."""
    UNKNOWN = 4
    """The Jacobian is not finite, or has complex eigenvalues, since the memory does not rest here."""


class Spectrum(eqx.Module):
    """Linear stability of an equilibrium with D variables.

    Arguments:
        eigenvalues: eigenvalues of the Jacobian, per unit of time, shape (D,), the largest first.
        index: how many of them are positive beyond rounding: the number of unstable directions.
        stability: a `Stability` as an integer.
    """

    eigenvalues: Float[Array, " variables"]
    index: IntScalar
    stability: IntScalar

    def __repr__(self) -> str:
        parts = [*_shown.batch(_shown.shape(self.stability)), _shown.counts("stability", self.stability, Stability)]
        parts.append(f"index {_shown.number(self.index)}")
        leading = self.eigenvalues[..., 0] if _shown.shape(self.eigenvalues) else self.eigenvalues
        number = _shown.length(self.eigenvalues)
        return f"Spectrum({', '.join(parts)}, {number} eigenvalues, the largest {_shown.number(leading)})"

    def to_xarray(self, *, dims: Sequence[str] | None = None) -> "xr.Dataset":
        """Eigenvalues and verdict as an `xarray.Dataset`, eigenvalues along the dimension `eigenvalue`.

        Arguments:
            dims: names of the leading dimensions of a batch; `state` for one, `state_0`, `state_1`, … for more when left out.

        Raises:
            InputError (a ValueError): for names that do not fit, inside `jax.jit`, or without xarray.
        """
        return _labelled("spectrum.to_xarray", self, dims, np.ndim(self.stability))


class EquilibriumKind(IntEnum):
    """What a state recalls."""

    SILENT = 0
    """Nothing, since x = 0."""
    MEMORY = 1
    """One stored pattern, or its negative where the memory does not tell the two apart."""
    MIXTURE = 2
    """Several stored patterns at once."""
    SPURIOUS = 3
    """Something that is not near to any stored pattern, nor to a mixture of a few."""


class Identity(eqx.Module):
    """What a state recalls.

    Arguments:
        kind: an `EquilibriumKind` as an integer.
        pattern: the pattern that leads in a memory or a mixture, −1 for other states.
        signs: +1 for each pattern that takes part, −1 if its negative does, 0 for all others, shape (K,).
        overlap: cosine between the firing rates and the nearest pattern, or its negative where that counts.
    """

    kind: IntScalar
    pattern: IntScalar
    signs: Int[Array, " patterns"]
    overlap: Scalar

    def __repr__(self) -> str:
        parts = [*_shown.batch(_shown.shape(self.kind)), _shown.counts("kind", self.kind, EquilibriumKind)]
        if _shown.known(self.pattern) and np.ndim(self.pattern) == 0 and self.pattern >= 0:
            parts.append(f"pattern {int(self.pattern)}")
        return f"Identity({', '.join(parts)}, overlap {_shown.number(self.overlap)})"

    def to_xarray(self, *, dims: Sequence[str] | None = None) -> "xr.Dataset":
        """What is recalled as an `xarray.Dataset`, with signs along the dimension `pattern`.

        Arguments:
            dims: names of the leading dimensions of a batch; `state` for one, `state_0`, `state_1`, … for more when left out.

        Raises:
            InputError (a ValueError): for names that do not fit, inside `jax.jit`, or without xarray.
        """
        return _labelled("identity.to_xarray", self, dims, np.ndim(self.kind))


def _labelled(function: str, part: Any, dims: Sequence[str] | None, number: int) -> "xr.Dataset":
    """One of the results above, or a batch of them with so many leading dimensions, as a dataset."""
    not_traced(function, part)
    return dataset(_variables(part, batch_dims(dims, number, "state")), {}, {})


def _variables(part: Equilibrium | Spectrum | Identity, each: tuple[str, ...]) -> dict[str, tuple[Any, ...]]:
    """Variables as xarray takes them, behind the dimensions of a batch."""
    match part:
        case Equilibrium():
            found: list[tuple[str, tuple[str, ...], Any, str]] = [
                ("x", ("neuron",), part.x, "neuronal state"),
                ("gains", ("pattern",), part.gains, "astrocytic gain of each pattern"),
                ("residual", (), part.residual, "largest relative distance of a variable from where it is driven to"),
                ("num_steps", (), part.num_steps, "steps of Newton's method"),
                ("converged", (), part.converged, "whether the residual is within rounding"),
            ]
        case Spectrum():
            found = [
                ("eigenvalues", ("eigenvalue",), part.eigenvalues, "eigenvalues of the Jacobian, per unit of time"),
                ("index", (), part.index, "number of unstable directions"),
                ("stability", (), part.stability, listed(Stability)),
            ]
        case Identity():
            found = [
                ("kind", (), part.kind, listed(EquilibriumKind)),
                ("leader", (), part.pattern, "pattern that leads in a memory or a mixture, -1 for other states"),
                ("sign", ("pattern",), part.signs, "1 for patterns that take part, -1 for negatives, else 0"),
                ("overlap", (), part.overlap, "cosine between firing rates and the nearest pattern"),
            ]
    return {name: _variable((*each, *dims), array, text) for name, dims, array, text in found if array is not None}


def _variable(dims: tuple[str, ...], array: Any, text: str) -> tuple[Any, ...]:
    return dims, np.asarray(array), {"definition": text}


class Attractors(eqx.Module):
    """The A distinct states that S trajectories came to rest at, the one most often reached first.

    Arguments:
        equilibria, spectra, identities: of each attractor, with a leading axis of length A. A trajectory may also end at a
            saddle, if symmetry keeps it there; its spectrum says so.
        counts: how many trajectories reached each, shape (A,).
        labels: the attractor that each start led to, −1 for those that did not settle, shape (S,).
        num_unsettled: how many starts did not settle: a failed retrieval, a horizon that is too short, or no equilibrium found.
    """

    equilibria: Equilibrium
    spectra: Spectrum
    identities: Identity
    counts: Int[Array, " attractors"]
    labels: Int[Array, " starts"]
    num_unsettled: IntScalar

    def __repr__(self) -> str:
        found = f"{_shown.length(self.counts)} from {_shown.length(self.labels)} starts"
        kinds = _shown.counts("kinds", self.identities.kind, EquilibriumKind) or "none"
        return f"Attractors({found}: {kinds}; {_shown.number(self.num_unsettled)} starts unsettled)"

    def to_xarray(self) -> "xr.Dataset":
        """The attractors as an `xarray.Dataset` with dimensions `attractor`, `neuron`, `pattern`, `eigenvalue` and
        `start`.

        Raises:
            InputError (a ValueError): inside `jax.jit`, or without xarray.
        """
        not_traced("attractors.to_xarray", self)
        parts = (self.equilibria, self.spectra, self.identities)
        variables = {name: value for part in parts for name, value in _variables(part, ("attractor",)).items()}
        variables["count"] = _variable(("attractor",), self.counts, "trajectories that reached it")
        variables["label"] = _variable(
            ("start",), self.labels, "attractor that the start led to, -1 for those that did not settle"
        )
        return dataset(variables, {}, {"num_unsettled": int(self.num_unsettled)})


class Basin(eqx.Module):
    """How often a memory is recalled from queries at given distances.

    Arguments:
        num_flips: distances of the queries, in flipped entries, shape (L,).
        num_returned: how many queries led to the pattern without error, shape (L,).
        num_valid: how many trajectories ended well (`Status.OK`), shape (L,): of these the others are counted.
    """

    num_flips: Int[Array, " levels"]
    num_returned: Int[Array, " levels"]
    num_valid: Int[Array, " levels"]

    def __repr__(self) -> str:
        arrays = self.num_flips, self.num_returned, self.num_valid
        if not _shown.known(*arrays) or np.ndim(self.num_flips) != 1:
            return f"Basin({', '.join(map(_shown.number, arrays))})"
        levels = [f"{r} of {v} at {n} flips" for n, r, v in zip(*(np.asarray(a).tolist() for a in arrays), strict=True)]
        return f"Basin(returned: {', '.join(levels)})"

    def to_xarray(self) -> "xr.Dataset":
        """The counts and their share as an `xarray.Dataset` along the coordinate `num_flips`.

        Raises:
            InputError (a ValueError): inside `jax.jit`, or without xarray.
        """
        not_traced("basin.to_xarray", self)
        values = {"num_returned": self.num_returned, "num_valid": self.num_valid, "share": self.share}
        variables = {name: (("num_flips",), np.asarray(array)) for name, array in values.items()}
        return dataset(variables, {"num_flips": np.asarray(self.num_flips)}, {})

    @property
    def share(self) -> Float[Array, " levels"]:
        """Share of the valid queries that returned, shape (L,); NaN where none is valid."""
        return self.num_returned / self.num_valid


def equilibrium(memory: AbstractMemory, state: PyTree, *, max_steps: int = 64) -> Equilibrium:
    """The equilibrium that Newton's method finds from a state of a memory, all variables together.

    From near an equilibrium, stable or not, that one is found, such as the one a retrieval was tending to; from afar it may be
    any, or none: look at `converged`. Derivatives with respect to the memory, in forward and reverse mode, are those of the
    equilibrium by the implicit function theorem; those with respect to `state` are zero. Batch it with `jax.vmap`.

    Arguments:
        memory: the memory; see `AstrocyteMemory` and its siblings.
        state: a state of it, such as the `state` of a `Recall`.
        max_steps: largest number of steps.

    Raises:
        InputError (a ValueError): for something that is not a memory or a state of it, and for `max_steps` below 1.
    """
    at_least("max_steps", max_steps, 1)
    return _equilibrium(*_checked(memory, state), max_steps)


@eqx.filter_jit
def _equilibrium(memory: AbstractMemory, state: PyTree, max_steps: int) -> Equilibrium:
    tolerance = float(jnp.finfo(memory.patterns.dtype).eps) ** (2 / 3)
    newton: Any = optx.Newton(rtol=tolerance, atol=tolerance)
    solution: Any = optx.root_find(_imbalance, newton, state, args=memory, max_steps=max_steps, throw=False)
    parts = jax.tree.leaves(_imbalance(solution.value, memory))
    residual = jax.lax.stop_gradient(jnp.max(jnp.stack([jnp.max(jnp.abs(part)) for part in parts])))
    return Equilibrium(
        state=solution.value,
        gains=memory.gains(solution.value),
        residual=residual,
        num_steps=jnp.asarray(solution.stats["num_steps"]),
        converged=(residual <= tolerance) & memory.is_valid(),
    )


def _imbalance(state: PyTree, memory: AbstractMemory) -> PyTree:
    """The vector field in units of the state: drive − variable, relative to 1 + the largest |variable| of its kind.

    So one tolerance suits neurons, which reach |x| ≈ K, gain logits, which reach N/(2T), and all time constants.
    """

    def part(derivative: jax.Array, rate: Scalar, values: jax.Array) -> jax.Array:
        return derivative / (rate * jax.lax.stop_gradient(1 + jnp.max(jnp.abs(values))))

    return jax.tree.map(part, memory.vector_field(state), memory.relaxation_rates(), state)


def jacobian(memory: AbstractMemory, state: PyTree) -> Float[Array, "variables variables"]:
    """Jacobian of a memory's vector field at a state, per unit of time, shape (D, D).

    The D variables are those of the state in its own order, as `jax.flatten_util.ravel_pytree` lays them out: neurons first.

    Raises:
        InputError (a ValueError): for something that is not a memory or a state of it.
    """
    return _jacobian(*_checked(memory, state))


@eqx.filter_jit
def _jacobian(memory: AbstractMemory, state: PyTree) -> Float[Array, "variables variables"]:
    flat, unravel = ravel_pytree(state)
    return jax.jacfwd(lambda y: ravel_pytree(memory.vector_field(unravel(y)))[0])(flat)


def spectrum(memory: AbstractMemory, state: PyTree) -> Spectrum:
    """Eigenvalues of the Jacobian at an equilibrium, and the verdict that follows.

    They are real: every memory descends its energy E as M dy/dt = −∂E/∂y, with a symmetric M ≥ 0 that has a block for each part
    of the state (the astrocyte's are τx φ′(x) and cτp (diag p − ppᵀ)). So at rest M times the Jacobian is minus the symmetric
    Hessian of E. Where M is regular the Jacobian is similar to a symmetric matrix; what M does not see only relaxes. Thus the
    index is the number of directions in which the energy falls, whatever the time constants. A constant added to all logits
    leaves the gains as they are, but decays at the rate T/τp: it is no zero mode.

    An eigenvalue counts as zero within 10 D ε of the largest |eigenvalue|, with ε the rounding unit: about the error it has. In
    single precision that may hide slow directions behind fast ones, such as at τx = 1e-3: what is `MARGINAL` there, double
    precision tells. Rounding may split a degenerate eigenvalue into a complex pair, √ε apart. Imaginary parts beyond that mean
    that the memory does not rest here, and make the stability `UNKNOWN`.

    Arguments: a memory and a state at which it rests, such as `equilibrium` finds.

    Raises:
        InputError (a ValueError): for something that is not a memory or a state of it.
    """
    return _spectrum(*_checked(memory, state))


@eqx.filter_jit
def _spectrum(memory: AbstractMemory, state: PyTree) -> Spectrum:
    found = jnp.linalg.eigvals(_jacobian(memory, state))
    eigenvalues, largest = jnp.sort(found.real, descending=True), jnp.max(jnp.abs(found))
    num_variables, unit = eigenvalues.size, float(jnp.finfo(eigenvalues.dtype).eps)
    margin = 10 * num_variables * unit * largest
    index = jnp.sum(eigenvalues > margin)
    stability = jnp.where(index == num_variables, Stability.REPELLER, Stability.SADDLE)
    stability = jnp.where(index == 0, Stability.STABLE, stability)
    stability = jnp.where(jnp.abs(eigenvalues[0]) <= margin, Stability.MARGINAL, stability)
    real = jnp.max(jnp.abs(found.imag)) <= 10 * unit**0.5 * largest  # false for what is not finite
    return Spectrum(eigenvalues, index, jnp.where(real, stability, Stability.UNKNOWN))


def identify(memory: AbstractMemory, state: PyTree) -> Identity:
    """What a state recalls: one pattern, a mixture of several, nothing, or none of these.

    The overlap of a pattern is the cosine between it and the firing rates φ(x); where x → −x leaves the equations as they are,
    that of the pattern or its negative, whichever is nearer. The pattern with the largest overlap leads. Another takes part if
    its weight is more than `SHARE` of the leader's when the rates are written as a combination of the two by least squares; a
    pattern that is merely correlated with the leader, or a copy of it, does not. Then, in this order, the state is

    - silent, if no firing rate exceeds `SILENT_RATE`;
    - a memory, if the leader alone takes part and the signs of x have the `AGREEMENT` with it: a Hamming error of at most N/20,
      more than retrieval leaves in a Hopfield network below its capacity;
    - a mixture, if several take part, the signs of x have this agreement with the sum of these patterns where it is not zero,
      and the leader's overlap exceeds √(2 log(2K)/N), about the largest that K random patterns have with any state by chance;
      without this, every state of a crowded memory would be the mixture of many patterns;
    - spurious otherwise.

    The columns that are not `stored` never take part.

    Raises:
        InputError (a ValueError): for something that is not a memory or a state of it.
    """
    return _identify(*_checked(memory, state))


@eqx.filter_jit
def _identify(memory: AbstractMemory, state: PyTree) -> Identity:
    rates, patterns = memory.readout(state), _array(memory.patterns)
    tiny = jnp.finfo(patterns.dtype).tiny
    directions = patterns / jnp.maximum(jnp.linalg.norm(patterns, axis=0, keepdims=True), tiny)
    overlaps = rates @ directions / jnp.maximum(jnp.linalg.norm(rates), tiny)
    stored = jnp.ones(overlaps.shape, bool) if memory.stored is None else memory.stored
    signs = jnp.where(_is_odd(memory, state) & (overlaps < 0), -1, 1)
    nearness = signs * overlaps
    leader = jnp.argmax(jnp.where(stored, nearness, -2))

    # Least squares with the leader and one other, both weights times 1 − correlation²: zero for a copy of the leader.
    correlation = signs * signs[leader] * (directions[:, leader] @ directions)
    weight, leading_weight = nearness - correlation * nearness[leader], nearness[leader] - correlation * nearness
    takes_part = (stored & (weight > SHARE * leading_weight + COPY)).at[leader].set(True)
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


def _is_odd(memory: AbstractMemory, state: PyTree) -> BoolScalar:
    """Whether x → −x turns dx/dt into its negative here, and leaves all other rates of change as they are."""

    def mirrored(tree: PyTree) -> PyTree:
        return eqx.tree_at(lambda s: s.x, tree, -tree.x)

    here, there = _imbalance(state, memory), mirrored(_imbalance(mirrored(state), memory))
    return jnp.max(jnp.abs(ravel_pytree(here)[0] - ravel_pytree(there)[0])) <= ODD


def attractors(memory: AbstractMemory, starts: jax.typing.ArrayLike, *, t1: ScalarLike | None = None) -> Attractors:
    """The distinct attractors that a memory reaches from many starts, and how often.

    Every trajectory is followed to the horizon and its end refined by `equilibrium`; ends whose firing rates differ by at most
    `SAME_RATES` are one. How many there are depends on the values, so this cannot be transformed by `jax.jit` or `jax.vmap`.

    Arguments:
        memory: the memory; see `AstrocyteMemory` and its siblings.
        starts: neuronal states x(0), one per row, shape (S, N).
        t1: horizon, positive; `SETTLING` relaxation times of the slowest variable when left out.

    Raises:
        InputError (a ValueError): for something that is not a memory, starts that do not fit, and a horizon out of range.
    """
    horizon = _horizon(memory, t1)
    queries = real("starts", starts).astype(memory.patterns.dtype)
    if queries.ndim != 2 or queries.shape[0] == 0 or queries.shape[1] != memory.num_neurons:
        raise InputError(f"starts must have shape (num_starts, {memory.num_neurons}), one state per row; got {queries.shape}")
    finite("starts", queries)
    ends, rates, settled = _settle(memory, queries, horizon)
    groups = _same(np.asarray(rates), np.asarray(settled))
    labels = np.full(queries.shape[0], -1)
    for label, group in enumerate(groups):
        labels[group] = label
    first = np.array([group[0] for group in groups], int)
    equilibria = jax.tree.map(lambda leaf: leaf[first], ends)
    return Attractors(
        equilibria=equilibria,
        spectra=jax.vmap(lambda state: spectrum(memory, state))(equilibria.state),
        identities=jax.vmap(lambda state: identify(memory, state))(equilibria.state),
        counts=jnp.array([group.size for group in groups], int),
        labels=jnp.asarray(labels),
        num_unsettled=jnp.sum(labels < 0),
    )


@eqx.filter_jit
def _settle(
    memory: AbstractMemory, starts: Float[Array, "starts neurons"], t1: Scalar
) -> tuple[Equilibrium, Float[Array, "starts neurons"], Bool[Array, " starts"]]:
    """The equilibrium that each start leads to, the firing rates there, and whether the trajectory has come that far."""

    def one(start: Neurons) -> tuple[Equilibrium, Neurons, BoolScalar]:
        recall = retrieve(memory, start, t1=t1, max_steps=SETTLING_MAX_STEPS, adjoint=diffrax.ForwardMode())
        end = equilibrium(memory, recall.state)
        rates = memory.readout(end.state)
        near = jnp.max(jnp.abs(rates - memory.readout(recall.state))) <= MOVED_RATES
        return end, rates, (recall.status == Status.OK) & end.converged & near

    return jax.vmap(one)(starts)


def _same(rates: np.ndarray, settled: np.ndarray) -> list[np.ndarray]:
    """Rows of `settled` starts in groups of the same firing rates, the largest first."""
    groups, left = [], settled.copy()
    while left.any():
        group = left & (np.abs(rates - rates[np.argmax(left)]).max(axis=1) <= SAME_RATES)
        groups.append(np.flatnonzero(group))
        left &= ~group
    return sorted(groups, key=len, reverse=True)


def basin(
    memory: AbstractMemory,
    key: RandomKey,
    *,
    pattern: int = 0,
    num_flips: jax.typing.ArrayLike | Sequence[ScalarLike],
    num_queries: int,
    t1: ScalarLike | None = None,
) -> Basin:
    """How often a memory is recalled without error from random queries at each of several distances.

    Query q has its own order of the neurons, derived from `key` and q: at n flips the first n of them change sign. So distances
    meet the same queries, and neither more queries nor other distances change a result.

    Arguments:
        memory: the memory, with patterns of ±1; see `AstrocyteMemory` and its siblings.
        key: a random key.
        pattern: the stored pattern whose basin is meant, by its column.
        num_flips: distances, integers between 0 and N, shape (L,).
        num_queries: queries at each distance.
        t1: horizon, positive; `SETTLING` relaxation times of the slowest variable when left out.

    Raises:
        InputError (a ValueError): for something that is not a memory, for a pattern that is not stored or not of ±1, and for
            settings out of range.
    """
    horizon = _horizon(memory, t1)
    random_key(key)
    at_least("num_queries", num_queries, 1)
    at_least("pattern", pattern, 0)
    num_neurons, capacity = memory.patterns.shape
    if pattern >= capacity or (memory.stored is not None and concrete(memory.stored[pattern]) is False):
        raise InputError(f"pattern must be a stored column of the {capacity}; got {pattern}")
    target = _array(memory.patterns)[:, pattern]
    if concrete(jnp.all(jnp.abs(target) == 1)) is False:
        raise InputError(f"pattern must have entries of ±1, for its signs are compared; column {pattern} has others")
    levels = real("num_flips", num_flips)
    in_range = (levels >= 0) & (levels <= num_neurons) & (levels == jnp.round(levels))
    if levels.ndim != 1 or levels.size == 0 or concrete(jnp.all(in_range)) is False:
        raise InputError(f"num_flips must be a list of integers within [0, {num_neurons}]; got {shown(num_flips)}")
    returned, valid = _returns(memory, key, target, levels, num_queries, horizon)
    return Basin(levels.astype(int), jnp.sum(returned & valid, axis=1), jnp.sum(valid, axis=1))


@eqx.filter_jit
def _returns(
    memory: AbstractMemory, key: RandomKey, target: Neurons, levels: Float[Array, " levels"], num_queries: int, t1: Scalar
) -> tuple[Bool[Array, "levels queries"], Bool[Array, "levels queries"]]:
    """Whether each query at each level led to the target without error, and whether its trajectory ended well."""

    def one(level: Scalar, query: IntScalar) -> tuple[BoolScalar, BoolScalar]:
        start = flip(jax.random.fold_in(key, query), target, level)
        recall = retrieve(memory, start, t1=t1, max_steps=SETTLING_MAX_STEPS, adjoint=diffrax.ForwardMode())
        return hamming_error(target, recall.state.x) == 0, recall.status == Status.OK

    queries = jnp.arange(num_queries)
    return jax.vmap(lambda level: jax.vmap(lambda query: one(level, query))(queries))(levels)


def _horizon(memory: AbstractMemory, t1: ScalarLike | None) -> Scalar:
    check_memory(memory)
    if t1 is None:
        return SETTLING / jnp.min(jnp.stack(memory.rates()))
    return positive("t1", t1, memory.patterns.dtype)


def _array(patterns: Patterns | CompactPatterns) -> Patterns:
    if isinstance(patterns, CompactPatterns):
        raise InputError("memory must hold its patterns as an array here, not compact")
    return patterns


def _checked(memory: AbstractMemory, state: PyTree) -> tuple[AbstractMemory, PyTree]:
    """A memory, prepared, and a state in its precision; `InputError` unless the state has the parts and shapes it should."""
    check_memory(memory)
    expected = jax.eval_shape(memory.initial_state, jnp.zeros(memory.num_neurons, memory.patterns.dtype))
    given, wanted = (jax.tree.map(jnp.shape, tree) for tree in (state, expected))
    if given != wanted:
        raise InputError(f"state must be one of this memory, with arrays of the shapes {wanted}; got {given}")
    return memory.prepared(), jax.tree.map(lambda leaf: real("state", leaf).astype(memory.patterns.dtype), state)
