"""Where a run came from: versions, commit, device, and the generator of random numbers."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .._internal import version as _version

RANDOM_NUMBERS = "threefry2x32, partitionable"
"""The generator of all random numbers, whatever JAX is set to."""

NUMERICAL = ("jax", "jaxlib", "diffrax", "equinox", "optimistix", "lineax", "optax", "numpy", "xarray", "zarr")


def environment() -> dict[str, Any]:
    """The software, and the devices; `InputError` (a ValueError) where there is none."""
    from .._internal.devices import local_devices

    devices = local_devices()
    return software() | {"backend": devices[0].platform, "devices": [device.device_kind for device in devices]}


def software() -> dict[str, Any]:
    """Versions of everything numerical, the commit if there is one, and the generator of random numbers."""
    return {
        "versions": versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "commit": _version.commit(),
        "random_numbers": RANDOM_NUMBERS,
    }


def versions() -> dict[str, str | None]:
    """Versions of everything that bears on numbers, by package; `None` for what is not installed."""
    return {"astrojax": _version.version()} | {name: _installed(name) for name in NUMERICAL}


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
