"""The exact error of the nearest-pattern decoder for random ±1 patterns, at any size."""

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln
from scipy.stats import binom

from .._internal.checks import at_least
from .._internal.errors import InputError

MOST_NEURONS, MOST_PATTERNS = 10**6, 10**18


class DecoderPerformance(NamedTuple):
    """What a decoder achieves on average over patterns, flips and ties."""

    hamming_error: float
    """Expected Hamming error, in [0, N]."""
    success: float
    """Probability that the answer is the target, with which another pattern may coincide."""


def nearest_pattern(num_neurons: int, num_patterns: int, num_flips: int, *, signed: bool = True) -> DecoderPerformance:
    """What `astrojax.nearest_pattern` achieves on random ±1 patterns, exactly.

    The query has overlap t = N − 2n with the target. Those with the M = K − 1 other patterns are independent, m = N − 2B with
    B binomial(N, ½); b is their law and F its distribution function. The target wins, ties broken at random, with probability

        [F(t)^{M+1} − F(t−)^{M+1}] / ((M + 1) b(t)),

    another pattern of the same overlap with F(t)^M less that, and one with m > t with F(m)^M − F(m−)^M. A pattern that wins
    with overlap m is at the expected distance (N − n)(N − m)/(2N) + n(N + m)/(2N) from the target. Unsigned, the same holds
    for |m|, with the sign that makes the overlap positive: for n > N/2 the negative of the target competes, at distance N.

    Arguments:
        num_neurons: N, at most 10⁶. num_patterns: K, at most 10¹⁸. num_flips: n, exactly as many, within [0, N].
        signed: as for `astrojax.nearest_pattern`.

    Raises `InputError` for numbers that are not integers in these ranges.

    Source: order statistics of independent overlaps.
    """
    at_least("num_neurons", num_neurons, 1, MOST_NEURONS)
    at_least("num_patterns", num_patterns, 1, MOST_PATTERNS)
    at_least("num_flips", num_flips, 0, num_neurons)
    if not isinstance(signed, bool):
        raise InputError(f"signed must be True or False; got {signed!r}")
    size, others = num_neurons, num_patterns - 1
    # From the target's overlap upwards, by the number of entries in which a pattern differs from the query.
    target = size - 2 * num_flips if signed else abs(size - 2 * num_flips)
    differing = np.arange((size - target) // 2 + 1)
    overlaps, law, above = size - 2 * differing, binom.pmf(differing, size, 0.5), binom.cdf(differing - 1, size, 0.5)
    if not signed:
        law, above = np.where(overlaps > 0, 2 * law, law), 2 * above
    # Of all others: F(m)^M, and the share of it that is lost without m: F(m−)/F(m) = 1 − b/F.
    with np.errstate(divide="ignore"):
        smaller = np.exp(others * np.log1p(-np.minimum(above, 1))) if others else np.ones(law.size)
        share = np.minimum(law / np.where(above < 1, 1 - above, 1), 1)
        lost = -np.expm1(others * np.log1p(-share)) if others else np.zeros(law.size)
        tied = share[-1] * num_patterns
        first = smaller[-1] * (-np.expm1(num_patterns * np.log1p(-share[-1])) / tied if tied else 1)
    wins = smaller * lost
    wins[-1] = smaller[-1] - first  # another pattern with the target's overlap
    agreeing = size - num_flips
    distances = agreeing * (size - overlaps) / (2 * size) + num_flips * (size + overlaps) / (2 * size)
    # How probable a pattern with the target's overlap is the target itself: one of the binomial(N, n) such patterns.
    same = np.exp(gammaln(agreeing + 1) + gammaln(num_flips + 1) - gammaln(size + 1))
    own_error, is_target = 0.0, 1.0
    if not signed and 2 * num_flips >= size:  # the negative of the target is as near, or nearer
        own_error, is_target = (size / 2, 0.5) if 2 * num_flips == size else (float(size), 0.0)
        same = same if 2 * num_flips == size else 0.0
    return DecoderPerformance(float(first * own_error + wins @ distances), float(first * is_target + wins[-1] * same))
