"""The command line. Everything heavy is imported when it is needed, so that help answers at once."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__

if TYPE_CHECKING:
    from rich.console import Console

OVERRIDES = "Any key of the configuration can be overridden: --dotted.key value, for instance --retrieval.t1 20"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 done, 2 bad input, 130 interrupted."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command is not _run:
        parser.error(f"unknown arguments: {' '.join(rest)}")
    options.overrides = rest
    try:
        return options.command(options)
    except KeyboardInterrupt:
        print("astrojax: interrupted", file=sys.stderr)
        return 130
    except ValueError as error:
        from ._checks import InputError

        if not isinstance(error, InputError):
            raise
        print(f"astrojax: {error}", file=sys.stderr)
        return 2


def run_config(path: str | Path, out: str | Path | None = None, overrides: Sequence[str] = ()) -> tuple[Path, Any]:
    """Run a configuration as `astrojax run` does: progress, tables, figures. Returns the run folder and the results."""
    from .runs import store
    from .runs.reading import read_config

    config = read_config(path, overrides)
    folder = Path(out) if out is not None else store.free_folder(Path("runs"), config.name)
    from .experiment import num_trajectories, run

    console = _console()
    with _Progress(console, num_trajectories(config)) as progress:
        try:
            results = run(config, folder, on_batch=progress.advance)
        except KeyboardInterrupt:
            if (folder / store.CONFIG).exists():
                print(f"astrojax: {folder} is unfinished, without results; remove it or give another folder", file=sys.stderr)
            raise
    if "pool_size" in results.attrs:
        size, neurons = results.attrs["pool_size"], results.attrs["num_neurons"]
        console.print(f"{size} patterns of {neurons} neurons to draw from")
    _report(console, folder, results, config.name)
    return folder, results


def _run(options: argparse.Namespace) -> int:
    if not Path(options.config).exists() and any(Path(word).is_file() for word in options.overrides):
        from ._checks import InputError

        raise InputError("the configuration comes first: astrojax run CONFIG [--out DIR] [--dotted.key value ...]")
    run_config(options.config, options.out, options.overrides)
    return 0


def _show(options: argparse.Namespace) -> int:
    from .runs import store

    folder = Path(options.run)
    results = store.load(folder)
    console = _console()
    provenance = store.read_json(folder / store.PROVENANCE)
    known = {"versions": {}, "started": "?", "backend": "?", "seed": "?", "config_sha256": "?"} | provenance
    versions = ", ".join(f"{name} {known['versions'].get(name, '?')}" for name in ("astrojax", "jax", "diffrax"))
    console.print(f"{folder}: started {known['started']}, {versions}, {known['backend']}")
    console.print(f"seed {known['seed']}, configuration SHA-256 {known['config_sha256'][:16]}")
    _report(console, folder, results, folder.name)
    return 0


def _schema(options: argparse.Namespace) -> int:
    import json

    from .runs.config import Config

    print(json.dumps(Config.model_json_schema(), indent=2))
    return 0


def _info(options: argparse.Namespace) -> int:
    from .runs.provenance import environment

    content = environment()
    for name, version in content["versions"].items():
        print(f"{name:<12} {version or 'not installed'}")
    print(f"{'python':<12} {content['python']} on {content['platform']}")
    print(f"{'devices':<12} {', '.join(content['devices'])} ({content['backend']})")
    return 0


def _report(console: "Console", folder: Path, results: Any, title: str) -> None:
    from .report.figures import draw_all
    from .report.tables import print_tables, summary
    from .runs import store

    content = summary(results)
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

    def __init__(self, console: "Console", total: int) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}, {task.fields[speed]:,.0f}/s"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("trajectories", total=total, speed=0.0)

    def __enter__(self) -> "_Progress":
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def advance(self, name: str, num_trajectories: int) -> None:
        """Count trajectories that are done."""
        self._progress.advance(self._task, num_trajectories)
        task = self._progress.tasks[0]
        self._progress.update(self._task, speed=task.completed / max(task.elapsed or 0.0, 1e-9))


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
    run.add_argument("config", metavar="CONFIG", help="a YAML file; `astrojax schema` says what may stand in it")
    run.add_argument("--out", metavar="DIR", help="the run folder, which must not exist; runs/NAME when left out")
    show = command("show", _show, "Print the tables of a run folder and draw its figures again.")
    show.add_argument("run", metavar="RUN", help="a run folder")
    command("schema", _schema, "Print the JSON Schema of a configuration.")
    command("info", _info, "Print versions and devices.")
    return parser


if __name__ == "__main__":
    sys.exit(main())
