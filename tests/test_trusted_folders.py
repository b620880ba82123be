"""A run folder can be trusted: what is read is what was written, or it is refused with a remedy; nothing outside is written."""

import functools
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
import zarr

import astrojax as aj
from astrojax._internal import files
from astrojax.cli import main
from astrojax.config.tune import TuneConfig
from astrojax.config.validation import parse
from astrojax.runs.tune import run_search
from astrojax.storage import provenance
from astrojax.storage.folder import locked
from astrojax.storage.provenance import RANDOM_NUMBERS, read_record

from .run_folders import CONFIG, NUM_CELLS, RAW, chunk_files, edit, flip_bit, refused, set_flags, values

pytestmark = pytest.mark.usefixtures("no_figures")

READERS = (["show"], ["show", "--html"], ["export", "--format", "csv"], ["verify"])


def repaired(run):
    """Run the configuration again in its folder. Returns the notices."""
    notices = []
    aj.run(CONFIG, run, on_notice=notices.append)
    return "\n".join(notices)


def test_an_edited_configuration_is_never_mixed_with_what_was_computed(finished_run, run, capsys):
    edit(run / "config.yaml", "t1: 3.0", "t1: 0.05")
    for command, *more in (*READERS, ["run"]):
        assert "config.yaml was changed after the run was started" in refused(capsys, command, run, *more)
    set_flags(run, slice(5))
    assert "config.yaml was changed after the run was started" in refused(capsys, "run", run)
    with pytest.raises(aj.InputError, match="was changed after the run was started"):
        aj.load(run, partial=True)
    # The original configuration restores it.
    assert f"{run / 'config.yaml'} or a file that it names was damaged or changed" in repaired(run)
    assert values(run) == values(finished_run)


def test_a_configuration_and_a_record_that_were_both_edited_do_not_pass_off_old_values(run, finished_run):
    """The values themselves are tied to the configuration they were computed with."""
    edit(run / "config.yaml", "t1: 3.0", "t1: 0.05")
    (run / "provenance.json").unlink()
    edit(run / "results.zarr" / "zarr.json", "config_sha256", "another_key")
    other = aj.run(aj.load_config(run / "config.yaml"), run)
    assert (other.energy.values != aj.load(finished_run).energy.values).all()
    assert all(not tally["different"] for tally in aj.verify(run, share=1.0).values())


@pytest.mark.parametrize("dropped", [[], ["sha256"], ["sha256", "files"]])
def test_an_edited_record_is_refused_and_repaired_also_without_its_seal(finished_run, run, capsys, dropped):
    record = json.loads((run / "provenance.json").read_text()) | {"seed": 2}
    kept = {key: value for key, value in record.items() if key not in dropped}
    (run / "provenance.json").write_text(json.dumps(kept))
    for command, *more in READERS:
        assert "provenance.json cannot be read: it is damaged" in refused(capsys, command, run, *more)
    repaired(run)
    record = json.loads((run / "provenance.json").read_text())
    assert record["seed"] == 3
    assert record["random_numbers"] == RANDOM_NUMBERS == "threefry2x32, partitionable"
    assert values(run) == values(finished_run)


def test_a_folder_of_a_version_without_seals_is_neither_trusted_nor_overwritten(run, capsys):
    record = json.loads((run / "provenance.json").read_text())
    (run / "provenance.json").write_text(json.dumps({key: record[key] for key in ("seed", "versions", "config_sha256")}))
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for command, *more in (*READERS, ["run"]):
        assert "was started by a version before the first release" in refused(capsys, command, run, *more)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def describe(path, key, change):
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {key: change(content[key])}))


def move_load(path):
    zarr.open_array(path.parents[1], mode="r+")[0] = 4


TRUNCATED = ["config.yaml", "provenance.json", "done.zarr/zarr.json"]
TRUNCATED += [f"results.zarr/{name}" for name in ("zarr.json", "decoder_error/zarr.json", "model/c/0")]
DESCRIBED = {
    "dimension_names": lambda old: [old[0], old[2], old[1], old[3]],
    "data_type": lambda old: "int32",
    "attributes": lambda old: old | {"units": "mV"},
}


