"""Retrieval: one query to one result. The only place that calls `diffrax.diffeqsolve`."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, Float, PyTree

from .._internal.checks import InputError, concrete, finite, real, shown
from .._internal.types import BoolScalar, IntScalar, Scalar, ScalarLike
from ..models.base import NUM_STEPS, AbstractMemory, check_memory, checked_query
from .automatic import Automatic
from .exponential import ETD3, AbstractExponentialSolver, Adams
from .recall import Recall as Recall
from .recall import Status as Status
from .running import RunningObservables, RunningSolver
from .settings import AdaptiveSolver, SolveSettings
from .step_size import Replay, StepControl
from .time_grid import LARGEST_ERROR, ends_of_steps, integrate, scale_of_grid

ACCURATE = {"float64": 3e-7, "float32": 3e-5}  # default tolerance of `auto`; docs/accuracy.md has the errors it leaves
OTHERS_TOLERANCE = 1e-4  # of solvers that are neither automatic nor exponential

TIGHTER, CONFIRMED = 100, 1e-2
"""A solution is confirmed by the automatic solver, with a tolerance tighter by this factor than both the solution's and the
default one, if the two differ by less than this fraction of the largest |x| or by less than the absolute tolerance."""

ROUNDING = 16  # smallest tolerance of a confirming solve, in units of rounding
CONVERGENCE_MAX_STEPS = 16**4  # of the solve that looks for the convergence time, which is tighter than that for the result


def retrieve(
    memory: AbstractMemory,
    query: jax.typing.ArrayLike,
    *,
    t1: ScalarLike,
    ts: jax.typing.ArrayLike | Sequence[ScalarLike] | None = None,
    solver: str | AdaptiveSolver = "auto",
    rtol: ScalarLike | None = None,
    atol: ScalarLike | None = None,
    max_steps: int = 16384,
    num_steps: int | None = None,
    convergence_speed: ScalarLike | None = None,
    confirm: bool = False,
    adjoint: diffrax.AbstractAdjoint | None = None,
) -> Recall:
    """Let a memory recall from one query: integrate it from time 0 to the horizon `t1`.

    Batch it with `jax.vmap`, over queries, memories or both. A trajectory never raises inside a batch: look at `status`.
    Precision is that of the memory's patterns.

    Arguments:
        query: neuronal state x(0), shape (N,), for instance a corrupted pattern.
        t1: horizon, positive, in the dimensionless time of the memory's time constants.
        ts: times at which to save states, shape (T,), increasing within [0, t1].
        solver: a name from `SOLVERS`, or a diffrax solver with an error estimate. `auto` is explicit and of high order where
            accuracy limits a step, and exponential where the relaxation of fast variables would (see `Automatic`). `adams`
            takes a fixed grid of steps (see `Adams`): fast, for outcomes and gradients rather than accurate states.
        rtol: relative tolerance of one step, on the component with the largest error; that of a neuron is relative to the
            largest neuron (`AbstractMemory.error_scale`). Left out, it is such that `auto` is accurate: states to 1e-3, in
            single precision to 2e-3, gradients in double precision to 2e-3 (docs/accuracy.md). With an exponential solver it is
            `AbstractMemory.tolerance`, for outcomes, with any other 1e-4.
        atol: absolute tolerance of neurons; other variables have the natural unit 1, in which `rtol` is absolute too. Left out,
            there is practically none, so that queries however small are recalled; with an exponential solver it is `rtol`.
        max_steps: largest number of steps, accepted and rejected.
        num_steps: steps of the grid of `adams`, at most `max_steps`; 40 if omitted. The status is `MAX_STEPS` where a neuron
            erred by more than ½(1 + max |x|) in a step, so that they were too few. `adams` has no tolerances.
        convergence_speed: when given, the trajectory is solved once more, much more tightly, until neurons and gains both move
            more slowly than it. A speed below what rounding does, ε|x|/τx with ε = 1e-7 in float32, is never seen.
        confirm: solve once more with much tighter tolerances, at a few times the cost: the status is `UNCONFIRMED` where that
            ends in another x, or what that solve fails with.
        adjoint: how to differentiate. The default allows forward and reverse mode: the derivative is that of the steps that
            were taken. For reverse mode alone `diffrax.RecursiveCheckpointAdjoint()` is faster.

    Raises `InputError` for a query or times that do not fit, an unknown solver, or settings out of range.
    """
    if adjoint is not None and not isinstance(adjoint, diffrax.AbstractAdjoint):
        raise InputError(f"adjoint must be a diffrax adjoint; got {adjoint!r}")
    settings = SolveSettings(
        t1, rtol, atol, convergence_speed, solver=solver, max_steps=max_steps, num_steps=num_steps, confirm=confirm
    )
    retrieval = prepare(memory, query, settings, differentiable=True)
    times = None if ts is None else _checked_times(ts, retrieval.t1)
    return recall_of(retrieval, adjoint, times)


class Retrieval(eqx.Module):
    """A prepared solve. `status` says what is wrong with traced values; numbers out of range have been replaced by 1."""

    memory: AbstractMemory
    y0: PyTree
    t1: Scalar
    rtol: Scalar
    atol: Scalar
    status: IntScalar
    convergence_speed: Scalar | None
    solver: AdaptiveSolver
    solver_name: str = eqx.field(static=True)
    max_steps: int = eqx.field(static=True)
    num_steps: int | IntScalar
    confirm: bool = eqx.field(static=True)
    running: RunningObservables


def prepare(
    memory: AbstractMemory,
    query: jax.typing.ArrayLike,
    settings: SolveSettings,
    num_steps: int | IntScalar | None = None,
    *,
    differentiable: bool = False,
    running: RunningObservables | None = None,
) -> Retrieval:
    """Check the input of a solve; errors as for `retrieve`. `num_steps` takes the place of that of the settings."""
    check_memory(memory)
    start, method = checked_query(query, memory.patterns), settings.method

    def number(value: ScalarLike) -> Scalar:
        return jnp.asarray(value).astype(memory.patterns.dtype)

    end = number(settings.t1)
    relative = jax.lax.stop_gradient(_default_rtol(memory, method, end) if settings.rtol is None else number(settings.rtol))
    if settings.atol is not None:
        absolute = jax.lax.stop_gradient(number(settings.atol))
    else:
        loose = isinstance(method, AbstractExponentialSolver | Adams)
        absolute = relative if loose else jnp.full_like(relative, _least(memory.patterns.dtype))
    numbers = (end, relative, absolute)
    in_range = [(value > 0) & jnp.isfinite(value) for value in numbers]
    status = jnp.where(jnp.all(jnp.isfinite(start)), Status.OK, Status.NON_FINITE)
    status = jnp.where(memory.is_valid(), status, Status.INVALID_MEMORY)
    status = jnp.where(jnp.all(jnp.stack(in_range)), status, Status.INVALID_SETTINGS)
    if differentiable and concrete(status == Status.OK) is not True:
        memory, start = _harmless((memory, start), status == Status.OK)
    t1, rtol, atol = (jnp.where(ok, value, jnp.ones_like(value)) for ok, value in zip(in_range, numbers, strict=True))
    if num_steps is None:
        num_steps = int(settings.num_steps or min(NUM_STEPS, settings.max_steps))
    return Retrieval(
        memory=memory.precompute(),
        y0=memory.initial_state(start),
        t1=t1,
        rtol=rtol,
        atol=atol,
        status=status,
        convergence_speed=None if settings.convergence_speed is None else number(settings.convergence_speed),
        solver=method,
        solver_name=settings.solver_name,
        max_steps=int(settings.max_steps),
        num_steps=num_steps,
        confirm=settings.confirm,
        running=running or RunningObservables(),
    )


def _default_rtol(memory: AbstractMemory, solver: AdaptiveSolver, t1: Scalar) -> Scalar:
    if isinstance(solver, AbstractExponentialSolver):
        return memory.tolerance(t1)
    if isinstance(solver, Adams):
        return jnp.full_like(t1, LARGEST_ERROR)
    return jnp.full_like(t1, ACCURATE[t1.dtype.name] if isinstance(solver, Automatic) else OTHERS_TOLERANCE)


def _least(dtype: jnp.dtype) -> float:
    """The root of the smallest normal number: what is smaller vanishes when it is squared."""
    return math.sqrt(jnp.finfo(dtype).tiny)


def _harmless(tree: PyTree, valid: BoolScalar) -> PyTree:
    """The same arrays, or ones (patterns, parameters) where something is not valid."""
    arrays, rest = eqx.partition(tree, eqx.is_array)
    return eqx.combine(jax.tree.map(lambda leaf: jnp.where(valid, leaf, jnp.ones_like(leaf)), arrays), rest)


@eqx.filter_jit
def recall_of(
    retrieval: Retrieval, adjoint: diffrax.AbstractAdjoint | None, ts: Float[Array, " times"] | None = None
) -> Recall:
    if ts is not None:
        t1 = retrieval.t1
        in_order = _increase_within(ts, t1)
        ts = jnp.where(in_order, ts, jnp.linspace(jnp.zeros_like(t1), t1, ts.size))
        status = jnp.where(in_order, retrieval.status, Status.INVALID_SETTINGS)
        retrieval = replace(retrieval, status=status)
    states, status, stats = _states(retrieval, ts, adjoint)
    if retrieval.confirm:
        second, more = _confirm(retrieval, states["end"])
        status = jnp.where(status == Status.OK, second, status)
        stats = jax.tree.map(jnp.add, stats, more)
    states = _guarded(states, status, retrieval.status)
    speed = retrieval.convergence_speed
    return Recall(
        state=states["end"],
        gains=retrieval.memory.gains(states["end"]),
        status=status,
        stats=stats,
        ts=ts,
        states=states.get("along"),
        convergence_time=None
        if speed is None
        else jnp.where(retrieval.status == Status.OK, _convergence_time(retrieval, speed, adjoint), jnp.nan),
        rtol=retrieval.rtol,
        atol=retrieval.atol,
        solver=retrieval.solver_name,
        running=states["running"] or None,
    )


def _confirm(retrieval: Retrieval, state: PyTree) -> tuple[IntScalar, dict[str, IntScalar]]:
    """Solve more tightly: the status of that, or `UNCONFIRMED` if it ends in another state; and numbers of steps."""
    least = ROUNDING * float(jnp.finfo(retrieval.rtol.dtype).eps)
    usual = jnp.minimum(retrieval.rtol, ACCURATE[retrieval.rtol.dtype.name])
    rtol, atol = jnp.maximum(usual / TIGHTER, least), jnp.full_like(retrieval.atol, _least(retrieval.atol.dtype))
    tighter = replace(retrieval, solver=Automatic(), rtol=rtol, atol=atol, running=RunningObservables())
    others, status, stats = _states(jax.lax.stop_gradient(tighter), None, diffrax.ForwardMode())
    # Below the absolute tolerance, where a memory falls silent, two ends do not differ.
    is_grid = isinstance(retrieval.solver, Adams)  # which has none
    margin = jnp.maximum(CONFIRMED * jnp.max(jnp.abs(state.x)), usual if is_grid else retrieval.atol)
    confirmed = jnp.max(jnp.abs(others["end"].x - state.x)) <= margin
    # `MAX_STEPS` would say that the grid had too few.
    failed = (status == Status.MAX_STEPS) & is_grid
    return jnp.where((status == Status.OK) & ~confirmed | failed, Status.UNCONFIRMED, status), stats


def _guarded(states: PyTree, status: IntScalar, prepared_status: IntScalar) -> PyTree:
    """States of a trajectory that is `OK`. Others have no derivatives, and are NaN if their input was invalid."""

    def part(leaf: jax.Array) -> jax.Array:
        failed = jnp.where(prepared_status == Status.OK, jax.lax.stop_gradient(leaf), jnp.full_like(leaf, jnp.nan))
        return jnp.where(status == Status.OK, leaf, failed)

    return jax.tree.map(part, states)


def _states(
    retrieval: Retrieval, ts: Float[Array, " times"] | None, adjoint: diffrax.AbstractAdjoint | None
) -> tuple[dict[str, Any], IntScalar, dict[str, IntScalar]]:
    """States `end` and, where times are given, `along`, with what is `running`; the status; and numbers of steps."""
    if isinstance(retrieval.solver, Adams):
        states, result, stats = _on_grid(retrieval, retrieval.solver)
        if ts is not None:
            states |= _solved(retrieval, _solve(retrieval, ts, adjoint or diffrax.DirectAdjoint()))[0]
    elif adjoint is None and not isinstance(retrieval.solver, diffrax.AbstractImplicitSolver):
        states, result, stats = _states_in_both_modes(retrieval, ts)
    else:  # steps of implicit solvers need the tolerances of step control
        states, result, stats = _solved(retrieval, _solve(retrieval, ts, adjoint or diffrax.DirectAdjoint()))
    end = jax.tree.map(lambda leaf: leaf[0], states["end"])
    is_finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(end)]))
    status = jnp.where(result == diffrax.RESULTS.successful, Status.OK, Status.SOLVER_FAILED)
    status = jnp.where(result == diffrax.RESULTS.max_steps_reached, Status.MAX_STEPS, status)
    status = jnp.where(is_finite, status, Status.NON_FINITE)
    return states | {"end": end}, jnp.where(retrieval.status == Status.OK, status, retrieval.status), stats


Solved = tuple[dict[str, Any], Any, dict[str, IntScalar]]
"""States with a leading axis of times and results of running observables, diffrax's result, and numbers of steps."""


