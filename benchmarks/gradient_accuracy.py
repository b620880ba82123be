"""How accurate are the gradients of a search? On the five tasks of docs/guides/tuning.md, against central differences of Tsit5.

Gradients by the logarithms of T, τx and τp in double precision, at the start, at values that searches have found, and with fast
and slow constants. Prints the table of docs/guides/tuning.md: a minute or two.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import astrojax as aj
from astrojax._internal.compilation_cache import keep_compiled_programs
from astrojax.runs.tune_results import objective_of
from astrojax.tuning.objective import measure

CONFIGS = Path(__file__).parents[1] / "configs" / "tune"
NAMES = ("temperature", "tau_x", "tau_p")
FOUND = {
    "digits": (0.13, 1.6, 0.014),
    "digits-1000": (0.010, 5.6, 0.0041),
    "random-squared": (0.0030, 0.80, 0.40),
    "random-linear": (0.57, 0.12, 0.042),
    "one-setting": (0.035, 3.8, 9.8),
}
POINTS = {"start": (0.01, 1.0, 1.0), "fast": (0.3, 0.1, 0.3), "slow": (0.1, 3.0, 3.0)}
EXACT = {"retrieval.solver": "tsit5", "retrieval.rtol": 1e-9, "retrieval.atol": 1e-9, "retrieval.max_steps": 10**6}
TOLERANCES = {"default": {}, "1e-4": {"retrieval.rtol": 1e-4, "retrieval.atol": 1e-4}}
STEP = 1e-4
UNSURE, FLAT = 0.01, 1e-9
"""Problems whose differences change by more than this share at half the step are left out: a basin ends nearby. So are points
with a flatter mean, which is due to rounding."""

BATCH = 128
"""Problems of a search's step."""


def gradients(objective: aj.Objective, at: np.ndarray, number: int, engine: aj.Engine) -> np.ndarray:
    """Of each problem by the logarithms of the parameters, shape (problems, 3); NaN where a trajectory failed."""
    values = {name: jnp.asarray(value)[None] for name, value in zip(NAMES, at, strict=True)}
    found = measure(objective, values, jax.random.key(5), np.arange(number), engine, mode="forward")
    slopes = np.stack([found[f"gradient_{name}"][0] * value for name, value in zip(NAMES, at, strict=True)], axis=-1)
    return np.where(found["status"][0][:, None] == aj.Status.OK, slopes, np.nan)


def differences(objective: aj.Objective, at: np.ndarray, number: int, engine: aj.Engine) -> np.ndarray:
    """Central differences, as `gradients`; NaN where they depend on the step."""
    moved = at * np.exp(STEP * np.concatenate([np.eye(3), -np.eye(3), np.eye(3) / 2, -np.eye(3) / 2]))
    values = {name: jnp.asarray(column) for name, column in zip(NAMES, moved.T, strict=True)}
    found = measure(objective, values, jax.random.key(5), np.arange(number), engine)
    loss = np.where(found["status"] == aj.Status.OK, found["loss"], np.nan)
    exact, again = (loss[:3] - loss[3:6]).T / (2 * STEP), (loss[6:9] - loss[9:]).T / STEP
    size = np.linalg.norm(exact, axis=1)
    is_sure = np.linalg.norm(again - exact, axis=1) < UNSURE * np.maximum(size, 1e-3 * np.nanmedian(size))
    return np.where(is_sure[:, None], exact, np.nan)


def row(task: str, engine: aj.Engine) -> str:
    """Errors of single gradients and of their mean at the worst point, by tolerance, and how far the mean scatters there."""

    def objective(settings: dict) -> aj.Objective:
        config = aj.load_search_config(CONFIGS / f"{task}.yaml", precision="float64", **settings)
        return objective_of(config, "linear" if task == "one-setting" else next(iter(config.models())))

    number = 42 if task == "one-setting" else 16 if task == "digits-1000" else 32
    cells = []
    for settings in TOLERANCES.values():
        worst = (0.0,) * 4
        for at in [*POINTS.values(), FOUND[task]]:
            exact = differences(objective(EXACT), np.array(at), number, engine)
            found = gradients(objective(settings), np.array(at), number, engine)
            usable = np.isfinite(found).all(axis=1) & np.isfinite(exact).all(axis=1)
            if not usable.any() or np.linalg.norm(exact[usable].mean(axis=0)) < FLAT:
                continue
            exact, found = exact[usable], found[usable]
            mean, size = np.linalg.norm(exact.mean(axis=0)), np.linalg.norm(exact, axis=1)
            single = np.linalg.norm(found - exact, axis=1) / np.maximum(size, 1e-3 * size.max())
            error = np.linalg.norm((found - exact).mean(axis=0)) / mean
            scatter = np.linalg.norm(exact.std(axis=0, ddof=1)) / np.sqrt(BATCH) / mean
            worst = max(worst, (float(error), float(scatter), float(np.median(single)), float(np.quantile(single, 0.9))))
        error, scatter, median, tenth = worst
        cells.append(f"{median:.1%} | {tenth:.1%} | {error:.1%} | {scatter:.0%}")
    return f"| {task} | {' | '.join(cells)} |"


def main() -> None:
    keep_compiled_programs()
    jax.config.update("jax_enable_x64", True)
    engine = aj.Engine()
    headings = " | ".join(f"{name}: single, median | nine of ten | mean | its scatter" for name in TOLERANCES)
    print(f"| task | {headings} |\n|---{'|---' * 8}|")
    for task in FOUND:
        print(row(task, engine), flush=True)


if __name__ == "__main__":
    main()
