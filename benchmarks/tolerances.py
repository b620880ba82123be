"""What accuracy costs: solvers and tolerances against a float64 reference. Prints the table of docs/accuracy.md.

Run time alone, without compiling; times are for comparison within one run of this script.
"""

import argparse
import time

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

import astrojax as aj

PROBLEMS = [(30, 100, 6), (20, 200, 3), (20, 50, 5)]
"""Neurons, patterns, flips."""

SETTINGS = [("heun", 1e-1), ("heun", 5e-2), ("heun", 1e-2), ("bosh3", 5e-2), ("bosh3", 1e-2), ("bosh3", 1e-3)]
SETTINGS += [("tsit5", 1e-2), ("tsit5", 1e-3), ("tsit5", 1e-4)]


def solve(problem: tuple[int, int, int], number: int, solver: str, tolerance: float) -> tuple[list[np.ndarray], float]:
    """Final states, Hamming errors and accepted steps of a batch, in JAX's current precision, and seconds of running."""
    num_neurons, num_patterns, num_flips = problem

    def one(key: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        pattern_key, flip_key = jax.random.split(key)
        patterns = aj.random_patterns(pattern_key, num_neurons=num_neurons, num_patterns=num_patterns)
        query = aj.flip(flip_key, patterns[:, 0], num_flips)
        settings = {"solver": solver, "rtol": tolerance, "atol": tolerance, "max_steps": 100_000}
        recall = aj.retrieve(aj.AstrocyteMemory(patterns), query, t1=10.0, adjoint=diffrax.ForwardMode(), **settings)
        return recall.x, aj.hamming_error(patterns[:, 0], recall.x), recall.stats["num_accepted_steps"]

    keys = jax.random.split(jax.random.key(1), number)
    program = jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=32)).lower(keys).compile()
    started = time.perf_counter()
    results = jax.block_until_ready(program(keys))
    return [np.asarray(result) for result in results], time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trajectories", type=int, default=1024)
    number = parser.parse_args().trajectories
    print("| N, K, flips | solver | steps | differ | mean error (reference) | x(10) | µs |\n|---|---|---|---|---|---|---|")
    for problem in PROBLEMS:
        with jax.enable_x64(True):
            (true_x, true_error, _), _ = solve(problem, number, "dopri8", 1e-9)
        for solver, tolerance in SETTINGS:
            (x, error, steps), seconds = solve(problem, number, solver, tolerance)
            relative = np.abs(x - true_x).max(axis=1) / np.abs(true_x).max(axis=1)
            print(
                f"| {', '.join(map(str, problem))} | {solver} {tolerance:g} | {np.median(steps):.0f} "
                f"| {np.mean(error != true_error):.2%} | {error.mean():.4f} ({true_error.mean():.4f}) "
                f"| {np.median(relative):.0e} | {seconds / number * 1e6:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    jnp.zeros(()).block_until_ready()  # start the backend outside the clock
    main()
