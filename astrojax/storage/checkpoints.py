"""Checkpoints of a search: written whole or not at all, and the last but one is kept in case the last cannot be read."""

import hashlib
import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .._internal.checks import RunError
from .._internal.files import write_bytes

CHECKPOINTS = "checkpoints"

CHECKSUM_SIZE = 32
"""Bytes of the SHA-256 at the end of a checkpoint, which NumPy passes over."""

Entry = dict[str, np.ndarray]
"""What is known of one step, by name: a number for each start."""

STATE, HISTORY = "state.", "history."
"""How the names of arrays begin: leaves of the state by number, and columns of the history by name."""


class Checkpoints:
    """Checkpoints of a search, by name, in a run folder: two files that are written in turn, the older one replaced.

    Those of another `run` or name are not used.
    """

    def __init__(self, folder: Path, name: str, run: str) -> None:
        self._paths = [folder / CHECKPOINTS / f"{name}-{turn}.npz" for turn in range(2)]
        self._identity = f"{run} {name} ".encode()
        self._turn = 0

    def save(self, state: Any, history: Sequence[Entry]) -> None:
        """Write a state, a pytree with a `step`, and what happened before and at each step. Raises `StorageError`."""
        arrays = {f"{STATE}{place}": leaf for place, leaf in enumerate(jax.tree.leaves(state))}
        arrays |= {f"{HISTORY}{name}": np.stack([entry[name] for entry in history]) for name in history[0]}
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, step=state.step, **arrays)
        write_bytes(self._paths[self._turn], content.getvalue() + self._checksum(content.getvalue()))
        self._turn = 1 - self._turn

    def load(self, template: Any, on_notice: Callable[[str], None]) -> tuple[Any, list[Entry]] | None:
        """The state and history of the newest intact checkpoint, if any; `RunError` if `template` has another structure."""
        found = []
        for turn, path in [(turn, path) for turn, path in enumerate(self._paths) if path.exists()]:
            try:
                content = path.read_bytes()
                content, checksum = content[:-CHECKSUM_SIZE], content[-CHECKSUM_SIZE:]
                if checksum != self._checksum(content):
                    raise ValueError("its checksum is another one")
                with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                    arrays = dict(archive)
                found.append((arrays["step"].item(), turn, arrays))
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                on_notice(f"{path} is damaged, and is not used: {' '.join(str(error).split()) or type(error).__name__}")
        if not found:
            return None
        step, turn, arrays = max(found, key=lambda one: one[0])
        self._turn = 1 - turn
        leaves = [array for name, array in arrays.items() if name.startswith(STATE)]
        likes, structure = jax.tree.flatten(template)
        if [leaf.shape for leaf in leaves] != [np.shape(like) for like in likes]:
            written = "the checkpoints were written by another version of optax or astrojax"
            raise RunError(f"{written} and cannot be continued; give another folder")
        columns = {name.removeprefix(HISTORY): array for name, array in arrays.items() if name.startswith(HISTORY)}
        history = [{name: array[place] for name, array in columns.items()} for place in range(step + 1)]
        return jax.tree.unflatten(structure, leaves), history

    def _checksum(self, content: bytes) -> bytes:
        return hashlib.sha256(self._identity + content).digest()
