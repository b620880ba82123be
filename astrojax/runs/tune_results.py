"""The run folder of a search: its history, what was found, and how that does on held-out problems."""

import io
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from .._internal.arrays import read_array
from .._internal.errors import InputError
from .._internal.files import read_sealed_json, storing, write_bytes, write_sealed_json
from .._internal.own_code import is_reference
from .._internal.parameters import DIMENSIONS
from ..config.files import CONFIG, run_again, run_folder
from ..config.run import level_of
from ..config.sections import named
from ..config.tune import TuneConfig
from ..config.validation import ConfigError, read
from ..models.base import AbstractMemory
from ..storage.checkpoints import Entry
from ..storage.folder import load
from ..storage.provenance import check_files, read_record
from ..storage.results import add_to_store
from ..sweep.costs import trajectory_bytes
from ..tuning.objective import Objective
from ..tuning.record import CHOICE, measures_in, ranked
from .build import load_pool, memory_fault, memory_of, task_of
from .dry_run import try_search

HISTORY, COMPARISON, LANDSCAPE, HELDOUT, TUNED = "history.zarr", "comparison.json", "landscape.json", "heldout", "tuned.yaml"


@dataclass(frozen=True)
class Best:
    """What a search chose: of all validations the one with the lowest error; the loss breaks ties.

    Arguments:
        score, start, step: where in the history it is. loss: mean loss there. error: mean Hamming error in neurons, or
            root mean squared error where patterns are not of ±1.
        values: what was found, by parameter: numbers, and arrays with an entry for each pattern of the pool.
        objective: what was minimized.
    """

    score: str
    start: int
    step: int
    error: float
    loss: float
    values: Mapping[str, Any]
    objective: Objective = field(repr=False)

    def memory(self, patterns: jax.typing.ArrayLike | None = None) -> AbstractMemory:
        """A memory of patterns, shape (N, K), with these values; of the whole pool if omitted. See `Objective.memory`."""
        return self.objective.memory(self.values, patterns)

    @property
    def t1(self) -> float:
        """The horizon for which the values were found, or that was found itself."""
        return float(self.values.get("t1", self.objective.trial.settings.t1))


class SearchResults:
    """The results of a search in its run folder, `folder`."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r})"

    @property
    def best(self) -> Best:
        """What the search chose, by its history. `InputError` where `history` raises it, for a file that cannot be used, or for
        code that is not trusted."""
        history, config = self.history, read(self.folder / CONFIG, TuneConfig)
        place = best_entry(history)
        entry = history.isel(place)
        score = str(entry.score.values)
        values = {
            name: read_array(self.folder / f"{name}.npy") if name in DIMENSIONS else shortest(entry[name], config.precision)
            for name in config.parameters
        }
        error, loss = float(entry.validation_error), float(entry.validation_loss)
        return Best(score, place["start"], place["step"], error, loss, values, objective_of(config, score))

    @property
    def history(self) -> xr.Dataset:
        """What happened, by score, start and step; NaN beyond the last step of a search. `InputError` if it is unfinished."""
        if not self.has_history():
            raise InputError(f"{self.folder} is unfinished: {run_again(self.folder)} continues it")
        return xr.open_zarr(self.folder / HISTORY, consolidated=False, chunks=None).load()

    def has_history(self) -> bool:
        """Whether the searches have ended, so that their history is stored."""
        return any(name.startswith(f"{HISTORY}/") for name in read_record(self.folder)["files"])

    def scalars(self) -> list[str]:
        """Names of the tuned parameters that are single numbers."""
        return [name for name in read(self.folder / CONFIG, TuneConfig, trust=None).parameters if name not in DIMENSIONS]

    def heldout(self) -> xr.Dataset:
        """Runs on held-out problems as one dataset: the dimension `model` has `tuned`, `start` and whatever else was tried.

        Raises `InputError` (a ValueError) if one of them is missing, unfinished or another one.
        """
        record, folder = read_record(self.folder), self.folder / HELDOUT
        recorded: dict[str, str] = record.get(HELDOUT, {})
        if not recorded or not record["finished"]:
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
        return together.merge(runs[0][[name for name in ("decoder_error", "decoder_identified") if name in runs[0]]])

    def comparison(self) -> dict[str, Any]:
        """What other searches found, by method: values, numbers of candidates and of trajectories."""
        return self._read(COMPARISON) or {}

    def landscape(self) -> xr.DataArray | None:
        """The loss on a plane of two parameters through the result, if it was mapped."""
        if (content := self._read(LANDSCAPE)) is None:
            return None
        return xr.DataArray(np.array(content["loss"], float), coords=content["values"], dims=list(content["values"]))

    def files(self) -> list[str]:
        """Names of the files and folders that the search has written, besides configuration, record and checkpoints."""
        arrays = [path.name for path in self.folder.glob("*.npy")]
        return [name for name in (HISTORY, COMPARISON, LANDSCAPE, TUNED, *arrays) if (self.folder / name).exists()]

    def write_history(self, histories: Mapping[str, Sequence[Entry]]) -> None:
        """Store what happened, by score: an entry before the first step, and one after each."""
        longest = max(len(history) for history in histories.values())
        dataset = xr.Dataset(coords={"score": np.array(list(histories), dtype=object)}, attrs={"choice": CHOICE})
        for name in (names := next(iter(histories.values()))[0]):
            definition = measures_in(names).definitions.get(name, "value of the parameter after the step")
            each = [np.array([entry[name] for entry in history], float).T for history in histories.values()]
            padded = [np.pad(rows, ((0, 0), (0, longest - rows.shape[1])), constant_values=np.nan) for rows in each]
            dataset[name] = ("score", "start", "step"), np.stack(padded), {"definition": definition}
        files: dict[str, Any] = {}
        add_to_store(dataset, files)
        with storing(self.folder / HISTORY):
            if (self.folder / HISTORY).exists():
                shutil.rmtree(self.folder / HISTORY)
        for name, content in files.items():
            write_bytes(self.folder / HISTORY / name, content.to_bytes())

    def write_array(self, name: str, values: np.ndarray) -> Path:
        """Store what was found for a parameter with an entry for each pattern. Returns the file."""
        content, path = io.BytesIO(), (self.folder / f"{name}.npy").resolve()
        np.save(content, values, allow_pickle=False)
        write_bytes(path, content.getvalue())
        return path

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Store the comparison or the landscape, with a checksum."""
        write_sealed_json(self.folder / name, content, self._config_sha256())

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self.folder / name
        return read_sealed_json(path, self._config_sha256()) if path.exists() else None

    def _config_sha256(self) -> str:
        return str(read_record(self.folder)["config_sha256"])


