"""The page of a run folder: read here, built by `report.run_page` and `report.search_page`."""

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
from .document import Page, html
from .run import run_page
from .tune import search_page


def write_run_page(folder: str | Path, path: str | Path) -> Path:
    """Write what there is to know about a run folder as one HTML file that needs no other and loads nothing.

    It holds settings, provenance, tables with standard errors, figures drawn anew from the stored results, failed trajectories
    and where they lie, and how to repeat the run; of a search its values, its way and its comparison on fresh problems.

    Arguments:
        folder: a run folder, of a run or of a search, finished or not. path: the file.

    Returns:
        The path.

    Raises:
        InputError (a ValueError): if the folder holds no run, or one that is damaged; if the file has no folder to be in,
            exists and is no page, or would lie among the files of the run.
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
    page = _of_search(folder) if is_search(folder) else _of_run(folder)
    write_text(path, html(page))
    return path


def _is_page(path: Path) -> bool:
    """Whether a file was written by `write_run_page`."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(15).lower() == b"<!doctype html>"
    except OSError:
        return False


def _of_run(folder: Path) -> Page:
    results = store.load(folder, partial=True)
    done = store.is_done(folder)
    provenance = read_record(folder)
    return run_page(_name(folder), _text(folder / store.CONFIG), provenance, results, int(done.sum()), done.size)


def _of_search(folder: Path) -> Page:
    results, provenance = load_search(folder), read_record(folder)
    config = read(folder / store.CONFIG, TuneConfig)
    finished = bool(provenance.get("finished"))
    heldout = results.heldout() if finished else None
    return search_page(
        _name(folder),
        _text(folder / store.CONFIG),
        provenance,
        [name for name in config.parameters if name not in DIMENSIONS],
        results.history if results.has_history() else None,
        heldout,
        results.comparison(),
        results.landscape(),
        _text(folder / TUNED) if (folder / TUNED).exists() else None,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def _name(folder: Path) -> str:
    return folder.resolve().name
