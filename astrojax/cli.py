"""The command line. Everything heavy is imported when it is needed, so that help answers at once."""

import argparse
import contextlib
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__

if TYPE_CHECKING:
    from rich.console import Console

OVERRIDES = (
    "Any key of the configuration can be overridden, after CONFIG: --dotted.key value, for instance --retrieval.t1 20 or "
    '--axes.num_patterns "[5, 10]". A value is written as in the file.'
)

VERIFIED = "Exit status 0 if counts of errors are the same and floats are within a relative 1e-5, else 1."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 done, 1 given up, 2 bad input, 130 interrupted."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command not in (_run, _tune):
        parser.error(f"unknown arguments: {' '.join(rest)}")
    options.overrides = rest
    try:
        return options.command(options)
    except KeyboardInterrupt:
        print("astrojax: interrupted", file=sys.stderr)
        return 130
    except (ValueError, RuntimeError) as error:
        from ._checks import InputError, RunError

        if not isinstance(error, InputError | RunError):
            raise
        print(f"astrojax: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1


def entry() -> None:
    """What the command `astrojax` does: `main`, and the end of the process."""
    status = 130
    with contextlib.suppress(KeyboardInterrupt):  # pressed again while the first was told
        status = main()
    if status == 130:
        # At once, whatever threads are still in the middle of and however often Ctrl-C is pressed.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def run_config(
    path: str | Path, out: str | Path | None = None, overrides: Sequence[str] = (), execution: Any = None, dry_run: bool = False
) -> tuple[Path, Any]:
    """Run a configuration as `astrojax run` does: plan, progress, tables, figures. Returns the run folder and the results."""
    from .runs import store
    from .runs.reading import read_config

    path = Path(path)
    if path.is_dir():  # a run folder, to be continued
        if not (path / store.CONFIG).is_file():
            from ._checks import InputError

            raise InputError(f"{path} is not a run folder: it holds no {store.CONFIG}")
        out, path = out or path, path / store.CONFIG
    config = read_config(path, overrides)
    folder = Path(out) if out is not None else None
    if folder is None:
        folder = store.unfinished(Path("runs"), config.name, config) or store.free_folder(Path("runs"), config.name)
    from .experiment import Execution, outline_of, run
    from .report.plans import print_outline

    console, execution = _console(), execution or Execution()
    if dry_run:
        print_outline(console, config.name, outline_of(config, execution))
        return folder, None
    with _Progress(console) as progress:

        def planned(outline: Any) -> None:
            print_outline(console, config.name, outline)
            progress.start(outline.num_trajectories)

        def begin(stored: int, total: int) -> None:
            if stored:
                console.print(f"{folder}: {stored:,} of {total:,} trajectories are stored already", soft_wrap=True)
                progress.skip(stored)

        def notice(text: str) -> None:
            console.print(f"note: {text}", soft_wrap=True)

        try:
            told: Any = {"on_plan": planned, "on_begin": begin, "on_chunk": progress.advance, "on_notice": notice}
            results = run(config, folder, execution=execution, **told)
        except BaseException as error:
            if not isinstance(error, ValueError):
                _say_how_to_go_on(folder)
            raise
    _report(console, folder, results, config.name)
    return folder, results


def _say_how_to_go_on(folder: Path) -> None:
    from ._checks import InputError
    from .runs import store

    try:
        done = store.is_done(folder)
    except InputError:
        return
    print(
        f"astrojax: {done.sum()} of {done.size} chunks are stored; continue with: astrojax run {shlex.quote(str(folder))}",
        file=sys.stderr,
    )


def _run(options: argparse.Namespace) -> int:
    from ._checks import InputError

    if not Path(options.config).exists() and any(Path(word).is_file() for word in options.overrides):
        raise InputError("the configuration comes first: astrojax run CONFIG [--out DIR] [--dotted.key value ...]")
    if options.cluster is not None:
        import jax

        # The accelerators of this machine are left to workers on it.
        jax.config.update("jax_platforms", "cpu")
    execution = _execution(options, lanes_per_chunk=options.chunk, cluster=options.cluster)
    run_config(options.config, options.out, options.overrides, execution, options.dry_run)
    return 0


