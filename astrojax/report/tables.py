"""Tables of a run for the terminal, and their content as plain data."""

from typing import Any

import numpy as np
import xarray as xr
from rich.console import Console
from rich.table import Table

MAX_ROWS = 8
"""Rows and columns of a table: a longer axis is shown at evenly spread values."""


def summary(results: xr.Dataset) -> dict[str, Any]:
    """Plain data of the printed tables: per model the mean Hamming error and its standard error along the table's axes.

    Samples that failed are left out of the means and counted in `failed`.
    """
    rows, columns = table_axes(results)
    tables = {}
    for name, errors in _errors(results).items():
        shown = _spread(errors, rows, columns)
        others = [dim for dim in shown.dims if dim not in (rows, columns)]
        count = shown.notnull().sum(others)
        tables[name] = {
            "mean_hamming_error": _plain(shown.mean(others), rows, columns),
            "standard_error": _plain(shown.std(others, ddof=1) / np.sqrt(count), rows, columns),
        }
    return {
        "rows": rows,
        "columns": columns,
        rows: _spread(results, rows, columns)[rows].values.tolist(),
        columns: _spread(results, rows, columns)[columns].values.tolist(),
        "hamming_error": tables,
        "success": {str(name): float(results.success.sel(model=name).mean()) for name in results.model.values},
        "failed": {str(name): int((results.status.sel(model=name) != 0).sum()) for name in results.model.values},
        "trajectories": int(results.status.size),
    }


def print_tables(console: Console, content: dict[str, Any]) -> None:
    """Print the tables of a `summary`, one for each model and decoder."""
    rows, columns = content["rows"], content["columns"]
    for name, table in content["hamming_error"].items():
        grid = Table(title=f"{name}: mean Hamming error", title_justify="left", caption_justify="left")
        grid.add_column(f"{rows} \\ {columns}", justify="right")
        for value in content[columns]:
            grid.add_column(f"{value:g}", justify="right")
        for value, line in zip(content[rows], table["mean_hamming_error"], strict=True):
            grid.add_row(f"{value:g}", *("-" if mean is None else f"{mean:.2f}" for mean in line))
        console.print(grid)
    failed = {name: count for name, count in content["failed"].items() if count}
    for name, count in failed.items():
        console.print(f"{name}: {count} trajectories failed; they are NaN in the results, and `status` says why")


def table_axes(results: xr.Dataset) -> tuple[str, str]:
    """Which axes the tables run along: the load, and of the others the first with more than one value, or the corruption."""
    dims = [str(dim) for dim in results.hamming_error.dims if dim not in ("model", "trial")]
    if len(dims) == 1:
        return dims[0], dims[0]
    others = [dim for dim in dims[1:] if results.sizes[dim] > 1]
    return dims[0], others[0] if others else dims[1]


def _errors(results: xr.Dataset) -> dict[str, xr.DataArray]:
    errors = {str(name): results.hamming_error.sel(model=name, drop=True) for name in results.model.values}
    if "decoder_error" in results:
        for name in results.decoder.values:
            errors[f"decoder {name}".replace("_", " ")] = results.decoder_error.sel(decoder=name, drop=True)
    return errors


def _spread(values: Any, rows: str, columns: str) -> Any:
    places = {}
    for dim in {rows, columns}:
        if dim in values.dims:
            limit = MAX_ROWS if dim == rows else 2 * MAX_ROWS
            size = values.sizes[dim]
            places[dim] = np.unique(np.linspace(0, size - 1, min(size, limit)).round().astype(int))
    return values.isel(places)


def _plain(values: xr.DataArray, rows: str, columns: str) -> list[list[float | None]]:
    if columns not in values.dims:  # a decoder does not depend on a parameter of the models
        values = values.expand_dims({columns: 1}, axis=-1)
    grid = values.transpose(rows, columns).values
    return [[round(float(value), 6) if np.isfinite(value) else None for value in line] for line in grid]
