"""The paper's own statistic: medians with percentile bands of 50 trials, by which its Figs. 1 to 3 are judged first."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from measures import median

TRIALS = 50
"""Trials of a point of the paper's figures."""

BAND = (5, 95)
"""The widest of its percentile bands."""


def judged(condition: Callable[..., Any], *samples: Any) -> bool:
    """Whether a condition on samples holds for the first trials, as many as in the paper, and for all of them.

    Arguments:
        condition: a function of arrays of trials. samples: its arguments, shape (trials,).
    """
    arrays = [np.asarray(sample, float) for sample in samples]
    return all(bool(condition(*chosen)) for chosen in ([array[:TRIALS] for array in arrays], arrays))


def middle(values: Any) -> float:
    """The median of the trials that did not fail."""
    return float(np.nanmedian(np.asarray(values, float)))


def described(values: Any, digits: int = 2) -> str:
    """Median with its interval, that of the first trials, and the band, such as `0.00 [0.00, 0.00] (0.00; 0 to 14.0)`."""
    flat = np.asarray(values, float).ravel()
    low, high = np.nanpercentile(flat, BAND)
    return f"{median(flat)} ({middle(flat[:TRIALS]):.{digits}f}; {low:.3g} to {high:.3g})"


def along(found: Mapping[float, Any], symbol: str) -> str:
    """`described` for the samples at several values of a parameter."""
    return "; ".join(f"{described(values)} at {symbol} = {value:g}" for value, values in found.items())


EXPLAINED = f"median with its 95% interval (median of the first {TRIALS} trials; {BAND[0]}th to {BAND[1]}th percentile of all)"
"""What `described` gives, for the page."""
