"""Tables of a run for the terminal, and their content as plain data."""

import functools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from rich import box
from rich.console import Console
from rich.table import Table

from .._internal.errors import InputError, one_of
from .._internal.status import Status
from .statistics import UNKNOWN, Bounds, extremes_of, interval_from_moments, mean

MAX_ROWS, MAX_COLUMNS = 8, 16
"""Rows and columns of a table: a longer axis is shown at evenly spread values."""

PROBLEM_AXES = ("num_patterns", "num_flips", "erased_fraction", "noise_scale", "trial")
"""Axes along which every point has a problem of its own, besides the seed and fields of the patterns."""


STATUSES = tuple(status.name.lower() for status in Status)
"""What the values of `status` mean; −1 is a trajectory that is not computed yet."""

PIECE = 2**19
"""Values that are in memory at a time."""


def summary(results: xr.Dataset, along: Sequence[str] | None = None) -> dict[str, Any]:
    """Plain data of the printed tables: mean Hamming errors and their 95% intervals, [low, high], by model and decoder.

    They run along at most two axes of the sweep, `axes`: those that are asked for, or the first with several values. The means
    are over all others, of which `averaged_over` names those with several values. Samples that failed are left out of the means
    and counted in `failed`, and by reason in `failures`.

    Raises:
        InputError (a ValueError): if more than two axes are asked for, or one that is not there.
    """
    axes = _asked(results, along) if along else long_axes(results)[:2] or ["num_patterns"]
    places = {dim: _spread(results.sizes[dim], limit) for dim, limit in zip(axes, (MAX_ROWS, MAX_COLUMNS), strict=False)}
    tables = {}
    for name, errors in _errors(results).items():
        shown = errors.isel({dim: at for dim, at in places.items() if dim in errors.dims})
        found = mean_and_interval(shown, [dim for dim in axes if dim in errors.dims], bounds_of(results, "hamming_error"))
        # Along an axis that does not matter for the decoders their error is the same everywhere.
        repeated = [place for place, dim in enumerate(axes, 1) if dim not in errors.dims]
        found = np.broadcast_to(np.expand_dims(found, repeated), [3, *(places[dim].size for dim in axes)])
        tables[name] = {"mean_hamming_error": _plain(found[0]), "interval": _plain(np.moveaxis(found[1:], 0, -1))}
    names = [str(name) for name in results.model.values]
    statuses = {name: _counts(computed(results.status.sel(model=name))) for name in names}
    successes = {name: _counts(computed(results.success.sel(model=name))) for name in names}
    settled = {name: _counts(computed(results.settled.sel(model=name))) for name in names}
    return {
        "axes": {dim: results[dim].values[places[dim]].tolist() for dim in axes},
        "averaged_over": [dim for dim in long_axes(results) if dim not in axes],
        "zipped": {
            dim: {
                name: results[name].values.tolist()
                for name in sorted(map(str, results.coords))
                if name != dim and results[name].dims == (dim,)
            }
            for dim in axes
        },
        "hamming_error": tables,
        "success": {name: _share(found) for name, found in successes.items()},
        "failed": {name: sum(count for status, count in found.items() if status > 0) for name, found in statuses.items()},
        "failures": {
            name: {STATUSES[int(status)]: count for status, count in found.items() if status > 0}
            for name, found in statuses.items()
        },
        "unsettled": {name: found.get(0.0, 0) for name, found in settled.items()},
        "refined": {name: _counts(computed(results.refined.sel(model=name))).get(1.0, 0) for name in names}
        if "refined" in results
        else {},
        "trajectories": sum(count for found in statuses.values() for status, count in found.items() if status >= 0),
        "not_computed": sum(found.get(-1.0, 0) for found in statuses.values()),
    }


