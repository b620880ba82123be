"""Code of a user's own, named in configurations: trusted before it runs, kept with the run, refused once it has changed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import astrojax as aj
from astrojax._internal import own_code, registry
from astrojax._internal.files import SEAL, read_json, write_sealed_json
from astrojax.cli import main
from astrojax.config.tune import TuneConfig
from astrojax.config.validation import read
from astrojax.runs import dry_run
from astrojax.runs.build import build

LAB = Path(__file__).parents[1] / "docs" / "examples" / "mylab"

SPY = '''from pathlib import Path
import astrojax as aj
import jax.numpy as jnp
Path(__file__).with_name("ran").touch()

class Score(aj.AbstractScore):
    """A score."""
    def __call__(self, overlaps, num_neurons):
        return overlaps
    def coupling(self, num_patterns):
        return jnp.ones_like(num_patterns)
'''

RUN = """
axes: {num_patterns: 2, num_flips: [1, 2]}
trials: 3
patterns: {num_neurons: 8}
models: {a: {kind: astrocyte, temperature: 1, score: "spy.py:Score"}}
retrieval: {num_steps: 50}
decoders: false
"""
"""A number of steps needs no programs to try finer grids."""

TUNE = """
axes: {num_patterns: 2, num_flips: 1}
patterns: {num_neurons: 8}
model: {kind: astrocyte, temperature: 1, score: "spy.py:Score"}
parameters: [temperature]
"""


@pytest.fixture(autouse=True)
def stranger(tmp_path, monkeypatch):
    """A user who has trusted nothing yet, in a folder with `spy.py`, which says when it is executed."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(own_code, "_trusted", set())
    monkeypatch.setattr(own_code, "_modules", {})
    monkeypatch.chdir(tmp_path)
    Path("spy.py").write_text(SPY)
    Path("run.yaml").write_text(RUN)
    Path("tune.yaml").write_text(TUNE)


def new_process():
    own_code._trusted.clear()
    own_code._modules.clear()
    shutil.rmtree("home", ignore_errors=True)
    for ran in Path().rglob("ran"):
        ran.unlink()


def ran():
    return [str(path) for path in Path().rglob("ran")]


@pytest.fixture
def lab(tmp_path):
    """A copy of the example of the documentation, which relies on JAX's usual promotion of types."""
    before = jax.config.jax_numpy_dtype_promotion
    jax.config.update("jax_numpy_dtype_promotion", "standard")  # in all threads, which a context manager does not reach
    yield Path(shutil.copytree(LAB, tmp_path / "lab"))
    jax.config.update("jax_numpy_dtype_promotion", before)


def test_without_trust_nothing_is_imported(capsys, no_figures):
    commands = {
        "run run.yaml": 2,
        "run run.yaml --dry-run": 2,
        "tune tune.yaml": 2,
        "run run.yaml --trials 4": 2,
        "schema": 0,
    }
    assert {
        command: main([*command.split(), "--quiet"] if "schema" not in command else ["schema"]) for command in commands
    } == commands
    said = capsys.readouterr().err
    assert "spy.py" in said
    assert "--trust" in said
    assert not Path("runs").exists()
    assert not ran()
    assert main(["run", "run.yaml", "--trust", "--out", "r", "--quiet"]) == 0
    assert ran() == ["ran"]
    new_process()
    shutil.copytree("r", "elsewhere")
    after = {
        "show elsewhere --quiet": 0,
        "show elsewhere --html --quiet": 0,
        "export elsewhere --format csv --quiet": 0,
        "verify elsewhere --quiet": 2,
        "run elsewhere --quiet": 2,
    }
    assert {command: main(command.split()) for command in after} == after
    assert not ran()


def test_trust_is_remembered_for_a_folder_until_the_code_changes():
    assert main(["run", "run.yaml", "--trust", "--out", "r", "--dry-run", "--quiet"]) == 0
    own_code._trusted.clear()
    assert main(["run", "run.yaml", "--out", "r", "--quiet"]) == 0
    own_code._trusted.clear()
    assert main(["verify", "r", "--quiet"]) == 0  # the copy in the run folder is the same code
    Path("spy.py").write_text(SPY + "# more\n")
    assert main(["run", "run.yaml", "--out", "r", "--quiet"]) == 2


