"""The objective: expected loss over freshly drawn problems. The loss of one problem is a pure function."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._internal.checks import InputError, at_least, one_of, shown
from .._internal.parameters import DIMENSIONS, TRANSIENT
from .._internal.registry import refuse_signs
from .._internal.types import IntScalar, RandomKey, Scalar, ScalarLike
from ..equilibria.fixed_points import equilibrium
from ..models.base import AbstractMemory
from ..problems.observables import hamming_error, identified, rmse, success
from ..problems.task import Coordinates, Problem, Task
from ..solve.retrieve import Status
from ..solve.time_grid import solve_on_grids
from ..sweep.engine import Engine, Lanes
from ..sweep.programs import in_precision
from ..sweep.shapes import Shapes
from ..sweep.trials import Observables, RecallTrial
from .losses import Loss
from .record import measures_in

Values = Mapping[str, Any]  # arrays by name

GRADIENTS = ("auto", "forward", "reverse", "implicit")
MOST_FORWARD = 4  # largest count for which `auto` is forward mode
SOLVES_OF_REVERSE = 5  # cost of a loss and its reverse-mode gradient; forward mode costs about one solve per number
TOLERANCE = 1e-3  # relative and absolute, of a search's trajectories with an adaptive solver


class Objective(eqx.Module):
    """Expected loss of a memory's recall over a distribution of problems.

    Problem number i has load and level of corruption i modulo the number of pairs of the two, so that any run of consecutive
    problems meets all pairs about equally often. Each has fresh patterns, target and corruption.

    Arguments:
        task: where problems come from.
        build: `build(patterns, stored=…, **parameters)` gives a memory, for instance `aj.AstrocyteMemory`; `stored` is a mask,
            or `None` where all patterns are stored.
        num_patterns: memory loads K.
        levels: levels of corruption, such as numbers of flips.
        loss: a name or function, weights of several of them, or a `Loss`, which says what these may be. Those that compare
            signs are for patterns of ±1; `squared` and `direction` for any.
        gradient: `forward`, for few parameters; `reverse`, with checkpoints, for many; `implicit`: that of the equilibrium to
            which the trajectory leads, by the implicit function theorem. `auto` is one of the first two, by their number.
        t1: horizon. parameters: values of parameters that are not tuned, by name.
        settings: further ones of `RecallTrial`: solver, rtol, atol, max_steps, num_steps, confirm. The solver is `adams` unless
            given, and both tolerances of others are 1e-3: docs/guides/tuning.md says how accurate gradients are then.

    Raises `InputError` for an unknown name, for a loss that compares signs of other numbers, and for missing loads or levels.
    """

    trial: RecallTrial
    loss: Loss
    num_patterns: tuple[int, ...] = eqx.field(static=True)
    levels: tuple[float | int, ...] = eqx.field(static=True)
    gradient: str = eqx.field(static=True)
    is_binary: bool = eqx.field(static=True)

    def __init__(
        self,
        task: Task,
        build: Callable[..., AbstractMemory],
        *,
        num_patterns: Sequence[int],
        levels: Sequence[float | int],
        loss: str | Callable[..., Any] | Mapping[Any, ScalarLike] | Loss = "softsign",
        gradient: str = "auto",
        t1: ScalarLike = 10.0,
        parameters: Mapping[str, ScalarLike] | None = None,
        **settings: Any,
    ) -> None:
        self.trial = RecallTrial(task, build, parameters, t1=t1, **settings)
        how = self.trial.settings
        if not how.on_grid:
            rtol, atol = (TOLERANCE if given is None else given for given in (how.rtol, how.atol))
            self.trial = dataclasses.replace(self.trial, settings=dataclasses.replace(how, rtol=rtol, atol=atol))
        self.loss = loss if isinstance(loss, Loss) else Loss(loss if isinstance(loss, Mapping) else {loss: 1.0})
        self.is_binary = task.is_binary
        refuse_signs("loss", self.loss.functions, self.is_binary)
        for name, values in {"num_patterns": num_patterns, "levels": levels}.items():
            if not isinstance(values, Sequence | np.ndarray) or len(values) == 0:
                raise InputError(f"{name} must be a list of at least one value; got {shown(values)}")
        for load in num_patterns:
            at_least("num_patterns", load, 1)
        self.num_patterns = tuple(int(load) for load in num_patterns)
        self.levels = tuple(np.asarray(levels).tolist())
        one_of("gradient", gradient, GRADIENTS)
        self.gradient = gradient

    def problem(self, key: RandomKey, number: int) -> Problem:
        """Problem number `number` of the sequence that a key stands for, padded to the largest load."""
        lane = {name: jnp.asarray(values[0]) for name, values in self.coordinates(np.array([number])).items()}
        return self.trial.draw(key, lane, self.capacity)

    def __call__(self, values: Values, problem: Problem) -> Scalar:
        """The loss of one problem: pure, and differentiable in either mode. Grids have 40 steps by default."""
        return self.recalled(values, problem, diffrax.DirectAdjoint())[0]

    def recalled(
        self, values: Values, problem: Problem, adjoint: diffrax.AbstractAdjoint, num_steps: int | IntScalar | None = None
    ) -> tuple[Scalar, Observables]:
        """The loss of one problem, and what is reported of it: Hamming error and success (where patterns are not of ±1, `rmse`
        and `identified`), status and accepted steps. A trajectory that fails counts as one that recalls the target's negative.
        """
        trial = self.trial_with(values)
        memory = trial.memory(problem, {})
        recall = trial.recall(memory, problem, adjoint, num_steps, differentiable=True)
        state, status = recall.state, recall.status
        if self.gradient == "implicit":
            end = equilibrium(memory, jax.lax.stop_gradient(state))
            state, status = end.state, jnp.where(end.converged | (status != Status.OK), status, Status.SOLVER_FAILED)
        loss, target = self.loss(memory, problem.target, state), problem.target
        is_usable = (status == Status.OK) & jnp.isfinite(loss)
        x = jnp.where(is_usable, state.x if self.is_binary else memory.readout(state), -target)
        how = {"status": status, "num_steps": recall.stats["num_accepted_steps"]}
        if self.is_binary:
            return loss, {"hamming_error": hamming_error(target, x), "success": success(target, x)} | how
        is_nearest = jnp.where(is_usable, identified(problem.patterns, x, stored=problem.stored), 0)
        return loss, {"rmse": rmse(target, x), "identified": is_nearest} | how

    def memory(self, values: Values, patterns: jax.typing.ArrayLike | None = None) -> AbstractMemory:
        """A memory with values that a search has found, to be used with `retrieve`::

            recall = aj.retrieve(objective.memory(state.best, patterns), query, t1=10.0)

        Arguments:
            values: by parameter, without an axis of starts. A horizon `t1` is ignored: it is not part of the memory.
            patterns: what it stores, shape (N, K). If omitted: those that were searched, or else the whole pool.

        Raises `InputError` if there are no patterns to store, or not as many as a parameter has entries.
        """
        given = {**self.trial.parameters, **self.trial.per_pattern, **values}
        given.pop("t1", None)
        pool = given.pop("patterns", self.trial.task.pool)
        patterns = pool if patterns is None else patterns
        if patterns is None:
            raise InputError("patterns must be given: the problems of this objective draw new ones every time")
        return self.trial.build(patterns, stored=None, **given)

    def mode_for(self, values: Values) -> str:
        """Gradient mode for these parameters of one start."""
        if self.gradient == "auto":
            return "forward" if _count(values) <= MOST_FORWARD else "reverse"
        return self.gradient

    def solves(self, values: Values) -> int:
        """Approximate cost of a loss and its gradient, in solves."""
        return 1 + _count(values) if self.mode_for(values) == "forward" else SOLVES_OF_REVERSE

    def coordinates(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Coordinates of problems by number."""
        trial, point = np.divmod(numbers, len(self.num_patterns) * len(self.levels))
        load, level = np.divmod(point, len(self.levels))
        values = np.asarray(self.num_patterns)[load], np.asarray(self.levels)[level], trial
        return dict(zip(self.trial.task.coordinate_names, values, strict=True))

    @property
    def capacity(self) -> int:
        """Number of patterns that problems are padded to: one program serves all loads."""
        return int(Shapes(np.array([max(self.num_patterns)]), np.ones(1), self.trial.task.pool_size).capacities[-1])

    def check(self, names: Sequence[str]) -> None:
        """Raise `InputError` for parameters that cannot be tuned here."""
        if not names:
            raise InputError("at least one parameter must be tuned; got none")
        size = self.trial.task.pool_size
        if size is not None and max(self.num_patterns) > size:
            raise InputError(f"num_patterns must be at most {size}, the size of the pool; got {max(self.num_patterns)}")
        for name in names:
            if name in DIMENSIONS and size is None:
                raise InputError(f"{name} belongs to patterns of a pool, but here every problem draws new ones")
            if self.gradient == "implicit" and name in TRANSIENT:
                raise InputError(f"{name} does not move an equilibrium, so the implicit gradient cannot find it")

    def trial_with(self, values: Values) -> RecallTrial:
        trial, scalars, per_pattern = self.trial, *_split(values)
        settings = dataclasses.replace(trial.settings, t1=scalars.pop("t1", trial.settings.t1))
        parameters, per_pattern = trial.parameters | scalars, trial.per_pattern | per_pattern
        return dataclasses.replace(trial, parameters=parameters, per_pattern=per_pattern, settings=settings)


