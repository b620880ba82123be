"""What is packaged: public names, examples that can be read, help that can be followed, and metadata that agree."""

import ast
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import astrojax as aj
from astrojax._internal import version as _version
from astrojax.cli.main import GROUPS, make_parser
from astrojax.config.files import examples
from astrojax.config.run import Config
from astrojax.config.tune import TuneConfig
from astrojax.config.validation import read
from astrojax.storage.provenance import versions

from . import bounds

ROOT, PACKAGE = Path(__file__).parents[1], Path(aj.__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_example_is_a_configuration_named_by_its_file_that_says_what_it_is():
    commands = {name: example["command"] for name, example in examples().items()}
    assert commands == {"first": "run", "digits": "run", "tune": "tune"}
    for name, command in commands.items():
        assert read(f"example:{name}", Config if command == "run" else TuneConfig).name == name
        assert examples()[name]["about"]
    assert aj.load_config("example:first", trials=7).trials == 7


def test_every_command_has_a_summary_examples_that_parse_and_exit_statuses():
    parser, commands = make_parser()
    overview = parser.format_help()
    assert set(commands) == {command.__name__ for group in GROUPS.values() for command in group}
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


def test_dependencies_and_extras_are_what_modules_import():
    nodes = [node for path in PACKAGE.rglob("*.py") for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    names = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names - {"astrojax"}
    others = {"PIL": "pillow", "yaml": "pyyaml", "markdown_it": "markdown-it-py"}
    found = {canonicalize_name(others.get(name, name)) for name in names}
    declared = {canonicalize_name(Requirement(need).name) for need in bounds.requirements()}
    assert found - declared == {"dask", "pandas", "tornado"}  # which distributed, xarray and panel bring


@pytest.mark.slow
def test_the_wheel_has_the_examples_the_licence_and_all_extras(tmp_path):
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if "Could not find a version" in built.stdout + built.stderr:
        pytest.skip("the package index cannot be reached")
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
        (metadata,) = (wheel.read(name).decode() for name in names if name.endswith("/METADATA"))
    files = (path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc")
    assert {path.relative_to(ROOT).as_posix() for path in files} <= names
    assert {"astrojax/py.typed", "astrojax/config/examples/first.yaml"} <= names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert set(re.findall(r"^Provides-Extra: (.*)$", metadata, re.MULTILINE)) == set(
        PROJECT["project"]["optional-dependencies"]
    )


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


def test_public_names_resolve_and_are_those_spelled_out_for_editors():
    tree = ast.parse(Path(aj.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    spelled = {alias.asname for node in ast.walk(block) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert spelled == set(aj.__all__)
    typed = (Path(__file__).parent / "typed_use.py").read_text()
    for name in aj.__all__:
        assert getattr(aj, name) is not None
        assert re.search(rf"\baj\.{name}\b", typed), f"typed_use.py does not say what type {name} has"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        aj.nothing  # noqa: B018


def test_the_core_works_without_the_libraries_of_runs_and_reports():
    code = (
        "import sys\n"
        "names = 'pydantic zarr xarray matplotlib rich yaml dask platformdirs filelock'.split()\n"
        "sys.modules |= dict.fromkeys(names)\n"
        "import jax, astrojax as aj\n"
        "patterns = aj.random_patterns(jax.random.key(0), num_neurons=8, num_patterns=2)\n"
        "print(aj.retrieve(aj.HopfieldMemory(patterns), patterns[:, 0], t1=1.0, solver='adams').status)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "0\n"


def test_the_version_is_found_when_a_wheel_is_built_where_nothing_is_installed():
    """As Hatchling does: the file by itself, with the standard library."""
    told = PROJECT["tool"]["hatch"]["version"]
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["project"]["name"] == _version.DISTRIBUTION
    command = f"import runpy; print(eval({told['expression']!r}, runpy.run_path({str(ROOT / told['path'])!r})))"
    found = subprocess.run([sys.executable, "-I", "-S", "-c", command], capture_output=True, text=True, check=True)
    assert found.stdout.startswith(_version.RELEASE)
