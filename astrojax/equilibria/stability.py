"""Stability: the Jacobian at a state of a memory, its eigenvalues, and what follows for small deviations."""

from enum import IntEnum

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from .._internal.datasets import Labeled, labeled, listed
from .._internal.types import BoolScalar, IntScalar
from ..models.base import AbstractMemory
from .fixed_points import of_state


class Stability(IntEnum):
    """What small deviations from an equilibrium do."""

    STABLE = 0  #: All of them decay.
    SADDLE = 1  #: Some grow.
    REPELLER = 2  #: All of them grow.
    MARGINAL = 3  #: The leading eigenvalue is zero within rounding, so the linearized equations do not decide.
    UNKNOWN = 4  #: The Jacobian is not finite, or has complex eigenvalues, since the memory does not rest here.


KINK_WIDTH = 16  # how far from a state, to either side, Jacobians are compared; in units of rounding of the largest variable
KINK_JUMP = 1e-3  # on a kink they differ by more than this fraction of the largest entry


class Spectrum(Labeled):
    """Linear stability of an equilibrium with D variables.

    Arguments:
        eigenvalues: eigenvalues of the Jacobian, per unit of time, shape (D,), the largest first.
        index: how many of them are positive beyond rounding: the number of unstable directions.
        stability: a `Stability` as an integer.
    """

    eigenvalues: Float[Array, " variables"] = labeled("eigenvalues of the Jacobian, per unit of time", "eigenvalue")
    index: IntScalar = labeled("number of unstable directions")
    stability: IntScalar = labeled(listed(Stability))


@of_state
def jacobian(memory: AbstractMemory, state: PyTree) -> Float[Array, "variables variables"]:
    """Jacobian of a memory's vector field at a state, per unit of time, shape (D, D).

    The D variables are those of the state in its own order, as `jax.flatten_util.ravel_pytree` lays them out: neurons first.

    Raises `InputError` for something that is not a memory or a state of it.
    """
    flat, unravel = ravel_pytree(state)
    return jax.jacfwd(lambda y: ravel_pytree(memory.vector_field(unravel(y)))[0])(flat)


@of_state
def spectrum(memory: AbstractMemory, state: PyTree) -> Spectrum:
    """Eigenvalues of the Jacobian at an equilibrium, and the stability that follows.

    They are real: every memory descends its energy E as M dy/dt = −∂E/∂y, with a symmetric M ≥ 0, so that M times the Jacobian
    is minus the symmetric Hessian of E, and the index is the number of directions in which the energy falls, whatever the time
    constants. A constant added to all logits leaves the gains unchanged, but decays at the rate T/τp: it is no zero mode.

    An eigenvalue counts as zero within 10 D ε of the largest |eigenvalue|, with ε the rounding unit: about its own error. In
    single precision fast directions may hide slow ones, which are `MARGINAL` then. Imaginary parts larger than about √ε, by
    which rounding splits a degenerate eigenvalue, show that the memory does not rest here: `UNKNOWN`.

    Where rates are rectified, or gains of sparsemax become 0, the derivative of the vector field jumps; with entmax it changes
    steeply. At rest on such a kink, as rectified neurons are at x = 0, the linearized equations do not decide either:
    `MARGINAL`, and the eigenvalues are those of one side.

    Arguments and errors as for `jacobian`, at a state at which the memory rests, such as `equilibrium` finds.
    """
    found = jnp.linalg.eigvals(jacobian(memory, state))
    eigenvalues, largest = jnp.sort(found.real, descending=True), jnp.max(jnp.abs(found))
    num_variables, unit = eigenvalues.size, float(jnp.finfo(eigenvalues.dtype).eps)
    margin = 10 * num_variables * unit * largest
    index = jnp.sum(eigenvalues > margin)
    stability = jnp.where(index == num_variables, Stability.REPELLER, Stability.SADDLE)
    stability = jnp.where(index == 0, Stability.STABLE, stability)
    decided = jnp.abs(eigenvalues[0]) > margin
    if memory.has_kinks:
        decided &= ~_on_kink(memory, state)
    stability = jnp.where(decided, stability, Stability.MARGINAL)
    real = jnp.max(jnp.abs(found.imag)) <= 10 * unit**0.5 * largest  # false for what is not finite
    return Spectrum(eigenvalues, index, jnp.where(real, stability, Stability.UNKNOWN))


def _on_kink(memory: AbstractMemory, state: PyTree) -> BoolScalar:
    """Whether the Jacobian jumps at a state."""
    unit, (flat, unravel) = float(jnp.finfo(memory.patterns.dtype).eps), ravel_pytree(state)
    scale = ravel_pytree(jax.tree.map(lambda part: jnp.full_like(part, 1 + jnp.max(jnp.abs(part))), state))[0]
    # All variables at once, each by another amount: gains do not change with what is added to all logits.
    step = KINK_WIDTH * unit * scale * (1.5 + jnp.cos(1 + jnp.arange(flat.size, dtype=flat.dtype)))
    low, high = (jacobian(memory, unravel(flat + sign * step)) for sign in (-1, 1))
    return jnp.max(jnp.abs(high - low)) > KINK_JUMP * jnp.max(jnp.abs(high))
