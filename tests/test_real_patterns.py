"""Real-valued patterns: ensembles, observables and decoders agree with closed forms and NumPy; runs store what fits them."""

import math
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

import astrojax as aj
from astrojax.cli import main
from astrojax.config.tune import TuneConfig
from astrojax.config.validation import parse, parse_config
from astrojax.runs.build import build
from astrojax.runs.tune_results import objective_of

KEY = jax.random.key(5)


@pytest.mark.parametrize(
    "draw",
    [
        eqx.Partial(aj.gaussian_patterns, num_neurons=40),
        eqx.Partial(aj.spherical_patterns, num_neurons=40),
        eqx.Partial(aj.random_features_patterns, num_neurons=40, num_features=6),
    ],
)
def test_patterns_have_keys_of_their_own(draw):
    few, many = draw(KEY, num_patterns=3), draw(KEY, num_patterns=5)
    np.testing.assert_array_equal(few, many[:, :3])
    with jax.enable_x64(False):
        np.testing.assert_allclose(draw(KEY, num_patterns=3), few, rtol=1e-6)


def test_gaussian_and_spherical_patterns_have_the_statistics_they_promise():
    gaussian = np.asarray(aj.gaussian_patterns(KEY, num_neurons=200, num_patterns=200))
    assert stats.kstest(gaussian.ravel(), "norm").pvalue > 0.01
    spherical = np.asarray(aj.spherical_patterns(KEY, num_neurons=20, num_patterns=400))
    np.testing.assert_allclose(np.sum(spherical**2, axis=0), 20)
    cosines = (spherical.T @ spherical)[np.triu_indices(400, 1)] / 20
    # (1 + cosine)/2 of two uniform directions is beta distributed.
    assert stats.kstest((1 + cosines[::50]) / 2, stats.beta(9.5, 9.5).cdf).pvalue > 0.01


def test_random_features_correlate_by_the_arcsine_law():
    """Given the features, two entries of a pattern agree as 2/π arcsin of the cosine of their features."""
    num_neurons, num_features, num = 60, 5, 300
    squares = []
    for seed in range(6):
        key = jax.random.key(seed)
        patterns = aj.random_features_patterns(key, num_neurons=num_neurons, num_features=num_features, num_patterns=num)
        assert set(np.unique(patterns)) == {-1.0, 1.0}
        overlaps = np.asarray(patterns.T @ patterns)[np.triu_indices(num, 1)] / num_neurons
        squares.append(np.mean(overlaps**2))
    agree = np.arange(num_features + 1)
    probability = stats.binom(num_features, 0.5).pmf(agree)
    expected = probability @ (2 / math.pi * np.arcsin(2 * agree / num_features - 1)) ** 2
    assert np.mean(squares) == pytest.approx(1 / num_neurons + (1 - 1 / num_neurons) * expected, rel=0.05)


def test_masking_hides_the_last_entries():
    pattern = aj.gaussian_patterns(KEY, num_neurons=8, num_patterns=1)[:, 0]
    np.testing.assert_array_equal(aj.mask(pattern, 0.3), [*pattern[:6], 0, 0])
    np.testing.assert_array_equal(aj.Masking()(KEY, pattern, jnp.asarray(1.0)), np.zeros(8))


def test_observables_agree_with_numpy():
    patterns = np.random.default_rng(0).normal(size=(12, 6))
    for number, readout in enumerate(np.random.default_rng(1).normal(size=(20, 12))):
        readout = jnp.asarray(readout + patterns[:, 0] * (number % 3))
        target = jnp.asarray(patterns[:, 0])
        assert float(aj.rmse(target, readout)) == pytest.approx(np.linalg.norm(target - readout) / math.sqrt(12))
        assert float(aj.cosine(target, readout)) == pytest.approx(
            np.corrcoef([[*target, *-target], [*readout, *-readout]])[0, 1]
        )
        distances = np.linalg.norm(patterns - np.asarray(readout)[:, None], axis=0)
        assert float(aj.identified(jnp.asarray(patterns), readout)) == (np.argmin(distances) == 0)
        stored = distances >= distances[0]
        assert float(aj.identified(jnp.asarray(patterns), readout, stored=jnp.asarray(stored))) == 1
        classes = jnp.asarray([1, 0, 1, 0, 1, 0])
        wanted = np.argmin(distances) % 2 == 0
        assert float(aj.identified(jnp.asarray(patterns), readout, classes=classes)) == wanted
    twice = jnp.asarray(patterns[:, [0, 1, 0, 0]])
    assert float(aj.identified(twice, twice[:, 0])) == pytest.approx(1 / 3)
    assert float(aj.identified(jnp.asarray(patterns), -jnp.asarray(patterns[:, 0]))) == 0
    assert float(aj.cosine(twice[:, 0], jnp.zeros(12))) == 0


