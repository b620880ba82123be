"""The explorer, without a browser: what it computes, what it writes, and what it refuses."""

import base64
import contextlib
import functools
import io
import logging
import math
import os
import re
import socket
import sys
import types
import zipfile
from concurrent.futures import Future
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml
from tornado.httpclient import AsyncHTTPClient

import astrojax as aj
from astrojax.config.load import parse_config
from astrojax.explore import _check, serve, server
from astrojax.explore import app as page
from astrojax.explore import compute as recall
from astrojax.explore.compute import Problem, answer, posed, program, read_upload
from astrojax.explore.diagnosis import MOST_TRIED, explain
from astrojax.explore.presentation import pictures_of
from astrojax.explore.settings import SCORES, SOURCES, Settings
from astrojax.models.astrocyte import GAIN_REGIMES

UPLOADED = np.asarray(aj.random_patterns(jax.random.key(5), num_neurons=25, num_patterns=40), np.float32)
"""One shape for all tests, so that one program is compiled."""

START = Settings(source="file", file="mine.npy", num_neurons=25, num_patterns=20, target=3, num_flips=5)


ONES = np.where(np.arange(12).reshape(3, 4) % 5 > 1, 1.0, -1.0)


@pytest.fixture
def no_programs(monkeypatch):
    monkeypatch.setattr(recall, "_programs", {})


