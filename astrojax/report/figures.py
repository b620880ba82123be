"""Figures of a run. Each function returns a matplotlib figure; `draw_all` writes those that fit a run to its folder."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure

from .._files import write_file
from .tables import PIECE, long_axes, mean_and_interval

LABELS = {
    "num_patterns": "memory load $K$",
    "num_flips": "flipped entries $n$",
    "erased_fraction": "erased fraction",
    "noise_scale": "noise",
    "temperature": "temperature $T$",
    "tau_x": r"$\tau_x$",
    "tau_p": r"$\tau_p$",
    "tau_s": r"$\tau_s$",
    "tau_a": r"$\tau_a$",
    "slope": r"slope $\sigma$",
    "t1": "horizon $t_1$",
}
REFERENCES = {"bayes_signed": ("Bayes decoder", "--"), "bayes_unsigned": ("Bayes decoder, blind to x → −x", ":")}
"""Decoders shown as references, the first in maps and all along an axis: their labels and styles of line."""

MAX_PANELS = 3


def draw_all(results: xr.Dataset, folder: Path) -> list[Path]:
    """Write all figures that the axes of a run allow as PNG files into `folder`, and return their paths."""
    return write_all(figures_of(results), folder)


def write_all(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write figures as PNG files, by name, into a folder that is made if need be, and return their paths."""
    folder.mkdir(exist_ok=True)
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{file_name(name)}.png")
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=150)
        write_file(paths[-1], content.getvalue())
    return paths


def figures_of(results: xr.Dataset) -> dict[str, Figure]:
    """All figures that the axes of a run allow, by name."""
    figures: dict[str, Figure] = {}
    axes = long_axes(results)
    if len(axes) >= 2:
        first, second = axes[:2]
        figures["hamming_error"] = heat_maps(results, first, second)
        names = [str(name) for name in results.model.values]
        for other in names[1:]:
            figures[f"difference_{names[0]}_{other}"] = difference_map(results, names[0], other, first, second)
    for axis in axes:
        figures[f"along_{axis}"] = bands(results, axis)
    return figures


def heat_maps(results: xr.Dataset, vertical: str = "num_patterns", horizontal: str = "num_flips") -> Figure:
    """Mean Hamming error of every model over two axes, in one scale of colours, beside the Bayes decoder."""
    panels = {str(name): results.hamming_error.sel(model=name) for name in results.model.values}
    if "decoder_error" in results and {vertical, horizontal} <= set(results.decoder_error.dims):
        reference, (label, _) = next(iter(REFERENCES.items()))
        panels[label] = results.decoder_error.sel(decoder=reference)
    means = {name: mean_and_interval(values, [vertical, horizontal])[0].values for name, values in panels.items()}
    top = max(float(np.nanmax(mean, initial=0)) for mean in means.values()) or 1.0
    figure = Figure(figsize=(3.1 * len(means) + 1, 3.6), layout="constrained")
    axes = figure.subplots(1, len(means), sharey=True, squeeze=False)[0]
    for ax, (name, mean) in zip(axes, means.items(), strict=True):
        image = draw_grid(ax, results, mean, vertical, horizontal, vmin=0, vmax=top, cmap="viridis")
        ax.set_title(name)
    axes[0].set_ylabel(axis_label(vertical))
    others = [axis_label(axis) for axis in long_axes(results) if axis not in (vertical, horizontal)]
    over = f"\naveraged over {', '.join(others)}" if others else ""
    figure.colorbar(image, ax=axes, label=f"mean Hamming error (neurons){over}", pad=0.01)
    return figure


def difference_map(
    results: xr.Dataset, model: str, other: str, vertical: str = "num_patterns", horizontal: str = "num_flips"
) -> Figure:
    """Mean Hamming error of one model minus that of another over two axes: blue where the first is better, red where worse.

    The samples are paired. Where the 95% interval of the difference includes 0 it is drawn pale.
    """
    one, two = (results.hamming_error.sel(model=name, drop=True) for name in (model, other))
    mean, low, high = (values.values for values in mean_and_interval(one, [vertical, horizontal], minus=two))
    certain = (low > 0) | (high < 0)
    figure = Figure(figsize=(5, 4), layout="constrained")
    ax = figure.subplots()
    norm = CenteredNorm(halfrange=float(np.nanmax(np.abs(mean), initial=0)) or 1.0)
    image = draw_grid(ax, results, mean, vertical, horizontal, norm=norm, cmap="RdBu_r", alpha=np.where(certain, 1.0, 0.35))
    ax.set_ylabel(axis_label(vertical))
    ax.set_title(f"{model} minus {other}\n(pale: 95% interval includes 0)", fontsize="medium")
    figure.colorbar(image, ax=ax, label="difference of mean Hamming errors")
    return figure


