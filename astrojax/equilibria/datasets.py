"""Equilibria, spectra and identities, alone or in batches, as xarray datasets."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np

from .._internal.checks import not_traced
from .._internal.datasets import batch_dims, dataset

if TYPE_CHECKING:
    import xarray as xr

Row = tuple[str, tuple[str, ...], Any, str]
"""A variable of a single result: its name, dimensions, array (`None` if the result has none) and definition."""


class Labelled(eqx.Module):
    """A result of one state, or a batch of them."""

    @abstractmethod
    def _rows(self) -> list[Row]:
        """The variables of a dataset of it."""

    def to_xarray(self, *, dims: Sequence[str] | None = None) -> "xr.Dataset":
        """The result as an `xarray.Dataset` with dimensions `neuron`, `pattern` or `eigenvalue`, and those of a batch.

        Arguments:
            dims: names of the leading dimensions of a batch; `state` for one, `state_0`, `state_1`, … for more when left out.

        Raises:
            InputError (a ValueError): for names that do not fit, inside `jax.jit`, or without xarray.
        """
        not_traced(f"{type(self).__name__.lower()}.to_xarray", self)
        rows = self._rows()
        number = next(np.ndim(array) for _, own, array, _ in rows if not own)
        return dataset(variables(rows, batch_dims(dims, number, "state")), {}, {})


def variables(rows: Sequence[Row], each: tuple[str, ...]) -> dict[str, tuple[Any, ...]]:
    """Variables as xarray takes them, behind the dimensions of a batch."""
    return {name: variable((*each, *dims), array, text) for name, dims, array, text in rows if array is not None}


def variable(dims: tuple[str, ...], array: Any, text: str) -> tuple[Any, ...]:
    return dims, np.asarray(array), {"definition": text}
