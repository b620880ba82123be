"""The commands to start with: configurations that come with the package, and the explorer."""

import argparse
import sys
from typing import Any

from .output import Output, print_json
from .parser import Parser, add_output, add_trust, integer


def examples(parser: Parser) -> None:
    """List the configurations that come with the package, or print one.

    examples:
      astrojax examples
      astrojax run example:first
      astrojax examples first > first.yaml          # a copy to change
    """
    parser.add_argument("example", metavar="NAME", nargs="?", help="print this one as it is")
    add_output(parser)
    parser.set_defaults(execute=_examples)


def _examples(options: argparse.Namespace) -> int:
    from ..config.files import PREFIX, examples, located

    found = [{"name": name} | example for name, example in examples().items()]
    if options.example is not None:
        path = located(PREFIX + options.example.removeprefix(PREFIX))
        one = next(one for one in found if one["name"] == path.stem)
        if options.json:
            print_json(one)
        else:
            sys.stdout.write(one["text"])
        return 0
    for one in found:
        del one["text"]

    def show(console: Any) -> None:
        for one in found:
            console.print(f"{one['name']:<8} {one['about']}", soft_wrap=True)
            console.print(f"{'':<8} astrojax {one['command']} {PREFIX}{one['name']}", soft_wrap=True)

    Output.of(options).print_outcome({"examples": found}, show)
    return 0


def explore(parser: Parser) -> None:
    """Watch retrieval in the browser: draw queries, move parameters.

    It needs an extra: python -m pip install 'astrojax-memory[explore]'. Ctrl-C ends it.

    examples:
      astrojax explore
      astrojax explore mine.npy --port 8000 --no-browser
      astrojax explore mine.yaml --trust            # its models, patterns and corruption
    """
    text = "own patterns (.npy, .npz or .csv, one per row; digits if omitted), a configuration, or a run folder"
    parser.option("file", "FILE", text, nargs="?")
    add_trust(parser)
    parser.option("--array", "NAME", "array of an .npz file that holds several")
    parser.option("--threshold", "X", "larger entries of FILE become +1, the others -1", type=float)
    parser.option("--scaling", "S", "entries of FILE may be any numbers: raw, range, standard or sphere")
    parser.option("--max-duplicates", "N", "rows that may repeat another", type=integer, default=0)
    parser.option("--port", "N", "5006 if omitted; 0 for any that is free", type=integer, default=5006)
    parser.option("--address", "A", "127.0.0.1 if omitted: only this machine can reach it", default="127.0.0.1")
    parser.add_argument("--no-browser", action="store_true", help="open no browser")
    parser.set_defaults(execute=_explore)


def _explore(options: argparse.Namespace) -> int:
    from .._internal.devices import local_devices
    from ..explore import serve

    local_devices()  # where JAX has no device this fails here, not in the first request
    names = ("array", "threshold", "scaling", "max_duplicates", "address", "port", "trust")
    given = {name: getattr(options, name) for name in names}
    if options.file is not None:
        given["patterns" if options.file.endswith((".npy", ".npz", ".csv")) else "config"] = options.file
    serve(**given, show=not options.no_browser)
    return 0
