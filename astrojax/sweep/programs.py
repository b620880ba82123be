"""Compiled programs: one for each kind of sample and padded shape, whatever the numbers in it.

A program takes a fixed number of lanes on each device. It draws the problems of all of them, puts those that will take about
equally many steps of a solver side by side, and solves them in *steps* of a fixed number of lanes that share one loop.
Neither the number of lanes that are filled nor their order changes what is computed for any of them.
"""

import functools
import threading
from collections.abc import Hashable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AbstractMesh, Mesh, PartitionSpec

from .._random import pinned
from .._types import RandomKey

Coordinates = Mapping[str, jax.Array]


@runtime_checkable
class Sample(Protocol):
    """What a sweep takes: a pytree whose array leaves and floats are traced, so that changing a number compiles nothing.

    What `solve` returns must depend on every coordinate. A sample may instead have `determinants(problem, coordinates)`, a
    pytree of arrays that decide the outcome and cost less to trace; and `coordinate_names`, those that it can have.
    """

    def draw(self, root_key: RandomKey, coordinates: Coordinates, capacity: int) -> Any:
        """The problem at the given scalar coordinates, padded to `capacity` patterns: any pytree of arrays."""

    def cost(self, problem: Any, coordinates: Coordinates) -> jax.Array:
        """About how many steps the problem will take, as a float; only the order of these numbers matters."""

    def solve(self, problem: Any, coordinates: Coordinates) -> dict[str, jax.Array]:
        """Scalars measured in the problem, by name."""


@runtime_checkable
class StepwiseSample(Sample, Protocol):
    """A sample that can be solved step by step, many side by side, which is faster than a batch of loops."""

    by_steps: bool
    """Whether it is to be; `solve` does it otherwise."""

    def begin(self, problem: Any, coordinates: Coordinates) -> tuple[Any, Any]:
        """What stays the same while the problem is solved, and how far it has been solved: pytrees."""

    def under_way(self, setting: Any, progress: Any) -> jax.Array:
        """Whether there are steps left."""

    def advance(self, setting: Any, progress: Any) -> Any:
        """The progress after one more step; unchanged where there are none left."""

    def measure(self, problem: Any, coordinates: Coordinates, setting: Any, progress: Any) -> dict[str, jax.Array]:
        """Scalars measured in the problem once it is solved, by name."""


@dataclass(frozen=True)
class Layout:
    """How lanes are laid out in one call of a program.

    Arguments:
        devices: devices that lanes are spread over.
        width: lanes of a device that step together.
        steps: most steps of a device in one call.
    """

    devices: tuple[Any, ...]
    width: int
    steps: int

    @property
    def lanes(self) -> int:
        """Most lanes of one call."""
        return len(self.devices) * self.width * self.steps


