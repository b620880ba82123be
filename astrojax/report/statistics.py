"""Statistics over trials: intervals, quantiles and paired comparisons.

The last axis of an array runs over independent problems. NaN (a failed trajectory) is left out. Every 95% interval
covers at least 93%, even for rare failures and few trials: benchmarks/coverage.py measures it for docs/statistics.md.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from .._internal.errors import InputError

TAILS = (0.025, 0.975)
"""Tail probabilities at the two ends of a 95% interval."""

CELLS_AT_A_TIME = 256
"""Cells compared at a time; limits memory to tens of megabytes."""

UNSEEN_RANGES = 2.0
"""Without a known bound, an unseen value lies beyond the others by this many ranges over the number of unusual values."""

Bounds = tuple[float | int | None, float | int | None]
"""The smallest and the largest possible value of an observable, `None` where it is not known."""

UNKNOWN: Bounds = (None, None)


def share_interval(successes: Any, number: Any) -> np.ndarray:
    """95% Clopper-Pearson interval of a probability, from counts; [0, 1] without trials.

    Wilson's interval is narrower, but if 1% of trials fail, its coverage at 50 trials is only 91%.

    Arguments:
        successes, number: counts of successes and of trials, of shapes that broadcast.

    Returns:
        Lower and upper ends, shape (2, …) for counts of shape (…).

    Raises:
        InputError (a ValueError): unless 0 ≤ successes ≤ number.

    Source: C. J. Clopper and E. S. Pearson, Biometrika 26, 404 (1934).
    """
    successes, number = np.broadcast_arrays(np.asarray(successes, float), np.asarray(number, float))
    if not np.all((successes >= 0) & (successes <= number)):
        raise InputError("successes must lie between 0 and the number of trials")
    failures = number - successes
    low = special.betaincinv(np.maximum(successes, 1), failures + 1, TAILS[0])
    high = special.betaincinv(successes + 1, np.maximum(failures, 1), TAILS[1])
    return np.array([np.where(successes == 0, 0, low), np.where(failures == 0, 1, high)])


class Moments(NamedTuple):
    """Summary of independent values for `mean_interval`. It can be accumulated in parts."""

    number: np.ndarray
    unusual: np.ndarray
    """Number of values that differ from `usual`."""
    sums: np.ndarray
    """Sums of the values minus a center, of their squares and of their cubes, shape (3, …)."""
    least: np.ndarray
    greatest: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, usual: Any = 0.0, center: Any = 0.0) -> "Moments":
        """Moments over the last axis; `usual` and `center` may differ from cell to cell."""
        known = ~np.isnan(values)
        unusual = np.sum(known & (values != np.asarray(usual)[..., None]), axis=-1)
        with np.errstate(invalid="ignore"):  # ∞ − ∞
            away = values - np.asarray(center)[..., None]
            sums = np.array([np.nansum(power, axis=-1) for power in (away, away * away, away * away * away)])
        least = np.min(values, axis=-1, where=known, initial=np.inf)
        return cls(known.sum(axis=-1), unusual, sums, least, np.max(values, axis=-1, where=known, initial=-np.inf))

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets of values; centers must agree."""
        number, unusual, sums = (mine + theirs for mine, theirs in zip(self[:3], other[:3], strict=True))
        return Moments(number, unusual, sums, np.minimum(self.least, other.least), np.maximum(self.greatest, other.greatest))

    def extremes(self, bounds: Bounds) -> np.ndarray:
        """The extreme value added for the lower and the upper end, shape (2, …)."""
        least, greatest, (smallest, largest) = self.least, self.greatest, bounds
        with np.errstate(invalid="ignore"):  # ∞ − ∞ where there are no values
            spread = UNSEEN_RANGES * (greatest - least)
            beyond = np.divide(spread, self.unusual, out=np.full(least.shape, np.inf), where=greatest > least)
            # Rounding may have moved a value beyond its bound.
            low = least - beyond if smallest is None else np.minimum(smallest, least)
            high = greatest + beyond if largest is None else np.maximum(largest, greatest)
        return np.array([low, high])

    def interval(self, bounds: Bounds, center: Any = 0.0) -> np.ndarray:
        """The `mean_interval`, shape (2, …)."""
        with np.errstate(invalid="ignore"):
            extremes = self.extremes(bounds) - center
            known = np.isfinite(extremes) & (self.number > 0)
            extreme, total = np.where(known, extremes, 0), self.number + 1
            first, second, third = ((moment + extreme**power) / total for power, moment in enumerate(self.sums, 1))
            variance = np.maximum(second - first**2, 0)
            # Moments of a mean whose weights are uniform on the simplex, with the Dirichlet distribution.
            scale = np.sqrt(variance / (total + 1))
            third = third - 3 * first * second + 2 * first**3
            skewness = np.divide(third, variance**1.5, out=np.zeros_like(third), where=variance > 0)
            skewness *= 2 * np.sqrt(total + 1) / (total + 2)
            tails = np.reshape(TAILS, (2, *[1] * (extremes.ndim - 1)))
            ends = np.clip(first + scale * _pearson_quantile(tails, skewness), *extremes)
            return np.where(known, ends, np.where(self.number > 0, extremes, np.nan)) + center


