"""Memory budgets."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .errors import RunError, shown_bytes

CPU_SHARE, DEVICE_SHARE = 0.25, 0.6
"""Safe shares of a machine's memory, which others use too, and of an accelerator's."""

UNKNOWN = 2**31
"""Bytes to make do with where nothing is known."""


class OutOfMemoryError(RunError):
    """A computation that does not fit into the memory of a device."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error of JAX or of ours says that memory ran out."""
    return isinstance(error, OutOfMemoryError) or (
        isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
    )


def default_budget(devices: Sequence[Any]) -> int:
    """Bytes of each device's memory that may be used."""
    if devices[0].platform == "cpu":
        return int(CPU_SHARE * machine_memory() / len(devices))
    limits = [(device.memory_stats() or {}).get("bytes_limit") for device in devices]
    return int(DEVICE_SHARE * min(limit or UNKNOWN for limit in limits))


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array in the memory of the host. Raises `OutOfMemoryError` if it is larger than that, rather than filling it."""
    size, there = math.prod(shape) * dtype.itemsize, machine_memory()
    if size > there:
        raise OutOfMemoryError(f"results of shape {shape} take {shown_bytes(size)}; this machine has {shown_bytes(there)}")
    return np.empty(shape, dtype)


def machine_memory() -> int:
    """The machine's memory, or that of the container this process runs in."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return UNKNOWN
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            memory = min(memory, int(Path(limit).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
    return memory
