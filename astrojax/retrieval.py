"""Retrieval: one query to one result. The only place that calls `diffrax.diffeqsolve`."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, Float, PyTree

from ._checks import InputError, at_least, concrete, finite, one_of, positive, real
from ._types import BoolScalar, IntScalar, Neurons, PerPattern, Scalar, ScalarLike
from .models.base import AbstractMemory

SOLVERS: dict[str, type[diffrax.AbstractAdaptiveSolver]] = {
    "heun": diffrax.Heun,
    "bosh3": diffrax.Bosh3,
    "tsit5": diffrax.Tsit5,
    "dopri5": diffrax.Dopri5,
    "dopri8": diffrax.Dopri8,
    "kvaerno3": diffrax.Kvaerno3,
    "kvaerno5": diffrax.Kvaerno5,
}
"""Adaptive solvers that can be named: explicit ones by rising order, then implicit ones for stiff corners."""


CONVERGENCE_MAX_STEPS = 16**4
"""Largest number of steps of the solve that looks for the convergence time, which is tighter than the one for the result."""


class Status(IntEnum):
    """How a trajectory ended. Only the states of an `OK` trajectory mean anything."""

    OK = 0
    MAX_STEPS = 1
    """The horizon was not reached within `max_steps` steps: the problem is stiff, or the tolerances are too tight."""
    NON_FINITE = 2
    """The query or the final state holds NaN or infinity."""
    INVALID_MEMORY = 3
    """A parameter of the memory is not positive and finite, its patterns are not finite, or none of them is stored."""
    SOLVER_FAILED = 4
    """The solver gave up for another reason, such as an implicit stage that did not converge."""
    INVALID_SETTINGS = 5
    """The horizon or a tolerance is not positive and finite, or the times to save do not increase within the horizon."""


class Recall(eqx.Module):
    """Result of one retrieval.

    Arguments:
        state: state at the horizon; its parts depend on the memory, `x` is always there.
        gains: gains p at the horizon, shape (K,), or `None` for a memory without gains.
        status: a `Status` as an integer.
        stats: numbers of accepted and of rejected steps.
        ts: times at which states were saved, shape (T,), or `None`.
        states: states at `ts`, with a leading axis of length T, or `None`.
        convergence_time: first time at which the speed of the memory was below `convergence_speed`; infinite if it never was
            within the horizon; NaN if the solve that looks for it failed; `None` if no speed was given.
    """

    state: Any
    gains: PerPattern | None
    status: IntScalar
    stats: dict[str, IntScalar]
    ts: Float[Array, " times"] | None
    states: Any
    convergence_time: Scalar | None

    @property
    def x(self) -> Neurons:
        """Neuronal state x at the horizon, shape (N,)."""
        return self.state.x


def retrieve(
    memory: AbstractMemory,
    query: jax.typing.ArrayLike,
    *,
    t1: ScalarLike,
    ts: jax.typing.ArrayLike | Sequence[ScalarLike] | None = None,
    solver: str | diffrax.AbstractAdaptiveSolver = "tsit5",
    rtol: ScalarLike = 1e-4,
    atol: ScalarLike = 1e-4,
    max_steps: int = 4096,
    convergence_speed: ScalarLike | None = None,
    adjoint: diffrax.AbstractAdjoint | None = None,
) -> Recall:
    """Let a memory recall from one query: integrate it from time 0 to the horizon `t1`.

    Batch it with `jax.vmap`, over queries, memories or both. A trajectory never raises inside a batch: look at `status`.
    Precision is that of the memory's patterns.

    Arguments:
        memory: the memory; see `AstrocyteMemory` and its siblings.
        query: neuronal state x(0), shape (N,), for instance a corrupted pattern.
        t1: horizon, positive, in the dimensionless time of the memory's time constants.
        ts: times at which to save states, shape (T,), increasing within [0, t1].
        solver: a name from `SOLVERS` or a diffrax solver with an error estimate.
        rtol, atol: relative and absolute tolerance of one step, on the component with the largest error. This norm, unlike a
            mean, does not change when a memory is padded.
        max_steps: largest number of steps, accepted and rejected.
        convergence_speed: when given, the trajectory is solved once more, more tightly than this speed by far, until an
            event finds the time at which neurons and gains both move more slowly than it. Rounding alone moves a neuron at
            about ε|x|/τx, with ε = 1e-7 in float32: a speed below that is never seen.
        adjoint: how to differentiate. The default allows forward and reverse mode; for reverse mode alone
            `diffrax.RecursiveCheckpointAdjoint()` is faster, for forward mode or none `diffrax.ForwardMode()`.

    Returns:
        A `Recall`.

    Raises:
        InputError (a ValueError): for a query or times that do not fit, an unknown solver, or settings out of range.
    """
    if not isinstance(memory, AbstractMemory):
        raise InputError(f"memory must be a memory such as AstrocyteMemory; got {type(memory).__name__}")
    if adjoint is not None and not isinstance(adjoint, diffrax.AbstractAdjoint):
        raise InputError(f"adjoint must be a diffrax adjoint; got {adjoint!r}")
    y0 = memory.initial_state(real("query", query))
    dtype = memory.patterns.dtype
    end = positive("t1", t1, dtype)
    tolerances = positive("rtol", rtol, dtype), positive("atol", atol, dtype)
    at_least("max_steps", max_steps, 1)
    times = None if ts is None else _checked_times(ts, end)
    speed = None if convergence_speed is None else positive("convergence_speed", convergence_speed, dtype)
    adjoint = diffrax.DirectAdjoint() if adjoint is None else adjoint
    return _recall(memory.prepared(), y0, end, times, _as_solver(solver), *tolerances, max_steps, speed, adjoint)


@eqx.filter_jit
def _recall(
    memory: AbstractMemory,
    y0: PyTree,
    t1: Scalar,
    ts: Float[Array, " times"] | None,
    solver: diffrax.AbstractAdaptiveSolver,
    rtol: Scalar,
    atol: Scalar,
    max_steps: int,
    speed: Scalar | None,
    adjoint: diffrax.AbstractAdjoint,
) -> Recall:
    # Static faults have been refused; faults of traced values are replaced by something harmless here, and become a status.
    in_range = [(value > 0) & jnp.isfinite(value) for value in (t1, rtol, atol)]
    t1, rtol, atol = (jnp.where(ok, value, jnp.ones_like(value)) for ok, value in zip(in_range, (t1, rtol, atol), strict=True))
    valid = jnp.all(jnp.stack(in_range))
    saved = {"end": diffrax.SubSaveAt(t1=True)}
    if ts is not None:
        in_order = _increase_within(ts, t1)
        ts = jnp.where(in_order, ts, jnp.linspace(jnp.zeros_like(t1), t1, ts.size))
        valid = valid & in_order
        saved["along"] = diffrax.SubSaveAt(ts=ts)
    solution = _solve(memory, y0, t1, solver, rtol, atol, max_steps, adjoint, diffrax.SaveAt(subs=saved), None)
    saved_states: Any = solution.ys
    state = jax.tree.map(lambda leaf: leaf[0], saved_states["end"])
    return Recall(
        state=state,
        gains=memory.gains(state),
        status=jnp.where(valid, _status(memory, state, solution.result), Status.INVALID_SETTINGS),
        stats={name: solution.stats[name] for name in ("num_accepted_steps", "num_rejected_steps")},
        ts=ts,
        states=saved_states.get("along"),
        convergence_time=None if speed is None else _convergence_time(memory, y0, t1, speed, solver, adjoint),
    )


def _solve(
    memory: AbstractMemory,
    y0: PyTree,
    t1: Scalar,
    solver: diffrax.AbstractAdaptiveSolver,
    rtol: Scalar,
    atol: Scalar,
    max_steps: int,
    adjoint: diffrax.AbstractAdjoint,
    saveat: diffrax.SaveAt,
    event: diffrax.Event | None,
) -> diffrax.Solution:
    return diffrax.diffeqsolve(
        diffrax.ODETerm(_vector_field),
        solver,
        t0=jnp.zeros_like(t1),
        t1=t1,
        dt0=None,
        y0=y0,
        args=memory,
        saveat=saveat,
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol, norm=optx.max_norm),
        adjoint=adjoint,
        event=event,
        max_steps=max_steps,
        throw=False,
    )


def _vector_field(t: Any, y: PyTree, memory: AbstractMemory) -> PyTree:
    return memory.vector_field(y)


def _convergence_time(
    memory: AbstractMemory,
    y0: PyTree,
    t1: Scalar,
    speed: Scalar,
    solver: diffrax.AbstractAdaptiveSolver,
    adjoint: diffrax.AbstractAdjoint,
) -> Scalar:
    """First time at which the speed of the memory falls below `speed`; infinity if it does not, NaN if the solve fails.

    At loose tolerances an explicit solver never comes to rest: the error it may make keeps the state moving about the fixed
    point. Here a step may err by a hundredth of what would move the state at the given speed, plus a few units of rounding; and
    an explicit method is Tsit5, whose interpolant is good to fourth order.
    """

    def excess(t: Scalar, y: PyTree, args: AbstractMemory, **kwargs: Any) -> Scalar:
        # In JAX's default precision whatever the memory's: diffrax 0.7 compares it with a plain 0.0 while it finds the root.
        return (args.speed(y) / speed - 1).astype(jnp.result_type(float))

    # The excess falls through zero: saying so (`flip`) spares the bisection a check that would throw inside a batch.
    bisection: Any = optx.Bisection(  # type: ignore[call-arg]
        rtol=1e-4, atol=1e-3, flip=True
    )
    event = diffrax.Event(excess, bisection, direction=False)
    method = solver if isinstance(solver, diffrax.AbstractImplicitSolver) else diffrax.Tsit5()
    rtol = jnp.asarray(max(8 * float(jnp.finfo(t1.dtype).eps), 1e-9), t1.dtype)
    saveat = diffrax.SaveAt(t1=True)
    solution = _solve(memory, y0, t1, method, rtol, speed / 100, CONVERGENCE_MAX_STEPS, adjoint, saveat, event)
    assert solution.ts is not None
    assert solution.event_mask is not None
    never = jnp.where(solution.result == diffrax.RESULTS.successful, jnp.inf, jnp.nan)
    time = jnp.where(solution.event_mask, solution.ts[-1].astype(t1.dtype), never.astype(t1.dtype))
    return jnp.where(memory.speed(y0) <= speed, 0, time)


def _increase_within(ts: jax.Array, t1: Scalar) -> BoolScalar:
    return jnp.all(ts[1:] > ts[:-1]) & (ts[0] >= 0) & (ts[-1] <= t1)


def _status(memory: AbstractMemory, state: PyTree, result: diffrax.RESULTS) -> IntScalar:
    finite_state = jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(state)]))
    status = jnp.where(result == diffrax.RESULTS.successful, Status.OK, Status.SOLVER_FAILED)
    status = jnp.where(result == diffrax.RESULTS.max_steps_reached, Status.MAX_STEPS, status)
    status = jnp.where(finite_state, status, Status.NON_FINITE)
    return jnp.where(memory.is_valid(), status, Status.INVALID_MEMORY)


def _as_solver(solver: str | diffrax.AbstractAdaptiveSolver) -> diffrax.AbstractAdaptiveSolver:
    if isinstance(solver, diffrax.AbstractAdaptiveSolver):
        return solver
    one_of("solver", solver, SOLVERS)
    return SOLVERS[solver]()


def _checked_times(ts: jax.typing.ArrayLike | Sequence[ScalarLike], t1: jax.Array) -> jax.Array:
    times = real("ts", ts).astype(t1.dtype)
    if times.ndim != 1 or times.size == 0:
        raise InputError(f"ts must be a list of times; got an array of shape {times.shape}")
    finite("ts", times)
    if concrete(_increase_within(times, t1)) is False:
        raise InputError(f"ts must increase within [0, t1] = [0, {t1}]; got {times.tolist()}")
    return times
