"""From a configuration to a run folder, begun or continued: what is not done yet is computed and stored chunk by chunk."""

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from ._checks import InputError, at_least, within
from .compiling import keep_compiled_programs
from .outline import Outline, outline
from .plan import Job, Plan
from .runs import store
from .runs.config import Config
from .runs.provenance import environment, pattern_file_digest
from .runs.reading import read_config
from .runs.results import Results, chunks_of
from .sweep.engine import Clock, Engine

EQUAL = 1e-5
"""Relative difference up to which floats of two computations count as the same."""


def load_config(path: str | Path, **overrides: Any) -> Config:
    """The configuration in a YAML file, with overrides by dotted key: `load_config(path, **{"retrieval.t1": 20})`.

    Raises:
        ConfigError (an InputError and a ValueError): with everything that is wrong, at once.
    """
    return read_config(path, overrides)


@dataclass(frozen=True)
class Execution:
    """How a run is computed. None of it changes what is computed, beyond rounding on other devices.

    Arguments:
        lanes_per_chunk: how many trajectories are computed, stored and, after an interruption, repeated as one; chosen when left
            out. A run folder keeps the number it was begun with.
        memory: bytes of a device's memory that may be used; a safe share of what there is when left out.
        num_devices: how many devices of this machine are used; all when left out.
        num_threads: how many calls run side by side; chosen for the device when left out.
        lanes_per_step: how many trajectories step together; chosen for the device when left out.
        cluster: computes on a Dask cluster instead of in this process: the address of its scheduler, the path of its
            scheduler file, or `local:4` for four workers here.

    Raises:
        InputError (a ValueError): for numbers below 1.
    """

    lanes_per_chunk: int | None = None
    memory: int | None = None
    num_devices: int | None = None
    num_threads: int | None = None
    lanes_per_step: int | None = None
    cluster: str | None = None

    def __post_init__(self) -> None:
        for name in ("lanes_per_chunk", "memory", "num_devices", "num_threads", "lanes_per_step"):
            if getattr(self, name) is not None:
                at_least(name, getattr(self, name), 1)

    def engine_settings(self) -> dict[str, int | None]:
        """Settings of the engine of each process that computes."""
        return {name: getattr(self, name) for name in ("num_devices", "num_threads", "lanes_per_step", "memory")}


def outline_of(config: Config, execution: Execution) -> Outline:
    """What a run will take, before anything is computed. Raises as `run` does for patterns and settings."""
    with jax.enable_x64(config.precision == "float64"):
        return _outline(Plan(config), execution, Engine(**execution.engine_settings()))


