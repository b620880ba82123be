"""The engine: few programs, little memory, and results that depend on neither chunks nor devices."""

import json
import logging
import os
import subprocess
import sys
from concurrent.futures import CancelledError
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj
from astrojax._internal.devices import OutOfMemoryError, default_budget
from astrojax.sweep.engine import PROGRAMS

pytestmark = pytest.mark.as_used

AXES = {"num_patterns": [2, 9, 40], "num_flips": [0, 2, 5], "trial": range(11)}

SWEEP = """
import sys, jax, numpy as np, equinox as eqx, astrojax as aj
task = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=13), aj.Flips())
parameters = {"temperature": 0.01, "tau_x": 1.0, "tau_p": 1.0, "slope": 5.0}
trial = aj.RecallTrial(task, eqx.Partial(aj.AstrocyteMemory), parameters)
sweep = aj.Sweep(trial, {"num_patterns": [2, 9, 40], "num_flips": [0, 2, 5], "trial": range(11)})
for setting in sys.argv[2:]:
    devices, threads, chunk = map(int, setting.split("-"))
    engine = aj.Engine(num_devices=devices, num_threads=threads)
    found = aj.run_sweeps({"a": sweep}, jax.random.key(7), engine=engine, lanes_per_chunk=chunk)["a"].observables
    np.savez(f"{sys.argv[1]}-{setting}.npz", **found)
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The same sweep in single precision by processes of 1 and 3 virtual devices: devices used, threads, lanes of a chunk."""
    folder = tmp_path_factory.mktemp("devices")
    found = {}
    for devices, settings in ((1, ["1-2-99", "1-1-1", "1-2-7", "1-3-64"]), (3, ["1-2-99", "3-2-99", "3-1-7", "2-2-99"])):
        environment = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
        arguments = [str(folder / str(devices)), *settings]
        subprocess.run([sys.executable, "-c", SWEEP, *arguments], check=True, env=environment)
        found |= {(devices, setting): dict(np.load(folder / f"{devices}-{setting}.npz")) for setting in settings}
    return found


@pytest.mark.parametrize(
    ("setting", "other"),
    [
        *(((1, "1-2-99"), (1, setting)) for setting in ("1-1-1", "1-2-7", "1-3-64")),  # chunks and threads
        ((1, "1-2-99"), (3, "1-2-99")),  # devices that are there and not used
        ((3, "3-2-99"), (3, "3-1-7")),  # chunks on several devices
    ],
)
def test_results_are_bit_for_bit_the_same_on_the_same_number_of_devices(swept, setting, other):
    reference, found = swept[setting], swept[other]
    assert found.keys() == reference.keys()
    assert reference["hamming_error"].std() > 0
    for name in found:
        assert found[name].tobytes() == reference[name].tobytes(), name


@pytest.mark.parametrize("setting", ["3-2-99", "2-2-99"])
def test_results_on_another_number_of_devices_are_the_same_to_rounding(swept, setting):
    """In single precision rounding grows along a trajectory, and may cost a step more or less."""
    reference, found = swept[1, "1-2-99"], swept[3, setting]
    for name in ("soft_hamming_error", "overlap", "energy", "perplexity"):
        close = np.isclose(found[name], reference[name], rtol=1e-3, atol=1e-3)
        assert close.mean() >= 0.97, name
    assert np.mean(found["hamming_error"] == reference["hamming_error"]) >= 0.97
    np.testing.assert_array_equal(found["status"], reference["status"])


