"""The same retrievals, by astrojax and by everything else one might use: time and accuracy side by side, in one run.

N = 20, 3 flips, the paper's defaults, horizon 10; every trajectory has its own patterns, which all are given. The accuracy
of each is told by its final Hamming errors, beside those of Dopri8 at 1e-9 in float64: the share of trajectories in which they
differ, and the difference of the means.
"""

import argparse
import dataclasses
import functools
import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.integrate
from harness import Contender, described, machine, race, spread, table, times_slower
from workloads import HORIZON, recall_trial

import astrojax as aj
from astrojax.problems.task import Problem

sys.path.append(str(Path(__file__).parents[1] / "experiments"))

from explicit_euler import euler_on_gains

KEY = jax.random.key(0)
NUM_NEURONS, NUM_FLIPS = 20, 3
TEMPERATURE, SLOPE = 0.01, 5.0

EULER_STEP = 0.001
FLOOR_EVALUATIONS = 28
"""Evaluations of the bare right-hand side in the floor, as many as a trajectory takes at K = 100 and 200."""

LANES = 32
"""Lanes of the floor that step together, as in the engine."""


def sweep(num_patterns: int, number: int) -> aj.Sweep:
    """The engine's own form of the workload."""
    return aj.Sweep(recall_trial(), {"num_patterns": [num_patterns], "num_flips": [NUM_FLIPS], "trial": range(number)})


class Given(eqx.Module):
    """Problems that have been drawn beforehand, by the number of the trial, a byte for each entry."""

    patterns: jax.Array
    queries: jax.Array
    corruption: aj.Flips
    coordinate_names: tuple[str, ...] = eqx.field(static=True, default=("num_patterns", "trial"))
    is_binary: bool = eqx.field(static=True, default=True)

    def draw(self, root_key: Any, coordinates: Mapping[str, jax.Array], capacity: int) -> Problem:
        """The problem of a trial. Patterns have been padded."""
        patterns, query = self.patterns[coordinates["trial"]].astype(self.queries.dtype), self.queries[coordinates["trial"]]
        stored = jnp.arange(capacity, dtype=jnp.int32) < coordinates["num_patterns"]
        return Problem(patterns, stored, patterns[:, 0], query, root_key, None)


