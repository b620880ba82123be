"""A run on a cluster: the same values as in one process, whatever happens to the workers."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import astrojax as aj
from astrojax.cli import main
from astrojax.config.run import Config
from astrojax.config.validation import parse_config
from astrojax.runs import cluster

from .run_folders import refused

pytestmark = pytest.mark.usefixtures("no_figures")

RAW = {
    "patterns": {"kind": "random", "num_neurons": 11},
    "axes": {"num_patterns": [20], "num_flips": [0, 2, 4]},
    "trials": 200,
    "models": {"a": {"kind": "astrocyte"}},
    "decoders": False,
    "retrieval": {"t1": 5},
}

SCRIPT = """
import os, signal, sys
from distributed import LocalCluster
import astrojax as aj
from astrojax.runs import cluster as on_clusters

def main():
    config, folder, disturbance = aj.load_config(sys.argv[1]), *sys.argv[2:]
    if disturbance == "dismiss":
        on_clusters.CONNECT_TIMEOUT, on_clusters.GATHER_TIMEOUT = 3, 1
    workers, written = 2 if disturbance == "kill" else 1, []
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
        def disturb(name, number):
            written.append(number)
            if len(written) == 8:
                if disturbance == "kill":
                    os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
                else:
                    cluster.scale(0)

        how = aj.Execution(lanes_per_chunk=6, cluster=cluster.scheduler_address)
        try:
            aj.run(config, folder, execution=how, on_chunk=disturb, on_notice=print)
        except aj.RunError as error:
            print(error)
        print("chunks", len(written))

if __name__ == "__main__":
    main()
"""


def disturbed(config, place, disturbance):
    """What a run prints when workers are killed or dismissed."""
    (place / "script.py").write_text(SCRIPT)
    command = [sys.executable, place / "script.py", config, place / "run", disturbance]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("cluster") / "run.yaml"
    path.write_text(json.dumps(RAW))
    return path


@pytest.fixture(scope="module")
def reference(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference") / "run"
    command = [sys.executable, "-m", "astrojax.cli", "run", str(config), "--out", str(folder), "--chunk", "6"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return aj.load(folder).load()


def assert_same(folder, reference):
    found = aj.load(folder)
    for name in reference.data_vars:
        assert found[name].values.tobytes() == reference[name].values.tobytes(), name


@pytest.mark.slow
def test_two_workers_of_which_one_is_killed_give_the_values_of_one_process(config, reference, tmp_path):
    assert "chunks 102" in disturbed(config, tmp_path, "kill")
    assert_same(tmp_path / "run", reference)
    parts = json.loads((tmp_path / "run" / "provenance.json").read_text())["sessions"][0]["seconds"]["parts"]
    assert parts["a"]["trajectories"] >= 600


@pytest.mark.slow
def test_a_cluster_without_workers_is_told_and_given_up(config, reference, tmp_path):
    printed = disturbed(config, tmp_path, "dismiss")
    assert "the cluster has no workers left; waiting 3 s" in printed
    assert "the cluster has had no workers for 3 s" in printed
    assert 0 < len(list((tmp_path / "run" / "done.zarr" / "c").iterdir())) < 102
    assert main(["run", str(config), "--out", str(tmp_path / "run")]) == 0
    assert_same(tmp_path / "run", reference)


@pytest.mark.slow
def test_the_command_line_starts_workers_and_ctrl_c_keeps_what_is_stored(config, reference, tmp_path):
    folder = tmp_path / "run"
    words = ["run", str(config), "--out", str(folder), "--chunk", "4", "--cluster", "local:2"]
    # In a session of its own, as from a shell: Ctrl-C reaches every process of it.
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-m", "astrojax.cli", *words], start_new_session=True, **pipes)
    done = folder / "done.zarr" / "c"
    while process.poll() is None and not (done.is_dir() and len(list(done.iterdir())) > 5):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, report = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"continue with: astrojax run {folder}" in report
    assert "Traceback" not in report
    assert main(["run", str(config), "--out", str(folder)]) == 0  # the rest in this process
    assert_same(folder, reference)


def test_a_cluster_that_is_not_there_is_told(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("astrojax.runs.cluster.CONNECT_TIMEOUT", 2)
    assert main(["run", str(config), "--out", str(tmp_path / "run"), "--cluster", "tcp://127.0.0.1:9"]) == 1
    assert "no cluster with workers at tcp://127.0.0.1:9" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_missing_extra_is_told(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    report = refused(capsys, "run", config, "--out", tmp_path / "run", "--cluster", "local:2")
    assert "python -m pip install 'astrojax-memory[cluster]'" in report


def test_workers_that_end_while_they_start_are_told(config, tmp_path, capsys, monkeypatch):
    def fail(**given):
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr("distributed.LocalCluster", fail)
    assert main(["run", str(config), "--out", str(tmp_path / "run"), "--cluster", "local:2"]) == 1
    report = capsys.readouterr().err
    assert "local:2: workers end while they start" in report
    assert '`if __name__ == "__main__":`' in report


def test_a_worker_that_imports_a_script_without_a_main_guard_ends_without_noise(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(SystemExit):
        aj.run(aj.load_config(config), tmp_path / "run", execution=aj.Execution(cluster="local:2"))
    assert capsys.readouterr() == ("", "")


def test_a_worker_reads_a_pattern_file_once_and_compares_it(tmp_path, monkeypatch):
    np.save(tmp_path / "own.npy", np.random.default_rng(0).choice([-1.0, 1.0], (5, 16)))
    raw = RAW | {"patterns": {"kind": "file", "path": "own.npy"}, "axes": {"num_patterns": 5, "num_flips": [0, 1]}}
    given = parse_config(raw | {"models": {"h": {"kind": "hopfield"}}}, folder=tmp_path)
    digests, read = given.file_digests(), []
    monkeypatch.setattr(Config, "file_digests", lambda self: read.append(self) or digests)
    cluster._prepare.cache_clear()
    task = [given.model_dump(mode="json"), {}, digests, 50, {}, {}]
    for index in range(3):
        values, _ = cluster._compute(json.dumps(task), index)
        assert values["hamming_error"].shape == (50,)
    assert len(read) == 1
    task[2] = {"patterns.path": "0" * 64}
    with pytest.raises(aj.InputError, match=r"patterns\.path: .*own\.npy is another file on the worker"):
        cluster._compute(json.dumps(task), 0)
