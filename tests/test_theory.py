"""Theory against simulated problems, exhaustive enumeration, exact arithmetic, quadrature and published figures."""

import itertools
import math
from decimal import Decimal, localcontext

import jax
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import erf, gammaln, logsumexp

import astrojax as aj
from astrojax.theory.hopfield import _moments


@pytest.mark.parametrize(
    ("num_flips", "signed", "published"),
    [
        (3, True, [0.175, 0.345, 0.664]),
        (3, False, [0.342, 0.661, 1.220]),
        (5, True, [3.361, 5.030, 6.282]),
        (5, False, [5.022, 6.284, 6.686]),
    ],
)
def test_errors_of_the_nearest_pattern_are_the_published_ones(num_flips, signed, published):
    found = [aj.theory.nearest_pattern(20, load, num_flips, signed=signed).hamming_error for load in (50, 100, 200)]
    np.testing.assert_allclose(found, published, atol=6e-4)


def simulate(num_neurons, num_patterns, num_flips, signed, number=100_000):
    """Hamming errors of the nearest pattern on random problems, whose patterns are the bits of integers."""
    random, errors = np.random.default_rng([num_neurons, num_patterns, num_flips, signed]), []
    every = np.uint64(2**num_neurons - 1)
    for _ in range(0, number, 2000):
        patterns = random.integers(0, 2**num_neurons, (2000, num_patterns), dtype=np.uint64)
        query = patterns[:, :1] ^ np.uint64(2**num_flips - 1)
        overlaps = num_neurons - 2 * np.bitwise_count(patterns ^ query).astype(np.float64)
        likeness = overlaps if signed else np.abs(overlaps)
        rows, winner = np.arange(2000), np.argmax(likeness + random.random(likeness.shape), axis=1)  # ties at random
        overlap = overlaps[rows, winner]
        negative = False if signed else np.where(overlap == 0, random.random(2000) < 0.5, overlap < 0)
        answer = np.where(negative, every ^ patterns[rows, winner], patterns[rows, winner])
        errors.append(np.bitwise_count(answer ^ patterns[:, 0]))
    return np.concatenate(errors).astype(float)


def agree(values, expected):
    """Whether a sample mean is within 4 standard errors of what is expected; rare events count as a Poisson number."""
    error = max(values.std(), np.sqrt(values.max(initial=1) * expected), 1e-9) / np.sqrt(values.size)
    return abs(values.mean() - expected) < 4 * error + 1e-12


POINTS = [(20, 50, 3), (20, 200, 5), (20, 2, 9), (20, 2, 10), (20, 40, 0), (20, 5, 10), (30, 100, 6), (6, 10, 1), (8, 150, 4)]
POINTS += [(21, 5, 15), (63, 50, 24), (63, 2, 31), (20, 1, 10)]


@pytest.mark.parametrize("signed", [True, False])
def test_errors_and_success_of_the_nearest_pattern_are_those_of_a_hundred_thousand_problems(signed):
    for point in POINTS:
        errors, expected = simulate(*point, signed), aj.theory.nearest_pattern(*point, signed=signed)
        assert agree(errors, expected.hamming_error), (point, errors.mean(), expected)
        assert agree((errors == 0).astype(float), expected.success), (point, (errors == 0).mean(), expected)


@pytest.mark.slow
@pytest.mark.parametrize("point", [(20, 1000, 4), (40, 1000, 8)])
def test_the_same_at_large_loads(point):
    for signed in (True, False):
        errors, expected = simulate(*point, signed), aj.theory.nearest_pattern(*point, signed=signed)
        assert agree(errors, expected.hamming_error)
        assert agree((errors == 0).astype(float), expected.success)


def test_the_decoders_of_the_package_have_these_errors():
    def errors(key):
        keys = jax.random.split(key, 3)
        patterns = aj.random_patterns(keys[0], num_neurons=20, num_patterns=50)
        query = aj.flip(keys[1], patterns[:, 0], 3)
        answers = [aj.nearest_pattern(keys[2], patterns, query, signed=signed) for signed in (True, False)]
        return [aj.hamming_error(patterns[:, 0], answer) for answer in answers]

    for found, signed in zip(
        jax.jit(jax.vmap(errors))(jax.random.split(jax.random.key(0), 20_000)), (True, False), strict=True
    ):
        expected = aj.theory.nearest_pattern(20, 50, 3, signed=signed)
        assert agree(np.asarray(found, float), expected.hamming_error)
        assert agree(np.asarray(found == 0, float), expected.success)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(("size", "load"), [(1, 3), (3, 2), (3, 3), (4, 3)])