class LossTrial(eqx.Module):
    """The loss of one problem and its gradient: a sample (see `astrojax.sweep.programs.Sample`)."""

    objective: Objective
    scalars: tuple[str, ...] = eqx.field(static=True)
    per_pattern: dict[str, jax.Array]
    mode: str = eqx.field(static=True)
    num_steps: int | None = eqx.field(static=True, default=None)

    def draw(self, root_key: RandomKey, coordinates: Coordinates, capacity: int) -> Problem:
        return self.objective.trial.draw(root_key, coordinates, capacity)

    @property
    def on_grid(self) -> bool:
        return self.objective.trial.on_grid and self.mode != "reverse"

    @property
    def max_steps(self) -> int:
        return self.objective.trial.max_steps

    def memory(self, problem: Problem, coordinates: Coordinates) -> AbstractMemory:
        return self.objective.trial_with(self._at(coordinates)).memory(problem, {})

    def first_num_steps(self, coordinates: Coordinates, capacity: int) -> IntScalar:
        trial = self.objective.trial_with(self._at(coordinates))
        return trial.first_num_steps({name: coordinates[name] for name in trial.task.coordinate_names}, capacity)

    def solve(self, problem: Problem, coordinates: Coordinates) -> Observables:
        """The loss, what is reported beside it, and the gradient by parameter as `gradient_NAME`."""
        return self.attempt(problem, coordinates, self.num_steps)

    def attempt(self, problem: Problem, coordinates: Coordinates, num_steps: int | IntScalar | None) -> Observables:
        checkpointed = self.mode == "reverse" and not self.objective.trial.on_grid
        adjoint = diffrax.RecursiveCheckpointAdjoint() if checkpointed else diffrax.ForwardMode()

        def recalled(values: dict[str, jax.Array]) -> tuple[Scalar, Observables]:
            loss, measured = self.objective.recalled(values, problem, adjoint, num_steps)
            return loss, {"loss": loss} | measured

        values = self._at(coordinates)
        if self.mode == "none":
            return recalled(values)[1]
        differentiate: Any = jax.jacfwd if self.mode == "forward" else jax.grad
        gradient, measured = differentiate(recalled, has_aux=True)(values)
        return {**measured, **{f"gradient_{name}": value for name, value in gradient.items()}}

    def _at(self, coordinates: Coordinates) -> dict[str, jax.Array]:
        scalars = {name: coordinates[name] for name in self.scalars}
        return scalars | {name: values[coordinates["start"]] for name, values in self.per_pattern.items()}


