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


@pytest.mark.parametrize(
    ("coupling", "score"),
    [(None, "squared"), (None, "linear"), (None, "power"), ("K", "linear"), ("N", "squared"), ("1", "power"), (2.5, "linear")],
)
def test_the_drive_has_the_coupling_that_is_asked_for_and_the_energy_falls_at_its_exact_rate(coupling, score):
    _, derivative, own = equations.SCORES[score]
    c = own(K) if coupling is None else COUPLINGS[coupling]
    memory = aj.AstrocyteMemory(PATTERNS, coupling=coupling, score=score, **SETTINGS)
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=N), rng.normal(size=K)
    state = aj.AstrocyteState(jnp.asarray(x), jnp.asarray(z))
    drive = c * PATTERNS @ (equations.softmax(z) * derivative(PATTERNS.T @ np.tanh(0.9 * x), N))
    field = memory.vector_field(state)
    np.testing.assert_allclose(field.x, (drive - x) / 0.7, rtol=1e-12, atol=1e-13)
    _, rate = jax.jvp(memory.energy, (state,), (field,))
    np.testing.assert_allclose(memory.energy_rate(state), rate, rtol=1e-10)
    assert rate < 0


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


def test_configurations_with_couplings_that_are_not_allowed_are_refused():
    for wrong in ("M", "k", 0, -2.0, float("nan"), True):
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
