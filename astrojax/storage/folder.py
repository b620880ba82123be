"""The run folder: a configuration, its provenance, and a labelled dataset that grows (results.py)."""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from filelock import FileLock, Timeout

from .._internal.errors import InputError
from .._internal.files import is_part, json_sha256, refuse_links
from .._internal.files import read_json as read_json
from ..config.detect import CONFIG, existing, is_search, run_folders
from ..config.run import BaseConfig, Config
from ..config.variables import DEFINITIONS
from ..config.yaml_files import read_yaml
from .cells import Cells
from .record import PROVENANCE as PROVENANCE
from .record import check_files, config_changed, read_provenance, read_record, recorded_files, run_again
from .results import DONE, RESULTS, ReadOnly, grids_of
from .stored_config import sha256_beside_results

SUMMARY, FIGURES, REPORT, LOCK = "summary.json", "figures", "report.html", ".lock"

NEEDED = ("hamming_error", "success", "settled", "status")
"""Variables that every run has."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run folder, made if need be, against other processes; the hold ends with the process, however it ends.

    Raises:
        InputError (a ValueError): if another process holds it, if it cannot be written, or if it holds a symbolic link.
    """
    lock = FileLock(folder / LOCK)
    try:
        names = {path.name for path in folder.iterdir()} if folder.exists() else set()
        if not {CONFIG, RESULTS} & names and any(not is_part(name) for name in names - {LOCK, FIGURES}):
            raise InputError(f"--out: {folder} exists already, is no run folder, and is never overwritten; give another folder")
        refuse_links(folder)
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        (folder / FIGURES).mkdir(exist_ok=True)
    except Timeout:
        raise InputError(f"--out: {folder} is in use: another process is computing it") from None
    except OSError as error:
        raise InputError(f"--out: {folder} cannot be written: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()


def choose_folder(parent: Path, name: str, config: BaseConfig) -> tuple[Path, bool]:
    """The run folder of a configuration where none is given, and whether it holds the finished run already.

    It is a folder `parent/name` or `parent/name-NUMBER` that holds the run of the same configuration, finished or else
    unfinished; or the first of these names that is free.
    """
    sha256, same = config.sha256(), dict[bool, Path]()
    for folder in sorted(parent.glob(f"{name}*")):
        try:
            record = read_provenance(folder)
            if record["config_sha256"] == sha256:
                same.setdefault(all(is_done(folder)) if isinstance(config, Config) else record["finished"], folder)
        except (InputError, KeyError):
            continue
    if same:
        return same[max(same)], max(same)
    folder, number = parent / name, 2
    try:
        while folder.exists():
            folder, number = parent / f"{name}-{number}", number + 1
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from error
    return folder, False


def coordinates_of(
    axes: Mapping[str, Mapping[str, Sequence[float | int]]], models: Mapping[str, Sequence[str]], decoders: Sequence[str] | None
) -> xr.Dataset:
    """The coordinates of a run's dataset.

    Arguments:
        axes: values by coordinate, by axis, in the order of the dimensions.
        models: for each model the axes that matter for it; along the others its values are repeated.
        decoders: names of the decoders, if there are any.
    """
    coordinates: dict[str, Any] = {"model": _strings(models)}
    for axis, named in axes.items():
        coordinates |= {name: (axis, np.asarray(values)) for name, values in named.items()}
        if axis not in named:  # zipped: its positions
            coordinates[axis] = (axis, np.arange(len(next(iter(named.values())))))
    definition = "axes that matter for the model, as a JSON list; along the others its values are repeated"
    swept = _strings(json.dumps(list(names)) for names in models.values())
    coordinates["swept_axes"] = ("model", swept, {"definition": definition})
    if decoders is not None:
        coordinates["decoder"] = _strings(decoders)
    return xr.Dataset(coords=coordinates)


def is_done(run: str | Path) -> np.ndarray:
    """Which cells of a run are done, shape (cells,), boolean. `InputError` (a ValueError) if that cannot be read."""
    return _flags(Path(run)) != 0


def _flags(folder: Path) -> np.ndarray:
    """The flags of a run folder, as `Results.done`."""
    try:
        return np.asarray(zarr.open_array(folder / DONE, mode="r")[:])
    except Exception as error:  # of whatever kind: zarr raises what it likes on damaged files
        raise _damaged(folder, DONE, error) from error


def find_run(run: str | Path) -> Path:
    """The folder of a run that was begun; `InputError` (a ValueError) if there is none."""
    folder = existing(run)
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder} is not a run folder: it holds no {CONFIG}{run_folders(folder)}")
    if not (folder / RESULTS).is_dir() and is_search(folder):
        raise InputError(f"{folder} is the folder of a search, not of a run{run_folders(folder / 'heldout')}")
    if not (folder / RESULTS).is_dir():
        raise InputError(f"{folder} holds no {RESULTS}: the run was not begun; {run_again(folder)} begins it")
    return folder


