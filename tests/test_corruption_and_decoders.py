"""Corruption does exactly what it says, and the decoders are the optimal ones."""

import math
from fractions import Fraction

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj

KEYS = jax.random.split(jax.random.key(0), 4000)
PATTERN = aj.random_patterns(jax.random.key(1), num_neurons=20, num_patterns=1)[:, 0]


def test_corruption_flips_or_erases_exactly_as_many_random_entries_and_adds_noise_of_the_given_scale():
    pattern = np.asarray(PATTERN)
    flipped, erased, noisy = (
        np.asarray(jax.vmap(lambda key, one=corrupt: one[0](key, PATTERN, one[1]))(KEYS))
        for corrupt in ((aj.flip, 6), (aj.erase, 0.25), (aj.add_noise, 0.7))
    )
    assert np.all((flipped != pattern).sum(1) == 6)
    np.testing.assert_allclose((flipped != pattern).mean(0), 0.3, atol=5 * np.sqrt(0.21 / 4000))
    assert np.all((erased == 0).sum(1) == 5)
    assert np.all((erased == pattern) | (erased == 0))
    assert (noisy - pattern).std() == pytest.approx(0.7, rel=0.02)
    assert abs((noisy - pattern).mean()) < 0.02


def test_the_nearest_pattern_is_that_of_a_brute_force_search():
    rng = np.random.default_rng(2)
    patterns, query = rng.choice([-1.0, 1.0], (15, 8)), rng.normal(size=15)
    overlaps = patterns.T @ query
    signed = aj.nearest_pattern(KEYS[0], jnp.asarray(patterns), jnp.asarray(query))
    np.testing.assert_array_equal(signed, patterns[:, overlaps.argmax()])
    unsigned = aj.nearest_pattern(KEYS[0], jnp.asarray(patterns), -3 * jnp.asarray(query), signed=False)
    best = np.abs(overlaps).argmax()
    np.testing.assert_array_equal(unsigned, -np.sign(overlaps[best]) * patterns[:, best])


def test_ties_are_broken_uniformly_and_padding_changes_no_choice():
    patterns = jnp.array([[1.0, 1.0, 1.0, -1.0], [1.0, -1.0, 1.0, -1.0], [-1.0, 1.0, 1.0, 1.0]])
    query = jnp.array([1.0, 0.0, 0.0])  # the first three are equally near
    padded, stored = jnp.pad(patterns, ((0, 0), (0, 3))), jnp.arange(7) < 4
    chosen = jax.vmap(lambda key: aj.nearest_pattern(key, patterns, query))(KEYS)
    again = jax.vmap(lambda key: aj.nearest_pattern(key, padded, query, stored=stored))(KEYS)
    np.testing.assert_array_equal(chosen, again)
    counts = [np.mean(np.all(np.asarray(chosen) == np.asarray(patterns[:, index]), axis=1)) for index in range(4)]
    np.testing.assert_allclose(counts, [1 / 3, 1 / 3, 1 / 3, 0], atol=5 * np.sqrt(2 / 9 / 4000))


@pytest.mark.parametrize("signed", [True, False])
def test_ties_do_not_depend_on_the_size_of_the_query(signed):
    """Products with a third of a sign are not exact, those with a sign are."""
    rng = np.random.default_rng(3)
    patterns, queries = (jnp.asarray(rng.choice([-1.0, 1.0], size), jnp.float32) for size in ((14, 40), (200, 14)))
    decode = jax.vmap(lambda key, query: aj.nearest_pattern(key, patterns, query, signed=signed))
    for size in (1 / 3, 0.7):
        np.testing.assert_array_equal(decode(KEYS[:200], size * queries), decode(KEYS[:200], queries))


@pytest.mark.parametrize("signed", [True, False])
def test_columns_that_are_not_stored_say_nothing_to_the_bayes_decoder(signed):
    rng = np.random.default_rng(5)
    patterns, query = jnp.asarray(rng.choice([-1.0, 1.0], (200, 4))), jnp.asarray(rng.choice([-1.0, 1.0], 200))
    padded, stored = jnp.concatenate([patterns, query[:, None]], axis=1), jnp.arange(5) < 4
    answer = aj.bayes_decoder(padded, query, 2.0, signed=signed, stored=stored)
    np.testing.assert_array_equal(answer, aj.bayes_decoder(patterns, query, 2.0, signed=signed))
    assert np.all(np.asarray(answer) != 0)


