"""Activations, scores, couplings and observables against hand-computed values and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj
from astrojax.config.tune import TuneConfig
from astrojax.config.validation import parse

from .systems import equations

X = jnp.linspace(-2.0, 2.0, 9)


def test_the_lagrangian_has_the_firing_rate_as_derivative_its_tangent_in_the_slope_and_no_overflow():
    slope = jnp.asarray(1.7)
    first = jax.vmap(jax.grad(aj.lagrangian), (0, None))(X, slope)
    second = jax.vmap(jax.grad(jax.grad(aj.lagrangian)), (0, None))(X, slope)
    np.testing.assert_allclose(first, np.tanh(1.7 * X), atol=1e-14)
    np.testing.assert_allclose(second, 1.7 / np.cosh(1.7 * X) ** 2, atol=1e-14)
    _, tangent = jax.jvp(lambda slope: aj.lagrangian(X, slope), (slope,), (jnp.asarray(1.0),))
    above, below = (np.log(np.cosh(value * X)) / value for value in (1.7 + 1e-6, 1.7 - 1e-6))
    np.testing.assert_allclose(tangent, (above - below) / 2e-6, atol=1e-8)
    large = aj.lagrangian(jnp.float32(1e4), jnp.float32(5.0))
    assert large.dtype == jnp.float32
    assert float(large) == pytest.approx(1e4 - np.log(2) / 5, rel=1e-6)


@pytest.mark.parametrize(
    ("score", "value", "slope", "coupling"),
    [
        (aj.SquaredScore(), lambda m: m**2 / 14, lambda m: m / 7, 3),
        (aj.LinearScore(), lambda m: m, np.ones_like, 1),
        (aj.PowerScore(2), lambda m: m**2 / 14, lambda m: m / 7, 3),
        (aj.PowerScore(6), lambda m: m**6 / (6 * 7**5), lambda m: m**5 / 7**5, 3),
    ],
)
def test_scores_have_the_value_slope_and_coupling_of_the_specification(score, value, slope, coupling):
    m = np.array([-7.0, -1.5, 0.0, 2.0, 7.0])
    values, slopes = score.with_derivative(jnp.asarray(m), 7)
    np.testing.assert_allclose(values, value(m), rtol=1e-13)
    np.testing.assert_allclose(slopes, slope(m), rtol=1e-13)
    assert score.coupling(jnp.asarray(3.0)) == coupling


def test_errors_count_neurons_and_half_an_error_at_zero():
    target = jnp.array([1.0, 1.0, -1.0, -1.0])
    x = jnp.array([0.5, -3.0, 0.0, -0.1])
    assert aj.hamming_error(target, x) == 1.5
    assert aj.success(target, x) == 0
    assert aj.success(target, target) == 1
    readout = jnp.array([1.0, 0.0, -0.5, 1.0])
    assert aj.soft_hamming_error(target, readout) == pytest.approx((0 + 1 + 0.5 + 2) / 2)
    assert aj.overlap(target, readout) == pytest.approx((1 + 0 + 0.5 - 1) / 4)


def test_perplexity_is_how_many_patterns_share_the_gains():
    assert aj.perplexity(jnp.full(8, -jnp.log(8.0))) == pytest.approx(8)
    assert aj.perplexity(jnp.array([0.0, -jnp.inf, -jnp.inf])) == 1
    assert aj.perplexity(jnp.log(jnp.array([0.5, 0.25, 0.25]))) == pytest.approx(2**1.5)
    gradient = jax.grad(aj.perplexity)(jnp.array([0.0, -800.0, -jnp.inf]))
    assert np.all(np.isfinite(gradient))


N, K = 12, 5
COUPLINGS = {"K": K, "N": N, "1": 1, 2.5: 2.5}
PATTERNS = np.random.default_rng(0).choice([-1.0, 1.0], (N, K))
SETTINGS = {"temperature": 0.6, "tau_x": 0.7, "tau_p": 1.4, "slope": 0.9}


@pytest.mark.parametrize(
    ("coupling", "score"),
    [(None, "squared"), (None, "linear"), (None, "power"), ("K", "linear"), ("N", "squared"), ("1", "power"), (2.5, "linear")],
)
def test_c16_the_drive_is_gated_by_the_gains_with_the_coupling_asked_for_and_the_energy_falls_at_its_exact_rate(
    coupling, score
):
    _, derivative, own = equations.SCORES[score]
    c = own(K) if coupling is None else COUPLINGS[coupling]
    memory = aj.AstrocyteMemory(PATTERNS, coupling=coupling, score=score, **SETTINGS)
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=N), rng.normal(size=K)
    state = aj.AstrocyteState(jnp.asarray(x), jnp.asarray(z))
    drive = c * PATTERNS @ (equations.softmax(z) * derivative(PATTERNS.T @ np.tanh(0.9 * x), N))
    field = memory.vector_field(state)
    np.testing.assert_allclose(field.x, (drive - x) / 0.7, rtol=1e-12, atol=1e-13)
    _, rate = jax.jvp(memory.energy, (state,), (field,))
    np.testing.assert_allclose(memory.energy_rate(state), rate, rtol=1e-10)
    assert rate < 0


def test_a_coupling_that_is_a_number_can_be_batched_and_differentiated():
    query = jnp.asarray(np.random.default_rng(4).normal(size=N))

    def first(coupling):
        memory = aj.AstrocyteMemory(PATTERNS, coupling=coupling, **SETTINGS)
        recall = aj.retrieve(memory, query, t1=2.0, solver="adams", num_steps=400)
        return recall.x[0], recall.status

    def with_slope(coupling):
        return jax.jvp(first, (coupling,), (jnp.ones_like(coupling),), has_aux=True)

    values, slopes, status = jax.vmap(with_slope)(jnp.array([2.499, 2.5, 2.501, -1.0, jnp.nan]))
    np.testing.assert_allclose(slopes[1], (values[2] - values[0]) / 0.002, rtol=1e-4)
    assert abs(slopes[1]) > 1e-3
    assert status.tolist() == [aj.Status.OK] * 3 + [aj.Status.INVALID_MEMORY] * 2


def test_a_search_for_the_coupling_starts_from_a_number():
    search = {"axes": {"num_patterns": 3, "num_flips": 1}, "parameters": ["coupling"]}
    config = parse({"model": {"kind": "astrocyte", "coupling": 4}, **search}, TuneConfig)
    assert config.start() == {"coupling": 4.0}
    for coupling, shown in (("N", "N"), (None, "left out")):
        with pytest.raises(ValueError, match=rf"parameters\.coupling: starts from a number; model\.coupling is {shown}"):
            parse({"model": {"kind": "astrocyte", "coupling": coupling}, **search}, TuneConfig)
