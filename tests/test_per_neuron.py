"""Time constants and slopes with one number per neuron."""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import astrojax as aj

RNG = np.random.default_rng(4)
N, K = 9, 4
PATTERNS, QUERY = RNG.choice([-1.0, 1.0], (N, K)), RNG.normal(size=N)
TAU, SLOPE = np.exp(RNG.uniform(-1.5, 1.5, N)), np.exp(RNG.uniform(-1, 1, N))


def hopfield(t, y):
    return (PATTERNS @ (PATTERNS.T @ np.tanh(SLOPE * y)) / N - y) / TAU


def astrocyte(t, y):
    x, z = y[:N], y[N:]
    m, gains = PATTERNS.T @ np.tanh(SLOPE * x), np.exp(z) / np.exp(z).sum()
    return np.concatenate([(K * PATTERNS @ (gains * m / N) - x) / TAU, (m**2 / (2 * N) - 0.4 * z) / 1.3])


BUILDS = {
    "hopfield": (aj.HopfieldMemory, hopfield),
    "astrocyte": (functools.partial(aj.AstrocyteMemory, temperature=0.4, tau_p=1.3), astrocyte),
    "adiabatic": (functools.partial(aj.AstrocyteMemory, temperature=0.4, gain_regime="adiabatic"), None),
    "dense": (aj.DenseMemory, None),
    "neuron-astrocyte": (functools.partial(aj.NeuronAstrocyteMemory, tau_s=0.7), None),
}


SOLVERS = {"auto": {}, "adams": {"num_steps": 2000}, "etd3": {"rtol": 1e-6}, "kvaerno5": {"rtol": 1e-8}}
"""`etd3` of a Hopfield memory is that of `test_they_come_from_files`."""


@pytest.mark.parametrize(("name", "solvers"), [("hopfield", ["auto", "adams", "kvaerno5"]), ("astrocyte", list(SOLVERS))])
def test_every_solver_agrees_with_scipy(name, solvers):
    build, field = BUILDS[name]
    memory = build(jnp.asarray(PATTERNS), tau_x=jnp.asarray(TAU), slope=jnp.asarray(SLOPE))
    start = np.concatenate([QUERY, np.zeros(K)])[: N if name == "hopfield" else None]
    expected = solve_ivp(field, (0, 3), start, rtol=1e-10, atol=1e-12).y[:N, -1]
    for solver in solvers:
        found = aj.retrieve(memory, QUERY, t1=3.0, solver=solver, adjoint=diffrax.ForwardMode(), **SOLVERS[solver])
        assert found.status == aj.Status.OK
        np.testing.assert_allclose(found.x, expected, atol=1e-4, err_msg=solver)


@pytest.mark.parametrize("name", BUILDS)
def test_the_energy_falls_at_its_exact_rate_and_equal_numbers_are_one_number(name):
    build, _ = BUILDS[name]
    slope = 1.2 if name == "neuron-astrocyte" else jnp.asarray(SLOPE)

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(0, None))
    def along(tau_x, slope):
        memory = build(jnp.asarray(PATTERNS), tau_x=tau_x, slope=slope)
        recall = aj.retrieve(memory, QUERY, t1=2.0, ts=jnp.linspace(0, 2, 9), solver="adams", num_steps=200)
        energies, rates = jax.vmap(lambda y: jax.jvp(memory.energy, (y,), (memory.vector_field(y),)))(recall.states)
        return recall, energies, rates, jax.vmap(memory.energy_rate)(recall.states)

    recall, energies, rates, exact = along(jnp.asarray([TAU, 2 * TAU, np.full(N, 0.7)]), slope)
    assert np.all(np.asarray(recall.status) == aj.Status.OK)
    np.testing.assert_allclose(exact, rates, rtol=1e-9, atol=1e-10)
    assert np.all(np.diff(energies, axis=1) < 1e-6)
    single = aj.retrieve(build(jnp.asarray(PATTERNS), tau_x=0.7, slope=slope), QUERY, t1=2.0, solver="adams", num_steps=200)
    np.testing.assert_allclose(recall.x[2], single.x, rtol=1e-9)


