"""The words of the command line, and their help. Nothing heavy is imported, so that help answers at once."""

import argparse
import re
import shutil
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from .._internal.errors import InputError, did_you_mean

STATUSES = "exit status: 0 done, 1 given up for a reason outside the input, 2 bad input, 130 interrupted"

JSON = (
    "With --json, stdout is one JSON document and nothing else; notes go to stderr. An error is "
    '{"error": text, "status": exit status}, and "faults" where a configuration has some.'
)

GROUPS = {
    "begin": {
        "examples": "List configurations that come with the package, or print one.",
        "explore": "Watch retrieval in the browser: draw queries, move parameters.",
    },
    "compute": {
        "run": "Compute a configuration and write its run folder.",
        "tune": "Search for parameters by gradients, and prove them on fresh problems.",
    },
    "what was computed": {
        "show": "Print the tables of a run folder and draw its figures again.",
        "verify": "Compute a random share of a run's trajectories again and compare.",
        "export": "Write the results of a run as one file.",
    },
    "about": {
        "schema": "Print the JSON Schema of a configuration.",
        "info": "Print versions, devices and kept programs.",
        "completion": "Print what a shell needs to complete commands, options and keys.",
    },
}
"""The commands in the order of their help, and what each does."""

NAMES = {name: text for group in GROUPS.values() for name, text in group.items()}

OVERRIDES = (
    "Any key of the configuration can be overridden after CONFIG: --dotted.key value, for instance --retrieval.t1 20 or "
    '--axes.num_patterns "[5, 10]". A value is written as in the file.'
)

PROGRAMS = "Compiled programs are kept in the user's cache folder; ASTROJAX_CACHE names another one, or off."

COMPLETION = """\
bash, in ~/.bashrc:
  eval "$(astrojax completion bash)"
zsh, in ~/.zshrc, after compinit:
  eval "$(astrojax completion zsh)"
fish, once:
  astrojax completion fish > ~/.config/fish/completions/astrojax.fish"""


class Parser(argparse.ArgumentParser):
    """A parser whose faults are input errors that say what to do next."""

    def error(self, message: str) -> NoReturn:
        found = re.search(r"invalid choice: '?(.*?)'? \(choose from (.*)\)", message)
        hint = did_you_mean(found[1], re.findall(r"[\w-]+", found[2])) if found else ""
        raise InputError(f"{message}{hint}\n{self.format_usage().rstrip()}\nsee: {self.prog} --help")

    def options(self) -> list[str]:
        """Its options, as they are written."""
        return [option for action in self._actions for option in action.option_strings]


