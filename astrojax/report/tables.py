"""Tables for the terminal, and their content as plain data."""

import functools
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from rich import box
from rich.console import Console
from rich.table import Table

from .._internal.errors import InputError, one_of, shown_bytes
from .._internal.registry import members
from .._internal.status import Status
from ..config.axes import LEVELS
from ..sweep.observables import HOW
from .statistics import UNKNOWN, Bounds, Moments, mean

MAX_ROWS, MAX_COLUMNS = 8, 16
"""Rows and columns of a table: a longer axis is shown at evenly spread values."""

PROBLEM_AXES = ("num_patterns", *LEVELS.values(), "trial")
"""Axes along which every point has its own problem, besides the seed and fields of the patterns."""

VALUES_IN_MEMORY = 2**19
"""Number of values that are read at a time."""


def summary(results: xr.Dataset, along: Sequence[str] | None = None, observable: str | None = None) -> dict[str, Any]:
    """Plain data of the printed tables: means of an observable and their 95% intervals, [low, high], by model and decoder.

    They run along at most two axes of the sweep, the given ones or the first with several values, and are means over all
    others. The observable is the Hamming error if omitted, or the first that is stored. Its tables are under its name.
    Raises `InputError` for an observable that is not stored, for more than two axes, or an unknown one.
    """
    observable = observable or default_observable(results)
    one_of("observable", observable, observables_of(results))
    axes = list(along or long_axes(results, observable)[:2] or ["num_patterns"])
    if len(set(axes)) < len(axes) or len(axes) > 2:
        raise InputError(f"--along takes one or two different axes; got {', '.join(axes)}")
    for axis in axes:
        one_of("--along", axis, axes_of(results, observable))
    places = {dim: _spread(results.sizes[dim], limit) for dim, limit in zip(axes, (MAX_ROWS, MAX_COLUMNS), strict=False)}
    tables = {}
    for name, errors in _means_of(results, observable).items():
        # The error of a decoder is the same everywhere along an axis that does not matter to it.
        repeated = {dim: places[dim].size for dim in axes if dim not in errors.dims}
        shown = errors.isel(places, missing_dims="ignore").expand_dims(repeated)
        found = mean_and_interval(shown, axes, bounds_of(results, observable))
        tables[name] = {f"mean_{observable}": _plain(found[0]), "interval": _plain(np.moveaxis(found[1:], 0, -1))}
    names = [str(name) for name in results.model.values]
    status, success, settled, refined = (
        {name: _counts(computed(results[variable].sel(model=name))) for name in names if variable in results}
        for variable in ("status", "success", "settled", "refined")
    )
    failures = {
        name: {Status(int(value)).name.lower(): count for value, count in found.items() if value > 0}
        for name, found in status.items()
    }
    content = {
        "observable": observable,
        "axes": {dim: results[dim].values[places[dim]].tolist() for dim in axes},
        "also_measured": [name for name in own_observables(results) if name != observable],
        "averaged_over": [dim for dim in long_axes(results, observable) if dim not in axes],
        "zipped": {dim: zipped(results, dim) for dim in axes},
        "success": {name: round(found[1.0] / found.total(), 6) if found else None for name, found in success.items()},
        "failed": {name: sum(reasons.values()) for name, reasons in failures.items()},
        "failures": failures,
        "unsettled": {name: found[0.0] for name, found in settled.items()},
        "refined": {name: found[1.0] for name, found in refined.items()},
        "trajectories": sum(count for found in status.values() for value, count in found.items() if value >= 0),
        "not_computed": sum(found[-1.0] for found in status.values()),
    }
    return content | {f"mean_{observable}" if observable in content else observable: tables}


def tables_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of a `summary` by model and decoder; under `mean_…` where the observable's name means something else there."""
    observable = content["observable"]
    tables: dict[str, Any] = content.get(f"mean_{observable}") or content[observable]
    return tables


