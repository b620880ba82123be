"""What is wrong with code of a user's own is said in one paragraph, before anything is computed."""

import functools
from pathlib import Path

import numpy as np
import pytest
import yaml

import astrojax as aj
from astrojax._internal import own_code
from astrojax.cli import main
from astrojax.runs.build import build

CODE = '''from typing import Annotated
import equinox as eqx
import jax, jax.numpy as jnp
import astrojax as aj

class Mine(aj.AbstractMemory):
    patterns: jax.Array
    stored: jax.Array | None
    tau_x: jax.Array
    slope: jax.Array
    gain: jax.Array
    def __init__(self, patterns, *, tau_x: Annotated[float, aj.Range(le=2)] = 1.0, slope: float = 5.0,
                 gain: Annotated[float, aj.Range(le=3)] = 1.0, values: float = 1.0, stored=None):
        self.set_parameters(patterns, stored, tau_x=tau_x, slope=slope)
        self.gain = gain * values
    def vector_field(self, state):
        return aj.NeuronState(-self.gain * state.x / self.tau_x)
    def energy(self, state):
        return self.gain * self.neuron_energy(state.x)

class Wider(Mine):
    def __init__(self, patterns, *, gain: Annotated[float, aj.Range(le=9)] = 1.0, stored=None):
        super().__init__(patterns, gain=gain, stored=stored)

class Broken(Mine):
    def vector_field(self, state):
        return aj.NeuronState(jnp.log(-1 - state.x**2))

class Masked(Mine):
    def __init__(self, patterns, *, mask: jax.Array, stored=None): ...

class Copied(Mine):
    def __init__(self, patterns, *, copy: float = 1.0, stored=None): ...

class Gated(Mine):
    def __init__(self, patterns, *, gate: aj.AbstractGainMap = "softmax", stored=None): ...

class Ordered(Mine):
    def __init__(self, patterns, *, score: aj.AbstractScore = "linear", order: float = 2.0, stored=None):
        super().__init__(patterns, stored=stored)

class Score(aj.LinearScore):
    fixed: float = eqx.field(static=True, default=1.0)
    free: Annotated[float, aj.Range(gt=0, le=4)] = 1.0
    def __call__(self, overlaps, num_neurons):
        assert isinstance(self.fixed, float)
        return self.free * overlaps

def constant(memory, target, recall, level: float = 0.5):
    """A level."""
    return level + 0 * recall.x[0]

class Narrow(Score):
    free: Annotated[float, aj.Range(gt=0, le=3)] = 1.0

class Hidden(aj.AbstractScore):
    kept: float
    def __init__(self, sharpness: float = 1.0): self.kept = sharpness
    def __call__(self, overlaps, num_neurons): return overlaps
    def coupling(self, num_patterns): return num_patterns

class Softened(aj.AbstractCorruption):
    level_name = "depth"
    softness: float = 0.5
    def __call__(self, key, pattern, level):
        return pattern * (1 - self.softness * level)

class Nan(Softened):
    def __call__(self, key, pattern, level):
        return jnp.where(level > 1, jnp.nan, pattern)

class Short(Softened):
    def __call__(self, key, pattern, level):
        return pattern[1:]

class Nameless(aj.AbstractCorruption):
    def __call__(self, key, pattern, level): return pattern

class Slope(Softened):
    level_name = "slope"

class Gain(Softened):
    level_name = "gain"

def together(key, num_patterns, num_neurons: int = 8):
    return jax.random.rademacher(key, (num_neurons, num_patterns)).astype(jnp.float32)

def nan_patterns(key, num_patterns):
    return jnp.full((8, num_patterns), jnp.nan)

def raises(memory, target, recall):
    return undefined

def decoder_error(memory, target, recall): return 1.0
def success(memory, target, recall): return 1.0

def flat(problem, evidence):
    return problem.query[1:]

def fails(problem, evidence):
    raise KeyError("nothing")

def vector_loss(memory, target, state):
    return state.x

def failing_loss(memory, target, state):
    return undefined
'''

RUN = {
    "axes": {"num_patterns": 2, "depth": [0.5, 1]},
    "trials": 2,
    "patterns": {"num_neurons": 8},
    "corruption": "mine.py:Softened",
    "models": {"a": {"kind": "mine.py:Mine"}},
    "decoders": False,
    "observables": ["hamming_error"],
}

