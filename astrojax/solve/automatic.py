"""The automatic solver: explicit of high order where accuracy limits a step, exponential where relaxation would."""

from collections.abc import Callable
from typing import Any, ClassVar

import diffrax
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from .._internal.types import BoolScalar, Scalar
from .exponential import AutonomousSolver, ExponentialInterpolation, exponential_drive, relaxations, relaxed

RELAXATIONS = 2.0
"""Longest step of the explicit method, in units of the shortest relaxation time. It is stable up to about 6, but close to that
its error estimate says little, in single precision nothing but rounding."""

EXPONENTIAL_SHARE = 0.1  # of the tolerance, for exponential steps: where neurons follow the gains, their errors add up

TABLEAU = diffrax.Dopri8.tableau
STAGES = len(TABLEAU.c) + 1

NODES = np.array([(4 - 6**0.5) / 10, (4 + 6**0.5) / 10, 1.0])  # Radau's, of which the last is the end of the step
INTERPOLATION = np.linalg.inv(np.vander(NODES, increasing=True))  # to coefficients of a parabola, lowest power first

AT_START = np.poly(NODES)[::-1] / -np.prod(NODES)  # the cubic that is 1 at the start of the step and 0 at the nodes

SWEEPS, CONVERGED = 24, 2e-3
"""Substitutions by which the values at the nodes are found; what the last one still changes counts as error. It must change
less than this share of what the second one does, or the step is refused: derivatives, which converge likewise, would be
wrong even where the values hardly move, close to a bifurcation."""

LEAST_CHANGE = 64  # units of rounding that a sweep may always change

Field = Callable[[PyTree], PyTree]
Step = tuple[PyTree, PyTree, dict[str, Any]]
"""The state after a step, an estimate of its error, and what interpolation needs."""


def explicit_step(field: Field, y0: PyTree, length: Scalar) -> Step:
    """A step of Dopri8, its stages in a `scan`: short to compile, and differentiable in both modes."""
    weights = np.zeros((STAGES, STAGES))
    for row, lower in zip(weights[1:], TABLEAU.a_lower, strict=True):
        row[: len(lower)] = lower

    def stage(slopes: PyTree, at: tuple[jax.Array, jax.Array]) -> tuple[PyTree, None]:
        index, row = at
        slope = field(jax.tree.map(jnp.add, y0, _combined(row, slopes)))
        return jax.tree.map(lambda all_, k: all_.at[index].set(length.astype(k.dtype) * k), slopes, slope), None

    empty = jax.tree.map(lambda leaf: jnp.zeros((STAGES, *leaf.shape), leaf.dtype), y0)
    slopes, _ = jax.lax.scan(stage, empty, (jnp.arange(STAGES), jnp.asarray(weights)))
    y1 = jax.tree.map(jnp.add, y0, _combined(TABLEAU.b_sol, slopes))
    return y1, _combined(TABLEAU.b_error, slopes), {"y0": y0, "y1": y1, "k": slopes}


def exponential_step(field: Field, rates: PyTree, y0: PyTree, length: Scalar) -> Step:
    """A step of exponential collocation: the drive is a parabola through its values at Radau's nodes, found by substitution.

    The error is that of the cubic through the first drive too.
    """
    *to_nodes, to_end = relaxations(rates, [*(float(node) * length for node in NODES), length], len(AT_START))
    drive = exponential_drive(field, rates)

    def states(values: PyTree) -> tuple[PyTree, tuple[PyTree, ...]]:
        parabola = tuple(_combined(row, values) for row in INTERPOLATION)
        stages = [relaxed(y0, _scaled(parabola, node ** np.arange(3)), to) for node, to in zip(NODES, to_nodes, strict=True)]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *stages), parabola

    def sweep(values: PyTree, _: None) -> tuple[PyTree, PyTree]:
        found = states(values)[0]
        return jax.vmap(drive)(found), jax.tree.map(lambda leaf: leaf[-1], found)

    start = drive(y0)
    values, ends = jax.lax.scan(sweep, jax.tree.map(lambda n: jnp.stack([n] * len(NODES)), start), length=SWEEPS)
    found, parabola = states(values)
    y1 = jax.tree.map(lambda leaf: leaf[-1], found)
    gap = jax.tree.map(jnp.subtract, start, parabola[0])
    cubic = relaxed(jax.tree.map(jnp.zeros_like, y0), _scaled((gap,) * len(AT_START), AT_START), to_end)
    early, late = (_largest_change(y1, ends, sweep) for sweep in (1, -1))
    stalled = (late > CONVERGED * early) & (late > LEAST_CHANGE * jnp.finfo(late.dtype).eps)
    error = jax.tree.map(
        lambda e, new, before: jnp.where(stalled, jnp.inf, jnp.abs(e) + jnp.abs(new - before[-1])), cubic, y1, ends
    )
    return y1, error, {"y0": y0, "drive": parabola, "rates": rates}


