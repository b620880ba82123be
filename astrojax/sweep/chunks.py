"""Chunks of a grid: blocks of it that are computed, stored and, after an interruption, repeated as one."""

import itertools
import math
from collections.abc import Iterator, Sequence

Block = tuple[slice, ...]
"""A slice along each axis of a grid."""


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
