"""Capacity: the largest load that is recalled without error in 90% of the trials, against the number of neurons."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from measures import Claim, stored
from scipy.stats import binom

from astrojax.cli import run_config
from astrojax.report.page import Page
from astrojax.report.reproduction import capacity_figure

NEEDED, RESAMPLES = 0.9, 500

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
    trials = min(trials, 50)
    random = np.random.default_rng(0)
    resamples: dict[str, list[Curves]] = {}
    for label, overrides in (("", {}), ("large", LARGE), ("neuron-astrocyte", SMALL)):
        part = stored("capacity", trials, label, **overrides)
        for name in map(str, part.model.values):
            sizes = part["patterns.num_neurons"].values.astype(int)
            found = curves_of(part.success.sel(model=name), random)
            resamples.setdefault(name, []).append(Curves(sizes, found, float(part.num_patterns.values[-1])))
    joined = {name: joint(curves) for name, curves in resamples.items()}
    page.text(
        "## Capacity\n\nK₉₀ is the largest load at which 90% of the trials end without error, a fifth of the query "
        "flipped, horizon 10, interpolated on a logarithmic scale of loads after the share of successes was made to fall "
        "(its running minimum)."
    )
    page.figure("capacity", capacity_figure(tabulated(joined)), f"{trials} trials of each load; bars: 95% bootstrap intervals.")
    rows = []
    for name, (sizes, curves, top) in joined.items():
        usable = np.isfinite(curves[0]) & (curves[0] < top)
        power, growth = (fitted(transform(sizes[usable]), curves[:, usable]) for transform in (np.log, np.asarray))
        cells = [
            ("≥ " if value == most else "") + f"{value:.0f}" for value, most in zip(np.nan_to_num(curves[0]), top, strict=True)
        ]
        rows.append([name, ", ".join(f"{size}: {cell}" for size, cell in zip(sizes, cells, strict=True)), power, growth])
    rows.append(["nearest pattern, unsigned", *nearest_pattern(joined["astrocyte"].sizes)])
    page.table(["memory", "N: K₉₀", "exponent α of K₉₀ ∝ N^α", "rate γ of K₉₀ ∝ exp(γN)"], rows)
    page.text(
        "Exponents and rates are fitted by least squares of log K₉₀, with 95% bootstrap intervals, where there are three "
        "sizes or more below the largest load; 0 means that even the smallest load was recalled less often than 90%. The "
        "astrocyte memory and attention recall random patterns nearly as often as the nearest-pattern decoder does: "
        "their capacity grows exponentially with N, as that of the nearest pattern in the last row, which is exact (ties "
        "count half), and no power law describes it. The neuron-astrocyte memory is shown up to N = 64: its state has "
        "N² + 2N variables."
    )
    return []


def nearest_pattern(sizes: np.ndarray) -> tuple[str, str, str]:
    """Exact capacities of the nearest pattern or negative among random ones, from the binomial distribution, and their rate."""
    flips = np.round(0.2 * sizes)
    nearer = 2 * (binom.cdf(flips - 1, sizes, 0.5) + binom.pmf(flips, sizes, 0.5) / 2)
    capacity = 1 + np.log(NEEDED) / np.log1p(-nearer)
    rate = np.polyfit(sizes[:5], np.log(capacity[:5]), 1)[0]
    cells = [
        f"{size}: {value:.0f}" if value < 1e4 else f"{size}: {value:.0e}" for size, value in zip(sizes, capacity, strict=True)
    ]
    return ", ".join(cells), "none", f"{rate:.3g} (N ≤ {sizes[4]})"


def curves_of(success: xr.DataArray, random: np.random.Generator) -> np.ndarray:
    """K₉₀ for every size: of all trials, then of resampled ones; shape (1 + resamples, sizes)."""
    loads = success.num_patterns.values
    values = success.squeeze().transpose("size", "num_patterns", "trial").values
    draws = random.integers(values.shape[-1], size=(RESAMPLES, *values.shape))
    resampled = np.take_along_axis(values[None], draws, axis=-1).mean(axis=-1)
    shares = np.concatenate([values.mean(axis=-1)[None], resampled])
    return np.apply_along_axis(capacity_of, -1, shares, loads)


def capacity_of(shares: np.ndarray, loads: np.ndarray) -> float:
    """Where a share of successes, made to fall, passes `NEEDED`; the largest load if never, NaN if it is below at once."""
    falling = np.minimum.accumulate(shares)
    if falling[0] < NEEDED:
        return np.nan
    below = np.flatnonzero(falling < NEEDED)
    if below.size == 0:
        return float(loads[-1])
    late = below[0]
    part = (falling[late - 1] - NEEDED) / (falling[late - 1] - falling[late])
    return float(np.exp(np.interp(part, [0, 1], np.log(loads[late - 1 : late + 1]))))


def fitted(x: np.ndarray, curves: np.ndarray) -> str:
    """Slope of log K₉₀ over x with its bootstrap interval."""
    if x.size < 3:
        return "too few sizes"
    slopes = np.array([np.polyfit(x, np.log(curve), 1)[0] for curve in curves if np.isfinite(curve).all()])
    low, high = np.quantile(slopes[1:], [0.025, 0.975])
    return f"{slopes[0]:.3g} [{low:.3g}, {high:.3g}]"


class Curves(NamedTuple):
    """K₉₀ of one memory at some sizes, of all trials and of resampled ones, and the largest load there was."""

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
        ends = [
            [np.quantile(column[np.isfinite(column)], q) if np.isfinite(column).any() else np.nan for column in found.T]
            for q in (0.025, 0.975)
        ]
        arrays = {"capacity": found[0], "low": np.fmin(ends[0], found[0]), "high": np.fmax(ends[1], found[0])}
        arrays["censored"] = found[0] == top
        curve = xr.Dataset({key: ("num_neurons", value) for key, value in arrays.items()}, {"num_neurons": values})
        curves.append(curve.reindex(num_neurons=sizes, fill_value={"censored": False}).assign_coords(model=name))
    return xr.concat(curves, "model")


if __name__ == "__main__":
    run_config("configs/capacity.yaml")
