"""The wider family: gain maps, gap junctions, activations and scores. Energies fall at exact rates, and limits hold."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj

MATRIX = np.cos(np.arange(36)).reshape(6, 6) + np.cos(np.arange(36)).reshape(6, 6).T
SCORES = ("squared", "linear", "distance", "power")
GAIN_MAPS = {"softmax": "softmax", "sparsemax": "sparsemax", "entmax": aj.EntmaxGainMap(1.3)}
ACTIVATIONS = {"tanh": True, "sphere": True, "identity": False, "rectified": False}
"""Activations, and whether their rates are bounded, as even scores need."""
JUNCTIONS = {
    "none": "none",
    "ring": aj.RingGapJunctions(0.7),
    "classes": aj.ClassesGapJunctions(-0.4),
    "matrix": aj.MatrixGapJunctions(MATRIX, 0.5),
}
COMBINATIONS = [
    (score, gain_map, activation)
    for score, gain_map, activation in itertools.product(SCORES, GAIN_MAPS, ACTIVATIONS)
    if ACTIVATIONS[activation] or score in ("linear", "distance")
]
CLASSES = np.array([0, 1, 0, 1, 1, 0])


def problem(seed, num_neurons=10, num_patterns=6):
    """Real-valued patterns, and a query near the first."""
    rng = np.random.default_rng(seed)
    patterns = rng.normal(size=(num_neurons, num_patterns))
    return jnp.asarray(patterns), jnp.asarray(patterns[:, 0] + rng.normal(0, 0.5, num_neurons))


def state(seed, num_neurons=10, num_patterns=6):
    rng = np.random.default_rng(seed)
    return aj.AstrocyteState(jnp.asarray(rng.normal(size=num_neurons)), jnp.asarray(rng.normal(size=num_patterns)))


def bisected(logits, alpha):
    """The threshold of entmax by bisection."""
    y = (alpha - 1) * np.asarray(logits)
    low, high = y.max() - 1, y.max()
    for _ in range(200):
        middle = (low + high) / 2
        is_low = np.sum(np.maximum(y - middle, 0) ** (1 / (alpha - 1))) > 1
        low, high = (middle, high) if is_low else (low, middle)
    return np.maximum(y - (low + high) / 2, 0) ** (1 / (alpha - 1))


@pytest.mark.parametrize(
    ("name", "share"), [*((name, 4) for name in JUNCTIONS), pytest.param("none", 1, marks=pytest.mark.slow)]
)
def test_every_energy_changes_at_the_stated_rate(name, share):
    """Against central differences along the flow, for every combination or one in four, with padded columns."""
    patterns, _ = problem(0)
    for number, (score, gain_map, activation) in enumerate(COMBINATIONS):
        if (number + len(name)) % share:
            continue
        memory = aj.AstrocyteMemory(
            patterns, score=score, gain_map=GAIN_MAPS[gain_map], activation=activation, gap_junctions=JUNCTIONS[name],
            stored=jnp.arange(6) < 5, temperature=0.8, tau_x=0.7, tau_p=1.3, slope=1.5, pattern_classes=CLASSES,
        )  # fmt: skip
        here, step = state(number), 1e-5
        field = memory.vector_field(here)
        there = [memory.energy(jax.tree.map(lambda a, b: a + h * b, here, field)) for h in (step, -step)]  # noqa: B023
        difference = (there[0] - there[1]) / (2 * step)
        assert memory.energy_rate(here) == pytest.approx(float(difference), rel=1e-5), (score, gain_map, activation)
        assert difference < 0


QUICK = [("squared", "entmax", "tanh", "ring")]


@pytest.mark.parametrize(
    ("score", "gain_map", "activation", "junctions"),
    [
        *QUICK,
        *(pytest.param(*one, "none", marks=pytest.mark.slow) for one in COMBINATIONS if (*one, "none") not in QUICK),
        *(pytest.param("linear", gain_map, "tanh", "matrix", marks=pytest.mark.slow) for gain_map in GAIN_MAPS),
    ],
)
def test_no_energy_rises_on_a_thousand_random_trajectories(score, gain_map, activation, junctions):
    number, times = 1000, jnp.geomspace(0.01, 5.0, 25)
    rng = np.random.default_rng(3)
    patterns = rng.normal(size=(number, 10, 6))
    patterns[::2] = np.sign(patterns[::2])
    queries = patterns[:, :, 0] + rng.normal(0, 0.5, (number, 10))
    logits = rng.normal(size=(number, 6))
    low, high = np.log([[0.05, 0.1, 0.1]]), np.log([[10.0, 10.0, 10.0]])
    parameters = np.exp(rng.uniform(low, high, (number, 3)))

    @jax.jit
    @jax.vmap
    def energies(patterns, query, logits, parameters):
        temperature, tau_x, tau_p = parameters
        memory = aj.AstrocyteMemory(
            patterns, score=score, gain_map=GAIN_MAPS[gain_map], activation=activation, gap_junctions=JUNCTIONS[junctions],
            temperature=temperature, tau_x=tau_x, tau_p=tau_p, slope=1.5, initial_gain_logits=logits,
        )  # fmt: skip
        recall = aj.retrieve(memory, query, t1=5.0, ts=times, solver="etd3", rtol=1e-4)
        start = memory.energy(memory.initial_state(query))
        return jnp.concatenate([start[None], jax.vmap(memory.energy)(recall.states)]), recall.status

    found, status = energies(patterns, queries, logits, parameters)
    assert not np.any(status)
    found = np.asarray(found)
    scale = np.abs(found).max(axis=1, keepdims=True) + 1
    assert np.max(np.diff(found, axis=1) / scale) < 1e-4
    assert np.all(found[:, -1] < found[:, 0])


@pytest.mark.parametrize("alpha", [1.01, 1.3, 1.5, 2.0])
def test_entmax_is_the_projection_found_by_bisection_with_exact_zeros(alpha):
    rng = np.random.default_rng(0)
    gain_map = aj.SparsemaxGainMap() if alpha == 2 else aj.EntmaxGainMap(alpha)
    gains_of = jax.jit(gain_map.gains)
    for scale in (0.01, 1.0, 30.0):
        logits = rng.normal(0, scale, (20, 40))
        expected = np.array([bisected(row, alpha) for row in logits])
        padded = np.pad(logits, ((0, 0), (0, 3)), constant_values=9e3)
        gains = np.array([gains_of(jnp.asarray(row), jnp.arange(43) < 40) for row in padded])
        np.testing.assert_allclose(gains[:, :40], expected, atol=1e-12)
        assert np.all(gains[:, 40:] == 0)
        assert np.all(gains[:, :40][expected == 0] == 0)
        np.testing.assert_allclose(gains.sum(axis=1), 1, rtol=1e-14)
        if scale == 30:
            assert (gains[:, :40] == 0).any()
    log_gains = gain_map.log_gains(jnp.asarray(padded[0]), jnp.arange(43) < 40)
    np.testing.assert_allclose(jnp.exp(log_gains), gains[0], atol=1e-12)


def test_derivatives_of_entmax_are_those_of_the_bisected_one_also_of_alpha_and_second_ones():
    logits, step = np.random.default_rng(1).normal(size=9), 1e-6
    steps = step * np.eye(9)

    def differences(function):
        return np.stack([(function(logits + one) - function(logits - one)) / (2 * step) for one in steps], axis=-1)

    jacobian = jax.jacrev(lambda z: aj.EntmaxGainMap(1.5)(z))(jnp.asarray(logits))
    np.testing.assert_allclose(jacobian, differences(lambda z: bisected(z, 1.5)), atol=1e-8)
    by_alpha = jax.jacfwd(lambda alpha: aj.EntmaxGainMap(alpha)(jnp.asarray(logits)))(1.4)
    np.testing.assert_allclose(by_alpha, (bisected(logits, 1.4 + step) - bisected(logits, 1.4 - step)) / (2 * step), atol=1e-8)

    def gradient(z):  # Ω* has the gradient p, so its Hessian is known: diag(s) − s sᵀ/Σs with s = √p at α = 1.5
        s = np.sqrt(bisected(z, 1.5))
        return (np.diag(s) - np.outer(s, s) / s.sum()) @ np.arange(9.0)

    second = jax.hessian(lambda z: aj.EntmaxGainMap(1.5)(z) @ jnp.arange(9.0))(jnp.asarray(logits))
    np.testing.assert_allclose(second, differences(gradient), atol=1e-6)


def test_regularizers_are_conjugate_to_their_maps():
    """p(z) maximizes ⟨p, z⟩ − Ω(p): no other point of the simplex does better."""
    rng = np.random.default_rng(2)
    logits, others = jnp.asarray(rng.normal(size=8)), rng.dirichlet(np.full(8, 0.3), 200)
    for gain_map in (aj.SoftmaxGainMap(), aj.EntmaxGainMap(1.2), aj.EntmaxGainMap(1.7), aj.SparsemaxGainMap()):
        gains = gain_map(logits)
        best = gains @ logits - gain_map.regularizer(gains)
        values = [one @ logits - gain_map.regularizer(jnp.asarray(one)) for one in others]
        assert max(values) < best
        close = 0.999 * gains + 0.001 * others[0]
        assert 0 < best - (close @ logits - gain_map.regularizer(close)) < 1e-2


def same(memory, other, here, rtol=1e-12):
    for name in ("vector_field", "energy", "energy_rate", "gains"):
        pairs = zip(*(jax.tree.leaves(getattr(one, name)(here)) for one in (memory, other)), strict=True)
        for a, b in pairs:
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol, err_msg=name)


class PlainSoftmax(aj.AbstractGainMap):
    """The paper's map, from its definition alone."""

    def __call__(self, logits):
        return jax.nn.softmax(logits)

    def regularizer(self, gains):
        return jnp.sum(jax.scipy.special.xlogy(gains, gains))