TUNE = {
    "axes": {"num_patterns": 2, "depth": [1]},
    "patterns": {"num_neurons": 8},
    "corruption": "mine.py:Softened",
    "model": {"kind": "mine.py:Mine"},
    "parameters": ["gain"],
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(CODE)
    own_code._modules.clear()


def line_of(text):
    return next(number for number, line in enumerate(CODE.splitlines(), 1) if text in line)


def parsed(content, load=aj.load_config):
    Path("c.yaml").write_text(yaml.safe_dump(content))
    return load("c.yaml", trust=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"corruption": "mine.py:Nan", "axes": {"num_patterns": 2, "depth": [1, 2]}},
            ["class Nan", "must return a query of finite numbers"],
        ),
        ({"corruption": "mine.py:Short"}, ["class Short", "shape (8,); got (7,)"]),
        ({"corruption": "mine.py:Nameless"}, ["corruption: ", "Nameless lacks level_name"]),
        ({"corruption": "mine.py:Slope"}, ["corruption: 'slope' cannot be the level_name"]),
        ({"corruption": "mine.py:Gain", "axes": {"num_patterns": 2, "gain": 1}}, ["also a parameter of a model"]),
        ({"patterns": {"kind": "mine.py:together"}}, ["def together", "key of its own"]),
        ({"patterns": {"kind": "mine.py:nan_patterns"}}, ["def nan_patterns", "finite patterns"]),
        ({"observables": ["mine.py:raises"]}, ["return undefined", "NameError"]),
        ({"observables": ["mine.py:decoder_error"]}, ["names of letters, digits and _ that are not in use"]),
        ({"observables": ["mine.py:success"]}, ["names of letters, digits and _ that are not in use"]),
        ({"decoders": ["mine.py:flat"]}, ["def flat", "what flat returns"]),
        ({"decoders": ["nearest_signed", "mine.py:fails"]}, ["raise KeyError", "KeyError: 'nothing'"]),
        ({"models": {"a": {"kind": "mine.py:Masked"}}}, ["models.a.kind: ", "its parameter mask cannot be given"]),
        ({"models": {"a": {"kind": "mine.py:Copied"}}}, ["its parameter copy needs another name"]),
        ({"models": {"a": {"kind": "mine.py:Gated"}}}, ["its parameter gate takes a gain map: it must be named gain_map"]),
        ({"axes": {"num_patterns": 2, "depth": 1, "tau_x": [1, 50]}}, ["axes.tau_x[1]: should be less than or equal to 2"]),
        (
            {
                "axes": {"num_patterns": 2, "depth": 1, "gain": [1, 5]},
                "models": {"a": {"kind": "mine.py:Mine"}, "b": {"kind": "mine.py:Wider"}},
            },
            ["axes.gain[1]: should be less than or equal to 3; got 5"],
        ),
        ({"axes": {"num_patterns": 2, "depth": 1, "softness": [0.1, 0.2]}}, ["did you mean 'corruption.softness'"]),
        ({"axes": {"num_patterns": 2, "depth": 1, "trial": [1, 2]}}, ["axes.trial: is neither an axis"]),
    ],
)
def test_a_run_with_wrong_code_is_refused(change, said, capsys):
    Path("c.yaml").write_text(yaml.safe_dump(RUN | change))
    assert main(["run", "c.yaml", "--trust", "--dry-run", "--quiet"]) == 2
    check_said(capsys.readouterr().err, said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": {"kind": "mine.py:Broken"}}, ["NeuronState(jnp.log"]),
        ({"corruption": "mine.py:Nan", "axes": {"num_patterns": 2, "depth": [0, 2]}}, ["class Nan", "query of finite numbers"]),
        ({"patterns": {"kind": "mine.py:together"}}, ["def together", "key of its own"]),
        ({"loss": "mine.py:vector_loss"}, ["def vector_loss", "must return one real number"]),
        ({"loss": {"softsign": 1, "mine.py:failing_loss": 1}}, ["def failing_loss", "NameError"]),
    ],
)
def test_a_search_with_wrong_code_is_refused(change, said, capsys):
    Path("c.yaml").write_text(yaml.safe_dump(TUNE | change))
    assert main(["tune", "c.yaml", "--trust", "--out", "t", "--quiet"]) == 2
    check_said(capsys.readouterr().err, said)
    assert not Path("t", "history.zarr").exists()


