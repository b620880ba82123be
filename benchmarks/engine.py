"""The sweep engine against one plain batch: Fig. 4's grid for the astrocyte memory, same grids of time, one run.

The plain batch is a single `jit(vmap)` in which every trajectory is padded to the largest load. It is called for parts of the
grid that fit into memory, spread over all of it. The engine computes the whole grid. Then the parts of the engine are switched
off one at a time.
"""

import argparse
import functools
import itertools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from harness import Contender, described, machine, race, spread, table, times_slower
from workloads import TOLERANCE, fig4_axes, recall_trial

import astrojax as aj
from astrojax.sweep.programs import as_arrays

LARGEST = 200
"""Patterns of the largest load."""


def plain_batch(trials: int, lanes: int) -> Callable[[], Any]:
    """One plain `jit(vmap)`; every call takes lanes that are spread over the whole grid, and others than the one before."""
    grid = aj.Sweep(recall_trial(), fig4_axes(trials)).grid
    dynamic, static = eqx.partition(as_arrays(recall_trial()), eqx.is_array)

    def one(lane: dict[str, jax.Array], dynamic: Any, key: jax.Array) -> dict[str, jax.Array]:
        trial = eqx.combine(dynamic, static)
        return trial.solve(trial.draw(key, lane, LARGEST), lane)

    batch, parts, key = jax.jit(jax.vmap(one, in_axes=(0, None, None))), itertools.count(), jax.random.key(0)

    def run() -> Any:
        numbers = (np.arange(lanes) * (grid.size // lanes) + next(parts)) % grid.size
        return batch({name: jnp.asarray(values) for name, values in grid.at(numbers).items()}, dynamic, key)

    return run


def engine(trials: int, one_shape: bool = False, **settings: Any) -> Callable[[], Any]:
    """The engine over the whole grid; settings are its own or those of the trajectories."""
    own = {name: settings.pop(name) for name in ("num_threads", "lanes_per_step") if name in settings}
    sweep = aj.Sweep(recall_trial(**settings), fig4_axes(trials), **({"program_cost": np.inf} if one_shape else {}))
    return functools.partial(aj.run_sweeps, {"a": sweep}, jax.random.key(0), engine=aj.Engine(**own))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--batches", type=int, nargs="*", default=[512, 8192], help="lanes of the plain batch; 0: the whole grid"
    )
    options = parser.parse_args()
    whole = aj.Sweep(recall_trial(), fig4_axes(options.trials)).grid.size
    variants: dict[str, dict[str, Any]] = {
        "engine": {},
        f"adaptive steps, {TOLERANCE:g}": {"solver": "etd3", "rtol": TOLERANCE, "atol": TOLERANCE},
        f"everything padded to {LARGEST}": {"one_shape": True},
        "one thread": {"num_threads": 1},
        "512 lanes step together": {"lanes_per_step": 512},
    }
    contenders = [
        Contender(f"plain vmap of {lanes:,}", functools.partial(plain_batch, options.trials, lanes), lanes)
        for lanes in (batch or whole for batch in options.batches)
    ]
    contenders += [
        Contender(name, functools.partial(lambda given: engine(options.trials, **given), settings), whole)
        for name, settings in variants.items()
    ]
    found = race(contenders, options.rounds)
    print(f"Fig. 4's grid, {options.trials} trials, {options.rounds} rounds, medians")
    rows = [
        {
            "": name,
            "µs per trajectory": f"{contender.microseconds:.3g}",
            "times the engine's": spread(times_slower(contender, found["engine"])),
            "compiling and the first call, s": f"{contender.compile_seconds:.1f}",
        }
        for name, contender in found.items()
    ]
    print(table(rows))
    print(described(machine()))


if __name__ == "__main__":
    main()
