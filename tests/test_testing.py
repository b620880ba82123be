"""The checks of a memory pass for all memories of the package, and say what is wrong with broken ones."""

import re

import jax
import jax.numpy as jnp
import pytest

import astrojax as aj

from .systems.problems import KINDS, MODELS

QUICK = ("squared-dynamic", "hopfield-zero-diagonal")
"""With astrocytes, and neurons alone; what is checked of all others, other tests check of them too."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in KINDS])
def test_memories_of_the_package_pass(name):
    aj.testing.check_memory(MODELS[name])


class Wrong(aj.HopfieldMemory):
    """A Hopfield network in which something is not as it should be."""

    def __init__(self, patterns, *, tau_x=1.0, slope=2.0, stored=None):
        super().__init__(patterns, tau_x=tau_x, slope=slope, stored=stored)


class WrongEnergyRelaxationAndGradient(Wrong):
    def energy(self, state):
        return -super().energy(state)

    def rates(self):
        return (3 / self.tau_x,)

    def readout(self, state):
        return jnp.tanh(jax.lax.stop_gradient(self.slope) * state.x)


class WrongRateAndPadding(Wrong):
    def vector_field(self, state):
        field = super().vector_field(state)
        return aj.NeuronState(field.x / self.patterns.shape[1])

    def energy_rate(self, state):
        return 2 * super().energy_rate(state)


class WrongShape(Wrong):
    def vector_field(self, state):
        return super().vector_field(state).x


@pytest.mark.parametrize(
    ("build", "messages"),
    [
        (
            WrongEnergyRelaxationAndGradient,
            [
                r"energy rises by \S+ of its range along the trajectory from a query with 0 flips, at t = .*belong",
                r"relaxes at the rate 1, not at that of `rates`, 3",
                "with respect to log slope is 0; finite differences give",
            ],
        ),
        (
            WrongRateAndPadding,
            [
                "energy_rate is .* where the energy changes at the rate",
                "padded columns, which `stored` excludes, change the recalled x",
            ],
        ),
        (WrongShape, ["vector_field must return a state such as initial_state does"]),
    ],
)
def test_broken_memories_are_told_all_that_is_wrong(build, messages):
    with pytest.raises(aj.testing.CheckError) as found:
        aj.testing.check_memory(build)
    for message in messages:
        assert re.search(message, str(found.value))


def test_only_what_makes_a_memory_is_checked():
    memory = aj.HopfieldMemory(jnp.ones((8, 2)))
    with pytest.raises(aj.InputError, match="such as the class of a memory; got HopfieldMemory"):
        aj.testing.check_memory(memory)
    with pytest.raises(aj.InputError, match="build must make a memory, a subclass of AbstractMemory; got"):
        aj.testing.check_memory(lambda patterns: patterns)
