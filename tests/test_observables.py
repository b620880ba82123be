"""Observables, decoders and losses of a user's own are measured, stored and shown like those of the package."""

import dataclasses

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj
from astrojax.config.run import Config
from astrojax.config.variables import ordered
from astrojax.problems.corruption import AbstractCorruption
from astrojax.report.figures import figures_of
from astrojax.report.html.write import run_content
from astrojax.report.tables import summary
from astrojax.runs import build as builder
from astrojax.solve.retrieve import _solve, prepare

TASK = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=12), aj.Flips())
AXES = {"num_patterns": [2, 8], "num_flips": [1, 3], "trial": range(6)}


@aj.observable(units="rad", definition="angle between target and state")
def angle(memory, target, recall):
    x = recall.state.x
    return jnp.arccos(target @ x / jnp.linalg.norm(x) / jnp.sqrt(target.size))


class Level(eqx.Module):
    level: float

    def __call__(self, memory, target, recall):
        return jnp.mean(jnp.abs(recall.state.x) > self.level)


def swept(trial):
    return aj.run_sweeps({"a": aj.Sweep(trial, AXES)}, jax.random.key(0))["a"].observables


def test_chosen_observables_are_measured_as_by_retrieve():
    trial = aj.RecallTrial(TASK, aj.AstrocyteMemory, observables=["overlap", angle, Level(0.5)])
    found, usual = swept(trial), swept(dataclasses.replace(trial, observables=None))
    assert set(found) == {"overlap", "angle", "level", "num_steps", "tolerance", "status", "refined"}
    np.testing.assert_array_equal(found["overlap"], usual["overlap"])
    lane = {name: jnp.asarray(values[1]) for name, values in AXES.items()}
    problem = trial.draw(jax.random.key(0), lane, 8)
    recall = trial.recall(trial.memory(problem, lane), problem, None, 40)
    x, target = np.asarray(recall.state.x, float), np.asarray(problem.target, float)
    measured = {name: value.reshape(2, 2, 6)[1, 1, 1] for name, value in found.items()}
    assert measured["angle"] == pytest.approx(np.arccos(target @ x / np.linalg.norm(x) / np.sqrt(12)), abs=2e-2)
    assert measured["level"] == np.mean(np.abs(x) > 0.5)


class PeakNorm(aj.Maximum):
    def value(self, memory, target, state):
        return jnp.sum(state.x**2) - jnp.sum(state.x) ** 2


class Arrival(aj.FirstPassage):
    """Time at which most neurons are right."""

    def value(self, memory, target, state):
        return jnp.mean(target * memory.readout(state))


class Steps(aj.AbstractRunningObservable):
    """Number of steps."""

    def init(self, memory, target, state):
        return 0

    def update(self, carry, memory, target, t, state):
        return carry + 1

    def result(self, carry):
        return carry


BEST = ("best_overlap", "best_hamming_error", "time_of_best")
PEAK, ARRIVAL = PeakNorm(), Arrival(0.9)


