"""Fixed points: where a memory rests."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, Float, PyTree

from .._internal.checks import at_least, real
from .._internal.datasets import Labeled, labeled
from .._internal.types import BoolScalar, IntScalar, PerPattern, Scalar
from ..models.base import AbstractMemory, check_state

F = TypeVar("F", bound=Callable[..., Any])


def of_state(function: F) -> F:
    """Compile a function of a memory and a state, which are checked; the state takes the memory's precision."""
    compiled: Any = eqx.filter_jit(function)

    @functools.wraps(function)
    def wrapper(memory: AbstractMemory, state: PyTree, **options: Any) -> Any:
        check_state(memory, state)
        state = jax.tree.map(lambda leaf: real("state", leaf).astype(memory.patterns.dtype), state)
        if "max_steps" in options:
            at_least("max_steps", options["max_steps"], 1)
            options["max_steps"] = int(options["max_steps"])  # a NumPy integer would be traced
        return compiled(memory.precompute(), state, **options)

    return wrapper  # type: ignore[return-value]


class Equilibrium(Labeled):
    """A state at which a memory rests.

    Arguments:
        state: the state; its parts depend on the memory, `x` is always there.
        gains: gains p, shape (K,), or `None` for a memory without gains.
        residual: largest distance of a variable from where it is driven to, relative to 1 + the largest |variable| of its kind.
        num_steps: steps of Newton's method.
        converged: whether the residual is within rounding. If not, the state is meaningless.
    """

    state: Any
    gains: PerPattern | None = labeled("astrocytic gain of each pattern", "pattern")
    residual: Scalar = labeled("largest relative distance of a variable from where it is driven to")
    num_steps: IntScalar = labeled("steps of Newton's method")
    converged: BoolScalar = labeled("whether the residual is within rounding")

    @property
    def x(self) -> Float[Array, "*batch neurons"]:
        """Neuronal state x, shape (N,); with a leading axis for several equilibria."""
        return self.state.x


@of_state
def equilibrium(memory: AbstractMemory, state: PyTree, *, max_steps: int = 64) -> Equilibrium:
    """Find an equilibrium by Newton's method in all variables, from a state of a memory.

    From a state close to an equilibrium, stable or not, it finds that one; from afar any, or none: check `converged`.
    Derivatives with respect to the memory follow from the implicit function theorem; those with respect to `state` are 0.

    Arguments:
        state: such as the `state` of a `Recall`.
        max_steps: of Newton's method.

    Raises `InputError` for something that is not a memory or a state of it, and for `max_steps` below 1.
    """
    tolerance = float(jnp.finfo(memory.patterns.dtype).eps) ** (2 / 3)
    newton: Any = optx.Newton(rtol=tolerance, atol=tolerance)
    solution: Any = optx.root_find(scaled_residual, newton, state, args=memory, max_steps=max_steps, throw=False)
    parts = jax.tree.leaves(scaled_residual(solution.value, memory))
    residual = jax.lax.stop_gradient(jnp.max(jnp.stack([jnp.max(jnp.abs(part)) for part in parts])))
    return Equilibrium(
        state=solution.value,
        gains=memory.gains(solution.value),
        residual=residual,
        num_steps=jnp.asarray(solution.stats["num_steps"]),
        converged=(residual <= tolerance) & memory.is_valid(),
    )


def scaled_residual(state: PyTree, memory: AbstractMemory) -> PyTree:
    """The vector field in units of the state: drive − variable, relative to 1 + the largest |variable| of its kind."""

    def part(derivative: jax.Array, rate: jax.Array, values: jax.Array) -> jax.Array:
        return derivative / (rate * jax.lax.stop_gradient(1 + jnp.max(jnp.abs(values))))

    return jax.tree.map(part, memory.vector_field(state), memory.relaxation_rates(), state)
