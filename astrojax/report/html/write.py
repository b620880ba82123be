"""The page of a run folder as one HTML file."""

import contextlib
from pathlib import Path

from ..._internal.checks import InputError
from ..._internal.files import write_text
from ..._internal.parameters import DIMENSIONS
from ...config.detect import is_search
from ...config.load import read
from ...config.tune import TuneConfig
from ...storage import folder as store
from ...storage.provenance import read_record
from ...storage.tune_results import TUNED, load_search
from .render import render
from .run import run_content
from .tune import tune_content


def write_run_page(folder: str | Path, path: str | Path) -> Path:
    """Write everything known about a run folder as one HTML file that loads nothing else.

    For a run it has settings, provenance, tables with 95% intervals, figures drawn from the stored results, failed trajectories
    and their coordinates, and the commands to reproduce it; for a tune run its values, history and held-out errors.

    Arguments:
        folder: a run folder, of a run or of a search, finished or not. path: the file.

    Returns:
        The path.

    Raises:
        InputError (a ValueError): if the folder holds no run, or a damaged one; if the folder of the file does not exist, or
            the file exists and is no page, or lies among the files of the run.
        StorageError (a RunError): if the file cannot be written. It is written whole or not at all.
    """
    folder, path = Path(folder), Path(path)
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"the page must be a file in a folder that exists; got {path}")
    if path.exists() and not _is_page(path):
        raise InputError(f"the page must be a new file, or one in place of an older page; {path} is something else")
    inside = path.resolve().is_relative_to(folder.resolve())
    if inside and path.resolve() != folder.resolve() / store.REPORT:
        raise InputError(f"the page must be {store.REPORT} in the run folder, or a file elsewhere; got {path}")
    write_text(path, _tune_page(folder) if is_search(folder) else _run_page(folder))
    return path


def _is_page(path: Path) -> bool:
    """Whether a file was written by `write_run_page`."""
    with contextlib.suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                return file.read(15).lower() == b"<!doctype html>"
    return False


def _run_page(folder: Path) -> str:
    results = store.load(folder, partial=True)
    done = store.is_done(folder)
    config = _read_text(folder / store.CONFIG)
    content = run_content(folder.resolve().name, config, read_record(folder), results, int(done.sum()), done.size)
    return render("run.html", **content)


def _tune_page(folder: Path) -> str:
    results, provenance = load_search(folder), read_record(folder)
    config = read(folder / store.CONFIG, TuneConfig)
    content = tune_content(
        folder.resolve().name,
        _read_text(folder / store.CONFIG),
        provenance,
        [name for name in config.parameters if name not in DIMENSIONS],
        results.history if results.has_history() else None,
        results.heldout() if provenance.get("finished") else None,
        results.comparison(),
        results.landscape(),
        _read_text(folder / TUNED) if (folder / TUNED).exists() else None,
    )
    return render("tune.html", **content)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
