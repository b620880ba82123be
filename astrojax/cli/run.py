"""The command `run`: a configuration is computed into its run folder."""

import argparse
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from .output import Output
from .parser import Parser, add_configuration, execution_of, find_folder, integer, saying_how_to_continue


def run(parser: Parser) -> None:
    """Compute a configuration and write its run folder.

    examples:
      astrojax run example:first
      astrojax run mine.yaml --out runs/mine --trials 200
      astrojax run runs/mine                        # continue it after an interruption
    """
    add_configuration(parser, "a YAML file (see `astrojax schema`), example:NAME, or a run folder to be continued")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    parser.option("--cluster", "WHERE", "a Dask scheduler's address or file, or local:4 for four workers here")
    parser.option("--chunk", "N", "trajectories that are computed and stored as one", type=integer, dest="lanes_per_chunk")
    parser.set_defaults(execute=_run)


def _run(options: argparse.Namespace) -> int:
    if options.cluster is not None:
        import jax

        # The accelerators of this machine are left to workers on it.
        jax.config.update("jax_platforms", "cpu")
    how = {"trust": options.trust, **execution_of(options)}
    run_config(options.config, options.overrides, options.out, options.dry_run, Output.of(options), **how)
    return 0


def run_config(
    path: str | Path,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    dry_run: bool = False,
    output: Output | None = None,
    trust: bool = False,
    **execution: Any,
) -> tuple[Path, Any]:
    """Run a configuration as `astrojax run` does: plan, progress, tables, figures. Returns the run folder and the results.

    Arguments:
        path: a configuration, `example:NAME`, or a run folder to be continued. overrides: words of a command line.
        out: the run folder, chosen if omitted. dry_run: print the plan and stop. output: where to print. trust: whether
            code that it names may run.
        execution: arguments of `Execution`.
    """
    from ..config.files import CONFIG, run_folder
    from ..config.validation import read_config

    output = output or Output()
    if Path(path).is_dir():  # a run folder, to be continued
        out = out or path
        path = run_folder(path) / CONFIG
    config = read_config(path, overrides, trust=trust)
    folder, is_finished = find_folder(output, config, out)
    from ..storage import folder as store
    from .report import show_run

    if is_finished and not dry_run:
        show_run(output, folder)
        return folder, store.load(folder)
    from ..report.tables import print_outline
    from ..runs.run import Execution, outline_of, run
    from .progress import Progress

    how = Execution(**execution)
    if dry_run:
        outline = outline_of(config, how, folder)
        content = {"folder": folder, "plan": outline}
        output.print_outcome(content, lambda console: print_outline(console, config.name, outline))
        return folder, None
    progress = Progress(output)

    def begin(stored: int, total: int) -> None:
        # What will draw is imported meanwhile, while compiled programs are loaded.
        threading.Thread(target=import_module, args=("astrojax.report.figures",)).start()
        if stored:
            output.print_line(f"{folder}: {stored:,} of {total:,} trajectories are stored already")
        progress.begin(total=total, stored=stored)

    def stored() -> str:
        done = store.is_done(folder)
        return f"{done.sum()} of {done.size} chunks are stored"

    with saying_how_to_continue(folder, stored), progress:
        results = run(
            config,
            folder,
            execution=how,
            on_plan=lambda outline: print_outline(output.console, config.name, outline),
            on_begin=begin,
            on_chunk=progress.add_trajectories,
            on_notice=lambda text: output.print_line(f"note: {text}"),
        )
    show_run(output, folder, drawing={}, computed=results)
    return folder, results
