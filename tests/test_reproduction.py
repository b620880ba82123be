"""The main job and the reproduction: configurations that plan, verdicts that follow from the numbers, and the page."""

import functools
import shlex
from pathlib import Path

import jax
import numpy as np
import pytest
import xarray as xr
from scipy.stats import binomtest, chi2_contingency

import astrojax as aj
from astrojax.config.validation import read_config
from astrojax.runs.run import Execution, outline_of
from experiments.page import Page

ROOT = Path(__file__).parents[1]


CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=[] if path.stem == "fig4" else pytest.mark.slow, id=path.stem) for path in CONFIGS]
)
def test_every_configuration_can_be_planned_at_both_sizes(path):
    small, large = (outline_of(aj.load_config(path, trials=trials), Execution()) for trials in (50, 1000))
    assert large.num_trajectories == 20 * small.num_trajectories


def test_references_are_met_within_sampling_error_and_verdicts_follow_from_their_parts(experiments):
    measures = experiments("measures")
    values = np.random.default_rng(0).normal(3.0, 1.0, 1000)
    error = values.std(ddof=1) * np.sqrt(1 / 1000 + 1 / 50)
    assert measures.deviation(values, 3.6) == pytest.approx((3.6 - values.mean() - 0.05) / error)
    assert measures.deviation(values, 3.0) == 0  # within the rounding of the reference
    assert measures.compared({1.0: 3.2, 2.0: 3.0}, {1.0: values, 2.0: values}).endswith(": met")
    assert measures.compared({1.0: 3.0, 2.0: 3.6}, {1.0: values, 2.0: values}).endswith(": not met at 2")
    assert measures.medians_compared({1.0: 3.2}, {1.0: values}) == "3.2 (met)"
    assert "not in" in measures.medians_compared({1.0: 3.8}, {1.0: values})
    successes = np.repeat([1.0, 0.0], [300, 100])
    z = chi2_contingency([[300, 100], [50, 50]], correction=False).statistic ** 0.5
    assert measures.share_deviation(successes, 0.5, 100) == pytest.approx(z * 0.2 / 0.25)  # 0.5 may be 0.55, rounded
    assert measures.share_deviation(successes, 0.75, 100) == 0
    found = [measures.verdict(parts) for parts in ([True, True], [True, False], [False])]
    assert found == ["holds", "holds in part", "does not hold"]


def test_a_capacity_lies_where_the_success_passes_ninety_percent(experiments):
    capacity = experiments("capacity")
    loads = np.array([10, 20, 40, 80])
    assert capacity.capacity_of(np.array([1.0, 1.0, 0.8, 0.1]), loads) == pytest.approx(20 * 2**0.5)
    assert capacity.capacity_of(np.array([1.0, 0.95, 1.0, 0.92]), loads) == 80
    assert np.isnan(capacity.capacity_of(np.array([0.8, 0.85, 0.9, 0.85]), loads))


@pytest.mark.parametrize(("sides", "nearness"), [(1, lambda overlap: overlap), (2, np.abs)])
def test_capacities_of_the_nearest_pattern_are_those_of_random_patterns(experiments, sides, nearness):
    """Against simulated problems at N = 16: at the capacity that is named, nine of ten nearest patterns are right."""
    load = round(experiments("capacity").nearest_pattern(np.array([16]), sides)[0])
    random = np.random.default_rng(0)
    others = random.choice([-1, 1], size=(20000, load - 1, 16))
    query = np.repeat([1, -1], [13, 3])
    nearest = nearness(others @ query).max(axis=1)
    ties = np.sum(nearness(others @ query) == 10, axis=1)
    right = np.mean((nearest <= 10) / (1 + ties))
    steps = 0.1 / load  # the capacity is no integer
    assert abs(right - 0.9) < steps + 4 * np.sqrt(0.09 / 20000)


@pytest.mark.slow
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


def test_a_part_of_the_page_has_the_numbers_of_its_run(experiments, no_figures):
    page = Page("part")
    assert experiments("slope").report(page, 1) == []
    error = float(aj.load("runs/reproduction/slope-10").hamming_error.sel(model="astrocyte", slope=5).mean())
    assert any(f"| 5 | {error:.2f} " in str(block) for block in page.blocks)


