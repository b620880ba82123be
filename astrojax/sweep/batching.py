"""Which lanes go into one compiled call: memory loads are padded to few capacities, and lanes of one capacity go together."""

from typing import NamedTuple

import numpy as np

from .axes import Lanes

MULTIPLE = 8
"""Capacities are multiples of this, which keeps batched products of patterns fast."""

MAX_CAPACITIES = 3
LANES_PER_CAPACITY = 10_000
"""A sweep has one capacity for each so many lanes, and at most `MAX_CAPACITIES`; each is half of the one before. More of them
waste less on padding, but each is a program to compile, which takes as long as about so many lanes take to run."""


class Batch(NamedTuple):
    """Lanes that are computed in one call: their positions in the product, and how many patterns each is padded to."""

    capacity: int
    lanes: np.ndarray


def batches(lanes: Lanes, largest_capacity: int | None = None) -> list[Batch]:
    """Group lanes by padded memory load, the largest load first.

    Arguments:
        lanes: the lanes, with a coordinate `num_patterns`.
        largest_capacity: how many patterns there are to draw from, where that is limited.
    """
    loads = lanes.coordinates["num_patterns"]
    capacity = capacities(loads, largest_capacity)
    return [Batch(int(size), np.flatnonzero(capacity == size)) for size in np.unique(capacity)[::-1]]


def capacities(loads: np.ndarray, largest_capacity: int | None = None) -> np.ndarray:
    """The capacity of each lane, given its memory load: the smallest capacity of the sweep that holds it."""
    number = min(MAX_CAPACITIES, 1 + loads.size // LANES_PER_CAPACITY)
    sizes = np.array([_round_up(loads.max() / 2**halvings) for halvings in range(number)])[::-1]
    chosen = sizes[np.searchsorted(sizes, loads)]
    return chosen if largest_capacity is None else np.minimum(chosen, largest_capacity)


def _round_up(size: float) -> int:
    return int(np.ceil(size / MULTIPLE)) * MULTIPLE
