"""The engine: computes lanes on the devices of this process, within a memory budget, in concurrent calls."""

import functools
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from .._internal.checks import LARGEST_SIZE, at_least, random_key
from .._internal.devices import OutOfMemoryError, default_budget, empty, local_devices
from .._internal.errors import shown_bytes
from .._internal.parameters import MOST_THREADS, MOST_TRAJECTORIES
from .._internal.types import RandomKey
from .costs import trajectory_bytes
from .programs import Layout, Programs, as_arrays, call, distribute, static_key

CPU_WIDTH = 128  # largest width of a batch on a CPU: amortizes the overhead of an operation
CPU_CACHE = 2**20  # approximate bytes of a core's cache that a batch may fill
ACCELERATOR_WIDTH = 4096  # of a batch on an accelerator: hides the latency of small operations, yet a chunk fills it
MOST_BATCHES = 64  # in one call of a program; interruptions take effect between calls
WORKING_COPIES = 8  # estimated memory of a solve, in trajectories, until the compiler reports the real size
PROGRAMS = Programs()  # kept until the process ends, so another sweep of the same shapes compiles nothing


class Lanes(NamedTuple):
    """Trajectories to compute: values by coordinate, and the padded number of patterns of each."""

    name: str
    sample: Any
    root_key: RandomKey
    coordinates: dict[str, np.ndarray]
    capacities: np.ndarray


@dataclass
class Timings:
    """Seconds spent compiling and running, summed over calls, even concurrent ones."""

    compile_seconds: float = 0.0
    run_seconds: float = 0.0
    num_programs: int = 0
    num_trajectories: int = 0

    def add(self, other: "Timings") -> None:
        for name, amount in vars(other).items():
            setattr(self, name, getattr(self, name) + amount)


