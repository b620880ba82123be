"""What a search records of each step, and how its best values are chosen from that."""

from collections import namedtuple
from collections.abc import Container
from typing import Annotated, Any, NamedTuple, get_args

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


class Measures(NamedTuple):
    """What is reported of recalls: the names of an error, which selects values, and of what is 1 where a recall is `right`."""

    error: str
    success: str
    right: str
    definitions: dict[str, str]
    """What the fields of a record are."""


_REAL = {
    "hamming_error": ("rmse", "mean root mean squared error over the same problems, in the units of the patterns"),
    "success": ("identified", "share of them where the stored pattern nearest to the firing rates is the target"),
    "validation_error": ("validation_error", "mean rmse over the validation problems; of the negative target in a failed one"),
    "validation_success": ("validation_identified", "share of the validation problems where the target is the nearest"),
}
SIGNED = Measures("hamming_error", "success", "perfect", {name: get_args(of)[1] for name, of in Record.__annotations__.items()})
REAL = Measures("rmse", "identified", "identified", dict(_REAL.get(one[0], one) for one in SIGNED.definitions.items()))
RealRecord: Any = namedtuple("RealRecord", REAL.definitions)  # type: ignore[misc]


def measures_in(names: Container[Any]) -> Measures:
    """The measures of a search or a run that reports these names."""
    return SIGNED if SIGNED.error in names else REAL


CHOICE = "the lowest validation_error; validation_loss breaks ties, then the order of score, start and step"


def ranked(error: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """Indices along the first axis, the best first: by error, then loss, then order. NaN comes last."""
    return np.lexsort((loss, error), axis=0)
