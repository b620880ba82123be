"""From a configuration to objects: memories, tasks, and the plan of a run."""

import functools
import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from pydantic import ValidationError

from .._internal.arrays import read_array, transposition
from .._internal.checks import InputError
from .._internal.errors import shown_bytes
from .._internal.parameters import PER_PAIR
from .._internal.random import seed_key
from .._internal.registry import members
from ..config.axes import LEVELS, is_traced
from ..config.run import Config, level_of
from ..config.sections import PARAMETERS, PATTERNS, POOLS, STATIC, Choice, MemorySection, parameters_of
from ..config.tune import TuneConfig
from ..config.validation import ConfigError
from ..models import AbstractMemory
from ..problems.patterns import classes_of, pooled_patterns
from ..problems.task import Task
from ..sweep.effective_axes import effective_coordinates
from ..sweep.execution import Sweep
from ..sweep.trials import DecoderTrial, RecallTrial
from .dry_run import is_own, try_ensemble, try_own_code
from .plan import DECODERS, Part, Plan

LoadPool = Callable[[Any, str, str], tuple[jax.Array, jax.Array | None]]


def build(config: Config, memory: int | None = None) -> Plan:
    """The plan of a run.

    Raises `ConfigError` for a pattern file that cannot be used, or does not fit the axes, for values of axes that do not go
    together, for axes without effect on any model, and if one trajectory takes more than `memory` bytes, if that is given.
    """
    axes = config.swept_axes()
    own = config.own_axes()
    outer = [axis for axis, named in axes.items() if not all(is_traced(name, own) for name in named)]
    dims = {
        name: [axis for axis, named in axes.items() if any(_matters(config, coordinate, name) for coordinate in named)]
        for name in [*config.models, *([DECODERS] if config.decoders else [])]
    }
    load = functools.cache(load_pool)
    parts = tuple(part for name, varied in dims.items() for part in _parts(config, name, varied, outer, load))
    _refuse_parts_that_do_not_fit(config, parts)
    try_own_code(config, parts)
    if memory is not None:
        _refuse_too_large(config, parts, memory)
    _refuse_idle_parameters(config, parts)
    return Plan(config, parts, dims, outer)


def _refuse_parts_that_do_not_fit(config: Config, parts: Sequence[Part]) -> None:
    """Raise `ConfigError` for a model that refuses its parts, such as a score that does not go with its activation."""
    for part in parts:
        if part.name != DECODERS and not is_own(config.models[part.name]):  # a user's own is tried by itself
            try:
                part.sweep.shapes  # noqa: B018 (which builds the memory)
            except InputError as error:
                raise ConfigError(config.name, [(f"models.{part.name}", str(error))]) from error


def _parts(config: Config, name: str, dims: Sequence[str], outer: Sequence[str], load: LoadPool) -> Iterator[Part]:
    axes = {axis: named for axis, named in config.swept_axes().items() if axis in dims}
    inner = {axis: named for axis, named in axes.items() if axis not in outer}
    own = config.own_axes()
    steps = {axis: range(len(next(iter(named.values())))) for axis, named in axes.items() if axis in outer}
    for positions in itertools.product(*steps.values()):
        place = dict(zip(steps, positions, strict=True))
        point = {key: values[at] for axis, at in place.items() for key, values in axes[axis].items()}
        fields = {key: value for key, value in point.items() if not is_traced(key, own) and _matters(config, key, name)}
        seed = fields.pop("seed", config.seed)
        variant = _variant(config, fields)
        task, num_neurons = task_of(variant, load)
        chosen = config.decoders
        sample: Any = DecoderTrial(task, None if isinstance(chosen, bool) else [member_of(one) for one in chosen])
        if name != DECODERS:
            make, parameters, per_pattern = memory_of(variant.models[name], f"models.{name}", task, num_neurons, config.name)
            observables = None if config.observables is None else [member_of(one) for one in config.observables]
            solve = variant.retrieval.settings()
            sample = RecallTrial(task, make, parameters, per_pattern=per_pattern, observables=observables, **solve)
        # A coordinate that runs along with a field is an axis of one value within the part.
        within = {key: [value] for key, value in point.items() if is_traced(key, own)}
        sweep = Sweep(sample, {**inner, **within}, task.pool_size, program_cost=None)
        yield Part(name, sweep, place, seed_key(int(seed)), num_neurons)