def print_tables(console: Console, content: dict[str, Any]) -> None:
    """Print the tables of a `summary`: one for each model and decoder, or a single one where they run along one axis."""
    means = {name: table["mean_hamming_error"] for name, table in content["hamming_error"].items()}
    match list(content["axes"].items()):
        case [(rows, row_values), (columns, values)]:
            for name, lines in means.items():
                named = dict(zip(distinct(row_values), lines, strict=True))
                console.print(_table(f"{name}: mean Hamming error, {rows} down, {columns} across", "", values, named))
        case [(columns, values)]:
            console.print(_table("mean Hamming error", columns, values, means))
    gaps = _gaps(content)
    if gaps is not None:
        console.print(
            f"95% intervals reach up to {gaps[0]:.2f} below and {gaps[1]:.2f} above these means; --html and --json list them"
        )
    if content["averaged_over"]:
        console.print(f"means are also over {', '.join(content['averaged_over'])}")
    for axis, coordinates in content["zipped"].items():
        for place, values in enumerate(zip(*coordinates.values(), strict=True)):
            console.print(
                f"{axis} {place}: " + ", ".join(f"{name} {value:g}" for name, value in zip(coordinates, values, strict=True))
            )
    for name, count in content["failed"].items():
        if count:
            reasons = ", ".join(f"{reason} {number:,}" for reason, number in content["failures"][name].items())
            console.print(f"{name}: {count:,} trajectories failed ({reasons}); they are NaN in the results")
    if content["not_computed"]:
        console.print(f"{content['not_computed']:,} trajectories are not computed yet")
    for text in about_grids(content.get("grids", {}), content["refined"]):
        console.print(text)
    unsettled = ", ".join(f"{name} {count:,}" for name, count in content["unsettled"].items() if count)
    if unsettled:
        console.print(
            f"recalls still under way at the horizon: {unsettled}: some of their neurons are about to change sign, "
            "so a longer retrieval.t1 gives other errors"
        )


def about_grids(grids: Mapping[str, Mapping[str, float]], refined: Mapping[str, int]) -> list[str]:
    """How well the grids of time steps of each model agree with finer ones, in words; from provenance and summary."""
    return [
        f"{name}: {grid['differ']:.1%} of {grid['pilots']} pilot problems end otherwise on grids of more time steps"
        + (f" than these, {grid['refinement']:g} times as many as usual" if grid["refinement"] != 1 else "")
        + f"; {refined.get(name, 0):,} trajectories were solved again with more steps"
        for name, grid in grids.items()
    ]


def bounds_of(results: xr.Dataset, name: str) -> Bounds:
    """The smallest and the largest value that an observable of a run can have, as far as they are known."""
    match name:
        case "success":
            return 0, 1
        case "overlap":
            return -1, 1
        case "perplexity":
            return 1, _largest(results.get("num_patterns"))
        case "hamming_error" | "soft_hamming_error" | "decoder_error":
            return 0, _largest(results.get("patterns.num_neurons", results.attrs.get("num_neurons")))
    return UNKNOWN


def _largest(values: Any) -> float | None:
    return None if values is None else float(np.max(values))


def mean_and_interval(
    values: xr.DataArray, axes: list[str], bounds: Bounds = UNKNOWN, minus: xr.DataArray | None = None
) -> np.ndarray:
    """Mean over everything but `axes`, and the ends of its `mean_interval`, shape (3, …) after the lengths of the axes (…).
    Samples that failed, NaN, are left out.

    Along parameters the same problems are solved again: only different problems count as independent samples. With `minus` the
    same of the differences. Stored values are read a piece at a time; the usual value, for a bound that is not known, is 0.
    """
    problems = [dim for dim in values.dims if dim not in axes and _has_problems(str(dim))]
    cut = _cut(values, axes)
    parts: list[list[np.ndarray]] = []
    for piece in _pieces(values, cut, minus):
        ordered = piece.transpose(*axes, *problems, ...)
        number = math.prod(ordered.sizes[dim] for dim in problems)
        per_problem = mean(ordered.values.reshape(*ordered.shape[: len(axes)], number, -1))
        known = ~np.isnan(per_problem)
        sums = [known, known & (per_problem != 0), *(np.where(known, per_problem, 0) ** power for power in (1, 2, 3))]
        least, greatest = (np.where(known, per_problem, end) for end in (np.inf, -np.inf))
        parts.append([*(one.sum(-1) for one in sums), least.min(-1), greatest.max(-1)])
    found = zip(*parts, strict=True)
    if cut in axes:
        whole = [np.concatenate(one, axes.index(cut)) for one in found]
    else:
        combine = [np.add] * 5 + [np.minimum, np.maximum]
        whole = [np.asarray(functools.reduce(of, one)) for of, one in zip(combine, found, strict=True)]
    numbers, unusual, *moments, least, greatest = whole
    least, greatest = np.where(numbers > 0, least, 0), np.where(numbers > 0, greatest, 0)
    ends = interval_from_moments(numbers, moments, extremes_of(least, greatest, unusual, bounds))
    means = np.divide(moments[0], numbers, out=np.full(numbers.shape, np.nan), where=numbers > 0)
    return np.array([means, *ends])


def long_axes(results: xr.Dataset, observable: str = "hamming_error") -> list[str]:
    """The axes of a sweep with more than one value, trials aside."""
    return [str(dim) for dim in results[observable].dims if dim not in ("model", "trial") and results.sizes[dim] > 1]


