"""Intervals beside those of the package: of medians, and of means by drawing weights, against which tests hold its own."""

from typing import Any

import numpy as np
from scipy import special

from astrojax.report.statistics import CELLS, UNKNOWN, Bounds, _described


def bootstrap_interval(
    values: Any, bounds: Bounds = UNKNOWN, *, level: float = 0.95, seed: int = 0, resamples: int = 2000
) -> np.ndarray:
    """`mean_interval` by drawing the problems' weights, which is slower: it shows that three moments are enough.

    Arguments:
        values, bounds, level: as of `mean_interval`. seed: of the random weights, the same for all cells.
        resamples: how often they are drawn.

    Returns:
        Lower and upper ends, shape (2, …); NaN where there is no value.
    """
    values = np.asarray(values, float)
    number, _, extremes = _described(values, bounds)
    cells = values.reshape(-1, values.shape[-1])
    weights = np.random.default_rng(seed).exponential(size=(cells.shape[-1] + 1, resamples))
    ends = np.empty((2, len(cells)))
    for place, extreme in enumerate(extremes.reshape(2, -1)):
        for start in range(0, len(cells), CELLS):
            here = slice(start, start + CELLS)
            known = np.isfinite(extreme[here])
            more = np.where(known, extreme[here], 0)[:, None] * weights[-1]
            total = ~np.isnan(cells[here]) @ weights[:-1] + weights[-1]
            means = (np.nan_to_num(cells[here]) @ weights[:-1] + more) / total
            ends[place, here] = np.where(known, np.quantile(means, (1 + (2 * place - 1) * level) / 2, axis=-1), extreme[here])
    return np.where(number > 0, ends.reshape(extremes.shape), np.nan)


def median_interval(values: Any, *, level: float = 0.95) -> np.ndarray:
    """Interval of the median over independent problems, between two of the ordered values, for any distribution.

    Values may be infinite. With fewer than 6 problems, at 95%, the interval is (−∞, ∞).

    Arguments:
        values: shape (…, trials). level: coverage, within (0, 1).

    Returns:
        Lower and upper ends, shape (2, …); NaN where there is no value.

    Source: W. R. Thompson, Ann. Math. Stat. 7, 122 (1936).
    """
    ordered = np.sort(np.asarray(values, float), axis=-1)  # NaN comes last
    number = np.sum(~np.isnan(ordered), axis=-1)
    # The largest place from either end beyond which the median lies with no more than half of what is left of the level.
    sizes, which = np.unique(number, return_inverse=True)
    below = [special.bdtr(np.arange(size + 1), size, 0.5) for size in sizes]
    places = np.array([np.searchsorted(shares, (1 - level) / 2, side="right") - 1 for shares in below])
    place = places[which.reshape(number.shape)]
    ends = [
        np.take_along_axis(ordered, np.clip(at, 0, ordered.shape[-1] - 1)[..., None], axis=-1)[..., 0]
        for at in (place, number - 1 - place)
    ]
    found = np.where(place < 0, np.array([-np.inf, np.inf]).reshape(2, *[1] * number.ndim), ends)
    return np.where(number > 0, found, np.nan)
