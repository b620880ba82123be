"""Figures for papers: every name is shown as it is, nothing covers the curves, and files are the same every time."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

import astrojax as aj
from astrojax.cli import main
from astrojax.config.load import parse_config
from astrojax.report.drawing import LABELS, draw_grid
from astrojax.report.figures import draw_all, file_name
from astrojax.report.tune import plot_history, plot_landscape
from experiments.figures import convergence

NAMES = ["$x^$", "_a", "a/b", "a:b", r"\frac", "x" * 250, "模型 память", "\u202eabc\x00"]
TINY = {
    "patterns": {"kind": "random", "num_neurons": 8},
    "axes": {"num_patterns": [2, 3], "num_flips": [0, 1]},
    "trials": 2,
    "models": {"h": {"kind": "hopfield"}, "a,b": {"kind": "hopfield", "slope": 2}},
    "decoders": False,
    "retrieval": {"t1": 1},
}


def run_of(models=("a", "b"), trials=4, **axes) -> xr.Dataset:
    """Random results over the loads, the flips and other axes."""
    axes = {"num_patterns": [2, 5, 9], "num_flips": [0, 1, 2]} | axes
    shape = [len(models), *map(len, axes.values()), trials]
    errors = np.random.default_rng(0).integers(0, 9, shape).astype(float)
    variables = {
        "hamming_error": errors,
        "success": errors == 0,
        "num_steps": errors.astype(int),
        "status": np.where(errors == 8, 2, 0),
    }
    dims = ("model", *axes, "trial")
    return xr.Dataset(
        {name: (dims, values) for name, values in variables.items()}, {"model": list(models), **axes, "trial": range(trials)}
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "tiny"
    aj.run(parse_config(TINY), path)
    return path


def ticks_of(values) -> list[float]:
    ax = Figure().subplots()
    places = {"vertical": [0, 1], "horizontal": list(values)}
    draw_grid(ax, xr.Dataset(coords=places), np.zeros((2, len(values))), "vertical", "horizontal")
    marked = [float(label.get_text()) for label in ax.get_xticklabels()]
    assert len(marked) >= 2
    if np.ptp(np.diff(values)) < 1e-9 and values[0] < values[1]:  # each tick is where its value is
        np.testing.assert_allclose(np.interp(marked, values, np.arange(len(values))), ax.get_xticks(), atol=1e-6)
    return marked


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (range(9), None),
        (range(2, 122), None),
        (range(2, 162, 40), None),
        (np.linspace(0, 0.6, 13), None),
        (range(100_000, 900_000, 7_000), None),
        (np.geomspace(0.01, 100, 17), [0.01, 0.1, 1, 10, 100]),
        ([2, 5, 10, 20, 50, 100, 200, 500], [2, 10, 50, 200]),
        ([3, 1], [3, 1]),
    ],
)
def test_ticks_of_maps_are_even_or_powers_of_ten_or_at_every_nth_cell(values, expected):
    marked = ticks_of(values)
    assert len(marked) <= 7
    assert np.ptp(np.diff(marked)) < 1e-9 if expected is None else marked == pytest.approx(expected)


def assert_nothing_is_covered(figure: Figure) -> None:
    FigureCanvasAgg(figure).draw()
    legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())]
    titles = [ax.title for ax in figure.axes if ax.get_title()]
    assert legends
    for legend in legends:
        box = legend.get_window_extent()
        for other in [*(ax.bbox for ax in figure.axes), *(title.get_window_extent() for title in titles)]:
            overlap = Bbox.intersection(box, other)
            assert overlap is None or min(overlap.width, overlap.height) < 1
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1


def test_no_legend_covers_curves_or_titles():
    results = run_of()
    assert_nothing_is_covered(aj.figures.curves(results))
    own = Figure(figsize=(7, 3), layout="constrained")
    for ax, load in zip(own.subplots(1, 2), (2, 5), strict=True):
        assert aj.figures.curves(results.sel(num_patterns=load), ax=ax) is own
    assert_nothing_is_covered(own)
    times = results.hamming_error.sel(model="a", num_patterns=5) + 1
    times = times.to_dataset(name="convergence_time").assign_coords({"retrieval.t1": 10.0})
    assert_nothing_is_covered(convergence(times, "num_flips"))
    names = ["loss", "validation_loss", "validation_error", "temperature", "tau_x"]
    history = xr.Dataset(
        {name: (("score", "start", "step"), np.array([[[0.3, 0.2, 0.1]]])) for name in names}, {"score": ["squared"]}
    )
    assert_nothing_is_covered(plot_history(history, ["temperature", "tau_x"]))
    plane = xr.DataArray(np.ones((2, 2)), coords={"temperature": [0.1, 1.0], "tau_x": [0.1, 1.0]})
    best = {"score": "squared", "start": 0, "values": {"temperature": 0.1, "tau_x": 0.1}}
    assert_nothing_is_covered(plot_landscape(history, plane, best))


def test_panels_name_the_values_they_show_and_what_is_averaged_with_the_user_s_labels():
    figure = aj.figures.curves(run_of(tau_x=[0.1, 1.0], temperature=[0.5]), along="num_flips")
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == [f"memory load $K$ = {load}, temperature $T$ = 0.5" for load in (2, 5, 9)]
    assert f"averaged over {LABELS['tau_x']}" in figure.axes[0].get_ylabel()
    (one,) = aj.figures.curves(run_of().sel(num_patterns=[5]), along="num_flips").axes
    assert one.get_title() == "memory load $K$ = 5"
    maps = aj.figures.heat_map(run_of(temperature=[0.5]), models="b")
    assert maps.axes[0].get_title() == "b\ntemperature $T$ = 0.5"
    labeled = aj.figures.difference(run_of(), "a", "b", labels={"a": "$A$", "num_patterns": "K", "hamming_error": "errors"})
    assert labeled.axes[0].get_title().startswith("$A$ minus b")
    assert labeled.axes[1].get_ylabel() == "difference of mean\nerrors"
    assert labeled.axes[0].get_ylabel() == "K"


def test_values_are_those_of_the_observable_and_counts_of_failed_trajectories_are_left_out():
    results = run_of()
    (image,) = aj.figures.heat_map(results, "num_steps", models=["b"]).axes[0].images
    kept = results.num_steps.where(results.status == 0).sel(model="b")
    np.testing.assert_allclose(image.get_array(), kept.mean("trial"))
    both, one = aj.figures.curves(results), aj.figures.curves(results, models=["b"])
    assert both.axes[0].lines[1].get_color() == one.axes[0].lines[0].get_color()
    assert len({(line.get_color(), line.get_marker()) for line in aj.figures.curves(run_of(NAMES)).axes[0].lines}) == len(NAMES)


def test_names_are_shown_as_they_are_and_every_figure_has_a_file_of_its_own(tmp_path):
    results = run_of(NAMES).isel(num_flips=[0, 1])
    paths = draw_all(results, tmp_path / "figures", ["svg"])
    assert len({path.name.lower() for path in paths}) == 1 + (len(NAMES) - 1) + 2
    assert all(path.parent == tmp_path / "figures" and path.stat().st_size for path in paths)
    names = [file_name(name) for name in NAMES]
    assert all(name.isascii() and len(name) < 100 for name in names)
    assert len(set(names)) == len(NAMES)
    text = paths[-1].read_text(encoding="utf-8")
    for shown in ("$x^$", "_a", "a/b", r"\frac", "模型 память"):
        assert f"{shown}</text>" in text


@pytest.mark.parametrize("format", ["png", "pdf", "svg"])
def test_files_are_the_same_every_time_and_text_stays_text(tmp_path, format):
    contents = [aj.figures.save(aj.figures.curves(run_of()), tmp_path / f"{n}.{format}").read_bytes() for n in range(2)]
    assert contents[0] == contents[1]
    assert not any(name in contents[0] for name in (b"CreationDate", b"tEXt", b"iTXt", b"zTXt", b"tIME"))
    if format == "pdf":
        assert b"/CIDFontType2" in contents[0]
        assert b"/Type3" not in contents[0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"observable": "sucess"}, "observable .*did you mean 'success'"),
        ({"models": ["c"]}, "models must be one of a, b; got 'c'"),
        ({"models": []}, "models must be one of a, b"),
        ({"along": "num_flip"}, "did you mean 'num_flips'"),
        ({"labels": {"num_flip": "n"}}, "labels .*did you mean 'num_flips'"),
        ({"labels": {"a": "$x^$"}}, "labels must have mathematics"),
        ({"results": xr.Dataset()}, "results must be those of a run"),
        ({"results": run_of().isel(num_patterns=[0], num_flips=[0])}, "the figure takes"),
        ({"ax": Figure().subplots(1, 4)}, "ax must be 3 matplotlib Axes"),
    ],
)
def test_names_that_are_not_there_are_refused(given, message):
    with pytest.raises(aj.InputError, match=message):
        aj.figures.curves(**{"results": run_of(), **given})


def test_files_that_cannot_be_written_are_refused(tmp_path):
    with pytest.raises(aj.InputError, match="must be one of png, pdf, svg; got 'jpg'"):
        aj.figures.save(Figure(), tmp_path / "one.jpg")
    with pytest.raises(aj.InputError, match="folder that exists"):
        aj.figures.save(Figure(), tmp_path / "none" / "one.pdf")


def test_the_command_draws_vector_files_of_an_observable_and_some_models(run, capsys):
    words = ["--format", "pdf,svg", "--observable", "overlap", "--models", '"a,b"', "--label", "num_flips=flipped $n$"]
    assert main(["show", str(run), *words, "--quiet"]) == 0
    names = {path.name for path in (run / "figures").iterdir()}
    stems = ["overlap", "overlap_along_num_flips", "overlap_along_num_patterns"]
    assert names == {f"{stem}.{format}" for stem in stems for format in ("pdf", "svg")}
    text = (run / "figures" / "overlap_along_num_flips.svg").read_text(encoding="utf-8")
    assert "a,b</text>" in text
    assert ">h</text>" not in text
    assert "flipped" in text


@pytest.mark.parametrize(
    "words",
    [
        ["--format", "jpg"],
        ["--format", ""],
        ["--models", ""],
        ["--label", "num_flips"],
        ["--label", "h=$x^$"],
    ],
)
def test_the_command_refuses_what_is_not_there_before_it_draws(run, capsys, monkeypatch, words):
    monkeypatch.setattr("astrojax.report.figures.render", None)
    before = (run / "summary.json").stat() if (run / "summary.json").exists() else None
    assert main(["show", str(run), *words]) == 2
    assert capsys.readouterr().err.startswith("astrojax: ")
    assert before is None or (run / "summary.json").stat() == before


@pytest.mark.parametrize(("observable", "word"), [("hamming_error", "better"), ("success", "better"), ("num_steps", "lower")])
def test_blue_is_the_better_model_whatever_the_observable(observable, word):
    results = run_of()
    better = 1 if observable == "success" else 0
    results[observable] = results[observable].copy(data=np.full(results[observable].shape, 1 - better))
    results[observable][0] = better
    figure = aj.figures.difference(results, "a", "b", observable)
    (image,) = figure.axes[0].images
    red, _, blue, _ = image.cmap(image.norm(image.get_array()[0, 0]))
    assert blue > red
    assert f"blue: a {word}" in figure.axes[0].get_title()


def test_choices_of_figures_are_refused_for_pages_and_tune_runs(run, tmp_path, capsys):
    assert main(["show", str(run), "--html", str(tmp_path / "page.html"), "--observable", "success"]) == 2
    assert not (tmp_path / "page.html").exists()
    (tmp_path / "config.yaml").write_text("parameters: [temperature]\nmodel: {kind: astrocyte}\naxes: {num_patterns: 4}\n")
    assert main(["show", str(tmp_path), "--models", "tuned"]) == 2
    assert "are for runs" in capsys.readouterr().err