REFERENCE = {
    # K, n: unsigned nearest, unsigned Bayes, signed nearest, signed Bayes; 3,000 draws each
    (50, 3): (0.37, 0.34, 0.18, 0.19),
    (100, 3): (0.63, 0.62, 0.32, 0.33),
    (200, 3): (1.24, 1.21, 0.64, 0.65),
    (50, 5): (4.97, 4.61, 3.23, 3.27),
    (100, 5): (6.33, 5.18, 5.06, 4.65),
    (200, 5): (6.66, 5.17, 6.24, 5.15),
}


def test_the_decoders_meet_the_reference_figures():
    trial = aj.DecoderTrial(aj.Task(eqx.Partial(aj.random_patterns, num_neurons=20), aj.Flips()))
    axes = {"num_patterns": [50, 100, 200], "num_flips": [3, 5], "trial": range(3000)}
    errors = aj.run_sweeps({"decoders": aj.Sweep(trial, axes)}, jax.random.key(0))["decoders"].observables
    names = ("nearest_unsigned", "bayes_unsigned", "nearest_signed", "bayes_signed")
    for (load, flips), expected in REFERENCE.items():
        for name, figure in zip(names, expected, strict=True):
            sample = errors[name][[50, 100, 200].index(load), [3, 5].index(flips)]
            allowed = 4 * np.sqrt(2) * sample.std() / np.sqrt(3000) + 0.005
            assert abs(sample.mean() - figure) < allowed, (load, flips, name, sample.mean(), figure)


def test_numbers_of_erased_entries_are_rounded_half_up_from_the_decimal_and_the_nearest_in_large_patterns():
    """Against exact decimals: 0.35 of 10 entries is 3.5, so 4, although no float is exactly 0.35."""
    erased = jax.jit(aj.erase)
    for num_neurons in (5, 10, 100):
        pattern = jnp.ones(num_neurons)
        for hundredths in range(0, 101, 3 if num_neurons == 10 else 5):
            expected = math.floor(Fraction(hundredths, 100) * num_neurons + Fraction(1, 2))
            for dtype in (jnp.float32, jnp.float64):
                query = erased(KEYS[0], pattern, jnp.asarray(hundredths / 100, dtype))
                assert int(jnp.sum(query == 0)) == expected, (num_neurons, hundredths)
    for number, product in ((100_000, 50_000.48), (1_000_000, 100_000.3)):
        pattern = jnp.where(jnp.arange(number) == 0, -1.0, 1.0)
        assert int(jnp.sum(aj.erase(KEYS[0], pattern, product / number) == 0)) == round(product)


def test_an_overlap_of_zero_leaves_the_sign_of_the_nearest_pattern_to_chance():
    patterns, query = jnp.ones((4, 1)), jnp.array([1.0, 1.0, -1.0, -1.0])
    found = jax.vmap(lambda key: aj.nearest_pattern(key, patterns, query, signed=False))(KEYS)
    assert 0.4 < float(jnp.mean(found[:, 0] == 1)) < 0.6
    np.testing.assert_array_equal(jnp.abs(found.sum(axis=1)), 4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("num_flips", [1, 2, 3])
def test_bayes_is_the_sign_of_the_exact_marginal_of_the_posterior_also_in_ties(num_flips, dtype):
    """exp(βm) is r^(m/2) with r = (N − n)/n, a rational number: at n = N/4 three patterns balance one that is nearer."""
    rng, num_neurons, ties = np.random.default_rng(num_flips), 8, 0
    decoders = {s: jax.jit(lambda p, q, b, s=s: aj.bayes_decoder(p, q, b, signed=s)) for s in (True, False)}
    evidence = jnp.asarray(aj.Flips().evidence(jnp.asarray(num_flips, dtype), num_neurons), dtype)
    ratio = Fraction(num_neurons - num_flips, num_flips)
    assert float(evidence) == pytest.approx(0.5 * math.log(ratio), rel=1e-6)
    for _ in range(60):
        patterns, query = rng.choice([-1, 1], (num_neurons, 8)), rng.choice([-1, 1], num_neurons)
        agreeing = [int(m + num_neurons) // 2 for m in query @ patterns]
        for signed, decoder in decoders.items():
            weights = [ratio**a - (0 if signed else ratio ** (num_neurons - a)) for a in agreeing]
            sums = [sum(int(e) * w for e, w in zip(row, weights, strict=True)) for row in patterns]
            expected = [(s > 0) - (s < 0) for s in sums]
            ties += expected.count(0)
            np.testing.assert_array_equal(decoder(patterns.astype(dtype), query.astype(dtype), evidence), expected)
    assert ties > 10
