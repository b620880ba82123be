"""Where the words of a command go: tables for people, one JSON document for machines, or nothing."""

import dataclasses
import io
import json
import math
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def print_any_text() -> None:
    """Let stdout and stderr escape letters that their encoding lacks, such as those of names, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class Output:
    """What a command prints.

    Arguments:
        as_json: the outcome is one JSON document on stdout, and all other words go to stderr.
        quiet: there are no other words.
        colour: whether a terminal may be coloured; the environment variable NO_COLOR forbids it too.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False, colour: bool = True) -> None:
        from rich.console import Console

        print_any_text()
        self.as_json = as_json
        stream = sys.stderr if as_json else sys.stdout
        # A file gets lines of one length wherever it is written.
        self.console = Console(
            stderr=as_json,
            quiet=quiet,
            no_color=None if colour else True,
            width=max(shutil.get_terminal_size().columns, 20) if stream.isatty() else 120,
            highlight=False,
            markup=False,  # names of models and folders are printed as they are
            emoji=False,
        )

    @property
    def is_live(self) -> bool:
        """Whether there is a terminal that a progress bar can be drawn on."""
        console = self.console
        return not console.quiet and console.file.isatty() and not console.is_dumb_terminal

    def outcome(self, content: Mapping[str, Any], show: Callable[["Console"], object]) -> None:
        """Tell the outcome of a command: `content` as JSON, or what `show` prints."""
        if self.as_json:
            print_json(content)
        else:
            show(self.console)


def print_json(content: Mapping[str, Any]) -> None:
    """Print plain data as one JSON document; numbers that are not finite are null."""
    is_unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    print(json.dumps(_plain(content), indent=2, ensure_ascii=not is_unicode, allow_nan=False), flush=True)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def print_error(text: str, *, colour: bool = True) -> None:
    """Tell on stderr what is wrong; in red on a terminal."""
    if not sys.stderr.isatty():
        print(text, file=sys.stderr)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, no_color=None if colour else True, highlight=False)
    console.print(Text(text, style="red"), soft_wrap=True)
