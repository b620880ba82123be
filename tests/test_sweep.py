"""A sweep takes every point of a product exactly once, whatever the batching."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj
from astrojax.sweep.grid import Grid, blocks, chunk_shape, grown
from astrojax.sweep.shapes import PROGRAM_COST, Shapes

TASK = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=9), aj.Flips())
DEFAULTS = {"temperature": 0.5, "tau_x": 1.0, "tau_p": 1.0, "slope": 2.0}
AXES = {"num_patterns": [3, 12, 5], "num_flips": [1, 2], "temperature": [0.1, 2.0], "trial": range(4)}


def trial(**parameters):
    build = eqx.Partial(aj.AstrocyteMemory, score="linear")
    return aj.RecallTrial(TASK, build, DEFAULTS | parameters, t1=2.0, rtol=1e-6, atol=1e-6, solver="tsit5")


class Echo(eqx.Module):
    """A sample that returns its coordinates, its capacity and its own parameter."""

    parameter: float

    def draw(self, root_key, coordinates, capacity):
        return jnp.zeros(capacity)

    def solve(self, problem, coordinates):
        return dict(coordinates) | {"capacity": jnp.asarray(problem.size), "parameter": jnp.asarray(self.parameter)}


def swept(sample, axes, **settings):
    return aj.run_sweeps({"a": aj.Sweep(sample, axes)}, jax.random.key(3), **settings)["a"].observables


@pytest.mark.parametrize(
    ("lanes_per_step", "num_threads", "lanes_per_chunk"), [(1, 1, 10), (7, 3, 1), (7, 1, 1000), (None, 3, 10)]
)
def test_every_point_is_taken_once_at_its_place(lanes_per_step, num_threads, lanes_per_chunk):
    seen = []
    result = aj.run_sweeps(
        {"echo": aj.Sweep(Echo(2.5), AXES)},
        jax.random.key(0),
        engine=aj.Engine(lanes_per_step=lanes_per_step, num_threads=num_threads),
        lanes_per_chunk=lanes_per_chunk,
        on_chunk=lambda name, number: seen.append((name, number)),
    )["echo"]
    for place, (name, values) in enumerate(AXES.items()):
        shape = [len(values) if index == place else 1 for index in range(4)]
        expected = np.broadcast_to(np.asarray(values).reshape(shape), (3, 2, 2, 4))
        np.testing.assert_array_equal(result.observables[name], expected)
    assert np.all(result.observables["capacity"] >= result.observables["num_patterns"])
    assert np.all(result.observables["parameter"] == 2.5)
    assert sum(number for _, number in seen) == result.num_trajectories == result.clock.num_trajectories == 48


def test_zipped_coordinates_run_along_one_axis_together():
    axes = {"num_patterns": [3], "pair": {"num_flips": [1, 2, 3], "temperature": [0.1, 0.2, 0.3]}, "trial": range(2)}
    found = swept(Echo(1.0), axes)
    assert found["num_flips"].tolist() == [[[1, 1], [2, 2], [3, 3]]]
    np.testing.assert_allclose(found["temperature"][0, :, 0], [0.1, 0.2, 0.3])


@pytest.fixture(scope="module")
def whole():
    return swept(trial(), AXES)


def test_neither_batches_nor_the_rest_of_a_sweep_change_results(whole):
    for name, values in swept(trial(), AXES, engine=aj.Engine(lanes_per_step=5)).items():
        np.testing.assert_allclose(whole[name], values, rtol=1e-9, atol=1e-12)
    part = swept(trial(), {"num_patterns": [5], "num_flips": [2], "temperature": [2.0], "trial": [1, 3]})
    np.testing.assert_allclose(part["soft_hamming_error"].ravel(), whole["soft_hamming_error"][2, 1, 1, [1, 3]], rtol=1e-9)


def test_recalls_cut_short_or_frozen_are_not_settled_and_long_ones_are():
    axes = {"num_patterns": [3], "num_flips": [2], "tau_x": [1.0, 1e4], "trial": range(20)}
    for t1, expected in ((60.0, [1, 0]), (0.02, [0, 0])):
        settled = swept(eqx.tree_at(lambda sample: sample.settings.t1, trial(), t1), axes)["settled"]
        np.testing.assert_allclose(settled.mean(axis=(0, 1, 3)), expected, atol=0.05)


def waste(loads, counts, sizes):
    sizes = np.sort(sizes)
    return float(sizes[np.searchsorted(sizes, loads)] @ counts) + PROGRAM_COST * float(sizes[-1]) * len(sizes)


@pytest.mark.parametrize(
    ("loads", "each"), [(np.arange(2, 201), 550), (np.arange(1, 41), 5000), (np.array([5, 6, 300]), 40_000)]
)
def test_the_padded_shapes_are_the_cheapest_of_all(loads, each):
    counts = np.full(loads.size, each)
    shapes = Shapes(loads, counts)
    candidates = np.unique(-(-loads // 8) * 8)
    largest = candidates[-1]
    sets = (
        [[largest]]
        + [[a, largest] for a in candidates[:-1]]
        + [[a, b, largest] for a in candidates for b in candidates if a < b < largest]
    )
    assert waste(loads, counts, shapes.capacities) == pytest.approx(min(waste(loads, counts, sizes) for sizes in sets))
    assert np.all(shapes.of(loads) >= loads)
    assert shapes.padding == pytest.approx(1 - loads.sum() / shapes.of(loads).sum())


@pytest.mark.parametrize("shape", [(199, 11, 50), (7, 1, 13), (2, 2, 2, 2), ()])
def test_chunks_cover_a_grid_once_and_are_no_larger_than_asked(shape):
    for lanes in (1, 7, 64, 8192, 10**9):
        chunk = chunk_shape(shape, lanes)
        assert np.prod(chunk) <= lanes
        assert chunk_shape(shape, int(np.prod(chunk))) == chunk  # a stored chunk says how it was cut
        for block in (chunk, grown(shape, chunk, lanes)):
            assert all(length % unit == 0 for length, unit in zip(block, chunk, strict=True))
            counts = np.zeros(shape, int)
            for piece in blocks(shape, block):
                counts[piece] += 1
            assert np.all(counts == 1)


def test_the_last_axis_runs_fastest():
    grid = Grid({"a": [1, 2], "b": [10.0, 20.0, 30.0]})
    assert grid.shape == (2, 3)
    found = grid.at(np.arange(grid.size))
    assert list(found["a"]) == [1, 1, 1, 2, 2, 2]
    assert list(found["b"]) == [10, 20, 30] * 2
    assert list(grid.lanes((slice(1, 2), slice(0, 2)))) == [3, 4]
    with pytest.raises(aj.InputError, match="axis b must have at least one value"):
        Grid({"a": [1], "b": []})
    with pytest.raises(aj.InputError, match="equally many values"):
        Grid({"z": {"a": [1], "b": [1, 2]}})
    with pytest.raises(aj.InputError, match="a runs along two axes"):
        Grid({"a": [1], "z": {"a": [1]}})


@pytest.mark.parametrize("corruption", [aj.Erasures(), aj.GaussianNoise()])
def test_other_corruptions_can_be_swept(corruption):
    task = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=9), corruption)
    axes = {"num_patterns": [2, 4], corruption.level_name: [0.0, 0.3], "trial": range(50)}
    errors = swept(aj.DecoderTrial(task), axes)
    # Without corruption the target is found, but for the rare pattern that is there twice, which is no error either.
    assert not errors["nearest_signed"][:, 0].any()
    assert errors["bayes_signed"][1, 1].mean() < 2


def test_nan_is_a_value_of_a_sweep_also_while_jax_looks_for_nan():
    class Failing(Echo):
        def solve(self, problem, coordinates):
            return {"value": jnp.where(coordinates["trial"] > 1, jnp.nan, self.parameter)}

    with jax.debug_nans(True):
        found = swept(Failing(1.0), {"num_patterns": [3], "trial": range(4)})["value"]
    assert np.isnan(found).tolist() == [[False, False, True, True]]
