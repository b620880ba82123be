"""Activations: the firing rate of a neuronal state, and the Lagrangian it comes from."""

from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._internal.errors import InputError
from .._internal.registry import kind_of
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

    is_bounded: ClassVar[bool] = True
    """Whether rates are bounded. If they are not, drives that grow with them let x grow without limit."""

    is_direction: ClassVar[bool] = False
    """Whether rates have the length 1, so that patterns are identified by their direction."""

    has_kinks: ClassVar[bool] = False
    """Whether the derivative of φ jumps anywhere (see `spectrum`)."""

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


class IdentityActivation(AbstractActivation):
    """Rates of any size, for real-valued patterns: φ(x) = x,  L(x) = ½‖x‖². The slope has no effect.

    With the linear score and adiabatic gains this is the modern Hopfield network of Ramsauer et al. (2021), arXiv:2008.02217.
    """

    is_bounded: ClassVar[bool] = False

    def __call__(self, x: Neurons, slope: ScalarOrNeurons) -> Neurons:
        return x

    def lagrangian(self, x: Neurons, slope: ScalarOrNeurons) -> Scalar:
        return jnp.sum(x**2) / 2


class RectifiedActivation(AbstractActivation):
    """Rates that are not negative: φ(x) = max(x, 0),  L(x) = ½‖max(x, 0)‖². The slope has no effect."""

    is_bounded: ClassVar[bool] = False
    has_kinks: ClassVar[bool] = True

    def __call__(self, x: Neurons, slope: ScalarOrNeurons) -> Neurons:
        return jnp.maximum(x, 0)

    def lagrangian(self, x: Neurons, slope: ScalarOrNeurons) -> Scalar:
        return jnp.sum(jnp.maximum(x, 0) ** 2) / 2


class SphereActivation(AbstractActivation):
    """Rates of length 1, so that patterns are compared by their direction: φ(x) = x/√(‖x‖² + ε),  L(x) = √(‖x‖² + ε).

    The slope has no effect. ε = 10⁻⁶ keeps φ smooth at x = 0.

    Source: Krotov and Hopfield (2021), arXiv:2008.06996, model C.
    """

    couples_neurons: ClassVar[bool] = True
    is_direction: ClassVar[bool] = True

    def __call__(self, x: Neurons, slope: ScalarOrNeurons) -> Neurons:
        return x / self.lagrangian(x, slope)

    def lagrangian(self, x: Neurons, slope: ScalarOrNeurons) -> Scalar:
        return jnp.sqrt(jnp.sum(x**2) + 1e-6)


def require_bounded(activation: AbstractActivation, what: str) -> None:
    """Raise `InputError` for an activation whose rates are not bounded, where `what` needs that."""
    if not activation.is_bounded:
        kind = kind_of(type(activation), "Activation")
        raise InputError(f"activation must have bounded rates with {what}, in which x would grow without limit; got {kind}")


TANH: AbstractActivation = TanhActivation()
