"""Attractors that many starts lead to, and basins: from how far away a memory gets there."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._internal import checks
from .._internal.checks import InputError
from .._internal.datasets import dataset, labeled, variables
from .._internal.random import pinned, seed_key
from .._internal.types import BoolScalar, IntScalar, Neurons, RandomKey, Scalar, ScalarLike
from ..models.base import AbstractMemory, check_memory, checked_query, joined
from ..problems.corruption import flip
from ..problems.observables import hamming_error
from ..solve.retrieve import Status, retrieve
from .classification import Identity, identify, pattern_array
from .fixed_points import Equilibrium, equilibrium
from .stability import Spectrum, spectrum

if TYPE_CHECKING:
    import xarray as xr

SETTLING = 30.0  # default horizon, in relaxation times of the slowest variable: exp(−30) = 1e-13 of a start is left
SETTLING_MAX_STEPS = 16**4  # up to that horizon, which can be thousands of times that of an ordinary retrieval
SAME_RATES = 1e-3  # largest difference of a firing rate between copies of one equilibrium; more than Newton's method leaves
NUDGE = 1e-4  # how far starts are moved, relative to their largest entry: far more than by rounding, far less than a flip
MOVED_RATES = 0.1  # most that Newton's method moves a firing rate of a settled trajectory without changing basins


class Attractors(eqx.Module):
    """The A distinct states that S starts lead to, the one most often reached first.

    Arguments:
        equilibria, spectra, identities: of each attractor, with a leading axis of length A.
        counts: how many starts led to each, shape (A,).
        labels: the attractor that each start led to, −1 for those that did not settle, shape (S,).
        num_unsettled: how many starts did not settle: the retrieval failed, the horizon was too short, no equilibrium was
            found, or the start lies on the boundary between two basins.
    """

    equilibria: Equilibrium
    spectra: Spectrum
    identities: Identity
    counts: Int[Array, " attractors"] = labeled("trajectories that reached it", "attractor", name="count")
    labels: Int[Array, " starts"] = labeled("attractor of the start, -1 if it did not settle", "start", name="label")
    num_unsettled: IntScalar  # type: ignore[misc]  # mypy takes `labeled` for a default

    def to_xarray(self) -> "xr.Dataset":
        """The attractors as an `xarray.Dataset` along `attractor`, `neuron`, `pattern`, `eigenvalue` and `start`.

        Raises `InputError` inside `jax.jit`.
        """
        checks.not_traced("attractors.to_xarray", self)
        found = variables(self)
        for part in (self.equilibria, self.spectra, self.identities):
            found |= variables(part, ("attractor",))
        return dataset(found, num_unsettled=int(found.pop("num_unsettled")[1]))


class Basin(eqx.Module):
    """How often a memory is recalled from queries at given distances.

    Arguments:
        num_flips: distances of the queries, in flipped entries, shape (L,).
        num_returned: how many queries led to the pattern without error, shape (L,).
        num_valid: how many trajectories ended with `Status.OK`, shape (L,); only these are counted.
    """

    num_flips: Int[Array, " levels"]
    num_returned: Int[Array, " levels"]
    num_valid: Int[Array, " levels"]

    def to_xarray(self) -> "xr.Dataset":
        """The counts and their share as an `xarray.Dataset` along the coordinate `num_flips`.

        Raises `InputError` inside `jax.jit`.
        """
        checks.not_traced("basin.to_xarray", self)
        values = {"num_returned": self.num_returned, "num_valid": self.num_valid, "share": self.share}
        found = {name: (("num_flips",), np.asarray(array)) for name, array in values.items()}
        return dataset(found, {"num_flips": np.asarray(self.num_flips)})

    @property
    def share(self) -> Float[Array, "*batch levels"]:
        """Share of the valid queries that returned, shape (L,); NaN where none is valid."""
        return self.num_returned / self.num_valid


def attractors(memory: AbstractMemory, starts: jax.typing.ArrayLike, *, t1: ScalarLike | None = None) -> Attractors:
    """The distinct attractors that a memory reaches from many starts, and how often.

    Each start is moved by `NUDGE` of its largest entry along a fixed random direction, to either side. Both trajectories are
    followed to the horizon and their ends refined by `equilibrium`; ends whose firing rates differ by at most `SAME_RATES` are
    one. A start whose two trajectories end apart, on the boundary of two basins, is unsettled. The number of attractors depends
    on values, so `jax.jit` and `jax.vmap` do not work here.

    Arguments:
        starts: neuronal states x(0), one per row, shape (S, N).
        t1: horizon, positive; `SETTLING` relaxation times of the slowest variable if omitted.

    Raises `InputError` for something that is not a memory, starts that do not fit, and a horizon out of range.
    """
    horizon = _horizon(memory, t1)
    queries = checked_query(starts, memory.patterns, "starts", is_batch=True)
    ends, rates, settled = _settle(memory, jnp.concatenate(_nudged(queries)), horizon)
    (here, there), (first_settled, second_settled) = np.split(np.asarray(rates), 2), np.split(np.asarray(settled), 2)
    groups = _same(here, first_settled & second_settled & (np.abs(here - there).max(axis=1) <= SAME_RATES))
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


@pinned
def _nudged(starts: Float[Array, "starts neurons"]) -> tuple[Float[Array, "starts neurons"], Float[Array, "starts neurons"]]:
    size = jnp.max(jnp.abs(starts), axis=1, keepdims=True)
    direction = jax.random.normal(seed_key(0), (1, starts.shape[1]), jnp.float32).astype(starts.dtype)
    nudge = NUDGE * jnp.where(size == 0, 1.0, size) * direction
    return starts + nudge, starts - nudge


@eqx.filter_jit
def _settle(
    memory: AbstractMemory, starts: Float[Array, "starts neurons"], t1: Scalar
) -> tuple[Equilibrium, Float[Array, "starts neurons"], Bool[Array, " starts"]]:
    """The equilibrium that each start leads to, the firing rates there, and whether the trajectory has settled."""

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

    Query q has its own order of the neurons, derived from `key` and q: at n flips the first n of them change sign.

    Arguments:
        pattern: column of the stored pattern, of ±1, whose basin it is.
        num_flips: distances, integers between 0 and N, shape (L,).
        num_queries: queries at each distance.
        t1: horizon, positive; `SETTLING` relaxation times of the slowest variable if omitted.

    Raises `InputError` for something that is not a memory, for a pattern that is not stored or not of ±1, and for settings out
    of range.
    """
    horizon = _horizon(memory, t1)
    checks.random_key(key)
    checks.at_least("num_queries", num_queries, 1)
    checks.at_least("pattern", pattern, 0)
    num_neurons, capacity = memory.patterns.shape
    if pattern >= capacity or (memory.stored is not None and checks.concrete(memory.stored[pattern]) is False):
        raise InputError(f"pattern must be a stored column of the {capacity}; got {pattern}")
    target = pattern_array(memory.patterns)[:, pattern]
    if checks.concrete(jnp.all(jnp.abs(target) == 1)) is False:
        raise InputError(f"pattern must have entries of ±1, for its signs are compared; column {pattern} has others")
    levels = checks.real("num_flips", num_flips)
    in_range = (levels >= 0) & (levels <= num_neurons) & (levels == jnp.round(levels))
    if levels.ndim != 1 or levels.size == 0 or checks.concrete(jnp.all(in_range)) is False:
        raise InputError(f"num_flips must be a list of integers within [0, {num_neurons}]; got {checks.shown(num_flips)}")
    returned, valid = _returns(memory, key, target, levels, int(num_queries), horizon)
    return Basin(levels.astype(int), jnp.sum(returned & valid, axis=1), jnp.sum(valid, axis=1))


@eqx.filter_jit
def _returns(
    memory: AbstractMemory, key: RandomKey, target: Neurons, levels: Float[Array, " levels"], num_queries: int, t1: Scalar
) -> tuple[Bool[Array, "levels queries"], Bool[Array, "levels queries"]]:
    """Whether each query at each level led to the target without error, and whether its status is `OK`."""

    def one(level: Scalar, query: IntScalar) -> tuple[BoolScalar, BoolScalar]:
        start = flip(jax.random.fold_in(key, query), target, level)
        recall = retrieve(memory, start, t1=t1, max_steps=SETTLING_MAX_STEPS, adjoint=diffrax.ForwardMode())
        return hamming_error(target, recall.state.x) == 0, recall.status == Status.OK

    queries = jnp.arange(num_queries)
    return jax.vmap(lambda level: jax.vmap(lambda query: one(level, query))(queries))(levels)


def _horizon(memory: AbstractMemory, t1: ScalarLike | None) -> Scalar:
    check_memory(memory)
    if t1 is None:
        return SETTLING / jnp.min(joined(memory.rates()))
    return checks.positive("t1", t1, memory.patterns.dtype)
