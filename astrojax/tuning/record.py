"""What a search records of each step, and how its best values are chosen from that."""

from typing import NamedTuple

import numpy as np


class Record(NamedTuple):
    """What happened in one step, for each of S starts: arrays of shape (S,), which `DEFINITIONS` defines."""

    loss: np.ndarray
    hamming_error: np.ndarray
    success: np.ndarray
    gradient_norm: np.ndarray
    num_clipped: np.ndarray
    num_non_finite: np.ndarray
    num_failed: np.ndarray
    validation_loss: np.ndarray
    validation_error: np.ndarray
    validation_success: np.ndarray


DEFINITIONS = {
    "loss": "mean loss over the problems of the step, before it was taken",
    "hamming_error": "mean Hamming error over the same problems, in neurons",
    "success": "share of them that were recalled without error",
    "gradient_norm": "norm of the mean gradient in unconstrained numbers, after clipping",
    "num_clipped": "problems of the step whose gradient was scaled down",
    "num_non_finite": "problems of the step whose gradient was not finite, and left out",
    "num_failed": "problems of the step whose trajectory failed, and was left out",
    "validation_loss": "mean loss over the validation problems after the step; NaN after steps without validation",
    "validation_error": "mean Hamming error over the validation problems, in neurons; all of them in a trajectory that failed",
    "validation_success": "share of the validation problems that were recalled without error",
}

VALIDATION_METRICS = ("validation_loss", "validation_error", "validation_success")

CHOICE = "the lowest validation_error; validation_loss breaks ties, then the order of score, start and step"


def ranked(error: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """Indices along the first axis, the best first: by error, then loss, then order. NaN comes last."""
    return np.lexsort((loss, error), axis=0)