@pytest.fixture(scope="module")
def served():
    """Servers by address, which are not run: a test runs their loop for its request."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "prepare", lambda: None)
        running = functools.cache(lambda address: server.server_of(address, 0, None))
        yield running
        for address in ("127.0.0.1", "0.0.0.0"):
            running(address).stop()


def saved(rows, **arrays):
    file = io.BytesIO()
    np.savez(file, **arrays) if arrays else np.save(file, rows)
    return file.getvalue()


def solved(settings):
    return answer(settings, posed(settings, UPLOADED))


def test_no_slider_compiles_anything(caplog):
    def compiled(settings):
        caplog.clear()
        with jax.log_compiles(), caplog.at_level(logging.WARNING):
            answer(settings, problems[settings])
        return sum("Compiling jit(_solve)" in record.getMessage() for record in caplog.records)

    moved = {
        "num_patterns": 7,
        "target": 6,
        "num_flips": 1,
        "temperature": 3.0,
        "tau_x": 0.1,
        "tau_p": 20.0,
        "slope": 1.0,
        "t1": 70.0,
    }
    settings = [START, *(replace(START, **{name: value}) for name, value in moved.items())]
    problems = {one: posed(one, UPLOADED) for one in settings}
    assert [compiled(one) for one in settings] == [1] + [0] * len(moved)


def test_the_python_text_recalls_what_is_shown(tmp_path, monkeypatch):
    """The script is what a user would write: so this compares an answer, masked and padded, with direct calls."""
    monkeypatch.chdir(tmp_path)
    np.save("mine.npy", UPLOADED.T + 0.25)
    settings = replace(START, threshold=0.25, flipped=(0, 7, 8, 11, 24), temperature=0.02)
    problem, found = posed(settings, UPLOADED), solved(settings)
    printed, names = io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        exec(settings.python(), names)
    patterns, target, query, memory, recall = (names[name] for name in ("patterns", "target", "query", "memory", "recall"))
    np.testing.assert_array_equal(query, problem.query)
    assert patterns.shape == (25, 20)
    assert printed.getvalue() == f"OK: {found.errors['astrocyte']:g} of 25 wrong\n"
    np.testing.assert_allclose(found.rates[-1], memory.readout(recall.state), atol=1e-3)
    np.testing.assert_allclose(found.gains[-1], recall.gains[found.shown], atol=1e-3)
    np.testing.assert_allclose(found.overlaps[-1], memory.overlaps(recall.state)[found.shown] / 25, atol=1e-3)
    np.testing.assert_allclose(found.energy[-1], memory.energy(recall.state), rtol=1e-3)
    assert found.shown[0] == settings.target
    assert found.winner == jnp.argmax(recall.gains)
    evidence = aj.Flips().evidence(jnp.asarray(5.0), 25)
    np.testing.assert_array_equal(found.signs["bayes"], aj.bayes_decoder(patterns, query, evidence, signed=False))
    nearest = aj.nearest_pattern(jax.random.key(0), patterns, query, signed=False)
    np.testing.assert_array_equal(found.signs["nearest"], nearest)
    hopfield = aj.retrieve(aj.HopfieldMemory(patterns), query, t1=settings.t1)
    np.testing.assert_array_equal(found.signs["hopfield"], jnp.sign(hopfield.x))
    assert found.errors["hopfield"] == aj.hamming_error(target, hopfield.x)


def test_energy_falls_and_gains_add_up_to_one_where_all_are_shown():
    found = solved(replace(START, num_patterns=4))
    assert np.all(np.diff(found.energy) <= 1e-3)
    there = found.shown >= 0
    assert there.sum() == 4
    np.testing.assert_allclose(found.gains[:, there].sum(axis=1), 1, atol=1e-5)


def test_pictures_keep_the_sign_of_every_rate():
    found = solved(START)
    faint = replace(found, rates=np.where(np.arange(25) == 3, 0, found.rates * 1e-6))
    for one in (found, faint):
        pictures = pictures_of(START, posed(START, UPLOADED), one)
        sent = np.frombuffer(base64.b64decode(pictures["rates"]), np.uint8).reshape(one.rates.shape) / 127 - 1
        np.testing.assert_array_equal(np.sign(sent), np.sign(one.rates))
        np.testing.assert_allclose(sent, one.rates, atol=1 / 127)
    assert pictures["columns"] == 5
    assert pictures["answers"]["bayes"] == "".join("+" if sign > 0 else "-" for sign in found.signs["bayes"])


def test_the_verdict_is_in_words():
    found = solved(replace(START, num_patterns=1, target=0))
    assert found.verdict(START) == "Recalled"
    wrong = replace(found, errors={"astrocyte": 9.0}, kind=aj.EquilibriumKind.MEMORY, pattern=8, sign=-1)
    assert wrong.verdict(START) == "Negative of a wrong pattern: number 8"
    assert replace(wrong, pattern=3).verdict(START) == "Nearly the negative of the target"
    assert replace(wrong, errors={"astrocyte": 25.0}).verdict(START) == "The negative of the target"
    assert replace(wrong, kind=aj.EquilibriumKind.MIXTURE, num_mixed=3).verdict(START) == "A mixture of 3 patterns"
    assert replace(wrong, statuses={"astrocyte": aj.Status.MAX_STEPS}).verdict(START).startswith("MAX_STEPS: the horizon")


@pytest.mark.usefixtures("no_programs")
def test_sessions_share_a_program_which_keeps_no_answer():
    problem = posed(START, UPLOADED)
    first = program(START, problem)
    assert program(replace(START, temperature=1.0), problem) is first
    assert first.result() is None


@pytest.mark.usefixtures("no_programs")
def test_what_could_not_be_compiled_once_is_tried_again(monkeypatch):
    problem = posed(START, UPLOADED)
    with monkeypatch.context() as broken:
        broken.setattr(recall, "_solve", lambda *_, **__: 1 / 0)
        failed = program(START, problem)
        with pytest.raises(ZeroDivisionError):
            failed.result()
    assert program(START, problem).exception() is None


@pytest.mark.usefixtures("no_programs")
def test_programs_are_given_up_before_they_are_too_many(monkeypatch):
    monkeypatch.setattr(recall, "MOST_PROGRAMS", 2)
    answer(START, posed(START, UPLOADED))
    assert recall._solve._cache_size() > 0
    monkeypatch.setattr(recall, "answer", lambda settings, problem: None)
    sizes = []
    for size in range(1, 6):
        program(START, Problem(UPLOADED[:, :size], UPLOADED[:, 0], UPLOADED[:, 0])).result()
        sizes.append(len(recall._programs))
    assert sizes == [1, 2, 1, 2, 1]
    assert recall._solve._cache_size() == 0


@pytest.mark.filterwarnings("ignore:Widget.name:PendingDeprecationWarning")
def test_a_failure_is_said_once_and_taken_back_by_the_next_answer(monkeypatch):
    problem, found = posed(START, UPLOADED), solved(START)
    tried = []
    monkeypatch.setattr(page.Explorer, "_changed", lambda *_: tried.append(True))
    explorer = page.Explorer()
    tried.clear()
    monkeypatch.setattr(explorer, "_later", lambda show: show())
    failed = Future()
    failed.set_exception(MemoryError("too much"))
    explorer.verdict.object = page.COMPILING
    explorer._compiled(failed)
    assert explorer.message.object == '<div role="alert">No answer: too much</div>'
    assert explorer.verdict.object == ""
    assert not tried
    explorer._show(START, problem, found, "", 0)
    assert explorer.message.object == ""
    explorer._refuse("pattern file mine.npy cannot be read")
    explorer._show(START, problem, found, "", 0)
    assert "mine.npy cannot be read" in explorer.message.object


@pytest.mark.filterwarnings("ignore:Widget.name:PendingDeprecationWarning")
@pytest.mark.parametrize("content", [b"", ONES * 2, ONES[0], b"x" * 11 * 2**20], ids=["empty", "not ±1", "no table", "large"])
def test_nothing_is_shown_for_a_file_that_is_refused(content, monkeypatch):
    problem, found = posed(START, UPLOADED), solved(START)
    monkeypatch.setattr(page.Explorer, "_changed", lambda *_: None)
    monkeypatch.setattr(page.Explorer, "_later", lambda _, show: show())
    explorer = page.Explorer()
    assert all(len(column) == 0 for column in explorer.course.data.values())
    explorer.source.value = "file"

    def offer(data):
        data = data if isinstance(data, bytes) else saved(data)
        explorer.upload.file = {"name": "mine.npy", "size": len(data), "data": base64.b64encode(data).decode()}
        explorer._show(START, problem, found, "", 0)  # an answer to what was chosen before may come late

    offer(ONES)
    assert explorer.message.object == ""
    assert explorer.figures.css_classes == []
    assert all(len(column) == len(found.times) for column in explorer.course.data.values())
    offer(content)
    assert "mine.npy" in explorer.message.object
    assert explorer.verdict.object == ""
    assert all(len(column) == 0 for column in explorer.course.data.values())
    for part in (explorer.pictures, explorer.figures, explorer.texts):
        assert part.css_classes == ["empty"]


@pytest.mark.parametrize(
    ("address", "host", "origin", "status"),
    [
        ("127.0.0.1", "127.0.0.1:{port}", None, 200),
        ("127.0.0.1", "LOCALHOST:{port}", "http://localhost:{port}", 200),
        ("127.0.0.1", "localhost:9000", "http://localhost:9000", 200),  # through a tunnel
        ("127.0.0.1", "evil.example", None, 403),
        ("127.0.0.1", "evil.example:{port}", "http://evil.example:{port}", 403),
        ("127.0.0.1", "127.0.0.1.evil.example", None, 403),
        ("127.0.0.1", "192.0.2.1:{port}", None, 403),
        ("127.0.0.1", "127.0.0.1:{port}", "http://evil.example", 403),
        ("127.0.0.1", "127.0.0.1:{port}", "http://127.0.0.1:1", 403),
        ("127.0.0.1", "127.0.0.1:{port}", "null", 403),
        ("0.0.0.0", "192.0.2.1:{port}", "http://192.0.2.1:{port}", 200),
        ("0.0.0.0", socket.gethostname(), None, 200),
        ("0.0.0.0", "evil.example:{port}", None, 403),
    ],
)
def test_only_its_own_name_and_pages_reach_the_server(address, host, origin, status, served):
    running = served(address)
    headers = {"Host": host} | ({} if origin is None else {"Origin": origin})
    headers = {name: value.format(port=running.port) for name, value in headers.items()}
    for path in ("", "ws", "static/js/bokeh.min.js"):
        request = AsyncHTTPClient().fetch(f"http://127.0.0.1:{running.port}/{path}", headers=headers, raise_error=False)
        found = running.io_loop.run_sync(lambda request=request: request)
        assert (found.code == 403) == (status == 403), path


TROUBLES = {
    "tau_x": {"tau_x": 0.01},
    "temperature": {"temperature": 5.0, "target": 1},
    "t1": {"t1": 1.0, "tau_x": 100.0},
    "slope": {"slope": 0.2},
}


@pytest.mark.parametrize("remedy", TROUBLES)
def test_a_failed_recall_is_explained_by_a_change_that_recalls_the_target(remedy):
    settings = replace(START, target=0) if remedy != "temperature" else START
    settings = replace(settings, **TROUBLES[remedy])
    problem, found, tried = posed(settings, UPLOADED), solved(settings), []

    def solve(changed):
        tried.append((changed, answer(changed, problem)))
        return tried[-1][1]

    said = explain(settings, problem, found, solve)
    assert found.errors["astrocyte"] > 0
    assert 1 <= len(tried) <= MOST_TRIED
    changed, recalled = tried[-1]
    assert [name for name, value in vars(changed).items() if value != getattr(settings, name)] == [remedy]
    assert recalled.errors["astrocyte"] == 0
    assert f"= {getattr(changed, remedy):g}," in said
    assert explain(settings, problem, found, lambda _: found) != said
    if remedy == "tau_x":
        nearer, won = (float(number.rstrip(",;")) for number in re.findall(r"t ≈ (\S+)", said))
        overlaps, gains = np.abs(found.overlaps), found.gains
        assert np.all((overlaps[:, 1] >= overlaps[:, 0])[found.times < 0.95 * nearer] == 0)
        assert np.all(gains[:, 1][found.times > 1.05 * won] > 0.5)
        assert np.all(gains[:, 1][found.times < 0.9 * won] < 0.5)
        assert nearer < won
        assert f"pattern {found.shown[1]} " in said


def test_frozen_gains_are_helped_by_fewer_patterns():
    settings = replace(START, gain_regime="frozen", target=0)
    problem, failed = posed(settings, UPLOADED), solved(replace(START, tau_x=0.01, target=0))

    def solve(changed):
        return replace(failed, errors={"astrocyte": 0.0 if changed == replace(settings, num_patterns=3) else 9.0})

    assert "K = 3" in explain(settings, problem, failed, solve)


def test_a_query_that_is_not_nearest_to_its_target_is_the_reason_and_nothing_is_tried():
    for drawn, named in {(1, 11): "pattern", (0, 25): "negative"}.items():
        target, flips = drawn
        settings = replace(START, target=target, num_flips=flips)
        problem, found = posed(settings, UPLOADED), solved(settings)
        assert found.errors["astrocyte"] > 0
        said = explain(settings, problem, found, lambda _: pytest.fail("nothing can help"))
        assert named in said
        overlaps = np.abs(problem.query @ problem.patterns)[:20]
        assert f"{overlaps[settings.target] / 25:.2f}" in said
        assert (np.argmax(overlaps) != settings.target) == (named == "pattern")


def test_what_was_recalled_or_has_no_result_needs_no_reason():
    problem, found = posed(START, UPLOADED), solved(replace(START, tau_x=10.0))
    assert found.errors["astrocyte"] == 0
    never = functools.partial(pytest.fail, "nothing to be tried")
    assert explain(START, problem, found, never) == ""
    failed = replace(found, errors={"astrocyte": 3.0}, statuses={"astrocyte": aj.Status.MAX_STEPS})
    assert explain(START, problem, failed, never) == ""


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("regime", GAIN_REGIMES)
def test_the_yaml_is_the_configuration_of_a_run(source, regime, tmp_path):
    for score, (kind, order) in SCORES.items():
        given = {"file": "mine.npz", "array": "a", "threshold": 0.5, "max_duplicates": 3} if source == "file" else {}
        settings = replace(START, source=source, score=score, gain_regime=regime, tau_p=1e-3, t1=7.0, num_flips=4, **given)
        config = parse_config(yaml.safe_load(settings.yaml()), folder=tmp_path)
        memory = config.models["astrocyte"]
        assert (memory.score, memory.order, memory.gain_regime, memory.tau_p) == (kind, order, regime, 1e-3)
        assert config.retrieval.t1 == 7
        assert (config.axes.num_patterns, config.axes.num_flips) == ([20], [4])
        assert config.patterns.kind == source
        if source == "file":
            assert (config.patterns.path, config.patterns.threshold) == (tmp_path / "mine.npz", 0.5)
            assert config.patterns.max_duplicates == 3


@pytest.mark.parametrize("source", ["digits", "random"])
def test_the_python_text_has_the_patterns_and_the_query_that_are_shown(source):
    settings = replace(START, source=source, seed=4, flip_seed=2)
    names = {}
    exec(settings.python().partition("memory = ")[0], names)
    problem = posed(settings, None)
    np.testing.assert_array_equal(names["patterns"], problem.patterns[:, :20])
    np.testing.assert_array_equal(names["query"], problem.query)


def zipped(how, content=None):
    """An archive of one member, in which 20 MB of zeros take some kilobytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", getattr(zipfile, f"ZIP_{how.upper()}")) as archive:
        archive.writestr("a.npy", content or saved(np.zeros((200, 100_000), np.int8)))
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("mine.txt", b"1,-1", "mine.txt must end in .npy, .npz or .csv"),
        ("mine.npy", b"nothing", "mine.npy cannot be read"),
        ("mine.npy", saved(np.ones((2, 3, 4, 5))), r"must be a table .* shape \(2, 3, 4, 5\)"),
        ("mine.npy", saved(np.array([["a"]])), "must hold real numbers"),
        ("mine.npy", saved(np.where(ONES > 0, np.nan, ONES)), "must be finite"),
        ("mine.npy", saved(ONES * 2), "must be -1 or .* give a threshold"),
        ("mine.npy", saved(np.tile(ONES[:1], (2, 1))), "1 rows repeat an earlier one"),
        ("mine.npz", saved(None, a=ONES, b=ONES), r"holds the arrays \['a', 'b'\]"),
        ("mine.csv", b"1,-1\n1,x\n", "cannot be read"),
        ("mine.npy", bytes(11 * 2**20), "has 11.0 MiB; the explorer takes at most 10 MiB"),
        ("mine.npy", saved(np.ones((1, 4097))), r"in rows of at most 4,096; got an array of shape \(1, 4097\)"),
        ("../mine.npy", saved(np.eye(1001, dtype=np.int8) * 2 - 1), r"at most 1,000,000 entries, .* \(1001, 1001\)"),
        ("mine.npz", zipped("deflated"), "mine.npz cannot be read: .* more than 10 MiB"),
        ("mine.npz", zipped("bzip2"), "must be compressed as numpy.savez_compressed does it, or not at all"),
        ("mine.npz", zipped("deflated", b"words"), "mine.npz cannot be read: .*magic"),
        ("mine.csv", b"1,-1\n" * 500_001, r"got an array of shape \(500001, 2\)"),
        ("..", saved(ONES), r"\.\. must end in .npy, .npz or .csv"),
        ("", saved(ONES), "must end in .npy, .npz or .csv"),
        ("a\0b" + "c" * 300 + ".npy", saved(ONES * 2), "must be -1 or"),
    ],
)
def test_a_bad_upload_says_what_is_wrong_with_it(name, data, message):
    with pytest.raises(aj.InputError, match=message) as refused:
        read_upload(name, data, None, None)
    assert "/" not in str(refused.value)


