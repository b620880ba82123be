"""Losses: differentiable measures of how far a recalled state is from the target, one number each.

The Hamming error counts signs and has no gradient, so it is reported and never optimized. docs/guides/tuning.md compares these.
"""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .._internal.checks import InputError, concrete, real, real_number, shown
from .._internal.registry import SIGNS, find, kind_of, suits
from .._internal.types import Neurons, Scalar, ScalarLike
from ..models.base import AbstractMemory
from ..problems.observables import soft_hamming_error

SILENT = 1e-6  # root mean square of x below which a state has no direction


def direction_loss(memory: AbstractMemory, target: Neurons, state: Any) -> Scalar:
    """(1 − cos(ξ, x))/2, in [0, 1]: the share of wrong neurons, where all |x| are equal and ξ is of ±1.

    Only the direction of x counts. So the loss is bounded, yet does not saturate with |x|, which reaches K.
    """
    scale = jnp.sqrt(jnp.mean(state.x**2) + SILENT**2)
    unit = jnp.where(jnp.all(jnp.abs(target) == 1), target, target / jnp.sqrt(jnp.mean(target**2) + SILENT**2))
    return (1 - jnp.mean(unit * state.x) / scale) / 2


def squared_loss(memory: AbstractMemory, target: Neurons, state: Any) -> Scalar:
    """Mean of (φ(x) − ξ)²: the squared error of the firing rates, for patterns of any numbers."""
    return jnp.mean((memory.readout(state) - target) ** 2)


@suits(SIGNS)
def softsign_loss(memory: AbstractMemory, target: Neurons, state: Any) -> Scalar:
    """Mean of (1 − ξx/(1 + |x|))/2, in [0, 1]: bounded, with a gradient that falls as 1/x² instead of exponentially."""
    return jnp.mean(1 - target * state.x / (1 + jnp.abs(state.x))) / 2


@suits(SIGNS)
def logistic_loss(memory: AbstractMemory, target: Neurons, state: Any) -> Scalar:
    """Mean of log(1 + exp(−ξx)): grows as |x| where the sign is wrong, so the strength of a wrong recall counts."""
    return jnp.mean(jax.nn.softplus(-target * state.x))


@suits(SIGNS)
def soft_hamming_loss(memory: AbstractMemory, target: Neurons, state: Any) -> Scalar:
    """Soft Hamming error per neuron, in [0, 1]. It has no gradient once firing rates saturate: for comparison."""
    return soft_hamming_error(target, memory.readout(state)) / target.shape[0]


def gain_loss(memory: AbstractMemory, target: Neurons, state: Any) -> Scalar:
    """−log p of the target, the first pattern: the cross-entropy of the gains. It does not see the neurons.

    Infinite, without a gradient, where that gain is exactly 0, as gain maps other than softmax allow.
    """
    log_gains = memory.log_gains(state)
    if log_gains is None:
        raise InputError(f"loss gain needs a memory with gains; {type(memory).__name__} has none")
    return -log_gains[0]


class Loss(eqx.Module):
    """A weighted sum of losses.

    Arguments:
        weights: the weight of each loss. A loss is a name of the package's or of a plugin's, or a function of your own,
            `function(memory, target, state)`, which returns one real number and can be differentiated: `target` is the target
            pattern, shape (N,), and `state` the recalled state. Its name is that of the function, without `_loss`.

    Raises `InputError` for an unknown name or two of the same, for weights that are negative or not finite, and for none; and
    when it is called, for a loss that does not return one real number.
    """

    weights: dict[str, ScalarLike]
    functions: dict[str, Callable[..., Any]]

    def __init__(self, weights: Mapping[str | Callable[..., Any], ScalarLike]) -> None:
        if not weights:
            raise InputError("loss must have at least one term; got none")
        self.weights, self.functions = {}, {}
        for item, weight in weights.items():
            if not isinstance(item, str) and not callable(item):
                raise InputError(f"a loss must be a name or a function of memory, target and state; got {shown(item)}")
            function = find("loss", item) if isinstance(item, str) else item
            name = item if isinstance(item, str) else kind_of(item if hasattr(item, "__name__") else type(item), "_loss")
            if name in self.weights:
                raise InputError(f"losses must have different names; got {name!r} twice")
            value = real(f"the weight of loss {name}", weight)
            if value.shape != () or concrete((value >= 0) & jnp.isfinite(value)) is False:
                raise InputError(f"the weight of loss {name} must be a finite number of at least 0; got {weight}")
            self.weights[name], self.functions[name] = weight, function

    def __call__(self, memory: AbstractMemory, target: Neurons, state: Any) -> Scalar:
        weights = {name: jnp.asarray(weight, target.dtype) for name, weight in self.weights.items()}
        values = {name: function(memory, target, state) for name, function in self.functions.items()}
        terms = [weight * real_number(f"loss {name}", values[name], target.dtype) for name, weight in weights.items()]
        return sum(terms[1:], terms[0])