def best_entry(history: xr.Dataset) -> dict[str, int]:
    """Indices of the best entry of a history along score, start and step, chosen as `CHOICE` says."""
    dims = ("score", "start", "step")
    errors, losses = (history[name].transpose(*dims).values for name in ("validation_error", "validation_loss"))
    best = np.unravel_index(ranked(errors.ravel(), losses.ravel())[0], losses.shape)
    return {dim: int(index) for dim, index in zip(dims, best, strict=True)}


def load_search(folder: str | Path) -> SearchResults:
    """The results of a search in its run folder. Its files are compared with what was recorded when they were written.

    Raises:
        InputError (a ValueError): if the folder is not that of a search, or one that is damaged or was changed.
    """
    path = run_folder(folder, "tune")
    check_files(path, read_record(path))
    return SearchResults(path)


def objective_of(config: TuneConfig, score: str, memory: int | None = None) -> Objective:
    """What a configuration minimizes, with one of its scores.

    Raises `ConfigError` for a file that cannot be used, and if one trajectory takes more than `memory` bytes, if that is given;
    `InputError` for losses that compare signs of other numbers than ±1.
    """
    task, num_neurons = task_of(config, load_pool)
    loads = [int(load) for load in config.axes.values()["num_patterns"]]
    build, parameters, per_pattern = memory_of(config.models()[score], "model", task, num_neurons, config.name)
    level = level_of(config.corruption)
    levels = config.axes.values()[level]
    settings = config.retrieval.settings()
    settings.pop("convergence_speed")  # which a search does not ask for
    objective = Objective(
        task,
        build,
        num_patterns=loads,
        levels=levels,
        loss={named("loss", name) if is_reference(name) else name: weight for name, weight in config.loss.items()},
        gradient=config.gradient,
        parameters=parameters,
        per_pattern=per_pattern,
        **settings,
    )
    first = {"num_patterns": np.array([max(loads)]), level: np.array(levels[:1]), "trial": np.array([0])}
    needed = trajectory_bytes(objective.trial, first, max(loads))
    if memory and (fault := memory_fault(task, num_neurons, max(loads), needed, memory)):
        raise ConfigError(config.name, [("model", fault)])
    objective.check(list(config.parameters))
    try_search(objective, config.seed, config.models()[score], config.corruption, config.loss)
    return objective


def shortest(value: Any, precision: str) -> float:
    """A number in as few digits as stand for it in the precision of the search."""
    return float(str(np.asarray(value, precision)))
