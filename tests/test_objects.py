"""Runs from objects in Python: what a notebook defines is stored with its source, and repeats from the folder alone."""

import concurrent.futures
import functools
import importlib.util
import linecache
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jax.numpy import sign as signs

import astrojax as aj
from astrojax._internal import own_code
from astrojax._internal.own_source import Gathered

LAB = Path(__file__).parents[1] / "docs" / "examples" / "mylab"

SMALL = {"axes": {"num_patterns": 2, "num_flips": [1, 2]}, "trials": 3, "patterns": {"num_neurons": 8}, "decoders": False}

BASE = 3
WEIGHTS = np.array([[0.1, 2.0], [3.0, 1 / 3]])
NAMES = {"one": [1, 2.5], "far": (float(2**60), None)}
MISSING = object()


def ping(number):
    return 1 if number == 0 else pong(number - 1)


def pong(number):
    return -ping(number) * BASE


@functools.lru_cache
def decorated(x: "float") -> "jax.Array":
    return signs(x) * WEIGHTS.sum() + len(NAMES["one"]) + ping(3)


def reaches_inside(x):
    return concurrent.futures.thread.ThreadPoolExecutor, x


class Shifted(aj.TanhActivation):
    """A subclass whose base is of the package."""

    def __call__(self, x, slope):
        return super().__call__(x + BASE, slope)


def closure(scale):
    def measured(memory, target, recall):
        """A function that keeps a number of the function around it."""
        return scale * jnp.mean(recall.x)

    return measured


def uses_missing():
    return MISSING


def source_of(item):
    gathered = Gathered()
    gathered.add(item.__name__, item)
    return gathered.text


def read_back(item):
    """What the gathered source of an object defines, executed elsewhere."""
    gathered, module = Gathered(), ModuleType("elsewhere")
    gathered.add(item.__name__, item)
    sys.modules["elsewhere"] = module
    exec(gathered.text, vars(module))
    gathered.check(module)
    return getattr(module, item.__name__)


@pytest.fixture
def usual_promotion():
    before = jax.config.jax_numpy_dtype_promotion
    jax.config.update("jax_numpy_dtype_promotion", "standard")
    yield
    jax.config.update("jax_numpy_dtype_promotion", before)


