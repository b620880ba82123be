"""From the configuration of a search to a run folder: searched, compared, tried on fresh problems, and written out."""

import contextlib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from .._internal.checks import InputError, RunError
from .._internal.compilation_cache import keep_compiled_programs
from .._internal.files import write_text
from .._internal.parameters import DIMENSIONS
from .._internal.random import pinned, seed_key
from ..config.load import ConfigError, read
from ..config.run import Config
from ..config.tune import TuneConfig
from ..storage import folder as store
from ..storage.checkpoints import Checkpoints, write_array
from ..storage.provenance import Record, as_yaml
from ..storage.tune_results import HELDOUT, TUNED, SearchFolder
from ..storage.tune_results import HISTORY as HISTORY_FILE
from ..sweep.engine import Engine
from ..tuning.baselines import grid_search, random_search
from ..tuning.objective import aggregate, measure
from ..tuning.search import Search, SearchState, as_optimiser, as_schedule
from ..tuning.transforms import Parameter
from .run import Execution, run
from .tune_results import SearchResults, objective_of, shortest


def load_search_config(path: str | Path, **overrides: Any) -> TuneConfig:
    """The configuration of a search in a YAML file, with overrides by dotted key: `load_search_config(path, seed=1)`.

    Raises:
        ConfigError (an InputError and a ValueError): with everything that is wrong, at once.
    """
    return read(path, TuneConfig, overrides)


LANDSCAPE = 3
"""What the random key of the landscape's problems is derived for."""

STARTS = 4
"""What the random key of random starts is derived for."""

METHODS: dict[str, Any] = {"random": random_search, "grid": grid_search}


@dataclass(frozen=True)
class Progress:
    """What a search tells on its way.

    Arguments:
        on_search: called with the name of a search, the steps that are stored already, and all its steps.
        on_step: called with the name of a search and the state after each step.
        on_look: called with the same whenever the held-out problems have been looked at, also before the first step.
        on_part: called with words for whatever else is begun.
        on_notice: told in words what was damaged, or what had to be changed on the way.
    """

    on_search: Callable[[str, int, int], None] = lambda name, done, total: None
    on_step: Callable[[str, SearchState], None] = lambda name, state: None
    on_look: Callable[[str, SearchState], None] = lambda name, state: None
    on_part: Callable[[str], None] = lambda text: None
    on_notice: Callable[[str], None] = lambda text: None


def run_search(
    config: TuneConfig, out: str | Path, *, execution: Execution | None = None, progress: Progress | None = None
) -> SearchResults:
    """Search as a configuration says, into its run folder, begun or continued.

    Arguments:
        config: what to search; see `load_search_config`.
        out: the run folder. execution: how to compute it. progress: what is told on the way.

    Returns:
        The results: the history, the best values, and the runs on fresh problems.

    Raises:
        InputError (a ValueError): for patterns, settings and folders that cannot be used.
        RunError: if memory or disk give out. What was computed before is kept.
    """
    folder, execution, progress = Path(out), execution or Execution(), progress or Progress()
    if execution.cluster is not None:
        raise InputError("cluster: a search runs in one process; its runs on fresh problems can be repeated on a cluster")
    keep_compiled_programs()
    with contextlib.ExitStack() as stack:
        stack.enter_context(jax.enable_x64(config.precision == "float64"))
        engine = Engine(**execution.engine_settings(), on_notice=progress.on_notice)
        searches = _searches(config, engine, progress)
        stack.enter_context(store.locked(folder))
        record = Record(folder, config, progress.on_notice)
        config = record.config  # which names the files in the folder
        record.begin()
        results = SearchResults(folder)
        try:
            histories, states = {}, {}
            for name, search in searches.items():
                checkpoints = Checkpoints(folder, name, record.config_sha256)
                histories[name], states[name] = _followed(config, name, search, checkpoints, progress)
            results.write_history(histories)
            record.add(HISTORY_FILE)
            # Losses may depend on the size of x, which differs between scores; errors can be compared.
            usable = {name: state.lowest for name, state in states.items() if np.isfinite(state.lowest[1])}
            won = min(usable, key=lambda name: usable[name], default=None)
            if won is None:
                raise RunError("no trajectory of any start could be used; look at the bounds and at retrieval.max_steps")
            best = states[won].best
            tuned = _tuned(config, won, best, folder)
            compared = _compared(config, searches, states, won, results, progress)
            _map_landscape(config, searches[won], states[won], results, progress)
            record.add(*results.files())
            record.keep(heldout=_try_on_fresh_problems(config, won, tuned, compared, folder, execution, progress))
        except BaseException:
            with contextlib.suppress(RunError):  # what stopped the search is what should be told
                record.end(engine.timings, finished=False)
            raise
        record.end(engine.timings, finished=True)
    return results