@pytest.mark.parametrize(
    ("name", "damage"),
    [(name, truncate) for name in TRUNCATED]
    + [("results.zarr/energy/zarr.json", functools.partial(describe, key=key, change=DESCRIBED[key])) for key in DESCRIBED]
    + [("results.zarr/num_patterns/c/0", move_load)],
)
def test_damaged_descriptions_are_refused_and_repaired_and_values_are_kept(finished_run, run, monkeypatch, name, damage):
    damage(run / name)
    with pytest.raises(aj.InputError, match=rf"{re.escape(name)}.*(astrojax run .* repairs it|restore it)"):
        aj.load(run)
    if "energy" in name or "num_patterns" in name:
        assert aj.verify(run, seed=0)[name.split("/")[1]]["beyond"] > 0
    monkeypatch.setattr("astrojax.sweep.engine.Session.compute", lambda *given: pytest.fail("computed again"))
    assert f"{run / name} " in repaired(run)
    assert aj.load(run).identical(aj.load(finished_run))
    assert not repaired(run)


def swap(one, other):
    both = one.read_bytes(), other.read_bytes()
    one.write_bytes(both[1])
    other.write_bytes(both[0])


@pytest.mark.parametrize(
    ("variable", "damage", "message"),
    [
        ("hamming_error", flip_bit, "hamming_error holds damaged values"),
        ("hamming_error", Path.unlink, "the chunk hamming_error/c/.* is missing"),
        ("hamming_error", swap, "are not those that were computed"),
    ],
)
def test_damaged_chunks_are_refused_counted_by_verify_and_computed_again(finished_run, run, capsys, variable, damage, message):
    first, *_, last = chunk_files(run, variable)
    damage(last, *([first] if damage is swap else []))
    for partial in (False, True):
        with pytest.raises(aj.InputError, match=rf"{message}.*; astrojax run .* computes them again"):
            aj.load(run, partial=partial).load()
    for command, *more in READERS[:3]:
        assert "computes them again" in refused(capsys, command, run, *more)
    assert not (run / "report.html").exists()
    # A damaged chunk is compared as a whole, however small the share.
    tallies = aj.verify(run, share=1e-9, seed=0)
    assert tallies[variable]["different"] > 0
    if damage is not swap:
        assert tallies[variable]["different"] == tallies[variable]["beyond"] == aj.load(finished_run)[variable].size / 8
    assert not tallies.get("energy", {}).get("different")
    assert f"{2 if damage is swap else 1} of {NUM_CELLS} chunks were damaged, and are computed again" in repaired(run)
    assert values(run) == values(finished_run)


def test_a_variable_that_the_run_did_not_write_is_refused(run, capsys):
    name = "results.zarr/convergence_time"
    shutil.copytree(run / "results.zarr" / "energy", run / name)
    for command, *more in READERS[:3]:
        assert f"{run / name} was not written by the run; remove it" in refused(capsys, command, run, *more)
    # A record that names it does not pass it off either.
    record = read_record(run)
    record["files"] |= files.sha256_by_name(run, [f"{name}/zarr.json"])
    files.write_sealed_json(run / "provenance.json", record)
    with pytest.raises(aj.InputError, match="are not those that were computed"):
        aj.load(run)


CONTENTS = [b"", b"null", b"[" * 20_000, b'{"a": ' + b"9" * 5000 + b"}", None]
"""What a file is replaced with; `None` is a folder."""


@pytest.mark.parametrize("name", ["provenance.json", "summary.json", "results.zarr", "results.zarr/zarr.json", "done.zarr/c/0"])
def test_commands_never_crash_on_a_file_with_foreign_content(run, capsys, name):
    path = run / name
    for content in CONTENTS if path.is_file() and name != "summary.json" else (b"", None):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        path.mkdir() if content is None else path.write_bytes(content)
        for command, *more in (READERS[0], READERS[2], ["tune"]):
            status = main([command, str(run), *more])
            assert status in (0, 1, 2)
            assert (status == 0) == (capsys.readouterr().err == "")
            (run / "results.csv").unlink(missing_ok=True)


def test_a_pipe_in_a_folder_is_refused_and_never_read(run, capsys):
    for place in ("results.zarr/energy/c/0/0/0/0", "results.zarr/zarr.json", "provenance.json", "config.yaml"):
        (run / place).rename(run / "kept")
        os.mkfifo(run / place)
        for command, *more in (*READERS, ["run"]):
            refused(capsys, command, run, *more)
        (run / "kept").replace(run / place)


