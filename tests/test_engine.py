"""The engine: few programs, little memory, and results that depend on neither chunks nor devices."""

import logging
import os
import re
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
from astrojax._internal.devices import OutOfMemoryError
from astrojax.sweep.engine import PROGRAMS

AXES = {"num_patterns": [2, 9, 40], "num_flips": [0, 2, 5], "trial": range(11)}

DECODERS = aj.Sweep(aj.DecoderTrial(aj.Task(eqx.Partial(aj.random_patterns, num_neurons=13), aj.Flips())), AXES)


def decoded(**settings):
    return aj.run_sweeps({"d": DECODERS}, jax.random.key(0), **settings)["d"].observables


SWEEP = """
import sys, jax, numpy as np, equinox as eqx, astrojax as aj
task = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=13), aj.Flips())
trial = aj.RecallTrial(task, eqx.Partial(aj.AstrocyteMemory), {})
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


@pytest.mark.slow
def test_results_are_the_same_bit_for_bit_on_equally_many_devices_and_to_rounding_on_others(swept):
    same = {
        (1, "1-2-99"): [(1, "1-1-1"), (1, "1-2-7"), (1, "1-3-64"), (3, "1-2-99")],  # chunks, threads, devices that are not used
        (3, "3-2-99"): [(3, "3-1-7")],  # chunks on several devices
    }
    assert swept[1, "1-2-99"]["hamming_error"].std() > 0
    for setting, others in same.items():
        for other in others:
            assert swept[other].keys() == swept[setting].keys()
            for name, values in swept[setting].items():
                assert values.tobytes() == swept[other][name].tobytes(), (other, name)
    # In single precision rounding grows along a trajectory, and may cost a step more or less.
    reference = swept[1, "1-2-99"]
    for found in (swept[3, "3-2-99"], swept[3, "2-2-99"]):
        for name in ("soft_hamming_error", "overlap", "energy", "perplexity"):
            assert np.isclose(found[name], reference[name], rtol=1e-3, atol=1e-3).mean() >= 0.97, name
        assert np.mean(found["hamming_error"] == reference["hamming_error"]) >= 0.97
        np.testing.assert_array_equal(found["status"], reference["status"])


@pytest.fixture
def num_compiled(caplog):
    """How many programs of sweeps XLA has compiled since the last call, as JAX itself logs it, in whichever thread."""

    def count():
        messages = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return sum(text.startswith("Finished XLA compilation of jit(one_device)") for text in messages)

    jax.config.update("jax_log_compiles", True)
    with caplog.at_level(logging.WARNING):
        yield count
    jax.config.update("jax_log_compiles", False)


def test_sweeping_the_temperature_compiles_as_many_programs_as_there_are_shapes(num_compiled):
    task = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=7), aj.Flips())
    trial = aj.RecallTrial(task, eqx.Partial(aj.AstrocyteMemory), {"tau_p": 1.0}, t1=0.1, rtol=0.01, atol=0.01, solver="heun")
    axes = {"num_patterns": [2, 60], "num_flips": [1], "temperature": np.geomspace(1e-3, 10, 10), "trial": range(20)}
    sweep = aj.Sweep(trial, axes, program_cost=100)
    clock = aj.run_sweeps({"a": sweep}, jax.random.key(0))["a"].clock
    assert num_compiled() == clock.num_programs == len(sweep.shapes.capacities) == 2
    # Other numbers of every kind in the sample itself compile nothing.
    numbers = {"t1": 0.2, "rtol": 0.02, "atol": 0.03}
    other = aj.RecallTrial(task, eqx.Partial(aj.AstrocyteMemory), {"tau_p": 3.0}, solver="heun", **numbers)
    sweep = aj.Sweep(other, axes | {"temperature": [0.5]}, program_cost=100)
    aj.run_sweeps({"a": sweep}, jax.random.key(1))
    assert num_compiled() == 0


class Graded(eqx.Module):
    """A sample whose trial says with how many steps its grid begins, and how many it needs."""

    on_grid = True
    max_steps = 50

    def draw(self, root_key, coordinates, capacity):
        return coordinates["trial"]

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
    for wide, dtype in ((False, np.float32), (True, np.float64), (False, np.float32)):
        with jax.enable_x64(wide):
            assert all(values.dtype == dtype for values in decoded().values())


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


def test_out_of_memory_halves_the_batches_and_continues(monkeypatch):
    notices = []
    real = PROGRAMS.get

    def limited(sample, arguments, capacity, layout):
        if layout.width > 4:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")
        return real(sample, arguments, capacity, layout)

    whole = decoded()
    monkeypatch.setattr(PROGRAMS, "get", limited)
    found = decoded(engine=aj.Engine(on_notice=notices.append, num_threads=2, lanes_per_step=32))
    for name in whole:
        np.testing.assert_array_equal(found[name], whole[name])
    numbers = [re.search(r"with (\d+) .* with (\d+)", text).groups() for text in notices]
    assert numbers == [("32", "16"), ("16", "8"), ("8", "4")]


@pytest.mark.parametrize(
    ("message", "error", "words"),
    [
        ("RESOURCE_EXHAUSTED: 1 byte", OutOfMemoryError, "d: a single trajectory of 40 patterns does not fit"),
        ("INTERNAL: something else", jax.errors.JaxRuntimeError, "something else"),
    ],
)
def test_only_errors_of_memory_count_as_such_and_one_trajectory_is_the_least(monkeypatch, message, error, words):
    def broken(*arguments):
        raise jax.errors.JaxRuntimeError(message)

    monkeypatch.setattr(PROGRAMS, "get", broken)
    with pytest.raises(error, match=words):
        decoded()


class Projected(eqx.Module):
    """A sample that calls LAPACK."""

    def draw(self, root_key, coordinates, capacity):
        return jax.random.normal(jax.random.fold_in(root_key, coordinates["trial"]), (64, capacity))

    def solve(self, problem, coordinates):
        return {"trace": jnp.trace(problem @ jnp.linalg.pinv(problem)) + 0 * coordinates["num_patterns"]}


@pytest.mark.slow
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
aj.run(aj.load_config("example:first", trials=5), sys.argv[1])
parts = json.loads(pathlib.Path(sys.argv[1], "provenance.json").read_text())["sessions"][0]["seconds"]["parts"]
print(sum(part["compiling"] for part in parts.values()))
"""


@pytest.mark.slow
def test_a_second_cold_start_compiles_in_less_than_a_third_of_the_time(tmp_path):
    environment = os.environ | {"ASTROJAX_CACHE": str(tmp_path / "programs"), "XLA_FLAGS": ""}  # compiled as users have it
    seconds = [
        float(subprocess.check_output([sys.executable, "-c", COLD, tmp_path / name], env=environment))
        for name in ("first", "second")
    ]
    assert any(Path(tmp_path, "programs").rglob("*"))
    assert seconds[1] < seconds[0] / 3
