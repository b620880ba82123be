"""Everything about an accelerator in one call: whole Fig. 4 for three models, widths, and the share of the machine's ceilings.

Writes gpu.json and gpu.md into a folder. Imports the JAX stack alone. Parts that would pass the time limit are left out and
named. The share of a ceiling is told for the evaluations that the trajectories needed: a lane that waits adds none.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from harness import described, machine, seconds_of, table
from workloads import MODELS, fig4_axes, recall_trial

import astrojax as aj

NUM_NEURONS = 20


def best_seconds(call: Callable[[], Any], rounds: int = 5) -> float:
    """Shortest time of a call that was compiled before; its result is waited for."""
    seconds_of(call, 1)
    return min(seconds_of(call, 1) for _ in range(rounds))


def ceilings() -> dict[str, float]:
    """Measured: bytes per second of streaming, and floating-point operations per second of matrix products by precision."""
    on_cpu = jax.default_backend() == "cpu"
    entries, size = (2**25, 2048) if on_cpu else (2**29, 8192)
    stream = jax.jit(lambda x: x + 1.0)
    values = jnp.zeros(entries, jnp.float32)
    found = {"streaming, GB/s": 2 * values.nbytes / best_seconds(lambda: stream(values)) / 1e9}
    del values
    kinds = {"float32": ("highest", jnp.float32), "default precision": (None, jnp.float32), "bfloat16": (None, jnp.bfloat16)}
    for name, (precision, dtype) in kinds.items():
        matrix = jnp.ones((size, size), dtype)
        product = jax.jit(lambda a, precision=precision: jnp.matmul(a, a, precision=precision))
        taken = best_seconds(lambda product=product, matrix=matrix: product(matrix))
        found[f"matrix products in {name}, TFLOP/s"] = 2 * size**3 / taken / 1e12
    return found


def operations(model: str, num_patterns: np.ndarray) -> np.ndarray:
    """Floating-point operations of the products in one evaluation of the vector field; and nearly all that it reads is Ξ."""
    rows = NUM_NEURONS * (NUM_NEURONS + 1) // 2 if model == "neuron-astrocyte" else NUM_NEURONS
    return 4.0 * rows * num_patterns


def fig4(model: str, trials: int) -> dict[str, Any]:
    """The whole grid, from nothing compiled, and again."""
    sweep = aj.Sweep(recall_trial(model), fig4_axes(trials))
    engine, key = aj.Engine(), jax.random.key(0)
    started = time.perf_counter()
    aj.run_sweeps({model: sweep}, key, engine=engine, lanes_per_chunk=2**17)
    cold = time.perf_counter() - started
    warm = []
    for _ in range(3):
        started = time.perf_counter()
        result = aj.run_sweeps({model: sweep}, key, engine=engine, lanes_per_chunk=2**17)[model]
        warm.append(time.perf_counter() - started)
    taken = statistics.median(warm)
    loads = sweep.grid.at(np.arange(sweep.grid.size))["num_patterns"].reshape(sweep.grid.shape)
    evaluations = result.observables["num_steps"]  # one in each step
    flops = float(np.sum(evaluations * operations(model, loads)))
    return {
        "model": model,
        "trajectories": sweep.grid.size,
        "cold, s": round(cold, 2),
        "warm, s": round(taken, 3),
        "range, s": [round(min(warm), 3), round(max(warm), 3)],
        "trajectories per second": round(sweep.grid.size / taken),
        "GFLOP/s of steps": round(flops / taken / 1e9, 1),
        "GB/s of patterns, if each evaluation read them": round(flops / taken / 1e9 * 2, 1),
        "mean Hamming error": round(float(np.nanmean(result.observables["hamming_error"])), 4),
        "not OK": int(np.sum(result.observables["status"] != 0)),
    }


def widths(trials: int) -> list[dict[str, Any]]:
    """Time by how many lanes step together, K = 100."""
    rows = []
    sweep = aj.Sweep(recall_trial(), {"num_patterns": [100], "num_flips": [3], "trial": range(trials)})
    for width in (512, 2048, 4096, 8192, 16384):
        engine = aj.Engine(lanes_per_step=width)
        taken = best_seconds(
            lambda engine=engine: aj.run_sweeps({"a": sweep}, jax.random.key(0), engine=engine, lanes_per_chunk=2**17), 3
        )
        rows.append({"lanes that step together": width, "µs per trajectory": round(taken / trials * 1e6, 3)})
    return rows


def accuracy(number: int) -> list[dict[str, Any]]:
    """Hamming errors on this device against those of Dopri8 at 1e-9 in float64: what its precision of products does."""
    rows = []
    for num_patterns in (20, 100, 200):
        axes = {"num_patterns": [num_patterns], "num_flips": [3], "trial": range(number)}
        key = jax.random.key(1)
        found = aj.run_sweeps({"a": aj.Sweep(recall_trial(), axes)}, key)["a"].observables["hamming_error"]
        with jax.enable_x64(True):
            trial = recall_trial(solver="dopri8", rtol=1e-9, atol=1e-9, max_steps=10**5)
            exact = aj.run_sweeps({"a": aj.Sweep(trial, axes)}, key)["a"].observables["hamming_error"]
        difference = found - exact
        rows.append(
            {
                "K": num_patterns,
                "trajectories": number,
                "differ": f"{np.mean(difference != 0):.2%}",
                "difference of the means": f"{difference.mean():+.4f}",
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/gpu"), help="folder")
    parser.add_argument("--seconds", type=float, default=400, help="no further part is begun after so long")
    parser.add_argument("--trials", type=int, default=50, help="trials of Fig. 4's grid")
    parser.add_argument("--batch", type=int, default=2**17, help="trajectories for the widths")
    options = parser.parse_args()
    started = time.perf_counter()
    report: dict[str, Any] = {"machine": machine(), "left out": []}
    parts: dict[str, Callable[[], Any]] = {"ceilings": ceilings}
    parts |= {f"Fig. 4, {model}": lambda model=model: fig4(model, options.trials) for model in MODELS}
    parts |= {"widths": lambda: widths(options.batch), "accuracy": lambda: accuracy(4096)}
    options.out.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        if time.perf_counter() - started > options.seconds:
            report["left out"].append(name)
            continue
        report[name] = part()
        print(f"{time.perf_counter() - started:.0f} s: {name}", flush=True)
        # Written after each part: whatever ends the run, nothing that was measured is lost.
        (options.out / "gpu.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    (options.out / "gpu.md").write_text(as_markdown(report), encoding="utf-8")
    print((options.out / "gpu.md").read_text(encoding="utf-8"))


def as_markdown(report: dict[str, Any]) -> str:
    """The report as tables."""
    grids = [part for name, part in report.items() if name.startswith("Fig. 4")]
    limits = report["ceilings"]
    product = limits["matrix products in float32, TFLOP/s"] * 1e3
    for grid in grids:
        grid["share of float32 products"] = f"{grid['GFLOP/s of accepted steps'] / product:.1%}"
        grid["share of streaming"] = f"{grid['GB/s of patterns, if each evaluation read them'] / limits['streaming, GB/s']:.1%}"
    tables = [table([{name: f"{value:.4g}" for name, value in limits.items()}])]
    tables += [table(rows) for rows in (grids, report.get("widths"), report.get("accuracy")) if rows]
    left = [f"Left out for lack of time: {', '.join(report['left out'])}."] if report["left out"] else []
    return "\n\n".join([described(report["machine"]), *tables, *left]) + "\n"


if __name__ == "__main__":
    main()
