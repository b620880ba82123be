"""The commands for results: tables, figures and pages, verification, export."""

import argparse
import csv
from pathlib import Path

from .._internal.errors import InputError
from .output import Output
from .parser import Parser, add_output, add_run_folder, add_trust, integer


def show(parser: Parser) -> None:
    """Print the tables of a run folder and draw its figures again.

    examples:
      astrojax show runs/first
      astrojax show runs/mine --along temperature,num_flips
      astrojax show runs/mine --theory
      astrojax show runs/mine --html                # one page that needs no other file
      astrojax show runs/mine --format pdf,svg --models astrocyte,hopfield --label num_flips='flipped bits'
      astrojax show runs/mine --json | jq .summary.success
    """
    add_run_folder(parser, "a folder of a run, finished or not, or of a search")
    parser.option("--along", "AXES", "axes of the tables, one or two, with a comma between them", type=_names)
    text = "write a self-contained page too: FILE, or RUN/report.html"
    parser.option("--html", "FILE", text, nargs="?", const="")
    text = "files of the figures: png if omitted, pdf, svg, with commas"
    parser.option("--format", "FORMATS", text, type=_names, dest="formats")
    parser.option("--observable", "NAME", "what tables and figures show, by default hamming_error or rmse")
    parser.option("--models", "NAMES", "models and decoders in figures, with commas; all if omitted", type=_names)
    text = "draw theory over the figures along an axis, where it applies"
    parser.add_argument("--theory", action="store_true", default=None, help=text)
    text = "what figures call a model, an axis or an observable, with mathematics in $…$; may be repeated"
    parser.option("--label", "NAME=TEXT", text, type=_label, action="append", dest="labels")
    add_output(parser, quiet=True)
    parser.set_defaults(execute=_show)


def _show(options: argparse.Namespace) -> int:
    given = {name: getattr(options, name) for name in ("formats", "observable", "models", "labels", "theory")}
    given["labels"] = options.labels and dict(options.labels)
    drawing = {name: value for name, value in given.items() if value is not None}
    if options.html is not None and set(drawing) - {"formats"}:
        raise InputError("--html: a page shows the whole run; leave out --observable, --models, --label and --theory")
    from ..config.files import is_search
    from .report import show_run, show_search

    folder, output = Path(options.run), Output.of(options)
    if not is_search(folder):
        show_run(output, folder, options.along, options.html, drawing)
    elif options.along or set(drawing) - {"formats"}:
        text = "--along, --observable, --models, --label and --theory are for runs"
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


def verify(parser: Parser) -> None:
    """Compute a random share of a run's trajectories again and compare.

    Exit status 0 if counts of errors are the same and floats are within a relative 1e-5, else 1.

    examples:
      astrojax verify runs/mine
      astrojax verify runs/mine --share 0.1 --seed 1
    """
    add_run_folder(parser, "a run folder, finished or not")
    parser.option("--share", "SHARE", "which share, 0.01 if omitted", type=float, default=0.01)
    parser.option("--seed", "N", "seed of the random choice; a new one every time if omitted", type=integer)
    add_trust(parser)
    add_output(parser, quiet=True)
    parser.set_defaults(execute=_verify)


def _verify(options: argparse.Namespace) -> int:
    from ..report.tables import print_comparison, repeats
    from ..runs.verify import verify
    from .progress import Progress

    output = Output.of(options)
    with Progress(output) as progress:
        progress.begin()
        found = verify(
            options.run, share=options.share, seed=options.seed, trust=options.trust, on_chunk=progress.add_trajectories
        )
    content = {"folder": Path(options.run), "repeats": repeats(found), "variables": found}
    output.print_outcome(content, lambda console: print_comparison(console, found))
    return 0 if repeats(found) else 1


def export(parser: Parser) -> None:
    """Write the results of a run as one file.

    netCDF and Parquet need an extra: python -m pip install 'astrojax-memory[export]'.

    examples:
      astrojax export runs/mine --format csv
      astrojax export runs/mine --format nc --out mine.nc
    """
    add_run_folder(parser, "a finished run folder")
    formats = ("nc", "csv", "parquet")
    parser.add_argument("--format", choices=formats, required=True, help="netCDF, or a table with a row for each trajectory")
    parser.add_argument("--out", metavar="FILE", help="RUN/results.FORMAT if omitted")
    add_output(parser, quiet=True)
    parser.set_defaults(execute=_export)


def _export(options: argparse.Namespace) -> int:
    from ..storage.export import export

    folder = Path(options.run)
    path = export(folder, options.format, options.out)
    content = {"folder": folder, "file": path}
    Output.of(options).print_outcome(content, lambda console: console.print(f"{path}: written", soft_wrap=True))
    return 0
