"""Claims C1, C3, C14 and C16 of the paper; C2 is in test_energy, C4, C5, C13 and C15 in test_limits."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import root

import astrojax as aj

from .systems import equations

FAST = {"adjoint": diffrax.ForwardMode(), "max_steps": 100_000}


def test_c1_the_gains_stay_on_the_simplex():
    def along(key, temperature, tau_p):
        patterns = aj.random_patterns(key, num_neurons=15, num_patterns=12)
        memory = aj.AstrocyteMemory(patterns, temperature=temperature, tau_p=tau_p)
        recall = aj.retrieve(memory, aj.flip(key, patterns[:, 0], 4), t1=10.0, ts=jnp.linspace(0.1, 10.0, 30), **FAST)
        return jax.vmap(memory.gains)(recall.states), recall.status

    keys = jax.random.split(jax.random.key(3), 40)
    temperatures, taus = jnp.geomspace(1e-4, 10.0, 40), jnp.tile(jnp.geomspace(0.1, 100.0, 8), 5)
    gains, status = jax.jit(jax.vmap(along))(keys, temperatures, taus)
    assert not np.any(status)
    assert np.all(np.asarray(gains) >= 0)
    np.testing.assert_allclose(gains.sum(-1), 1, rtol=1e-13)


@pytest.mark.parametrize("seed", range(3))
def test_c3_equilibria_satisfy_the_two_equations_of_the_paper(seed):
    """The final state lies at a root of x = W(p)φ(x), p = softmax(f/T) (Eqs. 10-11), which SciPy finds from there."""
    temperature, slope = 0.5, 1.5
    patterns = aj.random_patterns(jax.random.key(seed), num_neurons=16, num_patterns=4)
    memory = aj.AstrocyteMemory(patterns, temperature=temperature, slope=slope)
    query = aj.flip(jax.random.key(10 + seed), patterns[:, 0], 2)
    recall = aj.retrieve(memory, query, t1=200.0, rtol=1e-10, atol=1e-10, **FAST)
    matrix = np.asarray(patterns)

    def residual(x):
        scores = equations.SCORES["squared"][0](matrix.T @ np.tanh(slope * x), 16)
        gains = equations.softmax(scores / temperature)
        return equations.coupling_matrix(matrix, gains, "squared", x, slope) @ np.tanh(slope * x) - x

    solution = root(residual, np.asarray(recall.x), tol=1e-14)
    assert np.max(np.abs(residual(solution.x))) < 1e-11
    np.testing.assert_allclose(recall.x, solution.x, atol=1e-6)
    scores = equations.SCORES["squared"][0](matrix.T @ np.tanh(slope * solution.x), 16)
    np.testing.assert_allclose(recall.gains, equations.softmax(scores / temperature), atol=1e-6)


def test_c14_ties_between_equal_scores_are_broken_by_the_neurons():
    """Queries exactly as near to the first pattern as to the second: the two gains start as equals, yet one wins.

    The first half of the differing entries is taken from one pattern, the other half from the other.
    """

    def winner(key):
        patterns = aj.random_patterns(key, num_neurons=41, num_patterns=6)
        first, second = patterns[:, 0], patterns[:, 1]
        differs = first != second
        query = jnp.where(differs & (jnp.cumsum(differs) <= jnp.sum(differs) // 2), second, first)
        memory = aj.AstrocyteMemory(patterns)
        tied = jnp.abs(query @ first) == jnp.abs(query @ second)
        leads = jnp.max(jnp.abs(query @ patterns)) == jnp.abs(query @ first)
        recall = aj.retrieve(memory, query, t1=50.0, **FAST)
        return tied & leads, jnp.max(recall.gains)

    tied, largest = (np.asarray(a) for a in jax.jit(jax.vmap(winner))(jax.random.split(jax.random.key(4), 400)))
    assert tied.sum() >= 100
    assert np.mean(largest[tied] > 0.9) >= 0.95


@pytest.mark.parametrize("score", ["squared", "linear", "power"])
def test_c16_the_drive_is_a_mixture_of_rank_one_experts_gated_by_the_gains(score):
    patterns = aj.random_patterns(jax.random.key(5), num_neurons=10, num_patterns=7)
    memory = aj.AstrocyteMemory(patterns, score=score, tau_x=0.5)
    x, logits = jax.random.normal(jax.random.key(6), (10,)), jax.random.normal(jax.random.key(7), (7,))
    matrix, gains, rates = np.asarray(patterns), equations.softmax(np.asarray(logits)), np.tanh(5 * np.asarray(x))
    if score == "squared":
        drive = sum(gain * (7 / 10) * np.outer(column, column) @ rates for gain, column in zip(gains, matrix.T, strict=True))
    else:
        drive = equations.coupling_matrix(matrix, gains, score, np.asarray(x), 5.0) @ rates
    np.testing.assert_allclose(memory.vector_field(aj.AstrocyteState(x, logits)).x, (drive - x) / 0.5, rtol=1e-10, atol=1e-12)