def _on_grid(retrieval: Retrieval, solver: Adams) -> Solved:
    memory, running, tolerances = retrieval.memory, retrieval.running, (retrieval.rtol, retrieval.atol)
    y1, error, carries = integrate(solver, TERM, memory, retrieval.y0, retrieval.t1, tolerances, retrieval.num_steps, running)
    results = diffrax.RESULTS
    result = results.where(error <= 1, results.successful, results.max_steps_reached)
    steps = jnp.asarray(retrieval.num_steps, jnp.int32)
    stats = {"num_accepted_steps": steps, "num_rejected_steps": jnp.zeros_like(steps)}
    found = running.results(carries, retrieval.t1.dtype)
    return {"end": jax.tree.map(lambda leaf: leaf[None], y1), "running": found}, result, stats


@eqx.filter_custom_jvp
def _states_in_both_modes(retrieval: Retrieval, ts: Float[Array, " times"] | None) -> Solved:
    """States whose derivative is that of the steps that were taken.

    diffrax's `DirectAdjoint` allows both modes too, but in reverse mode computes the steps once more, and where an error
    estimate is close to the tolerance may then take others than before: derivatives were wrong by up to 10%.
    """
    return _solved(retrieval, _solve(retrieval, ts, diffrax.ForwardMode()))


