"""Ensembles of real-valued patterns, and binary ones made of features that they share; see `patterns`."""

import jax
import jax.numpy as jnp

from .._internal.checks import at_least
from .._internal.random import folded, pinned
from .._internal.types import Count, Neurons, Patterns, RandomKey
from .patterns import check_sizes, random_patterns, signs_where

FRACTION = 2.0**-12
"""Coefficients of features are multiples of it: their sums are exact in single precision, whatever the order."""


@pinned
def gaussian_patterns(key: RandomKey, *, num_neurons: Count, num_patterns: int) -> Patterns:
    """Independent patterns of standard normal entries.

    Arguments:
        num_neurons: number of neurons N, at least 1.

    Returns patterns, shape (N, K). They are drawn in single precision, so that a key means the same in every precision. Raises
    `InputError` for sizes below 1.
    """
    check_sizes(key, num_neurons, num_patterns)

    def draw(key: RandomKey) -> Neurons:
        return jax.random.normal(key, (num_neurons,), jnp.float32).astype(jnp.result_type(float))

    return jax.vmap(draw, out_axes=1)(folded(key, jnp.arange(num_patterns)))


def spherical_patterns(key: RandomKey, *, num_neurons: Count, num_patterns: int) -> Patterns:
    """Independent patterns of uniformly distributed directions and length √N. Otherwise as `gaussian_patterns`.

    Arguments:
        num_neurons: number of neurons N, at least 1.
    """
    patterns = gaussian_patterns(key, num_neurons=num_neurons, num_patterns=num_patterns)
    return patterns * jnp.sqrt(num_neurons / jnp.sum(patterns**2, axis=0, keepdims=True))


@pinned
def random_features_patterns(key: RandomKey, *, num_neurons: Count, num_patterns: int, num_features: Count) -> Patterns:
    """Correlated binary patterns: signs of random combinations of features that all patterns share.

        ξ = sign(F c)

    F, shape (N, D), has entries of ±1, and every pattern has its own Gaussian coefficients c, shape (D,), rounded to multiples
    of 2⁻¹²; the sign of 0 is +1. Otherwise as `random_patterns`.

    Arguments:
        num_neurons: number of neurons N, at least 1.
        num_features: number of features D, at least 1.

    Source: Negri et al. (2023), PRL 131, 257301, doi:10.1103/PhysRevLett.131.257301.
    """
    at_least("num_features", num_features, 1)
    feature_key, coefficient_key = jax.random.split(key)
    features = random_patterns(feature_key, num_neurons=num_neurons, num_patterns=num_features)
    coefficients = gaussian_patterns(coefficient_key, num_neurons=num_features, num_patterns=num_patterns)
    rounded = jnp.round(coefficients / FRACTION)
    return signs_where(jnp.matmul(features, rounded, precision=jax.lax.Precision.HIGHEST) >= 0)
