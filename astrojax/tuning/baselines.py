"""Without gradients: random search and a grid, for comparison at equal cost, and the loss on a plane."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._internal.checks import LARGEST_SIZE, InputError, at_least
from .._internal.parameters import DIMENSIONS
from .._internal.random import pinned
from .._internal.types import RandomKey
from ..sweep.engine import Engine
from .objective import Objective, aggregate, measure
from .record import ranked
from .search import CANDIDATES, LANDSCAPE, TRAINING, Search
from .transforms import Parameter


class Candidates(NamedTuple):
    """Values that were tried.

    Arguments:
        values: by parameter, shape (C,).
        loss, error: mean loss and mean error of each, shape (C,); infinite and NaN where no trajectory could be used.
        num_solves: how many trajectories were solved.
    """

    values: dict[str, np.ndarray]
    loss: np.ndarray
    error: np.ndarray
    num_solves: int

    @property
    def best(self) -> dict[str, np.floating[Any]]:
        """The values with the lowest error; the loss breaks ties, as in a `Search`."""
        best = ranked(self.error, self.loss)[0]
        return {name: values[best] for name, values in self.values.items()}


def random_search(
    objective: Objective,
    parameters: Mapping[str, Parameter],
    *,
    key: RandomKey,
    num_solves: int,
    problems_per_candidate: int = 128,
    engine: Engine | None = None,
) -> Candidates:
    """Evaluate values drawn uniformly within the bounds, on a logarithmic scale where the transform needs positive values.

    All candidates meet the same problems, which are those of the first steps of a `Search` with the same key.

    Arguments:
        parameters: bounds and scale of each parameter.
        num_solves: most trajectories. problems_per_candidate: those of each candidate.
        engine: one for all devices if omitted.

    Raises `InputError` if the trajectories do not suffice for one candidate, and for parameters of patterns.
    """

    number = _affordable(objective, parameters, num_solves, problems_per_candidate)
    values = random_values(parameters, jax.random.fold_in(key, CANDIDATES), number)
    return _evaluate(objective, values, key, problems_per_candidate, engine or Engine())


def grid_search(
    objective: Objective,
    parameters: Mapping[str, Parameter],
    *,
    key: RandomKey,
    num_solves: int,
    problems_per_candidate: int = 128,
    engine: Engine | None = None,
) -> Candidates:
    """Evaluate the finest grid that the trajectories suffice for: the middles of equal parts of each axis within the bounds.

    Arguments and errors as for `random_search`.
    """

    number = _affordable(objective, parameters, num_solves, problems_per_candidate)
    side = int(number ** (1 / len(parameters)) + 1e-9)
    values = grid_values(parameters, (np.arange(side) + 0.5) / side)
    return _evaluate(objective, values, key, problems_per_candidate, engine or Engine())


def landscape(
    search: Search, best: Mapping[str, Any], names: Sequence[str], size: int, num_problems: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Mean loss on a plane of two parameters through the best values: its axes by name, and an array of shape (size, size)."""
    plane, fractions = {name: search.parameters[name] for name in names}, np.linspace(0, 1, size)
    grid = grid_values(plane, fractions)
    values = {
        name: jnp.asarray(grid[name] if name in grid else np.tile(value, (size**2, *[1] * value.ndim)), value.dtype)
        for name, value in best.items()
    }
    key, problems = jax.random.fold_in(search.key, LANDSCAPE), np.arange(num_problems)
    loss, _, _ = aggregate(measure(search.objective, values, key, problems, search.engine, name="landscape"))
    return {name: parameter.spread(fractions) for name, parameter in plane.items()}, loss.reshape(size, size)


@pinned
def random_values(parameters: Mapping[str, Parameter], key: RandomKey, number: int) -> dict[str, np.ndarray]:
    """`number` values of each parameter, drawn within its bounds."""
    fractions = np.asarray(jax.random.uniform(key, (number, len(parameters)), jnp.float32), np.float64)
    return {name: parameter.spread(fractions[:, column]) for column, (name, parameter) in enumerate(parameters.items())}


def grid_values(parameters: Mapping[str, Parameter], fractions: np.ndarray) -> dict[str, np.ndarray]:
    """Values at all points of a grid, which lie at these fractions of the interval between the bounds of each parameter."""
    axes = [parameter.spread(fractions) for parameter in parameters.values()]
    return dict(zip(parameters, (axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")), strict=True))


def _affordable(objective: Objective, parameters: Mapping[str, Parameter], num_solves: int, num_problems: int) -> int:
    objective.check(list(parameters))
    at_least("problems_per_candidate", num_problems, 1)
    at_least("num_solves", num_solves, num_problems, LARGEST_SIZE)
    for name in parameters.keys() & DIMENSIONS.keys():
        raise InputError(f"{name} has too many entries for a search without gradients")
    return num_solves // num_problems


def _evaluate(
    objective: Objective, values: dict[str, np.ndarray], key: RandomKey, num_problems: int, engine: Engine
) -> Candidates:
    at, problems = {name: jnp.asarray(value) for name, value in values.items()}, np.arange(num_problems)
    found = measure(objective, at, jax.random.fold_in(key, TRAINING), problems, engine, name="comparison")
    loss, error, _ = aggregate(found)
    loss = np.where(np.isfinite(loss), loss, np.inf)
    return Candidates({name: np.asarray(value) for name, value in at.items()}, loss, error, loss.size * num_problems)
