"""Checks of numbers that are not traced."""

import math
from typing import Any

from .._internal.errors import InputError, shown


def real_number(name: str, value: Any, low: float, high: float) -> float:
    """A value as a float; `InputError` unless it is a real number within [low, high]."""
    known = hasattr(value, "__float__") and not isinstance(value, bool | str) and getattr(value, "shape", ()) == ()
    number = float(value) if known else math.nan
    if not low <= number <= high:
        raise InputError(f"{name} must be a number within [{low:g}, {high:g}]; got {shown(value)}")
    return number
