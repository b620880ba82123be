"""Imports run one way, the core needs the JAX stack alone, and nothing heavy happens at import."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import astrojax as aj

ROOT = Path(aj.__file__).parent
LAYERS = [
    {
        "_types",
        "_arrays",
        "_version",
        "_errors",
        "_devices",
        "_files",
        "_checks",
        "_parameters",
        "_random",
        "_shown",
        "_signs",
        "_status",
    },
    {"activations", "scores", "patterns", "corruption", "observables", "decoders", "exponential", "compact", "labelled"},
    {"automatic", "adams"},
    {"step_control"},
    {"models"},
    {"recall", "grid"},
    {"retrieval"},
    {"trial", "equilibria"},
    {"sweep"},
    {"many"},
    {"tuning", "costs"},
    {"plan", "compiling"},
    {"outline", "cluster", "search_results", "calibration"},
    {"experiment"},
    {"verification", "searching", "pages", "figures"},
    {"explore"},
    {"commands"},
    {"cli"},
]
"""Each may import those before it and its own package; `runs` and `report` stand beside, see below."""

BESIDE = {
    "runs": {"_types", "_arrays", "_version", "_errors", "_devices", "_files", "_checks", "_parameters"},
    "report": {"_errors", "_checks", "_files", "_status"},
}
"""What these packages may import of the others: settings and arrays, no models."""

USES_BESIDE = {
    "recall": {"report"},
    "plan": {"runs"},
    "cluster": {"runs"},
    "experiment": {"runs"},
    "search_results": {"runs"},
    "verification": {"runs"},
    "searching": {"runs"},
    "pages": {"runs", "report"},
    "figures": {"report"},
    "commands": {"runs", "report"},
    "cli": {"runs"},
}
CORE_STACK = {"jax", "jaxtyping", "equinox", "diffrax", "optimistix", "lineax", "optax", "numpy"}
MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def part(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> tuple[set[str], set[str]]:
    """Parts of the package, and packages from outside, that a module imports anywhere."""
    tree = ast.parse(path.read_text())
    for block in [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]:
        block.body = []  # read by editors alone
    inside, outside = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            outside |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            outside.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            folder = path.parents[node.level - 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            inside |= {(folder / name.replace(".", "/")).relative_to(ROOT).parts[0] for name in names}
    return inside - {"__version__"}, outside


def allowed(name: str) -> set[str]:
    if name in BESIDE:
        return BESIDE[name] | {name}
    level = next(level for level, names in enumerate(LAYERS) if name in names)
    below = set().union(*LAYERS[:level]) | {name} | USES_BESIDE.get(name, set())
    return below | LAYERS[0] if level == 0 else below


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    inside, _ = imports(path)
    assert inside <= allowed(part(path))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_numerical_core_needs_the_jax_stack_alone(path):
    if part(path) in {
        "runs",
        "report",
        "plan",
        "compiling",
        "outline",
        "cluster",
        "experiment",
        "verification",
        "searching",
        "labelled",
        "pages",
        "explore",
    } | {
        "commands",
        "cli",
    }:
        return
    _, outside = imports(path)
    assert outside <= CORE_STACK | set(sys.stdlib_module_names)


def test_public_names_resolve_and_are_those_spelled_out_for_editors():
    tree = ast.parse((ROOT / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    spelled = {alias.asname for node in ast.walk(block) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert spelled == set(aj.__all__)
    typed = (Path(__file__).parent / "typed_use.py").read_text()
    for name in aj.__all__:
        assert getattr(aj, name) is not None
        assert re.search(rf"\baj\.{name}\b", typed), f"typed_use.py does not say what type {name} has"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        aj.nothing  # noqa: B018


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, astrojax; print([name for name in ('jax', 'numpy', 'pydantic', 'matplotlib') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_core_works_without_the_libraries_of_runs_and_reports():
    code = (
        "import sys\n"
        "names = 'pydantic zarr xarray matplotlib rich yaml sklearn dask platformdirs filelock'.split()\n"
        "sys.modules |= dict.fromkeys(names)\n"
        "import jax, astrojax as aj\n"
        "patterns = aj.random_patterns(jax.random.key(0), num_neurons=8, num_patterns=2)\n"
        "print(aj.retrieve(aj.HopfieldMemory(patterns), patterns[:, 0], t1=1.0).status)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "0\n"
