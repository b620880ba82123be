"""The coupling constant c of the astrocyte memory: by name, as a number, or the score's own."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj
from astrojax.config.run import Config
from astrojax.config.tune import TuneConfig

from .systems import equations

N, K = 12, 5
COUPLINGS = {"K": K, "N": N, "1": 1, 2.5: 2.5}
PATTERNS = np.random.default_rng(0).choice([-1.0, 1.0], (N, K))
SETTINGS = {"temperature": 0.6, "tau_x": 0.7, "tau_p": 1.4, "slope": 0.9}


def field(state, c, score):
    """The two equations written out, in x and z."""
    value, derivative, _ = equations.SCORES[score]
    x, z = np.asarray(state.x), np.asarray(state.gain_logits)
    m = PATTERNS.T @ np.tanh(SETTINGS["slope"] * x)
    drive = c * PATTERNS @ (equations.softmax(z) * derivative(m, N))
    return (drive - x) / SETTINGS["tau_x"], (value(m, N) - SETTINGS["temperature"] * z) / SETTINGS["tau_p"]


def random_state(seed=1):
    rng = np.random.default_rng(seed)
    return aj.AstrocyteState(jnp.asarray(rng.normal(size=N)), jnp.asarray(rng.normal(size=K)))


@pytest.mark.parametrize("score", ["squared", "linear", "power"])
@pytest.mark.parametrize("coupling", [None, *COUPLINGS])
def test_the_drive_has_the_coupling_that_is_asked_for(coupling, score):
    c = equations.SCORES[score][2](K) if coupling is None else COUPLINGS[coupling]
    found = aj.AstrocyteMemory(PATTERNS, coupling=coupling, score=score, **SETTINGS).vector_field(random_state())
    for ours, expected in zip((found.x, found.gain_logits), field(random_state(), c, score), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("score", "coupling"), [("squared", "N"), ("linear", "N"), ("squared", "1"), ("squared", 2.5)])
def test_the_energy_falls_at_its_exact_rate_with_any_coupling(score, coupling):
    """Fourth-order differences of the energy along tightly solved trajectories against the closed form."""
    memory = aj.AstrocyteMemory(PATTERNS, coupling=coupling, score=score, **SETTINGS)
    step, centers = 2e-4, np.array([0.05, 0.3, 1.0, 2.5])
    ts = jnp.asarray((centers[:, None] + step * np.arange(-2, 3)).ravel())
    tight = {"solver": "dopri8", "rtol": 1e-11, "atol": 1e-11, "max_steps": 100_000, "adjoint": diffrax.ForwardMode()}
    states = aj.retrieve(memory, random_state(2).x, t1=ts[-1], ts=ts, **tight).states
    energy = np.asarray(jax.vmap(memory.energy)(states)).reshape(-1, 5)
    measured = (energy[:, 0] - 8 * energy[:, 1] + 8 * energy[:, 3] - energy[:, 4]) / (12 * step)
    exact = np.asarray(jax.vmap(memory.energy_rate)(states)).reshape(-1, 5)[:, 2]
    assert np.all(exact < 0)
    np.testing.assert_allclose(exact, measured, rtol=1e-5, atol=1e-8)


def test_uniform_frozen_gains_with_coupling_k_are_the_hopfield_network():
    query = jnp.asarray(np.random.default_rng(3).normal(size=N))
    settings = {"tau_x": 0.7, "slope": 0.9}
    frozen = aj.AstrocyteMemory(PATTERNS, coupling="K", gain_regime="frozen", **settings)
    hopfield = aj.HopfieldMemory(PATTERNS, **settings)
    ours, theirs = (memory.vector_field(memory.initial_state(query)).x for memory in (frozen, hopfield))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    other = aj.AstrocyteMemory(PATTERNS, coupling="N", gain_regime="frozen", **settings)
    assert np.max(np.abs(other.vector_field(other.initial_state(query)).x - theirs)) > 0.1


def test_equilibria_and_their_spectrum_follow_the_coupling():
    memory = aj.AstrocyteMemory(PATTERNS, coupling="N", **SETTINGS)
    found = aj.equilibrium(memory, aj.retrieve(memory, PATTERNS[:, 0], t1=50.0).state)
    assert found.converged
    dx, dz = field(found.state, N, "squared")
    assert max(np.max(np.abs(dx)), np.max(np.abs(dz))) < 1e-11
    step = 1e-5
    columns = []
    for place in range(N + K):
        move = step * np.eye(N + K)[place]
        ends = [
            aj.AstrocyteState(found.state.x + sign * move[:N], found.state.gain_logits + sign * move[N:]) for sign in (1, -1)
        ]
        up, down = (np.concatenate(field(end, N, "squared")) for end in ends)
        columns.append((up - down) / (2 * step))
    expected = np.sort(np.linalg.eigvals(np.stack(columns, axis=1)).real)[::-1]
    np.testing.assert_allclose(aj.spectrum(memory, found.state).eigenvalues, expected, atol=1e-6)


def test_a_coupling_that_is_a_number_can_be_batched_and_differentiated():
    query = jnp.asarray(np.random.default_rng(4).normal(size=N))

    def first(coupling):
        memory = aj.AstrocyteMemory(PATTERNS, coupling=coupling, **SETTINGS)
        recall = aj.retrieve(memory, query, t1=2.0, solver="tsit5", rtol=1e-9, atol=1e-9, adjoint=diffrax.ForwardMode())
        return recall.x[0], recall.status

    def with_slope(coupling):
        return jax.jvp(first, (coupling,), (jnp.ones_like(coupling),), has_aux=True)

    values, slopes, status = jax.vmap(with_slope)(jnp.array([2.499, 2.5, 2.501, -1.0, jnp.nan]))
    np.testing.assert_allclose(slopes[1], (values[2] - values[0]) / 0.002, rtol=1e-4)
    assert abs(slopes[1]) > 1e-3
    assert status.tolist() == [aj.Status.OK] * 3 + [aj.Status.INVALID_MEMORY] * 2


def test_couplings_that_are_not_allowed_are_refused_with_what_is_allowed():
    for wrong in ("M", "k", 0, -2.0, float("nan"), True):
        with pytest.raises(aj.InputError, match=r"coupling must be .*K, N, 1|coupling must be K, N, 1"):
            aj.AstrocyteMemory(PATTERNS, coupling=wrong)
        with pytest.raises(ValueError, match="coupling"):
            Config(axes={"num_patterns": 3, "num_flips": 1}, models={"a": {"kind": "astrocyte", "coupling": wrong}})


def test_configurations_set_the_coupling_and_numbers_are_an_axis(tmp_path):
    """The points of the axis have the outcomes of the memories that are named, on the same problems."""
    plain = {"kind": "astrocyte", "tau_x": 20, "score": "linear"}
    shared = {"patterns": {"kind": "random", "num_neurons": 10}, "trials": 4, "decoders": False}
    axes = {"num_patterns": 4, "num_flips": 2}
    config = Config(axes=axes, models={"N": plain | {"coupling": "N"}, "default": plain}, **shared)
    named = aj.run(config, tmp_path / "named").load().soft_hamming_error.squeeze()
    config = Config(axes=axes | {"models.a.coupling": [1, 10]}, models={"a": plain | {"coupling": 1}}, **shared)
    numbers = aj.run(config, tmp_path / "numbers").load().soft_hamming_error.squeeze()
    for number, name in ((1, "default"), (10, "N")):
        np.testing.assert_allclose(numbers.sel({"models.a.coupling": number}), named.sel(model=name), rtol=1e-6)
    assert np.all(named.sel(model="N") != named.sel(model="default"))


def test_a_search_for_the_coupling_starts_from_a_number():
    search = {"axes": {"num_patterns": 3, "num_flips": 1}, "parameters": ["coupling"]}
    config = TuneConfig(model={"kind": "astrocyte", "coupling": 4}, **search)
    assert config.start() == {"coupling": 4.0}
    for coupling, shown in (("N", "N"), (None, "left out")):
        with pytest.raises(ValueError, match=rf"parameters\.coupling: starts from a number; model\.coupling is {shown}"):
            TuneConfig(model={"kind": "astrocyte", "coupling": coupling}, **search)
