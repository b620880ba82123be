"""Running observables: measured along a solve, step by step, without storing states."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from .._internal.checks import InputError, real_number
from .._internal.types import Neurons, Scalar, ScalarLike
from ..models.base import AbstractMemory

Carry = TypeVar("Carry")


class AbstractRunningObservable(eqx.Module, Generic[Carry]):
    """One number that a `RecallTrial` measures along the way, at the start of a recall and after each of its steps.

    It sees the states at the ends of the solver's steps; those of rejected steps do not count. A carry, any pytree of arrays,
    takes what it needs from one step to the next. All is written for one trajectory, in JAX: targets and `state.x` have the
    shape (N,), times none. A class attribute `units` says in which units it measures, and `definition`, or the first line of
    its docstring, what.
    """

    @abstractmethod
    def init(self, memory: AbstractMemory, target: Neurons, state: Any) -> Carry:
        """The carry at time 0, with the initial state."""

    @abstractmethod
    def update(self, carry: Carry, memory: AbstractMemory, target: Neurons, t: Scalar, state: Any) -> Carry:
        """The carry after the step that ended at time t in this state: of the same structure and shapes as before."""

    @abstractmethod
    def result(self, carry: Carry) -> ScalarLike:
        """What was measured, one real number, from the carry at the horizon."""


class AbstractRunningValue(AbstractRunningObservable[Carry]):
    """A running observable of one value of the state."""

    @abstractmethod
    def value(self, memory: AbstractMemory, target: Neurons, state: Any) -> ScalarLike:
        """What is followed along the way: one real number."""

    def number(self, memory: AbstractMemory, target: Neurons, state: Any) -> Scalar:
        """The value in the precision of the state."""
        return real_number(f"value of {type(self).__name__}", self.value(memory, target, state), state.x.dtype)


class Maximum(AbstractRunningValue[Scalar]):
    """The largest `value(memory, target, state)` at the start or at the end of any step; a subclass defines `value`."""

    def init(self, memory: AbstractMemory, target: Neurons, state: Any) -> Scalar:
        return self.number(memory, target, state)

    def update(self, carry: Scalar, memory: AbstractMemory, target: Neurons, t: Scalar, state: Any) -> Scalar:
        return jnp.maximum(carry, self.number(memory, target, state))

    def result(self, carry: Scalar) -> Scalar:
        return carry


class FirstPassage(AbstractRunningValue[tuple[Scalar, Scalar, Scalar]]):
    """The first time at which `value(memory, target, state)` is at least `level`; a subclass defines `value`.

    Within the step in which the level is reached the value is taken as linear in time. The time is 0 where the value starts
    there, and infinite where no step ends at the level or above it.

    Arguments:
        level: the value to reach.
    """

    level: ScalarLike

    units = "dimensionless time"

    def init(self, memory: AbstractMemory, target: Neurons, state: Any) -> tuple[Scalar, Scalar, Scalar]:
        """The time, the value, and the time of the passage."""
        value = self.number(memory, target, state)
        start = jnp.zeros_like(value)
        return start, value, jnp.where(value >= self.level, start, jnp.inf)

    def update(
        self, carry: tuple[Scalar, Scalar, Scalar], memory: AbstractMemory, target: Neurons, t: Scalar, state: Any
    ) -> tuple[Scalar, Scalar, Scalar]:
        last, before, passage = carry
        value = self.number(memory, target, state)
        reached = jnp.isinf(passage) & (value >= self.level)
        share = (self.level - before) / jnp.where(reached, value - before, 1)
        return t, value, jnp.where(reached, last + share * (t - last), passage)

    def result(self, carry: tuple[Scalar, Scalar, Scalar]) -> Scalar:
        return carry[2]


class RunningObservables(eqx.Module):
    """Running observables of one recall, by name, and the target that they are given; without any, nothing is computed."""

    observables: Mapping[str, AbstractRunningObservable[Any]] = eqx.field(default_factory=dict)
    target: Any = None

    def init(self, memory: AbstractMemory, state: Any) -> dict[str, Any]:
        started = {name: item.init(memory, self.target, state) for name, item in self.observables.items()}
        carries: dict[str, Any] = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), started)
        return carries  # of no weak type, as loops need

    def update(self, carries: dict[str, Any], memory: AbstractMemory, t: Scalar, state: Any) -> dict[str, Any]:
        return {
            name: _like(carries[name], item.update(carries[name], memory, self.target, t, state), name)
            for name, item in self.observables.items()
        }

    def results(self, carries: dict[str, Any], dtype: Any) -> dict[str, Scalar]:
        return {
            name: real_number(f"result of observable {name}", item.result(carries[name]), dtype)
            for name, item in self.observables.items()
        }


def _like(carry: PyTree, new: PyTree, name: str) -> PyTree:
    """A new carry in the types of the one before. Raises `InputError` if its structure or shapes differ."""
    expected, found = (jax.tree.map(jnp.shape, tree) for tree in (carry, new))
    if expected != found:
        raise InputError(f"update of observable {name} must return arrays of the shapes of init's, {expected}; got {found}")
    return jax.tree.map(lambda old, leaf: jnp.asarray(leaf).astype(old.dtype), carry, new)


class RunningSolver(diffrax.AbstractWrappedSolver[Any]):
    """A solver whose state from step to step also holds the carries of running observables."""

    solver: diffrax.AbstractAdaptiveSolver[Any]  # type: ignore[misc]
    running: RunningObservables

    @property
    def term_structure(self) -> Any:
        return self.solver.term_structure

    @property
    def term_compatible_contr_kwargs(self) -> Any:
        return self.solver.term_compatible_contr_kwargs

    @property
    def interpolation_cls(self) -> Any:  # type: ignore[override]
        return self.solver.interpolation_cls

    @property
    def root_finder(self) -> Any:
        """Of an implicit solver."""
        return self.solver.root_finder  # type: ignore[attr-defined]

    @property
    def scan_kind(self) -> Any:
        """Of a Runge-Kutta method."""
        return self.solver.scan_kind  # type: ignore[attr-defined]

    def order(self, terms: Any) -> Any:
        return self.solver.order(terms)

    def error_order(self, terms: Any) -> Any:
        return self.solver.error_order(terms)

    def func(self, terms: Any, t0: Any, y0: PyTree, args: Any) -> PyTree:
        return self.solver.func(terms, t0, y0, args)

    def init(self, terms: Any, t0: Any, t1: Any, y0: PyTree, args: Any) -> Any:
        return self.solver.init(terms, t0, t1, y0, args), self.running.init(args, y0)

    def step(
        self, terms: Any, t0: Any, t1: Any, y0: PyTree, args: Any, solver_state: Any, made_jump: Any
    ) -> tuple[PyTree, PyTree, Any, Any, Any]:
        own, carries = solver_state
        y1, error, dense_info, own, result = self.solver.step(terms, t0, t1, y0, args, own, made_jump)
        return y1, error, dense_info, (own, self.running.update(carries, args, t1, y1)), result
