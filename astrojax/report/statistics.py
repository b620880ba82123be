"""Statistics of trials: intervals, quantiles and paired comparisons. The last axis of an array is that of independent problems.

Values that are NaN, of trials that failed, are left out everywhere. Every interval covers at least 93% where it says 95%, for
rare failures and few trials too: benchmarks/coverage.py measures it, docs/statistics.md has the table.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy import special

from .._internal.errors import InputError

CELLS = 256
"""Cells that are compared at a time, so that memory stays within some ten megabytes."""

UNSEEN = 2.0
"""How far beyond the values a rare one may lie whose bound is not known: so many ranges, over the number of unusual values."""


def share_interval(successes: Any, number: Any, level: float = 0.95) -> np.ndarray:
    """Clopper and Pearson's interval of a probability, from counts; without any trial it is [0, 1].

    Wilson's interval is narrower, but where one trial in a hundred fails it covers 91% at 50 trials.

    Arguments:
        successes, number: counts of successes and of trials, of shapes that broadcast. level: coverage, within (0, 1).

    Returns:
        Lower and upper ends, shape (2, …) after the counts' shape (…).

    Raises:
        InputError (a ValueError): for counts that are no counts, and for a level out of range.

    Source: C. J. Clopper and E. S. Pearson, Biometrika 26, 404 (1934).
    """
    _probability("level", level)
    successes, number = np.broadcast_arrays(np.asarray(successes, float), np.asarray(number, float))
    if not np.all((successes >= 0) & (successes <= number)):
        raise InputError("successes must lie between 0 and the number of trials")
    failures = number - successes
    low = special.betaincinv(np.maximum(successes, 1), failures + 1, (1 - level) / 2)
    high = special.betaincinv(successes + 1, np.maximum(failures, 1), (1 + level) / 2)
    return np.array([np.where(successes == 0, 0, low), np.where(failures == 0, 1, high)])


Bounds = tuple[float | int | None, float | int | None]
"""The smallest and the largest possible value of an observable, where they are known."""

UNKNOWN: Bounds = (None, None)


def mean_interval(values: Any, bounds: Bounds = UNKNOWN, *, level: float = 0.95) -> np.ndarray:
    """Interval of the mean over independent problems, of values of any distribution.

    Every problem has a random weight, as in the Bayesian bootstrap. For the upper end there is one problem more, with the
    largest possible value, and for the lower end one with the smallest. So failures that are too rare to have been seen are
    allowed for: where none of 50 problems fails, the upper end is 0.07 of the largest possible value. The quantiles of the
    weighted mean are those of the Pearson III distribution with its first three moments. Of zeros and ones the interval is
    nearly `share_interval`'s.

    In place of a bound that is not given there is a value beyond all others, by `UNSEEN` times their range over the number of
    values that differ from the median: far where few do. Without a bound nothing is known if all values are equal: the end is
    infinite.

    Arguments:
        values: shape (…, trials). bounds: of a value, such as (0, N) for Hamming errors of N neurons.
        level: coverage, within (0, 1).

    Returns:
        Lower and upper ends, shape (2, …); NaN where there is no value, or an infinite one.

    Raises:
        InputError (a ValueError): for a level out of range.

    Source: N. Gaffke, Math. Methods Stat. 14, 451 (2005), and E. Learned-Miller and P. S. Thomas, arXiv:1905.06208 (2019), for
    the upper end; D. B. Rubin, Ann. Stat. 9, 130 (1981), for the weights.
    """
    values = np.asarray(values, float)
    number, center, extremes = _described(values, bounds)
    with np.errstate(invalid="ignore"):  # ∞ − ∞
        away = values - center[..., None]
        moments = np.array([np.nansum(power, axis=-1) for power in (away, away * away, away * away * away)])
        return center + interval_from_moments(number, moments, extremes - center, level)


def interval_from_moments(number: Any, moments: Any, extremes: Any, level: float = 0.95) -> np.ndarray:
    """`mean_interval` from what can be summed up piece by piece.

    Arguments:
        number: how many problems. moments: sums of the values, their squares and cubes, shape (3, …).
        extremes: the values of one problem more, for the lower and the upper end, shape (2, …). level: coverage.
    """
    _probability("level", level)
    number, moments, extremes = np.asarray(number, float), np.asarray(moments, float), np.asarray(extremes, float)
    known = np.isfinite(extremes) & (number > 0)
    extreme, total = np.where(known, extremes, 0), number + 1
    first, second, third = ((moment + extreme**power) / total for power, moment in enumerate(moments, 1))
    variance = np.maximum(second - first**2, 0)
    # Moments of a mean with weights that are uniform on the simplex, of Dirichlet's distribution.
    scale = np.sqrt(variance / (total + 1))
    third = third - 3 * first * second + 2 * first**3
    skewness = (
        np.divide(third, variance**1.5, out=np.zeros_like(third), where=variance > 0) * 2 * np.sqrt(total + 1) / (total + 2)
    )
    tail = np.array([(1 - level) / 2, (1 + level) / 2]).reshape(2, *[1] * (extremes.ndim - 1))
    ends = np.clip(first + scale * _pearson_quantile(tail, skewness), *extremes)
    return np.where(known, ends, np.where(number > 0, extremes, np.nan))


def extremes_of(least: Any, greatest: Any, unusual: Any, bounds: Bounds = UNKNOWN) -> np.ndarray:
    """The values of one problem more in `mean_interval`, for the lower and the upper end, shape (2, …).

    Arguments:
        least, greatest: of the values. unusual: how many differ from the most usual one. bounds: of a value.
    """
    smallest, largest = bounds
    least, greatest, unusual = (np.asarray(given, float) for given in (least, greatest, unusual))
    beyond = np.divide(UNSEEN * (greatest - least), unusual, out=np.full(least.shape, np.inf), where=greatest > least)
    # Rounding may have moved a value beyond its bound.
    low = least - beyond if smallest is None else np.minimum(smallest, least)
    high = greatest + beyond if largest is None else np.maximum(largest, greatest)
    return np.array([low, high])


def lead(errors: Any) -> np.ndarray:
    """By how much the first of some models beats the best of its rivals, problem by problem, for `mean_interval`.

    The lowest of several noisy means is too low. So in every cell the rival with the lowest mean error is chosen on every other
    trial, and the lead over it is measured on the trials between, so that the choice does not bias it; where a rival is chosen
    that is not quite the best, the lead is over that one. To choose on each half and measure on the other would use all trials,
    but the two halves would not be independent, and the interval too narrow.

    Arguments:
        errors: shape (models, …, trials), the same problems for all models; at least two models.

    Returns:
        Shape (…, half of the trials); NaN where the first model or the rival failed, or there is no rival.
    """
    first, *others = np.asarray(errors, float)
    rivals = np.array(others)
    means = mean(rivals[..., ::2])
    best = np.argmin(np.where(np.isnan(means), np.inf, means), axis=0)
    return np.take_along_axis(rivals[..., 1::2], best[None, ..., None], axis=0)[0] - first[..., 1::2]


def with_interval(found: Iterable[Any], form: str = ".2f") -> str:
    """A mean and the ends of its interval as text, such as `0.00 [0.00, 0.31]`; a dash for no mean, ∞ for an unknown end."""
    mean, low, high = (None if value is None else float(value) for value in found)
    if mean is None or np.isnan(mean):
        return "–"
    ends = [f"{sign}∞" if end is None or np.isinf(end) else f"{end:{form}}" for sign, end in (("−", low), ("", high))]
    return f"{mean:{form}} [{ends[0]}, {ends[1]}]"


def error_bars(middle: Any, ends: Any) -> np.ndarray:
    """How far intervals reach below and above their middles, for matplotlib, shape (2, …); NaN, no bar, for an unknown end."""
    low, high = ends
    gaps = np.array([np.subtract(middle, low), np.subtract(high, middle)])
    # By rounding a middle may lie beyond an end that it equals.
    return np.where(np.isinf(gaps), np.nan, np.maximum(gaps, 0))


def mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis without values that are NaN; NaN where there is no other."""
    number = np.sum(~np.isnan(values), axis=-1)
    return np.divide(np.nansum(values, axis=-1), number, out=np.full(number.shape, np.nan), where=number > 0)


