"""The parser of a command, and the arguments that several commands share. Nothing heavy is imported."""

import argparse
import glob
import os
import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from .._internal.errors import InputError, did_you_mean

JSON = (
    "With --json, stdout is one JSON document and nothing else; notes go to stderr. An error is "
    '{"error": text, "status": exit status}, with "faults" where a configuration has some.'
)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are `InputError`s that say what to do next."""

    takes_overrides = False
    """Whether words that are not declared here are overrides of a configuration."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}\n{self.format_usage().rstrip()}\nsee: {self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse what is not among the choices, with a hint, which argparse itself gives from Python 3.14 on."""
        if action.choices is not None and value not in action.choices:
            names = list(map(str, action.choices))
            text = f"must be one of {', '.join(names)}; got {value!r}{did_you_mean(value, names)}"
            raise argparse.ArgumentError(action, text)

    def option(self, name: str, metavar: str, text: str, **settings: Any) -> None:
        self.add_argument(name, metavar=metavar, help=text, **settings)

    def options(self) -> list[str]:
        """The options of the command, such as `--out`."""
        return [option for action in self._actions for option in action.option_strings]

    def refuse(self, words: Sequence[str]) -> NoReturn:
        """Refuse words that the command does not know."""
        known = self.options()
        hints = [did_you_mean(word.partition("=")[0], known) for word in words if word.startswith("-")]
        self.error(f"unknown arguments: {' '.join(words)}{next(filter(None, hints), '')}")

    def describe(self, *paragraphs: str) -> None:
        """Add paragraphs to the description of the command."""
        self.description = "\n\n".join([self.description or "", *map(fill, paragraphs)])


def add_output(parser: Parser, *, quiet: bool = False) -> None:
    """Declare how the outcome is printed."""
    parser.describe(JSON)
    parser.add_argument("--json", action="store_true", help="print the outcome as one JSON document")
    if quiet:
        parser.add_argument("--quiet", action="store_true", help="print nothing but errors, and JSON if it is asked for")


def add_run_folder(parser: Parser, text: str) -> None:
    """Declare RUN."""
    run: Any = parser.add_argument("run", metavar="RUN", type=file_name, help=text)
    run.completer = run_folders


def file_name(text: str) -> str:
    """The name of a file or folder."""
    if not text:
        raise argparse.ArgumentTypeError("must be the name of a file or folder; got ''")
    return text


def integer(text: str) -> int:
    """An integer, also one written as 1e3."""
    number = float(text)
    if not number.is_integer():
        raise ValueError
    return int(number)


def fill(text: str) -> str:
    """A paragraph wrapped to the width of the terminal."""
    width = max(min(shutil.get_terminal_size().columns - 2, 100), 40)
    return textwrap.fill(text, width, break_on_hyphens=False, break_long_words=False)


def configurations(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Complete CONFIG: YAML files, folders, and the examples for the command."""
    from ..config.examples import PREFIX, kind, names

    examples = [f"{PREFIX}{name}" for name in names() if kind(name) == parsed_args.command]
    return [*_paths(prefix, ".yaml", ".yml"), *(example for example in examples if example.startswith(prefix))]


def run_folders(prefix: str, **_: Any) -> list[str]:
    """Complete RUN: run folders, and folders that may hold some."""
    from ..config.detect import CONFIG

    return [text.rstrip("/") if (Path(text).expanduser() / CONFIG).is_file() else text for text in _paths(prefix)]


def _paths(prefix: str, *suffixes: str) -> list[str]:
    """Folders, with a slash behind them, and files with one of the suffixes, whose names begin with the prefix."""
    start = os.path.expanduser(prefix)
    found = [
        prefix + path.removeprefix(start) + ("/" if os.path.isdir(path) else "")
        for path in sorted(glob.glob(f"{glob.escape(start)}*"))
    ]
    return [path for path in found if path.endswith(("/", *suffixes))]
