"""Gradients of every loss with respect to every parameter are those of central differences, however they are found.

All goes through what a search uses: many trajectories on grids in one batch. Weights of losses are traced, so one program has
them all. Grids are fine, since gradients do not follow how a grid depends on parameters.
"""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import astrojax as aj
from astrojax._internal.registry import members
from astrojax.sweep.engine import Engine
from astrojax.tuning.objective import measure

from .systems.problems import MODELS, PARAMETERS

ADAPTIVE = {"solver": "tsit5", "rtol": 1e-10, "atol": 1e-10}
CASES = [
    ("squared-dynamic", ("reverse",), {}),
    ("power-frozen", ("reverse",), {}),
    ("hopfield-zero-diagonal", ("forward",), {}),
    pytest.param("linear-adiabatic", ("forward",), {}, marks=pytest.mark.slow),
    pytest.param("dense-3", ("forward", "reverse"), {}, marks=pytest.mark.slow),
    pytest.param("linear-dynamic", ("forward", "reverse"), ADAPTIVE, marks=pytest.mark.slow),
    pytest.param("neuron-astrocyte", ("forward", "reverse"), ADAPTIVE, marks=pytest.mark.slow),
]
"""Every model, and of the family every score and every gain regime; modes, and settings of the solver."""

NUM_NEURONS, POOL, LOAD = 6, 5, 4
VALUES = {"temperature": 0.4, "tau_x": 0.7, "tau_p": 1.3, "tau_s": 0.8, "tau_a": 1.2, "slope": 1.5, "t1": 2.0}
STEP = 1e-4
PROBLEMS = np.arange(2)
GAINS = ("squared", "linear", "power")


def task() -> aj.Task:
    pool = aj.random_patterns(jax.random.key(3), num_neurons=NUM_NEURONS, num_patterns=POOL)
    return aj.Task(eqx.Partial(aj.pooled_patterns, pool=pool), aj.GaussianNoise())


def objective(kind: str, loss: str, **settings) -> aj.Objective:
    """All losses that the memory has, of which one has a weight."""
    names = [name for name in members("loss") if name != "gain" or kind.startswith(GAINS)]
    weights = {name: float(name == loss) for name in names}
    given = settings if "solver" in settings else {"num_steps": 400} | settings
    return aj.Objective(task(), MODELS[kind], num_patterns=[LOAD], levels=[0.4], loss=weights, **given)


def values_for(kind: str) -> dict[str, jax.Array]:
    """A value of every parameter that the memory has."""
    rng = np.random.default_rng(1)
    values = {name: jnp.asarray(VALUES[name]) for name in (*PARAMETERS[kind], "t1")}
    if kind.startswith(GAINS):
        values |= {name: jnp.asarray(rng.normal(0, 0.3, POOL)) for name in ("initial_gain_logits", "logit_bias")}
    return values | {"patterns": task().ensemble.keywords["pool"] * jnp.asarray(rng.uniform(0.8, 1.2, (NUM_NEURONS, POOL)))}


def differences(objective: aj.Objective, values: dict[str, jax.Array], engine: Engine) -> dict[str, np.ndarray]:
    """Central differences by parameter, shape (problems, …): every entry moved up and down, as starts of one batch."""
    flat, unravel = ravel_pytree(values)
    moved = flat[None] + STEP * jnp.concatenate([jnp.eye(flat.size), -jnp.eye(flat.size)])
    loss = measure(objective, jax.vmap(unravel)(moved), jax.random.key(0), PROBLEMS, engine)["loss"]
    slopes = (loss[: flat.size] - loss[flat.size :]).T / (2 * STEP)
    return jax.tree.map(np.asarray, jax.vmap(unravel)(jnp.asarray(slopes)))


def assert_equal(found, expected, what: str) -> None:
    for name, value in expected.items():
        scale = np.abs(value).max()
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-4 * scale + 1e-9, err_msg=f"{what}: {name}")


@pytest.mark.parametrize(("kind", "modes", "settings"), CASES)
def test_gradients_of_every_loss_equal_differences_in_both_modes(kind, modes, settings):
    engine, values = Engine(lanes_per_step=8), values_for(kind)
    one = {name: value[None] for name, value in values.items()}
    seen = set()
    for loss in objective(kind, "").loss.weights:
        aim = objective(kind, loss, **settings)
        expected = differences(aim, values, engine)
        for mode in modes:
            found = measure(aim, one, jax.random.key(0), PROBLEMS, engine, mode=mode)
            assert np.all(found["status"] == aj.Status.OK)
            assert_equal({name: found[f"gradient_{name}"][0] for name in values}, expected, f"{loss} {mode}")
        seen |= {name for name, value in expected.items() if np.abs(value).max() > 1e-6}
    silent = {"frozen": {"temperature", "tau_p", "logit_bias"}, "adiabatic": {"tau_p", "initial_gain_logits"}}
    assert seen == set(values) - silent.get(kind.rpartition("-")[2], set())


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("dense-3", {}), pytest.param("linear-dynamic", ADAPTIVE | {"solver": "auto"}, marks=pytest.mark.slow)],
)
def test_a_single_loss_is_differentiable_by_jax_in_both_modes(kind, settings):
    aim = objective(kind, "direction", **settings)
    values, problem = values_for(kind), aim.problem(jax.random.key(0), 1)
    expected = {name: value[1] for name, value in differences(aim, values, Engine(lanes_per_step=8)).items()}
    assert_equal(jax.jit(jax.grad(lambda at: aim(at, problem)))(values), expected, "grad")
    tangent = jax.tree.map(jnp.ones_like, values)
    _, slope = jax.jit(lambda at, along: jax.jvp(lambda at: aim(at, problem), (at,), (along,)))(values, tangent)
    np.testing.assert_allclose(slope, sum(np.sum(value) for value in expected.values()), rtol=1e-4)


def test_implicit_gradients_are_those_of_the_state_at_rest():
    kind = "squared-dynamic"
    values = {name: value for name, value in values_for(kind).items() if name in ("temperature", "slope", "logit_bias")}
    parameters = {name: VALUES[name] for name in PARAMETERS[kind] if name not in values}
    long = functools.partial(objective, kind, "direction", t1=200.0, parameters=parameters, num_steps=1000)
    expected = differences(long(), values, Engine(lanes_per_step=8))
    one = {name: value[None] for name, value in values.items()}
    found = measure(long(gradient="implicit"), one, jax.random.key(0), PROBLEMS, Engine(lanes_per_step=8), mode="implicit")
    assert np.all(found["status"] == aj.Status.OK)
    assert_equal({name: found[f"gradient_{name}"][0] for name in values}, expected, "implicit")
    assert any(np.abs(value).max() > 1e-6 for value in expected.values())


def test_parameters_that_no_gradient_leads_to_are_refused():
    implicit = objective("squared-dynamic", "direction", gradient="implicit")
    with pytest.raises(aj.InputError, match="tau_x does not move an equilibrium"):
        implicit.check(["temperature", "tau_x"])
    fresh = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=6), aj.Flips())
    with pytest.raises(aj.InputError, match="logit_bias belongs to patterns of a pool"):
        aj.Objective(fresh, aj.AstrocyteMemory, num_patterns=[3], levels=[1]).check(["logit_bias"])
    aim = aj.Objective(fresh, aj.HopfieldMemory, num_patterns=[3], levels=[1], loss="gain")
    with pytest.raises(aj.InputError, match="gain needs a memory with gains"):
        jax.eval_shape(lambda: aim({"tau_x": jnp.asarray(1.0)}, aim.problem(jax.random.key(0), 0)))
