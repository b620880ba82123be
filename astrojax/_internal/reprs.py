"""How numbers and arrays stand in a `repr`: one line, also while JAX traces them or where they are batched."""

from typing import Any

import equinox as eqx
import jax
import numpy as np


def known(*values: Any) -> bool:
    """Whether all are arrays or numbers whose values are at hand: not traced, not deleted, no placeholders."""
    return all(_is_known(value) for value in values)


def form(value: Any) -> str:
    """Type and shape of an array or of a stand-in for one."""
    return eqx.tree_pformat(value, struct_as_array=True)


def number(value: Any) -> str:
    """A number in few digits; the range of several, NaN left out; type and shape of what is not known."""
    if not known(value) or np.size(value) == 0:
        return form(value)
    low, high = (f"{float(end.reduce(np.ravel(value))):.4g}" for end in (np.fmin, np.fmax))
    return low if low == high else f"{low}…{high}"


def several(values: Any) -> str:
    """One value, or the range of several and how many there are."""
    return number(np.asarray(values)) + (f" ({len(values)})" if len(values) > 1 else "")


def amount(value: Any, noun: str) -> str:
    """How many of something there are, in words."""
    return f"{'traced' if isinstance(value, jax.core.Tracer) else number(value)} {noun}"


def function(value: Any) -> str:
    """A function by its name, with the arguments that are bound to it; a class by its name."""
    if not hasattr(value, "keywords"):  # of partial functions, functools' and equinox's
        return getattr(value, "__name__", None) or " ".join(repr(value).split())
    bound = [*map(form, value.args), *(f"{name}={form(given)}" for name, given in value.keywords.items())]
    return f"{function(value.func)}({', '.join(bound)})"


def length(value: Any) -> str:
    """The length of an array's last axis; a question mark for whatever has none."""
    return str(shape(value)[-1]) if shape(value) else "?"


def batch(*shapes: tuple[int, ...]) -> list[str]:
    """The shape of a batch in words, the longest of those given; nothing for a single one."""
    longest = max(shapes, key=len, default=())
    return [f"batch {longest}"] if longest else []


def counts(what: str, value: Any, names: Any) -> str:
    """Names of an integer's values, from an enumeration; how many there are of each where there are several."""
    if not known(value):
        return f"{what} {form(value)}"
    found, numbers = np.unique(np.asarray(value), return_counts=True)
    labels = [names(int(one)).name if int(one) in list(names) else str(one) for one in found]
    if np.ndim(value) == 0:
        return labels[0]
    return ", ".join(f"{count:,} {label}" for label, count in zip(labels, numbers.tolist(), strict=True))


def shape(value: Any) -> tuple[int, ...]:
    """The shape of an array, traced or not; that of a number for whatever has none."""
    return tuple(getattr(value, "shape", ()))


def _is_known(value: Any) -> bool:
    if isinstance(value, jax.core.Tracer):
        return False
    if isinstance(value, jax.Array):
        return value.is_fully_addressable and not value.is_deleted()
    return isinstance(value, np.ndarray | np.number | int | float)
