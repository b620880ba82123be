"""Watch retrieval in the browser: draw queries, move parameters.

It needs an extra: python -m pip install 'astrojax-memory[explore]'. Ctrl-C ends it.

examples:
  astrojax explore
  astrojax explore mine.npy --port 8000 --no-browser
"""

import argparse

from .parser import NUMBER, Parser


def add(parser: Parser) -> None:
    parser.add_argument(
        "patterns", metavar="FILE", nargs="?", help="own patterns: .npy, .npz or .csv, one per row; digits when left out"
    )
    parser.add_argument("--array", metavar="NAME", help="array of an .npz file that holds several")
    parser.add_argument("--threshold", metavar="X", type=float, help="larger entries of FILE become +1, the others -1")
    parser.add_argument("--max-duplicates", **NUMBER, default=0, help="rows that may repeat another")
    parser.add_argument("--port", **NUMBER, default=5006, help="5006 when left out; 0 for any that is free")
    parser.add_argument(
        "--address", metavar="A", default="127.0.0.1", help="127.0.0.1 when left out: only this machine can reach it"
    )
    parser.add_argument("--no-browser", action="store_true", help="open no browser")


def run(options: argparse.Namespace) -> int:
    from .._internal.devices import local_devices
    from ..explore import serve

    local_devices()  # where JAX has no device this fails here, not in the first request
    given = {name: getattr(options, name) for name in ("patterns", "array", "threshold", "max_duplicates", "address", "port")}
    serve(**given, show=not options.no_browser)
    return 0
