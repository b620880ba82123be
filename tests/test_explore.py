"""The explorer without a browser: what it computes, what it writes, and what it refuses."""

import base64
import contextlib
import functools
import io
import logging
import math
import re
import shutil
import socket
import sys
import time
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml
from tornado.httpclient import AsyncHTTPClient

import astrojax as aj
from astrojax._internal import own_code
from astrojax._internal.parameters import Range
from astrojax.cli import main
from astrojax.config.sections import Parameter, section_of
from astrojax.config.validation import parse_config, read_config
from astrojax.explore import _offer, app, compute, serve
from astrojax.explore.compute import answer, make_problem, read_upload
from astrojax.explore.presentation import course_of, explain, pictures_of, readout
from astrojax.explore.settings import Settings, built_in, everything, offer_of, spread
from astrojax.models import memories

UPLOADED = np.asarray(aj.random_patterns(jax.random.key(5), num_neurons=25, num_patterns=40), np.float32)
"""One shape for all tests, so that one program is compiled."""


def from_file(**reading):
    patterns = section_of("patterns", "file")(kind="file", **{"path": "mine.npy", **reading})
    return {"patterns": patterns, "is_uploaded": True}


def exploring(kind):
    return {"name": kind, "model": everything().config.models[kind]}


START = Settings(**from_file(), capacity=40, num_patterns=20, target=3, level=5)


ONES = np.where(np.arange(12).reshape(3, 4) % 5 > 1, 1.0, -1.0)


def saved(rows, **arrays):
    file = io.BytesIO()
    np.savez(file, **arrays) if arrays else np.save(file, rows)
    return file.getvalue()


def solved(settings):
    return answer(settings, make_problem(settings, UPLOADED))


def test_no_slider_compiles_anything(caplog):
    def compiled(settings, problem):
        caplog.clear()
        with jax.log_compiles(), caplog.at_level(logging.WARNING):
            answer(settings, problem)
        return sum("Compiling jit(_solve)" in record.getMessage() for record in caplog.records)

    numbers = {"temperature": 3.0, "tau_x": 0.1, "tau_p": 20.0, "slope": 1.0, "t1": 70.0}
    moved = {"num_patterns": 7, "target": 6, "level": 1} | numbers
    settings = [START, *(START.change(**{name: value}) for name, value in moved.items())]
    problems = [make_problem(one, UPLOADED) for one in settings]
    assert [compiled(*pair) for pair in zip(settings, problems, strict=True)] == [1] + [0] * len(moved)


def test_the_python_text_recalls_what_is_shown(tmp_path, monkeypatch):
    """The script is what a user would write: so this compares an answer, masked and padded, with direct calls."""
    monkeypatch.chdir(tmp_path)
    np.save("mine.npy", UPLOADED.T + 0.25)
    settings = START.change(**from_file(threshold=0.25), flipped=(0, 7, 8, 11, 24), temperature=0.02)
    problem, found = make_problem(settings, UPLOADED), solved(settings)
    printed, names = io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        exec(settings.python(), names)
    patterns, target, query, memory, recall = (names[name] for name in ("patterns", "target", "query", "memory", "recall"))
    np.testing.assert_array_equal(query, problem.query)
    assert patterns.shape == (25, 20)
    assert printed.getvalue() == f"OK: {found.errors['memory']:g} of 25 wrong\n"
    np.testing.assert_allclose(found.rates[-1], memory.readout(recall.state), atol=1e-3)
    np.testing.assert_allclose(found.gains[-1], recall.gains[found.shown], atol=1e-3)
    np.testing.assert_allclose(found.overlaps[-1], memory.overlaps(recall.state)[found.shown] / 25, atol=1e-3)
    np.testing.assert_allclose(found.energy[-1], memory.energy(recall.state), rtol=1e-3)
    assert found.shown[0] == settings.target
    assert np.argmax(found.final_gains) == jnp.argmax(recall.gains)
    evidence = aj.Flips().evidence(jnp.asarray(5.0), 25)
    np.testing.assert_array_equal(found.signs["bayes"], aj.bayes_decoder(patterns, query, evidence, signed=False))
    nearest = aj.nearest_pattern(jax.random.key(0), patterns, query, signed=False)
    np.testing.assert_array_equal(found.signs["nearest"], nearest)
    hopfield = aj.retrieve(aj.HopfieldMemory(patterns), query, t1=settings.values["t1"])
    np.testing.assert_array_equal(found.signs["hopfield"], jnp.sign(hopfield.x))
    assert float(found.errors["hopfield"]) == aj.hamming_error(target, hopfield.x)


