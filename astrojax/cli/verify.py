"""Compute a random share of a run's trajectories again and compare.

Exit status 0 if counts of errors are the same and floats are within a relative 1e-5, else 1.

examples:
  astrojax verify runs/mine
  astrojax verify runs/mine --share 0.1 --seed 1
"""

import argparse
from pathlib import Path

from .output import Output
from .parser import Parser, add_output, add_run_folder, integer


def add(parser: Parser) -> None:
    add_run_folder(parser, "a run folder, finished or not")
    parser.option("--share", "SHARE", "which share, 0.01 if omitted", type=float, default=0.01)
    parser.option("--seed", "N", "seed of the random choice; a new one every time if omitted", type=integer)
    add_output(parser, quiet=True)


def run(options: argparse.Namespace) -> int:
    from ..report.tables import print_comparison, repeats
    from ..runs.verify import verify
    from .progress import Progress

    output = Output.of(options)
    with Progress(output) as progress:
        progress.begin_trajectories()
        found = verify(options.run, share=options.share, seed=options.seed, on_chunk=progress.add_trajectories)
    content = {"folder": Path(options.run), "repeats": repeats(found), "variables": found}
    output.print_outcome(content, lambda console: print_comparison(console, found))
    return 0 if repeats(found) else 1
