"""Array types shared by the whole package. jaxtyping checks their dimension names together within a call in the tests."""

from collections.abc import Sequence
from typing import Annotated

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, Num

from .parameters import LARGEST, Range

Patterns = Float[Array, "neurons patterns"]
"""Patterns as columns, shape (num_neurons, num_patterns)."""

Neurons = Float[Array, " neurons"]

PerPattern = Float[Array, " patterns"]

Stored = Bool[Array, " patterns"]
"""True where a column of a padded pattern array is really stored."""

PerPair = Float[Array, " pairs"]
"""One value per unordered pair of neurons, a neuron with itself included: the upper triangle of a matrix, row by row."""

Couplings = Float[Array, "neurons neurons"]

Scalar = Float[Array, ""]
ScalarOrNeurons = Float[Array, ""] | Float[Array, " neurons"]
BoolScalar = Bool[Array, ""]
IntScalar = Int[Array, ""]

ScalarLike = float | int | np.number | Num[Array, ""] | Num[np.ndarray, ""]

PositiveLike = Annotated[ScalarLike, Range(gt=0)]

PER_NEURON = "one number per neuron"
PerNeuronLike = Annotated[ScalarLike | Float[Array, " neurons"] | Float[np.ndarray, " neurons"], Range(gt=0), PER_NEURON]
"""One number for all neurons, or one for each."""

PER_PATTERN = "one number per pattern"
PerPatternLike = Annotated[jax.typing.ArrayLike, PER_PATTERN]

Count = Annotated[int, Range(ge=1, le=LARGEST)]

MaskLike = jax.typing.ArrayLike | Sequence[bool]

RandomKey = Key[Array, ""]
