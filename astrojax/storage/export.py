"""Results as one file, for other programs: netCDF, or a table with a row for each trajectory."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from .._internal.errors import InputError, needing, one_of
from .._internal.files import replacing, storing
from .folder import load

if TYPE_CHECKING:
    import pandas as pd

ROWS_AT_A_TIME = 2**18


def export(run: str | Path, format: str, out: str | Path | None = None) -> Path:
    """Write the results of a run as one file.

    Arguments:
        run: a finished run folder.
        format: `nc` for netCDF 4, or `csv` or `parquet` for a table with a row for each trajectory of each model and a column
            for each coordinate and observable. The decoders' errors are columns of their own.
        out: the file, which must not exist; `results.FORMAT` in the run folder if omitted.

    Returns:
        The file.

    Raises:
        InputError (a ValueError): for an unknown format, a run that is unfinished, a file that exists or has no folder to
            be in, or a missing extra.
        StorageError: if the file cannot be written.
    """
    writers = {"nc": _write_netcdf, "csv": _write_csv, "parquet": _write_parquet}
    one_of("format", format, writers)
    results = load(run)
    path = Path(out) if out is not None else Path(run) / f"results.{format}"
    if os.path.lexists(path):
        raise InputError(f"--out: {path} exists already and is never overwritten; give another file or remove it")
    if not path.parent.is_dir():
        raise InputError(f"--out: {path} must be a file in a folder that exists; there is no folder {path.parent}")
    with needing(f"--format {format} needs an extra", "astrojax-memory[export]"), storing(path), replacing(path) as part:
        writers[format](results, part)
    return path


def _write_netcdf(results: xr.Dataset, path: Path) -> None:
    import h5netcdf  # noqa: F401 (fails at once if it is not installed)

    strings = {name: results[name].astype(object) for name in results.coords if results[name].dtype.kind not in "iufb"}
    results.assign_coords(strings).to_netcdf(path, engine="h5netcdf")


def _write_csv(results: xr.Dataset, path: Path) -> None:
    for number, table in enumerate(_tables(results)):
        table.to_csv(path, mode="w" if number == 0 else "a", header=number == 0, index=False)


def _write_parquet(results: xr.Dataset, path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    with path.open("wb") as file, contextlib.ExitStack() as stack:  # pyarrow accepts only paths in Unicode
        writer: Any = None
        for table in _tables(results):
            rows = pyarrow.Table.from_pandas(table, preserve_index=False)
            writer = writer or stack.enter_context(pyarrow.parquet.ParquetWriter(file, rows.schema))
            writer.write_table(rows)


def _tables(results: xr.Dataset) -> Iterator["pd.DataFrame"]:
    """The table in pieces, so that memory does not grow with it."""
    results = results.drop_vars("swept_axes")
    if "decoder_error" in results:
        errors = {f"decoder_{name}": results.decoder_error.sel(decoder=name, drop=True) for name in results.decoder.values}
        for name in results.decoder.values if "decoder_identified" in results else ():
            errors[f"decoder_{name}_identified"] = results.decoder_identified.sel(decoder=name, drop=True)
        results = results.drop_dims("decoder").assign(errors)
    dims = list(results.status.dims)
    first = dims[1]
    rows = int(np.prod([results.sizes[dim] for dim in dims[2:]]))
    step = max(ROWS_AT_A_TIME // max(rows, 1), 1)
    trials = max(ROWS_AT_A_TIME * results.sizes["trial"] // max(rows, 1), 1)
    for model in range(results.sizes["model"]):
        for start in range(0, results.sizes[first], step):
            for trial in range(0, results.sizes["trial"], trials):
                piece = {"model": [model], first: slice(start, start + step), "trial": slice(trial, trial + trials)}
                yield results.isel(piece).to_dataframe(dim_order=dims).reset_index()
