"""Retrieval composes with JAX's transformations, reports how it went, and times convergence."""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj
from astrojax.solve import retrieve as retrieval

PATTERNS = aj.random_patterns(jax.random.key(0), num_neurons=12, num_patterns=5)
QUERY = aj.flip(jax.random.key(1), PATTERNS[:, 0], 2)
FAST = {"adjoint": diffrax.ForwardMode(), "solver": "etd3"}


def test_a_batch_over_memories_and_queries_equals_single_retrievals():
    temperatures = jnp.array([0.01, 1.0, 10.0])
    queries = jnp.stack([QUERY, PATTERNS[:, 1], -QUERY])

    def one(temperature, query):
        return aj.retrieve(aj.AstrocyteMemory(PATTERNS, temperature=temperature), query, t1=5.0, **FAST).x

    together = jax.jit(jax.vmap(one))(temperatures, queries)
    for index in range(3):
        np.testing.assert_allclose(together[index], one(temperatures[index], queries[index]), rtol=1e-9, atol=1e-9)


def test_precision_is_that_of_the_patterns():
    single = aj.AstrocyteMemory(PATTERNS.astype(jnp.float32))
    ours = aj.retrieve(single, QUERY, t1=5.0, ts=[1.0, 5.0], convergence_speed=0.01, **FAST)
    assert {leaf.dtype for leaf in jax.tree.leaves((ours.state, ours.gains, ours.states, ours.convergence_time))} == {
        jnp.dtype("float32")
    }
    double = aj.retrieve(aj.AstrocyteMemory(PATTERNS), QUERY, t1=5.0, **FAST)
    np.testing.assert_allclose(ours.x, double.x, rtol=1e-3)
    np.testing.assert_array_equal(ours.states.x[-1], ours.x)


def test_convergence_time_is_the_analytic_one_of_a_saturated_network():
    """One neuron, one pattern: x' = −x + tanh(σx) with tanh = 1 far from 0, so the speed from x(0) = 3 is 2 exp(−t)."""
    memory = aj.HopfieldMemory(jnp.ones((1, 1)), slope=30.0)
    timed = functools.partial(aj.retrieve, memory, jnp.array([3.0]), **FAST)
    assert float(timed(t1=50.0, convergence_speed=1e-3).convergence_time) == pytest.approx(np.log(2e3), rel=1e-3)
    assert float(timed(t1=50.0, convergence_speed=0.5).convergence_time) == pytest.approx(np.log(4), rel=1e-2)
    assert float(timed(t1=2.0, convergence_speed=1e-3).convergence_time) == np.inf
    assert float(aj.retrieve(memory, jnp.array([1.0]), t1=2.0, convergence_speed=1e-3).convergence_time) == 0


def test_convergence_of_very_fast_neurons_is_seen_by_default():
    """Where neurons follow at once the gains alone set the time, whatever τx."""
    memory = aj.AstrocyteMemory(PATTERNS, tau_x=1e-5, temperature=0.5)
    slow = aj.AstrocyteMemory(PATTERNS, tau_x=1e-2, temperature=0.5)
    found, expected = (aj.retrieve(m, QUERY, t1=20.0, convergence_speed=1e-2).convergence_time for m in (memory, slow))
    assert np.isfinite(found)
    assert float(found) == pytest.approx(float(expected), rel=0.05)


def test_observing_convergence_does_not_change_the_result():
    memory = aj.AstrocyteMemory(PATTERNS)
    plain, timed = (aj.retrieve(memory, QUERY, t1=20.0, convergence_speed=speed, **FAST) for speed in (None, 1e-2))
    np.testing.assert_array_equal(plain.x, timed.x)
    assert 0 < timed.convergence_time < 20


def test_gains_that_have_settled_count_as_converged_while_their_logits_drift():
    """At low temperature the logits go on moving for a time of order 1/T; the neurons and the gains are long at rest."""
    memory = aj.AstrocyteMemory(PATTERNS, temperature=0.001)
    recall = aj.retrieve(memory, QUERY, t1=30.0, convergence_speed=1e-3, **FAST)
    assert recall.convergence_time < 25
    assert jnp.max(jnp.abs(memory.vector_field(recall.state).gain_logits)) > 0.1


