"""Searched parameters: invertible transforms to unconstrained numbers, and bounds."""

import math
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._internal.checks import InputError, one_of, shown
from .._internal.parameters import QUANTITIES


class Transform(NamedTuple):
    """Two elementwise functions of an array and of the bounds `low` and `high`, inverse to each other."""

    to_value: Callable[[jax.Array, float, float], jax.Array]
    to_raw: Callable[[jax.Array, float, float], jax.Array]
    positive: bool = False
    bounded: bool = False


TRANSFORMS: dict[str, Transform] = {
    "identity": Transform(lambda raw, low, high: raw, lambda value, low, high: value),
    "log": Transform(lambda raw, low, high: jnp.exp(raw), lambda value, low, high: jnp.log(value), positive=True),
    "softplus": Transform(
        lambda raw, low, high: jax.nn.softplus(raw), lambda value, low, high: value + jnp.log(-jnp.expm1(-value)), positive=True
    ),
    "logit": Transform(
        lambda raw, low, high: low + (high - low) * jax.nn.sigmoid(raw),
        lambda value, low, high: jax.scipy.special.logit((value - low) / (high - low)),
        bounded=True,
    ),
    "log_logit": Transform(
        lambda raw, low, high: low * jnp.exp(math.log(high / low) * jax.nn.sigmoid(raw)),
        lambda value, low, high: jax.scipy.special.logit((jnp.log(value) - math.log(low)) / (math.log(high) - math.log(low))),
        positive=True,
        bounded=True,
    ),
}
"""Transforms by name. `logit` and `log_logit` keep values inside their bounds, on a linear or a logarithmic scale; with the
others a step that leaves the bounds ends on them."""

LARGEST_RAW = 15.0  # of a bounded transform: beyond it the slope is lost in single precision


class Parameter(eqx.Module):
    """How a parameter is searched.

    Arguments:
        transform: a name from `TRANSFORMS`, whose unconstrained numbers are searched.
        low, high: bounds of the values.

    Raises `InputError` for an unknown transform, and for bounds that are out of order, infinite, or not positive as it needs.
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
        slope: jax.Array = jax.jvp(self.to_value, (raw,), (jnp.ones_like(raw),))[1]
        return slope

    def projected(self, raw: jax.Array) -> jax.Array:
        """The nearest numbers whose values are within the bounds."""
        return jnp.clip(raw, *self._raw_bounds(raw))

    def is_inside(self, raw: jax.Array) -> jax.Array:
        """Whether numbers can be moved either way."""
        low, high = self._raw_bounds(raw)
        return (raw > low) & (raw < high)

    def spread(self, fractions: np.ndarray) -> np.ndarray:
        """Values at fractions, within [0, 1], of the interval between the bounds; on a logarithmic scale if the transform needs
        positive values."""
        if TRANSFORMS[self.transform].positive:
            return np.clip(self.low * (self.high / self.low) ** fractions, self.low, self.high)
        return self.low + (self.high - self.low) * fractions

    def check(self, name: str, values: jax.typing.ArrayLike) -> None:
        """Raise `InputError` for values outside the bounds, or on a bound that the transform never reaches."""
        given, bounded = np.asarray(values), TRANSFORMS[self.transform].bounded
        if np.any(~((given >= self.low) & (given <= self.high)) | (bounded & ((given == self.low) | (given == self.high)))):
            never = f", which the transform {self.transform} never reaches" if bounded else ""
            got = shown(given.tolist())
            raise InputError(f"{name} must lie between {self.low:g} and {self.high:g}{never}; got {got}")

    def _raw_bounds(self, raw: jax.Array) -> tuple[jax.Array, jax.Array]:
        if TRANSFORMS[self.transform].bounded:
            return jnp.asarray(-LARGEST_RAW, raw.dtype), jnp.asarray(LARGEST_RAW, raw.dtype)
        return self.to_raw(jnp.asarray(self.low, raw.dtype)), self.to_raw(jnp.asarray(self.high, raw.dtype))


PARAMETERS: dict[str, Parameter] = {name: Parameter(q.transform, q.low, q.high) for name, q in QUANTITIES.items()}
"""How parameters are searched by default."""
