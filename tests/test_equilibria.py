"""Equilibria: their roots, spectra, names and derivatives, against closed forms, SciPy and finite differences."""

import functools

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from jax.flatten_util import ravel_pytree
from scipy.optimize import root

import astrojax as aj
from astrojax import EquilibriumKind, Stability, attractors, basin, equilibrium, identify, jacobian, spectrum

from .systems.problems import KINDS, MODELS, PARAMETERS

VALUES = {"temperature": 0.7, "tau_x": 0.6, "tau_p": 1.7, "tau_s": 1.3, "tau_a": 0.8, "slope": 3.0}
FAST = {"adjoint": diffrax.ForwardMode(), "solver": "adams", "num_steps": 1000}
"""A grid of known size: a smaller program than those of steps that adapt."""
PATTERNS = aj.random_patterns(jax.random.key(0), num_neurons=8, num_patterns=3)
LOW_LOAD = aj.random_patterns(jax.random.key(1), num_neurons=40, num_patterns=4)


QUICK = ("squared-dynamic", "neuron-astrocyte")
quick_kinds = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in KINDS]
)


@functools.cache
def settled(name):
    """A memory, and the ends of four retrievals: of two patterns and of two random states."""
    memory = MODELS[name](PATTERNS, **{key: VALUES[key] for key in PARAMETERS[name]})
    queries = jnp.concatenate([PATTERNS.T[:2], jax.random.normal(jax.random.key(2), (2, 8))])
    recalls = jax.vmap(lambda query: aj.retrieve(memory, query, t1=60.0, **FAST))(queries)
    assert not np.any(recalls.status)
    return memory, recalls


@eqx.filter_jit
def ends_of(memory, queries, t1):
    """The neuronal states x(t1) of retrievals from several queries."""
    return jax.vmap(lambda query: aj.retrieve(memory, query, t1=t1, **FAST).x)(queries)


@quick_kinds
def test_the_end_of_a_retrieval_is_refined_to_the_root_that_scipy_finds_with_the_jacobian_of_central_differences(name):
    memory, recalls = settled(name)
    found = jax.vmap(lambda state: equilibrium(memory, state))(recalls.state)
    assert np.all(found.converged)
    assert np.all(np.asarray(found.residual) < 1e-10)
    assert np.all(np.asarray(found.num_steps) < 10)
    assert np.all(np.max(np.abs(found.state.x[:2]), axis=1) > 0.1)
    _, unravel = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], recalls.state))
    fields = jax.jit(jax.vmap(lambda y: ravel_pytree(memory.vector_field(unravel(y)))[0]))
    starts, ends = (np.asarray(jax.vmap(lambda state: ravel_pytree(state)[0])(part.state)) for part in (recalls, found))
    for start, ours in zip(starts, ends, strict=True):
        expected = root(lambda y: np.asarray(fields(y[None])[0]), start, tol=1e-13).x
        np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-8)
    point, step = starts[0] + 0.1 * np.cos(np.arange(starts.shape[1])), 1e-5 * np.eye(starts.shape[1])
    differences = (fields(point + step) - fields(point - step)).T / 2e-5
    np.testing.assert_allclose(jacobian(memory, unravel(jnp.asarray(point))), differences, rtol=1e-7, atol=1e-8)


