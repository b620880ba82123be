"""Figures of a run, for its folder and for papers. Each function returns a matplotlib figure."""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.cbook import is_math_text
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser

from .._internal.checks import InputError, one_of, shown
from .._internal.files import write_file
from . import statistics
from .drawing import (
    COLORS,
    LABELS,
    MARKERS,
    Labels,
    add_legend,
    axis_label,
    draw_grid,
    fixed_values,
    make_panels,
    model_label,
    observable_label,
    set_axis,
)
from .tables import (
    VALUES_IN_MEMORY,
    axes_of,
    bounds_of,
    default_observable,
    long_axes,
    mean_and_interval,
    observables_of,
    of_decoders,
    pieces,
    values_of,
)

if TYPE_CHECKING:
    from ..config.run import Config

REFERENCES = {"bayes_signed": "--", "bayes_unsigned": ":", "posterior_mean": "--", "nearest_euclidean": ":"}
"""Decoders shown as references, the first in maps and all along an axis, and their line styles."""

BETTER = dict.fromkeys(("success", "overlap", "best_overlap", "cosine", "identified", "class_identified"), "higher")
BETTER |= dict.fromkeys(("hamming_error", "best_hamming_error", "rmse"), "lower")
"""Which values of an observable are better."""

FORMATS: dict[str, dict[str, Any]] = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
"""File formats, and the metadata left out of each so that the bytes are reproducible."""


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as a file with reproducible bytes, in which text stays text.

    Arguments:
        figure: any matplotlib figure. path: ends in `.pdf`, `.svg` or `.png`.

    Returns:
        The path.

    Raises:
        InputError (a ValueError): for another ending, or if the folder of the path does not exist.
    """
    path = Path(path)
    one_of("the ending of the path", path.suffix.removeprefix("."), FORMATS)
    if not path.parent.is_dir():
        raise InputError(f"path must be a file in a folder that exists; got {path}")
    write_file(path, render(figure, path.suffix.removeprefix(".")))
    return path


def render(figure: Figure, format: str = "png") -> bytes:
    """A figure as the bytes of a file, the same every time."""
    file = io.BytesIO()
    settings: Any = {"svg.hashsalt": "astrojax", "svg.fonttype": "none", "pdf.fonttype": 42}
    with mpl.rc_context(settings), warnings.catch_warnings():
        # Where the font has no glyph for a letter of a name, matplotlib draws a box.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(file, format=format, dpi=150, metadata=FORMATS[format])
    return file.getvalue()


def draw_all(draw: Callable[[], Mapping[str, Figure]], folder: Path, formats: Sequence[str] = ("png",)) -> list[Path]:
    """Draw figures unless a format is unknown, write them into a folder that is created if needed, and return their paths."""
    for format in formats:
        one_of("format", format, FORMATS)
    figures = draw()
    folder.mkdir(exist_ok=True)
    paths = []
    for name, figure in figures.items():
        for format in formats:
            paths.append(folder / f"{file_name(name)}.{format}")
            write_file(paths[-1], render(figure, format))
    return paths


def figures_of(
    results: xr.Dataset,
    observable: str | None = None,
    models: Sequence[str] | None = None,
    labels: Labels = None,
    theory: "Config | None" = None,
) -> dict[str, Figure]:
    """All figures that the axes of a run allow, by name; arguments as for `curves`.

    Raises `InputError` if theory is asked for and covers no figure along an axis.
    """
    checked, observable = _checked(results, observable, models, labels)
    names = [str(name) for name in checked.model.values]
    shown: dict[str, Any] = {"observable": observable, "labels": labels}
    which = "" if observable == "hamming_error" else f"{observable}_"
    figures: dict[str, Figure] = {}
    for name in {observable, "decoder_error", "decoder_identified"} & set(results):
        if results[name].size <= VALUES_IN_MEMORY:
            results[name].load()  # once, not for each figure
    axes = long_axes(results, observable)
    if len(axes) >= 2:
        figures[observable] = heat_map(results, models=models, **shown)
        for other in names[1:]:
            figures[f"{which}difference_{names[0]}_{other}"] = difference(results, names[0], other, **shown)
    silent: list[InputError] = []
    for axis in axes:
        try:
            figures[f"{which}along_{axis}"] = curves(results, along=axis, models=models, theory=theory, **shown)
        except NoTheoryError as error:
            silent.append(error)
            figures[f"{which}along_{axis}"] = curves(results, along=axis, models=models, **shown)
    if theory is not None and len(silent) == len(axes):
        raise (silent or [InputError("theory is drawn along an axis of several values; this run has none")])[0]
    return figures


def heat_map(
    results: xr.Dataset,
    observable: str | None = None,
    vertical: str | None = None,
    horizontal: str | None = None,
    *,
    models: Sequence[str] | None = None,
    labels: Labels = None,
    ax: Any = None,
) -> Figure:
    """Draw the mean of an observable over two axes of a sweep, one panel per model, all with the same color scale.

    Arguments:
        results: of a run, from `load`, or a part of them, such as `results.sel(num_patterns=[10])`.
        observable: a variable of the results; if omitted, the Hamming error, the root mean squared error, or the first.
        vertical, horizontal: the axes, by default the first two with several values. The mean is over all others.
        models: names of models, and where the decoders were run `bayes_signed` and `bayes_unsigned` of Hamming errors, or
            `posterior_mean` and `nearest_euclidean`; all models and the first decoder by default.
        labels: labels of models, axes and observables, by name; `$…$` is mathematics.
        ax: one `Axes`, or as many as there are panels, to draw on; by default those of a new figure.

    Returns:
        The figure that the axes belong to.

    Raises:
        InputError (a ValueError): for unknown names, and if there is not one of `Axes` per panel.
    """
    results, observable = _checked(results, observable, models, labels)
    vertical, horizontal = _axes(results, observable, [vertical, horizontal])
    names = [str(name) for name in results.model.values]
    panels = [(model_label(name, labels), values_of(results, observable, name)) for name in names]
    references = _references(results, observable, models, vertical, horizontal)
    for decoder in references if models else references[:1]:
        panels.append((axis_label(decoder, labels), of_decoders(results, observable).sel(decoder=decoder)))
    means = [mean_and_interval(values, [vertical, horizontal])[0] for _, values in panels]
    bottom = min(float(np.nanmin(mean, initial=0)) for mean in means)
    top = max(float(np.nanmax(mean, initial=0)) for mean in means) or float(bottom == 0)
    figure, axes = make_panels(ax, len(means), (3.1 * len(means) + 1, 3.6))
    for one, (name, _), mean in zip(axes, panels, means, strict=True):
        image = draw_grid(one, results, mean, vertical, horizontal, labels, vmin=bottom, vmax=top, cmap="viridis")
        one.set_title("\n".join(filter(None, (name, fixed_values(results, labels)))), fontsize="medium")
    axes[0].set_ylabel(axis_label(vertical, labels))
    label = observable_label(results, observable, labels, "mean ", (vertical, horizontal))
    figure.colorbar(image, ax=axes, label=label, pad=0.01)
    return figure


def difference(
    results: xr.Dataset,
    model: str,
    other: str,
    observable: str | None = None,
    vertical: str | None = None,
    horizontal: str | None = None,
    *,
    labels: Labels = None,
    ax: Any = None,
) -> Figure:
    """Draw the mean of one model minus that of another over two axes: blue where the first is better, red where it is worse.

    Both models have the same problems. A cell is pale where the 95% interval of the difference includes 0. For observables
    without a better direction, blue is lower. The title says what the colors mean.

    Arguments:
        results, observable, vertical, horizontal, labels, ax: as for `heat_map`. model, other: names of models.

    Returns:
        The figure that the axes belong to.

    Raises:
        InputError (a ValueError): for unknown names, and for several `Axes`.
    """
    results, observable = _checked(results, observable, [model, other], labels)
    vertical, horizontal = _axes(results, observable, [vertical, horizontal])
    one, two = (values_of(results, observable, name) for name in (model, other))
    mean, low, high = mean_and_interval(one, [vertical, horizontal], minus=two)
    certain = (low > 0) | (high < 0)
    figure, axes = make_panels(ax, 1, (5.0, 4.0))
    norm = CenteredNorm(halfrange=float(np.nanmax(np.abs(mean), initial=0)) or 1.0)
    colors = {"cmap": "RdBu" if BETTER.get(observable) == "higher" else "RdBu_r", "alpha": np.where(certain, 1.0, 0.35)}
    title = (
        f"{model_label(model, labels)} minus {model_label(other, labels)}",
        fixed_values(results, labels),
        f"blue: {model_label(model, labels)} {'better' if observable in BETTER else 'lower'}",
        "pale: 95% interval includes 0",
    )
    image = draw_grid(axes[0], results, mean, vertical, horizontal, labels, norm=norm, **colors)
    axes[0].set_title("\n".join(filter(None, title)), fontsize="medium")
    axes[0].set_ylabel(axis_label(vertical, labels))
    label = observable_label(results, observable, labels, "difference of mean\n", (vertical, horizontal))
    figure.colorbar(image, ax=axes, label=label)
    return figure


def curves(
    results: xr.Dataset,
    observable: str | None = None,
    along: str | None = None,
    *,
    models: Sequence[str] | None = None,
    labels: Labels = None,
    ax: Any = None,
    theory: "Config | None" = None,
) -> Figure:
    """Draw the mean of an observable along one axis of a sweep, unsmoothed, one line per model.

    The band around it reaches from the 25th to the 75th percentile; for perfect recalls it is the 95% interval of the mean.
    If another axis has several values, each panel shows one of them, named in its title: up to three, spread over that axis, or
    as many as there are `Axes`. Statistics are over everything else.

    Arguments:
        results, observable, labels: as for `heat_map`. along: the axis, by default the first with several values.
        models: as for `heat_map`, but all decoders by default. The color of a model does not depend on the choice.
        ax: one or several `Axes` to draw on, by default those of a new figure. The legend lies to the right of the last:
            `layout="constrained"` of their figure keeps room for it.
        theory: the configuration of the run, as `load_config` returns it, if what theory says is to be drawn too (see
            `astrojax.theory`): gray lines for the nearest pattern, thin dashed lines and vertical thresholds for models.

    Returns:
        The figure that the axes belong to.

    Raises:
        InputError (a ValueError): for unknown names, results without an axis with several values, and if theory is asked for
            and does not cover this figure.
    """
    every = [str(name) for name in _checked(results, observable, None, labels)[0].model.values]
    results, observable = _checked(results, observable, models, labels)
    (along,) = _axes(results, observable, [along])
    across = next((dim for dim in long_axes(results, observable) if dim != along), None)
    number = 3 if ax is None else np.size(ax)
    positions, is_share = results[along].values, bounds_of(results, observable) == (0, 1)
    number = min(number, 1 if across is None else results.sizes[across])
    # At the middles of equal parts of the other axis: its ends are often trivial.
    places = [(2 * part + 1) * results.sizes.get(across, 1) // (2 * number) for part in range(number)]
    figure, panels = make_panels(ax, len(places), (1 + 4.2 * len(places), 4.0))
    has_theory = False
    for one, place in zip(panels, places, strict=True):
        chosen = results if across is None else results.isel({across: place})
        for name in map(str, results.model.values):
            at = every.index(name)
            color, marker = COLORS[at % len(COLORS)], MARKERS[at % len(MARKERS)]
            values = values_of(chosen, observable, name)
            interval = mean_and_interval(values, [along], (0, 1)) if is_share else _mean_and_quartiles(values, along)
            mean, low, high = interval
            if not np.isfinite(mean).any():  # nothing is computed yet
                continue
            style = {"color": color, "marker": marker, "markersize": 4, "markevery": max(positions.size // 12, 1)}
            one.plot(positions, mean, label=model_label(name, labels), **style)
            one.fill_between(positions, low, high, color=color, alpha=0.15, linewidth=0)
        for decoder in _references(chosen, observable, models, along):
            errors = mean_and_interval(of_decoders(chosen, observable).sel(decoder=decoder), [along])[0]
            style = {"color": "k", "linestyle": REFERENCES[decoder]}
            one.plot(positions, errors, label=axis_label(decoder, labels), **style)
        if theory is not None:
            has_theory |= _draw_theory(one, theory, chosen, observable, along, every, labels)
        set_axis(one, along, positions, labels)
        one.set_title(fixed_values(chosen, labels), fontsize="medium")
    if theory is not None and not has_theory:
        raise NoTheoryError(theory, observable, along)
    panels[0].set_ylabel(observable_label(results, observable, labels, "mean ", (along, across)))
    handles, _ = max((one.get_legend_handles_labels() for one in panels), key=lambda found: len(found[0]))
    title = "mean, 95% interval" if is_share else "mean, quartiles"
    if handles:
        add_legend(figure, handles, None if ax is None else panels[-1], title=title)
    return figure


class NoTheoryError(InputError):
    """Theory was asked for, and does not cover a figure."""

    def __init__(self, config: "Config", observable: str, along: str) -> None:
        super().__init__(
            f"theory does not cover {observable} along {along} for {config.patterns.kind} patterns and "
            f"{config.corruption.kind}: "
            "it covers, for random patterns, hamming_error and success after flips, for one load and "
            "number of flips or along them; thresholds of these along temperature and num_patterns; and overlap and "
            "hamming_error of Hopfield networks along num_patterns"
        )


def _draw_theory(
    ax: Any, config: "Config", results: xr.Dataset, observable: str, along: str, every: list[str], labels: Labels
) -> bool:
    """Draw the lines of theory, and whether there are any."""
    from .theory_lines import lines_of

    lines = lines_of(config, results, observable, along)
    for line in lines:
        label, color = line.label, "0.5"
        if line.model is not None:
            label, color = f"{model_label(line.model, labels)}: {label}", COLORS[every.index(line.model) % len(COLORS)]
        style: dict[str, Any] = {"color": color, "linestyle": line.style, "linewidth": 1, "label": label}
        if isinstance(line.values, np.ndarray):
            ax.plot(results[along].values, line.values, **style)
        else:
            ax.axvline(line.values, **style)
    return bool(lines)


def _checked(
    results: xr.Dataset, observable: str | None, models: Sequence[str] | None, labels: Labels
) -> tuple[xr.Dataset, str]:
    """The results of the chosen models, with dimensions of models and trials; and the observable to be drawn."""
    if not isinstance(results, xr.Dataset) or "model" not in results.coords:
        raise InputError(f"results must be those of a run, as astrojax.load returns them; got {shown(results)}")
    results = results.expand_dims([dim for dim in ("model", "trial") if dim not in results.dims])
    observables = observables_of(results)
    observable = default_observable(results) if observable is None else observable
    one_of("observable", observable, observables)
    known = [str(name) for name in results.model.values]
    chosen = known if models is None else [models] if isinstance(models, str) else list(models) or [""]
    for name in chosen:
        one_of("models", name, [*known, *_references(results, observable, None)])
    for name, label in (labels or {}).items():
        one_of("labels", name, [*known, *map(str, results.dims), *LABELS, *observables])
        if is_math_text(label):
            try:
                MathTextParser("path").parse(label)
            except ValueError as error:
                raise InputError(f"labels must have mathematics that matplotlib can read; got {shown(label)}") from error
    return results.sel(model=[name for name in chosen if name in known]), observable


def _axes(results: xr.Dataset, observable: str, given: Sequence[str | None]) -> list[str]:
    """The given axes, each `None` replaced by the next axis with several values."""
    known = axes_of(results, observable)
    for axis in given:
        if axis is not None:
            one_of("axis", axis, known)
    free = (axis for axis in long_axes(results, observable) if axis not in given)
    axes = [next(free, "") if axis is None else axis for axis in given]
    if "" in axes or len(set(axes)) < len(axes):
        raise InputError(f"the figure takes {len(given)} different axes of several values; got {', '.join(known)}")
    return axes


def _references(results: xr.Dataset, observable: str, models: Sequence[str] | None, *axes: str) -> list[str]:
    """The decoders to be shown beside the models: all, or those among `models`, if their errors are known along the axes."""
    decoders = of_decoders(results, observable)
    if decoders is None or not set(axes) <= set(decoders.dims):
        return []
    return [name for name in REFERENCES if name in results.decoder.values and (models is None or name in models)]


def _mean_and_quartiles(values: xr.DataArray, axis: str) -> np.ndarray:
    """Mean, 25th and 75th percentile at every value of an axis, shape (3, length); read a piece at a time."""
    found = []
    for piece in pieces(values, axis):
        flat = piece.transpose(axis, ...).values.reshape(piece.sizes[axis], -1)
        found.append([statistics.mean(flat), *statistics.quantiles(flat, [0.25, 0.75])])
    return np.concatenate(found, axis=1)


def file_name(name: str) -> str:
    """A file name in portable ASCII; different names stay different."""
    clean = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "-" for letter in name)[:50]
    return clean if clean == name else f"{clean}-{sha256(name.encode(errors='replace')).hexdigest()[:8]}"