def _matters(config: Config, coordinate: str, name: str) -> bool:
    """Whether a coordinate changes anything about a model or the decoders."""
    if coordinate in numbers_of(config):
        return name != DECODERS and coordinate in config.models[name].every_number()
    match coordinate.split("."):
        case ["models", model, *_]:
            return model == name
        case ["retrieval", _]:
            return name != DECODERS
        case _:
            return True


def numbers_of(config: Config) -> set[str]:
    """Numbers that memories may have: the package's, and those of a user's own code."""
    return {*PARAMETERS, *config.own_axes()} - {level_of(config.corruption)}


def _refuse_idle_parameters(config: Config, parts: Sequence[Part]) -> None:
    """Raise `ConfigError` for axes over parameters that have no effect on the models they are of."""
    numbers = numbers_of(config)
    coordinates = [name for named in config.swept_axes().values() for name in named]
    of_models = [name for name in coordinates if "." not in name or name.startswith("models.")]
    swept = [name for name in of_models if name.split(".")[-1] in numbers]
    idle = set(swept)
    for part in parts:
        ours = {name: name.split(".")[-1] for name in idle if _matters(config, name, part.name)}
        if ours:
            lane = part.sweep.grid.at(np.zeros(1, int)) | {parameter: np.ones(1) for parameter in ours.values()}
            capacity = int(part.sweep.shapes.capacities[0])
            effective = effective_coordinates(part.sweep.sample, part.root_key, lane, capacity)
            idle -= {name for name, parameter in ours.items() if parameter in effective}
    if faults := [(f"axes.{name}", "has no effect on any model here") for name in swept if name in idle]:
        raise ConfigError(config.name, faults)


def _refuse_too_large(config: Config, parts: Sequence[Part], memory: int) -> None:
    faults: dict[str, str] = {}
    for part in parts:
        needed = part.sweep.trajectory_bytes()
        if fault := memory_fault(part.sweep.sample.task, part.num_neurons, part.capacity, needed, memory):
            faults.setdefault(DECODERS if part.name == DECODERS else f"models.{part.name}", fault)
    if faults:
        raise ConfigError(config.name, list(faults.items()))


def memory_fault(task: Task, num_neurons: int, capacity: int, needed: int, memory: int) -> str | None:
    """What is wrong with a model of which one trajectory, padded to `capacity` patterns, takes more than `memory` bytes."""
    keywords = getattr(task.ensemble, "keywords", {})
    shared = next((name for name in ("num_prototypes", "num_features") if name in keywords), "")
    needed += num_neurons * keywords.get(shared, 0)
    if needed <= memory:
        return None
    source = f" of {keywords[shared]:,} {shared.removeprefix('num_')} (patterns.{shared})" if shared else ""
    return (
        f"one trajectory of {num_neurons:,} neurons (patterns.num_neurons) and {capacity:,} patterns (axes.num_patterns)"
        f"{source} takes at least {shown_bytes(needed)} of memory; {shown_bytes(memory)} are available to each thread "
        "(--memory, --threads)"
    )


def _variant(config: Config, fields: Mapping[str, float | int]) -> Config:
    try:
        return config.replaced(fields)
    except ValidationError as error:
        given = ", ".join(f"{path} = {value}" for path, value in fields.items())
        raise ConfigError(config.name, [("axes", f"at {given}: {fault['msg']}") for fault in error.errors()]) from error


