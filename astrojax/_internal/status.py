"""How a trajectory ended: the one list of statuses and of what they mean. No numerical library is needed."""

from enum import IntEnum


class Status(IntEnum):
    """How a trajectory ended. Only the states of an `OK` trajectory mean anything. Its `meaning` in words:"""

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
    Status.MAX_STEPS: "The horizon was not reached within `max_steps` steps, since the problem is stiff or the tolerances are "
    "tight: raise `max_steps` or the tolerances.",
    Status.NON_FINITE: "The query or the final state holds NaN or infinity.",
    Status.INVALID_MEMORY: "A parameter of the memory is not positive and finite, its patterns are not finite, or none of them "
    "is stored.",
    Status.SOLVER_FAILED: "The solver gave up for another reason, such as an implicit stage that did not converge, or "
    "steps too short for the precision of the time: use double precision.",
    Status.INVALID_SETTINGS: "The horizon or a tolerance is not positive and finite, or the times to save do not increase "
    "within the horizon.",
    Status.UNCONFIRMED: "A solution at a tighter tolerance ends at another x: the trajectory passes too close to a boundary "
    "between two basins.",
}
Status.__doc__ = "\n".join([f"{Status.__doc__}\n", *(f"    - `{one.name}` ({one.value}): {one.meaning}" for one in Status)])