@quick_kinds
def test_eigenvalues_are_real_and_the_index_counts_directions_of_falling_energy(name):
    """Newton's method from random small states finds saddles of many indices; their Hessians, which no time constant enters,
    have the same index."""
    settled_memory, recalls = settled(name)
    keys = jax.random.split(jax.random.key(3), 20)

    def one(key):
        tau_x = settled_memory.tau_x * 10 ** jax.random.uniform(key, minval=-1, maxval=1)
        memory = eqx.tree_at(lambda memory: memory.tau_x, settled_memory, tau_x)
        leaves, structure = jax.tree.flatten(jax.tree.map(lambda leaf: leaf[0], recalls.state))
        start = [0.5 * jax.random.normal(jax.random.fold_in(key, i), leaf.shape) for i, leaf in enumerate(leaves)]
        found = equilibrium(memory, jax.tree.unflatten(structure, start), max_steps=200)
        flat, unravel = ravel_pytree(found.state)
        hessian = jax.hessian(lambda y: memory.energy(unravel(y)))(flat)
        return found.converged, spectrum(memory, found.state), jacobian(memory, found.state), jnp.linalg.eigvalsh(hessian)

    converged, spectra, jacobians, curvatures = (jax.tree.map(np.asarray, part) for part in jax.jit(jax.vmap(one))(keys))
    assert converged.sum() >= 10
    for index in np.flatnonzero(converged):
        eigenvalues = scipy.linalg.eigvals(jacobians[index])
        assert np.max(np.abs(eigenvalues.imag)) < 1e-6 * np.max(np.abs(eigenvalues))
        np.testing.assert_allclose(np.sort(eigenvalues.real)[::-1], spectra.eigenvalues[index], rtol=1e-7, atol=1e-7)
        assert spectra.index[index] == np.sum(curvatures[index] < -1e-9 * np.abs(curvatures[index]).max())
    assert len(set(spectra.index[converged])) > 1


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_stored_patterns_at_low_load_are_stable_memories_in_every_precision(dtype):
    memory, rounding = aj.AstrocyteMemory(LOW_LOAD.astype(dtype)), float(jnp.finfo(dtype).eps)

    def one(sign, column):
        query = aj.flip(jax.random.key(4), sign * memory.patterns[:, column], 4)
        found = equilibrium(memory, aj.retrieve(memory, query, t1=10.0, **FAST).state)
        return found, spectrum(memory, found.state), identify(memory, found.state)

    signs, columns = jnp.tile(jnp.array([1, -1], dtype), 4), jnp.repeat(jnp.arange(4), 2)
    found, spectra, identities = jax.jit(jax.vmap(one))(signs, columns)
    assert np.all(found.converged)
    assert found.x.dtype == found.residual.dtype == spectra.eigenvalues.dtype == identities.overlap.dtype == dtype
    assert np.all(np.asarray(found.residual) < rounding ** (2 / 3))
    np.testing.assert_allclose(found.state.x, 4 * signs[:, None] * memory.patterns[:, columns].T, rtol=100 * rounding)
    np.testing.assert_array_equal(identities.kind, EquilibriumKind.MEMORY)
    np.testing.assert_array_equal(identities.pattern, columns)
    np.testing.assert_array_equal(identities.signs, np.asarray(signs)[:, None] * np.eye(4)[columns])
    np.testing.assert_allclose(identities.overlap, 1, rtol=100 * rounding)
    # Saturated neurons and decided gains only relax, at the rates 1/τx and T/τp.
    np.testing.assert_allclose(spectra.eigenvalues, np.tile([-0.01] * 4 + [-1.0] * 40, (8, 1)), rtol=1e4 * rounding)
    np.testing.assert_array_equal(spectra.stability, Stability.STABLE)
    np.testing.assert_array_equal(spectra.index, 0)


@pytest.mark.parametrize(("temperature", "slope"), [(0.01, 5.0), (1.0, 1.5)])
def test_the_symmetric_mixture_of_two_patterns_is_a_saddle_between_them(temperature, slope):
    """One unstable direction, u ξ₁ in the d neurons that differ and (w, −w) in the logits, with a closed form at φ(0) = 0.

    τx du/dt = (2dσ/N − 1) u + (2m/N) w,  τp dw/dt = (dσm/N) u − T w, where m is the overlap of both patterns.
    """
    patterns = LOW_LOAD[:, :2]
    memory = aj.AstrocyteMemory(patterns, temperature=temperature, slope=slope, tau_x=0.8, tau_p=1.3)
    found = equilibrium(memory, memory.initial_state(patterns[:, 0] + patterns[:, 1]))
    assert found.converged
    np.testing.assert_allclose(found.gains, 0.5, rtol=1e-12)
    verdict, identity = spectrum(memory, found.state), identify(memory, found.state)
    assert (int(verdict.stability), int(verdict.index)) == (Stability.SADDLE, 1)
    assert int(identity.kind) == EquilibriumKind.MIXTURE
    np.testing.assert_array_equal(identity.signs, 1)

    differ, m = float(jnp.sum(patterns[:, 0] != patterns[:, 1])), float(memory.overlaps(found.state)[0])
    block = np.array([[2 * differ * slope / 40 - 1, 2 * m / 40], [differ * slope * m / 40, -temperature]])
    growth = np.max(np.linalg.eigvals(block / np.array([[0.8], [1.3]])).real)
    assert float(verdict.eigenvalues[0]) == pytest.approx(growth, rel=1e-9)

    eigenvalues, eigenvectors = np.linalg.eig(np.asarray(jacobian(memory, found.state)))
    direction = eigenvectors[:, np.argmax(eigenvalues.real)].real
    direction = direction * np.sign(direction[:40] @ np.asarray(patterns[:, 0]))
    flat, unravel = ravel_pytree(found.state)
    for sign, pattern in ((1, 0), (-1, 1)):
        nudged = unravel(flat + sign * 1e-3 * direction)
        onward = aj.AstrocyteMemory(
            patterns, temperature=temperature, slope=slope, tau_x=0.8, tau_p=1.3, initial_gain_logits=nudged.gain_logits
        )
        reached = identify(memory, aj.retrieve(onward, nudged.x, t1=60.0, **FAST).state)
        assert (int(reached.kind), int(reached.pattern)) == (EquilibriumKind.MEMORY, pattern)


