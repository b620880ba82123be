"""Axes of a sweep and the coordinates of every lane in their cartesian product."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .._checks import InputError

Axes = Mapping[str, Sequence[float | int]]
"""Values along each axis, by name, in the order of the result's dimensions."""


class Lanes(NamedTuple):
    """All points of a cartesian product: one flat array of coordinates per axis, the last axis running fastest."""

    shape: tuple[int, ...]
    coordinates: dict[str, np.ndarray]


def product(axes: Axes) -> Lanes:
    """The cartesian product of `axes`. Raises `InputError` (a ValueError) for an axis without values."""
    for name, values in axes.items():
        if len(values) == 0:
            raise InputError(f"axis {name} must have at least one value; got none")
    arrays = {name: _values(values) for name, values in axes.items()}
    grids = np.meshgrid(*arrays.values(), indexing="ij")
    return Lanes(grids[0].shape if grids else (), {name: grid.ravel() for name, grid in zip(arrays, grids, strict=True)})


def _values(values: Sequence[float | int]) -> np.ndarray:
    array = np.asarray(values)
    return array.astype(np.int32 if array.dtype.kind in "iu" else np.float64)
