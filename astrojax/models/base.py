"""Memory base class: a pytree of patterns and parameters with a vector field, an energy and its rate."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from .._internal import checks
from .._internal.checks import InputError
from .._internal.datasets import labeled
from .._internal.types import (
    BoolScalar,
    MaskLike,
    Neurons,
    Patterns,
    PerNeuronLike,
    PerPattern,
    Scalar,
    ScalarLike,
    ScalarOrNeurons,
    Stored,
)
from .activations import TANH
from .packed import CompactPatterns

NUM_STEPS = 40  # of a grid, by default
DEFAULT_TOLERANCE, LARGEST_TOLERANCE = 1e-3, 2.5e-2  # of the exponential solver: if errors grow along a trajectory, or decay


class NeuronState(eqx.Module):
    """Neurons x: the state of a memory without other dynamical variables."""

    x: Neurons = labeled("neuronal state", "neuron")


class AbstractMemory(eqx.Module):
    """An associative memory as a pytree: `jax.vmap` works over its patterns, its parameters and the mask `stored`.

    All numbers are dimensionless. `stored` marks the columns of a padded pattern array that belong to the memory; memories of
    different loads then have one shape and can share a batch. A padded memory behaves exactly like an unpadded one.

    A memory defines its vector field and energy; the other methods default to those of a memory whose only variables are its
    neurons.
    """

    patterns: eqx.AbstractVar[Patterns | CompactPatterns]
    stored: eqx.AbstractVar[Stored | None]
    tau_x: eqx.AbstractVar[ScalarOrNeurons]
    slope: eqx.AbstractVar[ScalarOrNeurons]

    activation = TANH  # of memories without a field of this name

    positive_parameters: ClassVar[tuple[str, ...]] = ("tau_x", "slope")
    """Names of the parameters that must be positive: the dynamical parameters a sweep may vary."""

    per_neuron_parameters: ClassVar[tuple[str, ...]] = ("tau_x", "slope")
    """Names of those that may be one number for each neuron, shape (N,)."""

    needs: ClassVar[Mapping[str, Mapping[str, tuple[str, ...]]]] = {}
    """For parameters with an effect only at certain settings: the values needed, by parameter and setting."""

    def set_parameters(
        self, patterns: jax.typing.ArrayLike | CompactPatterns, stored: MaskLike | None, **positives: PerNeuronLike
    ) -> None:
        """For the `__init__` of a memory: check and set the patterns, the mask and positive parameters by name."""
        self.patterns, self.stored = checked_patterns(patterns, stored)
        for name, value in positives.items():
            entries = self.num_neurons if name in self.per_neuron_parameters else None
            setattr(self, name, checks.positive(name, value, self.patterns.dtype, entries))

    def __check_init__(self) -> None:
        if jnp.ndim(self.tau_x) and self.activation.couples_neurons:
            kind = type(self.activation).__name__
            raise InputError(f"tau_x must be a single number with {kind}, which couples neurons; got shape {self.tau_x.shape}")

    def initial_state(self, query: Neurons) -> NeuronState:
        """State at time 0 for a query given as neuronal state x(0), shape (N,)."""
        return NeuronState(checked_query(query, self.patterns))

    @abstractmethod
    def vector_field(self, state: Any) -> PyTree:
        """Time derivative of a state, as a state."""

    @abstractmethod
    def energy(self, state: Any) -> Scalar:
        """Lyapunov function: never increases along a trajectory."""

    def energy_rate(self, state: Any) -> Scalar:
        """Exact time derivative of the energy along the trajectory through a state; never positive.

        −(1/τx) Σ φ′(x) (τx dx/dt)² for a memory whose only variables are its neurons.
        """
        return self.neuron_dissipation(state.x, self.vector_field(state).x)

    def speed(self, state: Any) -> Scalar:
        """Largest absolute rate of change of any variable."""
        return largest(*jax.tree.leaves(self.vector_field(state)))

    def rates(self) -> tuple[ScalarOrNeurons, ...]:
        """Rates λ of the linear relaxation −λy, per unit of time: a positive number for each part of the state, in order, or an
        array like it.

        The vector field is this relaxation plus a bounded drive. Exponential solvers treat the relaxation exactly.
        """
        return (1 / self.tau_x,)

    def relaxation_rates(self) -> PyTree:
        """The `rates` in the structure of a state: a number for each array."""
        return jax.tree.unflatten(jax.tree.structure(self.state_like()), self.rates())

    def state_like(self) -> PyTree:
        """Shapes and dtypes of a state."""
        return jax.eval_shape(self.initial_state, jnp.zeros(self.num_neurons, self.patterns.dtype))

    def error_scale(self, state: Any) -> PyTree:
        """Scales to which errors are relative: the largest |x| for all neurons, its own size for every other entry.

        A neuron near 0 may have errors as large as the others': the outcome does not depend on them.
        """
        sizes = jax.tree.map(jnp.abs, state)
        return eqx.tree_at(lambda sizes: sizes.x, sizes, jnp.max(sizes.x))

    def fastest_rate(self) -> Scalar:
        """The fastest of the `rates`: at rest it limits the step of an explicit solver."""
        return jnp.max(joined(self.rates()))

    def shortest_time(self) -> Scalar:
        """The shortest of the time constants."""
        return jnp.min(joined([getattr(self, name) for name in self.positive_parameters if name.startswith("tau_")]))

    def tolerance(self, t1: Scalar) -> Scalar:
        """Default tolerance, relative and absolute, of the exponential solvers (docs/accuracy.md)."""
        return jnp.full_like(t1, DEFAULT_TOLERANCE)

    def time_scale(self) -> Scalar:
        """Time within which a query is decided: up to it the steps of a grid (`solve/time_grid.py`) are about equally long."""
        return 2 * self.shortest_time()

    def num_steps(self, num_patterns: ScalarLike, similarity: ScalarLike) -> ScalarLike:
        """Steps that a grid needs at a memory load and a cosine similarity of query and target (docs/accuracy.md)."""
        return NUM_STEPS

    def precompute(self) -> "AbstractMemory":
        """The same memory, with all precomputed that its vector field needs repeatedly; `num_precomputed` counts it."""
        return self

    def gains(self, state: Any) -> PerPattern | None:
        """Astrocytic gains p on the probability simplex, shape (K,), or `None` for a memory without gains."""
        return None

    def log_gains(self, state: Any) -> PerPattern | None:
        """Logarithms of the gains, −inf for columns that are not stored, or `None` for a memory without gains."""
        return None

    def readout(self, state: Any) -> Neurons:
        """Firing rates φ(x), shape (N,): in (−1, 1) unless the memory has another activation."""
        return self.activation(state.x, self.slope)

    def overlaps(self, state: Any) -> PerPattern:
        """Unnormalized overlaps m = Ξᵀφ(x) in [−N, N], shape (K,)."""
        return self.readout(state) @ self.patterns

    @property
    def has_kinks(self) -> bool:
        """Whether the derivative of the vector field jumps anywhere."""
        return self.activation.has_kinks

    @property
    def num_neurons(self) -> int:
        """Number of neurons N."""
        return self.patterns.shape[0]

    @property
    def num_patterns(self) -> Scalar:
        """Memory load K, the number of stored columns, as a float of the patterns' dtype."""
        if self.stored is None:
            return jnp.asarray(self.patterns.shape[1], self.patterns.dtype)
        return jnp.sum(self.stored, dtype=self.patterns.dtype)

    def is_valid(self) -> BoolScalar:
        """Whether all parameters and patterns are in range: the only check of traced values."""
        parameters = joined([getattr(self, name) for name in self.positive_parameters])
        valid = jnp.all((parameters > 0) & jnp.isfinite(parameters))
        if not isinstance(self.patterns, CompactPatterns):
            valid &= jnp.all(jnp.isfinite(self.patterns))
        return valid if self.stored is None else valid & jnp.any(self.stored)

    def neuron_energy(self, x: Neurons) -> Scalar:
        """The neurons' contribution to every energy, Σ xφ(x) − L(x)."""
        return self.activation.energy(x, self.slope)

    def neuron_dissipation(self, x: Neurons, dx: Neurons) -> Scalar:
        """The neurons' contribution to the energy rate, −τx Σ φ′(x) (dx/dt)²."""
        if self.tau_x.ndim:
            return -self.activation.dissipation(x, self.slope, jnp.sqrt(self.tau_x) * dx)
        return -self.tau_x * self.activation.dissipation(x, self.slope, dx)


