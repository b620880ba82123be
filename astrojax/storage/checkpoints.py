"""Checkpoints: arrays that are written whole or not at all, and the last but one kept in case the last cannot be read."""

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from .._internal.files import write_bytes

CHECKPOINTS = "checkpoints"

CHECKSUM_SIZE = 32
"""Bytes of the SHA-256 at the end of a checkpoint, which NumPy passes over."""


class Checkpoints:
    """Checkpoints of one name in a run folder: two files that are written by turns, the older one replaced.

    Arguments:
        folder: the run folder. name: of the checkpoints.
        run: what identifies the run; checkpoints of another run or name are not taken.
    """

    def __init__(self, folder: Path, name: str, run: str) -> None:
        self._paths = [folder / CHECKPOINTS / f"{name}-{turn}.npz" for turn in range(2)]
        self._identity = f"{run} {name} ".encode()
        self._turn = 0

    def save(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Write a checkpoint. Raises `StorageError` if it cannot be written; the one before is still there then."""
        path = self._paths[self._turn]
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, **arrays)
        write_bytes(path, content.getvalue() + self._checksum(content.getvalue()))
        self._turn = 1 - self._turn

    def load(self, order: str, notice: Callable[[str], None]) -> dict[str, np.ndarray] | None:
        """The checkpoint with the largest number `order`, or `None` if none can be read; of one that is damaged is told."""
        found = []
        for turn, path in enumerate(self._paths):
            if not path.exists():
                continue
            try:
                content = path.read_bytes()
                content, checksum = content[:-CHECKSUM_SIZE], content[-CHECKSUM_SIZE:]
                if checksum != self._checksum(content):
                    raise ValueError("its checksum is another one")
                with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                    arrays = {name: archive[name] for name in archive.files}
                found.append((arrays[order].item(), turn, arrays))
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                notice(f"{path} is damaged, and is not used: {' '.join(str(error).split()) or type(error).__name__}")
        if not found:
            return None
        _, turn, newest = max(found, key=lambda one: one[0])
        self._turn = 1 - turn
        return newest

    def _checksum(self, content: bytes) -> bytes:
        return hashlib.sha256(self._identity + content).digest()


def write_array(path: Path, values: np.ndarray) -> None:
    """Write an array as a .npy file, whole or not at all. Raises `StorageError` if it cannot be written."""
    content = io.BytesIO()
    np.save(content, np.asarray(values), allow_pickle=False)
    write_bytes(path, content.getvalue())