def print_tables(console: Console, content: dict[str, Any]) -> None:
    """Print the tables of a `summary`: one for each model and decoder, or a single one where they run along one axis."""
    observable = content["observable"]
    label = "mean " + in_words(observable)
    means = {name: table[f"mean_{observable}"] for name, table in tables_of(content).items()}
    form = ".2f" if observable == "hamming_error" else ".4g"
    *vertical, (columns, values) = content["axes"].items()
    tables = {label: means}
    for rows, row_values in vertical:
        tables = {
            f"{name}: {label}, {rows} down, {columns} across": dict(zip(distinct(row_values), lines, strict=True))
            for name, lines in means.items()
        }
    for title, lines in tables.items():
        cells = ([name, *("-" if mean is None else f"{mean:{form}}" for mean in line)] for name, line in lines.items())
        console.print(make_table(["" if vertical else columns, *distinct(values)], cells, title, first="right"))
    gaps = _largest_gaps(content)
    if gaps is not None:
        console.print(
            f"95% intervals reach up to {gaps[0]:{form}} below and {gaps[1]:{form}} above these means; "
            "--html and --json list them"
        )
    if content["averaged_over"]:
        console.print(f"means are also over {', '.join(content['averaged_over'])}")
    if own := content["also_measured"]:
        console.print(f"also measured: {', '.join(own)} (show --observable {own[0]})")
    for axis, coordinates in content["zipped"].items():
        for place, values in enumerate(zip(*coordinates.values(), strict=True)):
            texts = [f"{name} {value:g}" for name, value in zip(coordinates, values, strict=True)]
            console.print(f"{axis} {place}: {', '.join(texts)}")
    for name, reasons in content["failures"].items():
        if reasons:
            counts = ", ".join(f"{reason} {number:,}" for reason, number in reasons.items())
            console.print(f"{name}: {content['failed'][name]:,} trajectories failed ({counts}); they are NaN in the results")
    if content["not_computed"]:
        console.print(f"{content['not_computed']:,} trajectories are not computed yet")
    for text in describe_grids(content.get("grids", {}), content["refined"]):
        console.print(text)
    unsettled = ", ".join(f"{name} {count:,}" for name, count in content["unsettled"].items() if count)
    if unsettled:
        console.print(
            f"recalls still under way at the horizon: {unsettled}: some of their neurons are about to change sign, "
            "so a longer retrieval.t1 gives other errors"
        )


def print_outline(console: Console, title: str, outline: Any) -> None:
    """Print the plan of a run, an `Outline`."""
    rows = [
        [row.name, f"{row.num_trajectories:,}", ", ".join(map(str, row.capacities)), f"{row.padding:.0%}"]
        for row in outline.rows
    ]
    console.print(make_table(["", "trajectories", "padded to", "padding"], rows, f"{title}: plan"))
    if outline.pool is not None:
        console.print("{} patterns of {} neurons to draw from".format(*outline.pool))
    where = "computed by the workers of a cluster"
    if outline.devices:
        where = f"{len(outline.devices)} × {outline.devices[0]}, at most {shown_bytes(outline.budget_bytes)} of memory each"
    console.print(
        f"{outline.num_trajectories:,} trajectories in {outline.num_chunks:,} chunks of up to {outline.lanes_per_chunk:,}, "
        f"{outline.num_programs} programs (one for each padded shape)\nresults of {shown_bytes(outline.stored_bytes)} before "
        f"compression, in {outline.num_files:,} files of chunks and their flags\n{where}",
        soft_wrap=True,
    )


def repeats(found: Mapping[str, Mapping[str, float | int]]) -> bool:
    """Whether the run compared by `verify` repeats: no value is beyond tolerance."""
    return not any(tally["beyond"] for tally in found.values())


def print_comparison(console: Console, found: Mapping[str, Mapping[str, float | int]]) -> None:
    """Print the result of `verify`."""
    kinds = ("compared", "different", "beyond")
    rows = [[name, *(f"{tally[kind]:,}" for kind in kinds), f"{tally['largest']:.2g}"] for name, tally in found.items()]
    console.print(make_table(["", "compared", "not bit for bit", "beyond tolerance", "largest difference"], rows))
    console.print("the run repeats" if repeats(found) else "the run does not repeat: see the values beyond tolerance")


