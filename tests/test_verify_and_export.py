"""A stored run is verified by computing a share of it again, and exported as one file."""

import errno
import json
import os

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

import astrojax as aj
from astrojax.cli import main
from astrojax.config.load import parse_config
from astrojax.storage import export as exporting

RAW = {
    "patterns": {"kind": "random", "num_neurons": 11},
    "axes": {"num_patterns": [3, 20], "num_flips": [0, 4], "temperature": [0.01, 1]},
    "trials": 20,
    "models": {"a": {"kind": "astrocyte"}, "h, plain": {"kind": "hopfield"}},
    "retrieval": {"t1": 5},
}


@pytest.fixture
def run(tmp_path):
    aj.run(parse_config(RAW), tmp_path / "run", execution=aj.Execution(lanes_per_chunk=7))
    return tmp_path / "run"


def test_a_run_verifies_bit_for_bit_in_other_company(run, capsys):
    assert main(["verify", str(run), "--share", "0.3"]) == 0
    assert "the run repeats" in capsys.readouterr().out
    found = aj.verify(run, share=0.3, seed=1)
    # Hopfield's values stand twice, along a temperature it does not have.
    assert 0.2 * 320 < found["hamming_error"]["compared"] < 0.4 * 320
    assert all(tally["different"] == 0 and tally["largest"] == 0 for tally in found.values())
    assert aj.verify(run, share=1.0)["hamming_error"]["compared"] == 320


def test_one_trajectory_at_least_is_verified(run):
    found = aj.verify(run, share=1e-9, seed=0)
    assert sum(found[name]["compared"] for name in ("hamming_error", "decoder_error") if name in found) in (1, 2, 4)


def test_values_that_are_not_those_of_the_configuration_are_found(run, capsys):
    array = zarr.open_array(run / "results.zarr" / "hamming_error", mode="r+")
    array[0, 1, 1, 1, :] = array[0, 1, 1, 1, :] + 1
    found = aj.verify(run, share=1.0)
    assert found["hamming_error"]["different"] == found["hamming_error"]["beyond"] == 20
    assert 0 < found["hamming_error"]["largest"] <= 1
    assert found["energy"]["different"] == 0
    assert main(["verify", str(run), "--share", "1"]) == 1
    assert "does not repeat" in capsys.readouterr().out


def test_a_small_difference_of_a_float_is_told_and_tolerated(run):
    array = zarr.open_array(run / "results.zarr" / "energy", mode="r+")
    array[0, 0, 0, 0, 0] = np.nextafter(array[0, 0, 0, 0, 0], np.float32(0))
    found = aj.verify(run, share=1.0)["energy"]
    assert found["different"] == 1
    assert found["beyond"] == 0
    assert 0 < found["largest"] < 1e-6


def test_verifying_changes_nothing_and_tells_what_is_damaged(run, capsys):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    aj.verify(run, share=0.1)
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    chunk = next(path for path in (run / "results.zarr" / "energy" / "c").rglob("*") if path.is_file())
    chunk.write_bytes(chunk.read_bytes()[:-1])
    assert main(["verify", str(run), "--share", "0.001"]) == 1
    assert "does not repeat" in capsys.readouterr().out
    (run / "results.zarr" / "energy" / "zarr.json").write_text("{")
    assert main(["verify", str(run), "--share", "1"]) == 1
    assert "does not repeat" in capsys.readouterr().out


def test_a_run_is_verified_with_its_own_copy_of_the_patterns_which_must_be_the_same(tmp_path, capsys):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "own.npy", rng.choice([-1.0, 1.0], (5, 16)))
    raw = {
        "patterns": {"kind": "file", "path": "own.npy"},
        "axes": {"num_patterns": 5, "num_flips": 1},
        "trials": 10,
        "models": {"h": {"kind": "hopfield"}},
    }
    aj.run(parse_config(raw, folder=tmp_path), tmp_path / "run")
    assert main(["verify", str(tmp_path / "run"), "--share", "1"]) == 0
    (tmp_path / "own.npy").unlink()
    assert main(["verify", str(tmp_path / "run"), "--share", "1"]) == 0
    np.save(tmp_path / "run" / "inputs" / "own.npy", rng.choice([-1.0, 1.0], (5, 16)))
    assert main(["verify", str(tmp_path / "run")]) == 2
    assert "inputs/own.npy is changed" in capsys.readouterr().err
    (tmp_path / "run" / "inputs" / "own.npy").unlink()
    assert main(["verify", str(tmp_path / "run")]) == 2
    assert "inputs/own.npy is missing" in capsys.readouterr().err


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(run, share):
    with pytest.raises(aj.InputError, match=r"share must lie within \[0, 1\]"):
        aj.verify(run, share=share)


