"""How accurate `retrieve` is by default: random problems over the whole range of parameters, against SciPy.

    python benchmarks/accuracy.py                       # every memory, score and gain regime, both precisions
    python benchmarks/accuracy.py --kinds hopfield --problems 100

SciPy integrates equations written here once more, in NumPy. A problem is sensitive, and does not count, if a change of the
query by 1e-4 moves the solution by more than the bound.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from harness import described, machine, table
from scipy.integrate import solve_ivp

NUM_NEURONS, NUM_PATTERNS = 20, 30
BOUNDS = {"float64": 1e-3, "float32": 2e-3}
"""Largest error of x relative to the largest |x|."""

SILENT = 1e-6
"""Below this the neurons have fallen silent, and errors are relative to it."""

RANGES = {"temperature": (0.01, 5), "tau_x": (0.01, 10), "tau_p": (0.1, 100), "slope": (0.2, 6), "t1": (0.5, 20)}
RANGES |= {"tau_s": (0.1, 10), "tau_a": (0.1, 10)}
"""Parameters are drawn evenly on a logarithmic scale."""

ASTROCYTE, NEURONS = ("temperature", "tau_x", "tau_p", "slope"), ("tau_x", "slope")
KINDS = {
    **{
        f"{score} {regime}": ASTROCYTE
        for score in ("squared", "linear", "power")
        for regime in ("dynamic", "adiabatic", "frozen")
    },
    **dict.fromkeys(("hopfield", "hopfield zero diagonal", "dense 3", "dense 4"), NEURONS),
    "neuron-astrocyte": ("tau_x", "tau_s", "tau_a", "slope"),
}
"""Parameters by kind of memory."""


class Problem(NamedTuple):
    """Patterns (N, K), a query (N,), parameters by name and a horizon."""

    kind: str
    patterns: np.ndarray
    query: np.ndarray
    parameters: dict[str, float]
    t1: float


def draw(kind: str, number: int) -> Problem:
    """Random patterns, and a query that is a corrupted pattern, or, in every fourth problem, nothing like one."""
    rng = np.random.default_rng([sorted(KINDS).index(kind), number])
    n, k = (10, 12) if kind == "neuron-astrocyte" else (NUM_NEURONS, NUM_PATTERNS)
    values = {name: float(np.exp(rng.uniform(*np.log(RANGES[name])))) for name in (*KINDS[kind], "t1")}
    patterns = rng.choice([-1.0, 1.0], (n, k))
    query = patterns[:, 0] * np.where(rng.permutation(n) < rng.integers(0, n // 3 + 1), -1, 1)
    query = rng.normal(size=n) if number % 4 == 3 else query + rng.normal(0, 0.05, n)
    t1 = values.pop("t1")
    return Problem(kind, patterns, query, values, t1)


def equations(problem: Problem):
    """The vector field of a problem, and the start that belongs to a query; x comes first in a state."""
    xi, given, n, k = problem.patterns, problem.parameters, *problem.patterns.shape
    slope, tau_x = given["slope"], given["tau_x"]
    name, _, variant = problem.kind.partition(" ")
    if name in ("squared", "linear", "power"):
        score, derivative, c = {
            "squared": (lambda m: m**2 / (2 * n), lambda m: m / n, k),
            "linear": (lambda m: m, np.ones_like, 1),
            "power": (lambda m: m**4 / (4 * n**3), lambda m: m**3 / n**3, k),
        }[name]
        temperature, tau_p = given["temperature"], given["tau_p"]

        def astrocyte(t, y):
            m = xi.T @ np.tanh(slope * y[:n])
            z = y[n:] if variant == "dynamic" else score(m) / temperature if variant == "adiabatic" else np.zeros(k)
            weights = np.exp(z - z.max())
            dx = (-y[:n] + c * xi @ (weights / weights.sum() * derivative(m))) / tau_x
            return np.concatenate([dx, (score(m) - temperature * z) / tau_p]) if variant == "dynamic" else dx

        return astrocyte, lambda query: np.concatenate([query, np.zeros(k)]) if variant == "dynamic" else query
    if name == "neuron-astrocyte":
        return _neuron_astrocyte(problem)
    couplings = xi @ xi.T / n - (np.eye(n) * k / n if variant else 0)
    if name == "hopfield":
        return lambda t, x: (-x + couplings @ np.tanh(slope * x)) / tau_x, lambda query: query
    order = int(variant)
    return lambda t, x: (-x + xi @ (xi.T @ np.tanh(slope * x) / n) ** (order - 1)) / tau_x, lambda query: query


def _neuron_astrocyte(problem: Problem):
    xi, (tau_x, tau_s, tau_a, slope) = problem.patterns, problem.parameters.values()
    n = len(xi)

    def transport(psi):
        return (xi * np.einsum("ik,ij,jk->k", xi, psi, xi)) @ xi.T / n**3

    def inverse(g):
        return np.arctanh(np.clip(g, -1 + 1e-6, 1 - 1e-6)) / slope

    def field(t, y):
        x, s, p = y[:n], y[n : n + n * n].reshape(n, n), y[n + n * n :].reshape(n, n)
        h, g, psi = np.tanh(slope * x), np.tanh(slope * s), np.tanh(slope * p)
        ds, dp = (np.outer(h, h) + psi - s) / tau_s, (transport(psi) + g - p) / tau_a
        return np.concatenate([(g @ h - x) / tau_x, ds.ravel(), dp.ravel()])

    def start(query):
        psi = -np.outer(*[np.tanh(slope * query)] * 2)
        return np.concatenate([query, inverse(-transport(psi)).ravel(), inverse(psi).ravel()])

    return field, start


def reference(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """SciPy's x at half the horizon and at it, and the same from a query that differs by 1e-4; each of shape (2, N)."""
    field, start = equations(problem)
    n = len(problem.query)
    shift = np.random.default_rng(1).normal(size=n)
    found = []
    for query in (problem.query, problem.query + 1e-4 * shift):
        with np.errstate(all="ignore"):
            solution = solve_ivp(
                field, (0, problem.t1), start(query), "DOP853", [problem.t1 / 2, problem.t1], rtol=1e-10, atol=1e-14
            )
        assert solution.success
        found.append(solution.y[:n].T)
    return found[0], found[1]


