"""Large memories: bytes in place of floats, many queries to one memory, patterns spread over devices."""

import functools
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj

MEMORIES = {
    "astrocyte": lambda patterns: aj.AstrocyteMemory(patterns, temperature=0.1),
    "Hopfield": lambda patterns: aj.HopfieldMemory(patterns, zero_diagonal=True),
    "dense": lambda patterns: aj.DenseMemory(patterns, order=4),
    "modern": lambda patterns: aj.ModernHopfieldMemory(patterns, temperature=1.0),
}


def signs(num_neurons, num_patterns):
    return np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (num_neurons, num_patterns))


@pytest.mark.parametrize("block", [1, 16, 50, 1024])
def test_products_of_compact_patterns_are_those_of_numpy(block):
    patterns = signs(12, 50)
    compact = aj.compact_patterns(patterns, block=block)
    assert (compact.shape, compact.blocks.dtype) == ((12, 50), np.int8)
    weights, rates = np.random.default_rng(1).normal(size=50), np.random.default_rng(2).normal(size=12)
    np.testing.assert_allclose(compact @ jnp.asarray(weights), patterns @ weights, rtol=1e-12)
    np.testing.assert_allclose(jnp.asarray(rates) @ compact, rates @ patterns, rtol=1e-12)
    np.testing.assert_allclose(compact.squared_sums(), np.full(12, 50.0))


@pytest.mark.parametrize("name", MEMORIES)
def test_a_memory_of_compact_patterns_has_the_vector_field_of_the_array(name):
    patterns = signs(12, 50)
    by_array, compact = MEMORIES[name](jnp.asarray(patterns, float)), MEMORIES[name](aj.compact_patterns(patterns, block=16))
    query = jnp.asarray(np.random.default_rng(3).normal(size=12))
    fields = [memory.vector_field(memory.initial_state(query)) for memory in (by_array, compact)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10), *fields)
    assert compact.is_valid()


def test_many_queries_are_recalled_as_one_by_one_however_many_fit_at_a_time():
    patterns = signs(12, 50)
    memory = aj.AstrocyteMemory(aj.compact_patterns(patterns, block=16))
    queries = patterns[:, :4].T.astype(float)
    queries[:, :2] *= -1
    whole = aj.retrieve_many(memory, queries, t1=10.0)
    array = aj.AstrocyteMemory(jnp.asarray(patterns, float))
    for solver in ("adams", "etd3"):
        found = aj.retrieve_many(memory, queries, t1=10.0, solver=solver)
        alone = [aj.retrieve(array, query, t1=10.0, solver=solver) for query in queries]
        np.testing.assert_allclose(found.x, [recall.x for recall in alone], rtol=1e-6)
        np.testing.assert_array_equal(found.stats["num_accepted_steps"], [r.stats["num_accepted_steps"] for r in alone])
    assert whole.x.shape == (4, 12)
    assert set(whole.status) == {aj.Status.OK}
    in_parts = aj.retrieve_many(memory, queries, t1=10.0, max_bytes=24_000)
    np.testing.assert_allclose(in_parts.x, whole.x, rtol=1e-9)
    with pytest.raises(aj.OutOfMemoryError, match=r"a single query takes .* max_bytes allows 1,000"):
        aj.retrieve_many(memory, queries, t1=10.0, max_bytes=1000)


def test_bad_input_of_large_memories_is_refused():
    good = aj.AstrocyteMemory(aj.compact_patterns(signs(4, 3)))
    recalled = functools.partial(aj.retrieve_many, t1=1.0)
    several = jax.vmap(aj.HopfieldMemory)(np.ones((4, 4, 3)))
    refused = [
        (lambda: aj.compact_patterns(np.array([[1, 0.5]])), r"entry \(0, 1\) is 0.5"),
        (lambda: aj.compact_patterns(np.ones(3)), r"shape \(num_neurons, num_patterns\)"),
        (lambda: aj.compact_patterns(signs(4, 3), devices=jax.devices() * 2), "devices must be"),
        (lambda: jax.jit(aj.compact_patterns)(np.ones((2, 4))), "cannot be called inside"),
        (lambda: aj.AstrocyteMemory(good.patterns, stored=np.ones(3, bool)), "stored must be omitted"),
        (lambda: aj.NeuronAstrocyteMemory(good.patterns), "patterns must be an array for a neuron-astrocyte memory"),
        (lambda: recalled(good, np.ones((2, 5))), r"queries must have shape \(num_queries, 4\)"),
        (lambda: recalled(good, np.ones((2, 4)), solver="kvaerno3"), "implicit"),
        (lambda: recalled(several, np.ones((2, 4))), r"memory must be a single one .* shape \(4, 4, 3\)"),
    ]
    for make, words in refused:
        with pytest.raises(aj.InputError, match=words):
            make()


ON_TWO_DEVICES = """
import jax, numpy as np, astrojax as aj
patterns = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (12, 50))
queries = patterns[:, :3].T.astype(np.float32)
queries[:, :2] *= -1
memory = aj.AstrocyteMemory(aj.compact_patterns(patterns, devices=jax.devices(), block=8))
assert len(memory.patterns.blocks.sharding.device_set) == 2
spread = aj.retrieve_many(memory, queries, t1=10.0)
# Each device has half of the 4,800,000 bytes that the patterns take.
many = np.resize(patterns, (120, 40_000))
large = aj.HopfieldMemory(aj.compact_patterns(many, devices=jax.devices()))
assert set(aj.retrieve_many(large, many[:, :3].T.astype(np.float32), t1=1.0, max_bytes=4_700_000).status) == {aj.Status.OK}
alone = aj.retrieve_many(aj.AstrocyteMemory(aj.compact_patterns(patterns)), queries, t1=10.0)
np.testing.assert_allclose(spread.x, alone.x, rtol=1e-4)
assert set(spread.status) == {aj.Status.OK}
"""


@pytest.mark.slow
def test_patterns_spread_over_two_devices_recall_as_on_one():
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", ON_TWO_DEVICES], check=True, env=environment, timeout=300)
