"""The search: a pure step from state to state, and the loop around it."""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax

from .._internal.checks import InputError, at_least, one_of, positive, random_key, real, shown
from .._internal.parameters import DIMENSIONS, OptimizerName, ScheduleName
from .._internal.types import RandomKey
from ..sweep.engine import Engine
from .gradients import mean_gradient, perturbations
from .objective import Objective, aggregate, measure
from .record import RealRecord, Record, ranked
from .transforms import PARAMETERS, Parameter

TRAINING, VALIDATION, LANDSCAPE, STARTS, PERTURBATION, CANDIDATES = 1, 2, 3, 4, 5, 7
"""What is folded into the root key for each purpose. Runs draw their problems from the root key itself."""


class SearchState(NamedTuple):
    """Everything that the next step depends on, besides what the search was made with. A pytree of arrays; never changed.

    Arguments:
        raw: unconstrained numbers by parameter, shape (S, …) for S starts.
        values: the values they stand for.
        optimiser_state: of optax, with a leading axis of the starts.
        best_values: values with the lowest mean error on the validation problems so far (Hamming error or, where patterns are
            not of ±1, root mean squared error); the loss breaks ties, then the earlier step counts.
        best_loss, best_error: loss and error there, shape (S,).
        num_checks: how many validations there were since the best, shape (S,).
        record: of the last step; `rmse` and `identified` replace `hamming_error` and `success` where patterns are not of ±1.
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
    def best_start(self) -> int:
        """Which start has the lowest error on the validation problems so far; the loss breaks ties, then the order."""
        return int(ranked(self.best_error, self.best_loss)[0])

    @property
    def best(self) -> dict[str, Any]:
        """Values of the best of all starts, without the axis of the starts."""
        return {name: values[self.best_start] for name, values in self.best_values.items()}


class Search:
    """A gradient-based search for the parameters with the lowest expected loss, from many starts at once.

    Every step draws the next problems of the sequence that the key stands for, the same for all starts. A step is a function of
    the state alone, so a search can be stopped after any step and goes on from a stored state bit for bit.

    Arguments:
        key: root of all random numbers.
        parameters: how each is searched; those that are not named are searched as `PARAMETERS` says.
        optimiser: the name of one of optax's optimizers, or such an optimizer.
        learning_rate: of an optimizer given by name: a number, or an optax schedule. In unconstrained numbers, so that 0.1 of a
            parameter on a logarithmic scale is a change by a tenth.
        num_steps: most steps.
        batch_size: trajectories of a step at each start: of as many problems or, with smoothing, of half as many, each solved
            with parameters perturbed to either side; then an even number.
        max_gradient_norm: norm of the gradient of one problem, in unconstrained numbers, beyond which it is scaled down; and of
            the mean that the optimizer is given.
        smoothing: standard deviation, in unconstrained numbers, of random perturbations in each problem: the search then
            descends the loss averaged over a neighborhood of this width. 0 for none. Nothing is perturbed where parameters with
            an entry for each pattern are searched.
        validation_size: problems that choose the best values: see `SearchState`.
        validate_every: steps between validations; there is one before the first step too, and one after the last.
        patience: validations without improvement that end the search of a start; all starts go on until all have ended.
        on_look: called with the state after each validation, also with that before the first step.
        engine: one for all devices if omitted.

    Raises `InputError` for settings out of range, unknown names, and parameters that cannot be searched here.
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
            raise InputError(f"batch_size must be even where smoothing perturbs problems to both sides; got {batch_size}")
        self.objective, self.parameters = objective, PARAMETERS | dict(parameters or {})
        self.num_steps, self.batch_size, self.smoothing = num_steps, batch_size, float(smoothing)
        self.validation_size, self.validate_every, self.patience = validation_size, validate_every, patience
        self.on_look = on_look or (lambda state: None)
        self.key, self.engine = key, engine or Engine()
        self._record: Any = Record if objective.is_binary else RealRecord
        self._validated = self._record._fields[-3:]
        num_devices = len(self.engine.devices)
        if objective.gradient == "implicit" and num_devices > 1:
            raise InputError(f"gradient implicit works on one device; got {num_devices}: set num_devices (--devices) to 1")
        self.optimizer = as_optimizer(optimiser, learning_rate)
        self._jitted_update = jax.jit(jax.vmap(self._update))
        self._slopes = jax.jit(lambda raw: {name: self.parameters[name].slope(number) for name, number in raw.items()})

    def init(self, start: Mapping[str, Any]) -> SearchState:
        """The state before the first step.

        Arguments:
            start: values by parameter: numbers for a single start, arrays of shape (S,) for S of them; for parameters with an
                entry for each pattern, of shape (…) or (S, …).

        Raises `InputError` for a parameter that is unknown or out of bounds, and for shapes that do not fit.
        """
        state = self.template(start)
        record = state.record._replace(**self._validate(state.values))
        loss = np.where(np.isfinite(record.validation_loss), record.validation_loss, np.inf)
        state = state._replace(best_loss=loss, best_error=record.validation_error, record=record)
        self.on_look(state)
        return state

    def template(self, start: Mapping[str, Any]) -> SearchState:
        """Like `init`, without validation: the structure of all states from these starts."""
        self.objective.check(list(start))
        values = self._checked(start)
        raw = {name: self.parameters[name].to_raw(value) for name, value in values.items()}
        with _usual_promotion():
            optimizer_state = jax.vmap(self.optimizer.init)(raw)
        num_starts = len(next(iter(values.values())))
        unknown, zero = np.full(num_starts, np.nan), np.zeros(num_starts, np.int64)
        record = self._record(*[unknown] * 4, *[zero] * 3, *[unknown] * 3)
        return _as_numpy(SearchState(np.asarray(0), raw, values, optimizer_state, values, unknown, unknown, zero, record, zero))

    def step(self, state: SearchState) -> SearchState:
        """One step: problems, their losses and gradients, the optimizer's update; every `validate_every` steps validation."""
        step = int(state.step)
        raw, optimizer_state = jax.tree.map(jnp.asarray, (state.raw, state.optimiser_state))
        problems = step * self.batch_size + np.arange(self.batch_size)
        points, values, perturbation = dict(raw), state.values, dict[str, np.ndarray]()
        if self.smoothing > 0 and not DIMENSIONS.keys() & raw.keys():
            problems = problems // 2  # each is solved with opposite perturbations
            perturbation = perturbations(self._key(PERTURBATION, step), raw, self.batch_size)
            for name, number in raw.items():  # of each start in each problem, shape (S, problems)
                change = jnp.asarray(self.smoothing * perturbation[name], number.dtype)
                points[name] = self.parameters[name].projected(number[:, None] + change[None, :])
            values = self._values(points)
        mode = self.objective.mode_for(state.best)
        found = measure(self.objective, values, self._key(TRAINING), problems, self.engine, mode=mode, each=bool(perturbation))
        slopes = {name: np.asarray(slope, np.float64) for name, slope in self._slopes(points).items()}
        if perturbation:  # what was moved onto a bound has no slope
            inside = {name: np.asarray(self.parameters[name].is_inside(number)) for name, number in points.items()}
            slopes = {name: np.where(inside[name], slope, 0.0) for name, slope in slopes.items()}
        else:
            slopes = {name: slope[:, None] for name, slope in slopes.items()}
        mean, metrics = mean_gradient(found, slopes, perturbation, smoothing=self.smoothing, max_norm=self.max_gradient_norm)
        gradient = {name: jnp.asarray(part, raw[name].dtype) for name, part in mean.items()}
        raw, values, optimizer_state = self._jitted_update(raw, gradient, optimizer_state)
        state = state._replace(step=np.asarray(step + 1), raw=raw, values=values, optimiser_state=optimizer_state)
        if (step + 1) % self.validate_every and step + 1 != self.num_steps:
            unknown = np.full_like(state.best_loss, np.nan)
            return _as_numpy(state._replace(record=self._record(**metrics, **dict.fromkeys(self._validated, unknown))))
        state = _as_numpy(_with_best(state._replace(record=self._record(**metrics, **self._validate(values)))))
        self.on_look(state)
        return state

    def is_done(self, state: SearchState) -> bool:
        """Whether all steps are taken, or no start has improved on the validation problems for too long."""
        return int(state.step) >= self.num_steps or bool(np.all(state.num_checks >= self.patience))

    def num_solves(self, state: SearchState) -> int:
        """About what one start has cost so far, in solved trajectories: a gradient counts several."""
        steps = int(state.step)
        validations = 1 + steps // self.validate_every + (steps == self.num_steps and steps % self.validate_every > 0)
        return steps * self.batch_size * self.objective.solves(state.best) + validations * self.validation_size

    def _key(self, *purpose: int) -> RandomKey:
        return functools.reduce(jax.random.fold_in, purpose, self.key)

    def _values(self, raw: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        # Rounding may carry a number's value over the bound that the number is on.
        return {
            name: jnp.clip(how.to_value(raw[name]), how.low, how.high) for name, how in self.parameters.items() if name in raw
        }

    def _update(self, raw: Any, gradient: Any, optimizer_state: Any) -> Any:
        with _usual_promotion():
            changes, optimizer_state = self.optimizer.update(gradient, optimizer_state, raw)
            moved: dict[str, jax.Array] = optax.apply_updates(raw, changes)
        raw = {name: self.parameters[name].projected(number) for name, number in moved.items()}
        return raw, self._values(raw), optimizer_state

    def _validate(self, values: Any) -> dict[str, np.ndarray]:
        problems = np.arange(self.validation_size)
        found = measure(self.objective, values, self._key(VALIDATION), problems, self.engine, name="validation")
        return dict(zip(self._validated, aggregate(found), strict=True))

    def _checked(self, start: Mapping[str, Any]) -> dict[str, jax.Array]:
        pool_size = self.objective.trial.task.pool_size
        arrays, counts = dict[str, jax.Array](), dict[str, int]()
        for name, given in start.items():
            one_of("a parameter of the search", name, self.parameters)
            array = real(name, given).astype(jnp.result_type(float))
            own = DIMENSIONS.get(name, 0)
            if array.ndim not in (own, own + 1):
                raise InputError(f"the start of {name} must have {own} dimensions, and one more for several; got {array.shape}")
            if own and array.shape[-1] != pool_size:
                raise InputError(f"the start of {name} must have {pool_size} entries, one per pattern; got {array.shape[-1]}")
            self.parameters[name].check(f"the start of {name}", array)
            if array.ndim > own:
                counts[name] = len(array)
            arrays[name] = array if array.ndim > own else array[None]
        if len(set(counts.values())) > 1 or 0 in counts.values():
            raise InputError(f"all parameters must have equally many starts; got {counts}")
        number = max(counts.values(), default=1)
        return {name: jnp.broadcast_to(array, (number, *array.shape[1:])) for name, array in arrays.items()}


def tune(
    objective: Objective, start: Mapping[str, Any] | SearchState, *, key: RandomKey, **settings: Any
) -> Iterator[SearchState]:
    """Search for the parameters with the lowest expected loss, and yield the state after each step::

        for state in aj.tune(objective, {"temperature": 0.01, "tau_x": 1.0}, key=jax.random.key(0), num_steps=50):
            print(state.step, state.record.loss, state.values)
        memory = objective.memory(state.best, patterns)

    A pure loop: nothing is kept but what is yielded. To go on later give a state as the start, with the same key and settings:
    the states that follow are the same bit for bit.

    Arguments:
        start: values by parameter, for one start or many (see `Search.init`); or a state.
        objective, key, settings: as for `Search`.

    Raises `InputError` as `Search` and `Search.init` do, when the first state is asked for.
    """
    search = Search(objective, key=key, **settings)
    state = start if isinstance(start, SearchState) else search.init(start)
    while not search.is_done(state):
        state = search.step(state)
        yield state


def _with_best(state: SearchState) -> SearchState:
    """The state with the best values of each start: those before, or those that were just validated."""
    loss, error = state.record.validation_loss, state.record.validation_error
    is_better = ranked(np.stack([state.best_error, error]), np.stack([state.best_loss, loss]))[0] == 1

    def better(new: Any, old: Any) -> Any:
        return np.where(is_better.reshape(-1, *[1] * (old.ndim - 1)), new, old)

    new = state.values, loss, error, np.full_like(state.best_step, state.step), np.zeros_like(state.num_checks)
    old = state.best_values, state.best_loss, state.best_error, state.best_step, state.num_checks + 1
    values, loss, error, step, num_checks = jax.tree.map(better, new, old)
    return state._replace(best_values=values, best_loss=loss, best_error=error, best_step=step, num_checks=num_checks)


def _as_numpy(state: SearchState) -> SearchState:
    arrays: SearchState = jax.tree.map(np.asarray, state)
    return arrays


def as_optimizer(
    optimizer: str | optax.GradientTransformation, learning_rate: float | optax.Schedule, /, **arguments: Any
) -> optax.GradientTransformation:
    """An optimizer, given by name with further arguments of optax, or as an object."""
    if isinstance(optimizer, optax.GradientTransformation):
        return optimizer
    one_of("optimiser", optimizer, get_args(OptimizerName))
    if not callable(learning_rate) and not (math.isfinite(learning_rate) and learning_rate > 0):
        raise InputError(f"learning_rate must be a positive number or a schedule; got {shown(learning_rate)}")
    return _call("optimiser", optimizer, learning_rate, **arguments)


def scheduled(learning_rate: float, schedule: str, /, **arguments: Any) -> optax.Schedule:
    """A learning rate times a schedule of optax, which starts at 1 unless its arguments say otherwise."""
    one_of("schedule", schedule, get_args(ScheduleName))
    first = "value" if schedule == "constant_schedule" else "init_value"
    factor = _call("schedule", schedule, **({first: 1.0} | arguments))
    return lambda step: learning_rate * factor(step)


@contextlib.contextmanager
def _usual_promotion() -> Iterator[None]:
    """JAX's usual promotion of types and ranks, which optax relies on, whatever the user has set."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def _call(kind: str, name: str, /, *positional: Any, **arguments: Any) -> Any:
    try:
        return getattr(optax, name)(*positional, **arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"{kind} {name}: {error}") from error
