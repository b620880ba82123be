"""Results on disk: a labelled dataset that is filled chunk by chunk and survives whatever happens meanwhile.

Chunks of different tasks never share a file. A task's values are written first and its flags in a second write, so that
a flag tells the truth at every moment. Every chunk ends in a checksum; a flag is the checksum of a cell (cells.py).
"""

import hashlib
import itertools
import math
import shlex
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import LocalStore, MemoryStore

from .._internal.errors import InputError
from .._internal.files import StorageError, storing, write_bytes
from .cells import Cells, Grid, Region, is_whole

RESULTS, DONE = "results.zarr", "done.zarr"

NOT_COMPUTED = -1
"""Value of integers, such as `status`, that are not computed yet; real numbers are NaN."""


@dataclass(frozen=True)
class Variable:
    """A variable to be stored: how it is divided, its type and its attributes."""

    name: str
    grid: Grid
    dtype: np.dtype
    attributes: Mapping[str, str]


class Results:
    """The dataset of a run, and beside it the flags of what is done.

    Arguments:
        folder: the folder that both are in.
        coordinates: a dataset of coordinates.
        variables: what is stored.
        run: what identifies the run: the SHA-256 of its configuration.

    Raises:
        StorageError: if anything cannot be written.
    """

    def __init__(self, folder: Path, coordinates: xr.Dataset, variables: Sequence[Variable], run: str) -> None:
        self.path, self._folder = folder / RESULTS, folder
        self._coordinates, self._variables = coordinates, {variable.name: variable for variable in variables}
        self._cells = Cells(self.path, run, {name: variable.grid for name, variable in self._variables.items()})
        self._flags = Variable("", Grid(("cell",), (self._cells.size,), (1,)), np.dtype(np.uint64), {})
        self._arrays: dict[str, Any] = {}

    def open(self, notice: Callable[[str], None]) -> dict[str, str]:
        """Open what is there, make what is not, and write again, with a notice, what differs; stored values are kept.

        Returns:
            The SHA-256 of every file that stays as it is now, descriptions and coordinates, by its path in the folder.
        """
        is_new = not self.path.exists()
        with storing(self.path):
            files = self._layout()
            for name, content in files.items():
                path = self._folder / name
                if path.is_file() and path.read_bytes() == content:
                    continue
                if not is_new:
                    what = "is damaged, or differs from what this version writes" if path.is_file() else "is missing"
                    notice(f"{path} {what}, and is written again; the values are kept")
                _make_room(path)
                write_bytes(path, content)
            for name, variable in self._variables.items():
                self._arrays[name] = _opened(self.path / name, variable, "r+")
            self._done = _opened(self._folder / DONE, self._flags, "r+")
        return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}

    def open_for_reading(self, without: Sequence[str] = ()) -> None:
        """Open what is there, `without` some variables, and change nothing.

        Raises:
            StorageError: if something is missing or damaged.
        """
        try:
            self._done = _opened(self._folder / DONE, self._flags, "r")
            for name, variable in self._variables.items():
                if name not in without:
                    self._arrays[name] = _opened(self.path / name, variable, "r")
        except StorageError as error:
            raise StorageError(f"{error}; {self._run_again} mends it") from error

    def write(self, regions: Mapping[str, Region], values: Mapping[str, np.ndarray]) -> None:
        """Write the values of a task, each variable into its region of whole chunks, then its flags."""
        with storing(self.path):
            for name, region in regions.items():
                array, whole = self._arrays[name], np.broadcast_to(values[name], [part.stop - part.start for part in region])
                # One after another: where values are repeated the whole may be large.
                for chunk in _chunks(region, array.chunks):
                    inside = tuple(
                        slice(at.start - part.start, at.stop - part.start) for at, part in zip(chunk, region, strict=True)
                    )
                    array[chunk] = np.ascontiguousarray(whole[inside])
            for cell in self._numbers(regions):
                self._done[cell] = self._cells.checksum(cell)

    def done(self) -> np.ndarray:
        """The flags: a checksum for each cell that is done, otherwise 0; shape (cells,)."""
        try:
            return np.asarray(self._done[:])
        except Exception:  # a damaged flag, of whatever kind, is one that is not set
            return np.array([self._flag(cell) for cell in range(self._cells.size)], np.uint64)

    def forget(self, regions: Mapping[str, Region]) -> None:
        """Take back the flags of a task."""
        with storing(self._folder / DONE):
            for cell in self._numbers(regions):
                self._done[cell] = 0

    def is_done(self, regions: Mapping[str, Region], done: np.ndarray) -> bool:
        """Whether all flags of a task are set, of those that `done` gave."""
        return bool(done[self._numbers(regions)].all())

    def is_intact(self, regions: Mapping[str, Region], done: np.ndarray) -> bool:
        """Whether all values of a task are there, undamaged, and those that its flags were made of."""
        return all(self._cells.is_intact(cell, int(done[cell])) for cell in self._numbers(regions))

    def read(self, name: str, region: Region) -> np.ndarray:
        """Values of a variable. Raises `StorageError` if they are missing or damaged."""
        array = self._arrays[name]
        for cell in self._cells.numbers(name, region):
            file = next(file for file in self._cells.files(cell) if file.startswith(f"{name}/"))
            if not (self.path / file).is_file():
                raise StorageError(f"{self.path}: the chunk {file} is missing; {self._run_again} computes it again")
        try:
            return array[region]
        except Exception as error:  # of whatever kind: codecs raise what they like
            raise StorageError(f"{self.path / name} holds damaged values; {self._run_again} computes them again") from error

    @property
    def _run_again(self) -> str:
        return f"astrojax run {shlex.quote(str(self.path.parent))}"

    def _numbers(self, regions: Mapping[str, Region]) -> list[int]:
        """The cells of a task: its variables share their grid and their region."""
        name, region = next(iter(regions.items()))
        return self._cells.numbers(name, region)

    def _flag(self, cell: int) -> int:
        try:
            return int(self._done[cell])
        except Exception:  # see `done`
            return 0

    def _layout(self) -> dict[str, bytes]:
        """Every file but those of values, by its path in the folder of the run."""
        dataset: dict[str, Any] = {}
        flags: dict[str, Any] = {}
        for variable in self._variables.values():
            _create(MemoryStore(dataset), variable)
        add_to_store(self._coordinates, dataset)
        _create(MemoryStore(flags), self._flags)
        stores = {RESULTS: dataset, DONE: flags}
        return {f"{store}/{name}": content.to_bytes() for store, files in stores.items() for name, content in files.items()}


