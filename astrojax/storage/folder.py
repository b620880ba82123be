"""The run folder: a configuration, its provenance, and a labeled dataset that grows. It is found, locked and loaded here."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
import zarr
from filelock import FileLock, Timeout

from .._internal.errors import InputError
from .._internal.files import is_part, refuse_links
from ..config.files import CONFIG, run_again, run_folder
from ..config.variables import ordered
from .provenance import INPUTS, check_files, read_record
from .results import DONE, RESULTS, Cells, CheckedStore, stored_grid

if TYPE_CHECKING:
    from ..config.run import BaseConfig

SUMMARY, FIGURES, REPORT, LOCK = "summary.json", "figures", "report.html", ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a run folder, created if needed, against other processes; the lock is released when the process ends.

    Raises `InputError` if another process holds it, if it cannot be written, or if it holds a symbolic link.
    """
    lock = FileLock(folder / LOCK)
    try:
        names = {path.name for path in folder.iterdir()} if folder.exists() else set()
        if not {CONFIG, RESULTS} & names and any(not is_part(name) for name in names - {LOCK, FIGURES, INPUTS}):
            raise InputError(
                f"--out: {folder} exists already, is not a run folder, and is never overwritten; give another folder"
            )
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


def choose_folder(parent: Path, name: str, config: "BaseConfig") -> tuple[Path, bool]:
    """The run folder of a configuration if none is given, and whether it holds the finished run already.

    It is a folder `parent/name` or `parent/name-NUMBER` that holds the run of the same configuration, finished or else
    unfinished; or the first of these names that is free.
    """
    sha256, same = config.sha256(), dict[bool, Path]()
    for folder in sorted(parent.glob(f"{name}*")):
        with contextlib.suppress(InputError):
            record = read_record(folder)
            if record["config_sha256"] == sha256:
                same.setdefault(all(is_done(folder)) if (folder / DONE).exists() else record["finished"], folder)
    if same:
        return same[max(same)], max(same)
    folder, number = parent / name, 2
    try:
        while folder.exists():
            folder, number = parent / f"{name}-{number}", number + 1
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from error
    return folder, False


def find_run(run: str | Path) -> Path:
    """The folder of a run that was started; `InputError` (a ValueError) if there is none."""
    folder = run_folder(run)
    if not (folder / RESULTS).is_dir():
        raise InputError(f"{folder} holds no {RESULTS}: the run was not started; {run_again(folder)} starts it")
    return folder


def is_done(run: str | Path) -> np.ndarray:
    """Which cells of a run are done, shape (cells,), boolean. `InputError` (a ValueError) if that cannot be read."""
    return _flags(Path(run)) != 0


def _flags(folder: Path) -> np.ndarray:
    try:
        return np.asarray(zarr.open_array(folder / DONE, mode="r")[:])
    except Exception as error:  # of any kind: zarr raises many on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{folder / DONE} is damaged and cannot be read: {reason}; {run_again(folder)} repairs it") from error


def load(run: str | Path, *, partial: bool = False) -> xr.Dataset:
    """The results of a run folder, read when used.

    Configuration, coordinates and descriptions are compared with what was recorded when the run was started, and every chunk
    must be there and in its place. The content of a chunk is checked when its values are read.

    Arguments:
        run: the run folder.
        partial: whether a run may be unfinished; what is not computed yet is NaN and has status −1.

    Raises:
        InputError (a ValueError): if the folder holds no run, an unfinished one, or one that is damaged or was changed; also
            when damaged values are read later.
    """
    folder = find_run(run)
    record, again = read_record(folder), run_again(folder)
    check_files(folder, record)
    written = [path.name for path in (folder / RESULTS).iterdir() if path.is_dir()]
    if strangers := [name for name in written if f"{RESULTS}/{name}/zarr.json" not in record["files"]]:
        raise InputError(f"{folder / RESULTS / strangers[0]} was not written by the run; remove it")
    flags = _flags(folder)
    if not partial and not flags.all():
        text = f"{np.count_nonzero(flags)} of {flags.size} chunks are computed; {again} continues it"
        raise InputError(f"{folder} is unfinished: {text}")
    grids = {name: stored_grid(folder, name) for name in written}
    names = ordered(name for name, grid in grids.items() if len(grid.dims) > 1)  # coordinates have one dimension
    cells = Cells(folder / RESULTS, record["config_sha256"], {name: grids[name] for name in names})
    if flags.size != cells.size:
        text = f"it has {flags.size} flags for {cells.size} chunks"
        raise InputError(f"{folder / DONE} is damaged: {text}; {again} repairs it")
    hidden: list[str] = []
    for cell, flag in enumerate(flags):
        if not flag:
            hidden += cells.files(cell)
        elif cells.checksum(cell) != flag:
            raise InputError(f"{cells.fault(cell, flag)}; {again} computes them again")
    store = CheckedStore(folder / RESULTS, names, frozenset(hidden), f"{again} computes them again")
    results = xr.open_zarr(store, consolidated=False, chunks=None)
    for name in results.coords:
        results[name].load()
    return results[names]
