"""What accuracy costs: solvers and tolerances against a float64 reference. Prints the table of docs/accuracy.md.

Run time alone, without compiling; times are for comparison within one run of this script.
"""

import argparse
import time
from collections.abc import Callable

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

import astrojax as aj

PROBLEMS: dict[str, tuple[Callable[[jax.Array], aj.AbstractMemory], int, int, int]] = {
    "astrocyte 30, 100, 6": (aj.AstrocyteMemory, 30, 100, 6),
    "astrocyte 20, 200, 3": (aj.AstrocyteMemory, 20, 200, 3),
    "astrocyte 20, 50, 5": (aj.AstrocyteMemory, 20, 50, 5),
    "neuron-astrocyte 20, 50, 5": (aj.NeuronAstrocyteMemory, 20, 50, 5),
}
"""Memory, and numbers of neurons, patterns and flips."""

SETTINGS = [("heun", 1e-1), ("heun", 5e-2), ("heun", 1e-2), ("bosh3", 5e-2), ("bosh3", 1e-2), ("bosh3", 1e-3)]
SETTINGS += [("tsit5", 1e-2), ("tsit5", 1e-3), ("tsit5", 1e-4), ("etd2", 3e-2), ("etd3", 3e-2), ("etd3", 3e-3)]


def solve(problem: str, number: int, solver: str, tolerance: float) -> tuple[list[np.ndarray], float]:
    """Final states, Hamming errors and accepted steps of a batch, in JAX's current precision, and seconds of running."""
    memory, num_neurons, num_patterns, num_flips = PROBLEMS[problem]

    def one(key: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        pattern_key, flip_key = jax.random.split(key)
        patterns = aj.random_patterns(pattern_key, num_neurons=num_neurons, num_patterns=num_patterns)
        query = aj.flip(flip_key, patterns[:, 0], num_flips)
        settings = {"solver": solver, "rtol": tolerance, "atol": tolerance, "max_steps": 100_000}
        recall = aj.retrieve(memory(patterns), query, t1=10.0, adjoint=diffrax.ForwardMode(), **settings)
        return recall.x, aj.hamming_error(patterns[:, 0], recall.x), recall.stats["num_accepted_steps"]

    keys = jax.random.split(jax.random.key(1), number)
    program = jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=32)).lower(keys).compile()
    started = time.perf_counter()
    results = jax.block_until_ready(program(keys))
    return [np.asarray(result) for result in results], time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trajectories", type=int, default=2048)
    number = parser.parse_args().trajectories
    print(
        "| memory; N, K, flips | solver | steps | differ | mean error (reference) | x(10) | µs |\n|---|---|---|---|---|---|---|"
    )
    for problem in PROBLEMS:
        with jax.enable_x64(True):
            (true_x, true_error, _), _ = solve(problem, number, "dopri8", 1e-9)
        for solver, tolerance in SETTINGS:
            (x, error, steps), seconds = solve(problem, number, solver, tolerance)
            relative = np.abs(x - true_x).max(axis=1) / np.abs(true_x).max(axis=1)
            print(
                f"| {problem} | {solver} {tolerance:g} | {np.median(steps):.0f} "
                f"| {np.mean(error != true_error):.2%} | {error.mean():.4f} ({true_error.mean():.4f}) "
                f"| {np.median(relative):.0e} | {seconds / number * 1e6:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    jnp.zeros(()).block_until_ready()  # start the backend outside the clock
    main()
