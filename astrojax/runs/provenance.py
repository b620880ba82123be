"""Where a run came from: versions, commit, device, and the generator of random numbers."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RANDOM_NUMBERS = "threefry2x32, partitionable"
"""The generator of all random numbers, whatever JAX is set to."""

NUMERICAL = ("astrojax", "jax", "jaxlib", "diffrax", "equinox", "optimistix", "lineax", "optax", "numpy", "xarray", "zarr")


def environment() -> dict[str, Any]:
    """The software, and the devices; `InputError` (a ValueError) where there is none."""
    from .._devices import local_devices

    devices = local_devices()
    return software() | {"backend": devices[0].platform, "devices": [device.device_kind for device in devices]}


def software() -> dict[str, Any]:
    """Versions of everything numerical, the commit if there is one, and the generator of random numbers."""
    return {
        "versions": versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "commit": commit(),
        "random_numbers": RANDOM_NUMBERS,
    }


def versions() -> dict[str, str | None]:
    """Versions of everything that bears on numbers, by package; `None` for what is not installed."""
    return {name: _version(name) for name in NUMERICAL}


def commit() -> dict[str, Any] | None:
    """Commit of the checkout the package was imported from, and whether it was clean; `None` outside a checkout."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        identity = _git(folder, "rev-parse", "HEAD")
        return {"id": identity, "clean": not _git(folder, "status", "--porcelain")}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
