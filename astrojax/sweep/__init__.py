"""Batched sweeps of samples over axes."""

from .._internal.devices import OutOfMemoryError as OutOfMemoryError
from .engine import Engine as Engine
from .execution import Sweep as Sweep
from .execution import SweepResult as SweepResult
from .execution import run_sweeps as run_sweeps