def test_members_of_the_family_are_limits_of_others():
    patterns, _ = problem(4)
    build = functools.partial(aj.AstrocyteMemory, patterns, temperature=0.7)
    here, plain = state(5), build()
    same(build(gain_map=aj.EntmaxGainMap(1 + 1e-7)), plain, here, 1e-5)
    same(build(gain_map=aj.EntmaxGainMap(2.0)), build(gain_map="sparsemax"), here)
    same(build(gain_map=PlainSoftmax()), plain, here)
    same(build(gap_junctions=aj.RingGapJunctions(0.0)), plain, here)
    same(build(score="distance"), build(score="linear", logit_bias=-jnp.sum(patterns**2, axis=0) / 2), here)
    same(build(coupling="K"), plain, here)
    same(build(coupling="N"), build(coupling=10.0), here)
    same(build(score="linear", coupling="1"), build(score="linear"), here)
    # κ: the rates of the logits differ by κ A p/τp, and A is what the names say.
    rings = np.roll(np.eye(6), 1, 0) + np.roll(np.eye(6), -1, 0)
    classes = np.equal.outer(CLASSES, CLASSES) - np.eye(6)
    of_classes = build(gap_junctions=aj.ClassesGapJunctions(0.3), pattern_classes=CLASSES)
    for memory, matrix in ((build(gap_junctions=aj.RingGapJunctions(0.3)), rings), (of_classes, classes)):
        same(memory, build(gap_junctions=aj.MatrixGapJunctions(matrix, 0.3)), here)
        change = memory.vector_field(here).gain_logits - plain.vector_field(here).gain_logits
        np.testing.assert_allclose(change, 0.3 * matrix @ plain.gains(here), atol=1e-12)


