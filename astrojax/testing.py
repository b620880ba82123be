"""Tests of memories of your own: the checks that the package's memories pass."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ._internal.checks import InputError, at_least, random_key
from ._internal.random import GENERATOR
from ._internal.types import RandomKey
from .models.base import AbstractMemory
from .problems.corruption import flip
from .problems.patterns import random_patterns
from .solve.recall import Status
from .solve.retrieve import retrieve

T1, NUM_STEPS = 2.0, 100  # of recalls
NUM_PADDED = 2  # columns
RISE = 1e-4  # of the energy, relative to its range: several times what the solver's error causes
ROUNDING = 1e-6  # relative difference of numbers that are equal but for rounding
GRADIENT = 1e-2  # relative difference of gradients, since time grids depend on parameters
STEP = 1e-5  # relative, of central differences
FAR, RELAXES = 1e6, 1e-2  # |y| far out, and the largest drive there relative to the relaxation
UNBOUNDED = 1e3  # firing rates far out that are not bounded


class CheckError(AssertionError):
    """A memory fails some checks; the message has a line for each."""


def check_memory(
    build: Callable[..., AbstractMemory], *, num_neurons: int = 12, num_patterns: int = 4, key: RandomKey | None = None
) -> None:
    """Check that a memory does what retrievals, sweeps and searches rely on, in double precision.

    Checked are the shapes and structure of the state and its derivative; that the energy is a number that falls along
    trajectories, at exactly `energy_rate`; that a batch under `jax.vmap` gives what single memories give; that padded columns
    change nothing; that gradients with respect to each of `positive_parameters` are finite and equal central differences; and
    that the `rates` are positive, one for each part of the state, and those at which it relaxes from far away.

    Arguments:
        build: makes a memory of patterns, shape (N, K), as in a sweep: it takes `stored` and parameters by name. A class of
            memories, or a `functools.partial` of one.
        num_neurons: N.
        num_patterns: memory load K.
        key: of the random patterns and queries; a fixed one if omitted.

    Returns nothing if the memory passes every check.

    Raises `CheckError`, an `AssertionError`, which says what fails; `InputError` if `build` makes no memory.
    """
    if isinstance(build, AbstractMemory) or not callable(build):
        raise InputError(f"build must make a memory of patterns, such as the class of a memory; got {type(build).__name__}")
    at_least("num_neurons", num_neurons, 4)
    at_least("num_patterns", num_patterns, 2)
    with jax.enable_x64(True):
        key = jax.random.key(0, impl=GENERATOR) if key is None else key
        random_key(key)
        tests = _Tests(build, key, num_neurons, num_patterns)
        failures = tests.run(tests.structure) or [
            failure
            for test in (tests.rate, tests.descent, tests.relaxation, tests.batch, tests.gradients)
            for failure in tests.run(test)
        ]
    if failures:
        raise CheckError("\n".join(["the memory fails these checks:", *(f"- {failure}" for failure in failures)]))


def structure_faults(memory: AbstractMemory, query: jax.Array) -> Iterator[tuple[Callable[..., Any], str]]:
    """Methods of a memory whose results have other shapes or types than they must, and what is wrong; nothing is computed."""
    num_neurons, num_patterns = memory.patterns.shape
    number, neurons, patterns = (jnp.zeros(shape, query.dtype) for shape in ((), num_neurons, num_patterns))
    parts: dict[str, dict[str, tuple[Any, ...]]] = {
        "score": {"__call__": (patterns, num_neurons), "coupling": (number,)},
        "gain_map": {"__call__": (patterns,), "regularizer": (patterns,)},
        "activation": {"__call__": (neurons, number), "lagrangian": (neurons, number)},
    }
    for name in parts.keys() & vars(memory).keys():
        for which, (argument, *more) in parts[name].items():
            of_part = getattr(getattr(memory, name), which)
            wanted = argument.shape if which == "__call__" else ()
            result = jax.eval_shape(lambda given, of_part=of_part, more=more: of_part(given, *more), argument)
            if getattr(result, "shape", None) != wanted:
                part = f"{name.replace('_', ' ')} {type(getattr(memory, name)).__name__}"
                what = f"the shape of its argument, {wanted}" if wanted else "one number"
                yield of_part, f"({part}) must return {what}; it returns {jax.tree.map(_described, result)}"
                return
    state = jax.eval_shape(memory.initial_state, query)
    wanted, given = (jax.tree.map(_described, tree) for tree in (state, jax.eval_shape(memory.vector_field, state)))
    if given != wanted:
        yield memory.vector_field, f"must return a state such as initial_state does, {wanted}; it returns {given}"
        return
    for method in (memory.energy, memory.energy_rate, memory.speed):
        number = jax.eval_shape(method, state)
        if getattr(number, "shape", None) != () or not jnp.issubdtype(number.dtype, jnp.floating):
            yield method, f"must return one real number; it returns {jax.tree.map(_described, number)}"
    for measure, size in ((memory.readout, num_neurons), (memory.gains, num_patterns)):
        values = jax.eval_shape(measure, state)
        if (values is not None or measure is memory.readout) and getattr(values, "shape", None) != (size,):
            yield measure, f"must have shape {(size,)}; it returns {jax.tree.map(_described, values)}"


class _Tests:
    """The problem, and the checks: each yields what fails, in words."""

    def __init__(self, build: Callable[..., AbstractMemory], key: RandomKey, num_neurons: int, num_patterns: int) -> None:
        pattern_key, noise_key, flip_key, self.key = jax.random.split(key, 4)
        columns = random_patterns(pattern_key, num_neurons=num_neurons, num_patterns=num_patterns + NUM_PADDED)
        self.build, self.padded = build, columns.astype(float)
        self.patterns = self.padded[:, :num_patterns]
        self.flips = (0, 2, num_neurons // 2)
        # Not quite ±1: binary queries may be exact ties between patterns, which rounding then decides.
        noise = 0.1 * jax.random.normal(noise_key, (len(self.flips), num_neurons), float)
        self.queries = jnp.stack([flip(flip_key, self.patterns[:, 0], number) for number in self.flips]) + noise
        self.memory = build(self.patterns)
        if not isinstance(self.memory, AbstractMemory):
            raise InputError(f"build must make a memory, a subclass of AbstractMemory; got {type(self.memory).__name__}")
        taken = inspect.signature(build).parameters
        takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values())
        names = [name for name in self.memory.positive_parameters if name in taken or takes_any]
        self.values = {name: getattr(self.memory, name) for name in names}
        self.recall_with_gradient: Any = jax.jit(jax.value_and_grad(self.recall, has_aux=True))

    def run(self, test: Callable[[], Iterator[str]]) -> list[str]:
        """What fails, an exception included."""
        try:
            return list(test())
        except Exception as error:  # of any kind: it is a user's code
            text = str(error).strip().partition("\n")[0]
            return [f"{(test.__doc__ or '').rstrip('.')}: {type(error).__name__}: {text}"]

    def structure(self) -> Iterator[str]:
        """Shapes and structure cannot be checked."""
        faults = [f"{method.__name__} {text}" for method, text in structure_faults(self.memory, self.queries[0])]
        yield from faults
        if faults:
            return

        @jax.jit
        def found(query: jax.Array) -> tuple[jax.Array | None, jax.Array | None]:
            state = self.memory.initial_state(query)
            return getattr(state, "x", None), self.memory.gains(state)

        x, gains = found(self.queries[0])
        if x is None or not np.array_equal(x, self.queries[0]):
            yield "the neurons `x` of initial_state must be the query"
        if gains is not None and abs(np.sum(gains) - 1) > ROUNDING:
            yield f"gains must have the sum 1; they have {np.sum(gains):.3g}"

    def rate(self) -> Iterator[str]:
        """The energy rate cannot be computed."""

        @jax.jit
        @jax.vmap
        def both(query: jax.Array) -> tuple[jax.Array, jax.Array]:
            state = self._shifted(query)
            _, along = jax.jvp(self.memory.energy, (state,), (self.memory.vector_field(state),))
            return along, self.memory.energy_rate(state)

        along, stated = map(np.asarray, both(self.queries))
        worst = np.argmax(np.abs(along - stated))
        if not _close(along, stated, ROUNDING):
            yield (
                f"energy_rate is {stated[worst]:.4g} where the energy changes at the rate {along[worst]:.4g} along the vector "
                "field: the two must be equal"
            )

    def descent(self) -> Iterator[str]:
        """Trajectories cannot be computed."""
        times = np.linspace(0, T1, 33)
        energies_along = jax.jit(jax.vmap(self.memory.energy))
        for number, query in zip(self.flips, self.queries, strict=True):
            recall = retrieve(self.memory, query, t1=T1, ts=times)
            energy, status = np.asarray(energies_along(recall.states)), int(recall.status)
            which = f"along the trajectory from a query with {number} flips"
            if status != Status.OK:
                yield f"the solver fails {which}: {Status(status).meaning}"
                continue
            rise, span = np.diff(energy), np.ptp(energy)
            if rise.max() > RISE * span + ROUNDING:
                yield (
                    f"the energy rises by {rise.max() / span:.2g} of its range {which}, at t = {times[rise.argmax()]:.2g}: the "
                    "energy does not belong to the vector field"
                )

    def relaxation(self) -> Iterator[str]:
        """The rates cannot be checked."""
        parts, rates = jax.tree.leaves(self.memory.state_like()), self.memory.rates()
        if len(rates) != len(parts):
            yield f"rates must have one number for each part of the state; there are {len(rates)} for {len(parts)} parts"
            return
        if not all(np.all(np.asarray(rate) > 0) and np.all(np.isfinite(rate)) for rate in rates):
            yield f"rates must be positive and finite; they are {', '.join(map(str, rates))}"
            return

        @jax.jit
        def far_out(query: jax.Array) -> tuple[PyTree, jax.Array, PyTree]:
            far = jax.tree.map(lambda part: FAR * jnp.sign(part), self._shifted(query))
            return far, self.memory.readout(far), self.memory.vector_field(far)

        far, readout, field = jax.tree.map(np.asarray, far_out(self.queries[1]))
        if np.max(np.abs(readout)) > UNBOUNDED:
            return  # the drive grows with the firing rates
        for rate, y, dy in zip(map(np.asarray, rates), jax.tree.leaves(far), jax.tree.leaves(field), strict=True):
            if not np.max(np.abs(dy + rate * y)) < RELAXES * FAR * np.max(rate):
                actual = -np.sum(y * dy) / np.sum(y**2)
                yield (
                    f"a part of the state far from 0, of shape {y.shape}, relaxes at the rate {actual:.3g}, not at that of "
                    f"`rates`, {np.max(rate):.3g}: exponential solvers need a vector field of −λy plus a bounded drive"
                )

    def batch(self) -> Iterator[str]:
        """A batch of padded patterns cannot be computed under jax.vmap."""
        factors = jnp.asarray([1.0, 1.1, 0.9])
        batch = {name: jnp.multiply.outer(factors, value) for name, value in self.values.items()}
        each = [{name: value[index] for name, value in batch.items()} for index in range(len(self.queries))]
        singly = [self.recall_with_gradient(one, query)[0][1] for one, query in zip(each, self.queries, strict=True)]
        padding = self.padded, jnp.arange(self.padded.shape[1]) < self.patterns.shape[1]
        _, together = jax.jit(jax.vmap(self.recall, in_axes=(0, 0, None, None)))(batch, self.queries, *padding)
        if self._differs(together, singly) is None:
            return
        # Only now is each computed by itself.
        _, together = jax.jit(jax.vmap(self.recall))(batch, self.queries)
        if self._differs(together, singly) is not None:
            yield "a memory in a batch under jax.vmap recalls something else than by itself"
        padded = jax.jit(self.recall)
        found = [padded(one, query, *padding)[1] for one, query in zip(each, self.queries, strict=True)]
        if (change := self._differs(list(zip(*found, strict=True)), singly)) is not None:
            yield f"padded columns, which `stored` excludes, change the {change}"

    @staticmethod
    def _differs(found: Any, expected: Any) -> str | None:
        """What of several recalls differs first, and by how much."""
        for name, all_a, all_b in zip(("recalled x", "energy", "energy rate"), found, zip(*expected, strict=True), strict=True):
            for a, b in zip(all_a, all_b, strict=True):
                if not _close(a, b, ROUNDING):
                    return f"{name} by up to {np.max(np.abs(a - b)):.2g}"
        return None

    def gradients(self) -> Iterator[str]:
        """Gradients cannot be computed."""
        query = self.queries[1]
        (size, _), gradients = self.recall_with_gradient(self.values, query)
        for name, value in self.values.items():

            def loss(number: jax.Array, name: str = name) -> float:
                (loss, _), _ = self.recall_with_gradient(self.values | {name: number}, query)
                return float(loss)

            gradient = float(jnp.sum(gradients[name] * value))
            difference = (loss(value * (1 + STEP)) - loss(value * (1 - STEP))) / (2 * STEP)
            if not np.isfinite(gradient) or abs(gradient - difference) > GRADIENT * (abs(difference) + abs(size) / 100):
                yield (
                    f"the gradient of the recalled state with respect to log {name} is {gradient:.4g}; finite differences give "
                    f"{difference:.4g}"
                )

    def recall(
        self, values: dict[str, jax.Array], query: jax.Array, patterns: Any = None, stored: Any = None
    ) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        """A loss of the recalled state; the state, its energy and energy rate."""
        memory = self.build(self.patterns if patterns is None else patterns, stored=stored, **values)
        state = retrieve(memory, query, t1=T1, solver="adams", num_steps=NUM_STEPS).state
        return jnp.mean(self.queries[0] * state.x), (state.x, memory.energy(state), memory.energy_rate(state))

    def _shifted(self, query: jax.Array) -> PyTree:
        """The initial state for a query, moved to somewhere without symmetry."""
        state = self.memory.initial_state(0.3 * query)
        return jax.tree.map(lambda part: part + 0.2 * jnp.cos(1 + jnp.arange(part.size, dtype=part.dtype)), state)


def _described(array: Any) -> str:
    return f"{jnp.result_type(array)}{list(jnp.shape(array))}"


def _close(a: Any, b: Any, tolerance: float) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return bool(np.all(np.abs(a - b) <= tolerance * (np.max(np.abs(b)) + 1)))
