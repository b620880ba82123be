"""Intervals and p values are those of SciPy, of exact enumeration, and have the coverage and the level they claim."""

import itertools

import numpy as np
import pytest
from scipy import stats

from astrojax.report.statistics import bootstrap_interval, discoveries, paired_p_values, quantiles, wilson_interval


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilsons_interval_is_that_of_scipy(level):
    number = 12
    low, high = wilson_interval(np.arange(number + 1), number, level)
    exact = [stats.binomtest(k, number).proportion_ci(level, method="wilson") for k in range(number + 1)]
    np.testing.assert_allclose(low, [interval.low for interval in exact], atol=1e-12)
    np.testing.assert_allclose(high, [interval.high for interval in exact], atol=1e-12)


def test_without_trials_a_probability_may_be_anything():
    low, high = wilson_interval([0, 3], [0, 4])
    assert (low[0], high[0]) == (0, 1)
    assert 0 < low[1] < 0.75 < high[1] < 1


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_bootstrap_intervals_agree_with_scipy(statistic):
    values = np.random.default_rng(0).gamma(2.0, size=(3, 120))
    found = bootstrap_interval(values, statistic, resamples=4000)
    average = {"mean": np.mean, "median": np.median}[statistic]
    exact = stats.bootstrap((values,), average, axis=-1, n_resamples=4000, method="percentile", rng=1).confidence_interval
    width = exact.high - exact.low
    assert (np.abs(found - np.array(exact)) < 0.1 * width).all()


def test_a_bootstrap_interval_depends_on_its_seed_and_its_own_cell_alone():
    values = np.random.default_rng(1).integers(0, 5, (4, 2, 60)).astype(float)
    values[1, 1, :7] = np.nan
    values[2, 0] = np.nan
    low, high = bootstrap_interval(values)
    assert low.shape == high.shape == (4, 2)
    np.testing.assert_array_equal(low[1, 1], bootstrap_interval(values[1, 1, 7:])[0])
    assert np.isnan(low[2, 0])
    np.testing.assert_array_equal((low, high), bootstrap_interval(values))
    assert not np.array_equal(low, bootstrap_interval(values, seed=1)[0], equal_nan=True)


def test_bootstrap_intervals_cover_the_mean_as_often_as_they_say():
    draws = np.random.default_rng(2).poisson(1.0, (400, 100))
    low, high = bootstrap_interval(draws, resamples=500)
    covered = int(((low <= 1) & (high >= 1)).sum())
    assert stats.binomtest(covered, 400, 0.94).pvalue > 0.001


def test_quantiles_are_those_of_numpy_and_infinite_values_count_as_the_largest():
    values = np.random.default_rng(3).normal(size=(3, 5, 21))
    values[0, 0, :9] = np.nan
    values[1, 1] = np.nan
    levels = [0.0, 0.25, 0.4, 1.0]
    expected = np.full((4, 3, 5), np.nan)
    known = ~np.isnan(values).all(axis=-1)
    expected[:, known] = np.nanquantile(values[known], levels, axis=-1)
    np.testing.assert_allclose(quantiles(values, levels), expected)
    np.testing.assert_array_equal(quantiles([1, 2, np.inf, np.inf, 3], [0.5, 0.51, 1.0]), [3, np.inf, np.inf])
    np.testing.assert_array_equal(quantiles([np.inf, np.nan], [0.5]), [np.inf])


def test_p_values_of_few_differences_are_those_of_all_choices_of_signs():
    rng = np.random.default_rng(4)
    differences = rng.integers(-3, 5, (6, 9)) / 2
    signs = np.array(list(itertools.product([-1, 1], repeat=9)))
    sums = np.abs(differences @ signs.T)
    exact = (sums >= np.abs(differences.sum(axis=-1, keepdims=True))).mean(axis=-1)
    padded = np.concatenate([differences, np.zeros((6, 40)), np.full((6, 3), np.nan)], axis=-1)
    found = paired_p_values(padded)
    np.testing.assert_allclose(found, exact, atol=4 * np.sqrt(0.25 / 9999))
    scipys = stats.permutation_test((differences[0],), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    np.testing.assert_allclose(exact[0], scipys)


def test_p_values_of_many_differences_are_those_of_the_t_test():
    differences = np.random.default_rng(5).poisson(2.0, (8, 800)) - np.linspace(1.9, 2.1, 8)[:, None]
    exact = stats.ttest_1samp(differences, 0, axis=-1).pvalue
    np.testing.assert_allclose(paired_p_values(differences), exact, atol=0.02)


def test_without_a_difference_nothing_is_significant():
    differences = np.zeros((2, 50))
    differences[1] = np.nan
    np.testing.assert_array_equal(paired_p_values(differences), [1, np.nan])
    assert not discoveries(paired_p_values(differences)).any()


def test_a_rare_one_sided_difference_is_not_overrated():
    """Five of 50 problems differ: a t test takes that for significant, though signs alone give it once in 16."""
    differences = np.repeat([1.0, 0.0], [5, 45])
    assert stats.ttest_1samp(differences, 0).pvalue < 0.03
    np.testing.assert_allclose(paired_p_values(differences), 1 / 16, atol=0.01)


def test_equal_sides_are_found_to_differ_no_more_often_than_allowed():
    rng = np.random.default_rng(6)
    errors = rng.poisson(0.3, (2, 600, 50))
    p_values = paired_p_values(errors[0] - errors[1], flips=999)
    for level in (0.01, 0.05, 0.2):
        assert stats.binomtest(int((p_values <= level).sum()), 600, level, alternative="greater").pvalue > 0.001


def test_discoveries_are_those_of_benjamini_and_hochberg():
    p_values = np.array([[0.001, 0.04, np.nan], [0.012, 0.6, 0.031]])
    # The five that are known, in order, against 0.01, 0.02, …, 0.05: the fourth is the last that is not above its limit.
    np.testing.assert_array_equal(discoveries(p_values), [[True, True, False], [True, False, True]])
    np.testing.assert_array_equal(discoveries(p_values, 0.03), [[True, False, False], [True, False, False]])
    assert not discoveries(np.full(3, np.nan)).any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wilson_interval(3, 2), "successes must lie between 0 and the number of trials"),
        (lambda: wilson_interval(1, 2, level=1.0), "level must lie between 0 and 1; got 1.0"),
        (lambda: bootstrap_interval([1.0], "mode"), "statistic must be one of mean, median; got 'mode'"),
        (lambda: discoveries([0.1], rate=0.0), "rate must lie between 0 and 1; got 0.0"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
