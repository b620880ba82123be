"""Claims and figures of the reproduction: judged by medians first, and each by an experiment that measures what it says."""

import functools

import numpy as np
import pytest
import xarray as xr
from scipy.integrate import solve_ivp

from experiments.figures import TIE, regimes, winners


class Figure:
    """Stands for a swept figure: samples by value and variable, with the same values at any horizon."""

    def __init__(self, samples):
        self.samples = samples

    def at(self, value, variable="hamming_error", horizon=10.0):
        return self.samples[variable][value]


def test_c7_is_judged_by_the_median_although_the_mean_rises(experiments):
    """A quarter of fast recalls fails: the mean error goes up, the median does not."""
    fig2, trials = experiments("fig2"), np.arange(1000)
    failing = {0.01: trials % 4 == 0, 0.1: trials % 8 == 0, 1.0: trials % 16 == 0}
    samples = {
        "hamming_error": {tau: np.where(failed, 12.0, 0.0) for tau, failed in failing.items()},
        "perplexity": dict.fromkeys(failing, np.ones(1000)),
        "log_target_gain": {tau: np.where(failed, -np.inf, 0.0) for tau, failed in failing.items()},
    }
    claim = fig2.commitment(Figure(samples))
    assert claim.verdict == "holds in part"
    assert "median" in claim.statistic
    assert ": not up" in claim.found
    assert "What the mean adds: error 3.00" in claim.found
    samples["hamming_error"][0.01] = np.where(trials % 3 == 0, 0.0, 12.0)
    assert fig2.commitment(Figure(samples)).verdict == "holds"


def test_neurons_freeze_where_the_chosen_pattern_no_longer_turns_them_in_time(experiments):
    """At the predicted τx one wrong neuron under a constant drive is at zero at the horizon; the nearest freeze is taken."""
    coupling = experiments("coupling")
    for name, c in (("K", 100), ("N", 30), ("1", 1)):
        tau_x, drive = coupling.predicted(name), c / 30 * (30 - 2 * 6)
        equation = functools.partial(lambda t, x, tau, drive: (drive - x) / tau, tau=tau_x, drive=drive)
        path = solve_ivp(equation, (0, coupling.HORIZON), [-1.0], rtol=1e-10, atol=1e-12)
        assert path.y[0, -1] == pytest.approx(0, abs=1e-8)
    taus = np.array([0.1, 1.0, 10.0, 100.0, 1000.0])
    errors = np.repeat(np.array([4.0, 0.0, 1.0, 2.0, 4.0])[:, None], 60, axis=1)  # fast neurons are wrong for another reason
    results = xr.Dataset({"soft_hamming_error": (("tau_x", "trial"), errors)}, {"tau_x": taus})
    assert coupling.half_frozen(results) == pytest.approx(100 * 10**0.5)
    assert np.isnan(coupling.half_frozen(results.isel(tau_x=slice(1, 4))))
    assert coupling.fitting({"K": 550.0, "N": 180.0, "1": 10.0}) == "N"
    assert coupling.factor(50.0) == coupling.factor(200.0) == pytest.approx(2)


def test_c17_tells_perplexity_that_disappears_from_perplexity_that_stays(experiments):
    symmetry = experiments("symmetry")
    taus, limits = np.array([100.0, 300.0, 1000.0]), np.array([10.0, 100.0, 10000.0])
    tied = np.arange(1000) % 12 == 0
    values = np.where(tied & (limits[:, None] < 10000), 2.0, 1.0)
    results = xr.Dataset(
        {"perplexity": (("tau_x", "retrieval.t1", "trial"), np.stack([values] * 3))}, {"tau_x": taus, "retrieval.t1": limits}
    )
    claim = symmetry.claim(results, taus, limits)
    assert claim.verdict == "holds"
    assert "share" in claim.statistic
    stuck = results.assign(perplexity=results.perplexity.isel({"retrieval.t1": [0, 0, 0]}).assign_coords(results.coords))
    assert symmetry.claim(stuck, taus, limits).verdict == "holds in part"


def test_winners_have_the_lowest_mean_error_and_are_certain_only_where_they_beat_all_others():
    rng = np.random.default_rng(1)
    errors = rng.poisson(3.0, (3, 3, 4, 80)).astype(float)  # of three models
    errors[0, 0] = rng.poisson(0.5, (4, 80))  # certain
    errors[1, 1, 1] = errors[0, 1, 1] = 0  # a tie
    errors[2, :, 2] = np.nan  # not run
    errors[1, 1, 2] = errors[0, 1, 2] + 1  # certain between the two that were run
    errors[:, 2, 3] = np.nan  # nothing known
    best, certain = winners(errors)
    np.testing.assert_array_equal(best[0], 0)
    assert certain[0].all()
    assert (best[1, 1], certain[1, 1]) == (TIE, False)
    assert (best[1, 2], certain[1, 2]) == (0, True)
    assert (best[2, 3], certain[2, 3]) == (TIE, False)
    assert best[2, 1] == np.argmin(errors[:, 2, 1].mean(axis=-1))
    equal = np.random.default_rng(2).poisson(3.0, (3, 40, 10, 60)).astype(float)
    assert not winners(equal)[1].any()
    equal[:2] *= 0.2  # two models that beat the third, but not one another
    assert not winners(equal)[1].any()


def test_regimes_follow_from_perplexity_and_success():
    cases = {
        (1.0, 1, 100): 0,
        (1.49, 0, 100): 1,
        (1.5, 1, 100): 2,
        (50.5, 0, 100): 2,
        (50.6, 1, 100): 3,
        (2.0, 0, 3): 2,
        (1.2, 1, 2): 0,
        (1.6, 0, 2): 3,
        (np.nan, 1, 100): -1,
        (1.0, np.nan, 100): -1,
    }
    np.testing.assert_array_equal(regimes(*np.array(list(cases), float).T), list(cases.values()))
    np.testing.assert_array_equal(regimes([[1.0], [9.0]], 1, [10, 20]), [[0, 0], [3, 2]])
