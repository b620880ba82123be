"""Arguments of the wrong kind are refused by name, as a user meets it: without the tests' run-time types.

Patterns, targets and queries of bits are refused with the remedy; real numbers and erased queries are not.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj
from astrojax.problems.patterns import as_patterns

CASES = {
    "aj.random_patterns(0, num_neurons=3, num_patterns=2)": "key must be a single key made by jax.random.key; got 0",
    "aj.random_patterns(key, num_neurons=3.5, num_patterns=2)": "num_neurons must be an integer of at least 1; got 3.5",
    "aj.pooled_patterns(key, pool=patterns[0], num_patterns=1)": "pool must have shape",
    "aj.flip(key, patterns, 2)": "pattern must have shape (num_neurons,); got (8, 3)",
    "aj.flip(key, patterns[:, 0], 'two')": "num_flips must be an array of real numbers; got 'two'",
    "aj.HopfieldMemory([['a', 'b']])": "patterns must be an array of real numbers",
    "aj.HopfieldMemory(patterns, stored=[1, 1, 0])": "stored must be an array of booleans",
    "aj.HopfieldMemory(patterns, slope='steep')": "slope must be a positive number; got 'steep'",
    "aj.HopfieldMemory(patterns, zero_diagonal='yes')": "zero_diagonal must be True or False; got 'yes'",
    "aj.DenseMemory(patterns, order=2**70)": "order must be an integer of at most 10000; got",
    "aj.retrieve_many(memory, query[None], t1=1.0, max_bytes=2**70)": "max_bytes must be an integer of at most",
    "aj.AstrocyteMemory(patterns, score=3)": "score must be one of squared, linear, distance, power; got 3",
    "aj.retrieve(patterns, query, t1=1.0)": "memory must be a memory",
    "aj.retrieve(memory, 'query', t1=1.0)": "query must be an array of real numbers; got 'query'",
    "aj.retrieve(memory, query, t1='long')": "t1 must be a positive number; got 'long'",
    "aj.retrieve(memory, query, t1=1.0, ts=['soon'])": "ts must be an array of real numbers",
    "aj.retrieve(memory, query, t1=1.0, max_steps=2.5)": "max_steps must be an integer of at least 1; got 2.5",
    "aj.retrieve(memory, query, t1=1.0, solver=3)": "solver must be one of auto, adams, etd2",
    "aj.retrieve(memory, query, t1=1.0, adjoint='forward')": "adjoint must be a diffrax adjoint; got 'forward'",
    "aj.hamming_error(query, query[1:])": "x must have shape (8,), that of the target; got (7,)",
    "aj.perplexity(patterns)": "log_gains must have shape",
    "aj.nearest_pattern(key, patterns, query[1:])": "query must have shape (8,)",
    "aj.digits(threshold=15.5)": "threshold must lie within [0, 15]; got 15.5",
    "aj.retrieve(memory, query, t1=1.0, ts=[0.5, 0.2])": "ts must increase within",
    "aj.retrieve(memory, query.at[3].set(jnp.nan), t1=1.0)": "query must be finite; entry (3,)",
    **{
        f"{function}t1=1.0, {settings})": words
        for function in ("aj.retrieve(memory, query, ", "aj.RecallTrial(task, aj.HopfieldMemory, ")
        for settings, words in {
            "solver='adams', rtol=0.1": "rtol is for adaptive solvers; got 0.1",
            "solver='etd3', num_steps=30": "num_steps is for the solver adams; got 30",
            "solver='adams', num_steps=0": "num_steps must be an integer of at least 1; got 0",
            "solver='adams', num_steps=30, max_steps=20": "at most 20; got 30",
            "solver='etd3', rtol=0.0": "rtol must be a positive",
        }.items()
    },
    # Memories
    "aj.HopfieldMemory(patterns, tau_x=jnp.ones(3))": "build one memory per value",
    "aj.AstrocyteMemory(patterns, gain_regime='frosen')": "did you mean 'frozen'",
    "aj.HopfieldMemory(query)": "patterns must have shape",
    "aj.HopfieldMemory(patterns.at[2, 1].set(jnp.nan))": "patterns must be finite; entry (2, 1)",
    "aj.HopfieldMemory(patterns, stored=jnp.zeros(3, bool))": "at least one pattern",
    "aj.HopfieldMemory(patterns.astype(jnp.bfloat16))": "patterns must be in single or double precision; got bf",
    "aj.AstrocyteMemory(patterns, initial_gain_logits=jnp.full(3, jnp.nan))": "initial_gain_logits must be",
    "aj.AstrocyteMemory(patterns, initial_gain_logits=jnp.zeros(4))": "one number per pattern",
    # Patterns, corruption and scores
    "aj.random_patterns(key, num_neurons=3, num_patterns=0)": "num_patterns must be an integer of at least 1; got 0",
    "aj.biased_patterns(key, num_neurons=3, num_patterns=2, mean=jnp.asarray(1.5))": "mean must lie within",
    "aj.pooled_patterns(key, pool=patterns, num_patterns=4)": "at most 3, the size of the pool; got 4",
    "aj.flip(key, query, 9)": "num_flips must lie within [0, 8]; got 9",
    "aj.flip(key, query, 1.5)": "num_flips must be an integer",
    "aj.erase(key, query, 1.1)": "fraction must lie within",
    "aj.add_noise(key, query, -0.1)": "scale must lie within",
    **{f"aj.PowerScore({order})": "order" for order in (0, 3, -2, 2.0, True)},
    # Couplings
    **{
        f"aj.AstrocyteMemory(patterns, coupling={wrong})": "coupling must be"
        for wrong in ("'M'", "'k'", 0, -2.0, "jnp.nan", True)
    },
    # Equilibria
    "aj.equilibrium(memory, query)": "state must be of this memory",
    "aj.spectrum(memory, aj.AstrocyteState(query, None))": "state must be of this memory",
    "aj.jacobian(memory, aj.NeuronState(jnp.ones(9)))": "x=(9,)",
    "aj.equilibrium(memory, state, max_steps=0)": "max_steps must be an integer of at least 1",
    "aj.attractors(memory, patterns)": "starts must have shape (num_starts, 8), one per row; got (8, 3)",
    "aj.attractors(memory, jnp.full((1, 8), jnp.nan))": "starts must be finite; entry (0, 0) is nan",
    "aj.attractors(memory, patterns.T, t1=-1.0)": "t1 must be a positive, finite number",
    "aj.basin(memory, key, num_flips=[9], num_queries=1)": "list of integers within [0, 8]; got [9]",
    "aj.basin(memory, key, num_flips=3, num_queries=1)": "num_flips must be a list of integers",
    "aj.basin(memory, key, num_flips=[1], num_queries=0)": "num_queries must be an integer of at least 1",
    "aj.basin(memory, key, pattern=3, num_flips=[1], num_queries=1)": "stored column of the 3; got 3",
    "aj.basin(aj.HopfieldMemory(patterns, stored=jnp.arange(3) != 1), key, pattern=1, num_flips=[1], num_queries=1)": "stored",
    "aj.basin(aj.HopfieldMemory(patterns / 2), key, num_flips=[1], num_queries=1)": "pattern must have entries of ±1",
    **{
        f"aj.{function}('net', state)": "memory must be a memory such as AstrocyteMemory; got str"
        for function in ("equilibrium", "jacobian", "spectrum", "identify", "attractors")
    },
    # Bits in place of signs
    **dict.fromkeys(
        (
            "aj.HopfieldMemory(bits == 1)",
            "aj.NeuronAstrocyteMemory(0 * bits)",
            "aj.AstrocyteMemory(jnp.where(jnp.arange(3) < 2, bits, 0.5), stored=jnp.arange(3) < 2)",
            "aj.compact_patterns(bits.astype('int8'), block=2)",
            "aj.Task(eqx.Partial(aj.pooled_patterns, pool=bits), aj.Flips())",
            "aj.flip(key, bits[:, 0], 2)",
            "aj.erase(key, bits[:, 0], 0.5)",
            "aj.add_noise(key, bits[:, 0] == 1, 0.5)",
            "aj.retrieve(memory, bits[:, 0], t1=1.0)",
            "aj.retrieve_many(memory, jnp.stack([query, bits[:, 1]]), t1=1.0)",
            "aj.attractors(memory, bits.T)",
            "aj.hamming_error(bits[:, 0], query)",
            "aj.soft_hamming_error(bits[:, 0], query)",
            "aj.overlap(bits[:, 0], query)",
            "aj.nearest_pattern(key, bits, query)",
            "aj.bayes_decoder(bits, query, 1.0)",
        ),
        "2 * bits - 1",
    ),
    "as_patterns(bits.T, 'a.npy', scaling='raw')": "threshold of 0.5",
}
"""Calls, and what their errors must say."""

KEY = jax.random.key(0)
PATTERNS = aj.random_patterns(KEY, num_neurons=8, num_patterns=3)
QUERY = PATTERNS[:, 0]
BITS = (PATTERNS + 1) / 2
TASK = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=8), aj.Flips())
NAMES = {"aj": aj, "as_patterns": as_patterns, "eqx": eqx, "jnp": jnp, "key": KEY, "patterns": PATTERNS, "query": QUERY}
NAMES |= {"bits": BITS, "memory": aj.HopfieldMemory(PATTERNS), "state": aj.NeuronState(QUERY), "task": TASK}


@pytest.mark.filterwarnings("ignore:Data type alias")
def test_arguments_of_the_wrong_kind_are_refused_by_name(monkeypatch):
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
    said = {}
    for call in CASES:
        with pytest.raises(Exception) as refused:  # noqa: PT011 (asserted below, for all of them together)
            eval(call, NAMES)
        said[call] = f"{refused.type.__name__}: {refused.value}"
    wrong = {call: text for call, text in said.items() if not text.startswith("InputError") or CASES[call] not in text}
    assert not wrong


def test_real_numbers_padding_and_erased_queries_are_taken():
    signs, pattern, neurons = np.asarray(PATTERNS), np.asarray(QUERY), np.arange(8)
    for patterns in (signs * 0.5, np.abs(signs), np.random.default_rng(0).random((8, 3)), BITS + 1):
        aj.AstrocyteMemory(patterns)
    memory = aj.AstrocyteMemory(np.pad(signs, ((0, 0), (0, 2))), stored=[True] * 3 + [False] * 2)
    by_chance = (pattern == 1) & (neurons != np.argmax(pattern))  # no -1 is left
    for query in (pattern * (neurons > 2), pattern * by_chance, np.zeros(8), np.ones(8)):
        memory.initial_state(jnp.asarray(query))
        aj.nearest_pattern(KEY, PATTERNS, jnp.asarray(query))
        aj.HopfieldMemory(aj.compact_patterns(signs)).initial_state(jnp.asarray(query))
    aj.AstrocyteMemory(signs * 0.5).initial_state(BITS[:, 0])  # of a memory of real numbers
    assert 0 < aj.overlap(0.5 * QUERY, QUERY) < 1


def test_errors_of_traced_targets_that_are_not_signs_are_nan_and_gradients_those_of_the_error():
    x, targets = 0.3 * PATTERNS[:, 1], jnp.stack([QUERY, BITS[:, 0], 0.5 * QUERY])
    for error in (aj.hamming_error, aj.soft_hamming_error, aj.success):
        found = jax.jit(jax.vmap(error, in_axes=(0, None)))(targets, x)
        assert found[0] == error(targets[0], x)
        assert np.isnan(found[1:]).all()
    gradient = jax.jit(jax.grad(aj.soft_hamming_error, argnums=1))(targets[0], x)
    np.testing.assert_array_equal(gradient, jnp.sign(x - targets[0]) / 2)
