"""`astrojax tune`: from a file to a folder that can be interrupted, continued, shown, and run."""

import contextlib
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import xarray as xr
import yaml

import astrojax as aj
from astrojax._internal.files import write_json, write_sealed_json
from astrojax.cli import main
from astrojax.config.tune import TuneConfig
from astrojax.config.validation import parse
from astrojax.report.html.write import write_run_page
from astrojax.runs.tune import Progress, run_search
from astrojax.runs.tune_results import objective_of
from astrojax.storage.checkpoints import Checkpoints
from astrojax.tuning.search import TRAINING, VALIDATION, SearchState

SMALL = {
    "patterns": {"kind": "random", "num_neurons": 12},
    "axes": {"num_patterns": [6, 16], "num_flips": [1, 3]},
    "model": {"kind": "astrocyte", "temperature": 5.0},
    "scores": ["squared", "linear"],
    "parameters": ["temperature", "tau_x"],
    "retrieval": {"num_steps": 40},
    "search": {
        "num_steps": 6,
        "batch_size": 16,
        "random_starts": 1,
        "validation_size": 32,
        "validate_every": 2,
        "checkpoint_every": 3,
    },
    "compare": {"methods": ["random"], "problems_per_candidate": 16},
    "landscape": {"size": 5, "problems": 8},
    "heldout_trials": 40,
}


