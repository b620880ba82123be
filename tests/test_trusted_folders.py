"""A run folder can be trusted: what is read is what was written, or it is refused with a remedy; nothing outside is written."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
import zarr

import astrojax as aj
from astrojax._internal import files
from astrojax.cli import main
from astrojax.config.load import parse, parse_config
from astrojax.config.tune import TuneConfig
from astrojax.runs.tune import run_search
from astrojax.storage import stored_config
from astrojax.storage.folder import find_run
from astrojax.storage.provenance import RANDOM_NUMBERS
from astrojax.storage.record import SEALED, read_record

pytestmark = pytest.mark.usefixtures("no_figures")

RAW = {
    "seed": 3,
    "patterns": {"kind": "random", "num_neurons": 12},
    "axes": {"num_patterns": [2, 4], "num_flips": [1, 2]},
    "trials": 6,
    "models": {"h": {"kind": "hopfield"}},
    "retrieval": {"t1": 3.0},
    "decoders": False,
}
CONFIG = parse_config(RAW)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    aj.run(CONFIG, folder, execution=aj.Execution(lanes_per_chunk=4))
    return folder


@pytest.fixture
def run(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def energies(folder):
    return aj.load(folder).energy.values.tobytes()


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def refused(capsys, *words):
    assert main([str(word) for word in words]) == 2
    report = capsys.readouterr().err
    assert "Traceback" not in report
    return report


READERS = (["show"], ["show", "--html"], ["export", "--format", "csv"], ["verify"])


@pytest.mark.parametrize("unfinished", [True, False])
def test_an_edited_configuration_is_never_mixed_with_what_was_computed(finished, run, capsys, unfinished):
    if unfinished:
        with zarr.config.set({"array.write_empty_chunks": True}):
            zarr.open_array(run / "done.zarr", mode="r+")[:5] = 0
    edit(run / "config.yaml", "t1: 3.0", "t1: 0.05")
    report = refused(capsys, "run", run)
    assert "config.yaml was changed after the run was begun" in report
    assert "restore it, or give another folder" in report
    for command, *more in READERS:
        assert "config.yaml was changed after the run was begun" in refused(capsys, command, run, *more)
    with pytest.raises(aj.InputError, match="was changed after the run was begun"):
        aj.load(run, partial=True)
    # The configuration that it was begun with restores it.
    told = []
    aj.run(CONFIG, run, on_notice=told.append)
    assert f"{run / 'config.yaml'} was damaged or changed, and is written again" in told
    assert energies(run) == energies(finished)


def test_a_configuration_and_a_record_that_were_both_edited_do_not_pass_off_old_values(run, finished):
    """The values themselves are tied to the configuration they were computed with."""
    edit(run / "config.yaml", "t1: 3.0", "t1: 0.05")
    (run / "provenance.json").unlink()
    edit(run / "results.zarr" / "zarr.json", "config_sha256", "another_key")
    other = aj.run(aj.load_config(run / "config.yaml"), run)
    assert (other.energy.values != aj.load(finished).energy.values).all()
    assert all(not tally["different"] for tally in aj.verify(run, share=1.0).values())


def test_coordinates_are_those_that_were_written(finished, run, capsys):
    array = zarr.open_array(run / "results.zarr" / "num_patterns", mode="r+")
    array[0] = 3
    with pytest.raises(aj.InputError, match=r"num_patterns.* is changed; astrojax run .* mends it"):
        aj.load(run)
    for command, *more in READERS[:3]:
        assert "is damaged" in refused(capsys, command, run, *more)
    assert aj.verify(run, share=0.1, seed=0)["num_patterns"]["beyond"] == 1
    told = []
    aj.run(CONFIG, run, on_notice=told.append)
    assert any("num_patterns" in text and "written again" in text for text in told)
    assert aj.load(run).num_patterns.values.tolist() == [2, 4]
    assert energies(run) == energies(finished)


DESCRIPTIONS = {
    "dimension_names": lambda old: [old[0], old[2], old[1], old[3]],
    "fill_value": lambda old: 0.0,
    "data_type": lambda old: "int32",
    "attributes": lambda old: old | {"units": "mV"},
}


@pytest.mark.parametrize("key", DESCRIPTIONS)
def test_descriptions_of_variables_are_those_that_were_written(finished, run, key):
    path = run / "results.zarr" / "energy" / "zarr.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {key: DESCRIPTIONS[key](content[key])}))
    with pytest.raises(aj.InputError, match=r"energy/zarr\.json is changed; astrojax run .* mends it"):
        aj.load(run)
    tallies = aj.verify(run, share=0.3, seed=0)
    assert tallies["energy"]["beyond"] == tallies["energy"]["compared"] > 0
    assert tallies["hamming_error"]["different"] == 0
    told = []
    aj.run(CONFIG, run, on_notice=told.append)
    assert f"{path} is damaged, or differs from what this version writes, and is written again; the values are kept" in told
    assert aj.load(run).energy.identical(aj.load(finished).energy)


def test_chunks_of_two_places_cannot_be_exchanged(finished, run):
    energy = aj.load(run).energy.values[0, 0, 0]  # of six trials in two chunks; recalls that end alike have the same
    different = 2 * int((energy[:3] != energy[3:]).sum())
    assert different > 0
    one, other = sorted(path for path in (run / "results.zarr" / "energy" / "c").rglob("*") if path.is_file())[:2]
    both = one.read_bytes(), other.read_bytes()
    one.write_bytes(both[1])
    other.write_bytes(both[0])
    with pytest.raises(aj.InputError, match=r"are not those that were computed; astrojax run .* computes them again"):
        aj.load(run)
    # Both are compared as a whole, however small the share.
    assert aj.verify(run, share=1e-9, seed=0)["energy"]["different"] == different
    aj.run(CONFIG, run)
    assert energies(run) == energies(finished)


def test_a_flag_that_was_set_does_not_pass_off_values_that_were_not_computed(finished, run):
    array = zarr.open_array(run / "done.zarr", mode="r+")
    array[:3] = 0
    for path in sorted(path for path in (run / "results.zarr").glob("*/c/**/*") if path.is_file()):
        if path.parent.name == "0" and path.parent.parent.name == "0" and len(path.parts) > 5:
            path.unlink()
    array[:3] = 1
    with pytest.raises(aj.InputError, match=r"is missing; astrojax run .* computes them again"):
        aj.load(run)
    with pytest.raises(aj.InputError, match="is missing"):
        aj.load(run, partial=True)
    aj.run(CONFIG, run)
    assert energies(run) == energies(finished)


def test_what_is_not_done_is_nan_whatever_lies_there(run):
    with zarr.config.set({"array.write_empty_chunks": True}):
        zarr.open_array(run / "done.zarr", mode="r+")[0] = 0
    partial = aj.load(run, partial=True)
    assert int(np.isnan(partial.energy.values).sum()) == int((partial.status.values == -1).sum()) == 3


def test_a_missing_chunk_is_no_nan(finished, run, capsys):
    next(path for path in (run / "results.zarr" / "status" / "c").rglob("*") if path.is_file()).unlink()
    with pytest.raises(aj.InputError, match=r"the chunk status/c/0/.* is missing; astrojax run .* computes them again"):
        aj.load(run)
    for command, *more in READERS[:3]:
        assert "is missing; astrojax run" in refused(capsys, command, run, *more)
    assert main(["verify", str(run), "--share", "0.001"]) == 1
    assert "the run does not repeat" in capsys.readouterr().out
    aj.run(CONFIG, run)
    assert energies(run) == energies(finished)


@pytest.mark.parametrize("place", [0, -5])
def test_verify_counts_a_damaged_chunk_as_different_whatever_share_it_computes(run, place):
    """Also one whose size and CRC are as they were."""
    chunk = sorted(path for path in (run / "results.zarr" / "energy" / "c").rglob("*") if path.is_file())[-1]
    content = bytearray(chunk.read_bytes())
    content[place] ^= 1
    chunk.write_bytes(content)
    tallies = aj.verify(run, share=1e-9, seed=0)
    assert tallies["energy"]["different"] == tallies["energy"]["beyond"] == 3
    assert tallies["hamming_error"]["different"] == 0


def test_a_variable_that_the_run_did_not_write_is_refused(run, tmp_path, capsys):
    """A run of other chunks measured it; nothing ties its values to this one."""
    raw = RAW | {"retrieval": {"t1": 3.0, "convergence_speed": 0.1}}
    aj.run(parse_config(raw), tmp_path / "other", execution=aj.Execution(lanes_per_chunk=2))
    name = "results.zarr/convergence_time"
    shutil.copytree(tmp_path / "other" / name, run / name)
    for command, *more in READERS[:3]:
        assert f"{run / name} was not written by the run; remove it" in refused(capsys, command, run, *more)
    # Nor does a record that names it pass it off.
    record = read_record(run)
    record["files"] |= files.sha256_by_name(run, [f"{name}/zarr.json"])
    files.write_sealed_json(run / "provenance.json", record)
    with pytest.raises(aj.InputError, match=r"done\.zarr is damaged: it has 8 flags for 20 chunks; astrojax run .* mends it"):
        aj.load(run)


def test_values_that_are_damaged_after_loading_are_refused_when_they_are_read(run):
    results = aj.load(run)
    path = next(path for path in (run / "results.zarr" / "energy" / "c").rglob("*") if path.is_file())
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    assert np.isfinite(results.overlap.values).all()
    with pytest.raises(aj.InputError, match="energy holds damaged values; astrojax run"):
        _ = results.energy.values


def test_nonsense_in_the_record_is_refused_and_mended(finished, run, capsys):
    edit(run / "provenance.json", '"seed": 3', '"seed": 2')
    assert "provenance.json cannot be read: it is damaged" in refused(capsys, "show", run)
    aj.run(CONFIG, run)
    provenance = json.loads((run / "provenance.json").read_text())
    assert provenance["seed"] == 3
    assert provenance["random_numbers"] == RANDOM_NUMBERS == "threefry2x32, partitionable"
    assert energies(run) == energies(finished)


@pytest.mark.parametrize("is_sealed", [True, False])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("versions", 3),
        ("versions", {"jax": []}),
        ("files", [3]),
        ("files", {"config.yaml": 3}),
        ("input_files", "x"),
        ("config_sha256", "\ud800"),
        ("sessions", {"a": 3}),
        ("sessions", [{"seconds": {"parts": {"h": 3}}}]),
        ("devices", None),
        ("commit", "x"),
        ("trajectories_per_chunk", 0),
    ],
)
def test_a_record_that_holds_nonsense_is_refused_whoever_sealed_it(run, capsys, key, value, is_sealed):
    """Without a seal it is taken for that of an earlier version."""
    record = {name: old for name, old in read_record(run).items() if is_sealed or name not in SEALED} | {key: value}
    if is_sealed:
        files.write_sealed_json(run / "provenance.json", record)
    else:
        (run / "provenance.json").write_text(json.dumps(record))
    for command, *more in READERS:
        assert "provenance.json cannot be read" in refused(capsys, command, run, *more)


CONTENTS = [b"", b"[]", b"null", b"\xff\xfe\x00", b"[" * 20_000, b'{"a": ' + b"9" * 5000 + b"}", None]
"""What may stand in place of a file; `None` is a folder."""


@pytest.mark.parametrize(
    "name",
    [
        "provenance.json",
        "summary.json",
        "figures",
        "results.zarr",
        "results.zarr/zarr.json",
        "results.zarr/status/zarr.json",
        "results.zarr/num_patterns/c/0",
        "done.zarr",
        "done.zarr/zarr.json",
        "done.zarr/c/0",
    ],
)
def test_no_command_fails_otherwise_than_in_words_whatever_stands_in_place_of_a_file(run, capsys, name):
    path = run / name
    for content in CONTENTS:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        path.mkdir() if content is None else path.write_bytes(content)
        for command, *more in (READERS[0], READERS[2], ["run", "--dry-run"], ["tune"]):
            status = main([command, str(run), *more])
            captured = capsys.readouterr()
            assert status in (0, 1, 2)
            assert (status == 0) == (captured.err == "")
            if command == "export" and not status:
                (run / "results.csv").unlink()


def test_what_cannot_be_written_is_told(run, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    for place in (tmp_path / "file" / "x", tmp_path, Path("/proc/x")):
        for words in (
            ["export", run, "--format", "csv", "--out", place],
            ["show", run, "--html", place],
            ["run", run, "--out", place],
        ):
            assert main([str(word) for word in words]) in (1, 2), words
            assert capsys.readouterr().err.startswith("astrojax: ")


@pytest.mark.parametrize("dropped", [["sha256"], ["sha256", "files"], ["sha256", "files", "random_numbers", "input_files"]])
def test_a_record_without_its_seal_is_refused_and_mended(finished, run, capsys, dropped):
    record = json.loads((run / "provenance.json").read_text())
    (run / "provenance.json").write_text(json.dumps({key: record[key] for key in record if key not in dropped} | {"seed": 2}))
    for command, *more in READERS:
        assert "provenance.json cannot be read: it is damaged" in refused(capsys, command, run, *more)
    aj.run(CONFIG, run)
    assert json.loads((run / "provenance.json").read_text())["seed"] == 3
    assert energies(run) == energies(finished)


def test_a_folder_of_an_earlier_version_is_read_but_not_continued(run, capsys):
    wanted = energies(run)
    provenance = json.loads((run / "provenance.json").read_text())
    for name in ("sha256", *SEALED):
        del provenance[name]
    (run / "provenance.json").write_text(json.dumps(provenance))
    num_tasks = 8
    shutil.rmtree(run / "done.zarr")
    zarr.create_array(run / "done.zarr", shape=(num_tasks,), chunks=(1,), dtype="uint8")[:] = 1
    assert energies(run) == wanted
    assert main(["show", str(run)]) == 0
    assert "was begun by an earlier version" in refused(capsys, "run", run)
    assert "was begun by an earlier version" in refused(capsys, "verify", run)
    whole = (run / "config.yaml").read_text()
    edit(run / "config.yaml", "t1: 3.0", "t1: 0.05")
    assert "config.yaml was changed after the run was begun" in refused(capsys, "show", run)
    (run / "config.yaml").write_text(whole)
    next(path for path in (run / "results.zarr" / "energy" / "c").rglob("*") if path.is_file()).unlink()
    with pytest.raises(aj.InputError, match=r"the chunk c/.* is missing"):
        _ = aj.load(run).energy.values


# Pattern files.


@pytest.fixture
def project(tmp_path):
    """A folder with a configuration, its patterns, and a bias of each."""
    folder = tmp_path / "project"
    folder.mkdir()
    rng = np.random.default_rng(0)
    np.save(folder / "own.npy", rng.choice([-1.0, 1.0], (5, 16)))
    np.save(folder / "bias.npy", rng.normal(size=5))
    raw = RAW | {
        "patterns": {"kind": "file", "path": "own.npy"},
        "axes": {"num_patterns": 5, "num_flips": 1},
        "models": {"a": {"kind": "astrocyte", "logit_bias": "bias.npy"}},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(raw))
    return folder


def test_a_run_folder_holds_its_patterns_and_can_be_moved_continued_and_verified(project, tmp_path, capsys):
    out = project / "runs" / "mine"
    assert main(["run", str(project / "config.yaml"), "--out", str(out)]) == 0
    wanted = energies(out)
    assert "path: inputs/own.npy" in (out / "config.yaml").read_text()
    assert str(project) not in (out / "config.yaml").read_text()
    # The project moves: the same configuration continues the run, and only checks it.
    moved = project.rename(tmp_path / "moved")
    assert main(["run", str(moved / "config.yaml"), "--out", str(moved / "runs" / "mine")]) == 0
    # The folder alone moves, and the project is gone.
    alone = (moved / "runs" / "mine").rename(tmp_path / "alone")
    shutil.rmtree(moved)
    with zarr.config.set({"array.write_empty_chunks": True}):
        zarr.open_array(alone / "done.zarr", mode="r+")[:] = 0
    assert main(["run", str(alone)]) == 0
    assert energies(alone) == wanted
    assert main(["verify", str(alone), "--share", "1"]) == 0
    # Another bias is refused by its own name.
    np.save(tmp_path / "other.npy", np.zeros(5))
    capsys.readouterr()
    report = refused(capsys, "run", alone, "--models.a.logit_bias", tmp_path / "other.npy")
    assert "models.a.logit_bias: another file there, of SHA-256" in report
    assert "patterns.path" not in report


def test_a_damaged_copy_of_the_patterns_is_mended_from_the_original(project, tmp_path):
    out, config = tmp_path / "run", aj.load_config(project / "config.yaml")
    aj.run(config, out)
    wanted = energies(out)
    (out / "provenance.json").unlink()
    aj.run(config, out)
    assert energies(out) == wanted
    (out / "inputs" / "own.npy").write_bytes(b"nothing")
    with pytest.raises(aj.InputError, match=r"inputs/own\.npy is changed"):
        aj.load(out)
    aj.run(config, out)
    assert energies(out) == wanted


def test_large_files_stay_where_they_are_and_are_known_by_their_content(project, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(stored_config, "LARGEST_COPY", 100)
    out = project / "runs" / "mine"
    assert main(["run", str(project / "config.yaml"), "--out", str(out)]) == 0
    assert not (out / "inputs").exists()
    assert "path: ../../own.npy" in (out / "config.yaml").read_text()
    moved = project.rename(tmp_path / "moved")
    assert main(["verify", str(moved / "runs" / "mine"), "--share", "1"]) == 0
    np.save(moved / "own.npy", -np.load(moved / "own.npy"))
    capsys.readouterr()
    assert "patterns.path: " in refused(capsys, "verify", moved / "runs" / "mine")
    assert "patterns.path: another file there" in refused(capsys, "run", moved / "runs" / "mine")


def test_files_of_one_name_are_both_kept(project, tmp_path):
    (project / "more").mkdir()
    np.save(project / "more" / "bias.npy", np.ones(5))
    raw = yaml.safe_load((project / "config.yaml").read_text())
    raw["models"]["b"] = {"kind": "astrocyte", "logit_bias": "more/bias.npy"}
    begun = stored_config.begin(tmp_path / "run", parse_config(raw, folder=project), print)
    assert {path.name for path in (tmp_path / "run" / "inputs").iterdir()} == {"own.npy", "bias.npy", "2-bias.npy"}
    assert np.load(begun.config.models["b"].logit_bias).tolist() == [1] * 5


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
        assert "inputs/bias.npy" in path.read_text()
        assert str(tmp_path) not in path.read_text()
    wanted = aj.load_search(moved).heldout().energy.values.tobytes()
    run_search(aj.load_search_config(moved / "config.yaml"), moved)
    assert aj.load_search(moved).heldout().energy.values.tobytes() == wanted
    # What was found is not mistaken for something else.
    whole = tmp_path / "whole"
    shutil.copytree(moved, whole)
    edit(moved / "config.yaml", "num_steps: 2", "num_steps: 3")
    assert "config.yaml was changed after the run was begun" in refused(capsys, "tune", moved)
    with pytest.raises(aj.InputError, match="was changed after the run was begun"):
        aj.load_search(moved)
    edit(whole / "tuned.yaml", "temperature: ", "temperature: 1")
    assert "tuned.yaml is changed; astrojax tune" in refused(capsys, "show", whole)
    one, other = (whole / "heldout" / name / "config.yaml" for name in ("tuned", "start"))
    one.write_bytes(other.read_bytes())
    with pytest.raises(aj.InputError, match=r"tuned.config\.yaml was changed"):
        aj.load(whole / "heldout" / "tuned")


# Writing.


def test_nothing_is_written_through_links_of_a_folder_received_from_elsewhere(run, tmp_path, capsys):
    outside = tmp_path / "outside"
    (outside / "folder").mkdir(parents=True)
    (outside / "precious").write_text("precious")
    places = ("summary.json", "report.html", ".lock", "figures", "results.zarr/energy", "checkpoints", "inputs")
    for name in places:
        link, target = run / name, outside / ("folder" if "." not in name or "/" in name else "precious")
        kept = tmp_path / "kept"
        if link.exists():
            link.rename(kept)
        link.symlink_to(target)
        for words in (["show", run], ["show", run, "--html"], ["run", run]):
            report = refused(capsys, *words)
            assert "is a symbolic link" in report or "is missing" in report, (name, words)
        link.unlink()
        if kept.exists():
            kept.rename(link)
    assert (outside / "precious").read_text() == "precious"
    assert list((outside / "folder").iterdir()) == []
    assert main(["show", str(run)]) == 0


def test_a_file_is_written_exclusively_and_replaces_a_link_instead_of_following_it(tmp_path, monkeypatch):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "new.json").symlink_to(tmp_path / "precious")
    monkeypatch.setattr(files.secrets, "token_hex", lambda length: "0" * 16)
    part = tmp_path / ".0000000000000000.part.json"
    part.symlink_to(tmp_path / "precious")
    with pytest.raises(FileExistsError):
        files.write_file(tmp_path / "new.json", b"new")
    assert (tmp_path / "precious").read_text() == "precious"
    part.unlink(missing_ok=True)
    files.write_file(tmp_path / "new.json", b"new")
    assert (tmp_path / "new.json").read_text() == "new"
    assert not (tmp_path / "new.json").is_symlink()
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_file_and_its_folder_are_synced_before_and_after_it_replaces_another(tmp_path, monkeypatch):
    done = []
    real_sync, real_replace = os.fsync, Path.replace
    kinds = {True: "folder", False: "file"}
    monkeypatch.setattr(
        os, "fsync", lambda number: (done.append(kinds[os.path.isdir(f"/proc/self/fd/{number}")]), real_sync(number))
    )
    monkeypatch.setattr(Path, "replace", lambda self, target: (done.append("replace"), real_replace(self, target)))
    files.write_sealed_json(tmp_path / "a.json", {"a": 1})
    assert done == ["file", "replace", "folder"]
    assert files.read_sealed_json(tmp_path / "a.json") == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_run_folder_is_found_by_its_link(run, tmp_path):
    """The folder itself may be a link: it is inside that links are refused."""
    (tmp_path / "latest").symlink_to(run)
    assert main(["show", str(tmp_path / "latest")]) == 0
    assert find_run(tmp_path / "latest").exists()


@pytest.mark.parametrize("place", ["results.zarr/energy/c/0/0/0/0", "results.zarr/zarr.json", "provenance.json", "config.yaml"])
def test_a_pipe_in_a_folder_is_refused_and_never_read(run, capsys, place):
    (run / place).unlink()
    os.mkfifo(run / place)
    for command, *more in (*READERS, ["run"]):
        refused(capsys, command, run, *more)


@pytest.mark.parametrize("place", ["run/config.yaml", "run/provenance.json", "run/new.html", "mine.yaml", "pipe", "folder"])
def test_a_page_replaces_nothing_but_a_page(run, tmp_path, capsys, place):
    (tmp_path / "mine.yaml").write_text("seed: 1")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    refused(capsys, "show", run, "--html", tmp_path / place)
    for path, content in before.items():
        assert path.read_bytes() == content
    assert (tmp_path / "pipe").is_fifo()


def test_a_page_is_written_again(run, tmp_path):
    for _ in range(2):
        assert main(["show", str(run), "--html", "--quiet"]) == 0
        assert main(["show", str(run), "--html", str(tmp_path / "page.html"), "--quiet"]) == 0


def test_no_file_is_written_in_place_of_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a file"):
        files.write_file(tmp_path / "pipe", b"")
    assert (tmp_path / "pipe").is_fifo()
