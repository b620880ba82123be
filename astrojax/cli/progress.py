"""How far a command is: a bar on a terminal, plain lines in a file."""

import threading
import time

from rich.progress import (
    BarColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from ..report.tables import duration
from .output import Output

POLL_INTERVAL = 5.0
"""Seconds between two looks at what is done, so also the shortest time between two lines."""

LONGEST_SILENCE = 55.0
"""Seconds after which a line is printed whatever was done: with the interval above, at least one a minute."""


class Bar(RichProgress):
    """A progress bar. Where there is no terminal it prints a line for every tenth that is done, and at least one a minute.

    Arguments:
        output: where it goes. columns: of the bar, as in rich.
    """

    def __init__(self, output: Output, *columns: ProgressColumn) -> None:
        super().__init__(*columns, console=output.console, disable=not output.is_live, transient=True)
        self._lines = threading.Thread(target=self._print_lines, daemon=True)
        self._stopped = threading.Event()

    def start(self) -> None:
        """Show the bar, or begin to print lines."""
        super().start()
        if self.disable and not self.console.quiet:
            self._lines.start()

    def stop(self) -> None:
        """Remove the bar, and print no more lines."""
        self._stopped.set()
        if self._lines.is_alive():
            self._lines.join()
        if not self.disable:
            super().stop()

    def _print_lines(self) -> None:
        # A thread of its own, since a program may compile, and a chunk may compute, for minutes.
        printed, last = time.monotonic(), None
        while not self._stopped.wait(POLL_INTERVAL):
            for task in self.tasks[-1:]:
                tenth = task.id, int(task.percentage // 10)
                if (tenth[1] and tenth != last) or time.monotonic() - printed >= LONGEST_SILENCE:
                    self.console.print(_line(task), soft_wrap=True)
                    printed, last = time.monotonic(), tenth


def _line(task: Task) -> str:
    """What is done, as `trajectories 40,000 of 120,000 (33%), 2,100/s, 38 s left`."""
    elapsed, advanced = task.elapsed or 0.0, task.completed - task.fields.get("skipped", 0)
    if not advanced:
        return f"{task.description}: {duration(elapsed)} so far"
    total = "" if task.total is None else f" of {task.total:,.0f} ({task.percentage:.0f}%)"
    left = "" if task.total is None else f", {duration(elapsed * (task.total - task.completed) / advanced)} left"
    return f"{task.description} {task.completed:,.0f}{total}, {task.fields['detail']}{left}"


class Progress:
    """The progress of a run, with trajectories per second and time left."""

    def __init__(self, output: Output) -> None:
        self._bar = Bar(
            output,
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}{task.fields[whole]}, {task.fields[detail]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._task = TaskID(0)

    def __enter__(self) -> "Progress":
        return self

    def start(self, total: int | None) -> None:
        """Begin, with so many trajectories if that is known."""
        whole = "" if total is None else f" of {total:,}"
        self._task = self._bar.add_task("first chunk, with compiling", total=total, whole=whole, detail="0/s", skipped=0)
        self._bar.start()

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def skip(self, num_trajectories: int) -> None:
        """Count trajectories that were done before."""
        self._bar.update(self._task, advance=num_trajectories, skipped=num_trajectories)

    def advance(self, name: str, num_trajectories: int) -> None:
        """Count trajectories that are done."""
        self._bar.advance(self._task, num_trajectories)
        task = self._bar.tasks[0]
        speed = (task.completed - task.fields["skipped"]) / max(task.elapsed or 0.0, 1e-9)
        self._bar.update(self._task, description="trajectories", detail=f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.2g}/s")
