"""The gradient that a step of a search follows: the mean over its problems, of a loss that may be smoothed."""

from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from .._internal.random import pinned
from .._internal.types import RandomKey
from ..solve.retrieve import Status
from .record import measures_in


@pinned
def perturbations(key: RandomKey, names: Iterable[str], num_problems: int) -> dict[str, np.ndarray]:
    """Standard normal numbers by name, shape (num_problems,), opposite ones for consecutive problems."""
    names = sorted(names)
    drawn = np.asarray(jax.random.normal(key, (len(names), num_problems // 2, 1), jnp.float32))
    both = (drawn * np.array([1, -1], np.float32)).reshape(len(names), -1)
    return dict(zip(names, both, strict=True))


def mean_gradient(
    found: Mapping[str, np.ndarray],
    slopes: Mapping[str, np.ndarray],
    perturbation: Mapping[str, np.ndarray],
    *,
    smoothing: float,
    max_norm: float,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The mean gradient in the unconstrained numbers, shape (S, …) by parameter, and the metrics of a `Record`."""
    with np.errstate(over="ignore", invalid="ignore"):
        gradients = {name: np.asarray(found[f"gradient_{name}"], np.float64) * slope for name, slope in slopes.items()}
        norm = _norm(gradients, from_axis=2)
    succeeded = found["status"] == Status.OK
    usable = succeeded & np.isfinite(norm) & np.isfinite(found["loss"])
    num_usable = np.maximum(usable.sum(axis=1), 1)
    means = {}
    for name in ("loss", *measures_in(found)[:2]):
        total = np.sum(np.where(usable, found[name], 0).astype(np.float64), axis=1)
        means[name] = np.where(usable.any(axis=1), total / num_usable, np.nan)
    clipping = np.where(usable, _clipping(norm, max_norm), 0.0)
    excess_loss = np.where(usable, found["loss"] - means["loss"][:, None], 0.0)
    mean = {}
    for name, each in gradients.items():
        clipped = np.where(_expanded(usable, each), each, 0.0) * _expanded(clipping, each)
        mean[name] = clipped.sum(axis=1) / _expanded(num_usable, each[:, 0])
        if perturbation:
            # It sees where a trajectory changes basins: the loss jumps there, of which the derivative says nothing.
            covariance = excess_loss @ perturbation[name].astype(np.float64) / num_usable
            mean[name] = (mean[name] + covariance / smoothing) / 2
    norm_of_mean = _norm(mean, from_axis=1)
    clipping_of_mean = _clipping(norm_of_mean, max_norm)
    metrics = means | {
        "gradient_norm": norm_of_mean * clipping_of_mean,
        "num_clipped": np.sum(usable & (norm > max_norm), axis=1),
        "num_non_finite": np.sum(succeeded & ~usable, axis=1),
        "num_failed": np.sum(~succeeded, axis=1),
    }
    return {name: part * _expanded(clipping_of_mean, part) for name, part in mean.items()}, metrics


def _norm(parts: Mapping[str, np.ndarray], from_axis: int) -> np.ndarray:
    squares = [np.sum(part**2, axis=tuple(range(from_axis, part.ndim))) for part in parts.values()]
    return np.asarray(np.sqrt(sum(squares[1:], squares[0])))


def _clipping(norm: np.ndarray, max_norm: float) -> np.ndarray:
    return np.asarray(max_norm / np.maximum(norm, max_norm))


def _expanded(array: np.ndarray, like: np.ndarray) -> np.ndarray:
    return array.reshape(*array.shape, *[1] * (like.ndim - array.ndim))
