"""Patterns, targets and queries of bits are refused in Python, with the remedy; real numbers and erased queries are not."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj
from astrojax.problems.patterns import as_patterns

SIGNS = np.asarray(aj.random_patterns(jax.random.key(0), num_neurons=12, num_patterns=3))
BITS = (SIGNS + 1) / 2
KEY = jax.random.key(1)
MEMORY = aj.AstrocyteMemory(SIGNS)

REFUSED = {
    "memory": lambda: aj.AstrocyteMemory(BITS),
    "booleans": lambda: aj.HopfieldMemory(BITS == 1),
    "zeros": lambda: aj.NeuronAstrocyteMemory(np.zeros((3, 2))),
    "stored columns": lambda: aj.AstrocyteMemory(np.where([True, True, False], BITS, 0.5), stored=[True, True, False]),
    "compact": lambda: aj.compact_patterns(BITS.astype(np.int8), block=2),
    "pool": lambda: aj.Task(eqx.Partial(aj.pooled_patterns, pool=jnp.asarray(BITS)), aj.Flips()),
    "rows of a file": lambda: as_patterns(BITS.T, "a.npy", binary=False),
    "flip": lambda: aj.flip(KEY, BITS[:, 0], 2),
    "erase": lambda: aj.erase(KEY, BITS[:, 0], 0.5),
    "noise": lambda: aj.add_noise(KEY, BITS[:, 0] == 1, 0.5),
    "query": lambda: aj.retrieve(MEMORY, BITS[:, 0], t1=1.0),
    "boolean query": lambda: aj.retrieve(MEMORY, BITS[:, 0] == 1, t1=1.0),
    "many queries": lambda: aj.retrieve_many(MEMORY, np.stack([SIGNS[:, 0], BITS[:, 1]]), t1=1.0),
    "starts": lambda: aj.attractors(MEMORY, BITS.T),
    "Hamming error": lambda: aj.hamming_error(BITS[:, 0], SIGNS[:, 0]),
    "soft Hamming error": lambda: aj.soft_hamming_error(BITS[:, 0], SIGNS[:, 0]),
    "overlap": lambda: aj.overlap(BITS[:, 0], SIGNS[:, 0]),
    "nearest pattern": lambda: aj.nearest_pattern(KEY, BITS, SIGNS[:, 0]),
    "Bayes": lambda: aj.bayes_decoder(BITS, SIGNS[:, 0], 1.0),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bits_are_refused_with_the_remedy(case, monkeypatch):
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)  # annotations refuse some of these in the tests alone
    with pytest.raises(aj.InputError, match=r"2 \* bits - 1|threshold of 0.5"):
        REFUSED[case]()


def test_real_numbers_padding_and_erased_queries_are_taken():
    for patterns in (SIGNS * 0.5, np.abs(SIGNS), np.random.default_rng(0).random((12, 3)), BITS + 1):
        aj.AstrocyteMemory(patterns)
    padded = np.pad(SIGNS, ((0, 0), (0, 2)))
    memory = aj.AstrocyteMemory(padded, stored=[True] * 3 + [False] * 2)
    pattern = SIGNS[:, 0]
    for query in (
        pattern * (np.arange(12) > 2),
        pattern * ((pattern == 1) & (np.arange(12) != np.argmax(pattern))),  # by chance no -1 is left
        np.zeros(12),
        np.ones(12),
    ):
        memory.initial_state(jnp.asarray(query))
        aj.nearest_pattern(KEY, jnp.asarray(SIGNS), jnp.asarray(query))
        aj.HopfieldMemory(aj.compact_patterns(SIGNS)).initial_state(jnp.asarray(query))
    aj.AstrocyteMemory(SIGNS * 0.5).initial_state(jnp.asarray(BITS[:, 0]))  # of a memory of real numbers
    assert 0 < aj.overlap(jnp.asarray(0.5 * pattern), jnp.asarray(pattern)) < 1


def test_errors_of_traced_targets_that_are_not_signs_are_nan_and_gradients_those_of_the_error():
    x = jnp.asarray(SIGNS[:, 1]) * 0.3
    targets = jnp.asarray(np.stack([SIGNS[:, 0], BITS[:, 0], 0.5 * SIGNS[:, 0]]))
    for error in (aj.hamming_error, aj.soft_hamming_error, aj.success):
        found = jax.jit(jax.vmap(error, in_axes=(0, None)))(targets, x)
        assert found[0] == error(targets[0], x)
        assert np.isnan(found[1:]).all()
    gradient = jax.jit(jax.grad(aj.soft_hamming_error, argnums=1))(targets[0], x)
    np.testing.assert_array_equal(gradient, jnp.sign(x - targets[0]) / 2)
