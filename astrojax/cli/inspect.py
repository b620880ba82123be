"""What `astrojax show`, `verify` and `export` do with a run folder."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .._internal.errors import InputError
from .output import Output


def show(
    output: Output,
    folder: Path,
    along: Sequence[str] | None = None,
    page: str | None = None,
    drawing: Mapping[str, Any] | None = None,
) -> None:
    """Tell again what a run or a search found, and draw its figures if that is asked for.

    Arguments:
        page: as for `write_page`. drawing: arguments of `report.figures.draw_all`, of a search its `formats` alone; nothing is
            drawn where it is left out.
    """
    from ..config.detect import is_search
    from ..storage import folder as store
    from ..storage.provenance import read_record
    from .run import report

    if is_search(folder):
        if along or set(drawing or {}) - {"formats"}:
            text = "--along, --observable, --models and --label are for runs"
            raise InputError(f"{text}; {folder} is the folder of a search, whose runs are in {folder / 'heldout'}")
        from .tune import show_search

        show_search(output, folder, page, drawing)
        return
    results = store.load(folder, partial=True)
    done, console = store.is_done(folder), output.console
    if not done.all():
        again = f"astrojax run {shlex.quote(str(folder))}"
        console.print(f"unfinished: {done.sum()} of {done.size} chunks are computed; {again} continues it", soft_wrap=True)
    provenance = read_record(folder)
    known = {"versions": {}, "started": "?", "backend": "?", "seed": "?", "config_sha256": "?"} | provenance
    versions = ", ".join(f"{name} {known['versions'].get(name, '?')}" for name in ("astrojax", "jax", "diffrax"))
    if not output.as_json:
        console.print(f"{folder}: started {known['started']}, {versions}, {known['backend']}", soft_wrap=True)
        solver = f", solver {results.attrs['solver']}" if "solver" in results.attrs else ""
        console.print(f"seed {known['seed']}, configuration SHA-256 {known['config_sha256'][:16]}{solver}", soft_wrap=True)
    more = {"finished": bool(done.all()), "provenance": provenance}
    report(output, folder, results, folder.name, along, page, drawing, **more)


def verify(output: Output, folder: Path, share: float, seed: int | None) -> bool:
    """Compute a share of a run again; returns whether it repeats."""
    from ..report.tables import print_comparison, repeats
    from ..runs.verify import verify
    from .progress import Progress

    with Progress(output) as progress:
        progress.start(None)
        found = verify(folder, share=share, seed=seed, on_chunk=progress.advance)
    content = {"folder": folder, "repeats": repeats(found), "variables": found}
    output.outcome(content, lambda console: print_comparison(console, found))
    return repeats(found)


def export(output: Output, folder: Path, format: str, out: str | None) -> None:
    """Write the results of a run as one file."""
    from ..storage.export import export

    path = export(folder, format, out)
    output.outcome({"folder": folder, "file": path}, lambda console: console.print(f"{path}: written", soft_wrap=True))