def test_a_ring_connects_the_stored_patterns_only():
    patterns, _ = problem(6)
    stored = jnp.asarray([True, False, True, True, False, True])
    here, chosen = state(7), np.flatnonzero(stored)
    memory = aj.AstrocyteMemory(patterns, stored=stored, gap_junctions="ring")
    alone = aj.AstrocyteMemory(patterns[:, chosen], gap_junctions="ring")
    field, expected = memory.vector_field(here), alone.vector_field(aj.AstrocyteState(here.x, here.gain_logits[chosen]))
    np.testing.assert_allclose(field.gain_logits[chosen], expected.gain_logits, rtol=1e-12)
    np.testing.assert_allclose(field.x, expected.x, rtol=1e-12)


def test_one_step_is_the_update_of_ramsauer_et_al():
    """x ← Ξ softmax(βΞᵀx), with gains at once, the identity and the linear score (arXiv:2008.02217, Eq. 3)."""
    patterns, query = problem(8)
    memory = aj.ModernHopfieldMemory(patterns, temperature=0.5, activation="identity")
    step = query + memory.tau_x * memory.vector_field(memory.initial_state(query)).x
    weights = np.exp(2.0 * np.asarray(patterns).T @ np.asarray(query))
    np.testing.assert_allclose(step, np.asarray(patterns) @ weights / weights.sum(), rtol=1e-13, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"gain_map": "sparsemax", "activation": "sphere", "gap_junctions": "ring", "temperature": 0.2},
        {"score": "linear", "gain_map": aj.EntmaxGainMap(1.3), "activation": "rectified", "temperature": 2.0},
        {"score": "distance", "activation": "identity", "gain_regime": "adiabatic"},
        {"gain_map": "entmax", "gain_regime": "adiabatic", "temperature": 2.0},
    ],
)
def test_they_are_as_good_as_any_memory(settings):
    aj.testing.check_memory(functools.partial(aj.AstrocyteMemory, slope=1.5, **settings))


def test_gradients_of_a_retrieval_with_respect_to_alpha_and_kappa_are_those_of_differences():
    patterns, query = problem(9)

    @jax.jit
    @jax.value_and_grad
    def loss(numbers):
        memory = aj.AstrocyteMemory(
            patterns, score="linear", gain_map=aj.EntmaxGainMap(numbers[0]), gap_junctions=aj.RingGapJunctions(numbers[1]),
            temperature=2.0, slope=0.7, tau_p=2.0,
        )  # fmt: skip
        return jnp.mean(patterns[:, 1] * aj.retrieve(memory, query, t1=1.0, solver="adams", num_steps=40).x)

    numbers, step = jnp.asarray([1.4, 0.6]), 1e-6
    _, gradient = loss(numbers)
    for place, one in enumerate(step * jnp.eye(2)):
        difference = (loss(numbers + one)[0] - loss(numbers - one)[0]) / (2 * step)
        assert gradient[place] == pytest.approx(float(difference), rel=1e-4)
        assert abs(difference) > 1e-4