def check_memory(memory: object) -> None:
    if not isinstance(memory, AbstractMemory):
        raise InputError(f"memory must be a memory such as AstrocyteMemory; got {type(memory).__name__}")
    if len(memory.patterns.shape) != 2:
        raise InputError(f"memory must be a single one (use jax.vmap); its patterns have shape {memory.patterns.shape}")


def check_state(memory: AbstractMemory, state: PyTree, name: str = "state") -> None:
    check_memory(memory)
    given, wanted = (jax.tree.map(jnp.shape, tree) for tree in (state, memory.state_like()))
    if given != wanted:
        raise InputError(f"{name} must be of this memory, with arrays of the shapes {wanted}; got {given}")


def checked_patterns(patterns: jax.typing.ArrayLike | CompactPatterns, stored: MaskLike | None) -> tuple[Any, jax.Array | None]:
    """Patterns as floats, with zeros in the columns that are not stored, and the mask; `InputError` if they are invalid."""
    if isinstance(patterns, CompactPatterns):
        if stored is not None:
            raise InputError("stored must be omitted for compact patterns: all of them are stored")
        return patterns, None
    checks.refuse_booleans("patterns", patterns)
    array = checks.real("patterns", patterns)
    checks.pattern_matrix(array.shape)
    checks.finite("patterns", array)
    if array.dtype not in (jnp.float32, jnp.float64):
        raise InputError(f"patterns must be in single or double precision; got {array.dtype}")
    if stored is None:
        checks.refuse_bits("patterns", array)
        return array, None
    mask = np.asarray(stored) if isinstance(stored, Sequence) else stored
    if getattr(mask, "dtype", None) != np.bool_:
        raise InputError(f"stored must be an array of booleans; got {stored!r}")
    mask = jnp.asarray(mask)
    checks.shaped("stored", mask, (array.shape[1],), "one boolean per pattern")
    if checks.concrete(jnp.any(mask)) is False:
        raise InputError("stored must mark at least one pattern; got a mask that is False everywhere")
    checks.refuse_bits("patterns", array, mask)
    return jnp.where(mask, array, jnp.zeros_like(array)), mask


