"""Decoders: the best estimate of the target from the patterns and the query alone, as a reference for memories."""

import jax
import jax.numpy as jnp

from .._internal.checks import finite, random_key, refuse_bit_queries, refuse_bits, shaped
from .._internal.random import pinned, random_words
from .._internal.registry import REAL, SIGNS, suits
from .._internal.types import Neurons, Patterns, PerPattern, RandomKey, Scalar, ScalarLike, Stored
from .task import Problem


@pinned
def nearest_pattern(
    key: RandomKey,
    patterns: Patterns,
    query: Neurons,
    *,
    signed: bool = True,
    euclidean: bool = False,
    stored: Stored | None = None,
) -> Neurons:
    """The stored pattern, shape (N,), with the largest overlap with the query; ties are broken uniformly at random.

    Signed, it is the maximum-likelihood answer for uniform flips. Unsigned, it takes the largest |overlap|, with its sign:
    the best single pattern for a memory that cannot tell a pattern from its negative. At overlap 0 the sign is random too.
    Overlaps that differ by rounding alone are equal. Euclidean, for real-valued patterns, it takes the smallest distance
    ‖query − ξ‖ over the entries that the query shows, those other than 0: the most probable pattern for Gaussian noise.

    Arguments:
        key: for ties, which are frequent among binary patterns; taking the first would bias the result.
        patterns: shape (N, K). query: shape (N,). stored: which columns count, shape (K,); all if omitted.

    Raises `InputError` for a query that does not fit the patterns, for bits in place of signs, and for a wrong key.
    """
    random_key(key)
    _check(patterns, query, stored)
    overlaps = query @ patterns
    rounding = 4 * jnp.finfo(overlaps.dtype).eps * jnp.sum(jnp.abs(query))
    likeness = overlaps if signed else jnp.abs(overlaps)
    if euclidean:
        squares = _squares(patterns, query)
        likeness = overlaps - squares / 2
        rounding = 4 * jnp.finfo(overlaps.dtype).eps * (query @ query + jnp.max(squares))
    if stored is not None:
        likeness = jnp.where(stored, likeness, -jnp.inf)
    # One random number per column from a key of its own: the choice does not change when patterns are padded.
    bits = random_words(key, jnp.arange(patterns.shape[1]), jnp.zeros((), jnp.uint32))
    priority = (bits >> 1).astype(jnp.int32)  # the last bit is a sign
    winner = jnp.argmax(jnp.where(likeness >= jnp.max(likeness) - rounding, priority, jnp.iinfo(jnp.int32).min))
    pattern = patterns[:, winner]
    if signed or euclidean:
        return pattern
    is_negative = jnp.where(jnp.abs(overlaps[winner]) <= rounding, bits[winner] % 2 == 1, overlaps[winner] < 0)
    return jnp.where(is_negative, -pattern, pattern)


def bayes_decoder(
    patterns: Patterns, query: Neurons, evidence: ScalarLike, *, signed: bool = True, stored: Stored | None = None
) -> Neurons:
    """Bit by bit the more probable sign given the query: it minimises the expected Hamming error.

        sign(Ξ softmax(βm)),  m = Ξᵀx(0)

    or, unsigned,

        sign(Ξ sinh(βm)).

    The signed one is one step of softmax attention at temperature 1/β. The unsigned one takes a pattern and its negative for
    equally probable memories.

    It is optimal for independent flips at a known rate. Exactly n flips say more: patterns at other distances are excluded
    (N = 20, K = 200, n = 5: an error of 4.0 instead of 5.2), so a memory may have smaller errors.

    Arguments:
        patterns: shape (N, K). query: shape (N,). stored: which columns count, shape (K,); all if omitted.
        evidence: β, such that a pattern has the likelihood exp(βm); ½ log((1−η)/η) for flips at rate η (see `Flips`).

    Returns signs, shape (N,); 0 where both are equally probable, which counts as half an error: where the sum above is smaller
    than the rounding of its terms. An exponential is off by its exponent in units of rounding.

    Raises `InputError` for a query that does not fit the patterns, and for bits in place of signs.
    """
    _check(patterns, query, stored)
    exponents = jnp.asarray(evidence, patterns.dtype) * (query @ patterns)
    number = patterns.shape[1] if stored is None else jnp.sum(stored)
    if stored is not None:
        exponents = jnp.where(stored, exponents, jnp.zeros_like(exponents))  # sinh(0) adds nothing
    size = jnp.abs(exponents)
    units = 8 + jnp.max(size) + jnp.sqrt(jnp.asarray(number, size.dtype))
    if signed:
        return _signs_of(patterns, jax.nn.softmax(exponents, where=stored), units)
    # sinh scaled by its largest term: the sign is the same, and nothing overflows.
    weights = jnp.sign(exponents) * jnp.exp(size - jnp.max(size)) * -jnp.expm1(-2 * size)
    return _signs_of(patterns, weights, units)


