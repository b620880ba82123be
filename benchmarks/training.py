"""A training step through `retrieve`: the layer of docs/guides/equinox.md at several solvers, tolerances and adjoints.

A batch of 64; times of the loss alone and of the loss with its gradient, relative to the loss at `retrieve`'s defaults, and the
error of the gradient, relative to that at tolerances of 1e-9 in double precision. Prints the table of the guide.
"""

import argparse
from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from harness import Contender, described, machine, race, table, times_slower

import astrojax as aj

CHECKPOINTED = diffrax.RecursiveCheckpointAdjoint()
SETTINGS: dict[str, dict[str, Any]] = {
    "the defaults": {},
    "`adjoint=RecursiveCheckpointAdjoint()`": {"adjoint": CHECKPOINTED},
    '… and `solver="etd3"`': {"adjoint": CHECKPOINTED, "solver": "etd3"},
    '… and `solver="tsit5"`, `rtol=1e-3`, `atol=1e-3`': {
        "adjoint": CHECKPOINTED, "solver": "tsit5", "rtol": 1e-3, "atol": 1e-3
    },
    '`solver="adams"`': {"solver": "adams"},
    '`solver="adams"`, `num_steps=10`': {"solver": "adams", "num_steps": 10},
}  # fmt: skip
NUM_INPUTS, NUM_NEURONS, NUM_PATTERNS, NUM_CLASSES, BATCH = 10, 16, 8, 4, 64


def parameters() -> dict[str, np.ndarray]:
    """Encoder, patterns, temperature and decoder, before training."""
    rng = np.random.default_rng(0)
    return {
        "encoder": rng.normal(size=(NUM_NEURONS, NUM_INPUTS)) / NUM_INPUTS**0.5,
        "patterns": np.array(aj.random_patterns(jax.random.key(1), num_neurons=NUM_NEURONS, num_patterns=NUM_PATTERNS)),
        "log_temperature": np.zeros(()),
        "decoder": rng.normal(size=(NUM_CLASSES, NUM_NEURONS)) / NUM_NEURONS**0.5,
    }


def loss_of(settings: dict[str, Any]) -> Callable[[Any, Any, Any], Any]:
    """The loss of parameters, inputs and labels, retrieving with these settings."""

    def logits(values: Any, measurement: Any) -> Any:
        temperature = jnp.exp(values["log_temperature"])
        memory = aj.AstrocyteMemory(
            values["patterns"], score="linear", temperature=temperature, slope=1.0, gain_regime="adiabatic"
        )
        recall = aj.retrieve(memory, values["encoder"] @ measurement, t1=1.0, **settings)
        return values["decoder"] @ memory.readout(recall.state)

    def loss(values: Any, inputs: Any, labels: Any) -> Any:
        found = jax.vmap(logits, (None, 0))(values, inputs)
        return optax.softmax_cross_entropy_with_integer_labels(found, labels).mean()

    return loss


def problem(dtype: Any) -> tuple[Any, Any, Any]:
    """Parameters, inputs and labels."""
    rng = np.random.default_rng(1)
    labels = rng.integers(NUM_CLASSES, size=BATCH)
    inputs = rng.normal(size=(NUM_CLASSES, NUM_INPUTS))[labels] + 0.5 * rng.normal(size=(BATCH, NUM_INPUTS))
    return jax.tree.map(lambda value: jnp.asarray(value, dtype), parameters()), jnp.asarray(inputs, dtype), labels


def contender(name: str, function: Callable[..., Any]) -> Contender:
    """A function of the problem, compiled."""
    arguments = problem(jnp.float32)
    compiled = eqx.filter_jit(function)
    return Contender(name, lambda: lambda: compiled(*arguments), BATCH)


def flat(gradient: Any) -> np.ndarray:
    """All entries of a gradient."""
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(gradient)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with jax.enable_x64(True):
        tight = loss_of({"solver": "dopri8", "rtol": 1e-9, "atol": 1e-9, "adjoint": CHECKPOINTED})
        exact = flat(jax.jit(jax.grad(tight))(*problem(jnp.float64)))
    contenders = []
    for name, settings in SETTINGS.items():
        contenders += [
            contender(name, loss_of(settings)),
            contender(f"{name}, gradient", jax.value_and_grad(loss_of(settings))),
        ]
    raced = race(contenders, options.rounds)
    reference = raced[next(iter(SETTINGS))]
    rows = []
    for name in SETTINGS:
        gradient = raced[f"{name}, gradient"]
        error = np.linalg.norm(flat(gradient.result[1]) - exact) / np.linalg.norm(exact)
        rows.append(
            {
                "settings": name,
                "loss": f"{times_slower(raced[name], reference)[0]:.2g}",
                "with its gradient": f"{times_slower(gradient, reference)[0]:.2g}",
                "error of the gradient": f"{error:.0e}",
            }
        )
    print(table(rows))
    print(f"1 is {reference.microseconds * BATCH / 1000:.2g} ms. {described(machine())}")


if __name__ == "__main__":
    main()
