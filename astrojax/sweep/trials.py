"""One sample, as a pure function: coordinates → patterns → query → memory → recall → observables."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._internal.checks import InputError, did_you_mean, real_number, shaped, shown
from .._internal.parameters import PER_PAIR
from .._internal.random import seed_key
from .._internal.types import IntScalar, RandomKey, Scalar, ScalarLike
from ..models.base import AbstractMemory
from ..problems.observables import hamming_error, identified, rmse
from ..problems.task import Coordinates, Problem, Task
from ..solve.retrieve import Recall, Status, prepare, recall_of
from ..solve.running import AbstractRunningObservable, RunningObservables
from ..solve.settings import SolveSettings
from ..solve.time_grid import common_num_steps
from .observables import chosen_functions, name_of, takes_problem

Observables = dict[str, jax.Array]


class RecallTrial(eqx.Module):
    """Recall by a memory: one sample of a sweep (see `astrojax.sweep.programs.Sample`).

    Arguments:
        task: the distribution of problems.
        build: `build(patterns, stored=…, **parameters)` returns a memory; an `equinox.Partial` keeps settings comparable.
            A parameter `pattern_classes` is given the classes of the patterns where they have any.
        parameters: dynamical parameters by name. Coordinates override them, and may also name other parameters of `build`.
        per_pattern: parameters with one entry per pattern of a pool, by name, shape (…, pool size).
        given: settings of the solve by name, as for `retrieve`: `t1` (default 10), `solver`, `rtol`, `atol`, `max_steps`,
            `num_steps`, `convergence_speed` and `confirm`. The solver defaults to `adams`, or to `etd3` if a tolerance is
            given. Grids of `adams` have a number of steps that suits each problem, times `refinement`, or `num_steps` for all;
            if it is too small, a sweep doubles it, up to `max_steps`.
        settings: all of them in one object, which `given` overrides.
        observables: what is measured, in this order: names of the package's or of plugins, or functions of your own,
            `function(memory, target, recall)`, that return one real number (see `observable`); a parameter `problem` is given
            the problem, with `patterns`, `stored` and `query`. If omitted, those of the package that suit the patterns: Hamming
            errors for patterns of ±1, root mean squared errors for others, among more.
            A function is stored under its name; a partial function or an `equinox.Module` may have an attribute `name`.
            What happens along the way is measured by running observables, such as subclasses of `Maximum` and `FirstPassage`,
            which are stored under the name of their class in snake case.

    Raises `InputError` for settings out of range, and for observables that are unknown, or have no name or the same one.
    """

    task: Task
    build: Callable[..., AbstractMemory]
    parameters: dict[str, ScalarLike]
    per_pattern: dict[str, Float[Array, "... pool"]]
    settings: SolveSettings
    observables: tuple[Any, ...]

    def __init__(
        self,
        task: Task,
        build: Callable[..., AbstractMemory],
        parameters: Mapping[str, ScalarLike] | None = None,
        t1: ScalarLike | None = None,
        *,
        per_pattern: Mapping[str, Float[Array, "... pool"]] | None = None,
        settings: SolveSettings | None = None,
        observables: Sequence[Any] | None = None,
        **given: Any,
    ) -> None:
        self.task, self.build = task, build
        self.parameters, self.per_pattern = dict(parameters or {}), dict(per_pattern or {})
        self.observables = chosen_functions("observable", observables, task)
        given |= {} if t1 is None else {"t1": t1}
        self.settings = SolveSettings(**given) if settings is None else replace(settings, **given)

    def draw(self, root_key: RandomKey, coordinates: Coordinates, capacity: int) -> Problem:
        return self.task.draw(root_key, coordinates, capacity)

    @property
    def on_grid(self) -> bool:
        """Whether trajectories are solved on grids of steps (see `attempt`)."""
        return self.settings.on_grid

    @property
    def max_steps(self) -> int:
        return self.settings.max_steps

    @property
    def num_steps(self) -> int | None:
        """Number of steps of all grids; `None` if it depends on the problem."""
        return self.settings.num_steps

    def first_num_steps(self, coordinates: Coordinates, capacity: int) -> IntScalar:
        """Steps of the first grid tried for problems at these coordinates, whatever their patterns."""
        if self.settings.num_steps is not None:
            return jnp.asarray(self.settings.num_steps, jnp.int32)
        shapes = jax.eval_shape(lambda: self.draw(seed_key(0), coordinates, capacity))
        like = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), eqx.tree_at(lambda p: p.tie_key, shapes, None))
        memory = self.memory(like, coordinates)
        corruption, level = self.task.corruption, coordinates.get(self.task.corruption.level_name)
        similarity = 0.0 if level is None else corruption.similarity(level, memory.num_neurons)
        number = memory.num_steps(coordinates["num_patterns"], similarity) * self.settings.refinement
        return common_num_steps(number, self.settings.max_steps)

    def attempt(self, problem: Problem, coordinates: Coordinates, num_steps: IntScalar | None) -> Observables:
        """Observables of a recall on a grid of `num_steps` steps."""
        memory = self.memory(problem, coordinates)
        recall = self.recall(memory, problem, diffrax.ForwardMode(), num_steps)
        measured = observe(memory, problem, recall, self.observables)
        if num_steps is None:
            return measured
        first = self.first_num_steps(coordinates, problem.stored.size)
        return measured | {"refined": (num_steps > first).astype(problem.query.dtype)}

    def solve(self, problem: Problem, coordinates: Coordinates) -> Observables:
        num_steps = self.first_num_steps(coordinates, problem.stored.size) if self.on_grid else None
        return self.attempt(problem, coordinates, num_steps)

    def recall(
        self,
        memory: AbstractMemory,
        problem: Problem,
        adjoint: diffrax.AbstractAdjoint,
        num_steps: int | IntScalar | None = None,
        *,
        differentiable: bool = False,
    ) -> Recall:
        """Recall from the problem's query with these settings, on a grid of `num_steps` steps if the solver uses one."""
        running = {name_of(item): item for item in self.observables if isinstance(item, AbstractRunningObservable)}
        along = RunningObservables(running, problem.target) if running else None
        retrieval = prepare(memory, problem.query, self.settings, num_steps, differentiable=differentiable, running=along)
        return recall_of(retrieval, adjoint)

    def determinants(self, problem: Problem, coordinates: Coordinates) -> Any:
        """What determines the outcome: problem, initial state, its rate and energy. Idle coordinates change none of these."""
        memory = self.memory(problem, coordinates)
        state = memory.initial_state(problem.query)
        return problem, state, memory.vector_field(state), memory.energy(state)

    @property
    def coordinate_names(self) -> tuple[str, ...]:
        """Names of the coordinates that a sample can have: those of a problem, and the numeric parameters of `build`."""
        numbers = (name for name, default in self._signature()[0].items() if not isinstance(default, str | bool | None))
        return *self.task.coordinate_names, *numbers

    def memory(self, problem: Problem, coordinates: Coordinates) -> AbstractMemory:
        """The memory for a problem; `InputError` for a parameter that `build` does not take."""
        taken, takes_any = self._signature()
        for name in (*self.parameters, *self.per_pattern):
            if name not in (*taken, "patterns") and not takes_any:
                raise InputError(
                    f"parameters must be ones that build takes and does not fix, {', '.join(taken)}; got {name!r}"
                    f"{did_you_mean(name, taken)}"
                )
        others = {name: value for name, value in coordinates.items() if name not in self.task.coordinate_names}
        parameters: dict[str, Any] = self.parameters | {n: v for n, v in others.items() if n in taken or takes_any}
        parameters |= {name: of_columns(name, values, problem.columns) for name, values in self.per_pattern.items()}
        if problem.classes is not None and "pattern_classes" in taken:
            parameters = {"pattern_classes": problem.classes} | parameters
        patterns = parameters.pop("patterns", problem.patterns)
        return self.build(patterns, stored=problem.stored, **parameters)

    def _signature(self) -> tuple[dict[str, Any], bool]:
        """Parameters of `build` that are not fixed, with their defaults; and whether it takes any others."""
        build, given = self.build, {"stored"}
        if isinstance(build, eqx.Partial):
            given |= build.keywords.keys()
            build = functools.partial(build.func, *build.args, **build.keywords)
        _, *parameters = inspect.signature(build).parameters.values()
        named = (p for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name not in given)
        return {p.name: p.default for p in named}, any(p.kind is p.VAR_KEYWORD for p in parameters)


