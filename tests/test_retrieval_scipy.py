"""The final state of every model agrees with SciPy, which integrates an independent form of the equations."""

import diffrax
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import astrojax as aj
from astrojax.models import symmetric

from .systems import equations
from .systems.problems import MODELS, Problems, batched, draw

HORIZON = 4.0
TOLERANCE = 1e-12
"""Of both sides. Some problems amplify an error a million-fold on their way past a saddle: at 1e-10 differences reach 7e-4."""

SHAPES = [(5, 6), (30, 40)]
"""Neurons and largest load; loads below it are masked."""


def scipy_final(field, y0, arguments):
    solution = solve_ivp(field, (0, HORIZON), y0, "DOP853", args=arguments, rtol=TOLERANCE, atol=TOLERANCE)
    assert solution.success
    return solution.y[:, -1]


def reference(name: str, problems: Problems, index: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Final x, and the final gains where there are any."""
    patterns = problems.patterns[index][:, problems.stored[index]]
    query = problems.query[index]
    given = {key: value[index] for key, value in problems.parameters.items()}
    n, k = patterns.shape
    score, _, regime = name.partition("-")
    if regime == "dynamic":
        final = scipy_final(
            equations.astrocyte_dynamic, np.concatenate([query, np.full(k, 1 / k)]), (patterns, score, *given.values())
        )
        return final[:n], final[n:]
    if regime in ("adiabatic", "frozen"):
        field = getattr(equations, f"astrocyte_{regime}")
        x = scipy_final(field, query, (patterns, score, *given.values()))
        if regime == "frozen":
            return x, np.full(k, 1 / k)
        scores = equations.SCORES[score][0](patterns.T @ np.tanh(given["slope"] * x), n)
        return x, equations.softmax(scores / given["temperature"])
    match name:
        case "hopfield" | "hopfield-zero-diagonal":
            return scipy_final(equations.hopfield, query, (patterns, *given.values(), name != "hopfield")), None
        case "dense-3" | "dense-4":
            return scipy_final(equations.dense, query, (patterns, *given.values(), int(name[-1]))), None
        case "modern-hopfield":
            return scipy_final(equations.modern_hopfield, query, (patterns, *given.values())), None
    tensor = equations.transport_tensor(patterns)
    s, p = equations.neuron_astrocyte_start(query, tensor, given["slope"])
    start = np.concatenate([query, s.ravel(), p.ravel()])
    return scipy_final(equations.neuron_astrocyte, start, (tensor, *given.values())), None


@pytest.mark.parametrize("name", MODELS)
def test_the_final_state_agrees_with_scipy_on_random_problems(name):
    def final(memory, query):
        settings = {"solver": "dopri8", "rtol": TOLERANCE, "atol": TOLERANCE, "max_steps": 100_000}
        recall = aj.retrieve(memory, query, t1=HORIZON, adjoint=diffrax.ForwardMode(), **settings)
        return recall.state, recall.gains, recall.status

    solve, number, worst = batched(name, final), 12, 0.0
    shapes = [(4, 6), (7, 12)] if name == "neuron-astrocyte" else SHAPES
    for seed, (num_neurons, capacity) in enumerate(shapes):
        problems = draw(name, seed, number, num_neurons, capacity)
        state, gains, status = solve(problems)
        assert not np.any(status)
        for index in range(number):
            x, p = reference(name, problems, index)
            ours = np.asarray(state.x[index])
            if name == "neuron-astrocyte":
                matrices = (symmetric(part[index]) for part in (state.synapses, state.processes))
                ours = np.concatenate([ours, *(np.asarray(matrix).ravel() for matrix in matrices)])
            # A state decayed to the absolute tolerance's size (x = 0 is stable at high orders) has no digits to compare.
            scale = max(np.linalg.norm(x), 1e6 * TOLERANCE)
            difference = np.linalg.norm(ours - x) / scale
            if p is not None and gains is not None:
                kept = np.asarray(gains[index])[problems.stored[index]]
                difference = max(difference, np.linalg.norm(kept - p) / np.linalg.norm(p))
            worst = max(worst, difference)
    assert worst < 1e-5, f"largest relative difference {worst:.1e}"
