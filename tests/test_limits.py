"""Limits and symmetries of the models: claims C4, C5, C13 and C15 among them."""

import itertools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj

from .systems.problems import KINDS, Problems, batched, draw

TIGHT = {"solver": "dopri8", "rtol": 1e-11, "atol": 1e-11, "max_steps": 100_000, "adjoint": diffrax.ForwardMode()}
PATTERNS = aj.random_patterns(jax.random.key(0), num_neurons=20, num_patterns=9)
QUERY = aj.flip(jax.random.key(1), PATTERNS[:, 0], 3)


def test_c4_frozen_uniform_gains_are_the_classical_hopfield_network():
    ts = jnp.linspace(0.0, 5.0, 21)
    frozen = aj.AstrocyteMemory(PATTERNS, gain_regime="frozen", tau_x=0.7)
    hopfield = aj.HopfieldMemory(PATTERNS, tau_x=0.7)
    ours, theirs = (aj.retrieve(memory, QUERY, t1=5.0, ts=ts, **TIGHT).states.x for memory in (frozen, hopfield))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("regime", ["frozen", "adiabatic"])
def test_where_no_equation_of_the_gains_is_solved_their_time_constant_changes_nothing(regime):
    memories = [aj.AstrocyteMemory(PATTERNS, gain_regime=regime, tau_p=tau_p) for tau_p in (1.0, 1e-3)]
    np.testing.assert_array_equal(*(aj.retrieve(memory, QUERY, t1=2.0).x for memory in memories))


@pytest.mark.parametrize("limit", [{"tau_p": 1e9}, {"temperature": 1e9}])
def test_c4_slow_or_hot_gains_tend_to_the_classical_hopfield_network(limit):
    settings = {"rtol": 1e-9, "atol": 1e-9, "solver": "kvaerno5", "max_steps": 10_000}
    recall = aj.retrieve(aj.AstrocyteMemory(PATTERNS, **limit), QUERY, t1=5.0, **settings)
    hopfield = aj.retrieve(aj.HopfieldMemory(PATTERNS), QUERY, t1=5.0, **TIGHT)
    np.testing.assert_allclose(recall.x, hopfield.x, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(recall.gains, 1 / 9, rtol=1e-6)


def test_c5_dynamic_gains_tend_to_instantaneous_ones_at_first_order():
    problem = {"temperature": 1.0, "tau_x": 1.0, "slope": 1.0}
    target = aj.retrieve(aj.AstrocyteMemory(PATTERNS, gain_regime="adiabatic", **problem), QUERY, t1=2.0, **TIGHT).x
    solve = jax.jit(lambda tau_p: aj.retrieve(aj.AstrocyteMemory(PATTERNS, tau_p=tau_p, **problem), QUERY, t1=2.0, **TIGHT).x)
    errors = [float(jnp.linalg.norm(solve(tau_p) - target)) for tau_p in (4e-3, 2e-3, 1e-3)]
    assert errors[0] > 1e-6
    for larger, smaller in itertools.pairwise(errors):
        assert larger / smaller == pytest.approx(2, rel=0.1)


def test_c15_a_step_of_adiabatic_linear_gains_which_are_the_modern_hopfield_network_is_softmax_attention():
    settings = {"temperature": 3.0, "tau_x": 0.5}
    query, keys = np.tanh(5 * 0.3 * np.asarray(QUERY)), np.asarray(PATTERNS.T)
    weights = np.exp(keys @ query / 3.0)
    for memory in (
        aj.AstrocyteMemory(PATTERNS, score="linear", gain_regime="adiabatic", **settings),
        aj.ModernHopfieldMemory(PATTERNS, **settings),
    ):
        state = memory.initial_state(0.3 * QUERY)
        step = state.x + 0.5 * memory.vector_field(state).x
        np.testing.assert_allclose(step, weights @ keys / weights.sum(), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("score", ["squared", "power", "linear"])
def test_c13_even_scores_and_no_others_are_blind_to_the_sign_of_the_state(score):
    memory = aj.AstrocyteMemory(PATTERNS, score=score)
    logits = jnp.linspace(-1.0, 1.0, 9)
    plus, minus = (memory.vector_field(aj.AstrocyteState(sign * 0.3 * QUERY, logits)) for sign in (1.0, -1.0))
    symmetric = bool(jnp.all(plus.x == -minus.x) & jnp.all(plus.gain_logits == minus.gain_logits))
    assert symmetric == (score != "linear")


def test_c13_the_negative_of_a_query_is_recalled_as_the_negative_of_its_recall():
    memory = aj.AstrocyteMemory(PATTERNS)
    plus, minus = (aj.retrieve(memory, sign * QUERY, t1=10.0) for sign in (1.0, -1.0))
    np.testing.assert_array_equal(minus.x, -plus.x)
    np.testing.assert_array_equal(minus.gains, plus.gains)


@pytest.mark.parametrize("name", [*KINDS, "modern-hopfield"])
def test_permutations_change_nothing_and_a_padded_memory_is_an_unpadded_one(name):
    number, num_neurons, load, capacity = 6, 8, 5, 12
    problems = draw(name, 7, number, num_neurons, capacity)
    stored = np.broadcast_to(np.arange(capacity) < load, (number, capacity))
    padded = problems._replace(stored=stored)
    neurons, columns = np.random.default_rng(1).permutation(num_neurons), np.random.default_rng(2).permutation(load)
    plain = Problems(problems.patterns[:, :, :load], stored[:, :load], problems.query, problems.parameters)
    shuffled = Problems(plain.patterns[:, neurons][:, :, columns], plain.stored, plain.query[:, neurons], plain.parameters)

    def measured(memory, query):
        # Not so tight that rounding, which a low temperature magnifies, decides whether a step is accepted.
        recall = aj.retrieve(memory, query, t1=3.0, **(TIGHT | {"rtol": 1e-7, "atol": 1e-7}))
        start = memory.initial_state(query)
        scalars = memory.energy(start), memory.energy_rate(start), memory.energy(recall.state)
        return recall.x, recall.gains, jnp.stack(scalars), recall.stats["num_accepted_steps"]

    solve = batched(name, measured)
    x, gains, scalars, steps = solve(plain)
    for other, rows, kept in ((padded, slice(None), slice(load)), (shuffled, neurons, columns)):
        x2, gains2, scalars2, steps2 = solve(other)
        np.testing.assert_allclose(x2, np.asarray(x)[:, rows], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(scalars2, scalars, rtol=1e-8, atol=1e-8)
        # Sums in another order round otherwise, which may shift a step now and then.
        assert np.max(np.abs(np.asarray(steps2) - np.asarray(steps))) <= 1
        if gains is not None and other is padded:
            np.testing.assert_allclose(np.asarray(gains2)[:, kept], gains, rtol=1e-6, atol=1e-9)
            assert not np.any(np.asarray(gains2)[:, load:])
        elif gains is not None:
            np.testing.assert_allclose(gains2, np.asarray(gains)[:, kept], rtol=1e-6, atol=1e-9)


def test_dense_memory_of_order_two_is_the_classical_hopfield_network():
    state = aj.NeuronState(0.4 * QUERY)
    dense, hopfield = aj.DenseMemory(PATTERNS, order=2), aj.HopfieldMemory(PATTERNS)
    np.testing.assert_allclose(dense.vector_field(state).x, hopfield.vector_field(state).x, rtol=1e-13)
    np.testing.assert_allclose(dense.energy(state), hopfield.energy(state), rtol=1e-13)
