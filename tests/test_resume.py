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
from astrojax.storage.folder import choose_folder, is_done, locked
from astrojax.storage.results import NOT_COMPUTED

from .run_folders import CHUNK, CONFIG, NUM_CELLS, RAW, refused, set_flags, values

pytestmark = pytest.mark.usefixtures("no_figures")

KILLS = int(os.environ.get("ASTROJAX_KILLS", "2"))
"""How often the run is killed in the test; 25 take a few minutes."""

TWO_MODELS = RAW | {
    "axes": {"num_patterns": [20], "num_flips": [0, 2, 4], "temperature": [0.01, 1]},
    "trials": 48,
    "models": {"a": {"kind": "astrocyte"}, "h": {"kind": "hopfield"}},
}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "run.yaml"
    path.write_text(json.dumps(RAW))
    return path


def run_of(config, folder, *more):
    return ["run", str(config), "--out", str(folder), "--chunk", str(CHUNK), *more]


def again(config, folder):
    return main(run_of(config, folder))


def start(*given, **popen):
    return subprocess.Popen([sys.executable, "-m", "astrojax.cli", *run_of(*given)], stdout=subprocess.DEVNULL, **popen)


def stored(folder):
    try:
        return int(is_done(folder).sum())
    except aj.InputError:
        return 0


def wait_for_chunks(folder, number, process):
    while stored(folder) < number and process.poll() is None:
        time.sleep(0.005)


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_with_the_values_of_an_undisturbed_one(tmp_path):
    (tmp_path / "config.yaml").write_text(json.dumps(TWO_MODELS))
    config, undisturbed, folder = tmp_path / "config.yaml", tmp_path / "undisturbed", tmp_path / "run"
    assert again(config, undisturbed) == 0
    total, rng = is_done(undisturbed).size, random.Random(0)
    assert total > 60
    for kill in range(KILLS):
        process = start(config, folder)
        wait_for_chunks(folder, (kill + 1) * total // (KILLS + 2), process)
        time.sleep(rng.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert 0 < stored(folder) < total
    assert again(config, folder) == 0
    assert values(folder) == values(undisturbed)


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_stored_says_how_to_continue_and_exits_130_also_when_pressed_repeatedly(config, tmp_path, capsys):
    folder, long = tmp_path / "run", ["--trials", "4000"]
    process = start(config, folder, *long, stderr=subprocess.PIPE, text=True)
    wait_for_chunks(folder, 3, process)
    # Two processes never compute the same folder.
    assert "is in use: another process is computing it" in refused(capsys, *run_of(config, folder, *long))
    process.send_signal(signal.SIGINT)
    _, report = process.communicate()
    assert process.returncode == 130
    done = is_done(folder)
    assert f"{done.sum()} of {done.size} chunks are stored" in report
    assert f"continue with: astrojax run {folder}" in report
    assert "Traceback" not in report
    with pytest.raises(aj.InputError, match="is unfinished"):
        aj.load(folder)
    partial = aj.load(folder, partial=True)
    computed = partial.status.values != NOT_COMPUTED
    assert 0 < computed.mean() < 1
    assert np.isnan(partial.hamming_error.values[~computed]).all()
    process = start(config, folder, *long, stderr=subprocess.PIPE, text=True)
    wait_for_chunks(folder, done.sum() + 3, process)
    for _ in range(4):
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    _, report = process.communicate()
    assert process.returncode == 130
    assert "FATAL" not in report
    assert all(not tally["different"] for tally in aj.verify(folder, share=0.2).values())


def test_another_configuration_is_refused_and_the_difference_shown(config, finished_run, capsys):
    changes = ("--retrieval.t1", "6", "--models.h, plain.tau_x", "2", "--seed", "4")
    report = refused(capsys, *run_of(config, finished_run, *changes))
    for line in ("retrieval.t1: 3.0 there, 6.0 here", "models.h, plain.tau_x: 1.0 there, 2.0 here", "seed: 3 there, 4 here"):
        assert line in report


def test_a_folder_of_something_else_is_left_alone_and_one_of_a_run_killed_at_once_is_not(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(aj.InputError, match="never overwritten"), locked(tmp_path / "mine"):
        pass
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    (tmp_path / "killed" / "figures").mkdir(parents=True)
    for name in (".lock", ".0123456789abcdef.part.yaml"):
        (tmp_path / "killed" / name).touch()
    with locked(tmp_path / "killed"):
        assert choose_folder(tmp_path, "run", CONFIG) == (tmp_path / "run", False)


def test_a_configuration_that_no_record_identifies_is_left_alone(config, finished_run, run, capsys):
    for name in ("config.yaml", "provenance.json"):
        (run / name).write_text("{")
    report = refused(capsys, *run_of(config, run, "--retrieval.t1", "6"))
    assert "another configuration, which is damaged" in report
    assert again(config, run) == 0  # the dataset records it too
    assert values(run) == values(finished_run)
    for name in ("config.yaml", "provenance.json", "results.zarr/zarr.json"):
        (run / name).write_text("{")
    assert "another configuration, which is damaged" in refused(capsys, *run_of(config, run))


def test_a_damaged_flag_costs_one_chunk(finished_run, run):
    (run / "done.zarr" / "c" / "5").write_bytes(b"\0")
    computed = []
    aj.run(CONFIG, run, on_chunk=lambda name, number: computed.append(number))
    assert computed == [CHUNK]
    assert values(run) == values(finished_run)


@pytest.mark.parametrize("failing", ["values", "flags"])
def test_a_full_disk_is_reported_and_flags_are_set_after_the_values(config, finished_run, run, monkeypatch, capsys, failing):
    set_flags(run, slice(4))
    write = zarr.Array.__setitem__

    def fail(array, selection, value):
        if (array.dtype == np.uint64) == (failing == "flags"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(array, selection, value)

    monkeypatch.setattr(zarr.Array, "__setitem__", fail)
    assert again(config, run) == 1
    report = capsys.readouterr().err
    assert "results.zarr cannot be written: No space left on device" in report
    assert f"continue with: astrojax run {run}" in report
    monkeypatch.undo()
    assert stored(run) == NUM_CELLS - 4
    assert again(config, run) == 0
    assert values(run) == values(finished_run)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions are those of POSIX")
def test_a_folder_without_write_permission_is_reported(finished_run):
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        root = Path(place)
        shutil.copytree(finished_run, root / "run")
        for path in [*root.rglob("*"), root]:
            stack.callback(path.chmod, 0o755)
            path.chmod(0o555 if path.is_dir() else 0o444)
        if os.geteuid() == 0:  # who may write anywhere
            os.seteuid(65534)
            stack.callback(os.seteuid, 0)
        for name in ("run", "new"):
            with pytest.raises(aj.InputError, match=f"{name} cannot be written: Permission denied"), locked(root / name):
                pass


def test_an_unfinished_run_is_found_by_its_name_and_keeps_its_chunks(config, finished_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = Path(shutil.copytree(finished_run, Path("runs") / "run"))
    set_flags(folder, slice(7))
    assert main(["run", str(config), "--chunk", "64"]) == 0
    report = capsys.readouterr().out
    assert "trajectories are stored already" in report
    assert f"started with chunks of {CHUNK} trajectories, and keeps them" in report
    assert [path.name for path in Path("runs").iterdir()] == ["run"]
    xr.testing.assert_identical(xr.open_zarr(folder / "results.zarr").load(), aj.load(finished_run).load())
    other = CONFIG.model_copy(update={"trials": 1})
    assert choose_folder(Path("runs"), "run", other) == (Path("runs") / "run-2", False)