@_states_in_both_modes.def_jvp  # type: ignore[untyped-decorator]
def _derivative(primals: Any, tangents: Any) -> tuple[Any, Any]:
    retrieval, ts = primals
    recorded = diffrax.SubSaveAt(steps=True, fn=lambda t, y, args: None)
    solution = _solve(retrieval, ts, diffrax.ForwardMode(), steps=recorded)
    times = solution.ts["steps"]  # type: ignore[index]
    replay = Replay(jax.lax.stop_gradient(jnp.where(times < retrieval.t1, times, jnp.inf)))

    def replayed(retrieval: Retrieval, ts: Float[Array, " times"] | None) -> Any:
        return _solved(retrieval, _solve(retrieval, ts, diffrax.DirectAdjoint(), control=replay))[0]

    states, result, stats = _solved(retrieval, solution)
    del states["steps"]
    _, derivative = eqx.filter_jvp(replayed, primals, tangents)
    return (states, result, stats), (derivative, *jax.tree.map(lambda _: None, (result, stats)))


def _solved(retrieval: Retrieval, solution: diffrax.Solution) -> Solved:
    stats = {name: solution.stats[name] for name in ("num_accepted_steps", "num_rejected_steps")}
    states: Any = solution.ys
    running, kept = retrieval.running, cast(Any, solution.solver_state)
    found = running.results(kept[1], retrieval.t1.dtype) if running.observables else {}
    return states | {"running": found}, solution.result, stats