def traced(sample: Any) -> Any:
    """A sample whose floats have become arrays, in JAX's current precision."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, float) else leaf, sample)


def lane_bytes(sample: Any, root_key: RandomKey, coordinates: Mapping[str, np.ndarray], capacity: int) -> tuple[int, int]:
    """Memory of one lane: its problem and what stays the same while that is solved; and the least that solving it takes."""

    def kept(key: RandomKey, lane: Coordinates) -> Any:
        problem = sample.draw(key, lane, capacity)
        return problem, *(sample.begin(problem, lane) if by_steps(sample) else (None, None))

    def size(shapes: Any) -> int:
        sized = (leaf for leaf in jax.tree.leaves(shapes) if hasattr(getattr(leaf, "dtype", None), "itemsize"))
        return sum(leaf.size * leaf.dtype.itemsize for leaf in sized)

    problem, setting, progress = map(size, eqx.filter_eval_shape(kept, root_key, one_lane(coordinates)))
    return problem + setting, max(problem, setting + progress)


def outputs(sample: Any, root_key: RandomKey, coordinates: Mapping[str, np.ndarray], capacity: int) -> dict[str, np.dtype]:
    """Names and types of what a sample measures."""

    def measured(key: RandomKey, lane: Coordinates) -> dict[str, jax.Array]:
        problem = sample.draw(key, lane, capacity)
        if not by_steps(sample):
            return sample.solve(problem, lane)
        return sample.measure(problem, lane, *sample.begin(problem, lane))  # as if it took no steps

    shapes = eqx.filter_eval_shape(measured, root_key, one_lane(coordinates))
    return {name: np.dtype(leaf.dtype) for name, leaf in shapes.items()}


def in_precision(coordinates: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
    """Coordinates as JAX takes them: integers as they are, real numbers in the current precision."""
    real = jnp.result_type(float)
    return {
        name: jnp.asarray(values if values.dtype.kind in "iu" else values.astype(real)) for name, values in coordinates.items()
    }


def one_lane(coordinates: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
    """The coordinates of the first lane."""
    return {name: values[0] for name, values in in_precision(coordinates).items()}


def kind_of(tree: Any) -> Hashable:
    """What is the same for all pytrees that differ only in the numbers inside their arrays."""
    dynamic, static = eqx.partition(tree, eqx.is_array)
    arrays = tuple((leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(dynamic))
    leaves, structure = jax.tree.flatten(static)
    return arrays, tuple(leaves), structure


class Programs:
    """The programs that were compiled, each once however many threads ask for it."""

    def __init__(self) -> None:
        self._compiled: dict[Hashable, Future[Any]] = {}
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Forget all programs: thousands of them exhaust the memory maps that a process may have."""
        with self._lock:
            self._compiled.clear()

    def get(self, sample: Any, arguments: tuple[Any, ...], capacity: int, layout: Layout) -> tuple[Any, bool]:
        """A program for a traced sample and arguments like the given ones; and whether it was compiled just now."""
        dynamic, static = eqx.partition(sample, eqx.is_array)
        key = kind_of((sample, arguments)), capacity, layout, jnp.result_type(float)
        with self._lock:
            known = key in self._compiled
            future = self._compiled.setdefault(key, Future())
        if not known:
            try:
                program = pinned(jax.jit(_on_all_devices(static, capacity, layout)).lower)(dynamic, *arguments)
                future.set_result(program.compile())
            except BaseException as error:
                with self._lock:
                    del self._compiled[key]
                future.set_exception(error)
                raise
        return future.result(), not known


def call(program: Any, sample: Any, root_key: RandomKey, arguments: tuple[Any, jax.Array], order: np.ndarray) -> Any:
    """Call a program with what `arranged` gave. Returns one value per lane, by name."""
    dynamic, _ = eqx.partition(sample, eqx.is_array)
    with jax.debug_nans(False):  # observables of a failed trajectory are NaN
        values = program(dynamic, root_key, *arguments)
    return {name: np.asarray(value)[order] for name, value in values.items()}


def arranged(coordinates: Mapping[str, np.ndarray], layout: Layout) -> tuple[tuple[Any, jax.Array], np.ndarray]:
    """Arguments of a program for the given lanes, dealt out to the devices one by one; and where each lane went."""
    number = len(next(iter(coordinates.values())))
    num_devices, per_device = len(layout.devices), layout.lanes // len(layout.devices)
    # Places that stay empty hold copies of the last lane, which are never looked at.
    dealt = np.arange(per_device) * num_devices + np.arange(num_devices)[:, None]
    source = np.minimum(dealt, number - 1).ravel()
    filled = np.array([len(range(device, number, num_devices)) for device in range(num_devices)], np.int32)
    lanes = np.arange(number)
    order = lanes % num_devices * per_device + lanes // num_devices
    return (in_precision({name: values[source] for name, values in coordinates.items()}), jnp.asarray(filled)), order


