"""What a run computes, as a frozen value: parts, jobs, variables and coordinates. `build` makes it from a configuration."""

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import jax
import numpy as np
import xarray as xr

from .._internal.errors import InputError
from ..config.run import Config
from ..config.variables import attributes, ordered
from ..storage.results import Grid, Region, Variable, coordinates_of
from ..sweep.engine import Engine, Lanes
from ..sweep.execution import Sweep
from ..sweep.grid import Block, blocks, chunk_shape, grown
from ..sweep.observables import name_of, rmse
from ..sweep.programs import outputs
from ..sweep.trials import IDENTIFIED, RecallTrial

DECODERS = "decoders"
"""Name under which the decoders are counted."""

CHUNK_ENTRIES, SHORTEST_CHUNK, LONGEST_CHUNK = 2**25, 32, 2**16
"""A chunk has as many trajectories as make about so many entries of patterns, within bounds: it takes of the order of a second,
which is what an interruption costs at most."""

CHUNKS_OF_SMALL_SWEEPS, CHUNKS_OF_LARGE_SWEEPS = 16, 4096
"""About how many chunks a sweep has at least, to be spread over cores and devices, and at most, for the sake of the disk."""


@dataclass(frozen=True)
class Part:
    """The points of one model, or of the `DECODERS`, that differ only in numbers inside one sample.

    `place` are positions along the axes over other fields of the configuration, by axis.
    """

    name: str
    sweep: Sweep
    place: Mapping[str, int]
    root_key: jax.Array
    num_neurons: int

    def lanes(self, numbers: np.ndarray) -> Lanes:
        """Lanes by number, to be computed."""
        return self.sweep.lanes(self.name, self.root_key, numbers)

    @functools.cached_property
    def outputs(self) -> dict[str, np.dtype]:
        """Names and types of what its sample measures."""
        first = self.sweep.grid.at(np.zeros(1, int))
        return outputs(self.sweep.sample, self.root_key, first, int(self.sweep.shapes.capacities[0]))

    @property
    def capacity(self) -> int:
        """To how many patterns its largest load is padded."""
        return int(self.sweep.shapes.capacities[-1])


class Job(NamedTuple):
    """A task of a run: a block of a part, given by its number, and the regions of the stored variables that it fills."""

    part: int
    block: Block
    regions: dict[str, Region]

    @property
    def num_trajectories(self) -> int:
        """How many trajectories it has."""
        return math.prod(piece.stop - piece.start for piece in self.block)


@dataclass(frozen=True)
class Row:
    """What one model, or the decoders, will take."""

    name: str
    num_trajectories: int
    capacities: list[int]
    padding: float
    """Share of the patterns computed that is padding."""
    num_programs: int


@dataclass(frozen=True)
class Outline:
    """What a run will take."""

    rows: list[Row]
    pool: tuple[int, int] | None
    """Size of the pool of patterns, if it is limited, and number of neurons."""
    num_chunks: int
    lanes_per_chunk: int
    stored_bytes: int
    """Of results, before compression."""
    num_files: int
    """Of chunks and their flags; descriptions, coordinates and figures are a few dozen more."""
    budget_bytes: int
    """Of each device's memory."""
    devices: list[str]
    """Kinds of the devices of this process that are used; none for a run on a cluster."""
    num_trajectories: int
    num_programs: int
    """Of all rows together, like the trajectories."""