def test_decoders_agree_with_numpy_and_the_gaussian_error():
    rng = np.random.default_rng(2)
    patterns, scale = rng.normal(size=(10, 7)), 0.8
    query = patterns[:, 3] + scale * rng.normal(size=10)
    query[7:] = 0
    squared = np.sum((patterns[:7] - query[:7, None]) ** 2, axis=0)
    weights = special.softmax(-squared / (2 * scale**2))
    found = aj.posterior_decoder(jnp.asarray(patterns), jnp.asarray(query), 1 / scale**2)
    np.testing.assert_allclose(found, patterns @ weights, rtol=1e-9)
    nearest = aj.nearest_pattern(KEY, jnp.asarray(patterns), jnp.asarray(query), euclidean=True)
    np.testing.assert_array_equal(nearest, patterns[:, np.argmin(squared)])

    # Of two patterns at a distance d the wrong one is nearer with the probability Φ(−d/(2s)).
    pair = jnp.asarray(patterns[:, :2])
    task = aj.Task(eqx.Partial(aj.pooled_patterns, pool=pair), aj.GaussianNoise())
    sweep = aj.Sweep(aj.DecoderTrial(task), {"num_patterns": [2], "noise_scale": [2.0], "trial": range(4000)}, 2)
    found = aj.run_sweeps({"decoders": sweep}, KEY)["decoders"].observables
    expected = stats.norm.cdf(-np.linalg.norm(pair[:, 0] - pair[:, 1]) / 4)
    wrong = 1 - np.mean(found["nearest_euclidean identified"])
    assert wrong == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 4000))
    # The posterior mean errs least on average; its expected squared error is an integral over the position between the two.
    assert np.mean(found["posterior_mean"] ** 2) < np.mean(found["nearest_euclidean"] ** 2)
    distance = np.linalg.norm(pair[:, 0] - pair[:, 1])
    along = np.linspace(-12, 12, 20001)
    share = special.expit(-(distance**2 / 2 + 2.0 * distance * along) / 4)
    error = distance**2 / 10 * np.sum(share**2 * stats.norm.pdf(along)) * (along[1] - along[0])
    assert np.mean(found["posterior_mean"] ** 2) == pytest.approx(error, rel=0.1)


def mixed(key, *, num_patterns):
    return jnp.concatenate([aj.random_patterns(key, num_neurons=8, num_patterns=num_patterns)] * 2).at[0].multiply(2)


@pytest.mark.parametrize("ensemble", [eqx.Partial(aj.gaussian_patterns, num_neurons=9), mixed])
def test_what_is_measured_depends_on_the_patterns(ensemble):
    names = [item.__name__ for item in aj.RecallTrial(aj.Task(ensemble, aj.GaussianNoise()), aj.HopfieldMemory).observables]
    assert names == [
        "perplexity",
        "log_target_gain",
        "energy",
        "energy_rate",
        "rmse",
        "cosine",
        "identified",
        "num_active_gains",
    ]
    task = aj.Task(ensemble, aj.Flips())
    with pytest.raises(aj.InputError, match=r"observables: success are for patterns of -1 and \+1.* such as .*rmse"):
        aj.RecallTrial(task, aj.HopfieldMemory, observables=["rmse", "success"])
    with pytest.raises(aj.InputError, match="decoders: bayes_signed are for patterns of -1"):
        aj.DecoderTrial(task, ["bayes_signed"])
    binary = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=9), aj.Flips())
    names = [item.__name__ for item in aj.RecallTrial(binary, aj.HopfieldMemory).observables]
    first = ["hamming_error", "soft_hamming_error", "overlap", "success", "perplexity", "log_target_gain"]
    assert names == [*first, "energy", "energy_rate", "settled"]
    assert len(aj.DecoderTrial(binary).decoders) == 4