def _tune(options: argparse.Namespace) -> int:
    from .tuning_command import tune_config

    tune_config(_console(), options.config, options.out, options.overrides, _execution(options))
    return 0


def _execution(options: argparse.Namespace, **more: Any) -> Any:
    from .experiment import Execution

    memory = None if options.memory is None else _bytes(options.memory)
    return Execution(memory=memory, num_devices=options.devices, num_threads=options.threads, **more)


def _bytes(text: str) -> int:
    from ._checks import InputError

    found = re.fullmatch(r"(\d+(?:\.\d*)?(?:e\d+)?)\s*([KMGT]?)(i?)B?", text.strip(), re.IGNORECASE)
    if not found or not float(found[1]) < 1e30:
        raise InputError(f"--memory must be a number of bytes such as 800MB or 2GiB; got {text!r}")
    number, prefix, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** " KMGT".index(prefix.upper() or " "))


def _verify(options: argparse.Namespace) -> int:
    from .report.plans import print_comparison
    from .verification import verify

    console = _console()
    with _Progress(console) as progress:
        progress.start(None)
        found = verify(options.run, share=options.share, seed=options.seed, on_chunk=progress.advance)
    return 0 if print_comparison(console, found) else 1


def _export(options: argparse.Namespace) -> int:
    from .runs.export import export

    path = export(options.run, options.format, options.out)
    print(f"{path}: written")
    return 0


def _show(options: argparse.Namespace) -> int:
    from .runs import store
    from .runs.search_results import is_search

    folder, console = Path(options.run), _console()
    if is_search(folder):
        from .tuning_command import show_search

        show_search(console, folder)
        return 0
    results = store.load(folder, partial=True)
    done = store.is_done(folder)
    if not done.all():
        console.print(f"unfinished: {done.sum()} of {done.size} chunks are computed; astrojax run {folder} continues it")
    provenance = store.read_json(folder / store.PROVENANCE)
    known = {"versions": {}, "started": "?", "backend": "?", "seed": "?", "config_sha256": "?"} | provenance
    versions = ", ".join(f"{name} {known['versions'].get(name, '?')}" for name in ("astrojax", "jax", "diffrax"))
    console.print(f"{folder}: started {known['started']}, {versions}, {known['backend']}")
    solver = f", solver {results.attrs['solver']}" if "solver" in results.attrs else ""
    console.print(f"seed {known['seed']}, configuration SHA-256 {known['config_sha256'][:16]}{solver}")
    _report(console, folder, results, folder.name, options.along and options.along.split(","))
    return 0


def _schema(options: argparse.Namespace) -> int:
    import json

    from .runs.config import Config
    from .runs.tuning import TuneConfig

    kind = TuneConfig if options.tune else Config
    print(json.dumps(kind.model_json_schema(), indent=2))
    return 0


def _info(options: argparse.Namespace) -> int:
    from .runs.provenance import environment

    content = environment()
    for name, version in content["versions"].items():
        print(f"{name:<12} {version or 'not installed'}")
    print(f"{'python':<12} {content['python']} on {content['platform']}")
    print(f"{'devices':<12} {', '.join(content['devices'])} ({content['backend']})")
    return 0


def _report(console: "Console", folder: Path, results: Any, title: str, along: Sequence[str] | None = None) -> None:
    from .report.figures import draw_all
    from .report.tables import print_tables, summary
    from .runs import store

    content = summary(results, along)
    print_tables(console, content)
    try:
        store.write_json(folder / store.SUMMARY, content)
        draw_all(results, folder / store.FIGURES)
    except OSError as error:
        from ._checks import InputError

        raise InputError(f"{folder}: the figures cannot be written: {error.strerror or error}; the results are safe") from error
    console.print(f"{title}: results, tables and figures are in {folder}", soft_wrap=True)