def test_patterns_and_queries_depend_on_neither_chunks_nor_padding():
    class Drawn(eqx.Module):
        task: aj.Task

        def draw(self, root_key, coordinates, capacity):
            return self.task.draw(root_key, coordinates, capacity)

        def solve(self, problem, coordinates):
            bits = 2.0 ** jnp.arange(13.0)
            return {
                "query": (problem.query > 0).astype(float) @ bits,
                "first": (problem.patterns[:, 0] > 0).astype(float) @ bits,
                "second": (problem.patterns[:, 1] > 0).astype(float) @ bits,
            }

    sample = Drawn(aj.Task(eqx.Partial(aj.random_patterns, num_neurons=13), aj.Flips()))
    sweep = aj.Sweep(sample, AXES)
    found = [
        aj.run_sweeps({"d": sweep}, jax.random.key(7), lanes_per_chunk=chunk, engine=aj.Engine(lanes_per_step=width))[
            "d"
        ].observables
        for chunk, width in ((99, 32), (1, 32), (7, 3), (64, 1))
    ]
    assert len(np.unique(found[0]["query"])) > 80
    for other in found[1:]:
        for name in other:
            np.testing.assert_array_equal(other[name], found[0][name])


def compiled_during(function):
    """The programs of sweeps that XLA compiled, as JAX itself logs them, in whichever thread."""
    messages = []

    class Listener(logging.Handler):
        def emit(self, record):
            messages.append(record.getMessage())

    listener, logger = Listener(), logging.getLogger("jax")
    logger.addHandler(listener)
    jax.config.update("jax_log_compiles", True)
    try:
        function()
    finally:
        jax.config.update("jax_log_compiles", False)
        logger.removeHandler(listener)
    return [text for text in messages if text.startswith("Finished XLA compilation of jit(one_device)")]


def test_sweeping_the_temperature_compiles_as_many_programs_as_there_are_shapes():
    task = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=7), aj.Flips())
    parameters = {"temperature": 0.01, "tau_x": 1.0, "tau_p": 1.0, "slope": 5.0}
    trial = aj.RecallTrial(task, eqx.Partial(aj.AstrocyteMemory), parameters, t1=0.1, rtol=0.01, atol=0.01, solver="heun")
    axes = {"num_patterns": [2, 60], "num_flips": [1], "temperature": np.geomspace(1e-3, 10, 50), "trial": range(400)}
    sweep = aj.Sweep(trial, axes, program_cost=10_000)
    results = {}
    first = compiled_during(lambda: results.update(aj.run_sweeps({"a": sweep}, jax.random.key(0))))
    assert len(first) == results["a"].clock.num_programs == len(sweep.shapes.capacities) == 2
    # Other numbers of every kind in the sample itself compile nothing.
    numbers = {"t1": 0.2, "rtol": 0.02, "atol": 0.03}
    other = aj.RecallTrial(task, eqx.Partial(aj.AstrocyteMemory), parameters | {"tau_p": 3.0}, solver="heun", **numbers)
    sweep = aj.Sweep(other, axes | {"temperature": [0.5]}, program_cost=10_000)
    assert compiled_during(lambda: aj.run_sweeps({"a": sweep}, jax.random.key(1))) == []


class Graded(eqx.Module):
    """A sample whose trial says with how many steps its grid begins, and how many it needs."""

    on_grid = True
    max_steps = 50

    def draw(self, root_key, coordinates, capacity):
        return coordinates["trial"]

    def precompute(self, problem, coordinates):
        return None

    def first_num_steps(self, coordinates, capacity):
        return 1 + coordinates["trial"] % 7

    def solve(self, problem, coordinates):
        return self.attempt(problem, coordinates, self.first_num_steps(coordinates, 0))

    def attempt(self, problem, coordinates, num_steps):
        status = jnp.where(num_steps < problem % 61, aj.Status.MAX_STEPS, aj.Status.OK)
        return {"trial": problem + 1, "num_steps": num_steps, "status": status}


@pytest.mark.parametrize("width", [1, 8])
def test_every_lane_is_computed_on_the_first_grid_that_is_fine_enough(width):
    expected = []
    for trial in range(99):
        num_steps = 1 + trial % 7
        while num_steps < trial % 61 and 2 * num_steps <= Graded.max_steps:
            num_steps *= 2
        expected.append((trial + 1, num_steps, int(num_steps < trial % 61)))
    assert len(set(expected)) == 99
    sweep = aj.Sweep(Graded(), {"num_patterns": [3], "trial": range(99)})
    for chunk in (5, 64, 1000):
        engine = aj.Engine(lanes_per_step=width)
        found = aj.run_sweeps({"c": sweep}, jax.random.key(0), lanes_per_chunk=chunk, engine=engine)["c"].observables
        np.testing.assert_array_equal([found[name][0] for name in ("trial", "num_steps", "status")], np.transpose(expected))