def test_a_configuration_that_compares_signs_of_real_numbers_is_refused():
    config = {"axes": {"num_patterns": 3, "num_flips": 1}, "patterns": {"kind": "gaussian"}, "observables": ["hamming_error"]}
    with pytest.raises(aj.InputError, match="observables: hamming_error are for patterns of -1"):
        aj.run(parse_config(config | {"models": {"hopfield": {"kind": "hopfield"}}}), "never")
    search = {
        "axes": config["axes"],
        "patterns": {"kind": "spherical"},
        "model": {"kind": "astrocyte"},
        "parameters": ["slope"],
    }
    with pytest.raises(aj.InputError, match="losses: softsign are for patterns"):
        objective_of(parse(search, TuneConfig), "squared")


def test_gray_levels_are_scaled_and_digits_have_their_labels():
    table = np.loadtxt(Path(aj.__file__).with_name("problems") / "digits.csv.gz", delimiter=",")
    np.testing.assert_array_equal(aj.digits(scaling="raw"), table[:, :-1].T)  # which are all different
    np.testing.assert_array_equal(aj.classes_of(aj.digits, scaling="raw"), table[:, -1])
    np.testing.assert_allclose(aj.digits(scaling="range"), table[:, :-1].T / 8 - 1)
    standard = (table[:, :-1] - table[:, :-1].mean()) / table[:, :-1].std()
    np.testing.assert_allclose(aj.digits(scaling="standard"), standard.T)
    np.testing.assert_allclose(aj.digits(scaling="sphere"), 8 * standard.T / np.linalg.norm(standard.T, axis=0))
    signs, first = np.unique(np.where(table[:, :-1] > 7, 1, -1), axis=0, return_index=True)
    np.testing.assert_array_equal(aj.classes_of(aj.digits), table[np.sort(first), -1])
    assert len(signs) == 1750


def test_files_are_scaled_and_labeled(tmp_path):
    rows, labels = np.random.default_rng(4).random((6, 9)), np.array([3, 3, 0, 1, 1, 1])
    np.savez(tmp_path / "mine.npz", rows=rows, labels=labels)
    np.savetxt(tmp_path / "labels.csv", labels, "%d")
    np.testing.assert_array_equal(aj.load_patterns(tmp_path / "mine.npz", array="rows", scaling="raw"), rows.T)
    for name in ("mine.npz", "labels.csv"):
        np.testing.assert_array_equal(aj.classes_of(aj.load_patterns, path="mine.npz", labels=tmp_path / name), labels)
    wrong = {"exclude each other": {"scaling": "range", "threshold": 0.5}, "one of raw, range,": {"scaling": "unit"}}
    for text, how in wrong.items():
        with pytest.raises(aj.InputError, match=text):
            aj.load_patterns(tmp_path / "mine.npz", array="rows", **how)
    np.savetxt(tmp_path / "labels.csv", labels[:5], "%d")
    patterns = {"kind": "file", "path": "mine.npz", "array": "rows", "scaling": "range", "labels": "labels.csv"}
    config = {"axes": {"num_patterns": 3, "noise_scale": 1}, "corruption": "noise", "patterns": patterns}
    with pytest.raises(aj.InputError, match=r"patterns\.labels: must hold 6 labels, one per row; got 5"):
        aj.run(parse_config(config | {"models": {"h": {"kind": "hopfield"}}}, folder=tmp_path), "never")


def test_glyphs_are_distinct_pictures_of_letters():
    binary, gray = aj.glyphs(size=10), aj.glyphs(size=10, scaling="range")
    classes = aj.classes_of(aj.glyphs, size=10)
    assert set(np.unique(binary)) == {-1, 1}
    assert np.unique(binary, axis=1).shape == binary.shape == (100, classes.size)
    assert gray.shape[1] > binary.shape[1]
    assert (float(gray.min()), float(gray.max())) == (-1, 1)
    assert set(np.asarray(classes)) == set(range(26))
    # A letter looks more like the same letter in another font than like others.
    cosines = np.corrcoef(np.asarray(binary).T)
    same = np.asarray(classes)[:, None] == np.asarray(classes)
    np.fill_diagonal(cosines, np.nan)
    assert np.nanmean(cosines[same]) > np.nanmean(cosines[~same]) + 0.2
    shifted = aj.glyphs(size=10, characters="I", num_fonts=1, max_shift=2, threshold=0.1)
    assert shifted.shape == (100, 25)
    pictures = np.asarray(shifted).reshape(10, 10, 25)
    np.testing.assert_array_equal(pictures[4:, :, 20:], pictures[:-4, :, :5])  # four pixels farther down
    for wrong in ({"characters": "AA"}, {"characters": "A "}, {"characters": "\u0f00"}, {"size": 5, "max_shift": 1}):
        with pytest.raises(aj.InputError, match="must be"):
            aj.glyphs(**wrong)