def test_an_upload_is_read_as_a_pattern_file():
    np.testing.assert_array_equal(read_upload("mine.npy", saved(ONES), None, None), ONES.T)
    np.testing.assert_array_equal(read_upload("mine.npz", saved(None, a=ONES, b=3 + ONES), "b", 3.0), ONES.T)
    np.testing.assert_array_equal(read_upload("C:\\data\\mine.csv", b"1,-1\n-1,-1\n", None, None), [[1, -1], [-1, -1]])
    np.testing.assert_array_equal(read_upload("twice.npy", saved(np.ones((3, 4))), None, None, 2), np.ones((4, 3)))
    np.testing.assert_array_equal(read_upload("spreadsheet.csv", b"\xef\xbb\xbf1,-1\n", None, None), [[1], [-1]])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"address": "::1"}, "address must be a host name or an IPv4 address, such as '127.0.0.1'; got '::1'"),
        ({"address": 3}, "address must be .*; got 3"),
        ({"address": ""}, "address must be .*; got ''"),
        ({"port": "x"}, "port must be an integer from 0 to 65535; got 'x'"),
        ({"port": -1}, "port must be an integer from 0 to 65535; got -1"),
        ({"patterns": 3}, "patterns must be the path of a pattern file, or None; got 3"),
    ],
)
def test_what_is_no_address_port_or_file_is_refused(given, message):
    with pytest.raises(aj.InputError, match=message):
        _check(**{"address": "127.0.0.1", "port": 0, "patterns": None} | given)


