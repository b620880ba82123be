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
from astrojax.config.load import parse_config
from astrojax.runs import cluster

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
from distributed import Client, LocalCluster
import astrojax as aj

def main():
    config = aj.load_config(sys.argv[1])
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
        killed = []

        def kill_one(name, number):
            written.append(number)
            if len(written) == 8:
                worker = next(iter(cluster.workers.values()))
                killed.append(worker.pid)
                os.kill(worker.pid, signal.SIGKILL)

        written = []
        how = aj.Execution(lanes_per_chunk=6, cluster=cluster.scheduler_address)
        aj.run(config, sys.argv[2], execution=how, on_chunk=kill_one, on_notice=print)
        print("killed", len(killed), "chunks", len(written))

if __name__ == "__main__":
    main()
"""


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
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script, config, tmp_path / "run"], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "killed 1 chunks 102" in done.stdout
    assert_same(tmp_path / "run", reference)
    parts = json.loads((tmp_path / "run" / "provenance.json").read_text())["sessions"][0]["seconds"]["parts"]
    assert parts["a"]["trajectories"] >= 600


NOBODY_LEFT = """
import sys
from distributed import LocalCluster
import astrojax as aj
import astrojax.runs.cluster

def main():
    astrojax.runs.cluster.CONNECT_TIMEOUT = 3
    astrojax.runs.cluster.GATHER_TIMEOUT = 1
    config = aj.load_config(sys.argv[1])
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
        how = aj.Execution(lanes_per_chunk=4, cluster=cluster.scheduler_address)
        written = []

        def dismiss(name, number):
            written.append(number)
            if len(written) == 5:
                cluster.scale(0)

        try:
            aj.run(config, sys.argv[2], execution=how, on_chunk=dismiss, on_notice=print)
        except aj.RunError as error:
            print(error)

if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
def test_a_cluster_without_workers_is_told_and_given_up(config, reference, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(NOBODY_LEFT)
    command = [sys.executable, script, config, tmp_path / "run"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert "the cluster has no workers left; waiting 3 s" in done.stdout
    assert "the cluster has had no workers for 3 s" in done.stdout
    assert 0 < len(list((tmp_path / "run" / "done.zarr" / "c").iterdir())) < 150
    assert main(["run", str(config), "--out", str(tmp_path / "run")]) == 0
    assert_same(tmp_path / "run", reference)


@pytest.mark.slow
def test_the_command_line_starts_workers_and_ctrl_c_keeps_what_is_stored(config, reference, tmp_path):
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "astrojax.cli", "run", str(config), "--out", str(folder), "--chunk", "4"]
    # In a session of its own, as from a shell: Ctrl-C reaches every process of it.
    process = subprocess.Popen(
        [*command, "--cluster", "local:2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
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


@pytest.mark.parametrize("where", ["local:0", "nowhere"])
def test_a_cluster_that_makes_no_sense_is_refused(config, tmp_path, capsys, where):
    assert main(["run", str(config), "--out", str(tmp_path / "run"), "--cluster", where]) == 2
    assert "--cluster must be an address such as tcp://" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_cluster_that_is_not_there_is_told(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("astrojax.runs.cluster.CONNECT_TIMEOUT", 2)
    assert main(["run", str(config), "--out", str(tmp_path / "run"), "--cluster", "tcp://127.0.0.1:9"]) == 1
    assert "no cluster with workers at tcp://127.0.0.1:9" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_missing_extra_is_told(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["run", str(config), "--out", str(tmp_path / "run"), "--cluster", "local:2"]) == 2
    assert "python -m pip install 'astrojax-memory[cluster]'" in capsys.readouterr().err


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


def test_a_worker_compares_the_pattern_file_that_it_reads(tmp_path):
    np.save(tmp_path / "own.npy", np.random.default_rng(0).choice([-1.0, 1.0], (5, 16)))
    raw = RAW | {"patterns": {"kind": "file", "path": "own.npy"}, "axes": {"num_patterns": 5, "num_flips": [0, 1]}}
    given = parse_config(raw | {"models": {"h": {"kind": "hopfield"}}}, folder=tmp_path)
    values, _ = cluster._compute(given.model_dump_json(), tuple(given.file_digests().items()), 50, ((), ()), 0)
    assert values["hamming_error"].shape == (50,)
    other = (("patterns.path", "0" * 64),)
    with pytest.raises(aj.InputError, match=r"patterns\.path: .*own\.npy is another file on the worker"):
        cluster._compute(given.model_dump_json(), other, 50, ((), ()), 0)