def posterior_decoder(patterns: Patterns, query: Neurons, precision: ScalarLike, *, stored: Stored | None = None) -> Neurons:
    """Mean of the stored patterns given a query with Gaussian noise, shape (N,): it minimizes the mean squared error.

        Ξ softmax((Ξᵀx(0) − ½‖ξ‖²)/s²)

    Hidden entries, those of 0 in the query, are left out of ‖ξ‖². For patterns of one length it is one step of
    softmax attention at temperature s². The most probable pattern is the nearest one (see `nearest_pattern`).

    Arguments:
        patterns: shape (N, K), real-valued. query: shape (N,). stored: which columns count, shape (K,); all if omitted.
        precision: 1/s², with s the standard deviation of the noise.

    Raises `InputError` as `bayes_decoder`.
    """
    _check(patterns, query, stored)
    exponents = jnp.asarray(precision, patterns.dtype) * (query @ patterns - _squares(patterns, query) / 2)
    return patterns @ jax.nn.softmax(exponents, where=stored)


@suits(SIGNS)
def nearest_signed(problem: Problem, evidence: ScalarLike | None) -> Neurons:
    return nearest_pattern(problem.tie_key, problem.patterns, problem.query, signed=True, stored=problem.stored)


@suits(SIGNS)
def nearest_unsigned(problem: Problem, evidence: ScalarLike | None) -> Neurons:
    return nearest_pattern(problem.tie_key, problem.patterns, problem.query, signed=False, stored=problem.stored)


@suits(SIGNS)
def bayes_signed(problem: Problem, evidence: ScalarLike | None) -> Neurons | None:
    if evidence is None:
        return None
    return bayes_decoder(problem.patterns, problem.query, evidence, signed=True, stored=problem.stored)


@suits(SIGNS)
def bayes_unsigned(problem: Problem, evidence: ScalarLike | None) -> Neurons | None:
    if evidence is None:
        return None
    return bayes_decoder(problem.patterns, problem.query, evidence, signed=False, stored=problem.stored)


@suits(REAL)
def nearest_euclidean(problem: Problem, evidence: ScalarLike | None) -> Neurons:
    return nearest_pattern(problem.tie_key, problem.patterns, problem.query, euclidean=True, stored=problem.stored)


@suits(REAL)
def posterior_mean(problem: Problem, evidence: ScalarLike | None) -> Neurons | None:
    if evidence is None:
        return None
    return posterior_decoder(problem.patterns, problem.query, evidence, stored=problem.stored)


def _squares(patterns: Patterns, query: Neurons) -> PerPattern:
    """Squared lengths of patterns over the entries that a query shows."""
    return (query != 0).astype(patterns.dtype) @ patterns**2


def _signs_of(patterns: Patterns, weights: PerPattern, units: Scalar) -> Neurons:
    """Signs of Ξw for Ξ of ±1; 0 where errors of the weights by this many units of rounding would decide."""
    rounding = units * jnp.finfo(weights.dtype).eps * jnp.sum(jnp.abs(weights))
    total = patterns @ weights
    return jnp.where(jnp.abs(total) <= rounding, 0.0, jnp.sign(total))


def _check(patterns: Patterns, query: Neurons, stored: Stored | None) -> None:
    shaped("query", query, patterns.shape[:1], "one entry per neuron")
    finite("query", query)
    refuse_bits("patterns", patterns, stored)
    refuse_bit_queries("query", query, patterns)
