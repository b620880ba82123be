"""An exponential Adams method: one evaluation of the vector field in each step, whatever the rates of relaxation."""

from collections.abc import Callable
from typing import Any, ClassVar

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from .._internal.types import Scalar
from .exponential import AutonomousSolver, ExponentialInterpolation, exponential_drive, rates_of, relaxations, relaxed

State = tuple[PyTree, PyTree, Scalar]
"""Drives at the start of the last step and at its end, and its length."""


class Adams(AutonomousSolver):
    """Exponential Adams-Bashforth-Moulton method of second order for steps of any lengths.

    For dy/dt = −λy + N(y) the relaxation is solved exactly, and the drive N is a straight line along a step. To predict the end
    of the step, the line runs through the last two drives; to correct it, through the first of the step and the one that is
    evaluated at the prediction, which also serves the next step. The error is what the correction changes.

    The first step has no drive before it, and takes it as constant. Meant for a grid of given steps (see `grid.py`).

    Arguments:
        relaxation_rates: as for `ETD3`.

    Source: Nørsett (1969), doi:10.1007/BFb0060012, and Cox and Matthews (2002), doi:10.1006/jcph.2002.6995, for equal steps.
    """

    relaxation_rates: Callable[[Any], PyTree] = rates_of

    interpolation_cls: ClassVar = ExponentialInterpolation

    def order(self, terms: Any) -> int:
        """Order of the method."""
        return 2

    def init(self, terms: Any, t0: Any, t1: Any, y0: PyTree, args: Any) -> State:
        """The drive at the start, and no step before it."""
        start = exponential_drive(lambda y: terms.vf(t0, y, args), self.relaxation_rates(args))(y0)
        return start, start, jnp.zeros_like(t1)

    def step(
        self, terms: Any, t0: Any, t1: Any, y0: PyTree, args: Any, solver_state: State, made_jump: Any
    ) -> tuple[PyTree, PyTree, dict[str, Any], State, Any]:
        """One step from t0 to t1."""
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