def problems(num_patterns: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Patterns, shape (number, N, K), and queries, shape (number, N): those that the engine draws for itself."""
    own = sweep(num_patterns, number)
    lanes = {name: jnp.asarray(values) for name, values in own.grid.at(np.arange(number)).items()}
    task = own.sample.task
    drawn = jax.jit(jax.vmap(lambda lane: task.draw(KEY, lane, num_patterns)))(lanes)
    return np.asarray(drawn.patterns, np.float32), np.asarray(drawn.query, np.float32)


def in_threads(call: Callable[[Any], Any], parts: list[Any]) -> Any:
    """One compiled function called from a thread per core."""
    with ThreadPoolExecutor() as pool:
        return np.concatenate([np.asarray(part) for part in pool.map(call, parts)])


def engine(patterns: np.ndarray, queries: np.ndarray, given: bool) -> Callable[[], Any]:
    """The sweep engine, as `astrojax run` uses it, with all observables; it draws the problems itself if they are not given."""
    chosen, own = aj.Engine(), sweep(patterns.shape[2], len(patterns))
    if given:
        capacity = int(own.shapes.capacities[-1])
        padded = np.pad(patterns, ((0, 0), (0, 0), (0, capacity - patterns.shape[2]))).astype(np.int8)
        task = Given(jnp.asarray(padded), jnp.asarray(queries), aj.Flips())
        axes = {name: own.axes[name] for name in task.coordinate_names}
        lane = {name: jnp.asarray(values[0]) for name, values in own.grid.at(np.zeros(1, int)).items()}
        num_steps = int(own.sample.first_num_steps(lane, capacity))
        own = dataclasses.replace(own, axes=axes, sample=dataclasses.replace(own.sample, task=task, num_steps=num_steps))
    run = functools.partial(aj.run_sweeps, {"engine": own}, KEY, engine=chosen, lanes_per_chunk=len(patterns) // 4)
    return lambda: run()["engine"].observables["hamming_error"].ravel()


def right_hand_sides(patterns: np.ndarray, queries: np.ndarray, evaluations: int) -> Callable[[], Any]:
    """Nothing but evaluations of the vector field, in the engine's layout and on all cores."""

    def one(patterns: jax.Array, query: jax.Array) -> jax.Array:
        memory = aj.AstrocyteMemory(patterns)

        def evaluate(_: Any, state: Any) -> Any:
            return jax.tree.map(lambda y, dy: y + 1e-3 * dy, state, memory.vector_field(state))

        return jax.lax.fori_loop(0, evaluations, evaluate, memory.initial_state(query)).x

    program = jax.jit(lambda patterns, queries: jax.lax.map(lambda lane: one(*lane), (patterns, queries), batch_size=LANES))
    parts = [
        (jnp.asarray(patterns[first::4]), jnp.asarray(queries[first::4])) for first in range(4)
    ]  # so that each thread has several
    return lambda: in_threads(lambda part: jax.block_until_ready(program(*part)), parts)


def field(patterns: Any, x: Any, z: Any, xp: Any) -> tuple[Any, Any]:
    """The equations as a user would write them, for one trajectory; `xp` is numpy or jax.numpy."""
    overlaps = patterns.T @ xp.tanh(SLOPE * x)
    weights = xp.exp(z - z.max())
    gains = weights / weights.sum()
    num_patterns = patterns.shape[1]
    drive = num_patterns / NUM_NEURONS * (patterns @ (gains * overlaps))
    return drive - x, overlaps**2 / (2 * NUM_NEURONS) - TEMPERATURE * z


def numpy_euler(patterns: np.ndarray, queries: np.ndarray) -> Callable[[], Any]:
    """The published protocol: explicit Euler on the gains, 10,000 steps, a batch of trajectories in NumPy."""

    def run() -> np.ndarray:
        x, gains = queries.copy(), np.full((len(queries), patterns.shape[2]), 1 / patterns.shape[2], np.float32)
        for _ in range(round(HORIZON / EULER_STEP)):
            overlaps = np.matmul(np.tanh(SLOPE * x)[:, None, :], patterns)[:, 0]
            scores = overlaps**2 / (2 * NUM_NEURONS)
            drive = patterns.shape[2] / NUM_NEURONS * np.matmul(patterns, (gains * overlaps)[:, :, None])[:, :, 0]
            fitness = scores - TEMPERATURE * np.log(np.maximum(gains, np.finfo(np.float32).tiny))
            mean = np.sum(gains * fitness, axis=1, keepdims=True)
            x = x + EULER_STEP * (drive - x)
            gains = gains + EULER_STEP * gains * (fitness - mean)
        return x

    return run


def jax_euler(patterns: np.ndarray, queries: np.ndarray) -> Callable[[], Any]:
    """The same protocol in one compiled loop of JAX, over the whole batch."""
    batch = jax.jit(jax.vmap(lambda patterns, query: euler_on_gains(aj.AstrocyteMemory(patterns), query)[0]))
    return functools.partial(batch, jnp.asarray(patterns), jnp.asarray(queries))


def scipy_solver(patterns: np.ndarray, queries: np.ndarray, method: str) -> Callable[[], Any]:
    """One trajectory after the other with `scipy.integrate.solve_ivp`, relative tolerance 1e-3, its default."""

    def slope(t: float, y: np.ndarray, own: np.ndarray) -> np.ndarray:
        return np.concatenate(field(own, y[:NUM_NEURONS], y[NUM_NEURONS:], np))

    def run() -> np.ndarray:
        ends = []
        for own, query in zip(patterns.astype(float), queries.astype(float), strict=True):
            start = np.concatenate([query, np.zeros(own.shape[1])])
            solution = scipy.integrate.solve_ivp(slope, (0, HORIZON), start, method, args=(own,), t_eval=[HORIZON], rtol=1e-3)
            ends.append(solution.y[:NUM_NEURONS, -1])
        return np.array(ends)

    return run


def plain_diffrax(patterns: np.ndarray, queries: np.ndarray, solver: Any, tolerance: float) -> Callable[[], Any]:
    """What one would write with diffrax in an hour: `jit(vmap(diffeqsolve))`, 512 trajectories at a time."""

    def one(own: jax.Array, query: jax.Array) -> jax.Array:
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: field(own, *y, jnp)),
            solver,
            0.0,
            HORIZON,
            None,
            (query, jnp.zeros(own.shape[1])),
            stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance),
        )
        return solution.ys[0][0]

    batch = jax.jit(jax.vmap(one))
    parts = [(jnp.asarray(patterns[at : at + 512]), jnp.asarray(queries[at : at + 512])) for at in range(0, len(patterns), 512)]
    return lambda: np.concatenate([np.asarray(batch(*part)) for part in parts])


