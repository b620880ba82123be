"""Step sizes: how large the error of a step may be, and how long the next step is."""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, Float, PyTree

from .._internal.types import BoolScalar, IntScalar, Scalar
from ..models.gain_maps import largest_entry
from .automatic import Automatic

PROPORTIONAL, INTEGRAL, SAFETY = 0.3, 0.7, 0.8
"""Coefficients of the controller: it rejects half as many steps as an integral one with a safety of 0.9."""

FIRST_STEP = 0.3  # at a tolerance of 1, in units of the shortest time constant
SMALLEST_FACTOR, LARGEST_FACTOR = 0.2, 10.0  # of the next step; after a rejected step it is shorter


class Replay(diffrax.AbstractStepSizeController[IntScalar, None]):
    """The steps of an earlier solve, by their ends; infinite from the step on that ends at the horizon."""

    times: Float[Array, " steps"]

    def wrap(self, direction: Any) -> "Replay":
        return self

    def init(
        self, terms: Any, t0: Any, t1: Any, y0: PyTree, dt0: Any, args: Any, func: Callable[..., Any], error_order: Any
    ) -> tuple[Any, IntScalar]:
        return self.times[0], jnp.asarray(1)

    def adapt_step_size(
        self, t0: Any, t1: Any, y0: PyTree, y1: PyTree, args: Any, y_error: PyTree, error_order: Any, state: IntScalar
    ) -> tuple[bool, Any, Any, bool, IntScalar, Any]:
        next_t1 = self.times[jnp.minimum(state, self.times.size - 1)]
        return True, t1, next_t1, False, state + 1, diffrax.RESULTS.successful


class StepControl(diffrax.AbstractAdaptiveStepSizeController[Scalar, Any]):
    """A proportional-integral controller for memories: the largest error of a step, relative to sizes that the memory says.

    An error e of a neuron counts as e/(atol + rtol s), with s from `error_scale` of the memory that is given as `args`; one of
    any other part of the state, whose natural unit is 1, as e/(rtol (1 + s)). A step is accepted if all of them are below 1.
    The largest of them, unlike a mean, does not change when a memory is padded.

    Source: Söderlind (2003), doi:10.1145/641876.641877.
    """

    rtol: Scalar
    atol: Scalar
    norm: Callable[[PyTree], Scalar] = optx.max_norm  # for the root finders of implicit solvers
    solver: diffrax.AbstractAdaptiveSolver[Any] | None = None  # `Automatic` says how the error of each step counts

    def wrap(self, direction: Any) -> "StepControl":
        return self

    def init(
        self, terms: Any, t0: Any, t1: Any, y0: PyTree, dt0: Any, args: Any, func: Callable[..., Any], error_order: Any
    ) -> tuple[Any, Scalar]:
        """The end of the first step, and 1 in place of the error of the step before it."""
        if dt0 is None:
            dt0 = FIRST_STEP * args.shortest_time() * self.rtol ** (1 / error_order)
        return t0 + jax.lax.stop_gradient(dt0), jnp.ones_like(self.rtol)

    def adapt_step_size(
        self, t0: Any, t1: Any, y0: PyTree, y1: PyTree, args: Any, y_error: PyTree, error_order: Any, state: Scalar
    ) -> tuple[BoolScalar, Scalar, Scalar, bool, Scalar, Any]:
        """Whether a step is accepted; where the next begins and ends; and its error, which the step after that looks at."""
        sizes = jax.tree.map(jnp.maximum, args.error_scale(y0), args.error_scale(y1))
        absolute = eqx.tree_at(lambda units: units.x, jax.tree.map(lambda _: self.rtol, sizes), self.atol)

        def largest(error: jax.Array, unit: Scalar, size: jax.Array) -> Scalar:
            return largest_entry(jnp.abs(error) / (unit + self.rtol * size))

        weight: Scalar | float = 1.0
        if isinstance(self.solver, Automatic):
            error_order, weight = self.solver.error_of_step(t1 - t0, args)
        leaves = jax.tree.leaves(jax.tree.map(largest, y_error, absolute, sizes))
        error = weight * jax.lax.stop_gradient(jnp.max(jnp.stack(leaves)))
        accepted = error < 1
        # Where the state overflowed the error is NaN: as large as can be.
        counted = jnp.clip(jnp.nan_to_num(error, nan=jnp.inf, posinf=jnp.inf), jnp.finfo(error.dtype).eps)
        factor = SAFETY * counted ** (-(PROPORTIONAL + INTEGRAL) / error_order) * state ** (PROPORTIONAL / error_order)
        bounds = jnp.where(accepted, 1.0, SMALLEST_FACTOR), jnp.where(accepted, LARGEST_FACTOR, SAFETY)
        next_t0 = jnp.where(accepted, t1, t0)
        next_t1 = next_t0 + jnp.clip(factor, *bounds) * (t1 - t0)
        results = diffrax.RESULTS
        result = results.where(accepted | (next_t1 > next_t0), results.successful, results.dt_min_reached)
        return accepted, next_t0, next_t1, False, jnp.where(accepted, counted, state), result