class Engine:
    """The devices of this process, and the layout of trajectories on them. It may be shared by threads and reused: each call
    computes in its own `Session`.

    Arguments:
        num_devices: number of devices that trajectories are spread over; all if omitted.
        num_threads: number of concurrent calls; if omitted, one per core on a single CPU device, else two, so that
            one result is stored while the next is computed.
        lanes_per_step: number of trajectories per batch, solved together on one device; automatic if omitted.
        memory: bytes of a device's memory that may be used; a safe share of it if omitted.
        on_notice: called with a message when the batch layout is reduced.

    Raises `InputError` for settings out of range, and where JAX has no device.
    """

    def __init__(
        self,
        *,
        num_devices: int | None = None,
        num_threads: int | None = None,
        lanes_per_step: int | None = None,
        memory: int | None = None,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        available = local_devices()
        bounds = {
            "num_devices (--devices)": (num_devices, len(available)),
            "num_threads (--threads)": (num_threads, MOST_THREADS),
            "lanes_per_step": (lanes_per_step, MOST_TRAJECTORIES),
            "memory": (memory, LARGEST_SIZE),
        }
        for name, (value, most) in bounds.items():
            if value is not None:
                at_least(name, value, 1, most)
        on_cpu = available[0].platform == "cpu"
        self.devices = tuple(available[:num_devices])
        self.num_threads = num_threads or ((os.cpu_count() or 1) if on_cpu and len(self.devices) == 1 else 2)
        self.memory = memory or default_budget(self.devices)
        self.timings: dict[str, Timings] = {}
        self._width = lanes_per_step
        self._layouts: dict[Hashable, Layout] = {}
        self._on_notice = on_notice or (lambda text: None)
        self._lock = threading.Lock()

    @property
    def memory_per_thread(self) -> int:
        """Bytes of a device's memory that one call may use."""
        return self.memory // self.num_threads

    def session(self) -> "Session":
        return Session(self)

    def compute_concurrently(self, lanes: Lanes) -> dict[str, np.ndarray]:
        """Like `Session.compute`, with trajectories distributed over all threads: bit-for-bit the same values.

        Raises `OutOfMemoryError` if not even a single trajectory fits into memory.
        """
        parts = [np.arange(first, lanes.capacities.size, self.num_threads) for first in range(self.num_threads)]
        results: dict[str, np.ndarray] = {}
        lock, session = threading.Lock(), self.session()

        def compute(places: np.ndarray) -> None:
            coordinates = {name: values[places] for name, values in lanes.coordinates.items()}
            values = session.compute(lanes._replace(coordinates=coordinates, capacities=lanes.capacities[places]))
            with lock:
                _put(results, values, places, lanes.capacities.size)

        session.run([functools.partial(compute, places) for places in parts if places.size])
        return results

    def _layout(self, lanes: Lanes, sample: Any, capacity: int) -> Layout:
        """The layout from the memory of one trajectory, or a reduced one if memory ran out."""
        key = static_key(sample), capacity
        if key not in self._layouts:
            size = trajectory_bytes(sample, lanes.coordinates, capacity)
            if size > self.memory_per_thread:
                needed, allowed = shown_bytes(size), shown_bytes(self.memory_per_thread)
                text = f"{lanes.name}: a single trajectory of {capacity:,} patterns takes at least {needed} of memory"
                raise OutOfMemoryError(f"{text}; each thread may use {allowed}")
            size = max(size, 1)
            fitting = max(self.memory_per_thread // size, 1)
            widest = int(np.clip(2 ** round(np.log2(CPU_CACHE / size)), 1, CPU_WIDTH))
            if self.devices[0].platform != "cpu":
                widest = ACCELERATOR_WIDTH
            width = min(self._width or widest, 2 ** int(np.log2(max(fitting // WORKING_COPIES, 1))))
            num_batches = int(np.clip(fitting // (2 * width), 1, MOST_BATCHES))
            with self._lock:
                self._layouts.setdefault(key, Layout(self.devices, width, num_batches))
        return self._layouts[key]

    def _halve(self, name: str, key: tuple[Hashable, int], layout: Layout, error: Exception) -> None:
        capacity = key[1]
        with self._lock:
            if self._layouts[key] != layout:
                return  # another thread has halved it
            if layout.width == layout.num_batches == 1:
                text = f"{name}: a single trajectory of {capacity} patterns does not fit into memory: {error}"
                raise OutOfMemoryError(text) from error
            width, num_batches = max(layout.width // 2, 1), max(layout.num_batches // 2, 1)
            self._layouts[key] = Layout(self.devices, width, num_batches)
        self._on_notice(
            f"{name}: out of memory with {layout.width} × {layout.num_batches} trajectories of {capacity} patterns at a time; "
            f"continuing with {width} × {num_batches}"
        )


class Session:
    """Computations of one caller on an engine, in any number of threads, stopped and timed separately from others.

    Once stopped, by a failed job or an interruption, it computes nothing more: results are complete, or there is an exception.
    """

    timings: dict[str, Timings]  # by name of the lanes

    def __init__(self, engine: Engine) -> None:
        self.engine, self.timings = engine, {}
        self._stop = threading.Event()

    def compute(self, lanes: Lanes) -> dict[str, np.ndarray]:
        """Observables by name, one value (or array) per trajectory; `CancelledError` if the session was stopped."""
        random_key(lanes.root_key)
        sample = as_arrays(lanes.sample)
        results: dict[str, np.ndarray] = {}
        for capacity in np.unique(lanes.capacities)[::-1]:
            places = np.flatnonzero(lanes.capacities == capacity)
            while places.size:
                if self._stop.is_set():
                    raise CancelledError
                done, values = self._within_memory(lanes, sample, int(capacity), places)
                _put(results, values, places[:done], lanes.capacities.size)
                places = places[done:]
        return results

    def prepare(self, lanes: Lanes) -> None:
        """Compile what `compute` will need for the first of the lanes."""
        self._within_memory(lanes, as_arrays(lanes.sample), int(lanes.capacities[0]), np.zeros(0, int))

    def stop(self) -> None:
        self._stop.set()

    def run(self, jobs: Iterable[Callable[[], object]]) -> None:
        """Run jobs concurrently, started in order. If one fails or is interrupted, the others stop."""
        precision = jax.config.jax_enable_x64  # type: ignore[attr-defined]
        failures: list[BaseException] = []

        def in_precision(job: Callable[[], object]) -> None:
            # Each thread starts with JAX's default settings.
            with jax.enable_x64(precision):
                try:
                    if self._stop.is_set():
                        raise CancelledError
                    job()
                except BaseException as error:
                    failures.append(error)
                    self.stop()
                    raise

        with ThreadPoolExecutor(self.engine.num_threads) as pool:
            try:
                for future in as_completed([pool.submit(in_precision, job) for job in jobs]):
                    future.result()
            except CancelledError:
                pool.shutdown(cancel_futures=True)
                raise next((error for error in failures if not isinstance(error, CancelledError)), failures[0]) from None
            except BaseException:
                self.stop()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _within_memory(self, lanes: Lanes, sample: Any, capacity: int, places: np.ndarray) -> tuple[int, dict[str, np.ndarray]]:
        """One call, with as many lanes as fit in it; batches are halved until they fit into memory."""
        while True:
            layout = self.engine._layout(lanes, sample, capacity)
            try:
                return self._call(lanes, sample, capacity, places[: layout.lanes], layout)
            except (OutOfMemoryError, jax.errors.JaxRuntimeError) as error:
                if isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
                    raise
                self.engine._halve(lanes.name, (static_key(sample), capacity), layout, error)

    def _call(
        self, lanes: Lanes, sample: Any, capacity: int, places: np.ndarray, layout: Layout
    ) -> tuple[int, dict[str, np.ndarray]]:
        chosen = places if places.size else np.zeros(1, int)
        coordinates = {name: values[chosen] for name, values in lanes.coordinates.items()}
        arguments, order = distribute(coordinates, layout)
        program, compile_seconds = PROGRAMS.get(sample, (lanes.root_key, *arguments), capacity, layout)
        if compile_seconds is not None:
            self._count(lanes.name, Timings(compile_seconds=compile_seconds, num_programs=1))
            needed, allowed = program.memory_analysis(), self.engine.memory_per_thread
            if needed is not None and needed.temp_size_in_bytes > allowed:
                raise OutOfMemoryError(f"the program needs {needed.temp_size_in_bytes:,} bytes; {allowed:,} are allowed")
        if not places.size:
            return 0, {}
        started = time.perf_counter()
        values = call(program, sample, lanes.root_key, arguments, order)
        self._count(lanes.name, Timings(run_seconds=time.perf_counter() - started, num_trajectories=places.size))
        return places.size, values

    def _count(self, name: str, counts: Timings) -> None:
        with self.engine._lock:
            for timings in (self.timings, self.engine.timings):
                timings.setdefault(name, Timings()).add(counts)


def _put(results: dict[str, np.ndarray], values: Mapping[str, np.ndarray], places: np.ndarray, number: int) -> None:
    for name, value in values.items():
        if name not in results:
            results[name] = empty((number, *value.shape[1:]), value.dtype)
        results[name][places] = value
