"""What is packaged: examples that can be read, help that can be followed, and metadata that agree."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import astrojax as aj
from astrojax._internal import version as _version
from astrojax.cli.main import COMMANDS, make_parser
from astrojax.config import examples
from astrojax.config.load import read
from astrojax.config.run import Config
from astrojax.config.tune import TuneConfig
from astrojax.storage.provenance import versions

from . import bounds

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_example_is_a_configuration_named_by_its_file_that_says_what_it_is():
    commands = {name: examples.kind(name) for name in examples.names()}
    assert commands == {"first": "run", "digits": "run", "tune": "tune"}
    for name, command in commands.items():
        assert read(f"example:{name}", Config if command == "run" else TuneConfig).name == name
        assert examples.path_of(name).read_text().startswith("# ")
        assert 20 < len(examples.about(name)) < 128
    assert aj.load_config("example:first", trials=7).trials == 7


def test_every_command_has_a_summary_examples_that_parse_and_exit_statuses():
    parser, commands = make_parser()
    overview = parser.format_help()
    assert set(commands) == set(COMMANDS)
    for name, command in commands.items():
        assert overview.count(f"\n  {name} ") == 1
        text = command.format_help()
        assert "exit status: 0" in text
        lines = [line.strip() for line in text.partition("examples:\n")[2].splitlines() if line.startswith("  ")]
        own = [shlex.split(line.partition("|")[0].partition(" > ")[0], comments=True) for line in lines]
        own = [words for words in own if words[:2] == ["astrojax", name]]
        assert own
        for words in own:
            options, rest = parser.parse_known_args(words[1:])
            assert options.command == name
            assert all(word.startswith("--") or word.isdigit() for word in rest)


def test_every_dependency_has_a_lower_bound_and_the_tested_versions_lie_within_the_bounds():
    lines = (line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines()[1:])
    tested = {canonicalize_name(name): version for name, _, version in lines}
    needs = [Requirement(need) for need in bounds.requirements()]
    assert {need.name for need in needs if not any(one.operator == ">=" for one in need.specifier)} == set()
    assert {need.name for need in needs if not need.specifier.contains(tested[canonicalize_name(need.name)])} == set()
    assert [str(Requirement(pin)) for pin in bounds.lowest()] == bounds.lowest()


def test_extras_are_those_of_this_distribution_wherever_they_are_named():
    """`astrojax` on the package index is another project."""
    named = re.compile(r"pip install (-\S+ )*['\"]?astrojax(?![-_]memory)|\bastrojax\[[a-z]")
    folders = ("astrojax", "docs", "experiments", "benchmarks")
    pages = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md", ".html")]
    files = [*pages, *ROOT.glob("*.md"), ROOT / "pyproject.toml", ROOT / "Makefile", ROOT / "CITATION.cff"]
    assert [path for path in files if named.search(path.read_text(encoding="utf-8"))] == []


def test_the_version_of_a_checkout_names_its_commit():
    found = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True)
    if found.returncode:
        pytest.skip("not a checkout")
    head = found.stdout.strip()
    commit = _version.commit()
    assert commit["id"] == head
    dirty = "" if commit["clean"] else r"\.dirty"
    assert re.fullmatch(rf"{_version.RELEASE}|{_version.RELEASE}\.dev\d{{12}}\+g{head[:12]}{dirty}", aj.__version__)
    assert Version(aj.__version__).public.startswith(_version.RELEASE)


@pytest.mark.parametrize(
    ("installed", "commit"),
    [
        ("0.2.0.dev202611280822+g1a2b3c4d5e6f", {"id": "1a2b3c4d5e6f", "clean": True}),
        ("0.2.0.dev202611280822+g1a2b3c4d5e6f.dirty", {"id": "1a2b3c4d5e6f", "clean": False}),
        ("0.2.0", {"id": "v0.2.0", "clean": True}),
        ("0.2.0.dev0", None),
    ],
)
def test_an_installed_package_knows_the_commit_it_was_built_from(installed, commit, monkeypatch):
    monkeypatch.setattr(_version, "_checkout", lambda: None)
    monkeypatch.setattr(_version.metadata, "version", {_version.DISTRIBUTION: installed}.__getitem__)
    assert aj.__version__ == versions()["astrojax"] == installed
    assert _version.commit() == commit


def test_the_version_is_found_when_a_wheel_is_built_where_nothing_is_installed():
    """As Hatchling does: the file by itself, with the standard library."""
    told = PROJECT["tool"]["hatch"]["version"]
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["project"]["name"] == _version.DISTRIBUTION
    command = f"import runpy; print(eval({told['expression']!r}, runpy.run_path({str(ROOT / told['path'])!r})))"
    found = subprocess.run([sys.executable, "-I", "-S", "-c", command], capture_output=True, text=True, check=True)
    assert found.stdout.startswith(_version.RELEASE)