def test_memories_are_given_the_classes_of_patterns_if_they_take_them():
    seen = []

    def build(patterns, *, stored, pattern_classes=None):
        seen.append(pattern_classes)
        return aj.HopfieldMemory(patterns, stored=stored)

    at = {"num_patterns": jnp.asarray(3), "num_flips": jnp.asarray(1), "trial": jnp.asarray(0)}
    copies = eqx.Partial(aj.hierarchical_patterns, num_neurons=9, num_prototypes=2, overlap=0.5)
    for ensemble in (copies, eqx.Partial(aj.random_patterns, num_neurons=9)):
        trial = aj.RecallTrial(aj.Task(ensemble, aj.Flips()), build)
        trial.memory(trial.draw(KEY, at, 4), at)
    np.testing.assert_array_equal(seen[0], [0, 1, 0, 1])
    assert seen[1] is None
    pool = aj.digits()
    trial = aj.RecallTrial(aj.Task(eqx.Partial(aj.pooled_patterns, pool=pool), aj.Flips(), aj.classes_of(aj.digits)), build)
    problem = trial.draw(KEY, at, 4)
    trial.memory(problem, at)
    where = [int(np.flatnonzero((pool == column[:, None]).all(axis=0))[0]) for column in problem.patterns.T]
    np.testing.assert_array_equal(seen[2], aj.classes_of(aj.digits)[jnp.asarray(where)])
    trial = aj.RecallTrial(aj.Task(ensemble, aj.Flips()), aj.HopfieldMemory, observables=["class_identified"])
    with pytest.raises(aj.InputError, match="class_identified needs patterns with classes"):
        aj.run_sweeps({"h": aj.Sweep(trial, {"num_patterns": [2], "num_flips": [1], "trial": [0]})}, KEY)


def test_an_experiment_keeps_gray_levels_and_classes():
    task = aj.Task(
        eqx.Partial(aj.pooled_patterns, pool=aj.digits(scaling="raw")),
        aj.GaussianNoise(),
        aj.classes_of(aj.digits, scaling="raw"),
    )
    experiment = aj.experiment(task=task, axes={"num_patterns": [3], "noise_scale": [1]}, models={"h": aj.HopfieldMemory})
    found = build(experiment).parts[0].sweep.sample.task
    np.testing.assert_array_equal(found.pool, task.pool)
    np.testing.assert_array_equal(found.classes, task.classes)


CONFIG = """
trials: 8
models:
  linear: {kind: astrocyte, score: distance, activation: identity, temperature: 1}
"""
GRAY = """
patterns: {kind: digits, scaling: range}
corruption: masking
axes: {num_patterns: [4, 30], masked_fraction: 0.2}
retrieval: {t1: 4}
"""
LETTERS = """
patterns: {kind: glyphs, size: 8, num_fonts: 3}
axes: {num_patterns: 20, num_flips: 4}
retrieval: {t1: 4, num_steps: 40}
observables: [hamming_error, identified, class_identified]
"""


@pytest.mark.parametrize(("what", "shown"), [(GRAY, "rmse"), (LETTERS, "hamming_error")])
def test_a_run_is_stored_shown_and_verified(what, shown, tmp_path, monkeypatch, capsys, no_figures):
    monkeypatch.chdir(tmp_path)
    Path("run.yaml").write_text(CONFIG + what, encoding="utf-8")
    assert main(["run", "run.yaml"]) == 0
    results = aj.load("runs/run")
    assert main(["show", "runs/run"]) == 0
    assert f"mean {shown.replace('_', ' ').replace('hamming', 'Hamming')}" in capsys.readouterr().out
    assert main(["verify", "runs/run", "--share", "1"]) == 0
    aj.write_run_page("runs/run", "page.html")
    if shown == "rmse":
        assert results.decoder_error.attrs["units"] == "1"
        assert [str(name) for name in results.decoder.values] == ["nearest_euclidean", "posterior_mean"]
        figure = aj.figures.curves(results, "identified", "num_patterns")
        assert {"posterior mean", "nearest pattern"} <= {text.get_text() for text in figure.legends[0].get_texts()}
        # What is shown of a digit without its bottom fifth determines which one it is.
        assert float(results.decoder_identified.mean()) == 1
        assert "success" not in results
    else:
        assert results.decoder_error.attrs["units"] == "neurons"
        assert bool((results.class_identified >= results.identified).all())
