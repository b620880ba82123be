"""Print the JSON Schema of a configuration.

examples:
  astrojax schema > run.schema.json
  astrojax schema --tune
"""

import argparse
from typing import Any

from .output import print_json
from .parser import Parser


def add(parser: Parser) -> None:
    parser.add_argument("--tune", action="store_true", help="that of a search")
    parser.add_argument("--json", action="store_true", help="the schema is JSON in any case")


def run(options: argparse.Namespace) -> int:
    print_json(schema_of("tune" if options.tune else "run"))
    return 0


def schema_of(command: str) -> dict[str, Any]:
    """The JSON Schema of the configurations of `run` or `tune`."""
    from ..config.run import Config
    from ..config.tune import TuneConfig

    return (TuneConfig if command == "tune" else Config).model_json_schema()
