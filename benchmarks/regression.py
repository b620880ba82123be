"""Whether speed was lost: two ratios within one run, and counts of evaluations, against generous bounds.

A ratio that is too low is measured again, several times: a machine that was busy for a moment is no reason to fail.
"""

import functools
import sys
from collections.abc import Callable

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from harness import Contender, race, times_slower
from peers import FLOOR_EVALUATIONS, engine, plain_diffrax, problems, right_hand_sides
from workloads import HORIZON, TOLERANCE

import astrojax as aj

NUM_PATTERNS, TRAJECTORIES = 100, 2048
LEAST_GAIN = 5.0
"""Times as fast as a plain vmap of Tsit5 at 1e-4; 15 to 20 on a quiet machine."""

MOST_OVER_FLOOR = 5.0
"""Times as slow as as many bare right-hand sides as a retrieval needs; below 2 on a quiet machine."""

MOST_EVALUATIONS = 60.0
"""Evaluations of a retrieval on average; 45 when this was written, whatever the machine."""

ATTEMPTS = 6


def evaluations() -> float:
    """Evaluations of the vector field in one retrieval, on average; rounding apart, the same everywhere."""
    patterns, queries = problems(NUM_PATTERNS, 256)

    def one(patterns: jax.Array, query: jax.Array) -> jax.Array:
        settings = {"t1": HORIZON, "rtol": TOLERANCE, "atol": TOLERANCE, "adjoint": diffrax.ForwardMode()}
        return sum(aj.retrieve(aj.AstrocyteMemory(patterns), query, solver="etd3", **settings).stats.values())

    return float(jnp.mean(jax.jit(jax.vmap(one))(patterns, queries))) * aj.ETD3.stages


def ratios() -> tuple[float, float]:
    """How many times as fast as the plain batch, and as slow as the floor, the engine is."""
    patterns, queries = problems(NUM_PATTERNS, TRAJECTORIES)

    def contender(name: str, prepare: Callable[..., Callable[[], object]], *settings: object) -> Contender:
        return Contender(name, functools.partial(prepare, patterns, queries, *settings), TRAJECTORIES)

    raced = race(
        [
            contender("engine", engine, True),
            contender("plain", plain_diffrax, diffrax.Tsit5(), 1e-4),
            contender("floor", right_hand_sides, FLOOR_EVALUATIONS),
        ],
        rounds=3,
    )
    return times_slower(raced["plain"], raced["engine"])[2], times_slower(raced["engine"], raced["floor"])[1]


def main() -> None:
    count = evaluations()
    print(f"evaluations of a retrieval: {count:.1f}, at most {MOST_EVALUATIONS:g} allowed")
    found = np.array([ratios()])
    for _ in range(ATTEMPTS - 1):
        if found[:, 0].max() >= LEAST_GAIN and found[:, 1].min() <= MOST_OVER_FLOOR:
            break
        found = np.vstack([found, ratios()])
    gain, over = found[:, 0].max(), found[:, 1].min()
    print(f"times as fast as a plain vmap of Tsit5 at 1e-4: {gain:.1f}, at least {LEAST_GAIN:g} required")
    print(f"times as slow as bare right-hand sides: {over:.2f}, at most {MOST_OVER_FLOOR:g} allowed")
    if count > MOST_EVALUATIONS or gain < LEAST_GAIN or over > MOST_OVER_FLOOR:
        sys.exit("slower than it was")


if __name__ == "__main__":
    main()
