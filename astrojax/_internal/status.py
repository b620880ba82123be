"""Statuses of trajectories and their meanings. Imports no numerical library."""

from enum import IntEnum


class Status(IntEnum):
    """How a trajectory ended. Only states of an `OK` trajectory are valid. The statuses mean:"""

    _value_: int
    meaning: str

    def __new__(cls, value: int, meaning: str = "") -> "Status":
        member = int.__new__(cls, value)
        member._value_, member.meaning = value, meaning
        return member

    OK = 0, "The horizon was reached."
    MAX_STEPS = 1, "The horizon was not reached within `max_steps` steps: increase `max_steps` or the tolerances."
    NON_FINITE = 2, "The query or the final state contains NaN or infinity."
    INVALID_MEMORY = 3, "A parameter is not positive and finite, patterns are not finite, or no pattern is stored."
    SOLVER_FAILED = 4, "The solver failed, for instance at an implicit stage or a step below the precision of time."
    INVALID_SETTINGS = 5, "The horizon or a tolerance is not positive and finite, or times to save do not increase within it."
    UNCONFIRMED = 6, "A solution at a smaller tolerance ends in another state: the trajectory passes close to a basin boundary."


Status.__doc__ = "\n".join([f"{Status.__doc__}\n", *(f"    - `{one.name}` ({one.value}): {one.meaning}" for one in Status)])
