"""Which loss should a search minimise, and how far should it look around? On digits and on random patterns.

From the paper's defaults and from random starts in (T, τx, τp) ∈ [10⁻³, 10²]³ a search takes 60 steps. Then the parameters that
were best on the held-out problems recall fresh ones. Prints the tables of docs/guides/tuning.md; about half an hour.
"""

import argparse
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from measures import mean, share

import astrojax as aj
from astrojax._internal.compilation_cache import keep_compiled_programs
from astrojax.sweep.engine import Engine
from astrojax.tuning.objective import measure

KINDS: dict[str, tuple[dict[str, float], float]] = {
    "direction": ({"direction": 1.0}, 0.5),
    "direction, not smoothed": ({"direction": 1.0}, 0.0),
    "direction + 0.003 gain": ({"direction": 1.0, "gain": 0.003}, 0.5),
    "softsign": ({"softsign": 1.0}, 0.5),
    "logistic": ({"logistic": 1.0}, 0.5),
    "gain": ({"gain": 1.0}, 0.5),
    "gain, not smoothed": ({"gain": 1.0}, 0.0),
    "soft Hamming": ({"soft_hamming": 1.0}, 0.5),
    "soft Hamming, not smoothed": ({"soft_hamming": 1.0}, 0.0),
}
"""Weights of losses, and the width of the smoothing."""

NAMES = ("temperature", "tau_x", "tau_p")
DEFAULTS = (0.01, 1.0, 1.0)
SPACE = {name: aj.Parameter("log", 1e-3, 1e2) for name in NAMES}


def problems() -> dict[str, tuple[aj.Task, dict, str]]:
    """Task, loads and levels, and score by name."""
    digits = aj.Task(eqx.Partial(aj.pooled_patterns, pool=aj.digits()), aj.Flips())
    random = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=20), aj.Flips())
    return {
        "digits, K = 200, 6 of 64 flipped, squared score": (digits, {"num_patterns": [200], "levels": [6]}, "squared"),
        "random, N = 20, K = 200, 3 flipped, squared score": (random, {"num_patterns": [200], "levels": [3]}, "squared"),
        "random, N = 20, K = 200, 3 flipped, linear score": (random, {"num_patterns": [200], "levels": [3]}, "linear"),
    }


def starts(number: int, seed: int) -> dict[str, np.ndarray]:
    """The defaults, then random starts."""
    shares = np.random.default_rng(seed).uniform(size=(number, len(NAMES)))
    drawn = {name: SPACE[name].spread(shares[:, place]) for place, name in enumerate(NAMES)}
    return {name: np.concatenate([[DEFAULTS[place]], drawn[name]]) for place, name in enumerate(NAMES)}


def fresh(objective: aj.Objective, values: dict, number: int, engine: Engine) -> dict[str, np.ndarray]:
    """What the values of each start recall of problems that no search has seen, shape (starts, number)."""
    one = {name: jnp.asarray(value) for name, value in values.items()}
    return measure(objective, one, jax.random.key(99), np.arange(number), engine)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=10, help="random starts")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--fresh", type=int, default=1000, help="fresh problems")
    options = parser.parse_args()
    keep_compiled_programs()
    engine, started = Engine(), time.perf_counter()
    rate = optax.cosine_decay_schedule(0.3, options.steps, 0.1)
    for title, (task, where, score) in problems().items():
        rows = {}
        for name, (weights, smoothing) in KINDS.items():
            build = eqx.Partial(aj.AstrocyteMemory, score=score)
            objective = aj.Objective(task, build, loss=weights, **where)
            settings = {"num_steps": options.steps, "batch_size": options.batch, "validation_size": 256, "validate_every": 10}
            settings |= {"learning_rate": rate, "smoothing": smoothing}
            states = aj.tune(
                objective, starts(options.starts, 0), key=jax.random.key(0), parameters=SPACE, engine=engine, **settings
            )
            *_, last = states
            rows[name] = fresh(objective, last.best_values, options.fresh, engine)
            print(f"{title}: {name}: {time.perf_counter() - started:.0f} s", flush=True)
        best = max(row["success"].mean(axis=1).max() for row in rows.values())
        least = min(row["hamming_error"].mean(axis=1).min() for row in rows.values())
        print(f"\n{title}. Best of all: {best:.1%} perfect, mean error {least:.3f}\n")
        print(
            "| loss | perfect, from the defaults | mean error, from the defaults | random starts within 2 points | within 10% |"
        )
        print("|---|---|---|---|---|")
        for name, row in rows.items():
            near = np.sum(row["success"].mean(axis=1)[1:] >= best - 0.02)
            close = np.sum(row["hamming_error"].mean(axis=1)[1:] <= 1.1 * least)
            from_defaults = f"{share(row['success'][0])} | {mean(row['hamming_error'][0])}"
            print(f"| {name} | {from_defaults} | {near} of {options.starts} | {close} of {options.starts} |")
        print(flush=True)


if __name__ == "__main__":
    main()
