"""Taking a retrieval step by step, its step control, and the softmax that both rest on."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

import astrojax as aj
from astrojax import stepping
from astrojax.activations import largest_entry, softmax
from astrojax.retrieval import posed
from astrojax.step_control import StepControl


@pytest.mark.parametrize("size", [1, 7, 8, 13, 104])
def test_softmax_is_that_of_scipy_over_the_stored_entries(size):
    generator = np.random.default_rng(size)
    logits, stored = generator.normal(0, 300, size), generator.random(size) < 0.7
    stored[0] = True
    np.testing.assert_allclose(softmax(jnp.asarray(logits)), scipy.special.softmax(logits), rtol=1e-12, atol=1e-300)
    expected = scipy.special.softmax(np.where(stored, logits, -np.inf))
    np.testing.assert_allclose(softmax(jnp.asarray(logits), jnp.asarray(stored)), expected, rtol=1e-12, atol=1e-300)
    gradient = jax.grad(lambda z: softmax(z, jnp.asarray(stored))[0])(jnp.asarray(logits))
    np.testing.assert_allclose(gradient, expected[0] * (np.eye(size)[0] - expected), rtol=1e-9, atol=1e-300)
    assert largest_entry(jnp.asarray(logits)) == largest_entry(jnp.asarray(logits)[None, :, None]) == logits.max()


@pytest.mark.parametrize("solver", ["auto", "etd2", "heun", "tsit5"])
def test_step_by_step_takes_the_steps_of_diffeqsolve(solver):
    patterns = aj.random_patterns(jax.random.key(0), num_neurons=12, num_patterns=9)
    memory, query = aj.AstrocyteMemory(patterns), aj.flip(jax.random.key(1), patterns[:, 0], 2)
    whole = aj.retrieve(memory, query, t1=10.0, solver=solver, rtol=1e-3, atol=1e-3, adjoint=diffrax.ForwardMode())
    retrieval = posed(memory, query, t1=10.0, solver=solver, rtol=1e-3, atol=1e-3, max_steps=4096)

    @eqx.filter_jit
    def run(retrieval):
        def any_left(progress):
            return stepping.is_under_way(retrieval, progress)

        start = stepping.begun(retrieval)
        return stepping.ended(retrieval, jax.lax.while_loop(any_left, lambda p: stepping.stepped(retrieval, p), start))

    recall = run(retrieval)
    assert recall.stats == whole.stats
    assert recall.status == whole.status == aj.Status.OK
    np.testing.assert_allclose(recall.x, whole.x, rtol=1e-9)
    np.testing.assert_allclose(recall.gains, whole.gains, atol=1e-9)


def test_a_last_step_in_vain_is_not_made_longer():
    # Heun at τx = 1e-5 takes steps of about 2e-5: that of 7e-5 which is tried first is in vain.
    memory = aj.HopfieldMemory(jnp.ones((2, 1)), tau_x=1e-5)
    retrieval = posed(memory, jnp.ones(2), t1=2.0, solver="heun", rtol=1e-3, atol=1e-3, max_steps=10**5)
    begun = stepping.begun(retrieval)
    late = eqx.tree_at(lambda p: (p.t, p.next_t), begun, (jnp.asarray(2 - 8e-5), jnp.asarray(2 - 1e-5)))
    progress = jax.lax.while_loop(lambda p: stepping.is_under_way(retrieval, p), lambda p: stepping.stepped(retrieval, p), late)
    assert progress.t == 2.0
    assert progress.num_rejected_steps < 100


def test_a_finished_retrieval_stays_as_it_is():
    patterns = aj.random_patterns(jax.random.key(0), num_neurons=12, num_patterns=9)
    retrieval = posed(aj.AstrocyteMemory(patterns), patterns[:, 0], t1=10.0, solver="auto", rtol=None, atol=None, max_steps=2)
    step = eqx.filter_jit(stepping.stepped)
    progress = step(retrieval, step(retrieval, stepping.begun(retrieval)))
    assert not stepping.is_under_way(retrieval, progress)
    jax.tree.map(np.testing.assert_array_equal, step(retrieval, progress), progress)
    assert stepping.ended(retrieval, progress).status == aj.Status.MAX_STEPS


def test_errors_count_relative_to_the_largest_neuron_and_overflow_is_refused():
    memory = aj.HopfieldMemory(jnp.ones((2, 1)))
    control = StepControl(jnp.asarray(0.1), jnp.asarray(0.0))
    state = memory.initial_state(jnp.asarray([1.0, 100.0]))

    def accepted(error, after=state):
        return control.adapt_step_size(0.0, 0.5, state, after, memory, error, 2, jnp.asarray(1.0))

    by_share = jax.tree.map(lambda x: x * 0 + jnp.asarray([9.0, 0.0]), state)
    assert accepted(by_share)[0]  # 9 is less than a tenth of 100
    ok, start, end, _, _, _ = accepted(jax.tree.map(lambda x: x * 0 + 11.0, state))
    assert (bool(ok), float(start)) == (False, 0.0)
    assert 0 < end < 0.5
    ok, _, end, _, error, _ = accepted(jax.tree.map(lambda x: x * jnp.nan, state))
    assert (bool(ok), float(end), float(error)) == (False, 0.1, 1.0)
