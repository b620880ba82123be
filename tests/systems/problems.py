"""Random problems and the models to pose them to, one entry per model, score and gain regime."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import astrojax as aj

SCORES = {"power6": aj.PowerScore(6)}
FAMILY = {
    f"{score}-{regime}": functools.partial(aj.AstrocyteMemory, score=SCORES.get(score, score), gain_regime=regime)
    for score in ("squared", "linear", "power", "power6")
    for regime in ("dynamic", "adiabatic", "frozen")
}
MODELS = FAMILY | {
    "hopfield": aj.HopfieldMemory,
    "hopfield-zero-diagonal": functools.partial(aj.HopfieldMemory, zero_diagonal=True),
    "dense-3": functools.partial(aj.DenseMemory, order=3),
    "dense-4": aj.DenseMemory,
    "modern-hopfield": aj.ModernHopfieldMemory,
    "neuron-astrocyte": aj.NeuronAstrocyteMemory,
}
KINDS = ["squared-dynamic", "squared-adiabatic", "squared-frozen", "linear-dynamic", "power-dynamic", "power6-adiabatic"]
KINDS += ["hopfield-zero-diagonal", "dense-3", "dense-4", "neuron-astrocyte"]
"""Kinds of memory, with every score and gain regime once: for what costs more than a formula."""

PARAMETERS = {
    **dict.fromkeys(FAMILY, ("temperature", "tau_x", "tau_p", "slope")),
    **dict.fromkeys(("hopfield", "hopfield-zero-diagonal", "dense-3", "dense-4"), ("tau_x", "slope")),
    "modern-hopfield": ("temperature", "tau_x", "slope"),
    "neuron-astrocyte": ("tau_x", "tau_s", "tau_a", "slope"),
}


class Problems(NamedTuple):
    """A batch of problems of one shape, as NumPy arrays with a leading axis."""

    patterns: np.ndarray
    stored: np.ndarray
    query: np.ndarray
    parameters: dict[str, np.ndarray]


def draw(name: str, seed: int, number: int, num_neurons: int, capacity: int) -> Problems:
    """Problems with loads from 1 to `capacity`, half of them random and half correlated, and parameters drawn widely."""
    rng = np.random.default_rng(seed)
    patterns = rng.choice([-1.0, 1.0], (number, num_neurons, capacity))
    prototype = patterns[:, :, :1]
    copies = prototype * np.where(rng.random(patterns.shape) < 0.85, 1.0, -1.0)
    patterns = np.where((np.arange(number) % 2 == 0)[:, None, None], patterns, copies)
    loads = rng.integers(1, capacity + 1, number)
    flips = np.where(rng.random((number, num_neurons)) < 0.2, -1.0, 1.0)
    ranges = {"temperature": (0.01, 10.0), "slope": (0.5, 8.0)}
    parameters = {}
    for parameter in PARAMETERS[name]:
        low, high = ranges.get(parameter, (0.1, 10.0))
        parameters[parameter] = np.exp(rng.uniform(np.log(low), np.log(high), number))
    # Not quite ±1: in small problems binary queries are often exact ties between patterns, which rounding then decides.
    query = patterns[:, :, 0] * flips + rng.normal(0, 0.2, flips.shape)
    return Problems(patterns, np.arange(capacity) < loads[:, None], query, parameters)


def batched(name: str, function):
    """`jit(vmap(...))` of a function of a memory and a query, as a function of `Problems`."""

    @jax.jit
    @jax.vmap
    def run(patterns, stored, query, parameters):
        return function(MODELS[name](patterns, stored=stored, **parameters), query)

    def call(problems: Problems, dtype=jnp.float64):
        patterns, query = (jnp.asarray(array, dtype) for array in (problems.patterns, problems.query))
        parameters = {key: jnp.asarray(value, dtype) for key, value in problems.parameters.items()}
        return run(patterns, jnp.asarray(problems.stored), query, parameters)

    return call
