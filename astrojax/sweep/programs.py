"""Compiled programs: one for each kind of sample and padded shape, whatever the numbers in it.

Neither the number of a program's lanes that are filled nor their order changes what is computed for any of them.
"""

import math
import threading
import time
from collections.abc import Hashable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AbstractMesh, Mesh, PartitionSpec

from .._internal.random import pinned
from .._internal.types import RandomKey
from ..problems.task import Coordinates
from ..solve.time_grid import can_be_refined


class Sample(Protocol):
    """What a sweep takes: a pytree whose array leaves and floats are traced, so that changing a number compiles nothing.

    What `solve` returns must depend on every coordinate. A sample may also have `determinants(problem, coordinates)`, arrays
    that decide the outcome and cost less to trace; `memory(problem, coordinates)`, whose size is that of a trajectory;
    `num_steps`, the number of its steps; and `coordinate_names`, those of the coordinates that it can have.

    If `on_grid` is true, it is solved on time grids: `first_num_steps(coordinates, capacity)` is the number of steps of the
    first to be tried, and `attempt(problem, coordinates, num_steps)` replaces `solve`; if its `status` is `MAX_STEPS`, the
    number is doubled, up to `max_steps`.
    """

    def draw(self, root_key: RandomKey, coordinates: Coordinates, capacity: int) -> Any:
        """The problem at the given scalar coordinates, padded to `capacity` patterns: any pytree of arrays."""

    def solve(self, problem: Any, coordinates: Coordinates) -> dict[str, jax.Array]:
        """Scalars measured in the problem, by name."""


@dataclass(frozen=True)
class Layout:
    devices: tuple[Any, ...]
    width: int  # lanes of a batch, which are solved together on one device
    num_batches: int  # most batches of a device in one call

    @property
    def lanes(self) -> int:
        return len(self.devices) * self.width * self.num_batches


def as_arrays(sample: Any) -> Any:
    """A sample whose floats have become arrays, in JAX's current precision."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, float) else leaf, sample)


def outputs(sample: Any, root_key: RandomKey, coordinates: Mapping[str, np.ndarray], capacity: int) -> dict[str, np.dtype]:
    number = jax.ShapeDtypeStruct((), np.int32) if is_on_grid(sample) else None
    shapes = pinned(eqx.filter_eval_shape)(_measured, as_arrays(sample), root_key, one_lane(coordinates), number, capacity)
    return {name: np.dtype(leaf.dtype) for name, leaf in shapes.items()}


@eqx.filter_jit  # traced once, for the names and shapes of its results and for each loop that calls it
def _measured(sample: Any, root_key: RandomKey, lane: Coordinates, num_steps: jax.Array | None, capacity: int) -> Any:
    problem = sample.draw(root_key, lane, capacity)
    return sample.attempt(problem, lane, num_steps) if is_on_grid(sample) else sample.solve(problem, lane)


def in_precision(coordinates: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Coordinates as programs take them: integers as they are, real numbers in JAX's current precision."""
    real = jnp.result_type(float)
    return {name: values if values.dtype.kind in "iu" else values.astype(real) for name, values in coordinates.items()}