class ReadOnly(LocalStore):
    """The store of a finished or growing dataset, in which every chunk of values is checked when it is read.

    Arguments:
        root: its folder.
        checked: variables whose chunks end in a CRC.
        hidden: files of chunks that are not computed yet.
        remedy: what the message about a damaged chunk ends with.
    """

    def __init__(self, root: Path, checked: Sequence[str], hidden: frozenset[str], remedy: str) -> None:
        super().__init__(root, read_only=True)
        self._checked, self._hidden, self._remedy = frozenset(checked), hidden, remedy

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        """As `LocalStore.get`. Raises `InputError` for a chunk that is missing or damaged."""
        name, _, chunk = key.partition("/")
        if key in self._hidden:
            return None
        content = await super().get(key, prototype, byte_range)
        if name in self._checked and chunk.startswith("c/"):
            if content is None:
                raise InputError(f"{self.root / name}: the chunk {chunk} is missing; {self._remedy}")
            if not is_whole(content.to_bytes()):
                raise InputError(f"{self.root / name} holds damaged values; {self._remedy}")
        return content


def add_to_store(dataset: xr.Dataset, files: dict[str, Any]) -> None:
    """Add a dataset to the files of a store, by name, whose consolidated metadata describe all then: else readers warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that other implementations may not know consolidated metadata
        dataset.to_zarr(MemoryStore(files), mode="a", zarr_format=3, consolidated=True)


def grids_of(path: Path, names: Sequence[str]) -> dict[str, Grid]:
    """The grids of stored variables, by name, in a dataset whose descriptions can be trusted."""
    arrays: dict[str, Any] = {name: zarr.open_array(path / name, mode="r") for name in names}
    return {name: Grid(tuple(a.metadata.dimension_names), tuple(a.shape), tuple(a.chunks)) for name, a in arrays.items()}


def _opened(path: Path, variable: Variable, mode: str) -> Any:
    """The array of a variable; `StorageError` if it is missing, damaged or another one."""
    try:
        array: Any = zarr.open_array(path, mode=mode).with_config({"write_empty_chunks": True})
    except Exception as error:  # of whatever kind: zarr raises what it likes on damaged descriptions
        raise StorageError(f"{path} is damaged") from error
    if (array.shape, array.chunks, array.dtype) != (*variable.grid[1:], variable.dtype):
        raise StorageError(f"{path} is damaged")
    return array


def _create(store: MemoryStore, variable: Variable) -> None:
    zarr.create_array(
        store,
        name=variable.name or None,
        shape=variable.grid.shape,
        chunks=variable.grid.chunks,
        dtype=variable.dtype,
        fill_value=math.nan if variable.dtype.kind == "f" else (0 if variable.dtype.kind == "u" else NOT_COMPUTED),
        compressors=[ZstdCodec(level=1), Crc32cCodec()],
        dimension_names=variable.grid.dims,
        attributes=dict(variable.attributes),
        zarr_format=3,
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


def _make_room(path: Path) -> None:
    """Remove what stands where a file is to be written: a folder, or files in place of the folders that lead to it."""
    if path.is_dir():
        shutil.rmtree(path)
    for parent in path.parents[:2]:
        if parent.is_file():
            parent.unlink()