def bands(results: xr.Dataset, axis: str, variable: str = "hamming_error") -> Figure:
    """Mean, and the band from the 25th to the 75th percentile, of an observable along one axis; unsmoothed.

    Where the run has another axis of several values there is a panel for each of up to `MAX_PANELS` of them, spread over that
    axis; statistics are over all the rest.
    """
    across = next((dim for dim in long_axes(results) if dim != axis), None)
    places = [None] if across is None else _spread_inside(results.sizes[across], MAX_PANELS)
    figure = Figure(figsize=(1 + 4.2 * len(places), 4), layout="constrained")
    panels = figure.subplots(1, len(places), sharey=True, squeeze=False)[0]
    for ax, place in zip(panels, places, strict=True):
        if place is None:
            _band(ax, results, axis, variable)
            continue
        chosen = results.isel({across: place})
        ax.set_title(f"{axis_label(str(across))} = {chosen[across].item():.4g}")
        _band(ax, chosen, axis, variable)
    units = results[variable].attrs.get("units", "")
    panels[0].set_ylabel(f"{variable.replace('_', ' ').replace('hamming', 'Hamming')} ({units}): mean and quartiles")
    if panels[0].get_legend_handles_labels()[0]:  # none, where nothing is computed yet
        panels[0].legend(fontsize="small")
    return figure


def _band(ax: Any, results: xr.Dataset, axis: str, variable: str) -> None:
    positions = results[axis].values
    for name in results.model.values:
        values = results[variable].sel(model=name)
        mean, low, high = _mean_and_quartiles(values, axis)
        if not np.isfinite(mean).any():
            continue
        (line,) = ax.plot(positions, mean, label=str(name), marker="." if positions.size < 30 else None)
        ax.fill_between(positions, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    if variable == "hamming_error" and "decoder_error" in results and axis in results.decoder_error.dims:
        for decoder, (label, style) in REFERENCES.items():
            errors = results.decoder_error.sel(decoder=decoder)
            ax.plot(positions, mean_and_interval(errors, [axis])[0].values, color="k", linestyle=style, label=label)
    if is_logarithmic(positions):
        ax.set_xscale("log")
    ax.set_xlabel(axis_label(axis))


def _mean_and_quartiles(values: xr.DataArray, axis: str) -> np.ndarray:
    """Mean, 25th and 75th percentile along an axis, each of the axis's length; read a piece at a time."""
    found = np.full((3, values.sizes[axis]), np.nan)
    step = max(PIECE * values.sizes[axis] // max(values.size, 1), 1)
    for start in range(0, values.sizes[axis], step):
        piece = values.isel({axis: slice(start, start + step)}).transpose(axis, ...).values
        for place, here in enumerate(piece, start):
            here = here[~np.isnan(here)]
            if here.size:
                found[:, place] = here.mean(dtype=np.float64), *np.quantile(here, [0.25, 0.75])
    return found


def axis_label(axis: str) -> str:
    """What an axis of a sweep is called in figures."""
    return LABELS.get(axis, axis.replace("_", " "))


def _spread_inside(size: int, limit: int) -> list[int]:
    """Up to `limit` places along an axis, the middles of equal parts of it: its ends are often trivial."""
    number = min(size, limit)
    return [int((2 * part + 1) * size // (2 * number)) for part in range(number)]


def draw_grid(ax: Any, results: xr.Dataset, grid: np.ndarray, vertical: str, horizontal: str, **style: Any) -> Any:
    """Draw a value (or a colour) of each cell of two axes of a sweep, with their ticks, and return the image."""
    rows, columns = results[vertical].values, results[horizontal].values
    image = ax.imshow(grid, origin="lower", aspect="auto", interpolation="nearest", **style)
    for axis, values in ((ax.yaxis, rows), (ax.xaxis, columns)):
        places = np.unique(np.linspace(0, len(values) - 1, min(len(values), 6)).round().astype(int))
        axis.set_ticks(places, [f"{values[place]:.3g}" for place in places])
    ax.set_xlabel(axis_label(horizontal))
    return image


def is_logarithmic(positions: np.ndarray) -> bool:
    """Whether positions along an axis span so much that a logarithmic scale suits them."""
    wide = positions.size > 2 and positions.min() > 0 and positions.max() / positions.min() >= 100
    return bool(wide) and not _is_even(positions)


def _is_even(positions: np.ndarray) -> bool:
    steps = np.diff(positions)
    return bool(np.allclose(steps, steps[0]))


def file_name(name: str) -> str:
    """A name without what file names had better not have."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)
