"""Ensembles of patterns, drawn from a key or read from a file. Patterns are columns: shape (num_neurons, num_patterns).

Pattern number μ is drawn from a key of its own, derived from the given key and μ. So the first K of K′ patterns are the K
patterns that the same key gives, whatever the padding, the batch or the floating-point precision.
"""

import inspect
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._internal.arrays import read_array, transposition
from .._internal.checks import InputError, at_least, one_of, random_key, refuse_bits, shown, within
from .._internal.parameters import LARGEST, OneOf, Range
from .._internal.random import folded, pinned, random_order, random_words
from .._internal.registry import members
from .._internal.types import PER_PATTERN, Count, Patterns, RandomKey, ScalarLike

DIGITS = Path(__file__).with_name("digits.csv.gz")
"""The test set of the source of `digits`, CC BY 4.0: 64 pixels and the digit in each line."""

WORD = 32
"""Bits of a random word."""

SCALINGS = ("raw", "range", "standard", "sphere")
Scaling = Annotated[str | None, OneOf(SCALINGS)]
"""How real-valued patterns are scaled: not at all; so that the smallest and the largest of all entries become −1 and 1; so that
entries have the mean 0 and the standard deviation 1; or so, and then every pattern to the length √N."""

Source = TypeVar("Source", bound=Callable[..., Any])


def classified(classes: Callable[..., Any]) -> Callable[[Source], Source]:
    """Decorator: say which classes the patterns have that an ensemble, or the source of a pool, returns.

    `classes` takes all its parameters but `key`, by name, and returns one integer per pattern, shape (K,), or `None`.
    """

    def describe(source: Source) -> Source:
        vars(source)["classes"] = classes
        return source

    return describe


def classes_of(source: Callable[..., Any], **parameters: Any) -> Int[Array, " patterns"] | None:
    """Classes of the patterns that a function such as `digits` returns for these parameters, shape (K,); `None` without any."""
    classes = getattr(source, "classes", None)
    if classes is None:
        return None
    bound = inspect.signature(source).bind_partial(**parameters)
    bound.apply_defaults()
    found = classes(**bound.arguments)
    return None if found is None else jnp.asarray(found, jnp.int32)