def memory_of(
    model: MemorySection, path: str, task: Task, num_neurons: int, source: str
) -> tuple[Callable[..., AbstractMemory], dict[str, Any], dict[str, jax.Array]]:
    """How the memory of a section is built: a function, its dynamical parameters, and those of each pattern.

    Raises `ConfigError` of the `source` for a file of parameters that cannot be used, with the dotted `path` of the section.
    """
    settings = {name: value for name, value in model.own_fields().items() if name not in model.score_fields}
    per_pattern = _read_files(model, settings, path, source, task, num_neurons)
    # Every real number is traced, so that memories that differ in them share a program.
    parameters = {name: settings.pop(name) for name, value in list(settings.items()) if isinstance(value, float)}
    make = _without_static(model.build, parameters)
    own_of_score = {name: value for name in model.score_fields if (value := getattr(model, name)) is not None}
    parts: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {}
    for name, section in settings.items():
        if isinstance(section, Choice):
            own = section.own_fields() | (own_of_score if name == "score" else {})
            make_part = _without_static(section.build, own)
            numbers = {field: own.pop(field) for field in section.numbers}
            per_pattern |= _read_files(section, own, f"{path}.{name}", source, task, num_neurons)
            if taken := numbers.keys() & (parameters.keys() | settings.keys()):
                text = f"has a parameter {min(taken)}, as the memory or another of its parts has; rename it"
                raise ConfigError(source, [(f"{path}.{name}", text)])
            if numbers:
                parts[name] = eqx.Partial(make_part, **own), (*numbers, *(field for field in section.files if field not in own))
                parameters |= numbers
            else:
                settings[name] = section.kind if not own and section.kind in members(name) else make_part(**own)
    settings = {name: value for name, value in settings.items() if name not in parts}
    for name in [name for name, value in settings.items() if isinstance(value, Path) and name in model.numbers]:
        parameters[name] = _numbers_in(settings.pop(name), (num_neurons,), f"{path}.{name}", source)
        if not (parameters[name] > 0).all():
            raise ConfigError(source, [(f"{path}.{name}", f"{getattr(model, name)} must hold positive numbers")])
    build = eqx.Partial(make, **settings)
    return Assembled(build, parts) if parts else build, parameters, per_pattern


def _read_files(
    section: Choice, fields: dict[str, Any], path: str, source: str, task: Task, num_neurons: int
) -> dict[str, jax.Array]:
    """Take the files of numbers for each pattern out of the fields of a section, and read them."""
    given, found = {name: fields.pop(name) for name in section.files}, dict[str, jax.Array]()
    for name, file in given.items():
        if file is not None:
            shape = (task.pool_size or 0,) * (2 if name in PER_PAIR else 1)
            found[name] = _numbers_in(file, shape, f"{path}.{name}", source, num_neurons)
            if name in PER_PAIR and not np.array_equal(found[name], found[name].T):
                raise ConfigError(source, [(f"{path}.{name}", f"{file} must hold a symmetric matrix")])
    return found


def _without_static(build: Any, given: dict[str, Any]) -> Any:
    """Take real numbers of static fields out of the arguments given to a class, which they become part of."""
    static = [one.name for one in parameters_of(build) if STATIC in one.metadata and isinstance(given.get(one.name), float)]
    return Fixed(build, tuple((name, given.pop(name)) for name in static)) if static else build


class Fixed(eqx.Module):
    """A class with numbers that are compiled into a program, rather than traced."""

    func: Any
    given: tuple[tuple[str, Any], ...] = eqx.field(static=True)

    def __call__(self, *args: Any, **parameters: Any) -> Any:
        return self.func(*args, **dict(self.given), **parameters)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(functools.partial(self.func, **dict(self.given)))


class Assembled(eqx.Module):
    """Builds a memory with parts that are built from numbers among its parameters, such as a score with a sharpness."""

    build: Callable[..., AbstractMemory]
    parts: dict[str, tuple[Callable[..., Any], tuple[str, ...]]]
    """By the parameter that takes it: how a part is built, and names of its numbers."""

    def __call__(self, patterns: Any, **parameters: Any) -> AbstractMemory:
        made = {}
        for name, (make, numbers) in self.parts.items():
            made[name] = make(**{number: parameters.pop(number) for number in numbers})
        return self.build(patterns, **made, **parameters)

    @property
    def __signature__(self) -> inspect.Signature:
        known = self.build
        signature = inspect.signature(functools.partial(known.func, **known.keywords))  # type: ignore[attr-defined]
        given = {*self.parts, *known.keywords}  # type: ignore[attr-defined]
        own = [one for name, one in signature.parameters.items() if name not in given]
        numbers = [number for _, numbers in self.parts.values() for number in numbers]
        keyword = inspect.Parameter.KEYWORD_ONLY
        more = [inspect.Parameter(name, keyword, default=None if name in PER_PAIR else 0.0) for name in numbers]
        return inspect.Signature([*own, *more])


def member_of(section: Choice) -> Any:
    """What a section of an observable or a decoder stands for: a function, or an object with the fields given."""
    build, fields = section.build, section.own_fields()
    name = fields.pop("name") if "name" not in inspect.signature(build).parameters else None
    if isinstance(build, type):
        return (renamed(build, name) if name else build)(**fields)
    return renamed(eqx.Partial, name or build.__name__)(build, **fields) if name or fields else build