def test_equilibria_with_gains_of_exactly_zero_have_the_spectrum_of_differences():
    patterns, query = problem(10)
    memory = aj.AstrocyteMemory(patterns, gain_map="sparsemax", temperature=0.8, slope=1.5, tau_p=2.0)
    near = aj.retrieve(memory, query, t1=30.0, solver="adams", num_steps=300).state
    rest = aj.equilibrium(memory, near)
    assert rest.converged
    assert 0 < np.sum(np.asarray(rest.gains) > 0) < 6
    found = aj.spectrum(memory, rest.state)
    flat, unravel = jax.flatten_util.ravel_pytree(rest.state)
    field = jax.jit(lambda y: jax.flatten_util.ravel_pytree(memory.vector_field(unravel(y)))[0])
    steps = 1e-6 * np.eye(flat.size)
    jacobian = np.stack([(field(flat + one) - field(flat - one)) / 2e-6 for one in steps], axis=1)
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(jacobian).real)[::-1], found.eigenvalues, atol=1e-7)
    assert found.stability == aj.Stability.STABLE


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_a_state_on_a_kink_is_marginal(dtype):
    patterns = problem(11)[0].astype(dtype)
    kinked = aj.AstrocyteMemory(patterns, score="linear", activation="rectified", temperature=50.0)
    x = np.asarray(kinked.patterns.mean(axis=1))
    kinked = aj.AstrocyteMemory(patterns - x[:, None], score="linear", activation="rectified", temperature=50.0)
    silent = aj.AstrocyteState(jnp.zeros(10, dtype), jnp.zeros(6, dtype))  # at rest, since the mean of the patterns is 0
    assert np.max(np.abs(kinked.vector_field(silent).x)) < 1e-6
    assert aj.spectrum(kinked, silent).stability == aj.Stability.MARGINAL
    smooth = aj.AstrocyteMemory(patterns - x[:, None], score="linear", activation="identity", temperature=50.0)
    assert aj.spectrum(smooth, silent).stability == aj.Stability.STABLE


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gain_map": "softmx"}, r"gain map must be one of .*; got 'softmx' \(did you mean 'softmax'"),
        ({"activation": "relu"}, r"activation must be one of tanh, .*; got 'relu'"),
        ({"activation": "identity"}, "activation must have bounded rates with the score squared, .* got identity"),
        ({"gap_junctions": "rng"}, r"gap junctions must be one of .*; got 'rng'"),
        (
            {"gap_junctions": "ring", "gain_regime": "adiabatic"},
            "gain_regime with gap junctions must be one of dynamic; got .adiabatic",
        ),
        ({"gap_junctions": "classes"}, "pattern_classes must be given for the gap junctions classes"),
        ({"gap_junctions": aj.MatrixGapJunctions(np.eye(4))}, r"gap_matrix must have shape \(6, 6\), .* got \(4, 4\)"),
        ({"activation": "sphere", "tau_x": np.ones(10)}, "tau_x must be a single number with SphereActivation"),
    ],
)
def test_parts_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(aj.InputError, match=message):
        aj.AstrocyteMemory(problem(0)[0], **settings)


def test_numbers_of_parts_are_checked():
    for alpha in (1.0, 2.1, -1, np.nan):
        with pytest.raises(aj.InputError, match="alpha must be a number above 1 and at most 2; got"):
            aj.EntmaxGainMap(alpha)
    with pytest.raises(aj.InputError, match="gap_strength must be a single finite number; got"):
        aj.RingGapJunctions(np.nan)
    with pytest.raises(aj.InputError, match="gap_junctions 'matrix' needs fields; give an object"):
        aj.AstrocyteMemory(problem(0)[0], gap_junctions="matrix")
    with pytest.raises(aj.InputError, match="gap_matrix must be symmetric"):
        aj.MatrixGapJunctions(np.triu(np.ones((3, 3))))
    with pytest.raises(aj.InputError, match="activation must have bounded rates with a Hopfield memory"):
        aj.HopfieldMemory(problem(0)[0], activation="identity")
    patterns, query = problem(0)

    @jax.jit
    @jax.vmap
    def status_at(alpha):
        memory = aj.AstrocyteMemory(patterns, gain_map=aj.EntmaxGainMap(alpha))
        return aj.retrieve(memory, query, t1=1.0, solver="adams", num_steps=10).status

    assert list(status_at(jnp.asarray([1.0, 1.5]))) == [aj.Status.INVALID_MEMORY, aj.Status.OK]
