"""The neuron-astrocyte memory against an independent evaluation with full matrices and the tensor of N⁴ entries."""

import jax
import jax.numpy as jnp
import numpy as np

import astrojax as aj
from astrojax.models import symmetric

from .systems import equations

RNG = np.random.default_rng(11)
PATTERNS = RNG.choice([-1.0, 1.0], (5, 4))
TENSOR = equations.transport_tensor(PATTERNS)
TAUS = {"tau_x": 0.7, "tau_s": 1.3, "tau_a": 2.1}
MEMORY = aj.NeuronAstrocyteMemory(jnp.asarray(PATTERNS), slope=1.7, **TAUS)


def random_state():
    matrices = [matrix + matrix.T for matrix in RNG.normal(size=(2, 5, 5))]
    upper = np.triu_indices(5)
    x = RNG.normal(size=5)
    return aj.NeuronAstrocyteState(jnp.asarray(x), *(jnp.asarray(matrix[upper]) for matrix in matrices)), x, matrices


def test_the_vector_field_is_that_of_the_full_equations():
    state, x, (s, p) = random_state()
    expected = equations.neuron_astrocyte(0, np.concatenate([x, s.ravel(), p.ravel()]), TENSOR, *TAUS.values(), 1.7)
    for memory in (MEMORY, MEMORY.precompute()):
        ours = memory.vector_field(state)
        full = np.concatenate([ours.x, symmetric(ours.synapses).ravel(), symmetric(ours.processes).ravel()])
        np.testing.assert_allclose(full, expected, rtol=1e-12, atol=1e-12)


def test_the_energy_is_that_of_the_full_equations():
    state, x, (s, p) = random_state()
    expected = equations.neuron_astrocyte_energy(x, s, p, TENSOR, 1.7)
    np.testing.assert_allclose(MEMORY.energy(state), expected, rtol=1e-12)


def test_the_rate_is_the_energy_s_change_along_the_full_equations():
    state, x, (s, p) = random_state()
    rate = equations.neuron_astrocyte(0, np.concatenate([x, s.ravel(), p.ravel()]), TENSOR, *TAUS.values(), 1.7)
    dx, ds, dp = rate[:5], rate[5:30].reshape(5, 5), rate[30:].reshape(5, 5)
    h = 1e-5
    above, below = (
        equations.neuron_astrocyte_energy(x + sign * h * dx, s + sign * h * ds, p + sign * h * dp, TENSOR, 1.7)
        for sign in (1, -1)
    )
    np.testing.assert_allclose(MEMORY.energy_rate(state), (above - below) / (2 * h), rtol=1e-6)


def test_the_initial_state_follows_from_the_query():
    query = PATTERNS[:, 0] * np.array([1, -1, 1, 1, 1])
    s, p = equations.neuron_astrocyte_start(query, TENSOR, 1.7)
    state = MEMORY.initial_state(jnp.asarray(query))
    np.testing.assert_allclose(symmetric(state.synapses), s, rtol=1e-9)
    np.testing.assert_allclose(symmetric(state.processes), p, rtol=1e-9)


def test_it_has_no_gains():
    state = MEMORY.initial_state(jnp.asarray(PATTERNS[:, 0]))
    assert MEMORY.gains(state) is None
    assert jax.tree.structure(MEMORY.vector_field(state)) == jax.tree.structure(state)
