"""Arguments of the wrong kind are refused by name, as a user meets it: without the tests' run-time types."""

import json
import subprocess
import sys

CASES = {
    "aj.random_patterns(0, num_neurons=3, num_patterns=2)": "key must be a single key made by jax.random.key; got 0",
    "aj.random_patterns(jax.random.split(key), num_neurons=3, num_patterns=2)": "key must be a single key",
    "aj.random_patterns(key, num_neurons=3.5, num_patterns=2)": "num_neurons must be an integer of at least 1; got 3.5",
    "aj.random_patterns(key, num_neurons=True, num_patterns=2)": "num_neurons must be an integer",
    "aj.pooled_patterns(key, pool=patterns[0], num_patterns=1)": "pool must have shape",
    "aj.flip(key, patterns, 2)": "pattern must have shape (num_neurons,); got (8, 3)",
    "aj.flip(key, ['a', 'b'], 1)": "pattern must be an array of real numbers",
    "aj.flip(key, patterns[:, 0], 'two')": "num_flips must be an array of real numbers; got 'two'",
    "aj.flip(key, patterns[:, 0], patterns)": "num_flips must be a single number; got an array of shape (8, 3)",
    "aj.HopfieldMemory([['a', 'b']])": "patterns must be an array of real numbers",
    "aj.HopfieldMemory(patterns, stored=[1, 1, 0])": "stored must be an array of booleans",
    "aj.HopfieldMemory(patterns, slope='steep')": "slope must be a positive number; got 'steep'",
    "aj.HopfieldMemory(patterns, slope=None)": "slope must be a positive number; got None",
    "aj.HopfieldMemory(patterns, zero_diagonal='yes')": "zero_diagonal must be True or False; got 'yes'",
    "aj.DenseMemory(patterns, order=2.5)": "order must be an integer of at least 2; got 2.5",
    "aj.DenseMemory(patterns, order=2**70)": "order must be an integer of at most 10000; got",
    "aj.PowerScore(2**70)": "order of a power score must be an integer of at most 10000; got",
    "aj.retrieve(memory, query, t1=1.0, max_steps=2**70)": "max_steps must be an integer of at most",
    "aj.retrieve_many(memory, query[None], t1=1.0, max_bytes=2**70)": "max_bytes must be an integer of at most",
    "aj.random_patterns(key, num_neurons=2**70, num_patterns=2)": "num_neurons must be an integer of at most",
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
    "aj.soft_hamming_error(query, query[1:])": "readout must have shape (8,)",
    "aj.overlap(query, query[1:])": "readout must have shape (8,)",
    "aj.perplexity(patterns)": "log_gains must have shape",
    "aj.nearest_pattern(key, patterns, query[1:])": "query must have shape (8,)",
    "aj.bayes_decoder(patterns, query[1:], 1.0)": "query must have shape (8,)",
    "aj.digits(threshold=15.5)": "threshold must lie within [0, 15]; got 15.5",
}
"""Calls, and what their errors must say."""

PROGRAM = """
import json, sys
import jax, jax.numpy as jnp, astrojax as aj
key = jax.random.key(0)
patterns = aj.random_patterns(key, num_neurons=8, num_patterns=3)
query, memory = patterns[:, 0], aj.HopfieldMemory(patterns)
said = {}
for call in json.load(sys.stdin):
    try:
        eval(call)
        said[call] = "accepted"
    except Exception as error:
        said[call] = f"{type(error).__name__}: {error}"
print(json.dumps(said))
"""


def test_arguments_of_the_wrong_kind_are_refused_by_name():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=json.dumps(list(CASES)), capture_output=True, text=True, check=True
    )
    said = json.loads(done.stdout)
    wrong = {
        call: said[call] for call, words in CASES.items() if not said[call].startswith("InputError") or words not in said[call]
    }
    assert not wrong
