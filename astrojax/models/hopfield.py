"""The classical Hopfield network with continuous neurons."""

import equinox as eqx
import jax
import jax.numpy as jnp

from .._internal.checks import InputError
from .._internal.registry import as_part
from .._internal.types import MaskLike, Neurons, Patterns, PerNeuronLike, Scalar, ScalarOrNeurons, Stored
from .activations import AbstractActivation, require_bounded
from .base import AbstractMemory, NeuronState
from .packed import CompactPatterns


class HopfieldMemory(AbstractMemory):
    """Classical Hopfield network with Hebbian couplings.

        τx dx/dt = −x + W φ(x)
        W = ΞΞᵀ/N

    It is applied as Ξ(Ξᵀφ)/N and never formed. The network descends the energy

        −½ φᵀWφ + Σ [xφ(x) − L(x)].

    Arguments:
        patterns: stored patterns as columns, shape (N, K), or `compact_patterns`.
        tau_x: τx, time constant of the neurons, positive, dimensionless. A number, or one per neuron, shape (N,).
        slope: σ of the firing rate tanh(σx), positive. A number, or one per neuron, shape (N,).
        activation: firing rate φ: `tanh`, `sphere`, or an object with bounded rates.
        zero_diagonal: leave out the self-couplings W_ii = K/N. The paper keeps them; at K ≫ N they freeze every neuron in
            its starting sign, so that a fair comparison shows both.
        stored: which columns are stored, shape (K,), boolean; all of them if omitted.

    Raises `InputError` for a parameter that is not positive or arrays that do not fit.

    Source: Hopfield (1984), doi:10.1073/pnas.81.10.3088; Vivet and Arenas (2026), arXiv:2604.25481, Eqs. 1-2.
    """

    patterns: Patterns | CompactPatterns
    tau_x: ScalarOrNeurons
    slope: ScalarOrNeurons
    stored: Stored | None
    activation: AbstractActivation
    zero_diagonal: bool = eqx.field(static=True)

    def __init__(
        self,
        patterns: jax.typing.ArrayLike | CompactPatterns,
        *,
        tau_x: PerNeuronLike = 1.0,
        slope: PerNeuronLike = 5.0,
        activation: str | AbstractActivation = "tanh",
        zero_diagonal: bool = False,
        stored: MaskLike | None = None,
    ) -> None:
        self.set_parameters(patterns, stored, tau_x=tau_x, slope=slope)
        self.activation = as_part("activation", AbstractActivation, activation)
        require_bounded(self.activation, "a Hopfield memory")
        if not isinstance(zero_diagonal, bool):
            raise InputError(f"zero_diagonal must be True or False; got {zero_diagonal!r}")
        self.zero_diagonal = zero_diagonal

    def vector_field(self, state: NeuronState) -> NeuronState:
        drive = self.patterns @ self.overlaps(state) / self.num_neurons
        if self.zero_diagonal:
            drive = drive - self._diagonal() * self.readout(state)
        return NeuronState((drive - state.x) / self.tau_x)

    def energy(self, state: NeuronState) -> Scalar:
        quadratic = jnp.sum(self.overlaps(state) ** 2) / self.num_neurons
        if self.zero_diagonal:
            quadratic = quadratic - self._diagonal() @ self.readout(state) ** 2
        return self.neuron_energy(state.x) - quadratic / 2

    def _diagonal(self) -> Neurons:
        patterns = self.patterns
        squares = patterns.squared_sums() if isinstance(patterns, CompactPatterns) else jnp.sum(patterns**2, axis=1)
        return squares / self.num_neurons
