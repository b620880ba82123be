"""The scripts of the main job run on a small grid, say what they measured, and suggest a command that works."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import astrojax as aj
from astrojax.runs.reading import read_config

ROOT = Path(__file__).parents[1]


@pytest.mark.usefixtures("no_figures")
def test_fig4_runs_and_counts_cells_won_and_lost(experiments, capsys):
    experiment = experiments("fig4")
    experiment.main(["--axes.num_patterns", "[4, 40]", "--axes.num_flips", "[3, 5]", "--trials", "20"])
    printed = capsys.readouterr().out
    assert "% of the 4 cells of load × flips" in printed
    results = aj.load("runs/fig4")
    error = float(results.hamming_error.sel(model="astrocyte", num_patterns=40, num_flips=5).mean())
    assert f"astrocyte {error:.2f}" in printed
    difference = xr.DataArray(np.array([[-1.0, -2.0] * 20, [2.0, 1.0] * 20, [1.0, -1.0] * 20]), dims=("cell", "trial"))
    assert experiment.won_and_lost(difference) == (1 / 3, 1 / 3, 3)


def test_digits_run_and_suggest_a_command_that_works(experiments, capsys):
    experiment = experiments("digits")
    experiment.main(["--axes.num_patterns", "[10, 20, 30]", "--trials", "10"])
    printed = capsys.readouterr().out
    share = float(aj.load("runs/digits").success.sel(model="defaults", num_patterns=20).mean())
    assert f"With 20 digits stored the paper's defaults recall {share:.0%} perfectly" in printed
    assert {"film_defaults.png", "film_slow_neurons.png"} <= {path.name for path in Path("runs/digits/figures").iterdir()}
    file, *overrides = experiment.NEXT
    assert read_config(ROOT / file, overrides).axes.tau_x[-1] == 1000