class _Version(argparse.Action):
    """As argparse's own; but the version is looked up when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *given: Any) -> NoReturn:
        from .. import __version__

        print(f"astrojax {__version__}")
        parser.exit()


def unknown(words: Sequence[str], parser: Parser) -> NoReturn:
    """Refuse words that a command does not know."""
    known = parser.options()
    hints = [did_you_mean(word.partition("=")[0], known) for word in words if word.startswith("-")]
    parser.error(f"unknown arguments: {' '.join(words)}{next((hint for hint in hints if hint), '')}")


def integer(text: str) -> int:
    """The integer that a word is, also one such as 1e3."""
    number = float(text)
    if not number.is_integer():
        raise ValueError
    return int(number)


NUMBER: Any = {"metavar": "N", "type": integer}


def make_parser(functions: dict[str, Callable[[argparse.Namespace], int]]) -> tuple[Parser, dict[str, Parser]]:
    """The parser of the whole command line, and those of the commands by name.

    Arguments:
        functions: what each command calls with its options; it returns the exit status.
    """
    parser = Parser(
        prog="astrojax",
        usage="astrojax [-h] [--version] COMMAND ...",
        description="Astrocyte-gated associative memory in JAX: simulate, search, and repeat runs.",
        epilog=_overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    # The overview lists the commands.
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="name", prog="astrojax", help=argparse.SUPPRESS)
    parsers: dict[str, Parser] = {}
    common: dict[str, Sequence[str]] = {}

    def command(name: str, *examples: str, more: Sequence[str] = (), words: Sequence[str] = ()) -> Parser:
        """A command; `words` are common options that it takes."""
        paragraphs = [_filled(NAMES[name]), *map(_filled, more)]
        if "json" in words:
            paragraphs.append(_filled(JSON))
        lines = ["examples:", *(f"  {example}" for example in examples), "", _filled(STATUSES)]
        sub = commands.add_parser(
            name,
            help=NAMES[name],
            description="\n\n".join(paragraphs),
            epilog="\n".join(lines),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        sub.set_defaults(command=functions[name])
        parsers[name], common[name] = sub, words
        return sub

    everything = ("json", "quiet")
    run = command(
        "run",
        "astrojax run example:first",
        "astrojax run mine.yaml --out runs/mine --trials 200",
        "astrojax run runs/mine                        # continue it after an interruption",
        more=[OVERRIDES, PROGRAMS],
        words=everything,
    )
    _config(run, "a YAML file (see `astrojax schema`), example:NAME, or a run folder to be continued")
    run.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    run.add_argument("--cluster", metavar="WHERE", help="a Dask scheduler's address or file, or local:4 for four workers here")
    run.add_argument("--chunk", **NUMBER, help="trajectories that are computed and stored as one")
    tune = command(
        "tune",
        "astrojax tune example:tune --out runs/tuned",
        "astrojax run runs/tuned/tuned.yaml            # a run with what was found",
        "astrojax tune mine.yaml --search.num_steps 200",
        more=[OVERRIDES, PROGRAMS],
        words=everything,
    )
    _config(tune, "a YAML file (see `astrojax schema --tune`), example:NAME, or a folder to be continued")
    for sub in (run, tune):
        sub.add_argument("--memory", metavar="SIZE", help="how much of a device's memory may be used, such as 2GiB")
        sub.add_argument("--devices", **NUMBER, help="how many devices of this machine are used; all when left out")
        sub.add_argument("--threads", **NUMBER, help="how many calls run at a time; one per core when left out")
    show = command(
        "show",
        "astrojax show runs/first",
        "astrojax show runs/mine --along temperature,num_flips",
        "astrojax show runs/mine --html                # one page that needs no other file",
        "astrojax show runs/mine --format pdf,svg --models astrocyte,hopfield --label num_flips='flipped bits'",
        "astrojax show runs/mine --json | jq .summary.success",
        words=everything,
    )
    _run_folder(show, "a folder of a run, finished or not, or of a search")
    show.add_argument("--along", metavar="AXES", help="axes of the tables, one or two, with a comma between them")
    show.add_argument(
        "--html",
        metavar="FILE",
        nargs="?",
        const="",
        help="write a self-contained page too, RUN/report.html when FILE is left out",
    )
    show.add_argument("--format", metavar="FORMATS", help="files of the figures: png when left out, pdf, svg, with commas")
    show.add_argument("--observable", metavar="NAME", help="what the figures show, hamming_error when left out")
    show.add_argument("--models", metavar="NAMES", help="models and decoders in figures, with commas; all when left out")
    show.add_argument(
        "--label",
        metavar="NAME=TEXT",
        action="append",
        help="what figures call a model, an axis or an observable, with mathematics in $…$; may be repeated",
    )
    verify = command(
        "verify",
        "astrojax verify runs/mine",
        "astrojax verify runs/mine --share 0.1 --seed 1",
        more=["Exit status 0 if counts of errors are the same and floats are within a relative 1e-5, else 1."],
        words=everything,
    )
    _run_folder(verify, "a run folder, finished or not")
    verify.add_argument("--share", metavar="SHARE", type=float, default=0.01, help="which share, 0.01 when left out")
    verify.add_argument("--seed", **NUMBER, help="seed of the choice; another one every time when left out")
    export = command(
        "export",
        "astrojax export runs/mine --format csv",
        "astrojax export runs/mine --format nc --out mine.nc",
        more=["netCDF and Parquet need an extra: python -m pip install 'astrojax-memory[export]'."],
        words=everything,
    )
    _run_folder(export, "a finished run folder")
    export.add_argument(
        "--format", choices=("nc", "csv", "parquet"), required=True, help="netCDF, or a table with a row for each trajectory"
    )
    export.add_argument("--out", metavar="FILE", help="RUN/results.FORMAT when left out")
    examples = command(
        "examples",
        "astrojax examples",
        "astrojax run example:first",
        "astrojax examples first > first.yaml          # a copy to change",
        words=["json"],
    )
    examples.add_argument("example", metavar="NAME", nargs="?", help="print this one as it is")
    explore = command(
        "explore",
        "astrojax explore",
        "astrojax explore mine.npy --port 8000 --no-browser",
        more=["It needs an extra: python -m pip install 'astrojax-memory[explore]'. Ctrl-C ends it."],
    )
    explore.add_argument(
        "patterns", metavar="FILE", nargs="?", help="own patterns: .npy, .npz or .csv, one per row; digits when left out"
    )
    explore.add_argument("--array", metavar="NAME", help="array of an .npz file that holds several")
    explore.add_argument("--threshold", metavar="X", type=float, help="larger entries of FILE become +1, the others -1")
    explore.add_argument("--max-duplicates", **NUMBER, default=0, help="rows that may repeat another")
    explore.add_argument("--port", **NUMBER, default=5006, help="5006 when left out; 0 for any that is free")
    explore.add_argument(
        "--address", metavar="A", default="127.0.0.1", help="127.0.0.1 when left out: this machine alone can reach it"
    )
    explore.add_argument("--no-browser", action="store_true", help="open no browser")
    schema = command(
        "schema",
        "astrojax schema > run.schema.json",
        "astrojax schema --tune",
        more=["The schema is JSON whether --json is given or not."],
        words=["json"],
    )
    schema.add_argument("--tune", action="store_true", help="that of a search")
    command("info", "astrojax info", "astrojax info --json", words=["json"])
    completion = command(
        "completion",
        *(line.strip() for line in COMPLETION.splitlines()[1::2]),
        more=["Once per shell; open a new one afterwards. In zsh, compinit must have been called before."],
    )
    completion.add_argument("shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="bash, zsh or fish")
    for name, words in common.items():
        if "json" in words:
            parsers[name].add_argument("--json", action="store_true", help="tell the outcome as one JSON document")
        if "quiet" in words:
            text = "tell nothing but errors, and JSON if it is asked for"
            parsers[name].add_argument("--quiet", action="store_true", help=text)
        parsers[name].add_argument("--no-color", action="store_true", help="no colours on a terminal; so does NO_COLOR=1")
    return parser, parsers


def _config(sub: Parser, text: str) -> None:
    config: Any = sub.add_argument("config", metavar="CONFIG", help=text)
    config.completer = _later("configurations")
    out: Any = sub.add_argument(
        "--out", metavar="DIR", help="the run folder, continued if it is unfinished; runs/NAME when left out"
    )
    out.completer = _later("folders")


def _run_folder(sub: Parser, text: str) -> None:
    run: Any = sub.add_argument("run", metavar="RUN", help=text)
    run.completer = _later("run_folders")


def _later(name: str) -> Callable[..., Any]:
    """A completer, imported when it is asked."""

    def complete(**given: Any) -> Any:
        from . import completion

        return getattr(completion, name)(**given)

    return complete


def _overview() -> str:
    lines = []
    for title, commands in GROUPS.items():
        lines += [f"{title}:", *(f"  {name:<11} {text}" for name, text in commands.items()), ""]
    return "\n".join(
        [
            *lines,
            "examples:",
            "  astrojax run example:first                    # a first run; it compiles for half a minute",
            "  astrojax show runs/first --html               # its page",
            "  astrojax run --help                           # more about a command",
            "",
            _filled(STATUSES),
        ]
    )


def _filled(text: str) -> str:
    width = max(min(shutil.get_terminal_size().columns - 2, 100), 40)
    return textwrap.fill(text, width, break_on_hyphens=False, break_long_words=False)