def one(trial, place):
    lane = {name: jnp.asarray(values[i]) for (name, values), i in zip(AXES.items(), place, strict=True)}
    problem = trial.draw(jax.random.key(0), lane, 8)
    return trial.memory(problem, lane), problem


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"solver": "etd3"},
        pytest.param({"solver": diffrax.Kvaerno3(), "rtol": 1e-5}, marks=pytest.mark.slow),
        pytest.param({"solver": "auto"}, marks=pytest.mark.slow),
    ],
)
def test_running_observables_are_those_of_the_states_at_the_ends_of_steps(settings):
    trial = aj.RecallTrial(TASK, aj.AstrocyteMemory, observables=[PEAK, ARRIVAL, Steps, *BEST], t1=6.0, **settings)
    found = swept(trial)
    np.testing.assert_array_equal(found["steps"], found["num_steps"])
    assert 0 < np.isinf(found["arrival"]).sum() < found["arrival"].size
    for place in ((1, 1, 0), (1, 1, 3)):
        memory, problem = one(trial, place)
        steps = int(found["num_steps"][place])
        saved = diffrax.SubSaveAt(t0=True, steps=True)
        how = {"num_steps": steps} if trial.on_grid else {}
        solution = _solve(prepare(memory, problem.query, trial.settings, **how), None, diffrax.ForwardMode(), steps=saved)
        ts, states = (jax.tree.map(lambda leaf: leaf[: steps + 1], part["steps"]) for part in (solution.ts, solution.ys))  # noqa: B023
        values = jax.vmap(lambda state: ARRIVAL.value(memory, problem.target, state))(states)  # noqa: B023
        peak = jnp.max(jax.vmap(lambda state: PEAK.value(memory, problem.target, state))(states))  # noqa: B023
        assert found["peak_norm"][place] == pytest.approx(float(peak), rel=1e-3)
        crossing = (
            np.interp(0.9, *(part[i : i + 2] for part in (values, ts))) if (i := np.argmax(values >= 0.9) - 1) >= 0 else np.inf
        )
        assert found["arrival"][place] == pytest.approx(crossing, rel=1e-3)
        x, target = np.asarray(states.x), np.asarray(problem.target)
        overlaps, errors = np.tanh(5 * x) @ target / 12, np.sum(np.sign(x) != target, axis=1)
        np.testing.assert_allclose([found[name][place] for name in BEST[:2]], [overlaps.max(), errors.min()], rtol=1e-3)
        reached = np.asarray(ts)[overlaps >= overlaps.max() - 2e-3]
        assert np.min(np.abs(reached - found["time_of_best"][place])) < 1e-3


def test_rejected_steps_and_failed_recalls_do_not_count():
    trial = aj.RecallTrial(TASK, aj.AstrocyteMemory, observables=[Steps, PEAK, Arrival(-2.0)], solver="etd3", rtol=1e-6)
    memory, problem = one(trial, (1, 1, 0))
    recall = trial.recall(memory, problem, diffrax.ForwardMode())
    assert recall.stats["num_rejected_steps"] > 0
    assert recall.running["steps"] == recall.stats["num_accepted_steps"]
    assert recall.running["arrival"] == 0
    failed = swept(dataclasses.replace(trial, settings=dataclasses.replace(trial.settings, max_steps=5)))
    assert np.all(failed["status"] == aj.Status.MAX_STEPS)
    assert np.isnan(failed["peak_norm"]).all()


@pytest.mark.parametrize("solver", ["adams", pytest.param("etd3", marks=pytest.mark.slow)])
def test_running_observables_have_derivatives(solver):
    trial = aj.RecallTrial(TASK, aj.AstrocyteMemory, observables=[PEAK], t1=1.0, solver=solver)
    memory, problem = one(trial, (1, 1, 3))

    def peak(scale):
        scaled = dataclasses.replace(problem, query=scale * problem.query)
        return trial.recall(memory, scaled, None).running["peak_norm"]

    expected = (peak(1.01) - peak(0.99)) / 0.02
    assert expected != 0
    for derivative in (jax.jacfwd, jax.grad):
        assert derivative(peak)(1.0) == pytest.approx(float(expected), rel=2e-2)


def test_running_observables_that_change_shape_or_are_no_number_are_refused():
    class Growing(Steps):
        def update(self, carry, memory, target, t, state):
            return state.x

    class Vector(aj.Maximum):
        def value(self, memory, target, state):
            return state.x

    for item, text in (
        (Growing(), r"update of observable growing must return arrays of the shapes"),
        (Vector(), "value of Vector"),
    ):
        with pytest.raises(aj.InputError, match=text):
            swept(aj.RecallTrial(TASK, aj.AstrocyteMemory, observables=[item]))


@pytest.mark.parametrize(
    ("observables", "text"),
    [
        (["overlap", "overlap"], "'overlap' twice"),
        (["overlop"], "did you mean 'overlap'"),
        ([lambda memory, target, recall: 0.0], "<lambda>"),
        ([3], "got 3"),
        ("overlap", "list"),
    ],
)
def test_bad_observables_are_refused(observables, text):
    with pytest.raises(aj.InputError, match=text):
        aj.RecallTrial(TASK, aj.AstrocyteMemory, observables=observables)


