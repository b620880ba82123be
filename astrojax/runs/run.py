"""From a configuration to a run folder, new or resumed: chunks that are not done are computed and stored one by one."""

import contextlib
import functools
import math
import shutil
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from .._internal.checks import LARGEST_SIZE, InputError, at_least
from .._internal.compilation_cache import keep_compiled_programs
from .._internal.devices import machine_memory
from .._internal.errors import shown_bytes
from .._internal.own_code import pointing_at_own_code
from .._internal.parameters import MOST_TRAJECTORIES
from ..config.run import Config
from ..config.validation import read_config
from ..storage import folder as store
from ..storage.provenance import Record
from ..storage.results import Results, stored_grid
from ..sweep.engine import Engine, Lanes
from ..sweep.execution import largest_first
from .build import build
from .calibration import calibrate
from .plan import Job, Outline, Plan


def load_config(path: str | Path, *, trust: bool = False, **overrides: Any) -> Config:
    """The configuration in a YAML file, with overrides by dotted key: `load_config(path, **{"retrieval.t1": 20})`.

    `trust` lets code that it names run, such as `mine.py:Name`; that is remembered for its folder until the code changes.

    Raises:
        ConfigError (an InputError and a ValueError): with everything that is wrong, at once.
        InputError: for code that is not trusted, or cannot be used.
    """
    return read_config(path, overrides, trust=trust)


LEAST_MEMORY = 2**20
"""Smallest memory budget, in bytes."""

MOST_FILES = 10_000_000
"""Most chunk files of a run."""

COMPRESSION = 4
"""Best compression of results that is assumed."""


@dataclass(frozen=True)
class Execution:
    """How a run is computed. Results are the same to rounding, and bit for bit on one device of a kind (guides/resuming.md).

    Arguments:
        lanes_per_chunk: trajectories that are computed, stored and, after an interruption, repeated as one; chosen when left
            out. A run folder keeps the number it was started with.
        memory: bytes of a device's memory that may be used; a safe share of what there is if omitted.
        num_devices: how many devices of this machine are used; all if omitted.
        num_threads: number of concurrent calls of compiled programs; chosen for the device if omitted.
        lanes_per_step: trajectories of a device that share a time loop; chosen for the device if omitted.
        cluster: computes on a Dask cluster instead of in this process: the address of its scheduler, the path of its
            scheduler file, or `local:4` for four workers here.

    Raises:
        InputError (a ValueError): for a chunk or a memory out of range, and for text that cannot name a cluster. The other
            settings are checked by the `Engine` before anything is computed.
    """

    lanes_per_chunk: int | None = None
    memory: int | None = None
    num_devices: int | None = None
    num_threads: int | None = None
    lanes_per_step: int | None = None
    cluster: str | None = None

    def __post_init__(self) -> None:
        if self.lanes_per_chunk is not None:
            at_least("lanes_per_chunk (--chunk)", self.lanes_per_chunk, 1, MOST_TRAJECTORIES)
        if self.memory is not None:
            at_least("memory (--memory), in bytes,", self.memory, LEAST_MEMORY, LARGEST_SIZE)
        if self.cluster is not None:
            from .cluster import check

            check(self.cluster)

    def engine_settings(self) -> dict[str, Any]:
        """Settings of the engine of each process that computes."""
        return {name: getattr(self, name) for name in ("num_devices", "num_threads", "lanes_per_step", "memory")}


def outline_of(config: Config, execution: Execution, out: str | Path = "runs") -> Outline:
    """What a run into a folder will take, before anything is computed. Raises as `run` does for patterns and settings."""
    with pointing_at_own_code(), jax.enable_x64(config.precision == "float64"):
        engine = Engine(**execution.engine_settings())
        return _plan(config, execution, engine, Path(out)).outline(engine, execution.cluster is None)


def _plan(config: Config, execution: Execution, engine: Engine, folder: Path) -> Plan:
    """The plan of a run, if memory and disk have room for it; of a cluster only this machine's memory is known."""
    plan = build(config, engine.memory_per_thread if execution.cluster is None else machine_memory())
    plan = plan.in_chunks(execution.lanes_per_chunk) if execution.lanes_per_chunk else plan
    size, files = plan.stored_size
    if files > MOST_FILES:
        raise InputError(f"lanes_per_chunk (--chunk): {files:,} files of chunks would be written; at most {MOST_FILES:,} are")
    parent = next(path for path in folder.resolve().parents if path.exists())
    free = shutil.disk_usage(parent).free
    if size > COMPRESSION * free and not folder.exists():
        text = f"takes {shown_bytes(size)} before compression; {shown_bytes(free)} are free"
        raise InputError(f"--out: the run {text} in {parent}: fewer trials, or values of axes, fit")
    return plan