def torch_solver(patterns: np.ndarray, queries: np.ndarray, method: str | None) -> Callable[[], Any]:
    """A batch in PyTorch: torchdiffeq with an adaptive method, whose step all share, or the published protocol."""
    import torch

    own, start = torch.tensor(patterns), torch.tensor(queries)
    num_patterns = patterns.shape[2]

    def slope(t: Any, y: tuple[Any, Any]) -> tuple[Any, Any]:
        x, z = y
        overlaps = torch.matmul(torch.tanh(SLOPE * x)[:, None, :], own)[:, 0]
        weighted = (torch.softmax(z, 1) * overlaps)[:, :, None]
        drive = num_patterns / NUM_NEURONS * torch.matmul(own, weighted)[:, :, 0]
        return drive - x, overlaps**2 / (2 * NUM_NEURONS) - TEMPERATURE * z

    def run() -> np.ndarray:
        state = (start, torch.zeros(len(queries), num_patterns))
        with torch.no_grad():
            if method is None:
                for _ in range(round(HORIZON / EULER_STEP)):
                    state = tuple(y + EULER_STEP * dy for y, dy in zip(state, slope(None, state), strict=True))
                return state[0].numpy()
            from torchdiffeq import odeint

            return odeint(slope, state, torch.tensor([0.0, HORIZON]), rtol=1e-4, atol=1e-4, method=method)[0][-1].numpy()

    return run


def bbhamux_euler(patterns: np.ndarray, queries: np.ndarray) -> Callable[[], Any]:
    """The same system as a hierarchical associative memory of the energy library bbhamux, with 10,000 steps.

    Gains are its neurons with the Lagrangian cT log Σ exp(u/(cT)) of u = cTz; du/dt = −(T/τp) ∂E/∂p then is our equation.
    """
    import bbhamux

    scale = TEMPERATURE * patterns.shape[2]

    class Coupling(eqx.Module):
        patterns: jax.Array

        def __call__(self, rates: jax.Array, gains: jax.Array) -> jax.Array:
            overlaps = rates @ self.patterns
            return -self.patterns.shape[1] * (gains @ overlaps**2) / (2 * NUM_NEURONS)

    def one(own: jax.Array, query: jax.Array) -> jax.Array:
        layers = {
            "x": bbhamux.Neurons(lambda x: jnp.sum(jnp.logaddexp(SLOPE * x, -SLOPE * x)) / SLOPE, NUM_NEURONS),
            "u": bbhamux.Neurons(lambda u: scale * jax.nn.logsumexp(u / scale), own.shape[1]),
        }
        memory = bbhamux.HAM(layers, {"coupling": Coupling(own)}, [(("x", "u"), "coupling")])

        def step(_: Any, state: Any) -> Any:
            slope = memory.dEdg(memory.activations(state), state)
            return {"x": state["x"] - EULER_STEP * slope["x"], "u": state["u"] - EULER_STEP * TEMPERATURE * slope["u"]}

        return jax.lax.fori_loop(0, round(HORIZON / EULER_STEP), step, {"x": query, "u": jnp.zeros(own.shape[1])})["x"]

    batch = jax.jit(jax.vmap(one))
    return functools.partial(batch, jnp.asarray(patterns), jnp.asarray(queries))


