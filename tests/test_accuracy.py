"""What `retrieve` returns is accurate, whatever the parameters, the size of the query or the precision: against SciPy."""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import astrojax as aj
from astrojax.models.neuron_astrocyte import symmetric

from .systems import equations
from .systems.problems import KINDS, MODELS, Problems, batched, draw


@pytest.mark.parametrize(
    ("kind", "dtype"), [("squared dynamic", "float64"), ("linear adiabatic", "float32"), ("neuron-astrocyte", "float64")]
)
def test_default_states_agree_with_scipy_on_problems_of_all_parameters(benchmark_module, kind, dtype):
    accuracy = benchmark_module("accuracy")
    problems = [accuracy.draw(kind, number) for number in range(10)]
    row = accuracy.row(problems, np.array([accuracy.reference(problem) for problem in problems]), dtype)
    assert (row["wrong"], row["status OK"]) == (0, "100.0%"), row


@pytest.mark.slow
def test_default_gradients_agree_with_differences_of_scipy(benchmark_module):
    accuracy, kind, cases = benchmark_module("accuracy"), "squared frozen", (18, 0)
    exact = np.array([accuracy.differences((kind, number)) for number in cases])
    row = accuracy.gradient_row([accuracy.draw(kind, number) for number in cases], exact)
    assert row["compared"] == 2
    assert row["beyond 2e-3"] == 0, row


@pytest.mark.parametrize("temperature", [0.01, 100.0])
def test_time_constants_a_hundred_million_times_apart_are_no_obstacle_in_single_precision(temperature):
    patterns = aj.random_patterns(jax.random.key(3), num_neurons=20, num_patterns=12).astype(jnp.float32)
    memory, query = (
        aj.AstrocyteMemory(patterns, tau_x=1e-7, temperature=temperature),
        aj.flip(jax.random.key(4), patterns[:, 0], 3),
    )
    recall = aj.retrieve(memory, query, t1=10.0)
    assert recall.status == aj.Status.OK
    assert sum(recall.stats.values()) < 2000
    # At rest x is the drive.
    drive = recall.x + memory.tau_x * memory.vector_field(recall.state).x
    np.testing.assert_allclose(recall.x, drive, rtol=1e-4, atol=1e-4 * float(jnp.abs(recall.x).max()))


def test_tiny_queries_are_recalled_by_their_direction_and_zero_stays_where_symmetry_holds_it(benchmark_module):
    """A state that first grows from near 0 in a linear way keeps the direction that the query had in it."""
    accuracy = benchmark_module("accuracy")
    problem = accuracy.draw("hopfield", 0)._replace(t1=30.0, parameters={"tau_x": 1.0, "slope": 1.0})
    problems = [problem._replace(query=size * problem.query) for size in (1e-3, 1e-6, 1e-9, 0.0)]
    x, status, _ = accuracy.solve(problems, "float64")
    exact = np.array([accuracy.reference(problem)[0] for problem in problems[:3]])
    assert not np.any(status)
    assert np.abs(exact).max() > 1
    np.testing.assert_allclose(x[:3], exact, atol=1e-3 * np.abs(exact).max())
    assert not np.any(x[3])


def test_tolerances_of_rounding_are_reached(benchmark_module):
    accuracy = benchmark_module("accuracy")
    problems = [accuracy.draw("linear dynamic", number) for number in range(6)]
    x, status, _ = accuracy.solve(problems, "float64", rtol=1e-10)
    exact = np.array([accuracy.reference(problem)[0] for problem in problems])
    assert not np.any(status)
    np.testing.assert_allclose(x, exact, atol=1e-7 * np.abs(exact).max())


@pytest.mark.slow
def test_gradients_of_a_batch_do_not_see_what_is_invalid():
    patterns = aj.random_patterns(jax.random.key(0), num_neurons=12, num_patterns=4)
    target = patterns[:, 0]
    queries = jnp.stack([aj.flip(jax.random.key(1), target, 2), jnp.full(12, jnp.nan)] + [target] * 3)
    tau_x = jnp.array([1.0, 1.0, jnp.nan, -1.0, 1.0])
    signs = jnp.array([1.0, 1.0, 1.0, 1.0, -1.0])

    def loss(temperature, one_by_one):
        def one(query, tau, sign):
            memory = aj.AstrocyteMemory(patterns, temperature=temperature * sign, tau_x=tau, score="linear")
            recall = aj.retrieve(memory, query, t1=1.0)
            return jnp.mean((recall.x - target) ** 2), recall.status

        losses, status = jax.vmap(one)(*(values[one_by_one] for values in (queries, tau_x, signs)))
        return jnp.sum(jnp.where(status == aj.Status.OK, losses, 0)), status

    gradient = jax.jit(jax.grad(loss, has_aux=True))
    mixed, status = gradient(2.0, jnp.arange(5))
    assert status.tolist() == [aj.Status.OK, aj.Status.NON_FINITE] + 3 * [aj.Status.INVALID_MEMORY]
    five_times, status = gradient(2.0, jnp.zeros(5, int))
    assert not status.any()
    forward = jax.jvp(lambda temperature: loss(temperature, jnp.arange(5))[0], (2.0,), (1.0,))[1]
    np.testing.assert_allclose([mixed, forward], five_times / 5, rtol=1e-8)