def test_small_problems_are_exact(size, load, signed):
    """Over all patterns; every winner of a tie is as probable, and either sign at overlap 0."""
    signs = np.array(list(itertools.product([-1, 1], repeat=size)))
    for num_flips in range(size + 1):
        target = np.ones(size, int)
        query = np.where(np.arange(size) < num_flips, -1, 1)
        means = []
        for others in itertools.product(signs, repeat=load - 1):
            patterns = np.array([target, *others])
            both = patterns if signed else np.concatenate([patterns, -patterns])  # a pattern or its negative
            overlaps = both @ query
            errors = (size - both[overlaps == overlaps.max()] @ target) / 2
            means.append([errors.mean(), (errors == 0).mean()])
        found = aj.theory.nearest_pattern(size, load, num_flips, signed=signed)
        np.testing.assert_allclose(found, np.mean(means, axis=0), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("size", "num_flips"), [(40, 1), (60, 5), (60, 15), (100, 20)])
def test_errors_at_a_trillion_patterns_are_those_of_exact_arithmetic(size, num_flips):
    load = 10**12
    with localcontext() as context:
        context.prec = 80
        law = [Decimal(math.comb(size, differing)) / 2**size for differing in range(size + 1)]
        at_most = [sum(law[differing:], Decimal(0)) for differing in range(size + 2)]  # F of the overlap, then of that below
        error = Decimal(0)
        for differing in range(num_flips + 1):
            distance = Decimal((size - num_flips) * differing + num_flips * (size - differing)) / size
            lost = at_most[differing] ** (load - 1) - at_most[differing + 1] ** (load - 1)
            if differing == num_flips:
                first = (at_most[differing] ** load - at_most[differing + 1] ** load) / (load * law[differing])
                lost = at_most[differing] ** (load - 1) - first
            error += lost * distance
    found = aj.theory.nearest_pattern(size, load, num_flips)
    np.testing.assert_allclose(found.hamming_error, float(error), rtol=1e-9)


def test_capacities_and_best_temperatures_are_the_published_ones():
    capacities = [aj.theory.channel_capacity(flips / 20) for flips in (2, 3, 4, 5)]
    assert [round(aj.theory.num_patterns_at(capacity, 20)) for capacity in capacities] == [1574, 223, 47, 14]
    assert round(aj.theory.best_temperature(6 / 30), 2) == 0.87
    np.testing.assert_allclose(aj.theory.best_temperature(0.2, "linear"), 2 / math.log(4))
    assert aj.theory.channel_capacity(0) == pytest.approx(math.log(2))
    assert aj.theory.channel_capacity(0.5) == aj.theory.recall_threshold(0.5, 0.3) == 0


def outweighed(load, noise_level, temperature, score, size=20_000):
    """Whether the other patterns outweigh the target: as many at each overlap as expected, none where that is below one."""
    differing = np.arange(size + 1)
    numbers = load * size + gammaln(size + 1) - gammaln(differing + 1) - gammaln(size - differing + 1) - size * math.log(2)
    overlaps = 1 - 2 * differing / size
    weights = size * (overlaps if score == "linear" else overlaps**2 / 2) / temperature
    there = (numbers >= 0) & (overlaps >= 0)
    own = size * ((1 - 2 * noise_level) if score == "linear" else (1 - 2 * noise_level) ** 2 / 2) / temperature
    return logsumexp((numbers + weights)[there]) > own


@pytest.mark.parametrize("score", ["linear", "squared"])
@pytest.mark.parametrize("noise_level", [0, 0.1, 0.3])
def test_thresholds_are_where_the_other_patterns_outweigh_the_target(score, noise_level):
    best, capacity = aj.theory.best_temperature(noise_level, score), aj.theory.channel_capacity(noise_level)
    for temperature in (0.05, 0.7, 0.97, 1.3, 4.0):
        threshold = aj.theory.recall_threshold(noise_level, temperature, score)
        assert outweighed(threshold + 0.002, noise_level, temperature, score)
        assert not outweighed(threshold - 0.002, noise_level, temperature, score)
        if temperature <= best:
            assert threshold == pytest.approx(capacity, abs=1e-12)
        elif threshold < capacity - 1e-9:
            assert aj.theory.critical_temperature(noise_level, threshold, score) == pytest.approx(temperature, rel=1e-6)
    if score == "linear" and noise_level:  # the closed form, and its maximum
        evidence = np.linspace(0.01, 3, 3000)
        closed = evidence * (1 - 2 * noise_level) - np.log(np.cosh(evidence))
        assert 1 / evidence[closed.argmax()] == pytest.approx(best, rel=0.01)
        assert closed.max() == pytest.approx(capacity, abs=1e-6)
        assert aj.theory.recall_threshold(noise_level, 1 / evidence[50], score) == pytest.approx(closed[50])


