"""What importing the package costs, and what it needs; `lint-imports` (pyproject.toml) holds that imports run one way."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import astrojax as aj

ROOT = Path(aj.__file__).parent


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
        "names = 'pydantic zarr xarray matplotlib rich yaml dask platformdirs filelock'.split()\n"
        "sys.modules |= dict.fromkeys(names)\n"
        "import jax, astrojax as aj\n"
        "patterns = aj.random_patterns(jax.random.key(0), num_neurons=8, num_patterns=2)\n"
        "print(aj.retrieve(aj.HopfieldMemory(patterns), patterns[:, 0], t1=1.0).status)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "0\n"
