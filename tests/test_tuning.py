"""The search itself: it finds what a scan finds, goes on bit for bit, and hides nothing that went wrong."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import astrojax as aj
from astrojax._internal.registry import find
from astrojax.sweep.engine import Engine
from astrojax.tuning.gradients import mean_gradient, perturbations
from astrojax.tuning.objective import aggregate, measure
from astrojax.tuning.record import ranked
from astrojax.tuning.search import TRAINING, VALIDATION
from astrojax.tuning.transforms import TRANSFORMS

START = {"temperature": [5.0, 0.5], "tau_x": [1.0, 0.3]}
"""Of most tests, so that they share their programs."""

KEY = jax.random.key(2)
FAST = {"key": KEY, "num_steps": 7, "batch_size": 16, "validation_size": 32, "validate_every": 2}
ADAPTIVE = {"solver": "etd3", "num_steps": None, "rtol": 1e-3, "atol": 1e-3}


def objective(build=aj.AstrocyteMemory, **settings) -> aj.Objective:
    task = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=12), aj.Flips())
    return aj.Objective(task, build, **({"num_patterns": [6, 16], "levels": [1, 3], "num_steps": 40} | settings))


@pytest.fixture(scope="module")
def engine():
    return Engine()


@pytest.fixture(scope="module")
def search(engine):
    """A search of two starts: its states after each step, and those after each validation."""
    validated = []
    states = list(aj.tune(objective(), START, engine=engine, on_look=validated.append, **FAST))
    return states, validated


def same(one, other) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_invert_and_stay_within_bounds(name):
    parameter = aj.Parameter(name, 0.01, 20.0)
    values = jnp.asarray([0.011, 0.5, 3.0, 19.0])
    raw = parameter.to_raw(values)
    np.testing.assert_allclose(parameter.to_value(raw), values, rtol=1e-10)
    step = 1e-6
    slope = (parameter.to_value(raw + step) - parameter.to_value(raw - step)) / (2 * step)
    np.testing.assert_allclose(parameter.slope(raw), slope, rtol=1e-7)
    far = parameter.to_value(parameter.projected(jnp.asarray([-50.0, 50.0])))
    np.testing.assert_allclose(far, [0.01, 20.0], rtol=1e-3 if name in ("logit", "log_logit") else 1e-9)
    middle = 10.005 if name in ("identity", "logit") else np.sqrt(0.2)
    np.testing.assert_allclose(parameter.spread(np.array([0.0, 0.5, 1.0])), [0.01, middle, 20.0])


def test_bad_parameters_and_settings_are_named(engine):
    search = aj.Search(objective(), key=KEY, engine=engine)
    faults = {
        "transform must be one of .*did you mean 'log'": lambda: aj.Parameter("lgo"),
        r"low 2\.0 and high 1\.0": lambda: aj.Parameter("log", 2.0, 1.0),
        "did you mean 'direction'": lambda: objective(loss="directoin"),
        "weight of loss gain .* at least 0; got -1": lambda: objective(loss={"direction": 1.0, "gain": -1.0}),
        "batch_size must be even": lambda: aj.Search(objective(), key=KEY, batch_size=3),
        r"start of tau_x must lie between 0.001 and 1000; got 0": lambda: search.init({"tau_x": 0.0}),
        "equally many starts": lambda: search.init({"tau_x": [1.0, 2.0], "tau_p": [1.0, 2.0, 3.0]}),
    }
    for text, call in faults.items():
        with pytest.raises(aj.InputError, match=text):
            call()


def test_a_search_finds_what_a_scan_finds(engine):
    """The temperature of attention: a scan over 30 values with other problems knows nothing of gradients."""
    build = eqx.Partial(aj.AstrocyteMemory, score="linear", gain_regime="adiabatic")
    aim = objective(build, num_patterns=[8], levels=[2], t1=1.0, loss="direction", num_steps=None)
    scan = {"temperature": jnp.geomspace(0.1, 1e3, 30)}
    losses = measure(aim, scan, jax.random.key(5), np.arange(256), engine)["loss"].mean(axis=1)
    *_, state = aj.tune(aim, {"temperature": [0.2, 500.0]}, key=jax.random.key(0), engine=engine, num_steps=40)
    found = measure(aim, state.best_values, jax.random.key(5), np.arange(256), engine)["loss"].mean(axis=1)
    assert losses.max() > 1.5 * losses.min()
    assert found.max() <= losses.min() * 1.02


def test_a_search_goes_on_from_any_state_bit_for_bit_and_starts_do_not_meet(search):
    states, _ = search
    assert [int(state.step) for state in states] == list(range(1, 8))
    one_thread = list(aj.tune(objective(), states[3], engine=Engine(num_threads=1), **FAST))
    assert all(same(one, other) for one, other in zip(states[4:], one_thread, strict=True))
    single = aj.tune(objective(), {"temperature": [0.5], "tau_x": [0.3]}, **FAST)
    for one, other in zip(states[:4], single, strict=False):  # later, rounding has grown where basins meet
        for name in START:
            np.testing.assert_allclose(one.values[name][1:], other.values[name], rtol=1e-9)


def test_every_pair_of_load_and_level_is_met_equally_often_by_new_problems():
    lanes = objective().coordinates(np.arange(32))
    pairs = list(zip(lanes["num_patterns"].tolist(), lanes["num_flips"].tolist(), strict=True))
    assert {pair: pairs.count(pair) for pair in pairs} == dict.fromkeys([(6, 1), (6, 3), (16, 1), (16, 3)], 8)
    assert len({(*pair, trial) for pair, trial in zip(pairs, lanes["trial"].tolist(), strict=True)}) == 32


def test_gradients_are_clipped_problem_by_problem_and_counted(engine):
    settings = {"smoothing": 0.0} | FAST
    loose, tight = (aj.Search(objective(), engine=engine, max_gradient_norm=norm, **settings) for norm in (1.0, 1e-6))
    free, clipped = (each.step(each.template(START)).record for each in (loose, tight))
    assert free.gradient_norm[0] > 1e-4
    assert clipped.num_clipped[0] > 8
    assert 0 < clipped.gradient_norm[0] <= 1e-6
    both = aj.Search(objective(), engine=engine, max_gradient_norm=1e-6, **FAST)
    assert both.step(both.template(START)).record.gradient_norm == pytest.approx([1e-6, 1e-6])
    assert free.num_non_finite[0] == clipped.num_non_finite[0] == 0


def test_the_smoothed_gradient_is_that_of_the_loss_averaged_over_the_neighborhood():
    """Of a known loss of the unconstrained numbers, sin(r) of one and a jump in the other, whose averages are known too."""
    sigma, jump, raw = 0.5, 0.4, {"sine": np.array([-0.9, 0.7]), "step": np.array([0.0, 0.3])}
    perturbation = perturbations(KEY, raw, 400_000)
    moved = {name: number[:, None] + sigma * perturbation[name] for name, number in raw.items()}
    zeros = np.zeros((2, 400_000))
    found = {
        "loss": np.sin(moved["sine"]) + np.where(moved["step"] > jump, 1.0, 0.0),
        "gradient_sine": np.cos(moved["sine"]),
        "gradient_step": zeros,
        **dict.fromkeys(("hamming_error", "success", "status"), zeros),
    }
    gradient, _ = mean_gradient(found, dict.fromkeys(raw, np.ones(())), perturbation, smoothing=sigma, max_norm=1.0)
    np.testing.assert_allclose(gradient["sine"], np.cos(raw["sine"]) * np.exp(-(sigma**2) / 2), atol=0.01)
    # The derivatives of single trajectories, which are half of the estimate, do not see the jump.
    rise = np.exp(-(((jump - raw["step"]) / sigma) ** 2) / 2) / np.sqrt(2 * np.pi) / sigma
    np.testing.assert_allclose(gradient["step"], rise / 2, atol=0.01)


def test_gradients_that_are_not_finite_are_left_out_and_counted(engine):
    def build(patterns, *, stored, temperature):
        # The derivative of this is infinite times zero where a random entry of the patterns is −1.
        odd = jnp.sqrt(temperature * jnp.where(patterns[0, 0] > 0, 1.0, 0.0))
        return aj.AstrocyteMemory(patterns, stored=stored, temperature=temperature + odd)

    search = aj.Search(objective(build), engine=engine, smoothing=0.0, **FAST)
    state = search.step(search.template({"temperature": 5.0}))
    root = jax.random.fold_in(KEY, TRAINING)
    problems = [search.objective.problem(root, number) for number in range(FAST["batch_size"])]
    wrong = sum(float(problem.patterns[0, 0]) < 0 for problem in problems)
    assert 0 < wrong < FAST["batch_size"]
    assert state.record.num_non_finite[0] == wrong
    assert np.isfinite(state.values["temperature"][0])
    assert state.values["temperature"][0] != 5.0


def test_trajectories_that_fail_are_counted_and_never_improve_anything(engine):
    search = aj.Search(objective(max_steps=1, **(ADAPTIVE | {"solver": "heun"})), engine=engine, **FAST)
    state = search.step(search.init(START))
    assert np.all(state.record.num_failed == FAST["batch_size"])
    assert np.all(np.isnan(state.record.loss))
    assert np.all(np.isinf(state.best_loss))
    np.testing.assert_allclose(state.values["temperature"], START["temperature"])


def test_values_are_not_better_for_trajectories_that_fail(engine):
    """Too few steps for the hard problems: without these the error would be lower than with steps enough."""
    values, numbers = {"temperature": jnp.asarray([0.05])}, np.arange(64)
    enough = measure(objective(**ADAPTIVE), values, jax.random.key(0), numbers, engine)
    most = int(1.2 * np.median(enough["num_steps"]))
    few = measure(objective(max_steps=most, **ADAPTIVE), values, jax.random.key(0), numbers, engine)
    failed = few["status"][0] != aj.Status.OK
    assert 8 < failed.sum() < 56
    assert few["hamming_error"][0, ~failed].mean() < enough["hamming_error"].mean()
    _, error, success = aggregate(few)
    assert error == (few["hamming_error"][0, ~failed].sum() + 12 * failed.sum()) / 64
    assert success == few["success"][0, ~failed].sum() / 64
    _, error, _ = aggregate({**few, "status": np.ones_like(few["status"])})
    assert np.isnan(error)


@pytest.mark.parametrize(
    ("errors", "losses", "best"),
    [
        ([0.5, 0.3, 0.4], [0.1, 0.9, 0.05], 1),  # the error decides
        ([0.5, 0.3, 0.3], [0.9, 0.2, 0.1], 2),  # the loss breaks ties
        ([0.5, 0.3, 0.3], [0.9, 0.2, 0.2], 1),  # then the order
        ([0.0, 0.3, 0.0], [0.2, 0.1, 0.2], 0),
        ([np.nan] * 3, [0.9, 0.1, 0.2], 1),  # as where traced targets are not ±1
        ([0.5, np.nan, 0.6], [0.9, np.nan, 0.1], 0),  # all trajectories failed
        ([np.nan, 0.7, 0.8], [np.inf, 0.9, 0.1], 1),
    ],
)
def test_the_lowest_error_is_best_and_the_loss_breaks_ties(errors, losses, best, search):
    assert ranked(np.array(errors), np.array(losses))[0] == best
    assert search[0][-1]._replace(best_error=np.array(errors), best_loss=np.array(losses)).best_start == best


def test_every_validation_is_reported_and_the_choice_follows_from_them(search, engine):
    states, validated = search
    assert [int(state.step) for state in validated] == [0, 2, 4, 6, 7]
    assert all(one is states[int(one.step) - 1] for one in validated[1:])
    assert all(np.isnan(states[step - 1].record.validation_error).all() for step in (1, 3, 5))
    root, last = jax.random.fold_in(KEY, VALIDATION), states[-1]
    for start in range(2):
        found = [(float(s.record.validation_error[start]), float(s.record.validation_loss[start])) for s in validated]
        best = min(range(5), key=lambda place: found[place])
        assert last.best_step[start] == validated[best].step
        assert (last.best_error[start], last.best_loss[start]) == found[best]
        values = {name: value[start : start + 1] for name, value in validated[best].values.items()}
        assert same(values, {name: value[start : start + 1] for name, value in last.best_values.items()})
        again = measure(objective(), values, root, np.arange(32), engine)
        np.testing.assert_allclose([again["hamming_error"].mean(), again["loss"].mean()], found[best], rtol=1e-6)


def test_real_valued_patterns_are_searched_by_root_mean_squared_errors(engine):
    """With a single pattern x − ξ falls as exp(−t/τx), so that every error is known."""
    task = aj.Task(eqx.Partial(aj.gaussian_patterns, num_neurons=12), aj.GaussianNoise())
    build = eqx.Partial(aj.AstrocyteMemory, score="linear", activation="identity", gain_regime="adiabatic")
    settings = {"num_patterns": [1], "levels": [0.3], "t1": 2.0, "num_steps": 40}
    aim = aj.Objective(task, build, loss="squared", **settings)
    *_, state = aj.tune(aim, {"tau_x": [1.0, 3.0]}, engine=engine, **FAST)
    root = jax.random.fold_in(KEY, VALIDATION)
    targets, queries = np.transpose([(one.target, one.query) for one in (aim.problem(root, n) for n in range(32))], (1, 0, 2))
    distance = np.sqrt(np.mean((queries - targets) ** 2, axis=1)).mean()
    np.testing.assert_allclose(state.best_error, distance * np.exp(-2 / state.best_values["tau_x"]), rtol=1e-4)
    assert np.all(state.best_error < distance * np.exp(-2 / np.array([1.0, 3.0])))
    assert np.all(state.record.identified == 1)
    _, error, identified = aggregate(measure(aim, {"tau_x": jnp.asarray([-1.0, 2.0])}, root, np.arange(32), engine))
    assert np.isnan(error[0])  # all trajectories failed
    assert error[1] == pytest.approx(distance * np.exp(-1), rel=1e-4)
    assert identified[1] == 1
    wrong = measure(aim, {"tau_x": jnp.asarray([-1.0])}, root, np.arange(32), engine)
    np.testing.assert_allclose(wrong["rmse"][0], 2 * np.sqrt(np.mean(targets**2, axis=1)))
    assert not wrong["identified"].any()
    for name in ("softsign", "logistic", "soft_hamming"):
        with pytest.raises(aj.InputError, match=f"losses: {name} are for patterns.* such as direction, squared, gain"):
            aj.Objective(task, build, loss={name: 1.0, "squared": 1.0}, **settings)


def test_losses_of_real_numbers_agree_with_numpy():
    target, x = np.random.default_rng(3).normal(size=(2, 49))
    memory = aj.AstrocyteMemory(target[:, None], score="distance", activation="rectified")
    state = memory.initial_state(jnp.asarray(x))
    cosine = target @ x / np.linalg.norm(target) / np.linalg.norm(x)
    assert find("loss", "direction")(memory, jnp.asarray(target), state) == pytest.approx((1 - cosine) / 2)
    assert find("loss", "direction")(memory, jnp.zeros(49), state) == 0.5
    assert find("loss", "squared")(memory, jnp.asarray(target), state) == pytest.approx(
        np.mean((np.maximum(x, 0) - target) ** 2)
    )
    # A reciprocal of 49 that is rounded must not change what the loss is for signs.
    signs = jnp.sign(jnp.asarray(target))
    expected = jax.jit(lambda x: (1 - jnp.mean(signs * x) / jnp.sqrt(jnp.mean(x**2) + 1e-12)) / 2)(state.x)
    assert jax.jit(find("loss", "direction"))(memory, signs, state) == expected


def test_memories_of_a_pool_store_all_of_it_and_refuse_other_patterns():
    pool = aj.random_patterns(jax.random.key(1), num_neurons=10, num_patterns=6)
    task = aj.Task(eqx.Partial(aj.pooled_patterns, pool=pool), aj.Flips())
    aim = aj.Objective(task, aj.AstrocyteMemory, num_patterns=[4], levels=[2], parameters={"tau_x": 0.5, "tau_p": 2.0})
    found = {"tau_x": np.float32(0.25), "logit_bias": np.arange(6.0), "t1": 3.0}
    memory = aim.memory(found)
    np.testing.assert_array_equal(memory.patterns, pool)
    np.testing.assert_array_equal(memory.logit_bias, np.arange(6.0))
    assert (memory.tau_x, memory.tau_p) == (0.25, 2.0)
    with pytest.raises(aj.InputError, match=r"logit_bias must have shape \(5,\).*; got \(6,\)"):
        aim.memory(found, pool[:, :5])
    np.testing.assert_array_equal(aim.memory({"patterns": pool[:, ::-1]}).patterns, pool[:, ::-1])


def test_values_on_a_bound_are_within_it_and_can_be_searched_again(engine):
    near = {"temperature": aj.Parameter("log", 1e-3, 5.0000001), "tau_x": aj.Parameter("log_logit", 1e-3, 1e3)}
    with jax.enable_x64(False):
        search = aj.Search(objective(), parameters=near, learning_rate=50.0, engine=engine, **FAST)
        values = search.step(search.template(START)).values
        assert np.isfinite(values["tau_x"]).all()
        search.template({"temperature": values["temperature"]})
    with pytest.raises(aj.InputError, match="log_logit never reaches"):
        search.template({"tau_x": 1e3})


def test_a_search_ends_early_when_validation_does_not_get_better(engine):
    states = list(aj.tune(objective(), START, optimiser=optax.sgd(0.0), patience=2, engine=engine, **FAST))
    assert len(states) == 4
    np.testing.assert_allclose(states[-1].best_values["tau_x"], START["tau_x"])


def test_patterns_themselves_can_be_learned_in_reverse_mode(engine):
    pool = aj.random_patterns(jax.random.key(1), num_neurons=10, num_patterns=6)
    task = aj.Task(eqx.Partial(aj.pooled_patterns, pool=pool), aj.Flips())
    aim = aj.Objective(task, aj.HopfieldMemory, num_patterns=[6], levels=[2], loss="direction")
    assert aim.mode_for({"patterns": np.zeros((10, 6))}) == "reverse"
    *_, state = aj.tune(
        aim, {"patterns": pool}, key=jax.random.key(0), num_steps=30, batch_size=32, learning_rate=0.05, engine=engine
    )
    values = {"patterns": jnp.stack([pool, state.best["patterns"]])}
    before, after = measure(aim, values, jax.random.key(7), np.arange(512), engine)["hamming_error"].mean(axis=1)
    assert after < 0.7 * before


def test_random_search_and_grid_keep_to_their_budget_and_bounds(engine):
    space = {"temperature": aj.Parameter("log", 0.1, 10.0), "tau_x": aj.Parameter("logit", 1.0, 3.0)}
    settings = {"key": KEY, "num_solves": 200, "problems_per_candidate": 8, "engine": engine}
    random, grid = aj.random_search(objective(), space, **settings), aj.grid_search(objective(), space, **settings)
    for found in (random, grid):
        assert found.loss.size == 25
        assert found.num_solves <= 200
        for name, parameter in space.items():
            assert np.all((found.values[name] >= parameter.low) & (found.values[name] <= parameter.high))
        best = {name: np.full(25, value) for name, value in found.best.items()}
        again = measure(objective(), best, jax.random.fold_in(KEY, TRAINING), np.arange(8), engine)
        np.testing.assert_allclose(again["hamming_error"].mean(axis=1), found.error.min())
        np.testing.assert_allclose(again["loss"].mean(axis=1), found.loss[found.error == found.error.min()].min(), rtol=1e-9)
    assert sorted(set(np.round(grid.values["tau_x"], 6))) == [1.2, 1.6, 2.0, 2.4, 2.8]
    with pytest.raises(aj.InputError, match="num_solves must be an integer of at least 8"):
        aj.random_search(objective(), space, **(settings | {"num_solves": 4}))
