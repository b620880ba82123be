"""Observables of a recall: functions `observable(memory, target, recall)` that return a number.

Those of the package are the public functions below that have these parameters, in the order in which they are stored, and
running observables, which are measured where they are named.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp

from .._internal.errors import InputError, shown
from .._internal.registry import NAMED, REAL, ROLES, SIGNS, find, kind_of, members, refuse_signs, suitable
from .._internal.types import Neurons, Patterns, Scalar
from ..models.base import AbstractMemory
from ..problems import observables as formulas
from ..problems.task import Problem, Task
from ..solve.recall import Recall
from ..solve.running import AbstractRunningObservable, Maximum

HOW = {
    "convergence_time": (
        "dimensionless time",
        "first time at which all moves below the stated speed; inf: not within the horizon",
    ),
    "num_steps": ("steps", "accepted steps of the solver"),
    "refined": ("1", "1 where the first grid of time steps was too coarse, and a finer one was taken"),
    "tolerance": ("1", "relative tolerance of a step of the solver; on a grid, its largest error beyond which it is refined"),
    "status": (
        "1",
        "0 ok, 1 max_steps, 2 non_finite, 3 invalid_memory, 4 solver_failed, 5 invalid_settings, "
        "6 unconfirmed, -1 not computed yet; failed samples are NaN",
    ),
}
"""Units and definition of what is recorded of how a recall was computed, whatever the observables."""


def observable(
    *, units: str = "1", definition: str | None = None, patterns: Literal["signs", "real", "named"] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: say in which units a function `observable(memory, target, recall)` measures, and what.

    Both are stored with the values. Without it units are "1", and the definition is the first line of the docstring.
    `patterns="signs"` says that it compares signs: it is refused where patterns have entries other than −1 and +1.
    """

    def describe(function: Callable[..., Any]) -> Callable[..., Any]:
        given = {"units": units, "definition": definition, "suited_to": patterns}
        vars(function).update({name: value for name, value in given.items() if value is not None})
        return function

    return describe


@observable(patterns=SIGNS, units="neurons", definition="half the sum of |target - sign(x)|; sign(0) counts as half an error")
def hamming_error(memory: AbstractMemory, target: Neurons, recall: Recall) -> Scalar:
    return formulas.hamming_error(target, recall.state.x)


@observable(patterns=SIGNS, units="neurons", definition="half the sum of |target - firing rate|")
def soft_hamming_error(memory: AbstractMemory, target: Neurons, recall: Recall) -> Scalar:
    return formulas.soft_hamming_error(target, memory.readout(recall.state))


@observable(patterns=SIGNS, definition="mean of target times firing rate")
def overlap(memory: AbstractMemory, target: Neurons, recall: Recall) -> Scalar:
    return formulas.overlap(target, memory.readout(recall.state))


@observable(patterns=SIGNS, definition="1 where the Hamming error is 0")
def success(memory: AbstractMemory, target: Neurons, recall: Recall) -> Scalar:
    return formulas.success(target, recall.state.x)


@observable(units="patterns", definition="exponential of the entropy of the gains; NaN for memories without gains")
def perplexity(memory: AbstractMemory, target: Neurons, recall: Recall) -> Scalar:
    log_gains = memory.log_gains(recall.state)
    return jnp.asarray(jnp.nan, target.dtype) if log_gains is None else formulas.perplexity(log_gains)


@observable(definition="logarithm of the target's gain; NaN for memories without gains")
def log_target_gain(memory: AbstractMemory, target: Neurons, recall: Recall) -> Scalar:
    log_gains = memory.log_gains(recall.state)
    return jnp.asarray(jnp.nan, target.dtype) if log_gains is None else log_gains[0]  # the target is the first pattern


@observable(units="dimensionless energy", definition="Lyapunov function of the final state; differs from memory to memory")
def energy(memory: AbstractMemory, target: Neurons, recall: Recall) -> Scalar:
    return memory.energy(recall.state)


@observable(
    units="dimensionless energy per time", definition="its exact time derivative at the final state; minus the dissipation"
)
def energy_rate(memory: AbstractMemory, target: Neurons, recall: Recall) -> Scalar:
    return memory.energy_rate(recall.state)


@observable(
    patterns=SIGNS,
    definition="0 where a neuron is still driven towards the other sign, so that a longer horizon changes the outcome",
)
def settled(memory: AbstractMemory, target: Neurons, recall: Recall) -> Scalar:
    x = recall.state.x
    drive = x + memory.tau_x * memory.vector_field(recall.state).x
    return jnp.all(jnp.sign(drive) == jnp.sign(x)).astype(x.dtype)


Pair = tuple[Scalar, Scalar]
BEST_TOLERANCE = 1e-3  # smaller rises of an overlap, as neurons come to rest, do not count for its time


class BestOverlap(Maximum):
    """The largest overlap with the target at the start or at the end of any step."""

    suited_to = SIGNS

    def value(self, memory: AbstractMemory, target: Neurons, state: Any) -> Scalar:
        return formulas.overlap(target, memory.readout(state))


class BestHammingError(Maximum):
    """The smallest Hamming error at the start or at the end of any step."""

    suited_to = SIGNS
    units = "neurons"

    def value(self, memory: AbstractMemory, target: Neurons, state: Any) -> Scalar:
        return -formulas.hamming_error(target, state.x)

    def result(self, carry: Scalar) -> Scalar:
        return -carry


