# PYTHON_ARGCOMPLETE_OK
"""The command line. Everything heavy is imported when it is needed, so that help answers at once."""

import _thread
import argparse
import contextlib
import csv
import gc
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._internal.errors import InputError, RunError
from .parser import Parser, make_parser, unknown

if TYPE_CHECKING:
    from .output import Output


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 done, 1 given up, 2 bad input, 130 interrupted."""
    from .output import print_any_text

    words = list(sys.argv[1:] if arguments is None else arguments)
    print_any_text()
    try:
        return _called(words)
    except KeyboardInterrupt:
        return _failed(words, "interrupted", 130)
    except InputError as error:
        return _failed(words, str(error), 2, getattr(error, "faults", ()))
    except RunError as error:
        return _failed(words, str(error), 1)


def entry() -> None:
    """What the command `astrojax` does: `main`, and the end of the process; or completing a command line, for a shell."""
    if "_ARGCOMPLETE" in os.environ:
        from .completion import complete

        complete(*make_parser(COMMANDS))
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as by `>&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    sys.unraisablehook = _raise_interruption
    # Looking for cyclic garbage as often as Python does by itself takes a tenth of a small run.
    gc.set_threshold(50_000, 20, 50)
    status = 130
    try:
        with contextlib.suppress(KeyboardInterrupt):  # pressed again while the first was told
            status = main()
            sys.stdout.flush()
    except OSError as error:
        status = 1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # as of `astrojax schema | head`, where nobody reads on
            _failed([], f"the output cannot be written: {error.strerror or error}", status)
    if status == 130:
        # At once, whatever threads are still in the middle of and however often Ctrl-C is pressed.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    gc.freeze()  # to look for garbage once more at the end would take half a second
    sys.exit(status)


def _raise_interruption(unraisable: Any) -> None:
    """Raise an interruption that hit a place such as a callback of the garbage collector, where Python would only print it."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        _thread.interrupt_main()
    else:
        sys.__unraisablehook__(unraisable)


def _called(words: list[str]) -> int:
    parser, commands = make_parser(COMMANDS)
    if not words:
        parser.print_help(sys.stderr)
        return 2
    options, rest = parser.parse_known_args(words)
    early = words[: words.index(options.name)]
    if early:
        raise InputError(f"options come after the command: astrojax {options.name} … {' '.join(early)}")
    for name in ("config", "run", "out"):
        if getattr(options, name, None) == "":
            raise InputError(f"{name.upper() if name != 'out' else '--out'} must be the name of a file or folder; got ''")
    if rest and options.command not in (_run, _tune):
        unknown(rest, commands[options.name])
    options.overrides, options.parser = rest, commands[options.name]
    return options.command(options)


def _failed(words: Sequence[str], text: str, status: int, faults: Sequence[tuple[str, str]] = ()) -> int:
    from .output import print_error, print_json

    if "--json" in words:
        listed = {"faults": [{"path": path, "text": wrong} for path, wrong in faults]} if faults else {}
        print_json({"error": text, "status": status, **listed})
    else:
        print_error(f"astrojax: {text}", colour="--no-color" not in words)
    return status


def _output(options: argparse.Namespace) -> "Output":
    from .output import Output

    return Output(as_json=options.json, quiet=getattr(options, "quiet", False), colour=not options.no_color)


def _run(options: argparse.Namespace) -> int:
    _look_at(options)
    if options.cluster is not None:
        import jax

        # The accelerators of this machine are left to workers on it.
        jax.config.update("jax_platforms", "cpu")
    from .run import run_config

    def execution() -> Any:
        return _execution(options, lanes_per_chunk=options.chunk, cluster=options.cluster)

    run_config(options.config, options.out, options.overrides, execution, options.dry_run, output=_output(options))
    return 0


