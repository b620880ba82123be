"""The main job runs on a small grid, says what it measured in few lines, and suggests a command that works."""

import functools
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import astrojax as aj
from astrojax.config.load import read_config

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
def test_the_main_job_says_what_it_measured_in_few_lines_and_suggests_a_command_that_works(experiments, capsys, monkeypatch):
    fig4, digits = experiments("fig4"), experiments("digits")
    small = {
        fig4: ["--axes.num_patterns", "[4, 40]", "--axes.num_flips", "[3, 5]", "--trials", "20"],
        digits: ["--axes.num_patterns", "[10, 20, 30]", "--trials", "10"],
    }
    for module, overrides in small.items():
        monkeypatch.setattr(module, "main", functools.partial(module.main, overrides))
    experiments("main_job").main()
    printed = capsys.readouterr().out
    *lines, command = printed.splitlines()
    assert len(lines) < 38
    assert max(map(len, lines)) <= 100
    words = " ".join(printed.split())
    errors = aj.load("runs/fig4").hamming_error.sel(model="astrocyte", num_patterns=40).mean("trial")
    for flips in (3, 5):
        assert f"it leaves {float(errors.sel(num_flips=flips)):.2f} [" in words
    share = float(aj.load("runs/digits").success.sel(model="defaults", num_patterns=20).mean())
    assert f"the paper's settings recall {share:.1%} [" in words
    assert {"film_defaults.png", "film_slow_neurons.png"} <= {path.name for path in Path("runs/digits/figures").iterdir()}
    file, *overrides = digits.NEXT
    assert command.startswith(f"  .venv/bin/astrojax run {file} ")
    assert read_config(ROOT / file, overrides).axes.tau_x[-1] == 1000


def test_cells_won_and_lost_are_those_whose_interval_excludes_zero(experiments):
    difference = xr.DataArray(np.array([[-1.0, -2.0] * 20, [2.0, 1.0] * 20, [1.0, -1.0] * 20]), dims=("cell", "trial"))
    assert experiments("fig4").won_and_lost(difference) == (1 / 3, 1 / 3, 3)
