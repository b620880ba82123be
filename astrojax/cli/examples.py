"""List the configurations that come with the package, or print one.

examples:
  astrojax examples
  astrojax run example:first
  astrojax examples first > first.yaml          # a copy to change
"""

import argparse
import sys
from typing import Any

from .output import Output, print_json
from .parser import Parser, add_output


def add(parser: Parser) -> None:
    parser.add_argument("example", metavar="NAME", nargs="?", help="print this one as it is")
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    from ..config.examples import PREFIX, about, kind, names, path_of

    def describe(name: str) -> dict[str, str]:
        return {"name": name, "command": kind(name), "about": about(name)}

    if options.example is not None:
        path = path_of(options.example.removeprefix(PREFIX))
        text = path.read_text(encoding="utf-8")
        if options.json:
            print_json({**describe(path.stem), "text": text})
        else:
            sys.stdout.write(text)
        return 0
    found = [describe(name) for name in names()]

    def show(console: Any) -> None:
        for one in found:
            console.print(f"{one['name']:<8} {one['about']}", soft_wrap=True)
            console.print(f"{'':<8} astrojax {one['command']} {PREFIX}{one['name']}", soft_wrap=True)

    Output.of(options).print_outcome({"examples": found}, show)
    return 0