def test_a_run_folder_repeats_elsewhere_and_refuses_changed_code(capsys):
    assert main(["run", "run.yaml", "--trust", "--out", "r", "--quiet"]) == 0
    shutil.move("r", "elsewhere")
    new_process()
    Path("spy.py").unlink()
    assert main(["verify", "elsewhere", "--share", "1", "--trust", "--quiet"]) == 0
    capsys.readouterr()
    code = Path("elsewhere/inputs/spy.py")
    code.write_text(code.read_text().replace("return overlaps", "return 2 * overlaps"))
    for command in ("verify elsewhere", "run elsewhere"):
        assert main([*command.split(), "--trust"]) == 2
        said = capsys.readouterr().err
        assert "-        return overlaps" in said
        assert "+        return 2 * overlaps" in said
    code.write_text(SPY)
    assert main(["verify", "elsewhere", "--trust", "--quiet"]) == 0
    Path("spy.py").write_text(SPY.replace("return overlaps", "return 3 * overlaps"))
    assert main(["run", "run.yaml", "--trust", "--out", "elsewhere"]) == 2
    assert "+        return 3 * overlaps" in capsys.readouterr().err


def test_a_run_equals_retrieve_one_by_one(lab):
    config = aj.load_config(lab / "run.yaml", trust=True, trials=3, precision="float64", **{"retrieval.num_steps": 400})
    results = aj.run(config, "r")
    module = own_code.module_of(str(lab / "mylab.py"))
    with jax.enable_x64(True):
        task = aj.Task(lambda key, num_patterns: module.barcodes(key, num_patterns=num_patterns), module.Occlusion())
        for load, occluded, sharpness, trial in ((6, 4, 1.0, 0), (6, 8, 3.0, 2)):
            place = {"num_patterns": jnp.asarray(load), "num_occluded": jnp.asarray(occluded), "trial": jnp.asarray(trial)}
            problem = task.draw(jax.random.key(0), place, load)
            memories = {
                "projection": module.ProjectionMemory(problem.patterns, tau_x=0.5),
                "cubic": aj.AstrocyteMemory(problem.patterns, temperature=0.5, score=module.CubicScore(sharpness)),
                "sparse": aj.AstrocyteMemory(problem.patterns, temperature=0.5, gain_map=module.Sparsemax()),
            }
            stored = results.sel(num_patterns=load, num_occluded=occluded, sharpness=sharpness).isel(trial=trial)
            for name, memory in memories.items():
                recall = aj.retrieve(memory, problem.query, t1=10.0, solver="adams", num_steps=2000)
                wrong = np.sign(recall.x) != problem.target
                error = stored.sel(model=name)
                assert error.hamming_error == aj.hamming_error(problem.target, recall.x)
                assert error.block_error == wrong.reshape(-1, 2).any(axis=1).sum()
    assert results.block_error.attrs["units"] == "blocks"
    assert results.decoder.values.tolist() == ["nearest_signed", "shown_entries"]


@pytest.mark.slow
def test_a_lab_searches_and_uses_a_cluster(lab):
    assert main(["tune", str(lab / "tune.yaml"), "--trust", "--out", "t", "--quiet"]) == 0
    best = aj.load_search("t").best
    assert best.values.keys() == {"sharpness", "temperature"}
    assert main(["run", "t/tuned.yaml", "--trust", "--out", "again", "--quiet"]) == 0
    here, there = (
        main(["run", str(lab / "run.yaml"), "--trust", "--out", out, "--quiet", *more])
        for out, more in (("here", []), ("there", ["--cluster", "local:2"]))
    )
    assert (here, there) == (0, 0)
    assert aj.load("here").equals(aj.load("there"))
    new_process()
    assert main(["show", "there", "--html", "--quiet"]) == 0
    assert main(["verify", "there", "--trust", "--share", "0.05", "--quiet"]) == 0


