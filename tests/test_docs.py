"""What the documentation says runs: every block of Python, every configuration, every command.

The pages that `make docs` has built ask no other host for anything, and show every equation.
"""

import contextlib
import functools
import http.server
import importlib
import linecache
import re
import shlex
import threading
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import jax
import numpy as np
import pytest
import yaml
from markdown_it import MarkdownIt

import astrojax as aj
from astrojax._internal import own_code
from astrojax.cli import main
from astrojax.cli.main import make_parser
from astrojax.config.run import Config
from astrojax.config.tune import TuneConfig
from astrojax.config.validation import parse, read

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if "generated" not in path.parts)]


def blocks(page, *languages):
    """Blocks of code of a page in some languages, with their languages and the lines they start at."""
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "fence" and token.info.split()[:1] and token.info.split()[0] in languages:
            yield token.info.split()[0], token.map[0] + 1, token.content


def test_the_reference_has_every_public_name():
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference").glob("*.md"))
    assert sorted(re.findall(r"^\.\. auto\w+:: astrojax\.(\w+)$", pages, re.MULTILINE)) == aj.__all__


def write_files(page, folder):
    """Write the files that a page shows: blocks that begin with a comment that names one."""
    for _, _, text in blocks(page, "python", "yaml"):
        if named := re.match(r"# (\w+\.\w+)\n", text):
            (folder / named[1]).write_text(text, encoding="utf-8")


LONG = ("tuning.md", "extending.md", "comparing.md", "figures.md", "equinox.md")
"""Pages whose blocks of Python take long."""


def pages_with(*languages):
    pages = [page for page in PAGES if list(blocks(page, *languages))]
    slow = [[pytest.mark.slow] * (page.name in LONG and "python" in languages) for page in pages]
    names = [str(page.relative_to(ROOT)) for page in pages]
    params = [pytest.param(page, marks=marks, id=name) for page, marks, name in zip(pages, slow, names, strict=True)]
    return pytest.mark.parametrize("page", params)


@contextlib.contextmanager
def as_users_have_it():
    """JAX as it is without the strictness of the tests, whatever a page does to its precision."""
    jax.config.update("jax_enable_x64", False)
    try:
        with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
            yield
    finally:
        jax.config.update("jax_enable_x64", True)


@pages_with("python")
def test_every_block_of_python_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    namespace = {"__name__": "__main__"}
    with as_users_have_it():
        for language, line, code in blocks(page, "python", "yaml"):
            if language == "yaml":  # the file that the blocks after it are about
                Path("mine.yaml").write_text(code)
            else:  # as a cell of a notebook
                cell = f"<{page.name}, line {line}>"
                linecache.cache[cell] = (len(code), None, code.splitlines(keepends=True), cell)
                exec(compile(code, cell, "exec"), namespace)


@pages_with("yaml")
def test_every_configuration_is_allowed(page, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    write_files(page, tmp_path)
    for _, line, text in blocks(page, "yaml"):
        content = yaml.safe_load(text)
        kind = TuneConfig if set(content) - set(Config.model_fields) else Config
        known = set(kind.model_fields)
        assert set(content) <= known, f"{page}:{line}"
        if {"axes", "models"} <= set(content) or {"axes", "model"} <= set(content):
            parse(content, kind, folder=tmp_path, trust=True)


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """The file of all examples of parts that one can bring, and all lines of configurations that use them, put together."""
    page, folder = ROOT / "docs" / "guides" / "roles.md", tmp_path_factory.mktemp("roles")
    python = "".join(text for _, _, text in blocks(page, "python"))
    (folder / "mine.py").write_text(python, encoding="utf-8")
    content = {"models": {}, "axes": {"num_patterns": [3]}}
    for _, _, text in blocks(page, "yaml"):
        for section, given in yaml.safe_load(text).items():
            content[section] = content.get(section, {}) | given if isinstance(given, dict) else given
    brought = set(re.findall(r"^(?:class|def) (\w+)", python, re.MULTILINE))
    assert brought == set(re.findall(r"mine\.py:(\w+)", yaml.safe_dump(content)))
    routed = [content["models"].pop(name) for name in ("exponential", "sparse", "algebraic")]
    content["models"]["routed"] = functools.reduce(lambda one, other: other | one, routed)
    with pytest.MonkeyPatch.context() as patch, as_users_have_it():
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        jax.config.update("jax_numpy_dtype_promotion", "standard")  # in all threads
        yield folder, content


def test_every_part_one_can_bring_runs_from_a_configuration(everything):
    folder, content = everything
    run = {name: given for name, given in content.items() if name != "loss"} | {"trials": 2, "retrieval": {"num_steps": 80}}
    stored = aj.run(parse(run, Config, folder=folder, trust=True), folder / "run").load()
    assert (stored["status"] == 0).all()
    assert sorted(stored.model.values) == ["projection", "routed"]
    assert sorted(stored.decoder.values) == ["nearest_signed", "shown_entries"]
    highest, passed = stored["highest_overlap"], stored["recall_time"]
    assert ((highest <= 1) & (highest >= -1)).all()
    assert (~np.isfinite(passed) | (highest >= 0.8)).all()
    assert ((stored["block_error"] == 0) == (stored["success"] == 1)).all()
    wrong = stored["decoder_error"].sel(decoder="shown_entries") / 24  # the query: half of its random entries
    assert abs(float((wrong - stored.noisy_share / 2).mean())) < 0.15


@pytest.mark.slow
def test_a_loss_one_brings_is_minimized(everything):
    folder, content = everything
    search = {name: content[name] for name in ("patterns", "corruption", "axes", "loss")}
    search |= {"model": content["models"]["routed"], "parameters": ["sharpness"], "heldout_trials": 2}
    search |= {"landscape": {"size": 0}, "search": {"num_steps": 3, "batch_size": 8, "validation_size": 8}}
    found = aj.run_search(parse(search, TuneConfig, folder=folder, trust=True), folder / "search")
    assert np.isfinite(found.best.loss)
    assert found.best.score == "ExponentialScore"


@pytest.mark.slow
def test_an_idea_becomes_a_figure_by_the_commands_of_the_guide(tmp_path, monkeypatch):
    write_files(ROOT / "docs" / "guides" / "extending.md", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "trusted"))
    small = {"--search.num_steps": "2", "--search.batch_size": "8", "--search.validation_size": "8", "--heldout_trials": "2"}
    with as_users_have_it():
        jax.config.update("jax_numpy_dtype_promotion", "standard")  # in all threads
        assert main(["run", "run.yaml", "--trust", "--quiet", "--trials", "2", "--axes.num_patterns", "[10]"]) == 0
        assert main(["tune", "tune.yaml", "--trust", "--quiet", "--landscape.size", "0", *sum(small.items(), ())]) == 0
        own_code._trusted.clear()  # as in another process, of someone who trusts nothing
        own_code._modules.clear()
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nothing"))
        assert main(["show", "runs/run", "--html", "--quiet"]) == 0
        assert main(["show", "runs/tune", "--quiet"]) == 0
        assert main(["show", "runs/tune/heldout/tuned", "--quiet"]) == 0
    assert list((tmp_path / "runs" / "run" / "figures").iterdir())


