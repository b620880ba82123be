"""A seed or a key means the same problems, whatever JAX's settings of random numbers are."""

import os
import subprocess
import sys
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest

import astrojax as aj
from astrojax._random import seed_key

DRAW = """
import sys, jax, jax.numpy as jnp, numpy as np, equinox as eqx, astrojax as aj
class Own(eqx.Module):
    def draw(self, root_key, coordinates, capacity):
        return jax.random.normal(jax.random.fold_in(root_key, coordinates["trial"]), (4,), jnp.float32)
    def cost(self, problem, coordinates): return problem[0]
    def solve(self, problem, coordinates): return {"sum": problem.sum()}
from astrojax.plan import Plan
from astrojax.runs.reading import parse_config
key = jax.random.key(3, impl="threefry2x32")
many = jax.jit(lambda key: aj.biased_patterns(key, num_neurons=40, num_patterns=5, mean=0.2))(key)
found = {
    "random": aj.random_patterns(key, num_neurons=40, num_patterns=5),
    "biased": many,
    "hierarchical": aj.hierarchical_patterns(key, num_neurons=40, num_patterns=5, num_prototypes=2, overlap=0.3),
    "pooled": aj.pooled_patterns(key, pool=many, num_patterns=3),
    "flip": aj.flip(key, many[:, 0], 7),
    "erase": jax.vmap(lambda k: aj.erase(k, many[:, 0], 0.3))(jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(3))),
    "noise": aj.add_noise(key, many[:, 0], 0.5),
    "tie": aj.nearest_pattern(key, many, jnp.zeros(40)),
}
config = {
    "patterns": {"kind": "random", "num_neurons": 10}, "models": {"h": {"kind": "hopfield"}},
    "axes": {"num_patterns": [9], "num_flips": [2]}, "seed": 5,
}
(part, _) = Plan(parse_config(config)).parts
at = {"num_patterns": jnp.int32(9), "num_flips": jnp.int32(2), "trial": jnp.int32(0)}
found["planned"] = jax.jit(lambda key: part.sweep.sample.draw(key, at, 16).query)(part.root_key)
own = aj.Sweep(Own(), {"num_patterns": [1], "trial": range(9)})
found["own"] = aj.run_sweeps({"own": own}, part.root_key)["own"].observables["sum"]
np.savez(sys.argv[1], **found)
"""


def test_random_numbers_do_not_depend_on_jax_s_settings(tmp_path):
    settings = {"JAX_THREEFRY_PARTITIONABLE": "0", "JAX_DEFAULT_PRNG_IMPL": "rbg", "JAX_ENABLE_X64": "1"}
    subprocess.run([sys.executable, "-c", DRAW, str(tmp_path / "other.npz")], check=True, env=os.environ | settings)
    here: dict[str, Any] = {}
    exec(DRAW.removesuffix("np.savez(sys.argv[1], **found)\n"), here)
    found = np.load(tmp_path / "other.npz")
    assert set(found.files) == set(here["found"])
    for name, expected in here["found"].items():
        np.testing.assert_array_equal(found[name], expected, name)
        assert np.std(expected) > 0


def test_the_key_of_a_seed_is_that_of_jax_s_default_generator():
    assert (jax.random.key_data(seed_key(7)) == jax.random.key_data(jax.random.key(7))).all()


def test_keys_of_other_generators_are_refused_with_the_remedy():
    key = jax.random.key(0, impl="rbg")
    sample = aj.DecoderTrial(aj.Task(eqx.Partial(aj.random_patterns, num_neurons=9), aj.Flips()))
    axes = {"num_patterns": [3], "num_flips": [1], "trial": range(3)}
    words = r"generator threefry2x32.*jax.random.key\(seed, impl='threefry2x32'\); got one of rbg"
    for draw in (
        lambda: aj.random_patterns(key, num_neurons=9, num_patterns=2),
        lambda: jax.jit(lambda k: aj.random_patterns(k, num_neurons=9, num_patterns=2))(key),
        lambda: aj.run_sweeps({"d": aj.Sweep(sample, axes)}, key),
    ):
        with pytest.raises(aj.InputError, match=words):
            draw()
