"""What `retrieve` returns by default is accurate, whatever the parameters, the size of the query or the precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj


@pytest.mark.parametrize("kind", ["squared dynamic", "neuron-astrocyte"])
def test_default_states_agree_with_scipy_on_problems_of_all_parameters(benchmark_module, kind):
    accuracy, cases = benchmark_module("accuracy"), range(16)
    problems = [accuracy.draw(kind, number) for number in cases]
    exact = np.array([accuracy.reference(problem) for problem in problems])
    dtypes = ["float64", "float32"] if kind == "squared dynamic" else ["float64"]
    for dtype in dtypes:
        row = accuracy.row(problems, exact, dtype)
        assert (row["wrong"], row["status OK"]) == (0, "100.0%"), row


def test_default_gradients_agree_with_differences_of_scipy(benchmark_module):
    accuracy, kind, cases = benchmark_module("accuracy"), "squared frozen", (18, 0, 49)
    exact = np.array([accuracy.differences((kind, number)) for number in cases])
    row = accuracy.gradient_row([accuracy.draw(kind, number) for number in cases], exact)
    assert row["compared"] == 3
    assert row["beyond 2e-3"] == 0, row


def stiff(tau_x, temperature=0.01, score="squared", dtype=jnp.float32):
    patterns = aj.random_patterns(jax.random.key(3), num_neurons=20, num_patterns=12).astype(dtype)
    memory = aj.AstrocyteMemory(patterns, tau_x=tau_x, temperature=temperature, score=score)
    return memory, aj.flip(jax.random.key(4), patterns[:, 0], 3)


@pytest.mark.parametrize("temperature", [0.01, 100.0])
def test_time_constants_a_hundred_million_times_apart_are_no_obstacle_in_single_precision(temperature):
    memory, query = stiff(1e-7, temperature)
    recall = aj.retrieve(memory, query, t1=10.0)
    assert recall.status == aj.Status.OK
    assert sum(recall.stats.values()) < 2000
    # At rest x is the drive.
    drive = recall.x + memory.tau_x * memory.vector_field(recall.state).x
    np.testing.assert_allclose(recall.x, drive, rtol=1e-4, atol=1e-4 * float(jnp.abs(recall.x).max()))


def test_tiny_queries_are_recalled_by_their_direction(benchmark_module):
    """A state that first grows from near 0 in a linear way keeps the direction that the query had in it."""
    accuracy = benchmark_module("accuracy")
    problem = accuracy.draw("hopfield", 0)._replace(t1=30.0, parameters={"tau_x": 1.0, "slope": 1.0})
    problems = [problem._replace(query=size * problem.query) for size in (1e-3, 1e-6, 1e-9)]
    x, status, _ = accuracy.solve(problems, "float64")
    exact = np.array([accuracy.reference(problem)[0] for problem in problems])
    assert not np.any(status)
    assert np.abs(exact).max() > 1
    np.testing.assert_allclose(x, exact, atol=1e-3 * np.abs(exact).max())


def test_a_query_of_zero_stays_where_symmetry_holds_it():
    memory, _ = stiff(1.0, dtype=jnp.float64)
    recall = aj.retrieve(memory, jnp.zeros(20), t1=10.0)
    assert recall.status == aj.Status.OK
    assert not np.any(recall.x)


def test_tolerances_of_rounding_are_reached(benchmark_module):
    accuracy = benchmark_module("accuracy")
    problems = [accuracy.draw("linear dynamic", number) for number in range(8)]
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
