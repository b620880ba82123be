"""Arrays with named dimensions: results as xarray datasets. Plain arrays come in; xarray is imported when it is used."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from .checks import InputError, shown

if TYPE_CHECKING:
    import xarray as xr

OWN_DIMS = ("neuron", "pattern", "pair", "time", "eigenvalue")
"""Dimensions of a single result."""


def dataset(
    variables: Mapping[str, tuple[Any, ...]], coordinates: Mapping[str, Any], attributes: Mapping[str, Any]
) -> "xr.Dataset":
    """An `xarray.Dataset`: variables and coordinates as `xarray.Dataset` takes them.

    Raises:
        InputError (a ValueError): if xarray is not installed, or where a dimension has the name of a variable.
    """
    try:
        import xarray as xr
    except ImportError as error:
        raise InputError("to_xarray needs xarray, which is not installed: pip install xarray") from error
    twice = {dim for dims, *_ in variables.values() for dim in dims} & variables.keys()
    if twice:
        raise InputError(f"dims must be names other than those of the variables {', '.join(variables)}; got {sorted(twice)}")
    return xr.Dataset(dict(variables), dict(coordinates), dict(attributes))


def batch_dims(dims: Sequence[str] | None, number: int, default: str) -> tuple[str, ...]:
    """Names of the leading dimensions of a batch: those that are given, or a default, numbered where there are several.

    Raises:
        InputError (a ValueError): for another number of names, or for one that is used twice or by a single result.
    """
    if dims is None:
        return (default,) if number == 1 else tuple(f"{default}_{place}" for place in range(number))
    names = tuple(dims) if isinstance(dims, Sequence) and not isinstance(dims, str) else (dims,)
    if len(names) != number or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"dims must name the {number} leading dimensions of the batch; got {shown(dims)}")
    if len({*names, *OWN_DIMS}) != number + len(OWN_DIMS):
        raise InputError(f"dims must be different names other than {', '.join(OWN_DIMS)}; got {shown(dims)}")
    return names


def listed(names: type[IntEnum]) -> str:
    """The members of an enumeration as the definition of a variable that has their values."""
    return ", ".join(f"{member.value} {member.name.lower()}" for member in names)
