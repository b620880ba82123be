"""A configuration becomes a run folder that repeats, which the command line shows, verifies, and exports as one file."""

import errno
import json
import shutil
import sys
from decimal import Decimal
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

import astrojax as aj
from astrojax.cli import main
from astrojax.config.axes import axis_values
from astrojax.config.validation import parse_config
from astrojax.runs.build import build
from astrojax.storage import export

from .run_folders import RAW, refused

TWO_MODELS = RAW | {
    "axes": RAW["axes"] | {"temperature": [0.01, 1]},
    "trials": 20,
    "models": {"a": {"kind": "astrocyte"}, "h, plain": {"kind": "hopfield"}},
}


@pytest.fixture(scope="module")
def two_models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two models") / "run"
    aj.run(parse_config(TWO_MODELS), folder, execution=aj.Execution(lanes_per_chunk=7))
    return folder


@pytest.fixture
def run(two_models, tmp_path):
    return Path(shutil.copytree(two_models, tmp_path / "run"))


def test_the_run_folder_holds_what_is_needed_to_repeat_it(two_models):
    provenance = json.loads((two_models / "provenance.json").read_text())
    assert provenance["finished"]
    assert provenance["versions"]["jax"] == jax.__version__
    assert provenance["config_sha256"] == aj.load_config(two_models / "config.yaml").sha256()
    trajectories = {name: part["trajectories"] for name, part in provenance["sessions"][0]["seconds"]["parts"].items()}
    assert trajectories == {"a": 160, "h, plain": 80, "decoders": 80, "a, pilots": 64, "h, plain, pilots": 64}
    stored = aj.load(two_models)
    assert dict(stored.sizes) == {"model": 2, "num_patterns": 2, "num_flips": 2, "temperature": 2, "trial": 20, "decoder": 4}
    assert all({"units", "definition"} <= set(stored[name].attrs) for name in stored.data_vars)
    assert stored.hamming_error.dtype == np.float32
    for opened in (xr.open_zarr(two_models / "results.zarr"), xr.open_dataset(two_models / "results.zarr", engine="zarr")):
        xr.testing.assert_identical(opened.load(), stored.load())  # warnings are errors here


def test_stored_samples_are_what_retrieve_gives_for_the_same_problem(two_models):
    config = parse_config(TWO_MODELS)
    with jax.enable_x64(False):
        task = build(config).parts[0].sweep.sample.task
        point = {"num_patterns": jnp.int32(20), "num_flips": jnp.int32(4), "trial": jnp.int32(1)}
        problem = task.draw(jax.random.key(config.seed), point, 20)
        memory = aj.AstrocyteMemory(problem.patterns, temperature=1.0)
        recall = aj.retrieve(memory, problem.query, t1=3.0, solver="bosh3", rtol=1e-3, atol=1e-3)
        error = aj.soft_hamming_error(problem.target, memory.readout(recall.state))
    at = {"model": "a", "num_patterns": 20, "num_flips": 4, "temperature": 1, "trial": 1}
    assert float(aj.load(two_models).soft_hamming_error.sel(at)) == pytest.approx(float(error), abs=1e-3)


def test_memories_are_constant_along_parameters_that_they_lack_and_gains_have_a_perplexity(two_models):
    results = aj.load(two_models).load()
    hopfield = results.hamming_error.sel(model="h, plain")
    np.testing.assert_array_equal(hopfield.isel(temperature=0), hopfield.isel(temperature=1))
    assert build(parse_config(TWO_MODELS)).num_trajectories == 160 + 80 + 80
    assert not results.status.any()
    perplexity = results.perplexity.sel(model="a")
    assert bool(((perplexity >= 1 - 1e-5) & (perplexity <= perplexity.num_patterns + 1e-4)).all())
    assert bool(results.perplexity.sel(model="h, plain").isnull().all())


def test_a_run_verifies_bit_for_bit_in_other_company_and_is_not_changed(run, capsys):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert main(["verify", str(run), "--share", "0.3"]) == 0
    assert "the run repeats" in capsys.readouterr().out
    found = aj.verify(run, share=0.3, seed=1)
    # Hopfield's values are stored twice, along a temperature it does not have.
    assert 0.2 * 320 < found["hamming_error"]["compared"] < 0.4 * 320
    assert all(tally["different"] == 0 and tally["largest"] == 0 for tally in found.values())
    assert aj.verify(run, share=1.0)["hamming_error"]["compared"] == 320
    found = aj.verify(run, share=1e-9, seed=0)  # one trajectory at least
    assert sum(found[name]["compared"] for name in ("hamming_error", "decoder_error") if name in found) in (1, 2, 4)
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_wrong_values_are_found_and_rounding_is_reported_and_tolerated(run, capsys):
    error, energy = (zarr.open_array(run / "results.zarr" / name, mode="r+") for name in ("hamming_error", "energy"))
    error[0, 1, 1, 1, :] = error[0, 1, 1, 1, :] + 1
    energy[0, 0, 0, 0, 0] = np.nextafter(energy[0, 0, 0, 0, 0], np.float32(0))
    found = aj.verify(run, share=1.0)
    assert found["hamming_error"]["different"] == found["hamming_error"]["beyond"] == 20
    assert 0 < found["hamming_error"]["largest"] <= 1
    assert (found["energy"]["different"], found["energy"]["beyond"]) == (1, 0)
    assert 0 < found["energy"]["largest"] < 1e-6
    assert found["success"]["different"] == 0
    assert main(["verify", str(run), "--share", "0.001"]) == 1
    assert "does not repeat" in capsys.readouterr().out


