"""The sweep engine against one plain batch: Fig. 4's grid for the astrocyte memory, same solver and tolerance, one run.

The plain batch is a single `jit(vmap)` in which every trajectory is padded to the largest load. It is called for parts of the
grid that fit into memory, spread over all of it. The engine computes the whole grid. Then the parts of the engine are switched
off one at a time. Compiling is reported apart from running.
"""

import argparse
import statistics
import time
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from workloads import TOLERANCE, fig4_axes, recall_trial

import astrojax as aj
from astrojax.sweep.programs import traced
from astrojax.sweep.shapes import Shapes


class Unsorted(eqx.Module):
    """The same sample with a cost that says nothing, so that lanes stay in the order of the grid."""

    inner: aj.RecallTrial

    def draw(self, root_key: Any, coordinates: Mapping[str, jax.Array], capacity: int) -> Any:
        return self.inner.draw(root_key, coordinates, capacity)

    def cost(self, problem: Any, coordinates: Mapping[str, jax.Array]) -> jax.Array:
        return jnp.zeros(())

    def solve(self, problem: Any, coordinates: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        return self.inner.solve(problem, coordinates)

    @property
    def by_steps(self) -> bool:
        return True

    def begin(self, problem: Any, coordinates: Mapping[str, jax.Array]) -> Any:
        return self.inner.begin(problem, coordinates)

    def under_way(self, setting: Any, progress: Any) -> jax.Array:
        return self.inner.under_way(setting, progress)

    def advance(self, setting: Any, progress: Any) -> Any:
        return self.inner.advance(setting, progress)

    def measure(self, *given: Any) -> dict[str, jax.Array]:
        return self.inner.measure(*given)


class AsABatch(Unsorted):
    """The same sample, solved by a batch of `diffeqsolve`, and sorted."""

    def cost(self, problem: Any, coordinates: Mapping[str, jax.Array]) -> jax.Array:
        return self.inner.cost(problem, coordinates)

    @property
    def by_steps(self) -> bool:
        return False


class Plain:
    """One plain `jit(vmap)` of lanes that are all padded to the largest load."""

    def __init__(self, trials: int, lanes: int) -> None:
        self.grid = aj.Sweep(recall_trial(), fig4_axes(trials)).grid
        self.lanes, self.key, self.trial = lanes, jax.random.key(0), traced(recall_trial())
        dynamic, static = eqx.partition(self.trial, eqx.is_array)

        def one(lane: dict[str, jax.Array], dynamic: Any, key: jax.Array) -> dict[str, jax.Array]:
            trial = eqx.combine(dynamic, static)
            return trial.solve(trial.draw(key, lane, 200), lane)

        started = time.perf_counter()
        batch = jax.jit(jax.vmap(one, in_axes=(0, None, None)))
        self.dynamic = dynamic
        self.program = batch.lower(self.coordinates(0), dynamic, self.key).compile()
        self.compile_seconds = time.perf_counter() - started

    def coordinates(self, part: int) -> dict[str, jax.Array]:
        """Every so-many-th lane, so that each part is spread over the whole grid."""
        stride = self.grid.size // self.lanes
        numbers = (np.arange(self.lanes) * stride + part) % self.grid.size
        return {name: jnp.asarray(values) for name, values in self.grid.at(numbers).items()}

    def seconds_per_trajectory(self, part: int) -> float:
        """Running one part."""
        given = self.coordinates(part)
        started = time.perf_counter()
        jax.block_until_ready(self.program(given, self.dynamic, self.key))
        return (time.perf_counter() - started) / self.lanes


def seconds_per_trajectory(trials: int, **settings: Any) -> tuple[float, float]:
    """Running, and compiling, of the engine; by the clock on the wall, all threads together."""
    chosen = settings.pop("wrapped", lambda trial: trial)(recall_trial())
    sweep = aj.Sweep(chosen, fig4_axes(trials))
    if not settings.pop("shapes", True):
        sweep.__dict__["shapes"] = Shapes(np.array([200]), np.array([1]))
    engine = aj.Engine(**settings)
    key = jax.random.key(0)
    started = time.perf_counter()
    engine.run([lambda lanes=lanes: engine.prepare(lanes) for lanes in sweep.preparations("a", key).values()])
    compiled = time.perf_counter()
    aj.run_sweeps({"a": sweep}, key, engine=engine)
    return (time.perf_counter() - compiled) / sweep.grid.size, compiled - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--batches", type=int, nargs="*", default=[512, 8192], help="lanes of the plain batch; 0: the whole grid"
    )
    options = parser.parse_args()
    whole = aj.Sweep(recall_trial(), fig4_axes(options.trials)).grid.size
    plain = {lanes: Plain(options.trials, lanes) for lanes in (batch or whole for batch in options.batches)}
    variants: dict[str, dict[str, Any]] = {
        "engine": {},
        "lanes in the order of the grid": {"wrapped": Unsorted},
        "a batch of diffeqsolve": {"wrapped": AsABatch},
        "everything padded to 200": {"shapes": False},
        "one thread": {"num_threads": 1},
        "512 lanes step together": {"lanes_per_step": 512},
    }
    times: dict[str, list[float]] = {}
    compiling = {f"plain vmap of {lanes:,}": batch.compile_seconds for lanes, batch in plain.items()}
    for number in range(options.rounds):  # interleaved, so that all meet the same disturbances
        for lanes, batch in plain.items():
            parts = [batch.seconds_per_trajectory(number * 100 + part) for part in range(max(8192 // lanes, 1))]
            times.setdefault(f"plain vmap of {lanes:,}", []).append(statistics.mean(parts))
        for name, settings in variants.items():
            running, compiled = seconds_per_trajectory(options.trials, **dict(settings))
            times.setdefault(name, []).append(running)
            compiling.setdefault(name, compiled)
    reference = times["engine"]
    print(f"Fig. 4's grid, {options.trials} trials, automatic solver at {TOLERANCE:g}; {options.rounds} rounds, medians")
    print("| | µs per trajectory | times the engine's | compiling, s |\n|---|---|---|---|")
    for name, values in times.items():
        ratios = sorted(value / own for value, own in zip(values, reference, strict=True))
        spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"| {name} | {statistics.median(values) * 1e6:.0f} | {spread} | {compiling[name]:.1f} |")


if __name__ == "__main__":
    main()
