"""Try code of a user's own on one problem, before anything is compiled: what is wrong is said with the user's line."""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._internal.checks import shaped
from .._internal.errors import InputError, shown
from .._internal.own_code import OwnCodeError, is_reference, pointing_at_own_code, short_name
from .._internal.random import pinned, seed_key
from ..config.run import Config, level_of
from ..config.sections import Choice
from ..problems.task import Task
from ..sweep.effective_axes import LOAD
from ..sweep.programs import as_arrays, one_lane, static_key
from ..testing import structure_faults
from ..tuning.objective import Objective
from .plan import DECODERS, Part


def is_own(section: Any) -> bool:
    """Whether what a section stands for, or one of its parts, is code of a user's own."""
    return isinstance(section, Choice) and (is_reference(section.kind) or any(is_own(part) for _, part in section))


@functools.lru_cache(maxsize=256)
def try_ensemble(patterns: Choice) -> None:
    """Raise `InputError` unless an ensemble returns finite patterns that are the same however many others are drawn."""
    kind, ensemble = short_name(patterns.kind), eqx.Partial(patterns.build, **patterns.own_fields())
    with _blaming(kind, patterns.build):
        two, three = (pinned(ensemble)(seed_key(0), num_patterns=number) for number in (2, 3))
        for number, drawn in ((2, two), (3, three)):
            shape = getattr(drawn, "shape", drawn)
            if getattr(drawn, "ndim", None) != 2 or drawn.shape != (two.shape[0], number):
                wanted = "patterns as columns, shape (num_neurons, num_patterns)"
                raise InputError(f"{kind} must return {wanted}; got {shape} for {number}")
        if not np.all(np.isfinite(three)):
            raise InputError(f"{kind} must return finite patterns; got NaN or infinity")
        if not np.allclose(two, three[:, :2], rtol=1e-3, atol=1e-6):
            raise InputError(
                f"{kind} draws other patterns where it draws more of them, so that results at one load would depend on the "
                "other loads: draw each pattern from a key of its own, jax.random.fold_in(key, number), or use "
                "astrojax.random_patterns"
            )


def try_own_code(config: Config, parts: Iterable[Part]) -> None:
    """Try what a run has of a user's own once, however many parts differ from it only in numbers. Raises `InputError`."""

    def measures(part: Part) -> Sequence[Any]:
        chosen = config.decoders if part.name == DECODERS else config.observables
        return chosen if isinstance(chosen, list) else ()

    def has_own(part: Part) -> bool:
        return any(map(is_own, (config.patterns, config.corruption, config.models.get(part.name), *measures(part))))

    own = [(part, one_lane(part.sweep.grid.at(np.zeros(1, int)))) for part in parts if has_own(part)]
    distinct = {(part.name, static_key((as_arrays(part.sweep.sample), lane)), int(lane[LOAD])): part for part, lane in own}
    for part in distinct.values():
        _try_part(config, part, measures(part))


def _try_part(config: Config, part: Part, measures: Sequence[Any]) -> None:
    """Raise `InputError` for what is wrong with the problem, the memory, the decoders or the observables of a part."""
    sample, level = part.sweep.sample, level_of(config.corruption)
    first, last = (one_lane(part.sweep.grid.at(np.array([place]))) for place in (0, part.sweep.grid.size - 1))
    _try_corruption(sample.task, config.corruption, (first[level], last[level]))
    problem = sample.draw(part.root_key, first, int(part.sweep.shapes.capacities[0]))
    if part.name == DECODERS:
        with _blaming_own(config.corruption):
            evidence = sample.evidence(first, problem.query.shape[0])
        for section, decoder in zip(measures, sample.decoders if measures else (), strict=True):
            with _blaming_own(section):
                if (answer := eqx.filter_eval_shape(decoder, problem, evidence)) is not None:
                    shaped(f"what {short_name(section.kind)} returns", answer, problem.target.shape, "one entry per neuron")
        return
    if is_own(model := config.models[part.name]):
        kind = short_name(model.kind)
        try_on_query(lambda: sample.memory(problem, first), problem.query, kind, part.name, sample.build)
    if any(map(is_own, measures)):
        try:
            part.outputs  # noqa: B018
        except Exception:
            for section, item in zip(measures, sample.observables, strict=True):
                with _blaming_own(section):
                    alone = replace(sample, observables=(item,))
                    replace(part, sweep=replace(part.sweep, sample=alone)).outputs  # noqa: B018
            raise


