"""A memory, a score and a corruption added to a copy of the package: one file each and one line of public names."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import astrojax

MEMORY = '''"""A Hopfield network with a gain."""
from typing import Annotated

import jax.numpy as jnp

from .._internal.parameters import Range
from .._internal.types import PositiveLike, ScalarLike
from .base import AbstractMemory, NeuronState, checked_query


class ToyMemory(AbstractMemory):
    """A Hopfield network with a gain.

    Arguments:
        tau_x: time constant of the neurons.
        slope: slope of the firing rate.
        strength: how strongly neurons are coupled. Less than 1 weakens memories.
    """

    patterns: object
    tau_x: object
    slope: object
    strength: object
    stored: object

    def __init__(self, patterns, *, tau_x: PositiveLike = 1.0, slope: PositiveLike = 5.0,
                 strength: Annotated[ScalarLike, Range(gt=0, le=4)] = 1.0, stored=None):
        self.set_parameters(patterns, stored, tau_x=tau_x, slope=slope, strength=strength)

    def initial_state(self, query):
        return NeuronState(checked_query(query, self.patterns))

    def vector_field(self, state):
        drive = self.strength * (self.patterns @ self.overlaps(state)) / self.num_neurons
        return NeuronState((drive - state.x) / self.tau_x)

    def energy(self, state):
        return self.neuron_energy(state.x) - self.strength * jnp.sum(self.overlaps(state) ** 2) / self.num_neurons / 2
'''

SCORE = '''"""A cubic score."""
import jax.numpy as jnp

from .scores import AbstractScore


class CubicScore(AbstractScore):
    """g(m) = m³/(3N²), c = 1."""

    def __call__(self, overlaps, num_neurons):
        return overlaps**3 / (3 * num_neurons**2)

    def coupling(self, num_patterns):
        return jnp.ones_like(num_patterns)
'''

CORRUPTION = '''"""Occlusion: the first entries are erased."""
from typing import ClassVar

import jax.numpy as jnp

from .corruption import AbstractCorruption, Flips


class Occlusion(AbstractCorruption):
    """The first `num_occluded` entries become 0."""

    level_name: ClassVar[str] = "num_occluded"
    level_meaning: ClassVar[str] = "occluded entries of the query"
    is_count: ClassVar[bool] = True

    def __call__(self, key, pattern, level):
        return jnp.where(jnp.arange(pattern.size) < level, jnp.zeros_like(pattern), pattern)

    def evidence(self, level, num_neurons):
        return Flips().evidence(jnp.zeros_like(level), num_neurons)
'''

NAMES = """
    from .models.cubic import CubicScore as CubicScore
    from .models.toy import ToyMemory as ToyMemory
    from .problems.occlusion import Occlusion as Occlusion
"""

RUN = """
name: toys
patterns: {num_neurons: 12}
corruption: occlusion
axes: {num_patterns: [2], num_occluded: [1, 3], strength: [0.5, 2.0]}
trials: 4
models: {toy: {kind: toy, tau_x: 0.5}, cubic: {kind: astrocyte, score: cubic}}
"""

TUNE = """
name: tuned
patterns: {num_neurons: 12}
corruption: occlusion
axes: {num_patterns: [2], num_occluded: [3]}
model: {kind: toy, strength: 0.5}
parameters: [strength]
search: {num_steps: 2, batch_size: 8, validation_size: 8, validate_every: 1}
landscape: {size: 0}
heldout_trials: 4
"""


@pytest.fixture(scope="module")
def call(tmp_path_factory):
    """Calls the command line, or other code, of a copy of the package with the additions."""
    folder = tmp_path_factory.mktemp("copy")
    package = folder / "astrojax"
    shutil.copytree(Path(astrojax.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "models" / "toy.py").write_text(MEMORY)
    (package / "models" / "cubic.py").write_text(SCORE)
    (package / "problems" / "occlusion.py").write_text(CORRUPTION)
    public = package / "__init__.py"
    block = "if TYPE_CHECKING:"
    public.write_text(public.read_text().replace(block, block + NAMES, 1))
    (folder / "run.yaml").write_text(RUN)
    (folder / "tune.yaml").write_text(TUNE)

    def run(code):
        command = [sys.executable, "-c", "import astrojax as aj\nfrom astrojax.cli import main\n" + code]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_they_are_public_names_in_the_schema_and_in_the_explorer(call):
    schema, names, choices = call(
        "from astrojax.explore.app import Explorer\n"
        "main(['schema'])\n"
        "print('---', aj.ToyMemory.__name__, aj.CubicScore.__name__)\n"
        "Explorer._changed = lambda *_: None\n"
        "explorer = Explorer()\n"
        "controls = {'toy': explorer.memory, 'cubic': explorer.models.options['score'], 'occlusion': explorer.corruption}\n"
        "print('---', *(name in control.options for name, control in controls.items()))\n"
        "print(explorer.models.numbers['strength'].values[-1])"
    ).split("---")
    assert names.split() == ["ToyMemory", "CubicScore"]
    assert choices.split() == ["True", "True", "True", "4.0"]
    schema = json.loads(schema)
    strength = schema["$defs"]["Toy"]["properties"]["strength"]
    assert (strength["exclusiveMinimum"], strength["maximum"], strength["default"]) == (0, 4, 1)
    assert strength["description"] == "how strongly neurons are coupled"
    assert "cubic" in schema["$defs"]["Astrocyte"]["properties"]["score"]["anyOf"][0]["enum"]
    assert "occlusion" in schema["properties"]["corruption"]["anyOf"][0]["enum"]
    assert {"strength", "num_occluded"} <= schema["$defs"]["Axes"]["properties"].keys()


def test_a_run_sweeps_over_their_parameters(call):
    sizes = call(
        "import astrojax.report.figures\n"
        "astrojax.report.figures.draw_all = lambda *_: []\n"
        "main(['run', 'run.yaml', '--out', 'run', '--quiet'])\n"
        "r = aj.load('run'); print(dict(r.sizes), int((r.status != 0).sum()))"
    )
    assert sizes.strip() == "{'model': 2, 'num_patterns': 1, 'num_occluded': 2, 'strength': 2, 'trial': 4, 'decoder': 4} 0"


@pytest.mark.slow
def test_their_parameters_are_tuned(call):
    call("main(['tune', 'tune.yaml', '--out', 'tuned', '--quiet'])")
    assert 0 < float(call("print(aj.load_search('tuned').best.values['strength'])")) <= 4
