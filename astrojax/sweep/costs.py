"""What trajectories and programs cost: core-seconds on a CPU of 2024, as benchmarks/engine.py measures them, and bytes."""

from collections.abc import Hashable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._internal.random import seed_key
from ..models.base import NUM_STEPS
from .programs import as_arrays, one_lane, static_key

TRAJECTORY_SECONDS, DRAW_SECONDS, STEP_SECONDS = 2e-6, 6e-10, 1.2e-10
"""For any trajectory; to draw an entry of a pattern; for an entry, or a product of two, at a step of the solver."""

COMPILE_SECONDS = 3.0  # a cached program must still be traced and loaded, a third of that

_SIZES: dict[Hashable, tuple[int, int, int]] = {}


def program_cost(sample: Any, coordinates: Mapping[str, np.ndarray], capacity: int) -> float:
    """How many trajectories, padded to `capacity` patterns, cost as much as a program, which every second run finds cached."""
    drawn, read, _ = _sizes(sample, coordinates, capacity)
    num_steps = getattr(sample, "num_steps", None) or NUM_STEPS
    seconds = TRAJECTORY_SECONDS + DRAW_SECONDS * drawn + STEP_SECONDS * num_steps * read
    return 2 / 3 * COMPILE_SECONDS / seconds


def trajectory_bytes(sample: Any, coordinates: Mapping[str, np.ndarray], capacity: int) -> int:
    """Memory of the problem of one trajectory and of what its steps read, at the first of the coordinates."""
    return _sizes(sample, coordinates, capacity)[2]


def _sizes(sample: Any, coordinates: Mapping[str, np.ndarray], capacity: int) -> tuple[int, int, int]:
    """Entries of the largest array of a problem, of the largest that every step reads, and bytes of all of them."""
    sample, lane = as_arrays(sample), one_lane(coordinates)
    key = static_key((sample, lane)), capacity, jnp.result_type(float)
    if key not in _SIZES:

        def arrays(lane: dict[str, jax.Array]) -> tuple[Any, Any]:
            problem = sample.draw(seed_key(0), lane, capacity)
            return problem, sample.memory(problem, lane) if hasattr(sample, "memory") else None

        problem, memory = eqx.filter_eval_shape(arrays, lane)
        drawn, read = _arrays(problem), _arrays(memory)
        # What is precomputed may be larger than any machine: its size is known without tracing it.
        precomputed = getattr(memory, "num_precomputed", 0)
        most_drawn, most_read = (max((leaf.size for leaf in leaves), default=0) for leaves in (drawn, read))
        size = sum(leaf.size * leaf.dtype.itemsize for leaf in (*drawn, *read))
        _SIZES[key] = most_drawn, max(most_read, precomputed), size + precomputed * jnp.result_type(float).itemsize
    return _SIZES[key]


def _arrays(shapes: Any) -> list[Any]:
    """Leaves with a size in bytes, which random keys have not."""
    return [leaf for leaf in jax.tree.leaves(shapes) if hasattr(getattr(leaf, "dtype", None), "itemsize")]