def checked_query(
    query: jax.typing.ArrayLike, patterns: Patterns | CompactPatterns, name: str = "query", *, is_batch: bool = False
) -> jax.Array:
    """A query, shape (N,), or a batch of them, one per row, in the patterns' precision; `InputError` if it is invalid."""
    checks.refuse_booleans(name, query)
    array = checks.real(name, query).astype(patterns.dtype)
    num_neurons, num_patterns = patterns.shape
    turned = ", not per pattern: patterns must be columns" if array.shape == (num_patterns,) else ""
    if not is_batch:
        checks.shaped(name, array, (num_neurons,), f"one entry per neuron{turned}")
    elif array.ndim != 2 or array.shape[1] != num_neurons or not len(array):
        raise InputError(f"{name} must have shape (num_{name}, {num_neurons}), one per row; got {array.shape}")
    checks.finite(name, array)
    checks.refuse_bit_queries(name, array, patterns)
    return array


def joined(values: Sequence[jax.Array]) -> jax.Array:
    """Numbers and vectors as one vector."""
    if not any(value.ndim for value in values):
        return jnp.stack(values)
    return jnp.concatenate([jnp.atleast_1d(value) for value in values])


def largest(*arrays: jax.Array) -> jax.Array:
    return jnp.max(jnp.stack([jnp.max(jnp.abs(array)) for array in arrays]))
