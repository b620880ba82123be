"""Write the results of a run as one file.

netCDF and Parquet need an extra: python -m pip install 'astrojax-memory[export]'.

examples:
  astrojax export runs/mine --format csv
  astrojax export runs/mine --format nc --out mine.nc
"""

import argparse
from pathlib import Path

from .output import Output
from .parser import Parser, add_output, add_run_folder


def add(parser: Parser) -> None:
    add_run_folder(parser, "a finished run folder")
    formats = ("nc", "csv", "parquet")
    parser.add_argument("--format", choices=formats, required=True, help="netCDF, or a table with a row for each trajectory")
    parser.add_argument("--out", metavar="FILE", help="RUN/results.FORMAT if omitted")
    add_output(parser, quiet=True)


def run(options: argparse.Namespace) -> int:
    from ..storage.export import export

    folder = Path(options.run)
    path = export(folder, options.format, options.out)
    content = {"folder": folder, "file": path}
    Output.of(options).print_outcome(content, lambda console: console.print(f"{path}: written", soft_wrap=True))
    return 0
