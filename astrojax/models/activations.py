"""The firing rate and its Lagrangian, and the softmax of the gains."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._internal.types import PerPattern, Scalar, Stored


def activation(x: Float[Array, "*shape"], slope: Scalar) -> Float[Array, "*shape"]:
    """Firing rate, entry by entry.

        φ(x) = tanh(σx)

    It lies in (−1, 1); σ is the `slope`.
    """
    return jnp.tanh(slope * x)


def lagrangian(x: Float[Array, "*shape"], slope: Scalar) -> Float[Array, "*shape"]:
    """Lagrangian, entry by entry: its derivative is the firing rate.

        L(x) = log cosh(σx)/σ

    Written with `logaddexp`, so that it neither overflows at large |x| nor loses its second derivative at 0.
    """
    y = slope * x
    return (jnp.logaddexp(y, -y) - jnp.log(2.0).astype(y.dtype)) / slope


def activation_slope(x: Float[Array, "*shape"], slope: Scalar) -> Float[Array, "*shape"]:
    return slope * (1 - activation(x, slope) ** 2)


def softmax(logits: PerPattern, stored: Stored | None = None) -> PerPattern:
    """Softmax of the stored entries, shape (K,); 0 for the others."""
    weights, total, _ = _exponentials(logits, stored)
    return weights / total


def log_partition(logits: PerPattern, stored: Stored | None = None) -> Scalar:
    """log Σ exp of the stored entries, with the exponentials of `softmax`: the logits minus it are the log of their softmax."""
    _, total, largest = _exponentials(logits, stored)
    return largest + jnp.log(total)


def _exponentials(logits: PerPattern, stored: Stored | None) -> tuple[PerPattern, Scalar, Scalar]:
    """Exponentials of logits less the largest, their sum, and the largest."""
    if stored is not None:
        # Its exponential is 0, and it is no infinity, which would spoil gradients.
        logits = jnp.where(stored, logits, jnp.finfo(logits.dtype).min)
    # As products and split maxima: compilers keep the order of a reduction, and would take one entry at a time.
    largest = jax.lax.stop_gradient(largest_entry(logits))
    weights = jnp.exp(logits - largest)
    return weights, jnp.matmul(weights, jnp.ones_like(weights), precision=jax.lax.Precision.HIGHEST), largest


def largest_entry(values: Float[Array, "*shape"]) -> Scalar:
    """The largest of the entries; NaN if one is."""
    values = values.ravel()
    parts = next(number for number in range(8, 0, -1) if values.size % number == 0)  # which are searched concurrently
    return jnp.max(functools.reduce(jnp.maximum, jnp.split(values, parts)))
