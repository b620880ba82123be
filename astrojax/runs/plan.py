"""From a configuration to what is to be computed: samples, the axes over which they are taken, and tasks of whole chunks."""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from pydantic import ValidationError

from .._internal.arrays import read_array, transposition
from .._internal.checks import InputError
from .._internal.errors import shown_bytes
from .._internal.random import seed_key
from ..config.axes import LEVELS, is_traced
from ..config.load import ConfigError
from ..config.run import Config
from ..config.sections import PARAMETERS, POOLS, MemorySection
from ..config.tune import TuneConfig
from ..config.variables import DEFINITIONS, attributes
from ..models import AbstractMemory, memories
from ..models.scores import scores
from ..problems.corruption import corruptions
from ..problems.patterns import digits, ensembles, load_patterns, pooled_patterns
from ..problems.task import Task
from ..storage.cells import Grid, Region
from ..storage.folder import coordinates_of
from ..storage.results import Variable, chunks_of
from ..sweep.chunks import Block, blocks, chunk_shape, grown
from ..sweep.dependence import effective_coordinates
from ..sweep.engine import Lanes
from ..sweep.execution import Sweep
from ..sweep.programs import outputs
from ..sweep.trials import DecoderTrial, RecallTrial

DECODERS = "decoders"
"""Name under which the decoders are counted."""

CHUNK_ENTRIES, SHORTEST_CHUNK, LONGEST_CHUNK = 2**25, 32, 2**16
"""A chunk has as many trajectories as make about so many entries of patterns, within bounds: so it takes of the order of a
second, which an interruption costs at most."""

CHUNKS_OF_SMALL_SWEEPS, CHUNKS_OF_LARGE_SWEEPS = 16, 4096
"""About how many chunks a sweep has at least, to be spread over cores and devices, and at most, for the sake of the disk."""


@dataclass(frozen=True)
class Part:
    """The points of one model, or of the decoders, that differ only in numbers inside one sample.

    Arguments:
        name: the model's, or `DECODERS`.
        sweep: the sample and its axes.
        place: positions along the axes over other fields of the configuration, by axis.
        root_key: the key that all random keys are derived from.
        num_neurons: number of neurons N.
    """

    name: str
    sweep: Sweep
    place: Mapping[str, int]
    root_key: jax.Array
    num_neurons: int

    def lanes(self, numbers: np.ndarray) -> Lanes:
        """Lanes by number, to be computed."""
        return self.sweep.lanes(self.name, self.root_key, numbers)


class Job(NamedTuple):
    """A task of a run: a block of a part, and the regions of the stored variables that it fills."""

    part: Part
    block: Block
    regions: dict[str, Region]

    def lanes(self) -> Lanes:
        """Its trajectories, to be computed."""
        return self.part.lanes(self.part.sweep.grid.lanes(self.block))

    @property
    def num_trajectories(self) -> int:
        """How many trajectories it has."""
        return math.prod(piece.stop - piece.start for piece in self.block)


