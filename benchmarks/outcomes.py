"""Whether sweeps find the outcomes of fine solutions: every memory, corners of parameters, on grids and with adaptive steps.

    python benchmarks/outcomes.py                    # all settings, 2,048 problems each
    python benchmarks/outcomes.py --settings 'τx = 0.1' --problems 4096

Fine solutions are those of Dopri8 at 1e-8 in double precision, or of ETD3 at 1e-6 where relaxation is fast. *Differ*: share of
all trajectories, ties included, whose Hamming error is not the fine solution's.
"""

import argparse
from typing import Any

import equinox as eqx
import jax
import numpy as np
from harness import described, machine, table
from workloads import HORIZON, TOLERANCE

import astrojax as aj

ADAPTIVE = {"solver": "etd3", "rtol": TOLERANCE, "atol": TOLERANCE}
FINE, FINE_STIFF = {"solver": "dopri8", "rtol": 1e-8, "atol": 1e-8}, {"solver": "etd3", "rtol": 1e-6, "atol": 1e-6}
RANDOM, DIGITS = "random", "digits"
MEMORIES = {
    "squared": (aj.AstrocyteMemory, {"score": "squared"}),
    "linear": (aj.AstrocyteMemory, {"score": "linear"}),
    "power": (aj.AstrocyteMemory, {"score": "power"}),
    "adiabatic": (aj.ModernHopfieldMemory, {}),
    "Hopfield": (aj.HopfieldMemory, {}),
    "dense": (aj.DenseMemory, {}),
    "neuron-astrocyte": (aj.NeuronAstrocyteMemory, {}),
}

SETTINGS: dict[str, tuple[str, dict[str, float], int, int]] = {
    "squared, K = 20": ("squared", {}, 20, 3),
    "squared, K = 100": ("squared", {}, 100, 3),
    "squared, K = 200": ("squared", {}, 200, 3),
    "squared, K = 50, 5 flips": ("squared", {}, 50, 5),
    "squared, K = 200, 5 flips": ("squared", {}, 200, 5),
    "τx = 100": ("squared", {"tau_x": 100.0}, 100, 3),
    "τx = 0.1": ("squared", {"tau_x": 0.1}, 100, 3),
    "τx = 0.01": ("squared", {"tau_x": 0.01}, 100, 3),
    "τx = 0.001": ("squared", {"tau_x": 0.001}, 100, 3),
    "T = 3": ("squared", {"temperature": 3.0}, 100, 3),
    "T = 10": ("squared", {"temperature": 10.0}, 100, 3),
    "T = 1000": ("squared", {"temperature": 1000.0}, 100, 3),
    "τp = 10": ("squared", {"tau_p": 10.0}, 100, 3),
    "τp = 0.1": ("squared", {"tau_p": 0.1}, 100, 3),
    "τp = 0.001": ("squared", {"tau_p": 0.001}, 100, 3),
    "linear, K = 200": ("linear", {}, 200, 3),
    "linear, K = 200, T = 2": ("linear", {"temperature": 2.0}, 200, 3),
    "power, K = 200": ("power", {}, 200, 3),
    "squared, digits, K = 200, 10 flips": ("squared", {}, 200, 10),
    "modern Hopfield, T = 1, K = 100, 5 flips": ("adiabatic", {"temperature": 1.0}, 100, 5),
    "Hopfield, K = 10": ("Hopfield", {}, 10, 3),
    "dense, K = 50, 5 flips": ("dense", {}, 50, 5),
    "neuron-astrocyte, K = 50, 5 flips": ("neuron-astrocyte", {}, 50, 5),
    "neuron-astrocyte, K = 50, 1 flip": ("neuron-astrocyte", {}, 50, 1),
    "neuron-astrocyte, K = 100, 5 flips": ("neuron-astrocyte", {}, 100, 5),
    "neuron-astrocyte, K = 200, 5 flips": ("neuron-astrocyte", {}, 200, 5),
}
"""Memory, parameters other than the paper's, load and flips of 20 neurons (digits have 64)."""


def outcomes(name: str, number: int, **how: Any) -> dict[str, np.ndarray]:
    """What a sweep measures in so many problems of a setting."""
    memory, parameters, load, flips = SETTINGS[name]
    build, fixed = MEMORIES[memory]
    ensemble = eqx.Partial(aj.random_patterns, num_neurons=20)
    if "digits" in name:
        ensemble = eqx.Partial(aj.pooled_patterns, pool=aj.digits())
    trial = aj.RecallTrial(
        aj.Task(ensemble, aj.Flips()), eqx.Partial(build, **fixed), parameters, HORIZON, max_steps=2**17, **how
    )
    axes = {"num_patterns": [load], "num_flips": [flips], "trial": range(number)}
    found = aj.run_sweeps({"": aj.Sweep(trial, axes)}, jax.random.key(0))[""].observables
    return {key: value.ravel().astype(np.float64) for key, value in found.items()}


def compared(found: dict[str, np.ndarray], fine: dict[str, np.ndarray]) -> dict[str, str]:
    """How far a sweep is from the fine solution."""
    errors, finer = found["hamming_error"], fine["hamming_error"]
    alike = errors == finer

    def gap(key: str, unit: float) -> str:
        relative = np.abs(found[key] - fine[key])[alike] / np.maximum(np.abs(fine[key][alike]), unit)
        return "–" if np.isnan(relative).all() else f"{np.quantile(relative, 0.99):.0e}"

    return {
        "differ": f"{1 - alike.mean():.2%}",
        "mean error (fine)": f"{errors.mean():.4f} ({finer.mean():.4f})",
        "soft errors": gap("soft_hamming_error", 1),
        "energies": gap("energy", 1),
        "perplexities": gap("perplexity", 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=2048)
    parser.add_argument("--settings", nargs="*", default=list(SETTINGS), metavar="NAME")
    options = parser.parse_args()
    rows = []
    for name in options.settings:
        parameters = SETTINGS[name][1]
        stiff = parameters.get("tau_x", 1) < 0.05 or parameters.get("tau_p", 1) < 0.05 or parameters.get("temperature", 0) > 100
        with jax.enable_x64(True):
            fine = outcomes(name, options.problems, **(FINE_STIFF if stiff else FINE))
        for solver, how in {"adams": {}, f"etd3 {TOLERANCE:g}": ADAPTIVE}.items():
            found = outcomes(name, options.problems, **how)
            steps = f"{found['num_steps'].mean():.0f}"
            refined = f"{found['refined'].mean():.1%}" if "refined" in found else "–"
            rows.append({"setting": name, "solver": solver, "steps": steps, "refined": refined} | compared(found, fine))
            print(rows[-1], flush=True)
    print(table(rows))
    print(described(machine()))


if __name__ == "__main__":
    main()
