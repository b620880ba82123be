"""Equilibria, spectra and identities, alone or in batches, as xarray datasets."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._checks import not_traced
from ..labelled import batch_dims, dataset

if TYPE_CHECKING:
    import xarray as xr

Row = tuple[str, tuple[str, ...], Any, str]
"""A variable of a single result: its name, dimensions, array (`None` if the result has none) and definition."""


def labelled(function: str, result: Any, rows: Sequence[Row], dims: Sequence[str] | None, number: int) -> "xr.Dataset":
    """A result, or a batch of them with so many leading dimensions, as a dataset of its rows."""
    not_traced(function, result)
    return dataset(variables(rows, batch_dims(dims, number, "state")), {}, {})


def variables(rows: Sequence[Row], each: tuple[str, ...]) -> dict[str, tuple[Any, ...]]:
    """Variables as xarray takes them, behind the dimensions of a batch."""
    return {name: variable((*each, *dims), array, text) for name, dims, array, text in rows if array is not None}


def variable(dims: tuple[str, ...], array: Any, text: str) -> tuple[Any, ...]:
    return dims, np.asarray(array), {"definition": text}
