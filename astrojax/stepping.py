"""Retrieval step by step: what `retrieve` does, taken apart, so that many trajectories can be under way side by side.

Solver and step control are those that diffrax's `diffeqsolve` calls, called here without what it does besides: states on the
way, events, derivatives. Its loop keeps all of that for every lane of a batch, which takes longer where states are large.
"""

from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ._types import BoolScalar, IntScalar, Scalar
from .retrieval import SOLVERS, TERM, Recall, Retrieval, concluded
from .step_control import StepControl

LAST_STEP = 100
"""A step that would end so little before the horizon, in units of its rounding, ends at the horizon."""


class Progress(eqx.Module):
    """Where a retrieval has come to.

    Arguments:
        t, y: the time, and the state at it.
        next_t: the end of the step that is to be tried next.
        solver_state, controller_state: what solver and step control remember.
        failed: whether the solver has given up.
        num_accepted_steps, num_rejected_steps: counts.
    """

    t: Scalar
    y: PyTree
    next_t: Scalar
    solver_state: Any
    controller_state: Any
    failed: BoolScalar
    num_accepted_steps: IntScalar
    num_rejected_steps: IntScalar


def can_step(solver: str) -> bool:
    """Whether the solver of a name can be taken step by step. An implicit one cannot: `diffeqsolve` lends it tolerances."""
    return not issubclass(SOLVERS[solver], diffrax.AbstractImplicitSolver)


def begun(retrieval: Retrieval) -> Progress:
    """A retrieval before its first step."""
    solver, start, memory = retrieval.solver, jnp.zeros_like(retrieval.t1), retrieval.memory
    next_t, controller_state = StepControl(retrieval.rtol, retrieval.atol, solver=solver).init(
        TERM, start, retrieval.t1, retrieval.y0, None, memory, solver.func, solver.error_order(TERM)
    )
    next_t = _within(next_t, retrieval.t1, jnp.asarray(True))
    solver_state = solver.init(TERM, start, next_t, retrieval.y0, memory)
    none = jnp.zeros((), jnp.int32)
    return Progress(
        start, retrieval.y0, next_t, solver_state, jax.tree.map(jnp.asarray, controller_state), jnp.asarray(False), none, none
    )


def is_under_way(retrieval: Retrieval, progress: Progress) -> BoolScalar:
    """Whether there are steps to be tried; not if they have become too short to count, or are none, after overflow."""
    tried = progress.num_accepted_steps + progress.num_rejected_steps
    return (progress.next_t > progress.t) & ~progress.failed & (tried < retrieval.max_steps)


def stepped(retrieval: Retrieval, progress: Progress) -> Progress:
    """After one more step was tried; nothing changes once the retrieval is not under way any more."""
    solver, memory, before = retrieval.solver, retrieval.memory, progress
    y, error, _, solver_state, result = solver.step(
        TERM, before.t, before.next_t, before.y, memory, before.solver_state, made_jump=False
    )
    accepted, t, next_t, _, controller_state, _ = StepControl(retrieval.rtol, retrieval.atol, solver=solver).adapt_step_size(
        before.t, before.next_t, before.y, y, memory, error, solver.error_order(TERM), before.controller_state
    )
    under_way = is_under_way(retrieval, before)
    accepted = accepted & under_way

    def chosen(condition: BoolScalar, new: PyTree, old: PyTree) -> PyTree:
        return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)

    return Progress(
        t=jnp.where(accepted, t, before.t),
        y=chosen(accepted, y, before.y),
        next_t=jnp.where(under_way, _within(next_t, retrieval.t1, accepted), before.next_t),
        solver_state=chosen(accepted, solver_state, before.solver_state),
        controller_state=chosen(under_way, controller_state, before.controller_state),
        failed=before.failed | (accepted & (result != diffrax.RESULTS.successful)),
        num_accepted_steps=before.num_accepted_steps + accepted.astype(jnp.int32),
        num_rejected_steps=before.num_rejected_steps + (under_way & ~accepted).astype(jnp.int32),
    )


def ended(retrieval: Retrieval, progress: Progress) -> Recall:
    """The result of a retrieval that is not under way any more."""
    results = diffrax.RESULTS
    result = results.where(progress.failed, results.internal_error, results.max_steps_reached)
    result = results.where(progress.t >= retrieval.t1, results.successful, result)
    stats = {name: getattr(progress, name) for name in ("num_accepted_steps", "num_rejected_steps")}
    return concluded(retrieval, progress.y, result, stats, diffrax.ForwardMode())


def _within(next_t: Scalar, t1: Scalar, accepted: BoolScalar) -> Scalar:
    """The end of the next step, at the horizon or before it. A step tried again after one in vain is not made longer."""
    nearly = t1 * (1 - LAST_STEP * jnp.finfo(t1.dtype).eps)
    return jnp.where(accepted & (next_t > nearly), t1, jnp.minimum(next_t, t1))
