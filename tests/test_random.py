"""A seed or a key means the same problems, whatever JAX's settings of random numbers are."""

import zlib
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj
from astrojax._internal import random as _random
from astrojax._internal.random import folded, random_order, random_words, seed_key
from astrojax.config.load import parse_config
from astrojax.problems.patterns import pooled_columns
from astrojax.runs.build import build


class Own(eqx.Module):
    """A sample of the user's own, which draws with JAX's functions."""

    def draw(self, root_key, coordinates, capacity):
        return jax.random.normal(jax.random.fold_in(root_key, coordinates["trial"]), (4,), jnp.float32)

    def solve(self, problem, coordinates):
        return {"sum": problem.sum()}


def drawn() -> dict[str, Any]:
    """Whatever the package draws, alone, compiled, batched, in a plan and in the threads of a sweep."""
    key = seed_key(3)
    many = jax.jit(lambda key: aj.biased_patterns(key, num_neurons=40, num_patterns=5, mean=0.2))(key)
    keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(jnp.arange(3))
    config = {
        "patterns": {"kind": "random", "num_neurons": 10},
        "models": {"h": {"kind": "hopfield"}},
        "axes": {"num_patterns": [9], "num_flips": [2]},
        "seed": 5,
    }
    part, _ = build(parse_config(config)).parts
    at = {"num_patterns": jnp.int32(9), "num_flips": jnp.int32(2), "trial": jnp.int32(0)}
    own = {"own": aj.Sweep(Own(), {"num_patterns": [1], "trial": range(9)})}
    return {
        "random": aj.random_patterns(key, num_neurons=40, num_patterns=5),
        "biased": many,
        "hierarchical": aj.hierarchical_patterns(key, num_neurons=40, num_patterns=5, num_prototypes=2, overlap=0.3),
        "pooled": aj.pooled_patterns(key, pool=many, num_patterns=3),
        "flip": aj.flip(key, many[:, 0], 7),
        "erase": jax.vmap(lambda key: aj.erase(key, many[:, 0], 0.3))(keys),
        "noise": aj.add_noise(key, many[:, 0], 0.5),
        "tie": aj.nearest_pattern(key, many, jnp.zeros(40)),
        "planned": jax.jit(lambda key: part.sweep.sample.draw(key, at, 16).query)(part.root_key),
        "own": aj.run_sweeps(own, part.root_key)["own"].observables["sum"],
    }


def test_random_numbers_do_not_depend_on_jax_s_settings():
    expected, others = drawn(), {"jax_threefry_partitionable": False, "jax_default_prng_impl": "rbg"}
    usual = {name: getattr(jax.config, name) for name in others}
    try:
        for name, value in others.items():
            jax.config.update(name, value)
        found = drawn()
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values, name)
            assert np.std(values) > 0
    finally:
        for name, value in usual.items():
            jax.config.update(name, value)


def test_the_key_of_a_seed_is_that_of_jax_s_default_generator():
    assert (jax.random.key_data(seed_key(7)) == jax.random.key_data(jax.random.key(7))).all()


def test_keys_of_other_generators_are_refused_with_the_remedy():
    key = jax.random.key(0, impl="rbg")
    sample = aj.DecoderTrial(aj.Task(eqx.Partial(aj.random_patterns, num_neurons=9), aj.Flips()))
    axes = {"num_patterns": [3], "num_flips": [1], "trial": range(3)}
    words = r"generator threefry2x32.*jax.random.key\(seed, impl='threefry2x32'\); got one of rbg"
    for draw in (
        lambda: aj.random_patterns(key, num_neurons=9, num_patterns=2),
        lambda: jax.jit(lambda k: aj.random_patterns(k, num_neurons=9, num_patterns=2))(key),
        lambda: aj.run_sweeps({"d": aj.Sweep(sample, axes)}, key),
    ):
        with pytest.raises(aj.InputError, match=words):
            draw()


PINNED = {
    "random": (2182377666, 3018590355),
    "biased": (3214838622, 3142597359),
    "hierarchical": (841585395, 3452867012),
    "pooled": (550945240, 4187562693),
}
"""CRC-32 of the bytes of patterns and of the query, as they have always been drawn."""


def pinned_problem(ensemble, corruption, level):
    task = aj.Task(ensemble, corruption)
    at = {"num_patterns": jnp.int32(5), corruption.level_name: jnp.asarray(level), "trial": jnp.int32(7)}
    problem = jax.jit(lambda key: task.draw(key, at, 9))(seed_key(2))
    return tuple(zlib.crc32(np.asarray(drawn).astype(np.int8).tobytes()) for drawn in (problem.patterns, problem.query))


def test_the_problems_of_a_seed_never_change():
    """Stored results name their seed, and what is computed for it later must be paired with them."""
    pool = jnp.asarray(np.where(np.outer(np.arange(33), np.arange(1, 21) ** 2) % 7 < 3, 1.0, -1.0))
    found = {
        "random": pinned_problem(eqx.Partial(aj.random_patterns, num_neurons=40), aj.Flips(), 3),
        "biased": pinned_problem(eqx.Partial(aj.biased_patterns, num_neurons=20, mean=0.2), aj.Erasures(), 0.35),
        "hierarchical": pinned_problem(
            eqx.Partial(aj.hierarchical_patterns, num_neurons=20, num_prototypes=2, overlap=0.3), aj.Flips(), 5
        ),
        "pooled": pinned_problem(eqx.Partial(aj.pooled_patterns, pool=pool), aj.GaussianNoise(), 4.0),
    }
    assert found == PINNED


def test_keys_words_and_orders_are_those_of_jax(monkeypatch):
    key = seed_key(4)
    with jax.threefry_partitionable(True):
        expected = jax.random.split(jax.random.fold_in(jax.random.fold_in(key, 2**32 - 1), 6), 3)
        bits = jax.vmap(lambda k: jax.random.bits(k, (5,), jnp.uint32), out_axes=1)(expected)
    keys = folded(key, jnp.uint32(2**32 - 1), jnp.int32(6), jnp.arange(3))
    assert (jax.random.key_data(keys) == jax.random.key_data(expected)).all()
    words = random_words(key, jnp.uint32(2**32 - 1), jnp.int32(6), jnp.arange(3), jnp.arange(5)[:, None])
    np.testing.assert_array_equal(words, bits)
    for size in (1, 1625, 1626):
        with jax.threefry_partitionable(True):
            np.testing.assert_array_equal(pooled_columns(key, size=size, num_patterns=size), jax.random.permutation(key, size))
    few = random_words(key, jnp.arange(50)) % 4 << 30  # most are equal
    monkeypatch.setattr(_random, "random_words", lambda *_: few)
    np.testing.assert_array_equal(random_order(key, 50), jnp.argsort(few))