def mean_interval(values: Any, bounds: Bounds = UNKNOWN) -> np.ndarray:
    """95% interval of the mean over independent problems, for values of any distribution.

    Every problem has a random weight, as in the Bayesian bootstrap. The upper end is computed with one more problem, which has
    the largest possible value, and the lower end with one that has the smallest: failures may be too rare to have been seen. If
    a bound is unknown, the added value lies beyond all others, by `UNSEEN_RANGES` times their range over the number of values
    that differ from the median, or at infinity if none does. The quantiles of the weighted mean are those of the Pearson III
    distribution with its first three moments.

    Arguments:
        values: shape (…, trials). bounds: of a value, such as (0, N) for Hamming errors of N neurons.

    Returns:
        Lower and upper ends, shape (2, …); NaN if there are no values or an infinite one.

    Source: N. Gaffke, Math. Methods Stat. 14, 451 (2005), and E. Learned-Miller and P. S. Thomas, arXiv:1905.06208 (2019), for
    the upper end; D. B. Rubin, Ann. Stat. 9, 130 (1981), for the weights.
    """
    values = np.asarray(values, float)
    (median,) = quantiles(values, [0.5])
    center = mean(values)
    center = np.where(np.isnan(center), 0, center)
    return Moments.of(values, median, center).interval(bounds, center)


def with_interval(found: Iterable[Any], form: str = ".2f") -> str:
    """Format a mean and the ends of its interval, such as `0.00 [0.00, 0.31]`; a dash for no mean, ∞ for an unknown end."""
    mean, low, high = (None if value is None else float(value) for value in found)
    if mean is None or np.isnan(mean):
        return "–"
    ends = [f"{sign}∞" if end is None or np.isinf(end) else f"{end:{form}}" for sign, end in (("−", low), ("", high))]
    return f"{mean:{form}} [{ends[0]}, {ends[1]}]"


def error_bars(middle: Any, ends: Any) -> np.ndarray:
    """Distances of the ends of intervals from their middles, for matplotlib, shape (2, …); NaN (no bar) for an unknown end."""
    low, high = ends
    gaps = np.array([np.subtract(middle, low), np.subtract(high, middle)])
    # Because of rounding, a middle may lie beyond an end that it equals.
    return np.where(np.isinf(gaps), np.nan, np.maximum(gaps, 0))


def mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis; NaN where there is no value."""
    number = np.sum(~np.isnan(values), axis=-1)
    return np.divide(np.nansum(values, axis=-1), number, out=np.full(number.shape, np.nan), where=number > 0)


def quantiles(values: Any, levels: Sequence[float]) -> np.ndarray:
    """Quantiles over the last axis, in which infinite values count as larger than all others.

    Between two values they are interpolated linearly; between a finite and an infinite one they are infinite.

    Arguments:
        values: shape (…, trials), without −inf. levels: each within [0, 1], L of them.

    Returns:
        Shape (L, …); NaN where there is no value.
    """
    ordered = np.sort(np.asarray(values, float), axis=-1)  # NaN comes last
    number = np.sum(~np.isnan(ordered), axis=-1)
    places = np.multiply.outer(np.asarray(levels), np.maximum(number - 1, 0))
    below, above = (
        np.take_along_axis(ordered[None], index.astype(int)[..., None], axis=-1)[..., 0]
        for index in (np.floor(places), np.ceil(places))
    )
    # Equal neighbors are not interpolated, since ∞ − ∞ is NaN.
    rise = np.subtract(above, below, out=np.zeros_like(above), where=above != below)
    return below + np.multiply(rise, places % 1, out=np.zeros_like(rise), where=rise != 0)


def paired_p_values(differences: Any, *, seed: int = 0, flips: int = 9999) -> np.ndarray:
    """Two-sided p values of paired differences, cell by cell, for the hypothesis that the two sides do not differ.

    If they do not, both signs of each difference are equally likely. So random signs are drawn for the differences of a cell
    `flips` times, and p is the share of sums, including the observed one, that are at least as far from zero. Unlike a t test,
    this keeps its level where most differences are zero: of errors, which count neurons, they are.

    Arguments:
        differences: shape (…, trials). seed: of the random signs. flips: number of draws; the smallest p is 1/(flips + 1).

    Returns:
        Shape (…); NaN where no difference is known.

    Source: R. A. Fisher, The Design of Experiments (1935), section 21; M. Dwass, Ann. Math. Stat. 28, 181 (1957).
    """
    differences = np.asarray(differences, float)
    known = ~np.isnan(differences)
    cells = np.where(known, differences, 0).reshape(-1, differences.shape[-1])
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(cells.shape[-1], flips))
    # Sums that differ only by rounding count as equal.
    limits = np.abs(cells.sum(axis=-1)) - 1e-12 * np.abs(cells).sum(axis=-1)
    farther = np.zeros(len(cells))
    for start in range(0, len(cells), CELLS_AT_A_TIME):
        here = slice(start, start + CELLS_AT_A_TIME)
        farther[here] = np.sum(np.abs(cells[here] @ signs) >= limits[here, None], axis=-1)
    shares = ((farther + 1) / (flips + 1)).reshape(differences.shape[:-1])
    return np.where(known.any(axis=-1), shares, np.nan)


def fdr_significant(p_values: Any, rate: float = 0.05) -> np.ndarray:
    """Which p values, of any shape, are significant at a false discovery rate; a p value of NaN is not.

    Source: Y. Benjamini and Y. Hochberg, J. R. Stat. Soc. B 57, 289 (1995).
    """
    from scipy.stats import false_discovery_control  # slow to import

    p_values = np.asarray(p_values, float)
    significant, known = np.zeros(p_values.shape, bool), ~np.isnan(p_values)
    significant[known] = false_discovery_control(p_values[known]) <= rate
    return significant


def _pearson_quantile(tail: np.ndarray, skewness: np.ndarray) -> np.ndarray:
    """Quantiles of the Pearson III distribution with mean 0 and variance 1: a shifted gamma distribution."""
    size = np.maximum(np.abs(skewness), 1e-5)  # a smaller one is numerically normal
    shape = 4 / size**2
    quantile = special.gammaincinv(shape, np.where(skewness < 0, 1 - tail, tail)) - shape
    return np.where(np.abs(skewness) < 1e-5, special.ndtri(tail), np.sign(skewness) * size / 2 * quantile)