@pytest.fixture
def project(tmp_path):
    """A folder with a configuration, its patterns, and a bias of each, in files of the same name."""
    folder = tmp_path / "project"
    folder.mkdir()
    rng = np.random.default_rng(0)
    np.save(folder / "own.npy", rng.choice([-1.0, 1.0], (5, 16)))
    (folder / "biases").mkdir()
    np.save(folder / "biases" / "own.npy", rng.normal(size=5))
    raw = RAW | {
        "patterns": {"kind": "file", "path": "own.npy"},
        "axes": {"num_patterns": 5, "num_flips": 1},
        "models": {"a": {"kind": "astrocyte", "logit_bias": "biases/own.npy"}},
        "decoders": False,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(raw))
    return folder


def test_a_run_folder_holds_its_patterns_and_can_be_moved_continued_and_verified(project, tmp_path, capsys):
    out = project / "runs" / "mine"
    assert main(["run", str(project / "config.yaml"), "--out", str(out)]) == 0
    expected = values(out)
    assert "path: inputs/own.npy" in (out / "config.yaml").read_text()
    assert {path.name for path in (out / "inputs").iterdir()} == {"own.npy", "2-own.npy"}
    assert str(project) not in (out / "config.yaml").read_text()
    # The project moves: the same configuration continues the run, and only checks it.
    moved = project.rename(tmp_path / "moved")
    assert main(["run", str(moved / "config.yaml"), "--out", str(moved / "runs" / "mine")]) == 0
    # The folder is moved out, and the project is deleted.
    folder = (moved / "runs" / "mine").rename(tmp_path / "folder")
    shutil.rmtree(moved)
    set_flags(folder, slice(None))
    assert main(["run", str(folder)]) == 0
    assert values(folder) == expected
    assert main(["verify", str(folder), "--share", "1"]) == 0
    # Another bias is refused by its own name.
    np.save(tmp_path / "other.npy", np.zeros(5))
    report = refused(capsys, "run", folder, "--models.a.logit_bias", tmp_path / "other.npy")
    assert "models.a.logit_bias: another file there, of SHA-256" in report
    assert "patterns.path" not in report


def test_a_damaged_copy_of_the_patterns_is_refused_and_repaired_from_the_original(project, tmp_path, capsys):
    out, config = tmp_path / "run", aj.load_config(project / "config.yaml")
    aj.run(config, out)
    expected = values(out)
    (out / "provenance.json").unlink()
    aj.run(config, out)
    assert values(out) == expected
    for damage in (lambda path: path.write_bytes(b"nothing"), Path.unlink):
        damage(out / "inputs" / "own.npy")
        for command in ("show", "verify"):
            assert "inputs/own.npy is " in refused(capsys, command, out)
    aj.run(config, out)
    assert values(out) == expected