def make_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], title: str = "", first: Literal["left", "right"] = "left"
) -> Table:
    style: dict[str, Any] = {"title": title, "title_justify": "left", "min_width": len(title)} if title else {}
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, **style)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else first, no_wrap=place > 0, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def duration(seconds: float | int) -> str:
    """A rounded time with its unit, at least a second."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.{0 if seconds >= 10 * length else 1}f} {unit}"
    return f"{max(seconds, 1):.0f} s"


def describe_grids(grids: Mapping[str, Mapping[str, float]], refined: Mapping[str, int]) -> list[str]:
    """How well each model's grids of time steps agree with finer ones, from provenance and summary."""
    return [
        f"{name}: {grid['differ']:.1%} of {grid['pilots']} pilot problems end otherwise on grids of more time steps"
        + (f" than these, {grid['refinement']:g} times as many as usual" if grid["refinement"] != 1 else "")
        + f"; {refined.get(name, 0):,} trajectories were solved again with more steps"
        for name, grid in grids.items()
    ]


def bounds_of(results: xr.Dataset, name: str) -> Bounds:
    """The smallest and the largest possible value of an observable of a run, as far as they are known."""
    match name.removeprefix("best_"):
        case "success" | "identified" | "class_identified":
            return 0, 1
        case "overlap" | "cosine":
            return -1, 1
        case "rmse":
            return 0, None
        case "perplexity" | "num_active_gains":
            largest = results.get("num_patterns")
            return 1, None if largest is None else float(largest.max())
        case "hamming_error" | "soft_hamming_error" | "decoder_error":
            largest = results.get("patterns.num_neurons", results.attrs.get("num_neurons"))
            return 0, None if largest is None else float(np.max(largest))
    return UNKNOWN


def mean_and_interval(
    values: xr.DataArray, axes: list[str], bounds: Bounds = UNKNOWN, minus: xr.DataArray | None = None
) -> np.ndarray:
    """Mean over everything but `axes`, without NaN, and its `mean_interval`, shape (3, …), read a piece at a time.

    Along parameters the same problems are solved again: only different problems count as independent.
    """
    problems = [dim for dim in values.dims if dim not in axes and _has_problems(str(dim))]
    cut = _cut(values, axes)
    parts = []
    for piece in pieces(values, cut, minus):
        ordered = piece.transpose(*axes, *problems, ...)
        number = math.prod(ordered.sizes[dim] for dim in problems)
        parts.append(Moments.of(mean(ordered.values.reshape(*ordered.shape[: len(axes)], number, -1))))
    if cut in axes:
        place = axes.index(cut) - len(axes)
        whole = Moments(*(np.concatenate(fields, place) for fields in zip(*parts, strict=True)))
    else:
        whole = functools.reduce(Moments.merge, parts)
    means = np.divide(whole.sums[0], whole.number, out=np.full(whole.number.shape, np.nan), where=whole.number > 0)
    return np.array([means, *whole.interval(bounds)])


def observables_of(results: xr.Dataset) -> list[str]:
    """What a run measured of its models, in the order in which it is stored."""
    return [str(name) for name, values in results.data_vars.items() if "model" in values.dims and name != "status"]


def own_observables(results: xr.Dataset) -> list[str]:
    """Those of a user's own."""
    return [name for name in observables_of(results) if name not in (*members("observable"), *HOW)]


def in_words(observable: str) -> str:
    """The name of an observable as a text has it."""
    return observable.replace("_", " ").replace("hamming", "Hamming")


def default_observable(results: xr.Dataset) -> str:
    """What is shown of a run: Hamming errors or root mean squared ones, or the first observable where neither was measured."""
    usual = [name for name in ("hamming_error", "rmse") if name in results]
    return next(iter([*usual, *observables_of(results)]), "hamming_error")


def of_decoders(results: xr.Dataset, observable: str) -> Any:
    """The same observable of the decoders, by decoder, if they were run."""
    same = {"hamming_error": "decoder_error"}
    if "decoder_identified" in results:  # patterns are not of ±1
        same = {"rmse": "decoder_error", "identified": "decoder_identified"}
    return results.get(same.get(observable, ""))


def axes_of(results: xr.Dataset, observable: str, least: int = 1) -> list[str]:
    """The axes of a sweep with `least` values or more, without trials."""
    return [str(dim) for dim in results[observable].dims if dim not in ("model", "trial") and results.sizes[dim] >= least]


