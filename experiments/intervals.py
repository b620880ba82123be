"""Statistics beside those of the package: intervals of medians, of means by drawing weights, and leads over several rivals."""

from typing import Any

import numpy as np
from scipy.stats import binom

from astrojax.report.statistics import TAILS, UNKNOWN, Bounds, Moments, mean, quantiles


def bootstrap_interval(values: Any, bounds: Bounds = UNKNOWN, *, seed: int = 0, resamples: int = 2000) -> np.ndarray:
    """`mean_interval` by drawing the problems' weights, which is slower: it shows that three moments are enough.

    Arguments:
        values, bounds: as for `mean_interval`. seed: of the random weights, the same for all cells. resamples: number of draws.
    """
    values = np.asarray(values, float)
    moments = Moments.of(values, quantiles(values, [0.5])[0])
    weights = np.random.default_rng(seed).exponential(size=(values.shape[-1] + 1, resamples))
    total = ~np.isnan(values) @ weights[:-1] + weights[-1]
    sums = np.nan_to_num(values) @ weights[:-1]
    ends = []
    for extreme, tail in zip(moments.extremes(bounds), TAILS, strict=True):
        known = np.isfinite(extreme)
        means = (sums + np.where(known, extreme, 0)[..., None] * weights[-1]) / total
        ends.append(np.where(known, np.quantile(means, tail, axis=-1), extreme))
    return np.where(moments.number > 0, ends, np.nan)


def median_interval(values: Any) -> np.ndarray:
    """95% interval of the median over independent problems, between two of the ordered values, for any distribution.

    Values may be infinite. With fewer than 6 problems the interval is (−∞, ∞).

    Arguments:
        values: shape (…, trials).

    Returns:
        Lower and upper ends, shape (2, …); NaN where there is no value.

    Source: W. R. Thompson, Ann. Math. Stat. 7, 122 (1936).
    """
    ordered = np.sort(np.asarray(values, float), axis=-1)  # NaN comes last
    number = np.sum(~np.isnan(ordered), axis=-1)
    # The farthest place from either end beyond which the median lies with at most the tail probability.
    place = binom.ppf(TAILS[0], number, 0.5).astype(int) - 1
    ends = [
        np.take_along_axis(ordered, np.clip(at, 0, ordered.shape[-1] - 1)[..., None], axis=-1)[..., 0]
        for at in (place, number - 1 - place)
    ]
    found = np.where(place < 0, np.array([-np.inf, np.inf]).reshape(2, *[1] * number.ndim), ends)
    return np.where(number > 0, found, np.nan)


def lead(errors: Any) -> np.ndarray:
    """How much lower the error of the first model is than that of its best rival, problem by problem, for `mean_interval`.

    The lowest of several noisy means is biased downwards. So in every cell the rival with the lowest mean error is chosen on
    every other trial, and the lead over it is measured on the remaining trials. If the chosen rival is not quite the best, the
    lead is over that one.

    Choosing on each half and measuring on the other would use all trials, but the halves would not be independent, and the
    interval too narrow.

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
