"""Figures of a run, for its folder and for papers. Each function returns a matplotlib figure."""

import io
import warnings
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.cbook import is_math_text
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser
from matplotlib.ticker import LogLocator, MaxNLocator
from matplotlib.transforms import ScaledTranslation

from .._internal.checks import InputError, one_of, shown
from .._internal.files import write_file
from . import statistics
from .tables import PIECE, distinct, long_axes, mean_and_interval

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

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Colours that are told apart without red or green, of Okabe and Ito (2008)."""

MARKERS = "os^vDPX<>"
"""Markers of lines, which are told apart without colours."""

BETTER = {"hamming_error": "lower", "success": "higher", "overlap": "higher"}
"""Which values of an observable are better."""

MAX_PANELS = 3

MAX_TICKS, TICK_LETTERS, NAME_LETTERS = 7, 30, 40
"""Ticks along a side of a map, letters of all their labels, and letters of a name."""

STEPS = [1, 2, 5, 10]
"""Ticks are this far apart, up to powers of ten."""

RESOLUTION = 150
"""Dots per inch of a figure; a browser shows 96 as an inch."""

FORMATS: dict[str, dict[str, Any]] = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
"""Formats of files of figures, and what is left out of each so that its bytes are always the same."""


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as a file whose bytes are always the same, and in which text stays text.

    Arguments:
        figure: of this module, or any other of matplotlib. path: ends in `.pdf`, `.svg` or `.png`.

    Returns:
        The path.

    Raises:
        InputError (a ValueError): for another ending, and where the path has no folder to be in.
    """
    path = Path(path)
    one_of("the ending of the path", path.suffix.removeprefix("."), FORMATS)
    if not path.parent.is_dir():
        raise InputError(f"path must be a file in a folder that exists; got {path}")
    write_file(path, render(figure, path.suffix.removeprefix(".")))
    return path


def render(figure: Figure, format: str = "png") -> bytes:
    """A figure as the bytes of a file, the same whenever it is drawn."""
    file = io.BytesIO()
    settings: Any = {"svg.hashsalt": "astrojax", "svg.fonttype": "none", "pdf.fonttype": 42}
    with mpl.rc_context(settings), warnings.catch_warnings():
        # Names may be written in letters of which the font has no picture; a box is drawn for each.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(file, format=format, dpi=RESOLUTION, metadata=FORMATS[format])
    return file.getvalue()


def draw_all(results: xr.Dataset, folder: Path, formats: Sequence[str] = ("png",), **chosen: Any) -> list[Path]:
    """Write all figures that the axes of a run allow into `folder`, and return their paths; `chosen` as in `figures_of`."""
    check_formats(formats)
    return write_all(figures_of(results, **chosen), folder, formats)


def check_formats(formats: Sequence[str]) -> None:
    """Raise `InputError` unless all are `FORMATS`."""
    for format in formats:
        one_of("format", format, FORMATS)


def write_all(figures: Mapping[str, Figure], folder: Path, formats: Sequence[str] = ("png",)) -> list[Path]:
    """Write figures as files, by name, into a folder that is made if need be, and return their paths."""
    folder.mkdir(exist_ok=True)
    paths = []
    for name, figure in figures.items():
        for format in formats:
            paths.append(folder / f"{file_name(name)}.{format}")
            write_file(paths[-1], render(figure, format))
    return paths


