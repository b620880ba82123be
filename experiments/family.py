"""The wider family: gain maps, gap junctions, transient recall, real-valued patterns.

Runs four configurations into `runs/family` and draws the figures of docs/family.md and docs/guides/real_patterns.md.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

import astrojax as aj
from astrojax.report.drawing import COLORS, add_legend, set_axis
from astrojax.report.tables import bounds_of, mean_and_interval

ROOT = Path(__file__).parents[1]


def gain_maps(results: xr.Dataset) -> Figure:
    """Errors, perplexity and active gains over the temperature, for each gain map."""
    figure = Figure((10, 3.2), layout="constrained")
    for ax, (name, label) in zip(
        figure.subplots(1, 3),
        {"hamming_error": "Hamming error", "perplexity": "perplexity", "num_active_gains": "gains above 0"}.items(),
        strict=True,
    ):
        for color, model in zip(COLORS, results.model.values, strict=False):
            draw(ax, results, name, "temperature", {"color": color, "label": str(model)}, model=model)
        ax.set_ylabel(label)
        if name != "hamming_error":
            ax.set_yscale("log")
    add_legend(figure, ax.get_legend_handles_labels()[0])
    return figure


def gap_junctions(results: xr.Dataset) -> Figure:
    """Shares of recalls of the right pattern and of the right class over the strength."""
    figure = Figure((5, 3.2), layout="constrained")
    ax = figure.subplots()
    for color, (name, label) in zip(COLORS, {"identified": "pattern", "class_identified": "class"}.items(), strict=False):
        draw(ax, results, name, "gap_strength", {"color": color, "label": label})
    ax.set_ylabel("share recalled")
    add_legend(figure, ax.get_legend_handles_labels()[0])
    return figure


def transient(results: xr.Dataset) -> Figure:
    """Best and final overlaps over the load, a panel for each corruption."""
    figure = Figure((9, 3.4), layout="constrained")
    levels = results.num_flips.values
    for ax, level in zip(figure.subplots(1, levels.size, sharey=True), levels, strict=True):
        for color, model in zip(COLORS, results.model.values, strict=False):
            at = {"model": model, "num_flips": level}
            draw(ax, results, "overlap", "num_patterns", {"color": color, "label": str(model)}, **at)
            draw(ax, results, "best_overlap", "num_patterns", {"color": color, "linestyle": "--"}, **at)
        ax.axhline(1 - 2 * level / results.attrs["num_neurons"], color="0.6", linewidth=1)
        ax.set_title(f"n = {level} of N = {results.attrs['num_neurons']}", fontsize="medium")
    figure.axes[0].set_ylabel("overlap with the target")
    add_legend(figure, ax.get_legend_handles_labels()[0])
    return figure


def real_patterns(results: xr.Dataset) -> Figure:
    """Share identified and error along the noise, beside the decoders."""
    figure = Figure((9, 3.4), layout="constrained")
    names = {"identified": "share identified", "rmse": "root mean squared error"}
    for ax, (name, label) in zip(figure.subplots(1, 2), names.items(), strict=True):
        for color, model in zip(COLORS, results.model.values, strict=False):
            draw(ax, results, name, "noise_scale", {"color": color, "label": str(model)}, model=model)
        decoders = results["decoder_identified" if name == "identified" else "decoder_error"].squeeze().mean("trial")
        for decoder, style in zip(results.decoder.values, ("--", ":"), strict=True):
            ax.plot(results.noise_scale, decoders.sel(decoder=decoder), style, color="k", label=str(decoder).replace("_", " "))
        ax.set_ylabel(label)
    add_legend(figure, ax.get_legend_handles_labels()[0])
    return figure


def draw(ax: Any, results: xr.Dataset, observable: str, along: str, style: dict[str, Any], **at: Any) -> None:
    """Draw a mean with its 95% interval along an axis."""
    values = results[observable].sel(at).squeeze(drop=True)
    mean, low, high = mean_and_interval(values, [along], bounds_of(results, observable))
    ax.plot(values[along], mean, marker="o", markersize=3, **style)
    ax.fill_between(values[along], low, high, color=style["color"], alpha=0.2, linewidth=0)
    set_axis(ax, along, values[along].values)


FIGURES: dict[str, Callable[[xr.Dataset], Figure]] = {
    "gain_maps": gain_maps,
    "gap_junctions": gap_junctions,
    "transient": transient,
    "real_patterns": real_patterns,
}


def main() -> None:
    folder = ROOT / "docs" / "family"
    folder.mkdir(exist_ok=True)
    for name, figure_of in FIGURES.items():
        run = aj.run(aj.load_config(ROOT / "configs" / f"{name}.yaml"), ROOT / "runs" / "family" / name, on_notice=print)
        print(aj.figures.save(figure_of(run.load()), folder / f"{name}.png"))


if __name__ == "__main__":
    main()
