"""The command `tune`: parameters are searched by gradients."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .output import Output
from .parser import Parser, add_configuration, execution_of, find_folder, saying_how_to_continue

if TYPE_CHECKING:
    from ..tuning.search import SearchState


def tune(parser: Parser) -> None:
    """Search for parameters by gradients, and evaluate them on held-out problems.

    examples:
      astrojax tune example:tune --out runs/tuned
      astrojax run runs/tuned/tuned.yaml            # a run with what was found
      astrojax tune mine.yaml --search.num_steps 200
    """
    add_configuration(parser, "a YAML file (see `astrojax schema --tune`), example:NAME, or a folder to be continued")
    parser.set_defaults(execute=_tune)


def _tune(options: argparse.Namespace) -> int:
    from ..config.files import CONFIG, run_folder
    from ..config.tune import TuneConfig
    from ..config.validation import read

    path, out = Path(options.config), options.out
    if path.is_dir():  # a run folder, to be continued
        out, path = out or path, run_folder(path, "tune") / CONFIG
    config = read(path, TuneConfig, options.overrides, trust=options.trust)  # refused before anything heavy is imported
    from .report import show_search

    output = Output.of(options)
    folder, is_finished = find_folder(output, config, out)
    if is_finished:
        show_search(output, folder)
        return 0
    from ..runs import tune
    from ..runs.run import Execution
    from .progress import Progress

    progress = Progress(output)

    def begin_search(name: str, stored: int, total: int) -> None:
        if stored:
            output.print_line(f"{name}: {stored} of {total} steps are stored already")
        progress.begin(f"{name}: step", total, stored)

    def begin_part(text: str) -> None:
        output.print_line(text)
        progress.begin(text)

    callbacks = tune.Progress(
        on_search=begin_search,
        on_step=lambda name, state: progress.show(int(state.step), _describe_step(state)),
        on_validation=lambda name, state: output.print_line(f"{name}: step {int(state.step)}: {_describe_validation(state)}"),
        on_part=begin_part,
        on_notice=lambda text: output.print_line(f"note: {text}"),
    )
    with saying_how_to_continue(folder, lambda: "all steps so far are stored"), progress:
        tune.run_search(config, folder, execution=Execution(**execution_of(options)), progress=callbacks)
    show_search(output, folder, drawing={})
    return 0


def _describe_step(state: "SearchState") -> str:
    """Loss, error and values of the start that is best at this step."""
    import numpy as np

    from ..tuning.record import measures_in

    record, right = state.record, measures_in(state.record._fields).right
    at = int(np.argmin(np.where(np.isfinite(record.loss), record.loss, np.inf)))
    values = "  ".join(f"{name} {value[at]:.3g}" for name, value in state.values.items() if value.ndim == 1)
    dropped = int(record.num_non_finite.sum() + record.num_failed.sum())
    problems = f"  {dropped} gradients left out" if dropped else ""
    loss, error, success = (each[at] for each in record[:3])
    return f"loss {loss:.4f}  error {error:.2f}  {right} {success:.0%}{_which(at, record.loss)}  {values}{problems}"


def _describe_validation(state: "SearchState") -> str:
    """The best start at this step, and the best so far, on the validation problems."""
    from ..tuning.record import ranked

    error, loss = state.record.validation_error, state.record.validation_loss
    at, best = int(ranked(error, loss)[0]), state.best_start
    so_far = "the best so far"
    if at != best or state.best_step[best] != state.step:
        so_far += f" {state.best_error[best]:.4f} at step {state.best_step[best]}"
    return f"validation error {error[at]:.4f}  loss {loss[at]:.4f}{_which(at, loss)}, {so_far}"


def _which(start: int, losses: Any) -> str:
    return f" (start {start} of {losses.size})" if losses.size > 1 else ""
