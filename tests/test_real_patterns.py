"""Real-valued patterns: ensembles, observables and decoders agree with closed forms and NumPy; runs store what fits them."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

import astrojax as aj
from astrojax.config.validation import parse_config

KEY = jax.random.key(5)


@pytest.mark.parametrize(
    "draw",
    [
        eqx.Partial(aj.gaussian_patterns, num_neurons=40),
        eqx.Partial(aj.spherical_patterns, num_neurons=40),
        eqx.Partial(aj.random_features_patterns, num_neurons=40, num_features=6),
    ],
)
def test_patterns_have_keys_of_their_own(draw):
    few, many = draw(KEY, num_patterns=3), draw(KEY, num_patterns=5)
    np.testing.assert_array_equal(few, many[:, :3])
    with jax.enable_x64(False):
        np.testing.assert_allclose(draw(KEY, num_patterns=3), few, rtol=1e-6)


def test_gaussian_and_spherical_patterns_have_the_statistics_they_promise():
    gaussian = np.asarray(aj.gaussian_patterns(KEY, num_neurons=200, num_patterns=200))
    assert stats.kstest(gaussian.ravel(), "norm").pvalue > 0.01
    spherical = np.asarray(aj.spherical_patterns(KEY, num_neurons=20, num_patterns=400))
    np.testing.assert_allclose(np.sum(spherical**2, axis=0), 20)
    cosines = (spherical.T @ spherical)[np.triu_indices(400, 1)] / 20
    # (1 + cosine)/2 of two uniform directions is beta distributed.
    assert stats.kstest((1 + cosines[::50]) / 2, stats.beta(9.5, 9.5).cdf).pvalue > 0.01


def test_random_features_correlate_by_the_arcsine_law():
    """Given the features, two entries of a pattern agree as 2/π arcsin of the cosine of their features."""
    num_neurons, num_features, num = 60, 5, 300
    squares = []
    for seed in range(6):
        key = jax.random.key(seed)
        patterns = aj.random_features_patterns(key, num_neurons=num_neurons, num_features=num_features, num_patterns=num)
        assert set(np.unique(patterns)) == {-1.0, 1.0}
        overlaps = np.asarray(patterns.T @ patterns)[np.triu_indices(num, 1)] / num_neurons
        squares.append(np.mean(overlaps**2))
    agree = np.arange(num_features + 1)
    probability = stats.binom(num_features, 0.5).pmf(agree)
    expected = probability @ (2 / math.pi * np.arcsin(2 * agree / num_features - 1)) ** 2
    assert np.mean(squares) == pytest.approx(1 / num_neurons + (1 - 1 / num_neurons) * expected, rel=0.05)


def test_masking_hides_the_last_entries():
    pattern = aj.gaussian_patterns(KEY, num_neurons=8, num_patterns=1)[:, 0]
    np.testing.assert_array_equal(aj.mask(pattern, 0.3), [*pattern[:6], 0, 0])
    np.testing.assert_array_equal(aj.Masking()(KEY, pattern, jnp.asarray(1.0)), np.zeros(8))


def test_observables_agree_with_numpy():
    patterns = np.random.default_rng(0).normal(size=(12, 6))
    for number, readout in enumerate(np.random.default_rng(1).normal(size=(20, 12))):
        readout = jnp.asarray(readout + patterns[:, 0] * (number % 3))
        target = jnp.asarray(patterns[:, 0])
        assert float(aj.rmse(target, readout)) == pytest.approx(np.linalg.norm(target - readout) / math.sqrt(12))
        assert float(aj.cosine(target, readout)) == pytest.approx(
            np.corrcoef([[*target, *-target], [*readout, *-readout]])[0, 1]
        )
        distances = np.linalg.norm(patterns - np.asarray(readout)[:, None], axis=0)
        assert float(aj.identified(jnp.asarray(patterns), readout)) == (np.argmin(distances) == 0)
        stored = distances >= distances[0]
        assert float(aj.identified(jnp.asarray(patterns), readout, stored=jnp.asarray(stored))) == 1
        classes = jnp.asarray([1, 0, 1, 0, 1, 0])
        wanted = np.argmin(distances) % 2 == 0
        assert float(aj.identified(jnp.asarray(patterns), readout, classes=classes)) == wanted
    twice = jnp.asarray(patterns[:, [0, 1, 0, 0]])
    assert float(aj.identified(twice, twice[:, 0])) == pytest.approx(1 / 3)
    assert float(aj.identified(jnp.asarray(patterns), -jnp.asarray(patterns[:, 0]))) == 0
    assert float(aj.cosine(twice[:, 0], jnp.zeros(12))) == 0
    assert float(aj.active_gains(jnp.log(jnp.asarray([0.5, 0.5, 0.0])))) == 2


def test_decoders_agree_with_numpy_and_the_gaussian_error():
    rng = np.random.default_rng(2)
    patterns, scale = rng.normal(size=(10, 7)), 0.8
    query = patterns[:, 3] + scale * rng.normal(size=10)
    query[7:] = 0
    squared = np.sum((patterns[:7] - query[:7, None]) ** 2, axis=0)
    weights = special.softmax(-squared / (2 * scale**2))
    found = aj.posterior_decoder(jnp.asarray(patterns), jnp.asarray(query), 1 / scale**2)
    np.testing.assert_allclose(found, patterns @ weights, rtol=1e-9)
    nearest = aj.nearest_pattern(KEY, jnp.asarray(patterns), jnp.asarray(query), euclidean=True)
    np.testing.assert_array_equal(nearest, patterns[:, np.argmin(squared)])

    # Of two patterns at a distance d the wrong one is nearer with the probability Φ(−d/(2s)).
    pair = jnp.asarray(patterns[:, :2])
    task = aj.Task(eqx.Partial(aj.pooled_patterns, pool=pair), aj.GaussianNoise())
    sweep = aj.Sweep(aj.DecoderTrial(task), {"num_patterns": [2], "noise_scale": [2.0], "trial": range(4000)}, 2)
    found = aj.run_sweeps({"decoders": sweep}, KEY)["decoders"].observables
    expected = stats.norm.cdf(-np.linalg.norm(pair[:, 0] - pair[:, 1]) / 4)
    wrong = 1 - np.mean(found["nearest_euclidean identified"])
    assert wrong == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 4000))
    # The posterior mean errs least on average; its expected squared error is an integral over the position between the two.
    assert np.mean(found["posterior_mean"] ** 2) < np.mean(found["nearest_euclidean"] ** 2)
    distance = np.linalg.norm(pair[:, 0] - pair[:, 1])
    along = np.linspace(-12, 12, 20001)
    share = special.expit(-(distance**2 / 2 + 2.0 * distance * along) / 4)
    error = distance**2 / 10 * np.sum(share**2 * stats.norm.pdf(along)) * (along[1] - along[0])
    assert np.mean(found["posterior_mean"] ** 2) == pytest.approx(error, rel=0.1)


def mixed(key, *, num_patterns):
    return jnp.concatenate([aj.random_patterns(key, num_neurons=8, num_patterns=num_patterns)] * 2).at[0].multiply(2)


@pytest.mark.parametrize("ensemble", [eqx.Partial(aj.gaussian_patterns, num_neurons=9), mixed])
def test_what_is_measured_depends_on_the_patterns(ensemble):
    names = [item.__name__ for item in aj.RecallTrial(aj.Task(ensemble, aj.GaussianNoise()), aj.HopfieldMemory).observables]
    assert names == [
        "perplexity",
        "log_target_gain",
        "energy",
        "energy_rate",
        "rmse",
        "cosine",
        "identified",
        "num_active_gains",
    ]
    task = aj.Task(ensemble, aj.Flips())
    with pytest.raises(aj.InputError, match=r"observables: success compare signs, .* such as .*rmse"):
        aj.RecallTrial(task, aj.HopfieldMemory, observables=["rmse", "success"])
    with pytest.raises(aj.InputError, match="decoders: bayes_signed compare signs"):
        aj.DecoderTrial(task, ["bayes_signed"])
    binary = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=9), aj.Flips())
    names = [item.__name__ for item in aj.RecallTrial(binary, aj.HopfieldMemory).observables]
    first = ["hamming_error", "soft_hamming_error", "overlap", "success", "perplexity", "log_target_gain"]
    assert names == [*first, "energy", "energy_rate", "settled"]
    assert len(aj.DecoderTrial(binary).decoders) == 4


def test_a_configuration_that_compares_signs_of_real_numbers_is_refused():
    config = {"axes": {"num_patterns": 3, "num_flips": 1}, "patterns": {"kind": "gaussian"}, "observables": ["hamming_error"]}
    with pytest.raises(aj.InputError, match="observables: hamming_error compare signs"):
        aj.run(parse_config(config | {"models": {"hopfield": {"kind": "hopfield"}}}), "never")
