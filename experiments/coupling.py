"""The coupling constant c = K, N or 1: where slow neurons freeze. A part of claim C8."""

import numpy as np
import xarray as xr
from measures import ERRORS, HEADLINE, mean, stored
from medians import middle
from page import Page

from astrojax.cli.run import run_config

PLACED = 100.0
"""The τx near which the paper's Fig. 2 has the freeze."""

NUM_NEURONS, NUM_PATTERNS, NUM_FLIPS, HORIZON = 30, 100, 6, 10.0

CONSTANTS = {"K": NUM_PATTERNS, "N": NUM_NEURONS, "1": 1}

SHOWN = (1.0, 10.0, 100.0, 180.0, 300.0, 550.0, 1000.0)


def freezes(page: Page, trials: int) -> dict[str, float]:
    """Add the three couplings to the page; the τx at which half of the query's error is left, by coupling."""
    results = stored("coupling", trials).squeeze(["num_patterns", "num_flips"])
    found = {name: half_frozen(results.sel(model=name)) for name in CONSTANTS}
    nearest = fitting(found)
    page.text(
        "### The coupling constant\n\nEq. 5 has the factor K/N, which is c = K; in the paper's appendix (τp → 0) the factor is "
        "missing. The single pattern that the gains have chosen drives a neuron by D = (c/N)(N − 2n), so that one that is "
        "wrong, at −1, passes zero after the time τx log(1 + 1/D); and the gains take their time before. The τx at which the "
        f"median soft error at t = {HORIZON:g} is half of the query's is "
        + ", ".join(f"{found[name]:.3g} with c = {name} (without the gains' time {predicted(name):.3g})" for name in CONSTANTS)
        + f". The paper's figure freezes near τx = 10², which **c = {nearest}** fits best: a factor of "
        + ", ".join(f"{factor(found[name]):.1f} away with c = {name}" for name in CONSTANTS)
        + ". Elsewhere on this page c = K, as in Eq. 5."
    )
    rows = [
        [
            f"c = {name}",
            *(f"{middle(results.soft_hamming_error.sel(model=name, tau_x=tau_x)):.2f}" for tau_x in SHOWN),
            f"{found[name]:.3g}",
        ]
        for name in CONSTANTS
    ]
    page.table(["median soft error at τx", *(f"{tau_x:g}" for tau_x in SHOWN), "half frozen at"], rows)
    best = {name: float(results.hamming_error.sel(model=name).mean("trial").idxmin("tau_x")) for name in CONSTANTS}
    page.text(
        f"{trials} trials at t = {HORIZON:g}. Lowest mean Hamming error over τx: "
        + "; ".join(
            f"{mean(results.hamming_error.sel(model=name, tau_x=best[name]), ERRORS)} at τx = {best[name]:g} with c = {name}"
            for name in CONSTANTS
        )
        + f" (on the first {trials} of the {HEADLINE * trials:,} problems of Fig. 2)."
    )
    return found


def half_frozen(results: xr.Dataset) -> float:
    """The τx beyond the best one at which the median soft error passes half of the query's, by interpolation in log τx."""
    taus = results.tau_x.values
    errors = np.array([middle(results.soft_hamming_error.sel(tau_x=tau_x)) for tau_x in taus])
    frozen = np.flatnonzero(errors < NUM_FLIPS / 2)
    if frozen.size == 0 or frozen[-1] + 1 == taus.size:
        return float("nan")
    pair = slice(frozen[-1], frozen[-1] + 2)
    return float(np.exp(np.interp(NUM_FLIPS / 2, errors[pair], np.log(taus[pair]))))


def predicted(name: str) -> float:
    """The τx of neurons that pass zero at the horizon, if the gains had chosen at once."""
    drive = CONSTANTS[name] / NUM_NEURONS * (NUM_NEURONS - 2 * NUM_FLIPS)
    return float(HORIZON / np.log1p(1 / drive))


def factor(tau_x: float) -> float:
    """How far a freeze is from where the paper has it, as a ratio of at least 1."""
    return float(np.exp(np.abs(np.log(tau_x / PLACED))))


def fitting(found: dict[str, float]) -> str:
    """The coupling whose freeze is nearest to the paper's."""
    return min(found, key=lambda name: factor(found[name]) if np.isfinite(found[name]) else np.inf)


if __name__ == "__main__":
    run_config("configs/coupling.yaml")
