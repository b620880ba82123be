"""Cells of a dataset: the chunks of all variables of one grid at one place. A checksum ties them to it."""

import hashlib
import itertools
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import google_crc32c
import numpy as np

CRC_SIZE = 4
"""Bytes of the CRC-32C at the end of every chunk."""

Region = tuple[slice, ...]
"""A slice along each dimension of a variable."""


class Grid(NamedTuple):
    """How a variable is divided: names and lengths of its dimensions, and lengths of its chunks."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of chunks along each dimension."""
        return tuple(-(-length // chunk) for length, chunk in zip(self.shape, self.chunks, strict=True))


class Cells:
    """The cells of a dataset, numbered through; variables that share a grid share its cells.

    Arguments:
        path: the folder of the dataset, in Zarr's format.
        run: what identifies the run, as its configuration's SHA-256: a cell of another run has another checksum.
        grids: grids of the variables, by name, in the order of the cells.
    """

    def __init__(self, path: Path, run: str, grids: Mapping[str, Grid]) -> None:
        self._path, self._run = path, run
        names: dict[Grid, list[str]] = {}
        for name, grid in grids.items():
            names.setdefault(grid, []).append(name)
        firsts = itertools.accumulate((math.prod(grid.counts) for grid in names), initial=0)
        self._groups = [(first, grid, group) for first, (grid, group) in zip(firsts, names.items(), strict=False)]
        self.size = sum(math.prod(grid.counts) for grid in names)
        """How many cells there are."""

    def numbers(self, name: str, region: Region) -> list[int]:
        """The cells of a region of whole chunks of a variable."""
        first, grid, _ = next(group for group in self._groups if name in group[2])
        places = [range(part.start // chunk, -(-part.stop // chunk)) for part, chunk in zip(region, grid.chunks, strict=True)]
        return (first + np.ravel_multi_index(np.ix_(*places), grid.counts)).ravel().tolist()

    def files(self, cell: int) -> Iterator[str]:
        """The files of a cell, inside the folder of the dataset."""
        first, grid, names = next(group for group in reversed(self._groups) if group[0] <= cell)
        place = "/".join(str(number) for number in np.unravel_index(cell - first, grid.counts))
        return (f"{name}/c/{place}" for name in names)

    def checksum(self, cell: int) -> int:
        """A positive number of 64 bits that follows from run, place, size and CRC of every chunk; 0 if a chunk is missing.

        Only the CRC at the end of each chunk is read; whether it is that of the content, `is_whole` tells.
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

    def fault(self, cell: int) -> str:
        """What is wrong with a cell whose checksum is another one, as the beginning of a sentence."""
        wholes = {}
        for name in self.files(cell):
            try:
                wholes[name] = is_whole((self._path / name).read_bytes())
            except OSError:
                return f"{self._path}: the chunk {name} is missing"
        damaged = next((name for name, whole in wholes.items() if not whole), None)
        if damaged:
            return f"{self._path / damaged.partition('/')[0]} holds damaged values"
        place = next(iter(wholes)).partition("/")[2]
        return f"{self._path} holds damaged values: the chunks at {place} are not those that were computed"

    def is_intact(self, cell: int, checksum: int) -> bool:
        """Whether all chunks of a cell are there, whole, and those that the checksum was made of."""
        if checksum == 0 or self.checksum(cell) != checksum:
            return False
        try:
            return all(is_whole((self._path / name).read_bytes()) for name in self.files(cell))
        except OSError:
            return False


def is_whole(chunk: bytes) -> bool:
    """Whether a chunk ends in the CRC-32C of what comes before."""
    content, crc = chunk[:-CRC_SIZE], chunk[-CRC_SIZE:]
    return len(crc) == CRC_SIZE and google_crc32c.value(content) == int.from_bytes(crc, "little")
