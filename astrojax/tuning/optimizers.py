"""Optimizers and schedules of optax, by name."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any, get_args

import jax
import optax

from .._internal.checks import InputError, one_of, shown
from .._internal.parameters import OptimizerName, ScheduleName


def as_optimizer(
    optimizer: str | optax.GradientTransformation, learning_rate: float | optax.Schedule, /, **arguments: Any
) -> optax.GradientTransformation:
    """An optimizer, given by name with further arguments of optax, or as an object. `InputError` for what does not fit."""
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
def usual_promotion() -> Iterator[None]:
    """JAX's usual promotion of types and ranks, which optax relies on, whatever the user has set."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def _call(kind: str, name: str, /, *positional: Any, **arguments: Any) -> Any:
    try:
        return getattr(optax, name)(*positional, **arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"{kind} {name}: {error}") from error
