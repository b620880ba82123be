"""What a search records of each step, and how its best values are chosen from that."""

from typing import Annotated, NamedTuple, get_args

import numpy as np


class Record(NamedTuple):
    """What happened in one step, for each of S starts: arrays of shape (S,)."""

    loss: Annotated[np.ndarray, "mean loss over the problems of the step, before it was taken"]
    hamming_error: Annotated[np.ndarray, "mean Hamming error over the same problems, in neurons"]
    success: Annotated[np.ndarray, "share of them that were recalled without error"]
    gradient_norm: Annotated[np.ndarray, "norm of the mean gradient in unconstrained numbers, after clipping"]
    num_clipped: Annotated[np.ndarray, "problems of the step whose gradient was scaled down"]
    num_non_finite: Annotated[np.ndarray, "problems of the step whose gradient was not finite, and left out"]
    num_failed: Annotated[np.ndarray, "problems of the step whose trajectory failed, and was left out"]
    validation_loss: Annotated[
        np.ndarray, "mean loss over the validation problems after the step; NaN after steps without validation"
    ]
    validation_error: Annotated[
        np.ndarray, "mean Hamming error over the validation problems, in neurons; all of them in a trajectory that failed"
    ]
    validation_success: Annotated[np.ndarray, "share of the validation problems that were recalled without error"]


DEFINITIONS: dict[str, str] = {name: get_args(field)[1] for name, field in Record.__annotations__.items()}
"""What the fields of a `Record` are."""

VALIDATION_METRICS = ("validation_loss", "validation_error", "validation_success")

CHOICE = "the lowest validation_error; validation_loss breaks ties, then the order of score, start and step"


def ranked(error: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """Indices along the first axis, the best first: by error, then loss, then order. NaN comes last."""
    return np.lexsort((loss, error), axis=0)
