"""Intervals and p values are those of SciPy, of exact enumeration, and have the coverage and the level they claim."""

import itertools

import numpy as np
import pytest
from scipy import stats

import astrojax as aj
from astrojax.report.statistics import fdr_significant, mean_interval, paired_p_values, quantiles, share_interval, with_interval
from experiments.intervals import bootstrap_interval, lead, median_interval

CLAIMED = 0.93
"""What 95% intervals must cover at least."""


def covered(ends, truth):
    """In how many of some intervals a true value lies, and whether none has width 0."""
    low, high = ends
    assert (high > low).all()
    return np.mean((low <= truth) & (truth <= high))


def test_intervals_of_shares_are_clopper_and_pearsons_and_anything_is_possible_without_trials():
    low, high = share_interval(np.arange(13), 12)
    exact = [stats.binomtest(k, 12).proportion_ci(0.95, method="exact") for k in range(13)]
    np.testing.assert_allclose([low, high], np.transpose(exact), atol=1e-12)
    np.testing.assert_array_equal(share_interval(0, 0), [0, 1])
    with pytest.raises(aj.InputError, match="successes must lie between 0 and the number of trials"):
        share_interval(3, 2)


FAILURES = {
    "4 to 10": lambda rng, size: rng.integers(4, 11, size),
    "half integers": lambda rng, size: rng.integers(1, 21, size) / 2,
    "one or all": lambda rng, size: np.where(rng.random(size) < 0.2, 20, 1),
}
"""Errors of trials that fail, of 20 neurons."""


@pytest.mark.parametrize("failing", [0.01, 0.06, 1.0])
@pytest.mark.parametrize("trials", [50, 1000])
@pytest.mark.parametrize("kind", FAILURES)
def test_intervals_of_means_cover_rare_failures(kind, trials, failing):
    rng = np.random.default_rng(0)
    size = (400, trials)
    errors = np.where(rng.random(size) < failing, FAILURES[kind](rng, size), 0.0)
    truth = failing * FAILURES[kind](rng, 10**6).mean()
    assert covered(mean_interval(errors, (0, 20)), truth) >= CLAIMED
    if kind != "one or all":  # without a bound nothing tells of rare values beyond those that were seen
        assert covered(mean_interval(errors), truth) >= CLAIMED
        assert covered(bootstrap_interval(errors[:, :200], resamples=500), truth) >= CLAIMED


@pytest.mark.parametrize("trials", [50, 1000])
def test_intervals_of_means_cover_skewed_and_normal_values_and_are_not_much_wider_than_needed(trials):
    rng = np.random.default_rng(1)
    normal, skewed = rng.normal(10, 1.5, (1000, trials)), rng.lognormal(0, 1, (1000, trials))
    assert covered(mean_interval(normal), 10) >= CLAIMED
    assert covered(mean_interval(skewed), np.exp(0.5)) >= CLAIMED
    least = 2 * stats.t.isf(0.025, trials - 1) * normal.std(axis=1, ddof=1) / np.sqrt(trials)
    assert np.mean(np.diff(mean_interval(normal), axis=0)[0] / least) < 1.25
    assert np.mean(np.diff(mean_interval(normal, (0, 20)), axis=0)[0] / least) < 2.2


def test_the_interval_of_a_mean_is_that_of_the_drawn_weights():
    rng = np.random.default_rng(2)
    values = np.stack([np.zeros(80), rng.random(80) < 0.05, rng.integers(0, 15, 80), rng.gamma(0.3, size=80).clip(0, 20)])
    drawn = bootstrap_interval(values, (0, 20), resamples=50_000)
    np.testing.assert_allclose(mean_interval(values, (0, 20)), drawn, rtol=0.04, atol=0.005)
    shares = (rng.random((20, 60)) < 0.1).astype(float)
    exact = share_interval(shares.sum(axis=1), 60)
    np.testing.assert_allclose(mean_interval(shares, (0, 1)), exact, atol=0.004)


def test_an_interval_of_a_mean_depends_on_its_own_cell_alone():
    values = np.random.default_rng(1).integers(0, 5, (4, 2, 60)).astype(float)
    values[1, 1, :7] = np.nan
    values[2, 0] = np.nan
    for interval in (mean_interval, median_interval):
        low, high = interval(values)
        assert low.shape == high.shape == (4, 2)
        np.testing.assert_allclose(low[1, 1], interval(values[1, 1, 7:])[0])
        np.testing.assert_array_equal(np.isnan(low), np.isnan(values).all(axis=-1))