def test_pictures_keep_the_sign_of_every_rate():
    found = solved(START)
    faint = replace(found, rates=np.where(np.arange(25) == 3, 0, found.rates * 1e-6))
    for one in (found, faint):
        pictures = pictures_of(START, make_problem(START, UPLOADED), one)
        sent = decoded(pictures["pictures"]["state"]).reshape(one.rates.shape)
        np.testing.assert_array_equal(np.sign(sent), np.sign(one.rates))
        np.testing.assert_allclose(sent, one.rates, atol=1 / 127)
    assert pictures["columns"] == 5
    np.testing.assert_array_equal(decoded(pictures["pictures"]["bayes"]), found.signs["bayes"])
    assert pictures["errors"] == {}


def decoded(picture):
    return np.frombuffer(base64.b64decode(picture), np.uint8) / 127 - 1


def part(role, kind, **numbers):
    return section_of(role, kind)(kind=kind, **numbers)


def test_real_valued_patterns_are_explored_by_distances():
    """Against NumPy, and against direct calls without padding or masks."""
    patterns, corruption = part("patterns", "gaussian", num_neurons=16), built_in("corruption")["noise"]
    settings = Settings(patterns=patterns, capacity=12, num_patterns=9, target=2, corruption=corruption, level=0.8, t1=30.0)
    parts = {"score": part("score", "distance"), "activation": part("activation", "identity")}
    parts |= {"gain_map": part("gain_map", "entmax"), "gap_junctions": part("gap_junctions", "ring")}
    settings = settings.change(**parts).change(alpha=1.3, gap_strength=0.5, temperature=4.0)
    problem, names, printed = make_problem(settings, None), {}, io.StringIO()
    found = answer(settings, problem)
    with contextlib.redirect_stdout(printed):
        exec(settings.python(problem.classes), names)
    memory, recall = names["memory"], names["recall"]
    assert (memory.gain_map.alpha, memory.gap_junctions.gap_strength) == (1.3, 0.5)
    np.testing.assert_allclose(found.rates[-1], recall.x, atol=2e-3)
    np.testing.assert_allclose(found.final_gains[:9], recall.gains, atol=2e-3)
    assert found.residual < 0.01

    stored, query = problem.patterns[:, :9].astype(float), problem.query.astype(float)
    squares = np.sum((stored - query[:, None]) ** 2, axis=0)
    weights = np.exp(-(squares - squares.min()) / (2 * 0.8**2))
    np.testing.assert_allclose(found.signs["bayes"], stored @ weights / weights.sum(), atol=1e-4)
    np.testing.assert_array_equal(found.signs["nearest"], problem.patterns[:, np.argmin(squares)])
    for name, end in found.signs.items():
        distances = np.sum((stored - end[:, None]) ** 2, axis=0)
        assert found.errors[name] == pytest.approx(np.sqrt(distances[2] / 16), rel=1e-4, abs=1e-6)
        assert found.identified[name] == (np.argmin(distances) == 2)
    distances = np.sum((stored - found.rates[-1][:, None]) ** 2, axis=0)
    distances[2] = np.inf
    assert found.shown[:2].tolist() == [2, np.argmin(distances)]
    assert "hopfield" not in found.signs
    assert found.verdict(settings) == "The target is the nearest pattern"
    said = readout(settings, problem, found, explain(settings, problem, found, None))
    assert f"{found.errors['memory']:.3g}" in said
    assert "Hamming" not in said
    assert printed.getvalue().startswith("OK: root mean squared error 0.17")
    lost = replace(found, identified=dict.fromkeys(found.identified, 0.0))
    assert lost.verdict(settings) == f"Another pattern is the nearest, number {found.shown[1]}"
    assert explain(settings, problem, lost, None)

    pictures, largest = pictures_of(settings, problem, found), np.abs(stored).max()
    for name, values in {"target": problem.target, "query": problem.query, "bayes": found.signs["bayes"]}.items():
        np.testing.assert_allclose(decoded(pictures["pictures"][name]), np.clip(values / largest, -1, 1), atol=1 / 127)
    assert pictures["errors"]["state"][-1] == pytest.approx(found.errors["memory"], rel=1e-5)
    assert pictures["errors"]["query"] == pytest.approx(np.sqrt(squares[2] / 16), rel=1e-5)
    config = parse_config(yaml.safe_load(settings.yaml()), folder=Path())
    assert config.models == {"astrocyte": settings.model}