def one_lane(coordinates: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
    return {name: jnp.asarray(values[0]) for name, values in in_precision(coordinates).items()}


def static_key(tree: Any) -> Hashable:
    """A key that pytrees share which differ only in the numbers inside their arrays."""
    dynamic, static = eqx.partition(tree, eqx.is_array)
    arrays = tuple((leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(dynamic))
    leaves, structure = jax.tree.flatten(static)
    return arrays, tuple(leaves), structure


class Programs:
    """The programs that were compiled, each once however many threads ask for it."""

    def __init__(self) -> None:
        self._compiled: dict[Hashable, Future[Any]] = {}
        self._lock, self._tracing = threading.Lock(), threading.Lock()

    def clear(self) -> None:
        """Delete all programs, but not their traces: thousands exhaust the memory maps that a process may have."""
        with self._lock:
            self._compiled.clear()

    def get(self, sample: Any, arguments: tuple[Any, ...], capacity: int, layout: Layout) -> tuple[Any, float | None]:
        """A program for a traced sample and arguments like the given ones; and the seconds if it was compiled just now."""
        dynamic, static = eqx.partition(sample, eqx.is_array)
        key = static_key((sample, arguments)), capacity, layout, jnp.result_type(float)
        with self._lock:
            known = key in self._compiled
            future = self._compiled.setdefault(key, Future())
        seconds = None
        if not known:
            try:
                with self._tracing:  # one after another, as Python's own lock has it anyway: the first is compiled meanwhile
                    started = time.perf_counter()
                    lowered = pinned(jax.jit(_on_all_devices(static, capacity, layout)).lower)(dynamic, *arguments)
                program = lowered.compile()
                future.set_result(_Exclusive(program) if "@lapack_" in lowered.as_text() else program)
                seconds = time.perf_counter() - started
            except BaseException as error:
                with self._lock:
                    del self._compiled[key]
                future.set_exception(error)
                raise
        return future.result(), seconds


class _Exclusive:
    """A program that never runs concurrently with others of its kind: on CPUs, two with batches of LAPACK's deadlock."""

    lock = threading.Lock()

    def __init__(self, program: Any) -> None:
        self.program, self.memory_analysis = program, program.memory_analysis

    def __call__(self, *arguments: Any) -> Any:
        with self.lock:
            return jax.block_until_ready(self.program(*arguments))


def call(program: Any, sample: Any, root_key: RandomKey, arguments: tuple[Any, np.ndarray], order: np.ndarray) -> Any:
    """Call a program with what `distribute` returned. Gives one value per lane, by name."""
    dynamic, _ = eqx.partition(sample, eqx.is_array)
    with jax.debug_nans(False):  # observables of a failed trajectory are NaN
        packed = program(dynamic, root_key, *arguments)
    return {name: value[order] for name, value in jax.tree.map(np.asarray, packed).unpacked().items()}


def distribute(coordinates: Mapping[str, np.ndarray], layout: Layout) -> tuple[tuple[Any, np.ndarray], np.ndarray]:
    """Arguments of a program for the given lanes, dealt out to the devices one by one; and the index of each lane."""
    number = len(next(iter(coordinates.values())))
    num_devices, per_device = len(layout.devices), layout.lanes // len(layout.devices)
    # Lanes that stay empty hold copies of the last one, which are never read.
    dealt = np.arange(per_device) * num_devices + np.arange(num_devices)[:, None]
    source = np.minimum(dealt, number - 1).ravel()
    filled = np.array([len(range(device, number, num_devices)) for device in range(num_devices)], np.int32)
    lanes = np.arange(number)
    order = lanes % num_devices * per_device + lanes // num_devices
    return (in_precision({name: values[source] for name, values in coordinates.items()}), filled), order


def _on_all_devices(static: Any, capacity: int, layout: Layout) -> Any:
    def one_device(dynamic: Any, root_key: RandomKey, coordinates: Coordinates, filled: jax.Array) -> Packed:
        return _in_batches(eqx.combine(dynamic, static), root_key, coordinates, filled[0], capacity, layout.width)

    def without_mesh(*arguments: Any) -> Packed:
        # Reverse mode of diffrax fails where arrays differ in their abstract mesh.
        with jax.sharding.use_abstract_mesh(AbstractMesh((), ())):
            return one_device(*arguments)

    if len(layout.devices) == 1:
        return one_device
    mesh = Mesh(np.array(layout.devices), ("lanes",))
    same, spread = PartitionSpec(), PartitionSpec("lanes")
    # Without check_vma, which diffrax's loops do not pass.
    return jax.shard_map(without_mesh, mesh=mesh, in_specs=(same, same, spread, spread), out_specs=spread, check_vma=False)


def is_on_grid(sample: Any) -> bool:
    return bool(getattr(sample, "on_grid", False))


class Packed(eqx.Module):
    """Values of many lanes by name, all numbers of one type in one array: writing many small ones takes time."""

    arrays: list[jax.Array]
    shapes: tuple[tuple[str, tuple[int, ...]], ...] = eqx.field(static=True)
    groups: tuple[tuple[str, ...], ...] = eqx.field(static=True)

    @classmethod
    def zeros(cls, lane: Mapping[str, Any], number: int) -> "Packed":
        """Space for `number` lanes, each with values of the shapes and types of the given one."""
        types: dict[Any, list[str]] = {jnp.dtype(value.dtype): [] for value in lane.values()}
        for name, value in lane.items():
            types[value.dtype].append(name)
        sizes = [sum(lane[name].size for name in group) for group in types.values()]
        arrays = [jnp.zeros((number, size), dtype) for size, dtype in zip(sizes, types, strict=True)]
        return cls(arrays, tuple((name, value.shape) for name, value in lane.items()), tuple(map(tuple, types.values())))

    def written(self, values: Mapping[str, jax.Array], start: jax.Array) -> "Packed":
        rows = [jnp.concatenate([values[name].reshape(len(values[name]), -1) for name in group], 1) for group in self.groups]
        write = jax.lax.dynamic_update_slice_in_dim
        arrays = [write(array, row, start, 0) for array, row in zip(self.arrays, rows, strict=True)]
        return Packed(arrays, self.shapes, self.groups)

    def unpacked(self) -> dict[str, Any]:
        shapes, found = dict(self.shapes), {}
        for group, array in zip(self.groups, self.arrays, strict=True):
            first = 0
            for name in group:
                size = math.prod(shapes[name])
                found[name] = array[:, first : first + size].reshape(len(array), *shapes[name])
                first += size
        return {name: found[name] for name in shapes}


def _in_batches(
    sample: Any, root_key: RandomKey, coordinates: Coordinates, filled: jax.Array, capacity: int, width: int
) -> Packed:
    """All lanes of one device: the first `filled` of them are computed, and the others only where they share a batch."""
    number = len(next(iter(coordinates.values())))

    def solve(lane: Coordinates, num_steps: jax.Array | None) -> Any:
        return _measured(sample, root_key, lane, num_steps, capacity)

    first_lane, first_number = {name: values[0] for name, values in coordinates.items()}, filled if is_on_grid(sample) else None
    empty = Packed.zeros(jax.eval_shape(solve, first_lane, first_number), number)

    def in_batches(lanes: Coordinates, number: jax.Array, num_steps: jax.Array | None) -> Packed:
        # The number of batches is traced, so that the compiler cannot treat a single batch in another way than many.
        def solve_batch(batch: jax.Array, results: Packed) -> Packed:
            start = batch * width
            taken = {name: jax.lax.dynamic_slice_in_dim(values, start, width) for name, values in lanes.items()}
            return results.written(jax.vmap(solve, in_axes=(0, None))(taken, num_steps), start)

        computed: Packed = jax.lax.fori_loop(jnp.zeros_like(number), -(-number // width), solve_batch, empty)
        return computed

    if not is_on_grid(sample):
        return in_batches(coordinates, filled, None)

    def next_grid(state: tuple[jax.Array, Packed]) -> tuple[jax.Array, Packed]:
        pending, results = state
        num_steps = jnp.min(pending)
        order = jnp.argsort(pending)
        chosen = jnp.sum(pending == num_steps, dtype=places.dtype)
        found = in_batches({name: values[order] for name, values in coordinates.items()}, chosen, num_steps)
        too_coarse = can_be_refined(found.unpacked()["status"], num_steps, sample.max_steps)
        targets = jnp.where(places < chosen, order, number)
        results = jax.tree.map(lambda new, old: old.at[targets].set(new, mode="drop"), found, results)
        return pending.at[targets].set(jnp.where(too_coarse, 2 * num_steps, done), mode="drop"), results

    places = jnp.arange(number, dtype=filled.dtype)
    first = jax.vmap(lambda lane: sample.first_num_steps(lane, capacity))(coordinates).astype(filled.dtype)
    done = jnp.iinfo(first.dtype).max
    pending = jnp.where(places < filled, first, done)
    return jax.lax.while_loop(lambda state: jnp.any(state[0] < done), next_grid, (pending, empty))[1]
