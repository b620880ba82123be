"""Running a sweep: one compiled program per sample and capacity, called for all its lanes.

This layer batches samples and knows no model. A *sample* is a pytree that can be called as
`sample(root_key, coordinates, capacity)` for a dictionary of scalars; its array leaves are traced, so changing a number
compiles nothing.
"""

import functools
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._types import RandomKey
from .axes import Axes, product
from .batching import Batch, batches

Sample = Callable[[RandomKey, Mapping[str, jax.Array], int], dict[str, jax.Array]]

REPORTS_PER_BATCH = 16
"""Into how many calls of one compiled program a batch is split at most, so that progress is seen and an interruption heeded."""

CPU_LANES = 32
"""Lanes that step together on a CPU: enough to pay for an operation, few enough to stay in the cache. On an accelerator all
lanes of a call step together."""


@dataclass(frozen=True)
class Sweep:
    """A sample and the axes over which it is taken."""

    sample: Any
    axes: Axes
    largest_capacity: int | None = None


@dataclass
class SweepResult:
    """Observables of a sweep, each an array with one dimension per axis, and the seconds it took to get them.

    The seconds are summed over calls; calls that ran side by side count each.
    """

    observables: dict[str, np.ndarray] = field(default_factory=dict)
    num_trajectories: int = 0
    num_programs: int = 0
    compile_seconds: float = 0.0
    run_seconds: float = 0.0


def run_sweeps(
    sweeps: Mapping[str, Sweep],
    root_key: RandomKey,
    *,
    num_threads: int | None = None,
    lanes_per_step: int | None = None,
    on_batch: Callable[[str, int], None] | None = None,
) -> dict[str, SweepResult]:
    """Take every sample of every sweep.

    Arguments:
        sweeps: what to compute, by name.
        root_key: the key that all random keys are derived from.
        num_threads: how many calls are compiled and run side by side: one per core on a CPU when left out, else one.
        lanes_per_step: how many lanes of a call step together; chosen for the device when left out. Results do not
            depend on it beyond rounding.
        on_batch: called with a sweep's name and a number of trajectories whenever these are done, by one thread at a time.

    Returns:
        A result for each sweep, by name.

    Raises:
        InputError (a ValueError): for an axis without values.
    """
    on_cpu = jax.default_backend() == "cpu"
    num_threads = num_threads or ((os.cpu_count() or 1) if on_cpu else 1)
    lanes = {name: product(sweep.axes) for name, sweep in sweeps.items()}
    results = {name: SweepResult(num_trajectories=int(np.prod(lanes[name].shape))) for name in sweeps}
    jobs = [(name, batch) for name, sweep in sweeps.items() for batch in batches(lanes[name], sweep.largest_capacity)]
    jobs.sort(key=lambda job: -job[1].capacity * job[1].lanes.size)

    stop, lock = threading.Event(), threading.Lock()

    def report(name: str, number: int) -> None:
        if stop.is_set():
            raise CancelledError
        if on_batch is not None:
            with lock:
                on_batch(name, number)

    with ThreadPoolExecutor(num_threads) as pool:
        futures = {}
        for name, batch in jobs:
            chosen = {axis: values[batch.lanes] for axis, values in lanes[name].coordinates.items()}
            width = lanes_per_step or (CPU_LANES if on_cpu else batch.lanes.size)
            # Each thread starts with JAX's default settings; precision is passed on by hand.
            precision = jax.config.jax_enable_x64  # type: ignore[attr-defined]
            inputs = sweeps[name].sample, root_key, chosen, batch.capacity
            future = pool.submit(_run_batch, *inputs, width, precision, functools.partial(report, name))
            futures[future] = name, batch
        try:
            for future in as_completed(futures):
                name, batch = futures[future]
                values, compile_seconds, run_seconds = future.result()
                _store(results[name], lanes[name].shape, batch, values)
                results[name].num_programs += 1
                results[name].compile_seconds += compile_seconds
                results[name].run_seconds += run_seconds
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results


def _run_batch(
    sample: Any,
    root_key: RandomKey,
    coordinates: dict[str, np.ndarray],
    capacity: int,
    width: int,
    precision: bool,
    report: Callable[[int], None],
) -> tuple[dict[str, np.ndarray], float, float]:
    """Compile one program and call it for all lanes; a call takes a number of steps, each of `width` lanes.

    `report` is told how many lanes each call has done. Returns observables, one value per lane, and seconds of compiling and
    of running.
    """
    with jax.enable_x64(precision):
        num_lanes = len(next(iter(coordinates.values())))
        width = min(width, num_lanes)
        steps_per_call = -(-num_lanes // (width * REPORTS_PER_BATCH))
        per_call = width * steps_per_call
        # The last call is filled up with copies of the last lane, so that all calls have one shape.
        index = np.minimum(np.arange(-(-num_lanes // per_call) * per_call), num_lanes - 1).reshape(-1, steps_per_call, width)
        traced = jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, float) else leaf, sample)
        calls = [{name: jnp.asarray(_in_precision(values)[part]) for name, values in coordinates.items()} for part in index]

        started = time.perf_counter()
        jitted: Any = eqx.filter_jit(_all_lanes)
        program = jitted.lower(traced, root_key, calls[0], capacity).compile()
        compiled = time.perf_counter()
        parts = []
        for number, call in enumerate(calls):
            parts.append({name: np.asarray(value).ravel() for name, value in program(traced, root_key, call, capacity).items()})
            report(min(per_call, num_lanes - number * per_call))
        finished = time.perf_counter()
        values = {name: np.concatenate([part[name] for part in parts])[:num_lanes] for name in parts[0]}
        return values, compiled - started, finished - compiled


def _all_lanes(sample: Sample, root_key: RandomKey, coordinates: dict[str, jax.Array], capacity: int) -> dict[str, jax.Array]:
    one_step = jax.vmap(lambda lane: sample(root_key, lane, capacity))
    return jax.lax.map(one_step, coordinates)


def _in_precision(values: np.ndarray) -> np.ndarray:
    return values if values.dtype.kind in "iu" else values.astype(jnp.result_type(float))


def _store(result: SweepResult, shape: tuple[int, ...], batch: Batch, values: dict[str, np.ndarray]) -> None:
    for name, value in values.items():
        if name not in result.observables:
            result.observables[name] = np.empty(shape, value.dtype)
        result.observables[name].reshape(-1)[batch.lanes] = value