@functools.cache
def renamed(build: type, name: str) -> Any:
    """The same class, whose results are stored under a name."""
    return type(build)(build.__name__, (build,), {"name": name, "__doc__": build.__doc__, "__module__": build.__module__})


def _numbers_in(file: Path, shape: tuple[int, ...], path: str, source: str, num_neurons: int | None = None) -> jax.Array:
    """An array with a number per neuron, or per pattern or pair of patterns if the number of neurons is given.

    Raises `ConfigError` for anything else.
    """
    try:
        values = read_array(file)
    except InputError as error:
        raise ConfigError(source, [(path, str(error))]) from error
    fits = values.shape == shape or (len(shape) == 1 and values.size == shape[0] and shape[0] in values.shape)
    if not fits or values.dtype == np.bool_:
        text = f"it holds an array of shape {values.shape} and type {values.dtype}"
        if values.size == num_neurons:
            text += ", as many as there are neurons: are the patterns the rows of their file?"
        what = "pair of patterns" if len(shape) == 2 else "pattern" if num_neurons else "neuron"
        number = " by ".join(map(str, shape))
        raise ConfigError(source, [(path, f"{file} must hold {number} numbers, one per {what}; {text}")])
    values, precision = values.reshape(shape).astype(np.float64), jnp.result_type(float)
    bad = ~(np.abs(values) <= float(jnp.finfo(precision).max))
    if bad.any():
        where = int(np.argmax(bad))
        text = f"must hold finite numbers in {precision}; number {where + 1} is {values.flat[where]:g}"
        raise ConfigError(source, [(path, f"{file} {text}")])
    return jnp.asarray(values, precision)


def task_of(config: Config | TuneConfig, load: LoadPool) -> tuple[Task, int]:
    """Where problems come from, and how many neurons they have."""
    corruption = config.corruption.build(**config.corruption.own_fields())
    patterns = config.patterns
    if patterns.kind in POOLS:
        pool, classes = load(patterns, config.name, config.precision)
        _check_pool(config, pool)
        return Task(eqx.Partial(pooled_patterns, pool=pool), corruption, classes), pool.shape[0]
    ensemble = eqx.Partial(patterns.build, **patterns.own_fields())
    if patterns.kind not in PATTERNS:
        try_ensemble(patterns)
    drawn = jax.eval_shape(lambda: ensemble(seed_key(0), num_patterns=2))
    return Task(ensemble, corruption), drawn.shape[0]


def _check_pool(config: Config | TuneConfig, pool: jax.Array) -> None:
    num_neurons, size = pool.shape
    named = config.axes.values()
    loads, flips = max(named["num_patterns"]), max(named.get(LEVELS["flips"], [0]))
    faults, hint = [], ""
    if config.patterns.kind == "file" and loads <= num_neurons and flips <= size:
        line = transposition(str(config.patterns.path), config.patterns.array, config.patterns.threshold)
        hint = f"; rows of the file are patterns: if its columns are, {line}"
    if loads > size:
        faults.append(("axes.num_patterns", f"got {loads}; there are {size} patterns to draw from{hint}"))
    if flips > num_neurons:
        faults.append((f"axes.{LEVELS['flips']}", f"got {flips}; at most {num_neurons} entries can be flipped{hint}"))
    if faults:
        raise ConfigError(config.name, faults)


def load_pool(patterns: Any, name: str, precision: str) -> tuple[jax.Array, jax.Array | None]:
    """The patterns that a section stands for, as columns, and their classes. Raises `ConfigError` for unusable files."""
    fields = patterns.own_fields()
    with jax.enable_x64(precision == "float64"):
        place = "patterns.path" if "path" in fields else "patterns"
        try:
            pool, place = patterns.build(**fields), "patterns.labels" if "labels" in fields else place
            classes = classes_of(patterns.build, **fields)
        except InputError as error:
            raise ConfigError(name, [(place, str(error))]) from error
    if classes is not None and classes.shape != pool.shape[1:]:
        raise ConfigError(name, [("patterns.labels", f"must hold {pool.shape[1]} labels, one per row; got {classes.size}")])
    return pool, classes
