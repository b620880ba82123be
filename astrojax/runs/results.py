"""Results on disk: a labelled dataset that is filled chunk by chunk and survives whatever happens meanwhile.

Chunks of different tasks never share a file. A task's values are written first and its `done` flag in a second write, so that
a flag tells the truth at every moment. Every file of values ends in a checksum.
"""

import contextlib
import itertools
import json
import math
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from .._checks import RunError

RESULTS, DONE = "results.zarr", "done.zarr"

NOT_COMPUTED = -1
"""Value of integers, such as `status`, that are not computed yet; real numbers are NaN."""

Region = tuple[slice, ...]
"""A slice along each dimension of a variable."""


class StorageError(RunError):
    """Results that cannot be written or read."""


@dataclass(frozen=True)
class Variable:
    """A variable to be stored: names and lengths of its dimensions, lengths of its chunks, type and attributes."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype
    attributes: Mapping[str, str]


class Results:
    """The dataset of a run, and beside it the flags of what is done.

    Arguments:
        folder: the folder that both are in.
        coordinates: a dataset of coordinates.
        variables: what is stored.
        num_tasks: into how many tasks the computation is divided.

    Raises:
        StorageError: if anything cannot be written.
    """

    def __init__(self, folder: Path, coordinates: xr.Dataset, variables: Sequence[Variable], num_tasks: int) -> None:
        self.path, self.done_path = folder / RESULTS, folder / DONE
        self._coordinates, self._variables = coordinates, {variable.name: variable for variable in variables}
        self._flags = Variable("done", ("task",), (num_tasks,), (1,), np.dtype(np.uint8), {})
        self._arrays: dict[str, Any] = {}

    def open(self, notice: Callable[[str], None]) -> None:
        """Open what is there, make what is not, and make again, telling so, whatever cannot be read; stored values are kept."""
        with _storing(self.path):
            if not self._coordinates_are_readable(notice):
                for name in ("zarr.json", *self._coordinates.variables):
                    _remove(self.path / str(name))
                self._coordinates.to_zarr(self.path, mode="a", zarr_format=3, consolidated=False)
            for variable in self._variables.values():
                path = self.path / variable.name
                self._arrays[variable.name] = _opened(path, variable, notice) or _created(path, variable)
            self._done = _opened(self.done_path, self._flags, notice) or _created(self.done_path, self._flags)

    def open_for_reading(self) -> None:
        """Open what is there and change nothing.

        Raises:
            StorageError: if something is missing or damaged.
        """
        self._done = self._open_for_reading(self.done_path, self._flags)
        for variable in self._variables.values():
            self._arrays[variable.name] = self._open_for_reading(self.path / variable.name, variable)

    def write(self, regions: Mapping[str, Region], values: Mapping[str, np.ndarray], task: int) -> None:
        """Write the values of a task, each variable into its region of whole chunks, then its flag."""
        with _storing(self.path):
            for name, region in regions.items():
                array, whole = self._arrays[name], np.broadcast_to(values[name], [part.stop - part.start for part in region])
                # One after another: where values are repeated the whole may be large.
                for chunk in _chunks(region, array.chunks):
                    inside = tuple(
                        slice(at.start - part.start, at.stop - part.start) for at, part in zip(chunk, region, strict=True)
                    )
                    array[chunk] = np.ascontiguousarray(whole[inside])
            self._done[task] = 1

    def done(self) -> np.ndarray:
        """Which tasks are done, shape (num_tasks,), boolean."""
        try:
            return self._done[:] == 1
        except Exception:  # a damaged flag, of whatever kind, is one that is not set
            return np.array([self._is_done(task) for task in range(self._flags.shape[0])])

    def forget(self, task: int) -> None:
        """Take back the flag of a task."""
        with _storing(self.done_path):
            self._done[task] = 0

    def is_intact(self, regions: Mapping[str, Region]) -> bool:
        """Whether all values in the regions are there and pass their checksums."""
        for name, region in regions.items():
            array = self._arrays[name]
            for chunk in _chunks(region, array.chunks):
                number = tuple(at.start // length for at, length in zip(chunk, array.chunks, strict=True))
                if not (self.path / name / array.metadata.encode_chunk_key(number)).is_file():
                    return False
                try:
                    array[chunk]
                except Exception:  # of whatever kind: codecs raise what they like
                    return False
        return True

    def read(self, name: str, region: Region) -> np.ndarray:
        """Values of a variable. Raises `StorageError` if they are damaged."""
        try:
            return self._arrays[name][region]
        except Exception as error:  # see `is_intact`
            raise StorageError(f"{self.path / name} holds damaged values; {self._run_again} computes them again") from error

    def _open_for_reading(self, path: Path, variable: Variable) -> Any:
        array = _readable(path, variable, "r")
        if array is None:
            raise StorageError(f"{path} is damaged; {self._run_again} mends it")
        return array

    @property
    def _run_again(self) -> str:
        return f"astrojax run {shlex.quote(str(self.path.parent))}"

    def _is_done(self, task: int) -> bool:
        try:
            return int(self._done[task]) == 1
        except Exception:  # see `done`
            return False

    def _coordinates_are_readable(self, notice: Callable[[str], None]) -> bool:
        if not self.path.exists():
            return False
        if _is_json(self.path / "zarr.json") and all(_reads(self.path / str(name)) for name in self._coordinates.variables):
            return True
        notice(f"{self.path}: the coordinates were damaged, and are written again")
        return False


def _opened(path: Path, variable: Variable, notice: Callable[[str], None]) -> Any:
    """The array of a variable, or `None` if it is missing or damaged, in which case its description is removed."""
    if not (path / "zarr.json").exists():
        return None
    array = _readable(path, variable, "r+")
    if array is None:
        notice(f"{path / 'zarr.json'} was damaged, and is written again; the values are kept")
        _remove(path / "zarr.json")
    return array


def _readable(path: Path, variable: Variable, mode: str) -> Any:
    """The array of a variable, or `None` if it is missing, damaged or another one."""
    try:
        array: Any = zarr.open_array(path, mode=mode, config={"write_empty_chunks": True})
    except Exception:  # of whatever kind: zarr raises what it likes on damaged descriptions
        return None
    wanted = variable.shape, variable.chunks, variable.dtype
    return array if (array.shape, array.chunks, array.dtype) == wanted else None


def _created(path: Path, variable: Variable) -> Any:
    return zarr.create_array(
        path,
        shape=variable.shape,
        chunks=variable.chunks,
        dtype=variable.dtype,
        fill_value=math.nan if variable.dtype.kind == "f" else (0 if variable.dtype.kind == "u" else NOT_COMPUTED),
        compressors=[ZstdCodec(level=1), Crc32cCodec()],
        dimension_names=variable.dims,
        attributes=dict(variable.attributes),
        zarr_format=3,
        config={"write_empty_chunks": True},
    )


def chunks_of(folder: Path, name: str) -> tuple[int, ...] | None:
    """The lengths of the chunks of a stored variable, or `None` if that cannot be read."""
    try:
        return tuple(zarr.open_array(folder / RESULTS / name, mode="r").chunks)
    except Exception:  # see `_opened`
        return None


def _chunks(region: Region, lengths: Sequence[int]) -> Iterator[Region]:
    """The chunks of a region that begins and ends with them."""
    starts = [range(part.start, part.stop, length) for part, length in zip(region, lengths, strict=True)]
    for start in itertools.product(*starts):
        yield tuple(slice(at, min(at + length, part.stop)) for at, length, part in zip(start, lengths, region, strict=True))


def _reads(path: Path) -> bool:
    try:
        zarr.open_array(path, mode="r")[...]
    except Exception:  # see `_opened`
        return False
    return True


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _storing(path: Path) -> Iterator[None]:
    """Makes a `StorageError` of every failure to write."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