class TimeOfBest(AbstractRunningObservable[Pair]):
    """The time at which the overlap with the target is largest, up to 10⁻³: after it, it rises by no more than that."""

    suited_to = SIGNS
    units = "dimensionless time"

    def init(self, memory: AbstractMemory, target: Neurons, state: Any) -> Pair:
        """The largest overlap, and its time."""
        best = BestOverlap().init(memory, target, state)
        return best, jnp.zeros_like(best)

    def update(self, carry: Pair, memory: AbstractMemory, target: Neurons, t: Scalar, state: Any) -> Pair:
        best, time = carry
        now = BestOverlap().number(memory, target, state)
        rises = now > best + BEST_TOLERANCE
        return jnp.where(rises, now, best), jnp.where(rises, t, time)

    def result(self, carry: Pair) -> Scalar:
        return carry[1]


@observable(patterns=REAL, definition="root mean squared error, in the units of the patterns")
def rmse(memory: AbstractMemory, target: Neurons, recall: Recall) -> Scalar:
    return formulas.rmse(target, memory.readout(recall.state))


@observable(patterns=REAL, definition="cosine of the angle between firing rates and target")
def cosine(memory: AbstractMemory, target: Neurons, recall: Recall) -> Scalar:
    return formulas.cosine(target, memory.readout(recall.state))


@observable(patterns=REAL, definition="1 where the stored pattern nearest to the firing rates is the target; a share in ties")
def identified(memory: AbstractMemory, target: Neurons, recall: Recall, problem: Problem) -> Scalar:
    return formulas.identified(_comparable(memory, problem), memory.readout(recall.state), stored=problem.stored)


def _comparable(memory: AbstractMemory, problem: Problem) -> Patterns:
    """The patterns, of length 1 if firing rates are: they are compared by their direction then."""
    if not memory.activation.is_direction:
        return problem.patterns
    lengths = jnp.linalg.norm(problem.patterns, axis=0)
    return problem.patterns / jnp.where(lengths > 0, lengths, 1)


@observable(patterns=NAMED, definition="1 where the stored pattern nearest to the firing rates has the target's class")
def class_identified(memory: AbstractMemory, target: Neurons, recall: Recall, problem: Problem) -> Scalar:
    if problem.classes is None:
        raise InputError("class_identified needs patterns with classes, such as digits, glyphs, or a file with labels")
    rates = memory.readout(recall.state)
    return formulas.identified(_comparable(memory, problem), rates, stored=problem.stored, classes=problem.classes)


@observable(patterns=REAL, units="patterns", definition="number of gains above 0; NaN for memories without gains")
def num_active_gains(memory: AbstractMemory, target: Neurons, recall: Recall) -> Scalar:
    log_gains = memory.log_gains(recall.state)
    return jnp.asarray(jnp.nan, target.dtype) if log_gains is None else jnp.sum(log_gains > -jnp.inf, dtype=target.dtype)


def chosen_functions(role: str, given: Sequence[Any] | None, task: Task) -> tuple[Any, ...]:
    """Observables or decoders, given by name or as functions, as functions; those that suit the patterns of a task if `None`.

    Raises `InputError` for an unknown name, for something that cannot be called or has no name, for a name used twice, and for
    what compares signs where patterns are not of ±1.
    """
    if given is None:
        return tuple(suitable(role, task.is_binary))
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise InputError(f"{role}s must be a list of names or functions, at least one; got {shown(given)}")
    found = tuple(find(role, item) if isinstance(item, str) else item for item in given)
    found = tuple(item() if isinstance(item, type) and issubclass(item, AbstractRunningObservable) else item for item in found)
    named: dict[str, Any] = {}
    for item in found:
        if not callable(item) and not isinstance(item, AbstractRunningObservable):
            raise InputError(f"{role}s must be names or functions of {', '.join(ROLES[role].takes)}; got {shown(item)}")
        name = name_of(item)
        member = members(role).get(name)
        is_ours = member in (None, item, type(item))
        if not name.isidentifier() or name in HOW or name == "decoder_error" or not is_ours:
            raise InputError(f"{role}s must have names of letters, digits and _ that are not in use; got {name!r}")
        if name in named:
            raise InputError(f"{role}s must have different names; got {name!r} twice: give one of them a name")
        named[name] = item
    refuse_signs(role, named, task.is_binary)
    return found


def name_of(item: Any) -> str:
    """The name under which a function's result is stored: its attribute `name`, or that of the function or class."""
    name = getattr(item, "name", None) or getattr(item, "__name__", None)
    if name is not None:
        return str(name)
    if isinstance(item, functools.partial | eqx.Partial):
        return name_of(item.func)
    return kind_of(type(item), "")


def takes_problem(item: Any) -> bool:
    """Whether an observable is also given the problem."""
    while isinstance(item, functools.partial | eqx.Partial):
        item = item.func
    return "problem" in inspect.signature(item).parameters


def meaning_of(item: Any) -> tuple[str, str]:
    """Units and definition of an observable."""
    if isinstance(item, functools.partial | eqx.Partial):
        return meaning_of(item.func)
    lines = (getattr(item, "__doc__", None) or "").strip().splitlines()
    return getattr(item, "units", "1"), getattr(item, "definition", None) or (lines[0] if lines else "")