def _largest_change(y1: PyTree, ends: PyTree, sweep: int) -> Scalar:
    """What a sweep changed of the state at the end of the step, relative to the largest entry of each part."""

    def part(final: jax.Array, found: jax.Array) -> Scalar:
        size = jnp.maximum(jnp.max(jnp.abs(final)), jnp.finfo(final.dtype).tiny)
        return jnp.max(jnp.abs(found[sweep] - found[sweep - 1])) / size

    return jnp.max(jnp.stack(jax.tree.leaves(jax.tree.map(part, y1, ends))))


class AutomaticInterpolation(diffrax.AbstractLocalInterpolation):
    t0: Any  # type: ignore[misc]
    t1: Any  # type: ignore[misc]
    stiff: BoolScalar
    explicit: PyTree
    exponential: PyTree

    def evaluate(self, t0: Any, t1: Any | None = None, left: bool = True) -> PyTree:
        exponential = ExponentialInterpolation(t0=self.t0, t1=self.t1, **self.exponential).evaluate(t0, t1, left)
        explicit = diffrax.Dopri8.interpolation_cls(t0=self.t0, t1=self.t1, **self.explicit).evaluate(t0, t1, left)
        if t1 is None:  # the end of a step is the state there, without rounding
            explicit = jax.tree.map(lambda b, end: jnp.where(t0 == self.t1, end, b), explicit, self.explicit["y1"])
        return jax.tree.map(lambda a, b: jnp.where(self.stiff, a, b), exponential, explicit)


class Automatic(AutonomousSolver):
    """An explicit Runge-Kutta method of order 8 for short steps, exponential collocation for long ones.

    A step is long where relaxation would limit an explicit method: beyond `RELAXATIONS` of the shortest relaxation time of the
    memory, which is given as `args`. A batch computes only the kinds of steps that its trajectories need.

    Sources: Prince and Dormand (1981), doi:10.1016/0771-050X(81)90010-3; for exponential collocation Hochbruck and Ostermann
    (2005), doi:10.1016/j.apnum.2004.08.005.
    """

    interpolation_cls: ClassVar = AutomaticInterpolation
    order_of_method: ClassVar[int] = 8

    def error_of_step(self, length: Scalar, memory: Any) -> tuple[Scalar, Scalar]:
        """The order in which the error of a step grows with its length, and by how much more than its size it counts."""
        stiff = _is_stiff(length, memory)
        return jnp.where(stiff, 4, 9).astype(length.dtype), jnp.where(stiff, 1 / EXPONENTIAL_SHARE, 1).astype(length.dtype)

    def step(
        self, terms: Any, t0: Any, t1: Any, y0: PyTree, args: Any, solver_state: None, made_jump: Any
    ) -> tuple[PyTree, PyTree, dict[str, Any], None, Any]:
        length = t1 - t0
        stiff = _is_stiff(length, args)

        def field(y: PyTree) -> PyTree:
            return terms.vf(t0, y, args)

        # Where a method is not needed its step has length 0, so that the values that are dropped stay finite.
        rates = args.relaxation_rates()
        exponential = _if_any(stiff, lambda: exponential_step(field, rates, y0, jnp.where(stiff, length, 0)))
        explicit = _if_any(~stiff, lambda: explicit_step(field, y0, jnp.where(stiff, 0, length)))
        y1, error = jax.tree.map(lambda a, b: jnp.where(stiff, a, b), exponential[:2], explicit[:2])
        dense = {"stiff": stiff, "explicit": explicit[2], "exponential": exponential[2]}
        return y1, error, dense, None, diffrax.RESULTS.successful


def _is_stiff(length: Scalar, memory: Any) -> BoolScalar:
    return jnp.greater(length * memory.fastest_rate(), RELAXATIONS)


def _if_any(needed: BoolScalar, step: Callable[[], Step]) -> Step:
    """A step if any trajectory of the batch needs it, else zeros."""
    shapes = jax.eval_shape(step)
    found: Step = jax.lax.cond(eqxi.unvmap_any(needed), step, lambda: jax.tree.map(jnp.zeros_like, shapes))
    return found


def _combined(weights: Any, values: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: jnp.tensordot(jnp.asarray(weights, leaf.dtype), leaf, 1), values)


def _scaled(terms: tuple[PyTree, ...], factors: np.ndarray) -> tuple[PyTree, ...]:
    return tuple(jax.tree.map(lambda n, f=float(f): f * n, term) for term, f in zip(terms, factors, strict=True))
