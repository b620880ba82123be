"""Settings of a solve: one frozen object, checked when it is built, and handed on whole."""

from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp

from .._internal.checks import InputError, at_least, one_of, positive, shown
from .._internal.parameters import MOST_STEPS
from .._internal.types import ScalarLike
from .automatic import Automatic
from .exponential import ETD2, ETD3, Adams

AdaptiveSolver = diffrax.AbstractAdaptiveSolver[Any]

SOLVERS: dict[str, type[AdaptiveSolver]] = {
    "auto": Automatic,
    "adams": Adams,
    "etd2": ETD2,
    "etd3": ETD3,
    "heun": diffrax.Heun,
    "bosh3": diffrax.Bosh3,
    "tsit5": diffrax.Tsit5,
    "dopri5": diffrax.Dopri5,
    "dopri8": diffrax.Dopri8,
    "kvaerno3": diffrax.Kvaerno3,
    "kvaerno5": diffrax.Kvaerno5,
}

MAX_STEPS = 4096  # of a trajectory in a batch, by default


class SolveSettings(eqx.Module):
    """How trajectories are solved.

    Numbers are traced, so that changing one compiles nothing; `max_steps`, `num_steps` and `confirm` are static.

    Arguments:
        t1, rtol, atol, convergence_speed, max_steps, num_steps, confirm: see `retrieve`.
        solver: see `retrieve`. When left out `adams`, or `etd3` where a tolerance is given.
        refinement: by what factor grids have more steps than `AbstractMemory.num_steps` says.

    Raises `InputError` for an unknown solver, and for settings that are out of range or not for the solver.
    """

    t1: ScalarLike = 10.0
    rtol: ScalarLike | None = None
    atol: ScalarLike | None = None
    convergence_speed: ScalarLike | None = None
    refinement: ScalarLike = 1.0
    solver: str | AdaptiveSolver | None = None
    max_steps: int = eqx.field(static=True, default=MAX_STEPS)
    num_steps: int | None = eqx.field(static=True, default=None)
    confirm: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        for name in ("t1", "rtol", "atol", "convergence_speed", "refinement"):
            if (value := getattr(self, name)) is not None:
                positive(name, value, jnp.result_type(float))
        if not isinstance(self.solver, diffrax.AbstractAdaptiveSolver):
            one_of("solver", self.solver_name, SOLVERS)
        at_least("max_steps", self.max_steps, 1)
        if self.num_steps is not None:
            at_least("num_steps", self.num_steps, 1, min(MOST_STEPS, self.max_steps))
            if not self.on_grid:
                raise InputError(f"num_steps is for the solver adams; got {self.num_steps} for the solver {self.solver_name}")
        for name in ("rtol", "atol") if self.on_grid else ():
            if (value := getattr(self, name)) is not None:
                raise InputError(f"{name} is for adaptive solvers; got {shown(value)} for adams, which has num_steps")

    @property
    def method(self) -> AdaptiveSolver:
        return self.solver if isinstance(self.solver, diffrax.AbstractAdaptiveSolver) else SOLVERS[self.solver_name]()

    @property
    def solver_name(self) -> str:
        """The solver's name in `SOLVERS`, or that of its class."""
        if isinstance(self.solver, diffrax.AbstractAdaptiveSolver):
            kind = type(self.solver)
            return next((name for name, known in SOLVERS.items() if kind is known), kind.__name__.lower())
        return self.solver or ("adams" if self.rtol is None and self.atol is None else "etd3")

    @property
    def on_grid(self) -> bool:
        return self.solver_name == "adams"
