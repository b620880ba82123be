"""Handwritten digits as memories: how many are recalled perfectly, and one recall as a film.

Runs configs/digits.yaml: the paper's defaults, slower neurons, and the linear score.
"""

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
import xarray as xr
from rich.console import Console
from rich.table import Table

import astrojax as aj
from astrojax.cli import run_config
from astrojax.report.statistics import share_interval, with_interval

CONFIG = Path(__file__).parents[1] / "configs" / "digits.yaml"
NEXT = [
    *(str(CONFIG.relative_to(CONFIG.parents[1])), "--name", "how-slow", "--axes.num_patterns", "200"),
    *("--axes.tau_x", "{start: 1, stop: 1000, num: 7, scale: log}"),
    *("--models", "{squared: {kind: astrocyte}, linear: {kind: astrocyte, score: linear}}"),
]
"""Arguments of `astrojax run` worth trying next: how slow should the neurons be?"""


def main(overrides: Sequence[str] = ()) -> None:
    folder, results = run_config(CONFIG, overrides=overrides)
    print_success(results)
    paths = [
        draw_film(folder / "figures", "film_defaults", tau_x=1.0, title="paper's defaults"),
        draw_film(folder / "figures", "film_slow_neurons", tau_x=100.0, title="slower neurons, τx = 100"),
    ]
    print("\n".join(findings(results)))
    print(f"Films of one recall: {paths[0]} and {paths[1].name}")


def print_success(results: xr.Dataset) -> None:
    """Share of perfect recalls by load and model, with its 95% interval, beside the nearest stored pattern."""
    share = results.success.isel(num_flips=0).mean("trial")
    nearest = (results.decoder_error.sel(decoder="nearest_signed").isel(num_flips=0) == 0).mean("trial")
    trials = results.sizes["trial"]
    table = Table(title=f"digits, 6 of 64 pixels flipped: share of perfect recalls in {trials} trials", title_justify="left")
    for heading in ("stored digits", *map(str, results.model.values), "nearest pattern"):
        table.add_column(heading, justify="right")
    for load in results.num_patterns.values:
        values = [*share.sel(num_patterns=load).values, float(nearest.sel(num_patterns=load))]
        ends = share_interval(np.round(np.multiply(values, trials)), trials).T
        table.add_row(str(load), *(with_interval([value, *pair]) for value, pair in zip(values, ends, strict=True)))
    Console(width=110, highlight=False).print(table)


def findings(results: xr.Dataset) -> list[str]:
    """What was found, in plain words and measured figures."""
    load = int(results.num_patterns.values[len(results.num_patterns) // 2])
    at = results.isel(num_flips=0).sel(num_patterns=load)
    share = {str(name): float(at.success.sel(model=name).mean()) for name in at.model.values}
    wrong = at.sel(model="defaults").where(at.success.sel(model="defaults") == 0)
    committed = float((wrong.perplexity < 1.1).sum() / wrong.success.notnull().sum().clip(1))
    best = max(share, key=lambda name: share[name])
    return [
        f"With {load} digits stored the paper's defaults recall {share['defaults']:.0%} perfectly. Of the wrong recalls "
        f"{committed:.0%} end with the gain of a single digit: digits resemble each other, and the neurons reach another one.",
        f"With slower neurons it is {share['tau_x-10']:.0%} (tau_x = 10) and {share['tau_x-100']:.0%} (tau_x = 100), with the "
        f"linear score at the default time constants {share['linear-score']:.0%}. Best here: {best}.",
    ]


def draw_film(folder: Path, name: str, *, tau_x: float, title: str) -> Path:
    """One recall of a digit among 200 as a film, written into `folder`."""
    pool_key, flip_key = jax.random.split(jax.random.key(0))
    patterns = aj.pooled_patterns(pool_key, pool=aj.digits(), num_patterns=200)
    query = aj.flip(flip_key, patterns[:, 0], 6)
    memory = aj.AstrocyteMemory(patterns, tau_x=tau_x)
    times = np.concatenate([[0.0], np.geomspace(0.01, 10.0, 120)])
    recall = aj.retrieve(memory, query, t1=10.0, ts=times)
    wrong = float(aj.hamming_error(patterns[:, 0], recall.x))
    figure = recall.plot(memory, target=0, picture_shape=(8, 8))
    figure.suptitle(f"{title}, 200 digits stored: {wrong:g} of 64 pixels wrong at the end")
    path = folder / f"{name}.png"
    figure.savefig(path, dpi=150)
    return path


if __name__ == "__main__":
    main()
