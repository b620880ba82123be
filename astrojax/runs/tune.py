"""From the configuration of a search to its run folder: search, compare, evaluate on held-out problems, and store."""

import contextlib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .._internal.checks import InputError, RunError
from .._internal.compilation_cache import keep_compiled_programs
from .._internal.files import write_text
from .._internal.own_code import pointing_at_own_code
from .._internal.parameters import DIMENSIONS
from .._internal.random import seed_key
from ..config.run import Config
from ..config.tune import TuneConfig
from ..config.validation import ConfigError, read
from ..storage import folder as store
from ..storage.checkpoints import Checkpoints, Entry
from ..storage.provenance import Record, as_yaml
from ..sweep.engine import Engine
from ..tuning.baselines import grid_search, landscape, random_search, random_values
from ..tuning.record import ranked
from ..tuning.search import STARTS, Search, SearchState, as_optimizer, scheduled
from ..tuning.transforms import Parameter
from .run import Execution, run
from .tune_results import COMPARISON, HELDOUT, HISTORY, LANDSCAPE, TUNED, SearchResults, objective_of, shortest


def load_search_config(path: str | Path, *, trust: bool = False, **overrides: Any) -> TuneConfig:
    """The configuration of a search in a YAML file, with overrides by dotted key: `load_search_config(path, seed=1)`.

    `trust` lets code that it names run; see `load_config`.

    Raises:
        ConfigError (an InputError and a ValueError): with everything that is wrong, at once.
    """
    return read(path, TuneConfig, overrides, trust=trust)


@dataclass(frozen=True)
class Progress:
    """Callbacks of a search.

    Arguments:
        on_search: called with the name of a search, the steps that are stored already, and all its steps.
        on_step: called with the name of a search and the state after each step.
        on_validation: called with the same after each validation, also before the first step.
        on_part: called with the name of each other part when it begins.
        on_notice: called with a message about damaged files and reduced batch layouts.
    """

    on_search: Callable[[str, int, int], None] = lambda name, done, total: None
    on_step: Callable[[str, SearchState], None] = lambda name, state: None
    on_validation: Callable[[str, SearchState], None] = lambda name, state: None
    on_part: Callable[[str], None] = lambda text: None
    on_notice: Callable[[str], None] = lambda text: None


def run_search(
    config: TuneConfig, out: str | Path, *, execution: Execution | None = None, progress: Progress | None = None
) -> SearchResults:
    """Search as a configuration says, into a new run folder or one that is continued.

    Arguments:
        config: what to search; see `load_search_config`.
        out: the run folder. execution: how to compute it. progress: callbacks.

    Returns:
        The results: the history, the best values, and the runs on held-out problems.

    Raises:
        InputError (a ValueError): for patterns, settings and folders that cannot be used.
        RunError: if memory or disk give out. What was computed before is kept.
    """
    folder, execution, progress = Path(out), execution or Execution(), progress or Progress()
    if execution.cluster is not None:
        raise InputError("cluster: a search runs in one process; its runs on held-out problems can be repeated on a cluster")
    keep_compiled_programs()
    with contextlib.ExitStack() as stack:
        stack.enter_context(pointing_at_own_code())
        stack.enter_context(jax.enable_x64(config.precision == "float64"))
        engine = Engine(**execution.engine_settings(), on_notice=progress.on_notice)
        tuning = _build(config, engine, SearchResults(folder), progress)
        stack.enter_context(store.locked(folder))
        record = Record(folder, config, progress.on_notice)
        tuning = replace(tuning, config=record.config)  # with paths of the copies in the folder
        record.begin()
        with record.ending(engine.timings):
            states = tuning.search(record.config_sha256)
            record.keep(HISTORY)
            runs = tuning.heldout_runs(states)
            record.keep(*tuning.results.files())
            for name, given in runs.items():
                progress.on_part(f"{name}: {given.trials:,} held-out problems of each load and level")
                run(given, folder / HELDOUT / name, execution=execution, on_notice=progress.on_notice)
            record.keep(heldout={name: given.sha256() for name, given in runs.items()})
    return tuning.results