@dataclass(frozen=True)
class Plan:
    """Everything a configuration asks for."""

    config: Config
    parts: tuple[Part, ...]
    dims: Mapping[str, Sequence[str]]
    """The axes that matter for each model and for the decoders, by name."""
    outer: Sequence[str]
    """Axes over fields that are not traced: each point along them is a part of its own."""
    chunk: int | None = None
    """Most trajectories of a chunk; a good number, the same on every machine, if omitted."""
    grids: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """How fine the grids of each model are; see `refined`."""

    def in_chunks(self, chunk: int) -> "Plan":
        """The same plan in chunks of at most so many trajectories."""
        return replace(self, chunk=chunk)

    def refined(self, grids: Mapping[str, Mapping[str, float]]) -> "Plan":
        """The same plan on grids with `refinement` times as many steps, by model, as `calibrate` returns it."""

        def refine(part: Part) -> Part:
            factor = float(grids.get(part.name, {}).get("refinement", 1))
            if factor == 1:
                return part
            return replace(part, sweep=replace(part.sweep, sample=replace(part.sweep.sample, refinement=factor)))

        return replace(self, parts=tuple(map(refine, self.parts)), grids=grids)

    @property
    def num_trajectories(self) -> int:
        """How many samples are taken; a memory is not repeated along axes that do not matter for it."""
        return sum(part.sweep.grid.size for part in self.parts)

    @functools.cached_property
    def sizes(self) -> dict[str, int]:
        """Numbers of values, by axis."""
        return {axis: len(next(iter(named.values()))) for axis, named in self.config.swept_axes().items()}

    @functools.cached_property
    def chunk_length(self) -> int:
        """How many trajectories a full chunk has."""
        return math.prod(self._chunk_lengths(list(self.sizes)))

    @functools.cached_property
    def problem_sizes(self) -> dict[str, int]:
        """Numbers of neurons, and of patterns there are to draw from where that is limited; each only if all parts share it."""
        neurons = {part.num_neurons for part in self.parts}
        pools = {part.sweep.largest_capacity for part in self.parts}
        named = {"num_neurons": [*neurons], "pool_size": [size for size in pools if size is not None]}
        return {name: values[0] for name, values in named.items() if len(values) == 1}

    @functools.cached_property
    def variables(self) -> list[Variable]:
        """The variables to be stored."""
        measured = {name: dtype for part in self.parts if part.name != DECODERS for name, dtype in part.outputs.items()}
        lengths = self._chunk_lengths(list(self.sizes))
        grid = Grid(("model", *self.sizes), (len(self.config.models), *self.sizes.values()), (1, *lengths))
        samples = [part.sweep.sample for part in self.parts if part.name != DECODERS]
        observables = {name_of(item): item for sample in samples for item in sample.observables}
        if taken := [name for name in observables if name in self.coordinates.coords]:
            raise InputError(f"an observable must have a name of its own; got {taken[0]!r}, which is that of a coordinate")
        stored = [Variable(name, grid, measured[name], attributes(name, observables.get(name))) for name in ordered(measured)]
        if decoders := next((part for part in self.parts if part.name == DECODERS), None):
            own, found = self.dims[DECODERS], _of_decoders(decoders)
            number = len(found["decoder_error"])
            sizes = (number, *(self.sizes[axis] for axis in own))
            grid = Grid(("decoder", *own), sizes, (number, *self._chunk_lengths(own)))
            measured_as = {} if decoders.sweep.sample.is_binary else {"decoder_error": rmse}
            for name, those in found.items():
                stored.append(Variable(name, grid, decoders.outputs[those[0]], attributes(name, measured_as.get(name))))
        return stored

    @functools.cached_property
    def coordinates(self) -> xr.Dataset:
        """The coordinates of the stored variables."""
        matter = {name: self.dims[name] for name in self.config.models}
        decoders = next((_of_decoders(part)["decoder_error"] for part in self.parts if part.name == DECODERS), None)
        about = {"config_sha256": self.config.sha256(), "solver": self.config.retrieval.solver, **self.problem_sizes}
        return coordinates_of(self.config.swept_axes(), matter, decoders).assign_attrs(about)

    @functools.cached_property
    def jobs(self) -> list[Job]:
        """The tasks of the run, always in the same order."""
        return [job for number in range(len(self.parts)) for job in self._jobs(number)]

    @functools.cached_property
    def stored_size(self) -> tuple[int, int]:
        """Bytes of all results before compression, and the number of files of chunks and their flags."""
        files = {variable.name: math.prod(variable.grid.counts) for variable in self.variables}
        flags = {variable.grid: files[variable.name] for variable in self.variables}
        size = sum(math.prod(variable.grid.shape) * variable.dtype.itemsize for variable in self.variables)
        return size, sum(files.values()) + sum(flags.values())

    def outline(self, engine: Engine, is_local: bool) -> Outline:
        """What a run will take, in this process or on a cluster, of whose workers nothing is known."""
        rows = []
        for name in self.dims:
            parts = [part for part in self.parts if part.name == name]
            capacities = sorted({int(capacity) for part in parts for capacity in part.sweep.shapes.capacities})
            number = sum(part.sweep.grid.size for part in parts)
            padding = sum(part.sweep.shapes.padding * part.sweep.grid.size for part in parts) / number
            programs = {key for part in parts for key in part.sweep.preparations(name, part.root_key)}
            rows.append(Row(name, number, capacities, padding, len(programs)))
        sizes = self.problem_sizes
        stored_bytes, num_files = self.stored_size
        return Outline(
            rows=rows,
            pool=(sizes["pool_size"], sizes["num_neurons"]) if len(sizes) == 2 else None,
            num_chunks=len(self.jobs),
            lanes_per_chunk=self.chunk_length,
            stored_bytes=stored_bytes,
            num_files=num_files,
            budget_bytes=engine.memory,
            devices=[device.device_kind for device in engine.devices] if is_local else [],
            num_trajectories=self.num_trajectories,
            num_programs=sum(row.num_programs for row in rows),
        )

    def lanes(self, job: Job, chosen: np.ndarray | slice = slice(None)) -> Lanes:
        """The trajectories of a task, or those chosen among them, to be computed."""
        part = self.parts[job.part]
        return part.lanes(part.sweep.grid.lanes(job.block)[chosen])

    def stored(self, job: Job, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Computed values of a task, one per trajectory, as the variables that are stored, in the shape of their dimensions."""
        part = self.parts[job.part]
        _, dims, measured = self._destination(part)
        inside = {axis: piece.stop - piece.start for axis, piece in zip(part.sweep.grid.dims, job.block, strict=True)}
        shape = [inside.get(axis, 1) for axis in dims]
        return {name: np.stack([values[one].reshape(shape) for one in those]) for name, those in measured.items()}

    def _destination(self, part: Part) -> tuple[slice, Sequence[str], dict[str, list[str]]]:
        """Where a part is stored: its models or decoders, the axes of its variables, and their measurements by variable."""
        if part.name == DECODERS:
            found = _of_decoders(part)
            return slice(0, len(found["decoder_error"])), self.dims[DECODERS], found
        model = list(self.config.models).index(part.name)
        return slice(model, model + 1), list(self.sizes), {name: [name] for name in part.outputs}

    @functools.cached_property
    def grid_parts(self) -> list[Part]:
        """The parts whose trajectories are solved on grids of steps that suit each problem."""
        samples = [(part, part.sweep.sample) for part in self.parts]
        return [part for part, s in samples if isinstance(s, RecallTrial) and s.on_grid and s.num_steps is None]

    @functools.cached_property
    def _chunk(self) -> int:
        if self.chunk is not None:
            return self.chunk
        entries = max(part.num_neurons * part.capacity for part in self.parts)
        largest = max(part.sweep.grid.size for part in self.parts)
        chunk = int(np.clip(CHUNK_ENTRIES // entries, SHORTEST_CHUNK, LONGEST_CHUNK))
        small = max(largest // CHUNKS_OF_SMALL_SWEEPS, 16 * SHORTEST_CHUNK)
        large = min(self.num_trajectories // CHUNKS_OF_LARGE_SWEEPS, LONGEST_CHUNK)
        return max(min(chunk, small), large)

    def _chunk_lengths(self, dims: Sequence[str]) -> list[int]:
        inner = [axis for axis in dims if axis not in self.outer]
        lengths = dict(zip(inner, chunk_shape([self.sizes[axis] for axis in inner], self._chunk), strict=True))
        return [lengths.get(axis, 1) for axis in dims]

    def _jobs(self, number: int) -> Iterator[Job]:
        part = self.parts[number]
        first, dims, measured = self._destination(part)
        lengths = dict(zip(dims, self._chunk_lengths(dims), strict=True))
        grid = part.sweep.grid
        block = grown(grid.shape, [lengths.get(axis, 1) for axis in grid.dims], self.chunk_length)
        for piece in blocks(grid.shape, block):
            inside = dict(zip(grid.dims, piece, strict=True))
            inside |= {axis: slice(at, at + 1) for axis, at in part.place.items()}
            region = (first, *(inside.get(axis, slice(0, self.sizes[axis])) for axis in dims))
            yield Job(number, piece, dict.fromkeys(measured, region))


def _of_decoders(part: Part) -> dict[str, list[str]]:
    """What a part measures of the decoders, by stored variable, in the same order for each."""
    names = [name for name in part.outputs if not name.endswith(IDENTIFIED)]
    found = {"decoder_error": names, "decoder_identified": [name + IDENTIFIED for name in names]}
    return {variable: those for variable, those in found.items() if set(those) <= part.outputs.keys()}
