"""The test run uses float64, strict promotion of ranks and types, and warnings as errors (see pyproject.toml)."""

import gc
import importlib
import os
import shutil
import sys
from pathlib import Path

import jax
import pytest

from astrojax._internal.compilation_cache import keep_compiled_programs
from astrojax.runs import calibration

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# Tracing makes millions of small objects that live; looking for garbage among them again and again takes a tenth of the time.
gc.set_threshold(100_000, 50, 1000)

# Compiled programs are shared by all processes of the tests and by later runs of them, and kept apart from the user's.
os.environ["ASTROJAX_CACHE"] = str(Path(__file__).parents[1] / ".pytest_cache" / "programs")
keep_compiled_programs()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

# Runs of tests are small: so are the problems by which they calibrate their grids.
calibration.NUM_PILOTS = 32


LONGEST = ("tuning_runs", "observables", "equilibria", "grid", "docs", "tuning", "accuracy", "testing", "retrieval", "own_code")
"""Files that take longest come first, so that no process waits for them in the end."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.stem.removeprefix("test_") not in LONGEST)


@pytest.fixture(scope="module", autouse=True)
def few_programs():
    """Modules hardly share compiled programs, and gigabytes of them make everything slow."""
    yield
    jax.clear_caches()
    gc.collect()


@pytest.fixture
def no_figures(monkeypatch):
    """Runs in this process draw none: they are the same every time, and take longer than the rest."""
    monkeypatch.setattr("astrojax.report.figures.draw_all", lambda draw, folder, formats: [])


@pytest.fixture
def experiments(monkeypatch, tmp_path):
    """Modules of the scripts by name, with run folders in a temporary place."""
    monkeypatch.chdir(tmp_path)
    folder = Path(__file__).parents[1] / "experiments"
    monkeypatch.syspath_prepend(str(folder))
    yield importlib.import_module
    for path in folder.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def benchmark_module(monkeypatch):
    """Modules of the benchmarks by name."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    return importlib.import_module


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """The folder of a small finished run, which no test may change."""
    import astrojax as aj

    from .run_folders import CHUNK, CONFIG

    folder = tmp_path_factory.mktemp("finished") / "run"
    aj.run(CONFIG, folder, execution=aj.Execution(lanes_per_chunk=CHUNK))
    return folder


@pytest.fixture
def run(finished_run, tmp_path):
    """A copy of the small finished run."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


@pytest.fixture(scope="session")
def browser():
    """Chromium, where it is installed, which asks for nothing by itself."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("no Chromium is installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    quiet = ["disable-gpu", "disable-background-networking", "disable-component-update", "disable-sync", "no-first-run"]
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=program, args=["--no-sandbox", *(f"--{word}" for word in quiet)])
        yield chromium
        chromium.close()