def long_axes(results: xr.Dataset, observable: str) -> list[str]:
    """The axes of a sweep with several values, without trials."""
    return axes_of(results, observable, 2)


def _cut(values: xr.DataArray, axes: Sequence[str] = ()) -> str:
    """The axis along which an array is read in pieces: a long one that is kept, or along which problems differ."""
    return max((str(dim) for dim in values.dims if dim in axes or _has_problems(str(dim))), key=lambda dim: values.sizes[dim])


def _has_problems(dim: str) -> bool:
    """Whether every point along an axis has its own problems; along all other axes the problems are the same."""
    return dim in PROBLEM_AXES or dim == "seed" or dim.startswith("patterns.")


def pieces(values: xr.DataArray, cut: str, minus: xr.DataArray | None = None) -> Iterator[xr.DataArray]:
    """Pieces of an array in double precision."""
    step = max(VALUES_IN_MEMORY * values.sizes[cut] // max(values.size, 1), 1)
    for start in range(0, values.sizes[cut], step):
        piece = values.isel({cut: slice(start, start + step)}).astype(np.float64)
        yield piece if minus is None else piece - minus.isel({cut: slice(start, start + step)}).astype(np.float64)


def _counts(values: xr.DataArray) -> Counter[float]:
    """How often each value occurs in an array, without NaN."""
    counts: Counter[float] = Counter()
    for piece in pieces(values, _cut(values)):
        found, numbers = np.unique(piece.values[~np.isnan(piece.values)], return_counts=True)
        counts.update(dict(zip(found.tolist(), numbers.tolist(), strict=True)))
    return counts


def computed(values: xr.DataArray) -> xr.DataArray:
    """The computed values of one model, without the copies along parameters that it does not have."""
    swept = json.loads(str(values.swept_axes.item()))
    return values.isel({dim: 0 for dim in values.dims if dim not in swept})


def zipped(values: xr.Dataset | xr.DataArray, dim: str) -> dict[str, list[Any]]:
    """Coordinates that change together along a dimension, by name."""
    names = sorted(str(name) for name, coordinate in values.coords.items() if name != dim and coordinate.dims == (dim,))
    return {name: values[name].values.tolist() for name in names}


def distinct(values: Sequence[float | int]) -> list[str]:
    """Values with few digits, or with all of them where few do not distinguish them."""
    short = [f"{value:g}" for value in values]
    return short if len(set(short)) == len(short) else [str(value) for value in values]


def _means_of(results: xr.Dataset, observable: str) -> dict[str, xr.DataArray]:
    """The values to be averaged, by model, and by decoder where they are known."""
    values = {str(name): values_of(results, observable, str(name)) for name in results.model.values}
    if (decoders := of_decoders(results, observable)) is not None:
        for name in results.decoder.values:
            values[f"decoder {name}".replace("_", " ")] = decoders.sel(decoder=name, drop=True)
    return values


def values_of(results: xr.Dataset, observable: str, model: str) -> xr.DataArray:
    """An observable of a model. Counts, which cannot be NaN, are invalid where a trajectory failed or is not computed."""
    one = results.sel(model=model, drop=True)
    values = one[observable]
    return values if values.dtype.kind == "f" else values.where(one.status == 0)


def _largest_gaps(content: dict[str, Any]) -> np.ndarray | None:
    """Largest distances of the intervals' ends below and above their means; `None` where there is no interval."""
    tables = tables_of(content).values()
    means = np.concatenate([np.asarray(table[f"mean_{content['observable']}"], float).ravel() for table in tables])
    ends = np.concatenate([np.asarray(table["interval"], float).reshape(-1, 2) for table in tables])
    known = np.isfinite(means)
    gaps = np.where(np.isnan(ends), np.inf, np.abs(ends - means[:, None]))[known]
    return gaps.max(axis=0) if known.any() else None


def _spread(size: int, limit: int) -> np.ndarray:
    return np.unique(np.linspace(0, size - 1, min(size, limit)).round().astype(int))


def _plain(values: np.ndarray) -> Any:
    """Numbers in lists as deep as the array has dimensions; `None` for what is not finite."""
    return np.where(np.isfinite(values), np.round(values, 6).astype(object), np.array(None)).tolist()
