"""What a search found, ready to be used: the best values, and memories that have them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .._internal.parameters import DIMENSIONS
from ..config.load import ConfigError, read
from ..config.tune import TuneConfig
from ..models.base import AbstractMemory
from ..storage.folder import CONFIG
from ..storage.tune_results import SearchFolder, best_entry
from ..storage.tune_results import load_search as load_folder
from ..sweep.costs import trajectory_bytes
from ..tuning.objective import Objective
from .build import load_pool, memory_fault, memory_of, task_of


@dataclass(frozen=True)
class Best:
    """What a search chose: of all validations the one with the lowest error; the loss breaks ties.

    Arguments:
        score, start, step: where in the history it is. error, loss: mean Hamming error in neurons and mean loss there.
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
        """A memory of patterns, shape (N, K), with these values; of the whole pool when left out. See `Objective.memory`."""
        return self.objective.memory(self.values, patterns)

    @property
    def t1(self) -> float:
        """The horizon for which the values were found, or that was found itself."""
        return float(self.values.get("t1", self.objective.trial.settings.t1))


class SearchResults(SearchFolder):
    """The results of a search in its run folder.

    Arguments:
        folder: the run folder.
    """

    @property
    def best(self) -> Best:
        """What the search chose, by its history. `InputError` where `history` raises it, or if a file cannot be used."""
        history, config = self.history, read(self.folder / CONFIG, TuneConfig)
        place = best_entry(history)
        entry = history.isel(place)
        score = str(history.score.values[place["score"]])
        values = {
            name: self.read_array(name) if name in DIMENSIONS else shortest(entry[name], config.precision)
            for name in config.parameters
        }
        error, loss = float(entry.validation_error), float(entry.validation_loss)
        return Best(score, place["start"], place["step"], error, loss, values, objective_of(config, score))


def load_search(folder: str | Path) -> SearchResults:
    """The results of a search in its run folder.

    Raises:
        InputError (a ValueError): if the folder is not that of a search.
    """
    return SearchResults(load_folder(folder).folder)


def objective_of(config: TuneConfig, score: str, memory: int | None = None) -> Objective:
    """What a configuration minimizes, with one of its scores.

    Raises:
        ConfigError (an InputError): for a file of patterns or parameters that cannot be used, and for a model of which one
            trajectory takes more than `memory` bytes, if that is given.
    """
    task, num_neurons = task_of(config, load_pool)
    loads = [int(load) for load in config.axes.coordinates()["num_patterns"]["num_patterns"]]
    build, parameters, per_pattern = memory_of(config.models()[score], "model", task, config.name)
    level, levels = config.levels()
    settings = config.retrieval.settings()
    settings.pop("convergence_speed")  # which a search does not ask for
    objective = Objective(
        task,
        build,
        num_patterns=loads,
        levels=levels,
        loss={str(name): weight for name, weight in config.loss.items()},
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
    return objective


def shortest(value: Any, precision: str) -> float:
    """A number in as few digits as stand for it in the precision of the search."""
    return float(str(np.asarray(value, precision)))