def test_an_observable_that_is_no_number_is_refused():
    def states(memory, target, recall):
        return recall.state.x

    with pytest.raises(aj.InputError, match=r"observable states must return one real number; got shape \(12,\)"):
        swept(aj.RecallTrial(TASK, aj.AstrocyteMemory, observables=[states]))


def test_a_run_that_stores_a_users_observable_is_loaded_and_shown(tmp_path, monkeypatch, no_figures):
    def trial(*args, **given):
        return aj.RecallTrial(*args, **(given | {"observables": ("overlap", angle)}))

    monkeypatch.setattr(builder, "RecallTrial", trial)  # not yet a field of a configuration
    raw = {
        "models": {"a": {"kind": "astrocyte"}, "h": {"kind": "hopfield"}},
        "patterns": {"kind": "random", "num_neurons": 12},
        "axes": {"num_patterns": [2, 8], "num_flips": [1, 3]},
        "trials": 4,
        "retrieval": {"num_steps": 100},
    }
    results = aj.run(Config.model_validate(raw), tmp_path / "run")
    assert list(results)[:2] == ["overlap", "angle"]
    assert results.angle.attrs == {"units": "rad", "long_name": "angle", "definition": "angle between target and state"}
    assert set(ordered(results)) == set(results)
    found = summary(results, observable="angle")["angle"]["a"]["mean_angle"]
    np.testing.assert_allclose(found, results.angle.sel(model="a").mean("trial"), atol=1e-5)
    assert list(summary(results)["overlap"]) == ["a", "h"]
    assert set(figures_of(results)) >= {"overlap", "overlap_difference_a_h"}
    assert "angle (rad)" in run_content(results, {}, 1, 1)["quantities"]
    assert aj.write_run_page(tmp_path / "run", tmp_path / "page.html").read_text().count("angle") > 1
    assert aj.verify(tmp_path / "run", share=1.0)["angle"]["beyond"] == 0
    assert "angle" in aj.export(tmp_path / "run", "csv").read_text().splitlines()[0].split(",")


def test_decoders_can_be_chosen_and_bayes_is_left_out_where_the_corruption_says_nothing():
    class SaltAndPepper(AbstractCorruption):
        level_name = "share"

        def __call__(self, key, pattern, level):
            where, signs = jax.random.split(key)
            return jnp.where(
                jax.random.uniform(where, pattern.shape) < level,
                jax.random.rademacher(signs, pattern.shape, pattern.dtype),
                pattern,
            )

    def query_itself(problem, evidence):
        return problem.query

    task = aj.Task(TASK.ensemble, SaltAndPepper())
    axes = {"num_patterns": [3], "share": [0.5], "trial": range(20)}
    run = lambda trial, axes: aj.run_sweeps({"a": aj.Sweep(trial, axes)}, jax.random.key(0))["a"].observables  # noqa: E731
    assert set(run(aj.DecoderTrial(task), axes)) == {"nearest_signed", "nearest_unsigned"}
    found = run(aj.DecoderTrial(TASK, ["bayes_signed", query_itself]), AXES)
    assert np.all(found["query_itself"] == np.array([1, 3])[:, None])
    with pytest.raises(aj.InputError, match="can decode"):
        run(aj.DecoderTrial(task, ["bayes_signed"]), axes)


def test_a_loss_of_a_users_own_is_weighted_like_others():
    def cubic_loss(memory, target, state):
        return jnp.mean(jnp.abs(target - state.x) ** 3)

    memory = aj.HopfieldMemory(jnp.ones((12, 2)).at[::2, 1].set(-1))
    state, target = memory.initial_state(jnp.linspace(-1, 1, 12)), memory.patterns[:, 1]
    loss = aj.Loss({cubic_loss: 2.0, "softsign": 0.5})
    expected = 2 * cubic_loss(memory, target, state) + aj.Loss({"softsign": 0.5})(memory, target, state)
    assert float(loss(memory, target, state)) == pytest.approx(float(expected), rel=1e-6)
    with pytest.raises(aj.InputError, match="loss <lambda> must return one real number; got shape"):
        aj.Loss({lambda memory, target, state: state.x: 1.0})(memory, target, state)
    with pytest.raises(aj.InputError, match="did you mean 'softsign'"):
        aj.Loss({"softsing": 1.0})
