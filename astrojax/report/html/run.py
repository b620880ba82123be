"""The page of a run folder, from plain data: what was found, what failed, with which settings, where, and how to repeat it."""

import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from ..._internal.status import Status
from ..figures import figures_of
from ..statistics import with_interval
from ..tables import STATUSES, about_grids, bounds_of, computed, distinct, mean_and_interval, summary
from .document import Markdown, Page, code, escape
from .sections import KEEP, add_commands, add_provenance, add_settings, figure_name, short

NUM_SHOWN = 8
"""Values of an axis, and single trajectories, that a table of failures lists."""

HEADINGS = {
    "success": "perfect recalls (share)",
    "hamming_error": "Hamming error (neurons)",
    "overlap": "overlap",
    "perplexity": "perplexity (patterns)",
    "num_steps": "steps",
}
"""What is averaged over a whole run, and how it is called."""


def run_page(
    folder: str, config: str, provenance: Mapping[str, Any], results: xr.Dataset, num_done: int, num_tasks: int
) -> Page:
    """The page of a run.

    Arguments:
        folder: its name. config: its configuration, YAML. provenance: where it came from.
        results: its dataset, in which what is not computed yet is NaN and has the status −1.
        num_done: how many tasks are done, of `num_tasks`.
    """
    page, content = Page(f"Run {folder}"), summary(results)
    total = content["trajectories"] + content["not_computed"]
    if num_done < num_tasks:
        page.text(
            f"**Unfinished**: {num_done:,} of {num_tasks:,} chunks are computed, {content['trajectories']:,} of {total:,} "
            f"trajectories. {code(f'astrojax run {shlex.quote(folder)}')} continues it; all that follows is of what is there."
        )
    else:
        failed = sum(content["failed"].values())
        page.text(f"Finished: {content['trajectories']:,} trajectories, {failed:,} failure{'' if failed == 1 else 's'}.")
    page.text("## Results")
    if content["trajectories"]:
        _add_overview(page, results, content)
        for text in about_grids(provenance.get("grids", {}), content["refined"]):
            page.text(f"{escape(text)}.")
        _add_means(page, content)
        _add_figures(page, results)
    else:
        page.text("Nothing is computed yet.")
    page.text("## Failures")
    _add_failures(page, results, content)
    _add_under_way(page, content)
    add_settings(page, config)
    add_provenance(page, provenance, {key: results.attrs[key] for key in ("solver",) if key in results.attrs})
    page.text("## Repeat it")
    inputs = " beside the folder inputs of the run" if " inputs/" in config else ""
    add_commands(page, {
        "astrojax run config.yaml": f"compute it again, from the settings above, saved as config.yaml{inputs}",
        f"astrojax verify {shlex.quote(folder)}": "compute a random share of the trajectories again, and compare",
        f"astrojax show {shlex.quote(folder)}": "print the tables, draw the figures",
        f"astrojax export {shlex.quote(folder)} --format csv": "one row for each trajectory",
    })  # fmt: skip
    page.text(f"{KEEP} In Python: {code(f'astrojax.load({folder!r})')} is an xarray dataset of")
    page.table(
        ["variable", "unit", "definition"],
        [
            [name, values.attrs.get("units", ""), values.attrs.get("definition", "")]
            for name, values in results.data_vars.items()
        ],
    )
    return page


def _add_overview(page: Page, results: xr.Dataset, content: dict[str, Any]) -> None:
    names = [name for name in HEADINGS if name in results]
    rows = []
    for model in map(str, results.model.values):
        cells = []
        for name in names:
            values = computed(results[name].sel(model=model))
            # Steps are integers, −1 where none were taken yet; those of failed trajectories tell nothing of the others.
            values = values.where(computed(results.status.sel(model=model)) == 0)
            found = mean_and_interval(values, [], bounds_of(results, name))
            cells.append(with_interval(found, ".3g") if name != "num_steps" else f"{float(found[0]):.3g}")
        rows.append([model, *cells, f"{content['failed'][model]:,}", f"{content['unsettled'][model]:,}"])
    page.text("Means over everything, with 95% intervals; failed trajectories are left out.")
    headings = [HEADINGS[name] for name in names]
    page.table(["model", *headings, "failed", "still under way"], rows)