@pytest.mark.parametrize("slope", [0.5, 0.9, 5.0])
def test_the_silent_state_has_the_spectrum_of_the_hopfield_couplings(slope):
    patterns = aj.random_patterns(jax.random.key(5), num_neurons=10, num_patterns=6)
    memory = aj.AstrocyteMemory(patterns, temperature=0.3, tau_x=0.7, tau_p=2.5, slope=slope)
    found = equilibrium(memory, memory.initial_state(jnp.zeros(10)))
    verdict = spectrum(memory, found.state)
    neurons = (slope * np.linalg.eigvalsh(np.asarray(patterns @ patterns.T) / 10) - 1) / 0.7
    expected = np.sort(np.concatenate([neurons, np.full(6, -0.3 / 2.5)]))[::-1]
    np.testing.assert_allclose(verdict.eigenvalues, expected, rtol=1e-12, atol=1e-12)
    assert int(verdict.index) == np.sum(neurons > 0)
    assert int(verdict.stability) == (Stability.SADDLE if np.any(neurons > 0) else Stability.STABLE)
    assert int(identify(memory, found.state).kind) == EquilibriumKind.SILENT
    assert int(identify(memory, found.state).pattern) == -1


@pytest.mark.parametrize("regime", ["dynamic", pytest.param("adiabatic", marks=pytest.mark.slow)])
def test_derivatives_of_the_fixed_point_equal_finite_differences_and_those_of_the_start_are_zero(regime):
    stored = jnp.array([True, True, False, True])
    patterns = jnp.insert(PATTERNS, 2, 0.0, axis=1)
    weights = jnp.cos(jnp.arange(8.0))
    entry = jnp.zeros_like(patterns).at[3, 1].set(1.0)

    def memory_at(values):
        temperature, slope, change = values
        return aj.AstrocyteMemory(
            patterns + change * entry, temperature=temperature, slope=slope, gain_regime=regime, stored=stored
        )

    def start(values):
        memory = memory_at(values)
        return aj.retrieve(memory, PATTERNS[:, 0] + 0.3 * PATTERNS[:, 1], t1=100.0, **FAST).state

    def loss(values, state):
        found = equilibrium(memory_at(values), state)
        return weights @ found.state.x + found.gains[0]

    points = jnp.array([[1.0, 0.8, 0.0], [1.2, 0.7, 0.1]])
    states = jax.jit(jax.vmap(start))(points)
    reverse, of_start = jax.jit(jax.vmap(jax.grad(loss, argnums=(0, 1))))(points, states)
    assert all(np.all(leaf == 0) for leaf in jax.tree.leaves(of_start))
    forward = jax.jit(jax.vmap(jax.jacfwd(loss)))(points, states)
    many = jax.jit(jax.vmap(jax.vmap(loss, in_axes=(0, None))))
    step = 1e-5
    shifts = step * jnp.concatenate([jnp.eye(3), -jnp.eye(3)])
    values = many(points[:, None] + shifts[None], states)
    differences = (values[:, :3] - values[:, 3:]) / (2 * step)
    assert np.all(np.abs(differences) > 1e-2)
    np.testing.assert_allclose(reverse, differences, rtol=1e-5)
    np.testing.assert_allclose(forward, differences, rtol=1e-5)


