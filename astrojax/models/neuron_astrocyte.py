"""The neuron-synapse-astrocyte memory of Kozachkov, Slotine and Krotov."""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._internal.checks import InputError
from .._internal.datasets import labeled
from .._internal.types import (
    Couplings,
    MaskLike,
    Neurons,
    Patterns,
    PerNeuronLike,
    PerPair,
    PositiveLike,
    Scalar,
    ScalarLike,
    ScalarOrNeurons,
    Stored,
)
from .activations import activation, activation_slope, lagrangian
from .base import AbstractMemory, NeuronState, checked_query
from .packed import CompactPatterns

CLEAR_SIMILARITY = 0.85  # cosine with its target above which a query is clear
SLOW_RATIO = 1.05  # processes are slow if τa is longer than the shorter of τx and τs by more than this factor
CLIP = 1e-6  # how far arguments of artanh in the initial state are kept inside (−1, 1)


class NeuronAstrocyteState(NeuronState):
    """Neurons x, synapses S and astrocyte processes P.

    S and P are symmetric and stay so. Each is kept as its N(N+1)/2 entries on and above the diagonal, row by row; `symmetric`
    makes a matrix of them.
    """

    synapses: PerPair = labeled("synapses between pairs of neurons: an upper triangle, row by row", "pair")
    processes: PerPair = labeled("astrocyte processes of pairs of neurons: an upper triangle, row by row", "pair")


