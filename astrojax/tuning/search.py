"""The search: a pure step from state to state, and the loop around it."""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax

from .._internal.checks import InputError, at_least, concrete, one_of, positive, random_key, real, shown
from .._internal.parameters import DIMENSIONS, OptimizerName, ScheduleName
from .._internal.random import pinned
from .._internal.types import RandomKey
from ..solve.retrieve import Status
from ..sweep.engine import Engine
from .objective import Objective, aggregate, measure
from .transforms import PARAMETERS, Parameter

OPTIMISERS, SCHEDULES = get_args(OptimizerName), get_args(ScheduleName)
"""Optimisers and schedules of optax that can be named."""

TRAINING, VALIDATION, SCATTER = 1, 2, 5
"""What the random keys of problems are derived for; runs draw theirs from the root key itself."""


class Record(NamedTuple):
    """What happened in one step, for each of S starts: arrays of shape (S,).

    Arguments:
        loss, hamming_error, success: means over the problems of the step, before it was taken.
        gradient_norm: norm of the mean gradient, in the unconstrained numbers, after clipping.
        num_clipped, num_non_finite, num_failed: of how many problems the gradient was clipped, or was left out because it was
            not finite, or because the trajectory failed.
        validation_loss, validation_error, validation_success: the same means over the held-out problems after the step, see
            `aggregate`; NaN where they were not looked at.
    """

    loss: np.ndarray
    hamming_error: np.ndarray
    success: np.ndarray
    gradient_norm: np.ndarray
    num_clipped: np.ndarray
    num_non_finite: np.ndarray
    num_failed: np.ndarray
    validation_loss: np.ndarray
    validation_error: np.ndarray
    validation_success: np.ndarray


class SearchState(NamedTuple):
    """Everything that the next step depends on, besides what the search was made with. A pytree of arrays; never changed.

    Arguments:
        step: how many steps were taken.
        raw: unconstrained numbers by parameter, shape (S, …) for S starts.
        values: the values they stand for.
        optimiser_state: of optax, with a leading axis of the starts.
        best_values: values with the lowest mean Hamming error on the held-out problems so far; the loss breaks ties, then the
            earlier step counts. Where targets are not ±1 errors mean nothing and are NaN: then the loss decides.
        best_loss, best_error: loss and error there, shape (S,).
        num_checks: how many times the held-out problems were looked at since the best, shape (S,).
        record: what happened in the last step.
        best_step: after how many steps each start had its best values, shape (S,).
    """

    step: Any
    raw: Any
    values: Any
    optimiser_state: Any
    best_values: Any
    best_loss: np.ndarray
    best_error: np.ndarray
    num_checks: np.ndarray
    record: Record
    best_step: Any = 0

    @property
    def best(self) -> dict[str, Any]:
        """Values of the best of all starts, without the axis of the starts."""
        return {name: values[self.best_start] for name, values in self.best_values.items()}

    @property
    def best_start(self) -> int:
        """Which start has the lowest error on the held-out problems so far; the loss breaks ties, then the order."""
        return int(ranked(self.best_error, self.best_loss)[0])

    @property
    def lowest(self) -> tuple[float, float]:
        """Error and loss of the best start on the held-out problems: of several searches the one with the lowest is best."""
        return float(self.best_error[self.best_start]), float(self.best_loss[self.best_start])


