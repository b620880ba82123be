"""What a command prints: tables for people, one JSON document for programs, or nothing."""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class Output:
    """Where a command prints: on stderr if its outcome is one JSON document (`as_json`), and nothing but that if it is `quiet`.

    A terminal is colored unless NO_COLOR is set.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False, color: bool = True) -> None:
        from rich.console import Console

        self.as_json = as_json
        stream = sys.stderr if as_json else sys.stdout
        # A file gets lines of one length wherever it is written.
        self.console = Console(
            stderr=as_json,
            quiet=quiet,
            no_color=None if color else True,
            width=max(shutil.get_terminal_size().columns, 20) if stream.isatty() else 120,
            highlight=False,
            markup=False,  # names of models and folders are printed as they are
            emoji=False,
        )

    @staticmethod
    def of(options: argparse.Namespace) -> "Output":
        """The output that the options of a command ask for."""
        return Output(as_json=options.json, quiet=getattr(options, "quiet", False), color=not options.no_color)

    def print_line(self, text: str) -> None:
        """Print a line that is not broken where the terminal ends, so that commands in it can be copied."""
        self.console.print(text, soft_wrap=True)

    def print_outcome(self, content: Mapping[str, Any], show: Callable[[Any], object]) -> None:
        """Print the outcome of a command: `content` as JSON, or what `show` prints."""
        if self.as_json:
            print_json(content)
        else:
            show(self.console)


def print_json(content: Mapping[str, Any]) -> None:
    """Print plain data, paths and dataclasses as one JSON document; numbers that are not finite are null."""
    is_unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    finite = json.loads(json.dumps(content, default=_plain), parse_constant=lambda _: None)
    print(json.dumps(finite, indent=2, ensure_ascii=not is_unicode, allow_nan=False), flush=True)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else dict(value if isinstance(value, Mapping) else vars(value))


def print_error(text: str, *, color: bool = True) -> None:
    """Print an error on stderr; in red on a terminal."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, no_color=None if color else True, highlight=False)
    console.print(Text(text, style="red"), soft_wrap=True)
