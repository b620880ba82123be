"""Print the tables of a run folder and draw its figures again.

examples:
  astrojax show runs/first
  astrojax show runs/mine --along temperature,num_flips
  astrojax show runs/mine --html                # one page that needs no other file
  astrojax show runs/mine --format pdf,svg --models astrocyte,hopfield --label num_flips='flipped bits'
  astrojax show runs/mine --json | jq .summary.success
"""

import argparse
import csv
from pathlib import Path

from .._internal.errors import InputError
from .output import Output
from .parser import Parser, add_output, add_run_folder


def add(parser: Parser) -> None:
    add_run_folder(parser, "a folder of a run, finished or not, or of a search")
    parser.option("--along", "AXES", "axes of the tables, one or two, with a comma between them", type=_names)
    text = "write a self-contained page too: FILE, or RUN/report.html"
    parser.option("--html", "FILE", text, nargs="?", const="")
    text = "files of the figures: png if omitted, pdf, svg, with commas"
    parser.option("--format", "FORMATS", text, type=_names, dest="formats")
    parser.option("--observable", "NAME", "what the figures show, hamming_error if omitted")
    parser.option("--models", "NAMES", "models and decoders in figures, with commas; all if omitted", type=_names)
    text = "what figures call a model, an axis or an observable, with mathematics in $…$; may be repeated"
    parser.option("--label", "NAME=TEXT", text, type=_label, action="append", dest="labels")
    add_output(parser, quiet=True)


def run(options: argparse.Namespace) -> int:
    given = {name: getattr(options, name) for name in ("formats", "observable", "models", "labels")}
    given["labels"] = options.labels and dict(options.labels)
    drawing = {name: value for name, value in given.items() if value is not None}
    if options.html is not None and set(drawing) - {"formats"}:
        raise InputError("--html: a page shows the whole run; leave out --observable, --models and --label")
    from ..config.detect import is_search
    from .report import show_run, show_search

    folder, output = Path(options.run), Output.of(options)
    if not is_search(folder):
        show_run(output, folder, options.along, options.html, drawing)
    elif options.along or set(drawing) - {"formats"}:
        text = "--along, --observable, --models and --label are for runs"
        raise InputError(f"{text}; {folder} is the folder of a search, whose runs are in {folder / 'heldout'}")
    else:
        show_search(output, folder, options.html, drawing)
    return 0


def _names(text: str) -> list[str]:
    """Names with commas between them; one that has a comma is quoted, as in a table."""
    return next(csv.reader([text]), []) or [""]


def _label(text: str) -> tuple[str, str]:
    name, _, label = text.partition("=")
    if not label:
        raise argparse.ArgumentTypeError(f"must be NAME=TEXT; got {text!r}")
    return name, label