def run(
    config: Config,
    out: str | Path,
    *,
    execution: Execution = Execution(),
    on_plan: Callable[[Outline], None] | None = None,
    on_begin: Callable[[int, int], None] | None = None,
    on_chunk: Callable[[str, int], None] | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> xr.Dataset:
    """Compute a configuration into its run folder: configuration, provenance and results.

    If the folder holds an unfinished run of the same configuration, it is continued; if it holds a finished one, it is only
    checked, and what is damaged is computed again. The same configuration gives the same values bit for bit on one device of
    the same kind, whatever the chunks and threads and however often it was interrupted, and to rounding otherwise.

    Arguments:
        config: what to compute; see `load_config`.
        out: the run folder.
        execution: how to compute it.
        on_plan: called with what the run will take, before anything is computed.
        on_begin: called with the number of trajectories that are stored already, and of all.
        on_chunk: called with a name and a number of trajectories whenever these are stored, by one thread at a time.
        on_notice: called with a message about whatever was damaged, or changed on the way.

    Returns:
        The results, read when used.

    Raises:
        InputError (a ValueError): for patterns that cannot be used, and for a folder that cannot be written, that is in use by
            another process, or that holds something else, such as the run of other code; for faults in a user's code, with
            the line.
        RunError: if memory, disk or cluster give out. What was computed before is kept.
    """
    folder, notice = Path(out), on_notice or (lambda text: None)
    keep_compiled_programs()
    with contextlib.ExitStack() as stack:
        stack.enter_context(pointing_at_own_code())
        stack.enter_context(jax.enable_x64(config.precision == "float64"))
        client, engine = None, Engine(**execution.engine_settings(), on_notice=notice)
        plan = _plan(config, execution, engine, folder)
        if execution.cluster is not None:
            from .cluster import compute_on_cluster, connected, local_workers

            client = stack.enter_context(connected(execution.cluster, notice))
        stack.enter_context(store.locked(folder))
        record = Record(folder, config, notice)
        if on_plan is not None:
            on_plan(plan.outline(engine, execution.cluster is None))
        if chunk := None if record.is_new else record.previous.get("trajectories_per_chunk") or _chunk_in(folder, plan):
            if execution.lanes_per_chunk and chunk != plan.chunk_length:
                notice(f"{folder} was started with chunks of {chunk} trajectories, and keeps them")
            plan = plan.in_chunks(chunk)
        grids = record.previous.get("grids") or {}
        if config.retrieval.outcome_error is not None and not grids:
            grids = calibrate(plan, engine.session(), config.retrieval.outcome_error)
            for name, grid in grids.items():
                if grid["differ"] > config.retrieval.outcome_error:
                    found = f"{grid['differ']:.2%} of the pilots end otherwise with {grid['refinement']:g} times as many steps"
                    notice(f"retrieval.outcome_error is not reached by {name}: {found}")
        plan = plan.refined(grids)
        results = Results(folder, plan.coordinates, plan.variables, record.config_sha256)
        record.begin(results.open(notice), trajectories_per_chunk=plan.chunk_length, grids=grids)
        pending = _pending(results, plan.jobs, notice)
        if on_begin is not None:
            left = sum(plan.jobs[index].num_trajectories for index in pending)
            on_begin(plan.num_trajectories - left, plan.num_trajectories)
        lock = threading.Lock()

        def write(index: int, values: Mapping[str, np.ndarray]) -> None:
            job = plan.jobs[index]
            results.write(job.regions, plan.stored(job, values))
            if on_chunk is not None:
                with lock:
                    on_chunk(plan.parts[job.part].name, job.num_trajectories)

        with record.ending(engine.timings):
            if execution.cluster is None:
                _compute_here(engine, plan, pending, write)
                if not grids and (pending or not record.previous.get("finished", True)):
                    record.keep(grids=calibrate(plan, engine.session(), None))
            else:
                settings = execution.engine_settings()
                if workers := local_workers(execution.cluster):
                    settings["memory"] = engine.memory // workers
                compute_on_cluster(client, plan, settings, pending, write, engine.timings, notice)
    return store.load(folder)


def _chunk_in(folder: Path, plan: Plan) -> int | None:
    """How many trajectories a full chunk of a run folder has, or `None` if nothing that is stored says so."""
    for variable in plan.variables:
        if variable.grid.dims[0] == "model":
            with contextlib.suppress(Exception):  # of any kind, if its description is damaged
                return math.prod(stored_grid(folder, variable.name).chunks)
    return None


def _compute_here(engine: Engine, plan: Plan, pending: Sequence[int], write: Callable[[int, Any], None]) -> None:
    session = engine.session()

    def compute(index: int) -> None:
        write(index, session.compute(plan.lanes(plan.jobs[index])))

    programs: dict[Hashable, Lanes] = {}
    for number in dict.fromkeys(plan.jobs[index].part for index in pending):
        part = plan.parts[number]
        programs = part.sweep.preparations(part.name, part.root_key) | programs
    session.run(
        [functools.partial(session.prepare, lanes) for lanes in largest_first(programs.values())]
        + [functools.partial(compute, index) for index in pending]
    )


def _pending(results: Results, jobs: Sequence[Job], notice: Callable[[str], None]) -> list[int]:
    """Numbers of the tasks that are not done, or whose values are damaged."""
    pending, damaged = [], 0
    done = results.done()
    for index, job in enumerate(jobs):
        if not results.is_done(job.regions, done):
            pending.append(index)
        elif not results.is_intact(job.regions, done):
            results.forget(job.regions)
            pending.append(index)
            damaged += 1
    if damaged:
        notice(f"{results.path}: {damaged} of {len(jobs)} chunks were damaged, and are computed again")
    return pending
