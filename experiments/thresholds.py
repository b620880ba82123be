"""Convergence times over τx at several thresholds, absolute and in proportion to 1/τx, with no horizon. Claim C9."""

from typing import NamedTuple

import numpy as np
from along import one_axis
from measures import Claim, fewer, stored
from page import Page

from astrojax.cli.run import run_config

SLOW = [10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0]
"""Neurons much slower than the gains."""

RELATIVE = (1.0, 0.1, 0.01, 0.001)
"""Thresholds in units of 1/τx."""

ABSOLUTE = (0.1, 0.01, 0.001)
"""Thresholds that are the same speed at every τx."""

RESAMPLES = 500


class Growth(NamedTuple):
    """Convergence times at a threshold: its words, times of shape (τx, trials), and the exponent of τx with its interval."""

    threshold: str
    times: np.ndarray
    exponent: float
    low: float
    high: float


def report(page: Page, trials: int) -> list[Claim]:
    """Add convergence times at several thresholds to the page; claim C9."""
    number = fewer(trials, 0.1)
    growths = [growth(f"{speed:g}/τx", number, [speed / tau_x for tau_x in SLOW]) for speed in RELATIVE]
    growths += [growth(f"{speed:g}", number, [speed] * len(SLOW)) for speed in ABSOLUTE]
    fast = one_axis(stored("convergence", number), "tau_x")
    early = np.nanmedian(fast.convergence_time.transpose("tau_x", "trial").values, axis=1)
    load = 100
    page.text(
        "## Convergence times and their threshold\n\nThe paper plots convergence times over τx, and does not define them. Here "
        "a recall has converged when neurons and gains both move more slowly than a threshold; no horizon cuts it short. Once "
        f"the gains have chosen, x relaxes to ±K as K exp(−t/τx), at the speed (K/τx) exp(−t/τx) (K = {load}). So below a "
        "threshold of ε/τx it is at t = τx log(K/ε), linear in τx by construction; below a fixed speed v at t = τx log(K/(v "
        "τx)), which grows more slowly than linearly, and where v τx exceeds K nothing ever moves as fast as the threshold, "
        "so that the time is zero although nothing has been recalled."
    )
    rows = [
        [
            each.threshold,
            *(f"{value:.3g}" for value in np.nanmedian(each.times, axis=1) / SLOW),
            f"{each.exponent:.3f} [{each.low:.3f}, {each.high:.3f}]",
        ]
        for each in growths
    ]
    page.table(["threshold", *(f"t/τx at τx = {tau_x:g}" for tau_x in SLOW), "exponent of τx"], rows)
    page.text(
        f"Median times in units of τx, of {number} trials, and the slope of their logarithm over that of τx with its 95% "
        "bootstrap interval, over those τx at which the median time exceeds τx. ε/τx predicts "
        + ", ".join(f"{np.log(load / speed):.3g} τx at {speed:g}/τx" for speed in RELATIVE)
        + ". At smaller τx, with 0.1 as the threshold: "
        + ", ".join(f"{t:.3g} at τx = {tau:g}" for tau, t in zip(fast.tau_x.values, early, strict=True) if tau <= 1)
        + "."
    )
    return [claim(growths, number)]


def growth(threshold: str, number: int, speeds: list[float]) -> Growth:
    """Times at a threshold that is given as a speed for each τx of `SLOW`."""
    axes = {"axes.zipped.neurons": {"tau_x": SLOW, "retrieval.convergence_speed": speeds}}
    results = one_axis(stored("convergence", number, threshold.replace("/τx", "-relative"), **axes), "tau_x")
    times = results.convergence_time.transpose("tau_x", "trial").values
    return Growth(threshold, times, exponent(times), *exponent_interval(times))


def exponent_interval(times: np.ndarray, resamples: int = RESAMPLES) -> tuple[float, float]:
    """The ends of the 95% bootstrap interval of `exponent`."""
    draws = np.random.default_rng(0).integers(times.shape[1], size=(resamples, times.shape[1]))
    low, high = np.quantile([exponent(times[:, draw]) for draw in draws], [0.025, 0.975])
    return float(low), float(high)


def exponent(times: np.ndarray) -> float:
    """Slope of the log median time over log τx, over those τx at which it takes longer than τx to slow down to the threshold.

    Beyond them hardly anything ever moves as fast as the threshold. NaN of fewer than two such τx.
    """
    medians = np.nanmedian(times, axis=1)
    usable = np.isfinite(medians) & (medians > SLOW)
    return float(np.polyfit(np.log(np.array(SLOW)[usable]), np.log(medians[usable]), 1)[0]) if usable.sum() > 1 else np.nan


def claim(growths: list[Growth], number: int) -> Claim:
    """C9: it holds if the time grows faster than linearly at every threshold, in part if it does at some."""
    faster = [each.low > 1 for each in growths]
    slower = [each.high < 1.005 for each in growths]
    parts = f"{sum(faster)} of {len(growths)} thresholds"
    return Claim(
        "C9",
        "The convergence time grows faster than linearly in τx (Fig. 2).",
        "holds" if all(faster) else "holds in part" if any(faster) else "does not hold" if all(slower) else "not tested",
        f"median time of {number} trials at each of {len(growths)} thresholds, no horizon",
        "median time ∝ τx^a for τx from 10 to 10⁴, a = "
        + ", ".join(f"{each.exponent:.3f} [{each.low:.3f}, {each.high:.3f}] at {each.threshold}" for each in growths)
        + f"; faster than linearly at {parts}",
        "the paper does not define the time. At a threshold of ε/τx it is τx log(K/ε) by construction, linear whatever the "
        "memory does; at a fixed speed slower than linear. What survives is that slow neurons take proportionally longer",
    )


if __name__ == "__main__":
    run_config("configs/convergence.yaml")
