"""Prints what a run folder holds, draws its figures, and writes its page."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .._internal.errors import RunError
from .._internal.files import refuse_links, write_json
from ..config.files import CONFIG, run_again
from ..storage import folder as store
from ..storage.provenance import read_record
from .output import Output

Drawing = Mapping[str, Any] | None
"""The `formats` of figures and, for a run, arguments of `figures_of`; none are drawn where it is `None`."""


def show_run(
    output: Output,
    folder: Path,
    along: Sequence[str] | None = None,
    page: str | None = None,
    drawing: Drawing = None,
    *,
    computed: Any = None,
) -> None:
    """Print the results of a run, and how and when they were computed unless they are given as `computed`.

    A `page` is written to this file, or to `report.html` in the folder if it is empty.
    """
    from ..report.tables import print_tables, summary

    results = store.load(folder, partial=True) if computed is None else computed
    provenance = read_record(folder)
    more: dict[str, Any] = {}
    if computed is None:
        done = store.is_done(folder)
        more = {"finished": bool(done.all()), "provenance": provenance}
        if not done.all():
            output.print_line(f"unfinished: {done.sum()} of {done.size} chunks are computed; {run_again(folder)} continues it")
        if not output.as_json:
            versions = ", ".join(f"{name} {provenance['versions'][name]}" for name in ("astrojax", "jax", "diffrax"))
            output.print_line(f"{folder}: started {provenance['started']}, {versions}, {provenance['backend']}")
            known = f"seed {provenance['seed']}, configuration SHA-256 {provenance['config_sha256'][:16]}"
            output.print_line(f"{known}, solver {results.attrs['solver']}")
    content = summary(results, along, (drawing or {}).get("observable")) | {"grids": provenance["grids"]}

    def draw(**chosen: Any) -> Any:
        from ..report.figures import figures_of

        if chosen.pop("theory", False):
            from ..config.run import Config
            from ..config.validation import read

            chosen["theory"] = read(folder / CONFIG, Config, trust=None)
        return figures_of(results, **chosen)

    figures = _figures(folder, content, draw, drawing)
    written = _write_page(folder, page)

    def show(console: Any) -> None:
        print_tables(console, content)
        output.print_line(f"{folder}: results and tables")
        if figures:
            output.print_line(f"{figures[0].parent}: {', '.join(path.name for path in figures)}")
        if written:
            output.print_line(f"{written}: written")

    output.print_outcome({"folder": folder, **more, "summary": content, "figures": figures, "page": written}, show)


def show_search(output: Output, folder: Path, page: str | None = None, drawing: Drawing = None) -> None:
    """Print the results of a finished search; `page` and `drawing` as for `show_run`."""
    from ..report.tune import print_tune_summary, tune_figures, tune_summary
    from ..runs.tune_results import TUNED, load_search

    results = load_search(folder)
    written = _write_page(folder, page)
    if written:  # of an unfinished search too
        output.print_line(f"{written}: written")
    history, heldout, tuned = results.history, results.heldout(), folder / TUNED
    content = tune_summary(history, heldout, results.scalars())
    figures = _figures(folder, content, lambda: tune_figures(history, heldout, results.landscape(), content["best"]), drawing)

    def show(console: Any) -> None:
        print_tune_summary(console, content)
        output.print_line(f"{folder}: history, figures, and {TUNED}: astrojax run {shlex.quote(str(tuned))}")

    output.print_outcome({"folder": folder, "summary": content, "tuned": tuned, "figures": figures, "page": written}, show)


def _write_page(folder: Path, page: str | None) -> Path | None:
    if page is None:
        return None
    from ..report.html.write import write_run_page

    return write_run_page(folder, Path(page) if page else folder / store.REPORT)


def _figures(folder: Path, summary: Mapping[str, Any], draw: Callable[..., Any], drawing: Drawing) -> list[Path]:
    """The figures of a run folder: those that are drawn now, with the summary beside them, or those that are there."""
    if drawing is None:
        return sorted((folder / store.FIGURES).glob("*.png"))
    from ..report.figures import draw_all

    chosen = {"formats": ("png",), **drawing}
    formats = chosen.pop("formats")
    try:
        refuse_links(folder)
        figures = draw_all(lambda: draw(**chosen), folder / store.FIGURES, formats)
        write_json(folder / store.SUMMARY, summary)
    except OSError as error:
        text = f"{folder}: the figures cannot be written: {error.strerror or error}; the results are safe"
        raise RunError(text) from error
    return figures
