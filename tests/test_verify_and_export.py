"""A stored run is verified by computing a share of it again, and exported as one file."""

import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

import astrojax as aj
from astrojax.cli import main
from astrojax.config.load import parse_config
from astrojax.storage import export

from .run_folders import RAW

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


def test_invalid_arguments_and_folders_are_refused(two_models, tmp_path, capsys):
    for share in (-0.1, 1.5, float("nan")):
        with pytest.raises(aj.InputError, match=r"share must lie within \[0, 1\]"):
            aj.verify(two_models, share=share)
    assert main(["verify", str(tmp_path), "--seed", "-1"]) == 2
    assert "seed (--seed) must be an integer of at least 0; got -1" in capsys.readouterr().err
    for words in (["verify", str(tmp_path)], ["export", str(tmp_path), "--format", "csv"]):
        assert main(words) == 2
        assert "is not a run folder" in capsys.readouterr().err


@pytest.mark.parametrize("format", ["csv", "parquet"])
@pytest.mark.parametrize("rows", [50, 10**6])
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

    def refused(*words):
        status = main(["export", str(run), *map(str, words)])
        return status, capsys.readouterr().err

    status, report = refused("--format", "csv", "--out", tmp_path / "mine.csv")
    assert (status, "never overwritten" in report) == (2, True)
    assert (tmp_path / "mine.csv").read_text() == "precious"
    status, report = refused("--format", "csv", "--out", run / "nowhere" / "a.csv")
    assert (status, f"there is no folder {run / 'nowhere'}" in report) == (2, True)
    monkeypatch.setitem(__import__("sys").modules, "h5netcdf", None)
    status, report = refused("--format", "nc")
    assert (status, "python -m pip install 'astrojax-memory[export]'" in report) == (2, True)

    def fail(*given, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    status, report = refused("--format", "csv")
    assert (status, "results.csv cannot be written: No space left on device" in report) == (1, True)
    assert not list(run.glob("*.part*")) + list(run.glob(".*.part*")) + list(run.glob("results.csv"))
    assert json.loads((run / "provenance.json").read_text())["finished"]
