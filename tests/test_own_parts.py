"""Gain maps and activations of a user's own: what they define is enough for exact rates, padding and gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj


class SparsemaxGainMap(aj.AbstractGainMap):
    """The Euclidean projection onto the simplex, Ω(p) = ½(Σ p² − 1) (Martins and Astudillo 2016)."""

    def __call__(self, logits):
        ordered = jnp.sort(logits, descending=True)
        excess = jnp.cumsum(ordered) - 1
        size = jnp.sum(jnp.arange(1, logits.size + 1).astype(logits.dtype) * ordered > excess)
        return jnp.maximum(logits - excess[size - 1] / size.astype(logits.dtype), 0)

    def regularizer(self, gains):
        return (jnp.sum(gains**2) - 1) / 2


class PlainSoftmax(aj.AbstractGainMap):
    """The built-in map, from its definition alone."""

    def __call__(self, logits):
        return jax.nn.softmax(logits)

    def regularizer(self, gains):
        return jnp.sum(jax.scipy.special.xlogy(gains, gains))


class RectifiedActivation(aj.AbstractActivation):
    def __call__(self, x, slope):
        return jnp.maximum(x, 0)

    def lagrangian(self, x, slope):
        return jnp.sum(jnp.maximum(x, 0) ** 2) / 2


def problem(seed, num_neurons=10, num_patterns=6):
    rng = np.random.default_rng(seed)
    patterns = rng.choice([-1.0, 1.0], (num_neurons, num_patterns))
    return jnp.asarray(patterns), jnp.asarray(
        patterns[:, 0] * rng.choice([1, 1, 1, -1], num_neurons) + rng.normal(0, 0.2, num_neurons)
    )


def test_a_gain_map_has_exact_zeros_also_where_columns_are_not_stored():
    logits = np.random.default_rng(0).normal(0, 1.5, (50, 9))
    low, high = logits.min(1) - 1, logits.max(1)
    for _ in range(80):  # bisection: gains above the threshold sum to 1
        middle = (low + high) / 2
        too_low = np.maximum(logits - middle[:, None], 0).sum(1) > 1
        low, high = np.where(too_low, middle, low), np.where(too_low, high, middle)
    expected = np.maximum(logits - high[:, None], 0)
    stored = jnp.arange(12) < 9
    padded = jnp.pad(jnp.asarray(logits), ((0, 0), (0, 3)), constant_values=9.0)
    gains = jax.vmap(lambda z: SparsemaxGainMap().gains(z, stored))(padded)
    np.testing.assert_allclose(gains[:, :9], expected, atol=1e-12)
    assert np.all((np.asarray(gains)[:, :9] == 0) == (expected == 0))
    assert np.all(gains[:, 9:] == 0)
    log_gains = jax.vmap(lambda z: SparsemaxGainMap().log_gains(z, stored))(padded)
    np.testing.assert_allclose(jnp.exp(log_gains), gains, atol=1e-12)


def test_what_a_gain_map_is_derived_from_gives_what_softmax_has_in_closed_form():
    patterns, query = problem(1)
    stored = jnp.arange(6) < 4
    ours, own = (
        aj.AstrocyteMemory(patterns, stored=stored, temperature=0.7, gain_map=which) for which in ("softmax", PlainSoftmax())
    )
    state = aj.AstrocyteState(query, jnp.linspace(-1.0, 2.0, 6))
    for name in ("gains", "log_gains", "energy", "energy_rate", "speed", "vector_field"):
        for a, b in zip(*(jax.tree.leaves(getattr(memory, name)(state)) for memory in (ours, own)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14, err_msg=name)


SPARSE = {"gain_map": SparsemaxGainMap(), "temperature": 2.0, "slope": 1.5}
RECTIFIED = {"activation": RectifiedActivation()}


@pytest.mark.parametrize(
    ("build", "settings"),
    [
        (aj.AstrocyteMemory, SPARSE | RECTIFIED | {"score": "linear"}),
        pytest.param(aj.AstrocyteMemory, SPARSE, marks=pytest.mark.slow),
        (aj.AstrocyteMemory, SPARSE | {"gain_regime": "adiabatic"}),
        pytest.param(aj.DenseMemory, RECTIFIED | {"order": 3}, marks=pytest.mark.slow),
    ],
)
def test_memories_with_such_parts_are_as_good_as_any(build, settings):
    aj.testing.check_memory(functools.partial(build, **settings))


def test_names_of_parts_are_checked():
    patterns, _ = problem(0)
    with pytest.raises(
        aj.InputError, match=r"gain map must be one of .*; got 'softmx' \(did you mean 'softmax'"
    ):
        aj.AstrocyteMemory(patterns, gain_map="softmx")
    with pytest.raises(aj.InputError, match="activation must be one of tanh, .*; got 'relu'"):
        aj.HopfieldMemory(patterns, activation="relu")
