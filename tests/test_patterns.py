"""Ensembles have the statistics they promise, and a seed or a key means the same problems whatever JAX's settings are.

Files that cannot be used are refused saying where.
"""

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
from astrojax.problems.patterns import pooled_columns
from astrojax.runs.build import build

from .run_folders import CONFIG


class Own(eqx.Module):
    """A sample of the user's own, which draws with JAX's functions."""

    def draw(self, root_key, coordinates, capacity):
        return jax.random.normal(jax.random.fold_in(root_key, coordinates["trial"]), (4,), jnp.float32)

    def solve(self, problem, coordinates):
        return {"sum": problem.sum()}


def drawn() -> dict[str, Any]:
    """Whatever the package draws, alone, compiled, batched, in a plan and in the threads of a sweep."""
    key = seed_key(3)
    part, _ = build(CONFIG).parts
    at = {"num_patterns": jnp.int32(9), "num_flips": jnp.int32(2), "trial": jnp.int32(0)}
    own = {"own": aj.Sweep(Own(), {"num_patterns": [1], "trial": range(9)})}

    @jax.jit
    def compiled(key, root_key):
        many = aj.biased_patterns(key, num_neurons=40, num_patterns=5, mean=0.2)
        keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(jnp.arange(3))
        return {
            "biased": many,
            "hierarchical": aj.hierarchical_patterns(key, num_neurons=40, num_patterns=5, num_prototypes=2, overlap=0.3),
            "pooled": aj.pooled_patterns(key, pool=many, num_patterns=3),
            "flip": aj.flip(key, many[:, 0], 7),
            "erase": jax.vmap(lambda key: aj.erase(key, many[:, 0], 0.3))(keys),
            "noise": aj.add_noise(key, many[:, 0], 0.5),
            "tie": aj.nearest_pattern(key, many, jnp.zeros(40)),
            "planned": part.sweep.sample.draw(root_key, at, 16).query,
        }

    return compiled(key, part.root_key) | {
        "random": aj.random_patterns(key, num_neurons=40, num_patterns=5),
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


POOL = jnp.asarray(np.where(np.outer(np.arange(33), np.arange(1, 21) ** 2) % 7 < 3, 1.0, -1.0))
HIERARCHICAL = {"num_neurons": 20, "num_prototypes": 2, "overlap": 0.3}
PINNED = [
    (aj.random_patterns, {"num_neurons": 40}, aj.Flips(), 3, (2182377666, 3018590355)),
    (aj.biased_patterns, {"num_neurons": 20, "mean": 0.2}, aj.Erasures(), 0.35, (3214838622, 3142597359)),
    (aj.hierarchical_patterns, HIERARCHICAL, aj.Flips(), 5, (841585395, 3452867012)),
    (aj.pooled_patterns, {"pool": POOL}, aj.GaussianNoise(), 4.0, (550945240, 4187562693)),
]
"""Ensembles, corruptions, and the CRC-32 of the bytes of patterns and of the query, as they have always been drawn."""


@pytest.mark.parametrize(("ensemble", "given", "corruption", "level", "expected"), PINNED)
def test_the_problems_of_a_seed_never_change(ensemble, given, corruption, level, expected):
    """Stored results name their seed, and what is computed for it later must be paired with them."""
    task = aj.Task(eqx.Partial(ensemble, **given), corruption)
    at = {"num_patterns": jnp.int32(5), corruption.level_name: jnp.asarray(level), "trial": jnp.int32(7)}
    problem = jax.jit(lambda key: task.draw(key, at, 9))(seed_key(2))
    drawn = [np.asarray(values).astype(np.int8) for values in (problem.patterns, problem.query)]
    assert tuple(zlib.crc32(values.tobytes()) for values in drawn) == expected


KEY = jax.random.key(0)


def overlaps(patterns):
    return np.asarray(patterns.T @ patterns) / patterns.shape[0]


def test_random_patterns_are_unbiased_and_uncorrelated():
    patterns = aj.random_patterns(KEY, num_neurons=500, num_patterns=200)
    assert set(np.unique(patterns)) == {-1.0, 1.0}
    assert abs(patterns.mean()) < 4 / np.sqrt(100_000)
    off = overlaps(patterns)[np.triu_indices(200, 1)]
    assert off.std() == pytest.approx(1 / np.sqrt(500), rel=0.05)
    assert abs(off.mean()) < 1e-3


def test_biased_patterns_have_the_given_mean():
    patterns = aj.biased_patterns(KEY, num_neurons=500, num_patterns=200, mean=0.4)
    assert patterns.mean() == pytest.approx(0.4, abs=4 * np.sqrt(1 - 0.16) / np.sqrt(100_000))
    assert overlaps(patterns)[np.triu_indices(200, 1)].mean() == pytest.approx(0.16, abs=0.01)


def test_copies_of_one_prototype_overlap_as_asked_and_others_do_not():
    patterns = aj.hierarchical_patterns(KEY, num_neurons=4000, num_patterns=30, num_prototypes=3, overlap=0.5)
    group = np.arange(30) % 3
    matrix, same = overlaps(patterns), group[:, None] == group
    np.fill_diagonal(same, False)
    assert matrix[same].mean() == pytest.approx(0.5, abs=0.02)
    assert abs(matrix[group[:, None] != group].mean()) < 0.03


@pytest.mark.parametrize(
    "draw",
    [
        lambda k: aj.random_patterns(KEY, num_neurons=9, num_patterns=k),
        lambda k: aj.biased_patterns(KEY, num_neurons=9, num_patterns=k, mean=0.2),
        lambda k: aj.hierarchical_patterns(KEY, num_neurons=9, num_patterns=k, num_prototypes=2, overlap=0.3),
        lambda k: aj.pooled_patterns(KEY, pool=aj.digits(), num_patterns=k),
    ],
)
def test_fewer_patterns_are_the_first_of_more_in_every_precision(draw):
    few, many = draw(4), draw(11)
    np.testing.assert_array_equal(few, many[:, :4])
    with jax.enable_x64(False):
        np.testing.assert_array_equal(draw(11), many)


def test_digits_are_those_of_the_specification_and_a_pool_of_them_gives_each_once():
    digits = aj.digits()
    assert digits.shape == (64, 1750)
    assert np.abs(overlaps(digits))[np.triu_indices(1750, 1)].mean() == pytest.approx(0.47, abs=0.005)
    drawn = aj.pooled_patterns(KEY, pool=digits, num_patterns=1750)
    assert np.unique(digits, axis=1).shape == np.unique(drawn, axis=1).shape == (64, 1750)


@pytest.fixture
def saved(tmp_path):
    """A function that saves an array and gives the path."""

    def save(array):
        np.save(tmp_path / "a.npy", array)
        return tmp_path / "a.npy"

    return save


def test_rows_become_columns_pictures_are_flattened_booleans_are_signs_and_a_threshold_makes_gray_levels_binary(saved):
    rows = np.array([[1, -1, 1], [-1, -1, 1]])
    np.testing.assert_array_equal(aj.load_patterns(saved(rows)), rows.T)
    np.testing.assert_array_equal(aj.load_patterns(saved([[0.0, 9.0], [12.0, 3.0]]), threshold=7), [[-1, 1], [1, -1]])
    pictures = np.arange(24).reshape(2, 3, 4) % 5 > 2
    for options in ({}, {"threshold": 0.5}):
        found = aj.load_patterns(saved(pictures), **options)
        np.testing.assert_array_equal(found, np.where(pictures.reshape(2, 12).T, 1, -1))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[1.0, 1.0], [1.0, np.nan]]), "row 2, column 2"),
        (np.array([[2, 1], [1, 1]]), r"must be -1 or \+1: 1 entries are not, the first at row 1, column 1 is 2"),
        (np.array([[1, -1], [1, 1], [1, -1]]), r"at most 0 may \(max_duplicates\); the first is row 3, the same as row 1"),
        (np.ones(3), "one pattern per row"),
        (np.ones((2, 2, 2, 2)), "one pattern per row"),
        (np.ones((2, 2), complex), "real numbers"),
        (np.array([["a", "b"]]), "real numbers"),
        (np.array([{"a": 1}], object), "cannot be read"),  # a pickle
    ],
)
def test_arrays_that_are_no_patterns_are_refused_saying_where(array, words, saved):
    with pytest.raises(aj.InputError, match=words):
        aj.load_patterns(saved(array))


