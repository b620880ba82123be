"""Try a memory of a user's own on one problem, before anything is compiled: what is wrong is said with the user's line."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._internal.errors import InputError
from .._internal.own_code import is_reference, pointing_at_own_code, short_name
from ..config.sections import Choice
from ..sweep.programs import as_arrays, static_key
from ..testing import structure_faults
from .plan import Part


def is_own(section: Choice) -> bool:
    """Whether a memory, or one of its parts, is code of a user's own."""
    return is_reference(section.kind) or any(isinstance(part, Choice) and is_own(part) for _, part in section)


def try_memories(models: Mapping[str, Choice], parts: Iterable[Part]) -> None:
    """Try each memory of a user's own once, however many parts differ from it only in numbers. Raises `InputError`."""
    own = [part for part in parts if part.name in models and is_own(models[part.name])]
    distinct = {(part.name, static_key(as_arrays(part.sweep.sample)), part.sweep.shapes.capacities[0]): part for part in own}
    for part in distinct.values():
        _try_memory(part, short_name(models[part.name].kind))


def _try_memory(part: Part, kind: str) -> None:
    """Raise `InputError` unless its memory can be built, moves and has an energy, all finite and of the right shapes."""
    sample, capacity = part.sweep.sample, int(part.sweep.shapes.capacities[0])
    lane = {name: jnp.asarray(values[0]) for name, values in part.sweep.grid.at(np.zeros(1, int)).items()}
    problem = sample.draw(part.root_key, lane, capacity)
    try_on_query(lambda: sample.memory(problem, lane), problem.query, kind, part.name, sample.build)


def try_on_query(make: Callable[[], Any], query: jax.Array, kind: str, name: str, source: Callable[..., Any]) -> None:
    """As `try_memories`, for one that `make` builds, by code of a `source`, and a query."""
    with _blaming(kind, source):
        memory = make()
    with _blaming(kind, type(memory)):
        for method, text in structure_faults(memory, query):
            raise InputError(f"{place_of(method)}: {method.__name__} of {kind} {text}")
        state = memory.initial_state(query)
        found = jax.jit(lambda state: (memory.vector_field(state), memory.energy(state)))(state)
    for method, value in zip((memory.vector_field, memory.energy), found, strict=True):
        if all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(value)):
            continue
        with pointing_at_own_code(), jax.disable_jit(), jax.debug_nans(True), jax.debug_infs(True):
            method(state)  # raises where the first NaN arises
        raise InputError(f"{place_of(method)}: {method.__name__} of {kind} is not finite for a query of {name}")


@contextmanager
def _blaming(kind: str, function: Callable[..., Any]) -> Iterator[None]:
    """Turn an exception of a user's function into an `InputError` with its line, or else with that of its definition."""
    try:
        with pointing_at_own_code():
            yield
    except InputError:
        raise
    except Exception as error:  # of any kind: it is a user's code
        raise InputError(f"{place_of(function)}: {kind} cannot be used: {type(error).__name__}: {error}") from error


def place_of(function: Any) -> str:
    """File and line of the definition of a function, a method or a class."""
    function = inspect.unwrap(getattr(function, "func", function))
    function = getattr(function, "__func__", function)
    try:
        return f"{inspect.getsourcefile(function)}, line {inspect.getsourcelines(function)[1]}"
    except (OSError, TypeError):
        return "code of your own"