def check_said(error, said):
    assert "Traceback" not in error
    for text in said:
        if text.startswith(("class", "def", "return", "raise")):
            lines = (line_of(text), line_of(text) + 1)  # that of a definition, or of what is in it
            assert any(f"mine.py, line {line}" in error for line in lines), error
        else:
            assert text in error


def test_numbers_of_a_corruption_and_with_any_name_are_axes():
    axes = {"num_patterns": 2, "depth": [1], "corruption.softness": [0.0, 1.0], "values": [1, 2]}
    plan = build(parsed(RUN | {"axes": axes}))
    assert plan.sizes == {"num_patterns": 1, "depth": 1, "corruption.softness": 2, "values": 2, "trial": 2}
    assert [part.sweep.sample.task.corruption.softness for part in plan.parts] == [0.0, 1.0]


def test_static_fields_are_no_numbers_and_a_memory_keeps_its_own_order():
    score = {"kind": "mine.py:Score", "fixed": 2}
    models = {"a": {"kind": "astrocyte", "temperature": 1, "score": score}, "b": {"kind": "mine.py:Ordered", "order": 2.5}}
    config = parsed(RUN | {"axes": {"num_patterns": 2, "depth": 1, "free": [1, 2]}, "models": models})
    assert config.models["a"].score.numbers.keys() == {"free"}
    assert build(config).parts[0].outputs.keys() >= {"hamming_error"}
    assert config.models["b"].order == 2.5
    with pytest.raises(aj.InputError, match=r"axes.fixed: .*did you mean 'models.a.score.fixed'"):
        parsed(RUN | {"axes": {"num_patterns": 2, "depth": 1, "fixed": [1, 2]}, "models": models})


def test_measurements_have_fields_and_names():
    observables = [{"kind": "mine.py:constant", "level": 0.25}, {"kind": "mine.py:constant", "name": "other"}, "overlap"]
    config = parsed(RUN | {"models": {"a": {"kind": "hopfield"}}, "observables": observables})
    found = aj.run(config, "r")
    assert np.all(found.constant == 0.25)
    assert np.all(found["other"] == 0.5)
    assert found["other"].attrs["definition"] == "A level."
    with pytest.raises(aj.InputError, match="'constant' twice: give one of them a name"):
        build(parsed(RUN | {"observables": observables[:1] * 2}))
    assert config.model_dump(mode="json")["observables"][2] == "overlap"


def test_scores_that_are_searched_limit_what_is_searched():
    model = {"kind": "astrocyte", "temperature": 1, "score": {"kind": "mine.py:Score", "free": 2}}
    sections = TUNE | {"model": model, "parameters": ["free"], "scores": ["mine.py:Narrow"]}
    assert parsed(sections, aj.load_search_config).parameters["free"].high == 3
    with pytest.raises(aj.InputError, match="needs a high that free may be, above 0 and at most 3; got 4"):
        parsed(sections | {"parameters": {"free": {"high": 4}}}, aj.load_search_config)


def test_what_objects_cannot_say_is_refused():
    module = own_code_of()
    sections = {"axes": {"num_patterns": 2, "num_flips": 1}, "patterns": {"num_neurons": 8}}
    with pytest.raises(aj.InputError, match=r"Hidden does not keep its parameter sharpness; give functools.partial\(Hidden"):
        aj.experiment(models={"a": {"kind": "astrocyte", "score": module.Hidden()}}, **sections)
    with pytest.raises(aj.InputError, match="order is a parameter both of Ordered and of its score"):
        aj.experiment(models={"a": functools.partial(module.Ordered, score=aj.PowerScore(order=4))}, **sections)
    loss = functools.partial(module.vector_loss, scale=1)
    with pytest.raises(aj.InputError, match="a loss must be a function without further arguments"):
        aj.search_experiment(model={"kind": "hopfield"}, parameters=["slope"], loss={loss: 1}, **sections)


def own_code_of():
    own_code.trust_here(own_code.code_in({"kind": "mine.py:Mine"}))
    return own_code.module_of("mine.py")
