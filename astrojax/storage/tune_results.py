"""The run folder of a search: its history, what was found, and how that does on held-out problems."""

import io
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from .._internal.arrays import read_array
from .._internal.errors import InputError
from .._internal.files import read_sealed_json, storing, write_bytes, write_sealed_json
from ..config.detect import CONFIG, existing, is_search, run_again, run_folders
from ..config.load import read
from ..config.tune import TuneConfig
from ..tuning.record import CHOICE, DEFINITIONS, ranked
from .folder import load
from .provenance import check_files, read_record
from .results import add_to_store

HISTORY, COMPARISON, LANDSCAPE, HELDOUT, TUNED = "history.zarr", "comparison.json", "landscape.json", "heldout", "tuned.yaml"


class SearchFolder:
    """The results of a search in its run folder.

    Arguments:
        folder: the run folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r})"

    @property
    def history(self) -> xr.Dataset:
        """What happened, by score, start and step; NaN beyond the last step of a search.

        Raises:
            InputError (a ValueError): if it cannot be read, and for one of a version that chose in another way.
        """
        if not self.has_history():
            raise InputError(f"{self.folder} is unfinished: {run_again(self.folder)} continues it")
        try:
            history = xr.open_zarr(self.folder / HISTORY, consolidated=False, chunks=None).load()
        except Exception as error:  # of whatever kind: xarray and zarr raise what they like on damaged files
            again = f"{run_again(self.folder)} writes it again"
            raise InputError(f"{self.folder / HISTORY} cannot be read: {error}; {again}") from error
        if history.attrs.get("choice") != CHOICE:
            raise InputError(
                f"{self.folder} was searched by a version of astrojax that chose its values in another way; search again, "
                "into another folder"
            )
        return history

    def has_history(self) -> bool:
        """Whether the searches have ended, so that their history is stored."""
        recorded = read_record(self.folder).get("files")
        is_recorded = recorded is None or any(name.startswith(f"{HISTORY}/") for name in recorded)
        return is_recorded and (self.folder / HISTORY).exists()

    def scalars(self) -> list[str]:
        """Names of the tuned parameters that are single numbers."""
        return list(read(self.folder / CONFIG, TuneConfig).start())

    def files(self) -> list[str]:
        """Names of the files and folders that the search has written, besides configuration, record and checkpoints."""
        arrays = [path.name for path in self.folder.glob("*.npy")]
        return [name for name in (HISTORY, COMPARISON, LANDSCAPE, TUNED, *arrays) if (self.folder / name).exists()]

    def heldout(self) -> xr.Dataset:
        """Runs on held-out problems as one dataset: the dimension `model` has `tuned`, `start` and whatever else was tried.

        Raises:
            InputError (a ValueError): if one of them is missing, unfinished or another one.
        """
        record, folder = read_record(self.folder), self.folder / HELDOUT
        recorded: dict[str, str] = record.get(HELDOUT, {})
        if not recorded or not record.get("finished"):
            raise InputError(f"{self.folder} is unfinished: {run_again(self.folder)} continues it")
        found = {path.name for path in folder.glob("*") if path.is_dir()}
        for name in recorded.keys() - found:
            raise InputError(f"{self.folder} is damaged: {folder / name} is missing; {run_again(self.folder)} repairs it")
        for name in found - recorded.keys():
            raise InputError(f"{folder / name} was not written by the search; remove it")
        for name, digest in recorded.items():
            if read_record(folder / name).get("config_sha256") != digest:
                again = f"remove it, and {run_again(self.folder)} computes it again"
                raise InputError(f"{folder / name} holds the run of another configuration; {again}")
        runs = [load(folder / name).drop_vars("swept_axes") for name in recorded]
        together = xr.concat([run.drop_dims("decoder", errors="ignore") for run in runs], dim="model", join="exact")
        return together.merge(runs[0][["decoder_error"]])

    def comparison(self) -> dict[str, Any]:
        """What other searches found, by method: values, numbers of candidates and of trajectories."""
        return self._read(COMPARISON) or {}

    def landscape(self) -> xr.DataArray | None:
        """The loss on a plane of two parameters through the result, if it was mapped."""
        if (content := self._read(LANDSCAPE)) is None:
            return None
        return xr.DataArray(np.array(content["loss"], float), coords=content["values"], dims=list(content["values"]))

    def write_history(self, histories: Mapping[str, Mapping[str, Sequence[np.ndarray]]]) -> None:
        """Store what happened, by score and name: the values of all starts before and after each step."""
        longest = max(len(rows) for history in histories.values() for rows in history.values())
        columns: dict[str, list[np.ndarray]] = {}
        for history in histories.values():
            for name, rows in history.items():
                padded = np.full((len(rows[0]), longest), np.nan)
                padded[:, : len(rows)] = np.transpose(rows)
                columns.setdefault(name, []).append(padded)
        dataset = xr.Dataset(coords={"score": np.array(list(histories), dtype=object)}, attrs={"choice": CHOICE})
        for name, values in columns.items():
            definition = DEFINITIONS.get(name, "value of the parameter after the step")
            dataset[name] = ("score", "start", "step"), np.stack(values), {"definition": definition}
        files: dict[str, Any] = {}
        add_to_store(dataset, files)
        with storing(self.folder / HISTORY):
            if (self.folder / HISTORY).exists():
                shutil.rmtree(self.folder / HISTORY)
        for name, content in files.items():
            write_bytes(self.folder / HISTORY / name, content.to_bytes())

    def read_array(self, name: str) -> np.ndarray:
        """What was found for a parameter with an entry for each pattern. `InputError` if it cannot be read."""
        return read_array(self.folder / f"{name}.npy")

    def write_array(self, name: str, values: np.ndarray) -> Path:
        """Store what was found for a parameter with an entry for each pattern. Returns the file."""
        content, path = io.BytesIO(), (self.folder / f"{name}.npy").resolve()
        np.save(content, values, allow_pickle=False)
        write_bytes(path, content.getvalue())
        return path

    def write_comparison(self, found: Mapping[str, Any]) -> None:
        """Store what other searches found."""
        write_sealed_json(self.folder / COMPARISON, found, self._config_sha256())

    def write_landscape(self, axes: Mapping[str, np.ndarray], loss: np.ndarray) -> None:
        """Store the loss on a plane of two parameters."""
        rows = [[value if np.isfinite(value) else None for value in row] for row in loss.tolist()]
        content = {"values": {name: values.tolist() for name, values in axes.items()}, "loss": rows}
        write_sealed_json(self.folder / LANDSCAPE, content, self._config_sha256())

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self.folder / name
        return read_sealed_json(path, self._config_sha256()) if path.exists() else None

    def _config_sha256(self) -> str:
        return str(read_record(self.folder).get("config_sha256"))


def best_entry(history: xr.Dataset) -> dict[str, int]:
    """Indices of the best entry of a history along score, start and step, chosen as `CHOICE` says."""
    dims = ("score", "start", "step")
    errors, losses = (history[name].transpose(*dims).values for name in ("validation_error", "validation_loss"))
    best = np.unravel_index(ranked(errors.ravel(), losses.ravel())[0], losses.shape)
    return {dim: int(index) for dim, index in zip(dims, best, strict=True)}


def load_search(folder: str | Path) -> SearchFolder:
    """The results of a search. Its files are compared with what was recorded when they were written.

    Raises:
        InputError (a ValueError): if the folder is not that of a search, or one that is damaged or was changed.
    """
    path = find_search(folder)
    check_files(path, read_record(path))
    return SearchFolder(path)


def find_search(folder: str | Path) -> Path:
    """The run folder of a search; `InputError` (a ValueError) if it is none."""
    path = existing(folder)
    if is_search(path):
        return path
    if (path / CONFIG).is_file():
        text = f"is not the folder of a search; it holds a run, which astrojax run {shlex.quote(str(path))} continues"
        raise InputError(f"{path} {text}")
    raise InputError(f"{path} is not the run folder of a search: no configuration of one is in it{run_folders(path)}")
