"""Binary patterns are −1 and +1. Bits 0 and 1 in their place would be computed with all the same, and recalled wrongly.

Values that JAX traces cannot be looked at, so only the type of these is checked.
"""

from typing import Any

import jax
import numpy as np

from .errors import InputError

REMEDY = "make signs of bits with 2 * bits - 1"


def refuse_bits(name: str, array: Any, stored: Any = None) -> None:
    """Raise `InputError` for booleans, and for concrete patterns that consist of 0 and 1, or of 0, alone.

    Only the `stored` columns count. All other real numbers are allowed: patterns may be real-valued.
    """
    refuse_booleans(name, array)
    if isinstance(array, jax.core.Tracer) or isinstance(stored, jax.core.Tracer):
        return
    values = np.asarray(array) if stored is None else np.asarray(array)[..., np.asarray(stored)]
    if _only_bits(values).all() and (values == 0).any():
        raise InputError(f"{name} must be of -1 and +1, or of other real numbers; got 0 and 1 alone ({REMEDY})")


def refuse_bit_queries(name: str, queries: Any, patterns: Any) -> None:
    """Raise `InputError` for booleans, and for concrete queries, shape (…, N), of bits rather than of erased signs.

    Queries have zeros where entries are erased, and by chance no −1. One of 0 and 1 alone is allowed if a stored pattern has
    +1 wherever the query has, and also somewhere where it is erased. Queries to real-valued patterns may be anything.
    """
    refuse_booleans(name, queries)
    if isinstance(queries, jax.core.Tracer) or any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(patterns)):
        return
    rows = np.atleast_2d(np.asarray(queries))
    rows = rows[_only_bits(rows).all(axis=1) & (rows == 1).any(axis=1) & (rows == 0).any(axis=1)]
    if not len(rows):
        return
    if isinstance(patterns, jax.Array | np.ndarray) and not np.isin(np.abs(np.asarray(patterns)), (0, 1)).all():
        return
    product = jax.vmap(lambda row: row @ patterns)
    ones, zeros = (np.asarray(part, patterns.dtype) for part in (rows, 1 - rows))
    agrees = np.asarray(product(ones)) == ones.sum(axis=1, keepdims=True)
    lacks_some = np.asarray(product(zeros)) > -zeros.sum(axis=1, keepdims=True)
    if not (agrees & lacks_some).any(axis=1).all():
        raise InputError(
            f"{name} must be of -1 and +1 like the patterns, with 0 where an entry is erased; got 0 and 1 alone, which is not "
            f"what erasing entries of a stored pattern gives ({REMEDY})"
        )


def require_signs(name: str, array: Any) -> None:
    """Raise `InputError` for booleans, and for a concrete array with entries other than ±1, naming the first."""
    refuse_booleans(name, array)
    if isinstance(array, jax.core.Tracer):
        return
    others = np.argwhere(np.abs(np.asarray(array)) != 1)
    if len(others):
        where = tuple(int(place) for place in others[0])
        raise InputError(f"{name} must have entries of -1 and +1; entry {where} is {float(array[where]):g} ({REMEDY})")


def refuse_booleans(name: str, given: Any) -> None:
    """Raise `InputError` for booleans, in an array or in lists."""
    if any(getattr(leaf, "dtype", type(leaf)) in (np.bool_, bool) for leaf in jax.tree.leaves(given)):
        raise InputError(f"{name} must be of -1 and +1, or of other real numbers; got booleans ({REMEDY})")


def _only_bits(values: np.ndarray) -> np.ndarray:
    return (values == 0) | (values == 1)
