"""The page of a run folder says what was found, what failed and where, with which settings, and loads nothing."""

import json
import re
import shutil

import numpy as np
import pytest
import xarray as xr

import astrojax as aj
from astrojax.config.load import parse, parse_config
from astrojax.config.tune import TuneConfig
from astrojax.report.html.document import html, markdown
from astrojax.report.html.run import run_page
from astrojax.report.html.tune import search_page
from astrojax.report.html.write import write_run_page
from astrojax.report.statistics import mean_interval, with_interval
from astrojax.storage.provenance import as_yaml, read_record

from .test_report_page import Tags

SMALL = {
    "name": "small",
    "patterns": {"kind": "random", "num_neurons": 8},
    "axes": {"num_patterns": [2, 4], "num_flips": [0, 2]},
    "trials": 6,
    "models": {"a|b": {"kind": "hopfield"}},
    "decoders": False,
    "retrieval": {"max_steps": 12, "solver": "etd3"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run in which some trajectories take more steps than they may."""
    path = tmp_path_factory.mktemp("runs") / "small run"
    aj.run(parse_config(SMALL), path)
    return path


@pytest.fixture
def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copied")


@pytest.fixture(scope="module")
def page(folder):
    return page_of(folder, folder.parent)


def page_of(folder, tmp_path) -> str:
    return write_run_page(folder, tmp_path / "page.html").read_text(encoding="utf-8")


def text_of(page: str) -> str:
    """What a reader sees, on one line."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def test_a_finished_run_has_everything_on_one_page_that_loads_nothing(folder, page):
    text, results = text_of(page), aj.load(folder)
    failed = int((results.status > 0).sum())
    assert 0 < failed < 24
    assert f"Finished: 24 trajectories, {failed} failures." in text
    assert "Content-Security-Policy" in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert page.count("<img ") == 3
    provenance = read_record(folder)
    for shown in (provenance["config_sha256"], provenance["versions"]["jax"], provenance["sessions"][0]["started"]):
        assert shown in text
    assert "num_neurons: 8" in page
    assert "astrojax verify &#x27;small run&#x27;" in page or "astrojax verify 'small run'" in page
    assert sorted(path.name for path in folder.parent.iterdir()) == ["page.html", folder.name]


def test_means_have_the_intervals_of_the_stored_results(folder, page):
    text = text_of(page)
    errors = aj.load(folder).hamming_error.isel(model=0)
    for load in range(2):
        row = []
        for level in range(2):
            values = errors.isel(num_patterns=load, num_flips=level).values.astype(float)
            values = values[~np.isnan(values)]
            row.append(with_interval([values.mean(), *mean_interval(values, (0, 8))], ".3g") if values.size else "–")
        assert f"{(2, 4)[load]} {row[0]} {row[1]}" in text


def test_failures_are_told_by_status_and_place(folder, page):
    text, status = text_of(page), aj.load(folder).status.isel(model=0)
    failed = status.values > 0
    assert f"a|b max_steps {failed.sum()} {failed.sum() / 24:.2%} The horizon was not reached within max_steps steps" in text
    for place, load in enumerate((2, 4)):
        number = failed[place].sum()
        assert (f"num_patterns {load} {number} of 12" in text) == (number > 0)
    first = np.argwhere(failed)[0]
    assert f"max_steps {(2, 4)[first[0]]} {(0, 2)[first[1]]} {first[2]}" in text


def test_an_unfinished_run_says_how_to_go_on(copied, tmp_path):
    shutil.rmtree(copied / "done.zarr" / "c")
    text = text_of(page_of(copied, tmp_path))
    assert re.search(r"Unfinished : 0 of \d+ chunks are computed", text)
    assert "astrojax run copied continues it" in text


def test_a_run_of_which_nothing_is_computed_has_a_page(folder, tmp_path):
    results = aj.load(folder).load()
    nothing = xr.where(results.hamming_error < 0, results.hamming_error, np.nan)
    empty = results.assign(dict.fromkeys(("hamming_error", "success", "settled"), nothing) | {"status": results.status * 0 - 1})
    page = markdown(run_page("empty", "seed: 0", {}, empty, 0, 3), "figures")
    assert "**Unfinished**: 0 of 3 chunks are computed, 0 of 24 trajectories." in page
    assert "Nothing is computed yet." in page
    assert "No trajectory failed." in page


@pytest.mark.parametrize("number", [0, 3])
def test_recalls_under_way_are_counted(folder, number):
    results = aj.load(folder).load()
    settled = xr.where(results.settled >= 0, 1.0, np.nan)
    settled[0, 1, 1, :number] = 0.0
    page = markdown(run_page("mine", "seed: 0", {}, results.assign(settled=settled), 3, 3), "figures")
    said = page.partition("## Recalls still under way")[2].split("\n##")[0]
    assert (f"towards the other sign: a\\|b {number}." in said) == (number > 0)
    assert ("None: at the horizon" in said) == (number == 0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.yaml", "is not a run folder: it holds no config.yaml"),
        ("provenance.json", "provenance.json cannot be read"),
        ("results.zarr", "the run was not started"),
        ("results.zarr/status/c", None),
        ("results.zarr/success/zarr.json", "is damaged"),
    ],
)
def test_a_damaged_folder_is_told_and_no_page_is_written(copied, tmp_path, name, message):
    path = copied / name
    if message is None:  # values, not descriptions
        message = "status holds damaged values; astrojax run .* computes them again"
        for chunk in path.rglob("*"):
            if chunk.is_file():
                chunk.write_bytes(chunk.read_bytes()[:-3] + b"abc")
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with pytest.raises(aj.InputError, match=message):
        write_run_page(copied, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_page_needs_a_folder_to_be_in(folder, tmp_path):
    with pytest.raises(aj.InputError, match="the page must be a file in a folder that exists"):
        write_run_page(folder, tmp_path / "none" / "page.html")
    with pytest.raises(aj.InputError, match="does not exist"):
        write_run_page(tmp_path / "none", tmp_path / "page.html")


SEARCH = {
    "name": "search",
    "patterns": {"kind": "random", "num_neurons": 8},
    "axes": {"num_patterns": 4, "num_flips": [1, 2]},
    "model": {"kind": "astrocyte"},
    "parameters": ["temperature", "tau_x"],
}


def test_an_unfinished_search_has_a_page(tmp_path):
    folder = tmp_path / "search"
    folder.mkdir()
    config = parse(SEARCH, TuneConfig)
    (folder / "config.yaml").write_text(as_yaml(config))
    (folder / "provenance.json").write_text(json.dumps({"seed": 7, "finished": False, "commit": None}))
    text = text_of(page_of(folder, tmp_path))
    assert "Unfinished : astrojax tune search continues it." in text
    assert "parameters:" in text
    (folder / "provenance.json").write_text(json.dumps({"finished": True}))
    with pytest.raises(aj.InputError, match="is unfinished"):
        write_run_page(folder, tmp_path / "other.html")


def searched(folder, name="found", text="seed: 0"):
    """The page of a search, of which names and texts are given."""
    steps = np.arange(3.0)
    dims = ("score", "start", "step")
    history = xr.Dataset(
        {
            name: (dims, np.reshape(values, (1, 1, 3)))
            for name, values in {
                "loss": [np.nan, 0.4, 0.3],
                "gradient_norm": [np.nan, 1, 1],
                "validation_loss": [0.5, 0.2, 0.3],
                "validation_error": [2, 1, 1.5],
                "validation_success": [0, 0.5, 0.25],
                "temperature": [0.01, 0.125, 0.5],
                "tau_x": 1 + steps,
                "num_clipped": [0, 2, 0],
                "num_non_finite": steps * 0,
                "num_failed": steps * 0,
            }.items()
        },
        {"score": ["squared"]},
    )
    values = {"temperature": [0.1, 1.0], "tau_x": [1.0, 2.0]}
    landscape = xr.DataArray(np.ones((2, 2)), coords=values, dims=list(values))
    one = aj.load(folder).load().drop_vars("swept_axes").isel(num_flips=[1], num_patterns=[1])
    both = xr.concat([one.assign_coords(model=[name]) for name in ("tuned", "start")], "model")
    decoders = both.hamming_error.isel(model=[0]).rename(model="decoder").assign_coords(decoder=["bayes_signed"])
    found = {"random": {"values": {"temperature": 0.3, "tau_x": 1.5}, "candidates": 12, "trajectories": 3456}}
    heldout = both.assign(decoder_error=decoders)
    provenance = {"seed": text, "versions": {name: text}, "input_files": {name: text}, "devices": [text]}
    return search_page(name, text, provenance, list(values), history, heldout, found, landscape, f"trials: 1\n{text}")


def test_a_finished_search_shows_values_history_comparison_and_fresh_problems(folder):
    page = searched(folder)
    text = markdown(page, "figures")
    assert "| temperature | 0.01 | 0.125 |" in text
    assert "| squared | 0 | 2 | 0.5 | 1 | 0.2 | 1 | 50.0% |" in text
    assert "| random search | 0.3 | 1.5 | 12 | 3,456 |" in text
    assert "2 clipped" in text
    assert "| tuned |" in text
    assert [name.split("-", 1)[1] for name in page.pictures] == ["search", "landscape", "before-and-after"]
    assert "~~~~~yaml\ntrials: 1\nseed: 0\n~~~~~" in text


HOSTILE = [
    "`` `a` ``",
    "~~~~~",
    "![x](javascript:alert(1))",
    "[x](http://evil.example)",
    "<http://evil.example>",
    "<script>alert(1)</script>",
    "a|b \\| c",
    "# h\n\n## h\n\n- l",
    "\u202egnp.exe\x00\ud800",
    "$x^$",
    "&lt; **holds**",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_a_folder_is_shown_as_text_and_changes_nothing_else(folder, monkeypatch, text):
    monkeypatch.setattr("astrojax.report.html.run.figures_of", lambda results: {})
    monkeypatch.setattr("astrojax.report.html.tune.figures_of_search", lambda *given: {})
    results = aj.load(folder).load()

    def run(text):
        settings = f"name: 1\n{text}\n\n~~~~~~\n{text}"
        provenance = {"seed": text, "versions": {text: text}, "commit": {"id": text}, "sessions": [{"started": text}]}
        named = results.assign_coords(model=[text]).rename(num_flips=text).assign_attrs(solver=text)
        named.success.attrs = {"definition": text, "units": text}
        named = named.assign_coords(swept_axes=("model", [json.dumps(list(named.hamming_error.dims[1:]))]))
        return html(run_page(text, settings, provenance, named, 0, 3))

    for page_of_text in (run, lambda text: html(searched(folder, text, text))):
        page, harmless = Tags(page_of_text(text)), Tags(page_of_text("harmless"))
        assert [tag for tag, _ in page.tags] == [tag for tag, _ in harmless.tags]
        assert all(attributes["href"].startswith("#") for attributes in page.attributes("a"))
        shown = text.replace("\u202e", r"\u202e").replace("\x00", r"\u0000").replace("\ud800", r"\ud800")
        assert " ".join(shown.split()) in page.texts["h1"][0]
        assert any(shown in block for block in page.texts["pre"])
        assert any(" ".join(shown.split()) == cell for cell in page.texts["td"])
