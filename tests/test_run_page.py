"""The page of a run folder says what was found, what failed and where, with which settings, and loads nothing."""

import json
import re
import shutil

import numpy as np
import pytest

import astrojax as aj
from astrojax._internal.files import write_sealed_json
from astrojax.config.tune import TuneConfig
from astrojax.config.validation import parse, parse_config
from astrojax.report.html.render import render
from astrojax.report.html.write import run_content, write_run_page
from astrojax.report.statistics import mean_interval, with_interval
from astrojax.storage.provenance import as_yaml, read_record

from .run_folders import SEARCH, TINY
from .test_report_page import Tags, assert_loads_nothing

SMALL = TINY | {
    "name": "small",
    "axes": {"num_patterns": [2, 4], "num_flips": [0, 2]},
    "trials": 6,
    "models": {"a|b": {"kind": "hopfield"}},
    "retrieval": {"max_steps": 12, "solver": "etd3"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run in which some trajectories take more steps than they may."""
    path = tmp_path_factory.mktemp("runs") / "small run"
    aj.run(parse_config(SMALL), path)
    return path


@pytest.fixture(scope="module")
def results(folder):
    return aj.load(folder).load()


@pytest.fixture(scope="module")
def page(folder):
    return write_page(folder, folder.parent)


def write_page(folder, tmp_path) -> str:
    return write_run_page(folder, tmp_path / "page.html").read_text(encoding="utf-8")


def text_of(page: str) -> str:
    """What a reader sees, on one line."""
    (body,) = Tags(page).texts["body"]
    return " ".join(body.split())


def rows_of(tags: Tags, width: int) -> list[list[str]]:
    """All sequences of `width` neighboring cells."""
    return [tags.texts["td"][at : at + width] for at in range(len(tags.texts["td"]) - width + 1)]


def test_a_finished_run_has_everything_on_one_page_that_loads_nothing(folder, page, results):
    text = text_of(page)
    failed = int((results.status > 0).sum())
    assert 0 < failed < 24
    assert f"Finished: 24 trajectories, {failed} failures." in text
    assert_loads_nothing(Tags(page), 3)
    assert all(link["href"].startswith("#") for link in Tags(page).attributes("a"))
    provenance = read_record(folder)
    for shown in (provenance["config_sha256"], provenance["versions"]["jax"], provenance["sessions"][0]["started"]):
        assert shown in text
    assert "num_neurons: 8" in text
    assert "astrojax verify 'small run'" in text
    assert sorted(path.name for path in folder.parent.iterdir()) == ["page.html", folder.name]


def test_means_have_the_intervals_of_the_stored_results(page, results):
    errors = results.hamming_error.isel(model=0)
    for load in (2, 4):
        row = [str(load)]
        for level in (0, 2):
            values = errors.sel(num_patterns=load, num_flips=level).values.astype(float)
            values = values[~np.isnan(values)]
            row.append(with_interval([values.mean(), *mean_interval(values, (0, 8))], ".3g") if values.size else "–")
        assert row in rows_of(Tags(page), 3)


def test_failures_are_reported_by_status_and_place(page, results):
    tags, status = Tags(page), results.status.isel(model=0)
    failed = status.values > 0
    assert ["a|b", "max_steps", str(failed.sum()), f"{failed.sum() / 24:.2%}"] in rows_of(tags, 4)
    assert any("The horizon was not reached within max_steps steps" in cell for cell in tags.texts["td"])
    for place, load in enumerate((2, 4)):
        number = failed[place].sum()
        assert (["num_patterns", str(load), f"{number} of 12"] in rows_of(tags, 3)) == (number > 0)
    load, level, trial = np.argwhere(failed)[0]
    assert ["max_steps", f"{(2, 4)[load]}", f"{(0, 2)[level]}", f"{trial}"] in rows_of(tags, 4)


def test_an_unfinished_run_says_how_to_continue_it(folder, tmp_path):
    copied = shutil.copytree(folder, tmp_path / "copied")
    shutil.rmtree(copied / "done.zarr" / "c")
    text = text_of(write_page(copied, tmp_path))
    assert re.search(r"Unfinished: 0 of \d+ chunks are computed", text)
    assert "astrojax run copied continues it" in text


def test_an_unfinished_tune_run_has_a_page(tmp_path):
    folder = tmp_path / "tune"
    folder.mkdir()
    (folder / "config.yaml").write_text(as_yaml(parse(SEARCH, TuneConfig)))
    record = {"seed": 7, "finished": False, "commit": None, "files": {}}
    write_sealed_json(folder / "provenance.json", record)
    text = text_of(write_page(folder, tmp_path))
    assert "Unfinished: astrojax tune tune continues it." in text
    assert "parameters:" in text
    write_sealed_json(folder / "provenance.json", record | {"finished": True})
    with pytest.raises(aj.InputError, match="is unfinished"):
        write_run_page(folder, tmp_path / "other.html")


HOSTILE = (
    "~~~~~ ![x](javascript:alert(1)) <http://evil.example> <script>alert(1)</script> a|b # h \u202egnp.exe\x00\ud800 $x^$ &lt; "
    "{{ config }} {% raw %} </code></pre></style> '\"><img src=x onerror=alert(1)>"
)


def test_text_of_a_folder_is_shown_literally_and_changes_nothing_else(results, monkeypatch):
    monkeypatch.setattr("astrojax.report.html.write.figures_of", lambda results: {})

    def page_of(text):
        settings = f"name: 1\n{text}\n\n~~~~~~\n{text}"
        provenance = {"seed": text, "versions": {text: text}, "commit": {"id": text}, "sessions": [{"started": text}]}
        named = results.assign_coords(model=[text]).rename(num_flips=text).assign_attrs(solver=text)
        named.success.attrs = {"definition": text, "units": text}
        named = named.assign_coords(swept_axes=("model", [json.dumps(list(named.hamming_error.dims[1:]))]))
        return Tags(render("run.html", folder=text, config=settings, **run_content(named, provenance, 0, 3)))

    page = page_of(HOSTILE)
    assert page.tags == page_of("harmless").tags
    shown = HOSTILE.replace("\u202e", r"\u202e").replace("\x00", r"\u0000").replace("\ud800", r"\ud800")
    assert shown in page.texts["h1"][0]
    assert any(shown in block for block in page.texts["pre"])
    assert shown in page.texts["td"]
