"""The firing rate and its Lagrangian."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ._types import Scalar


def activation(x: Float[Array, "*shape"], slope: Scalar) -> Float[Array, "*shape"]:
    """Firing rate φ(x) = tanh(σx), in (−1, 1), with σ the `slope`."""
    return jnp.tanh(slope * x)


def lagrangian(x: Float[Array, "*shape"], slope: Scalar) -> Float[Array, "*shape"]:
    """Lagrangian L(x) = log cosh(σx)/σ, entry by entry: its derivative is the firing rate.

    Written with `logaddexp`, so that it neither overflows at large |x| nor loses its second derivative at 0.
    """
    y = slope * x
    return (jnp.logaddexp(y, -y) - jnp.log(2.0).astype(y.dtype)) / slope


def activation_slope(x: Float[Array, "*shape"], slope: Scalar) -> Float[Array, "*shape"]:
    """Derivative φ′(x) = σ(1 − φ(x)²) of the firing rate."""
    return slope * (1 - activation(x, slope) ** 2)
