"""The wider family in sweeps and configurations: the limit of gray digits, numbers and files of parts, what is refused."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml

import astrojax as aj
from astrojax.config.tune import TuneConfig
from astrojax.config.validation import ConfigError, parse, parse_config
from astrojax.runs.build import build


def test_gray_digits_are_identified_as_often_as_by_the_nearest_picture():
    """K = 200: without error at little noise, and where the nearest picture errs too, within sampling error of it."""
    pool, trials = aj.digits(scaling="range"), 200
    task = aj.Task(eqx.Partial(aj.pooled_patterns, pool=pool), aj.GaussianNoise())
    axes = {"num_patterns": [200], "noise_scale": [0.3, 0.9], "trial": range(trials)}

    def modern(patterns, *, temperature=0.09, stored=None):
        return aj.AstrocyteMemory(
            patterns, gain_regime="adiabatic", score="distance", activation="identity", temperature=temperature, stored=stored
        )

    recalls = aj.RecallTrial(task, modern, observables=["identified", "num_active_gains"], num_steps=30)
    sweeps = {"modern": aj.Sweep(recalls, axes), "limit": aj.Sweep(aj.DecoderTrial(task, ["nearest_euclidean"]), axes)}
    found = aj.run_sweeps(sweeps, jax.random.key(0))
    own, limit = found["modern"].observables["identified"][0], found["limit"].observables["nearest_euclidean identified"][0]
    assert own[0].mean() == limit[0].mean() == 1
    assert 0.5 < limit[1].mean() < 0.9
    assert abs(own[1].mean() - limit[1].mean()) < 2 * np.std(own[1] - limit[1]) / np.sqrt(trials) + 1 / trials
    assert np.all(found["modern"].observables["num_active_gains"] == 200)


ROWS = np.random.default_rng(0).choice([-1.0, 1.0], (12, 10))
LABELS = np.arange(12) % 3
RUN = """
precision: float64
patterns: {kind: file, path: rows.npy, labels: labels.csv}
axes: {num_patterns: 6, num_flips: 1, alpha: [1.2, 1.8], gap_strength: [-0.5, 0.5]}
trials: 2
models:
  coupled: {kind: astrocyte, gain_map: entmax, gap_junctions: JUNCTIONS}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    matrix = np.cos(np.arange(144)).reshape(12, 12)
    np.save("rows.npy", ROWS)
    np.save("even.npy", matrix + matrix.T)
    np.save("odd.npy", matrix)
    np.savetxt("labels.csv", LABELS[:, None], fmt="%d")
    return tmp_path


def memory_of(text):
    """The memory of the first part of a run at one point, and its problem."""
    with jax.enable_x64(True):
        (part,) = (part for part in build(parse_config(yaml.safe_load(text))).parts if part.name == "coupled")
        lane = {"num_patterns": 6, "num_flips": 1, "alpha": 1.8, "gap_strength": 0.5, "trial": 0}
        lane = {name: jnp.asarray(value) for name, value in lane.items()}
        problem = part.sweep.sample.draw(part.root_key, lane, 8)
        return part.sweep.sample.memory(problem, lane), problem


@pytest.mark.parametrize("junctions", ["classes", "{kind: matrix, gap_matrix: even.npy}"])
def test_numbers_and_files_of_parts_are_those_of_the_patterns_drawn(folder, junctions):
    memory, problem = memory_of(RUN.replace("JUNCTIONS", junctions))
    columns = np.asarray(problem.columns)
    np.testing.assert_array_equal(problem.patterns, ROWS[columns].T)
    np.testing.assert_array_equal(problem.classes, LABELS[columns])
    assert (float(memory.gain_map.alpha), float(memory.gap_junctions.gap_strength)) == (1.8, 0.5)
    matrix = np.load("even.npy") if "matrix" in junctions else np.equal.outer(LABELS, LABELS) - np.eye(12)
    gains = np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.1, 0, 0])
    fed = memory.gap_junctions(jnp.asarray(gains), memory.stored, memory.pattern_classes)
    np.testing.assert_allclose(fed[:6], (matrix[np.ix_(columns, columns)] @ gains)[:6], rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("JUNCTIONS", "{kind: matrix, gap_matrix: odd.npy}"), r"gap_junctions\.gap_matrix: .* must hold a symmetric matrix"),
        (
            ("JUNCTIONS", "{kind: matrix, gap_matrix: rows.npy}"),
            r"rows\.npy must hold 12 by 12 numbers, one per pair of patterns",
        ),
        (("JUNCTIONS", "ring, gain_regime: adiabatic"), r"models\.coupled: gain_regime with gap junctions must be"),
        (
            ("JUNCTIONS", "ring, activation: identity"),
            r"models\.coupled: activation must have bounded rates",
        ),
        ((", labels: labels.csv", ""), r"models\.coupled: pattern_classes must be given for the gap junctions classes"),
        (("alpha: [1.2, 1.8]", "alpha: [1, 2]"), r"axes\.alpha\[0\]: should be greater than 1; got 1"),
    ],
)
def test_what_does_not_fit_is_refused_where_it_stands(folder, change, message):
    with pytest.raises(ConfigError, match=message):
        build(parse_config(yaml.safe_load(RUN.replace(*change).replace("JUNCTIONS", "classes"))))


def test_alpha_and_kappa_are_searched_within_what_they_may_be():
    text = """
model: {kind: astrocyte, gain_map: entmax, gap_junctions: ring}
axes: {num_patterns: 6, num_flips: 1}
parameters: {alpha: {}, gap_strength: {}}
"""
    searched = parse(yaml.safe_load(text), TuneConfig).parameters
    assert (searched["alpha"].low, searched["alpha"].high) == (1.01, 2)
    assert searched["gap_strength"].low < 0
    with pytest.raises(ConfigError, match=r"needs a low that alpha may be, above 1 and at most 2; got 0\.5"):
        parse(yaml.safe_load(text.replace("alpha: {}", "alpha: {low: 0.5, high: 2, transform: identity}")), TuneConfig)