def measure(
    objective: Objective,
    values: Values,
    root_key: RandomKey,
    numbers: np.ndarray,
    engine: Engine,
    *,
    mode: str = "none",
    name: str = "search",
    each: bool = False,
) -> dict[str, np.ndarray]:
    """What `LossTrial` measures in problems of given numbers, at all starts: arrays of shape (S, problems, …) by name."""
    scalars, per_pattern = _split(values)
    scalars = {key: np.asarray(value) for key, value in scalars.items()}
    starts = len(next(iter(values.values())))
    coordinates = {key: np.tile(column, starts) for key, column in objective.coordinates(numbers).items()}
    coordinates |= {key: value.ravel() if each else np.repeat(value, numbers.size) for key, value in scalars.items()}
    if per_pattern:
        coordinates["start"] = np.repeat(np.arange(starts), numbers.size)
    capacities = np.full(starts * numbers.size, objective.capacity)
    sample = LossTrial(objective, tuple(scalars), jax.tree.map(jnp.asarray, per_pattern), mode)
    lanes = Lanes(name, sample, root_key, coordinates, capacities)
    has_known_grids = objective.trial.on_grid and mode == "reverse"  # steps must be known before a program is compiled
    found = _measure_on_grids(lanes, engine) if has_known_grids else engine.compute_concurrently(lanes)
    return {key: column.reshape(starts, numbers.size, *column.shape[1:]) for key, column in found.items()}


def _measure_on_grids(lanes: Lanes, engine: Engine) -> dict[str, np.ndarray]:
    """Like `compute_concurrently`, with one program per number of steps."""
    sample: LossTrial = lanes.sample

    def solve(num_steps: int, places: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        coordinates = {name: values[places] for name, values in lanes.coordinates.items()}
        on_grid = dataclasses.replace(sample, num_steps=num_steps)
        found = engine.compute_concurrently(Lanes(lanes.name, on_grid, lanes.root_key, coordinates, lanes.capacities[places]))
        return found["status"], found

    first_num_steps: Any = jax.vmap(lambda lane: sample.first_num_steps(lane, int(lanes.capacities[0])))
    num_steps = np.asarray(first_num_steps(in_precision(lanes.coordinates)))
    found: dict[str, np.ndarray] = solve_on_grids(num_steps, sample.max_steps, solve)
    return found


def aggregate(found: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean loss, error and success over the problems, each of shape (S,), in double precision.

    The loss of a failed trajectory counts as the worst that any start met; NaN where all problems of a start failed.
    """
    usable = (found["status"] == Status.OK) & np.isfinite(found["loss"])
    worst = float(np.max(found["loss"], initial=0.0, where=usable))
    each = {**found, "loss": np.where(usable, found["loss"], worst)}
    loss, error, success = (
        np.where(usable.any(axis=1), np.mean(each[name].astype(np.float64), axis=1), np.nan)
        for name in ("loss", *measures_in(found)[:2])
    )
    return loss, error, success


def _split(values: Values) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters that are single numbers, and those with one entry per pattern."""
    scalars = {name: value for name, value in values.items() if name not in DIMENSIONS}
    return scalars, {name: value for name, value in values.items() if name in DIMENSIONS}


def _count(values: Values) -> int:
    return sum(np.size(value) for value in values.values())
