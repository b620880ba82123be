"""The parser of a command, and what several commands share. Nothing heavy is imported."""

import argparse
import contextlib
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from .._internal.errors import InputError, did_you_mean
from .output import Output

if TYPE_CHECKING:
    from ..config.run import BaseConfig

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


def add_trust(parser: Parser) -> None:
    """Declare whether code of a user's own may run."""
    text = "let code run that the configuration names, such as mine.py:Name; remembered until it changes"
    parser.add_argument("--trust", action="store_true", help=text)


def add_output(parser: Parser, *, quiet: bool = False) -> None:
    """Declare how the outcome is printed."""
    parser.describe(JSON)
    parser.add_argument("--json", action="store_true", help="print the outcome as one JSON document")
    if quiet:
        parser.add_argument("--quiet", action="store_true", help="print nothing but errors, and JSON if it is asked for")


def add_run_folder(parser: Parser, text: str) -> None:
    """Declare RUN."""
    parser.add_argument("run", metavar="RUN", type=file_name, help=text)


def add_configuration(parser: Parser, text: str) -> None:
    """Declare CONFIG, its overrides, the run folder, and how to compute it."""
    parser.takes_overrides = True
    parser.describe(
        "Any key of the configuration can be overridden after CONFIG: --dotted.key value, for instance --retrieval.t1 20 or "
        '--axes.num_patterns "[5, 10]". A value is written as in the file.',
        "Compiled programs are cached in the user's cache folder; ASTROJAX_CACHE names another one, or off.",
    )
    config: Any = parser.add_argument("config", metavar="CONFIG", type=file_name, help=text)
    config.completer = configurations
    add_trust(parser)
    text = "the run folder, continued if it is unfinished; runs/NAME if omitted"
    parser.option("--out", "DIR", text, type=file_name)
    parser.option("--memory", "SIZE", "how much of a device's memory may be used, such as 2GiB", type=_bytes)
    text = "how many devices of this machine are used; all if omitted"
    parser.option("--devices", "N", text, type=integer, dest="num_devices")
    text = "how many calls run at a time; one per core if omitted"
    parser.option("--threads", "N", text, type=integer, dest="num_threads")
    add_output(parser, quiet=True)


def find_folder(output: Output, config: "BaseConfig", out: str | Path | None) -> tuple[Path, bool]:
    """The run folder of a configuration, and whether it was found and holds the finished run, which is then printed."""
    from ..storage import folder as store

    if out is not None:
        return Path(out), False
    folder, is_finished = store.choose_folder(Path("runs"), config.name, config)
    if is_finished:
        again = f"astrojax show {shlex.quote(str(folder))} draws it again, --out DIR computes it again"
        output.print_line(f"{folder} holds this run already; {again}")
    return folder, is_finished


def execution_of(options: argparse.Namespace) -> dict[str, Any]:
    """Arguments of `Execution` among the options."""
    names = ("memory", "num_devices", "num_threads", "lanes_per_chunk", "cluster")
    return {name: value for name, value in vars(options).items() if name in names}


@contextlib.contextmanager
def saying_how_to_continue(folder: Path, stored: Callable[[], str]) -> Iterator[None]:
    """Print, after an interruption or a runtime failure, what is stored in a run folder and which command continues it."""
    from ..config.files import CONFIG, run_again

    try:
        yield
    except BaseException as error:
        if not isinstance(error, ValueError) and (folder / CONFIG).exists():
            with contextlib.suppress(InputError):
                print(f"astrojax: {stored()}; continue with: {run_again(folder)}", file=sys.stderr)
        raise


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


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d*)?(?:e\d+)?)\s*([KMGT]?)(i?)B?", text.strip(), re.IGNORECASE)
    if not found or not float(found[1]) < 1e30:
        raise argparse.ArgumentTypeError(f"must be a number of bytes such as 800MB or 2GiB; got {text!r}")
    number, prefix, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** " KMGT".index(prefix.upper() or " "))


def fill(text: str) -> str:
    """A paragraph wrapped to the width of the terminal."""
    width = max(min(shutil.get_terminal_size().columns - 2, 100), 40)
    return textwrap.fill(text, width, break_on_hyphens=False, break_long_words=False)


def configurations(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Complete CONFIG: YAML files, folders, and the examples for the command."""
    from argcomplete.completers import FilesCompleter

    from ..config.files import PREFIX, examples

    own = [PREFIX + name for name, example in examples().items() if example["command"] == parsed_args.command]
    return [*FilesCompleter(("yaml", "yml"))(prefix), *own]
