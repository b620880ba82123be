"""Figures of the reproduction draw what is computed here in another way, and hide neither failures nor unfinished recalls."""

import itertools

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure

from astrojax.report.statistics import mean_interval
from experiments.figures import (
    COLORS,
    REGIMES,
    TIE,
    capacity_figure,
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


def images_of(figure: Figure) -> dict[str, np.ndarray]:
    parts = figure.subfigs or [figure]
    axes = [ax for part in parts for ax in part.axes if ax.images]
    return {f"{number} {ax.get_title()}".strip(): ax.images[0].get_array() for number, ax in enumerate(axes)}


def test_convergence_times_are_medians_in_which_unfinished_recalls_are_the_longest(swept):
    times, censored = convergence(swept, "tau_x").axes
    assert times.get_xscale() == times.get_yscale() == "log"
    for color, horizon, values in zip(COLORS[:2], HORIZONS, swept.convergence_time.values[0].transpose(1, 0, 2), strict=True):
        middle = [np.sort(of_tau[~np.isnan(of_tau)]) for of_tau in values]
        medians = np.array([(found[(found.size - 1) // 2] + found[found.size // 2]) / 2 for found in middle])
        assert np.isinf(medians).any()
        (line,) = lines_of(times, color, ".")
        np.testing.assert_array_equal(line, [TAUS, np.where(np.isinf(medians), np.nan, medians)])
        _, upper, median = lines_of(times, color, "^")
        np.testing.assert_array_equal(median, [TAUS[np.isinf(medians)], np.full(np.isinf(medians).sum(), horizon)])
        assert set(median[0]) <= set(upper[0])
        (share,) = lines_of(censored, color, ".")
        expected = [np.isinf(found).mean() for found in middle]
        np.testing.assert_allclose(share, [TAUS, expected])


def test_sweeps_show_means_with_intervals_medians_and_quartiles_by_horizon_beside_the_protocol_s(swept):
    known = swept.assign_attrs(num_neurons=30).assign_coords(num_patterns=100)
    figure = sweep_figure(known, "tau_x", ["hamming_error", "perplexity"])
    assert [ax.get_yscale() for ax in figure.axes] == ["linear", "log"]
    for ax, variable in zip(figure.axes, ("hamming_error", "perplexity"), strict=True):
        by_horizon = swept[variable].values[0].transpose(1, 0, 2)
        bands = [collection for collection in ax.collections if not hasattr(collection, "get_segments")]
        bars = [collection for collection in ax.collections if hasattr(collection, "get_segments")]
        for color, values, band, bar in zip(COLORS[:2], by_horizon, bands, bars, strict=True):
            (mean,) = lines_of(ax, color, ".")
            np.testing.assert_allclose(mean, [TAUS, np.nanmean(values, axis=-1)])
            (median,) = lines_of(ax, color, "None")
            np.testing.assert_allclose(median, [TAUS, np.nanmedian(values, axis=-1)])
            ends = np.array([segment[:, 1] for segment in bar.get_segments()])
            np.testing.assert_allclose(
                ends.T, mean_interval(values, {"hamming_error": (0, 30), "perplexity": (1, 100)}[variable])
            )
            corners = band.get_paths()[0].vertices
            for tau, quartiles in zip(TAUS, np.nanquantile(values, [0.25, 0.75], axis=-1).T, strict=True):
                assert set(quartiles) <= set(corners[corners[:, 0] == tau, 1])

    one = swept.sel({"retrieval.t1": [10.0]})
    protocol, precise = one.isel(tau_x=[1, 4])[["hamming_error"]], one.isel(tau_x=[2])
    figure = sweep_figure(one, "tau_x", ["hamming_error", "perplexity"], protocol=protocol, precise=precise)
    errors, perplexities = figure.axes
    for marker, overlay in (("s", protocol), ("o", precise)):
        values = overlay.hamming_error.values[0, :, 0]
        median, mean = lines_of(errors, "k", marker)
        np.testing.assert_allclose(median, [overlay.tau_x, np.median(values, axis=-1)])
        np.testing.assert_allclose(mean, [overlay.tau_x, np.mean(values, axis=-1)])
    assert (len(lines_of(perplexities, "k", "s")), len(lines_of(perplexities, "k", "o"))) == (0, 2)


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
    second = equal.copy()
    second[:2] *= 0.2  # two models that beat the third, but not one another
    assert not winners(second)[1].any()


def test_the_map_of_winners_is_pale_where_they_are_not_certain_and_white_where_there_is_none(compared):
    figure = winners_map(compared, ["b", "a"])
    errors = compared.hamming_error.values[[1, 0]]
    best, certain = winners(errors)
    image, *panels = images_of(figure).values()
    for place in np.ndindex(best.shape):
        if best[place] == TIE:
            assert image[place][3] == 0
        else:
            assert tuple(image[place][:3]) == to_rgb(COLORS[best[place]])
            assert (image[place][3] == 1) == certain[place]
    means = errors.sum(axis=-1) / 80
    signed, unsigned = compared.decoder_error.values[1:].mean(axis=-1)
    for panel, expected in zip(panels, [*means, *(means - signed), *(means - unsigned)], strict=True):
        np.testing.assert_allclose(np.ma.filled(panel, np.nan), expected)
    assert [ax.get_title() for ax in figure.subfigs[1].axes[:2]] == ["b", "a"]
    assert len(images_of(winners_map(compared.drop_vars(["decoder_error", "decoder"]), ["a", "c"]))) == 3


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
    found = regimes(*np.array(list(cases), float).T)
    np.testing.assert_array_equal(found, list(cases.values()))
    assert np.issubdtype(found.dtype, np.integer)
    np.testing.assert_array_equal(regimes([[1.0], [9.0]], 1, [10, 20]), [[0, 0], [3, 2]])


@pytest.fixture
def phases() -> xr.Dataset:
    rng = np.random.default_rng(3)
    loads, temperatures = np.array([10, 20, 40]), np.geomspace(0.01, 10, 4)
    perplexity = rng.choice([1.0, 4.0, 9.0], (1, 3, 4, 1, 51))
    success = (rng.random(perplexity.shape) < np.linspace(0.05, 0.95, 4)[:, None, None]).astype(float)
    perplexity[:, 2, 3] = np.nan
    success[:, 2, 3] = np.nan
    return dataset(
        "model num_patterns temperature num_flips trial",
        {"model": ["a"], "num_patterns": loads, "temperature": temperatures, "num_flips": [3]},
        perplexity=perplexity,
        success=success,
    )


def test_the_phase_map_has_the_regime_of_most_trials_and_contours_of_the_success_rate(phases):
    figure = phase_map(phases, "temperature", "num_patterns")
    (ax,) = figure.axes
    image = ax.images[0].get_array()
    for row, column in itertools.product(range(3), range(4)):
        cell = phases.isel(model=0, num_patterns=row, temperature=column, num_flips=0)
        kinds = regimes(cell.perplexity.values, cell.success.values, cell.num_patterns.item())
        if (row, column) == (2, 3):
            assert image.mask[row, column]
        else:
            counts = [np.sum(kinds == number) for number in range(len(REGIMES))]
            assert image[row, column] == np.argmax(counts)
    color = ax.images[0].cmap(ax.images[0].norm(image[0, 0]))
    assert color == to_rgba(COLORS[image[0, 0]])
    (contours,) = (collection for collection in ax.collections if hasattr(collection, "levels"))
    np.testing.assert_array_equal(contours.levels, [0.1, 0.5, 0.9])
    constant = phases.assign(success=phases.success * 0).isel(num_patterns=[0]).squeeze("num_patterns")
    turned = phase_map(constant.expand_dims(tau_x=[1.0, 2.0]), "tau_x", "temperature")  # any two axes, any success
    assert turned.axes[0].images[0].get_array().shape == (4, 2)
    assert not any(hasattr(collection, "levels") for collection in turned.axes[0].collections)


def test_capacities_that_no_load_exceeded_are_open_triangles():
    capacity = np.array([[4.0, 9.0, np.nan], [20.0, 90.0, 500.0]])
    curves = dataset(
        "model num_neurons",
        {"model": ["Hopfield", "astrocyte"], "num_neurons": [10, 20, 40]},
        capacity=capacity,
        low=capacity * 0.8,
        high=capacity * 1.5,
        censored=np.array([[False, False, False], [False, False, True]]),
    )
    figure = capacity_figure(curves)
    (ax,) = figure.axes
    assert ax.get_xscale() == ax.get_yscale() == "log"
    for color, values, bars in zip(COLORS[:2], capacity, ax.collections, strict=True):
        (line,) = lines_of(ax, color, ".")
        np.testing.assert_array_equal(line, [[10, 20], values[:2]])
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        np.testing.assert_allclose(ends, np.outer(values[:2], [0.8, 1.5]))
    (none,), (bound,) = (lines_of(ax, color, "^") for color in COLORS[:2])
    assert none.size == 0
    np.testing.assert_array_equal(bound, [[40], [500]])
    assert figure.legends[0].get_texts()[-1].get_text() == "at least"


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda swept, _: phase_map(swept.assign(success=swept.perplexity, num_patterns=100), "tau_x", "model"),
            "retrieval.t1",
        ),
        (lambda _, compared: sweep_figure(compared, "num_patterns", ["hamming_error"]), "one value of model; got 3"),
        (lambda _, compared: sweep_figure(compared.assign_coords(tau_x=1.0), "tau_x", ["hamming_error"]), "got 'tau_x'"),
        (lambda _, compared: winners_map(compared, ["a", "d"]), "models must be one of a, b, c; got 'd'"),
    ],
)
def test_axes_that_would_be_averaged_and_unknown_names_are_refused(swept, compared, draw, message):
    with pytest.raises(ValueError, match=message):
        draw(swept, compared)