def of_columns(name: str, values: Any, columns: Any) -> Any:
    """The entries of a parameter, given for all patterns of a pool, that belong to these columns of it."""
    chosen = values[..., columns]
    return chosen[columns] if name in PER_PAIR else chosen


class DecoderTrial(eqx.Module):
    """Errors of decoders, by name, on the problems of `RecallTrial` at the same coordinates.

    They are Hamming errors for patterns of ±1. For others they are root mean squared errors, and `NAME identified` is 1 where
    the stored pattern nearest to the answer is the target (see `identified`).

    Arguments:
        task: the distribution of problems.
        decoders: names of the package's or of plugins, or functions of your own, `function(problem, evidence)`, which return
            the signs that they take for the target's, or the entries, shape (N,), or `None` where they cannot decode: their
            error is left out. `evidence` is that of the corruption at its level, for real-valued patterns its `precision`, or
            `None` where it gives none, and Bayes decoders return `None` then. Those that suit the patterns if omitted.

    Raises `InputError` for decoders that are unknown, or have no name or the same one, or take signs where patterns are not of
    ±1; and if none of them can decode.
    """

    task: Task
    decoders: tuple[Any, ...]
    is_binary: bool = eqx.field(init=False, static=True)

    def __init__(self, task: Task, decoders: Sequence[Any] | None = None) -> None:
        self.task, self.decoders, self.is_binary = task, chosen_functions("decoder", decoders, task), task.is_binary

    @property
    def coordinate_names(self) -> tuple[str, ...]:
        """Names of the coordinates that a sample has: those of a problem."""
        return self.task.coordinate_names

    def draw(self, root_key: RandomKey, coordinates: Coordinates, capacity: int) -> Problem:
        return self.task.draw(root_key, coordinates, capacity)

    def evidence(self, coordinates: Coordinates, num_neurons: int) -> Scalar | None:
        """What decoders are given besides the problem."""
        corruption = self.task.corruption
        level = coordinates[corruption.level_name]
        return corruption.evidence(level, num_neurons) if self.is_binary else corruption.precision(level)

    def solve(self, problem: Problem, coordinates: Coordinates) -> Observables:
        evidence = self.evidence(coordinates, problem.query.shape[0])
        answers = {name_of(decoder): decoder(problem, evidence) for decoder in self.decoders}
        known = {name: answer for name, answer in answers.items() if answer is not None}
        if not known:
            raise InputError(f"decoders must be ones that can decode {shown(self.task.corruption)}; got {', '.join(answers)}")
        for name, answer in known.items():
            shaped(f"what decoder {name} returns", answer, problem.target.shape, "one entry per neuron")
        if self.is_binary:
            return {name: hamming_error(problem.target, answer) for name, answer in known.items()}
        errors = {name: rmse(problem.target, answer) for name, answer in known.items()}
        return errors | {
            name + IDENTIFIED: identified(problem.patterns, answer, stored=problem.stored) for name, answer in known.items()
        }


IDENTIFIED = " identified"
"""Ending of what is measured of a decoder besides its error; no name of a decoder has it."""


def observe(memory: AbstractMemory, problem: Problem, recall: Recall, observables: Sequence[Any]) -> Observables:
    """Observables of a recall, as `chosen_functions` returns them, and how it was computed.

    Observables are NaN where the status is not `OK`. Raises `InputError` for one that does not return a real number.
    """
    dtype = recall.state.x.dtype
    measured: dict[str, Scalar] = {}
    for item in observables:
        name = name_of(item)
        if isinstance(item, AbstractRunningObservable):
            value = (recall.running or {})[name]
        else:
            value = item(memory, problem.target, recall, **({"problem": problem} if takes_problem(item) else {}))
        measured[name] = real_number(f"observable {name}", value, dtype)
    if recall.convergence_time is not None:
        measured["convergence_time"] = recall.convergence_time
    missing = jnp.asarray(jnp.nan, dtype)
    measured = {name: jnp.where(recall.status == Status.OK, value, missing) for name, value in measured.items()}
    how = {"num_steps": recall.stats["num_accepted_steps"], "tolerance": recall.rtol, "status": recall.status}
    return measured | how
