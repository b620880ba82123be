"""Whatever happens to a run, its folder can be continued, and ends with the values of an undisturbed one."""

import contextlib
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import astrojax as aj
from astrojax.cli import main
from astrojax.config.load import parse_config
from astrojax.storage import folder as store
from astrojax.storage import results as storage

pytestmark = [pytest.mark.as_used, pytest.mark.usefixtures("no_figures")]

RAW = {
    "patterns": {"kind": "random", "num_neurons": 11},
    "axes": {"num_patterns": [20], "num_flips": [0, 2, 4], "temperature": [0.01, 1]},
    "trials": 12,
    "models": {"a": {"kind": "astrocyte"}, "h": {"kind": "hopfield"}},
    "retrieval": {"t1": 5},
}
CHUNK = 6
LONGER = ["--trials", "48"]
"""For runs that are interrupted on their way."""

KILLS = int(os.environ.get("ASTROJAX_KILLS", "2"))
"""How often the run is killed in the test; 25 take a few minutes."""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "run.yaml"
    path.write_text(json.dumps(RAW))
    return path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, config):
    return finished(config, tmp_path_factory.mktemp("undisturbed") / "run")


@pytest.fixture(scope="module")
def longer_undisturbed(tmp_path_factory, config):
    return finished(config, tmp_path_factory.mktemp("undisturbed") / "longer", *LONGER)


def finished(config, folder, *more):
    assert start(config, folder, *more).wait() == 0
    return folder


def start(config, folder, *more, **popen):
    command = [
        sys.executable,
        "-m",
        "astrojax.cli",
        "run",
        str(config),
        "--out",
        str(folder),
        "--chunk",
        str(CHUNK),
        *more,
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, **popen)


def values(folder):
    return {name: aj.load(folder)[name].values for name in aj.load(folder).data_vars}


def assert_same(folder, reference):
    found, expected = values(folder), values(reference)
    assert found.keys() == expected.keys()
    for name in expected:
        assert found[name].tobytes() == expected[name].tobytes(), name


def stored(folder):
    try:
        return int(store.is_done(folder).sum())
    except aj.InputError:
        return 0


def copy_of(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "run")
    return tmp_path / "run"


def again(config, folder, *more):
    return main(["run", str(config), "--out", str(folder), "--chunk", str(CHUNK), *more])


def wait_for_chunks(folder, number, process):
    while stored(folder) < number and process.poll() is None:
        time.sleep(0.005)


