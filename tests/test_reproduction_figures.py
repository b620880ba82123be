"""Figures of the reproduction draw what is computed here in another way, and hide neither failures nor unfinished recalls."""

import numpy as np
import pytest
import xarray as xr

from experiments.figures import (
    COLORS,
    TIE,
    convergence,
    phase_map,
    regimes,
    sweep_figure,
    winners,
    winners_map,
)

TAUS, HORIZONS, TRIALS = np.geomspace(0.01, 1e4, 7), [10.0, 100.0], 61


def dataset(dims: str, coordinates: dict, **variables: np.ndarray) -> xr.Dataset:
    return xr.Dataset({name: (dims.split(), values, {"units": "neurons"}) for name, values in variables.items()}, coordinates)


@pytest.fixture
def swept() -> xr.Dataset:
    """One model along τx at two horizons; every fifth trial failed at the first value."""
    rng = np.random.default_rng(0)
    times = TAUS[:, None, None] ** 0.7 * np.exp(rng.normal(size=(1, 7, 1, TRIALS)))
    times = np.where(times > np.array(HORIZONS)[:, None], np.inf, times)
    errors = rng.poisson(2.0, times.shape) + np.arange(7.0)[:, None, None]
    failed = np.zeros(times.shape, bool)
    failed[:, 0, :, ::5] = True
    values = {"convergence_time": times, "hamming_error": errors, "perplexity": 1 + errors}
    return dataset(
        "model tau_x retrieval.t1 trial",
        {"model": ["astrocyte"], "tau_x": TAUS, "retrieval.t1": HORIZONS},
        **{name: np.where(failed, np.nan, found) for name, found in values.items()},
    )


def lines_of(ax, color: str, marker: str) -> list[np.ndarray]:
    """Data of the lines of a color and marker, each of shape (2, points)."""
    return [np.array(line.get_data()) for line in ax.lines if (line.get_color(), line.get_marker()) == (color, marker)]


def test_convergence_times_are_medians_in_which_unfinished_recalls_are_the_longest(swept):
    times, censored = convergence(swept, "tau_x").axes
    for color, horizon, values in zip(COLORS[:2], HORIZONS, swept.convergence_time.values[0].transpose(1, 0, 2), strict=True):
        known = [np.sort(of_tau[~np.isnan(of_tau)]) for of_tau in values]
        medians = np.array([(found[(found.size - 1) // 2] + found[found.size // 2]) / 2 for found in known])
        assert np.isinf(medians).any()
        (line,) = lines_of(times, color, ".")
        np.testing.assert_array_equal(line, [TAUS, np.where(np.isinf(medians), np.nan, medians)])
        *_, beyond = lines_of(times, color, "^")
        np.testing.assert_array_equal(beyond, [TAUS[np.isinf(medians)], np.full(np.isinf(medians).sum(), horizon)])
        (share,) = lines_of(censored, color, ".")
        np.testing.assert_allclose(share, [TAUS, [np.isinf(found).mean() for found in known]])


@pytest.fixture
def compared() -> xr.Dataset:
    """Three models over three loads and four corruptions, with Bayes decoders."""
    rng = np.random.default_rng(1)
    errors = rng.poisson(3.0, (3, 3, 4, 80)).astype(float)
    errors[0, 0] = rng.poisson(0.5, (4, 80))  # certain
    errors[1, 1, 1] = errors[0, 1, 1] = 0  # a tie
    errors[2, :, 2] = np.nan  # not run
    errors[1, 1, 2] = errors[0, 1, 2] + 1  # certain between the two that were run
    errors[:, 2, 3] = np.nan  # nothing known
    results = dataset("model num_patterns num_flips trial", {"model": ["a", "b", "c"]}, hamming_error=errors)
    decoders = rng.poisson(0.4, (3, 3, 4, 80)).astype(float)
    results["decoder_error"] = (("decoder", "num_patterns", "num_flips", "trial"), decoders)
    return results.assign_coords(
        num_patterns=[10, 20, 30], num_flips=range(4), decoder=["nearest", "bayes_signed", "bayes_unsigned"]
    )


def test_winners_have_the_lowest_mean_error_and_are_certain_only_where_they_beat_all_others(compared):
    errors = compared.hamming_error.values
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


def test_the_phase_map_has_the_regime_of_most_trials_and_contours_of_the_success_rate():
    perplexity = np.full((2, 3, 5), 1.0)
    success = np.ones((2, 3, 5))
    success[0, 1, :3] = 0  # most recalls of one cell end in a wrong memory
    perplexity[1, 1, :3] = 4.0  # a mixture
    perplexity[1, 2] = success[1, 2] = np.nan  # all failed
    phases = dataset(
        "num_patterns temperature trial",
        {"num_patterns": [10, 20], "temperature": [0.1, 1.0, 10.0]},
        perplexity=perplexity,
        success=success,
    )
    (ax,) = phase_map(phases, "temperature", "num_patterns").axes
    np.testing.assert_array_equal(np.ma.filled(ax.images[0].get_array(), -1), [[0, 1, 0], [0, 2, -1]])
    (contours,) = (collection for collection in ax.collections if hasattr(collection, "levels"))
    np.testing.assert_array_equal(contours.levels, [0.5, 0.9])
    (constant,) = phase_map(phases.assign(success=phases.success * 0), "temperature", "num_patterns").axes
    assert not any(hasattr(collection, "levels") for collection in constant.collections)


def test_axes_that_would_be_averaged_and_unknown_names_are_refused(swept, compared):
    with pytest.raises(ValueError, match="one value of tau_x; got 7"):
        sweep_figure(swept, "model", ["hamming_error"])
    with pytest.raises(ValueError, match="models must be one of a, b, c; got 'd'"):
        winners_map(compared, ["a", "d"])
