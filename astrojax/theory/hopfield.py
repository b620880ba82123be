"""Mean field of the Hopfield network with random ±1 patterns, as N → ∞ at a fixed load K/N."""

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from .._internal.checks import float_within
from .._internal.errors import InputError

DENSITY_AT_0 = 1 / math.sqrt(2 * math.pi)
WIDTH = 20.0  # beyond it 1/cosh² is below rounding
NODES, WEIGHTS = (np.asarray(part) for part in np.polynomial.legendre.leggauss(200))

TOLERANCE, MOST_ITERATIONS = 1e-11, 100_000


class HopfieldRecall(NamedTuple):
    """The retrieval state of a Hopfield network."""

    overlap: float
    """Of the neurons with their pattern, ⟨ξ, φ(x)⟩/N; 0 where there is no retrieval state."""
    error_rate: float
    """Expected Hamming error divided by N; ½ where there is no retrieval state."""


def hopfield_recall(load: float, slope: float = math.inf, *, zero_diagonal: bool = True) -> HopfieldRecall:
    """The state in which a Hopfield network with a pattern as its query comes to rest.

    A neuron feels the pattern, Gaussian noise z from the others, and its own rate Y reflected by them:

        Y = φ(m + √(αr) z + ΓY),  m = ⟨Y⟩,  q = ⟨Y²⟩,  U√(αr) = ⟨zY⟩,  r = q/(1 − U)²,

    with φ(x) = tanh(σx), and Γ = αU/(1 − U) without self-couplings, α/(1 − U) with them. Where several Y solve the first
    equation, Maxwell's rule takes the largest that has the sign of m + √(αr) z. The equations are iterated from the stored
    pattern, m = 1. For σ = ∞ they are those of binary neurons at zero temperature, m = erf(m/√(2αr)).

    Arguments:
        load: α = K/N, positive, at most 1. slope: σ, at least 0.01; ∞ for binary neurons.
        zero_diagonal: as for `astrojax.HopfieldMemory`.

    Raises `InputError` for other values.

    Source: Amit, Gutfreund and Sompolinsky (1985), doi:10.1103/PhysRevLett.55.1530; Shiino and Fukai (1992),
    doi:10.1088/0305-4470/25/7/017.
    """
    load = float_within("load", load, 1e-9, 1)
    slope = float_within("slope", slope, 0.01, math.inf)
    if not isinstance(zero_diagonal, bool):
        raise InputError(f"zero_diagonal must be True or False; got {zero_diagonal!r}")
    overlap, noise, response = 1.0, math.sqrt(load), 0.0
    for _ in range(MOST_ITERATIONS):
        reflected = load * (response if zero_diagonal else 1) / (1 - response)
        mean, square, response = _moments(overlap, noise, reflected, slope)
        if mean < 1e-3 or response >= 1:
            return HopfieldRecall(0.0, 0.5)
        spread = math.sqrt(load * square) / (1 - response)
        change = abs(mean - overlap) + abs(spread - noise)
        overlap, noise = mean, spread
        if change < TOLERANCE:
            break
    return HopfieldRecall(overlap, float(ndtr(-overlap / noise)))


def hopfield_capacity(slope: float = math.inf, *, zero_diagonal: bool = True) -> float:
    """The largest load K/N with a retrieval state, to 10⁻⁵: 0.138 for binary neurons; 0 for slopes of 1 and below.

    Arguments, errors and source as for `hopfield_recall`.
    """
    low, high = 0.0, 1.0
    while high - low > 1e-5:
        middle = (low + high) / 2
        recalls = hopfield_recall(middle, slope, zero_diagonal=zero_diagonal).overlap > 0
        low, high = (middle, high) if recalls else (low, middle)
    return low


def _moments(overlap: float, noise: float, reflected: float, slope: float) -> tuple[float, float, float]:
    """⟨Y⟩, ⟨Y²⟩ and U = ⟨zY⟩/√(αr).

    Y rises with h = m + √(αr) z and jumps from −Y₀ to Y₀ at h = 0. By parts, each moment is that of ±Y₀ plus an integral over
    Y > Y₀, where h = artanh(Y)/σ − ΓY, with Y = tanh u.
    """

    def density(drive: float | np.ndarray) -> np.ndarray:
        return DENSITY_AT_0 * np.exp(-(((drive - overlap) / noise) ** 2) / 2)

    start = math.inf if slope == math.inf else 0.0
    if 1 + 1e-12 < slope * reflected < math.inf:
        start = brentq(lambda u: u - slope * reflected * math.tanh(u), 1e-9, slope * reflected)
    jump = math.tanh(start)
    mean, square = jump * float(1 - 2 * ndtr(-overlap / noise)), jump**2
    slopes = 2 * jump * float(density(0.0))
    if start < math.inf:
        middle = slope * (overlap + reflected)  # Newton's method from above: the drive is a convex function of u
        for _ in range(20):
            rise = 1 / slope - reflected * (1 - math.tanh(middle) ** 2)
            middle -= (middle / slope - reflected * math.tanh(middle) - overlap) / rise
        # Nodes are dense where the drive is m, on the scale of the noise: u = middle + scale · sinh(t).
        scale = noise / rise
        first, last = math.asinh((start - middle) / scale), math.asinh((start + WIDTH - middle) / scale)
        t = first + (last - first) * (NODES + 1) / 2
        u = middle + scale * np.sinh(t)
        rates, weights = np.tanh(u), WEIGHTS * (last - first) / 2 * scale * np.cosh(t) * (1 - np.tanh(u) ** 2)
        drive = u / slope - reflected * rates
        above, below = ndtr((overlap - drive) / noise), ndtr(-(drive + overlap) / noise)
        mean += float(weights @ (above - below))
        square += float(weights @ (2 * rates * (above + below)))
        slopes += float(weights @ (density(drive) + density(-drive)))
    return mean, square, slopes / noise
