"""Gradient search beside random search, a grid and Optuna's TPE, at an equal number of solved trajectories.

Five tasks, each with its configuration in configs/tune. The gradient search has its defaults and starts at the paper's; a loss
with its gradient with respect to P parameters counts as 1 + P trajectories, and held-out problems count too. Every other method
may spend as many, 128 for each candidate, TPE with the start as its first. What each method holds best then recalls fresh
problems, the same for all. Prints the table of docs/guides/tuning.md. Needs Optuna: pip install -e '.[bench]'.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optuna

import astrojax as aj
from astrojax._internal.compilation_cache import keep_compiled_programs
from astrojax.report.statistics import mean_interval
from astrojax.runs.tune_results import objective_of
from astrojax.sweep.engine import Engine
from astrojax.tuning.objective import aggregate, measure
from astrojax.tuning.search import TRAINING

CONFIGS = Path(__file__).parents[1] / "configs" / "tune"
TASKS = ("digits", "digits-1000", "random-squared", "random-linear", "one-setting")
NAMES = ("temperature", "tau_x", "tau_p")
SPACE = {name: aj.Parameter("log", 1e-3, 1e3) for name in NAMES}
START = {"temperature": 0.01, "tau_x": 1.0, "tau_p": 1.0}
CANDIDATE = 128
"""Problems of a candidate."""


def tpe(objective: aj.Objective, *, seed: int, num_solves: int, engine: Engine) -> dict[str, float]:
    """The best candidate of Optuna's tree-structured Parzen estimator, with all parameters in one model."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    root = jax.random.fold_in(jax.random.key(seed), TRAINING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(multivariate=True, seed=seed))
    study.enqueue_trial(START)

    def error(trial: optuna.Trial) -> float:
        at = {name: np.array([trial.suggest_float(name, 1e-3, 1e3, log=True)], np.float32) for name in NAMES}
        _, mean, _ = aggregate(measure(objective, at, root, np.arange(CANDIDATE), engine, name="tpe"))
        return float(mean[0]) if np.isfinite(mean[0]) else np.inf

    study.optimize(error, n_trials=num_solves // CANDIDATE)
    return dict(study.best_params)


def searched(objective: aj.Objective, seed: int, steps: int, engine: Engine) -> tuple[dict[str, Mapping[str, Any]], int]:
    """The best values of each method, and how many trajectories each may solve."""
    key = jax.random.key(seed)
    search = aj.Search(objective, key=key, num_steps=steps, engine=engine)
    state = search.init(START)
    while not search.is_done(state):
        state = search.step(state)
    budget = search.num_solves(state)
    settings: dict[str, Any] = {"num_solves": budget, "engine": engine}
    others = {"key": key, "problems_per_candidate": CANDIDATE} | settings
    return {
        "gradient": state.best,
        "random": aj.random_search(objective, SPACE, **others).best,
        "grid": aj.grid_search(objective, SPACE, **others).best,
        "TPE": tpe(objective, seed=seed, **settings),
    }, budget


def errors(
    objective: aj.Objective, found: Mapping[str, Mapping[str, Any]], number: int, engine: Engine
) -> dict[str, np.ndarray]:
    """Hamming errors of fresh problems by method, shape (problems,)."""
    values = {name: np.array([at[name] for at in found.values()], np.float32) for name in NAMES}
    measured = measure(objective, values, jax.random.key(10**6), np.arange(number), engine, name="fresh")
    each = np.where(measured["status"] == aj.Status.OK, measured["hamming_error"], np.nan)
    return dict(zip(found, each, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--fresh", type=int, default=4000, help="fresh problems")
    options = parser.parse_args()
    keep_compiled_programs()
    engine, rows = Engine(), []
    for task in TASKS:
        config = aj.load_search_config(CONFIGS / f"{task}.yaml")
        objective = objective_of(config, next(iter(config.models())))
        started = time.perf_counter()
        seeds: list[dict[str, np.ndarray]] = []
        for seed in range(options.seeds):
            found, budget = searched(objective, seed, options.steps, engine)
            seeds.append(errors(objective, {"defaults": START} | found, options.fresh, engine))
            told = {name: {key: f"{float(value):.3g}" for key, value in at.items()} for name, at in found.items()}
            print(f"{task}, seed {seed}, {budget} trajectories, {time.perf_counter() - started:.0f} s: {told}", flush=True)
        each = {name: np.stack([found[name] for found in seeds]) for name in seeds[0]}
        cells = [f"{np.nanmean(values):.3f}" for values in each.values()]
        for other in ("random", "TPE"):
            gap = np.nanmean(each["gradient"] - each[other], axis=0)
            low, high = mean_interval(gap)
            cells.append(f"{np.nanmean(gap):+.3f} [{low:+.3f}, {high:+.3f}]")
        rows.append(f"| {task} | {budget:,} | {' | '.join(cells)} |")
    print("\nMean Hamming error on fresh problems, over all seeds; differences with 95% intervals.\n")
    print("| task | trajectories | defaults | gradient | random | grid | TPE | gradient − random | gradient − TPE |")
    print("|---|---|---|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