class Search:
    """A gradient-based search for the parameters with the lowest expected loss, from many starts at once.

    Every step draws the next problems of the sequence that the key stands for, the same for all starts. A step is a function of
    the state alone, so a search can be stopped after any step and goes on from a stored state bit for bit.

    Arguments:
        objective: what is minimised.
        key: root of all random numbers.
        parameters: how each is searched; those that are not named in `parameters` are searched as `PARAMETERS` says.
        optimiser: a name from `OPTIMISERS`, or an optax optimiser.
        learning_rate: of an optimiser given by name: a number, or an optax schedule. In unconstrained numbers, so that 0.1 of a
            parameter on a logarithmic scale is a change by a tenth.
        num_steps: most steps. batch_size: trajectories of a step at each start: of as many problems or, with smoothing, of half
            as many, each met with the parameters moved to either side; then an even number.
        max_gradient_norm: norm of the gradient of one problem, in unconstrained numbers, beyond which it is scaled down; and of
            the mean that the optimiser is given.
        smoothing: standard deviation, in unconstrained numbers, by which these are moved at random in each problem: the search
            then descends the loss averaged over so wide a neighbourhood. 0 for none. Nothing is moved where parameters with an
            entry for each pattern are searched.
        validation_size: held-out problems, which choose the best values: see `SearchState`. validate_every: steps between
            looking at them; they are looked at before the first step too, and after the last.
        patience: how many looks without improvement end the search of a start; all starts go on until all have ended.
        on_look: called with the state whenever the held-out problems have been looked at, also with that before the first step.
        engine: what computes; one for all devices when left out.

    Raises:
        InputError (a ValueError): for settings out of range, unknown names, and parameters that cannot be searched here.
    """

    def __init__(
        self,
        objective: Objective,
        *,
        key: RandomKey,
        parameters: Mapping[str, Parameter] | None = None,
        optimiser: str | optax.GradientTransformation = "adam",
        learning_rate: float | optax.Schedule = 0.3,
        num_steps: int = 100,
        batch_size: int = 128,
        max_gradient_norm: float = 1.0,
        smoothing: float = 0.5,
        validation_size: int = 512,
        validate_every: int = 5,
        patience: int = 10,
        on_look: Callable[[SearchState], object] | None = None,
        engine: Engine | None = None,
    ) -> None:
        if not isinstance(objective, Objective):
            raise InputError(f"objective must be an Objective; got {shown(objective)}")
        random_key(key)
        counts = {"num_steps": num_steps, "batch_size": batch_size, "validation_size": validation_size}
        for name, value in (counts | {"validate_every": validate_every, "patience": patience}).items():
            at_least(name, value, 1)
        self.max_gradient_norm = float(positive("max_gradient_norm", max_gradient_norm, jnp.dtype(jnp.float32)))
        if not (math.isfinite(smoothing) and smoothing >= 0):
            raise InputError(f"smoothing must be a finite number of at least 0; got {shown(smoothing)}")
        if smoothing > 0 and batch_size % 2:
            raise InputError(f"batch_size must be even where smoothing moves numbers to both sides; got {batch_size}")
        self.smoothing = float(smoothing)
        self.objective, self.parameters = objective, PARAMETERS | dict(parameters or {})
        self.num_steps, self.batch_size, self.validation_size = num_steps, batch_size, validation_size
        self.validate_every, self.patience = validate_every, patience
        self.on_look = on_look or (lambda state: None)
        self.keys = {purpose: jax.random.fold_in(key, purpose) for purpose in (TRAINING, VALIDATION, SCATTER)}
        self.engine = engine or Engine()
        number = len(self.engine.devices)
        if objective.gradient == "implicit" and number > 1:
            raise InputError(f"gradient implicit works on one device; got {number}: set num_devices (--devices) to 1")
        self.optimiser = as_optimiser(optimiser, learning_rate)

        @jax.jit
        @jax.vmap
        def updated(raw: Any, gradient: Any, optimiser_state: Any) -> Any:
            with _as_optax_likes():
                changes, optimiser_state = self.optimiser.update(gradient, optimiser_state, raw)
                moved = optax.apply_updates(raw, changes)
            assert isinstance(moved, dict)
            raw = {name: self.parameters[name].projected(number) for name, number in moved.items()}
            return raw, self._values(raw), optimiser_state

        self._updated = updated
        self._slopes = jax.jit(lambda raw: {name: self.parameters[name].slope(number) for name, number in raw.items()})

    def init(self, start: Mapping[str, Any]) -> SearchState:
        """The state before the first step.

        Arguments:
            start: values by parameter: numbers for a single start, arrays of shape (S,) for S of them; for parameters with an
                entry for each pattern, of shape (…) or (S, …).

        Raises:
            InputError (a ValueError): for a parameter that is unknown or out of bounds, and for shapes that do not fit.
        """
        state = self.blank(start)
        found = self._validated(state.values)
        record = Record(*state.record[: -len(found)], *found)
        loss = np.where(np.isfinite(found[0]), found[0], np.inf)
        state = state._replace(best_loss=loss, best_error=found[1], record=record)
        self.on_look(state)
        return state

    def blank(self, start: Mapping[str, Any]) -> SearchState:
        """As `init`, without having looked at the held-out problems: the structure of all states from these starts."""
        self.objective.check(list(start))
        values, num_starts = self._checked(start)
        raw = {name: self.parameters[name].to_raw(value) for name, value in values.items()}
        nothing, none = np.full(num_starts, np.nan), np.zeros(num_starts, np.int64)
        record = Record(*[nothing] * 4, *[none] * 3, *[nothing] * 3)
        with _as_optax_likes():
            optimiser_state = jax.vmap(self.optimiser.init)(raw)
        return _as_numpy(SearchState(np.asarray(0), raw, values, optimiser_state, values, nothing, nothing, none, record, none))

    def step(self, state: SearchState) -> SearchState:
        """One step: problems, their losses and gradients, and the optimiser's update; now and then the held-out problems."""
        mode = self.objective.mode_for({name: value[0] for name, value in state.values.items()})
        scatter = self._scatter(state)
        # With smoothing every problem is met twice.
        numbers = (int(state.step) * self.batch_size + np.arange(self.batch_size)) // (1 if scatter is None else 2)
        raw, each = (state.raw, False) if scatter is None else (self._scattered(_as_jax(state.raw), scatter), True)
        values = state.values if scatter is None else self._values(raw)
        found = measure(self.objective, values, self.keys[TRAINING], numbers, self.engine, mode=mode, each=each)
        gradient, told = self._gradient(raw, scatter, found)
        raw, values, optimiser_state = self._updated(_as_jax(state.raw), gradient, _as_jax(state.optimiser_state))
        step = int(state.step) + 1
        state = state._replace(step=np.asarray(step), raw=raw, values=values, optimiser_state=optimiser_state)
        if step % self.validate_every and step != self.num_steps:
            return _as_numpy(state._replace(record=Record(*told, *[np.full_like(state.best_loss, np.nan)] * 3)))
        state = _as_numpy(self._chosen(state._replace(record=Record(*told, *self._validated(values)))))
        self.on_look(state)
        return state

    def _chosen(self, state: SearchState) -> SearchState:
        """The state with the best values of each start, of those before and those that were just looked at."""
        loss, error = state.record.validation_loss, state.record.validation_error
        better = ranked(np.stack([state.best_error, error]), np.stack([state.best_loss, loss]))[0] == 1
        return state._replace(
            best_values={
                name: np.where(better.reshape(-1, *[1] * (value.ndim - 1)), state.values[name], value)
                for name, value in state.best_values.items()
            },
            best_loss=np.where(better, loss, state.best_loss),
            best_error=np.where(better, error, state.best_error),
            best_step=np.where(better, state.step, state.best_step),
            num_checks=np.where(better, 0, state.num_checks + 1),
        )

    def is_done(self, state: SearchState) -> bool:
        """Whether all steps are taken, or no start has improved on the held-out problems for too long."""
        return int(state.step) >= self.num_steps or bool(np.all(state.num_checks >= self.patience))

    def num_solves(self, state: SearchState) -> int:
        """About what one start has cost so far, in solved trajectories: a gradient counts several."""
        solves = self.objective.solves({name: value[0] for name, value in state.values.items()})
        steps = int(state.step)
        looks = 1 + steps // self.validate_every + (steps == self.num_steps and steps % self.validate_every > 0)
        return steps * self.batch_size * solves + looks * self.validation_size

    def _values(self, raw: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        # Rounding may carry a number's value over the bound that the number is on.
        return {
            name: jnp.clip(how.to_value(raw[name]), how.low, how.high) for name, how in self.parameters.items() if name in raw
        }

    def _validated(self, values: Any) -> Any:
        numbers = np.arange(self.validation_size)
        return aggregate(measure(self.objective, values, self.keys[VALIDATION], numbers, self.engine, name="validation"))

    def _is_smoothed(self, state: SearchState) -> bool:
        return self.smoothing > 0 and not any(DIMENSIONS.get(name, 0) for name in state.raw)

    @pinned
    def _scatter(self, state: SearchState) -> dict[str, np.ndarray] | None:
        """By how many standard deviations of the smoothing numbers are moved in a step, shape (batch_size,).

        By as much to one side as to the other in the same problem: what problems differ in then cancels.
        """
        if not self._is_smoothed(state):
            return None
        key = jax.random.fold_in(self.keys[SCATTER], int(state.step))
        drawn = np.asarray(jax.random.normal(key, (len(state.raw), self.batch_size // 2, 1), jnp.float32))
        both = (drawn * np.array([1, -1], np.float32)).reshape(len(state.raw), -1)
        return dict(zip(sorted(state.raw), both, strict=True))

    def _scattered(self, raw: Mapping[str, jax.Array], scatter: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
        """Numbers of each start in each problem, shape (S, problems)."""
        return {
            name: self.parameters[name].projected(
                number[:, None] + jnp.asarray(self.smoothing * scatter[name], number.dtype)[None, :]
            )
            for name, number in raw.items()
        }

    def _gradient(
        self, raw: Any, scatter: Mapping[str, np.ndarray] | None, found: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, jax.Array], Any]:
        """The mean gradient in the unconstrained numbers, with what is told of it.

        That of each problem is clipped before. Where the numbers are scattered, it is averaged with the covariance of the
        losses with the scatter over its variance: an estimate of the gradient of the averaged loss that sees where a trajectory
        changes basins. There the loss jumps, of which the derivative of a single trajectory says nothing.
        """
        each = {}
        for name, slope in self._slopes(_as_jax(raw)).items():
            part, factor = np.asarray(found[f"gradient_{name}"], np.float64), np.asarray(slope, np.float64)
            if scatter is not None:  # a move that ended on a bound ends there wherever it began nearby
                factor = np.where(np.asarray(self.parameters[name].is_inside(raw[name])), factor, 0.0)
            with np.errstate(over="ignore", invalid="ignore"):
                each[name] = part * (factor if scatter is not None else factor[:, None])
        ok = found["status"] == Status.OK
        with np.errstate(over="ignore", invalid="ignore"):
            norm = np.sqrt(sum(np.sum(part**2, axis=tuple(range(2, part.ndim))) for part in each.values()))
        usable = ok & np.isfinite(norm) & np.isfinite(found["loss"])
        scale = np.where(usable, self.max_gradient_norm / np.maximum(norm, self.max_gradient_norm), 0.0)
        number = np.maximum(usable.sum(axis=1), 1)
        losses = _mean(found["loss"], usable)
        excess = np.where(usable, found["loss"] - losses[:, None], 0.0)
        mean = {}
        for name, part in each.items():
            extra = [1] * (part.ndim - 2)
            clipped = np.where(usable.reshape(*usable.shape, *extra), part, 0.0) * scale.reshape(*scale.shape, *extra)
            mean[name] = clipped.sum(axis=1) / number.reshape(-1, *extra)
            if scatter is not None:
                covariance = excess @ scatter[name].astype(np.float64) / number
                mean[name] = (mean[name] + covariance / self.smoothing) / 2
        size = np.sqrt(sum(np.sum(part**2, axis=tuple(range(1, part.ndim))) for part in mean.values()))
        share = self.max_gradient_norm / np.maximum(size, self.max_gradient_norm)
        mean = {name: part * share.reshape(-1, *[1] * (part.ndim - 1)) for name, part in mean.items()}
        told = (
            losses,
            *(_mean(found[name], usable) for name in ("hamming_error", "success")),
            size * share,
            np.sum(usable & (norm > self.max_gradient_norm), axis=1),
            np.sum(ok & ~usable, axis=1),
            np.sum(~ok, axis=1),
        )
        return {name: jnp.asarray(part, jnp.asarray(raw[name]).dtype) for name, part in mean.items()}, told

    def _checked(self, start: Mapping[str, Any]) -> tuple[dict[str, jax.Array], int]:
        """Values with an axis of starts, and how many starts there are."""
        pool_size = self.objective.trial.task.pool_size
        arrays, counts = {}, {}
        for name, given in start.items():
            one_of("a parameter of the search", name, self.parameters)
            array = real(name, given).astype(jnp.result_type(float))
            own = DIMENSIONS.get(name, 0)
            if array.ndim not in (own, own + 1):
                raise InputError(f"the start of {name} must have {own} dimensions, and one more for several; got {array.shape}")
            if own and array.shape[-1] != pool_size:
                raise InputError(f"the start of {name} must have {pool_size} entries, one per pattern; got {array.shape[-1]}")
            parameter = self.parameters[name]
            if concrete(jnp.all((array >= parameter.low) & (array <= parameter.high))) is False:
                raise InputError(
                    f"the start of {name} must lie within [{parameter.low:g}, {parameter.high:g}]; got {shown(given)}"
                )
            if parameter.approaches_bounds and concrete(jnp.any((array == parameter.low) | (array == parameter.high))):
                raise InputError(
                    f"the start of {name} must lie between {parameter.low:g} and {parameter.high:g}, which the transform "
                    f"{parameter.transform} never reaches; got {shown(given)}"
                )
            if array.ndim > own:
                counts[name] = array.shape[0]
            arrays[name] = array
        if len(set(counts.values())) > 1 or 0 in counts.values():
            raise InputError(f"all parameters must have equally many starts; got {counts}")
        number = next(iter(counts.values()), 1)
        spread = {
            name: array if name in counts else jnp.broadcast_to(array, (number, *array.shape)) for name, array in arrays.items()
        }
        return spread, number


def tune(
    objective: Objective, start: Mapping[str, Any] | SearchState, *, key: RandomKey, **settings: Any
) -> Iterator[SearchState]:
    """Search for the parameters with the lowest expected loss, step by step::

        for state in aj.tune(objective, {"temperature": 0.01, "tau_x": 1.0}, key=jax.random.key(0), num_steps=50):
            print(state.step, state.record.loss, state.values)
        memory = objective.memory(state.best, patterns)

    A pure loop: nothing is kept but what is yielded. To go on later give a state as the start, with the same key and settings:
    the states that follow are the same bit for bit.

    Arguments:
        objective: what is minimised.
        start: values by parameter, for one start or many (see `Search.init`); or a state.
        key, settings: as for `Search`.

    Yields:
        The state after each step; see `SearchState`.

    Raises:
        InputError (a ValueError): as `Search` and `Search.init` do, when the first state is asked for.
    """
    search = Search(objective, key=key, **settings)
    state = start if isinstance(start, SearchState) else search.init(start)
    while not search.is_done(state):
        state = search.step(state)
        yield state


def as_optimiser(
    optimiser: str | optax.GradientTransformation, learning_rate: float | optax.Schedule, /, **arguments: Any
) -> optax.GradientTransformation:
    """An optimiser, given by name with further arguments of optax, or as an object. `InputError` for what does not fit."""
    if isinstance(optimiser, optax.GradientTransformation):
        return optimiser
    one_of("optimiser", optimiser, OPTIMISERS)
    if not callable(learning_rate) and not (math.isfinite(learning_rate) and learning_rate > 0):
        raise InputError(f"learning_rate must be a positive number or a schedule; got {shown(learning_rate)}")
    if "learning_rate" in arguments:
        raise InputError(f"optimiser {optimiser}: got multiple values for keyword argument 'learning_rate'")
    return _called(f"optimiser {optimiser}", getattr(optax, optimiser), {"learning_rate": learning_rate} | arguments)


def as_schedule(schedule: str, /, **arguments: Any) -> optax.Schedule:
    """A schedule of optax by name and arguments. Raises `InputError` for what does not fit."""
    one_of("schedule", schedule, SCHEDULES)
    return _called(f"schedule {schedule}", getattr(optax, schedule), arguments)


@contextlib.contextmanager
def _as_optax_likes() -> Iterator[None]:
    """JAX's usual promotion of types and ranks, which optax relies on, whatever the user has set."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def _called(what: str, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    try:
        return function(**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what}: {error}") from error


def ranked(error: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """Places along the first axis, the best first: by error, then by loss, then by place. NaN comes last."""
    return np.lexsort((loss, error), axis=0)


def _mean(values: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Mean over the problems that can be used, in double precision; NaN where there are none."""
    total = np.sum(np.where(usable, values, 0).astype(np.float64), axis=1)
    return np.where(usable.any(axis=1), total / np.maximum(usable.sum(axis=1), 1), np.nan)


def _as_jax(tree: Any) -> Any:
    return jax.tree.map(jnp.asarray, tree)


def _as_numpy(tree: Any) -> Any:
    return jax.tree.map(np.asarray, tree)
