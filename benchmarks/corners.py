"""Stiff corners: evaluations, accuracy and time of the automatic solver beside explicit and implicit ones.

Prints the table of docs/accuracy.md. Every trajectory has its own patterns; horizon 10; float32 against a float64 reference
(ETD3 at 1e-6; on 32 trajectories the reference itself is compared with Dopri8 at 1e-9). Run time alone, without compiling.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import diffrax
import jax
import numpy as np

import astrojax as aj

CORNERS: dict[str, dict[str, float]] = {
    "defaults": {},
    "τx = 1e-2": {"tau_x": 1e-2},
    "τx = 1e-3": {"tau_x": 1e-3},
    "τp = 1e-3": {"tau_p": 1e-3},
    "T = 1e3": {"temperature": 1e3},
    "τx = τp = 1e-3": {"tau_x": 1e-3, "tau_p": 1e-3},
    "τx = 1e4": {"tau_x": 1e4},
}

PROBLEMS = {"20, 100, 3": (20, 100, 3), "30, 100, 6": (30, 100, 6)}
"""Numbers of neurons, patterns and flips: the workload of benchmarks, and that of the paper's Figs. 1 to 3."""

PEERS: dict[str, tuple[Mapping[str, Any], int]] = {
    "auto": ({}, 1024),
    "etd3": ({"solver": "etd3"}, 1024),
    "etd3, confirmed": ({"solver": "etd3", "confirm": True}, 1024),
    "etd2 0.03": ({"solver": "etd2", "rtol": 3e-2, "atol": 3e-2}, 1024),
    "bosh3 1e-2": ({"solver": "bosh3", "rtol": 1e-2, "atol": 1e-2}, 256),
    "tsit5 1e-4": ({"solver": "tsit5"}, 256),
    "kvaerno3 1e-2": ({"solver": "kvaerno3", "rtol": 1e-2, "atol": 1e-2, "max_steps": 1000}, 32),
}
"""Settings of `retrieve`, and the largest number of trajectories, by the name in the table."""

TARGET = 250
"""Evaluations of the vector field in which a trajectory should be solved to a relative accuracy of 1e-3."""

STAGES = {"etd2": 2, "etd3": 3, "heun": 2, "bosh3": 3, "tsit5": 6, "dopri8": 13}
"""Evaluations of the vector field in one attempted step; those of implicit solvers and of `auto` are not all alike."""


def solve(problem: tuple[int, int, int], parameters: Mapping[str, float], number: int, **settings: Any) -> dict[str, Any]:
    """Final states, attempted steps and statuses of a batch, in JAX's current precision, and seconds of running."""
    num_neurons, num_patterns, num_flips = problem

    def one(key: jax.Array) -> tuple[jax.Array, ...]:
        pattern_key, flip_key = jax.random.split(key)
        patterns = aj.random_patterns(pattern_key, num_neurons=num_neurons, num_patterns=num_patterns)
        memory = aj.AstrocyteMemory(patterns, **parameters)
        query = aj.flip(flip_key, patterns[:, 0], num_flips)
        recall = aj.retrieve(memory, query, t1=10.0, adjoint=diffrax.ForwardMode(), **{"max_steps": 10**6} | settings)
        return recall.x, sum(recall.stats.values()), recall.status

    keys = jax.random.split(jax.random.key(1), number)
    in_chunks: Callable[[jax.Array], Any] = jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=32))
    program = in_chunks.lower(keys).compile()  # type: ignore[attr-defined]
    started = time.perf_counter()
    x, attempts, status = (np.asarray(values) for values in jax.block_until_ready(program(keys)))
    return {"x": x, "attempts": attempts, "status": status, "seconds": time.perf_counter() - started}


def rows(name: str, problem: tuple[int, int, int], corner: str, largest: int, peers: Sequence[str]) -> Iterator[str]:
    """Rows of the table for one corner."""
    parameters = CORNERS[corner]
    with jax.enable_x64(True):
        exact = solve(problem, parameters, largest, solver="etd3", rtol=1e-6, atol=1e-6)["x"]
        check = solve(problem, parameters, 32, solver="dopri8", rtol=1e-9, atol=1e-9)["x"]
    assert relative(exact[:32], check).max() < 1e-4, "the two references disagree"
    for peer, (settings, most) in ((peer, PEERS[peer]) for peer in peers):
        number = min(most, largest)
        found = solve(problem, parameters, number, **settings)
        error = relative(found["x"], exact[:number])
        ok = found["status"] == aj.Status.OK
        wrong = np.any(np.sign(found["x"]) != np.sign(exact[:number]), axis=1)
        stages = None if settings.get("confirm") else STAGES.get(str(settings.get("solver")))
        counts = found["attempts"] * (stages or 1)
        evaluations = f"{np.median(counts):.0f} / {np.quantile(counts, 0.99):.0f} / {counts.max()}"
        joint = f"{np.mean((error <= 1e-3) & (counts <= TARGET)):.1%}"
        if stages is None:
            evaluations, joint = f"{np.median(counts):.0f} steps", "–"
        yield (
            f"| {name} | {corner} | {peer} | {evaluations} | {np.mean(error <= 1e-3):.1%} | {joint} | {np.mean(ok):.1%} "
            f"| {np.sum(wrong & ok)} of {number} | {found['seconds'] / number * 1e6:.0f} |"
        )


def relative(x: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Largest error of a final state relative to its largest entry, by trajectory."""
    return np.abs(x - exact).max(axis=1) / np.abs(exact).max(axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trajectories", type=int, default=1024, help="largest number of each corner")
    parser.add_argument("--solvers", nargs="+", choices=PEERS, default=list(PEERS), help="rows of each corner")
    parser.add_argument("--corners", nargs="+", choices=CORNERS, default=list(CORNERS))
    options = parser.parse_args()
    heads = [
        "evaluations: median / 99% / max",
        "x(10) within 1e-3",
        f"in {TARGET} evaluations",
        "status OK",
        "OK but wrong",
        "µs",
    ]
    print("| " + " | ".join(["N, K, n", "corner", "solver", *heads]) + " |")
    print("|" + 9 * "---|")
    for name, problem in PROBLEMS.items():
        for corner in options.corners:
            for row in rows(name, problem, corner, options.trajectories, options.solvers):
                print(row, flush=True)


if __name__ == "__main__":
    main()
