"""Everything wrong with a configuration or an input gives one clear report, exit status 2, and no run folder."""

import types
from pathlib import Path

import numpy as np
import pytest
import yaml

from astrojax.config.run import Config
from astrojax.config.tune import TuneConfig
from astrojax.config.validation import ConfigError, read_config

from .run_folders import TINY, refused

GOOD = TINY | {"models": {"a": {"kind": "astrocyte"}, "h": {"kind": "hopfield"}}}

BROKEN = {
    "unknown key in a section": (["--retrieval.solvr", "heun"], "retrieval.solvr: unknown key"),
    "wrong type": (["--trials", "many"], "trials:"),
    "fraction for an integer": (["--trials", "2.5"], "trials:"),
    "yes for a number": (["--trials", "true"], "trials: must be an integer"),
    "negative temperature": (["--models.a.temperature", "-1"], "models.a.temperature:"),
    "NaN parameter": (["--models.a.slope", ".nan"], "models.a.slope:"),
    "infinite horizon": (["--retrieval.t1", ".inf"], "retrieval.t1:"),
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
    "no loads": (["--axes", "{num_flips: 1}"], "axes.num_patterns: is missing"),
    **{f"coupling {wrong}": (["--models.a.coupling", wrong], "models.a.coupling:") for wrong in ("M", "k", "0", "-2", ".nan")},
    # Settings of the execution
    "no bytes": (["--memory", "lots"], "--memory: must be a number of bytes such as 800MB or 2GiB; got 'lots'"),
    "few bytes": (["--memory", "1kB"], "memory (--memory), in bytes, must be an integer of at least 1048576; got 1000"),
    "no scheduler": (["--cluster", "nowhere/scheduler.json"], "--cluster: there is no scheduler file nowhere/scheduler.json"),
    **{
        f"cluster {wrong}": (["--cluster", wrong, "--dry-run"], "--cluster must be an address such as tcp://")
        for wrong in ("local", "local:0", "nowhere")
    },
    "no chunk": (["--chunk", "0"], "lanes_per_chunk (--chunk) must be an integer of at least 1; got 0"),
    "too many devices": (["--devices", "99"], "num_devices (--devices) must be an integer of at most"),
    "negative threads": (["--threads", "-1"], "num_threads (--threads) must be an integer of at least 1; got -1"),
    "huge chunk": (["--chunk", str(2**70)], "lanes_per_chunk (--chunk) must be an integer of at most"),
    # What cannot fit
    "large patterns": (
        ["--patterns", "{num_neurons: 10000000}", "--axes.num_patterns", "10000000", "--memory", "2GiB", "--threads", "2"],
        "models.a: one trajectory of 10,000,000 neurons (patterns.num_neurons)",
    ),
    "large synapses": (
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
        "GiB of memory; 64.0 GiB are available",
    ),
    "many prototypes": (
        ["--patterns", "{kind: hierarchical, num_neurons: 10000, num_prototypes: 10000000, overlap: 1}", "--memory", "9GiB"],
        "10,000,000 prototypes (patterns.num_prototypes)",
    ),
    "many files": (["--trials", "1000000", "--axes.num_flips", "[1, 2]", "--chunk", "1"], "at most 10,000,000"),
    "large order": (["--models.n", f"{{kind: dense, order: {2**70}}}"], "less than or equal to 10000"),
}
"""Overrides of the good configuration, and what the report must name."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(GOOD))
    return path


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_configuration_is_refused_naming_field_value_and_rule(case, config, tmp_path, capsys):
    overrides, expected = BROKEN[case]
    for more in ([], ["--dry-run"]) if case.startswith(("large", "many")) else ([],):
        assert expected in refused(capsys, "run", config, "--out", tmp_path / "out", *overrides, *more)
    assert not (tmp_path / "out").exists()


def test_all_faults_are_reported_at_once(config):
    overrides = ["--trials", "0", "--modles", "1", "--models.a.temperature", "-1", "--axes.num_flips", "[20]"]
    with pytest.raises(ConfigError, match="4 faults") as caught:
        read_config(config, overrides)
    assert {path for path, _ in caught.value.faults} == {"trials", "modles", "models.a.temperature", "axes.num_flips"}


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("own.npy", np.array([[1.0, np.nan, 1.0], [1.0, 1.0, -1.0]]), "row 1, column 2"),
        ("own.npy", np.where(np.tri(2, 3) > 0, 1, -1), "if its columns are, np.save("),
        ("own.npy", np.array([[1.0, -1.0], [1.0, 1.0]]), "there are 2 patterns"),
        ("bias.npy", b"", "cannot be read"),
        ("bias.csv", b"1,2\n3,4\n", "must hold 4 numbers, one per pattern"),
        ("bias.csv", b"1\n2\n3\n", "as many as there are neurons"),
        ("bias.csv", b"1,2,1e400,4\n", "number 3 is inf"),
    ],
)
def test_a_file_of_patterns_or_parameters_that_cannot_be_used_is_refused(name, content, expected, config, tmp_path, capsys):
    np.save(tmp_path / "own.npy", np.where(np.tri(4, 3, -1) > 0, 1, -1) if isinstance(content, bytes) else content)
    given = ["--patterns", "{kind: file, path: own.npy}", "--axes.num_flips", "0"]
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
        given += ["--models.a.logit_bias", name]
    report = refused(capsys, "run", config, "--out", tmp_path / "out", *given)
    assert expected in report
    assert ("models.a.logit_bias: " in report) == isinstance(content, bytes)
    assert not (tmp_path / "out").exists()


def test_showing_what_is_no_run_is_refused(tmp_path, capsys):
    for command, *more in (["show"], ["run"], ["verify"], ["export", "--format", "csv"]):
        assert "is not a run folder" in refused(capsys, command, tmp_path, *more)
    (tmp_path / "config.yaml").write_text("")
    assert "was not started" in refused(capsys, "show", tmp_path)


def test_a_run_that_the_disk_has_no_room_for_is_refused(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("astrojax.runs.run.shutil.disk_usage", lambda path: types.SimpleNamespace(free=10))
    assert "10 B are free" in refused(capsys, "run", config, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [Config, TuneConfig])
def test_every_integer_of_a_configuration_has_bounds(kind):
    def integers(schema, path):
        if isinstance(schema, dict) and schema.get("type") == "integer":
            yield path, schema
        items = schema.items() if isinstance(schema, dict) else enumerate(schema) if isinstance(schema, list) else ()
        for name, inner in items:
            yield from integers(inner, f"{path}.{name}")

    found = dict(integers(kind.model_json_schema(), ""))
    assert len(found) >= 10
    unbounded = [path for path, schema in found.items() if not {"maximum", "exclusiveMaximum", "le"} & set(schema)]
    assert [path for path in unbounded if ".arguments." not in path] == []  # those of optax are bounded as a whole