class Plan:
    """Everything a configuration asks for.

    Arguments:
        config: the configuration.
        memory: bytes that one trajectory may take, where that is to be checked.
        refinements: how many times as many steps as usual the grids of a model have, by its name.

    Raises:
        ConfigError (an InputError): for a pattern file that cannot be used, or that does not fit the axes, for values of axes
            that do not go together, for parameters as axes that have no effect on any model, and for a model of which one
            trajectory takes more memory.
    """

    parts: list[Part]

    def __init__(self, config: Config, memory: int | None = None, refinements: Mapping[str, float] | None = None) -> None:
        self.config, self._refinements = config, refinements or {}
        self.axes = config.swept_axes()
        self.sizes = {axis: len(next(iter(named.values()))) for axis, named in self.axes.items()}
        outer = [axis for axis, named in self.axes.items() if not all(is_traced(name) for name in named)]
        self._inner = [axis for axis in self.axes if axis not in outer]
        names = [*config.models, *([DECODERS] if config.decoders else [])]
        self._load = functools.cache(load_pool)
        self._measured: dict[str, dict[str, np.dtype]] = {}
        self.dims = {
            name: [axis for axis, named in self.axes.items() if any(self._matters(coordinate, name) for coordinate in named)]
            for name in names
        }
        self.parts = [part for name in names for part in self._parts(name, [axis for axis in outer if axis in self.dims[name]])]
        if memory is not None:
            self._refuse_too_large(memory)
        self._refuse_idle_parameters()

    @property
    def num_trajectories(self) -> int:
        """How many samples are taken; a memory is not repeated along axes that do not matter for it."""
        return sum(part.sweep.grid.size for part in self.parts)

    def problem_sizes(self) -> dict[str, int]:
        """Numbers of neurons, and of patterns there are to draw from where that is limited; each only if all parts share it."""
        neurons = {part.num_neurons for part in self.parts}
        pools = {part.sweep.largest_capacity for part in self.parts}
        named = {"num_neurons": [*neurons], "pool_size": [size for size in pools if size is not None]}
        return {name: values[0] for name, values in named.items() if len(values) == 1}

    def default_chunk(self) -> int:
        """A good number of trajectories of a chunk: the same on every machine."""
        entries = max(part.num_neurons * int(part.sweep.shapes.capacities[-1]) for part in self.parts)
        largest = max(part.sweep.grid.size for part in self.parts)
        chunk = int(np.clip(CHUNK_ENTRIES // entries, SHORTEST_CHUNK, LONGEST_CHUNK))
        small = max(largest // CHUNKS_OF_SMALL_SWEEPS, 16 * SHORTEST_CHUNK)
        large = min(self.num_trajectories // CHUNKS_OF_LARGE_SWEEPS, LONGEST_CHUNK)
        return max(min(chunk, small), large)

    def chunk_length(self, lanes: int) -> int:
        """How many trajectories a full chunk really has, if it may have so many."""
        return math.prod(self._chunk_lengths(list(self.axes), lanes))

    def chunk_in(self, folder: Path) -> int | None:
        """How many trajectories a full chunk of a run folder has, or `None` if nothing that is stored says so."""
        for variable in self.variables(1):
            lengths = chunks_of(folder, variable.name)
            if lengths is not None and variable.grid.dims[0] == "model":
                return math.prod(lengths)
        return None

    def variables(self, lanes_per_chunk: int) -> list[Variable]:
        """The variables to be stored, in chunks of at most so many trajectories."""
        measured = {key: dtype for name in self.config.models for key, dtype in self._outputs(name).items()}
        found = {name: measured[name] for name in DEFINITIONS if name in measured}
        sizes, chunks = tuple(self.sizes.values()), self._chunk_lengths(list(self.axes), lanes_per_chunk)
        grid = Grid(("model", *self.axes), (len(self.config.models), *sizes), (1, *chunks))
        stored = [Variable(name, grid, dtype, attributes(name)) for name, dtype in found.items()]
        if self.config.decoders:
            kinds, own = self._outputs(DECODERS), self.dims[DECODERS]
            sizes, number = tuple(self.sizes[axis] for axis in own), len(kinds)
            grid = Grid(("decoder", *own), (number, *sizes), (number, *self._chunk_lengths(own, lanes_per_chunk)))
            stored.append(Variable("decoder_error", grid, next(iter(kinds.values())), attributes("decoder_error")))
        return stored

    def coordinates(self) -> xr.Dataset:
        """The coordinates of the stored variables."""
        decoders = list(self._outputs(DECODERS)) if self.config.decoders else None
        matter = {name: self.dims[name] for name in self.config.models}
        solver = self.config.retrieval.solver
        about = {"config_sha256": self.config.sha256(), "solver": solver, **self.problem_sizes()}
        return coordinates_of(self.axes, matter, decoders).assign_attrs(about)

    def kind_of(self, name: str) -> str:
        """The kind of a model by its name, or `DECODERS`."""
        return DECODERS if name == DECODERS else self.config.models[name].kind

    def jobs(self, lanes_per_chunk: int) -> list[Job]:
        """The tasks of a run with such chunks, always in the same order."""
        return list(itertools.chain.from_iterable(self._jobs(part, lanes_per_chunk) for part in self.parts))

    def stored(self, part: Part, values: Mapping[str, np.ndarray], block: Block) -> dict[str, np.ndarray]:
        """Computed values, one per lane, as the variables that are stored, in the shape of their dimensions."""
        shape = [piece.stop - piece.start for piece in block]
        inside = dict(zip(part.sweep.grid.dims, shape, strict=True))
        dims = self.dims[DECODERS] if part.name == DECODERS else list(self.axes)
        full = [inside.get(axis, 1) for axis in dims]
        if part.name == DECODERS:
            return {"decoder_error": np.stack([values[kind].reshape(full) for kind in self._outputs(DECODERS)])}
        return {name: value.reshape(1, *full) for name, value in values.items()}

    def stored_size(self, lanes_per_chunk: int) -> tuple[int, int]:
        """Bytes of all results before compression, and the number of files of chunks and their flags."""
        variables = self.variables(lanes_per_chunk)
        files = [math.prod(variable.grid.counts) for variable in variables]
        flags = {variable.grid: count for variable, count in zip(variables, files, strict=True)}
        values = sum(math.prod(variable.grid.shape) * variable.dtype.itemsize for variable in variables)
        return values, sum(files) + sum(flags.values())

    def _refuse_too_large(self, memory: int) -> None:
        faults: dict[str, str] = {}
        for part in self.parts:
            kind = DECODERS if part.name == DECODERS else self.config.models[part.name].kind
            capacity = int(part.sweep.shapes.capacities[-1])
            if fault := memory_fault(kind, part.sweep.sample.task, part.num_neurons, capacity, self.config.precision, memory):
                faults.setdefault(DECODERS if kind == DECODERS else f"models.{part.name}", fault)
        if faults:
            raise ConfigError(self.config.name, list(faults.items()))

    def _refuse_idle_parameters(self) -> None:
        """Raise `ConfigError` for axes over parameters that have no effect on the models they are of."""
        swept = [name for named in self.axes.values() for name in named if name.split(".")[-1] in PARAMETERS]
        idle = set(swept)
        for part in self.parts:
            if not idle:
                return
            ours = {name: name.split(".")[-1] for name in idle if self._matters(name, part.name)}
            sweep, root_key = part.sweep, part.root_key
            lane = sweep.grid.at(np.zeros(1, int)) | {parameter: np.ones(1) for parameter in ours.values()}
            effective = effective_coordinates(sweep.sample, root_key, lane, int(sweep.shapes.capacities[0]))
            idle -= {name for name, parameter in ours.items() if parameter in effective}
        if faults := [(f"axes.{name}", "has no effect on any model here") for name in swept if name in idle]:
            raise ConfigError(self.config.name, faults)

    def _matters(self, coordinate: str, name: str) -> bool:
        """Whether a coordinate changes anything about a model or the decoders."""
        if coordinate in PARAMETERS:
            return name != DECODERS and coordinate in type(self.config.models[name]).model_fields
        match coordinate.split("."):
            case ["models", model, _]:
                return model == name
            case ["retrieval", _]:
                return name != DECODERS
            case _:
                return True

    def _parts(self, name: str, outer: list[str]) -> Iterator[Part]:
        inner = {axis: self.axes[axis] for axis in self.dims[name] if axis in self._inner}
        for positions in itertools.product(*(range(self.sizes[axis]) for axis in outer)):
            place = dict(zip(outer, positions, strict=True))
            named = {key: values[place[axis]] for axis in outer for key, values in self.axes[axis].items()}
            fields = {key: value for key, value in named.items() if not is_traced(key) and self._matters(key, name)}
            traced = {key: value for key, value in named.items() if is_traced(key)}
            config = _variant(self.config, fields) if fields else self.config
            task, num_neurons = task_of(config, self._load)
            sample: Any = DecoderTrial(task)
            if name != DECODERS:
                build, parameters, per_pattern = memory_of(config.models[name], f"models.{name}", task, config.name)
                how = config.retrieval.settings() | {"refinement": self._refinements.get(name, 1.0)}
                sample = RecallTrial(task, build, parameters, per_pattern=per_pattern, **how)
            # A coordinate that runs along with a field is an axis of one value within the part.
            axes: dict[str, Any] = {**inner, **{key: [value] for key, value in traced.items()}}
            sweep = Sweep(sample, axes, task.pool_size, program_cost=None)
            yield Part(name, sweep, place, seed_key(config.seed), num_neurons)

    def _outputs(self, name: str) -> dict[str, np.dtype]:
        if name not in self._measured:
            part = next(part for part in self.parts if part.name == name)
            sweep, first = part.sweep, part.sweep.grid.at(np.zeros(1, int))
            self._measured[name] = outputs(sweep.sample, part.root_key, first, int(sweep.shapes.capacities[0]))
        return self._measured[name]

    def _chunk_lengths(self, dims: Sequence[str], lanes_per_chunk: int) -> list[int]:
        inner = [axis for axis in dims if axis in self._inner]
        lengths = dict(zip(inner, chunk_shape([self.sizes[axis] for axis in inner], lanes_per_chunk), strict=True))
        return [lengths.get(axis, 1) for axis in dims]

    def _jobs(self, part: Part, lanes_per_chunk: int) -> Iterator[Job]:
        dims = self.dims[DECODERS] if part.name == DECODERS else list(self.axes)
        lengths = dict(zip(dims, self._chunk_lengths(dims, lanes_per_chunk), strict=True))
        grid = part.sweep.grid
        block = grown(grid.shape, [lengths.get(axis, 1) for axis in grid.dims], lanes_per_chunk)
        if part.name == DECODERS:
            first, names = slice(0, len(self._outputs(DECODERS))), ["decoder_error"]
        else:
            model = list(self.config.models).index(part.name)
            first, names = slice(model, model + 1), list(self._outputs(part.name))
        for piece in blocks(grid.shape, block):
            inside = dict(zip(grid.dims, piece, strict=True))
            inside |= {axis: slice(at, at + 1) for axis, at in part.place.items()}
            region = (first, *(inside.get(axis, slice(0, self.sizes[axis])) for axis in dims))
            yield Job(part, piece, dict.fromkeys(names, region))


def memory_fault(kind: str, task: Task, num_neurons: int, capacity: int, precision: str, memory: int) -> str | None:
    """What is wrong with a model of which one trajectory, padded to `capacity` patterns, takes more than `memory` bytes."""
    size = 8 if precision == "float64" else 4
    prototypes = getattr(task.ensemble, "keywords", {}).get("num_prototypes", 0)
    needed = num_neurons * (capacity * size + prototypes)
    if kind == "neuron_astrocyte":  # products and places of all pairs of neurons
        needed += num_neurons * (num_neurons + 1) // 2 * (capacity * size + 16)
    if needed <= memory:
        return None
    source = f" of {prototypes:,} prototypes (patterns.num_prototypes)" if prototypes else ""
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
    model: MemorySection, path: str, task: Task, source: str
) -> tuple[Callable[..., AbstractMemory], dict[str, Any], dict[str, jax.Array]]:
    """How a memory of a configuration is built: a function, its dynamical parameters, and those of each pattern.

    Arguments: the model's section and its dotted path; where problems come from; and what faults are reported of.

    Raises:
        ConfigError (an InputError): for a file of parameters that cannot be used.
    """
    settings = model.model_dump(exclude={"kind", *model.files, *model.score_fields})
    # Every real number is traced, so that memories that differ in them share a program.
    parameters = {name: settings.pop(name) for name, value in list(settings.items()) if isinstance(value, float)}
    if own := {name: value for name in model.score_fields if (value := getattr(model, name)) is not None}:
        settings["score"] = scores()[settings["score"]](**own)
    files = {name: getattr(model, name) for name in model.files}
    num_neurons, size = (0, 0) if task.pool is None else task.pool.shape
    per_pattern = {
        name: _one_per_pattern(file, num_neurons, size, f"{path}.{name}", source)
        for name, file in files.items()
        if file is not None
    }
    return eqx.Partial(memories()[model.kind], **settings), parameters, per_pattern


def _one_per_pattern(file: Path, num_neurons: int, size: int, path: str, source: str) -> jax.Array:
    try:
        values = read_array(file)
    except InputError as error:
        raise ConfigError(source, [(path, str(error))]) from error
    if values.size != size or size not in values.shape or values.dtype == np.bool_:
        text = f"it holds an array of shape {values.shape} and type {values.dtype}"
        if values.size == num_neurons:
            text += ", as many as there are neurons: are the patterns the rows of their file?"
        raise ConfigError(source, [(path, f"{file} must hold {size} numbers, one per pattern; {text}")])
    values, precision = values.ravel().astype(np.float64), jnp.result_type(float)
    bad = ~(np.abs(values) <= float(jnp.finfo(precision).max))
    if bad.any():
        where = int(np.argmax(bad))
        text = f"must hold finite numbers in {precision}; number {where + 1} is {values[where]:g}"
        raise ConfigError(source, [(path, f"{file} {text}")])
    return jnp.asarray(values, precision)


def task_of(config: Config | TuneConfig, load: Callable[[Any, str, str], jax.Array]) -> tuple[Task, int]:
    """Where problems come from, and how many neurons they have."""
    corruption = corruptions()[config.corruption]()
    patterns = config.patterns
    if patterns.kind in POOLS:
        pool = load(patterns, config.name, config.precision)
        _check_pool(config, pool)
        return Task(eqx.Partial(pooled_patterns, pool=pool), corruption), pool.shape[0]
    ensemble = eqx.Partial(ensembles()[patterns.kind], **patterns.model_dump(exclude={"kind"}))
    return Task(ensemble, corruption), patterns.num_neurons


def _check_pool(config: Config | TuneConfig, pool: jax.Array) -> None:
    num_neurons, size = pool.shape
    named = {name: values for coordinates in config.axes.coordinates().values() for name, values in coordinates.items()}
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


def load_pool(patterns: Any, name: str, precision: str) -> jax.Array:
    """The patterns that a section stands for, as columns. Raises `ConfigError` for a file that cannot be used."""
    with jax.enable_x64(precision == "float64"):
        if patterns.kind == "digits":
            return digits(threshold=patterns.threshold)
        try:
            return load_patterns(patterns.path, **patterns.model_dump(exclude={"kind", "path"}))
        except InputError as error:
            raise ConfigError(name, [("patterns.path", str(error))]) from error