@pytest.mark.slow
def test_a_killed_run_of_a_lab_is_continued(lab):
    command = [
        sys.executable,
        "-m",
        "astrojax.cli",
        "run",
        str(lab / "run.yaml"),
        "--trust",
        "--trials",
        "2000",
        "--chunk",
        "64",
    ]
    with subprocess.Popen([*command, "--out", "r"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        while not list(Path("r").glob("results.zarr/hamming_error/c/*/*/*/*/*")) and process.poll() is None:
            pass
        process.kill()
    assert main(["run", "r", "--quiet"]) == 0
    assert main(["verify", "r", "--quiet"]) == 0


MEMORY = """import jax, jax.numpy as jnp
import astrojax as aj
class Mine(aj.AbstractMemory):
    patterns: jax.Array
    tau_x: jax.Array
    slope: jax.Array
    stored: jax.Array | None
    def __init__(self, patterns, *, tau_x: float = 1.0, slope: float = 5.0, stored=None):
        self.set_parameters(patterns, stored, tau_x=tau_x, slope=slope)
    def vector_field(self, state):
        return FIELD
    def energy(self, state):
        return ENERGY
class Other: ...
class Partly(aj.AbstractMemory): ...
class Needy(Mine):
    def __init__(self, patterns, *, strength: float, stored=None):
        super().__init__(patterns, stored=stored)
def vector(memory, target, recall):
    return recall.x
"""
GOOD = {"FIELD": "aj.NeuronState(-state.x / self.tau_x)", "ENERGY": "self.neuron_energy(state.x)"}


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"FIELD": "aj.NeuronState(state.x[:3])"}, "Mine", "mine.py, line 10: vector_field of Mine must return a state"),
        ({"FIELD": "aj.NeuronState(nothing)"}, "Mine", "mine.py, line 11, in vector_field: return aj.NeuronState(nothing)"),
        ({"FIELD": "aj.NeuronState(jnp.log(-1 - state.x**2))"}, "Mine", "mine.py, line 11, in vector_field"),
        ({"ENERGY": "state.x"}, "Mine", "mine.py, line 12: energy of Mine must return one real number"),
        ({"ENERGY": "1.0 if state.x[0] > 0 else 2.0"}, "Mine", "mine.py, line 13, in energy"),
        ({"class Other": "class Other(:"}, "Mine", "mine.py, line 14"),
        ({"import astrojax as aj": "import astrojax as aj, not_there"}, "Mine", "mine.py, line 2"),
        ({}, "Other", "models.a.kind: "),
        ({}, "Partly", "lacks energy, vector_field"),
        ({}, "Needy", "models.a.strength: is missing"),
        ({}, "Mien", "has no Mien (did you mean 'Mine'?)"),
        ({"MODEL": ", tau: 3"}, "Mine", "models.a.tau: unknown key (did you mean 'tau_x'?)"),
        ({"OBSERVABLES": 'observables: ["mine.py:vector"]'}, "Mine", "observable vector must return one real number"),
    ],
)
def test_faults_of_code_are_one_paragraph_with_its_line(change, kind, said, capsys):
    text = MEMORY
    for one, other in (GOOD | change).items():
        text = text.replace(one, other)
    Path("mine.py").write_text(text)
    more = change.get("MODEL", "")
    Path("mine.yaml").write_text(
        f"axes: {{num_patterns: 2, num_flips: 1}}\ntrials: 2\npatterns: {{num_neurons: 8}}\ndecoders: false\n"
        f'models: {{a: {{kind: "mine.py:{kind}"{more}}}}}\n{change.get("OBSERVABLES", "")}\n'
    )
    assert main(["run", "mine.yaml", "--trust", "--out", "r", "--quiet"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not list(Path().glob("r/results.zarr"))


def test_a_memory_is_tried_once_for_each_shape_along_axes_over_fields(monkeypatch):
    tried = []
    monkeypatch.setattr(dry_run, "_try_part", lambda config, part, measures: tried.append(part.num_neurons))
    axes = "num_flips: [1, 2], retrieval.t1: [1, 2, 3], patterns.num_neurons: [8, 10]"
    Path("run.yaml").write_text(RUN.replace("num_flips: [1, 2]", axes))
    assert len(build(aj.load_config("run.yaml", trust=True)).parts) == 6
    assert sorted(tried) == [8, 10]


def test_a_score_of_another_shape_is_named_with_its_line(capsys):
    Path("spy.py").write_text(SPY.replace("return overlaps", "return overlaps.sum()"))
    assert main(["run", "run.yaml", "--trust", "--out", "r", "--quiet"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert (
        "spy.py, line 8: __call__ of astrocyte (score Score) must return the shape of its argument, (8,); it returns float32[]"
        in said
    )


def install(folder, package, version="1.0", **more):
    """A package with a module `scores`, as if it were installed in a folder."""
    for place, text in {
        f"{package}/scores.py": SPY,
        f"{package}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
        f"{package}-{version}.dist-info/top_level.txt": package,
        **{f"{package}-{version}.dist-info/{name}": text for name, text in more.items()},
    }.items():
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_text(text)
    return folder / package / "scores.py"


def test_packages_are_named_by_module_or_by_entry_point(monkeypatch, tmp_path):
    install(tmp_path, "theirlab")
    monkeypatch.syspath_prepend(tmp_path)
    Path("run.yaml").write_text(RUN.replace("spy.py:Score", "theirlab.scores:Score"))
    with pytest.raises(aj.InputError, match="the package theirlab"):
        aj.load_config("run.yaml")
    assert not ran()
    assert aj.load_config("run.yaml", trust=True).models["a"].score.build.__name__ == "Score"

    class Entry:
        name, value, dist = "score.theirs", "theirlab.scores:Score", None

        def load(self):
            return sys.modules["theirlab.scores"].Score

    monkeypatch.setattr(registry, "entry_points", lambda group: [Entry()])
    registry._plugins.cache_clear()
    try:
        Path("run.yaml").write_text(RUN.replace("spy.py:Score", "theirs"))
        assert aj.load_config("run.yaml").models["a"].score.build is sys.modules["theirlab.scores"].Score
        Path("run.yaml").write_text(RUN.replace("spy.py:Score", "thers"))
        with pytest.raises(aj.InputError, match="did you mean 'theirs'"):
            aj.load_config("run.yaml")
    finally:
        registry._plugins.cache_clear()


def test_a_package_that_changed_is_neither_trusted_nor_continued(monkeypatch, tmp_path):
    editable = {"direct_url.json": '{"dir_info": {"editable": true}}'}
    scores = install(tmp_path, "edited", **editable)  # its files are what is trusted
    install(tmp_path, "versioned")
    monkeypatch.syspath_prepend(tmp_path)
    Path("mine.py").write_text("from edited.scores import Score")
    models = """models:
  a: {kind: astrocyte, temperature: 1, score: "versioned.scores:Score"}
  b: {kind: astrocyte, temperature: 1, score: "mine.py:Score"}
"""
    Path("run.yaml").write_text(re.sub("models: .*\n", models, RUN))
    config = aj.load_config("run.yaml", trust=True)
    aj.run(config, "r")
    record = read_json(Path("r/provenance.json"))
    assert record["packages"]["versioned"] == "versioned 1.0"
    assert record["packages"].keys() == {"versioned", "edited"}
    scores.write_text(SPY.replace("return overlaps", "return 2 * overlaps"))
    own_code._trusted.clear()
    with pytest.raises(aj.InputError, match=r"the package edited .* Read it"):
        aj.load_config("run.yaml")
    for again in (lambda: aj.verify("r", trust=True), lambda: aj.run(config, "r")):
        with pytest.raises(aj.InputError, match="was computed with the package edited"):
            again()
    scores.write_text(SPY)
    shutil.rmtree(tmp_path / "versioned-1.0.dist-info")
    install(tmp_path, "versioned", "2.0")
    with pytest.raises(aj.InputError, match=r"was computed with the package versioned 1\.0; here is versioned 2\.0"):
        aj.verify("r", trust=True)


def test_packages_without_a_version_and_forged_names_are_refused(monkeypatch, tmp_path):
    Path("nobodys.py").write_text(SPY)
    monkeypatch.syspath_prepend(tmp_path)
    Path("run.yaml").write_text(RUN.replace("spy.py:Score", "nobodys:Score"))
    with pytest.raises(aj.InputError, match="nobodys is not installed, so it has no version"):
        aj.load_config("run.yaml", trust=True)
    aj.run(aj.load_config("run.yaml", trust=True, **{"models.a.score": "linear"}), "r")
    for forged in ("nobodys.inner", "nobodys", "this"):
        record = read_json(Path("r/provenance.json"))
        record.pop(SEAL)
        write_sealed_json(Path("r/provenance.json"), record | {"packages": {forged: "1"}})
        for again in (lambda: aj.verify("r", trust=True), lambda: aj.run(aj.load_config("r/config.yaml"), "r")):
            with pytest.raises(aj.InputError, match=forged):
                again()
    assert not ran()


def test_what_is_no_python_is_said_in_a_sentence():
    for content in (b"a = 1\0", "class Ä: ...".encode("utf-16"), b"\xff\xfe\x00"):
        Path("spy.py").write_bytes(content)
        with pytest.raises(aj.InputError, match=r"spy\.py"):
            aj.load_config("run.yaml", trust=True)


def test_what_was_read_is_what_is_recorded():
    config = aj.load_config("run.yaml", trust=True)
    Path("spy.py").write_text(SPY.replace("return overlaps", "return 2 * overlaps"))
    with pytest.raises(aj.InputError, match=r"spy\.py has changed since the configuration was read"):
        aj.run(config, "r")
    assert not Path("r", "config.yaml").exists()


def test_a_file_of_code_imports_no_neighbor(monkeypatch):
    Path("helper.py").write_text("Path = 1\nraise SystemExit")
    monkeypatch.syspath_prepend(".")
    for line in ("import helper", "from helper import Path", "from . import helper"):
        Path("spy.py").write_text(f"def later():\n    {line}\n{SPY}")
        with pytest.raises(aj.InputError, match=r"spy.py, line 2: imports \.?(helper)?, which is not installed"):
            aj.load_config("run.yaml", trust=True)
    assert not ran()


def test_files_of_others_are_not_overwritten():
    Path("r", "inputs").mkdir(parents=True)
    Path("r", "inputs", "spy.py").write_text("mine")
    with pytest.raises(aj.InputError, match="is another file, and is never overwritten"):
        aj.run(aj.load_config("run.yaml", trust=True), "r")
    assert Path("r", "inputs", "spy.py").read_text() == "mine"


def test_a_search_is_read_without_the_code_of_its_score():
    Path("tune.yaml").write_text(TUNE.replace("[temperature]", "{temperature: {low: 0.1}, sharpness: {low: 1, high: 2}}"))
    unread = read("tune.yaml", TuneConfig, trust=None)
    assert list(unread.parameters) == ["temperature", "sharpness"]
    assert not ran()
