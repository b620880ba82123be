"""Arguments of the wrong kind are refused by name, as a user meets it: without the tests' run-time types."""

import jax
import jax.numpy as jnp
import pytest

import astrojax as aj

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
    "aj.AstrocyteMemory(patterns, score=3)": "score must be one of squared, linear, power; got 3",
    "aj.retrieve(patterns, query, t1=1.0)": "memory must be a memory",
    "aj.retrieve(memory, patterns, t1=1.0)": "query must have shape (8,), one entry per neuron; got (8, 3)",
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
    "aj.equilibrium(memory, query)": "state must be one of this memory",
    "aj.spectrum(memory, aj.AstrocyteState(query, None))": "state must be one of this memory",
    "aj.jacobian(memory, aj.NeuronState(jnp.ones(9)))": "x=(9,)",
    "aj.equilibrium(memory, state, max_steps=0)": "max_steps must be an integer of at least 1",
    "aj.attractors(memory, patterns)": "starts must have shape (num_starts, 8), one state per row; got (8, 3)",
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
}
"""Calls, and what their errors must say."""

KEY = jax.random.key(0)
PATTERNS = aj.random_patterns(KEY, num_neurons=8, num_patterns=3)
QUERY = PATTERNS[:, 0]
NAMES = {
    "aj": aj,
    "jax": jax,
    "jnp": jnp,
    "key": KEY,
    "patterns": PATTERNS,
    "query": QUERY,
    "memory": aj.HopfieldMemory(PATTERNS),
    "state": aj.NeuronState(QUERY),
}


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
