"""Capacity: the largest load that is recalled without error in 90% of the trials, against the number of neurons."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from figures import capacity_figure
from measures import Claim, fewer, stored
from page import Page
from scipy.optimize import brentq, isotonic_regression
from scipy.stats import binom

from astrojax.cli.run import run_config

NEEDED, RESAMPLES = 0.9, 300

LARGE = {
    "axes.num_patterns": [2, 3, 4, 6, 8, 11, 16, 22, 32, 45, 64, 90, 128, 181, 256],
    "axes.zipped.size": {"patterns.num_neurons": [256, 512], "num_flips": [51, 102]},
}
"""Large networks, up to a load at which those with a capacity of the order of N have failed."""

SMALL = {
    "models": {"neuron-astrocyte": {"kind": "neuron_astrocyte"}},
    "axes.num_patterns": [1, 2, 3, 4, 6, 8, 11, 16, 22, 32],
    "axes.zipped.size": {"patterns.num_neurons": [16, 20, 30, 40, 64], "num_flips": [3, 4, 6, 8, 13]},
}
"""The neuron-astrocyte memory, whose state has N² + 2N variables: at N = 512 one trajectory takes minutes."""


def report(page: Page, trials: int) -> list[Claim]:
    """Add the capacities to the page."""
    trials = fewer(trials, 0.05)
    random = np.random.default_rng(0)
    resamples: dict[str, list[Curves]] = {}
    for label, overrides in (("", {}), ("large", LARGE), ("neuron-astrocyte", SMALL)):
        part = stored("capacity", trials, label, **overrides)
        for name in map(str, part.model.values):
            sizes = part["patterns.num_neurons"].values.astype(int)
            found = curves_of(part.success.sel(model=name), random)
            resamples.setdefault(name, []).append(Curves(sizes, found, float(part.num_patterns.values[-1])))
    joined = {name: joint(curves) for name, curves in resamples.items()}
    table = tabulated(joined)
    page.text(
        "## Capacity\n\nK₉₀ is the largest load at which 90% of the trials end without error, a fifth of the query flipped, "
        "horizon 10. The shares of successes are made to fall with the load by isotonic regression and interpolated over the "
        "logarithm of the load."
    )
    page.figure("capacity", capacity_figure(table), f"{trials} trials of each load; bars: 95% intervals.")
    heads = ["N", *joined, "nearest pattern, unsigned", "nearest pattern, signed"]
    sizes = table.num_neurons.values
    exact = [nearest_pattern(sizes, sides) for sides in (2, 1)]
    rows = [
        [
            str(size),
            *(cell(table.sel(model=name, num_neurons=size)) for name in joined),
            *map(number, (e[place] for e in exact)),
        ]
        for place, size in enumerate(sizes)
    ]
    page.table(heads, rows)
    page.text(
        "K₉₀ with 95% intervals; ≥: recalled at the largest load of all; 0: not even the smallest was; –: not "
        "run. The nearest pattern's is exact, by the binomial distribution, ties broken at random. The neuron-astrocyte memory "
        "is shown up to N = 64: its state has N² + 2N variables."
    )
    fits = [[name, *laws(curves)] for name, curves in joined.items()]
    small = sizes[:5]
    fits += [[name, *laws(Curves(small, values[None, :5], np.inf))] for name, values in zip(heads[-2:], exact, strict=True)]
    page.table(["memory", "α of K₉₀ ∝ N^α", "misfit", "γ of K₉₀ ∝ exp(γN)", "misfit", "nearer"], fits)
    page.text(
        "Fitted by least squares of log K₉₀ over the sizes at which K₉₀ and its interval lie between the smallest and the "
        f"largest load, where there are three or more (of the nearest pattern N ≤ {small[-1]}). Misfit: root mean square of "
        "what is left of log K₉₀. *Nearer*: the law that leaves less, and in how many of the drawn shares it does."
    )
    return []


def cell(capacity: xr.Dataset) -> str:
    """Format a capacity with its interval."""
    value, low, high = (float(capacity[key]) for key in ("capacity", "low", "high"))
    if not bool(capacity.known):
        return "–"
    if np.isnan(value):
        return "0"
    bound = "≥ " if high == float(capacity.largest) else ""
    return f"≥ {value:.0f}" if bool(capacity.censored) else f"{value:.0f} [{low:.0f}, {bound}{high:.0f}]"


def number(capacity: float) -> str:
    """Format a capacity that may be very large."""
    return f"{capacity:.0f}" if capacity < 1e4 else f"{capacity:.0e}"


def nearest_pattern(sizes: np.ndarray, sides: int) -> np.ndarray:
    """Exact capacity of the nearest pattern (one side) or the nearest pattern or negative (two) among random ones, by size.

    With a and b the probabilities that another pattern is nearer than the target, or as near, and t that are as near, the
    target is taken with probability 1/(1 + t). The mean over K − 1 others is ((1 − a)^K − (1 − a − b)^K)/(K b).
    """
    found = []
    for size in sizes:
        flips = round(0.2 * size)
        a, b = sides * binom.cdf(flips - 1, size, 0.5), sides * binom.pmf(flips, size, 0.5)

        def excess(log_load: float, a: float = a, b: float = b) -> float:
            load = np.exp(log_load)
            return np.exp(load * np.log1p(-a)) * -np.expm1(load * np.log1p(-b / (1 - a))) / (load * b) - NEEDED

        found.append(np.exp(brentq(excess, 0, 200)))
    return np.array(found)


def curves_of(success: xr.DataArray, random: np.random.Generator) -> np.ndarray:
    """K₉₀ for every size: of all trials, then of shares of success that are drawn; shape (1 + 2 resamples, sizes).

    A share is drawn from the beta distributions whose quantiles are Clopper and Pearson's ends, first of the lower, then of the
    upper: trials drawn again would never fail where none of them did.
    """
    loads = success.num_patterns.values
    values = success.squeeze().transpose("size", "num_patterns", "trial").values
    won, lost = np.nansum(values, axis=-1), np.nansum(1 - values, axis=-1)
    shape = (RESAMPLES, *won.shape)
    low = np.where(won > 0, random.beta(np.maximum(won, 1), lost + 1, shape), 0)
    high = np.where(lost > 0, random.beta(won + 1, np.maximum(lost, 1), shape), 1)
    shares = np.concatenate([(won / (won + lost))[None], low, high])
    return np.apply_along_axis(capacity_of, -1, shares, loads)


def ends(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A 95% interval from what follows from the lower shares of success, and below that from the upper."""
    found = np.array([np.quantile(half, [0.025, 0.975], axis=0) for half in np.array_split(drawn, 2)])
    return found[:, 0].min(axis=0), found[:, 1].max(axis=0)


