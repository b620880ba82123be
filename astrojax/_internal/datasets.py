"""Results as xarray datasets: arrays with named dimensions. xarray is imported when it is used."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np

from .checks import InputError, not_traced, shown

if TYPE_CHECKING:
    import xarray as xr

OWN_DIMS = ("neuron", "pattern", "pair", "time", "eigenvalue")
"""Dimensions of a single result."""

Variables = dict[str, tuple[tuple[str, ...], Any, str]]
"""Variables of a single result by name: dimensions, array (`None` if the result has none) and definition."""


class Labeled(eqx.Module):
    """A result for one state, or for a batch of them."""

    @abstractmethod
    def _variables(self) -> Variables:
        """The variables of its dataset."""

    def to_xarray(self, *, dims: Sequence[str] | None = None) -> "xr.Dataset":
        """The result as an `xarray.Dataset` with dimensions `neuron`, `pattern` or `eigenvalue`, and those of a batch.

        Arguments:
            dims: names of the leading dimensions of a batch; `state` for one, `state_0`, `state_1`, … for more when left out.

        Raises:
            InputError (a ValueError): for names that do not fit, inside `jax.jit`, or without xarray.
        """
        not_traced(f"{type(self).__name__.lower()}.to_xarray", self)
        found = self._variables()
        number = next(np.ndim(array) for own, array, _ in found.values() if not own)
        return dataset(labeled(found, batch_dims(dims, number, "state")), {}, {})


def labeled(variables: Variables, leading: tuple[str, ...] = ()) -> dict[str, tuple[Any, ...]]:
    """Variables as xarray takes them, with the `leading` dimensions of a batch."""
    return {
        name: ((*leading, *dims), np.asarray(array), {"definition": text})
        for name, (dims, array, text) in variables.items()
        if array is not None
    }


def dataset(
    variables: Mapping[str, tuple[Any, ...]], coordinates: Mapping[str, Any], attributes: Mapping[str, Any]
) -> "xr.Dataset":
    """An `xarray.Dataset` of variables and coordinates in xarray's own form."""
    try:
        import xarray as xr
    except ImportError as error:
        raise InputError("to_xarray needs xarray, which is not installed: pip install xarray") from error
    twice = {dim for dims, *_ in variables.values() for dim in dims} & variables.keys()
    if twice:
        raise InputError(f"dims must be names other than those of the variables {', '.join(variables)}; got {sorted(twice)}")
    return xr.Dataset(dict(variables), dict(coordinates), dict(attributes))


def batch_dims(dims: Sequence[str] | None, number: int, default: str) -> tuple[str, ...]:
    """Names of the leading dimensions of a batch: those that are given, or a default, numbered where there are several."""
    if dims is None:
        return (default,) if number == 1 else tuple(f"{default}_{place}" for place in range(number))
    names = tuple(dims) if isinstance(dims, Sequence) and not isinstance(dims, str) else (dims,)
    if len(names) != number or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"dims must name the {number} leading dimensions of the batch; got {shown(dims)}")
    if len({*names, *OWN_DIMS}) != number + len(OWN_DIMS):
        raise InputError(f"dims must be different names other than {', '.join(OWN_DIMS)}; got {shown(dims)}")
    return names


def listed(names: type[IntEnum]) -> str:
    """The members of an enumeration, as the definition of a variable with their values."""
    return ", ".join(f"{member.value} {member.name.lower()}" for member in names)
