"""Figures for papers: every name is shown as it is, nothing covers the curves, and files are the same every time."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import astrojax as aj
from astrojax.cli import main
from astrojax.config.validation import parse_config
from astrojax.report.figures import draw_all, figures_of, file_name

from .run_folders import TINY

NAMES = ["$x^$", "_a", "a/b", "a:b", r"\frac", "x" * 250, "模型 память", "\u202eabc\x00"]


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
    paths = draw_all(lambda: figures_of(results), tmp_path / "figures", ["svg"])
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
        ({"along": "num_flip"}, "did you mean 'num_flips'"),
        ({"labels": {"a": "$x^$"}}, "labels must have mathematics"),
        ({"results": run_of().isel(num_patterns=[0], num_flips=[0])}, "the figure takes"),
        ({"ax": Figure().subplots(1, 4)}, "ax must be 3 matplotlib Axes"),
    ],
)
def test_names_that_are_not_there_are_refused(given, message):
    with pytest.raises(aj.InputError, match=message):
        aj.figures.curves(**{"results": run_of(), **given})


def test_files_that_cannot_be_written_are_refused(tmp_path):
    for name in ("one.jpg", "none/one.pdf"):
        with pytest.raises(aj.InputError, match=r"png, pdf, svg|folder that exists"):
            aj.figures.save(Figure(), tmp_path / name)


def test_the_command_draws_vector_files_of_an_observable_and_some_models(run, capsys):
    words = ["--format", "pdf,svg", "--observable", "overlap", "--models", '"[a],b"', "--label", "num_flips=flipped $n$"]
    assert main(["show", str(run), *words, "--quiet"]) == 0
    names = {path.name for path in (run / "figures").iterdir()}
    stems = ["overlap", "overlap_along_num_flips", "overlap_along_num_patterns"]
    assert names == {f"{stem}.{format}" for stem in stems for format in ("pdf", "svg")}
    text = (run / "figures" / "overlap_along_num_flips.svg").read_text(encoding="utf-8")
    assert "[a],b</text>" in text
    assert ">h</text>" not in text
    assert "flipped" in text


def test_the_command_refuses_what_is_not_there_before_it_draws(run, capsys, monkeypatch):
    monkeypatch.setattr("astrojax.report.figures.render", None)
    of_a_page = ["--html", "page.html", "--observable", "success"]
    for words in (["--format", "jpg"], ["--format", ""], ["--models", ""], ["--label", "num_flips"], of_a_page):
        assert main(["show", str(run), *words]) == 2
        assert capsys.readouterr().err.startswith("astrojax: ")


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