class _Progress:
    """A progress bar with trajectories per second and time left; silent where the output is not a terminal."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}{task.fields[whole]}, {task.fields[speed]:,.0f}/s"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._skipped = 0
        self._task = self._progress.add_task("compiling", total=None, speed=0.0, whole="")

    def __enter__(self) -> "_Progress":
        return self

    def start(self, total: int | None) -> None:
        """Show the bar, for so many trajectories if that is known."""
        self._progress.update(self._task, total=total, whole="" if total is None else f" of {total:,}")
        self._progress.start()

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def skip(self, num_trajectories: int) -> None:
        """Count trajectories that were done before."""
        self._skipped += num_trajectories
        self._progress.advance(self._task, num_trajectories)

    def advance(self, name: str, num_trajectories: int) -> None:
        """Count trajectories that are done."""
        self._progress.advance(self._task, num_trajectories)
        task = self._progress.tasks[0]
        self._progress.update(
            self._task, description="trajectories", speed=(task.completed - self._skipped) / max(task.elapsed or 0.0, 1e-9)
        )


def _console() -> "Console":
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 120, highlight=False)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="astrojax", description="Astrocyte-gated associative memory in JAX.")
    parser.add_argument("--version", action="version", version=f"astrojax {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Callable[[argparse.Namespace], int], text: str, more: str = "") -> Any:
        sub = commands.add_parser(name, help=text, description=text, epilog=more, allow_abbrev=False)
        sub.set_defaults(command=function)
        return sub

    run = command("run", _run, "Compute a configuration and write its run folder.", OVERRIDES)
    run.add_argument("config", metavar="CONFIG", help="a YAML file (see `astrojax schema`), or a run folder to be continued")
    run.add_argument(
        "--out", metavar="DIR", help="the run folder; an unfinished run in it is continued; runs/NAME when left out"
    )
    run.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    run.add_argument("--cluster", metavar="WHERE", help="a Dask scheduler's address or file, or local:4 for four workers here")
    run.add_argument("--chunk", metavar="N", type=int, help="trajectories that are computed and stored as one")
    tune = command("tune", _tune, "Search for parameters by gradients, and prove them on fresh problems.", OVERRIDES)
    tune.add_argument(
        "config", metavar="CONFIG", help="a YAML file (see `astrojax schema --tune`), or a folder to be continued"
    )
    tune.add_argument(
        "--out", metavar="DIR", help="the run folder; an unfinished search in it is continued; runs/NAME when left out"
    )
    for sub in (run, tune):
        sub.add_argument("--memory", metavar="SIZE", help="how much of a device's memory may be used, such as 2GiB")
        sub.add_argument(
            "--devices", metavar="N", type=int, help="how many devices of this machine are used; all when left out"
        )
        sub.add_argument("--threads", metavar="N", type=int, help="how many calls run side by side; one per core when left out")
    show = command("show", _show, "Print the tables of a run folder and draw its figures again.")
    show.add_argument("run", metavar="RUN", help="a run folder, finished or not")
    show.add_argument("--along", metavar="AXES", help="axes of the tables, one or two, with a comma between them")
    verify = command("verify", _verify, "Compute a random share of a run's trajectories again and compare.", VERIFIED)
    verify.add_argument("run", metavar="RUN", help="a run folder, finished or not")
    verify.add_argument("--share", metavar="SHARE", type=float, default=0.01, help="which share, 0.01 when left out")
    verify.add_argument("--seed", metavar="N", type=int, help="seed of the choice; another one every time when left out")
    export = command("export", _export, "Write the results of a run as one file.")
    export.add_argument("run", metavar="RUN", help="a run folder")
    export.add_argument(
        "--format", choices=("nc", "csv", "parquet"), required=True, help="netCDF, or a table with a row for each trajectory"
    )
    export.add_argument("--out", metavar="FILE", help="RUN/results.FORMAT when left out")
    schema = command("schema", _schema, "Print the JSON Schema of a configuration.")
    schema.add_argument("--tune", action="store_true", help="that of a search")
    command("info", _info, "Print versions and devices.")
    return parser


if __name__ == "__main__":
    entry()
