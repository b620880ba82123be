"""Statistics of trials: intervals, quantiles and paired comparisons. The last axis of an array is that of independent problems.

Values that are NaN, of trials that failed, are left out everywhere.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from .._checks import InputError, one_of

AVERAGES: dict[str, Callable[..., Any]] = {"mean": np.mean, "median": np.median}
"""Statistics that have a bootstrap interval."""

CELLS = 256
"""Cells that are compared at a time, so that memory stays within some ten megabytes."""


def wilson_interval(successes: Any, number: Any, level: float = 0.95) -> np.ndarray:
    """Wilson's interval of a probability, from counts; without any trial it is [0, 1].

    Arguments:
        successes, number: counts of successes and of trials, of shapes that broadcast. level: coverage, within (0, 1).

    Returns:
        Lower and upper ends, shape (2, …) after the counts' shape (…).

    Raises:
        InputError (a ValueError): for counts that are no counts, and for a level out of range.

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927).
    """
    _probability("level", level)
    successes, number = np.broadcast_arrays(np.asarray(successes, float), np.asarray(number, float))
    if not np.all((successes >= 0) & (successes <= number)):
        raise InputError("successes must lie between 0 and the number of trials")
    z = stats.norm.isf((1 - level) / 2)
    centre = (successes + z**2 / 2) / (number + z**2)
    spread = np.sqrt(successes * (number - successes) / np.maximum(number, 1) + z**2 / 4) * z / (number + z**2)
    return np.clip([centre - spread, centre + spread], 0, 1)


def bootstrap_interval(
    values: Any, statistic: str = "mean", *, level: float = 0.95, seed: int = 0, resamples: int = 2000
) -> np.ndarray:
    """Percentile bootstrap interval of the mean or median over independent problems, the same for the same seed.

    An interval does not depend on the other cells of the array. It is NaN where there is no value.

    Arguments:
        values: shape (…, trials). statistic: `mean` or `median`. level: coverage, within (0, 1).
        seed: of the random numbers. resamples: how often the problems are drawn again.

    Returns:
        Lower and upper ends, shape (2, …).

    Raises:
        InputError (a ValueError): for an unknown statistic, and for a level out of range.

    Source: B. Efron, The Jackknife, the Bootstrap and Other Resampling Plans (1982), section 10.4.
    """
    one_of("statistic", statistic, AVERAGES)
    _probability("level", level)

    # Neighbouring cells mostly have as many values as one another, and then share their draws.
    @functools.lru_cache(maxsize=1)
    def draws(size: int) -> np.ndarray:
        return np.random.default_rng(seed).integers(size, size=(resamples, size))

    cells = np.asarray(values, float)
    found = np.full((np.prod(cells.shape[:-1], dtype=int), resamples), np.nan)
    for cell, replicas in zip(cells.reshape(-1, cells.shape[-1]), found, strict=True):
        present = cell[~np.isnan(cell)]
        if present.size:
            replicas[:] = AVERAGES[statistic](present[draws(present.size)], axis=-1)
    return quantiles(found.reshape(*cells.shape[:-1], resamples), [(1 - level) / 2, (1 + level) / 2])


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
    found[known] = stats.false_discovery_control(p_values[known]) <= rate
    return found


def _count_farther(cells: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """How many sums of differences with drawn signs are at least as far from zero as the sums themselves, by cell."""
    size = np.abs(cells).sum(axis=-1, keepdims=True)
    limit = np.abs(cells.sum(axis=-1, keepdims=True)) - 1e-12 * size  # sums that are equal but for rounding are equal
    return np.sum(np.abs(cells @ signs) >= limit, axis=-1)


def _probability(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise InputError(f"{name} must lie between 0 and 1; got {value}")
