"""Gradients of a search's loss beside its value: forward mode for one and four parameters, and reverse mode.

K = 104, N = 20, 3 flips, 512 trajectories; run time alone. Every part goes through the engine, as in `aj.tune`.
"""

import argparse
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from harness import Contender, described, machine, race, spread, table, times_slower
from workloads import HORIZON, MODELS, recall_trial

import astrojax as aj
from astrojax.tuning.objective import measure

MEMORY, START = MODELS["astrocyte"]


def prepared(number: int, mode: str, names: tuple[str, ...]) -> Callable[[], Any]:
    """The loss and its gradient with respect to the named parameters, of so many problems."""
    fixed = {name: value for name, value in START.items() if name not in names}
    objective = aj.Objective(
        recall_trial().task, MEMORY, num_patterns=(104,), levels=(3,), loss="softsign", t1=HORIZON, parameters=fixed
    )
    values = {name: np.array([START[name]], np.float32) for name in names}
    engine, key = aj.Engine(), jax.random.key(0)
    return functools.partial(measure, objective, values, key, np.arange(number), engine, mode=mode)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trajectories", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    variants = {
        "loss alone": ("none", tuple(START)),
        "one parameter, forward": ("forward", ("temperature",)),
        "four parameters, forward": ("forward", tuple(START)),
        "four parameters, reverse": ("reverse", tuple(START)),
    }
    number = options.trajectories
    raced = race(
        [Contender(name, functools.partial(prepared, number, *how), number) for name, how in variants.items()], options.rounds
    )
    reference = raced["loss alone"]
    print(
        table(
            {
                "": name,
                "µs per trajectory": f"{contender.microseconds:.3g}",
                "times the loss alone": spread(times_slower(contender, reference)),
                "first call, s": f"{contender.compile_seconds:.1f}",
            }
            for name, contender in raced.items()
        )
    )
    print(described(machine()))


if __name__ == "__main__":
    main()