def test_parameters_that_vanish_in_single_precision_are_invalid_whatever_the_chunks():
    task = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=9), aj.Flips())
    trial = aj.RecallTrial(task, eqx.Partial(aj.HopfieldMemory), {"tau_x": 1.0, "slope": 5.0})
    sweep = aj.Sweep(trial, {"num_patterns": [3], "num_flips": [1], "tau_x": [1e-50, 1], "trial": range(40)})
    for chunk in (16, 1024):
        with jax.enable_x64(False):
            found = aj.run_sweeps({"h": sweep}, jax.random.key(0), lanes_per_chunk=chunk)["h"].observables
        vanished, usable = found["status"].reshape(2, 40)
        assert np.all(vanished == aj.Status.INVALID_MEMORY)
        assert np.all(usable == aj.Status.OK)
        assert np.isnan(found["hamming_error"].reshape(2, 40)[0]).all()


def test_programs_of_two_precisions_are_two():
    sweep = aj.Sweep(aj.DecoderTrial(aj.Task(eqx.Partial(aj.random_patterns, num_neurons=13), aj.Flips())), AXES)
    for wide, dtype in ((False, np.float32), (True, np.float64), (False, np.float32)):
        with jax.enable_x64(wide):
            found = aj.run_sweeps({"d": sweep}, jax.random.key(0))["d"].observables
        assert all(values.dtype == dtype for values in found.values())


def test_the_error_that_stopped_the_others_is_the_one_that_is_raised():
    for _ in range(50):
        session = aj.Engine(num_threads=4).session()

        def fail():
            raise aj.RunError("the disk is full")

        def cancelled(session=session):
            while not session._stop.is_set():
                pass
            raise CancelledError

        with pytest.raises(aj.RunError, match="the disk is full"):
            session.run([cancelled, cancelled, fail, cancelled])


def test_out_of_memory_halves_the_steps_and_goes_on(monkeypatch):
    notices = []
    real = PROGRAMS.get

    def limited(sample, arguments, capacity, layout):
        if layout.width > 4:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")
        return real(sample, arguments, capacity, layout)

    task = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=13), aj.Flips())
    sweep = aj.Sweep(aj.DecoderTrial(task), AXES)
    whole = aj.run_sweeps({"d": sweep}, jax.random.key(0))["d"].observables
    monkeypatch.setattr(PROGRAMS, "get", limited)
    engine = aj.Engine(on_notice=notices.append, num_threads=2, lanes_per_step=32)
    found = aj.run_sweeps({"d": sweep}, jax.random.key(0), engine=engine)["d"].observables
    for name in whole:
        np.testing.assert_array_equal(found[name], whole[name])
    assert [text.split("continuing with ")[1].split(" ")[0] for text in notices] == ["16", "8", "4"]
    assert "out of memory with 32" in notices[0]


def test_a_single_trajectory_beyond_all_memory_gives_a_clear_error(monkeypatch):
    def exhausted(*arguments):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")

    monkeypatch.setattr(PROGRAMS, "get", exhausted)
    task = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=13), aj.Flips())
    with pytest.raises(OutOfMemoryError, match="d: a single trajectory of 40 patterns does not fit into memory"):
        aj.run_sweeps({"d": aj.Sweep(aj.DecoderTrial(task), AXES)}, jax.random.key(0))


def test_other_errors_of_the_device_are_not_taken_for_lack_of_memory(monkeypatch):
    def broken(*arguments):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    monkeypatch.setattr(PROGRAMS, "get", broken)
    task = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=13), aj.Flips())
    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        aj.run_sweeps({"d": aj.Sweep(aj.DecoderTrial(task), AXES)}, jax.random.key(0))


