"""Workloads that several benchmarks share. Imports the JAX stack alone, so that they run where nothing else is installed."""

from typing import Any

import equinox as eqx

import astrojax as aj

TOLERANCE = 0.03
"""Of adaptive steps where only the outcome matters."""

HORIZON = 10.0

MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "astrocyte": (aj.AstrocyteMemory, {"temperature": 0.01, "tau_x": 1.0, "tau_p": 1.0, "slope": 5.0}),
    "Hopfield": (aj.HopfieldMemory, {"tau_x": 1.0, "slope": 5.0}),
    "neuron-astrocyte": (aj.NeuronAstrocyteMemory, {"tau_x": 1.0, "tau_s": 1.0, "tau_a": 1.0, "slope": 5.0}),
}


def recall_trial(model: str = "astrocyte", num_neurons: int = 20, **settings: Any) -> aj.RecallTrial:
    """One recall at the paper's defaults, of random patterns and flipped queries."""
    build, parameters = MODELS[model]
    chosen = {"t1": HORIZON} | settings
    task = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=num_neurons), aj.Flips())
    return aj.RecallTrial(task, eqx.Partial(build), parameters, **chosen)


def fig4_axes(trials: int = 50) -> dict[str, Any]:
    """Fig. 4's grid."""
    return {"num_patterns": range(2, 201), "num_flips": range(11), "trial": range(trials)}