def _searches(config: TuneConfig, engine: Engine, progress: Progress) -> dict[str, Search]:
    """A search for each score; whatever is wrong with the settings is found here."""
    settings = config.optimiser
    try:
        rate: Any = settings.learning_rate
        if settings.schedule is not None:
            first = "value" if settings.schedule.name == "constant_schedule" else "init_value"
            factor = as_schedule(settings.schedule.name, **({first: 1.0} | settings.schedule.arguments))
            rate = lambda step: settings.learning_rate * factor(step)  # noqa: E731
        optimiser = as_optimiser(settings.name, rate, **settings.arguments)
    except InputError as error:
        raise ConfigError(config.name, [("optimiser", str(error))]) from error
    return {
        score: Search(
            objective_of(config, score, engine.memory_per_thread),
            key=seed_key(config.seed),
            parameters=_parameters(config),
            optimiser=optimiser,
            **config.search.model_dump(exclude={"random_starts", "checkpoint_every"}),
            on_look=functools.partial(progress.on_look, score),
            engine=engine,
        )
        for score in config.models()
    }


def _parameters(config: TuneConfig) -> dict[str, Parameter]:
    return {name: Parameter(how.transform, how.low, how.high) for name, how in config.parameters.items()}


@pinned
def _starts(config: TuneConfig, search: Search) -> dict[str, np.ndarray]:
    """Values where the search starts: the model's own, then random ones; parameters of patterns start at the model's, or 0."""
    names, number = list(config.start()), config.search.random_starts
    key = jax.random.fold_in(seed_key(config.seed), STARTS)
    shares = np.asarray(jax.random.uniform(key, (number, max(len(names), 1)), jnp.float32), np.float64)
    values = {
        name: np.concatenate([[config.start()[name]], search.parameters[name].spread(shares[:, place])])
        for place, name in enumerate(names)
    }
    size = search.objective.trial.task.pool_size
    for name in config.parameters:
        if name in DIMENSIONS:
            own = search.objective.trial.per_pattern.get(name, np.zeros(size or 0))
            values[name] = np.tile(np.asarray(own), (number + 1, 1))
    return values


def _followed(
    config: TuneConfig, name: str, search: Search, checkpoints: Checkpoints, progress: Progress
) -> tuple[dict[str, np.ndarray], SearchState]:
    """One search to its end, from its last checkpoint if there is one: what happened, by step and start, and the last state."""
    starts = _starts(config, search)
    keep = [parameter for parameter in config.parameters if parameter not in DIMENSIONS]
    stored = checkpoints.load("step", progress.on_notice)
    if stored is None:
        state = search.init(starts)
        history = [_row(state, keep)]
        checkpoints.save(_as_arrays(state, history))
    else:
        state, history = _from_arrays(search.blank(starts), stored)
    progress.on_search(name, int(state.step), search.num_steps)
    saved = int(state.step)
    try:
        while not search.is_done(state):
            following = search.step(state)
            # Before the state: of an interrupt between the two, a row too many is left out.
            history.append(_row(following, keep))
            state = following
            if int(state.step) % config.search.checkpoint_every == 0 or search.is_done(state):
                checkpoints.save(_as_arrays(state, history))
                saved = int(state.step)
            progress.on_step(name, state)
    except BaseException:
        if saved < int(state.step):
            with contextlib.suppress(RunError):  # what stopped the search is what should be told
                checkpoints.save(_as_arrays(state, history))
        raise
    return {key: np.stack([row[key] for row in history]) for key in history[0]}, state


def _row(state: SearchState, keep: list[str]) -> dict[str, np.ndarray]:
    """What the history holds of a state, by name, one number for each start."""
    return {**state.record._asdict(), **{name: state.values[name] for name in keep}}


HISTORY, STATE = "history.", "state."


