"""Everything wrong with a configuration or an input gives one clear report, exit status 2, and no run folder."""

import types
from pathlib import Path

import numpy as np
import pytest
import yaml

from astrojax.cli import main
from astrojax.config.load import ConfigError, read_config
from astrojax.config.run import Config
from astrojax.config.tune import TuneConfig

GOOD = {
    "patterns": {"kind": "random", "num_neurons": 8},
    "axes": {"num_patterns": [2, 3], "num_flips": [0, 1]},
    "trials": 2,
    "models": {"a": {"kind": "astrocyte"}, "h": {"kind": "hopfield"}},
    "retrieval": {"t1": 1},
}

BROKEN = {
    "unknown key": (["--modles", "{}"], "modles: unknown key (did you mean 'models'?)"),
    "unknown key in a section": (["--retrieval.solvr", "heun"], "retrieval.solvr: unknown key"),
    "wrong type": (["--trials", "many"], "trials:"),
    "fraction for an integer": (["--trials", "2.5"], "trials:"),
    "yes for a number": (["--trials", "true"], "trials: must be an integer"),
    "negative temperature": (["--models.a.temperature", "-1"], "models.a.temperature:"),
    "NaN parameter": (["--models.a.slope", ".nan"], "models.a.slope:"),
    "infinite horizon": (["--retrieval.t1", ".inf"], "retrieval.t1:"),
    "unknown solver": (["--retrieval.solver", "heunn"], "did you mean 'heun'?"),
    "unknown model": (["--models.a.kind", "astro"], "did you mean 'astrocyte'?"),
    "model without a kind": (["--models.b", "{}"], "models.b.kind: is missing"),
    "no models": (["--models", "{}"], "models:"),
    "odd order": (["--models.a.score", "power", "--models.a.order", "3"], "models.a.order:"),
    "order without power": (["--models.a.order", "4"], "models.a:"),
    "no pattern": (["--axes.num_patterns", "0"], "axes.num_patterns[0]:"),
    "repeated value": (["--axes.num_flips", "[1, 1]"], "axes.num_flips:"),
    "flips beyond the neurons": (["--axes.num_flips", "[1, 9]"], "axes.num_flips: got 9"),
    "backward range": (["--axes.num_patterns", "{start: 5, stop: 2}"], "axes.num_patterns:"),
    "range without an end": (["--axes.num_patterns", "{start: 5}"], "axes.num_patterns:"),
    "log range from zero": (["--axes.temperature", "{start: 0, stop: 1, num: 3, scale: log}"], "axes.temperature:"),
    "fraction for a number of values": (["--axes.tau_x", "{start: 1, stop: 9, num: 2.7}"], "num must be an integer"),
    "axis of no model": (["--axes.tau_s", "[1, 2]"], "axes.tau_s:"),
    "axis of another corruption": (["--axes.noise_scale", "1"], "axes.noise_scale:"),
    "corruption without its axis": (["--corruption", "erasures"], "axes.erased_fraction: is missing"),
    "overlap beyond one": (["--patterns", "{kind: hierarchical, num_prototypes: 2, overlap: 1.5}"], "patterns.overlap:"),
    "too many digits": (["--patterns", "{kind: digits}", "--axes.num_patterns", "2000"], "1750 patterns"),
    "missing pattern file": (["--patterns", "{kind: file, path: nowhere.npy}"], "patterns.path: "),
    "load beyond all bounds": (["--axes.num_patterns", "3000000000"], "axes.num_patterns[0]:"),
    "more points than can be computed": (["--trials", "90000000"], "axes:"),
    "negative seed": (["--seed", "-1"], "seed:"),
    "unusable name": (["--name", "../elsewhere"], "name:"),
    "override without a value": (["--trials"], "trials"),
    "override of a number's part": (["--trials.x", "1"], "trials.x"),
    "word that is no override": (["trials"], "trials"),
}
"""Overrides of the good configuration, and what the report must name."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(GOOD))
    return path


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    assert main(arguments) == 2
    report = capsys.readouterr().err
    assert "Traceback" not in report
    assert "\n\n" not in report.strip()
    return report


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_configuration_is_refused_naming_field_value_and_rule(case, config, tmp_path, capsys):
    overrides, expected = BROKEN[case]
    report = refused(capsys, ["run", str(config), "--out", str(tmp_path / "out"), *overrides])
    assert expected in report
    assert not (tmp_path / "out").exists()


def test_all_faults_are_reported_at_once(config):
    overrides = ["--trials", "0", "--modles", "1", "--models.a.temperature", "-1", "--axes.num_flips", "[20]"]
    with pytest.raises(ConfigError, match="4 faults") as caught:
        read_config(config, overrides)
    assert {path for path, _ in caught.value.faults} == {"trials", "modles", "models.a.temperature", "axes.num_flips"}


@pytest.mark.parametrize(
    ("name", "rows", "expected"),
    [
        ("nan.npy", np.array([[1.0, np.nan, 1.0], [1.0, 1.0, -1.0]]), "row 1, column 2"),
        ("turned.npy", np.where(np.tri(2, 3) > 0, 1, -1), "if its columns are, np.save("),
        ("small.npy", np.array([[1.0, -1.0], [1.0, 1.0]]), "there are 2 patterns"),
    ],
)
def test_a_pattern_file_that_cannot_be_used_is_refused_saying_where(name, rows, expected, config, tmp_path, capsys):
    np.save(tmp_path / name, rows)
    given = ["--patterns", f"{{kind: file, path: {name}}}", "--axes.num_flips", "0"]
    assert expected in refused(capsys, ["run", str(config), "--out", str(tmp_path / "out"), *given])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("bias.npy", b"", "cannot be read"),
        ("bias.csv", b"1,2\n3,4\n", "must hold 4 numbers, one per pattern"),
        ("bias.csv", b"1\n2\n3\n", "as many as there are neurons"),
        ("bias.csv", b"1,2,1e400,4\n", "number 3 is inf"),
    ],
)
def test_a_file_of_parameters_that_cannot_be_used_is_refused(name, content, expected, config, tmp_path, capsys):
    np.save(tmp_path / "own.npy", np.where(np.tri(4, 3, -1) > 0, 1, -1))
    (tmp_path / name).write_bytes(content)
    given = ["--patterns", "{kind: file, path: own.npy}", "--models.a.logit_bias", name, "--axes.num_flips", "0"]
    report = refused(capsys, ["run", str(config), "--out", str(tmp_path / "out"), *given])
    assert "models.a.logit_bias: " in report
    assert expected in report
    assert not (tmp_path / "out").exists()


def test_showing_what_is_no_run_is_refused(tmp_path, capsys):
    assert "is not a run folder" in refused(capsys, ["show", str(tmp_path)])
    assert "is not a run folder" in refused(capsys, ["run", str(tmp_path)])
    (tmp_path / "config.yaml").write_text("")
    assert "was not started" in refused(capsys, ["show", str(tmp_path)])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--memory", "lots"], "--memory: must be a number of bytes such as 800MB or 2GiB; got 'lots'"),
        (["--memory", "1kB"], "memory (--memory), in bytes, must be an integer of at least 1048576; got 1000"),
        (["--cluster", "nowhere/scheduler.json"], "--cluster: there is no scheduler file nowhere/scheduler.json"),
        (["--cluster", "local", "--dry-run"], "--cluster must be an address"),
        (["--chunk", "0"], "lanes_per_chunk (--chunk) must be an integer of at least 1; got 0"),
        (["--devices", "99"], "num_devices (--devices) must be between 1 and"),
        (["--threads", "-1"], "num_threads (--threads) must be an integer of at least 1; got -1"),
        (["--chunk", str(2**70)], "lanes_per_chunk (--chunk) must be an integer of at most"),
    ],
)
def test_settings_of_the_execution_out_of_range_are_refused(words, expected, config, tmp_path, capsys):
    assert expected in refused(capsys, ["run", str(config), "--out", str(tmp_path / "out"), *words])
    assert not (tmp_path / "out").exists()


HUGE = "{num_neurons: 10000000}"
OVERSIZED = {
    "patterns": (
        ["--patterns", HUGE, "--axes.num_patterns", "10000000", "--memory", "2GiB", "--threads", "2"],
        ["models.a: one trajectory of 10,000,000 neurons (patterns.num_neurons)", "1.0 GiB are available"],
    ),
    "synapses": (
        [
            "--patterns",
            "{num_neurons: 100000}",
            "--models.n",
            "{kind: neuron_astrocyte}",
            "--memory",
            "64GiB",
            "--threads",
            "1",
        ],
        ["models.n: one trajectory of 100,000 neurons", "GiB of memory; 64.0 GiB are available"],
    ),
    "files": (["--trials", "1000000", "--axes.num_flips", "[1, 2]", "--chunk", "1"], ["--chunk", "at most 10,000,000"]),
    "order": (["--models.n", f"{{kind: dense, order: {2**70}}}"], ["models.n.order", "less than or equal to 10000"]),
}
"""Words of the command line, and what the refusal says."""


@pytest.mark.parametrize("case", OVERSIZED)
def test_what_cannot_fit_is_refused_before_anything_is_computed_or_written(case, config, tmp_path, capsys):
    words, expected = OVERSIZED[case]
    for dry in ([], ["--dry-run"]):
        error = refused(capsys, ["run", str(config), "--out", str(tmp_path / "out"), *words, *dry])
        assert not [text for text in expected if text not in error]
    assert not (tmp_path / "out").exists()


def test_a_run_that_the_disk_has_no_room_for_is_refused(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("astrojax.runs.run.shutil.disk_usage", lambda path: types.SimpleNamespace(free=10))
    assert "10 B are free" in refused(capsys, ["run", str(config), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [Config, TuneConfig])
def test_every_integer_of_a_configuration_has_bounds(kind):
    def integers(schema, path):
        if isinstance(schema, list):
            schema = dict(enumerate(schema))
        if not isinstance(schema, dict):
            return
        if schema.get("type") == "integer":
            yield path, schema
        for name, inner in schema.items():
            yield from integers(inner, f"{path}.{name}")

    found = dict(integers(kind.model_json_schema(), ""))
    assert len(found) >= 10
    unbounded = [path for path, schema in found.items() if not {"maximum", "exclusiveMaximum", "le"} & set(schema)]
    assert [path for path in unbounded if ".arguments." not in path] == []  # those of optax are bounded as a whole
