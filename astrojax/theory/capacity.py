"""Loads up to which noisy queries are recalled as N → ∞: the capacity of the flip channel, thresholds over temperature."""

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import xlog1py

from .._internal.checks import float_within
from .._internal.errors import one_of

SCORES = {"linear": 1, "squared": 2}
"""Scores by name, and the power of the overlap that they are proportional to."""

BELOW_ONE = float(np.nextafter(1, 0))


def channel_capacity(noise_level: float) -> float:
    """The largest load log(K)/N at which any memory can recall: the capacity of the flip channel.

        log 2 − H(η),  H(η) = −η log η − (1 − η) log(1 − η)

    Arguments:
        noise_level: η = n/N, within [0, ½].

    Raises `InputError` for another noise level.

    Source: Shannon (1948), doi:10.1002/j.1538-7305.1948.tb01338.x.
    """
    return _rate(_query_overlap(noise_level))


def recall_threshold(noise_level: float, temperature: float, score: str = "squared") -> float:
    """The load log(K)/N below which one step of gated recall finds the target, for gains at once, p = softmax(g(m)/T).

    The target has the overlap s = 1 − 2η per neuron with the query, and exp(N(α − I(m))) other patterns have the overlap m.
    A pattern weighs exp(N g(m)/T), where g(m) is m for the linear score (softmax attention) and m²/2 for the squared one. The
    target outweighs all others for α below

        α* = min I(m) + [g(s) − g(m)]/T
        I(m) = ½(1 + m) log(1 + m) + ½(1 − m) log(1 − m)

    over 0 ≤ m ≤ s. For the linear score and λ = 1/T this is λ(1 − 2η) − log cosh λ, down to `best_temperature`. Below it the
    minimum is at m = s, since patterns that the mean counts do not exist: the threshold is `channel_capacity`.

    Arguments:
        noise_level: η = n/N, within [0, ½]. temperature: T, positive. score: `linear` or `squared`.

    Raises `InputError` for other values.

    Source: Lucibello and Mézard (2024), arXiv:2304.14964, by the random-energy model; the squared score likewise.
    """
    overlap = _query_overlap(noise_level)
    one_of("score", score, SCORES)
    evidence = 1 / float_within("temperature", temperature, 1e-12, 1e12)
    order = SCORES[score]
    if order == 1:
        rival = min(math.tanh(evidence), overlap)
    else:  # the root of artanh(m) = m/T, if it is below s; at 1/T ≤ 1 it is 0
        top = min(overlap, BELOW_ONE)
        rival = overlap if evidence > 1 else 0.0
        if 1 < evidence < np.arctanh(top) / (top or 1):
            rival = brentq(lambda m: np.arctanh(m) / m - evidence, 1e-9, top)
    return _rate(rival) + evidence * (overlap**order - rival**order) / order


def best_temperature(noise_level: float, score: str = "squared") -> float:
    """The largest temperature at which `recall_threshold` is the capacity of the channel.

        T* = 2/log((1 − η)/η)

    for the linear score, where one step of attention is the Bayes decoder too, and (1 − 2η)/artanh(1 − 2η) for the squared
    one. Arguments and errors as for `recall_threshold`.
    """
    overlap = _query_overlap(noise_level)
    one_of("score", score, SCORES)
    if overlap == 0:
        return math.inf if score == "linear" else 1.0
    return float(overlap ** (SCORES[score] - 1) / np.arctanh(overlap)) if overlap < 1 else 0.0


def critical_temperature(noise_level: float, load: float, score: str = "squared") -> float:
    """The temperature up to which a load α = log(K)/N is recalled: where `recall_threshold` is α.

    It is 0 where no temperature suffices, beyond `channel_capacity`, and infinite at load 0 and beyond 10¹². Arguments and
    errors as for `recall_threshold`; `load` is from 0 to log 2.
    """
    capacity, best = channel_capacity(noise_level), best_temperature(noise_level, score)
    load = float_within("load", load, 0, math.log(2))
    if load >= capacity:
        return best if load == capacity else 0.0
    if load == 0:
        return math.inf
    coldest = max(best, 0.01)  # there the threshold is the capacity, up to rounding
    if recall_threshold(noise_level, coldest, score) <= load:
        return coldest
    if recall_threshold(noise_level, 1e12, score) >= load:
        return math.inf
    found = brentq(lambda evidence: recall_threshold(noise_level, 1 / evidence, score) - load, 1e-12, 1 / coldest)
    return float(1 / found)


def num_patterns_at(load: float, num_neurons: int) -> float:
    """The number of patterns at a load α = log(K)/N: exp(αN), not rounded; infinite where it is beyond double precision."""
    load = float_within("load", load, 0, math.log(2))
    return float(np.exp(np.minimum(load * float_within("num_neurons", num_neurons, 1, 1e15), 1e4)))


def _query_overlap(noise_level: float) -> float:
    """1 − 2η."""
    return 1 - 2 * float_within("noise_level", noise_level, 0, 0.5)


def _rate(overlap: float) -> float:
    """I(m): a random pattern has the overlap m with probability exp(−N I(m))."""
    return float(xlog1py(1 + overlap, overlap) + xlog1py(1 - overlap, -overlap)) / 2
