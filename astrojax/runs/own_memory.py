"""Try a memory of a user's own on one problem, before anything is compiled: what is wrong is said with the user's line."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._internal.errors import InputError
from .._internal.own_code import is_reference, pointing_at_own_code
from ..config.sections import Choice
from .plan import Part


def is_own(section: Choice) -> bool:
    """Whether a memory, or one of its parts, is code of a user's own."""
    return is_reference(section.kind) or any(isinstance(part, Choice) and is_own(part) for _, part in section)


def try_memory(part: Part, kind: str) -> None:
    """Raise `InputError` unless its memory can be built, moves and has an energy, all finite and of the right shapes."""
    sample, capacity = part.sweep.sample, int(part.sweep.shapes.capacities[0])
    lane = {name: jnp.asarray(values[0]) for name, values in part.sweep.grid.at(np.zeros(1, int)).items()}
    problem = sample.draw(part.root_key, lane, capacity)
    with _blaming(kind, sample.build):
        memory = sample.memory(problem, lane)
    with _blaming(kind, memory.initial_state):
        state = memory.initial_state(problem.query)
    with _blaming(kind, memory.vector_field):
        field = jax.eval_shape(memory.vector_field, state)
    wanted, got = (jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), tree) for tree in (state, field))
    if wanted != got:
        text = f"must return a state such as initial_state does, with arrays {wanted}; got {got}"
        raise InputError(f"{_place(memory.vector_field)}: vector_field of {kind} {text}")
    for method in (memory.energy, memory.energy_rate):
        with _blaming(kind, method):
            number = jax.eval_shape(method, state)
        if getattr(number, "shape", None) != () or not jnp.issubdtype(number.dtype, jnp.floating):
            raise InputError(f"{_place(method)}: {method.__name__} of {kind} must return one real number; got {number}")
    for method in (memory.vector_field, memory.energy):
        if all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(method(state))):
            continue
        with pointing_at_own_code(), jax.disable_jit(), jax.debug_nans(True), jax.debug_infs(True):
            method(state)  # raises where the first NaN arises
        raise InputError(f"{_place(method)}: {method.__name__} of {kind} is not finite for a query of {part.name}")


@contextmanager
def _blaming(kind: str, function: Callable[..., Any]) -> Iterator[None]:
    """Turn an exception of a user's function into an `InputError` with its line, or else with that of its definition."""
    try:
        with pointing_at_own_code():
            yield
    except InputError:
        raise
    except Exception as error:  # of any kind: it is a user's code
        raise InputError(f"{_place(function)}: {kind} cannot be used: {type(error).__name__}: {error}") from error


def _place(function: Any) -> str:
    """File and line of the definition of a function, a method or a class."""
    function = inspect.unwrap(getattr(function, "func", function))
    function = getattr(function, "__func__", function)
    try:
        return f"{inspect.getsourcefile(function)}, line {inspect.getsourcelines(function)[1]}"
    except (OSError, TypeError):
        return "code of your own"
