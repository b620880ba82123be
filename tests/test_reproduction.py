"""The reproduction: configurations that plan, intervals and verdicts that follow from the numbers, and the page."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.stats import binomtest

import astrojax as aj
from astrojax.experiment import Execution, outline_of
from astrojax.report.page import Page

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_can_be_planned_at_both_sizes(path):
    small, large = (outline_of(aj.load_config(path, trials=trials), Execution()) for trials in (50, 1000))
    assert large.num_trajectories == 20 * small.num_trajectories


def test_means_and_shares_have_the_intervals_they_name(experiments):
    measures = experiments("measures")
    values = np.repeat([0.0, 1.0], [150, 50])
    interval = binomtest(50, 200).proportion_ci(method="wilson")
    assert measures.share(values) == f"25.0% [{interval.low:.1%}, {interval.high:.1%}]"
    text = measures.mean(values)
    low, high = (float(word.strip("[],")) for word in text.split()[1:])
    assert text.startswith("0.25")
    spread = 1.96 * values.std() / np.sqrt(200)
    assert abs(low - (0.25 - spread)) < 0.015
    assert abs(high - (0.25 + spread)) < 0.015
    assert measures.share([1.0, np.nan, 0.0]).startswith("50.0%")


def test_a_reference_agrees_within_sampling_error_and_not_beyond(experiments):
    agrees = experiments("measures").agrees
    values = np.random.default_rng(0).normal(3.0, 1.0, 1000)
    assert agrees(values, 3.2)
    assert not agrees(values, 3.6)
    assert [experiments("measures").verdict(parts) for parts in ([True, True], [True, False], [False])] == [
        "holds",
        "holds in part",
        "does not hold",
    ]


def test_a_capacity_lies_where_the_success_passes_ninety_percent(experiments):
    capacity = experiments("capacity")
    loads = np.array([10, 20, 40, 80])
    assert capacity.capacity_of(np.array([1.0, 1.0, 0.8, 0.1]), loads) == pytest.approx(20 * 2**0.5)
    assert capacity.capacity_of(np.array([1.0, 0.95, 1.0, 0.92]), loads) == 80
    assert np.isnan(capacity.capacity_of(np.array([0.85, 1.0, 1.0, 1.0]), loads))
    sizes = np.array([16.0, 64.0, 256.0])
    curves = np.tile(3 * sizes**1.5, (20, 1))
    assert capacity.fitted(np.log(sizes), curves) == "1.5 [1.5, 1.5]"
    assert capacity.fitted(np.log(sizes[:2]), curves[:, :2]) == "too few sizes"


def test_capacities_of_the_nearest_pattern_are_those_of_random_patterns(experiments):
    """Against simulated problems at N = 16: at the capacity that is named, nine of ten nearest patterns are right."""
    text, _, _ = experiments("capacity").nearest_pattern(np.array([16, 20, 30, 35, 40]))
    load = int(text.split(",")[0].split(":")[1])
    random = np.random.default_rng(0)
    others = random.choice([-1, 1], size=(20000, load - 1, 16))
    query = np.repeat([1, -1], [13, 3])
    nearest = np.abs(others @ query).max(axis=1)
    right = np.mean(nearest < 10) + np.mean(nearest == 10) / 2
    assert abs(right - 0.9) < 0.04


def test_the_euler_protocol_meets_the_problems_of_the_sweep(experiments, tmp_path):
    protocol, along = experiments("protocol"), experiments("along")
    assert protocol.step_size(0.01) == 0.05 * 0.01
    assert protocol.step_size(0.02) == 0.001
    euler = protocol.euler("fig3", "temperature", [1.0], tmp_path)
    overrides = {"axes.temperature": [1.0], "axes.retrieval.t1": [10], "retrieval.convergence_speed": None}
    config = aj.load_config(ROOT / "configs" / "fig3.yaml", trials=protocol.TRIALS, decoders=False, **overrides)
    ours = along.one_axis(aj.run(config, tmp_path / "run"), "temperature").squeeze("retrieval.t1")
    assert np.mean(ours.hamming_error.values == euler.hamming_error.values) > 0.95
    np.testing.assert_allclose(ours.perplexity.values, euler.perplexity.values, rtol=0.05)
    kept = protocol.euler("fig3", "temperature", [1.0], tmp_path)
    xr.testing.assert_equal(kept, euler)


def test_a_part_of_the_page_has_the_numbers_of_its_run(experiments):
    page = Page("part")
    assert experiments("slope").report(page, 5) == []
    results = aj.load("runs/reproduction/slope-5")
    error = float(results.hamming_error.sel(model="astrocyte", slope=5).mean())
    (table,) = [block for block in page.blocks if isinstance(block, str) and block.startswith("|")]
    assert f"| 5 | {error:.2f} " in table
    assert set(page.pictures) == {"slope"}


def test_the_page_puts_verdicts_first_and_in_order(experiments):
    reproduce, claim = experiments("reproduce"), experiments("measures").Claim
    claims = [claim("C12", "late", "holds in part", "a"), claim("C2", "early", "does not hold", "b")]
    part = Page("part")
    part.text("## Part")
    page = reproduce.assembled(claims, [part], 7)
    text = "\n".join(map(str, page.blocks))
    assert text.index("C2") < text.index("C12") < text.index("## Part") < text.index("What the paper leaves open")
    assert "7 trials" in text
    named = {line.split("/")[1].split(".")[0] for line in text.splitlines() if line.startswith("astrojax run")}
    assert named == {path.stem for path in CONFIGS}
