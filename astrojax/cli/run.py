"""What `astrojax run` does: a configuration becomes a run folder, with progress, tables and figures."""

import shlex
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from .._internal.errors import InputError, RunError
from .output import Output


def run_config(
    path: str | Path,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    execution: Any = None,
    dry_run: bool = False,
    *,
    output: Output | None = None,
) -> tuple[Path, Any]:
    """Run a configuration as `astrojax run` does: plan, progress, tables, figures. Returns the run folder and the results.

    Arguments:
        path: a configuration, `example:NAME`, or a run folder to be continued. out: the run folder, chosen when left out.
        overrides: words of a command line. execution: how to compute, or what makes that once the configuration is read.
        dry_run: whether to tell the plan alone. output: where words go.
    """
    from ..config.load import read_config

    output = output or Output()
    if Path(path).is_dir():  # a run folder, to be continued
        out = out or path
        path = _config_in(Path(path))
    config = read_config(path, overrides)
    from ..storage import folder as store

    folder, is_finished = (Path(out), False) if out is not None else store.choose_folder(Path("runs"), config.name, config)
    if is_finished:
        from ..storage.provenance import finished_already
        from .inspect import show

        output.console.print(finished_already(folder), soft_wrap=True)
        if not dry_run:
            show(output, folder)
            return folder, store.load(folder)
    from ..report.tables import print_outline
    from ..runs.run import Execution, outline_of, run
    from .progress import Progress

    console = output.console
    execution = execution() if callable(execution) else execution or Execution()
    if dry_run:
        outline = outline_of(config, execution, folder)
        output.outcome({"folder": folder, "plan": outline}, lambda console: print_outline(console, config.name, outline))
        return folder, None
    with Progress(output) as progress:

        def planned(outline: Any) -> None:
            print_outline(console, config.name, outline)
            progress.start(outline.num_trajectories)

        def begin(stored: int, total: int) -> None:
            # What will draw is imported meanwhile, while compiled programs are loaded.
            threading.Thread(target=import_module, args=("astrojax.report.figures",)).start()
            if stored:
                console.print(f"{folder}: {stored:,} of {total:,} trajectories are stored already", soft_wrap=True)
                progress.skip(stored)

        def notice(text: str) -> None:
            console.print(f"note: {text}", soft_wrap=True)

        try:
            told: Any = {"on_plan": planned, "on_begin": begin, "on_chunk": progress.advance, "on_notice": notice}
            results = run(config, folder, execution=execution, **told)
        except BaseException as error:
            if not isinstance(error, ValueError):
                _say_how_to_go_on(folder)
            raise
    report(output, folder, results, config.name, drawing={})
    return folder, results


def _config_in(folder: Path) -> Path:
    """The configuration of a run folder that is to be continued."""
    from ..config.detect import CONFIG, is_search, run_folders

    if is_search(folder):
        again = shlex.quote(str(folder))
        raise InputError(
            f"{folder} is the folder of a search: astrojax tune {again} continues it; "
            f"astrojax run {shlex.quote(str(folder / 'tuned.yaml'))} runs what it found"
        )
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder} is not a run folder: it holds no {CONFIG}{run_folders(folder)}")
    return folder / CONFIG


def _say_how_to_go_on(folder: Path) -> None:
    from ..storage import folder as store

    try:
        done = store.is_done(folder)
    except InputError:
        return
    print(
        f"astrojax: {done.sum()} of {done.size} chunks are stored; continue with: astrojax run {shlex.quote(str(folder))}",
        file=sys.stderr,
    )


def report(
    output: Output,
    folder: Path,
    results: Any,
    title: str,
    along: Sequence[str] | None = None,
    page: str | Path | None = None,
    drawing: Mapping[str, Any] | None = None,
    **more: Any,
) -> None:
    """Tell what a run found, draw its figures if that is asked for, and write its page likewise.

    Arguments:
        along: as of `summary`. page: as of `write_page`. drawing: as of `draw_all`; nothing is drawn where it is left out.
        more: is told as JSON.
    """
    from ..report.tables import print_tables, summary
    from ..storage import folder as store
    from ..storage.provenance import read_record

    content = summary(results, along) | {"grids": read_record(folder).get("grids", {})}

    def draw() -> list[Path]:
        from ..report.figures import draw_all

        return draw_all(results, folder / store.FIGURES, **(drawing or {}))

    figures = figures_in(folder, content, None if drawing is None else draw)
    written = write_page(folder, page)

    def show(console: Any) -> None:
        print_tables(console, content)
        console.print(f"{title}: results and tables are in {folder}", soft_wrap=True)
        if figures:
            console.print(f"{figures[0].parent}: {', '.join(path.name for path in figures)}", soft_wrap=True)
        if written:
            console.print(f"{written}: written", soft_wrap=True)

    output.outcome({"folder": folder, **more, "summary": content, "figures": figures, "page": written}, show)


def write_page(folder: Path, page: str | Path | None) -> Path | None:
    """Write the page of a run folder if one is asked for: a file, or `report.html` in the folder where no name is given."""
    if page is None:
        return None
    from ..report.html.write import write_run_page
    from ..storage import folder as store

    return write_run_page(folder, Path(page) if str(page) else folder / store.REPORT)


def figures_in(folder: Path, content: Mapping[str, Any], draw: Callable[[], list[Path]] | None) -> list[Path]:
    """The figures of a run folder: those that are drawn now, beside the `content` of its summary, or those that are there."""
    from .._internal.files import refuse_links, write_json
    from ..storage import folder as store

    if draw is None:
        return sorted((folder / store.FIGURES).glob("*.png"))
    try:
        refuse_links(folder)
        figures = draw()
        write_json(folder / store.SUMMARY, content)
    except OSError as error:
        text = f"{folder}: the figures cannot be written: {error.strerror or error}; the results are safe"
        raise RunError(text) from error
    return figures
