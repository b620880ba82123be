"""Many queries to one memory: patterns are shared, and as many queries are batched as memory allows."""

from dataclasses import replace
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._internal import checks
from .._internal.checks import LARGEST_SIZE, InputError
from .._internal.devices import OutOfMemoryError, default_budget
from .._internal.types import ScalarLike
from ..models.base import AbstractMemory, check_memory, checked_query
from .retrieve import Recall, Retrieval, prepare, recall_of
from .settings import MAX_STEPS, AdaptiveSolver, SolveSettings
from .time_grid import solve_on_grids


def retrieve_many(
    memory: AbstractMemory,
    queries: jax.typing.ArrayLike,
    *,
    t1: ScalarLike,
    solver: str | AdaptiveSolver | None = None,
    rtol: ScalarLike | None = None,
    atol: ScalarLike | None = None,
    max_steps: int = MAX_STEPS,
    num_steps: int | None = None,
    max_bytes: int | None = None,
) -> Recall:
    """Let one memory recall from many queries at once, within a budget of memory.

    Every evaluation is a product of matrices. Results are those of `retrieve` up to rounding. Meant for large memories; with
    `compact_patterns` a million patterns fit where floats do not.

    Arguments:
        queries: shape (B, N), one query per row.
        t1, solver, rtol, atol, max_steps: as for `retrieve`, but the solver is `adams` if omitted, or `etd3` where a
            tolerance is given. Implicit ones are not taken.
        num_steps: steps of the grid of `adams`; those that suit the memory at a load of N if omitted, which is enough unless
            queries are far from their targets among many more patterns (docs/accuracy.md#sweeps). Where they are too few,
            queries are recalled again with twice as many, up to `max_steps`.
        max_bytes: memory of each device that may be used; a safe share if omitted. As many queries are recalled at a time
            as fit.

    Returns a `Recall` whose arrays have a leading axis of length B, in the memory of the host (NumPy).

    Raises `InputError` for queries that do not fit, an implicit solver, settings out of range, or inside `jax.jit`,
    `jax.vmap` or `jax.grad`, which `retrieve` is for; and `OutOfMemoryError` if not even one query at a time fits.
    """
    check_memory(memory)
    checks.not_traced("retrieve_many", (memory, queries))
    array = checked_query(queries, memory.patterns, "queries", is_batch=True)
    if max_bytes is not None:
        checks.at_least("max_bytes", max_bytes, 1, LARGEST_SIZE)
    settings = SolveSettings(t1=t1, rtol=rtol, atol=atol, solver=solver, max_steps=max_steps, num_steps=num_steps)
    if isinstance(settings.method, diffrax.AbstractImplicitSolver):
        raise InputError(f"solver must not be an implicit one here; got {checks.shown(solver)} (use jax.vmap over retrieve)")
    if num_steps is None and settings.on_grid:
        # At a load of N and of unknown similarity: queries of memories as large as these are mostly close to their targets.
        num_steps = min(round(float(memory.num_steps(memory.num_neurons, 0.0))), max_steps)
    retrieval = prepare(memory, array[0], settings, num_steps)
    retrieval = replace(retrieval, num_steps=jnp.asarray(retrieval.num_steps, jnp.int32))
    (patterns, *_) = jax.tree.leaves(eqx.filter(memory.patterns, eqx.is_array))
    program, number = _fitting(retrieval, array, max_bytes or default_budget(list(patterns.devices())))

    def recall(num_steps: int, places: np.ndarray) -> tuple[np.ndarray, Recall]:
        on_grid, parts = replace(retrieval, num_steps=jnp.asarray(num_steps, jnp.int32)), []
        for first in range(0, places.size, number):
            # The last queries are filled up with copies, so that one program serves all.
            chosen = places[np.minimum(np.arange(first, first + number), places.size - 1)]
            parts.append(jax.tree.map(np.asarray, program(on_grid, array[chosen])))
        found = jax.tree.map(lambda *leaves: np.concatenate(leaves)[: places.size], *parts)
        return found.status, found

    first = np.full(len(array), int(retrieval.num_steps))
    recalls: Recall = solve_on_grids(first, max_steps if settings.on_grid else 0, recall)
    return recalls


def _fitting(retrieval: Retrieval, queries: Float[Array, "queries neurons"], budget: int) -> tuple[Any, int]:
    """A compiled program, and how many queries it takes: as many as the compiler says will fit, halved until they do."""
    number, arrays = len(queries), jax.tree.leaves(eqx.filter(retrieval, eqx.is_array))
    kept = sum(max(shard.data.nbytes for shard in leaf.addressable_shards) for leaf in arrays)
    state = sum(leaf.nbytes for leaf in jax.tree.leaves(retrieval.y0))
    # A program of the size of the queries that could fit at best: no state can be solved in less than three copies.
    number = int(np.clip((budget - kept) // max(3 * state, 1), 1, number))
    jitted: Any = eqx.filter_jit(_recall_all)
    while True:
        program = jitted.lower(retrieval, queries[:number]).compile()
        needed = program.compiled.memory_analysis()
        bytes_needed = kept if needed is None else kept + needed.temp_size_in_bytes + needed.output_size_in_bytes
        if bytes_needed <= budget:
            return program, number
        if number == 1:
            raise OutOfMemoryError(f"a single query takes {bytes_needed:,} bytes; max_bytes allows {budget:,}")
        number = -(-number // 2)


def _recall_all(retrieval: Retrieval, queries: Float[Array, "queries neurons"]) -> Recall:
    def one(query: Float[Array, " neurons"]) -> Recall:
        return recall_of(replace(retrieval, y0=retrieval.memory.initial_state(query)), diffrax.ForwardMode())

    return jax.vmap(one)(queries)
