"""What trajectories and programs cost, about: core-seconds on a CPU of 2024, as benchmarks/engine.py measures them."""

from typing import Any

LANE_SECONDS, DRAW_SECONDS, STEP_SECONDS = 2e-6, 6e-10, 1.2e-10
"""For any trajectory; to draw an entry of a pattern; for an entry, or a product of two, at a step of the solver."""

COMPILE_SECONDS = 3.0
"""To compile a program. One that was kept must still be traced and loaded, a third of that."""

USUAL_STEPS = 40
"""Steps of a trajectory, about."""


def lane_seconds(kind: str, num_neurons: int, capacity: Any, num_steps: int | None) -> Any:
    """Of one trajectory with so many patterns, by a model of that `kind`, or of `decoders`."""
    drawn = num_neurons * capacity
    read = {"neuron_astrocyte": drawn * (num_neurons + 1) / 2, "decoders": 0}.get(kind, drawn)
    return LANE_SECONDS + DRAW_SECONDS * drawn + STEP_SECONDS * (num_steps or USUAL_STEPS) * read


def lanes_of_a_program(lane: float) -> float:
    """How many trajectories of so many seconds cost as much as one more program, which every other run finds kept."""
    return 2 / 3 * COMPILE_SECONDS / lane