def _as_arrays(state: SearchState, history: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    leaves = {f"{STATE}{place}": leaf for place, leaf in enumerate(jax.tree.leaves(state))}
    rows = {f"{HISTORY}{key}": np.stack([row[key] for row in history]) for key in history[0]}
    return {"step": state.step, **leaves, **rows}


def _from_arrays(blank: SearchState, stored: Mapping[str, np.ndarray]) -> tuple[SearchState, list[dict[str, np.ndarray]]]:
    """The state and the history in a checkpoint; `blank` has the structure of the state."""
    blanks, structure = jax.tree.flatten(blank)
    leaves = [stored.get(f"{STATE}{place}", np.zeros(0)) for place in range(len(blanks))]
    if [leaf.shape for leaf in leaves] != [np.shape(one) for one in blanks] or f"{STATE}{len(blanks)}" in stored:
        raise RunError(
            "the checkpoints were written by another version of optax or astrojax and cannot be continued; give another folder"
        )
    state = jax.tree.unflatten(structure, leaves)
    rows = {key.removeprefix(HISTORY): values for key, values in stored.items() if key.startswith(HISTORY)}
    return state, [{key: values[place] for key, values in rows.items()} for place in range(int(state.step) + 1)]


def _tuned(config: TuneConfig, score: str, values: Mapping[str, Any], folder: Path) -> Config:
    """The configuration of a run with the values that were found, written into the folder."""
    alone: dict[str, Any] = {name: shortest(value, config) for name, value in values.items() if name not in DIMENSIONS}
    t1 = alone.pop("t1", None)
    for name in values.keys() & DIMENSIONS.keys():
        alone[name] = (folder / f"{name}.npy").resolve()
        write_array(alone[name], values[name])
    model = config.models()[score]
    model = type(model).model_validate(model.model_dump() | alone)
    tuned = config.heldout("tuned", model, t1=t1, decoders=True)
    write_text(folder / TUNED, as_yaml(tuned, beside=folder))
    return tuned


def _compared(
    config: TuneConfig,
    searches: Mapping[str, Search],
    states: Mapping[str, SearchState],
    won: str,
    results: SearchFolder,
    progress: Progress,
) -> dict[str, dict[str, float]]:
    """What other searches find with as many solved trajectories as all scores had, by their names.

    They are given the score that won.
    """
    found, search = _intact(results.comparison, progress) or {}, searches[won]
    budget = sum(searches[name].num_solves(state) * len(state.best_loss) for name, state in states.items())
    for method in config.compare.methods:
        if method in found:
            continue
        progress.on_part(f"{method} search with {budget:,} trajectories")
        parameters = _parameters(config)
        tried = METHODS[method](
            search.objective,
            parameters,
            key=seed_key(config.seed),
            num_solves=max(budget, config.compare.problems_per_candidate),
            problems_per_candidate=config.compare.problems_per_candidate,
            engine=search.engine,
        )
        values = {name: shortest(value, config) for name, value in tried.best.items()}
        found[method] = {"values": values, "candidates": tried.loss.size, "trajectories": tried.num_solves}
        results.write_comparison(found)
    return {method: found[method]["values"] for method in config.compare.methods}


def _intact(read: Callable[[], Any], progress: Progress) -> Any:
    """What was stored before, or `None` if it is damaged."""
    try:
        return read()
    except InputError as error:
        progress.on_notice(f"{error}; it is made again")
        return None


def _map_landscape(config: TuneConfig, search: Search, state: SearchState, results: SearchFolder, progress: Progress) -> None:
    """The loss on a plane of two parameters through the best values."""
    names = [name for name in config.parameters if name not in DIMENSIONS][:2]
    size = config.landscape.size
    if len(names) < 2 or size == 0 or _intact(results.landscape, progress) is not None:
        return
    progress.on_part(f"the loss on a plane of {names[0]} and {names[1]}")
    axes = {name: search.parameters[name].spread(np.linspace(0, 1, size)) for name in names}
    grid = dict(zip(names, (part.ravel() for part in np.meshgrid(*axes.values(), indexing="ij")), strict=True))
    values = {
        name: jnp.asarray(grid[name] if name in grid else np.broadcast_to(value, (size**2, *np.shape(value))), value.dtype)
        for name, value in state.best.items()
    }
    key = jax.random.fold_in(seed_key(config.seed), LANDSCAPE)
    measured = measure(search.objective, values, key, np.arange(config.landscape.problems), search.engine, name="landscape")
    loss, _, _ = aggregate(measured)
    results.write_landscape(xr.DataArray(loss.reshape(size, size), coords=axes, dims=names))


def _try_on_fresh_problems(
    config: TuneConfig,
    score: str,
    tuned: Config,
    compared: Mapping[str, Mapping[str, float]],
    folder: Path,
    execution: Execution,
    progress: Progress,
) -> dict[str, str]:
    """Runs of the result, the start, the paper's defaults and what other searches found, on the same fresh problems.

    Returns:
        The SHA-256 of their configurations, by name.
    """
    models: dict[str, tuple[Any, float | None]] = {"start": (config.model, None)}
    defaults = type(config.model)(kind=config.model.kind)
    if defaults != config.model or config.retrieval.t1 != 10.0:
        models["defaults"] = (defaults, 10.0)
    for method, values in compared.items():
        model, alone = config.models()[score], {name: value for name, value in values.items() if name != "t1"}
        models[method] = (type(model).model_validate(model.model_dump() | alone), values.get("t1"))
    runs = {"tuned": tuned} | {name: config.heldout(name, model, t1=t1) for name, (model, t1) in models.items()}
    for name, given in runs.items():
        progress.on_part(f"{name}: {given.trials:,} fresh problems of each load and level")
        run(given, folder / HELDOUT / name, execution=execution, on_notice=progress.on_notice)
    return {name: given.sha256() for name, given in runs.items()}
