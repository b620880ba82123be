"""How time grows: with trajectories, patterns, neurons, and threads. The engine at the paper's defaults, drawing included."""

import argparse
import functools
import os
import statistics
from collections.abc import Iterator, Mapping
from typing import Any

import jax
from harness import described, machine, seconds_of, table
from workloads import recall_trial

import astrojax as aj


def seconds(axes: Mapping[str, Any], rounds: int, num_neurons: int = 20, **settings: Any) -> tuple[float, int]:
    """Median time of a sweep that has been compiled, and its number of trajectories."""
    sweep = aj.Sweep(recall_trial(num_neurons=num_neurons), axes)
    run = functools.partial(aj.run_sweeps, {"a": sweep}, jax.random.key(0), engine=aj.Engine(**settings))
    seconds_of(run, 1)
    return statistics.median(seconds_of(run, 1) for _ in range(rounds)), sweep.grid.size


def curves(most: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Rows: what was varied, its value, and time per trajectory."""

    def row(what: str, value: Any, found: tuple[float, int]) -> dict[str, Any]:
        taken, number = found
        return {"": what, "value": value, "trajectories": f"{number:,}", "µs per trajectory": f"{taken / number * 1e6:.3g}"}

    def axes(num_patterns: int, trials: int) -> dict[str, Any]:
        return {"num_patterns": [num_patterns], "num_flips": [3], "trial": range(trials)}

    number = 1000
    while number <= most:
        yield row("trajectories, K = 100", f"{number:,}", seconds(axes(100, number), rounds if number < 10**6 else 1))
        number *= 10
    for num_patterns in (10, 30, 100, 300, 1000, 3000):
        yield row("K", num_patterns, seconds(axes(num_patterns, max(400_000 // num_patterns, 512)), rounds))
    for num_neurons in (20, 50, 100, 200, 500):
        yield row("N, K = 100", num_neurons, seconds(axes(100, max(100_000 // num_neurons, 512)), rounds, num_neurons))
    if len(jax.devices()) == 1 and jax.default_backend() == "cpu":
        for threads in range(1, (os.cpu_count() or 1) + 1):
            yield row("threads, K = 100", threads, seconds(axes(100, 10_000), rounds, num_threads=threads))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=10**6, help="largest number of trajectories")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(table(list(curves(options.most, options.rounds))))
    print(described(machine()))


if __name__ == "__main__":
    main()