STEP = 1e-4
"""Relative step of the parameters in central differences."""


def objective(problem: Problem, values: np.ndarray) -> float:
    """SciPy's projection of x(t1) on a fixed direction, with the parameters and the horizon at the given values."""
    *parameters, t1 = values.tolist()
    varied = problem._replace(parameters=dict(zip(problem.parameters, parameters, strict=True)), t1=t1)
    field, start = equations(varied)
    with np.errstate(all="ignore"):
        found = solve_ivp(field, (0, t1), start(problem.query), "DOP853", rtol=1e-12, atol=1e-14)
    return float(found.y[: len(problem.query), -1] @ direction(problem))


def direction(problem: Problem) -> np.ndarray:
    """The direction on which x(t1) is projected."""
    return np.random.default_rng(2).normal(size=len(problem.query))


def differences(case: tuple[str, int]) -> np.ndarray:
    """Central differences of `objective` by the logarithms of parameters and horizon, with two steps: shape (2, P)."""
    problem = draw(*case)
    values = np.array([*problem.parameters.values(), problem.t1])
    shifts = np.eye(values.size)
    return np.array(
        [
            [(objective(problem, values * (1 + h * e)) - objective(problem, values * (1 - h * e))) / (2 * h) for e in shifts]
            for h in (STEP, 3 * STEP)
        ]
    )


def gradient_row(problems: Sequence[Problem], exact: np.ndarray) -> dict[str, Any]:
    """Derivatives by `jax.grad` through `retrieve` at its defaults, beside central differences of shape (problems, 2, P)."""
    import jax
    import jax.numpy as jnp

    import astrojax as aj

    kind, names = problems[0].kind, list(problems[0].parameters)

    @jax.jit
    @jax.vmap
    def gradient(patterns, query, along, values):
        def projected(logs):
            *parameters, t1 = jnp.exp(logs)
            recall = aj.retrieve(memory(kind, patterns, dict(zip(names, parameters, strict=True))), query, t1=t1)
            return recall.x @ along, (recall.x, recall.status)

        return jax.grad(projected, has_aux=True)(jnp.log(values))

    values = np.array([[*p.parameters.values(), p.t1] for p in problems])
    given = [
        np.stack(part)
        for part in ([p.patterns for p in problems], [p.query for p in problems], [direction(p) for p in problems])
    ]
    found, (found_x, status) = jax.tree.map(np.asarray, gradient(*given, values))
    # Smaller ones drown in the rounding of the differences.
    largest = np.maximum(np.abs(exact[:, 0]).max(axis=1), 1e-4 * np.maximum(np.abs(found_x).max(axis=1), 1e-3))
    # Where two steps disagree the difference itself is not the derivative.
    counts = (status == 0) & (np.abs(exact[:, 0] - exact[:, 1]).max(axis=1) < 1e-3 * largest)
    errors = np.where(counts, np.abs(found - exact[:, 0]).max(axis=1) / largest, 0)
    return {
        "memory": kind,
        "problems": len(problems),
        "compared": int(counts.sum()),
        "beyond 2e-3": int((errors > 2e-3).sum()),
        "99% error": f"{np.quantile(errors, 0.99):.0e}",
        "largest": f"{errors.max():.0e}",
    }


def both(case: tuple[str, int]) -> tuple[Problem, tuple[np.ndarray, np.ndarray]]:
    """A problem and its reference."""
    problem = draw(*case)
    return problem, reference(problem)