class NeuronAstrocyteMemory(AbstractMemory):
    """Tripartite memory of neurons, synapses and astrocyte processes that exchange signals inside the astrocyte.

    With h = tanh(βx), G = tanh(βS), Ψ = tanh(βP) and the astrocyte's transport 𝒯:

        τx dx/dt = −x + G h
        τs dS/dt = −S + h hᵀ + Ψ
        τa dP/dt = −P + 𝒯Ψ + G
        𝒯Ψ = (1/N³) Σ_μ ξ_μ ξ_μᵀ (ξ_μᵀ Ψ ξ_μ)

    𝒯 is applied through the products of pairs of entries of each pattern; the tensor with N⁴ entries is never formed. The
    memory descends the energy

        Σ [xh − L] + ½ Σ [S ⊙ G − L] + ½ Σ [P ⊙ Ψ − L] − ½ hᵀGh − ½⟨Ψ, G⟩ − ¼⟨Ψ, 𝒯Ψ⟩.

    A query x(0) starts at Ψ = −hhᵀ and G = −𝒯Ψ (arguments of artanh clipped inside (−1, 1)).

    Arguments:
        patterns: stored patterns as columns, shape (N, K); an array, since products of their entries are formed.
        tau_x: τx, time constant of the neurons, positive, dimensionless. A number, or one per neuron, shape (N,).
        tau_s: τs, time constant of the synapses, positive, dimensionless.
        tau_a: τa, time constant of the astrocyte processes, positive, dimensionless.
        slope: β of the activation tanh(βx), positive. 5 in the published tutorial.
        stored: which columns are stored, shape (K,), boolean; all of them if omitted.

    Raises `InputError` for a parameter that is not positive or arrays that do not fit.

    Source: Kozachkov, Slotine and Krotov (2025), PNAS 122, e2417788122, arXiv:2311.08135.
    """

    patterns: Patterns
    tau_x: ScalarOrNeurons
    tau_s: Scalar
    tau_a: Scalar
    slope: Scalar
    stored: Stored | None
    pair_products: Float[Array, "pairs patterns"] | None

    positive_parameters: ClassVar[tuple[str, ...]] = ("tau_x", "tau_s", "tau_a", "slope")
    per_neuron_parameters: ClassVar[tuple[str, ...]] = ("tau_x",)

    def __init__(
        self,
        patterns: jax.typing.ArrayLike | CompactPatterns,
        *,
        tau_x: PerNeuronLike = 1.0,
        tau_s: PositiveLike = 1.0,
        tau_a: PositiveLike = 1.0,
        slope: PositiveLike = 5.0,
        stored: MaskLike | None = None,
    ) -> None:
        if isinstance(patterns, CompactPatterns):
            raise InputError("patterns must be an array for a neuron-astrocyte memory; got compact ones")
        self.set_parameters(patterns, stored, tau_x=tau_x, tau_s=tau_s, tau_a=tau_a, slope=slope)
        self.pair_products = None

    @property
    def num_precomputed(self) -> int:
        return self.num_neurons * (self.num_neurons + 1) // 2 * self.patterns.shape[1]

    def precompute(self) -> AbstractMemory:
        products = self._pair_products(self.patterns)
        known: AbstractMemory = eqx.tree_at(lambda m: m.pair_products, self, products, is_leaf=lambda leaf: leaf is None)
        return known

    def initial_state(self, query: Neurons) -> NeuronAstrocyteState:
        x = checked_query(query, self.patterns)
        h = activation(x, self.slope)
        processes = -self._pair_products(h)
        synapses = -self.transport(processes)
        return NeuronAstrocyteState(x, self._inverse_activation(synapses), self._inverse_activation(processes))

    def vector_field(self, state: NeuronAstrocyteState) -> NeuronAstrocyteState:
        h, g, psi = self._activations(state)
        return NeuronAstrocyteState(
            (symmetric(g) @ h - state.x) / self.tau_x,
            (self._pair_products(h) + psi - state.synapses) / self.tau_s,
            (self.transport(psi) + g - state.processes) / self.tau_a,
        )

    def energy(self, state: NeuronAstrocyteState) -> Scalar:
        h, g, psi = self._activations(state)
        synapses = state.synapses * g - lagrangian(state.synapses, self.slope)
        processes = state.processes * psi - lagrangian(state.processes, self.slope)
        interaction = h @ symmetric(g) @ h + self._total(psi * g) + self._total(psi * self.transport(psi)) / 2
        return self.neuron_energy(state.x) + (self._total(synapses + processes) - interaction) / 2

    def energy_rate(self, state: NeuronAstrocyteState) -> Scalar:
        """−τx Σ φ′(x)(dx/dt)² − ½τs Σ φ′(S)(dS/dt)² − ½τa Σ φ′(P)(dP/dt)²."""
        derivative = self.vector_field(state)
        synapses = self._total(activation_slope(state.synapses, self.slope) * derivative.synapses**2)
        processes = self._total(activation_slope(state.processes, self.slope) * derivative.processes**2)
        return self.neuron_dissipation(state.x, derivative.x) - (self.tau_s * synapses + self.tau_a * processes) / 2

    def rates(self) -> tuple[ScalarOrNeurons, ...]:
        return 1 / self.tau_x, 1 / self.tau_s, 1 / self.tau_a

    def time_scale(self) -> Scalar:
        return self.shortest_time()

    def num_steps(self, num_patterns: ScalarLike, similarity: ScalarLike) -> ScalarLike:
        """More than for other memories, since trajectories pass saddles, each at its own time; up to twice as many for slow
        processes. Otherwise fewer for a clear query, and fewer the more patterns there are beyond 4 per neuron."""
        slow = self.tau_a / jnp.minimum(jnp.min(self.tau_x), self.tau_s)
        excess = jnp.maximum(jnp.asarray(num_patterns, self.tau_a.dtype) / (4 * self.num_neurons), 1)
        level = jnp.where(similarity > CLEAR_SIMILARITY, 28, jnp.maximum(96 / excess**1.5, 28))
        return jnp.where(slow > SLOW_RATIO, 96 * jnp.clip(slow, 1, 2), level)

    def transport(self, psi: PerPair) -> PerPair:
        """𝒯Ψ = (1/N³) Σ_μ ξ_μ ξ_μᵀ (ξ_μᵀ Ψ ξ_μ), in the storage of the state."""
        products = self._pair_products(self.patterns) if self.pair_products is None else self.pair_products
        return products @ ((self._multiplicity() * psi) @ products) / self.num_neurons**3

    def _pair_products(self, values: jax.Array) -> jax.Array:
        """Products of two entries of the neurons' values, for each pair."""
        rows, columns = np.triu_indices(self.num_neurons)
        return values[rows] * values[columns]

    def _activations(self, state: NeuronAstrocyteState) -> tuple[Neurons, PerPair, PerPair]:
        h, g, psi = (activation(part, self.slope) for part in (state.x, state.synapses, state.processes))
        return h, g, psi

    def _inverse_activation(self, y: PerPair) -> PerPair:
        return jnp.arctanh(jnp.clip(y, -1 + CLIP, 1 - CLIP)) / self.slope

    def _total(self, pairs: PerPair) -> Scalar:
        return self._multiplicity() @ pairs

    def _multiplicity(self) -> PerPair:
        """How often each stored entry occurs in the symmetric matrix: once on the diagonal, twice off it."""
        rows, columns = np.triu_indices(self.num_neurons)
        return jnp.asarray(np.where(rows == columns, 1, 2), self.patterns.dtype)


def symmetric(pairs: PerPair) -> Couplings:
    """The symmetric matrix, shape (N, N), whose N(N+1)/2 entries on and above the diagonal are `pairs`, row by row."""
    num_neurons = (math.isqrt(8 * pairs.shape[0] + 1) - 1) // 2
    rows, columns = np.triu_indices(num_neurons)
    position = np.empty((num_neurons, num_neurons), np.int32)
    position[rows, columns] = position[columns, rows] = np.arange(rows.size)
    return pairs[position]
