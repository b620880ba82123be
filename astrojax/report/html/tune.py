"""The page of a search, from plain data: what was found, on the way and on fresh problems, and how to repeat it."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ..statistics import with_interval
from ..tune import NAMES, figures_of_search, gradients_in_words, gradients_left_out, last_step, search_summary, sentences
from .document import Page, code, code_block, escape
from .sections import KEEP, add_commands, add_provenance, add_settings, figure_name, short


def search_page(
    folder: str,
    config: str,
    provenance: Mapping[str, Any],
    parameters: Sequence[str],
    history: xr.Dataset | None,
    heldout: xr.Dataset | None,
    comparison: Mapping[str, Any],
    landscape: xr.DataArray | None,
    tuned: str | None,
) -> Page:
    """The page of a search.

    Arguments:
        folder: its name. config: its configuration, YAML. provenance: where it came from.
        parameters: single numbers that were searched.
        history, heldout, comparison, landscape: what it left, as far as it has come; see `SearchResults`.
        tuned: the configuration of a run with the best values, YAML.
    """
    page = Page(f"Search {folder}")
    if history is None or heldout is None:
        page.text(f"**Unfinished**: {code(f'astrojax tune {shlex.quote(folder)}')} continues it.")
    else:
        _add_found(page, history, heldout, comparison, landscape, parameters)
    if history is not None:
        page.text("## On the way")
        _add_history(page, history)
    if tuned is not None:
        page.text(f"## Tuned configuration\n\n{code_block(tuned, 'yaml')}")
    add_settings(page, config)
    add_provenance(page, provenance, {})
    page.text("## Repeat it")
    add_commands(page, {
        "astrojax tune config.yaml": "search again, with the settings above, saved as config.yaml",
        f"astrojax run {shlex.quote(f'{folder}/tuned.yaml')}": "run with the values that were found",
        f"astrojax verify {shlex.quote(f'{folder}/heldout/tuned')}": "compute a share of the fresh problems again, and compare",
    })  # fmt: skip
    page.text(KEEP)
    return page


def _add_found(
    page: Page,
    history: xr.Dataset,
    heldout: xr.Dataset,
    comparison: Mapping[str, Any],
    landscape: xr.DataArray | None,
    parameters: Sequence[str],
) -> None:
    content = search_summary(history, heldout, parameters)
    best = content["best"]
    page.text("Finished.\n\n" + "\n".join(f"- {escape(sentence)}" for sentence in sentences(content)))
    page.text("## Values")
    begun = history.sel(score=best["score"]).isel(start=best["start"], step=0)
    page.table(
        ["parameter", "at the start", "tuned"],
        [[name, f"{float(begun[name]):.4g}", f"{value:.4g}"] for name, value in best["values"].items()],
    )
    page.text("## On fresh problems\n\nWith 95% intervals, over all loads and levels.")
    rows = []
    for name, row in content["errors"].items():
        cells = with_interval(row["perfect"], ".1%"), with_interval(row["hamming_error"], ".3f")
        rows.append([NAMES.get(name, name), *cells, f"{row['problems']:,}", f"{row['failed']:,}"])
    page.table(["", "perfect recalls", "mean Hamming error (neurons)", "problems", "failed"], rows)
    if comparison:
        page.text("## Other searches\n\nWhat they found, for no more trajectories than the search by gradients.")
        names = list(next(iter(comparison.values())).get("values", {}))
        page.table(
            ["method", *names, "candidates", "trajectories"],
            [
                [
                    NAMES.get(method, method),
                    *(short(found["values"].get(name)) for name in names),
                    f"{found.get('candidates', 0):,}",
                    f"{found.get('trajectories', 0):,}",
                ]
                for method, found in comparison.items()
            ],
        )
    captions = {
        "search": "The loss, and each parameter, along the steps: a line for each start, a colour for each score.",
        "landscape": "The loss on a plane of two parameters, the others at their best, and the way over it.",
        "before_and_after": "Hamming errors on fresh problems.",
        "difference": "Tuned minus start on the same problems: blue where tuning helped, pale where that is not certain.",
    }
    page.text("## Figures")
    figures = figures_of_search(history, heldout, landscape, parameters)
    for number, (name, figure) in enumerate(figures.items(), 1):
        page.figure(figure_name(number, name), figure, captions[name])


def _add_history(page: Page, history: xr.Dataset) -> None:
    """Of every start of every score: its steps, its first loss, and where its held-out error was lowest."""
    rows = []
    for score in map(str, history.score.values):
        for start in range(history.sizes["start"]):
            line = history.sel(score=score).isel(start=start)
            losses = line.validation_loss.values
            if not np.isfinite(losses).any():
                continue
            at = int(np.lexsort((losses, line.validation_error.values))[0])
            values = [f"{float(line[name][at]):.4g}" for name in ("validation_loss", "validation_error")]
            rows.append(
                [score, start, last_step(line), f"{losses[0]:.4g}", at, *values, f"{float(line.validation_success[at]):.1%}"]
            )
    headings = [
        "score",
        "start",
        "steps",
        "loss at the start",
        "best step",
        "loss there",
        "Hamming error there",
        "perfect there",
    ]
    page.table(headings, rows)
    told = gradients_in_words(gradients_left_out(history))
    page.text(f"All on the problems that choose. Gradients of single problems: {told}.")
