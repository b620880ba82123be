"""A sweep takes every point of a product exactly once, whatever the batching, and labels no result by a number it ignores."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj
from astrojax.sweep.grid import Grid, blocks, chunk_shape, grown
from astrojax.sweep.shapes import PROGRAM_COST, Shapes

TASK = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=9), aj.Flips())
AXES = {"num_patterns": [3, 12, 5], "num_flips": [1, 2], "temperature": [0.1, 2.0], "trial": range(4)}


class Echo(eqx.Module):
    """A sample that returns its coordinates, its capacity and its own parameter; or `names` of the coordinates and no more."""

    parameter: float = 1.0
    names: tuple[str, ...] | None = eqx.field(static=True, default=None)

    def draw(self, root_key, coordinates, capacity):
        return jnp.zeros(capacity)

    def solve(self, problem, coordinates):
        if self.names is not None:
            return jax.jit(lambda c: {name: c[name] for name in self.names})(dict(coordinates)) | {"constant": jnp.ones(())}
        return dict(coordinates) | {"capacity": jnp.asarray(problem.size), "parameter": jnp.asarray(self.parameter)}


def sweep(sample, axes, **settings):
    return aj.run_sweeps({"a": aj.Sweep(sample, axes)}, jax.random.key(3), **settings)["a"]


def swept(sample, axes, **settings):
    return sweep(sample, axes, **settings).observables


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


def test_recalls_cut_short_or_frozen_are_not_settled_and_long_ones_are():
    axes = {"num_patterns": [3], "num_flips": [2], "tau_x": [1.0, 1e4], "trial": range(20)}
    build = eqx.Partial(aj.AstrocyteMemory, score="linear", temperature=0.5, slope=2.0)
    for t1, expected in ((60.0, [1, 0]), (0.02, [0, 0])):
        settled = swept(aj.RecallTrial(TASK, build, {}, t1=t1, rtol=1e-6, atol=1e-6, solver="tsit5"), axes)["settled"]
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
    sets = [[*few, largest] for number in range(3) for few in itertools.combinations(candidates[:-1], number)]
    assert waste(loads, counts, shapes.capacities) == pytest.approx(min(waste(loads, counts, sizes) for sizes in sets))
    assert np.all(shapes.of(loads) >= loads)
    assert Shapes(np.array([5]), np.array([5]), largest=6).capacities.tolist() == [6]
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


def test_axes_that_are_empty_unequal_or_twice_there_are_refused():
    with pytest.raises(aj.InputError, match="axis b must have at least one value"):
        Grid({"a": [1], "b": []})
    with pytest.raises(aj.InputError, match="equally many values"):
        Grid({"z": {"a": [1], "b": [1, 2]}})
    with pytest.raises(aj.InputError, match="a runs along two axes"):
        Grid({"a": [1], "z": {"a": [1]}})


def test_nan_is_a_value_of_a_sweep_also_while_jax_looks_for_nan():
    class Failing(Echo):
        def solve(self, problem, coordinates):
            return {"value": jnp.where(coordinates["trial"] > 1, jnp.nan, self.parameter)}

    with jax.debug_nans(True):
        found = swept(Failing(1.0), {"num_patterns": [3], "trial": range(4)})["value"]
    assert np.isnan(found).tolist() == [[False, False, True, True]]


FEW = {"num_patterns": [3], "num_flips": [1, 2], "trial": range(3)}


def recall(build=aj.AstrocyteMemory, parameters=None, **fixed):
    return aj.RecallTrial(TASK, eqx.Partial(build, **fixed), parameters or {}, t1=1.0, solver="heun", rtol=0.1, atol=0.1)


REFUSED = {
    "zipped": (recall(), {"z": {"tau_x": [1.0, 2.0], "taup": [1, 2]}}, "taup of axis z has no effect.*did you mean 'tau_p'"),
    "fixed by build": (recall(tau_x=2.0), {"tau_x": [1.0, 2.0]}, "axis tau_x has no effect"),
    "another memory's": (recall(aj.HopfieldMemory), {"temperature": [1.0]}, "axis temperature has no effect"),
    "frozen gains": (recall(gain_regime="frozen"), {"tau_p": [1.0, 9.0]}, "axis tau_p has no effect .* with its settings"),
    "a build that ignores it": (
        aj.RecallTrial(TASK, lambda patterns, stored, **others: aj.HopfieldMemory(patterns, stored=stored)),
        {"tau_x": [1.0, 2.0]},
        "axis tau_x has no effect",
    ),
    "own sample": (Echo(names=("trial", "num_flips")), {"own": [1.0]}, "axis own has no effect .* num_patterns, trial"),
    "misspelt parameter": (recall(aj.HopfieldMemory, {"temprature": 1.0}), {}, "parameters must be .* got 'temprature'"),
    "too many points": (recall(), dict.fromkeys(("tau_x", "slope"), np.arange(1.0, 2e4)), "2,399,760,006 points; at most"),
    "a parameter given twice": (recall(parameters={"slope": 1.0}, slope=2.0), {}, "parameters must be .*; got 'slope'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_axis_that_changes_nothing_is_refused_before_anything_is_computed(case, monkeypatch):
    sample, axes, words = REFUSED[case]
    monkeypatch.setattr("astrojax.sweep.engine.Session.run", lambda *arguments: pytest.fail("computed"))
    with pytest.raises(aj.InputError, match=words):
        sweep(sample, FEW | axes)


@pytest.mark.parametrize("missing", FEW)
def test_a_missing_axis_of_the_problems_is_named(missing):
    with pytest.raises(aj.InputError, match=f"axis {missing}.* is missing"):
        sweep(recall(), {name: values for name, values in FEW.items() if name != missing})


def test_a_parameter_of_the_memory_takes_effect_whether_or_not_the_trial_lists_it():
    axes = FEW | {"tau_x": [0.01, 100.0]}
    listed, unlisted = (sweep(recall(parameters=given), axes).observables for given in ({"tau_x": 1.0}, {}))
    assert np.all(unlisted["overlap"][..., 0] != unlisted["overlap"][..., 1])
    for name in listed:
        np.testing.assert_array_equal(unlisted[name], listed[name])


def test_a_coordinate_that_reaches_results_only_within_a_compiled_function_counts():
    found = sweep(Echo(names=("trial", "num_flips", "own")), FEW | {"own": [1.0, 5.0]}).observables
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


def test_the_failure_of_one_sweep_leaves_another_of_the_same_engine_whole():
    engine, axes = aj.Engine(num_threads=2), {"num_patterns": [3], "trial": range(5000)}

    def fail(name, number):
        raise RuntimeError("mine")

    def meanwhile(name, number):
        with pytest.raises(RuntimeError, match="mine"):
            sweep(Echo(), axes, engine=engine, on_chunk=fail)

    whole = sweep(Echo(), axes, engine=engine, lanes_per_chunk=2500, on_chunk=meanwhile)
    assert whole.observables["trial"].tolist() == [[*range(5000)]]


@pytest.mark.parametrize("corruption", [aj.Erasures(), aj.GaussianNoise()])
def test_other_corruptions_can_be_swept(corruption):
    task = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=9), corruption)
    axes = {"num_patterns": [2, 4], corruption.level_name: [0.0, 0.3], "trial": range(50)}
    errors = swept(aj.DecoderTrial(task), axes)
    # Without corruption the target is found, but for the rare pattern that is there twice, which is no error either.
    assert not errors["nearest_signed"][:, 0].any()
    assert errors["bayes_signed"][1, 1].mean() < 2