@pages_with("console", "bash")
def test_every_command_is_understood(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    write_files(page, tmp_path)
    for _, _, text in blocks(page, "yaml"):  # the file that commands are about
        (tmp_path / "mine.yaml").write_text(text)
    parser, _ = make_parser()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for _, line, text in blocks(page, "console", "bash"):
        for command in text.splitlines():
            words = shlex.split(command.removeprefix("$ "), comments=True)
            if words[:1] == ["make"]:
                assert {word for word in words[1:] if "=" not in word} <= targets, f"{page}:{line}: {command}"
            elif words and words[0].endswith("astrojax") and words[1].startswith("-"):
                assert words[1] in parser.options(), f"{page}:{line}: {command}"
            elif words and words[0].endswith("astrojax"):
                options, rest = parser.parse_known_args(words[1:])
                assert not rest or options.command in ("run", "tune"), f"{page}:{line}: {command}"
                if rest:
                    read(options.config, {"run": Config, "tune": TuneConfig}[options.command], rest)


def test_the_page_of_configurations_is_up_to_date(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    generated = importlib.import_module("generated")
    page = generated.CONFIGURATION.read_text(encoding="utf-8")
    assert page == generated.configuration(), "python docs/_ext/generated.py writes it again"


def test_links_between_pages_lead_to_headings_and_files_of_the_repository():
    for page in [*PAGES, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]:
        for address in links(page):
            path, _, heading = unquote(address).partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), f"{page}: {address}"
            assert "generated" not in target.parts, f"{page}: {address}"
            assert not heading or heading in headings(target), f"{page}: {address}"


def links(page):
    """Relative addresses of links and pictures of a page."""
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(page.read_text(encoding="utf-8")):
        for part in token.children or ():
            address = part.attrGet("src" if part.type == "image" else "href")
            if address and not urlsplit(address).scheme:
                yield address


def headings(page):
    """Anchors of a page's headings, as GitHub makes them."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    titles = [text.content for before, text in pairwise(tokens) if before.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_badges_say_what_the_project_says(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    badges = importlib.import_module("badges")
    shown = re.findall(r"\(docs/badges/(\w+\.svg)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert {name: (badges.FOLDER / name).read_text(encoding="utf-8") for name in shown} == badges.badges()


BUILT = ROOT / "build" / "docs"
BUILT_PAGES = sorted(BUILT.rglob("*.html"))

when_built = pytest.mark.skipif(not BUILT_PAGES, reason="make docs has not been run")
LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|embed)[^>]+src=\"(https?:)?//|<link(?![^>]+canonical)[^>]+href=\"(https?:)?//|@import|url\(['\"]?https?:"
)


@when_built
def test_no_page_names_a_file_of_another_host():
    for page in BUILT_PAGES:
        found = LOADED.search(page.read_text(encoding="utf-8"))
        assert not found, f"{page}: {found[0]}"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def address():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(BUILT))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.slow
@when_built
def test_pages_ask_no_other_host_and_show_their_equations_in_a_browser(address, browser):
    with contextlib.closing(browser.new_page()) as tab:
        asked, faults = [], []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        for page in BUILT_PAGES:
            tab.goto(f"{address}/{page.relative_to(BUILT)}")
            if tab.locator(".math").count():
                tab.wait_for_function(
                    "document.querySelectorAll('.math').length <= document.querySelectorAll('mjx-container').length"
                )
            assert tab.locator("mjx-merror, [data-mjx-error]").count() == 0, page
            missing = tab.evaluate(
                "[...document.images].filter(image => image.complete && !image.naturalWidth).map(image => image.src)"
            )
            assert not missing, page
    assert {url for url in asked if not url.startswith((address, "data:", "blob:"))} == set()
    assert not faults
