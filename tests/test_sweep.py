"""A sweep takes every point of a product exactly once, whatever the batching."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj
from astrojax.sweep.axes import product
from astrojax.sweep.batching import capacities

TASK = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=9), aj.Flips())
DEFAULTS = {"temperature": 0.5, "tau_x": 1.0, "tau_p": 1.0, "slope": 2.0}
AXES = {"num_patterns": [3, 12, 5], "num_flips": [1, 2], "temperature": [0.1, 2.0], "trial": range(4)}


def trial(**parameters):
    build = functools.partial(aj.AstrocyteMemory, score="linear")
    return aj.RecallTrial(TASK, build, DEFAULTS | parameters, 2.0, 1e-6, 1e-6, None, "tsit5", 4096)


class Echo(eqx.Module):
    """A sample that returns its coordinates and its own parameter."""

    parameter: float

    def __call__(self, root_key, coordinates, capacity):
        return dict(coordinates) | {
            "capacity": jnp.asarray(capacity),
            "parameter": jnp.asarray(self.parameter),
        }


@pytest.mark.parametrize("lanes_per_step", [1, 7, None])
@pytest.mark.parametrize("num_threads", [1, 3])
def test_every_point_is_taken_once_at_its_place(lanes_per_step, num_threads):
    seen = []
    sweep = aj.Sweep(Echo(2.5), AXES)
    result = aj.run_sweeps(
        {"echo": sweep},
        jax.random.key(0),
        lanes_per_step=lanes_per_step,
        num_threads=num_threads,
        on_batch=lambda name, number: seen.append((name, number)),
    )["echo"]
    for place, (name, values) in enumerate(AXES.items()):
        shape = [len(values) if index == place else 1 for index in range(4)]
        expected = np.broadcast_to(np.asarray(values).reshape(shape), (3, 2, 2, 4))
        np.testing.assert_array_equal(result.observables[name], expected)
    assert np.all(result.observables["capacity"] >= result.observables["num_patterns"])
    assert np.all(result.observables["parameter"] == 2.5)
    assert sum(number for _, number in seen) == result.num_trajectories == 48


def test_progress_is_reported_along_the_way_and_an_interruption_ends_the_sweep():
    seen = []
    sweep = aj.Sweep(Echo(2.5), {"num_patterns": [3], "trial": range(100)})

    def stop_at_the_third(name, number):
        seen.append(number)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        aj.run_sweeps({"echo": sweep}, jax.random.key(0), lanes_per_step=2, num_threads=1, on_batch=stop_at_the_third)
    assert seen == [8, 8, 8]  # fifty steps of two lanes, in calls of four steps


def test_results_are_those_of_single_retrievals_whatever_the_batching():
    results = [
        aj.run_sweeps({"a": aj.Sweep(trial(), AXES)}, jax.random.key(3), lanes_per_step=width)["a"].observables
        for width in (5, 48)
    ]
    for name in results[0]:
        np.testing.assert_allclose(results[0][name], results[1][name], rtol=1e-9, atol=1e-12)

    @jax.jit
    def single(coordinates):
        problem = TASK.draw(jax.random.key(3), coordinates, 12)
        memory = aj.AstrocyteMemory(
            problem.patterns, score="linear", stored=problem.stored, **(DEFAULTS | {"temperature": coordinates["temperature"]})
        )
        recall = aj.retrieve(memory, problem.query, t1=2.0, rtol=1e-6, atol=1e-6)
        return aj.soft_hamming_error(problem.target, memory.readout(recall.state))

    for index in [(0, 0, 0, 0), (1, 1, 1, 3), (2, 0, 1, 2)]:
        coordinates = {name: jnp.asarray(values[place]) for (name, values), place in zip(AXES.items(), index, strict=True)}
        coordinates = {k: v if k == "temperature" else v.astype(jnp.int32) for k, v in coordinates.items()}
        np.testing.assert_allclose(results[0]["soft_hamming_error"][index], single(coordinates), rtol=1e-5, atol=1e-7)


def test_a_part_of_a_sweep_gives_the_values_of_the_whole():
    whole = aj.run_sweeps({"a": aj.Sweep(trial(), AXES)}, jax.random.key(3))["a"].observables
    axes = {"num_patterns": [5], "num_flips": [2], "temperature": [2.0], "trial": [1, 3]}
    part = aj.run_sweeps({"a": aj.Sweep(trial(), axes)}, jax.random.key(3))["a"].observables
    kept = whole["soft_hamming_error"][2, 1, 1, [1, 3]]
    np.testing.assert_allclose(part["soft_hamming_error"].ravel(), kept, rtol=1e-9)


def test_recalls_cut_short_or_frozen_are_not_settled_and_long_ones_are():
    axes = {"num_patterns": [3], "num_flips": [2], "tau_x": [1.0, 1e4], "trial": range(20)}
    for t1, expected in ((60.0, [1, 0]), (0.02, [0, 0])):
        long = eqx.tree_at(lambda sample: sample.t1, trial(), t1)
        settled = aj.run_sweeps({"a": aj.Sweep(long, axes)}, jax.random.key(0))["a"].observables["settled"]
        np.testing.assert_allclose(settled.mean(axis=(0, 1, 3)), expected, atol=0.05)


def test_few_capacities_hold_all_loads():
    loads = np.repeat(np.arange(1, 201), 200)
    chosen = capacities(loads)
    assert len(np.unique(chosen)) == 3
    assert np.all(chosen >= loads)
    assert np.all(np.unique(chosen) % 8 == 0)
    assert list(np.unique(capacities(np.array([1, 3, 200])))) == [200]  # a small sweep is not worth more programs
    assert capacities(np.array([1]))[0] == 8
    assert capacities(np.array([5]), largest_capacity=6)[0] == 6


def test_the_last_axis_runs_fastest():
    lanes = product({"a": [1, 2], "b": [10.0, 20.0, 30.0]})
    assert lanes.shape == (2, 3)
    assert list(lanes.coordinates["a"]) == [1, 1, 1, 2, 2, 2]
    assert list(lanes.coordinates["b"]) == [10, 20, 30] * 2
    with pytest.raises(aj.InputError, match="axis b must have at least one value"):
        product({"a": [1], "b": []})


@pytest.mark.parametrize("corruption", [aj.Erasures(), aj.GaussianNoise()])
def test_other_corruptions_can_be_swept(corruption):
    task = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=9), corruption)
    axes = {"num_patterns": [2, 4], corruption.level_name: [0.0, 0.3], "trial": range(50)}
    errors = aj.run_sweeps({"d": aj.Sweep(aj.DecoderTrial(task), axes)}, jax.random.key(0))["d"].observables
    # Without corruption the target is found, but for the rare pattern that is there twice, which is no error either.
    assert not errors["nearest_signed"][:, 0].any()
    assert errors["bayes_signed"][1, 1].mean() < 2