REAL = {
    "digits": "kind: digits\n  scaling: standard",
    "glyphs": "kind: glyphs\n  size: 6\n  num_fonts: 2\n  scaling: sphere",
    "gaussian": "kind: gaussian\n  num_neurons: 16",
}


@pytest.mark.filterwarnings("ignore:Widget.name:PendingDeprecationWarning")
@pytest.mark.parametrize("kind", REAL)
def test_configurations_of_real_valued_patterns_are_explored(kind, explored, tmp_path):
    models = "m: {kind: astrocyte, activation: identity, score: distance, gain_map: sparsemax}"
    text = f"name: real\npatterns:\n  {REAL[kind]}\ncorruption: masking\n"
    text += f"axes: {{num_patterns: [5], masked_fraction: [0.25]}}\ntrials: 2\nmodels:\n  {models}\n"
    (tmp_path / "real.yaml").write_text(text)
    settings = explored(tmp_path / "real.yaml").settings()
    problem = make_problem(settings, None)
    assert not settings.is_binary
    assert (settings.level, settings.num_patterns, problem.evidence) == (0.25, 5, 1e6)
    np.testing.assert_array_equal(problem.query[-len(problem.query) // 4 :], 0)
    assert read_config(tmp_path / "real.yaml").models == parse_config(yaml.safe_load(settings.yaml()), folder=tmp_path).models


@pytest.mark.filterwarnings("ignore:Widget.name:PendingDeprecationWarning")
def test_parts_that_do_not_fit_say_so_and_classes_are_given_where_there_are_any(explored):
    explorer = explored(None)
    numbers, options = explorer.models.numbers, explorer.models.options

    def said():
        explorer.message.object = ""
        explorer._wanted = explorer.settings(), None, None, 0
        explorer._work()
        compute.program(explorer.settings(), make_problem(explorer.settings(), None)).exception()
        return explorer.message.object

    explorer.source.value, explorer.neurons.value = "random", 16
    options["activation"].value = "identity"
    assert "activation must have bounded rates with the score squared" in said()
    options["activation"].value, options["gap_junctions"].value = "tanh", "classes"
    assert "pattern_classes must be given for the gap junctions classes" in said()
    options["gain_map"].value = "entmax"
    numbers["gap_strength"].value, numbers["alpha"].value = -0.1, 1.25
    assert not numbers["gap_strength"].disabled
    assert {-100, -0.1, 0, 0.1, 1, 100} <= {*numbers["gap_strength"].values}
    assert {1.01, 1.25, 1.5, 2} <= {*numbers["alpha"].values}
    explorer.source.value = "digits"
    settings = explorer.settings()
    problem, names = make_problem(settings, None), {}
    exec(settings.python(problem.classes).partition("recall = ")[0], names)
    table = np.loadtxt(Path(aj.__file__).parent / "problems" / "digits.csv.gz", delimiter=",")
    label = {(row[:-1] > 7).tobytes(): int(row[-1]) for row in reversed(table)}
    wanted = [label[(pattern > 0).tobytes()] for pattern in problem.patterns.T[:30]]
    recipe, parameters = compute._recipe(settings, problem)
    memory = recipe.build(jnp.asarray(problem.patterns), **parameters)
    for one, made in (("script", names["memory"]), ("page", memory)):
        np.testing.assert_array_equal(made.pattern_classes[:30], wanted, one)
        assert (made.gap_junctions.gap_strength, made.gain_map.alpha) == pytest.approx((-0.1, 1.25)), one


ORIGINS = {
    "127.0.0.1": {
        200: [
            ("127.0.0.1:{port}", None),
            ("LOCALHOST:{port}", "http://localhost:{port}"),
            ("localhost:9000", "http://localhost:9000"),  # through a tunnel
        ],
        403: [
            ("evil.example", None),
            ("evil.example:{port}", "http://evil.example:{port}"),
            ("127.0.0.1.evil.example", None),
            ("192.0.2.1:{port}", None),
            *(("127.0.0.1:{port}", origin) for origin in ("http://evil.example", "http://127.0.0.1:1", "null")),
        ],
    },
    "0.0.0.0": {
        200: [("192.0.2.1:{port}", "http://192.0.2.1:{port}"), (socket.gethostname(), None)],
        403: [("evil.example:{port}", None)],
    },
}
"""Requests by address, expected status, host and origin."""


@pytest.mark.parametrize("address", ORIGINS)
def test_only_its_own_name_and_pages_reach_the_server(address):
    running = app.server_of(address, 0, None)  # which runs for each request alone
    for status, requests in ORIGINS[address].items():
        for host, origin in requests:
            headers = {"Host": host} | ({} if origin is None else {"Origin": origin})
            headers = {name: value.format(port=running.port) for name, value in headers.items()}
            for path in ("", "ws", "static/js/bokeh.min.js"):
                url = f"http://127.0.0.1:{running.port}/{path}"
                request = functools.partial(AsyncHTTPClient().fetch, url, headers=headers, raise_error=False)
                found = running.io_loop.run_sync(request)
                assert (found.code == 403) == (status == 403), (host, origin, path)
    running.stop()


TROUBLES = {
    "tau_x": {"tau_x": 0.01},
    "temperature": {"temperature": 5.0, "target": 1},
    "t1": {"t1": 1.0, "tau_x": 100.0},
    "slope": {"slope": 0.2},
}


@pytest.mark.parametrize("remedy", TROUBLES)
def test_a_failed_recall_is_explained_by_a_change_that_recalls_the_target(remedy):
    settings = START.change(target=0) if remedy != "temperature" else START
    settings = settings.change(**TROUBLES[remedy])
    problem, found, tried = make_problem(settings, UPLOADED), solved(settings), []

    def solve(changed):
        tried.append((changed, answer(changed, problem)))
        return tried[-1][1]

    said = explain(settings, problem, found, solve)
    assert found.errors["memory"] > 0
    assert 1 <= len(tried) <= 3
    changed, recalled = tried[-1]
    assert [name for name, value in changed.values.items() if value != settings.values[name]] == [remedy]
    assert recalled.errors["memory"] == 0
    assert f"= {changed.values[remedy]:g}," in said
    assert explain(settings, problem, found, lambda _: found) != said
    if remedy == "tau_x":
        nearer, won = (float(number.rstrip(",;")) for number in re.findall(r"t ≈ (\S+)", said))
        overlaps, gains = np.abs(found.overlaps), found.gains
        assert np.all((overlaps[:, 1] >= overlaps[:, 0])[found.times < 0.95 * nearer] == 0)
        assert np.all(gains[:, 1][found.times > 1.05 * won] > 0.5)
        assert np.all(gains[:, 1][found.times < 0.9 * won] < 0.5)
        assert nearer < won
        assert f"pattern {found.shown[1]} " in said


def test_a_query_that_is_not_nearest_to_its_target_is_the_reason_and_nothing_is_tried():
    for drawn, named in {(1, 11): "pattern", (0, 25): "negative"}.items():
        target, flips = drawn
        settings = START.change(target=target, level=flips)
        problem, found = make_problem(settings, UPLOADED), solved(settings)
        assert found.errors["memory"] > 0
        said = explain(settings, problem, found, lambda _: pytest.fail("nothing can help"))
        assert named in said
        overlaps = np.abs(problem.query @ problem.patterns)[:20]
        assert f"{overlaps[settings.target] / 25:.2f}" in said
        assert (np.argmax(overlaps) != settings.target) == (named == "pattern")


def test_the_yaml_is_the_configuration_of_a_run(tmp_path):
    file = from_file(path="mine.npz", array="a", threshold=0.5, max_duplicates=3)
    changed = [{"patterns": patterns} for patterns in everything().patterns.values()] + [file]
    changed += [exploring(kind) for kind in memories()] + [{"corruption": one} for one in built_in("corruption").values()]
    changed += [{"score": score} for score in built_in("score").values()]
    changed += [{"score": built_in("score")["power"], "order": 6}, {"gain_regime": "frozen"}]
    for changes in changed:
        settings = START.change(**{"is_uploaded": False, "t1": 7.0, "level": 1, **changes}).change(slope=2.0)
        config = parse_config(yaml.safe_load(settings.yaml()), folder=tmp_path)
        assert config.models[settings.name] == settings.model
        assert settings.model.slope == 2
        assert config.retrieval.t1 == 7
        level = getattr(config.axes, settings.corruption.build.level_name)
        assert (config.corruption, config.axes.num_patterns, level) == (settings.corruption, [20], [1])
        assert config.patterns.kind == settings.patterns.kind
    patterns = parse_config(yaml.safe_load(START.change(**file).yaml()), folder=tmp_path).patterns
    assert (patterns.path, patterns.threshold, patterns.max_duplicates) == (tmp_path / "mine.npz", 0.5, 3)


@pytest.mark.parametrize("source", everything().patterns)
def test_the_python_text_has_the_patterns_and_the_query_that_are_shown(source):
    for corruption in built_in("corruption").values():
        drawn = {"patterns": everything().patterns[source], "is_uploaded": False}
        settings = START.change(**drawn, seed=4, query_seed=2, corruption=corruption, level=1)
        names = {}
        exec(settings.python().partition("memory = ")[0], names)
        problem = make_problem(settings, None)
        np.testing.assert_allclose(names["patterns"], problem.patterns[:, :20], rtol=1e-6)
        np.testing.assert_allclose(names["query"], problem.query, rtol=1e-6)


LAB = Path(__file__).parents[1] / "docs" / "examples" / "mylab"


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A folder with the example of a lab's own code, which scripts can import, and JAX as it is set for users."""
    usual = {"jax_enable_x64": False, "jax_numpy_dtype_promotion": "standard"}
    before = {name: getattr(jax.config, name) for name in usual}
    for name, value in usual.items():
        jax.config.update(name, value)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(own_code, "_trusted", set())
    folder = shutil.copytree(LAB, tmp_path / "lab")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "mylab", raising=False)
    yield folder
    for name, value in before.items():
        jax.config.update(name, value)
    sys.modules.pop("mylab", None)


@pytest.fixture
def explored(monkeypatch):
    """Opens the explorer without a page on a configuration."""
    monkeypatch.setattr(app.Explorer, "_changed", lambda *_: None)
    monkeypatch.setattr(app.Explorer, "_later", lambda _, show: show())
    return lambda path: app.Explorer(None, None if path is None else _offer(path, trust=True))


@pytest.mark.filterwarnings("ignore:Widget.name:PendingDeprecationWarning")
def test_a_configuration_is_explored_as_it_is(lab, explored):
    explorer = explored(lab / "run.yaml")
    assert (explorer.source.options, explorer.corruption.options) == (["barcodes"], ["Occlusion"])
    assert explorer.memory.options == ["projection", "cubic", "sparse"]
    assert (explorer.level.label, explorer.level.value, explorer.level.values[-1]) == ("num_occluded", 4, 24)
    assert (explorer.load.value, explorer.load.last) == (3, 12)
    numbers, options = explorer.models.numbers, explorer.models.options
    shown = {"projection": {"tau_x", "slope", "strength"}, "cubic": {"temperature", "tau_x", "tau_p", "slope", "sharpness"}}
    for name, wanted in shown.items():
        explorer.memory.value = name
        assert {one for one, slider in numbers.items() if slider.visible} == wanted
    assert (numbers["sharpness"].value, numbers["temperature"].value) == (2, 0.5)
    assert list(options["score"].options) == ["CubicScore", "squared", "linear", "distance", "power"]
    numbers["sharpness"].value = 3.0
    explorer.memory.value = "projection"
    assert numbers["tau_x"].value == 0.5
    explorer.memory.value = "cubic"
    settings = explorer.settings()
    assert (settings.model.score.sharpness, numbers["tau_x"].value) == (3, 1)
    (lab / "explored.yaml").write_text(settings.yaml())
    config = read_config(lab / "explored.yaml", trust=True)
    assert config.models["cubic"] == settings.model
    assert (config.axes.num_occluded, config.corruption, config.patterns) == ([4], settings.corruption, settings.patterns)
    problem, names, printed = make_problem(settings, None), {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(settings.python(), names)
    found = compute.first_answer(settings, problem)
    np.testing.assert_array_equal(names["query"], problem.query)
    assert printed.getvalue() == f"OK: {found.errors['memory']:g} of 24 wrong\n"
    assert "bayes" not in found.signs
    options["score"].value = "power"
    options["order"].value = 6
    assert explorer.settings().model.model_dump(include={"score", "order"}) == {"score": "power", "order": 6}
    options["score"].value = settings.model.score.kind
    assert explorer.settings().model.score.sharpness == 2


@pytest.mark.slow
def test_waiting_gains_are_those_of_the_memorys_own_gain_map(lab):
    offer = _offer(lab / "run.yaml", trust=True)
    settings = Settings(offer, offer.config.patterns, capacity=12, num_patterns=6, name="sparse", level=4)
    settings = settings.change(corruption=offer.config.corruption, model=offer.config.models["sparse"], temperature=4.0)
    problem, names = make_problem(settings, None), {}
    found = answer(settings, problem)
    with contextlib.redirect_stdout(None):
        exec(settings.python(), names)
    memory = names["memory"]
    scores = memory.scores(memory.initial_state(names["query"]))
    wanted = [memory.gain_map(scores / (4.0 * cooling))[0] for cooling in (1.0, 0.5)]
    np.testing.assert_allclose(found.waiting_gains[:2], wanted, atol=1e-5)


FAULTS = [
    ("return aj.NeuronState((", "return aj.NeuronState(1 / 0 + (", "return aj.NeuronState((", "ZeroDivisionError: division"),
    ("self.strength * rates @ self", "rates * self", "def energy(", "energy of ProjectionMemory must return one real number"),
    ("- self.strength * rates", "- jnp.log(-self.strength) * rates", "return self.neuron_energy", "FloatingPointError"),
    ("< level, 0, pattern)", "< level, 0, pattern)[1:]", "def __call__(self, key, pattern, level)", "Occlusion must return"),
]
"""A piece of the lab's code, what breaks it, the line that is shown, and what is said."""


@pytest.mark.filterwarnings("ignore:Widget.name:PendingDeprecationWarning")
@pytest.mark.parametrize(("sound", "broken", "shown", "said"), FAULTS)
def test_faults_of_own_code_are_shown_with_the_line(sound, broken, shown, said, lab, explored):
    """They are found in the page where the trial at the start does not find them."""
    text = (lab / "mylab.py").read_text()
    assert text.count(sound) == 1
    (lab / "mylab.py").write_text(text.replace(sound, broken))
    explorer = app.Explorer(None, offer_of(read_config(lab / "run.yaml", trust=True), lab))
    explorer._wanted = explorer.settings(), None, None, 0
    explorer._work()
    begun = time.monotonic()
    while not explorer.message.object and time.monotonic() < begun + 60:
        time.sleep(0.05)
    line = text[: text.index(shown)].count("\n") + 1
    assert f"mylab.py, line {line}" in explorer.message.object
    assert said in explorer.message.object
    assert "Traceback" not in explorer.message.object


def test_without_trust_no_code_is_explored(lab, capsys):
    assert main(["explore", "run.yaml", "--no-browser"]) == 2
    assert "run.yaml runs code that does not come with astrojax" in capsys.readouterr().err
    assert main(["explore", "tune.yaml", "--no-browser", "--trust"]) == 2
    assert "astrojax tune" in capsys.readouterr().err


def parameter(name="own", **limits):
    return Parameter(name, 1.0, {float}, [Range(**limits)] if limits else [], "")


def test_sliders_have_the_range_of_a_parameter():
    for limits, value, low, high in [
        ({}, 2.5, 1e-3, 1e3),
        ({}, -2.0, -8, 8),
        ({"gt": 0}, 1.0, 1e-3, 1e3),
        ({"gt": 0, "le": 4}, 1.0, 1e-3, 4),
        ({"ge": 0, "le": 1}, 0.0, 0, 1),
        ({"gt": -1, "lt": 1}, 0.0, -0.97, 0.97),
        ({"ge": 2}, 3.0, 2, 1e3),
    ]:
        values = spread(parameter(**limits), value)
        assert value in values
        assert (values[0], values[-1]) == pytest.approx((low, high), rel=0.02)


def kinds():
    slow = [kind for kind in memories() if kind not in ("astrocyte", "hopfield")]
    return ["hopfield", *(pytest.param(kind, marks=pytest.mark.slow) for kind in slow)]


@pytest.mark.parametrize("kind", kinds())
def test_every_memory_of_the_package_is_explored(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("mine.npy", UPLOADED.T)
    settings = START.change(**exploring(kind), corruption=built_in("corruption")["noise"], level=0.5)
    problem, names = make_problem(settings, UPLOADED), {}
    found = answer(settings, problem)
    with contextlib.redirect_stdout(None):
        exec(settings.python(), names)
    memory, recall = names["memory"], names["recall"]
    np.testing.assert_array_equal(found.signs["memory"], jnp.sign(recall.x))
    assert np.isnan(found.gains[:, 0]).all() == (memory.gains(recall.state) is None)
    failed = replace(found, errors={"memory": 3.0, "hopfield": 0.0})
    assert explain(settings, problem, failed, lambda _: failed)
    assert ("winning gain" in readout(settings, problem, failed, "")) == (memory.gains(recall.state) is not None)


def zipped():
    """Some kilobytes that are 20 MB of zeros."""
    file = io.BytesIO()
    np.savez_compressed(file, a=np.zeros((200, 100_000), np.int8))
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("mine.txt", b"1,-1", "mine.txt must end in .npy, .npz or .csv"),
        ("mine.npy", saved(ONES * 2), "must be -1 or .* give a threshold"),
        ("mine.npy", bytes(11 * 2**20), "has 11.0 MiB; the explorer takes at most 10 MiB"),
        ("mine.npy", saved(np.ones((1, 4097))), r"in rows of at most 4,096; got an array of shape \(1, 4097\)"),
        ("../mine.npy", saved(np.eye(1001, dtype=np.int8) * 2 - 1), r"at most 1,000,000 entries, .* \(1001, 1001\)"),
        ("mine.npz", zipped(), "mine.npz cannot be read: .* more than 10 MiB"),
    ],
)
def test_a_bad_upload_says_what_is_wrong_with_it(name, data, message):
    with pytest.raises(aj.InputError, match=message) as refused:
        read_upload(name, data)
    assert "/" not in str(refused.value)


def test_an_upload_is_read_as_a_pattern_file():
    np.testing.assert_array_equal(read_upload("mine.npy", saved(ONES)), ONES.T)
    np.testing.assert_array_equal(read_upload("mine.npz", saved(None, a=ONES, b=3 + ONES), array="b", threshold=3.0), ONES.T)
    np.testing.assert_array_equal(read_upload("C:\\data\\mine.csv", b"1,-1\n-1,-1\n"), [[1, -1], [-1, -1]])
    np.testing.assert_array_equal(read_upload("twice.npy", saved(np.ones((3, 4))), max_duplicates=2), np.ones((4, 3)))
    np.testing.assert_array_equal(read_upload("spreadsheet.csv", b"\xef\xbb\xbf1,-1\n"), [[1], [-1]])
    np.testing.assert_array_equal(read_upload("gray.npy", saved(3 + ONES), scaling="range"), ONES.T)


def test_what_cannot_be_served_is_refused(tmp_path, monkeypatch):
    grey = tmp_path / "grey.npy"
    np.save(grey, np.arange(6).reshape(2, 3))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for given, message in [
            *(({"address": address}, f"address must be .*; got {address!r}") for address in ("::1", "")),
            *(({"port": number}, f"port must be .*; got {number}") for number in (-1, 70000)),
            ({"patterns": tmp_path / "no.npy"}, r"no\.npy cannot be read: No such file"),
            ({"patterns": grey}, r"grey\.npy"),
            ({"patterns": grey, "threshold": math.nan}, "threshold must be"),
            ({"patterns": "/dev/zero"}, "is not a file"),
            ({"port": port}, f"port {port}: Address already in use .*, or 0 for any free one"),
            ({"address": "192.0.2.1", "port": 0}, r"cannot listen on address '192\.0\.2\.1', port 0: Cannot assign"),
        ]:
            with pytest.raises(aj.InputError, match=message):
                serve(show=False, **given)
    monkeypatch.setitem(sys.modules, "panel", None)
    with pytest.raises(aj.InputError, match=r"pip install 'astrojax-memory\[explore\]'"):
        serve()


def test_the_verdict_names_what_was_recalled_or_the_status():
    found = solved(START.change(num_patterns=1, target=0))
    assert found.verdict(START) == "Recalled"
    failed = replace(found, statuses={"memory": aj.Status.MAX_STEPS, "hopfield": aj.Status.OK}, final_gains=np.full(40, np.nan))
    assert failed.verdict(START).startswith("MAX_STEPS: The horizon was not reached")
    said = readout(START, make_problem(START, UPLOADED), failed, "")
    assert "MAX_STEPS" in said
    assert "nan" not in said
    lost = replace(found, gains=found.gains * np.nan, shown=found.shown * 0 - 1)
    assert all(np.isnan(course_of(lost)[f"gain{place}"]).all() for place in range(len(found.shown)))


def test_programs_that_failed_or_were_dropped_are_compiled_again(monkeypatch):
    monkeypatch.setattr(compute, "_programs", {})
    monkeypatch.setattr(compute, "MOST_PROGRAMS", 1)
    settings = START.change(**exploring("hopfield"))
    problem = make_problem(settings, UPLOADED)
    with monkeypatch.context() as broken:
        broken.setattr(compute, "_solve", lambda *_, **__: 1 / 0)
        assert isinstance(compute.program(settings, problem).exception(), ZeroDivisionError)
    first = compute.program(settings, problem)
    assert first.exception() is None
    assert compute.program(settings.change(slope=1.0), problem) is first
    assert compute.program(START, make_problem(START, UPLOADED)).exception() is None
    assert compute.program(settings, problem) is not first  # which was dropped


@pytest.mark.filterwarnings("ignore:Widget.name:PendingDeprecationWarning")
def test_a_failure_is_shown_until_the_next_answer(monkeypatch):
    monkeypatch.setattr(app.Explorer, "_changed", lambda *_: None)
    monkeypatch.setattr(app.Explorer, "_later", lambda _, show: show())
    explorer, failed = app.Explorer(), Future()
    failed.set_exception(MemoryError("too much"))
    explorer._compiled(failed)
    assert explorer.message.object == '<div role="alert">No answer: too much</div>'
    explorer._show(START, make_problem(START, UPLOADED), solved(START), "", 0)
    assert explorer.message.object == ""