def test_a_run_killed_again_and_again_ends_with_the_values_of_an_undisturbed_one(config, longer_undisturbed, tmp_path):
    folder, total, rng = tmp_path / "run", store.is_done(longer_undisturbed).size, random.Random(0)
    assert total > 60
    killed = 0
    for kill in range(KILLS):
        process = start(config, folder, *LONGER)
        target = (kill + 1) * total // (KILLS + 2)
        wait_for_chunks(folder, target, process)
        time.sleep(rng.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed == KILLS
    assert 0 < stored(folder) < total
    assert_same(finished(config, folder, *LONGER), longer_undisturbed)


def test_ctrl_c_keeps_what_is_stored_says_how_to_go_on_and_exits_130(config, longer_undisturbed, tmp_path):
    folder = tmp_path / "run"
    process = start(config, folder, *LONGER, stderr=subprocess.PIPE, text=True)
    wait_for_chunks(folder, 10, process)
    process.send_signal(signal.SIGINT)
    _, report = process.communicate()
    assert process.returncode == 130
    assert f"continue with: astrojax run {folder}" in report
    assert "Traceback" not in report
    done = stored(folder)
    assert f"{done} of {store.is_done(folder).size} chunks are stored" in report
    with pytest.raises(aj.InputError, match="is unfinished"):
        aj.load(folder)
    partial = aj.load(folder, partial=True)
    computed = partial.status.values != storage.NOT_COMPUTED
    assert 0 < computed.mean() < 1
    assert np.isnan(partial.hamming_error.values[~computed]).all()
    assert main(["run", str(folder)]) == 0  # a run folder stands for its configuration
    assert_same(folder, longer_undisturbed)


def test_two_processes_do_not_compute_the_same_folder(config, tmp_path):
    folder, long = tmp_path / "run", ["--trials", "2000"]
    first = start(config, folder, *long)
    wait_for_chunks(folder, 3, first)
    second = start(config, folder, *long, stderr=subprocess.PIPE, text=True)
    _, report = second.communicate()
    assert second.returncode == 2
    assert "is in use: another process is computing it" in report
    assert first.poll() is None
    first.send_signal(signal.SIGINT)
    assert first.wait() == 130
    assert stored(folder) > 3
    assert all(not tally["different"] for tally in aj.verify(folder, share=0.2).values())


def test_another_configuration_is_refused_and_the_difference_shown(config, undisturbed, capsys):
    before = values(undisturbed)
    assert again(config, undisturbed, "--retrieval.t1", "6", "--models.a.tau_p", "2", "--seed", "4") == 2
    report = capsys.readouterr().err
    assert "another configuration" in report
    for line in ("retrieval.t1: 5.0 there, 6.0 here", "models.a.tau_p: 1.0 there, 2.0 here", "seed: 0 there, 4 here"):
        assert line in report
    assert all(before[name].tobytes() == value.tobytes() for name, value in values(undisturbed).items())


def test_a_folder_that_is_no_run_is_left_alone(config, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    assert again(config, tmp_path / "mine") == 2
    assert "never overwritten" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_finished_run_is_checked_and_not_computed_again(config, undisturbed, tmp_path, monkeypatch):
    folder = copy_of(undisturbed, tmp_path)
    monkeypatch.setattr("astrojax.sweep.engine.Session.compute", lambda *arguments: pytest.fail("computed again"))
    assert again(config, folder) == 0


def chunk_files(folder, variable):
    return sorted(path for path in (folder / "results.zarr" / variable / "c").rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("damage", "variable"),
    [("bit", "hamming_error"), ("truncated", "hamming_error"), ("missing", "hamming_error"), ("bit", "decoder_error")],
)
def test_a_damaged_chunk_is_found_and_computed_again(config, undisturbed, tmp_path, capsys, damage, variable):
    folder = copy_of(undisturbed, tmp_path)
    path = chunk_files(folder, variable)[-1]
    content = bytearray(path.read_bytes())
    if damage == "bit":
        content[len(content) // 2] ^= 4
        path.write_bytes(content)
    elif damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.unlink()
    assert again(config, folder) == 0
    assert "1 of " in capsys.readouterr().out
    assert_same(folder, undisturbed)


@pytest.mark.parametrize(
    "name",
    [
        "results.zarr/zarr.json",
        "results.zarr/hamming_error/zarr.json",
        "results.zarr/decoder_error/zarr.json",
        "results.zarr/num_patterns/zarr.json",
        "results.zarr/model/c/0",
        "done.zarr/zarr.json",
        "config.yaml",
        "provenance.json",
    ],
)
def test_truncated_metadata_is_told_and_mended_and_values_are_kept(config, undisturbed, tmp_path, capsys, monkeypatch, name):
    folder = copy_of(undisturbed, tmp_path)
    path = folder / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    if name not in ("provenance.json", "results.zarr/model/c/0"):
        assert main(["show", str(folder)]) in (0, 2)
        assert "Traceback" not in capsys.readouterr().err
    monkeypatch.setattr("astrojax.sweep.engine.Session.compute", lambda *arguments: pytest.fail("computed again"))
    assert again(config, folder) == 0
    told = capsys.readouterr().out
    assert "damaged" in told or "cannot be read" in told
    assert_same(folder, undisturbed)


def test_a_folder_of_which_nothing_tells_the_configuration_is_left_alone(config, undisturbed, tmp_path, capsys):
    folder = copy_of(undisturbed, tmp_path)
    for name in ("config.yaml", "provenance.json"):
        (folder / name).write_text("{")
    assert again(config, folder, "--retrieval.t1", "6") == 2
    assert "another configuration, which is damaged" in capsys.readouterr().err
    assert again(config, folder) == 0  # beside the results it is known too
    assert_same(folder, undisturbed)
    for name in ("config.yaml", "provenance.json", "results.zarr/zarr.json"):
        (folder / name).write_text("{")
    assert again(config, folder) == 2
    assert "an unknown configuration" in capsys.readouterr().err


def test_a_run_killed_before_anything_was_written_can_be_begun_again(config, undisturbed, tmp_path):
    (tmp_path / "run" / "figures").mkdir(parents=True)
    (tmp_path / "run" / ".lock").touch()
    assert again(config, tmp_path / "run") == 0
    assert_same(tmp_path / "run", undisturbed)


def test_ctrl_c_again_and_again_is_still_130(config, tmp_path):
    process = start(config, tmp_path / "run", "--trials", "2000", stderr=subprocess.PIPE, text=True)
    wait_for_chunks(tmp_path / "run", 3, process)
    for _ in range(4):
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    _, report = process.communicate()
    assert process.returncode == 130
    assert "FATAL" not in report


def test_a_damaged_flag_costs_one_chunk(config, undisturbed, tmp_path):
    folder = copy_of(undisturbed, tmp_path)
    (folder / "done.zarr" / "c" / "5").write_bytes(b"\0")
    assert again(config, folder) == 0
    assert_same(folder, undisturbed)


def test_a_flag_is_set_after_the_values(config, undisturbed, tmp_path, monkeypatch):
    """A failure between the two writes leaves a chunk that is not done; one before them leaves no flag either."""
    folder = copy_of(undisturbed, tmp_path)
    with zarr.config.set({"array.write_empty_chunks": True}):
        zarr.open_array(folder / "done.zarr", mode="r+")[:4] = 0
    real = zarr.Array.__setitem__

    def failing(array, selection, value):
        if array.name == "/" and array.shape == (store.is_done(undisturbed).size,):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(array, selection, value)

    monkeypatch.setattr(zarr.Array, "__setitem__", failing)
    assert again(config, folder) == 1
    monkeypatch.undo()
    assert stored(folder) == store.is_done(undisturbed).size - 4
    assert again(config, folder) == 0
    assert_same(folder, undisturbed)


@contextlib.contextmanager
def small_disk(path, size):
    path.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("a file system can be mounted by root alone")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk_stops_the_run_with_a_clear_message_and_nothing_is_lost(config, undisturbed, tmp_path):
    with small_disk(tmp_path / "disk", "2m"):
        folder = tmp_path / "disk" / "run"
        filler = tmp_path / "disk" / "filler"
        filler.write_bytes(b"x" * 1_000_000)
        process = start(config, folder, stderr=subprocess.PIPE, text=True)
        _, report = process.communicate()
        assert process.returncode == 1
        assert "No space left on device" in report
        assert "Traceback" not in report
        assert f"continue with: astrojax run {folder}" in report
        done = stored(folder)
        assert 0 < done < store.is_done(undisturbed).size
        assert not list(folder.rglob("*.partial"))
        filler.unlink()
        shutil.copytree(folder, tmp_path / "larger")  # a larger disk
    assert again(config, tmp_path / "larger") == 0
    assert_same(tmp_path / "larger", undisturbed)


def test_a_full_disk_is_told_apart_wherever_files_cannot_be_mounted(config, undisturbed, tmp_path, monkeypatch, capsys):
    folder = copy_of(undisturbed, tmp_path)
    with zarr.config.set({"array.write_empty_chunks": True}):
        zarr.open_array(folder / "done.zarr", mode="r+")[3] = 0

    def full(self, *arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(zarr.Array, "__setitem__", full)
    assert again(config, folder) == 1
    assert "results.zarr cannot be written: No space left on device" in capsys.readouterr().err
    assert stored(folder) == store.is_done(undisturbed).size - 1


LOCKED_OUT = """
import os, sys
from astrojax.cli import main
config, warm, *folders = sys.argv[1:]
assert main(["run", config, "--out", warm]) == 0  # everything is imported now
if os.geteuid() == 0:  # who may write anywhere
    os.setuid(65534)
for folder in folders:
    assert main(["run", config, "--out", folder, "--chunk", "6"]) == 2
"""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions are those of POSIX")
def test_a_folder_without_write_permission_is_told(config, undisturbed):
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        shutil.copytree(undisturbed, root / "run")
        shutil.copy(config, root / "run.yaml")
        paths = [root, *root.rglob("*")]
        (root / "warm").mkdir()
        for path in paths:
            path.chmod(0o555 if path.is_dir() else 0o444)
        command = [sys.executable, "-c", LOCKED_OUT, *(str(root / name) for name in ("run.yaml", "warm", "run", "new"))]
        root.chmod(0o755)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        for path in paths:
            path.chmod(0o755)
        assert done.returncode == 0, done.stderr
        for name in ("run", "new"):
            assert f"{root / name} cannot be written: Permission denied" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_run_keeps_the_chunks_it_was_begun_with(config, undisturbed, tmp_path, capsys):
    folder = copy_of(undisturbed, tmp_path)
    with zarr.config.set({"array.write_empty_chunks": True}):
        zarr.open_array(folder / "done.zarr", mode="r+")[:7] = 0
    assert main(["run", str(config), "--out", str(folder), "--chunk", "64"]) == 0
    assert f"begun with chunks of {CHUNK} trajectories, and keeps them" in capsys.readouterr().out
    assert_same(folder, undisturbed)


def test_an_unfinished_run_is_found_by_its_name(config, undisturbed, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(undisturbed, tmp_path / "runs" / "run")
    with zarr.config.set({"array.write_empty_chunks": True}):
        zarr.open_array(tmp_path / "runs" / "run" / "done.zarr", mode="r+")[:7] = 0
    assert main(["run", str(config)]) == 0
    assert "trajectories are stored already" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["run"]
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "runs" / "run" / "results.zarr").load(), aj.load(undisturbed).load())
    assert main(["run", str(config), "--trials", "1"]) == 0  # another configuration gets a folder of its own
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"run", "run-2"}


def test_other_patterns_in_the_same_file_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "own.npy", rng.choice([-1.0, 1.0], (5, 16)))
    raw = {
        "patterns": {"kind": "file", "path": "own.npy"},
        "axes": {"num_patterns": 5, "num_flips": 1},
        "trials": 10,
        "models": {"h": {"kind": "hopfield"}},
    }
    aj.run(parse_config(raw, folder=tmp_path), tmp_path / "run")
    np.save(tmp_path / "own.npy", rng.choice([-1.0, 1.0], (5, 16)))
    with pytest.raises(
        aj.InputError, match=r"patterns\.path: another file there, of SHA-256 [0-9a-f]{12}…; [0-9a-f]{12}… here"
    ):
        aj.run(parse_config(raw, folder=tmp_path), tmp_path / "run")