def load(run: str | Path, *, partial: bool = False) -> xr.Dataset:
    """The results of a run folder, read when used.

    Configuration, coordinates and descriptions are compared with what was recorded when the run was begun, and every chunk
    must be there and in its place. Chunks are checked again when their values are read.

    Arguments:
        run: the run folder.
        partial: whether a run may be unfinished; what is not computed yet is NaN and has status −1.

    Raises:
        InputError (a ValueError): if the folder holds no run, an unfinished one, or one that is damaged or was changed; also
            when values that turn out to be damaged are read.
    """
    folder = find_run(run)
    record = read_record(folder)
    files = recorded_files(record)
    check_files(folder, record)
    written = [path.name for path in (folder / RESULTS).iterdir() if path.is_dir()]
    if files is None:
        _check_config(folder)
    elif f"{RESULTS}/zarr.json" not in files:
        raise InputError(f"{folder}: the run was not begun; {run_again(folder)} begins it")
    elif strangers := [name for name in written if f"{RESULTS}/{name}/zarr.json" not in files]:
        raise InputError(f"{folder / RESULTS / strangers[0]} was not written by the run; remove it")
    flags = _flags(folder)
    done = flags != 0
    if not partial and not done.all():
        again = f"{run_again(folder)} continues it"
        raise InputError(f"{folder} is unfinished: {done.sum()} of {done.size} chunks are computed; {again}")
    remedy = f"{run_again(folder)} computes them again"
    try:
        names = [name for name in DEFINITIONS if name in written]
        cells = Cells(folder / RESULTS, str(record.get("config_sha256")), grids_of(folder / RESULTS, names))
    except Exception as error:  # of whatever kind, where no digest of the descriptions was recorded
        raise _damaged(folder, RESULTS, error) from error
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise InputError(f"{folder / RESULTS} is damaged: {', '.join(missing)} is missing; {run_again(folder)} mends it")
    hidden: list[str] = []
    if files is not None:
        if flags.size != cells.size:
            text = f"is damaged: it has {flags.size} flags for {cells.size} chunks"
            raise InputError(f"{folder / DONE} {text}; {run_again(folder)} mends it")
        for cell, flag in enumerate(flags):
            if not flag:
                hidden += cells.files(cell)
            elif cells.checksum(cell) != flag:
                raise InputError(f"{cells.fault(cell)}; {remedy}")
    checked = names if files is not None or done.all() else []
    store = ReadOnly(folder / RESULTS, checked, frozenset(hidden), remedy)
    try:
        results = xr.open_zarr(store, consolidated=False, chunks=None)
        for name in results.coords:
            results[name].load()
    except Exception as error:  # of whatever kind: xarray and zarr raise what they like on damaged files
        raise _damaged(folder, RESULTS, error) from error
    return results[names]


def _check_config(folder: Path) -> None:
    """Refuse a folder of an earlier version, which recorded no files, if the dataset tells of another configuration."""
    known = sha256_beside_results(folder)
    try:
        is_same = known is None or json_sha256(read_yaml(folder / CONFIG)) == known
    except (ValueError, TypeError):
        is_same = False
    if not is_same:
        raise config_changed(folder)


def _damaged(folder: Path, name: str, error: Exception) -> InputError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"{folder / name} is damaged and cannot be read: {reason}; {run_again(folder)} mends it")


def _strings(names: Iterable[str]) -> np.ndarray:
    # As objects they are stored as strings of variable length, which Zarr v3 specifies; fixed lengths it does not.
    return np.array(list(names), dtype=object)
