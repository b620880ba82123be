"""One large memory, shared by many queries: time beside the bare products of matrices, and peak memory.

The products are those of one evaluation of the vector field, Ξᵀφ and Ξw, for all queries at once; a retrieval is counted as so
many of them as it takes evaluations, one in each step.
"""

import argparse
import functools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from harness import Contender, described, machine, race, spread, table, times_slower

import astrojax as aj
from astrojax.models.packed import BLOCK

NUM_FLIPS_SHARE = 0.1
GIBIBYTE = 2**30


def patterns_and_queries(num_neurons: int, num_patterns: int, num_queries: int) -> tuple[np.ndarray, np.ndarray]:
    """Random patterns, one byte per entry, shape (N, K), and corrupted copies of the first ones, shape (B, N)."""
    generator = np.random.default_rng(0)
    patterns = np.empty((num_neurons, num_patterns), np.int8)
    for row in patterns:  # without temporaries of the size of the whole
        row[:] = generator.integers(0, 2, num_patterns, dtype=np.int8) * 2 - 1
    queries = patterns[:, :num_queries].T.astype(np.float32)
    queries[:, : round(NUM_FLIPS_SHARE * num_neurons)] *= -1
    return patterns, queries


def products(patterns: Any, num_queries: int) -> Callable[[], Any]:
    """Both products of one evaluation, and nothing else."""
    num_neurons, num_patterns = patterns.shape
    rates, weights = jnp.ones((num_queries, num_neurons)), jnp.ones((num_queries, num_patterns))
    both = jax.jit(lambda patterns, rates, weights: (rates @ patterns, weights @ patterns.T))
    return functools.partial(both, patterns, rates, weights)


def retrieval(memory: aj.AstrocyteMemory, queries: np.ndarray, horizon: float, num_steps: int) -> Callable[[], Any]:
    """All queries at once, for so many steps that the evaluations are known."""
    return lambda: (
        aj.retrieve_many(memory, queries, t1=horizon, num_steps=num_steps, max_steps=num_steps, max_bytes=16 * GIBIBYTE).x
    )


def speed(num_neurons: int, num_patterns: int, num_queries: int, steps: int, rounds: int, block: int) -> list[dict[str, Any]]:
    """Rows of the first table: a few steps, each of one evaluation, beside as many bare products."""
    patterns, queries = patterns_and_queries(num_neurons, num_patterns, num_queries)
    floats = jnp.asarray(patterns, jnp.float32)
    contenders = [
        Contender("the two products alone", functools.partial(products, floats, num_queries), 1),
        Contender("floats", functools.partial(retrieval, aj.AstrocyteMemory(floats), queries, 10.0, steps), steps),
    ]
    small = aj.AstrocyteMemory(aj.compact_patterns(patterns, block=block))
    contenders.append(Contender("one byte per entry", functools.partial(retrieval, small, queries, 10.0, steps), steps))
    raced = race(contenders, rounds)
    reference = raced["the two products alone"]
    return [
        {
            "N, K, queries": f"{num_neurons:,}, {num_patterns:,}, {num_queries}",
            "": name,
            "ms per evaluation": f"{contender.microseconds / 1e3:.3g}",
            "times the products": spread(times_slower(contender, reference)),
        }
        for name, contender in raced.items()
    ]


def memory_of_one(num_neurons: int, num_patterns: int, num_queries: int, max_bytes: int) -> dict[str, Any]:
    """A whole retrieval in this process: time, peak memory, and how many queries found their pattern."""
    patterns, queries = patterns_and_queries(num_neurons, num_patterns, num_queries)
    targets = patterns[:, :num_queries].T.copy()
    compact = aj.compact_patterns(patterns)
    del patterns
    started = time.perf_counter()
    recall = aj.retrieve_many(aj.AstrocyteMemory(compact), queries, t1=10.0, max_bytes=max_bytes)
    return {
        "N, K, queries": f"{num_neurons:,}, {num_patterns:,}, {num_queries}",
        "seconds": f"{time.perf_counter() - started:.3g}",
        "peak memory, GiB": f"{peak_bytes() / GIBIBYTE:.2f}",
        "recalled without error": int(np.sum(np.all(np.sign(recall.x) == targets, axis=1))),
        "status OK": int(np.sum(recall.status == aj.Status.OK)),
    }


def peak_bytes() -> int:
    """Most memory that this process has taken at a time, on its accelerator if it has one."""
    of_device = jax.devices()[0].memory_stats() or {}
    return of_device.get("peak_bytes_in_use", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--block", type=int, default=BLOCK, help="patterns that are expanded at a time")
    parser.add_argument("--million", action="store_true", help="also K = 10⁶, minutes")
    parser.add_argument("--one", type=int, nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(memory_of_one(*options.one)))
        return
    if options.million:
        # In a process of its own: peak memory is a process's. And first: this one would take most of an accelerator's.
        command = [sys.executable, __file__, "--one", "1024", "1000000", "64", str(int(3.4 * GIBIBYTE))]
        print(table([json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)]), flush=True)
    sizes = [(1024, 65_536, 256), (1024, 65_536, 64), (4096, 16_384, 256)]
    rows = [row for size in sizes for row in speed(*size, options.steps, options.rounds, options.block)]
    print(table(rows))
    print(described(machine()))


if __name__ == "__main__":
    main()
