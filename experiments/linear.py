"""The linear score, and softmax attention as the best decoder for flips."""

from itertools import cycle

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from measures import Claim, batched, drawn, mean, stored
from page import Page

import astrojax as aj
from astrojax.cli.run import run_config
from astrojax.report.drawing import COLORS, add_legend
from astrojax.report.statistics import error_bars, mean_interval

NEURONS = 20

PROBLEMS = 10_000
"""Problems on which one step of attention is measured."""


def report(page: Page, trials: int) -> list[Claim]:
    """Add the linear score to the page."""
    results = stored("linear", trials)
    page.text(
        "## The linear score, and attention as the best decoder\n\n"
        "For flips at the rate η = n/N the decoder with the least expected Hamming error is sign(Ξ softmax(βΞᵀx)), with "
        "β = ½ log((1 − η)/η): one step of softmax attention at the temperature 1/β. The squared score cannot tell a "
        "pattern from its negative, and is to be compared with the unsigned decoder; the linear score can."
    )
    page.figure(
        "linear",
        draw(results),
        f"Mean Hamming error at t = 10 over the temperature, N = 20, {trials} trials, with 95% intervals; "
        "lines: Bayes decoders; vertical: the temperature 1/β at which one step of attention is the best decoder.",
    )
    rows = []
    for load in results.num_patterns.values:
        for flips in results.num_flips.values:
            at = results.sel(num_patterns=load, num_flips=flips)
            row = [f"{load}, {flips}"]
            for name in results.model.values:
                errors = at.hamming_error.sel(model=name)
                # Chosen on one half of the trials, measured on the other.
                best = errors.isel(trial=slice(0, None, 2)).mean("trial").argmin("temperature")
                row.append(
                    f"{mean(errors.isel(temperature=best, trial=slice(1, None, 2)), (0, NEURONS))} at T = "
                    f"{float(at.temperature[best]):.2g}"
                )
            decoders = [mean(at.decoder_error.sel(decoder=f"bayes_{kind}"), (0, NEURONS)) for kind in ("unsigned", "signed")]
            rows.append(row + decoders)
    page.table(["K, n", *(f"{name}, best T" for name in results.model.values), "Bayes, unsigned", "Bayes, signed"], rows)
    page.text(
        "The best temperature is chosen on one half of the trials and measured on the other. Where a memory has a smaller "
        "error than Bayes, it gains from the number of flips being exactly n (see the limits)."
    )
    return []


def one_step(load: int, num_flips: int, temperatures: np.ndarray) -> np.ndarray:
    """Hamming errors of one step of softmax attention on the query, shape (temperatures, problems); N = 20."""

    def errors(key: jax.Array) -> jax.Array:
        patterns, query = drawn(key, NEURONS, load, num_flips)

        def error(temperature: jax.Array) -> jax.Array:
            return aj.hamming_error(patterns[:, 0], patterns @ jax.nn.softmax(query @ patterns / temperature))

        return jax.vmap(error)(jnp.asarray(temperatures, patterns.dtype))

    return batched(errors, load + num_flips, PROBLEMS, batch_size=100).T


def draw(results: xr.Dataset) -> Figure:
    """Errors over the temperature at the largest load, a panel for each number of flips."""
    at = results.isel(num_patterns=-1)
    figure = Figure(figsize=(6.4, 3.2 * at.sizes["num_flips"]), layout="constrained")
    for ax, flips in zip(figure.subplots(at.sizes["num_flips"], 1, squeeze=False)[:, 0], at.num_flips.values, strict=True):
        here = at.sel(num_flips=flips)
        for name, color in zip(here.model.values, cycle(COLORS), strict=False):
            values = here.hamming_error.sel(model=name).transpose("temperature", "trial").values
            means = values.mean(axis=1)
            bars = error_bars(means, mean_interval(values, (0, NEURONS)))
            ax.errorbar(here.temperature, means, bars, color=color, marker=".", elinewidth=1, label=str(name))
        temperatures = here.temperature.values
        values = one_step(int(here.num_patterns), int(flips), temperatures)
        means = values.mean(axis=1)
        bars = error_bars(means, mean_interval(values, (0, NEURONS)))
        ax.errorbar(temperatures, means, bars, color="k", marker=".", elinewidth=1, label="one step of attention")
        for kind, style in (("signed", "--"), ("unsigned", ":")):
            error = float(here.decoder_error.sel(decoder=f"bayes_{kind}").mean())
            ax.axhline(error, color="k", linestyle=style, linewidth=1, label=f"Bayes, {kind}")
        ax.axvline(aj.theory.best_temperature(flips / NEURONS, "linear"), color="0.6", linewidth=1)
        ax.set_xscale("log")
        ax.set_xlabel("temperature $T$")
        ax.set_ylabel(f"mean Hamming error, n = {flips}")
    add_legend(figure, ax.get_legend_handles_labels()[0])
    return figure


if __name__ == "__main__":
    run_config("configs/linear.yaml")