@pytest.fixture
def mylab(monkeypatch, usual_promotion):
    """The lab's file, imported as a script would."""
    spec = importlib.util.spec_from_file_location("mylab", LAB / "mylab.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "mylab", module)
    spec.loader.exec_module(module)
    return module


def test_objects_and_a_file_give_the_same_run(mylab, tmp_path, monkeypatch):
    experiment = aj.experiment(
        name="mylab",
        task=aj.Task(eqx.Partial(mylab.barcodes, width=2), mylab.Occlusion()),
        axes={"num_patterns": [3], "num_occluded": np.array([8]), "sharpness": [1, 3]},
        trials=4,
        models={
            "projection": functools.partial(mylab.ProjectionMemory, tau_x=0.5),
            "cubic": eqx.Partial(aj.AstrocyteMemory, temperature=jnp.asarray(0.5), score=mylab.CubicScore(sharpness=2)),
        },
        observables=["hamming_error", mylab.block_error],
        decoders=["nearest_signed", mylab.shown_entries],
        retrieval={"num_steps": 100},  # which needs no programs to try finer grids
    )
    stored = aj.run(experiment, tmp_path / "objects").load()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    axes = {"axes.num_patterns": [3], "axes.num_occluded": [8], "observables": ["hamming_error", "mylab.py:block_error"]}
    config = aj.load_config(LAB / "run.yaml", trust=True, trials=4, **axes, **{"retrieval.num_steps": 100})
    models = {name: model for name, model in config.models.items() if name != "sparse"}
    named = aj.run(config.model_copy(update={"models": models}), tmp_path / "named").load()
    xr.testing.assert_equal(stored, named)
    counts = []
    aj.run(experiment, tmp_path / "objects", on_begin=lambda *numbers: counts.append(numbers))
    assert counts[0][0] == counts[0][1] > 0  # all was stored
    own_code._trusted.clear()
    own_code._modules.clear()
    found = aj.verify(tmp_path / "objects", share=0.1)  # the folder alone suffices, and was trusted by running it
    assert {tally["different"] for tally in found.values()} == {0}


def test_a_search_from_objects(mylab):
    search = aj.search_experiment(
        axes={"num_patterns": [4], "noisy_share": [0.2]},
        patterns=mylab.barcodes,
        corruption=mylab.SaltAndPepper,
        model=functools.partial(aj.AstrocyteMemory, temperature=0.5, score=mylab.CubicScore),
        parameters=["sharpness", "temperature"],
        loss={mylab.margin: 1},
    )
    text = search.code()[0].text
    assert all(name in text for name in ("barcodes", "SaltAndPepper", "CubicScore", "margin"))
    assert "ProjectionMemory" not in text
    assert [own_code.short_name(name) for name in search.loss] == ["margin"]


class Bounded(aj.LinearScore):
    """A score with parameters that may not be everything."""

    share: Annotated[float, aj.Range(gt=0, le=5)] = 1.0
    shift: Annotated[float, aj.Range(ge=-2, lt=3)] = 0.0
    free: float = 1.0


def test_parameters_are_searched_within_the_ranges_of_their_signatures():
    model = functools.partial(aj.AstrocyteMemory, temperature=1.0, score=Bounded)
    sections = {"axes": SMALL["axes"] | {"num_flips": 1}, "patterns": SMALL["patterns"], "model": model}
    found = aj.search_experiment(parameters=["share", "shift", "free"], **sections).parameters
    assert {name: (how.transform, how.low, how.high) for name, how in found.items()} == {
        "share": ("log", 0.001, 5.0),
        "shift": ("identity", -2.0, 2.997),
        "free": ("log", 0.001, 1000.0),
    }
    with pytest.raises(aj.InputError, match="needs a high that share may be, above 0 and at most 5; got 7"):
        aj.search_experiment(parameters={"share": {"high": 7}}, **sections)


def test_members_of_the_package_need_no_source():
    pool = aj.random_patterns(jax.random.key(0), num_neurons=12, num_patterns=5)
    experiment = aj.experiment(
        axes={"num_patterns": range(2, 4), "erased_fraction": 0.25},
        task=aj.Task(eqx.Partial(aj.pooled_patterns, pool=pool), aj.Erasures()),
        models={
            "power": functools.partial(aj.AstrocyteMemory, score=aj.PowerScore(order=6), gain_map=aj.SoftmaxGainMap),
            "fit": functools.partial(aj.AstrocyteMemory, initial_gain_logits=jnp.arange(5.0)),
            "plain": {"kind": aj.HopfieldMemory, "tau_x": 2},
        },
    )
    assert experiment.code() == []
    assert (experiment.models["power"].score.kind, experiment.models["power"].order) == ("power", 6)
    assert (experiment.models["plain"].kind, experiment.models["plain"].tau_x) == ("hopfield", 2)
    assert (np.load(experiment.models["fit"].initial_gain_logits) == np.arange(5.0)).all()
    assert (aj.load_patterns(experiment.patterns.path) == pool).all()
    assert experiment.corruption.kind == "erasures"
    assert experiment.axes.num_patterns == [2, 3]


def test_source_is_gathered_with_all_that_it_uses():
    assert read_back(decorated)(-2.0) == decorated(-2.0)
    assert "import concurrent.futures.thread" in source_of(reaches_inside)
    x, slope = jnp.asarray([0.1]), jnp.asarray(2.0)
    assert read_back(Shifted)()(x, slope) == Shifted()(x, slope)
    memory, target = None, None
    recall = aj.NeuronState(jnp.arange(3.0))
    assert read_back(closure(2.5))(memory, target, recall) == 2.5


def test_a_notebook_has_no_files():
    cell = "class Doubled:\n    def double(self, x):\n        return FACTOR * x\n"
    linecache.cache["<cell 1>"] = (len(cell), None, cell.splitlines(True), "<cell 1>")
    notebook = {"FACTOR": 2, "__name__": "a_notebook"}
    exec(compile(cell, "<cell 1>", "exec"), notebook)
    assert read_back(notebook["Doubled"])().double(4) == 8
    plain = "class Plain:\n    number = 3\n"
    linecache.cache["<cell 2>"] = (len(plain), None, plain.splitlines(True), "<cell 2>")
    exec(plain, notebook)
    assert read_back(notebook["Plain"]).number == 3
    again = cell.replace("FACTOR", "1 + FACTOR")
    linecache.cache["<cell 1>"] = (len(again), None, again.splitlines(True), "<cell 1>")
    with pytest.raises(aj.InputError, match="has changed since Doubled was defined"):
        read_back(notebook["Doubled"])


CELL = """
import enum, functools
from typing import NamedTuple
import equinox as eqx, jax, jax.numpy as jnp, numpy as np

def cubed(x): return x**3
slope = jax.grad(cubed)
def calls_a_transform(x): return slope(x)

def doubled(function):
    def changed(x): return 2 * function(x)
    return changed
@doubled
def one(x): return 1.0
def calls_a_closure(x): return one(x)

SCALE = 1.0
def has_an_old_default(x, scale=SCALE): return scale * x
SCALE = 2.0

def make(width):
    def has_a_default_of_elsewhere(x, width=width): return width
    return has_a_default_of_elsewhere
width = 5.0
has_a_default_of_elsewhere = make(3.0)

def helper(x): return 10 * x
earlier = helper
def helper(x): return x
def calls_an_earlier_one(x): return helper(x) + earlier(x)

class Plain: a = 1.0
if False:
    class Plain: a = 2.0

class Changed:
    a = 1.0
    def f(self): return self.a
Changed.a = 2.0

@functools.singledispatch
def has_cases(x): return 1
@has_cases.register
def _(x: float): return 2

KEY, MASKED, EMPTY = jax.random.key(0), np.ma.array([1.0, 2.0], mask=[0, 1]), np.zeros((0, 3))
def has_a_key(x): return KEY
def has_a_mask(x): return MASKED.sum()
def has_nothing(x): return EMPTY.shape

@jax.custom_jvp
def with_a_derivative(x): return x**2
@with_a_derivative.defjvp
def its_derivative(values, tangents): return with_a_derivative(*values), 7 * tangents[0]

@jax.custom_vjp
def backwards(x): return x**2
def there(x): return backwards(x), x
def and_back(kept, tangent): return (9 * tangent,)
backwards.defvjp(there, and_back)

class Pair(NamedTuple):
    a: float = 1.5

class Colors(enum.Enum):
    RED = 1

class Module(eqx.Module):
    factor: float = 1.0
    number: int = eqx.field(static=True, default=2, converter=int)
    def __call__(self, x): return jitted(self.factor * x)

@jax.jit
def jitted(x): return with_a_derivative(x)
"""


@pytest.fixture(scope="module")
def cell():
    linecache.cache["<cell>"] = (len(CELL), None, CELL.splitlines(True), "<cell>")
    module = ModuleType("cell")
    sys.modules["cell"] = module
    exec(compile(CELL, "<cell>", "exec"), vars(module))
    yield module
    del sys.modules["cell"]


@pytest.mark.parametrize(
    "name",
    [
        "calls_a_transform",
        "calls_a_closure",
        "has_an_old_default",
        "has_a_default_of_elsewhere",
        "calls_an_earlier_one",
        "Plain",
        "Changed",
        "has_cases",
        "has_a_key",
        "has_a_mask",
        "has_nothing",
    ],
)
def test_what_its_source_does_not_give_again_is_refused(cell, name):
    with pytest.raises(aj.InputError, match=r"not what its source makes|two different things|cannot be stored with"):
        read_back(getattr(cell, name))


def test_derivatives_of_ones_own_and_plain_classes_are_kept(cell):
    assert jax.grad(read_back(cell.with_a_derivative))(1.0) == 7
    assert jax.grad(read_back(cell.backwards))(1.0) == 9
    assert read_back(cell.Pair)().a == 1.5
    assert read_back(cell.Colors).RED.value == 1
    assert jax.grad(read_back(cell.Module)(factor=2.0))(1.0) == 14


typed = {"HopfieldMemory": aj.HopfieldMemory}
exec("def typed_in(memory, target, recall):\n    return 1.0\n", typed)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"observables": [lambda memory, target, recall: 1.0]}, "class or a function with a name"),
        ({"observables": [typed["typed_in"]]}, "source of typed_in cannot be found"),
        ({"observables": [uses_missing]}, "uses_missing uses MISSING, which cannot be stored"),
        ({"observables": [closure(1.0), closure(2.0)]}, "uses measured, which stands for two different things"),
        ({"models": {"a": aj.HopfieldMemory(jnp.ones((4, 2)))}}, "a memory must be a class, or a partial"),
        ({"models": {"a": functools.partial(aj.HopfieldMemory, 1)}}, "only keyword arguments"),
        ({"models": {"a": functools.partial(aj.HopfieldMemory, tau=1)}}, r"models.a.tau: unknown key \(did you mean 'tau_x'"),
        ({"corruption": aj.Flips(), "task": aj.Task(eqx.Partial(aj.random_patterns), aj.Flips())}, "task and .* combined"),
        ({"trials": object()}, "trials must be a number"),
        ({"observables": ["nobody.py:one"]}, "nobody.py cannot be read"),
    ],
)
def test_what_cannot_be_stored_is_refused(sections, said):
    with pytest.raises(aj.InputError, match=said):
        aj.experiment(**({"models": {"a": aj.HopfieldMemory}} | SMALL | sections))
