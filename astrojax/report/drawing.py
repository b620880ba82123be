"""What figures share: labels of names and values, panels, axes with their ticks, and legends."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from .._internal.checks import InputError
from .._internal.parameters import QUANTITIES
from .tables import distinct, in_words, long_axes

Labels = Mapping[str, str] | None
"""Names of models, axes and observables, and the user's labels for them; `$…$` is mathematics."""


def _symbol(name: str) -> str:
    """The symbol of a parameter as mathematics, with all letters after the first as a subscript."""
    symbol = unicodedata.normalize("NFKC", QUANTITIES[name].symbol)
    return f"${symbol[0]}_{{{symbol[1:]}}}$" if symbol[1:] else f"${symbol}$"


DECODERS = {
    "nearest_signed": "nearest pattern",
    "nearest_unsigned": "nearest pattern, blind to x → −x",
    "bayes_signed": "Bayes decoder",
    "bayes_unsigned": "Bayes decoder, blind to x → −x",
    "nearest_euclidean": "nearest pattern",
    "posterior_mean": "posterior mean",
}
LABELS = {
    "num_patterns": "memory load $K$",
    "num_flips": "flipped entries $n$",
    "erased_fraction": "erased fraction",
    "masked_fraction": "masked fraction",
    "noise_scale": "noise",
    **{name: _symbol(name) for name in QUANTITIES if name.startswith("tau_")},
    **{name: f"{name} {_symbol(name)}" for name in ("temperature", "slope", "coupling", "alpha", "gap_strength")},
    "t1": f"horizon {_symbol('t1')}",
    **DECODERS,
}

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Color-blind safe colors of Okabe and Ito (2008)."""

MARKERS = "os^vDPX<>"
"""Markers that distinguish lines in print without color."""

MAX_TICKS, TICK_LETTERS, NAME_LETTERS = 7, 28, 40
"""Most ticks along a side of a map, most letters of all their labels, and most letters of a name."""

TICK_STEPS = [1, 2, 5, 10]
"""Distances of ticks, up to powers of ten."""


def model_label(name: str, labels: Labels = None) -> str:
    """Label of a model."""
    return (labels or {}).get(name) or plain(name)


def axis_label(name: str, labels: Labels = None) -> str:
    """Label of an axis of a sweep, a parameter or a decoder."""
    return (labels or {}).get(name) or LABELS.get(name) or plain(name.replace("_", " "))


def observable_label(
    results: xr.Dataset, name: str, labels: Labels = None, before: str = "", axes: Sequence[str | None] | None = None
) -> str:
    """Label of an observable: `before`, the user's label or name and unit, and what else than `axes` it is averaged over."""
    unit = results[name].attrs.get("units", "1")
    default = plain(in_words(name)) + (f" ({plain(str(unit))})" if unit != "1" else "")
    others = [] if axes is None else [axis_label(axis, labels) for axis in long_axes(results, name) if axis not in axes]
    return before + ((labels or {}).get(name) or default) + (f"\naveraged over {', '.join(others)}" if others else "")


def plain(name: str) -> str:
    """A name escaped for matplotlib: shown literally, never left out of a legend, and shortened."""
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(name.split()))
    if len(shown) > NAME_LETTERS:
        shown = f"{shown[: NAME_LETTERS - 1]}…"
    return (" " if shown.startswith("_") else "") + shown.replace("$", r"\$")


def make_panels(ax: Any, number: int, size: tuple[float, float]) -> tuple[Figure, list[Any]]:
    """The figure and its `number` panels: the given `Axes`, or new ones."""
    if ax is None:
        figure = Figure(figsize=size, layout="constrained")
        return figure, list(figure.subplots(1, number, sharey=True, squeeze=False)[0])
    axes = list(np.ravel(ax))
    if len(axes) != number:
        raise InputError(f"ax must be {number} matplotlib Axes, one for each panel; got {len(axes)}")
    return axes[0].figure, axes


def fixed_values(results: xr.Dataset, labels: Labels) -> str:
    """Coordinates that all results have in common, for a title."""
    single = [dim for dim in results.dims if dim not in ("model", "trial") and results.sizes[dim] == 1]
    coordinates = results.drop_vars(["trial", "swept_axes"], errors="ignore").isel(dict.fromkeys(single, 0)).coords
    found = [
        f"{axis_label(str(name), labels)} = {values.item():.4g}"
        for name, values in coordinates.items()
        if values.ndim == 0 and values.dtype.kind in "iuf"
    ]
    return ",\n".join(", ".join(found[at : at + 2]) for at in range(0, len(found), 2))


def add_legend(figure: Figure, handles: Sequence[Any], ax: Any = None, **style: Any) -> None:
    """Add a legend: above all panels, in as many columns as fit, or to the right of a given one."""
    style |= {"handles": handles, "frameon": False, "fontsize": "small", "title_fontsize": "small"}
    if ax is not None:
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1), **style)
        return
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = min(max(int(figure.get_figwidth() / (0.07 * longest + 0.5)), 1), len(handles))
    figure.legend(loc="outside upper center", ncols=columns, **style)


def set_axis(ax: Any, axis: str, positions: np.ndarray, labels: Labels = None) -> None:
    """Label a horizontal axis; make it logarithmic where it is wide, and put ticks at integers where all positions are."""
    if is_logarithmic(positions):
        ax.set_xscale("log")
    elif positions.dtype.kind in "iu":
        ax.xaxis.set_major_locator(MaxNLocator(MAX_TICKS, steps=TICK_STEPS, integer=True))
    ax.set_xlabel(axis_label(axis, labels))


def draw_grid(
    ax: Any, results: xr.Dataset, grid: np.ndarray, vertical: str, horizontal: str, labels: Labels = None, **style: Any
) -> Any:
    """Draw one value (or color) per cell over two axes of a sweep, with their ticks, and return the image."""
    image = ax.imshow(grid, origin="lower", aspect="auto", interpolation="nearest", **style)
    for axis, values in ((ax.yaxis, results[vertical].values), (ax.xaxis, results[horizontal].values)):
        axis.set_ticks(*_ticks(values))
    ax.set_xlabel(axis_label(horizontal, labels))
    return image


def _ticks(values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Places of ticks among the cells of an axis, and their labels: round numbers along many evenly spaced cells."""
    places, marked = np.arange(values.size), values
    if values.size > MAX_TICKS:
        is_wide = is_logarithmic(values) and _is_evenly_spaced(np.log(values))
        locator = LogLocator(numticks=MAX_TICKS) if is_wide else MaxNLocator(MAX_TICKS - 1, steps=TICK_STEPS)
        ticks = locator.tick_values(values[0], values[-1])
        ticks = ticks[(ticks >= values[0]) & (ticks <= values[-1])]
        if is_wide or _is_evenly_spaced(values):
            places, marked = np.interp(ticks, values, places), ticks
    labels = distinct(marked.tolist())
    step = -(-len(labels) * max(4, *map(len, labels)) // TICK_LETTERS)
    return places[::step], labels[::step]


def is_logarithmic(positions: np.ndarray) -> bool:
    """Whether positions along an axis span so much that a logarithmic scale suits them."""
    wide = positions.size > 2 and positions.min() > 0 and positions.max() / positions.min() >= 100
    return bool(wide) and not _is_evenly_spaced(positions)


def _is_evenly_spaced(positions: np.ndarray) -> bool:
    steps = np.diff(positions)
    return bool(np.all(steps > 0) and np.allclose(steps, steps[0]))
