"""Losses: differentiable measures of how far a recalled state is from the target, one number each.

The Hamming error counts signs and has no gradient, so it is reported and never optimized. docs/guides/tuning.md compares these.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .._internal.checks import InputError, concrete, one_of, real
from .._internal.types import Neurons, Scalar, ScalarLike
from ..models.base import AbstractMemory
from ..problems.observables import soft_hamming_error

SILENT = 1e-6  # root mean square of x below which a state has no direction


def direction_loss(memory: AbstractMemory, target: Neurons, state: Any) -> Scalar:
    """(1 − cos(ξ, x))/2, in [0, 1]: the share of wrong neurons, where all |x| are equal.

    Only the direction of x counts. So the loss is bounded, yet does not saturate with |x|, which reaches K.
    """
    scale = jnp.sqrt(jnp.mean(state.x**2) + SILENT**2)
    return (1 - jnp.mean(target * state.x) / scale) / 2


def softsign_loss(memory: AbstractMemory, target: Neurons, state: Any) -> Scalar:
    """Mean of (1 − ξx/(1 + |x|))/2, in [0, 1]: bounded, with a gradient that falls as 1/x² instead of exponentially."""
    return jnp.mean(1 - target * state.x / (1 + jnp.abs(state.x))) / 2


def logistic_loss(memory: AbstractMemory, target: Neurons, state: Any) -> Scalar:
    """Mean of log(1 + exp(−ξx)): grows as |x| where the sign is wrong, so the strength of a wrong recall counts."""
    return jnp.mean(jax.nn.softplus(-target * state.x))


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


LOSSES: dict[str, Callable[[AbstractMemory, Neurons, Any], Scalar]] = {
    loss.__name__.removesuffix("_loss"): loss
    for loss in (direction_loss, softsign_loss, logistic_loss, soft_hamming_loss, gain_loss)
}
"""Losses by name, as functions of the memory, the target pattern, shape (N,), and the recalled state."""


class Loss(eqx.Module):
    """A weighted sum of losses.

    Arguments:
        weights: the weight of each, by name from `LOSSES`.

    Raises `InputError` for an unknown name, for weights that are negative or not finite, and for none.
    """

    weights: dict[str, ScalarLike]

    def __check_init__(self) -> None:
        if not self.weights:
            raise InputError("loss must have at least one term; got none")
        for name, weight in self.weights.items():
            one_of("loss", name, LOSSES)
            value = real(f"the weight of loss {name}", weight)
            if value.shape != () or concrete((value >= 0) & jnp.isfinite(value)) is False:
                raise InputError(f"the weight of loss {name} must be a finite number of at least 0; got {weight}")

    def __call__(self, memory: AbstractMemory, target: Neurons, state: Any) -> Scalar:
        weights = {name: jnp.asarray(weight, target.dtype) for name, weight in self.weights.items()}
        terms = [weight * LOSSES[name](memory, target, state) for name, weight in weights.items()]
        return sum(terms[1:], terms[0])
