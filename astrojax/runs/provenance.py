"""Where a run came from: versions, commit, device, seed and times."""

import hashlib
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .._checks import InputError
from .config import Config, FilePatterns

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


def pattern_file_digest(config: Config) -> str | None:
    """SHA-256 of the file that patterns are read from, or `None` if they are not.

    Raises:
        InputError (a ValueError): if the file cannot be read.
    """
    patterns = config.patterns
    if not isinstance(patterns, FilePatterns):
        return None
    try:
        return hashlib.sha256(patterns.path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"patterns.path: {patterns.path} cannot be read: {error.strerror or error}") from error


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
