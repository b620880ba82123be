"""Exponential Runge-Kutta solvers: the linear relaxation of every variable is solved exactly, whatever its rate.

For dy/dt = −λy + N(y), with rates λ of each part of the state, the drive N is taken as a polynomial in time along a step,
and the linear equation that is left is solved in closed form. So a step need not be short because λ is large.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from .._internal.types import Scalar
from ..models.base import joined

SERIES_TERMS = 18  # of a φ function: enough for float64 at |z| ≤ 1
Drive = Callable[[PyTree], PyTree]
Terms = tuple[PyTree, ...]
"""The drive N of a state, and the coefficients of one along a step."""


def rates_of(args: Any) -> PyTree:
    return args.relaxation_rates()


class ExponentialInterpolation(diffrax.AbstractLocalInterpolation):
    """Within a step: the exact solution for the polynomial drive that the step was made with."""

    t0: Any  # type: ignore[misc]
    t1: Any  # type: ignore[misc]
    y0: PyTree
    drive: tuple[PyTree, ...]
    rates: PyTree

    def evaluate(self, t0: Any, t1: Any | None = None, left: bool = True) -> PyTree:
        if t1 is not None:
            return jax.tree.map(lambda late, early: late - early, self.evaluate(t1), self.evaluate(t0))
        part = jnp.where(self.t1 > self.t0, (t0 - self.t0) / jnp.where(self.t1 > self.t0, self.t1 - self.t0, 1), 0)
        drive = tuple(jax.tree.map(lambda n, power=power: part**power * n, term) for power, term in enumerate(self.drive))
        (relaxation,) = relaxations(self.rates, (t0 - self.t0,), len(drive))
        return relaxed(self.y0, drive, relaxation)


class AutonomousSolver(diffrax.AbstractAdaptiveSolver[Any]):
    """A solver of equations that do not depend on time."""

    term_structure: ClassVar = diffrax.AbstractTerm
    order_of_method: ClassVar[int]

    def order(self, terms: Any) -> int:
        return self.order_of_method

    def init(self, terms: Any, t0: Any, t1: Any, y0: PyTree, args: Any) -> Any:
        """No state is kept from step to step."""

    def func(self, terms: Any, t0: Any, y0: PyTree, args: Any) -> PyTree:
        return terms.vf(t0, y0, args)


class AbstractExponentialSolver(AutonomousSolver):
    """An exponential Runge-Kutta method for autonomous equations, integrated forward in time.

    Arguments:
        relaxation_rates: λ as a function of `args`: a pytree like y with one positive number for each leaf, or an array like
            it, such that the drive N(y) = dy/dt + λy varies slowly where λ is large; those of `args`, a memory, if omitted.
    """

    relaxation_rates: Callable[[Any], PyTree] = rates_of

    interpolation_cls: ClassVar = ExponentialInterpolation

    @abstractmethod
    def stage_drives(self, drive: Drive, y0: PyTree, half: "Relaxation", whole: "Relaxation") -> tuple[Terms, Terms]:
        """Coefficients n_j of the drive Σ n_j θ^j along a step, θ from 0 to 1; and of its difference from a lower order's."""

    def step(
        self, terms: Any, t0: Any, t1: Any, y0: PyTree, args: Any, solver_state: None, made_jump: Any
    ) -> tuple[PyTree, PyTree, dict[str, Any], None, Any]:
        rates, length = self.relaxation_rates(args), t1 - t0
        half, whole = relaxations(rates, (length / 2, length), 3)  # as many coefficients as the drive has at most
        drive_at = exponential_drive(lambda y: terms.vf(t0, y, args), rates)
        drive, difference = self.stage_drives(drive_at, y0, half, whole)
        y1 = relaxed(y0, drive, whole)
        error = relaxed(jax.tree.map(jnp.zeros_like, y0), difference, whole)
        return y1, error, {"y0": y0, "drive": drive, "rates": rates}, None, diffrax.RESULTS.successful


class ETD2(AbstractExponentialSolver):
    """Exponential time differencing of second order with two stages; the error is estimated by the method of first order.

    Source: Cox and Matthews (2002), doi:10.1006/jcph.2002.6995, their ETD2RK.
    """

    order_of_method: ClassVar[int] = 2

    def stage_drives(self, drive: Drive, y0: PyTree, half: "Relaxation", whole: "Relaxation") -> tuple[Terms, Terms]:
        start = drive(y0)
        end = drive(relaxed(y0, (start,), whole))
        change = jax.tree.map(lambda a, b: b - a, start, end)
        return (start, change), (jax.tree.map(jnp.zeros_like, change), change)


class ETD3(AbstractExponentialSolver):
    """Exponential time differencing of third order with three stages.

    The error is estimated by the method of second order that takes the drive as linear through its first two stages.

    Source: Cox and Matthews (2002), doi:10.1006/jcph.2002.6995, their ETD3RK, with an error estimate and an interpolant.
    """

    order_of_method: ClassVar[int] = 3

    def stage_drives(self, drive: Drive, y0: PyTree, half: "Relaxation", whole: "Relaxation") -> tuple[Terms, Terms]:
        start = drive(y0)
        middle = drive(relaxed(y0, (start,), half))
        ahead = jax.tree.map(lambda a, b: 2 * b - a, start, middle)
        end = drive(relaxed(y0, (ahead,), whole))
        bend = jax.tree.map(lambda a, b, c: 2 * (a - 2 * b + c), start, middle, end)
        slope = jax.tree.map(lambda a, c, n2: c - a - n2, start, end, bend)
        difference = (jax.tree.map(jnp.zeros_like, bend), jax.tree.map(lambda n2: -n2 / 2, bend), bend)
        return (start, slope, bend), difference


