"""Many queries to one memory: patterns are shared, and as many queries are recalled at a time as memory allows."""

from dataclasses import replace
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._internal.checks import LARGEST_SIZE, InputError, at_least, finite, not_traced, real, shown
from .._internal.device_memory import OutOfMemoryError, default_budget
from .._internal.signs import refuse_bit_queries, refuse_booleans
from .._internal.types import ScalarLike
from ..models.base import AbstractMemory, check_memory
from .grid import can_be_refined
from .retrieve import Recall, Retrieval, default_solver, is_on_grid, prepare, recall_of

UNKNOWN = 0.0
"""Similarity of queries with their targets, which nobody has named: as if there were none."""


def retrieve_many(
    memory: AbstractMemory,
    queries: jax.typing.ArrayLike,
    *,
    t1: ScalarLike,
    solver: str | diffrax.AbstractAdaptiveSolver | None = None,
    rtol: ScalarLike | None = None,
    atol: ScalarLike | None = None,
    max_steps: int = 4096,
    num_steps: int | None = None,
    max_bytes: int | None = None,
) -> Recall:
    """Let one memory recall from many queries at once, within a budget of memory.

    Queries go side by side, so that every evaluation is a product of matrices. What is computed of each is what `retrieve`
    computes, up to rounding. Meant for large memories; with `compact_patterns` a million of them fit where floats do not.

    Arguments:
        memory: the memory.
        queries: shape (B, N), one query per row.
        t1, solver, rtol, atol, max_steps: as for `retrieve`, but the solver is `adams` when left out, or `etd3` where a
            tolerance is given. Implicit ones are not taken.
        num_steps: steps of the grid of `adams`; those that suit the memory at a load of N when left out, which is enough unless
            queries are far from their targets among many more patterns (docs/accuracy.md#sweeps). Where some are too few,
            queries are recalled again with twice as many, up to `max_steps`.
        max_bytes: memory of each device that may be used for patterns, states and everything in between; a safe share of
            what the device has when left out. As many queries are recalled at a time as fit.

    Returns:
        A `Recall` whose arrays have a leading axis of length B, in the memory of the host (NumPy).

    Raises:
        InputError (a ValueError): for queries that do not fit, an implicit solver, settings out of range, or inside `jax.jit`,
            `jax.vmap` or `jax.grad`, which `retrieve` is for.
        OutOfMemoryError: if not even one query at a time fits.
    """
    check_memory(memory)
    not_traced("retrieve_many", (memory, queries))
    refuse_booleans("queries", queries)
    array = real("queries", queries)
    if array.ndim != 2 or array.shape[1] != memory.num_neurons or not len(array):
        raise InputError(f"queries must have shape (number, {memory.num_neurons}), one query per row; got {array.shape}")
    finite("queries", array)
    refuse_bit_queries("queries", array, memory.patterns)
    if max_bytes is not None:
        at_least("max_bytes", max_bytes, 1, LARGEST_SIZE)
    method = default_solver(rtol, atol) if solver is None else solver
    retrieval = prepare(memory, array[0], t1=t1, solver=method, rtol=rtol, atol=atol, max_steps=max_steps, num_steps=num_steps)
    if isinstance(retrieval.solver, diffrax.AbstractImplicitSolver):
        raise InputError(f"solver must not be an implicit one here; got {shown(method)} (use jax.vmap over retrieve)")
    if num_steps is None and is_on_grid(method):
        # At a load of N, whatever it is: queries of memories as large as this is for are mostly close to their targets.
        num_steps = min(round(float(memory.num_steps(memory.num_neurons, UNKNOWN))), max_steps)
    retrieval = replace(retrieval, num_steps=jnp.asarray(num_steps or retrieval.num_steps, jnp.int32))
    array = array.astype(memory.patterns.dtype)
    (patterns, *_) = jax.tree.leaves(eqx.filter(memory.patterns, eqx.is_array))
    program, number = _fitting(retrieval, array, max_bytes or default_budget(list(patterns.devices())))

    def recalled(retrieval: Retrieval, queries: Any) -> Recall:
        parts = []
        for first in range(0, len(queries), number):
            # The last queries are filled up with copies, so that one program serves all.
            chosen = np.minimum(np.arange(first, first + number), len(queries) - 1)
            parts.append(jax.tree.map(np.asarray, program(retrieval, queries[chosen])))
        return jax.tree.map(lambda *leaves: np.concatenate(leaves)[: len(queries)], *parts)

    recall = recalled(retrieval, array)
    while is_on_grid(method):
        places = np.flatnonzero(can_be_refined(recall.status, int(retrieval.num_steps), max_steps))
        if not places.size:
            break
        retrieval = replace(retrieval, num_steps=2 * retrieval.num_steps)
        for old, new in zip(jax.tree.leaves(recall), jax.tree.leaves(recalled(retrieval, array[places])), strict=True):
            old[places] = new
    return recall


def _fitting(retrieval: Retrieval, queries: Float[Array, "queries neurons"], budget: int) -> tuple[Any, int]:
    """A compiled program, and how many queries it takes: as many as the compiler says will fit, halved until they do."""
    number, kept = len(queries), sum(_bytes_per_device(leaf) for leaf in jax.tree.leaves(eqx.filter(retrieval, eqx.is_array)))
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


def _bytes_per_device(array: jax.Array) -> int:
    return max(shard.data.nbytes for shard in array.addressable_shards)


def _recall_all(retrieval: Retrieval, queries: Float[Array, "queries neurons"]) -> Recall:
    def one(query: Float[Array, " neurons"]) -> Recall:
        return recall_of(replace(retrieval, y0=retrieval.memory.initial_state(query)), diffrax.ForwardMode())

    return jax.vmap(one)(queries)
