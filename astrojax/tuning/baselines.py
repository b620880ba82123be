"""Searches without gradients, for comparison at equal cost: random search and a grid."""

from collections.abc import Callable, Mapping
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
from .search import TRAINING, ranked
from .transforms import Parameter

CANDIDATES = 7
"""What the random key of candidates is derived for."""


class Candidates(NamedTuple):
    """Values that were tried.

    Arguments:
        values: by parameter, shape (C,).
        loss, error: mean loss and mean Hamming error of each, shape (C,); infinite and NaN where no trajectory could be used.
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


@pinned
def random_search(
    objective: Objective,
    parameters: Mapping[str, Parameter],
    *,
    key: RandomKey,
    num_solves: int,
    problems_per_candidate: int = 128,
    engine: Engine | None = None,
) -> Candidates:
    """Try values drawn at random within the bounds, evenly on a logarithmic scale where the transform says so.

    All candidates meet the same problems, which are those of the first steps of a `Search` with the same key.

    Arguments:
        objective: what is minimised.
        parameters: bounds and scale of each parameter.
        key: root of all random numbers. num_solves: most trajectories. problems_per_candidate: those of each candidate.
        engine: what computes; one for all devices when left out.

    Raises:
        InputError (a ValueError): if the trajectories do not suffice for one candidate, and for parameters of patterns.
    """

    def shares(number: int) -> np.ndarray:
        drawn = jax.random.uniform(jax.random.fold_in(key, CANDIDATES), (number, len(parameters)), jnp.float32)
        return np.asarray(drawn, np.float64)

    return _tried(objective, parameters, shares, key, num_solves, problems_per_candidate, engine)


def grid_search(
    objective: Objective,
    parameters: Mapping[str, Parameter],
    *,
    key: RandomKey,
    num_solves: int,
    problems_per_candidate: int = 128,
    engine: Engine | None = None,
) -> Candidates:
    """Try the finest grid between the bounds that the trajectories suffice for: in the middles of equal parts of each axis.

    Arguments and errors as for `random_search`.
    """

    def shares(number: int) -> np.ndarray:
        side = int(number ** (1 / len(parameters)) + 1e-9)
        middles = (np.arange(side) + 0.5) / side
        return np.stack(np.meshgrid(*[middles] * len(parameters), indexing="ij"), axis=-1).reshape(-1, len(parameters))

    return _tried(objective, parameters, shares, key, num_solves, problems_per_candidate, engine)


def _tried(
    objective: Objective,
    parameters: Mapping[str, Parameter],
    shares_of: Callable[[int], np.ndarray],
    key: RandomKey,
    num_solves: int,
    problems_per_candidate: int,
    engine: Engine | None,
) -> Candidates:
    """The losses of as many candidates as can be tried, at shares of the way between the bounds, shape (C, parameters)."""
    objective.check(list(parameters))
    at_least("problems_per_candidate", problems_per_candidate, 1)
    at_least("num_solves", num_solves, problems_per_candidate, LARGEST_SIZE)
    for name in parameters:
        if name in DIMENSIONS:
            raise InputError(f"{name} has too many entries for a search without gradients")
    shares = shares_of(num_solves // problems_per_candidate)
    values = {name: jnp.asarray(parameter.spread(shares[:, at])) for at, (name, parameter) in enumerate(parameters.items())}
    root, numbers = jax.random.fold_in(key, TRAINING), np.arange(problems_per_candidate)
    found = measure(objective, values, root, numbers, engine or Engine(), name="comparison")
    loss, error, _ = aggregate(found)
    loss = np.where(np.isfinite(loss), loss, np.inf)
    return Candidates({name: np.asarray(value) for name, value in values.items()}, loss, error, shares.shape[0] * numbers.size)
