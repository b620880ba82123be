"""How often printed intervals cover the truth, at few trials and rare failures, and how wide they are beside normal theory's.

Draws trials of known distributions, again and again, and prints the table of docs/statistics.md. 95% are claimed, 93% needed.
A minute on one core.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from astrojax.report.statistics import mean_interval, share_interval
from astrojax.report.tables import mean_and_interval

sys.path.append(str(Path(__file__).parents[1] / "experiments"))

import capacity
import thresholds
from intervals import bootstrap_interval, lead, median_interval

NEURONS = 20
BOUNDS, DIFFERENCES = (0, NEURONS), (-NEURONS, NEURONS)
NUMBERS = (50, 200, 1000)
FAILING = (0.01, 0.02, 0.06, 0.2, 0.5)
LOADS = np.array([2, 3, 4, 6, 8, 11, 16, 22, 32, 45, 64, 90, 128, 181, 256])

FAILURES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "4 to 10": lambda rng, size: rng.integers(4, 11, size),
    "half integers": lambda rng, size: rng.integers(1, 21, size) / 2,
    "skewed": lambda rng, size: np.minimum(rng.geometric(0.3, size), NEURONS),
    "one or all": lambda rng, size: np.where(rng.random(size) < 0.2, NEURONS, 1),
}
"""Errors of trials that fail; of those that do not the error is 0."""


class Simulated(NamedTuple):
    """A kind of interval and of values: `values` draws them, shape (…, trials), from a share of failures and a size."""

    kind: str
    of: str
    interval: Callable[[np.ndarray], np.ndarray]
    values: Callable[[np.random.Generator, float, tuple[int, ...]], np.ndarray]
    truth: Callable[[float], float]
    failing: tuple[float, ...] = FAILING


def failures(kind: str) -> Callable[[np.random.Generator, float, tuple[int, ...]], np.ndarray]:
    """Errors, 0 but in a share of the trials."""
    return lambda rng, failing, size: np.where(rng.random(size) < failing, FAILURES[kind](rng, size), 0.0)


def simulated() -> Iterator[Simulated]:
    """Every kind of interval that is printed."""
    rng = np.random.default_rng(1)
    means = {kind: float(FAILURES[kind](rng, (10**7,)).mean()) for kind in FAILURES}
    for kind, expected in means.items():
        truth = lambda failing, expected=expected: failing * expected  # noqa: E731
        yield Simulated("mean, bounds known", kind, lambda x: mean_interval(x, BOUNDS), failures(kind), truth)
        if kind != "one or all":
            yield Simulated("mean, no bounds", kind, mean_interval, failures(kind), truth)
    four = failures("4 to 10")
    drawn = lambda x: bootstrap_interval(x, BOUNDS, resamples=1000)  # noqa: E731
    yield Simulated("mean, weights drawn", "4 to 10", drawn, four, lambda failing: 7 * failing)
    pooled = lambda rng, failing, size: np.repeat(four(rng, failing, size)[:, None], 4, axis=1)  # noqa: E731
    yield Simulated("mean over 4 parameters", "4 to 10, the same problems", of_table, pooled, lambda failing: 7 * failing)
    normal = lambda rng, failing, size: rng.normal(10, 1.5, size)  # noqa: E731
    yield Simulated("mean, bounds known", "normal", lambda x: mean_interval(x, BOUNDS), normal, lambda _: 10, (1.0,))
    yield Simulated("mean, no bounds", "normal", mean_interval, normal, lambda _: 10, (1.0,))
    yield Simulated(
        "mean, no bounds",
        "log-normal",
        mean_interval,
        lambda rng, _, size: rng.lognormal(0, 1, size),
        lambda _: np.exp(0.5),
        (1.0,),
    )
    apart = lambda rng, failing, size: np.where(rng.random(size) < failing, rng.integers(-3, 8, size), 0.0)  # noqa: E731
    yield Simulated("difference, no bounds", "-3 to 7", mean_interval, apart, lambda failing: 2 * failing)
    yield Simulated("difference, bounds known", "-3 to 7", lambda x: mean_interval(x, DIFFERENCES), apart, lambda f: 2 * f)
    yield Simulated("share", "failures", of_shares, lambda rng, f, size: (rng.random(size) < f) + 0.0, lambda failing: failing)
    yield Simulated(
        "median", "infinite times", median_interval, times, lambda failing: -np.log(1 - 0.5 / (1 - failing)), (0.01, 0.2, 0.4)
    )
    yield Simulated("lead over 2 equal rivals", "6 cells, normal", of_lead, rivals, lambda _: 0, (1.0,))
    yield Simulated("lead over 2 unequal rivals", "6 cells, normal, 0.2 apart", of_lead, unequal_rivals, lambda _: 0, (1.0,))
    yield Simulated("exponent of τx", "log-normal times", of_exponent, slow_times, lambda _: 1, (0.1,))
    yield Simulated("crossing: K90", "success over 15 loads", of_capacity, successes, lambda _: capacity_of_truth(), (0.1,))


def times(rng: np.random.Generator, failing: float, size: tuple[int, ...]) -> np.ndarray:
    """Convergence times, some of them infinite."""
    return np.where(rng.random(size) < failing, np.inf, rng.exponential(size=size))


def of_shares(values: np.ndarray) -> np.ndarray:
    return share_interval(values.sum(axis=-1), values.shape[-1])


def of_table(values: np.ndarray) -> np.ndarray:
    """Of a table: a mean over parameters, at which the same problems are solved."""
    found = mean_and_interval(xr.DataArray(values, dims=("num_flips", "tau_x", "trial")), ["num_flips"], BOUNDS)
    return found[1:]


def rivals(rng: np.random.Generator, failing: float, size: tuple[int, ...]) -> np.ndarray:
    """Errors of three memories that are alike, in six cells, on the same problems."""
    cells = (size[0], 6, size[1])
    return np.stack([rng.normal(0, 1.5, cells) for _ in range(3)], axis=1) + rng.normal(10, 1, cells)[:, None]


def unequal_rivals(rng: np.random.Generator, failing: float, size: tuple[int, ...]) -> np.ndarray:
    """The same, but the third memory errs by 0.2 more."""
    return rivals(rng, failing, size) + np.array([0, 0, 0.2])[:, None, None]


def slow_times(rng: np.random.Generator, failing: float, size: tuple[int, ...]) -> np.ndarray:
    """Convergence times of the same problems at each τx, a share of which is not known."""
    problems = rng.lognormal(2, 0.5, (size[0], 1, size[1])) * rng.lognormal(0, 0.1, (size[0], len(thresholds.SLOW), size[1]))
    found = np.array(thresholds.SLOW)[:, None] * problems
    return np.where(rng.random(found.shape) < failing, np.nan, found)


def of_exponent(values: np.ndarray) -> np.ndarray:
    return np.transpose([thresholds.exponent_interval(times, 300) for times in values[:300]])


def of_lead(values: np.ndarray) -> np.ndarray:
    leads = lead(np.moveaxis(values, 1, 0))
    return mean_interval(leads.reshape(len(leads), -1), DIFFERENCES)


def success(loads: np.ndarray) -> np.ndarray:
    """A share of perfect recalls that falls with the load."""
    return 1 / (1 + (loads / 60) ** 6)


def successes(rng: np.random.Generator, failing: float, size: tuple[int, ...]) -> np.ndarray:
    return (rng.random((size[0], LOADS.size, size[1])) < success(LOADS)[:, None]).astype(float)


def of_capacity(values: np.ndarray) -> np.ndarray:
    array = xr.DataArray(values[:200], {"num_patterns": LOADS}, ("size", "num_patterns", "trial"))
    return np.array(capacity.ends(np.nan_to_num(capacity.curves_of(array, np.random.default_rng(0))[1:])))


def capacity_of_truth() -> float:
    return capacity.capacity_of(success(LOADS), LOADS)


def normal_width(values: np.ndarray) -> float:
    """Width of the interval that normal theory gives, from the true spread."""
    return 2 * 1.96 * float(values.std()) / np.sqrt(values.shape[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000, help="how often trials are drawn")
    repeats = parser.parse_args().repeats
    print("| interval | of | failing | 50 trials | 200 | 1,000 |")
    print("|---|---|---|---|---|---|")
    lowest = 1.0
    for case in simulated():
        for failing in case.failing:
            cells = []
            for number in NUMBERS:
                rng = np.random.default_rng([number, round(1000 * failing)])
                values = case.values(rng, failing, (repeats, number))
                low, high = case.interval(values)
                coverage = float(np.mean((low <= case.truth(failing)) & (case.truth(failing) <= high)))
                lowest = min(lowest, coverage)
                assert np.all(high > low), "an interval has no width"
                wide = np.mean(high - low) / normal_width(values) if case.kind.startswith(("mean", "diff", "share")) else np.nan
                cells.append(f"{coverage:.1%}" + (f" ({wide:.2f})" if np.isfinite(wide) else ""))
            print(f"| {case.kind} | {case.of} | {failing:.0%} | {' | '.join(cells)} |", flush=True)
    print(f"\nLowest coverage: {lowest:.1%}. In brackets: mean width over that of normal theory with the true spread.")


if __name__ == "__main__":
    main()