def test_critical_temperatures_at_the_ends():
    capacity = aj.theory.channel_capacity(0.2)
    assert aj.theory.critical_temperature(0.2, capacity + 0.01) == 0
    assert aj.theory.critical_temperature(0.2, capacity) == aj.theory.best_temperature(0.2)
    assert aj.theory.critical_temperature(0.2, 0) == math.inf


def test_binary_neurons_have_the_published_capacity():
    """The largest load that y (√(2α) + 2/√π exp(−y²)) = erf(y) has a solution for; overlap 0.967 there."""
    y = np.linspace(0.5, 4, 100_000)
    loads = (erf(y) / y - 2 / np.sqrt(np.pi) * np.exp(-(y**2))) ** 2 / 2
    assert aj.theory.hopfield_capacity() == pytest.approx(loads.max(), abs=2e-5)
    assert round(aj.theory.hopfield_capacity(), 3) == round(aj.theory.hopfield_capacity(1000.0), 3) == 0.138
    assert aj.theory.hopfield_recall(0.1379).overlap == pytest.approx(0.967, abs=0.002)
    at = y[30_000 + np.argmin(abs(loads[30_000:] - 0.1))]
    found = aj.theory.hopfield_recall(0.1)
    np.testing.assert_allclose(found, [erf(at), (1 - erf(at)) / 2], atol=1e-5)
    assert aj.theory.hopfield_capacity(0.8) == 0
    assert aj.theory.hopfield_recall(0.2) == (0, 0.5)


@pytest.mark.parametrize(
    ("overlap", "noise", "reflected", "slope"),
    [(0.9, 0.5, 0.1, 5), (0.95, 0.3, 0.4, 5), (0.8, 0.05, 0.01, 1.5), (0.99, 0.4, 0.2, 30), (0.3, 0.01, 0.0, 2)],
)
def test_moments_of_the_rates_are_those_of_quadrature(overlap, noise, reflected, slope):
    def rate(z):
        drive, found = overlap + noise * z, 1.0
        for _ in range(3000):  # falls to the largest root
            last, found = found, math.tanh(slope * (abs(drive) + reflected * found))
            if last - found < 1e-15:
                break
        return math.copysign(found, drive)

    def average(function):
        ends = [place for place in (-overlap / noise,) if abs(place) < 9]
        return quad(lambda z: function(z) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi), -9, 9, points=ends, limit=300)[0]

    expected = average(rate), average(lambda z: rate(z) ** 2), average(lambda z: z * rate(z)) / noise
    np.testing.assert_allclose(_moments(overlap, noise, reflected, slope), expected, rtol=1e-7)


@pytest.mark.parametrize("size", [500, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_hopfield_network_has_the_overlap_of_the_mean_field(size):
    """Every stored pattern of one network as a query; the deviation falls with N."""
    patterns = aj.random_patterns(jax.random.key(1), num_neurons=size, num_patterns=size // 20)
    for slope in (2.0, 5.0):
        recall = aj.retrieve_many(aj.HopfieldMemory(patterns, slope=slope, zero_diagonal=True), patterns.T, t1=60.0)
        overlaps = np.mean(np.asarray(patterns).T * np.tanh(slope * np.asarray(recall.state.x)), axis=1)
        expected = aj.theory.hopfield_recall(0.05, slope).overlap
        assert np.median(overlaps) == pytest.approx(expected, abs=3 / size)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: aj.theory.nearest_pattern(20, 0, 3), "num_patterns must be an integer of at least 1; got 0"),
        (lambda: aj.theory.nearest_pattern(20, 5, 21), "num_flips must be an integer of at most 20; got 21"),
        (lambda: aj.theory.nearest_pattern(20, 5, 2, signed=1), "signed must be True or False; got 1"),
        (lambda: aj.theory.channel_capacity(0.6), r"noise_level must be a number within \[0, 0.5\]; got 0.6"),
        (lambda: aj.theory.channel_capacity("0.1"), "noise_level must be a number"),
        (lambda: aj.theory.recall_threshold(0.1, -1.0), "temperature must be a number within"),
        (lambda: aj.theory.recall_threshold(0.1, 1.0, "power"), "score must be one of linear, squared; got 'power'"),
        (lambda: aj.theory.critical_temperature(0.1, 1), "load must be a number within"),
        (lambda: aj.theory.hopfield_recall(float("nan")), "load must be a number within"),
        (lambda: aj.theory.hopfield_capacity(0.0), "slope must be a number within"),
        (lambda: aj.theory.hopfield_recall(0.1, zero_diagonal="no"), "zero_diagonal must be True or False"),
    ],
)
def test_other_input_is_refused(call, message):
    with pytest.raises(aj.InputError, match=message):
        call()
