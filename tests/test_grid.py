"""Grids of time steps and the method that takes them: accurate to their order, the same however they are used, and refined."""

import contextlib
import json
from itertools import pairwise
from types import SimpleNamespace

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import astrojax as aj
from astrojax.config.validation import parse_config
from astrojax.runs.build import build
from astrojax.solve import retrieve as retrieval
from astrojax.solve.exponential import Adams, exponential_drive
from astrojax.solve.running import RunningObservables
from astrojax.solve.time_grid import ends_of_steps, integrate
from astrojax.sweep.engine import Engine

from .systems import equations
from .test_exponential import RATES, field, known

PARAMETERS = {"temperature": 0.2, "tau_x": 1.0, "tau_p": 1.0, "slope": 2.0}
HORIZON = 4.0
NEURONS, LOAD = 7, 6
TASK = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=NEURONS), aj.Flips())


def posed(number=0, load=LOAD, flips=1):
    coordinates = {"num_patterns": jnp.int32(load), "num_flips": jnp.int32(flips), "trial": jnp.int32(number)}
    return TASK.draw(jax.random.key(0), coordinates, load)


def memory_of(problem, **parameters):
    return aj.AstrocyteMemory(jnp.asarray(problem.patterns, float), **(PARAMETERS | parameters))


def scipy_end(problem, t1=HORIZON, **parameters):
    """Neurons at the horizon, by another form of the equations."""
    patterns, given = np.asarray(problem.patterns, float), PARAMETERS | parameters
    start = np.concatenate([problem.query, np.full(patterns.shape[1], 1 / patterns.shape[1])])
    arguments = (patterns, "squared", *given.values())
    stiff = given["tau_x"] < 0.1
    solution = solve_ivp(
        equations.astrocyte_dynamic, (0, t1), start, "Radau" if stiff else "DOP853", args=arguments, rtol=1e-10, atol=1e-11
    )
    assert solution.success
    return solution.y[: len(patterns), -1]


@eqx.filter_jit
def end_of(memory, query, num_steps):
    """The state at the horizon and the largest error, by the loop that sweeps have."""
    settings = (jnp.asarray(HORIZON), (jnp.asarray(0.5), jnp.asarray(0.5)), num_steps)
    return integrate(Adams(), retrieval.TERM, memory, memory.initial_state(query), *settings, RunningObservables())[:2]


