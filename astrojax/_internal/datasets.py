"""Results as xarray datasets: arrays with named dimensions. xarray is imported when it is used."""

import dataclasses
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np

from .checks import InputError, needing, not_traced, shown

if TYPE_CHECKING:
    import xarray as xr

OWN_DIMS = ("neuron", "pattern", "pair", "time", "eigenvalue")
"""Dimensions of a single result."""


def labeled(definition: str, *dims: str, name: str = "", units: str = "1") -> Any:
    """A field of a result or a state, with what its dataset says of it; `name` where it is not that of the field."""
    return eqx.field(metadata={"variable": (name, dims, {"units": units, "definition": definition})})


class Labeled(eqx.Module):
    """A result whose fields say how they stand in a dataset, for one state or for a batch of them."""

    def to_xarray(self, *, dims: Sequence[str] | None = None) -> "xr.Dataset":
        """The result as an `xarray.Dataset` with dimensions `neuron`, `pattern` or `eigenvalue`, and those of a batch.

        Arguments:
            dims: names of the leading dimensions of a batch; `state` for one, `state_0`, `state_1`, … for more if omitted.

        Raises `InputError` for names that do not fit, or inside `jax.jit`.
        """
        not_traced(f"{type(self).__name__.lower()}.to_xarray", self)
        number = max(array.ndim - len(own) for own, array, _ in variables(self).values())
        return dataset(variables(self, batch_dims(dims, number, "state")))


def variables(result: Any, leading: tuple[str, ...] = (), suffix: str = "") -> dict[str, tuple[Any, ...]]:
    """The arrays of a result and of its state as xarray takes them, with the `leading` dimensions of a batch."""
    found: dict[str, tuple[Any, ...]] = {}
    for part in dataclasses.fields(result):
        value = getattr(result, part.name)
        if part.name == "state":
            found |= variables(value, leading)
        elif eqx.is_array_like(value):
            array = np.asarray(value)
            unlabeled: Any = ("", [f"{part.name}_{place}" for place in range(array.ndim - len(leading))], {})
            name, dims, attributes = part.metadata.get("variable", unlabeled)
            found[(name or part.name) + suffix] = ((*leading, *dims), array, attributes)
    return found


def dataset(
    variables: Mapping[str, tuple[Any, ...]], coordinates: Mapping[str, Any] | None = None, **attributes: Any
) -> "xr.Dataset":
    """An `xarray.Dataset`; `InputError` where a dimension has the name of a variable."""
    with needing("to_xarray needs xarray", "xarray"):
        import xarray as xr
    twice = {dim for dims, *_ in variables.values() for dim in dims} & variables.keys()
    if twice:
        raise InputError(f"dims must be names other than those of the variables {', '.join(variables)}; got {sorted(twice)}")
    return xr.Dataset(variables, coordinates, attributes)


def batch_dims(dims: Sequence[str] | None, number: int, default: str) -> tuple[str, ...]:
    """Names of the leading dimensions of a batch: those that are given, or a default, numbered where there are several."""
    if dims is None:
        return (default,) if number == 1 else tuple(f"{default}_{place}" for place in range(number))
    names = tuple(dims) if isinstance(dims, Sequence) and not isinstance(dims, str) else (dims,)
    are_names = len(names) == number and all(isinstance(name, str) and name for name in names)
    if not are_names or len({*names, *OWN_DIMS}) != number + len(OWN_DIMS):
        text = f"dims must name the {number} leading dimensions of the batch, differently and not {', '.join(OWN_DIMS)}"
        raise InputError(f"{text}; got {shown(dims)}")
    return names


def listed(names: type[IntEnum]) -> str:
    """The members of an enumeration, as the definition of a variable with their values."""
    return ", ".join(f"{member.value} {member.name.lower()}" for member in names)
