"""Stiff corners of the solver of sweeps and of the default one against another solver."""

import functools

import diffrax
import jax
import numpy as np
import pytest

import astrojax as aj

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


@pytest.mark.parametrize(
    "corner", [pytest.param(corner, marks=[pytest.mark.slow] * (corner == "tau_x 1e-3")) for corner in CORNERS]
)
def test_corners_are_solved_accurately_in_few_evaluations_and_wrong_ends_are_no_successes(corner):
    """benchmarks/corners.py measures the same on more trajectories; the reference is an explicit solver of fifth order."""

    parameters = {"temperature": 0.01, "tau_x": 1.0, "tau_p": 1.0} | CORNERS[corner]

    def batch(**settings):
        return [np.asarray(values) for values in corner_solver(**settings)(keys, *parameters.values())]

    keys = jax.random.split(jax.random.key(7), 64)
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
