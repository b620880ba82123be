"""Lines of theory over figures have the values of theory, and nothing is drawn where it does not apply."""

import math

import numpy as np
import pytest

import astrojax as aj
from astrojax.cli import main
from astrojax.config.validation import parse_config

from .run_folders import TINY, refused
from .test_figures import run_of

MODELS = {
    "attention": {"kind": "modern_hopfield", "temperature": 2},
    "squared": {"kind": "astrocyte", "temperature": 0.5},
    "power": {"kind": "astrocyte", "score": "power"},
    "frozen": {"kind": "astrocyte", "gain_regime": "frozen"},
    "hopfield": {"kind": "hopfield", "zero_diagonal": True},
}


def run_with_theory(patterns=None, corruption="flips", **axes):
    """Random results of a configuration over its axes."""
    raw = {"patterns": patterns or {"num_neurons": 100}, "corruption": corruption, "axes": axes, "trials": 4, "models": MODELS}
    config = parse_config(raw)
    numbers = {"num_patterns": [5], "num_flips": [0], **axes}
    return config, run_of(MODELS, **numbers).assign_attrs(config_sha256=config.sha256())


def drawn(figure, panel=0):
    """Values of the lines of a panel by label; of a vertical one, where it is."""
    found = {}
    for line in figure.axes[panel].lines:
        x, y = line.get_data()
        found[line.get_label()] = x[0] if len(x) == 2 and x[0] == x[1] else np.asarray(y)
    return found


def test_errors_and_thresholds_along_the_load():
    loads, flips = [2, 20, 1000, 100_000], [10, 30]
    config, results = run_with_theory(num_patterns=loads, num_flips=flips)
    figure = aj.figures.curves(results, along="num_patterns", theory=config)
    for panel, n in enumerate(flips):
        lines = drawn(figure, panel)
        for signed, label in ((True, "nearest pattern, exact"), (False, "nearest pattern, blind to x → −x, exact")):
            expected = [aj.theory.nearest_pattern(100, load, n, signed=signed).hamming_error for load in loads]
            np.testing.assert_allclose(lines[label], expected)
        states = [aj.theory.hopfield_recall(load / 100, 5.0) for load in (2, 20)]
        assert states[1].overlap == 0
        np.testing.assert_allclose(lines["hopfield: mean field, from pattern"], [100 * states[0].error_rate, *[math.nan] * 3])
        assert lines["hopfield: capacity, mean field"] == pytest.approx(12.6, abs=0.1)
        thresholds = {name for name in lines if "threshold" in name}
        for name, score, temperature in (("attention", "linear", 2), ("squared", "squared", 0.5)):
            expected = math.exp(100 * aj.theory.recall_threshold(n / 100, temperature, score))
            if expected < 100_000:
                assert lines[f"{name}: threshold, N → ∞"] == pytest.approx(expected)
                thresholds.remove(f"{name}: threshold, N → ∞")
        assert not thresholds  # beyond the axis, or of a memory that theory does not know


def test_success_and_thresholds_along_the_temperature():
    config, results = run_with_theory(num_patterns=[1000], num_flips=[20], temperature=[0.1, 1, 10])
    lines = drawn(aj.figures.curves(results, "success", "temperature", theory=config, labels={"squared": "paper"}))
    expected = aj.theory.nearest_pattern(100, 1000, 20).success
    np.testing.assert_allclose(lines["nearest pattern, exact"], [expected] * 3)
    load = math.log(1000) / 100
    for name, score in (("attention", "linear"), ("paper", "squared")):
        assert lines[f"{name}: threshold, N → ∞"] == pytest.approx(aj.theory.critical_temperature(0.2, load, score))


def test_overlaps_of_hopfield_networks_need_no_flips():
    config, results = run_with_theory(corruption="noise", num_patterns=[2, 5, 9], noise_scale=[0.5])
    results = results.squeeze("num_flips", drop=True).rename(hamming_error="overlap")
    lines = drawn(aj.figures.curves(results, "overlap", theory=config))
    np.testing.assert_allclose(
        lines["hopfield: mean field, from pattern"],
        [aj.theory.hopfield_recall(load / 100, 5.0).overlap for load in (2, 5, 9)],
    )


def test_what_theory_does_not_know_is_refused():
    nothing = "theory does not cover hamming_error along temperature for .* it covers, for random patterns"
    axes = {"num_patterns": [10], "num_flips": [1], "temperature": [0.1, 1]}
    config, results = run_with_theory({"kind": "biased", "num_neurons": 20, "mean": 0.3}, **axes)
    with pytest.raises(aj.InputError, match=nothing):
        aj.figures.curves(results, along="temperature", theory=config)
    config, results = run_with_theory(**axes | {"num_patterns": [10, 20], "num_flips": [1, 2]})
    with pytest.raises(aj.InputError, match=nothing):  # each panel has a load, and averages over the flips
        aj.figures.curves(results, along="temperature", theory=config)
    with pytest.raises(aj.InputError, match="theory must be the configuration of these results; got that of another run"):
        aj.figures.curves(results, theory=parse_config(TINY))
    with pytest.raises(aj.InputError, match="theory must be the configuration of the run, as load_config returns it; got True"):
        aj.figures.curves(results, theory=True)


def test_the_command_draws_theory_or_says_what_it_knows(tmp_path, capsys):
    run = tmp_path / "tiny"
    aj.run(parse_config(TINY), run)
    assert main(["show", str(run), "--theory", "--format", "svg", "--quiet"]) == 0
    text = (run / "figures" / "along_num_patterns.svg").read_text(encoding="utf-8")
    assert "nearest pattern, exact</text>" in text
    message = refused(capsys, "show", run, "--theory", "--observable", "num_steps")
    assert "theory does not cover num_steps along num_patterns for random patterns and flips" in message
    assert "leave out --observable" in refused(capsys, "show", run, "--theory", "--html", tmp_path / "page.html")
