"""Retrieval on a grid of time steps fixed in advance: no step control, so no trajectory waits for another.

The grid is nearly uniform up to the time scale on which a query is decided, and geometric beyond it.
"""

from collections.abc import Callable
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from .._internal.status import Status
from .._internal.types import IntScalar, Scalar, ScalarLike
from ..models.base import AbstractMemory
from .exponential import Adams
from .running import RunningObservables

LARGEST_ERROR = 0.5  # of a step, relative to 1 + max |x|; above it, the grid is too coarse

SUDDEN = 4.0
"""Largest change of neurons at the start, in their own sizes per time constant, at which steps need not be shorter there."""

FEWEST_STEPS = 20  # grids have 20, 24, 28, 34, 40 … steps, four values per doubling, shared by many trajectories


def common_num_steps(number: ScalarLike, most: int) -> IntScalar:
    """Round a number of steps up, or down by up to 1%, to an allowed one; at most `most`."""
    doublings = jnp.ceil(4 * jnp.log2(jnp.asarray(number) / FEWEST_STEPS) - 0.06) / 4
    return jnp.clip(jnp.nan_to_num(jnp.round(FEWEST_STEPS * 2**doublings)), 1, most).astype(jnp.int32)


def can_be_refined(status: Any, num_steps: Any, max_steps: int) -> Any:
    """Whether trajectories of these statuses are to be solved again with twice as many steps; NumPy or JAX arrays."""
    return (status == Status.MAX_STEPS) & (num_steps <= max_steps // 2)


def solve_on_grids(
    num_steps: np.ndarray, max_steps: int, solve: Callable[[int, np.ndarray], tuple[np.ndarray, PyTree]]
) -> PyTree:
    """Solve trajectories on grids, grouped by number of steps, and again with twice as many if a grid is too coarse."""
    pending, done = num_steps.copy(), np.iinfo(num_steps.dtype).max
    results = None
    while (number := int(pending.min())) < done:
        places = np.flatnonzero(pending == number)
        status, found = solve(number, places)
        if results is None:
            results = jax.tree.map(lambda leaf: np.empty((pending.size, *leaf.shape[1:]), leaf.dtype), found)
        for leaf, values in zip(jax.tree.leaves(results), jax.tree.leaves(found), strict=True):
            leaf[places] = values
        pending[places] = np.where(can_be_refined(status, number, max_steps), 2 * number, done)
    return results


def scale_of_grid(memory: AbstractMemory, y0: PyTree) -> Scalar:
    """Time up to which steps are nearly uniform."""
    neurons = jnp.max(jnp.abs(y0.x))
    change = jnp.max(jnp.abs(memory.tau_x * memory.vector_field(y0).x))
    share = jnp.where(neurons > 0, SUDDEN * neurons / jnp.maximum(change, neurons), 1)
    return jax.lax.stop_gradient(memory.time_scale() * jnp.minimum(1, share))


def ends_of_steps(
    number: Int[Array, "*shape"], num_steps: int | IntScalar, scale: Scalar, t1: Scalar
) -> Float[Array, "*shape"]:
    """End of step number 1, 2, … of a grid up to the horizon t1; number 0 is its start."""
    share = number.astype(t1.dtype) / jnp.asarray(num_steps, t1.dtype)
    ends = scale * jnp.expm1(share * jnp.log1p(t1 / scale))
    return jnp.where(number == num_steps, t1, ends)


def integrate(
    solver: Adams,
    term: diffrax.AbstractTerm[Any, Any],
    memory: AbstractMemory,
    y0: PyTree,
    t1: Scalar,
    tolerances: tuple[Scalar, Scalar],
    num_steps: int | IntScalar,
    running: RunningObservables,
) -> tuple[PyTree, Scalar, dict[str, Any]]:
    """The state at the horizon; the largest error of the neurons in a step, in units of what `tolerances` allow; and the
    carries of running observables.

    Errors that relax within a step, or within the grid's scale if that is shorter, count for the share that they last. A static
    number of steps allows both modes of differentiation, a traced one only forward mode.
    """
    scale = scale_of_grid(memory, y0)
    rate, (rtol, atol) = jnp.min(memory.relaxation_rates().x), tolerances

    def step(number: IntScalar, state: tuple[PyTree, Any, Scalar, Any]) -> tuple[PyTree, Any, Scalar, Any]:
        y, solver_state, largest, carries = state
        start, end = (ends_of_steps(number + i, num_steps, scale, t1) for i in (0, 1))
        y, error, _, solver_state, _ = solver.step(term, start, end, y, memory, solver_state, made_jump=False)
        lasting = jnp.max(jnp.abs(error.x)) / (1 + rate * jnp.minimum(end - start, scale))
        size = lasting / (atol + rtol * jnp.max(jnp.abs(y.x)))
        return y, solver_state, jnp.maximum(largest, jax.lax.stop_gradient(size)), running.update(carries, memory, end, y)

    started = solver.init(term, jnp.zeros_like(t1), t1, y0, memory)
    state = y0, started, jnp.zeros_like(t1), running.init(memory, y0)
    if isinstance(num_steps, int):
        state, _ = jax.lax.scan(lambda state, number: (step(number, state), None), state, jnp.arange(num_steps))
    else:
        state = jax.lax.fori_loop(jnp.zeros_like(num_steps), num_steps, step, state)
    return state[0], state[2], state[3]
