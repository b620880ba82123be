"""Activations: the firing rate of a neuronal state, and the Lagrangian it comes from."""

from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._internal.types import Neurons, Scalar, ScalarOrNeurons


def activation(x: Float[Array, "*shape"], slope: ScalarOrNeurons) -> Float[Array, "*shape"]:
    """Firing rate, entry by entry.

        φ(x) = tanh(σx)

    It lies in (−1, 1); σ is the `slope`.
    """
    return jnp.tanh(slope * x)


def lagrangian(x: Float[Array, "*shape"], slope: ScalarOrNeurons) -> Float[Array, "*shape"]:
    """Lagrangian, entry by entry: its derivative is the firing rate.

        L(x) = log cosh(σx)/σ

    Written with `logaddexp`, so that it neither overflows at large |x| nor loses its second derivative at 0.
    """
    y = slope * x
    return (jnp.logaddexp(y, -y) - jnp.log(2.0).astype(y.dtype)) / slope


def activation_slope(x: Float[Array, "*shape"], slope: ScalarOrNeurons) -> Float[Array, "*shape"]:
    return slope * (1 - activation(x, slope) ** 2)


class AbstractActivation(eqx.Module):
    """Firing rates φ(x) of all neurons: the gradient of a convex Lagrangian L(x), with the slope σ if they have one.

    An activation of your own defines `__call__` and `lagrangian`.

    Source: Krotov and Hopfield (2021), arXiv:2008.06996.
    """

    couples_neurons: ClassVar[bool] = False
    """Whether the rate of a neuron depends on other neurons. They must share one time constant then, or no energy falls."""

    @abstractmethod
    def __call__(self, x: Neurons, slope: ScalarOrNeurons) -> Neurons:
        """Firing rates φ(x) of a neuronal state x, shape (N,)."""

    @abstractmethod
    def lagrangian(self, x: Neurons, slope: ScalarOrNeurons) -> Scalar:
        """The Lagrangian L(x) of all neurons, whose gradient is φ(x)."""

    def energy(self, x: Neurons, slope: ScalarOrNeurons) -> Scalar:
        """⟨x, φ(x)⟩ − L(x), which is part of the energy of every memory."""
        return jnp.sum(x * self(x, slope)) - self.lagrangian(x, slope)

    def dissipation(self, x: Neurons, slope: ScalarOrNeurons, dx: Neurons) -> Scalar:
        """⟨dx, ∇²L(x) dx⟩ for a direction dx, shape (N,): dx times the derivative of φ along it."""
        _, change = jax.jvp(lambda x: self(x, slope), (x,), (dx,))
        return jnp.sum(dx * change)


class TanhActivation(AbstractActivation):
    """The activation of this project.

    φ(x) = tanh(σx),  L(x) = Σ log cosh(σx)/σ
    """

    def __call__(self, x: Neurons, slope: ScalarOrNeurons) -> Neurons:
        return activation(x, slope)

    def lagrangian(self, x: Neurons, slope: ScalarOrNeurons) -> Scalar:
        return jnp.sum(lagrangian(x, slope))

    def energy(self, x: Neurons, slope: ScalarOrNeurons) -> Scalar:
        """Summed neuron by neuron: both terms may be large."""
        return jnp.sum(x * activation(x, slope) - lagrangian(x, slope))

    def dissipation(self, x: Neurons, slope: ScalarOrNeurons, dx: Neurons) -> Scalar:
        return jnp.sum(activation_slope(x, slope) * dx**2)


TANH: AbstractActivation = TanhActivation()
