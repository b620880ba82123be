"""A configuration becomes a run folder that repeats, and the command line shows it."""

import json
from decimal import Decimal
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import astrojax as aj
from astrojax.cli import main
from astrojax.config.axes import axis_values
from astrojax.config.load import parse_config
from astrojax.runs.build import build

TINY = {
    "patterns": {"kind": "random", "num_neurons": 8},
    "axes": {"num_patterns": [2, 5], "num_flips": [0, 2], "temperature": [0.01, 1]},
    "trials": 3,
    "models": {"a": {"kind": "astrocyte"}, "h": {"kind": "hopfield"}},
    "retrieval": {"t1": 2},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, xr.Dataset]:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    return folder, aj.run(parse_config(TINY), folder)


def test_the_same_configuration_gives_identical_results(run, tmp_path):
    folder, _ = run
    aj.run(aj.load_config(folder / "config.yaml"), tmp_path / "again")
    first, second = aj.load(folder).load(), aj.load(tmp_path / "again").load()
    xr.testing.assert_identical(first, second)
    for name in first.data_vars:
        assert first[name].values.tobytes() == second[name].values.tobytes()


def test_the_run_folder_holds_what_is_needed_to_repeat_it(run):
    folder, results = run
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["finished"]
    assert provenance["versions"]["jax"] == jax.__version__
    assert provenance["config_sha256"] == aj.load_config(folder / "config.yaml").sha256()
    trajectories = {name: part["trajectories"] for name, part in provenance["sessions"][0]["seconds"]["parts"].items()}
    assert trajectories == {"a": 24, "h": 12, "decoders": 12, "a, pilots": 1024, "h, pilots": 1024}
    stored = aj.load(folder)
    assert dict(stored.sizes) == {"model": 2, "num_patterns": 2, "num_flips": 2, "temperature": 2, "trial": 3, "decoder": 4}
    assert all({"units", "definition"} <= set(stored[name].attrs) for name in stored.data_vars)
    assert results.hamming_error.dtype == np.float32
    for opened in (xr.open_zarr(folder / "results.zarr"), xr.open_dataset(folder / "results.zarr", engine="zarr")):
        xr.testing.assert_identical(opened.load(), stored.load())  # warnings are errors here


def test_stored_samples_are_what_retrieve_gives_for_the_same_problem(run):
    _, results = run
    config = parse_config(TINY)
    with jax.enable_x64(False):
        task = build(config).parts[0].sweep.sample.task
        point = {"num_patterns": jnp.int32(5), "num_flips": jnp.int32(2), "trial": jnp.int32(1)}
        problem = task.draw(jax.random.key(config.seed), point, 5)
        memory = aj.AstrocyteMemory(problem.patterns, temperature=1.0)
        recall = aj.retrieve(memory, problem.query, t1=2.0, solver="bosh3", rtol=1e-2, atol=1e-2)
        error = aj.soft_hamming_error(problem.target, memory.readout(recall.state))
    stored = results.soft_hamming_error.sel(model="a", num_patterns=5, num_flips=2, temperature=1, trial=1)
    assert float(stored) == pytest.approx(float(error), abs=1e-4)


def test_a_memory_is_constant_along_a_parameter_it_does_not_have(run):
    _, results = run
    hopfield = results.hamming_error.sel(model="h")
    np.testing.assert_array_equal(hopfield.isel(temperature=0), hopfield.isel(temperature=1))
    assert build(parse_config(TINY)).num_trajectories == 24 + 12 + 12


def test_no_trajectory_failed_and_the_gains_have_a_perplexity(run):
    _, results = run
    assert not results.status.any()
    perplexity = results.perplexity.sel(model="a")
    assert bool(((perplexity >= 1 - 1e-5) & (perplexity <= perplexity.num_patterns + 1e-4)).all())
    assert bool(results.perplexity.sel(model="h").isnull().all())


def test_failed_trajectories_are_nan_with_their_status(tmp_path):
    raw = TINY | {
        "retrieval": {"t1": 2, "max_steps": 2, "solver": "etd3"},
        "models": {"a": {"kind": "astrocyte"}},
        "decoders": False,
    }
    results = aj.run(parse_config(raw), tmp_path / "failing")
    assert bool((results.status == int(aj.Status.MAX_STEPS)).all())
    assert bool(results.hamming_error.isnull().all())


def test_the_command_line_runs_and_shows(tmp_path, capsys):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(TINY | {"models": {"a": {"kind": "astrocyte"}}}))  # JSON is YAML
    folder = tmp_path / "run"
    assert main(["run", str(path), "--out", str(folder), "--trials=4", "--axes.num_patterns", "{start: 2, stop: 3}"]) == 0
    printed = capsys.readouterr().out
    assert "a: mean Hamming error" in printed
    assert str(folder) in printed.replace("\n", "")
    assert aj.load(folder).sizes["trial"] == 4
    assert json.loads((folder / "summary.json").read_text())["trajectories"] == 32
    assert {path.name for path in (folder / "figures").iterdir()} >= {"hamming_error.png", "along_temperature.png"}
    assert main(["show", str(folder)]) == 0
    assert "seed 0" in capsys.readouterr().out


def test_ranges_are_inclusive_and_log_spaced_where_asked():
    assert axis_values({"start": 2, "stop": 6, "step": 2}) == [2, 4, 6]
    assert axis_values({"start": 0.0, "stop": 0.3, "step": 0.1}) == [0, 0.1, 0.2, 0.3]
    assert axis_values({"start": 1, "stop": 100, "num": 3, "scale": "log"}) == [1, 10, 100]
    assert axis_values(3) == [3]


@pytest.mark.parametrize("start", [0.1, 1.0, -0.7, 3e-5, 2e12, 1e-300])
@pytest.mark.parametrize("step", [0.1, 0.07, 0.3, 1e-3, 2.5])
def test_values_of_ranges_are_the_decimals_one_would_write(start, step):
    step *= abs(start)
    decimals = [Decimal(repr(start)) + n * Decimal(f"{step:.12g}") for n in range(11)]
    written = [float(value) for value in decimals]
    step = float(f"{step:.12g}")
    assert axis_values({"start": start, "stop": written[-1], "step": step}) == written
    assert axis_values({"start": start, "stop": written[-1], "num": 11}) == written