def test_where_all_values_are_equal_the_bounds_decide():
    zeros = np.zeros(50)
    low, high = mean_interval(zeros, (0, 20))
    assert low == 0
    assert high == pytest.approx(20 * (1 - 0.025 ** (1 / 50)), rel=0.01)
    np.testing.assert_array_equal(mean_interval(zeros), [-np.inf, np.inf])
    np.testing.assert_array_equal(mean_interval([1.0, np.inf, 2.0]), [np.nan, np.nan])
    assert with_interval([0.0, *mean_interval(zeros)]) == "0.00 [−∞, ∞]"
    assert with_interval([0.0, low, high]) == "0.00 [0.00, 1.42]"
    assert with_interval([None, None, None]) == with_interval([np.nan] * 3) == "–"


@pytest.mark.parametrize("number", [6, 50, 51, 200])
def test_intervals_of_medians_have_the_ranks_of_the_sign_test(number):
    low, high = median_interval(np.arange(1.0, number + 1))
    assert high == number + 1 - low
    assert 2 * stats.binom.cdf(low - 1, number, 0.5) <= 0.05 < 2 * stats.binom.cdf(low, number, 0.5)


def test_intervals_of_medians_cover_ties_and_infinite_values():
    rng = np.random.default_rng(3)
    times = np.where(rng.random((1000, 50)) < 0.3, np.inf, rng.exponential(size=(1000, 50)))
    assert covered(median_interval(times), -np.log(1 - 0.5 / 0.7)) >= CLAIMED
    low, high = median_interval(np.where(rng.random((1000, 50)) < 0.45, 3.0, 0.0))
    assert np.mean((low <= 0) & (high >= 0)) >= CLAIMED
    np.testing.assert_array_equal(median_interval(np.arange(5.0)), [-np.inf, np.inf])


def test_a_lead_is_over_the_rival_that_is_better_on_the_other_trials_and_zero_over_equal_ones():
    errors = np.array([[1.0, 1, 1, np.nan], [2, 5, 2, 5], [4, 3, 4, 3]])
    np.testing.assert_array_equal(lead(errors), [4, np.nan])
    np.testing.assert_array_equal(lead(np.stack([errors, errors + 1, errors + 2])), [[1, np.nan], [1, 1], [1, 1]])
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        errors = rng.normal(10, 1, (6, 200)) + rng.normal(0, 1.5, (3, 6, 200))
        leads = lead(errors)
        found.append([leads.mean(), *mean_interval(leads.ravel())])
    means, low, high = np.array(found).T
    assert abs(means.mean()) < 3 * means.std() / np.sqrt(300)
    assert np.mean((low <= 0) & (high >= 0)) >= CLAIMED


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


def test_no_difference_and_rare_one_sided_differences_are_not_overrated():
    """Five of 50 problems differ: a t test takes that for significant, though random signs are as one-sided once in 16."""
    differences = np.repeat([[0.0, 0.0], [np.nan, np.nan], [1.0, 0.0]], [5, 45], axis=1)
    assert stats.ttest_1samp(differences[2], 0).pvalue < 0.03
    p_values = paired_p_values(differences)
    np.testing.assert_allclose(p_values, [1, np.nan, 1 / 16], atol=0.01)
    assert not fdr_significant(p_values).any()


def test_equal_sides_are_found_to_differ_no_more_often_than_allowed():
    rng = np.random.default_rng(6)
    errors = rng.poisson(0.3, (2, 600, 50))
    p_values = paired_p_values(errors[0] - errors[1], flips=999)
    for level in (0.01, 0.05, 0.2):
        assert stats.binomtest(int((p_values <= level).sum()), 600, level, alternative="greater").pvalue > 0.001


def test_significance_is_that_of_benjamini_and_hochberg():
    p_values = np.array([[0.001, 0.04, np.nan], [0.012, 0.6, 0.031]])
    # The five that are known, in order, against 0.01, 0.02, …, 0.05: the fourth is the last that is not above its limit.
    np.testing.assert_array_equal(fdr_significant(p_values), [[True, True, False], [True, False, True]])
    np.testing.assert_array_equal(fdr_significant(p_values, 0.03), [[True, False, False], [True, False, False]])
    assert not fdr_significant(np.full(3, np.nan)).any()