def _solve(
    retrieval: Retrieval,
    ts: Float[Array, " times"] | None,
    adjoint: diffrax.AbstractAdjoint,
    event: diffrax.Event | None = None,
    control: diffrax.AbstractStepSizeController[Any, Any] | None = None,
    **others: diffrax.SubSaveAt,
) -> diffrax.Solution:
    along = {} if ts is None else {"along": diffrax.SubSaveAt(ts=ts)}
    if control is None and isinstance(retrieval.solver, Adams):
        scale = scale_of_grid(retrieval.memory, retrieval.y0)
        ends = ends_of_steps(jnp.arange(retrieval.num_steps + 1), retrieval.num_steps, scale, retrieval.t1)
        control = diffrax.StepTo(ends)
    running = retrieval.running
    solution: diffrax.Solution = diffrax.diffeqsolve(
        TERM,
        RunningSolver(retrieval.solver, running) if running.observables else retrieval.solver,
        t0=jnp.zeros_like(retrieval.t1),
        t1=retrieval.t1,
        dt0=None,
        y0=retrieval.y0,
        args=retrieval.memory,
        saveat=diffrax.SaveAt(
            subs={"end": diffrax.SubSaveAt(t1=True), **along, **others}, solver_state=bool(running.observables)
        ),
        stepsize_controller=control or StepControl(retrieval.rtol, retrieval.atol, solver=retrieval.solver),
        adjoint=adjoint,
        event=event,
        max_steps=retrieval.max_steps,
        throw=False,
    )
    return solution


