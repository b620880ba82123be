"""No sweep returns what it did not compute, or labels results by a number that they do not depend on."""

import threading
from concurrent.futures import CancelledError

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj

TASK = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=9), aj.Flips())
AXES = {"num_patterns": [3], "num_flips": [1, 2], "trial": range(3)}


class Echo(eqx.Module):
    """A sample that returns its coordinates, all together or those it is asked for."""

    names: tuple[str, ...] | None = eqx.field(static=True, default=None)

    def draw(self, root_key, coordinates, capacity):
        return jnp.zeros(capacity)

    def solve(self, problem, coordinates):
        if self.names is None:
            return dict(coordinates)
        loaded = jax.jit(lambda c: {name: c[name] for name in self.names})(dict(coordinates))
        return loaded | {"constant": jnp.ones(())}


def sweep(sample, axes, **settings):
    return aj.run_sweeps({"a": aj.Sweep(sample, axes)}, jax.random.key(0), **settings)["a"]


def recall(build=aj.AstrocyteMemory, parameters=None, **fixed):
    return aj.RecallTrial(TASK, eqx.Partial(build, **fixed), parameters or {}, t1=1.0, solver="heun", rtol=0.1, atol=0.1)


REFUSED = {
    "no parameter": (
        recall(),
        {"nonsense": [1, 2]},
        "axis nonsense has no effect on any result of sweep 'a', whose axes can be",
    ),
    "misspelt": (recall(), {"tau_y": [1.0]}, r"num_patterns, num_flips, trial, temperature, tau_x.*did you mean 'tau_x'"),
    "zipped": (recall(), {"z": {"tau_x": [1.0, 2.0], "taup": [1, 2]}}, "taup of axis z has no effect.*did you mean 'tau_p'"),
    "fixed by build": (recall(tau_x=2.0), {"tau_x": [1.0, 2.0]}, "axis tau_x has no effect"),
    "another memory's": (recall(aj.HopfieldMemory), {"temperature": [1.0]}, "axis temperature has no effect"),
    "frozen gains": (recall(gain_regime="frozen"), {"tau_p": [1.0, 9.0]}, "axis tau_p has no effect .* with its settings"),
    "a build that ignores it": (
        aj.RecallTrial(TASK, lambda patterns, stored, **others: aj.HopfieldMemory(patterns, stored=stored)),
        {"tau_x": [1.0, 2.0]},
        "axis tau_x has no effect",
    ),
    "own sample": (Echo(("trial", "num_flips")), {"own": [1.0]}, "axis own has no effect .* num_flips, num_patterns, trial"),
    "parameters of another memory": (
        recall(aj.HopfieldMemory, {"temprature": 1.0}),
        {},
        "parameters must be ones that build takes and does not fix, tau_x, slope, zero_diagonal; got 'temprature'",
    ),
    "too many points": (
        recall(),
        {"tau_x": np.arange(1.0, 2e4), "slope": np.arange(1.0, 2e4)},
        "axes of sweep 'a' have 2,399,760,006 points; at most 100,000,000",
    ),
    "a parameter given twice": (recall(parameters={"slope": 1.0}, slope=2.0), {}, "parameters must be .*; got 'slope'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_axis_that_changes_nothing_is_refused_before_anything_is_computed(case, monkeypatch):
    sample, axes, words = REFUSED[case]
    monkeypatch.setattr("astrojax.sweep.engine.Session.run", lambda *arguments: pytest.fail("computed"))
    with pytest.raises(aj.InputError, match=words):
        sweep(sample, AXES | axes)


@pytest.mark.parametrize("missing", AXES)
def test_a_missing_axis_of_the_problems_is_named(missing):
    with pytest.raises(aj.InputError, match=f"axis {missing}.* is missing"):
        sweep(recall(), {name: values for name, values in AXES.items() if name != missing})


def test_a_parameter_of_the_memory_takes_effect_whether_or_not_the_trial_lists_it():
    axes = AXES | {"tau_x": [0.01, 100.0]}
    listed, unlisted = (sweep(recall(parameters=given), axes).observables for given in ({"tau_x": 1.0}, {}))
    assert np.all(unlisted["overlap"][..., 0] != unlisted["overlap"][..., 1])
    for name in listed:
        np.testing.assert_array_equal(unlisted[name], listed[name])


def test_a_coordinate_that_reaches_results_only_within_a_compiled_function_counts():
    found = sweep(Echo(("trial", "num_flips", "own")), AXES | {"own": [1.0, 5.0]}).observables
    assert found["own"][0, 0, 0].tolist() == [1, 5]


def test_an_engine_is_as_good_as_new_after_an_interruption_and_times_each_call_separately():
    engine, axes, seen = aj.Engine(num_threads=1), {"num_patterns": [3], "trial": range(100)}, []

    def stop_at_the_third(name, number):
        seen.append(number)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(Echo(), axes, engine=engine, lanes_per_chunk=10, on_chunk=stop_at_the_third)
    assert seen == [10, 10, 10]
    for _ in range(2):
        result = sweep(Echo(), axes, engine=engine, lanes_per_chunk=10)
        assert result.observables["trial"].tolist() == [[*range(100)]]
        assert result.clock.num_trajectories == 100
        assert result.clock.num_programs == 0


def test_the_failure_of_one_thread_s_sweep_leaves_another_s_whole():
    engine, axes, found = aj.Engine(num_threads=2), {"num_patterns": [3], "trial": range(5000)}, {}
    under_way, failed = threading.Event(), threading.Event()

    def wait(name, number):
        under_way.set()
        assert failed.wait(60)

    def other():
        found["whole"] = sweep(Echo(), axes, engine=engine, lanes_per_chunk=100, on_chunk=wait)

    def fail(name, number):
        raise RuntimeError("mine")

    thread = threading.Thread(target=other)
    thread.start()
    assert under_way.wait(60)
    with pytest.raises(RuntimeError, match="mine"):
        sweep(Echo(), axes, engine=engine, on_chunk=fail)
    failed.set()
    thread.join()
    assert found["whole"].observables["trial"].tolist() == [[*range(5000)]]


def test_a_session_that_was_stopped_computes_nothing_more():
    session = aj.Engine(num_threads=1).session()
    session.stop()
    with pytest.raises(CancelledError):
        session.run([lambda: pytest.fail("begun")])