@pytest.mark.parametrize(
    ("address", "printed"),
    [
        ("127.0.0.1", ["The explorer is at http://127.0.0.1:7/ (stop it with Ctrl-C)"]),
        ("0.0.0.0", ["Anybody who can reach this machine can use", "The explorer is at http://127.0.0.1:7/ "]),
        ("192.0.2.1", ["Anybody who can reach 192.0.2.1 can use", "The explorer is at http://192.0.2.1:7/ "]),
    ],
)
def test_the_address_printed_is_one_that_can_be_opened(address, printed, monkeypatch, capsys):
    loop = types.SimpleNamespace(start=lambda: None)
    found = types.SimpleNamespace(port=7, io_loop=loop, stop=lambda: None)
    monkeypatch.setattr(server, "server_of", lambda *given: found)
    serve(address=address, port=0, show=False)
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(start) for line, start in zip(lines, printed, strict=True))


def test_what_cannot_be_served_is_refused(tmp_path, monkeypatch):
    with pytest.raises(aj.InputError, match="port must be an integer from 0 to 65535; got 70000"):
        serve(port=70000)
    with pytest.raises(aj.InputError, match=r"no\.npy cannot be read: No such file"):
        serve(patterns=tmp_path / "no.npy")
    with monkeypatch.context() as without:
        without.setattr(server, "server_of", lambda *_: pytest.fail("it is served"))
        np.save(tmp_path / "grey.npy", np.arange(6).reshape(2, 3))
        np.save(tmp_path / "cube.npy", np.ones((2, 2, 2)))
        for name, how in {"grey": {}, "cube": {"threshold": 0.5}}.items():
            with pytest.raises(aj.InputError, match=f"{name}.npy"):
                serve(patterns=tmp_path / f"{name}.npy", **how)
        with pytest.raises(aj.InputError, match="threshold must be"):
            serve(patterns=tmp_path / "grey.npy", threshold=math.nan)
    os.mkfifo(tmp_path / "pipe.npy")
    for path in (tmp_path / "pipe.npy", "/dev/zero"):
        with pytest.raises(aj.InputError, match="is not a file"):
            serve(patterns=path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(aj.InputError, match=f"port {port} is in use; choose another, or 0"):
            serve(port=port, show=False)
    with pytest.raises(aj.InputError, match=r"address '192\.0\.2\.1' is none that this machine can listen on"):
        serve(address="192.0.2.1", port=0, show=False)
    with pytest.raises(aj.InputError, match="is none that this machine can listen on"):
        serve(address="a" * 70, port=0, show=False)
    monkeypatch.setitem(sys.modules, "panel", None)
    with pytest.raises(aj.InputError, match=r"pip install 'astrojax-memory\[explore\]'"):
        serve()
