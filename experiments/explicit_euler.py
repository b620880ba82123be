"""The paper's own protocol, explicit Euler on the gains: a reference for experiments, tests and benchmarks."""

import jax
import jax.numpy as jnp

import astrojax as aj


def euler_on_gains(
    memory: aj.AstrocyteMemory, query: jax.Array, *, t1: float = 10.0, dt: float = 0.001
) -> tuple[jax.Array, jax.Array]:
    """Integrate Eqs. 4 and 6 in x and p with t1/dt explicit Euler steps of equal length.

    The paper takes dt = 0.001, and 0.05 α where a swept time constant or temperature α is 0.01 or less.

    Arguments:
        memory: a memory in the dynamic regime, with any score.
        query: neuronal state x(0), shape (N,).
        t1: horizon, dimensionless. dt: length of a step.

    Returns:
        Neuronal state x, shape (N,), and gains p, shape (K,), at the horizon.

    Raises:
        InputError (a ValueError): for a memory in another regime.

    Source: Vivet and Arenas (2026), arXiv:2604.25481, Section III.
    """
    if memory.gain_regime != "dynamic":
        raise aj.InputError(f"the Euler protocol needs the gain regime dynamic; got {memory.gain_regime}")
    num_steps, step_size = round(t1 / dt), jnp.asarray(dt, memory.patterns.dtype)

    def step(_: jax.typing.ArrayLike, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        x, p = state
        scores, score_slopes = memory.score.with_derivative(jnp.tanh(memory.slope * x) @ memory.patterns, memory.num_neurons)
        drive = memory.coupling_constant() * (memory.patterns @ (p * score_slopes))
        fitness = scores - memory.temperature * jnp.log(jnp.where(p > 0, p, 1))
        return x + step_size * (drive - x) / memory.tau_x, p + step_size * p * (fitness - p @ fitness) / memory.tau_p

    start = memory.initial_state(query)
    return jax.lax.fori_loop(0, num_steps, step, (start.x, memory.gains(start)))