def test_steps_shrink_to_the_memory_that_may_be_used():
    task = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=13), aj.Flips())
    sweep = aj.Sweep(aj.DecoderTrial(task), AXES)
    lanes = next(iter(sweep.preparations("d", jax.random.key(0)).values()))
    one = 4 * 13 * 40  # four bytes an element
    sizes = {}
    for memory in (10**9, 200 * one, 20 * one):
        engine = aj.Engine(memory=memory, num_threads=1)
        layout = engine._layout(lanes, lanes.sample, 40)
        sizes[memory] = layout.width * layout.num_batches
    assert sizes[10**9] == 128 * 64
    assert sizes[200 * one] * one <= 200 * one
    assert sizes[20 * one] <= 20
    with pytest.raises(OutOfMemoryError, match="d: a single trajectory of 40 patterns takes at least"):
        aj.Engine(memory=one // 2, num_threads=1)._layout(lanes, lanes.sample, 40)
    assert default_budget(jax.local_devices()) > 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_devices": 99}, r"num_devices \(--devices\) must be between 1 and"),
        ({"num_threads": 0}, "num_threads must be an integer of at least 1; got 0"),
        ({"num_threads": 10**6}, "num_threads must be an integer of at most 1024; got 1000000"),
        ({"lanes_per_step": -1}, "lanes_per_step must be an integer of at least 1; got -1"),
        ({"lanes_per_step": 2**70}, "lanes_per_step must be an integer of at most"),
        ({"memory": 0}, "memory must be an integer of at least 1; got 0"),
        ({"memory": 2**70}, "memory must be an integer of at most"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(aj.InputError, match=words):
        aj.Engine(**settings)


class Projected(eqx.Module):
    """A sample that calls LAPACK."""

    def draw(self, root_key, coordinates, capacity):
        return jax.random.normal(jax.random.fold_in(root_key, coordinates["trial"]), (64, capacity))

    def solve(self, problem, coordinates):
        return {"trace": jnp.trace(problem @ jnp.linalg.pinv(problem)) + 0 * coordinates["num_patterns"]}


def test_programs_that_call_lapack_do_not_wait_for_each_other():
    code = """
import numpy as np, jax, astrojax as aj
from tests.test_engine import Projected
sweep = aj.Sweep(Projected(), {"num_patterns": [16], "trial": range(4096)})
traces = aj.run_sweeps({"a": sweep}, jax.random.key(0), lanes_per_chunk=64, engine=aj.Engine(num_threads=2))["a"].observables
np.testing.assert_allclose(traces["trace"], 16, rtol=1e-3)  # the rank
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300, cwd=Path(__file__).parents[1])


COLD = """
import json, pathlib, sys, astrojax as aj
config = aj.load_config(sys.argv[1])
aj.run(config, sys.argv[2])
parts = json.loads(pathlib.Path(sys.argv[2], "provenance.json").read_text())["sessions"][0]["seconds"]["parts"]
print(sum(part["compiling"] for part in parts.values()))
"""


def test_a_second_cold_start_compiles_in_less_than_a_third_of_the_time(tmp_path):
    raw = {
        "patterns": {"kind": "random", "num_neurons": 9},
        "axes": {"num_patterns": [3], "num_flips": [1]},
        "trials": 5,
        "models": {"a": {"kind": "astrocyte"}},
    }
    (tmp_path / "c.yaml").write_text(json.dumps(raw))
    environment = os.environ | {"ASTROJAX_CACHE": str(tmp_path / "programs")}
    seconds = [
        float(
            subprocess.run(
                [sys.executable, "-c", COLD, tmp_path / "c.yaml", tmp_path / name],
                check=True,
                env=environment,
                capture_output=True,
                text=True,
            ).stdout
        )
        for name in ("first", "second")
    ]
    assert any(Path(tmp_path, "programs").rglob("*"))
    assert seconds[1] < seconds[0] / 3