def figures_of(
    results: xr.Dataset,
    observable: str = "hamming_error",
    models: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> dict[str, Figure]:
    """All figures that the axes of a run allow, by name; arguments as of `curves`."""
    names = [str(name) for name in _checked(results, observable, models, labels).model.values]
    shown: dict[str, Any] = {"observable": observable, "labels": labels}
    which = "" if observable == "hamming_error" else f"{observable}_"
    figures: dict[str, Figure] = {}
    for name in {observable, "decoder_error"} & set(results):
        if results[name].size <= PIECE:
            results[name].load()  # once, not for each figure
    axes = long_axes(results, observable)
    if len(axes) >= 2:
        figures[observable] = heat_map(results, models=models, **shown)
        for other in names[1:]:
            figures[f"{which}difference_{names[0]}_{other}"] = difference(results, names[0], other, **shown)
    for axis in axes:
        figures[f"{which}along_{axis}"] = curves(results, along=axis, models=models, **shown)
    return figures


def heat_map(
    results: xr.Dataset,
    observable: str = "hamming_error",
    vertical: str | None = None,
    horizontal: str | None = None,
    *,
    models: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    ax: Any = None,
) -> Figure:
    """Draw the mean of an observable over two axes of a sweep, a panel for each model, in one scale of colours.

    Arguments:
        results: of a run, from `load`, or a part of them.
        observable: a variable of the results.
        vertical, horizontal: the axes; the first two of several values when left out. The mean is over all others.
        models: names of models, and of Hamming errors `bayes_signed` and `bayes_unsigned` where the decoders were run; all
            models and the first decoder when left out.
        labels: what to call models, axes and observables, by name; `$…$` is mathematics.
        ax: one `Axes`, or as many as there are panels, to draw on; a new figure when left out.

    Returns:
        The figure that the axes belong to.

    Raises:
        InputError (a ValueError): for names that are not there, and another number of `Axes` than there are panels.
    """
    results = _checked(results, observable, models, labels)
    vertical, horizontal = _axes(results, observable, [vertical, horizontal])
    names = [str(name) for name in results.model.values]
    panels = [(model_label(name, labels), _values(results, observable, name)) for name in names]
    references = _references(results, observable, models, vertical, horizontal)
    for decoder in references if models else references[:1]:
        panels.append((_reference_label(decoder, labels), results.decoder_error.sel(decoder=decoder)))
    means = [mean_and_interval(values, [vertical, horizontal])[0] for _, values in panels]
    bottom = min(float(np.nanmin(mean, initial=0)) for mean in means)
    top = max(float(np.nanmax(mean, initial=0)) for mean in means) or float(bottom == 0)
    figure, axes = _panels(ax, len(means), (3.1 * len(means) + 1, 3.6))
    for one, (name, _), mean in zip(axes, panels, means, strict=True):
        image = draw_grid(one, results, mean, vertical, horizontal, labels, vmin=bottom, vmax=top, cmap="viridis")
        one.set_title("\n".join(filter(None, (name, _fixed(results, labels)))), fontsize="medium")
    axes[0].set_ylabel(axis_label(vertical, labels))
    over = _averaged_over(results, observable, labels, vertical, horizontal)
    label = observable_label(results, observable, labels, "mean ") + over
    figure.colorbar(image, ax=axes, label=label, pad=0.01)
    return figure


def difference(
    results: xr.Dataset,
    model: str,
    other: str,
    observable: str = "hamming_error",
    vertical: str | None = None,
    horizontal: str | None = None,
    *,
    labels: Mapping[str, str] | None = None,
    ax: Any = None,
) -> Figure:
    """Draw the mean of one model minus that of another over two axes: blue where the first is better, red where it is worse.

    The samples are paired. Where the 95% interval of the difference includes 0 it is drawn pale. Of observables that are
    neither better nor worse, blue is lower. The title says what the colors mean.

    Arguments:
        results, observable, vertical, horizontal, labels, ax: as of `heat_map`. model, other: names of models.

    Returns:
        The figure that the axes belong to.

    Raises:
        InputError (a ValueError): for names that are not there, and for several `Axes`.
    """
    results = _checked(results, observable, [model, other], labels)
    vertical, horizontal = _axes(results, observable, [vertical, horizontal])
    one, two = (_values(results, observable, name) for name in (model, other))
    mean, low, high = mean_and_interval(one, [vertical, horizontal], minus=two)
    certain = (low > 0) | (high < 0)
    figure, axes = _panels(ax, 1, (5.0, 4.0))
    norm = CenteredNorm(halfrange=float(np.nanmax(np.abs(mean), initial=0)) or 1.0)
    colours = {"cmap": "RdBu" if BETTER.get(observable) == "higher" else "RdBu_r", "alpha": np.where(certain, 1.0, 0.35)}
    image = draw_grid(axes[0], results, mean, vertical, horizontal, labels, norm=norm, **colours)
    axes[0].set_ylabel(axis_label(vertical, labels))
    title = (
        f"{model_label(model, labels)} minus {model_label(other, labels)}",
        _fixed(results, labels),
        f"blue: {model_label(model, labels)} {'better' if observable in BETTER else 'lower'}",
        "pale: 95% interval includes 0",
    )
    axes[0].set_title("\n".join(filter(None, title)), fontsize="medium")
    over = _averaged_over(results, observable, labels, vertical, horizontal)
    label = observable_label(results, observable, labels, "difference of mean\n") + over
    figure.colorbar(image, ax=axes, label=label)
    return figure


def curves(
    results: xr.Dataset,
    observable: str = "hamming_error",
    along: str | None = None,
    *,
    models: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    ax: Any = None,
) -> Figure:
    """Draw the mean of an observable along one axis of a sweep, unsmoothed, a line for each model.

    The band around it reaches from the 25th to the 75th percentile; of perfect recalls it is the 95% interval of the mean.
    Where there is another axis of several values, each panel shows one of them, which its title names: up to three, spread over
    that axis, or as many as there are `Axes`. Statistics are over all the rest.

    Arguments:
        results: of a run, from `load`, or a part of them, such as `results.sel(num_patterns=[10])`.
        observable: a variable of the results.
        along: the axis; the first of several values when left out.
        models: names of models, and of Hamming errors `bayes_signed` and `bayes_unsigned` where the decoders were run; all
            when left out. A model has the same colour whichever are chosen.
        labels: what to call models, axes and observables, by name; `$…$` is mathematics.
        ax: one or several `Axes` to draw on; a new figure when left out. The legend lies above them: `layout="constrained"` of
            their figure keeps room for it.

    Returns:
        The figure that the axes belong to.

    Raises:
        InputError (a ValueError): for names that are not there, and results without an axis of several values.
    """
    every = [str(name) for name in _checked(results, observable, None, labels).model.values]
    results = _checked(results, observable, models, labels)
    (along,) = _axes(results, observable, [along])
    across = next((dim for dim in long_axes(results, observable) if dim != along), None)
    number = MAX_PANELS if ax is None else np.size(ax)
    places = [None] if across is None else _spread_inside(results.sizes[across], number)
    figure, panels = _panels(ax, len(places), (1 + 4.2 * len(places), 4.0))
    for one, place in zip(panels, places, strict=True):
        chosen = results if place is None else results.isel({across: place})
        for name in map(str, results.model.values):
            at = every.index(name)
            style = {"color": COLOURS[at % len(COLOURS)], "marker": MARKERS[at % len(MARKERS)]}
            _add_line(one, chosen, observable, along, name, label=model_label(name, labels), **style)
        for decoder in _references(chosen, observable, models, along):
            errors = mean_and_interval(chosen.decoder_error.sel(decoder=decoder), [along])[0]
            style = {"color": "k", "linestyle": REFERENCES[decoder][1]}
            one.plot(chosen[along].values, errors, label=_reference_label(decoder, labels), **style)
        set_axis(one, along, results[along].values, labels)
        one.set_title(_fixed(chosen, labels), fontsize="medium")
    over = _averaged_over(results, observable, labels, along, across)
    panels[0].set_ylabel(observable_label(results, observable, labels, "mean ") + over)
    handles, _ = max((one.get_legend_handles_labels() for one in panels), key=lambda found: len(found[0]))
    title = "mean, 95% interval" if observable == "success" else "mean, quartiles"
    if handles and ax is None:
        add_legend(figure, handles, title=title)
    elif handles:
        _add_legend_above(panels, handles, title=title)
    return figure


def _add_line(ax: Any, results: xr.Dataset, observable: str, along: str, model: str, **style: Any) -> None:
    positions, values = results[along].values, _values(results, observable, model)
    if observable == "success":
        mean, low, high = mean_and_interval(values, [along], (0, 1))
    else:
        mean, low, high = _mean_and_quartiles(values, along)
    if not np.isfinite(mean).any():  # none, where nothing is computed yet
        return
    ax.plot(positions, mean, markersize=4, markevery=max(positions.size // 12, 1), **style)
    ax.fill_between(positions, low, high, color=style["color"], alpha=0.15, linewidth=0)


def model_label(name: str, labels: Mapping[str, str] | None = None) -> str:
    """What a model is called in figures."""
    return (labels or {}).get(name) or plain(name)


def axis_label(axis: str, labels: Mapping[str, str] | None = None) -> str:
    """What an axis of a sweep is called in figures."""
    return (labels or {}).get(axis) or LABELS.get(axis) or plain(axis.replace("_", " "))


def observable_label(results: xr.Dataset, name: str, labels: Mapping[str, str] | None = None, before: str = "") -> str:
    """What an observable is called in figures: the user's words, or its name with its unit, `before` it what is shown of it."""
    unit = results[name].attrs.get("units", "1")
    default = plain(name.replace("_", " ").replace("hamming", "Hamming")) + (f" ({plain(str(unit))})" if unit != "1" else "")
    return before + ((labels or {}).get(name) or default)


def plain(name: str) -> str:
    """A name that matplotlib shows as it is: no mathematics, not left out of legends, and not too long."""
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(name.split()))
    if len(shown) > NAME_LETTERS:
        shown = f"{shown[: NAME_LETTERS - 1]}…"
    return (" " if shown.startswith("_") else "") + shown.replace("$", r"\$")


def _checked(
    results: xr.Dataset, observable: str, models: Sequence[str] | None, labels: Mapping[str, str] | None
) -> xr.Dataset:
    """The results of the models that are asked for, with dimensions of models and trials."""
    if not isinstance(results, xr.Dataset) or "model" not in results.coords:
        raise InputError(f"results must be those of a run, as astrojax.load returns them; got {shown(results)}")
    results = results.expand_dims([dim for dim in ("model", "trial") if dim not in results.dims])
    observables = [str(name) for name, values in results.data_vars.items() if "model" in values.dims and name != "status"]
    observables = [name for name in observables if name != "decoder_error"]
    one_of("observable", observable, observables)
    known = [str(name) for name in results.model.values]
    chosen = known if models is None else [models] if isinstance(models, str) else list(models) or [""]
    for name in chosen:
        one_of("models", name, [*known, *_references(results, observable, None)])
    for name, label in (labels or {}).items():
        one_of("labels", name, [*known, *map(str, results.dims), *LABELS, *observables, *REFERENCES])
        _check_mathematics(label)
    return results.sel(model=[name for name in chosen if name in known])


def _check_mathematics(label: str) -> None:
    if is_math_text(label):
        try:
            MathTextParser("path").parse(label)
        except ValueError as error:
            raise InputError(f"labels must have mathematics that matplotlib can read; got {shown(label)}") from error


def _axes(results: xr.Dataset, observable: str, asked: Sequence[str | None]) -> list[str]:
    """The axes that are asked for; in place of each that is left out the next one of several values."""
    known = [str(dim) for dim in results[observable].dims if dim not in ("model", "trial")]
    for axis in asked:
        if axis is not None:
            one_of("axis", axis, known)
    free = (axis for axis in long_axes(results, observable) if axis not in asked)
    axes = [next(free, "") if axis is None else axis for axis in asked]
    if "" in axes or len(set(axes)) < len(axes):
        raise InputError(f"the figure takes {len(asked)} different axes of several values; got {', '.join(known)}")
    return axes


def _values(results: xr.Dataset, observable: str, model: str) -> xr.DataArray:
    """An observable of a model. Counts, which cannot be NaN, tell nothing where a trajectory failed or is not computed."""
    one = results.sel(model=model, drop=True)
    values = one[observable]
    return values if values.dtype.kind == "f" else values.where(one.status == 0)


def _references(results: xr.Dataset, observable: str, models: Sequence[str] | None, *axes: str) -> list[str]:
    """The decoders to be shown beside the models: all, or those among `models`, where their errors are known along the axes."""
    if observable != "hamming_error" or "decoder_error" not in results or not set(axes) <= set(results.decoder_error.dims):
        return []
    return [name for name in REFERENCES if name in results.decoder.values and (models is None or name in models)]


def _reference_label(decoder: str, labels: Mapping[str, str] | None) -> str:
    return (labels or {}).get(decoder) or REFERENCES[decoder][0]


def _panels(ax: Any, number: int, size: tuple[float, float]) -> tuple[Figure, list[Any]]:
    """The figure, and the axes to draw on: those that are given, or new ones."""
    if ax is None:
        figure = Figure(figsize=size, layout="constrained")
        return figure, list(figure.subplots(1, number, sharey=True, squeeze=False)[0])
    axes = list(np.ravel(ax))
    if len(axes) != number:
        raise InputError(f"ax must be {number} matplotlib Axes, one for each panel; got {len(axes)}")
    return axes[0].figure, axes


def _fixed(results: xr.Dataset, labels: Mapping[str, str] | None) -> str:
    """Which values of axes all results have in common, for a title."""
    single = [dim for dim in results.dims if dim not in ("model", "trial") and results.sizes[dim] == 1]
    coordinates = results.drop_vars(["trial", "swept_axes"], errors="ignore").isel(dict.fromkeys(single, 0)).coords
    found = [
        f"{axis_label(str(name), labels)} = {values.item():.4g}"
        for name, values in coordinates.items()
        if values.ndim == 0 and values.dtype.kind in "iuf"
    ]
    return ",\n".join(", ".join(found[at : at + 2]) for at in range(0, len(found), 2))


def _averaged_over(results: xr.Dataset, observable: str, labels: Mapping[str, str] | None, *shown: str | None) -> str:
    others = [axis_label(axis, labels) for axis in long_axes(results, observable) if axis not in shown]
    return f"\naveraged over {', '.join(others)}" if others else ""


def add_legend(figure: Figure, handles: Sequence[Any], **style: Any) -> None:
    """A legend above all panels, in as many columns as fit."""
    figure.legend(handles=handles, loc="outside upper center", **_legend_style(handles, figure.get_figwidth()), **style)


def _add_legend_above(panels: Sequence[Any], handles: Sequence[Any], **style: Any) -> None:
    """A legend above the titles of panels that have not their figure to themselves."""
    ax = panels[len(panels) // 2]
    lines = ax.get_title().count("\n") + bool(ax.get_title())
    above = ScaledTranslation(0, lines * 14 / 72, ax.figure.dpi_scale_trans)
    width = sum(one.get_position().width for one in panels) * ax.figure.get_figwidth()
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1), "bbox_transform": ax.transAxes + above}
    ax.legend(handles=handles, **place, **_legend_style(handles, width), **style)


def _legend_style(handles: Sequence[Any], width: float) -> dict[str, Any]:
    """How a legend looks that is so many inches wide."""
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = min(max(int(width / (0.07 * longest + 0.5)), 1), len(handles))
    return {"ncols": columns, "fontsize": "small", "title_fontsize": "small", "frameon": False}


def set_axis(ax: Any, axis: str, positions: np.ndarray, labels: Mapping[str, str] | None = None) -> None:
    """Label a horizontal axis, logarithmic where it is wide, with ticks at integers where it has no others."""
    if is_logarithmic(positions):
        ax.set_xscale("log")
    elif positions.dtype.kind in "iu":
        ax.xaxis.set_major_locator(MaxNLocator(MAX_TICKS, steps=STEPS, integer=True))
    ax.set_xlabel(axis_label(axis, labels))


def _mean_and_quartiles(values: xr.DataArray, axis: str) -> np.ndarray:
    """Mean, 25th and 75th percentile along an axis, each of the axis's length; read a piece at a time."""
    found = np.full((3, values.sizes[axis]), np.nan)
    step = max(PIECE * values.sizes[axis] // max(values.size, 1), 1)
    for start in range(0, values.sizes[axis], step):
        piece = values.isel({axis: slice(start, start + step)}).transpose(axis, ...).values
        flat = piece.reshape(len(piece), -1).astype(np.float64)
        found[:, start : start + step] = statistics.mean(flat), *statistics.quantiles(flat, [0.25, 0.75])
    return found


def _spread_inside(size: int, limit: int) -> list[int]:
    """Up to `limit` places along an axis, the middles of equal parts of it: its ends are often trivial."""
    number = min(size, limit)
    return [int((2 * part + 1) * size // (2 * number)) for part in range(number)]


def draw_grid(
    ax: Any,
    results: xr.Dataset,
    grid: np.ndarray,
    vertical: str,
    horizontal: str,
    labels: Mapping[str, str] | None = None,
    **style: Any,
) -> Any:
    """Draw a value (or a colour) of each cell of two axes of a sweep, with their ticks, and return the image."""
    image = ax.imshow(grid, origin="lower", aspect="auto", interpolation="nearest", **style)
    for axis, values in ((ax.yaxis, results[vertical].values), (ax.xaxis, results[horizontal].values)):
        places, marked = _ticks(values)
        axis.set_ticks(places, distinct(marked))
    ax.set_xlabel(axis_label(horizontal, labels))
    return image


def _ticks(values: np.ndarray) -> tuple[np.ndarray, list[Any]]:
    """Places of ticks among the cells of an axis, and the values there.

    All cells where they are few; round numbers where the axis is even, or even on a logarithmic scale; else every second cell,
    or third, and so on.
    """
    places, marked = np.arange(values.size), values
    if values.size >= MAX_TICKS:
        places, marked = _round_numbers(values) or (places, values)
    step = 1 if places.size <= MAX_TICKS else -(-places.size // (MAX_TICKS - 1))
    while step < places.size and sum(len(text) + 1 for text in distinct(marked[::step].tolist())) > TICK_LETTERS:
        step += 1
    return places[::step], marked[::step].tolist()


def _round_numbers(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Places and values of round numbers along an axis, if it is even, or even on a logarithmic scale."""
    scales: list[tuple[Any, Any]] = [(np.asarray, MaxNLocator(MAX_TICKS - 1, steps=STEPS, integer=values.dtype.kind in "iu"))]
    if values.min() > 0:
        scales.append((np.log, LogLocator(numticks=MAX_TICKS)))
    for scale, locator in scales:
        scaled = scale(values.astype(float))
        if scaled[1] > scaled[0] and _is_even(scaled):
            ticks = locator.tick_values(values[0], values[-1])
            ticks = ticks[(ticks >= values[0]) & (ticks <= values[-1])]
            if ticks.size >= 2:
                return np.interp(scale(ticks), scaled, np.arange(values.size)), ticks
    return None


def is_logarithmic(positions: np.ndarray) -> bool:
    """Whether positions along an axis span so much that a logarithmic scale suits them."""
    wide = positions.size > 2 and positions.min() > 0 and positions.max() / positions.min() >= 100
    return bool(wide) and not _is_even(positions)


def _is_even(positions: np.ndarray) -> bool:
    steps = np.diff(positions)
    return bool(np.allclose(steps, steps[0]))


def file_name(name: str) -> str:
    """A name in letters that every file system has; different names stay different."""
    clean = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "-" for letter in name)[:50]
    return clean if clean == name else f"{clean}-{sha256(name.encode(errors='replace')).hexdigest()[:8]}"