TERM = diffrax.ODETerm(lambda t, y, memory: memory.vector_field(y))


def _convergence_time(retrieval: Retrieval, speed: Scalar, adjoint: diffrax.AbstractAdjoint | None) -> Scalar:
    """First time at which the speed of the memory falls below `speed`; infinity if it does not, NaN if the solve
    fails or the input was invalid."""

    def excess(t: Scalar, y: PyTree, args: AbstractMemory, **kwargs: Any) -> Scalar:
        # In JAX's default precision whatever the memory's: diffrax 0.7 compares it with a plain 0.0 while it finds the root.
        return (args.speed(y) / speed - 1).astype(jnp.result_type(float))

    # The excess falls through zero: saying so (`flip`) spares the bisection a check that would throw inside a batch.
    bisection: Any = optx.Bisection(rtol=1e-4, atol=1e-3, flip=True)  # type: ignore[call-arg]
    event = diffrax.Event(excess, bisection, direction=False)
    memory, dtype, method = retrieval.memory, retrieval.t1.dtype, retrieval.solver
    if not isinstance(method, diffrax.AbstractImplicitSolver | AbstractExponentialSolver):
        method = ETD3() if isinstance(method, Automatic | Adams) else diffrax.Tsit5()
    tightly = replace(
        retrieval,
        rtol=jnp.asarray(max(8 * float(jnp.finfo(dtype).eps), 1e-9), dtype),
        atol=speed / (100 * memory.fastest_rate()),  # looser steps would keep the state moving about the fixed point
        solver=method,
        max_steps=CONVERGENCE_MAX_STEPS,
        running=RunningObservables(),
    )
    solution: Any = _solve(tightly, None, adjoint or diffrax.DirectAdjoint(), event)
    never = jnp.where(solution.result == diffrax.RESULTS.successful, jnp.inf, jnp.nan)
    time = jnp.where(solution.event_mask, solution.ts["end"][-1].astype(dtype), never.astype(dtype))
    return jnp.where(memory.speed(retrieval.y0) <= speed, 0, time)


def _increase_within(ts: jax.Array, t1: Scalar) -> BoolScalar:
    return jnp.all(ts[1:] > ts[:-1]) & (ts[0] >= 0) & (ts[-1] <= t1)


def _checked_times(ts: jax.typing.ArrayLike | Sequence[ScalarLike], t1: jax.Array) -> jax.Array:
    times = real("ts", ts).astype(t1.dtype)
    if times.ndim != 1 or times.size == 0:
        raise InputError(f"ts must be a list of times; got an array of shape {times.shape}")
    finite("ts", times)
    # Rounding alone takes the end of a geometric series beyond the horizon.
    times = jnp.where((times > t1) & (times <= t1 * (1 + 8 * jnp.finfo(t1.dtype).eps)), t1, times)
    if concrete(_increase_within(times, t1)) is False:
        raise InputError(f"ts must increase within [0, t1] = [0, {t1}]; got {shown(times.tolist())}")
    return times
