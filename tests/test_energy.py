"""C2: every energy falls at exactly the stated rate, and never rises."""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj

from .systems import equations
from .systems.problems import FAMILY, MODELS, batched, draw


@pytest.mark.parametrize("name", MODELS)
def test_c2_the_energy_falls_at_the_exact_rate_and_neurons_descend_its_gradient(name):
    """The closed form of the rate is the derivative along the vector field; −∂E/∂x = φ′(x) τx dx/dt at fixed gains."""

    def both(memory, query):
        state = jax.tree.map(lambda leaf: leaf + 0.1 * jnp.cos(jnp.arange(leaf.size)), memory.initial_state(0.3 * query))
        field = memory.vector_field(state)
        energy, rate = jax.jvp(memory.energy, (state,), (field,))
        slope = memory.slope * (1 - jnp.tanh(memory.slope * state.x) ** 2)
        descent = slope * memory.tau_x * field.x
        return energy, rate, memory.energy_rate(state), -jax.grad(memory.energy)(state).x, descent

    energy, rate, exact, gradient, descent = (np.asarray(a) for a in batched(name, both)(draw(name, 6, 40, 8, 6)))
    assert np.all(exact <= 0)
    np.testing.assert_allclose(rate, exact, rtol=1e-8, atol=1e-10 * np.abs(energy).max())
    np.testing.assert_allclose(gradient, descent, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *((name, jnp.float64) for name in ("squared-dynamic", "linear-dynamic", "power6-adiabatic", "hopfield-zero-diagonal")),
        *((name, jnp.float32) for name in ("squared-adiabatic", "power-dynamic", "dense-3")),
        pytest.param("neuron-astrocyte", jnp.float64, marks=pytest.mark.slow),
        pytest.param("neuron-astrocyte", jnp.float32),
    ],
)
def test_c2_no_energy_increases_on_a_thousand_random_trajectories(name, dtype):
    ts = np.geomspace(0.01, 5.0, 25)
    tolerance = 1e-4

    def along(memory, query):
        times = jnp.asarray(ts, dtype)
        recall = aj.retrieve(memory, query, t1=5.0, ts=times, solver="etd3", adjoint=diffrax.ForwardMode())
        start = memory.energy(memory.initial_state(query))
        return jnp.concatenate([start[None], jax.vmap(memory.energy)(recall.states)]), recall.status

    number = 100 if (name, dtype) == ("neuron-astrocyte", jnp.float32) else 1000
    energies, status = batched(name, along)(draw(name, 4, number, 8, 12), dtype)
    energies = np.asarray(energies)
    assert energies.dtype == dtype
    assert not np.any(status)
    # A step errs by `tolerance` relative to the state, so relative to the scale of the energy.
    scale = np.abs(energies).max(axis=1, keepdims=True) + 1
    rounding = 100 * np.finfo(energies.dtype).eps
    assert np.max(np.diff(energies, axis=1) / scale) < tolerance + rounding
    assert np.all(energies[:, -1] < energies[:, 0] + tolerance * scale[:, 0])


@pytest.mark.parametrize("name", FAMILY)
def test_the_energy_is_that_of_the_paper_up_to_a_constant(name):
    """Eq. 9 has the Kullback-Leibler divergence from uniform gains: larger by c T log K than the form used here.

    In the adiabatic regime both reduce to −c T log Σ exp(g/T).
    """
    problems = draw(name, 5, 30, 9, 7)

    def parts(memory, query):
        state = memory.initial_state(query)
        if state.gain_logits is not None:
            state = aj.AstrocyteState(state.x, jnp.linspace(-1.0, 1.5, 7))
        return memory.energy(state), memory.gains(state), memory.scores(state)

    energy, gains, scores = (np.asarray(a) for a in batched(name, parts)(problems))
    for index in range(len(energy)):
        stored = problems.stored[index]
        given = {key: value[index] for key, value in problems.parameters.items()}
        p, g, k = gains[index][stored], scores[index][stored], stored.sum()
        c = 1 if name.startswith("linear") else k
        x, slope = problems.query[index], given["slope"]
        neurons = np.sum(x * np.tanh(slope * x) - np.log(np.cosh(slope * x)) / slope)
        divergence = np.sum(np.where(p > 0, p * np.log(np.maximum(p, 1e-300) * k), 0))
        paper = -c * p @ g + c * given["temperature"] * divergence + neurons
        shift = c * given["temperature"] * np.log(k)
        np.testing.assert_allclose(energy[index], paper - shift, rtol=1e-10, atol=1e-9)
        if name.endswith("adiabatic"):
            t = given["temperature"]
            free = -c * (g.max() + t * np.log(np.sum(np.exp((g - g.max()) / t))))
            np.testing.assert_allclose(energy[index], free + neurons, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("regime", ["dynamic", "adiabatic"])
def test_biased_logits_are_in_the_energy_and_in_its_rate(regime):
    """E + c⟨p, b⟩ is the energy without bias at the same gains; the rate is the derivative of E along the flow."""
    rng = np.random.default_rng(2)
    patterns, bias = jnp.asarray(rng.choice([-1.0, 1.0], (9, 6))), jnp.asarray(rng.normal(size=6))
    settings = {"temperature": 0.7, "tau_x": 0.8, "tau_p": 1.3, "gain_regime": regime}
    memory, plain = aj.AstrocyteMemory(patterns, logit_bias=bias, **settings), aj.AstrocyteMemory(patterns, **settings)
    state = memory.initial_state(jnp.asarray(rng.normal(size=9)))
    if state.gain_logits is not None:
        state = aj.AstrocyteState(state.x, jnp.asarray(rng.normal(size=6)))
        np.testing.assert_allclose(memory.energy(state) + 6 * memory.gains(state) @ bias, plain.energy(state), rtol=1e-12)
    else:
        np.testing.assert_allclose(memory.gains(state), jax.nn.softmax((plain.scores(state) + bias) / 0.7), rtol=1e-12)
    _, rate = jax.jvp(memory.energy, (state,), (memory.vector_field(state),))
    np.testing.assert_allclose(memory.energy_rate(state), rate, rtol=1e-10)
    assert rate < 0


def test_the_energy_of_the_neuron_astrocyte_memory_is_that_of_the_full_tensor_and_precomputing_changes_no_rate():
    rng = np.random.default_rng(11)
    patterns, upper = rng.choice([-1.0, 1.0], (5, 4)), np.triu_indices(5)
    memory = aj.NeuronAstrocyteMemory(jnp.asarray(patterns), slope=1.7, tau_x=0.7, tau_s=1.3, tau_a=2.1)
    x, (s, p) = rng.normal(size=5), [matrix + matrix.T for matrix in rng.normal(size=(2, 5, 5))]
    state = aj.NeuronAstrocyteState(*map(jnp.asarray, (x, s[upper], p[upper])))
    expected = equations.neuron_astrocyte_energy(x, s, p, equations.transport_tensor(patterns), 1.7)
    np.testing.assert_allclose(memory.energy(state), expected, rtol=1e-12)
    plain, precomputed = memory.vector_field(state), memory.precompute().vector_field(state)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-12), plain, precomputed)
    assert memory.gains(state) is None