@pytest.mark.parametrize("suffix", ["npy", "npz", "csv"])
def test_the_proposed_line_transposes_patterns(suffix, tmp_path):
    signs = np.asarray(aj.random_patterns(KEY, num_neurons=40, num_patterns=4))
    path, array = tmp_path / f"wrong.{suffix}", "a" if suffix == "npz" else None
    match suffix:
        case "npy":
            np.save(path, signs)
        case "npz":
            np.savez(path, a=signs, b=signs)
        case "csv":
            np.savetxt(path, signs, delimiter=";", header="a;b;c;d", comments="")
    with pytest.raises(aj.InputError, match=r"if its columns are the patterns: np\.save") as refused:
        aj.load_patterns(path, array=array)
    exec(str(refused.value).partition("patterns: ")[2], {"np": np, "aj": aj})
    np.testing.assert_array_equal(aj.load_patterns(tmp_path / "wrong.npy"), signs)


def test_no_transposing_is_proposed_where_it_would_not_help(saved):
    with pytest.raises(aj.InputError, match=r"max_duplicates\); the first is row 2, the same as row 1$"):
        aj.load_patterns(saved(np.ones((3, 3))))
    np.testing.assert_array_equal(aj.load_patterns(saved(np.ones((3, 3))), max_duplicates=2), np.ones((3, 3)))


@pytest.mark.parametrize("how", [{"threshold": float("nan")}, {"max_duplicates": -1}])
def test_options_out_of_range_are_refused(how, saved):
    with pytest.raises(aj.InputError, match=next(iter(how))):
        aj.load_patterns(saved([[1, -1]]), **how)


def test_keys_words_and_orders_are_those_of_jax(monkeypatch):
    key = seed_key(4)
    assert (jax.random.key_data(key) == jax.random.key_data(jax.random.key(4))).all()
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
