"""Handwritten digits as memories: how many are recalled perfectly, and one recall as a film.

Runs configs/digits.yaml: the paper's defaults, slower neurons, and the linear score.
"""

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
import xarray as xr
from measures import share
from rich.console import Console

import astrojax as aj
from astrojax.cli.run import run_config
from astrojax.report.statistics import share_interval, with_interval
from astrojax.report.tables import make_table

CONFIG = Path(__file__).parents[1] / "configs" / "digits.yaml"
NEXT = [
    *(str(CONFIG.relative_to(CONFIG.parents[1])), "--name", "how-slow", "--axes.num_patterns", "200"),
    *("--axes.tau_x", "{start: 1, stop: 1000, num: 7, scale: log}"),
    *("--models", "{squared: {kind: astrocyte}, linear: {kind: astrocyte, score: linear}}"),
]
"""Arguments of `astrojax run` worth trying next: how slow should the neurons be?"""


def main(overrides: Sequence[str] = ()) -> xr.Dataset:
    folder, results = run_config(CONFIG, overrides=overrides)
    print_success(results)
    paths = [
        draw_film(folder / "figures", "film_defaults", tau_x=1.0, title="paper's defaults"),
        draw_film(folder / "figures", "film_slow_neurons", tau_x=100.0, title="slower neurons, τx = 100"),
    ]
    print("\n".join(findings(results)))
    print(f"Films of one recall: {paths[0]} and {paths[1].name}")
    return results


def print_success(results: xr.Dataset) -> None:
    """Share of perfect recalls by load and model, with its 95% interval, beside the nearest stored pattern."""
    share = results.success.isel(num_flips=0).mean("trial")
    nearest = (results.decoder_error.sel(decoder="nearest_signed").isel(num_flips=0) == 0).mean("trial")
    trials = results.sizes["trial"]
    rows = []
    for load in results.num_patterns.values:
        values = [*share.sel(num_patterns=load).values, float(nearest.sel(num_patterns=load))]
        ends = share_interval(np.round(np.multiply(values, trials)), trials).T
        rows.append([str(load), *(with_interval([value, *pair]) for value, pair in zip(values, ends, strict=True))])
    title = f"digits, 6 of 64 pixels flipped: share of perfect recalls in {trials} trials"
    headings = ["stored digits", *map(str, results.model.values), "nearest pattern"]
    Console(width=110, highlight=False).print(make_table(headings, rows, title))


def findings(results: xr.Dataset) -> list[str]:
    """The findings in sentences."""
    load = int(results.num_patterns.values[len(results.num_patterns) // 2])
    at = results.isel(num_flips=0).sel(num_patterns=load)
    success = {str(name): at.success.sel(model=name) for name in at.model.values}
    own = at.sel(model="defaults")
    wrong = own.perplexity.where(own.success == 0)
    single = (wrong < 1.1).where(wrong.notnull())
    flips = int(results.num_flips.values[0])
    return [
        f"With {load} digits stored and {flips} of 64 pixels wrong the paper's settings recall {share(success['defaults'])} "
        f"without error, the nearest stored digit is right in {share(at.decoder_error.sel(decoder='nearest_signed') == 0)}. "
        + (f"Of the wrong recalls {share(single)} end with the gain of a single digit." if bool(wrong.notnull().any()) else ""),
        f"There, neurons 10 times slower recall {share(success['tau_x-10'])}, 100 times slower {share(success['tau_x-100'])}, "
        f"and the linear score {share(success['linear-score'])}.",
    ]


def draw_film(folder: Path, name: str, *, tau_x: float, title: str) -> Path:
    """One recall of a digit among 200 as a film, written into `folder`."""
    pool_key, flip_key = jax.random.split(jax.random.key(0))
    patterns = aj.pooled_patterns(pool_key, pool=aj.digits(), num_patterns=200)
    query = aj.flip(flip_key, patterns[:, 0], 6)
    memory = aj.AstrocyteMemory(patterns, tau_x=tau_x)
    times = np.concatenate([[0.0], np.geomspace(0.01, 10.0, 120)])
    recall = aj.retrieve(memory, query, t1=10.0, ts=times, solver="etd3")
    wrong = float(aj.hamming_error(patterns[:, 0], recall.x))
    figure = recall.plot(memory, target=0, picture_shape=(8, 8))
    figure.suptitle(f"{title}, 200 digits stored: {wrong:g} of 64 pixels wrong at the end")
    path = folder / f"{name}.png"
    figure.savefig(path, dpi=150)
    return path


if __name__ == "__main__":
    main()
