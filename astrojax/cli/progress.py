"""Progress of a command: a bar on a terminal, plain lines in a file."""

import threading
import time

from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from ..report.tables import duration
from .output import Output

POLL_INTERVAL = 5.0
"""Seconds between two checks of what is done, so also the shortest time between two lines."""

LONGEST_SILENCE = 55.0
"""Seconds after which a line is printed whatever was done: with the interval above, at least one a minute."""


class Progress(RichProgress):
    """A progress bar. Without a terminal it prints a line for every tenth that is done, and at least one a minute."""

    def __init__(self, output: Output) -> None:
        columns = (SpinnerColumn(), BarColumn(bar_width=20), TimeElapsedColumn(), _Description())
        console = output.console
        is_live = console.file.isatty() and not console.quiet and not console.is_dumb_terminal
        super().__init__(*columns, console=console, disable=not is_live, transient=True)
        self._lines = threading.Thread(target=self._print_lines, daemon=True)
        self._stopped = threading.Event()

    def start(self) -> None:
        super().start()
        if self.disable and not self.console.quiet:
            self._lines.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._lines.is_alive():
            self._lines.join()
        if not self.disable:
            super().stop()

    def begin(self, description: str = "first chunk, with compiling", total: int | None = None, stored: int = 0) -> None:
        """Show a new task, of which a part may be stored already."""
        for task in self.tasks:
            self.remove_task(task.id)
        self.add_task(description, total=total, completed=stored, stored=stored, detail="")

    def show(self, completed: int, detail: str) -> None:
        """Show how much of the task is done, with a detail."""
        self.update(self.tasks[0].id, completed=completed, detail=detail)

    def add_trajectories(self, name: str, number: int) -> None:
        """Count trajectories that are done."""
        self.update(self.tasks[0].id, advance=number, description="trajectories")

    def _print_lines(self) -> None:
        # A thread of its own, since a program may compile, and a chunk may compute, for minutes.
        printed, last = time.monotonic(), None
        while not self._stopped.wait(POLL_INTERVAL):
            for task in self.tasks:
                tenth = task.id, int(task.percentage // 10)
                if (tenth[1] and tenth != last) or time.monotonic() - printed >= LONGEST_SILENCE:
                    self.console.print(_describe(task), soft_wrap=True)
                    printed, last = time.monotonic(), tenth


class _Description(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(_describe(task))


def _describe(task: Task) -> str:
    """What is done, as `trajectories 40,000 of 120,000 (33%), 2,100/s, 38 s left`."""
    elapsed, advanced = max(task.elapsed or 0.0, 1e-9), task.completed - task.fields["stored"]
    if not advanced:
        return f"{task.description}: {duration(elapsed)} so far"
    speed = advanced / elapsed
    detail = task.fields["detail"] or (f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.2g}/s")
    if task.total is None:
        return f"{task.description} {task.completed:,.0f}, {detail}"
    left = duration((task.total - task.completed) / speed)
    return f"{task.description} {task.completed:,.0f} of {task.total:,.0f} ({task.percentage:.0f}%), {detail}, {left} left"