def test_padded_memories_rest_where_the_others_do_and_never_name_a_padded_column():
    stored = jnp.array([False, True, False, True, True, True, False])
    padded = jnp.ones((40, 7)).at[:, stored].set(LOW_LOAD)
    queries = jnp.concatenate([LOW_LOAD.T, jnp.zeros((1, 40)), jax.random.normal(jax.random.key(7), (8, 40))])

    def one(memory, query):
        found = equilibrium(memory, aj.retrieve(memory, query, t1=200.0, **FAST).state)
        return found, spectrum(memory, found.state), identify(memory, found.state)

    settings = {"temperature": 0.5, "slope": 1.5, "tau_x": 0.7}
    plain, masked = aj.AstrocyteMemory(LOW_LOAD, **settings), aj.AstrocyteMemory(padded, stored=stored, **settings)
    (a, spectra, names), (b, padded_spectra, padded_names) = (
        jax.jit(jax.vmap(functools.partial(one, memory)))(queries) for memory in (plain, masked)
    )
    np.testing.assert_allclose(b.state.x, a.state.x, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(b.gains[:, stored], a.gains, rtol=1e-9, atol=1e-12)
    extra = np.full((13, 3), -0.5)  # logits of columns that are not stored relax at T/τp, and nothing else changes
    expected = np.sort(np.concatenate([spectra.eigenvalues, extra], axis=1))[:, ::-1]
    np.testing.assert_allclose(padded_spectra.eigenvalues, expected, rtol=1e-8, atol=1e-8)
    np.testing.assert_array_equal(padded_spectra.index, spectra.index)
    np.testing.assert_array_equal(padded_names.kind, names.kind)
    column = np.append(np.flatnonzero(stored), -1)
    np.testing.assert_array_equal(padded_names.pattern, column[names.pattern])
    np.testing.assert_array_equal(padded_names.signs[:, stored], names.signs)
    np.testing.assert_array_equal(padded_names.signs[:, ~stored], 0)
    assert set(np.asarray(names.pattern[:4]).tolist()) == {0, 1, 2, 3}


def kind_of(memory, x):
    state = memory.initial_state(x)
    identity = identify(memory, state)
    return EquilibriumKind(int(identity.kind)), int(identity.pattern), np.asarray(identity.signs).tolist()


def test_states_are_named_by_what_they_hold():
    one, two, three, four = LOW_LOAD.T
    for memory in (aj.HopfieldMemory(LOW_LOAD), aj.DenseMemory(LOW_LOAD), aj.NeuronAstrocyteMemory(LOW_LOAD)):
        assert kind_of(memory, three) == (EquilibriumKind.MEMORY, 2, [0, 0, 1, 0])
        assert kind_of(memory, -three) == (EquilibriumKind.MEMORY, 2, [0, 0, -1, 0])
        assert kind_of(memory, aj.flip(jax.random.key(8), three, 2))[:2] == (EquilibriumKind.MEMORY, 2)
        assert kind_of(memory, aj.flip(jax.random.key(8), three, 3))[0] == EquilibriumKind.SPURIOUS
        assert kind_of(memory, one - two)[::2] == (EquilibriumKind.MIXTURE, [1, -1, 0, 0])
        assert kind_of(memory, 9 * (one - two))[::2] == (EquilibriumKind.MIXTURE, [1, -1, 0, 0])
        assert kind_of(memory, jnp.sign(one + three - four))[::2] == (EquilibriumKind.MIXTURE, [1, 0, 1, -1])
        assert kind_of(memory, jnp.zeros(40)) == (EquilibriumKind.SILENT, -1, [0, 0, 0, 0])
        noise = jnp.sign(jax.random.normal(jax.random.key(9), (40,)))
        assert kind_of(memory, noise) == (EquilibriumKind.SPURIOUS, -1, [0, 0, 0, 0])


def test_a_negative_is_a_memory_only_where_the_equations_are_odd():
    odd = [aj.AstrocyteMemory(LOW_LOAD, gain_regime=regime) for regime in ("dynamic", "adiabatic", "frozen")]
    for memory in (*odd, aj.AstrocyteMemory(LOW_LOAD, score="power"), aj.DenseMemory(LOW_LOAD, order=4)):
        assert kind_of(memory, -LOW_LOAD[:, 1]) == (EquilibriumKind.MEMORY, 1, [0, -1, 0, 0])
    neither = [aj.ModernHopfieldMemory(LOW_LOAD), aj.AstrocyteMemory(LOW_LOAD, score="linear")]
    for memory in (*neither, aj.DenseMemory(LOW_LOAD, order=3)):
        assert kind_of(memory, LOW_LOAD[:, 1]) == (EquilibriumKind.MEMORY, 1, [0, 1, 0, 0])
        assert kind_of(memory, -LOW_LOAD[:, 1]) == (EquilibriumKind.SPURIOUS, -1, [0, 0, 0, 0])


def test_correlated_patterns_and_copies_are_told_from_mixtures():
    base, other = LOW_LOAD[:, 0], aj.flip(jax.random.key(10), LOW_LOAD[:, 0], 4)
    correlated = aj.HopfieldMemory(jnp.stack([base, other, LOW_LOAD[:, 1]], axis=1))
    assert kind_of(correlated, other) == (EquilibriumKind.MEMORY, 1, [0, 1, 0])
    assert kind_of(correlated, base + other)[::2] == (EquilibriumKind.MIXTURE, [1, 1, 0])
    copies = aj.HopfieldMemory(jnp.stack([LOW_LOAD[:, 1], base, -base], axis=1))
    assert kind_of(copies, base)[0] == EquilibriumKind.MEMORY


def test_every_start_is_accounted_for_among_the_attractors():
    memory = aj.AstrocyteMemory(LOW_LOAD, stored=jnp.ones(4, bool))
    starts = jnp.sign(jax.random.normal(jax.random.key(13), (60, 40)))
    found = attractors(memory, starts)
    counts, labels = np.asarray(found.counts), np.asarray(found.labels)
    assert counts.sum() + int(found.num_unsettled) == 60
    np.testing.assert_array_equal(counts, np.bincount(labels[labels >= 0]))
    assert np.all(np.diff(counts) <= 0)
    assert int(found.num_unsettled) == 0
    np.testing.assert_array_equal(found.spectra.stability, Stability.STABLE)
    np.testing.assert_array_equal(found.identities.kind, EquilibriumKind.MEMORY)
    signs = np.asarray(found.identities.signs)
    assert len({tuple(row) for row in signs}) == len(counts) == 8
    # Each start ends, by an ordinary retrieval, in the attractor it is said to.
    ends = np.sign(ends_of(memory, starts, t1=jnp.asarray(50.0)))
    np.testing.assert_array_equal(ends, np.sign(found.equilibria.state.x)[labels])
    # Those that are still on their way are counted.
    early = attractors(memory, starts.at[:8].set(jnp.concatenate([LOW_LOAD.T, -LOW_LOAD.T])), t1=0.3)
    assert early.labels[:8].tolist() == list(range(8))
    assert int(early.num_unsettled) == np.sum(np.asarray(early.labels) == -1) > 0
    none = attractors(memory, jnp.tile(jax.random.normal(jax.random.key(14), (40,)), (60, 1)), t1=0.3)
    assert (none.counts.shape, none.equilibria.state.x.shape, int(none.num_unsettled)) == ((0,), (0, 40), 60)


def test_starts_on_the_boundary_of_two_basins_are_unsettled_and_those_beside_it_are_not():
    """The sum of two patterns is mapped to itself by the symmetry that swaps them, so it belongs to neither."""
    memory = aj.AstrocyteMemory(LOW_LOAD, stored=jnp.arange(4) < 2)
    middle = (LOW_LOAD[:, 0] + LOW_LOAD[:, 1]) / 2
    starts = jnp.stack([middle, middle + 0.1 * LOW_LOAD[:, 0], middle + 0.1 * LOW_LOAD[:, 1]])
    found = attractors(memory, jnp.tile(jnp.concatenate([starts, -starts]), (10, 1)))
    labels = found.labels.reshape(10, 2, 3)
    np.testing.assert_array_equal(labels[..., 0], -1)
    assert int(found.num_unsettled) == 20
    np.testing.assert_array_equal(labels, np.broadcast_to(labels[0], labels.shape))
    assert sorted(labels[0, :, 1:].ravel().tolist()) == [0, 1, 2, 3]
    np.testing.assert_array_equal(found.spectra.stability, Stability.STABLE)


def test_the_share_of_a_basin_falls_with_distance_and_batches_over_memories():
    key, levels = jax.random.key(15), [0, 4, 16, 40]

    def one(temperature, levels):
        return basin(aj.AstrocyteMemory(LOW_LOAD, temperature=temperature), key, pattern=2, num_flips=levels, num_queries=10)

    found = jax.jit(jax.vmap(one))(jnp.array([0.01, 10.0, 0.01]), jnp.array([levels, levels, [7, 16, 5, 0]]))
    np.testing.assert_array_equal(found.num_flips[:2], [levels] * 2)
    np.testing.assert_array_equal(found.num_valid, 10)
    share = np.asarray(found.share)[:2]
    assert np.all(share[:, :2] == 1)
    assert np.all(np.diff(share) <= 0)
    assert np.all(share[:, -1] == 0)
    assert 0.1 < share[0, 2] < 0.9
    memory = aj.AstrocyteMemory(LOW_LOAD, stored=jnp.ones(4, bool))
    queries = jax.jit(jax.vmap(lambda query: aj.flip(jax.random.fold_in(key, query), LOW_LOAD[:, 2], 16)))(jnp.arange(10))
    ends = ends_of(memory, jnp.tile(queries, (6, 1)), t1=jnp.asarray(100.0))[:10]
    again = np.all(np.sign(ends) == np.asarray(LOW_LOAD[:, 2]), axis=1)
    assert int(found.num_returned[0, 2]) == again.sum()
    assert int(found.num_returned[2, 1]) == again.sum()  # other levels do not change what a query does


def test_what_is_not_found_is_said():
    memory = aj.AstrocyteMemory(LOW_LOAD, temperature=0.5, slope=1.5)
    state = memory.initial_state(jax.random.normal(jax.random.key(17), (40,)))
    assert not equilibrium(memory, state, max_steps=1).converged
    assert equilibrium(memory, state, max_steps=100).converged
    hole = aj.AstrocyteState(state.x.at[3].set(jnp.nan), state.gain_logits)
    states = jax.tree.map(lambda *leaves: jnp.stack(leaves), state, hole, state)

    def one(temperature, state):
        memory = aj.AstrocyteMemory(LOW_LOAD, temperature=temperature, slope=1.5)
        return equilibrium(memory, state).converged, spectrum(memory, state).stability

    converged, stability = jax.jit(jax.vmap(one))(jnp.array([0.5, 0.5, -0.5]), states)
    np.testing.assert_array_equal(converged, [True, False, False])
    assert [int(value) == Stability.UNKNOWN for value in stability[:2]] == [False, True]


def test_the_silent_state_is_a_repeller_at_high_load_and_marginal_at_the_critical_slope():
    crowded = aj.HopfieldMemory(aj.random_patterns(jax.random.key(6), num_neurons=5, num_patterns=60))
    single = aj.HopfieldMemory(PATTERNS[:, :1], slope=1.0)
    for memory, stability, index in ((crowded, Stability.REPELLER, 5), (single, Stability.MARGINAL, 0)):
        verdict = spectrum(memory, memory.initial_state(jnp.zeros(memory.num_neurons)))
        assert (int(verdict.stability), int(verdict.index)) == (stability, index)


def test_crowded_memories_have_no_mixtures_of_everything():
    """At K = 10 N every state has the signs of a sum of many patterns."""
    crowded = aj.HopfieldMemory(aj.random_patterns(jax.random.key(11), num_neurons=20, num_patterns=200))
    noise = jnp.sign(jax.random.normal(jax.random.key(12), (50, 20)))
    kinds = np.asarray(jax.vmap(lambda x: identify(crowded, crowded.initial_state(x)).kind)(noise))
    assert np.mean(kinds == EquilibriumKind.SPURIOUS) > 0.8


class Turning(aj.HopfieldMemory):
    """What descends no energy: the first two neurons turn around each other."""

    def vector_field(self, state):
        x = state.x
        return aj.NeuronState(-x + jnp.zeros_like(x).at[:2].set(jnp.array([-x[1], x[0]])))


def test_complex_eigenvalues_make_a_verdict_unknown():
    memory = Turning(LOW_LOAD)
    found = spectrum(memory, memory.initial_state(jnp.zeros(40)))
    np.testing.assert_allclose(found.eigenvalues, -1)
    assert int(found.stability) == Stability.UNKNOWN
