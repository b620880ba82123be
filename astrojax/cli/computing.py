"""What `run` and `tune` share: a configuration with overrides, and how to compute it."""

import argparse
import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._internal.errors import InputError
from .output import Output
from .parser import Parser, add_output, configurations, file_name, integer

if TYPE_CHECKING:
    from ..config.run import BaseConfig

EXECUTION = ("memory", "num_devices", "num_threads", "lanes_per_chunk", "cluster")
"""Options that are arguments of `Execution`."""


def add_configuration(parser: Parser, text: str) -> None:
    """Declare CONFIG, its overrides, the run folder, and how to compute it."""
    parser.takes_overrides = True
    parser.describe(
        "Any key of the configuration can be overridden after CONFIG: --dotted.key value, for instance --retrieval.t1 20 or "
        '--axes.num_patterns "[5, 10]". A value is written as in the file.',
        "Compiled programs are cached in the user's cache folder; ASTROJAX_CACHE names another one, or off.",
    )
    config: Any = parser.add_argument("config", metavar="CONFIG", type=file_name, help=text)
    config.completer = configurations
    text = "the run folder, continued if it is unfinished; runs/NAME if omitted"
    parser.option("--out", "DIR", text, type=file_name)
    parser.option("--memory", "SIZE", "how much of a device's memory may be used, such as 2GiB", type=_bytes)
    text = "how many devices of this machine are used; all if omitted"
    parser.option("--devices", "N", text, type=integer, dest="num_devices")
    text = "how many calls run at a time; one per core if omitted"
    parser.option("--threads", "N", text, type=integer, dest="num_threads")
    add_output(parser, quiet=True)


def check_overrides(options: argparse.Namespace, kind: "type[BaseConfig]") -> None:
    """Refuse a misspelt option before it is taken for an override, and a configuration that does not come first."""
    parser: Parser = options.parser
    if not Path(options.config).exists() and any(Path(word).is_file() for word in options.overrides):
        raise InputError(f"the configuration comes first: {parser.prog} CONFIG [--out DIR] [--dotted.key value ...]")
    known, keys = parser.options(), [f"--{name}" for name in kind.model_fields]
    for word in options.overrides:
        option = word.partition("=")[0]
        near = get_close_matches(option.replace("_", "-"), [*known, *keys], n=1)
        if option.startswith("-") and option not in keys and near and near[0] in known:
            parser.refuse([option])


def find_folder(output: Output, config: "BaseConfig", out: str | Path | None) -> tuple[Path, bool]:
    """The run folder of a configuration, and whether it was found and holds the finished run, which is then printed."""
    from ..storage import folder as store
    from ..storage.provenance import finished_already

    if out is not None:
        return Path(out), False
    folder, is_finished = store.choose_folder(Path("runs"), config.name, config)
    if is_finished:
        output.print_line(finished_already(folder))
    return folder, is_finished


def execution_of(options: argparse.Namespace) -> dict[str, Any]:
    """Arguments of `Execution` among the options."""
    return {name: value for name, value in vars(options).items() if name in EXECUTION}


@contextlib.contextmanager
def saying_how_to_continue(folder: Path, stored: Callable[[], str]) -> Iterator[None]:
    """Print, after an interruption or a runtime failure, what is stored in a run folder and which command continues it."""
    from ..config.detect import CONFIG, run_again

    try:
        yield
    except BaseException as error:
        if not isinstance(error, ValueError) and (folder / CONFIG).exists():
            with contextlib.suppress(InputError):
                print(f"astrojax: {stored()}; continue with: {run_again(folder)}", file=sys.stderr)
        raise


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d*)?(?:e\d+)?)\s*([KMGT]?)(i?)B?", text.strip(), re.IGNORECASE)
    if not found or not float(found[1]) < 1e30:
        raise argparse.ArgumentTypeError(f"must be a number of bytes such as 800MB or 2GiB; got {text!r}")
    number, prefix, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** " KMGT".index(prefix.upper() or " "))
