"""The exponential solvers: design order, exactness, interpolation, derivatives."""

import functools
import math

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import hyp1f1

import astrojax as aj
from astrojax.solve.exponential import ETD2, ETD3, phi

SOLVERS = pytest.mark.parametrize("solver", [ETD2(lambda args: args), ETD3(lambda args: args)], ids=["etd2", "etd3"])
RATES = (jnp.asarray(3.0), jnp.asarray(0.5))


def known(t):
    """u' = −3u + u v², v' = −v/2 − v² has this solution: v is logistic, and u is an exponential of its integral."""
    growth = 0.5 / (1.5 * jnp.exp(0.5 * t) - 1)
    # ∫v² = ∫(−v/2 − v′) = (v(0) − v(t)) − ½∫v, and ∫v = −t/2 − log(v(t)/v(0)), both from the equation of v.
    integral = -0.5 * t - jnp.log(growth)
    return jnp.exp(-3 * t + (1 - growth) - 0.5 * integral), growth


def field(t, y, args):
    u, v = y
    return -3 * u + u * v**2, -v / 2 - v**2


def solved(solver, num_steps, y0=(1.0, 1.0), t1=2.0, saveat=None):
    y0 = tuple(jnp.asarray(value) for value in y0)
    saveat = diffrax.SaveAt(t1=True) if saveat is None else saveat
    given = {"dt0": jnp.asarray(t1 / num_steps), "y0": y0, "args": RATES, "saveat": saveat, "max_steps": 256}  # one program
    return diffrax.diffeqsolve(diffrax.ODETerm(field), solver, 0.0, t1, adjoint=diffrax.DirectAdjoint(), **given)


def error(solver, num_steps):
    solution = solved(solver, num_steps, saveat=diffrax.SaveAt(ts=jnp.linspace(0.0, 2.0, 17)))
    differences = [jnp.abs(a - b) for a, b in zip(solution.ys, jax.vmap(known)(solution.ts), strict=True)]
    return [max(float(jnp.max(difference[at])) for difference in differences) for at in (-1, slice(None))]


@SOLVERS
def test_the_design_order_is_reached_at_the_end_and_in_between(solver):
    steps = [20, 40, 80, 160]
    errors = np.array([error(solver, number + 1) for number in steps])  # one more, so that the times to save are within steps
    orders = -np.diff(np.log(errors), axis=0) / np.diff(np.log(np.array(steps) + 1))[:, None]
    assert np.all(np.abs(orders[-1] - solver.order(None)) < 0.25), orders


@pytest.mark.parametrize("solver", [ETD3(lambda args: args)])
def test_derivatives_in_both_modes_equal_the_known_ones(solver):
    def end(u, v):
        return solved(solver, 64, (u, v)).ys[1][-1]

    step = 1e-6
    difference = (end(1.0, 1.0 + step) - end(1.0, 1.0 - step)) / (2 * step)
    _, forward = jax.jvp(lambda v: end(1.0, v), (1.0,), (1.0,))
    reverse = jax.grad(lambda v: end(1.0, v))(1.0)
    batch = jax.vmap(jax.grad(lambda v: end(1.0, v)))(jnp.array([1.0, 1.0]))
    np.testing.assert_allclose([forward, reverse, *batch], difference, rtol=1e-7)
    # From v(t) = a v0/(b v0 + …): the derivative of the exact solution with respect to v0, at v0 = 1.
    grown = math.exp(1.0)
    exact = 0.25 * grown / (0.5 * grown + (grown - 1)) ** 2
    np.testing.assert_allclose(reverse, exact, rtol=2e-3)


@SOLVERS
def test_linear_relaxation_with_a_constant_drive_is_exact_in_one_step_whatever_the_rate(solver):
    rates = jnp.asarray(1e6)
    given = {"dt0": 1.0, "y0": jnp.array([3.0, -2.0]), "args": rates, "max_steps": 2}
    for drive in (0.0, 5e6):
        term = diffrax.ODETerm(lambda t, y, rate, drive=drive: drive - rate * y)
        end = diffrax.diffeqsolve(term, solver, 0.0, 1.0, **given).ys[0]
        np.testing.assert_allclose(end, drive / 1e6, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("z", [-1e4, -30.0, -1.0 - 1e-9, -1.0 + 1e-9, -0.3, -1e-3, -1e-9, 0.0])
def test_phi_functions_equal_their_integrals(z):
    """φ_j(z) = ∫₀¹ exp((1 − s)z) s^(j−1)/(j−1)! ds, which is Kummer's function ₁F₁(1; j + 1; z)/j!."""
    expected = [math.exp(z), *(hyp1f1(1, j + 1, z) / math.factorial(j) for j in (1, 2, 3))]
    np.testing.assert_allclose(phi(jnp.asarray(z), 3), expected, rtol=1e-12, atol=1e-300)


def test_phi_functions_have_derivatives_at_zero():
    derivative = [jax.grad(lambda z, j=j: phi(z, 3)[j])(0.0) for j in range(4)]
    np.testing.assert_allclose(derivative, [1 / math.factorial(j + 1) for j in range(4)], rtol=1e-12)


def test_a_memory_that_falls_silent_is_confirmed():
    patterns = aj.random_patterns(jax.random.key(0), num_neurons=30, num_patterns=10)
    memory, query = aj.HopfieldMemory(patterns, slope=0.3), aj.flip(jax.random.key(1), patterns[:, 0], 6)
    recall = aj.retrieve(memory, query, t1=100.0, solver="etd3", confirm=True)
    assert jnp.max(jnp.abs(recall.x)) < 0.03
    assert recall.status == aj.Status.OK


def test_a_second_solve_that_fails_says_how():
    patterns = aj.random_patterns(jax.random.key(0), num_neurons=30, num_patterns=100)
    memory, query = aj.AstrocyteMemory(patterns), aj.flip(jax.random.key(1), patterns[:, 0], 6)
    retrieve = functools.partial(aj.retrieve, memory, query, t1=10.0, solver="etd3")
    most = int(sum(retrieve().stats.values()))
    alone, confirmed = (retrieve(max_steps=most, confirm=confirm) for confirm in (False, True))
    assert (alone.status, confirmed.status) == (aj.Status.OK, aj.Status.MAX_STEPS)


def test_automatic_choice_is_stated_and_can_be_overridden():
    patterns = aj.random_patterns(jax.random.key(0), num_neurons=12, num_patterns=5)
    memory = aj.AstrocyteMemory(patterns, tau_x=1e-3)
    recall = aj.retrieve(memory, patterns[:, 0], t1=10.0)
    assert (recall.solver, float(recall.rtol)) == ("auto", pytest.approx(3e-7))
    loose = aj.retrieve(memory, patterns[:, 0], t1=10.0, solver="etd3")
    assert loose.rtol == loose.atol == pytest.approx(0.025)
    other = aj.retrieve(memory, patterns[:, 0], t1=10.0, solver=aj.ETD2(), rtol=1e-2, atol=0.3)
    assert (other.solver, float(other.rtol), float(other.atol)) == ("etd2", 1e-2, 0.3)