def quantiles(values: Any, levels: Sequence[float]) -> np.ndarray:
    """Quantiles over the last axis, in which infinite values count as larger than all others.

    Between two values they are interpolated, as NumPy does; between a finite and an infinite one they are infinite.

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
    # Equal neighbours are not interpolated, since ∞ − ∞ is no number.
    rise = np.subtract(above, below, out=np.zeros_like(above), where=above != below)
    return below + np.multiply(rise, places % 1, out=np.zeros_like(rise), where=rise != 0)


def paired_p_values(differences: Any, *, seed: int = 0, flips: int = 9999) -> np.ndarray:
    """Two-sided p values of paired differences, cell by cell, for the hypothesis that the two sides do not differ.

    If they do not, each difference is as likely with the other sign. So the signs of the differences of a cell are drawn again
    `flips` times, and p is the share of sums, the observed one among them, that are at least as far from zero.

    Errors count neurons, and most differences are zero: with six of 50 differing, all by one, a paired t test says p = 0.013,
    where only 2 of the 2⁶ choices of signs are so one-sided, p = 0.03. Flipping signs keeps its level for any number of
    differences, gives p = 1 where all are zero, and agrees with the t test where many differ. Wilcoxon's test compares ranks,
    and so can contradict the means that are shown.

    Arguments:
        differences: shape (…, trials). seed: of the random signs. flips: how many; the smallest p is 1/(flips + 1).

    Returns:
        Shape (…); NaN where there is no difference that is known.

    Source: R. A. Fisher, The Design of Experiments (1935), section 21; M. Dwass, Ann. Math. Stat. 28, 181 (1957).
    """
    differences = np.asarray(differences, float)
    known = ~np.isnan(differences)
    cells = np.where(known, differences, 0).reshape(-1, differences.shape[-1])
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(cells.shape[-1], flips))
    farther = np.concatenate([_count_farther(cells[start : start + CELLS], signs) for start in range(0, len(cells), CELLS)])
    shares = ((farther + 1) / (flips + 1)).reshape(differences.shape[:-1])
    return np.where(known.any(axis=-1), shares, np.nan)


def discoveries(p_values: Any, rate: float = 0.05) -> np.ndarray:
    """Where a difference is significant, of p values of any shape, at a false discovery rate; not where p is NaN.

    Raises:
        InputError (a ValueError): for a rate out of range.

    Source: Y. Benjamini and Y. Hochberg, J. R. Stat. Soc. B 57, 289 (1995).
    """
    _probability("rate", rate)
    p_values = np.asarray(p_values, float)
    found = np.zeros(p_values.shape, bool)
    known = ~np.isnan(p_values)
    ordered = np.sort(p_values[known])
    below = ordered[ordered * ordered.size <= rate * np.arange(1, ordered.size + 1)]
    found[known] = p_values[known] <= np.max(below, initial=-1)
    return found


def _pearson_quantile(level: np.ndarray, skewness: np.ndarray) -> np.ndarray:
    """Quantiles of the Pearson III distribution with mean 0, variance 1 and a skewness: a gamma distribution, moved."""
    size = np.maximum(np.abs(skewness), 1e-5)  # a smaller one cannot be told from that of a normal distribution
    shape = 4 / size**2
    quantile = special.gammaincinv(shape, np.where(skewness < 0, 1 - level, level)) - shape
    return np.where(np.abs(skewness) < 1e-5, special.ndtri(level), np.sign(skewness) * size / 2 * quantile)


def _count_farther(cells: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """How many sums of differences with drawn signs are at least as far from zero as the sums themselves, by cell."""
    size = np.abs(cells).sum(axis=-1, keepdims=True)
    limit = np.abs(cells.sum(axis=-1, keepdims=True)) - 1e-12 * size  # sums that are equal but for rounding are equal
    return np.sum(np.abs(cells @ signs) >= limit, axis=-1)


def _described(values: np.ndarray, bounds: Bounds) -> tuple[Any, Any, np.ndarray]:
    """How many values there are in each cell, their mean, or 0, and the `extremes_of` them."""
    known = ~np.isnan(values)
    number = known.sum(axis=-1)
    least = np.min(values, axis=-1, where=known, initial=np.inf)
    greatest = np.max(values, axis=-1, where=known, initial=-np.inf)
    (middle,) = quantiles(values, [0.5])
    unusual = np.sum(known & (values != middle[..., None]), axis=-1)
    empty = number == 0
    extremes = extremes_of(np.where(empty, 0, least), np.where(empty, 0, greatest), unusual, bounds)
    return number, np.where(empty, 0, mean(values)), extremes


def _probability(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise InputError(f"{name} must lie between 0 and 1; got {value}")
