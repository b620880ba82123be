"""Sweeps whose results stay in memory. Runs, which are stored, use the same parts."""

import functools
import itertools
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .._internal.checks import InputError, random_key
from .._internal.datasets import dataset
from .._internal.devices import empty
from .._internal.parameters import MOST_TRAJECTORIES
from .._internal.types import RandomKey
from .costs import program_cost, trajectory_bytes
from .effective_axes import LOAD, refuse_idle_axes
from .engine import Engine, Lanes, Timings
from .grid import Axes, Block, Grid, blocks, chunk_shape
from .programs import as_arrays, static_key
from .shapes import PROGRAM_COST, Shapes

if TYPE_CHECKING:
    import xarray as xr

MEMORY_CHUNK = 8192  # most trajectories of a chunk of a sweep whose results stay in memory


@dataclass(frozen=True)
class Sweep:
    """A sample (see `astrojax.sweep.programs.Sample`) and the axes over which it is taken.

    Arguments:
        axes: values by axis; `num_patterns` must be a coordinate.
        largest_capacity: how many patterns there are to draw from, where that is limited.
        program_cost: how many trajectories cost as much as compiling one more program; `None` to estimate it.
    """

    sample: Any
    axes: Axes
    largest_capacity: int | None = None
    program_cost: float | int | None = PROGRAM_COST

    @functools.cached_property
    def grid(self) -> Grid:
        return Grid(self.axes)

    @functools.cached_property
    def shapes(self) -> Shapes:
        loads, counts = self.grid.values_of(LOAD)
        cost = self.program_cost
        if cost is None:
            cost = program_cost(self.sample, self.grid.first, int(loads[-1]))
        return Shapes(loads, counts, self.largest_capacity, cost)

    def trajectory_bytes(self) -> int:
        """Memory that one trajectory takes at least, of the largest capacity."""
        return trajectory_bytes(self.sample, self.grid.first, int(self.shapes.capacities[-1]))

    def check(self, name: str, root_key: RandomKey) -> None:
        """Raise `InputError` for an axis that changes nothing about the sample, or is missing, and for too many points."""
        if self.grid.size > MOST_TRAJECTORIES:
            raise InputError(
                f"axes of sweep {name!r} have {self.grid.size:,} points; at most {MOST_TRAJECTORIES:,} are allowed"
            )
        if not any(LOAD in named for named in self.grid.axes.values()):
            raise InputError(f"axis {LOAD} of sweep {name!r} is missing; got {', '.join(self.grid.dims) or 'none'}")
        refuse_idle_axes(name, self.sample, root_key, self.grid, int(self.shapes.capacities[0]))

    def lanes(self, name: str, root_key: RandomKey, numbers: np.ndarray) -> Lanes:
        coordinates = self.grid.at(numbers)
        return Lanes(name, self.sample, root_key, coordinates, self.shapes.of(coordinates[LOAD]))

    def preparations(self, name: str, root_key: RandomKey) -> dict[Hashable, Lanes]:
        """A trajectory of each program that is needed, by what distinguishes programs, the largest capacity first."""
        loads, _ = self.grid.values_of(LOAD)
        firsts = {int(capacity): load for load, capacity in zip(loads[::-1], self.shapes.of(loads)[::-1], strict=True)}
        first, kind = self.grid.first, static_key(as_arrays(self.sample))
        return {
            (kind, capacity): Lanes(name, self.sample, root_key, first | {LOAD: np.array([load])}, np.array([capacity]))
            for capacity, load in firsts.items()
        }


def largest_first(programs: Iterable[Lanes]) -> list[Lanes]:
    """Programs in the order of compilation: for each name that of the largest capacity before all others."""
    named: dict[str, list[Lanes]] = {}
    for lanes in programs:
        named.setdefault(lanes.name, []).append(lanes)
    return [lanes for rank in itertools.zip_longest(*named.values()) for lanes in rank if lanes is not None]


@dataclass
class SweepResult:
    """Observables of a sweep, each an array with one dimension per axis, and what they cost.

    Arguments:
        observables: an array for each, by name.
        clock: seconds of compiling and of running, of this call.
        axes: coordinates by name, by axis, in the order of the dimensions.
    """

    observables: dict[str, np.ndarray] = field(default_factory=dict)
    num_trajectories: int = 0
    clock: Timings = field(default_factory=Timings)
    axes: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    def __repr__(self) -> str:
        sizes = " × ".join(f"{len(next(iter(named.values())))} {axis}" for axis, named in self.axes.items())
        seconds = f"{self.clock.compile_seconds:.3g} s compiling, {self.clock.run_seconds:.3g} s running"
        return f"SweepResult({self.num_trajectories:,} trajectories: {sizes}; {', '.join(self.observables)}; {seconds})"

    def to_xarray(self) -> "xr.Dataset":
        """The observables as an `xarray.Dataset` with a dimension for each axis; zipped coordinates lie along theirs."""
        coordinates = {name: (axis, values) for axis, named in self.axes.items() for name, values in named.items()}
        return dataset({name: (tuple(self.axes), values) for name, values in self.observables.items()}, coordinates)


def run_sweeps(
    sweeps: Mapping[str, Sweep],
    root_key: RandomKey,
    *,
    engine: Engine | None = None,
    lanes_per_chunk: int | None = None,
    on_chunk: Callable[[str, int], None] | None = None,
) -> dict[str, SweepResult]:
    """Compute every trajectory of every sweep, and keep the observables in memory.

    Arguments:
        root_key: the key that all random keys are derived from.
        engine: one with default settings if omitted.
        lanes_per_chunk: number of trajectories that are computed as one; chosen if omitted. Results do not depend on it.
        on_chunk: called with a sweep's name and a number of trajectories whenever these are done, by one thread at a time.

    Raises `InputError` for an axis without values, without effect on any result, or missing, and for a root key of another
    generator than `threefry2x32`; `OutOfMemoryError` if not even one trajectory at a time fits into memory.
    """
    random_key(root_key)
    engine = engine or Engine()
    session = engine.session()
    for name, sweep in sweeps.items():
        sweep.check(name, root_key)
    results = {name: SweepResult(num_trajectories=sweep.grid.size, axes=sweep.grid.axes) for name, sweep in sweeps.items()}
    lock = threading.Lock()

    def compute(name: str, block: Block) -> None:
        sweep = sweeps[name]
        numbers = sweep.grid.lanes(block)
        values = session.compute(sweep.lanes(name, root_key, numbers))
        with lock:
            observables = results[name].observables
            for what, value in values.items():
                observables.setdefault(what, empty(sweep.grid.shape, value.dtype))[block] = value.reshape(
                    [part.stop - part.start for part in block]
                )
            if on_chunk is not None:
                on_chunk(name, numbers.size)

    chunks = []
    for name, sweep in sweeps.items():
        shape = sweep.grid.shape
        lanes = lanes_per_chunk or min(MEMORY_CHUNK, -(-sweep.grid.size // engine.num_threads))  # some for all threads
        chunks += [(name, block) for block in blocks(shape, chunk_shape(shape, lanes))]
    # Programs first, so that threads compile different ones concurrently.
    programs = [lanes for name, sweep in sweeps.items() for lanes in sweep.preparations(name, root_key).values()]
    session.run(
        [functools.partial(session.prepare, lanes) for lanes in largest_first(programs)]
        + [functools.partial(compute, name, block) for name, block in chunks]
    )
    for name, result in results.items():
        result.clock = session.timings.get(name, Timings())
    return results
