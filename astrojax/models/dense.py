"""The dense associative memory."""

from typing import Annotated

import equinox as eqx
import jax
import jax.numpy as jnp

from .._internal.checks import at_least
from .._internal.parameters import MOST_ORDER, Range
from .._internal.registry import as_part
from .._internal.types import MaskLike, Patterns, PerNeuronLike, Scalar, ScalarOrNeurons, Stored
from .activations import AbstractActivation, require_bounded
from .base import AbstractMemory, NeuronState
from .packed import CompactPatterns


class DenseMemory(AbstractMemory):
    """Dense associative memory of order a.

        τx dx/dt = −x + Ξ (Ξᵀφ(x))ᵃ⁻¹/Nᵃ⁻¹

    Order 2 is the classical Hopfield network. Higher orders store more patterns, because patterns compete more sharply. The
    memory descends the energy

        −Σ mᵃ/(a Nᵃ⁻¹) + Σ [xφ(x) − L(x)].

    Arguments:
        patterns: stored patterns as columns, shape (N, K), or `compact_patterns`.
        order: a, order of the interaction, an integer of at least 2. At odd orders a pattern and its negative are not
            equivalent.
        tau_x: τx, time constant of the neurons, positive, dimensionless. A number, or one per neuron, shape (N,).
        slope: σ of the firing rate tanh(σx), positive. A number, or one per neuron, shape (N,).
        activation: firing rate φ: `tanh`, `sphere`, or an object with bounded rates.
        stored: which columns are stored, shape (K,), boolean; all of them if omitted.

    Raises `InputError` for a parameter out of range, or arrays of inconsistent shapes.

    Source: Krotov and Hopfield (2016), arXiv:1606.01164; Krotov and Hopfield (2021), arXiv:2008.06996.
    """

    patterns: Patterns | CompactPatterns
    tau_x: ScalarOrNeurons
    slope: ScalarOrNeurons
    stored: Stored | None
    activation: AbstractActivation
    order: int = eqx.field(static=True)

    def __init__(
        self,
        patterns: jax.typing.ArrayLike | CompactPatterns,
        *,
        order: Annotated[int, Range(ge=2, le=MOST_ORDER)] = 4,
        tau_x: PerNeuronLike = 1.0,
        slope: PerNeuronLike = 5.0,
        activation: str | AbstractActivation = "tanh",
        stored: MaskLike | None = None,
    ) -> None:
        at_least("order", order, 2, MOST_ORDER)
        self.set_parameters(patterns, stored, tau_x=tau_x, slope=slope)
        self.activation = as_part("activation", AbstractActivation, activation)
        require_bounded(self.activation, "a dense memory")
        self.order = order

    def vector_field(self, state: NeuronState) -> NeuronState:
        drive = self.patterns @ (self.overlaps(state) / self.num_neurons) ** (self.order - 1)
        return NeuronState((drive - state.x) / self.tau_x)

    def energy(self, state: NeuronState) -> Scalar:
        relative = self.overlaps(state) / self.num_neurons
        return self.neuron_energy(state.x) - self.num_neurons * jnp.sum(relative**self.order) / self.order