def contenders(patterns: np.ndarray, queries: np.ndarray, evaluations: int) -> Iterator[Contender]:
    """All of them, each with as many of the trajectories as it can do in about a second."""

    def given(name: str, number: int, prepare: Callable[..., Any], *settings: Any) -> Contender:
        number = min(number, len(patterns))
        return Contender(name, functools.partial(prepare, patterns[:number], queries[:number], *settings), number)

    whole = len(patterns)
    yield given("astrojax", whole, engine, True)
    yield given("astrojax, drawing the problems too", whole, engine, False)
    for number in dict.fromkeys((FLOOR_EVALUATIONS, evaluations)):
        yield given(f"right-hand sides alone, {number}", whole, right_hand_sides, number)
    yield given("NumPy, published protocol", 50, numpy_euler)
    yield given("JAX loop, published protocol", 128, jax_euler)
    for method in ("RK45", "LSODA"):
        yield given(f"SciPy {method}, 1e-3", 64, scipy_solver, method)
    yield given("diffrax, plain vmap, Tsit5 1e-4", 1024, plain_diffrax, diffrax.Tsit5(), 1e-4)
    yield given("diffrax, plain vmap, Heun 3e-2", 1024, plain_diffrax, diffrax.Heun(), 3e-2)
    if importlib.util.find_spec("torch"):
        yield given("PyTorch, published protocol", 50, torch_solver, None)
        if importlib.util.find_spec("torchdiffeq"):
            yield given("torchdiffeq, dopri5 1e-4", 512, torch_solver, "dopri5")
    if importlib.util.find_spec("bbhamux"):
        yield given("bbhamux, 10,000 steps", 64, bbhamux_euler)


def exact_errors(patterns: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Hamming errors of the float64 reference."""
    settings = {"t1": HORIZON, "solver": "dopri8", "rtol": 1e-9, "atol": 1e-9, "max_steps": 10**5}

    def one(lane: tuple[jax.Array, jax.Array]) -> jax.Array:
        return aj.retrieve(aj.AstrocyteMemory(lane[0]), lane[1], adjoint=diffrax.ForwardMode(), **settings).x

    with jax.enable_x64(True):
        given = jnp.asarray(patterns, float), jnp.asarray(queries, float)
        return hamming(patterns, np.asarray(jax.jit(lambda lanes: jax.lax.map(one, lanes, batch_size=LANES))(given)))


def evaluations_of(num_patterns: int) -> int:
    """Evaluations of the vector field in one trajectory of the engine."""
    found = aj.run_sweeps({"engine": sweep(num_patterns, 256)}, KEY)["engine"].observables
    return round(float(found["num_steps"].mean()))


def hamming(patterns: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Hamming errors of final states."""
    return np.abs(patterns[: len(x), :, 0] - np.sign(x)).sum(axis=1) / 2


def rows(num_patterns: int, number: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Rows of the table for one memory load."""
    patterns, queries = problems(num_patterns, number)
    exact = exact_errors(patterns, queries)
    raced = race(contenders(patterns, queries, evaluations_of(num_patterns)), rounds)
    own = raced["astrojax"]
    for name, contender in raced.items():
        row: dict[str, Any] = {"K": num_patterns, "": name, "µs per trajectory": f"{contender.microseconds:.3g}"}
        row["times astrojax's"] = spread(times_slower(contender, own))
        if not name.startswith("right-hand"):
            found = np.asarray(contender.result)
            errors = found if found.ndim == 1 else hamming(patterns, found)
            difference = errors - exact[: len(errors)]
            row["differ from the reference"] = f"{np.mean(difference != 0):.2%} of {len(errors)}"
            row["mean error, difference"] = f"{difference.mean():+.4f}"
        row["first call, s"] = f"{contender.compile_seconds:.1f}"
        yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loads", type=int, nargs="+", default=[20, 100, 200])
    parser.add_argument("--trajectories", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    found = [rows(load, options.trajectories, options.rounds) for load in options.loads]
    print(table(itertools.chain.from_iterable(found)))
    print(described(machine()))


if __name__ == "__main__":
    main()
