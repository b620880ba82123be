"""Padded shapes: how few of them hold all memory loads of a sweep at little cost."""

import numpy as np

MULTIPLE = 8  # capacities are multiples of it, which keeps batched products of patterns fast
PROGRAM_COST = 50_000  # default number of trajectories of the largest load that cost as much as compiling one more program
MOST_CANDIDATES = 64


class Shapes:
    """The padded shapes of a sweep: the numbers of patterns to which smaller loads are padded that waste least.

    They minimize the patterns computed, padding included, plus `program_cost` trajectories of the largest load per shape.
    """

    capacities: np.ndarray  # rising; the last holds the largest load
    padding: float  # share of the patterns computed that is padding

    def __init__(
        self, loads: np.ndarray, counts: np.ndarray, largest: int | None = None, program_cost: float | int = PROGRAM_COST
    ) -> None:
        candidates = np.unique(np.ceil(loads / MULTIPLE).astype(int) * MULTIPLE)
        if largest is not None:
            candidates = np.unique(np.minimum(candidates, largest))
        if candidates.size > MOST_CANDIDATES:
            candidates = candidates[np.linspace(0, candidates.size - 1, MOST_CANDIDATES).round().astype(int)]
        self.capacities = _cheapest(candidates, loads, counts, program_cost)
        computed = float(self.of(loads) @ counts)
        self.padding = 1 - float(loads @ counts) / computed

    def of(self, loads: np.ndarray) -> np.ndarray:
        return self.capacities[np.searchsorted(self.capacities, loads)]


def _cheapest(candidates: np.ndarray, loads: np.ndarray, counts: np.ndarray, program_cost: float | int) -> np.ndarray:
    """The subset of at most three candidates, the last among them, that costs least; of several the smallest."""
    counts_up_to = np.array([counts[loads <= size].sum() for size in candidates], float)
    first, second = np.triu_indices(candidates.size)
    numbers = np.diff([counts_up_to[first], counts_up_to[second], np.full(first.size, counts_up_to[-1])], axis=0, prepend=0)
    number = 1 + (first < second) + (second < candidates.size - 1)
    cost = np.array([candidates[first], candidates[second], np.full(first.size, candidates[-1])]) * numbers
    best = int(np.lexsort((number, cost.sum(axis=0) + number * program_cost * float(candidates[-1])))[0])
    return candidates[sorted({first[best], second[best], candidates.size - 1})]