def _tune(options: argparse.Namespace) -> int:
    _look_at(options)
    # What cannot be used is refused at once, before anything else is imported.
    if Path(options.config).is_dir():
        from ..storage.tune_results import find_search

        find_search(options.config)
    else:
        from ..config.load import read
        from ..config.tune import TuneConfig

        read(options.config, TuneConfig, options.overrides)
    from .tune import tune_config

    tune_config(_output(options), options.config, options.out, options.overrides, lambda: _execution(options))
    return 0


def _look_at(options: argparse.Namespace) -> None:
    """Refuse what is nearer to an option than to a key, before it is taken for an override; and what does not come first."""
    from ..config.run import Config

    kind: Any = Config
    if options.command is _tune:
        from ..config.tune import TuneConfig as kind  # noqa: N813
    parser: Parser = options.parser
    if not Path(options.config).exists() and any(Path(word).is_file() for word in options.overrides):
        raise InputError(f"the configuration comes first: {parser.prog} CONFIG [--out DIR] [--dotted.key value ...]")
    keys = [f"--{name}" for name in kind.model_fields]
    for word in options.overrides:
        option = word.partition("=")[0]
        near = get_close_matches(option.replace("_", "-"), [*parser.options(), *keys], n=1)
        if option.startswith("-") and option not in keys and near and near[0] in parser.options():
            unknown([option], parser)


def _execution(options: argparse.Namespace, **more: Any) -> Any:
    from ..runs.run import Execution

    memory = None if options.memory is None else _bytes(options.memory)
    return Execution(memory=memory, num_devices=options.devices, num_threads=options.threads, **more)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d*)?(?:e\d+)?)\s*([KMGT]?)(i?)B?", text.strip(), re.IGNORECASE)
    if not found or not float(found[1]) < 1e30:
        raise InputError(f"--memory must be a number of bytes such as 800MB or 2GiB; got {text!r}")
    number, prefix, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** " KMGT".index(prefix.upper() or " "))


def _show(options: argparse.Namespace) -> int:
    from .inspect import show

    drawing: dict[str, Any] = {}
    if options.format is not None:
        drawing["formats"] = options.format.split(",")
    if options.observable is not None:
        drawing["observable"] = options.observable
    if options.models is not None:  # a name with a comma is quoted, as in a table
        drawing["models"] = next(csv.reader([options.models]), [])
    if options.label is not None:
        drawing["labels"] = dict(map(_label, options.label))
    if options.html is not None and set(drawing) - {"formats"}:
        raise InputError("--html: a page shows the whole run; leave out --observable, --models and --label")
    show(_output(options), Path(options.run), options.along and options.along.split(","), options.html, drawing)
    return 0


def _label(text: str) -> tuple[str, str]:
    name, _, label = text.partition("=")
    if not label:
        raise InputError(f"--label must be NAME=TEXT; got {text!r}")
    return name, label


def _verify(options: argparse.Namespace) -> int:
    from .inspect import verify

    return 0 if verify(_output(options), Path(options.run), options.share, options.seed) else 1


def _export(options: argparse.Namespace) -> int:
    from .inspect import export

    export(_output(options), Path(options.run), options.format, options.out)
    return 0


def _examples(options: argparse.Namespace) -> int:
    from .info import examples

    examples(_output(options), options.example)
    return 0


def _explore(options: argparse.Namespace) -> int:
    from .info import explore

    reading = {name: getattr(options, name) for name in ("array", "threshold", "max_duplicates")}
    explore(options.patterns, options.address, options.port, not options.no_browser, **reading)
    return 0


def _schema(options: argparse.Namespace) -> int:
    from .info import schema

    schema(options.tune)
    return 0


def _info(options: argparse.Namespace) -> int:
    from .info import info

    return 0 if info(_output(options)) else 2


def _completion(options: argparse.Namespace) -> int:
    from .info import completion

    completion(options.shell)
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "tune": _tune,
    "show": _show,
    "verify": _verify,
    "export": _export,
    "examples": _examples,
    "explore": _explore,
    "schema": _schema,
    "info": _info,
    "completion": _completion,
}

if __name__ == "__main__":
    entry()