def test_invalid_arguments_of_verify_are_refused(two_models, capsys):
    for share in (-0.1, 1.5, float("nan")):
        with pytest.raises(aj.InputError, match=r"share must lie within \[0, 1\]"):
            aj.verify(two_models, share=share)
    assert "seed (--seed) must be" in refused(capsys, "verify", two_models, "--seed", "-1")


@pytest.mark.parametrize(("format", "rows"), [("csv", 50), ("parquet", 50), ("parquet", 10**6)])
def test_a_table_has_a_row_for_each_trajectory(two_models, tmp_path, format, rows, monkeypatch, capsys):
    monkeypatch.setattr(export, "ROWS_AT_A_TIME", rows)
    path = tmp_path / f"results.{format}"
    assert main(["export", str(two_models), "--format", format, "--out", str(path)]) == 0
    assert str(path) in capsys.readouterr().out
    table = pd.read_csv(path) if format == "csv" else pd.read_parquet(path)
    results = aj.load(two_models)
    assert len(table) == 320
    axes = ["model", "num_patterns", "num_flips", "temperature", "trial"]
    assert list(table.columns[:5]) == axes
    indexed = table.set_index(axes)
    for place in (("a", 20, 4, 1.0, 7), ("h, plain", 3, 0, 0.01, 0)):
        row, at = indexed.loc[place], results.sel(dict(zip(axes, place, strict=True)))
        for name in ("hamming_error", "energy", "num_steps", "status"):
            assert row[name] == pytest.approx(float(at[name]), rel=1e-6)
        assert row["decoder_bayes_signed"] == float(at.decoder_error.sel(decoder="bayes_signed"))


def test_netcdf_holds_the_dataset(run):
    path = aj.export(run, "nc")
    assert path == run / "results.nc"
    with xr.open_dataset(path, engine="h5netcdf") as stored:
        results = aj.load(run)
        assert dict(stored.sizes) == dict(results.sizes)
        assert list(stored.model.values) == ["a", "h, plain"]
        assert stored.energy.attrs["units"] == results.energy.attrs["units"]
        for name in results.data_vars:
            np.testing.assert_array_equal(stored[name], results[name])


def test_a_file_is_never_overwritten_and_what_is_missing_is_reported(run, tmp_path, capsys, monkeypatch):
    (tmp_path / "mine.csv").write_text("precious")

    csv = ("export", run, "--format", "csv", "--out")
    assert "never overwritten" in refused(capsys, *csv, tmp_path / "mine.csv")
    assert (tmp_path / "mine.csv").read_text() == "precious"
    assert f"there is no folder {run / 'nowhere'}" in refused(capsys, *csv, run / "nowhere" / "a.csv")
    monkeypatch.setitem(sys.modules, "h5netcdf", None)
    assert "python -m pip install 'astrojax-memory[export]'" in refused(capsys, "export", run, "--format", "nc")

    def fail(*given, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    assert main(["export", str(run), "--format", "csv"]) == 1
    assert "results.csv cannot be written: No space left on device" in capsys.readouterr().err
    assert not list(run.glob("*.part*")) + list(run.glob(".*.part*")) + list(run.glob("results.csv"))
    assert json.loads((run / "provenance.json").read_text())["finished"]


def test_failed_trajectories_are_nan_with_their_status(tmp_path):
    raw = TWO_MODELS | {"retrieval": {"t1": 2, "max_steps": 2, "solver": "etd3"}, "decoders": False}
    results = aj.run(parse_config(raw), tmp_path / "failing")
    assert bool((results.status == int(aj.Status.MAX_STEPS)).all())
    assert bool(results.hamming_error.isnull().all())


def test_the_command_line_runs_and_shows(tmp_path, capsys):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(TWO_MODELS | {"models": {"a": {"kind": "astrocyte"}}}))  # JSON is YAML
    folder = tmp_path / "run"
    assert main(["run", str(path), "--out", str(folder), "--trials=4", "--axes.num_patterns", "{start: 2, stop: 3}"]) == 0
    printed = capsys.readouterr().out
    assert "a: mean Hamming error" in printed
    assert str(folder) in printed.replace("\n", "")
    assert aj.load(folder).sizes["trial"] == 4
    assert json.loads((folder / "summary.json").read_text())["trajectories"] == 32
    assert {path.name for path in (folder / "figures").iterdir()} >= {"hamming_error.png", "along_temperature.png"}
    assert main(["show", str(folder)]) == 0
    assert "seed 3" in capsys.readouterr().out


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
