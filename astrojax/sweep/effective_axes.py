"""Which coordinates change anything about a sample, so that no axis labels results that do not depend on it."""

from collections.abc import Hashable, Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.extend.core import Jaxpr, Literal

from .._internal.checks import InputError, did_you_mean
from .._internal.random import pinned
from .._internal.types import RandomKey
from .grid import Grid
from .programs import as_arrays, one_lane, static_key

LOAD = "num_patterns"  # the coordinate that a sample's padding follows from
_FOUND: dict[Hashable, frozenset[str]] = {}  # effective coordinates of samples by their static key, since tracing takes time


def refuse_idle_axes(name: str, sample: Any, root_key: RandomKey, grid: Grid, capacity: int) -> None:
    effective = effective_coordinates(sample, root_key, grid.first, capacity)
    for axis, named in grid.axes.items():
        for coordinate in named:
            if coordinate not in effective:
                allowed = list(getattr(sample, "coordinate_names", sorted(effective)))
                where = f"axis {axis}" if axis == coordinate else f"{coordinate} of axis {axis}"
                remedy = f", whose axes can be {', '.join(allowed)}{did_you_mean(coordinate, allowed)}"
                if coordinate in allowed:
                    remedy = " with its settings; leave it out"
                raise InputError(f"{where} has no effect on any result of sweep {name!r}{remedy}")


def effective_coordinates(
    sample: Any, root_key: RandomKey, coordinates: Mapping[str, np.ndarray], capacity: int
) -> frozenset[str]:
    """Names of the coordinates that a sample's problem or outcome depends on, the load included; nothing is computed."""
    sample = as_arrays(sample)
    lane = tuple(sorted((name, values.dtype.str) for name, values in coordinates.items()))
    kind = lane, static_key(sample), capacity, jax.numpy.result_type(float)
    if kind in _FOUND:
        return _FOUND[kind]
    dynamic, static = eqx.partition(sample, eqx.is_array)

    def outcome(lane: dict[str, jax.Array], key: RandomKey, dynamic: Any) -> Any:
        whole = eqx.combine(dynamic, static)
        problem = whole.draw(key, lane, capacity)
        outcome_of = getattr(whole, "determinants", whole.solve)
        return eqx.filter(outcome_of(problem, lane), eqx.is_array)

    used = _inputs_used(pinned(jax.make_jaxpr(outcome))(one_lane(coordinates), root_key, dynamic).jaxpr)
    _FOUND[kind] = frozenset({LOAD, *(name for place, name in enumerate(sorted(coordinates)) if place in used)})
    return _FOUND[kind]


def _inputs_used(jaxpr: Jaxpr) -> set[int]:
    """Which inputs the outputs of a program depend on, by number. Loops and branches depend on all that goes into them."""
    sources: dict[Any, set[int]] = {variable: {place} for place, variable in enumerate(jaxpr.invars)}

    def of(variable: Any) -> set[int]:
        return set() if isinstance(variable, Literal) else sources.get(variable, set())

    for equation in jaxpr.eqns:
        inner = equation.params.get("jaxpr") if equation.primitive.name == "jit" else None
        places = range(len(equation.invars)) if inner is None else _inputs_used(inner.jaxpr)
        found = set().union(*(of(equation.invars[place]) for place in places))
        sources.update(dict.fromkeys(equation.outvars, found))
    return set().union(*(of(variable) for variable in jaxpr.outvars))
