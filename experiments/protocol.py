"""The paper's own protocol on the problems of a sweep: explicit Euler steps of 0.001, shorter for small parameters."""

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from explicit_euler import euler_on_gains
from measures import CONFIGS

import astrojax as aj
from astrojax.config.run import Config
from astrojax.models import memories
from astrojax.models.base import AbstractMemory
from astrojax.problems.task import Problem

TRIALS = 50
"""As in the paper."""

HORIZON, DT = 10.0, 0.001


def step_size(alpha: float) -> float:
    """Length of an Euler step at a value of the swept parameter."""
    return 0.05 * alpha if alpha <= 0.01 else DT


def euler(name: str, axis: str, values: Sequence[float], folder: Path) -> xr.Dataset:
    """Errors and perplexities of the astrocyte memory by the protocol along an axis, on the first problems of a configuration.

    They are kept in a file of the folder, and computed again for other settings. The steps of 10/(0.05 α) make small values
    slow: 10⁻⁴ takes 2,000,000 steps for each of the problems.
    """
    config = aj.load_config(CONFIGS / f"{name}.yaml")
    parameters = config.models["astrocyte"].model_dump(include={"temperature", "tau_x", "tau_p", "slope"})
    settings = repr((config.model_dump(), axis, [float(value) for value in values], TRIALS, HORIZON, step_size(0.01)))
    file = folder / f"{name}-euler.nc"
    if file.exists() and (kept := xr.load_dataset(file)).attrs.get("settings") == settings:
        return kept

    def one(trial: jax.Array, value: float) -> dict[str, jax.Array]:
        drawn = problem(config, trial, 100, 6)
        memory = aj.AstrocyteMemory(drawn.patterns, **parameters | {axis: value})
        x, gains = euler_on_gains(memory, drawn.query, t1=HORIZON, dt=step_size(value))
        # Explicit steps may leave the simplex: what is not positive has no logarithm.
        log_gains = jnp.log(jnp.where(gains > 0, gains, 1)) + jnp.where(gains > 0, 0, -jnp.inf)
        return {
            "hamming_error": aj.hamming_error(drawn.target, x),
            "soft_hamming_error": aj.soft_hamming_error(drawn.target, jnp.tanh(memory.slope * x)),
            "perplexity": aj.perplexity(log_gains),
        }

    trials = jnp.arange(TRIALS, dtype=jnp.int32)
    found = [jax.vmap(lambda trial, value=value: one(trial, value))(trials) for value in values]
    arrays = {key: ((axis, "trial"), np.stack([np.asarray(row[key], float) for row in found])) for key in found[0]}
    results = xr.Dataset(arrays, {axis: list(values)}, {"settings": settings})
    folder.mkdir(parents=True, exist_ok=True)
    results.to_netcdf(file)
    return results


def problem(config: Config, trial: jax.Array, num_patterns: int, num_flips: int) -> Problem:
    """The problem of random patterns and flips that a sweep of the configuration meets at these coordinates."""
    size = config.patterns.num_neurons
    task = aj.Task(lambda key, num_patterns: aj.random_patterns(key, num_neurons=size, num_patterns=num_patterns), aj.Flips())
    place = {
        "num_patterns": jnp.asarray(num_patterns, jnp.int32),
        "num_flips": jnp.asarray(num_flips, jnp.int32),
        "trial": trial,
    }
    return task.draw(jax.random.key(config.seed), place, num_patterns)


def euler_of_memories(name: str, models: Sequence[str], cells: Mapping[str, Sequence[int]], folder: Path) -> xr.DataArray:
    """Hamming errors of several memories by the protocol, on the first problems of cells of a configuration; kept in a file.

    Arguments: the configuration; names of its models; loads `num_patterns` and flips `num_flips`; the folder of the file.
    """
    config = aj.load_config(CONFIGS / f"{name}.yaml")
    file = folder / f"{name}-euler.nc"
    settings = repr((config.model_dump(), list(models), dict(cells), TRIALS, HORIZON, DT))
    if file.exists() and (kept := xr.load_dataarray(file)).attrs.get("settings") == settings:
        return kept
    trials, places = jnp.arange(TRIALS, dtype=jnp.int32), list(itertools.product(cells["num_patterns"], cells["num_flips"]))

    def one(model: str, load: int, num_flips: int, trial: jax.Array) -> jax.Array:
        drawn, section = problem(config, trial, load, num_flips), config.models[model]
        return euler_error(
            memories()[section.kind](drawn.patterns, **section.model_dump(exclude={"kind"}, exclude_none=True)), drawn
        )

    found = [
        [np.asarray(jax.jit(jax.vmap(partial(one, model, *place)))(trials), float) for place in places] for model in models
    ]
    shape = [len(models), *map(len, cells.values()), TRIALS]
    results = xr.DataArray(
        np.reshape(found, shape), {"model": list(models), **cells}, ["model", *cells, "trial"], attrs={"settings": settings}
    )
    folder.mkdir(parents=True, exist_ok=True)
    results.to_netcdf(file)
    return results


def euler_error(memory: AbstractMemory, drawn: Problem) -> jax.Array:
    """Hamming error of any memory by the protocol's steps: on the gains where it has some, else on its own state."""
    if isinstance(memory, aj.AstrocyteMemory):
        return aj.hamming_error(drawn.target, euler_on_gains(memory, drawn.query, t1=HORIZON, dt=DT)[0])

    def step(_: int, state: Any) -> Any:
        return jax.tree.map(lambda y, slope: y + jnp.asarray(DT, y.dtype) * slope, state, memory.vector_field(state))

    end = jax.lax.fori_loop(0, round(HORIZON / DT), step, memory.initial_state(drawn.query))
    return aj.hamming_error(drawn.target, end.x)