def try_search(objective: Objective, seed: int, model: Choice, corruption: Choice, losses: Iterable[str]) -> None:
    """As `try_own_code`, for what a search minimizes; `losses` are the names of its losses."""
    names, trial = list(losses), objective.trial
    if not (is_own(model) or is_own(corruption) or any(map(is_reference, names))):
        return
    lanes = [one_lane(objective.coordinates(np.array([place]))) for place in (0, len(objective.levels) - 1)]
    level = trial.task.corruption.level_name
    _try_corruption(trial.task, corruption, [lane[level] for lane in lanes])
    problem = objective.problem(seed_key(seed), 0)
    if is_own(model):
        kind = short_name(model.kind)
        try_on_query(lambda: trial.memory(problem, {}), problem.query, kind, kind, trial.build)
    memory = trial.memory(problem, {})
    for name, loss in zip(names, objective.loss.functions.values(), strict=True):
        if is_reference(name):
            with _blaming(short_name(name), loss):
                value = eqx.filter_eval_shape(loss, memory, problem.target, memory.initial_state(problem.query))
                if getattr(value, "shape", None) != () or not jnp.issubdtype(value.dtype, jnp.floating):
                    raise InputError(f"loss {short_name(name)} must return one real number; got {value}")


def _try_corruption(task: Task, corruption: Choice, levels: Iterable[jax.Array]) -> None:
    """Raise `InputError` unless queries are finite and as long as their targets."""
    if not is_own(corruption):
        return
    kind, target = short_name(corruption.kind), task.ensemble(seed_key(0), num_patterns=1)[:, 0]
    with _blaming(kind, corruption.build.__call__):
        for level in levels:
            query = pinned(task.corruption)(seed_key(1), target, level)
            has_shape = getattr(query, "shape", None) == target.shape
            if not has_shape or not np.isfinite(query).all():
                wrong = shown(query if has_shape else getattr(query, "shape", query))
                raise InputError(f"{kind} must return a query of finite numbers, shape {target.shape}; got {wrong}")


def try_on_query(make: Callable[[], Any], query: jax.Array, kind: str, name: str, source: Callable[..., Any]) -> None:
    """Raise `InputError` unless the memory that `make` builds, by code of a `source`, moves and has an energy, all finite."""
    with _blaming(kind, source):
        memory = make()
    with _blaming(kind, type(memory)):
        for method, text in structure_faults(memory, query):
            raise OwnCodeError(f"{place_of(method)}: {method.__name__} of {kind} {text}")
        state = memory.initial_state(query)
        found = jax.jit(lambda state: (memory.vector_field(state), memory.energy(state)))(state)
    for method, value in zip((memory.vector_field, memory.energy), found, strict=True):
        if all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(value)):
            continue
        with pointing_at_own_code(), jax.disable_jit(), jax.debug_nans(True), jax.debug_infs(True):
            method(state)  # raises where the first NaN arises
        raise InputError(f"{place_of(method)}: {method.__name__} of {kind} is not finite for a query of {name}")


@contextmanager
def _blaming(kind: str, function: Callable[..., Any]) -> Iterator[None]:
    """Turn an exception of a user's function into an `InputError` with its line, or else with that of its definition."""
    try:
        with pointing_at_own_code():
            yield
    except OwnCodeError:
        raise
    except InputError as error:
        raise OwnCodeError(f"{place_of(function)}: {error}") from error
    except Exception as error:  # of any kind: it is a user's code
        raise InputError(f"{place_of(function)}: {kind} cannot be used: {type(error).__name__}: {error}") from error


def _blaming_own(section: Choice) -> Any:
    """As `_blaming`, if a section is code of a user's own."""
    return _blaming(short_name(section.kind), section.build) if is_own(section) else nullcontext()


def place_of(function: Any) -> str:
    """File and line of the definition of a function, a method or a class."""
    while hasattr(function, "func"):
        function = function.func
    function = inspect.unwrap(getattr(function, "__func__", function))
    function = function if hasattr(function, "__name__") else type(function)
    try:
        return f"{inspect.getsourcefile(function)}, line {inspect.getsourcelines(function)[1]}"
    except (OSError, TypeError):
        return "code of your own"
