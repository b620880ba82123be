"""Parameters of a search: invertible transforms to unconstrained numbers, and bounds."""

import math
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._internal.checks import InputError, one_of
from .._internal.parameters import QUANTITIES


class Transform(NamedTuple):
    """A pair of elementwise functions of an array and of the bounds `low` and `high`, each other's inverse.

    Arguments:
        to_value: the value of an unconstrained number. to_raw: the number of a value within the bounds.
        positive: whether values must be positive. bounded: whether every number's value lies within the bounds.
    """

    to_value: Callable[[jax.Array, float, float], jax.Array]
    to_raw: Callable[[jax.Array, float, float], jax.Array]
    positive: bool
    bounded: bool


def _share_of_logs(value: jax.Array, low: float, high: float) -> jax.Array:
    return (jnp.log(value) - math.log(low)) / (math.log(high) - math.log(low))


TRANSFORMS: dict[str, Transform] = {
    "identity": Transform(lambda raw, low, high: raw, lambda value, low, high: value, positive=False, bounded=False),
    "log": Transform(
        lambda raw, low, high: jnp.exp(raw), lambda value, low, high: jnp.log(value), positive=True, bounded=False
    ),
    "softplus": Transform(
        lambda raw, low, high: jax.nn.softplus(raw),
        lambda value, low, high: value + jnp.log(-jnp.expm1(-value)),
        positive=True,
        bounded=False,
    ),
    "logit": Transform(
        lambda raw, low, high: low + (high - low) * jax.nn.sigmoid(raw),
        lambda value, low, high: jax.scipy.special.logit((value - low) / (high - low)),
        positive=False,
        bounded=True,
    ),
    "log_logit": Transform(
        lambda raw, low, high: low * jnp.exp(math.log(high / low) * jax.nn.sigmoid(raw)),
        lambda value, low, high: jax.scipy.special.logit(_share_of_logs(value, low, high)),
        positive=True,
        bounded=True,
    ),
}
"""Transforms by name. `logit` and `log_logit` keep values inside their bounds, on a linear or a logarithmic scale; with the
others a step that leaves the bounds ends on them."""


MOST = 15.0
"""Largest number of a transform that approaches its bounds: beyond it the slope is lost in single precision."""


class Parameter(eqx.Module):
    """How a parameter is searched.

    Arguments:
        transform: a name from `TRANSFORMS`: the search moves along its unconstrained numbers.
        low, high: bounds of the values.

    Raises:
        InputError (a ValueError): for an unknown transform, and for bounds that are out of order, not finite, or not positive
            where the transform needs that.
    """

    transform: str = eqx.field(static=True, default="log")
    low: float = eqx.field(static=True, default=1e-3)
    high: float = eqx.field(static=True, default=1e3)

    def __check_init__(self) -> None:
        one_of("transform", self.transform, TRANSFORMS)
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InputError(f"bounds must be finite, the lower one first; got low {self.low} and high {self.high}")
        if TRANSFORMS[self.transform].positive and self.low <= 0:
            raise InputError(f"the transform {self.transform} needs a positive lower bound; got low {self.low}")

    def to_value(self, raw: jax.Array) -> jax.Array:
        """Values of unconstrained numbers, of any shape."""
        return TRANSFORMS[self.transform].to_value(raw, self.low, self.high)

    def to_raw(self, value: jax.Array) -> jax.Array:
        """Unconstrained numbers of values within the bounds, of any shape."""
        return TRANSFORMS[self.transform].to_raw(value, self.low, self.high)

    def slope(self, raw: jax.Array) -> jax.Array:
        """Derivative of each value with respect to its number."""
        return jax.jvp(self.to_value, (raw,), (jnp.ones_like(raw),))[1]

    def projected(self, raw: jax.Array) -> jax.Array:
        """The nearest numbers whose values are within the bounds."""
        return jnp.clip(raw, *self._ends(raw))

    def is_inside(self, raw: jax.Array) -> jax.Array:
        """Whether numbers can be moved either way."""
        low, high = self._ends(raw)
        return (raw > low) & (raw < high)

    @property
    def approaches_bounds(self) -> bool:
        """Whether the transform comes near the bounds and never reaches them."""
        return TRANSFORMS[self.transform].bounded

    def _ends(self, raw: jax.Array) -> tuple[jax.Array, jax.Array]:
        if self.approaches_bounds:
            return jnp.asarray(-MOST, raw.dtype), jnp.asarray(MOST, raw.dtype)
        low, high = (self.to_raw(jnp.asarray(bound, raw.dtype)) for bound in (self.low, self.high))
        return low, high

    def spread(self, shares: np.ndarray) -> np.ndarray:
        """Values at shares, within [0, 1], of the way from the lower to the upper bound: on a logarithmic scale, if values are
        positive by their transform."""
        if TRANSFORMS[self.transform].positive:
            return np.clip(self.low * (self.high / self.low) ** shares, self.low, self.high)
        return self.low + (self.high - self.low) * shares


PARAMETERS: dict[str, Parameter] = {name: Parameter(q.transform, q.low, q.high) for name, q in QUANTITIES.items()}
"""How parameters are searched unless something else is said."""
