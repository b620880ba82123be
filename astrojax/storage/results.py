"""The labeled dataset of a run, which is filled chunk by chunk and survives interruptions.

A cell comprises the chunks, at one place, of all variables that share a grid. Cells of different jobs share no file. The values
of a job are written before its flags, so flags are always true. Every chunk ends in a checksum of its content; a flag is a
checksum of its cell, which ties it to the run and to its place.
"""

import contextlib
import hashlib
import itertools
import json
import math
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import google_crc32c
import numpy as np
import xarray as xr
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import LocalStore, MemoryStore

from .._internal.errors import InputError
from .._internal.files import StorageError, storing, write_bytes
from ..config.files import run_again

RESULTS, DONE = "results.zarr", "done.zarr"

NOT_COMPUTED = -1
"""Value of integers, such as `status`, that are not computed yet; real numbers are NaN."""

CRC_SIZE = 4
"""Bytes of the CRC-32C at the end of every chunk."""

Region = tuple[slice, ...]
"""A slice along each dimension of a variable."""


class Grid(NamedTuple):
    """How a variable is chunked: names and lengths of its dimensions, and lengths of its chunks."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of chunks along each dimension."""
        return tuple(-(-length // chunk) for length, chunk in zip(self.shape, self.chunks, strict=True))


@dataclass(frozen=True)
class Variable:
    """A variable to be stored: how it is chunked, its type and its attributes."""

    name: str
    grid: Grid
    dtype: np.dtype
    attributes: Mapping[str, str]


class Cells:
    """The cells of the dataset in a folder, numbered consecutively; cells of another `run` have other checksums."""

    def __init__(self, path: Path, run: str, grids: Mapping[str, Grid]) -> None:
        self._path, self._run = path, run
        names: dict[Grid, list[str]] = {}
        for name, grid in grids.items():
            names.setdefault(grid, []).append(name)
        firsts = [0, *itertools.accumulate(math.prod(grid.counts) for grid in names)]
        self.size = firsts.pop()
        """Number of cells."""
        self._groups = [(first, grid, group) for first, (grid, group) in zip(firsts, names.items(), strict=True)]

    def numbers(self, name: str, region: Region) -> list[int]:
        """Numbers of the cells in a region of whole chunks."""
        first, grid, _ = next(group for group in self._groups if name in group[2])
        places = [range(part.start // chunk, -(-part.stop // chunk)) for part, chunk in zip(region, grid.chunks, strict=True)]
        return (first + np.ravel_multi_index(np.ix_(*places), grid.counts)).ravel().tolist()

    def files(self, cell: int) -> list[str]:
        """The files of a cell, inside the folder of the dataset."""
        first, grid, names = next(group for group in reversed(self._groups) if group[0] <= cell)
        place = "/".join(str(number) for number in np.unravel_index(cell - first, grid.counts))
        return [f"{name}/c/{place}" for name in names]

    def checksum(self, cell: int) -> int:
        """A positive 64-bit checksum of the run and of every chunk's place, size and CRC; 0 if a chunk is missing.

        Only the CRC at the end of each chunk is read, not its content.
        """
        digest = hashlib.blake2b(self._run.encode(), digest_size=8)
        for name in self.files(cell):
            try:
                with (self._path / name).open("rb") as file:
                    size = file.seek(0, os.SEEK_END)
                    file.seek(max(size - CRC_SIZE, 0))
                    digest.update(f"{name} {size} ".encode() + file.read())
            except OSError:
                return 0
        return int.from_bytes(digest.digest()) or 1

    def fault(self, cell: int, flag: int) -> str:
        """What is wrong with a cell, as the start of a sentence; nothing if its chunks match their CRCs and the flag."""
        for name in self.files(cell):
            try:
                if not is_whole((self._path / name).read_bytes()):
                    return f"{self._path / name.partition('/')[0]} holds damaged values"
            except OSError:
                return f"{self._path}: the chunk {name} is missing"
        if self.checksum(cell) == flag:
            return ""
        place = self.files(cell)[0].partition("/")[2]
        return f"{self._path} holds damaged values: the chunks at {place} are not those that were computed"


def is_whole(chunk: bytes) -> bool:
    """Whether a chunk ends in the CRC-32C of its content."""
    content, crc = chunk[:-CRC_SIZE], chunk[-CRC_SIZE:]
    return len(crc) == CRC_SIZE and google_crc32c.value(content) == int.from_bytes(crc, "little")


class Results:
    """The dataset of a run, identified by the SHA-256 of its configuration, and the flags of its cells.

    Raises `StorageError` if something cannot be written.
    """

    def __init__(self, folder: Path, coordinates: xr.Dataset, variables: Sequence[Variable], run: str) -> None:
        self.path, self._folder = folder / RESULTS, folder
        self._coordinates, self._variables = coordinates, {variable.name: variable for variable in variables}
        self._cells = Cells(self.path, run, {name: variable.grid for name, variable in self._variables.items()})
        self._flags = Variable("", Grid(("cell",), (self._cells.size,), (1,)), np.dtype(np.uint64), {})
        self._arrays: dict[str, Any] = {}

    def open(self, notice: Callable[[str], None]) -> dict[str, str]:
        """Open what exists, create what is missing, and rewrite what differs, with a notice; stored values are kept.

        Returns the SHA-256 of every file that must not change from now on (descriptions, coordinates), by path in the folder.
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
                    notice(f"{path} {what}; it is rewritten, and values are kept")
                write_bytes(path, content)
            self._open(LocalStore(self.path), list(self._variables), "r+")
        return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}

    def open_for_reading(self, without: Sequence[str] = ()) -> None:
        """Open read-only, `without` some variables. Raises `StorageError` if something is missing or damaged."""
        again = run_again(self._folder)
        store = CheckedStore(self.path, list(self._variables), frozenset(), f"{again} computes them again")
        try:
            self._open(store, [name for name in self._variables if name not in without], "r")
        except StorageError as error:
            raise StorageError(f"{error}; {again} repairs it") from error

    def _open(self, store: LocalStore, names: Sequence[str], mode: str) -> None:
        self._done = _opened(LocalStore(self._folder / DONE), self._flags, mode)
        self._arrays = {name: _opened(store, self._variables[name], mode) for name in names}

    def write(self, regions: Mapping[str, Region], values: Mapping[str, np.ndarray]) -> None:
        """Write a job: each variable into its region of whole chunks, then the job's flags."""
        with storing(self.path):
            for name, region in regions.items():
                self._arrays[name][region] = np.broadcast_to(values[name], [part.stop - part.start for part in region])
            for cell in self._numbers(regions):
                self._done[cell] = self._cells.checksum(cell)

    def done(self) -> np.ndarray:
        """The flags: a checksum for each cell that is done, otherwise 0; shape (cells,)."""
        with contextlib.suppress(Exception):
            return np.asarray(self._done[:])
        done = np.zeros(self._cells.size, np.uint64)
        for cell in range(done.size):
            with contextlib.suppress(Exception):  # of any kind: a damaged flag counts as unset
                done[cell] = self._done[cell]
        return done

    def forget(self, regions: Mapping[str, Region]) -> None:
        """Unset the flags of a job."""
        with storing(self._folder / DONE):
            for cell in self._numbers(regions):
                self._done[cell] = 0

    def is_done(self, regions: Mapping[str, Region], done: np.ndarray) -> bool:
        """Whether all flags of a job are set in `done`."""
        return bool(done[self._numbers(regions)].all())

    def is_intact(self, regions: Mapping[str, Region], done: np.ndarray) -> bool:
        """Whether the stored values of a job match its flags."""
        return not any(self._cells.fault(cell, int(done[cell])) for cell in self._numbers(regions))

    def read(self, name: str, region: Region) -> np.ndarray:
        """Values of a variable, after `open_for_reading`. Raises `StorageError` if they are missing or damaged."""
        try:
            return self._arrays[name][region]
        except Exception as error:  # of any kind: codecs raise many
            raise StorageError(f"{self.path / name} cannot be read: {error}") from error

    def _numbers(self, regions: Mapping[str, Region]) -> list[int]:
        """The cells of a job, whose variables share a grid and a region."""
        name, region = next(iter(regions.items()))
        return self._cells.numbers(name, region)

    def _layout(self) -> dict[str, bytes]:
        """All files except chunks of values, by path in the run folder."""
        dataset: dict[str, Any] = {}
        flags: dict[str, Any] = {}
        for variable in self._variables.values():
            _create(MemoryStore(dataset), variable)
        add_to_store(self._coordinates, dataset)
        _create(MemoryStore(flags), self._flags)
        stores = {RESULTS: dataset, DONE: flags}
        return {f"{store}/{name}": content.to_bytes() for store, files in stores.items() for name, content in files.items()}


class CheckedStore(LocalStore):
    """The store of a dataset in which chunks of the variables `checked` are checked when they are read.

    The files `hidden` are not computed yet; messages about damaged chunks end in the `remedy`.
    """

    def __init__(self, root: Path, checked: Sequence[str], hidden: frozenset[str], remedy: str) -> None:
        super().__init__(root, read_only=True)
        self._checked, self._hidden, self._remedy = frozenset(checked), hidden, remedy

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        """Like `LocalStore.get`. Raises `InputError` for a chunk that is missing or damaged."""
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
    """Add a dataset to the files of a store, by name, with consolidated metadata of all; readers warn without it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # others may not support consolidated metadata
        dataset.to_zarr(MemoryStore(files), mode="a", zarr_format=3, consolidated=True)


def coordinates_of(
    axes: Mapping[str, Mapping[str, Sequence[float | int]]], models: Mapping[str, Sequence[str]], decoders: Sequence[str] | None
) -> xr.Dataset:
    """The coordinates of a run: values by axis and coordinate, the axes that affect each model, and names of decoders."""
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


def _strings(names: Iterable[str]) -> np.ndarray:
    # Objects are stored as variable-length strings, which Zarr v3 specifies, unlike fixed-length ones.
    return np.array(list(names), dtype=object)


def stored_grid(folder: Path, name: str) -> Grid:
    """The grid of a stored variable. Raises exceptions of any kind if its description is damaged."""
    array: Any = zarr.open_array(folder / RESULTS / name, mode="r")
    return Grid(tuple(array.metadata.dimension_names), tuple(array.shape), tuple(array.chunks))


def _opened(store: LocalStore, variable: Variable, mode: str) -> Any:
    """The array of a variable; `StorageError` if it is missing, damaged or different."""
    array: Any = None
    with contextlib.suppress(Exception):  # of any kind: zarr raises many on damaged descriptions
        array = zarr.open_array(store, path=variable.name, mode=mode).with_config({"write_empty_chunks": True})
    if array is None or (array.shape, array.chunks, array.dtype) != (*variable.grid[1:], variable.dtype):
        raise StorageError(f"{store.root / variable.name} is damaged")
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
