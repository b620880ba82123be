"""Axes of a sweep, the points of their cartesian product, and its chunks: blocks that are computed and stored as one."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from .._internal.checks import InputError

Values = Sequence[float | int] | np.ndarray
Axes = Mapping[str, Values | Mapping[str, Values]]
"""Values along each axis, by name, in the order of the result's dimensions; or, for zipped coordinates that run along one axis
together, their values by name."""

Block = tuple[slice, ...]


class Grid:
    """The cartesian product of axes. Its points, the trajectories of a sweep, are numbered, the last axis running fastest."""

    axes: dict[str, dict[str, np.ndarray]]  # coordinates by name, by axis

    def __init__(self, axes: Axes) -> None:
        self.axes = {}
        seen: set[str] = set()
        for axis, values in axes.items():
            named = dict(values) if isinstance(values, Mapping) else {axis: values}
            lengths = {name: len(given) for name, given in named.items()}
            if not lengths or min(lengths.values()) == 0:
                raise InputError(f"axis {axis} must have at least one value; got none")
            if len(set(lengths.values())) > 1:
                raise InputError(f"zipped coordinates must have equally many values; axis {axis} has {lengths}")
            if seen & set(named):
                raise InputError(f"{', '.join(sorted(seen & set(named)))} runs along two axes; it can run along one")
            seen |= set(named)
            self.axes[axis] = {name: _array(given) for name, given in named.items()}

    @property
    def dims(self) -> tuple[str, ...]:
        return tuple(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(next(iter(named.values()))) for named in self.axes.values())

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def first(self) -> dict[str, np.ndarray]:
        return self.at(np.zeros(1, int))

    def at(self, lanes: np.ndarray) -> dict[str, np.ndarray]:
        """Coordinates of points, given by number: an array for each coordinate, by name."""
        positions = np.unravel_index(lanes, self.shape) if self.shape else ()
        pairs = zip(self.axes.values(), positions, strict=True)
        return {name: values[position] for named, position in pairs for name, values in named.items()}

    def lanes(self, block: Sequence[slice]) -> np.ndarray:
        """Numbers of the points in a block, which has a slice along each axis, in the order of the block."""
        ranges = [np.arange(part.start, part.stop) for part in block]
        return np.ravel_multi_index(np.meshgrid(*ranges, indexing="ij"), self.shape).ravel() if ranges else np.zeros(1, int)

    def values_of(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Distinct values of a coordinate, and how many points have each."""
        values = next(named[name] for named in self.axes.values() if name in named)
        distinct, counts = np.unique(values, return_counts=True)
        return distinct, counts * (self.size // values.size)


def _array(values: Values) -> np.ndarray:
    if isinstance(values, range):
        return np.arange(values.start, values.stop, values.step, dtype=np.int32)
    array = np.asarray(values)
    return array.astype(np.int32 if array.dtype.kind in "iu" else np.float64)


def chunk_shape(shape: Sequence[int], size: int) -> tuple[int, ...]:
    """The shape of chunks of at most `size` trajectories, which extend along the last axes first."""
    chosen = []
    left = max(size, 1)
    for length in reversed(shape):
        # Parts of equal length where possible, rather than a small one at the end.
        length = math.ceil(length / math.ceil(length / min(length, left)))
        chosen.append(length)
        left //= length
    return tuple(reversed(chosen))


def grown(shape: Sequence[int], chunk: Sequence[int], size: int) -> tuple[int, ...]:
    """A block of whole chunks, of at most `size` trajectories unless one chunk has more."""
    chosen = list(chunk)
    for axis in reversed(range(len(shape))):
        others = math.prod(chosen) // chosen[axis]
        times = max(size // (others * chosen[axis]), 1)
        chosen[axis] = min(chosen[axis] * times, -(-shape[axis] // chosen[axis]) * chosen[axis])
    return tuple(chosen)


def blocks(shape: Sequence[int], block: Sequence[int]) -> Iterator[Block]:
    """All blocks of a grid, the last axis running fastest."""
    starts = [range(0, size, length) for size, length in zip(shape, block, strict=True)]
    for start in itertools.product(*starts):
        yield tuple(slice(at, min(at + length, size)) for at, length, size in zip(start, block, shape, strict=True))