def _on_all_devices(static: Any, capacity: int, layout: Layout) -> Any:
    def one_device(dynamic: Any, root_key: RandomKey, coordinates: Coordinates, filled: jax.Array) -> dict[str, jax.Array]:
        return _in_steps(eqx.combine(dynamic, static), root_key, coordinates, filled[0], capacity, layout.width)

    def knowing_no_mesh(*arguments: Any) -> dict[str, jax.Array]:
        # What is inside works on one device. Reverse mode of diffrax fails where arrays differ in the mesh they know of.
        with jax.sharding.use_abstract_mesh(AbstractMesh((), ())):
            return one_device(*arguments)

    if len(layout.devices) == 1:
        return one_device
    mesh = Mesh(np.array(layout.devices), ("lanes",))
    same, spread = PartitionSpec(), PartitionSpec("lanes")
    # Without check_vma, which diffrax's loops do not pass.
    return jax.shard_map(knowing_no_mesh, mesh=mesh, in_specs=(same, same, spread, spread), out_specs=spread, check_vma=False)


def _in_steps(
    sample: Sample, root_key: RandomKey, coordinates: Coordinates, filled: jax.Array, capacity: int, width: int
) -> dict[str, jax.Array]:
    """All lanes of one device: the first `filled` of them are computed, and the others only where they share a step."""

    def drawn(lane: Coordinates) -> tuple[Any, jax.Array]:
        problem = sample.draw(root_key, lane, capacity)
        return problem, sample.cost(problem, lane)

    number = len(next(iter(coordinates.values())))
    num_steps = -(-filled // width)
    problems, costs = _for_steps(jax.vmap(drawn), coordinates, width, num_steps, None)
    # Empty places last: they belong to no step, or fill the last one. A cost of NaN, of invalid settings, is as good as any.
    most = jnp.finfo(costs.dtype).max
    costs = jnp.nan_to_num(costs, nan=most, posinf=most, neginf=-most)
    costs = jnp.where(jnp.arange(number, dtype=filled.dtype) < filled, costs, -jnp.inf)
    order = jnp.argsort(-costs)
    return _for_steps(functools.partial(_solved, sample), (problems, coordinates), width, num_steps, order)


def by_steps(sample: Sample) -> TypeGuard[StepwiseSample]:
    """Whether a sample is solved step by step."""
    return isinstance(sample, StepwiseSample) and sample.by_steps


def _solved(sample: Sample, lanes: tuple[Any, Coordinates]) -> dict[str, jax.Array]:
    """What is measured in problems that are solved side by side."""
    if not by_steps(sample):
        return jax.vmap(sample.solve)(*lanes)
    settings, progress = eqx.filter_vmap(sample.begin)(*lanes)
    under_way, advance = eqx.filter_vmap(sample.under_way), eqx.filter_vmap(sample.advance)
    progress = jax.lax.while_loop(
        lambda progress: jnp.any(under_way(settings, progress)), lambda progress: advance(settings, progress), progress
    )
    return eqx.filter_vmap(sample.measure)(*lanes, settings, progress)


def _for_steps(function: Any, lanes: Any, width: int, num_steps: jax.Array, order: jax.Array | None) -> Any:
    """`function`, of `width` lanes at a time, for the first steps, taken in an order. Each result is at its lane's place.

    The number of steps is traced, so that the compiler cannot treat a single step in another way than many.
    """
    number = jax.tree.leaves(lanes)[0].shape[0]
    shapes = jax.eval_shape(function, jax.tree.map(lambda leaf: leaf[:width], lanes))
    results = jax.tree.map(lambda leaf: jnp.empty((number, *leaf.shape[1:]), leaf.dtype), shapes)  # zeros; keys too

    def one_step(step: jax.Array, results: Any) -> Any:
        places = step * width + jnp.arange(width, dtype=step.dtype)
        taken = places if order is None else order[places]
        values = function(jax.tree.map(lambda leaf: leaf[taken], lanes))
        return jax.tree.map(lambda result, value: result.at[taken].set(value), results, values)

    return jax.lax.fori_loop(jnp.zeros_like(num_steps), num_steps, one_step, results)
