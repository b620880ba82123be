"""The run folder of a search: what happened on the way, what was found, and how it does on fresh problems."""

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from .._internal.arrays import read_array
from .._internal.errors import InputError
from .._internal.files import read_sealed_json, storing, write_bytes, write_sealed_json
from ..config.detect import CONFIG, existing, is_search, run_again, run_folders
from .folder import load
from .provenance import check_files, read_record
from .results import add_to_store

HISTORY, COMPARISON, LANDSCAPE, HELDOUT, TUNED = "history.zarr", "comparison.json", "landscape.json", "heldout", "tuned.yaml"

DEFINITIONS = {
    "loss": "mean loss over the problems of the step, before it was taken",
    "hamming_error": "mean Hamming error over the same problems, in neurons",
    "success": "share of them that were recalled without error",
    "gradient_norm": "norm of the mean gradient in unconstrained numbers, after clipping",
    "num_clipped": "problems of the step whose gradient was scaled down",
    "num_non_finite": "problems of the step whose gradient was not finite, and left out",
    "num_failed": "problems of the step whose trajectory failed, and was left out",
    "validation_loss": "mean loss over the held-out problems after the step; NaN where they were not looked at",
    "validation_error": "mean Hamming error over the held-out problems, in neurons; all of them in a trajectory that failed",
    "validation_success": "share of the held-out problems that were recalled without error",
}
"""What is stored of every step, besides the values of the parameters after it."""


CHOICE = "the lowest validation_error; validation_loss breaks ties, then the order of score, start and step"
"""How the best values are chosen, as histories say."""


class SearchFolder:
    """What a search left in its run folder.

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
        """Whether the searches have ended, so that what happened is stored."""
        recorded = read_record(self.folder).get("files")
        is_recorded = recorded is None or any(name.startswith(f"{HISTORY}/") for name in recorded)
        return is_recorded and (self.folder / HISTORY).exists()

    def files(self) -> list[str]:
        """Names of the files and folders that the search has written, besides configuration, record and checkpoints."""
        arrays = [path.name for path in self.folder.glob("*.npy")]
        return [name for name in (HISTORY, COMPARISON, LANDSCAPE, TUNED, *arrays) if (self.folder / name).exists()]

    def heldout(self) -> xr.Dataset:
        """Runs on fresh problems as one dataset: the dimension `model` has `tuned`, `start` and whatever else was tried.

        Raises:
            InputError (a ValueError): if one of them is missing, unfinished or another one.
        """
        record, folder = read_record(self.folder), self.folder / HELDOUT
        recorded: dict[str, str] = record.get(HELDOUT, {})
        if not recorded or not record.get("finished"):
            raise InputError(f"{self.folder} is unfinished: {run_again(self.folder)} continues it")
        found = {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
        for name in recorded.keys() - found:
            raise InputError(f"{self.folder} is damaged: {folder / name} is missing; {run_again(self.folder)} repairs it")
        for name in found - recorded.keys():
            raise InputError(f"{folder / name} was not written by the search; remove it")
        for name, digest in recorded.items():
            if read_record(folder / name).get("config_sha256") != digest:
                again = f"remove it, and {run_again(self.folder)} computes it again"
                raise InputError(f"{folder / name} holds the run of another configuration; {again}")
        runs = [load(folder / name).drop_vars("swept_axes") for name in recorded]
        decoders = runs[0][["decoder_error"]]
        together = xr.concat([one.drop_dims("decoder", errors="ignore") for one in runs], dim="model", join="exact")
        return together.merge(decoders)

    def comparison(self) -> dict[str, Any]:
        """What other searches found, by method: values, numbers of candidates and of trajectories."""
        return self._read(COMPARISON) if (self.folder / COMPARISON).exists() else {}

    def landscape(self) -> xr.DataArray | None:
        """The loss on a plane of two parameters through the result, if it was mapped."""
        if not (self.folder / LANDSCAPE).exists():
            return None
        content = self._read(LANDSCAPE)
        return xr.DataArray(np.array(content["loss"], float), coords=content["values"], dims=list(content["values"]))

    def write_history(self, histories: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Store what happened, by score and name, each an array of shape (steps + 1, starts)."""
        longest = max(len(next(iter(history.values()))) for history in histories.values())
        columns: dict[str, list[np.ndarray]] = {}
        for history in histories.values():
            for name, values in history.items():
                missing = np.full((longest - len(values), values.shape[1]), np.nan)
                columns.setdefault(name, []).append(np.concatenate([values.astype(np.float64), missing]).T)
        dims = ("score", "start", "step")
        variables = {
            name: (dims, np.stack(values), {"definition": DEFINITIONS.get(name, "value of the parameter after the step")})
            for name, values in columns.items()
        }
        scores = np.array(list(histories), dtype=object)
        files: dict[str, Any] = {}
        add_to_store(xr.Dataset(variables, {"score": scores}, {"choice": CHOICE}), files)
        with storing(self.folder / HISTORY):
            if (self.folder / HISTORY).exists():
                shutil.rmtree(self.folder / HISTORY)
        for name, content in files.items():
            write_bytes(self.folder / HISTORY / name, content.to_bytes())

    def read_array(self, name: str) -> np.ndarray:
        """What was found for a parameter with an entry for each pattern. `InputError` if it cannot be read."""
        return read_array(self.folder / f"{name}.npy")

    def write_comparison(self, found: Mapping[str, Any]) -> None:
        """Store what other searches found."""
        write_sealed_json(self.folder / COMPARISON, found, self._run())

    def write_landscape(self, loss: xr.DataArray) -> None:
        """Store the loss on a plane of two parameters."""
        rows = [[value if np.isfinite(value) else None for value in row] for row in loss.values.tolist()]
        axes = {str(dim): loss[dim].values.tolist() for dim in loss.dims}
        write_sealed_json(self.folder / LANDSCAPE, {"values": axes, "loss": rows}, self._run())

    def _read(self, name: str) -> dict[str, Any]:
        return read_sealed_json(self.folder / name, self._run())

    def _run(self) -> str:
        """What identifies the search: the SHA-256 of its configuration."""
        return str(read_record(self.folder).get("config_sha256"))


def load_search(folder: str | Path) -> SearchFolder:
    """What a search left in its run folder. Its files are compared with what was recorded when they were written.

    Raises:
        InputError (a ValueError): if the folder is not that of a search, or one that is damaged or was changed.
    """
    path = find_search(folder)
    check_files(path, read_record(path))
    return SearchFolder(path)


def find_search(folder: str | Path) -> Path:
    """The run folder of a search; `InputError` (a ValueError) if it is none."""
    path = existing(folder)
    if not is_search(path):
        if (path / CONFIG).is_file():
            text = f"is not the folder of a search; it holds a run, which astrojax run {shlex.quote(str(path))} continues"
            raise InputError(f"{path} {text}")
        raise InputError(f"{path} is not the run folder of a search: no configuration of one is in it{run_folders(path)}")
    return path