def test_equilibria_have_them_too():
    memory = aj.HopfieldMemory(jnp.asarray(PATTERNS), tau_x=jnp.asarray(TAU), slope=jnp.asarray(3 * SLOPE))
    found = aj.equilibrium(memory, aj.retrieve(memory, PATTERNS[:, 0], t1=60.0).state)
    assert found.converged
    eigenvalues = np.linalg.eigvals(aj.jacobian(memory, found.state))
    np.testing.assert_allclose(aj.spectrum(memory, found.state).eigenvalues, np.sort(eigenvalues.real)[::-1], rtol=1e-8)


class SphereActivation(aj.AbstractActivation):
    couples_neurons = True

    def __call__(self, x, slope):
        return x / jnp.sqrt(x @ x + 1)

    def lagrangian(self, x, slope):
        return jnp.sqrt(x @ x + 1)


def test_other_numbers_are_refused():
    patterns = jnp.asarray(PATTERNS)
    with pytest.raises(aj.InputError, match=r"tau_x must be a single number, or 9, one per neuron; got shape \(4,\)"):
        aj.HopfieldMemory(patterns, tau_x=np.ones(4))
    with pytest.raises(aj.InputError, match="slope must be a positive, finite number"):
        aj.DenseMemory(patterns, slope=np.linspace(0, 1, 9))
    with pytest.raises(aj.InputError, match="tau_x must be a single number with SphereActivation, which couples neurons"):
        aj.HopfieldMemory(patterns, tau_x=np.ones(9), activation=SphereActivation())
    assert aj.HopfieldMemory(patterns, activation=SphereActivation()).energy_rate(aj.NeuronState(jnp.asarray(QUERY))) < 0


def test_they_come_from_files(tmp_path):
    np.save(tmp_path / "tau.npy", TAU)
    (tmp_path / "slope.csv").write_text("\n".join(map(repr, SLOPE.tolist())))
    text = "{patterns: {num_neurons: 9}, axes: {num_patterns: 4, num_flips: 2}, trials: 3, precision: float64, decoders: false,"
    text += (
        "observables: [overlap], retrieval: {num_steps: 2000}, models: {a: {kind: hopfield, tau_x: tau.npy, slope: slope.csv}}}"
    )
    (tmp_path / "run.yaml").write_text(text)
    config = aj.load_config(tmp_path / "run.yaml")
    stored = aj.run(config, tmp_path / "run")
    with jax.enable_x64(True):
        build = functools.partial(aj.HopfieldMemory, tau_x=jnp.asarray(TAU), slope=jnp.asarray(SLOPE))
        task = aj.Task(functools.partial(aj.random_patterns, num_neurons=9), aj.Flips())
        for trial in range(3):
            coordinates = {"num_patterns": jnp.uint32(4), "num_flips": jnp.uint32(2), "trial": jnp.uint32(trial)}
            problem = task.draw(jax.random.key(0), coordinates, 4)
            recall = aj.retrieve(build(problem.patterns), problem.query, t1=10.0, solver="etd3", rtol=1e-8)
            expected = aj.overlap(problem.target, jnp.tanh(SLOPE * recall.x))
            np.testing.assert_allclose(stored["overlap"].isel(trial=trial).squeeze(), expected, atol=1e-5)
    assert sorted(path.name for path in (tmp_path / "run" / "inputs").iterdir()) == ["slope.csv", "tau.npy"]
    for tau, said in (("[1, 2]", "9 numbers, one per neuron"), ("-1", "greater than 0"), ("x", "finite number; got 'x'")):
        (tmp_path / "two.csv").write_text("1\n2\n")
        with pytest.raises(aj.InputError, match=said):
            aj.run(
                aj.load_config(tmp_path / "run.yaml", **{"models.a.tau_x": "two.csv" if tau[0] == "[" else tau}), tmp_path / "x"
            )
    search = {"axes": {"num_patterns": 4, "num_flips": 2}, "model": {"kind": "hopfield", "tau_x": TAU}, "parameters": ["tau_x"]}
    with pytest.raises(aj.InputError, match=r"starts from a number; model\.tau_x is .*npy"):
        aj.search_experiment(patterns={"num_neurons": 9}, **search)