CORNERS = {
    "tau_x 1e-2": {"tau_x": 1e-2},
    "tau_x 1e-3": {"tau_x": 1e-3},
    "tau_p 1e-3": {"tau_p": 1e-3},
    "T 1e3": {"temperature": 1e3},
    "tau_x and tau_p 1e-3": {"tau_x": 1e-3, "tau_p": 1e-3},
    "tau_x 1e4": {"tau_x": 1e4},
}


@functools.cache
def corner_solver(**settings):
    """x(10), attempted steps and status of trajectories at given keys and parameters; compiled once for all corners."""

    def one(key, temperature, tau_x, tau_p):
        pattern_key, flip_key = jax.random.split(key)
        patterns = aj.random_patterns(pattern_key, num_neurons=20, num_patterns=100)
        memory = aj.AstrocyteMemory(patterns, temperature=temperature, tau_x=tau_x, tau_p=tau_p)
        query = aj.flip(flip_key, patterns[:, 0], 3)
        recall = aj.retrieve(memory, query, t1=10.0, adjoint=diffrax.ForwardMode(), **settings)
        return recall.x, sum(recall.stats.values()), recall.status

    return jax.jit(lambda keys, *given: jax.lax.map(lambda key: one(key, *given), keys, batch_size=32))


@pytest.mark.parametrize("corner", ["tau_x 1e-2", *(pytest.param(name, marks=pytest.mark.slow) for name in list(CORNERS)[1:])])
def test_corners_are_solved_accurately_in_few_evaluations_and_wrong_ends_are_no_successes(corner):
    """benchmarks/corners.py measures the same on more trajectories; the reference is an explicit solver of fifth order."""

    parameters = {"temperature": 0.01, "tau_x": 1.0, "tau_p": 1.0} | CORNERS[corner]

    def batch(**settings):
        return [np.asarray(values) for values in corner_solver(**settings)(keys, *parameters.values())]

    keys = jax.random.split(jax.random.key(7), 16)
    exact, _, status = batch(solver="tsit5", rtol=1e-6, atol=1e-6, max_steps=10**6)
    assert not status.any()

    def error(x):
        return np.abs(x - exact).max(axis=1) / np.abs(exact).max(axis=1)

    x, attempts, status = batch(solver="etd3")
    assert not status.any()
    assert np.mean(error(x) <= 1e-3) >= 0.99
    assert np.quantile(3 * attempts, 0.99) <= 250
    accurate, _, status = batch(solver="auto")
    assert not status.any()
    assert error(accurate).max() <= 1e-4
    confirmed = batch(solver="etd3", confirm=True)[2]
    wrong = np.any(np.sign(x) != np.sign(exact), axis=1)
    assert not np.any(wrong & (confirmed == aj.Status.OK))
    assert set(confirmed) <= {aj.Status.OK, aj.Status.UNCONFIRMED}
    assert np.mean(confirmed == aj.Status.OK) >= 0.9


HORIZON = 4.0
TOLERANCE = 1e-12
"""Of both sides. Some problems amplify an error a million-fold on their way past a saddle: at 1e-10 differences reach 7e-4."""

SHAPES = [(9, 14), (30, 40)]
"""Neurons and largest load; loads below it are masked. The second shape is for the slow tests."""
QUICK = (*KINDS[:5], *KINDS[6:8], "neuron-astrocyte")


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


@pytest.mark.parametrize(
    ("name", "shapes"),
    [(name, SHAPES[:1]) for name in QUICK] + [pytest.param(name, SHAPES, marks=pytest.mark.slow) for name in MODELS],
)
def test_the_final_state_agrees_with_scipy_on_random_problems(name, shapes):
    def final(memory, query):
        settings = {"solver": "dopri8", "rtol": TOLERANCE, "atol": TOLERANCE, "max_steps": 100_000}
        recall = aj.retrieve(memory, query, t1=HORIZON, adjoint=diffrax.ForwardMode(), **settings)
        return recall.state, recall.gains, recall.status

    solve, number, worst = batched(name, final), 12, 0.0
    if name == "neuron-astrocyte":
        shapes = [(4, 6), (7, 12)][: len(shapes)]
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