def capacity_of(shares: np.ndarray, loads: np.ndarray) -> float:
    """Where a share of successes, made to fall, passes `NEEDED`; the largest load if never, NaN if it is below at once."""
    falling = isotonic_regression(shares, increasing=False).x
    if falling[0] < NEEDED:
        return np.nan
    below = np.flatnonzero(falling < NEEDED)
    if below.size == 0:
        return float(loads[-1])
    late = below[0]
    part = (falling[late - 1] - NEEDED) / (falling[late - 1] - falling[late])
    return float(np.exp(np.interp(part, [0, 1], np.log(loads[late - 1 : late + 1]))))


def laws(curves: "Curves") -> list[str]:
    """Exponent of a power law and rate of an exponential with intervals and misfits, and which is nearer, as text."""
    inside = np.isfinite(curves.found) & (curves.found < curves.largest)
    usable = inside[0] & (inside.mean(axis=0) > 0.975)
    found = curves.found[:, usable]
    if found.shape[1] < 3:
        return ["too few sizes", "", "", "", ""]
    found = np.log(found[np.isfinite(found).all(axis=1)])
    (power, left), (rate, least) = (fitted(x[usable], found) for x in (np.log(curves.sizes), curves.sizes))
    nearer = (left < least) == (left[0] < least[0])
    share = f" ({nearer[1:].mean():.0%})" if nearer.size > 1 else ""
    law = "power law" if left[0] < least[0] else "exponential"
    return [interval(power), f"{left[0]:.2f}", interval(rate), f"{least[0]:.2f}", law + share]


def fitted(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of straight lines through rows of y over x, and the root mean square of what is left."""
    line = np.polyfit(x, y.T, 1)
    return line[0], np.sqrt(np.mean((y - np.outer(line[0], x) - line[1][:, None]) ** 2, axis=1))


def interval(slopes: np.ndarray) -> str:
    """The first of some slopes, with the 95% interval that the others give."""
    if slopes.size == 1:
        return f"{slopes[0]:.3g}"
    low, high = ends(slopes[1:])
    return f"{slopes[0]:.3g} [{low:.3g}, {high:.3g}]"


class Curves(NamedTuple):
    """K₉₀ of one memory at some sizes, of all trials and of drawn shares, and the largest load there was."""

    sizes: np.ndarray
    found: np.ndarray
    largest: Any


def joint(curves: list[Curves]) -> Curves:
    """The curves of several runs, with the largest load of each size."""
    sizes, found = np.concatenate([c.sizes for c in curves]), np.concatenate([c.found for c in curves], axis=1)
    return Curves(sizes, found, np.concatenate([np.full(c.sizes.size, c.largest) for c in curves]))


def tabulated(joined: dict[str, Curves]) -> xr.Dataset:
    """Capacities, their intervals and whether they are bounds, over all sizes."""
    sizes = sorted({int(size) for curve in joined.values() for size in curve.sizes})
    curves = []
    for name, (values, found, top) in joined.items():
        # What is below the smallest load counts as 0.
        low, high = ends(np.nan_to_num(found[1:]))
        arrays = {"capacity": found[0], "low": np.fmin(low, found[0]), "high": np.fmax(high, found[0]), "largest": top}
        arrays |= {"censored": found[0] == top, "known": np.ones(len(values), bool)}
        curve = xr.Dataset({key: ("num_neurons", value) for key, value in arrays.items()}, {"num_neurons": values})
        curves.append(
            curve.reindex(num_neurons=sizes, fill_value={"censored": False, "known": False}).assign_coords(model=name)
        )
    return xr.concat(curves, "model")


if __name__ == "__main__":
    run_config("configs/capacity.yaml")