def test_a_seed_below_zero_is_refused(tmp_path, capsys):
    assert main(["verify", str(tmp_path), "--seed", "-1"]) == 2
    assert "seed (--seed) must be an integer of at least 0; got -1" in capsys.readouterr().err


def test_what_is_no_run_cannot_be_verified_or_exported(tmp_path, capsys):
    assert main(["verify", str(tmp_path)]) == 2
    assert main(["export", str(tmp_path), "--format", "csv"]) == 2
    assert capsys.readouterr().err.count("is not a run folder") == 2


@pytest.mark.parametrize("format", ["csv", "parquet"])
@pytest.mark.parametrize("rows", [1, 50, 10**6])
def test_a_table_has_a_row_for_each_trajectory(run, format, rows, monkeypatch, capsys):
    monkeypatch.setattr(exporting, "ROWS_AT_A_TIME", rows)
    assert main(["export", str(run), "--format", format]) == 0
    path = run / f"results.{format}"
    assert str(path) in capsys.readouterr().out
    table = pd.read_csv(path) if format == "csv" else pd.read_parquet(path)
    results = aj.load(run)
    assert len(table) == 320
    axes = ["model", "num_patterns", "num_flips", "temperature", "trial"]
    assert list(table.columns[:5]) == axes
    indexed = table.set_index(axes)
    for model, load, flips, temperature, trial in (("a", 20, 4, 1.0, 7), ("h, plain", 3, 0, 0.01, 0)):
        row = indexed.loc[(model, load, flips, temperature, trial)]
        at = results.sel(model=model, num_patterns=load, num_flips=flips, temperature=temperature, trial=trial)
        for name in ("hamming_error", "energy", "num_steps", "status"):
            assert row[name] == pytest.approx(float(at[name]), rel=1e-6)
        assert row["decoder_bayes_signed"] == float(at.decoder_error.sel(decoder="bayes_signed"))


def test_netcdf_holds_the_dataset(run):
    path = aj.export(run, "nc", run.parent / "mine.nc")
    with xr.open_dataset(path, engine="h5netcdf") as stored:
        results = aj.load(run)
        assert dict(stored.sizes) == dict(results.sizes)
        assert list(stored.model.values) == ["a", "h, plain"]
        assert stored.energy.attrs["units"] == results.energy.attrs["units"]
        for name in results.data_vars:
            np.testing.assert_array_equal(stored[name], results[name])


def full_disk(*given):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_is_never_overwritten_and_a_missing_extra_is_told(run, capsys, monkeypatch):
    (run.parent / "mine.csv").write_text("precious")
    assert main(["export", str(run), "--format", "csv", "--out", str(run.parent / "mine.csv")]) == 2
    assert "never overwritten" in capsys.readouterr().err
    monkeypatch.setitem(__import__("sys").modules, "h5netcdf", None)
    assert main(["export", str(run), "--format", "nc"]) == 2
    assert "python -m pip install 'astrojax-memory[export]'" in capsys.readouterr().err
    assert main(["export", str(run), "--format", "csv", "--out", str(run / "nowhere" / "a.csv")]) == 2
    assert f"there is no folder {run / 'nowhere'}" in capsys.readouterr().err
    monkeypatch.setattr(exporting, "_write_csv", full_disk)
    assert main(["export", str(run), "--format", "csv"]) == 1
    assert "results.csv cannot be written: No space left on device" in capsys.readouterr().err
    assert not [path for path in run.iterdir() if path.name.endswith(".part")]
    assert json.loads((run / "provenance.json").read_text())["finished"]
    assert os.listdir(run.parent) != []
