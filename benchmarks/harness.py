"""What all benchmarks share: interleaved rounds, medians and their spread, compiling apart from running, the machine."""

import gc
import importlib.metadata
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax


@dataclass
class Contender:
    """Something that is timed.

    Arguments:
        name: as in the table.
        prepare: builds and compiles; returns what is timed, a function without arguments whose result is waited for.
        work: how many units of work one call does, trajectories for instance.
    """

    name: str
    prepare: Callable[[], Callable[[], Any]]
    work: float
    compile_seconds: float = 0.0
    seconds: list[float] = field(default_factory=list)
    result: Any = None

    @property
    def microseconds(self) -> float:
        """Median time of a unit of work."""
        return statistics.median(self.seconds) / self.work * 1e6


ENOUGH = 0.5
"""Seconds that are timed at least in a round, by so many calls as it takes. The call before them, in which memory that was idle
comes back, is not counted."""


def race(contenders: Iterable[Contender], rounds: int) -> dict[str, Contender]:
    """Time all contenders in turn, round after round, so that all meet the same disturbances. The first call is not counted."""
    calls = []
    for contender in contenders:
        started = time.perf_counter()
        run = contender.prepare()
        contender.result = jax.block_until_ready(run())
        contender.compile_seconds = time.perf_counter() - started
        repeats = math.ceil(ENOUGH / seconds_of(run, 1))
        calls.append((contender, run, repeats))
    for _ in range(rounds):
        for contender, run, repeats in calls:
            gc.collect()
            if repeats > 1:
                seconds_of(run, 1)
            contender.seconds.append(seconds_of(run, repeats))
    return {contender.name: contender for contender, _, _ in calls}


def seconds_of(run: Callable[[], Any], repeats: int) -> float:
    """Mean time of so many calls."""
    started = time.perf_counter()
    for _ in range(repeats):
        jax.block_until_ready(run())
    return (time.perf_counter() - started) / repeats


def times_slower(contender: Contender, reference: Contender) -> tuple[float, float, float]:
    """How many times as long a unit of work takes as the reference's, round by round: median, lowest, highest."""
    ratios = sorted(
        (own / contender.work) / (other / reference.work)
        for own, other in zip(contender.seconds, reference.seconds, strict=True)
    )
    return statistics.median(ratios), ratios[0], ratios[-1]


def spread(values: tuple[float, float, float]) -> str:
    """A median with its range, to three digits."""
    return f"{values[0]:.3g} ({values[1]:.3g} to {values[2]:.3g})"


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """A Markdown table; the keys of the first row are its heads."""
    rows = list(rows)
    heads = list(rows[0])
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(str(row.get(head, "–")) for head in heads) + " |" for row in rows])


def machine() -> dict[str, Any]:
    """Hardware, versions and date."""
    devices = jax.devices()
    names = ("jax", "diffrax", "equinox", "numpy", "scipy", "torch", "torchdiffeq", "bbhamux", "optuna")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "devices": [f"{device.platform} {device.device_kind}" for device in devices],
        "cores": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in names if _version(name)},
    }


def described(about: Mapping[str, Any]) -> str:
    """One line about the machine."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    devices = ", ".join(sorted(set(about["devices"])))
    return f"{about['date']}; {about['cores']} cores, {about['processor']}; {devices}; Python {about['python']}, {versions}."


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
