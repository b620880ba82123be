"""Errors, and words of their messages. No library is imported, so that the command line can refuse input at once."""

import contextlib
from collections.abc import Iterable, Iterator
from difflib import get_close_matches


class InputError(ValueError):
    """An input that cannot be used. The message names the field, what was given and what is allowed."""


class RunError(RuntimeError):
    """A computation that cannot go on, for a reason outside the input. What was computed before is kept."""


@contextlib.contextmanager
def needing(what: str, *packages: str) -> Iterator[None]:
    """Say what to install where an import fails."""
    try:
        yield
    except ImportError as error:
        raise InputError(f"{what}: python -m pip install {' '.join(map(repr, packages))} ({error})") from error


def one_of(name: str, value: object, allowed: Iterable[str]) -> None:
    names = list(allowed)
    if value not in names:
        raise InputError(f"{name} must be one of {', '.join(names)}; got {value!r}{did_you_mean(value, names)}")


def did_you_mean(value: object, names: Iterable[str]) -> str:
    """A hint such as ` (did you mean 'tau_x'?)`, or nothing when no name is close; the last part of a dotted name will do."""
    names = list(names)
    close = [name for name in names if name.endswith(f".{value}")] or get_close_matches(str(value), names, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def shown_bytes(number: float | int) -> str:
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB" if number < 1024 else f"{number / 1024:,.1f} TiB"


def shown(value: object) -> str:
    """A value as an error message shows it: on one line, and cut where it is long."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python writes out no integer of thousands of digits
        text = "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."