@pytest.mark.parametrize("tau_x", [1.0, 0.02])
def test_halving_the_steps_of_a_memory_divides_the_error_by_four(tau_x):
    problem = posed()
    memory, exact = memory_of(problem, tau_x=tau_x), scipy_end(problem, tau_x=tau_x)
    ends = [end_of(memory, problem.query, jnp.int32(number))[0].x for number in (320, 640, 1280)]
    errors = [np.abs(end - exact).max() for end in ends]
    orders = [np.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    np.testing.assert_allclose(orders, 2, atol=0.25)
    assert errors[-1] < 1e-3 * np.abs(exact).max()


@pytest.mark.parametrize("growth", [1.0, 1.5])
def test_the_estimate_of_the_error_is_a_known_multiple_of_the_true_one(growth):
    """Interpolation leaves h³N″/12 of a step of length h after one of length h/growth, and the prediction h³N″(1/6 + 1/4growth)
    more than nothing."""
    length, solver, term = 0.01, Adams(lambda args: args), diffrax.ODETerm(field)
    times = 0.5 + length * np.array([-1 / growth, 0.0, 1.0])
    before, start, end = (known(jnp.asarray(time)) for time in times)
    drives = [exponential_drive(lambda y: field(0.0, y, RATES), RATES)(y) for y in (before, start)]
    state = (*drives, jnp.asarray(length / growth))
    y1, error, *_ = solver.step(term, jnp.asarray(0.5), jnp.asarray(0.5 + length), start, RATES, state, False)
    true = np.subtract(y1, end)
    expected = (1 / 12) / (1 / 12 + 1 / 6 + 1 / (4 * growth))
    np.testing.assert_allclose(true / np.asarray(error), expected, rtol=0.05)


def test_grids_end_at_the_horizon_and_grow_by_a_constant_factor():
    for t1 in (1e-3, 10.0, 1e6):
        ends = ends_of_steps(jnp.arange(31), 30, jnp.asarray(2.0), jnp.asarray(t1))
        assert (float(ends[0]), float(ends[-1])) == (0, t1)
        steps = np.diff(ends)
        np.testing.assert_allclose(steps[1:] / steps[:-1], (1 + t1 / 2) ** (1 / 30), rtol=1e-6)


def sample(**settings):
    given = {"t1": HORIZON} | settings
    return aj.RecallTrial(TASK, eqx.Partial(aj.AstrocyteMemory), PARAMETERS, **given)


def swept(trial, axes, **settings):
    return aj.run_sweeps({"a": aj.Sweep(trial, axes)}, jax.random.key(0), **settings)["a"].observables


AXES = {"num_patterns": [4, 12], "num_flips": [1, 3], "tau_x": [0.03, 1.0], "trial": range(12)}
"""Fewer and more patterns than neurons, clear and unclear queries, neurons that are faster than gains: several grids."""


def test_results_are_the_same_bit_for_bit_where_problems_of_several_grids_are_mixed():
    task = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=13), aj.Flips())
    trial = aj.RecallTrial(task, eqx.Partial(aj.AstrocyteMemory), PARAMETERS, t1=HORIZON)
    axes = AXES | {"num_patterns": [9, 40], "trial": range(5)}
    engines = [Engine(num_threads=number) for number in (1, 2)]
    found = [
        swept(trial, axes, lanes_per_chunk=chunk, engine=engines[number])
        for chunk, number in ((1000, 0), (1000, 1), (7, 1), (1, 0))
    ]
    assert len(np.unique(found[0]["num_steps"])) >= 4
    for other in found[1:]:
        for name in other:
            assert other[name].tobytes() == found[0][name].tobytes(), name


def test_grids_that_are_too_coarse_are_told_and_refined():
    axes, fast = {"num_patterns": [LOAD], "num_flips": [1], "trial": range(16)}, PARAMETERS | {"tau_p": 0.03}
    build = eqx.Partial(aj.AstrocyteMemory)
    problems = [posed(number) for number in axes["trial"]]
    exact = np.array([scipy_end(problem, tau_p=0.03) for problem in problems])
    wrong = [np.sum(np.sign(end) != problem.target) for end, problem in zip(exact, problems, strict=True)]
    memories = [memory_of(problem, tau_p=0.03) for problem in problems]
    refused = [
        aj.retrieve(memory, problem.query, t1=HORIZON, solver="adams", num_steps=2).status
        for memory, problem in zip(memories, problems, strict=True)
    ]
    too_coarse = np.array(refused) == aj.Status.MAX_STEPS
    assert too_coarse.sum() > 0
    trial = aj.RecallTrial(TASK, build, fast, t1=HORIZON, num_steps=2, max_steps=1000)
    found = {name: values.ravel() for name, values in swept(trial, axes).items()}
    np.testing.assert_array_equal(found["refined"], too_coarse)
    np.testing.assert_array_equal(found["num_steps"] > 2, too_coarse)
    assert np.all(np.log2(found["num_steps"]) % 1 == 0)
    assert not found["status"].any()
    np.testing.assert_array_equal(found["hamming_error"][too_coarse], np.array(wrong)[too_coarse])
    # Without room for more steps the status stays.
    bounded = swept(aj.RecallTrial(TASK, build, fast, t1=HORIZON, num_steps=2, max_steps=3), axes)
    np.testing.assert_array_equal(bounded["status"].ravel() == aj.Status.MAX_STEPS, too_coarse)
    assert np.isnan(bounded["hamming_error"].ravel()[too_coarse]).all()


