"""Ensembles of patterns, drawn from a key or read from a file. Patterns are columns: shape (num_neurons, num_patterns).

Pattern number μ is drawn from a key of its own, derived from the given key and μ. So the first K of K′ patterns are the K
patterns that the same key gives, whatever the padding, the batch or the floating-point precision.
"""

import io
import os
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ._checks import InputError, at_least, random_key, within
from ._random import pinned
from ._signs import refuse_bits
from ._types import Neurons, Patterns, RandomKey, ScalarLike

WORD = 32
"""Bits of a random word."""


@pinned
def random_patterns(key: RandomKey, *, num_neurons: int, num_patterns: int) -> Patterns:
    """Independent random patterns, each entry −1 or +1 with equal probability.

    Arguments:
        key: a key from `jax.random.key`.
        num_neurons, num_patterns: N and K, at least 1.

    Returns:
        Patterns, shape (N, K), ±1.

    Raises:
        InputError (a ValueError): for sizes below 1.
    """
    _check(key, num_neurons, num_patterns)
    # Every bit of a random word is a sign: drawing a word for each would take a third of the time of a sweep.
    words = _columns(key, num_patterns, lambda k: jax.random.bits(k, (-(-num_neurons // WORD),), jnp.uint32))
    neurons = np.arange(num_neurons)
    bits = words[neurons // WORD] >> jnp.asarray(neurons % WORD, jnp.uint32)[:, None]
    return _signs(bits % 2 == 1)


@pinned
def biased_patterns(key: RandomKey, *, num_neurons: int, num_patterns: int, mean: ScalarLike) -> Patterns:
    """Independent random patterns whose entries are ±1 with the given `mean`, within [−1, 1].

    Two such patterns overlap by mean² on average. Otherwise as `random_patterns`.
    """
    _check(key, num_neurons, num_patterns)
    within("mean", mean, -1, 1)
    return _columns(key, num_patterns, lambda k: _biased_signs(k, num_neurons, mean))


@pinned
def hierarchical_patterns(
    key: RandomKey, *, num_neurons: int, num_patterns: int, num_prototypes: int, overlap: ScalarLike
) -> Patterns:
    """Correlated patterns: pattern μ is a noisy copy of prototype μ mod `num_prototypes`.

    Prototypes are random. Each entry of a copy agrees with its prototype with probability (1 + √overlap)/2, so that two
    copies of one prototype have the expected `overlap` ⟨ξ, ξ′⟩/N within [0, 1], and copies of different ones have none.
    Otherwise as `random_patterns`.
    """
    _check(key, num_neurons, num_patterns)
    at_least("num_prototypes", num_prototypes, 1)
    within("overlap", overlap, 0, 1)
    prototype_key, copy_key = jax.random.split(key)
    prototypes = random_patterns(prototype_key, num_neurons=num_neurons, num_patterns=num_prototypes)
    mean = jnp.sqrt(jnp.asarray(overlap, jnp.float32))
    agreement = _columns(copy_key, num_patterns, lambda k: _biased_signs(k, num_neurons, mean))
    return prototypes[:, jnp.arange(num_patterns) % num_prototypes] * agreement


@pinned
def pooled_patterns(key: RandomKey, *, pool: Float[Array, "neurons pool"], num_patterns: int) -> Patterns:
    """`num_patterns` different columns of a `pool` of patterns, shape (N, M), in random order.

    Raises:
        InputError (a ValueError): if the pool holds fewer patterns than asked for, or bits in place of signs.
    """
    random_key(key)
    if pool.ndim != 2:
        raise InputError(f"pool must have shape (num_neurons, size of the pool); got {pool.shape}")
    refuse_bits("pool", pool)
    return pool[:, pooled_columns(key, size=pool.shape[1], num_patterns=num_patterns)]


@pinned
def pooled_columns(key: RandomKey, *, size: int, num_patterns: int) -> Int[Array, " patterns"]:
    """Which columns of a pool of that size `pooled_patterns` takes, in its order, shape (num_patterns,).

    Raises:
        InputError (a ValueError): if the pool holds fewer patterns than asked for.
    """
    random_key(key)
    at_least("num_patterns", num_patterns, 1)
    if num_patterns > size:
        raise InputError(f"num_patterns must be at most {size}, the size of the pool; got {num_patterns}")
    return jax.random.permutation(key, size)[:num_patterns]


def digits(*, threshold: ScalarLike = 7) -> Patterns:
    """Handwritten digits, 8×8 pixels, as binary patterns: entries above the `threshold` (of 16 grey levels) are +1.

    Returns:
        The distinct patterns of scikit-learn's bundled set, in its order, shape (64, 1750) at the default threshold, ±1.

    Raises:
        InputError (a ValueError): for a threshold outside [0, 15], which would leave no pixel or no difference.

    Source: Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, doi:10.24432/C50P49.
    """
    within("threshold", threshold, 0, 15)
    from sklearn.datasets import load_digits

    rows = np.where(load_digits().data > threshold, 1.0, -1.0)
    distinct = _originals(rows) == np.arange(len(rows))
    return jnp.asarray(rows[distinct].T, jnp.result_type(float))


def load_patterns(
    path: str | os.PathLike[str],
    *,
    array: str | None = None,
    threshold: ScalarLike | None = None,
    binary: bool = True,
    max_duplicates: int = 0,
) -> Patterns:
    """Patterns from a file with one pattern per row: `.npy`, `.npz` or `.csv` (numbers between commas, no header).

    Arguments:
        path: the file. Pickled arrays are never loaded.
        array: which array of an `.npz` file; not needed if it holds one.
        threshold: when given, entries above it become +1 and the others −1.
        binary: whether every entry must be −1 or +1.
        max_duplicates: how many rows may repeat an earlier one.

    Returns:
        Patterns as columns, shape (N, K).

    Raises:
        InputError (a ValueError): for a file that is missing or cannot be read, and for rows that are not numbers, not
            finite, not ±1, or too often the same; the message names file, row and column.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"pattern file {path} does not exist" if not path.exists() else f"{path} is not a file")
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"pattern file {path} cannot be read: {error.strerror}") from error
    with file:
        rows = read_rows(file, str(path), array)
    return as_patterns(rows, f"patterns in {path}", threshold=threshold, binary=binary, max_duplicates=max_duplicates)


def as_patterns(
    rows: np.ndarray, where: str, *, threshold: ScalarLike | None = None, binary: bool = True, max_duplicates: int = 0
) -> Patterns:
    """Rows as patterns, shape (N, K), as `load_patterns` makes and refuses them; `where` begins its messages."""
    if rows.ndim != 2 or 0 in rows.shape:
        raise InputError(f"{where} must be a table with one pattern per row; got an array of shape {rows.shape}")
    if rows.dtype.kind not in "biuf":
        raise InputError(f"{where} must be real numbers; got an array of type {rows.dtype}")
    rows = rows.astype(np.float64)
    _refuse_entries(where, rows, ~np.isfinite(rows), "must be finite")
    if threshold is not None:
        rows = np.where(rows > threshold, 1.0, -1.0)
    if binary:
        middle = (rows.min() + rows.max()) / 2
        hint = f"; give a threshold, for instance {middle:g}, to make them binary" if rows.min() < rows.max() else ""
        _refuse_entries(where, rows, np.abs(rows) != 1, "must be -1 or +1", hint)
    elif np.isin(rows, (0, 1)).all() and (rows == 0).any():
        raise InputError(f"{where} must be of -1 and +1, or of other real numbers; got 0 and 1 alone: give a threshold of 0.5")
    originals = _originals(rows)
    repeats = np.flatnonzero(originals != np.arange(len(rows)))
    if len(repeats) > max_duplicates:
        row, original = repeats[0], originals[repeats[0]]
        raise InputError(
            f"{where}: {len(repeats)} rows repeat an earlier one, at most {max_duplicates} may; "
            f"the first is row {row + 1}, the same as row {original + 1}"
        )
    return jnp.asarray(rows.T, jnp.result_type(float))


def _originals(rows: np.ndarray) -> np.ndarray:
    """The number of the first row that is the same as each row."""
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault((row + 0.0).tobytes(), number) for number, row in enumerate(rows)], int)  # −0.0 is 0.0


def _columns(key: RandomKey, num_patterns: int, draw: Callable[[RandomKey], jax.Array]) -> jax.Array:
    keys = jax.vmap(lambda index: jax.random.fold_in(key, index))(jnp.arange(num_patterns))
    return jax.vmap(draw, out_axes=1)(keys)


def _signs(up: Bool[Array, "*shape"]) -> Float[Array, "*shape"]:
    one = jnp.ones((), jnp.result_type(float))
    return jnp.where(up, one, -one)


def _biased_signs(key: RandomKey, num_neurons: int, mean: ScalarLike) -> Neurons:
    # Compared in single precision always, so that a key means the same patterns in every precision.
    uniform = jax.random.uniform(key, (num_neurons,), jnp.float32)
    return _signs(uniform < (1 + jnp.asarray(mean, jnp.float32)) / 2)


def _check(key: RandomKey, num_neurons: int, num_patterns: int) -> None:
    random_key(key)
    at_least("num_neurons", num_neurons, 1)
    at_least("num_patterns", num_patterns, 1)


def read_rows(file: io.BufferedReader | io.BytesIO, name: str, array: str | None, most_bytes: int | None = None) -> np.ndarray:
    """The rows in an open pattern file of that name. An `.npz` array that unpacks to more than `most_bytes` is refused."""
    try:
        match Path(name).suffix.lower():
            case ".npy" | ".npz":
                loaded = np.load(file, allow_pickle=False)
                if isinstance(loaded, np.ndarray):
                    return loaded
                with loaded:
                    return _unpacked(loaded.zip, name, array, most_bytes)
            case ".csv":
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)  # of a file without data, whose shape is refused later
                    with io.TextIOWrapper(file, encoding="utf-8-sig") as text:
                        return np.loadtxt(text, delimiter=",", ndmin=2, dtype=np.float64)
    except InputError:
        raise
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        # NumPy counts rows from 0 and columns from 1.
        reason = re.sub(r"at row (\d+)", lambda found: f"at row {int(found[1]) + 1}", reason)
        raise InputError(f"pattern file {name} cannot be read: {reason}") from error
    raise InputError(f"pattern file {name} must end in .npy, .npz or .csv")


def _unpacked(archive: zipfile.ZipFile, name: str, array: str | None, most_bytes: int | None) -> np.ndarray:
    members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
    if not members:
        raise InputError(f"pattern file {name} holds no arrays")
    if array is None and len(members) == 1:
        (array,) = members
    if array not in members:
        asked = "name one with array" if array is None else f"got array={array!r}"
        raise InputError(f"pattern file {name} holds the arrays {', '.join(members)}; {asked}")
    member = members[array]
    # Others are unpacked without bounds. The sizes that an archive states may be false: so no more is unpacked than allowed.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(f"pattern file {name} must be compressed as numpy.savez_compressed does it, or not at all")
    with archive.open(member) as file:
        data = file.read(-1 if most_bytes is None else most_bytes + 1)
    if most_bytes is not None and len(data) > most_bytes:
        raise InputError(f"array {array} of pattern file {name} must have at most {most_bytes / 2**20:g} MiB when unpacked")
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)


def _refuse_entries(where: str, rows: np.ndarray, bad: np.ndarray, rule: str, hint: str = "") -> None:
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InputError(
            f"{where} {rule}: {int(bad.sum())} entries are not, the first at row {row + 1}, column {column + 1} "
            f"is {rows[row, column]:g}{hint}"
        )
