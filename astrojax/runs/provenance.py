"""Where a run came from: versions, commit, device, seed and times."""

import hashlib
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from .._checks import InputError
from .config import Root

NUMERICAL = ("astrojax", "jax", "jaxlib", "diffrax", "equinox", "optimistix", "lineax", "optax", "numpy", "xarray", "zarr")


def environment() -> dict[str, Any]:
    """Versions of everything numerical, the commit if there is one, and the device."""
    import jax

    devices = jax.devices()
    return {
        "versions": versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "backend": jax.default_backend(),
        "devices": [device.device_kind for device in devices],
        "commit": commit(),
    }


def versions() -> dict[str, str | None]:
    """Versions of everything that bears on numbers, by package; `None` for what is not installed."""
    return {name: _version(name) for name in NUMERICAL}


def pattern_file_digest(config: Root) -> str | None:
    """SHA-256 of the files that patterns and their parameters are read from, or `None` if nothing is.

    Raises:
        InputError (a ValueError): if a file cannot be read.
    """
    paths = _paths(config, "")
    if not paths:
        return None
    digest = hashlib.sha256()
    for name, path in paths.items():
        try:
            digest.update(path.read_bytes())
        except OSError as error:
            raise InputError(f"{name}: {path} cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()


def _paths(value: Any, name: str) -> dict[str, Path]:
    """Files that a configuration names, by dotted key."""
    if isinstance(value, Path):
        return {name: value}
    if isinstance(value, BaseModel):
        value = dict(value)
    inner = value.items() if isinstance(value, dict) else ()
    return {key: path for part, one in inner for key, path in _paths(one, f"{name}.{part}".removeprefix(".")).items()}


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
