"""Observables of a recalled state: functions of arrays. Errors count neurons, from 0 to N."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from .._internal.checks import refuse_bits, require_signs, shaped
from .._internal.types import Neurons, Patterns, PerPattern, Scalar, Stored


def hamming_error(target: Neurons, x: Neurons) -> Scalar:
    """Hamming error, in [0, N]; an entry of exactly 0 counts as half an error.

        ½ Σ |ξ − sign(x)|

    Arguments: the target pattern ξ of ±1 and the neuronal state x, both of shape (N,).

    Raises `InputError` for a target with other entries; a traced target gives NaN instead.

    Source: Vivet and Arenas (2026), arXiv:2604.25481, Eq. 15.
    """
    shaped("x", x, target.shape, "that of the target")
    return _of_signs(target, jnp.sum(jnp.abs(target - jnp.sign(x))) / 2)


def soft_hamming_error(target: Neurons, readout: Neurons) -> Scalar:
    """Soft Hamming error, in [0, N], of firing rates φ(x) of shape (N,).

        ½ Σ |ξ − φ(x)|

    Raises: as `hamming_error`; NaN in the same case.
    Source: Vivet and Arenas (2026), arXiv:2604.25481, Eq. 13.
    """
    shaped("readout", readout, target.shape, "that of the target")
    return _of_signs(target, jnp.sum(jnp.abs(target - readout)) / 2)


def overlap(target: Neurons, readout: Neurons) -> Scalar:
    """Overlap with the target.

        ⟨ξ, φ(x)⟩/N

    It lies in [−1, 1] for targets of ±1.

    Raises `InputError` for a target that consists only of 0 and 1.
    """
    shaped("readout", readout, target.shape, "that of the target")
    refuse_bits("target", target)
    return target @ readout / target.shape[0]


def success(target: Neurons, x: Neurons) -> Scalar:
    """1 if the Hamming error is 0, NaN if it is NaN, else 0. Raises: as `hamming_error`."""
    error = hamming_error(target, x)
    return jnp.where(jnp.isnan(error), error, (error == 0).astype(error.dtype))


def perplexity(log_gains: PerPattern) -> Scalar:
    """Perplexity of the gains, in [1, K]: the effective number of patterns that share them.

        exp(−Σ p log p)

    Arguments: log p, shape (K,), with −inf for columns that are not stored (see `AbstractMemory.log_gains`).
    Source: Vivet and Arenas (2026), arXiv:2604.25481, Eq. 14.
    """
    shaped("log_gains", log_gains, (log_gains.size,), "one entry per pattern")
    present = jnp.isfinite(log_gains)
    safe = jnp.where(present, log_gains, 0)
    return jnp.exp(-jnp.sum(jnp.where(present, jnp.exp(safe) * safe, 0)))


def rmse(target: Neurons, readout: Neurons) -> Scalar:
    """Root mean squared error of firing rates φ(x) of shape (N,), in the units of the patterns.

    √(‖φ(x) − ξ‖²/N)
    """
    shaped("readout", readout, target.shape, "that of the target")
    square = jnp.mean((readout - target) ** 2)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)  # whose gradient is finite


def cosine(target: Neurons, readout: Neurons) -> Scalar:
    """Cosine similarity of firing rates φ(x) of shape (N,) and the target, in [−1, 1]; 0 if one of them is 0.

    ⟨ξ, φ(x)⟩/(‖ξ‖ ‖φ(x)‖)
    """
    shaped("readout", readout, target.shape, "that of the target")
    scale = (target @ target) * (readout @ readout)
    return jnp.where(scale > 0, jnp.clip(target @ readout / jnp.sqrt(jnp.where(scale > 0, scale, 1)), -1, 1), 0)


def identified(
    patterns: Patterns, readout: Neurons, *, stored: Stored | None = None, classes: Int[Array, " patterns"] | None = None
) -> Scalar:
    """1 where the pattern nearest to firing rates φ(x) of shape (N,) is the first, the target, else 0.

        argmin_μ ‖φ(x) − ξ_μ‖²

    Where several are equally near up to rounding, it is the target's share of them, as if one were taken at random. The
    negative of a pattern is another pattern, also for memories that cannot tell them apart, as it is in Hamming errors.

    Arguments:
        patterns: shape (N, K). stored: which columns count, shape (K,); all if omitted.
        classes: one number per pattern, shape (K,): the nearest pattern need only have the target's.
    """
    shaped("readout", readout, patterns.shape[:1], "one entry per neuron")
    squares = jnp.sum(patterns**2, axis=0)
    likeness = readout @ patterns - squares / 2
    rounding = 4 * jnp.finfo(likeness.dtype).eps * (readout @ readout + jnp.max(squares))
    likeness = likeness if stored is None else jnp.where(stored, likeness, -jnp.inf)
    is_nearest = likeness >= jnp.max(likeness) - rounding
    is_right = jnp.arange(patterns.shape[1]) == 0 if classes is None else classes == classes[0]
    return jnp.sum(is_nearest & is_right, dtype=likeness.dtype) / jnp.sum(is_nearest, dtype=likeness.dtype)


def _of_signs(target: Neurons, error: Scalar) -> Scalar:
    """The error, or NaN for a traced target with entries other than ±1."""
    require_signs("target", target)
    if not isinstance(target, jax.core.Tracer):
        return error
    return jnp.where(jnp.all(jnp.abs(target) == 1), error, jnp.nan)