def memory(kind: str, patterns, parameters):
    """The package's memory of that kind."""
    import astrojax as aj

    name, _, variant = kind.partition(" ")
    match name:
        case "hopfield":
            return aj.HopfieldMemory(patterns, zero_diagonal=bool(variant), **parameters)
        case "dense":
            return aj.DenseMemory(patterns, order=int(variant), **parameters)
        case "neuron-astrocyte":
            return aj.NeuronAstrocyteMemory(patterns, **parameters)
    return aj.AstrocyteMemory(patterns, score=name, gain_regime=variant, **parameters)


def solve(problems: Sequence[Problem], dtype: str, **settings: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x at half the horizon and at it, shape (problems, 2, N), statuses and steps, by `retrieve`."""
    import diffrax
    import jax
    import jax.numpy as jnp

    import astrojax as aj

    kind = problems[0].kind

    @jax.jit
    @jax.vmap
    def solved(patterns, query, parameters, t1):
        times = {"t1": t1, "ts": jnp.stack([t1 / 2, t1])}
        recall = aj.retrieve(memory(kind, patterns, parameters), query, adjoint=diffrax.ForwardMode(), **times, **settings)
        return recall.states.x, recall.status, sum(recall.stats.values())

    values = {name: np.array([p.parameters[name] for p in problems]) for name in problems[0].parameters}
    given = (np.stack([p.patterns for p in problems]), np.stack([p.query for p in problems]), values, [p.t1 for p in problems])
    cast = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), given, is_leaf=lambda leaf: isinstance(leaf, list))
    return tuple(np.asarray(part) for part in solved(*cast))


def row(problems: Sequence[Problem], references: np.ndarray, dtype: str, **settings: Any) -> dict[str, Any]:
    """A row of the table. References have the shape (problems, 2, 2, N): of the query and of the shifted one."""
    x, status, steps = solve(problems, dtype, **settings)
    exact, shifted = references[:, 0], references[:, 1]
    # Of a state that has decayed to less SciPy's own absolute tolerance leaves no digits to compare.
    scale = np.maximum(np.abs(exact).max(axis=-1), SILENT)
    counts = (status == 0)[:, None]
    sensitive = np.abs(shifted - exact).max(axis=-1) > BOUNDS[dtype] * scale
    errors = np.where(counts & ~sensitive, np.abs(x - exact).max(axis=-1) / scale, 0)
    return {
        "memory": problems[0].kind,
        "precision": dtype + "".join(f", {name} {value:g}" for name, value in settings.items() if name == "rtol"),
        "problems": len(problems),
        "status OK": f"{np.mean(status == 0):.1%}",
        "sensitive": f"{np.mean(sensitive[:, 1]):.1%}",
        "wrong": int((errors > BOUNDS[dtype]).any(axis=1).sum()),
        "99% error": f"{np.quantile(errors, 0.99):.0e}",
        "largest": f"{errors.max():.0e}",
        "steps: median, 99%": f"{np.median(steps):.0f}, {np.quantile(steps, 0.99):.0f}",
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=500, help="problems of every kind of memory")
    parser.add_argument("--gradients", type=int, default=60, help="problems of every kind whose gradients are compared")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--references", type=Path, help="a folder in which references are kept from run to run")
    options = parser.parse_args()
    references, slopes = {}, {}
    # Before JAX is imported, and in processes of their own.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for kind in options.kinds:
            slopes[kind] = np.array(list(pool.map(differences, [(kind, number) for number in range(options.gradients)])))
            kept = options.references and options.references / f"{kind.replace(' ', '-')}-{options.problems}.npy"
            if kept and kept.exists():
                references[kind] = np.load(kept)
                continue
            cases = [(kind, number) for number in range(options.problems)]
            references[kind] = np.array([found for _, found in pool.map(both, cases, chunksize=8)])
            if kept:
                kept.parent.mkdir(parents=True, exist_ok=True)
                np.save(kept, references[kind])
    import jax

    jax.config.update("jax_enable_x64", True)
    rows = []
    for kind, exact in references.items():
        problems = [draw(kind, number) for number in range(options.problems)]
        for settings in ({"dtype": "float64"}, {"dtype": "float32"}, {"dtype": "float64", "rtol": 1e-9}):
            rows.append(row(problems, exact, **settings))
            print(rows[-1], file=sys.stderr, flush=True)
    gradients = []
    for kind, exact in slopes.items() if options.gradients else ():
        gradients.append(gradient_row([draw(kind, number) for number in range(options.gradients)], exact))
        print(gradients[-1], file=sys.stderr, flush=True)
    print("\n\n".join([described(machine()), table(rows), *([table(gradients)] if gradients else [])]))


if __name__ == "__main__":
    main()
