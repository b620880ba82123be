"""Parses a command line and calls its command; exceptions become messages and exit statuses.

Every command is a function that declares its arguments, and the function that executes it and returns the exit status; its
docstring is the help.
What is heavy is imported when it is needed, so that help answers at once.
"""

import _thread
import argparse
import contextlib
import gc
import inspect
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from .._internal.errors import InputError, RunError
from .about import complete, completion, info, schema
from .output import print_error, print_json
from .parser import Parser, fill
from .results import export, show, verify
from .run import run
from .start import examples, explore
from .tune import tune

GROUPS = {
    "start": (examples, explore),
    "compute": (run, tune),
    "results": (show, verify, export),
    "about": (schema, info, completion),
}
"""The commands in the order of their help."""

STATUSES = "exit status: 0 success, 1 runtime failure, 2 invalid input, 130 interrupted"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 success, 1 runtime failure, 2 invalid input, 130 interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):  # letters that their encoding lacks, such as those of names, are escaped
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _execute(words)
    except KeyboardInterrupt:
        return _fail(words, "interrupted", 130)
    except InputError as error:
        return _fail(words, str(error), 2, getattr(error, "faults", ()))
    except RunError as error:
        return _fail(words, str(error), 1)


def entry() -> None:
    """The command `astrojax`: `main` and the end of the process; or, for a shell, the completion of a command line."""
    if "_ARGCOMPLETE" in os.environ:
        complete(*make_parser())
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as by `>&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    sys.unraisablehook = _raise_interruption
    # Looking for cyclic garbage as often as Python does by itself takes a tenth of a small run.
    gc.set_threshold(50_000, 20, 50)
    status = 130
    try:
        with contextlib.suppress(KeyboardInterrupt):  # pressed again while the first was reported
            status = main()
            sys.stdout.flush()
    except OSError as error:
        status = 1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # as of `astrojax schema | head`, where nobody reads on
            _fail([], f"the output cannot be written: {error.strerror or error}", status)
    if status == 130:
        # At once, whatever other threads are doing and however often Ctrl-C is pressed.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    gc.freeze()  # a last search for garbage would take half a second
    sys.exit(status)


def make_parser() -> tuple[Parser, dict[str, Parser]]:
    """The parser of the whole command line, and those of the commands by name."""
    parser = Parser(
        prog="astrojax",
        usage="astrojax [-h] [--version] COMMAND ...",
        description="Astrocyte-gated associative memory in JAX: simulate, search, and repeat runs.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    # The epilog lists the commands.
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command", prog="astrojax", help=argparse.SUPPRESS)
    parsers: dict[str, Parser] = {}
    lines = []
    for title, group in GROUPS.items():
        lines.append(f"{title}:")
        for declare in group:
            name = declare.__name__
            text, _, calls = (inspect.getdoc(declare) or "").partition("\n\nexamples:\n")
            summary, *paragraphs = text.split("\n\n")
            lines.append(f"  {name:<11} {summary}")
            epilog = f"examples:\n{calls}\n\n{fill(STATUSES)}"
            parsers[name] = command = commands.add_parser(name, help=summary, description=fill(summary), epilog=epilog)
            command.describe(*paragraphs)
            declare(command)
            command.add_argument("--no-color", action="store_true", help="no colors on a terminal; so does NO_COLOR=1")
        lines.append("")
    lines += [
        "examples:",
        "  astrojax run example:first                    # a first run; it compiles for half a minute",
        "  astrojax show runs/first --html               # its page",
        "  astrojax run --help                           # more about a command",
        "",
        fill(STATUSES),
    ]
    parser.epilog = "\n".join(lines)
    return parser, parsers


class _Version(argparse.Action):
    """As argparse's own; but the version is looked up when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *given: Any) -> NoReturn:
        from .. import __version__

        print(f"astrojax {__version__}")
        parser.exit()


def _execute(words: list[str]) -> int:
    parser, commands = make_parser()
    if not words:
        parser.print_help(sys.stderr)
        return 2
    options, rest = parser.parse_known_args(words)
    name = options.command
    if early := words[: words.index(name)]:
        raise InputError(f"options come after the command: astrojax {name} … {' '.join(early)}")
    if rest and not commands[name].takes_overrides:
        commands[name].refuse(rest)
    options.overrides = rest
    return options.execute(options)


def _fail(words: Sequence[str], text: str, status: int, faults: Sequence[tuple[str, str]] = ()) -> int:
    if "--json" in words:
        listed = {"faults": [{"path": path, "text": wrong} for path, wrong in faults]} if faults else {}
        print_json({"error": text, "status": status, **listed})
    else:
        print_error(f"astrojax: {text}", color="--no-color" not in words)
    return status


def _raise_interruption(unraisable: Any) -> None:
    """Raise an interruption that hit a place such as a callback of the garbage collector, where Python would only print it."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        _thread.interrupt_main()
    else:
        sys.__unraisablehook__(unraisable)