def test_the_status_says_what_went_wrong_in_a_batch():
    def status(temperature, query, stored):
        memory = aj.AstrocyteMemory(PATTERNS, temperature=temperature, stored=stored)
        return aj.retrieve(memory, query, t1=10.0, **FAST).status

    temperatures, stored = jnp.array([0.01, -1.0, 0.01, 0.01]), jnp.ones((4, 5), bool).at[3].set(False)
    queries = jnp.stack([QUERY, QUERY, QUERY.at[3].set(jnp.nan), QUERY])
    batch = jax.jit(jax.vmap(status))(temperatures, queries, stored)
    assert list(batch) == [aj.Status.OK, aj.Status.INVALID_MEMORY, aj.Status.NON_FINITE, aj.Status.INVALID_MEMORY]
    assert aj.retrieve(aj.AstrocyteMemory(PATTERNS), QUERY, t1=10.0, max_steps=3, **FAST).status == aj.Status.MAX_STEPS


def test_a_convergence_that_could_not_be_looked_for_is_nan_and_one_that_is_late_is_infinite(monkeypatch):
    memory = aj.AstrocyteMemory(PATTERNS, tau_x=0.9)
    timed = functools.partial(aj.retrieve, memory, QUERY, convergence_speed=1e-4, **FAST)
    few = timed(t1=20.0, max_steps=64)  # fewer than the convergence takes
    assert few.status == aj.Status.OK
    assert 0 < few.convergence_time < 20
    assert timed(t1=1.0, max_steps=64).convergence_time == np.inf
    monkeypatch.setattr(retrieval, "CONVERGENCE_MAX_STEPS", 16)
    failed = timed(t1=20.0, max_steps=65)  # another program, for which the new number counts
    assert failed.status == aj.Status.OK
    assert np.isnan(failed.convergence_time)


def test_settings_that_are_traced_and_out_of_range_become_a_status_in_a_batch():
    memory = aj.AstrocyteMemory(PATTERNS)

    def status(t1, ts, rtol):
        recall = aj.retrieve(memory, QUERY, t1=t1, ts=ts, rtol=rtol, **FAST)
        return recall.status, recall.x

    rows = [
        (1.0, (0.5, 1.0), 1e-4, aj.Status.OK),
        (-1.0, (0.5, 1.0), 1e-4, aj.Status.INVALID_SETTINGS),
        (jnp.nan, (0.5, 1.0), 1e-4, aj.Status.INVALID_SETTINGS),
        (1.0, (1.0, 0.5), 1e-4, aj.Status.INVALID_SETTINGS),
        (1.0, (0.5, 2.0), 1e-4, aj.Status.INVALID_SETTINGS),
        (1.0, (jnp.nan, 1.0), 1e-4, aj.Status.INVALID_SETTINGS),
        (1.0, (0.5, 1.0), 0.0, aj.Status.INVALID_SETTINGS),
    ]
    t1, ts, rtol, expected = (jnp.asarray(column) for column in zip(*rows, strict=True))
    found, x = jax.jit(jax.vmap(status))(t1, ts, rtol)
    assert list(found) == list(expected)
    np.testing.assert_allclose(x[0], aj.retrieve(memory, QUERY, t1=1.0, rtol=1e-4, **FAST).x, rtol=1e-10)


def test_times_that_rounding_takes_beyond_the_horizon_end_at_it():
    times = jnp.geomspace(0.01, 20, 200, dtype=jnp.float32)
    assert times[-1] > 20
    recall = aj.retrieve(aj.HopfieldMemory(PATTERNS.astype(jnp.float32)), QUERY, t1=20.0, ts=times, **FAST)
    assert recall.status == aj.Status.OK
    assert recall.ts[-1] == 20


def test_retrievals_by_default_can_be_differentiated_in_reverse():
    """Traced, not computed: slow tests compare the values with differences of SciPy's."""

    def overlap(temperature):
        return aj.retrieve(aj.AstrocyteMemory(PATTERNS, temperature=temperature), QUERY, t1=1.0).x @ PATTERNS[:, 0]

    assert jax.eval_shape(jax.grad(overlap), 0.1).shape == ()


@pytest.mark.parametrize(("score", "expected"), [("squared", 0.0), ("linear", 1.0)])
def test_a_query_of_zeros_is_retrieved_on_a_grid(score, expected):
    """A single pattern: neurons stay at 0, where the drive is m/N, or relax to the pattern, as 1 − exp(−t)."""
    memory = aj.AstrocyteMemory(jnp.ones((4, 1)) * jnp.asarray([[1.0], [-1.0], [1.0], [1.0]]), score=score)
    recall = aj.retrieve(memory, jnp.zeros(4), t1=2.0, solver="adams", num_steps=100)
    assert recall.status == aj.Status.OK
    np.testing.assert_allclose(recall.x, expected * (1 - np.exp(-2)) * memory.patterns[:, 0], atol=1e-6)
