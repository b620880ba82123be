"""What `astrojax tune` does: a search with its progress, its tables and its figures."""

import functools
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .._internal.parameters import DIMENSIONS
from ..config.load import read
from ..config.tune import TuneConfig
from ..storage import folder as store
from ..storage.provenance import finished_already
from ..storage.tune_results import TUNED, find_search, load_search
from .output import Output
from .progress import Bar
from .run import figures_in, write_page

if TYPE_CHECKING:
    from ..tuning.search import SearchState


def tune_config(
    output: Output,
    path: str | Path,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    execution: Callable[[], Any] | None = None,
) -> None:
    """Search as a configuration says, or continue the search of a run folder; print and draw what was found."""
    if Path(path).is_dir():  # a run folder, to be continued
        find_search(path)
        out, path = out or path, Path(path) / store.CONFIG
    config = read(path, TuneConfig, overrides)
    folder, is_finished = (Path(out), False) if out is not None else store.choose_folder(Path("runs"), config.name, config)
    if is_finished:
        output.console.print(finished_already(folder), soft_wrap=True)
        show_search(output, folder)
        return
    from ..runs.tune import Progress, run_search

    shown = _Shown(output)
    progress = Progress(shown.search, shown.step, shown.look, shown.part, lambda text: shown.say(f"note: {text}"))
    try:
        with shown:
            run_search(config, folder, execution=execution and execution(), progress=progress)
    except BaseException as error:
        if not isinstance(error, ValueError) and (folder / store.CONFIG).exists():
            print(
                f"astrojax: every step up to here is kept; continue with: astrojax tune {shlex.quote(str(folder))}",
                file=sys.stderr,
            )
        raise
    show_search(output, folder, drawing={})


def show_search(output: Output, folder: Path, page: str | Path | None = None, drawing: Mapping[str, Any] | None = None) -> None:
    """Tell what a search found, and draw its figures and write its page if that is asked for; see `report` of a run.

    Raises:
        InputError (a ValueError): if the search is unfinished, or for another format.
        RunError: if the figures or the page cannot be written.
    """
    from ..report.figures import write_all
    from ..report.tune import print_tune_summary, tune_figures, tune_summary

    results = load_search(folder)
    written = write_page(folder, page)
    if written:  # of an unfinished search too
        output.console.print(f"{written}: written", soft_wrap=True)
    config = read(folder / store.CONFIG, TuneConfig)
    names = [name for name in config.parameters if name not in DIMENSIONS]
    history, heldout = results.history, results.heldout()
    content = tune_summary(history, heldout, names)

    def draw() -> list[Path]:
        formats = (drawing or {}).get("formats", ["png"])
        figures = functools.partial(tune_figures, history, heldout, results.landscape(), names)
        return write_all(figures, folder / store.FIGURES, formats)

    figures = figures_in(folder, content, None if drawing is None else draw)
    tuned = folder / TUNED

    def show(console: Any) -> None:
        print_tune_summary(console, content)
        console.print(f"{folder}: history, figures, and {TUNED}: astrojax run {shlex.quote(str(tuned))}", soft_wrap=True)

    output.outcome({"folder": folder, "summary": content, "tuned": tuned, "figures": figures, "page": written}, show)


class _Shown(Bar):
    """The progress of a search, with the current loss, error and values."""

    def __init__(self, output: Output) -> None:
        detail, left = TextColumn("{task.fields[detail]}"), TextColumn("left")
        bar = TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn()
        super().__init__(output, *bar, detail, TimeElapsedColumn(), left, TimeRemainingColumn())
        self._task: Any = None

    def search(self, name: str, done: int, total: int) -> None:
        if done:
            self.say(f"{name}: {done} of {total} steps are stored already")
        self._begin(f"{name}: step", total=total, completed=done, skipped=done)

    def step(self, name: str, state: "SearchState") -> None:
        self.update(self._task, completed=int(state.step), detail=_now(state))

    def look(self, name: str, state: "SearchState") -> None:
        self.say(f"{name}: step {int(state.step)}: {_look_in_words(state)}")

    def part(self, text: str) -> None:
        self.say(text)
        self._begin(text, total=None)

    def _begin(self, text: str, **task: Any) -> None:
        if self._task is not None:
            self.remove_task(self._task)
        self._task = self.add_task(text, detail="", **task)

    def say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)


def _now(state: "SearchState") -> str:
    """The step in words: of the start that is best at present."""
    record = state.record
    at = int(np.argmin(np.where(np.isfinite(record.loss), record.loss, np.inf)))
    values = "  ".join(f"{name} {value[at]:.3g}" for name, value in state.values.items() if value.ndim == 1)
    dropped = int(record.num_non_finite.sum() + record.num_failed.sum())
    problems = f"  {dropped} gradients left out" if dropped else ""
    which = f" (start {at} of {record.loss.size})" if record.loss.size > 1 else ""
    recall = f"error {record.hamming_error[at]:.2f}  perfect {record.success[at]:.0%}"
    return f"loss {record.loss[at]:.4f}  {recall}{which}  {values}{problems}"


def _look_in_words(state: "SearchState") -> str:
    """What the held-out problems have shown: the best start of this look, and the best of all looks up to it."""
    from ..tuning.search import ranked

    error, loss = state.record.validation_error, state.record.validation_loss
    at = int(ranked(error, loss)[0])
    which = f" (start {at} of {loss.size})" if loss.size > 1 else ""
    best = state.best_start
    so_far = f"the best so far {state.lowest[0]:.4f} at step {state.best_step[best]}"
    is_best = at == best and state.best_step[best] == state.step
    return f"held-out error {error[at]:.4f}  loss {loss[at]:.4f}{which}, {'the best so far' if is_best else so_far}"