def test_convergence_is_judged_at_a_speed_in_proportion_to_the_slower_variable():
    """Otherwise a state that has hardly started to move would count as converged."""
    for name, coordinate in (("fig1", "tau_p"), ("fig2", "tau_x"), ("convergence", "tau_x")):
        (zipped,) = aj.load_config(ROOT / "configs" / f"{name}.yaml").axes.zipped.values()
        speeds = 0.1 / np.maximum(1, zipped[coordinate])
        np.testing.assert_allclose(zipped["retrieval.convergence_speed"], speeds, rtol=1e-3)


def test_gains_have_chosen_where_fast_neurons_count_as_converged():
    """At τx = 10⁻³, where the neurons rest on the gains at any time: the outcome at the event is the final one."""
    memory = aj.AstrocyteMemory(aj.random_patterns(jax.random.key(5), num_neurons=30, num_patterns=100), tau_x=1e-3)
    query = aj.flip(jax.random.key(6), memory.patterns[:, 0], 6)
    settled = aj.retrieve(memory, query, t1=100.0, convergence_speed=0.1, solver="etd3")
    event = float(settled.convergence_time)
    assert event < 100
    at = aj.retrieve(memory, query, t1=event, solver="etd3")
    np.testing.assert_allclose(at.gains, settled.gains, atol=0.01)


def test_cells_won_and_lost_are_those_whose_interval_excludes_zero(experiments):
    difference = xr.DataArray(np.array([[-1.0, -2.0] * 20, [2.0, 1.0] * 20, [1.0, -1.0] * 20]), dims=("cell", "trial"))
    assert experiments("fig4").won_and_lost(difference) == (1 / 3, 1 / 3, 3)


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
def test_the_main_job_says_what_it_measured_and_suggests_a_command_that_works(experiments, capsys, monkeypatch):
    fig4, digits = experiments("fig4"), experiments("digits")
    small = {
        fig4: ["--axes.num_patterns", "[4, 40]", "--axes.num_flips", "[3, 5]", "--trials", "20"],
        digits: ["--axes.num_patterns", "[10, 20, 30]", "--trials", "10"],
    }
    for module, overrides in small.items():
        monkeypatch.setattr(module, "main", functools.partial(module.main, overrides))
    experiments("main_job").main()
    printed = capsys.readouterr().out
    command = printed.splitlines()[-1]
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


def test_means_and_shares_have_the_intervals_they_name(experiments):
    measures = experiments("measures")
    values = np.repeat([0.0, 1.0], [150, 50])
    interval = binomtest(50, 200).proportion_ci(method="exact")
    assert measures.share(values) == f"25.0% [{interval.low:.1%}, {interval.high:.1%}]"
    text = measures.mean(values)
    low, high = (float(word.strip("[],")) for word in text.split()[1:])
    assert text.startswith("0.25")
    spread = 1.96 * values.std() / np.sqrt(200)
    assert abs(low - (0.25 - spread)) < 0.015
    assert abs(high - (0.25 + spread)) < 0.015
    assert measures.share([1.0, np.nan, 0.0]).startswith("50.0%")


def test_laws_of_capacity_are_told_apart(experiments):
    capacity, sizes = experiments("capacity"), np.array([16.0, 32.0, 64.0])
    noise = np.exp(np.random.default_rng(0).normal(0, 0.01, (20, 3)))
    power, left, rate, least, nearer = capacity.laws(capacity.Curves(sizes, 3 * sizes**1.5 * noise, np.inf))
    assert power.startswith("1.5 [1.4")
    assert nearer == "power law (100%)"
    assert float(left) < 0.02 < float(least)
    power, left, rate, least, nearer = capacity.laws(capacity.Curves(sizes, 3 * np.exp(0.1 * sizes) * noise, np.inf))
    assert rate.startswith("0.1 [0.0")
    assert nearer == "exponential (100%)"
    assert float(least) < 0.02 < float(left)
    assert capacity.laws(capacity.Curves(sizes, 3 * sizes**1.5 * noise, 200.0))[0] == "too few sizes"


def test_the_command_of_a_run_repeats_it(experiments, monkeypatch, no_figures):
    measures = experiments("measures")
    monkeypatch.setattr(measures, "DONE", {})
    overrides = {"axes.slope": [1, 5], "models": {"Hopfield, plain": {"kind": "hopfield", "zero_diagonal": True}}}
    measures.stored("slope", 3, "some", **overrides)
    ((folder, run),) = measures.DONE.items()
    assert (run.num_failed, run.num_trajectories) == (0, 2 * 3)
    _, _, file, *given = shlex.split(run.command)
    assert read_config(ROOT / file, given) == read_config(Path(folder) / "config.yaml")
