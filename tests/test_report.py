"""Figures and tables show the numbers of the run they are drawn from."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgba
from rich.console import Console

from astrojax.report.figures import curves, difference, draw_all, figures_of
from astrojax.report.statistics import mean_interval
from astrojax.report.tables import print_tables, summary

from .test_figures import run_of

LOADS, FLIPS, TRIALS = [2, 5, 9, 12], [0, 1, 2], 40


@pytest.fixture
def results() -> xr.Dataset:
    results = run_of(num_patterns=LOADS, num_flips=FLIPS, trials=TRIALS)
    errors = results.hamming_error.values
    errors[0, 0, 0, :5] = np.nan
    errors[1, :, 2] = errors[0, :, 2] + 1
    decoded = np.random.default_rng(1).integers(0, 9, errors.shape).astype(np.float32)
    failed = results.hamming_error.isnull()
    observables = {
        "success": (results.hamming_error == 0).where(~failed),
        "settled": xr.ones_like(results.hamming_error),
        "status": 2 * failed.astype(int),
        "decoder_error": (("decoder", *results.hamming_error.dims[1:]), decoded),
    }
    decoders = ["bayes_signed", "bayes_unsigned"]
    swept = ("model", ['["num_patterns", "num_flips", "trial"]'] * 2)
    return results.drop_vars("num_steps").assign(observables).assign_coords(decoder=decoders, swept_axes=swept)


def test_the_difference_map_is_signed_and_pale_where_it_is_not_certain(results):
    image = next(ax for ax in difference(results, "a", "b").axes if ax.images).images[0]
    pairs = results.hamming_error.values[0] - results.hamming_error.values[1]
    np.testing.assert_allclose(image.get_array(), np.nanmean(pairs, axis=2), rtol=1e-6)
    assert image.get_clim()[0] == -image.get_clim()[1]
    np.testing.assert_array_equal(image.get_array()[:, 2], -1)
    low, high = mean_interval(pairs)
    np.testing.assert_array_equal(image.get_alpha() == 1, (low > 0) | (high < 0))
    none = results.assign(hamming_error=results.hamming_error * 0)
    (image,) = (ax.images[0] for ax in difference(none, "a", "b").axes if ax.images)
    assert (np.asarray(image.get_alpha()) < 1).all()  # no difference among 40 problems is none that is sure


def test_bands_have_a_panel_for_values_of_the_other_axis_and_statistics_over_trials(results):
    figure = curves(results, along="num_patterns")
    assert [ax.get_title() for ax in figure.axes] == [f"flipped entries $n$ = {flips}" for flips in FLIPS]
    for place, ax in enumerate(figure.axes):
        means = {line.get_label(): line.get_ydata() for line in ax.lines}
        assert list(means) == ["a", "b", "Bayes decoder", "Bayes decoder, blind to x → −x"]
        errors = results.hamming_error.values[0, :, place]
        np.testing.assert_allclose(means["a"], np.nanmean(errors, axis=1))
        corners = ax.collections[0].get_paths()[0].vertices
        low, high = np.nanquantile(errors, [0.25, 0.75], axis=1)
        for x, bottom, top in zip(LOADS, low, high, strict=True):
            assert {bottom, top} <= set(corners[corners[:, 0] == x, 1])
        assert to_rgba(ax.lines[0].get_color())[:3] == tuple(ax.collections[0].get_facecolor()[0][:3])


def test_every_figure_that_fits_is_written(results, tmp_path):
    names = {path.name for path in draw_all(lambda: figures_of(results), tmp_path / "figures")}
    assert names == {"hamming_error.png", "difference_a_b.png", "along_num_patterns.png", "along_num_flips.png"}
    one = results.isel(num_patterns=[0], num_flips=[1])
    assert figures_of(one) == {}


def test_the_summary_has_means_intervals_and_counts_of_failures_and_of_recalls_under_way(results):
    settled = results.settled.copy()
    settled[0, 0, 0, :7] = 0
    content = summary(results.assign(settled=settled).assign_attrs(num_neurons=8))
    assert content["unsettled"] == {"a": 7, "b": 0}
    assert content["axes"] == {"num_patterns": LOADS, "num_flips": FLIPS}
    assert content["failed"] == {"a": 5, "b": 0}
    table, errors = content["hamming_error"]["a"], results.hamming_error.values[0]
    np.testing.assert_allclose(table["mean_hamming_error"], np.nanmean(errors, axis=2), atol=1e-6)
    np.testing.assert_allclose(np.moveaxis(table["interval"], -1, 0), mean_interval(errors, (0, 8)), atol=1e-6)
    lost = results.where(results.num_flips > 0)
    assert summary(lost)["hamming_error"]["b"]["mean_hamming_error"][0][0] is None


def test_where_nothing_failed_the_interval_reaches_as_far_as_a_rare_failure_could(results, capsys):
    none = results.assign(hamming_error=results.hamming_error * 0, decoder_error=results.decoder_error * 0)
    content = summary(none.assign_attrs(num_neurons=20))
    low, high = content["hamming_error"]["b"]["interval"][0][0]
    assert low == 0
    assert high == pytest.approx(20 * (1 - 0.025 ** (1 / TRIALS)), rel=0.01)
    print_tables(Console(width=120), content)
    farthest = content["hamming_error"]["a"]["interval"][0][0][1]  # where 5 trials are missing
    assert f"95% intervals reach up to 0.00 below and {farthest:.2f} above" in capsys.readouterr().out
    assert summary(none)["hamming_error"]["b"]["interval"][0][0] == [0, None]  # without N nothing is known


def test_copies_along_a_shared_parameter_are_no_new_samples(results):
    copied = results.expand_dims(temperature=16).transpose(
        "model", "decoder", "num_patterns", "num_flips", "temperature", "trial"
    )
    copied = copied.assign_coords(temperature=np.geomspace(0.01, 1, 16))
    plain, content = summary(results), summary(copied)
    for name, table in plain["hamming_error"].items():
        for entry, values in table.items():
            np.testing.assert_allclose(content["hamming_error"][name][entry], values, rtol=1e-5)
    assert (content["failed"], content["trajectories"]) == (plain["failed"], plain["trajectories"])
    images = [next(ax for ax in difference(run, "a", "b").axes if ax.images).images[0] for run in (results, copied)]
    np.testing.assert_array_equal(images[0].get_alpha(), images[1].get_alpha())


def test_tables_read_in_pieces_are_those_of_the_whole(results, monkeypatch):
    whole = summary(results)
    monkeypatch.setattr("astrojax.report.tables.VALUES_IN_MEMORY", 7)
    monkeypatch.setattr("astrojax.report.figures.VALUES_IN_MEMORY", 7)
    pieces = summary(results)
    for name, table in whole.pop("hamming_error").items():
        for entry, values in table.items():
            np.testing.assert_allclose(pieces["hamming_error"][name][entry], values, rtol=1e-6)
    assert {key: pieces[key] for key in whole} == whole
    test_bands_have_a_panel_for_values_of_the_other_axis_and_statistics_over_trials(results)


def test_maps_have_a_panel_of_the_bayes_decoder_where_it_was_run(results):
    for run, names in ((results, ["a", "b", "Bayes decoder"]), (results.drop_vars("decoder_error"), ["a", "b"])):
        assert [ax.get_title() for ax in figures_of(run)["hamming_error"].axes if ax.images] == names
