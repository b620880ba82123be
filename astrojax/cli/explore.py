"""Watch retrieval in the browser: draw queries, move parameters.

It needs an extra: python -m pip install 'astrojax-memory[explore]'. Ctrl-C ends it.

examples:
  astrojax explore
  astrojax explore mine.npy --port 8000 --no-browser
"""

import argparse

from .parser import Parser, integer


def add(parser: Parser) -> None:
    parser.option("patterns", "FILE", "own patterns: .npy, .npz or .csv, one per row; digits if omitted", nargs="?")
    parser.option("--array", "NAME", "array of an .npz file that holds several")
    parser.option("--threshold", "X", "larger entries of FILE become +1, the others -1", type=float)
    parser.option("--max-duplicates", "N", "rows that may repeat another", type=integer, default=0)
    parser.option("--port", "N", "5006 if omitted; 0 for any that is free", type=integer, default=5006)
    parser.option("--address", "A", "127.0.0.1 if omitted: only this machine can reach it", default="127.0.0.1")
    parser.add_argument("--no-browser", action="store_true", help="open no browser")


def run(options: argparse.Namespace) -> int:
    from .._internal.devices import local_devices
    from ..explore import serve

    local_devices()  # where JAX has no device this fails here, not in the first request
    given = {name: getattr(options, name) for name in ("patterns", "array", "threshold", "max_duplicates", "address", "port")}
    serve(**given, show=not options.no_browser)
    return 0
