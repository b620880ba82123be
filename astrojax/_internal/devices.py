"""The devices of this process, and how much of their memory may be used."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .errors import InputError, RunError, shown_bytes

CPU_SHARE, DEVICE_SHARE = 0.25, 0.6  # safe shares of a machine's memory, which others use too, and of an accelerator's
FALLBACK_MEMORY = 2**31  # if the memory is unknown


def local_devices() -> list[jax.Device]:
    """List the devices of this process, at least one. Raises `InputError` with JAX's reason if JAX cannot start."""
    try:
        return jax.local_devices()
    except (RuntimeError, AssertionError) as error:  # without a message if no NVIDIA GPU is visible
        reason = " ".join(str(error).split()) or "it finds no such device"
        platforms: str = jax.config.jax_platforms  # type: ignore[attr-defined]
        raise InputError(f"JAX cannot start{f' on {platforms!r} (JAX_PLATFORMS)' if platforms else ''}: {reason}") from error


class OutOfMemoryError(RunError):
    """A computation that does not fit into the memory of a device."""


def default_budget(devices: Sequence[Any]) -> int:
    if devices[0].platform == "cpu":
        return int(CPU_SHARE * machine_memory() / len(devices))
    limits = [(device.memory_stats() or {}).get("bytes_limit") for device in devices]
    return int(DEVICE_SHARE * min(limit or FALLBACK_MEMORY for limit in limits))


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Allocate an array in host memory; raises `OutOfMemoryError` if it does not fit."""
    size, there = math.prod(shape) * dtype.itemsize, machine_memory()
    if size > there:
        raise OutOfMemoryError(f"results of shape {shape} take {shown_bytes(size)}; this machine has {shown_bytes(there)}")
    return np.empty(shape, dtype)


def machine_memory() -> int:
    """The machine's memory, or that of the container this process runs in."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return FALLBACK_MEMORY
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            memory = min(memory, int(Path(limit).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
    return memory