class Adams(AutonomousSolver):
    """Exponential Adams-Bashforth-Moulton method of second order for steps of any lengths.

    The drive N is a straight line along a step: through the last two drives to predict the end of the step; to correct it,
    through the first of the step and the one evaluated at the prediction, which also serves the next step. The error is what
    the correction changes. The first step takes the drive as constant. Meant for a grid of given steps (see `time_grid.py`).

    Source: Nørsett (1969), doi:10.1007/BFb0060012, and Cox and Matthews (2002), doi:10.1006/jcph.2002.6995, for equal steps.
    """

    relaxation_rates: Callable[[Any], PyTree] = rates_of

    interpolation_cls: ClassVar = ExponentialInterpolation
    order_of_method: ClassVar[int] = 2

    def init(self, terms: Any, t0: Any, t1: Any, y0: PyTree, args: Any) -> tuple[PyTree, PyTree, Scalar]:
        """The drive at the start of the last step and at its end, and its length: 0, since there is none."""
        start = exponential_drive(lambda y: terms.vf(t0, y, args), self.relaxation_rates(args))(y0)
        return start, start, jnp.zeros_like(t1)

    def step(
        self, terms: Any, t0: Any, t1: Any, y0: PyTree, args: Any, solver_state: tuple[Any, Any, Any], made_jump: Any
    ) -> tuple[PyTree, PyTree, dict[str, Any], Any, Any]:
        before, start, last = solver_state
        rates, length = self.relaxation_rates(args), t1 - t0
        growth = jnp.where(last > 0, length / jnp.where(last > 0, last, 1), 0)
        slope = jax.tree.map(lambda new, old: growth.astype(new.dtype) * (new - old), start, before)
        (whole,) = relaxations(rates, (length,), 2)
        predicted = relaxed(y0, (start, slope), whole)
        end = exponential_drive(lambda y: terms.vf(t1, y, args), rates)(predicted)
        line = jax.tree.map(jnp.subtract, end, start)
        none = jax.tree.map(jnp.zeros_like, start)
        error = relaxed(none, (none, jax.tree.map(jnp.subtract, line, slope)), whole)
        y1 = jax.tree.map(jnp.add, predicted, error)
        dense_info = {"y0": y0, "drive": (start, line), "rates": rates}
        return y1, error, dense_info, (start, end, length), diffrax.RESULTS.successful


def exponential_drive(field: Callable[[PyTree], PyTree], rates: PyTree) -> Callable[[PyTree], PyTree]:
    return lambda y: jax.tree.map(lambda slope, rate, part: slope + rate * part, field(y), rates, y)


class Relaxation(NamedTuple):
    """How the state relaxes during a time: φ_0, φ_1, … at z = −λ length, for each part of the state."""

    length: Scalar
    weights: PyTree


def relaxations(rates: PyTree, lengths: Sequence[Scalar], num_coefficients: int) -> list[Relaxation]:
    """A `Relaxation` for each time; all as one array, since one by one such small operations take most of a step."""
    leaves, structure = jax.tree.flatten(rates)
    together = joined(leaves)
    ends = np.cumsum([leaf.size for leaf in leaves])
    places = [slice(end - leaf.size, end) if leaf.ndim else end - 1 for leaf, end in zip(leaves, ends, strict=True)]
    times = jnp.stack([jnp.asarray(length, together.dtype) for length in lengths])
    values = phi(-times[:, None] * together[None], num_coefficients)
    return [
        Relaxation(time, jax.tree.unflatten(structure, [tuple(value[i, place] for value in values) for place in places]))
        for i, time in enumerate(times)
    ]


def relaxed(y0: PyTree, drive: tuple[PyTree, ...], relaxation: Relaxation) -> PyTree:
    """Solution of dy/dt = −λy + Σ n_j (t/length)^j: exp(z) y0 + length Σ j! φ_{j+1}(z) n_j with z = −λ length."""

    def part(start: jax.Array, weights: tuple[jax.Array, ...], *terms: jax.Array) -> jax.Array:
        decay, *others = weights
        assert len(terms) <= len(others), "a drive of more coefficients than the relaxation has weights for"
        sums = [math.factorial(j) * weight * term for j, (weight, term) in enumerate(zip(others, terms, strict=False))]
        return decay * start + relaxation.length.astype(start.dtype) * sum(sums[1:], sums[0])

    return jax.tree.map(part, y0, relaxation.weights, *drive)


def phi(z: Float[Array, "*shape"], highest: int) -> list[Float[Array, "*shape"]]:
    """φ_0(z) = exp(z) and φ_{j+1}(z) = (φ_j(z) − 1/j!)/z up to `highest`, for z ≤ 0, without cancellation at small |z|.

    Near 0 the highest comes from its series Σ z^k/(k + j)! and the others from it; elsewhere each from the one before.
    """
    small = jnp.abs(z) < 1
    near, far = jnp.where(small, z, 0), jnp.where(small, -1, z)
    series = jnp.zeros_like(z)
    for k in reversed(range(SERIES_TERMS)):
        series = series * near + 1 / math.factorial(k + highest)
    below = [series]
    for j in reversed(range(highest)):
        below.append(near * below[-1] + 1 / math.factorial(j))
    above = [jnp.exp(far)]
    for j in range(highest):
        above.append((above[-1] - 1 / math.factorial(j)) / far)
    return [jnp.where(small, a, b) for a, b in zip(reversed(below), above, strict=True)]