@pinned
def random_patterns(key: RandomKey, *, num_neurons: Count, num_patterns: int) -> Patterns:
    """Independent random patterns, each entry −1 or +1 with equal probability.

    Arguments:
        key: a key from `jax.random.key`.
        num_neurons: number of neurons N, at least 1.
        num_patterns: memory load K, at least 1.

    Returns:
        Patterns, shape (N, K), ±1.

    Raises `InputError` for sizes below 1.
    """
    check_sizes(key, num_neurons, num_patterns)
    # Every bit of a random word is a sign: drawing a word for each would take a third of the time of a sweep.
    words = random_words(key, jnp.arange(num_patterns), jnp.arange(-(-num_neurons // WORD))[:, None])
    bits = words[:, None] >> jnp.arange(WORD, dtype=jnp.uint32)[None, :, None]
    return signs_where(bits.reshape(-1, num_patterns)[:num_neurons] % 2 == 1)


@pinned
def biased_patterns(
    key: RandomKey, *, num_neurons: Count, num_patterns: int, mean: Annotated[ScalarLike, Range(ge=-1, le=1)] = 0.0
) -> Patterns:
    """Independent random patterns whose entries are ±1 with the given `mean`.

    Two such patterns overlap by mean² on average. Otherwise as `random_patterns`.

    Arguments:
        num_neurons: number of neurons N, at least 1.
        mean: expected value of every entry, within [−1, 1].
    """
    check_sizes(key, num_neurons, num_patterns)
    within("mean", mean, -1, 1)
    # Compared in single precision always, so that a key means the same patterns in every precision.
    words = random_words(key, jnp.arange(num_patterns), jnp.arange(num_neurons)[:, None])
    uniform = (words >> 9).astype(jnp.float32) * jnp.float32(2**-23)  # what jax.random.uniform makes of them
    return signs_where(uniform < (1 + jnp.asarray(mean, jnp.float32)) / 2)


@classified(lambda num_patterns, num_prototypes, **_: jnp.arange(num_patterns) % num_prototypes)
@pinned
def hierarchical_patterns(
    key: RandomKey,
    *,
    num_neurons: Count,
    num_patterns: int,
    num_prototypes: Count,
    overlap: Annotated[ScalarLike, Range(ge=0, le=1)],
) -> Patterns:
    """Correlated patterns: pattern μ is a noisy copy of prototype μ mod `num_prototypes`.

    Prototypes are random. Each entry of a copy agrees with its prototype with probability (1 + √overlap)/2, so that two
    copies of one prototype have the expected overlap ⟨ξ, ξ′⟩/N, and copies of different ones have none. Otherwise as
    `random_patterns`.

    Arguments:
        num_neurons: number of neurons N, at least 1.
        num_prototypes: number of prototypes, at least 1.
        overlap: expected overlap of two copies of one prototype, within [0, 1].
    """
    check_sizes(key, num_neurons, num_patterns)
    at_least("num_prototypes", num_prototypes, 1)
    within("overlap", overlap, 0, 1)
    prototype_key, copy_key = jax.random.split(key)
    prototypes = random_patterns(prototype_key, num_neurons=num_neurons, num_patterns=num_prototypes)
    mean = jnp.sqrt(jnp.asarray(overlap, jnp.float32))
    agreement = biased_patterns(copy_key, num_neurons=num_neurons, num_patterns=num_patterns, mean=mean)
    return prototypes[:, jnp.arange(num_patterns) % num_prototypes] * agreement


@pinned
def pooled_patterns(key: RandomKey, *, pool: Float[Array, "neurons pool"], num_patterns: int) -> Patterns:
    """`num_patterns` different columns of a `pool` of patterns, shape (N, M), in random order.

    Raises `InputError` if the pool holds fewer patterns than asked for, or bits in place of signs.
    """
    random_key(key)
    if pool.ndim != 2:
        raise InputError(f"pool must have shape (num_neurons, size of the pool); got {pool.shape}")
    refuse_bits("pool", pool)
    return pool[:, pooled_columns(key, size=pool.shape[1], num_patterns=num_patterns)]


@pinned
def pooled_columns(key: RandomKey, *, size: int, num_patterns: int) -> Int[Array, " patterns"]:
    """Which columns of a pool of that size `pooled_patterns` takes, in its order, shape (num_patterns,)."""
    random_key(key)
    at_least("num_patterns", num_patterns, 1)
    if num_patterns > size:
        raise InputError(f"num_patterns must be at most {size}, the size of the pool; got {num_patterns}")
    # As jax.random.permutation does, which sorts again where words of one round may be equal.
    columns = jnp.arange(size)
    for _ in range(math.ceil(3 * math.log(size) / math.log(2**32 - 1))):
        key, order_key = folded(key, jnp.arange(2))
        columns = columns[random_order(order_key, size)]
    return columns[:num_patterns]


def ensembles() -> dict[str, Callable[..., Patterns]]:
    """The ensembles of the package by kind: any `…_patterns(key, *, num_neurons, num_patterns, …)` in a file of this folder."""
    return members("patterns")


def _digits(threshold: ScalarLike, scaling: Scaling) -> tuple[np.ndarray, np.ndarray]:
    within("threshold", threshold, 0, 15)
    table = np.loadtxt(DIGITS, delimiter=",")
    return pool_of(table[:, :-1], table[:, -1], threshold, scaling)


@classified(lambda **parameters: _digits(**parameters)[1])
def digits(*, threshold: Annotated[ScalarLike, Range(ge=0, le=15)] = 7, scaling: Scaling = None) -> Patterns:
    """Handwritten digits, 8×8 pixels, as binary patterns; or in gray levels. Their classes are the digits.

    Arguments:
        threshold: gray levels above it become +1.
        scaling: gray levels instead, scaled by `range`, `standard` or `sphere`, or `raw` (see `load_patterns`).

    Returns:
        The distinct patterns of the test set, in its order, shape (64, 1750) at the default threshold, ±1.

    Raises `InputError` for a threshold outside [0, 15], which would leave no pixel or no difference, and an unknown scaling.

    Source: Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, doi:10.24432/C50P49.
    """
    return jnp.asarray(_digits(threshold, scaling)[0].T, jnp.result_type(float))


def pool_of(rows: np.ndarray, labels: np.ndarray, threshold: ScalarLike, scaling: str | None) -> tuple[np.ndarray, np.ndarray]:
    """The distinct ones among rows of gray levels, as signs or scaled, and their labels."""
    rows = np.where(rows > threshold, 1.0, -1.0) if scaling is None else scaled(rows, scaling)
    kept = np.delete(np.arange(len(rows)), _repeats(rows)[0])
    return rows[kept], labels[kept]


def scaled(rows: np.ndarray, scaling: str) -> Any:
    """Rows of real numbers, scaled; see `SCALINGS`. `InputError` for an unknown scaling, and where entries do not vary."""
    one_of("scaling", scaling, SCALINGS)
    if scaling == "raw":
        return rows
    low, high = rows.min(), rows.max()
    if low == high:
        raise InputError(f"scaling: {scaling} needs entries that differ; all are {low:g}")
    with np.errstate(all="ignore"):
        result = (2 * rows - low - high) / (high - low) if scaling == "range" else (rows - rows.mean()) / rows.std()
        if scaling == "sphere":
            result = result * math.sqrt(rows.shape[1]) / np.linalg.norm(result, axis=1, keepdims=True)
    if not np.isfinite(result).all():
        row = int(np.argmin(np.isfinite(result).all(axis=1)))
        raise InputError(f"scaling: {scaling} is not finite for row {row + 1}, which must differ from the mean of all entries")
    return result


def _labels(labels: str | os.PathLike[str] | None, **_: Any) -> np.ndarray | None:
    """Labels from a file, as integers."""
    if labels is None:
        return None
    values = read_array(labels, "labels" if Path(labels).suffix.lower() == ".npz" else None).ravel()
    if not np.array_equal(values, np.round(values)) or np.abs(values).max(initial=0) > LARGEST:
        raise InputError(f"labels in {labels} must be integers of at most {LARGEST}")
    return values


@classified(_labels)
def load_patterns(
    path: str | os.PathLike[str],
    *,
    array: str | None = None,
    threshold: ScalarLike | None = None,
    max_duplicates: Annotated[int, Range(ge=0, le=LARGEST)] = 0,
    scaling: Scaling = None,
    labels: Annotated[str | os.PathLike[str] | None, PER_PATTERN] = None,
) -> Patterns:
    """Patterns from a file with one pattern per row, or one picture: `.npy`, `.npz` or `.csv`.

    Columns of a `.csv` file are separated by commas, semicolons, tabs or spaces, with or without a line of names above;
    what follows a `#` is a comment. Booleans mean +1 and −1. Numbers 0 and 1 are refused unless there is a threshold.

    Arguments:
        path: file of patterns. Pickled arrays are never loaded.
        array: which array of an `.npz` file; not needed if it holds one. Its shape is (K, N), or (K, height, width).
        threshold: when given, entries above it become +1 and the others −1.
        max_duplicates: how many rows may repeat an earlier one.
        scaling: when given, entries may be any real numbers. With `range` the smallest of all becomes −1 and the largest 1;
            with `standard` their mean becomes 0 and their standard deviation 1; with `sphere` every pattern has the length √N
            after that; `raw` leaves them as they are.
        labels: classes of the patterns, an integer for each row; of an `.npz` file the array `labels`. They do not change what
            is returned: `classes_of` returns them.

    Returns:
        Patterns as columns, shape (N, K).

    Raises `InputError` for a file that is missing or cannot be read, and for rows that are not numbers, not finite, not ±1
    without a scaling, or too often the same; the message names file, row and column.
    """
    rows = read_array(path, array)
    return as_patterns(rows, str(path), array=array, threshold=threshold, max_duplicates=max_duplicates, scaling=scaling)


def as_patterns(
    rows: np.ndarray,
    path: str,
    *,
    array: str | None = None,
    threshold: ScalarLike | None = None,
    max_duplicates: int = 0,
    scaling: str | None = None,
) -> Patterns:
    """Rows of a file as patterns, shape (N, K), as `load_patterns` makes and refuses them."""
    where = f"patterns in {path}"
    at_least("max_duplicates", max_duplicates, 0)
    if threshold is not None and not (np.ndim(threshold) == 0 and np.isreal(threshold) and np.isfinite(threshold)):
        raise InputError(f"threshold must be a finite number; got {shown(threshold)}")
    if threshold is not None and scaling is not None:
        raise InputError(f"threshold and scaling exclude each other; got {threshold} and {scaling}")
    if rows.ndim not in (2, 3) or 0 in rows.shape:
        raise InputError(f"{where} must be a table with one pattern per row, or a stack of pictures; got shape {rows.shape}")
    rows = rows.reshape(len(rows), -1)
    rows = np.where(rows, 1.0, -1.0) if rows.dtype == np.bool_ else rows.astype(np.float64)
    precision = jnp.result_type(float)
    _refuse_entries(where, rows, ~(np.abs(rows) <= float(jnp.finfo(precision).max)), f"must be finite in {precision}")
    if threshold is not None:
        rows = np.where(rows > threshold, 1.0, -1.0)
    if np.isin(rows, (0, 1)).all() and (rows == 0).any() and scaling in (None, "raw"):
        raise InputError(f"{where} must be of -1 and +1; got 0 and 1 alone: give a threshold of 0.5 (threshold: 0.5)")
    if scaling is not None:
        rows = scaled(rows, scaling)
    else:
        middle = (rows.min() + rows.max()) / 2
        hint = f"; give a threshold, for instance {middle:g}, or a scaling" if rows.min() < rows.max() else ""
        _refuse_entries(where, rows, np.abs(rows) != 1, "must be -1 or +1", hint)
    repeats, originals = _repeats(rows)
    if len(repeats) > max_duplicates:
        hint = ""
        if len(rows) > rows.shape[1] and len(_repeats(rows.T)[0]) <= max_duplicates:
            hint = f"; if its columns are the patterns: {transposition(path, array, threshold)}"
        raise InputError(
            f"{where}: {len(repeats)} rows repeat an earlier one, at most {max_duplicates} may (max_duplicates); "
            f"the first is row {repeats[0] + 1}, the same as row {originals[repeats[0]] + 1}{hint}"
        )
    return jnp.asarray(rows.T, precision)


def _repeats(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the rows that repeat an earlier one, and for each row the index of the first equal one."""
    seen: dict[bytes, int] = {}
    originals = np.array([seen.setdefault((row + 0.0).tobytes(), at) for at, row in enumerate(rows)], int)  # −0.0 is 0.0
    return np.flatnonzero(originals != np.arange(len(rows))), originals


def signs_where(up: Bool[Array, "*shape"]) -> Float[Array, "*shape"]:
    one = jnp.ones((), jnp.result_type(float))
    return jnp.where(up, one, -one)


def check_sizes(key: RandomKey, num_neurons: int, num_patterns: int) -> None:
    random_key(key)
    at_least("num_neurons", num_neurons, 1)
    at_least("num_patterns", num_patterns, 1)


def _refuse_entries(where: str, rows: np.ndarray, bad: np.ndarray, rule: str, hint: str = "") -> None:
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InputError(
            f"{where} {rule}: {int(bad.sum())} entries are not, the first at row {row + 1}, column {column + 1} "
            f"is {rows[row, column]:g}{hint}"
        )