def run(
    config: Config,
    out: str | Path,
    *,
    execution: Execution = Execution(),  # noqa: B008 (frozen)
    on_plan: Callable[[Outline], None] | None = None,
    on_begin: Callable[[int, int], None] | None = None,
    on_chunk: Callable[[str, int], None] | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> xr.Dataset:
    """Compute a configuration into its run folder: configuration, provenance and results.

    If the folder holds an unfinished run of the same configuration, it is continued; if it holds a finished one, it is only
    checked, and what is damaged is computed again. The same configuration gives the same values every time on the same kind
    of device, whatever the execution and however often it was interrupted.

    Arguments:
        config: what to compute; see `load_config`.
        out: the run folder.
        execution: how to compute it.
        on_plan: called with what the run will take, before anything is written.
        on_begin: called with the number of trajectories that are stored already, and of all.
        on_chunk: called with a name and a number of trajectories whenever these are stored, by one thread at a time.
        on_notice: told in words what was damaged, or what had to be changed on the way.

    Returns:
        The results, read when used.

    Raises:
        InputError (a ValueError): for patterns that cannot be used, and for a folder that cannot be written, that is in use by
            another process, or that holds something else.
        RunError: if memory, disk or cluster give out. What was computed before is kept.
    """
    folder, notice = Path(out), on_notice or (lambda text: None)
    keep_compiled_programs()
    with contextlib.ExitStack() as stack:
        stack.enter_context(jax.enable_x64(config.precision == "float64"))
        plan = Plan(config)
        client, engine = None, Engine(**execution.engine_settings(), on_notice=notice)
        if on_plan is not None:
            on_plan(_outline(plan, execution, engine))
        if execution.cluster is not None:
            from .cluster import compute_on_cluster, connected

            client = stack.enter_context(connected(execution.cluster, notice))
        stack.enter_context(store.locked(folder))
        record = _Record(folder, config)
        begun = not store.begin(folder, config, record.digest, notice)
        chunk = _stored_chunk(folder, plan) if begun else None
        asked = execution.lanes_per_chunk and plan.chunk_length(execution.lanes_per_chunk)
        if chunk and asked and asked != chunk:
            notice(f"{folder} was begun with chunks of {chunk} trajectories, and keeps them")
        chunk = chunk or asked or plan.chunk_length(plan.default_chunk())
        record.begin()
        jobs = plan.jobs(chunk)
        results = Results(folder, plan.coordinates(), plan.variables(chunk), len(jobs))
        results.open(notice)
        pending = _pending(results, jobs, notice)
        if on_begin is not None:
            on_begin(plan.num_trajectories - sum(jobs[index].num_trajectories for index in pending), plan.num_trajectories)
        write = _Writer(plan, results, jobs, on_chunk)
        try:
            if client is None:
                _compute_here(engine, jobs, pending, write)
            else:
                settings = execution.engine_settings()
                compute_on_cluster(client, config, chunk, settings, pending, write, engine.clocks, notice)
        finally:
            record.end(engine.clocks, finished=bool(results.done().all()))
    return store.load(folder)


def verify(
    run: str | Path,
    *,
    share: float = 0.01,
    seed: int | None = None,
    execution: Execution = Execution(),  # noqa: B008 (frozen)
    on_chunk: Callable[[str, int], None] | None = None,
) -> dict[str, dict[str, float | int]]:
    """Compute a random share of the stored trajectories of a run again, and compare.

    Arguments:
        run: a run folder; of an unfinished run, what is done.
        share: which share, within (0, 1]; one trajectory at least.
        seed: seed of the choice; another one every time when left out.
        execution: how to compute.
        on_chunk: as for `run`.

    Returns:
        For each variable `compared`, how many values were compared, `different`, how many are not the same bit for bit,
        `beyond`, how many differ by more than a relative 1e-5 or at all where they are integers, counts of errors or not finite,
        and `largest`, the largest difference relative to the larger of 1 and the value.

    Raises:
        InputError (a ValueError): if the folder holds no run or one of other patterns, or for a share out of range.
    """
    within("share", share, 0, 1)
    if execution.cluster is not None:
        raise InputError("execution: a run is verified in this process, not on a cluster")
    folder = Path(run)
    store.load(folder, partial=True)
    config = read_config(folder / store.CONFIG)
    keep_compiled_programs()
    rng = np.random.default_rng(seed)
    with jax.enable_x64(config.precision == "float64"), store.locked(folder):
        store.begin(folder, config, pattern_file_digest(config), lambda text: None)
        plan, engine = Plan(config), Engine(**execution.engine_settings())
        chunk = _stored_chunk(folder, plan) or plan.default_chunk()
        jobs = plan.jobs(chunk)
        results = Results(folder, plan.coordinates(), plan.variables(chunk), len(jobs))
        results.open(lambda text: None)
        done = np.flatnonzero(results.done())
        if not done.size:
            raise InputError(f"{folder} holds no results yet")
        sizes = np.array([jobs[index].num_trajectories for index in done])
        counts = rng.binomial(sizes, share)
        if not counts.any():
            counts[rng.choice(done.size, p=sizes / sizes.sum())] = 1
        found: dict[str, dict[str, float | int]] = {}
        lock = threading.Lock()

        def check(job: Job, count: int) -> None:
            chosen = np.sort(rng_choice(job.num_trajectories, count))
            numbers = job.part.sweep.grid.lanes(job.block)
            again = engine.compute(job.part.lanes(numbers[chosen]))
            full = {name: np.zeros(numbers.size, value.dtype) for name, value in again.items()}
            for name, value in again.items():
                full[name][chosen] = value
            here = plan.stored(job.part, full, job.block)
            mask = np.zeros(numbers.size, bool)
            mask[chosen] = True
            with lock:
                for name, region in job.regions.items():
                    _compare(found, name, results.read(name, region), here[name], _mask(plan, job, mask, here[name].shape))
                if on_chunk is not None:
                    on_chunk(job.part.name, count)

        def rng_choice(size: int, count: int) -> np.ndarray:
            with lock:
                return rng.choice(size, count, replace=False)

        pairs = zip(done, counts, strict=True)
        engine.run(functools.partial(check, jobs[index], int(count)) for index, count in pairs if count)
    return found


def _outline(plan: Plan, execution: Execution, engine: Engine) -> Outline:
    return outline(plan, engine.devices, engine.num_threads, engine.memory, execution.lanes_per_chunk)


def _compute_here(engine: Engine, jobs: Sequence[Job], pending: Sequence[int], write: "_Writer") -> None:
    def compute(index: int) -> None:
        job = jobs[index]
        write(index, engine.compute(job.part.lanes(job.part.sweep.grid.lanes(job.block))))

    engine.run(
        [functools.partial(engine.prepare, lanes) for lanes in _programs(jobs, pending)]
        + [functools.partial(compute, index) for index in pending]
    )


def _programs(jobs: Sequence[Job], pending: Sequence[int]) -> list[Any]:
    """A lane for each program that will be needed: the largest of each model first, so that threads compile different ones."""
    found: dict[tuple[str, int], list[Any]] = {}
    for part in {id(jobs[index].part): jobs[index].part for index in pending}.values():
        found.setdefault((part.name, part.num_neurons), part.sweep.preparations(part.name, part.root_key))
    ranks = max((len(lanes) for lanes in found.values()), default=0)
    return [lanes[rank] for rank in range(ranks) for lanes in found.values() if rank < len(lanes)]


def _pending(results: Results, jobs: Sequence[Job], notice: Callable[[str], None]) -> list[int]:
    """Tasks that are not done, or whose values are damaged."""
    pending, damaged = [], 0
    for index, done in enumerate(results.done()):
        if done and not results.is_intact(jobs[index].regions):
            results.forget(index)
            damaged += 1
            done = False
        if not done:
            pending.append(index)
    if damaged:
        notice(f"{results.path}: {damaged} of {len(jobs)} chunks were damaged, and are computed again")
    return pending


def _stored_chunk(folder: Path, plan: Plan) -> int | None:
    for variable in plan.variables(1):
        chunks = chunks_of(folder, variable.name)
        if chunks is not None and variable.dims[0] == "model":
            return int(np.prod(chunks))
    return None


class _Writer:
    """Stores what was computed, from any thread."""

    def __init__(
        self, plan: Plan, results: Results, jobs: Sequence[Job], on_chunk: Callable[[str, int], None] | None
    ) -> None:
        self._plan, self._results, self._jobs, self._on_chunk = plan, results, jobs, on_chunk
        self._lock = threading.Lock()

    def __call__(self, index: int, values: Mapping[str, np.ndarray]) -> None:
        job = self._jobs[index]
        self._results.write(job.regions, self._plan.stored(job.part, values, job.block), index)
        if self._on_chunk is not None:
            with self._lock:
                self._on_chunk(job.part.name, job.num_trajectories)


class _Record:
    """The provenance of a run: where and when it was begun, and every session that continued it."""

    def __init__(self, folder: Path, config: Config) -> None:
        self._path, self._config, self.digest = folder / store.PROVENANCE, config, pattern_file_digest(config)

    def begin(self) -> None:
        try:
            before = store.read_json(self._path)
        except InputError:
            before = {}
        here, now = environment(), datetime.now(UTC).isoformat(timespec="seconds")
        fixed = {
            "seed": self._config.seed,
            "precision": self._config.precision,
            "config_sha256": self._config.sha256(),
            "pattern_file_sha256": self.digest,
        }
        self._content = {**here, **fixed, "started": now, **before, **fixed, "finished": False}
        self._session = {"started": now} | {key: value for key, value in here.items() if before.get(key, value) != value}
        self._clock = time.perf_counter()
        store.write_json(self._path, self._content)

    def end(self, clocks: Mapping[str, Clock], *, finished: bool) -> None:
        seconds = {
            "wall_clock": round(time.perf_counter() - self._clock, 3),
            "parts": {
                name: {
                    "compiling": round(clock.compile_seconds, 3),
                    "running": round(clock.run_seconds, 3),
                    "programs": clock.num_programs,
                    "trajectories": clock.num_trajectories,
                }
                for name, clock in clocks.items()
            },
        }
        sessions = self._content.get("sessions", [])
        if clocks or not sessions:
            sessions = [*sessions, self._session | {"seconds": seconds}]
        store.write_json(self._path, self._content | {"finished": finished, "sessions": sessions})


def _mask(plan: Plan, job: Job, chosen: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    masks = plan.stored(job.part, {"chosen": chosen}, job.block)
    return np.broadcast_to(next(iter(masks.values())), shape)


def _compare(found: dict[str, dict[str, float | int]], name: str, stored: np.ndarray, again: np.ndarray, chosen: np.ndarray) -> None:
    chosen = np.broadcast_to(chosen, stored.shape)
    one, other = stored[chosen], np.broadcast_to(again, stored.shape)[chosen]
    tally = found.setdefault(name, {"compared": 0, "different": 0, "beyond": 0, "largest": 0.0})
    same = (one == other) | ((one != one) & (other != other))
    with np.errstate(invalid="ignore"):
        relative = np.abs(one.astype(float) - other) / np.maximum(1, np.abs(one.astype(float)))
    relative = np.where(same, 0.0, np.where(np.isnan(relative), np.inf, relative))
    exact = one.dtype.kind in "iu" or name in ("hamming_error", "decoder_error", "success", "settled")
    tally["compared"] += one.size
    tally["different"] += int((~same).sum())
    tally["beyond"] += int((relative > (0 if exact else EQUAL)).sum())
    tally["largest"] = max(tally["largest"], float(relative.max(initial=0.0)))