def written(folder: Path, **changes) -> Path:
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL | changes))
    return path


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A search to its end, through the command line; what it printed is beside its folder."""
    folder = tmp_path_factory.mktemp("searched")
    out = folder / "run"
    with contextlib.ExitStack() as stack:
        for name, redirect in {"out": contextlib.redirect_stdout, "err": contextlib.redirect_stderr}.items():
            stack.enter_context(redirect(stack.enter_context((folder / name).open("w"))))
        assert main(["tune", str(written(folder)), "--out", str(out), "--json"]) == 0
    return out


def checkpoints(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """The last checkpoint of each score."""
    found = {}
    for score in ("squared", "linear"):
        each = [dict(np.load(path)) for path in (folder / "checkpoints").glob(f"{score}-*.npz")]
        found[score] = max(each, key=lambda arrays: arrays["step"].item())
    return found


def assert_same_search(one: Path, other: Path) -> None:
    """Two searches ended in the same state, with the same history, bit for bit."""
    for first, second in zip(checkpoints(one).values(), checkpoints(other).values(), strict=True):
        assert {name: value.tobytes() for name, value in first.items()} == {
            name: value.tobytes() for name, value in second.items()
        }
    tuned = [yaml.safe_load((folder / "tuned.yaml").read_text())["models"]["tuned"] for folder in (one, other)]
    assert tuned[0] == tuned[1]


def test_the_page_of_a_search_has_its_values_its_history_and_held_out_problems(searched, tmp_path, monkeypatch):
    monkeypatch.setattr("astrojax.report.html.render.render_figure", lambda figure: b"drawn by the search already")
    page = write_run_page(searched, tmp_path / "page.html").read_text()
    best = yaml.safe_load((searched / "tuned.yaml").read_text())["models"]["tuned"]
    assert f"{best['temperature']:.4g}</td>" in page
    assert page.count("<img ") == 4
    for method, found in aj.load_search(searched).comparison().items():
        assert f"<td>{found['trajectories']:,}</td>" in page, method
    for heading in ("Values", "On held-out problems", "Baselines", "History", "Tuned configuration", "Provenance"):
        assert f">{heading}</h2>" in page


def test_a_search_leaves_history_figures_and_a_configuration_to_run(searched, capsys, no_figures):
    results = aj.load_search(searched)
    history = results.history
    assert dict(history.sizes) == {"score": 2, "start": 2, "step": 7}
    xr.testing.assert_identical(xr.open_zarr(searched / "history.zarr").load(), history)
    np.testing.assert_allclose(history.temperature.isel(step=0, start=0), 5.0)
    assert np.isfinite(history.validation_loss.isel(step=[0, 2, 4, 6])).all()
    assert {path.name for path in (searched / "figures").iterdir()} >= {"search.png", "landscape.png", "before_and_after.png"}
    assert list(results.heldout().model.values) == ["tuned", "start", "defaults", "random"]
    found = results.comparison()
    # 6 steps of 16 problems at 2 starts with 2 scores, each loss with 2 derivatives, and 4 validations with 32 problems.
    assert found["random"]["trajectories"] <= 4 * (6 * 16 * 3 + 4 * 32)
    assert found["random"]["candidates"] == 4 * (6 * 16 * 3 + 4 * 32) // 16
    tuned = aj.load_config(searched / "tuned.yaml")
    # The lowest validation error; of those that have it the one with the lowest loss.
    tied = history.validation_error == history.validation_error.min()
    best = history.isel(history.validation_loss.where(tied).argmin(["score", "start", "step"]))
    model = tuned.models["tuned"]
    assert model.score.kind == str(best.score.item())
    assert np.float32(model.temperature) == np.float32(best.temperature)
    assert results.best.error == float(history.validation_error.min())
    assert results.best.values == {"temperature": model.temperature, "tau_x": model.tau_x}
    summary = json.loads((searched.parent / "out").read_text())["summary"]
    assert len(summary["looks"]) == 2 * 2 * 4
    for look in summary["looks"]:
        there = history.sel(score=look["score"]).isel(start=look["start"], step=look["step"])
        assert (look["validation_error"], look["validation_loss"]) == (there.validation_error, there.validation_loss)
    capsys.readouterr()
    assert main(["show", str(searched)]) == 0
    assert "on held-out problems, with 95% intervals" in capsys.readouterr().out


def test_held_out_runs_are_those_that_the_search_recorded(searched, tmp_path, capsys):
    whole = shutil.copytree(searched, tmp_path / "whole")
    random, tuned = whole / "heldout" / "random", whole / "heldout" / "tuned"
    random.rename(tmp_path / "kept")
    with pytest.raises(aj.InputError, match=r"heldout/random is missing; astrojax tune .* repairs it"):
        aj.load_search(whole).heldout()
    (tmp_path / "kept").rename(random)
    shutil.copytree(tuned, whole / "heldout" / "better")
    with pytest.raises(aj.InputError, match=r"heldout/better was not written by the search"):
        aj.load_search(whole).heldout()
    shutil.rmtree(whole / "heldout" / "better")
    shutil.rmtree(tuned)
    shutil.copytree(random, tuned)
    with pytest.raises(aj.InputError, match=r"heldout/tuned holds the run of another configuration"):
        aj.load_search(whole).heldout()
    assert main(["show", str(whole)]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("name", "sealed"), [("comparison", True), ("landscape", False)])
def test_what_another_search_found_is_not_taken_over(searched, tmp_path, name, sealed):
    record, found = (json.loads((searched / f"{file}.json").read_text()) for file in ("provenance", name))
    for content in (record, found)[: 1 if sealed else 2]:
        del content["sha256"]
    write_json(tmp_path / f"{name}.json", found)
    write_sealed_json(tmp_path / "provenance.json", record | ({"config_sha256": "another"} if sealed else {}))
    with pytest.raises(aj.InputError, match=f"{name}.json cannot be read: it is damaged, belongs to another search, or was"):
        getattr(aj.SearchResults(tmp_path), name)()


def test_the_tuned_configuration_gives_the_error_that_was_reported(searched, tmp_path, capsys, no_figures):
    reported = aj.load_search(searched).heldout().sel(model="tuned").hamming_error
    assert main(["run", str(searched / "tuned.yaml"), "--out", str(tmp_path / "same")]) == 0
    np.testing.assert_array_equal(aj.load(tmp_path / "same").hamming_error.sel(model="tuned"), reported)
    again = ["--seed", "77", "--trials", "400"]
    assert main(["run", str(searched / "tuned.yaml"), "--out", str(tmp_path / "other"), *again]) == 0
    other = aj.load(tmp_path / "other").hamming_error.sel(model="tuned")
    spread = np.sqrt(reported.var() / reported.size + other.var() / other.size)
    assert abs(reported.mean() - other.mean()) < 3.5 * spread


def test_training_validation_and_held_out_problems_are_different(searched):
    config = aj.load_search_config(searched / "config.yaml")
    assert config.heldout("tuned", config.model, {}).seed == config.seed
    root, aim = jax.random.key(config.seed), objective_of(config, "squared")
    keys = [jax.random.fold_in(root, TRAINING), jax.random.fold_in(root, VALIDATION), root]
    patterns = [np.asarray(aim.problem(key, number).patterns) for key in keys for number in range(4)]
    assert len({one.tobytes() for one in patterns}) == 12


@pytest.mark.slow
def test_a_search_that_is_killed_or_interrupted_ends_the_same_bit_for_bit(searched, tmp_path, capsys, monkeypatch, no_figures):
    """Killed and interrupted two steps after a checkpoint; what the folder holds then is what a kill leaves."""
    killed, out, step = tmp_path / "killed", tmp_path / "run", aj.Search.step
    config = written(tmp_path, compare={}, landscape={"size": 0}, heldout_trials=4)

    def interrupted(self, state):
        if state.step == 5 and self.objective.trial.build.keywords["score"] == "linear":
            shutil.copytree(out, killed)
            raise KeyboardInterrupt
        return step(self, state)

    monkeypatch.setattr(aj.Search, "step", interrupted)
    assert main(["tune", str(config), "--out", str(out)]) == 130
    assert f"continue with: astrojax tune {out}" in capsys.readouterr().err
    monkeypatch.setattr(aj.Search, "step", step)
    assert [checkpoints(folder)["linear"]["step"] for folder in (killed, out)] == [3, 5]
    assert main(["tune", str(killed)]) == 0
    assert "linear: 3 of 6 steps are stored already" in capsys.readouterr().out
    newest = max((out / "checkpoints").glob("linear-*.npz"), key=lambda path: np.load(path)["step"].item())
    newest.write_bytes(newest.read_bytes()[:-100])  # the one before it has step 3
    notices = []
    run_search(aj.load_search_config(out / "config.yaml"), out, progress=Progress(on_notice=notices.append))
    assert any(f"{newest} is damaged" in text for text in notices)
    for folder in (killed, out):
        assert_same_search(searched, folder)


def test_checkpoints_of_another_search_or_version_are_not_continued(tmp_path):
    state = SearchState(*[np.zeros(2)] * 10)._replace(step=np.asarray(3))
    Checkpoints(tmp_path, "linear", "run").save(state, [{"loss": np.zeros(2)}] * 4)
    assert Checkpoints(tmp_path, "linear", "run").load(state, pytest.fail)[0].step == 3
    with pytest.raises(aj.RunError, match="written by another version"):
        Checkpoints(tmp_path, "linear", "run").load(state._replace(optimiser_state=(np.zeros(2), np.zeros(2))), pytest.fail)
    notices = []
    assert Checkpoints(tmp_path, "linear", "another").load(state, notices.append) is None
    assert "is damaged" in notices[0]


def test_a_folder_of_another_search_is_refused(searched, tmp_path, capsys):
    path = written(tmp_path, seed=3)
    assert main(["tune", str(path), "--out", str(searched)]) == 2
    assert "seed: 0 there, 3 here" in capsys.readouterr().err
    assert main(["run", str(searched)]) == 2
    assert main(["tune", str(tmp_path)]) == 2
    assert "is not a run folder" in capsys.readouterr().err


WRONG = {
    r"axes\.temperature: is not an axis of a search": {"axes": SMALL["axes"] | {"temperature": [1, 2]}},
    r"parameters\.tau_p: has no effect in the gain regime adiabatic": {
        "model": {"kind": "astrocyte", "gain_regime": "adiabatic"},
        "parameters": ["tau_p"],
    },
    r"parameters\.tau_x: does not move an equilibrium": {"gradient": "implicit"},
    "loss: needs a weight above 0": {"loss": {"direction": 0}},
    "loss: gain is the same whatever is recalled": {
        "loss": "gain",
        "model": {"kind": "astrocyte", "gain_regime": "frozen"},
        "parameters": ["tau_x"],
    },
    r"axes\.num_flips": {"axes": {"num_patterns": [6], "num_flips": [99]}},
    r"retrieval\.convergence_speed": {"retrieval": {"convergence_speed": 0.1}},
    r"parameters\.temprature: .* allowed are tau_x, slope, t1": {
        "model": {"kind": "hopfield"},
        "scores": [],
        "parameters": ["temprature"],
    },
    r"search\.batch_size: must be even with search.smoothing; got 3": {"search": {"batch_size": 3}},
    r"search\.batch_size: with 2 starts makes 200,000,000": {"search": {"batch_size": 10**8, "random_starts": 1}},
    "landscape: makes 101,000,000 trajectories": {"landscape": {"size": 1000, "problems": 101}},
    r"parameters\.temperature: the start must lie between 5 and 9, which the transform logit never reaches": {
        "parameters": {"temperature": {"transform": "logit", "low": 5, "high": 9}}
    },
    r"compare\.methods: cannot search logit_bias": {"parameters": ["logit_bias"], "patterns": {"kind": "digits"}},
}


def test_searches_that_could_not_end_well_are_refused_before_they_begin(tmp_path):
    for text, changes in WRONG.items():
        with pytest.raises(aj.InputError, match=text):
            parse(SMALL | changes, TuneConfig)
    for name, words in (("b7", "unexpected"), ("name", "unexpected"), ("learning_rate", "multiple values")):
        config = parse(SMALL | {"optimiser": {"arguments": {name: 1}}}, TuneConfig)
        with pytest.raises(aj.InputError, match=rf"optimiser: optimiser adam: .*{words}.*'{name}'"):
            run_search(config, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_parameters_of_patterns_and_the_horizon_are_tuned_and_run(tmp_path, no_figures):
    changes = {
        "patterns": {"kind": "file", "path": "own.npy"},
        "axes": {"num_patterns": [10], "num_flips": [3]},
        "model": {"kind": "astrocyte", "score": "linear"},
        "scores": [],
        "parameters": {"logit_bias": None, "t1": {"low": 1, "high": 100}},
        "compare": {},
        "landscape": {"size": 0},
        "search": SMALL["search"] | {"num_steps": 4, "random_starts": 0},
    }
    np.save(tmp_path / "own.npy", np.random.default_rng(0).choice([-1.0, 1.0], (12, 16)))
    results = run_search(aj.load_search_config(written(tmp_path, **changes)), tmp_path / "run")
    tuned = aj.load_config(tmp_path / "run" / "tuned.yaml")
    bias = np.load(tuned.models["tuned"].logit_bias)
    assert bias.shape == (12,)
    assert np.abs(bias).max() > 0
    assert tuned.retrieval.t1 != 10.0
    assert "logit_bias: logit_bias.npy" in (tmp_path / "run" / "tuned.yaml").read_text()
    best = results.best
    assert (best.t1, best.error) == (tuned.retrieval.t1, float(results.history.validation_error.min()))
    np.testing.assert_array_equal(best.memory().logit_bias, bias)
    np.testing.assert_array_equal(best.memory().patterns, np.load(tmp_path / "own.npy").T)
    np.testing.assert_array_equal(
        aj.run(tuned, tmp_path / "again").hamming_error.sel(model="tuned"), results.heldout().hamming_error.sel(model="tuned")
    )
    np.save(tuned.models["tuned"].logit_bias, np.ones(3))
    with pytest.raises(aj.InputError, match="must hold 12 numbers, one per pattern; it holds an array of shape"):
        aj.run(aj.load_config(tmp_path / "run" / "tuned.yaml"), tmp_path / "other")


@pytest.mark.slow
def test_a_search_on_real_valued_patterns_reports_root_mean_squared_errors(tmp_path, capsys, no_figures):
    changes = {
        "patterns": {"kind": "gaussian", "num_neurons": 12},
        "corruption": "noise",
        "axes": {"num_patterns": [6], "noise_scale": [0.5]},
        "model": {
            "kind": "astrocyte",
            "score": "distance",
            "activation": "identity",
            "gain_regime": "adiabatic",
            "temperature": 3.0,
        },
        "scores": [],
        "parameters": ["temperature"],
        "search": SMALL["search"] | {"random_starts": 0},
        "compare": {},
        "landscape": {"size": 0},
    }
    config, out = written(tmp_path, **changes), tmp_path / "run"
    assert main(["tune", str(config), "--out", str(out)]) == 2
    assert "losses: softsign are for patterns" in capsys.readouterr().err
    assert not out.exists()
    assert main(["tune", str(config), "--out", str(out), "--loss", "squared"]) == 0
    printed = capsys.readouterr().out
    assert "identified recalls" in printed
    assert "mean rmse" in printed
    results = aj.load_search(out)
    history, heldout = results.history.isel(score=0, start=0), results.heldout()
    assert {"rmse", "identified", "validation_error", "validation_identified"} < set(history) ^ {"hamming_error", "success"}
    assert "root mean squared" in history.rmse.definition
    assert results.best.error == float(history.validation_error.min()) < float(history.validation_error[0])
    assert list(heldout.model.values) == ["tuned", "start", "defaults"]
    assert float(heldout.rmse.sel(model="tuned").mean()) < float(heldout.rmse.sel(model="start").mean())
    assert set(heldout.decoder_identified.decoder.values) == {"nearest_euclidean", "posterior_mean"}
    again = aj.run(aj.load_config(out / "tuned.yaml"), tmp_path / "again")
    np.testing.assert_array_equal(again.rmse.sel(model="tuned"), heldout.rmse.sel(model="tuned"))
    page = write_run_page(out, tmp_path / "page.html").read_text()
    for heading in ("identified recalls", "mean root mean squared error", "root mean squared error there", "identified there"):
        assert f">{heading}</th>" in page