@dataclass(frozen=True)
class _Tuning:
    """All that a configuration asks for: searches by score, and where each starts, from the model's values and random ones."""

    config: TuneConfig
    searches: Mapping[str, Search]
    starts: Mapping[str, np.ndarray]
    results: SearchResults
    progress: Progress

    def search(self, run: str) -> dict[str, SearchState]:
        """The last state of each search, whose histories are stored. `run` identifies the run of checkpoints."""
        found = {name: self._run_search(name, Checkpoints(self.results.folder, name, run)) for name in self.searches}
        self.results.write_history({name: history for name, (_, history) in found.items()})
        return {name: state for name, (state, _) in found.items()}

    def _run_search(self, name: str, checkpoints: Checkpoints) -> tuple[SearchState, list[Entry]]:
        """The last state of one search, which is continued from its last checkpoint if there is one, and its history."""
        search, checkpoint_every = self.searches[name], self.config.search.checkpoint_every
        stored = checkpoints.load(search.template(self.starts), self.progress.on_notice)
        if stored is None:
            state = search.init(self.starts)
            history = [self._entry(state)]
            checkpoints.save(state, history)
        else:
            state, history = stored
        self.progress.on_search(name, int(state.step), search.num_steps)
        saved = int(state.step)
        try:
            while not search.is_done(state):
                following = search.step(state)
                # Before the state: if an interrupt comes in between, the entry is dropped when the checkpoint is loaded.
                history.append(self._entry(following))
                state = following
                if int(state.step) % checkpoint_every == 0 or search.is_done(state):
                    checkpoints.save(state, history)
                    saved = int(state.step)
                self.progress.on_step(name, state)
        except BaseException:
            if saved < int(state.step):
                with contextlib.suppress(RunError):  # what stopped the search is raised
                    checkpoints.save(state, history)
            raise
        return state, history

    def _entry(self, state: SearchState) -> Entry:
        """The entry of a state in the history, by name, one number for each start."""
        return {**state.record._asdict(), **{name: state.values[name] for name in self.config.start()}}

    def heldout_runs(self, states: Mapping[str, SearchState]) -> dict[str, Config]:
        """Store the best values and the loss around them. Returns runs of these, the start, the defaults and other searches."""
        best, config = _best_score(states), self.config
        values = {
            name: self.results.write_array(name, value) if name in DIMENSIONS else shortest(value, config.precision)
            for name, value in states[best].best.items()
        }
        model = config.models()[best]
        tuned = config.heldout("tuned", model, values, decoders=True)
        write_text(self.results.folder / TUNED, as_yaml(tuned, beside=self.results.folder))
        runs = {"tuned": tuned, "start": config.heldout("start", config.model, {})}
        defaults, t1 = type(config.model)(kind=config.model.kind), type(config.retrieval)().t1
        if (defaults, t1) != (config.model, config.retrieval.t1):
            runs["defaults"] = config.heldout("defaults", defaults, {"t1": t1})
        for method, found in self._compare(states, best).items():
            runs[method] = config.heldout(method, model, found)
        self._map_landscape(self.searches[best], states[best].best)
        return runs

    def _compare(self, states: Mapping[str, SearchState], best: str) -> dict[str, dict[str, float]]:
        """The values that other searches find with the best score and as many trajectories as all scores had, by method."""
        found, search, settings = self._intact(self.results.comparison) or {}, self.searches[best], self.config.compare
        budget = sum(self.searches[name].num_solves(state) * len(state.best_loss) for name, state in states.items())
        for method in settings.methods:
            if method in found:
                continue
            self.progress.on_part(f"{method} search with {budget:,} trajectories")
            search_without_gradients = random_search if method == "random" else grid_search
            tried = search_without_gradients(
                search.objective,
                {name: search.parameters[name] for name in self.config.parameters},
                key=search.key,
                num_solves=max(budget, settings.problems_per_candidate),
                problems_per_candidate=settings.problems_per_candidate,
                engine=search.engine,
            )
            values = {name: shortest(value, self.config.precision) for name, value in tried.best.items()}
            found[method] = {"values": values, "candidates": tried.loss.size, "trajectories": tried.num_solves}
            self.results.write(COMPARISON, found)
        return {method: found[method]["values"] for method in settings.methods}

    def _map_landscape(self, search: Search, best: Mapping[str, Any]) -> None:
        """Store the loss on a plane of the first two parameters that are single numbers."""
        names, settings = list(self.config.start())[:2], self.config.landscape
        if len(names) == 2 and settings.size > 0 and self._intact(self.results.landscape) is None:
            self.progress.on_part(f"the loss on a plane of {' and '.join(names)}")
            axes, loss = landscape(search, best, names, settings.size, settings.problems)
            rows = [[value if np.isfinite(value) else None for value in row] for row in loss.tolist()]
            self.results.write(LANDSCAPE, {"values": {name: values.tolist() for name, values in axes.items()}, "loss": rows})

    def _intact(self, read: Callable[[], Any]) -> Any:
        """What is stored, or `None` if it is damaged."""
        try:
            return read()
        except InputError as error:
            self.progress.on_notice(f"{error}; it is computed again")
            return None


def _build(config: TuneConfig, engine: Engine, results: SearchResults, progress: Progress) -> _Tuning:
    """All that a configuration asks for; whatever is wrong with its settings is found here."""
    key, start, settings, schedule = seed_key(config.seed), config.start(), config.optimiser, config.optimiser.schedule
    try:
        rate: Any = settings.learning_rate
        if schedule is not None:
            rate = scheduled(rate, schedule.name, **schedule.arguments)
        optimizer = as_optimizer(settings.name, rate, **settings.arguments)
    except InputError as error:
        raise ConfigError(config.name, [("optimiser", str(error))]) from error
    parameters = {name: Parameter(how.transform, how.low, how.high) for name, how in config.parameters.items()}
    searches = {
        score: Search(
            objective_of(config, score, engine.memory_per_thread),
            key=key,
            parameters=parameters,
            optimiser=optimizer,
            **config.search.model_dump(exclude={"random_starts", "checkpoint_every"}),
            on_look=functools.partial(progress.on_validation, score),
            engine=engine,
        )
        for score in config.models()
    }
    number, trial = config.search.random_starts, next(iter(searches.values())).objective.trial
    drawn = random_values({name: parameters[name] for name in start}, jax.random.fold_in(key, STARTS), number)
    starts = {name: np.concatenate([[value], drawn[name]]) for name, value in start.items()}
    for name in DIMENSIONS:
        if name in parameters:  # with an entry for each pattern, which starts at the model's, or at 0
            entries = trial.per_pattern.get(name, np.zeros(trial.task.pool_size or 0))
            starts[name] = np.tile(np.asarray(entries), (number + 1, 1))
    return _Tuning(config, searches, starts, results, progress)


def _best_score(states: Mapping[str, SearchState]) -> str:
    """The score of the search with the lowest validation error; see `ranked`."""
    best = [(state.best_error[state.best_start], state.best_loss[state.best_start]) for state in states.values()]
    error, loss = np.transpose(best)
    place = ranked(error, loss)[0]
    if not np.isfinite(loss[place]):
        raise RunError("no trajectory of any start could be used; look at the bounds and at retrieval.max_steps")
    return list(states)[place]