def _asked(results: xr.Dataset, along: Sequence[str]) -> list[str]:
    known = [str(dim) for dim in results.hamming_error.dims if dim not in ("model", "trial")]
    if len(set(along)) != len(along) or len(along) > 2:
        raise InputError(f"--along takes one or two different axes; got {', '.join(along)}")
    for axis in along:
        one_of("--along", axis, known)
    return list(along)


def _cut(values: xr.DataArray, axes: Sequence[str] = ()) -> str:
    """The axis along which an array is read in pieces: a long one that is kept, or along which problems differ."""
    return max((str(dim) for dim in values.dims if dim in axes or _has_problems(str(dim))), key=lambda dim: values.sizes[dim])


def _has_problems(dim: str) -> bool:
    """Whether every point along an axis has problems of its own; along all others the same problems are met."""
    return dim in PROBLEM_AXES or dim == "seed" or dim.startswith("patterns.")


def _pieces(values: xr.DataArray, cut: str, minus: xr.DataArray | None = None) -> Iterator[xr.DataArray]:
    """Pieces of an array in double precision."""
    step = max(PIECE * values.sizes[cut] // max(values.size, 1), 1)
    for start in range(0, values.sizes[cut], step):
        piece = values.isel({cut: slice(start, start + step)}).astype(np.float64)
        yield piece if minus is None else piece - minus.isel({cut: slice(start, start + step)}).astype(np.float64)


def _counts(values: xr.DataArray) -> dict[float, int]:
    """How often each value stands in an array, NaN left out."""
    counts: dict[float, int] = {}
    for piece in _pieces(values, _cut(values)):
        found, numbers = np.unique(piece.values, return_counts=True)
        for value, number in zip(found.tolist(), numbers.tolist(), strict=True):
            if value == value:
                counts[value] = counts.get(value, 0) + number
    return counts


def _share(counts: dict[float, int]) -> float | None:
    """The mean of zeros and ones."""
    number = sum(counts.values())
    return round(counts.get(1.0, 0) / number, 6) if number else None


def computed(values: xr.DataArray) -> xr.DataArray:
    """What was computed of one model, without the copies along parameters that it does not have."""
    swept = json.loads(str(values.swept_axes.item()))
    return values.isel({dim: 0 for dim in values.dims if dim not in swept})


def _table(title: str, corner: str, columns: list[float | int], lines: dict[str, list[float | None]]) -> Table:
    # At least as wide as its title, which would be broken otherwise; lean enough for eleven columns on 80 characters.
    table = Table(
        title=title, title_justify="left", min_width=len(title), box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    for heading in (corner, *distinct(columns)):
        table.add_column(heading, justify="right", no_wrap=heading != corner, overflow="fold")
    for name, line in lines.items():
        table.add_row(name, *("-" if mean is None else f"{mean:.2f}" for mean in line))
    return table


def distinct(values: Sequence[float | int]) -> list[str]:
    """Values in few digits, or in all of them where few do not tell them apart."""
    short = [f"{value:g}" for value in values]
    return short if len(set(short)) == len(short) else [str(value) for value in values]


def _errors(results: xr.Dataset) -> dict[str, xr.DataArray]:
    errors = {str(name): results.hamming_error.sel(model=name, drop=True) for name in results.model.values}
    if "decoder_error" in results:
        for name in results.decoder.values:
            errors[f"decoder {name}".replace("_", " ")] = results.decoder_error.sel(decoder=name, drop=True)
    return errors


def _gaps(content: dict[str, Any]) -> np.ndarray | None:
    """How far the intervals of a summary reach below and above their means at most; `None` where there is no interval."""
    tables = content["hamming_error"].values()
    means = np.concatenate([np.asarray(table["mean_hamming_error"], float).ravel() for table in tables])
    ends = np.concatenate([np.asarray(table["interval"], float).reshape(-1, 2) for table in tables])
    known = np.isfinite(means)
    gaps = np.where(np.isnan(ends), np.inf, np.abs(ends - means[:, None]))[known]
    return gaps.max(axis=0) if known.any() else None


def _spread(size: int, limit: int) -> np.ndarray:
    return np.unique(np.linspace(0, size - 1, min(size, limit)).round().astype(int))


def _plain(values: np.ndarray) -> Any:
    """Numbers in lists as deep as the array has dimensions; `None` for what is not finite."""
    numbers = np.asarray(values, float)
    plain = np.asarray(np.round(numbers, 6), object)
    plain[~np.isfinite(numbers)] = None
    return plain.tolist()
