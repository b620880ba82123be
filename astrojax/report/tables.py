"""Tables of a run for the terminal, and their content as plain data."""

import json
from typing import Any

import numpy as np
import xarray as xr
from rich import box
from rich.console import Console
from rich.table import Table

MAX_ROWS, MAX_COLUMNS = 8, 16
"""Rows and columns of a table: a longer axis is shown at evenly spread values."""

PROBLEM_AXES = ("num_patterns", "num_flips", "erased_fraction", "noise_scale", "trial")
"""Axes along which every point has a problem of its own; along all others the same problems are met."""


def summary(results: xr.Dataset) -> dict[str, Any]:
    """Plain data of the printed tables: mean Hamming errors and their standard errors by model and decoder.

    They run along at most two axes of the sweep, `axes`; the means are over all others. Samples that failed are left out of
    the means and counted in `failed`.
    """
    one_model = results.hamming_error.isel(model=0, drop=True)
    axes = long_axes(results)[:2] or ["num_patterns"]
    places = {dim: _spread(results.sizes[dim], limit) for dim, limit in zip(axes, (MAX_ROWS, MAX_COLUMNS), strict=False)}
    tables = {}
    for name, errors in _errors(results).items():
        # Along a parameter of the models a decoder's error is the same everywhere.
        shown = errors.broadcast_like(one_model).isel(places)
        mean, error = mean_and_error(shown, axes)
        tables[name] = {"mean_hamming_error": _plain(mean), "standard_error": _plain(error)}
    computed = {str(name): _computed(results.status.sel(model=name)) for name in results.model.values}
    return {
        "axes": {dim: results[dim].values[places[dim]].tolist() for dim in axes},
        "hamming_error": tables,
        "success": {str(name): _plain(results.success.sel(model=name).mean()) for name in results.model.values},
        "failed": {name: int((status != 0).sum()) for name, status in computed.items()},
        "unsettled": {str(name): int((_computed(results.settled.sel(model=name)) == 0).sum()) for name in results.model.values},
        "trajectories": sum(status.size for status in computed.values()),
    }


def print_tables(console: Console, content: dict[str, Any]) -> None:
    """Print the tables of a `summary`: one for each model and decoder, or a single one where they run along one axis."""
    means = {name: table["mean_hamming_error"] for name, table in content["hamming_error"].items()}
    match list(content["axes"].items()):
        case [(rows, row_values), (columns, values)]:
            for name, lines in means.items():
                named = {f"{value:g}": line for value, line in zip(row_values, lines, strict=True)}
                console.print(_table(f"{name}: mean Hamming error, {rows} down, {columns} across", "", values, named))
        case [(columns, values)]:
            console.print(_table("mean Hamming error", columns, values, means))
    for name, count in content["failed"].items():
        if count:
            console.print(f"{name}: {count} trajectories failed; they are NaN in the results, and `status` says why")
    unsettled = ", ".join(f"{name} {count}" for name, count in content["unsettled"].items() if count)
    if unsettled:
        console.print(
            f"recalls still under way at the horizon: {unsettled} (neurons are driven towards the other sign; "
            "a longer retrieval.t1 changes what they recall)"
        )


def mean_and_error(values: xr.DataArray, axes: list[str]) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean over everything but `axes`, and its standard error; samples that failed, NaN, are left out of both.

    Along parameters the same problems are solved again: only different problems count as independent samples.
    """
    rest = [dim for dim in values.dims if dim not in axes]
    per_problem = values.mean([dim for dim in rest if dim not in PROBLEM_AXES])
    problems = [dim for dim in rest if dim in PROBLEM_AXES]
    error = per_problem.std(problems, ddof=1) / np.sqrt(per_problem.notnull().sum(problems))
    return values.mean(rest).transpose(*axes), error.transpose(*axes)


def long_axes(results: xr.Dataset) -> list[str]:
    """The axes of a sweep with more than one value, trials aside."""
    return [str(dim) for dim in results.hamming_error.dims if dim not in ("model", "trial") and results.sizes[dim] > 1]


def _computed(values: xr.DataArray) -> xr.DataArray:
    """What was computed of one model, without the copies along parameters that it does not have."""
    swept = json.loads(str(values.swept_axes.item()))
    return values.isel({dim: 0 for dim in values.dims if dim not in swept})


def _table(title: str, corner: str, columns: list[float | int], lines: dict[str, list[float | None]]) -> Table:
    # At least as wide as its title, which would be broken otherwise; lean enough for eleven columns on 80 characters.
    table = Table(
        title=title, title_justify="left", min_width=len(title), box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    for heading in (corner, *(f"{value:g}" for value in columns)):
        table.add_column(heading, justify="right", no_wrap=heading != corner, overflow="fold")
    for name, line in lines.items():
        table.add_row(name, *("-" if mean is None else f"{mean:.2f}" for mean in line))
    return table


def _errors(results: xr.Dataset) -> dict[str, xr.DataArray]:
    errors = {str(name): results.hamming_error.sel(model=name, drop=True) for name in results.model.values}
    if "decoder_error" in results:
        for name in results.decoder.values:
            errors[f"decoder {name}".replace("_", " ")] = results.decoder_error.sel(decoder=name, drop=True)
    return errors


def _spread(size: int, limit: int) -> np.ndarray:
    return np.unique(np.linspace(0, size - 1, min(size, limit)).round().astype(int))


def _plain(values: xr.DataArray) -> Any:
    """Numbers in lists as deep as the array has dimensions; `None` for what is not finite."""
    numbers = np.asarray(values.values, float)
    plain = np.asarray(np.round(numbers, 6), object)
    plain[~np.isfinite(numbers)] = None
    return plain.tolist()