def test_queries_of_retrieve_many_are_refined_one_by_one():
    problem = posed(load=4)
    memory = memory_of(problem, tau_p=0.03)
    queries = np.stack([posed(number, load=4).query for number in range(12)])
    exact = [scipy_end(SimpleNamespace(patterns=problem.patterns, query=query), tau_p=0.03) for query in queries]
    found = aj.retrieve_many(memory, queries, t1=HORIZON, num_steps=2)
    numbers = found.stats["num_accepted_steps"]
    assert not found.status.any()
    assert numbers.max() > 2
    np.testing.assert_array_equal(np.sign(found.x), np.sign(exact))


RAW = {
    "patterns": {"kind": "random", "num_neurons": 9},
    "axes": {"num_patterns": 12, "num_flips": [1, 2]},
    "trials": 20,
    "models": {"a": {"kind": "astrocyte", "tau_x": 0.01}, "h": {"kind": "hopfield"}},
    "retrieval": {"t1": 5, "outcome_error": 0.004},
    "decoders": False,
}


def grids_of(folder):
    return json.loads((folder / "provenance.json").read_text())["grids"]


def test_a_run_refines_grids_until_outcomes_agree_and_keeps_them_when_it_goes_on(tmp_path, monkeypatch, no_figures):
    folder, interrupted = tmp_path / "run", tmp_path / "interrupted"
    monkeypatch.setattr("astrojax.runs.calibration.NUM_PILOTS", 128)
    results = aj.run(parse_config(RAW), folder)
    grids = grids_of(folder)
    assert grids["a"]["refinement"] > 1
    assert grids["h"]["refinement"] == 1
    for grid in grids.values():
        assert grid["pilots"] == 128
        assert grid["differ"] <= 0.004
    plan = build(parse_config(RAW))
    lane = {name: jnp.asarray(values[0]) for name, values in plan.parts[0].sweep.grid.first.items()}
    usual, refined = (int(p.parts[0].sweep.sample.first_num_steps(lane, 8)) for p in (plan, plan.refined(grids)))
    assert refined == pytest.approx(grids["a"]["refinement"] * usual, rel=0.02)

    def stop(name, number):
        raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        aj.run(parse_config(RAW), interrupted, execution=aj.Execution(lanes_per_chunk=8), on_chunk=stop)
    assert grids_of(interrupted) == grids
    monkeypatch.setattr("astrojax.runs.run.calibrate", None)  # nothing is measured again
    again = aj.run(parse_config(RAW), interrupted)
    assert grids_of(interrupted) == grids
    for name in results.data_vars:
        assert again[name].values.tobytes() == results[name].values.tobytes(), name
    assert all(found["different"] == 0 for found in aj.verify(folder, share=1.0).values())


def test_settings_that_do_not_fit_the_solver_are_named():
    refused = [
        ({"solver": "adams", "rtol": 0.1}, "retrieval: rtol .*0.1"),
        ({"solver": "etd3", "num_steps": 30}, "retrieval: num_steps .*30"),
        ({"num_steps": 30, "outcome_error": 0.2}, "retrieval: num_steps and outcome_error .*30"),
        ({"num_steps": 30, "max_steps": 20}, "retrieval: num_steps .* max_steps, 20; got .*30"),
        ({"outcome_error": 1.5}, "retrieval.outcome_error: .*; got 1.5"),
    ]
    for settings, words in refused:
        with pytest.raises(aj.InputError, match=words):
            parse_config(RAW | {"retrieval": settings})


def test_outcomes_at_the_defaults_of_the_paper_are_those_of_a_fine_solution():
    task = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=20), aj.Flips())
    axes = {"num_patterns": [100], "num_flips": [3], "trial": range(128)}
    coarse, fine = (
        swept(aj.RecallTrial(task, eqx.Partial(aj.AstrocyteMemory), {}, **settings), axes)["hamming_error"]
        for settings in ({}, {"solver": "tsit5", "rtol": 1e-8, "atol": 1e-8})
    )
    assert fine.std() > 0
    assert np.mean(coarse != fine) <= 0.01
