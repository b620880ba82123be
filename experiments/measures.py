"""What the experiments share: stored runs, means and shares with their intervals, and claims with their verdicts."""

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr
from intervals import median_interval

import astrojax as aj
from astrojax.report.statistics import UNKNOWN, Bounds, mean_interval, share_interval, with_interval

CONFIGS = Path(__file__).parents[1] / "configs"
RUNS = Path("runs") / "reproduction"


@dataclass(frozen=True)
class Claim:
    """A claim of the paper and what became of it.

    Arguments:
        number: C1 to C20. says: the claim. verdict: one of `page.VERDICTS`. statistic: by what it is
            judged, such as the median of 50 trials. found: what was measured, with its 95% interval where it was sampled.
            reference: the figure it is compared with, and why the two differ if they do.
    """

    number: str
    says: str
    verdict: str
    statistic: str
    found: str
    reference: str = ""


@dataclass(frozen=True)
class Done:
    """A run that was asked for: the command that repeats it, and how many of its trajectories failed."""

    command: str
    num_failed: int
    num_trajectories: int


DONE: dict[str, Done] = {}
"""Runs by folder, in the order in which they were asked for."""


def stored(name: str, trials: int, label: str = "", **overrides: Any) -> xr.Dataset:
    """The results of a configuration at a number of trials, computed or continued in its run folder."""
    config = aj.load_config(CONFIGS / f"{name}.yaml", trials=trials, **overrides)
    folder = RUNS / "-".join(part for part in (name, label, str(trials)) if part)
    given = [part for key, value in overrides.items() for part in (f"--{key}", json.dumps(value, ensure_ascii=False))]
    print(f"{folder}: {trials} trials of each point", flush=True)
    results = aj.run(config, folder, on_notice=print).load()
    command = shlex.join(["astrojax", "run", f"configs/{name}.yaml", "--trials", str(trials), *given])
    DONE[str(folder)] = Done(command, int((results.status != aj.Status.OK).sum()), results.status.size)
    return results


ERRORS, CHANGES, PERPLEXITIES = (0, 30), (-30, 30), (1, 100)
"""Bounds at the paper's defaults, N = 30 and K = 100: of errors, of their differences, and of perplexities."""

HEADLINE = 10
"""How many times the trials of other parts the figures at the paper's defaults rest on: 10,000 problems for 1,000."""


def fewer(trials: int, share: float) -> int:
    """Trials of a costly part: a share of those of the others, but not fewer than the paper's 50 unless all are."""
    return max(min(trials, 50), round(trials * share))


def drawn(key: jax.Array, num_neurons: int, num_patterns: int, num_flips: int) -> tuple[jax.Array, jax.Array]:
    """Random patterns, and the first of them with some flips: a problem that is not one of a sweep."""
    pattern_key, flip_key = jax.random.split(key)
    patterns = aj.random_patterns(pattern_key, num_neurons=num_neurons, num_patterns=num_patterns)
    return patterns, aj.flip(flip_key, patterns[:, 0], num_flips)


def batched(function: Callable[[jax.Array], Any], seed: int, number: int, batch_size: int = 50) -> Any:
    """A function of a random key at many keys, as NumPy arrays with a leading axis."""
    keys = jax.random.split(jax.random.key(seed), number)
    return jax.tree.map(np.asarray, jax.jit(lambda keys: jax.lax.map(function, keys, batch_size=batch_size))(keys))


def interval(values: Any, bounds: Bounds = UNKNOWN) -> tuple[float, float]:
    """The 95% interval of a mean over independent trials, of values within bounds; see `mean_interval`."""
    low, high = mean_interval(np.asarray(values, float).ravel(), bounds)
    return float(low), float(high)


def mean(values: Any, bounds: Bounds = UNKNOWN) -> str:
    """Mean over independent trials and its 95% interval, such as `0.94 [0.80, 1.09]`."""
    return with_interval([np.nanmean(values), *interval(values, bounds)])


def median(values: Any) -> str:
    """Median over independent trials and its 95% interval."""
    flat = np.asarray(values, float).ravel()
    return with_interval([np.nanmedian(flat), *median_interval(flat)])


def share(successes: Any, form: str = ".1%") -> str:
    """Share of independent trials and its 95% interval, such as `98.2% [96.1%, 99.2%]`."""
    flat = _known(successes)
    return with_interval([flat.mean(), *share_interval(flat.sum(), flat.size)], form)


def rounding(reference: float) -> float:
    """Half a unit of the last digit that a reference is written with, such as 0.05 of 1.0."""
    return 0.5 * 10.0 ** -len(str(reference).partition(".")[2])


def deviation(values: Any, reference: float, reference_trials: int = 50) -> float:
    """Distance of a mean from a reference in standard errors: the reference is the mean of trials with the same spread.

    What the reference was rounded by does not count as a difference.
    """
    flat = _known(values)
    return _distance(flat, reference, np.std(flat, ddof=1), reference_trials)


def share_deviation(successes: Any, reference: float, reference_trials: int) -> float:
    """The same for a share: two-proportion z with the pooled share."""
    flat = _known(successes)
    pooled = (flat.sum() + reference * reference_trials) / (flat.size + reference_trials)
    return _distance(flat, reference, np.sqrt(pooled * (1 - pooled)), reference_trials)


def _distance(values: np.ndarray, reference: float, spread: float, reference_trials: int) -> float:
    gap = max(abs(values.mean() - reference) - rounding(reference), 0.0)
    error = spread * np.sqrt(1 / values.size + 1 / reference_trials)
    return 0.0 if gap == 0 else float(gap / error) if error > 0 else np.inf


def _known(values: Any) -> np.ndarray:
    flat = np.asarray(values, float).ravel()
    return flat[~np.isnan(flat)]


LIMIT = 2.6
"""Standard errors beyond which a figure differs from its reference: once in a hundred times by chance."""


def compared(references: dict[float, float], values: dict[float, Any], reference_trials: int = 50) -> str:
    """References with the deviation z of our means, and whether they are met, such as `1.8 (z = 2.1), 1.4 (0.7): met`."""
    z = {at: deviation(values[at], reference, reference_trials) for at, reference in references.items()}
    cells = [f"{reference} ({'z = ' * (not place)}{z[at]:.1f})" for place, (at, reference) in enumerate(references.items())]
    outside = [f"{at:g}" for at, deviates in z.items() if deviates > LIMIT]
    return ", ".join(cells) + ": " + (f"not met at {', '.join(outside)}" if outside else "met")


def medians_compared(references: dict[float, float], values: dict[float, Any], reference_trials: int = 50) -> str:
    """References that are medians: met if within 99% of the medians of as many of our trials, up to rounding."""
    random, cells = np.random.default_rng(0), []
    for at, reference in references.items():
        drawn = np.median(random.choice(_known(values[at]), (2000, reference_trials)), axis=1)
        low, high = np.quantile(drawn, [0.005, 0.995]) + np.array([-1, 1]) * rounding(reference)
        cells.append(f"{reference} ({'met' if low <= reference <= high else f'not in [{low:.2f}, {high:.2f}]'})")
    return ", ".join(cells)


def verdict(parts: Sequence[bool]) -> str:
    """`holds` if everything does, `does not hold` if nothing does."""
    return "holds" if all(parts) else "holds in part" if any(parts) else "does not hold"
