"""Statuses of trajectories and their meanings. Imports no numerical library."""

from enum import IntEnum


class Status(IntEnum):
    """How a trajectory ended. Only states of an `OK` trajectory are valid. The statuses mean:"""

    OK = 0
    MAX_STEPS = 1
    NON_FINITE = 2
    INVALID_MEMORY = 3
    SOLVER_FAILED = 4
    INVALID_SETTINGS = 5
    UNCONFIRMED = 6

    @property
    def meaning(self) -> str:
        """What the status means, in a sentence."""
        return MEANINGS[self]


MEANINGS = {
    Status.OK: "The horizon was reached.",
    Status.MAX_STEPS: "The horizon was not reached within `max_steps` steps, because the problem is stiff or the tolerances "
    "are small: increase `max_steps` or the tolerances.",
    Status.NON_FINITE: "The query or the final state contains NaN or infinity.",
    Status.INVALID_MEMORY: "A parameter of the memory is not positive and finite, its patterns are not finite, or no pattern "
    "is stored.",
    Status.SOLVER_FAILED: "The solver failed for another reason, such as an implicit stage that did not converge, or "
    "a step too short for the precision of time: use double precision.",
    Status.INVALID_SETTINGS: "The horizon or a tolerance is not positive and finite, or the times to save do not increase "
    "within the horizon.",
    Status.UNCONFIRMED: "A solution at a smaller tolerance ends in a different state: the trajectory passes too close to the "
    "boundary between two basins.",
}
Status.__doc__ = "\n".join([f"{Status.__doc__}\n", *(f"    - `{one.name}` ({one.value}): {one.meaning}" for one in Status)])