def _add_means(page: Page, content: dict[str, Any]) -> None:
    """Mean Hamming errors along the axes, as the terminal shows them, with 95% intervals."""
    tables = {name: (table["mean_hamming_error"], table["interval"]) for name, table in content["hamming_error"].items()}
    what = "Mean Hamming errors (neurons) with 95% intervals"
    match list(content["axes"].items()):
        case [(rows, row_values), (columns, values)]:
            page.text(f"{what}, {escape(rows)} down, {escape(columns)} across:")
            for name, (means, ends) in tables.items():
                page.text(f"### {escape(name)}")
                lines = zip(distinct(row_values), means, ends, strict=True)
                page.table(["", *distinct(values)], [[head, *_cells(*line)] for head, *line in lines])
        case [(columns, values)]:
            page.text(f"{what} along {escape(columns)}:")
            page.table(["", *distinct(values)], [[name, *_cells(*table)] for name, table in tables.items()])
    for axis, coordinates in content["zipped"].items():
        if coordinates:
            page.text(f"Along {escape(axis)}:")
            lines = zip(*coordinates.values(), strict=True)
            page.table([axis, *coordinates], [[place, *map(short, line)] for place, line in enumerate(lines)])


def _add_figures(page: Page, results: xr.Dataset) -> None:
    figures = figures_of(results)
    if figures:
        page.text("### Figures")
    first, *others = map(str, results.model.values)
    captions = {
        "hamming_error": "Mean Hamming error of every model over two axes, beside the Bayes decoder's where it was run."
    }
    for other in others:
        captions[f"difference_{first}_{other}"] = (
            f"Mean Hamming error of {escape(first)} minus that of {escape(other)}, on the same problems: blue where the first "
            "is better, red where it is worse, pale where the 95% interval includes 0."
        )
    for number, (name, figure) in enumerate(figures.items(), 1):
        along = f"Hamming error along {escape(name.removeprefix('along_'))}: means, and bands between the quartiles."
        page.figure(figure_name(number, name), figure, captions.get(name, along))


def _add_failures(page: Page, results: xr.Dataset, content: dict[str, Any]) -> None:
    if not any(content["failed"].values()):
        page.text("No trajectory failed.")
        return
    page.text("Failed trajectories are NaN in the results, and left out of all means.")
    rows = []
    for model, reasons in content["failures"].items():
        number = max(int((computed(results.status.sel(model=model)).values >= 0).sum()), 1)
        for reason, count in reasons.items():
            meaning = Markdown(Status[reason.upper()].meaning)
            rows.append([model, reason, f"{count:,}", f"{count / number:.2%}", meaning])
    page.table(["model", "status", "trajectories", "share", "meaning"], rows)
    for model, count in content["failed"].items():
        if count:
            status = computed(results.status.sel(model=model))
            page.text(f"### {escape(model)}: where")
            _add_places(page, status)


def _add_places(page: Page, status: xr.DataArray) -> None:
    """Where trajectories of one model failed: by value along each axis, and the first of them one by one."""
    values, dims = status.values, [str(dim) for dim in status.dims]
    rows = []
    for place, dim in enumerate(dims):
        if dim == "trial" or values.shape[place] < 2:
            continue
        others = tuple(other for other in range(values.ndim) if other != place)
        failed, total = (values > 0).sum(axis=others), (values >= 0).sum(axis=others)
        for at in sorted(np.argsort(-failed, kind="stable")[:NUM_SHOWN].tolist()):
            if failed[at]:
                rows.append([dim, _at(status, dim, at), f"{failed[at]:,} of {total[at]:,}"])
    if rows:
        page.text(f"By value along each axis; of an axis at most {NUM_SHOWN} values, those with most failures.")
        page.table(["axis", "value", "failed"], rows)
    first = np.argwhere(values > 0)[:NUM_SHOWN]
    page.text(f"The first {len(first)}, by coordinates:" if len(first) > 1 else "Its coordinates:")
    page.table(
        ["status", *dims],
        [
            [STATUSES[values[tuple(at)]], *(_at(status, dim, one) for dim, one in zip(dims, at, strict=True))]
            for at in first.tolist()
        ],
    )


def _add_under_way(page: Page, content: dict[str, Any]) -> None:
    page.text("## Recalls still under way")
    counts = {name: count for name, count in content["unsettled"].items() if count}
    if not counts:
        page.text("None: at the horizon no neuron is driven towards the other sign.")
        return
    listed = ", ".join(f"{escape(name)} {count:,}" for name, count in counts.items())
    page.text(
        f"At the horizon neurons are still driven towards the other sign: {listed}. A longer `retrieval.t1` changes what these "
        "recall."
    )


def _at(status: xr.DataArray, dim: str, place: int) -> str:
    """The coordinate of a place along an axis, or those that are zipped there."""
    zipped = {str(name): values for name, values in status.coords.items() if name != dim and values.dims == (dim,)}
    named = ", ".join(f"{name} {short(values.values[place])}" for name, values in sorted(zipped.items()))
    return named or short(status[dim].values[place])


def _cells(means: list[float | None], ends: list[list[float | None]]) -> list[str]:
    return [with_interval([mean, *pair], ".3g") for mean, pair in zip(means, ends, strict=True)]