def test_large_files_stay_where_they_are_and_are_known_by_their_content(project, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(provenance, "MAX_COPY_BYTES", 100)
    out = project / "runs" / "mine"
    assert main(["run", str(project / "config.yaml"), "--out", str(out)]) == 0
    assert not (out / "inputs").exists()
    assert "path: ../../own.npy" in (out / "config.yaml").read_text()
    moved = project.rename(tmp_path / "moved")
    assert main(["verify", str(moved / "runs" / "mine"), "--share", "1"]) == 0
    np.save(moved / "own.npy", -np.load(moved / "own.npy"))
    assert "patterns.path: " in refused(capsys, "verify", moved / "runs" / "mine")
    assert "patterns.path: another file there" in refused(capsys, "run", moved / "runs" / "mine")


def test_a_search_holds_its_patterns_in_every_folder_and_is_refused_when_it_was_edited(project, tmp_path, capsys):
    raw = yaml.safe_load((project / "config.yaml").read_text())
    raw = {name: raw[name] for name in ("seed", "patterns", "axes", "retrieval")} | {
        "model": raw["models"]["a"],
        "parameters": ["temperature"],
        "search": {"num_steps": 2, "batch_size": 4, "validation_size": 4, "validate_every": 1, "checkpoint_every": 1},
        "landscape": {"size": 0},
        "heldout_trials": 4,
    }
    out = tmp_path / "search"
    run_search(parse(raw, TuneConfig, folder=project), out)
    shutil.rmtree(project)
    moved = out.rename(tmp_path / "elsewhere")
    for path in (moved / "config.yaml", moved / "tuned.yaml", moved / "heldout" / "tuned" / "config.yaml"):
        assert "inputs/own.npy" in path.read_text()
        assert "inputs/2-own.npy" in path.read_text()
        assert str(tmp_path) not in path.read_text()
    expected = aj.load_search(moved).heldout().energy.values.tobytes()
    run_search(aj.load_search_config(moved / "config.yaml"), moved)
    assert aj.load_search(moved).heldout().energy.values.tobytes() == expected
    whole = tmp_path / "whole"
    shutil.copytree(moved, whole)
    edit(moved / "config.yaml", "num_steps: 2", "num_steps: 3")
    assert "config.yaml was changed after the run was started" in refused(capsys, "tune", moved)
    with pytest.raises(aj.InputError, match="was changed after the run was started"):
        aj.load_search(moved)
    edit(whole / "tuned.yaml", "temperature: ", "temperature: 1")
    assert "tuned.yaml is changed; astrojax tune" in refused(capsys, "show", whole)
    one, other = (whole / "heldout" / name / "config.yaml" for name in ("tuned", "start"))
    one.write_bytes(other.read_bytes())
    with pytest.raises(aj.InputError, match=r"tuned.config\.yaml was changed"):
        aj.load(whole / "heldout" / "tuned")


def test_nothing_is_written_through_links_inside_a_folder_which_may_be_a_link_itself(run, tmp_path, capsys):
    outside, kept = tmp_path / "outside", tmp_path / "kept"
    (outside / "folder").mkdir(parents=True)
    (outside / "precious").write_text("precious")
    for name in ("summary.json", "report.html", ".lock", "figures", "results.zarr/energy", "checkpoints", "inputs"):
        link, target = run / name, outside / ("folder" if "." not in name or "/" in name else "precious")
        if link.exists():
            link.rename(kept)
        link.symlink_to(target)
        for words in (["show", run], ["show", run, "--html"]):
            report = refused(capsys, *words)
            assert "is a symbolic link" in report or "is missing" in report, (name, words)
        with pytest.raises(aj.InputError, match="is a symbolic link"), locked(run):
            pass
        link.unlink()
        if kept.exists():
            kept.rename(link)
    assert (outside / "precious").read_text() == "precious"
    assert list((outside / "folder").iterdir()) == []
    (tmp_path / "latest").symlink_to(run)
    assert main(["show", str(tmp_path / "latest")]) == 0
    with locked(tmp_path / "latest"):
        pass


def test_a_file_is_written_exclusively_and_replaces_a_link_instead_of_following_it(tmp_path, monkeypatch):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "new.json").symlink_to(tmp_path / "precious")
    monkeypatch.setattr(files.secrets, "token_hex", lambda length: "0" * 16)
    part = tmp_path / ".0000000000000000.part.json"
    part.symlink_to(tmp_path / "precious")
    with pytest.raises(FileExistsError):
        files.write_file(tmp_path / "new.json", b"new")
    part.unlink(missing_ok=True)
    files.write_file(tmp_path / "new.json", b"new")
    assert (tmp_path / "new.json").read_text() == "new"
    assert not (tmp_path / "new.json").is_symlink()
    assert (tmp_path / "precious").read_text() == "precious"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a file"):
        files.write_file(tmp_path / "pipe", b"")
    assert (tmp_path / "pipe").is_fifo()


def test_a_file_and_its_folder_are_synced_before_and_after_it_replaces_another(tmp_path, monkeypatch):
    calls = []
    sync, replace = os.fsync, Path.replace

    def record_sync(number):
        calls.append("folder" if os.path.isdir(f"/proc/self/fd/{number}") else "file")
        sync(number)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(Path, "replace", lambda self, target: (calls.append("replace"), replace(self, target)))
    files.write_sealed_json(tmp_path / "a.json", {"a": 1})
    assert calls == ["file", "replace", "folder"]
    assert files.read_sealed_json(tmp_path / "a.json") == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_page_replaces_nothing_but_a_page(run, tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text("seed: 1")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for place in ("run/config.yaml", "run/provenance.json", "run/new.html", "mine.yaml", "pipe", "folder"):
        refused(capsys, "show", run, "--html", tmp_path / place)
    assert before.items() <= {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}.items()
    assert (tmp_path / "pipe").is_fifo()
    for words in ([], [str(tmp_path / "page.html")], [str(tmp_path / "page.html")]):
        assert main(["show", str(run), "--html", *words, "--quiet"]) == 0


def test_where_nothing_can_be_written_commands_say_so(run, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    for place in (tmp_path / "file" / "x", tmp_path, Path("/proc/x")):
        for words in (["export", run, "--format", "csv", "--out"], ["show", run, "--html"], ["run", run, "--out"]):
            assert main([str(word) for word in (*words, place)]) in (1, 2), words
            assert capsys.readouterr().err.startswith("astrojax: ")
