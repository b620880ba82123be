"""The page of a run folder as one HTML file."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..._internal.checks import InputError
from ..._internal.files import write_text
from ..._internal.status import Status
from ...config.files import is_search
from ...config.variables import DEFINITIONS
from ...runs.tune_results import TUNED, load_search
from ...storage import folder as store
from ...storage.provenance import read_record
from ...tuning.record import measures_in, ranked
from ..figures import figures_of
from ..statistics import with_interval
from ..tables import (
    bounds_of,
    computed,
    describe_grids,
    in_words,
    mean_and_interval,
    observables_of,
    summary,
    tables_of,
    zipped,
)
from ..tune import NAMES, count_gradients, describe, describe_gradients, error_cells, last_step, tune_figures, tune_summary
from .render import Picture, inline_markdown, render, short

NUM_SHOWN = 8
"""Most values of an axis, and most trajectories, in a table of failures."""

QUANTITIES = {
    "success": "perfect recalls (share)",
    "hamming_error": "Hamming error (neurons)",
    "identified": "identified (share)",
    "rmse": "root mean squared error",
    "overlap": "overlap",
    "perplexity": "perplexity (patterns)",
    "num_steps": "steps",
}
"""Observables that are averaged over a whole run, and their labels."""

RUN_CAPTIONS = {
    "difference": "Mean {} of one model minus that of another, on the same problems.",
    "along": "{} along an axis: means, and bands between the quartiles.",
}
MAP_CAPTION = "Mean {} of every model over two axes, beside the Bayes decoder's where it was run."
TUNE_CAPTIONS = {
    "search": "The loss, and each parameter, over the steps: one line per start, one color per score.",
    "landscape": "The loss on a plane of two parameters, the others at their best values, and the path over it.",
    "before_and_after": "Errors on held-out problems.",
    "difference": "Tuned minus start on the same problems: blue where tuning helped, pale where that is not certain.",
}


def write_run_page(folder: str | Path, path: str | Path) -> Path:
    """Write everything known about a run folder as one HTML file that loads nothing else.

    For a run it has settings, provenance, tables with 95% intervals, figures drawn from the stored results, failed trajectories
    and their coordinates, and the commands to reproduce it; for a tune run its values, history and held-out errors.

    Arguments:
        folder: a run folder, of a run or of a search, finished or not. path: the file.

    Returns:
        The path.

    Raises:
        InputError (a ValueError): if the folder holds no run, or a damaged one; if the folder of the file does not exist, or
            the file exists and is no page, or lies among the files of the run.
        StorageError (a RunError): if the file cannot be written. It is written whole or not at all.
    """
    folder, path = Path(folder), Path(path)
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"the page must be a file in a folder that exists; got {path}")
    if path.exists() and not _is_page(path):
        raise InputError(f"the page must be a new file, or one in place of an older page; {path} is something else")
    inside = path.resolve().is_relative_to(folder.resolve())
    if inside and path.resolve() != folder.resolve() / store.REPORT:
        raise InputError(f"the page must be {store.REPORT} in the run folder, or a file elsewhere; got {path}")
    if is_search(folder):
        template, content = "tune.html", _tune_content(folder)
    else:
        results, done = store.load(folder, partial=True), store.is_done(folder)
        template, content = "run.html", run_content(results, read_record(folder), int(done.sum()), done.size)
    config = (folder / store.CONFIG).read_text(encoding="utf-8")
    write_text(path, render(template, folder=folder.resolve().name, config=config, **content))
    return path


def _is_page(path: Path) -> bool:
    """Whether a file was written by `write_run_page`."""
    with contextlib.suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                return file.read(15).lower() == b"<!doctype html>"
    return False


def run_content(results: xr.Dataset, provenance: Mapping[str, Any], num_done: int, num_chunks: int) -> dict[str, Any]:
    """What `run.html` shows of a run that has done `num_done` of its chunks; what is not computed yet has the status −1."""
    content = summary(results)
    quantities = {name: label for name, label in QUANTITIES.items() if name in results}
    quantities |= {name: _label(results, name) for name in observables_of(results) if name not in DEFINITIONS}
    observable = _label(results, content["observable"])
    prefix = f"{content['observable']}_"  # of names of figures, but not of Hamming errors

    def caption(name: str) -> str:
        text = RUN_CAPTIONS.get(name.removeprefix(prefix).partition("_")[0], MAP_CAPTION)
        return text.format(observable.partition(" (")[0])

    statuses = {str(name): computed(results.status.sel(model=name)) for name in results.model.values}

    def overview(model: str) -> Iterator[str]:
        for name in quantities:
            values = computed(results[name].sel(model=model)).where(statuses[model] == 0)
            yield with_interval(mean_and_interval(values, [], bounds_of(results, name)), ".3g")

    return {
        "provenance": provenance,
        "summary": content,
        "observable": observable,
        "tables": {
            name: (table[f"mean_{content['observable']}"], table["interval"]) for name, table in tables_of(content).items()
        },
        "num_done": num_done,
        "num_chunks": num_chunks,
        "quantities": list(quantities.values()),
        "overview": {name: list(overview(name)) for name in statuses},
        "grids": describe_grids(provenance.get("grids", {}), content["refined"]),
        "figures": [
            (Picture.of(figure), caption(name))
            for name, figure in (figures_of(results) if content["trajectories"] else {}).items()
        ],
        "meanings": {status.name.lower(): inline_markdown(status.meaning) for status in Status},
        "num_computed": {name: int((status >= 0).sum()) for name, status in statuses.items()},
        "failed_at": [(name, *_failed_at(status)) for name, status in statuses.items() if content["failed"][name]],
        "num_shown": NUM_SHOWN,
        "solver": results.attrs.get("solver"),
        "variables": {str(name): values.attrs for name, values in results.data_vars.items()},
    }


def _label(results: xr.Dataset, name: str) -> str:
    """An observable and its units, in words."""
    units = results[name].attrs.get("units", "1")
    return in_words(name) + (f" ({units})" if units != "1" else "")


def _failed_at(status: xr.DataArray) -> tuple[list[list[str]], list[str], list[list[str]]]:
    """Where trajectories of one model failed: numbers by value along each axis, dimensions, and coordinates of the first."""
    values, dims = status.values, [str(dim) for dim in status.dims]
    by_axis = []
    for dim in dims:
        if dim == "trial" or status.sizes[dim] < 2:
            continue
        others = [other for other in dims if other != dim]
        failed, total = ((status > least).sum(others).values for least in (0, -1))
        most = sorted(np.argsort(-failed, kind="stable")[:NUM_SHOWN].tolist())
        by_axis += [[dim, _coordinate(status, dim, at), f"{failed[at]:,} of {total[at]:,}"] for at in most if failed[at]]
    first = []
    for at in np.argwhere(values > 0)[:NUM_SHOWN].tolist():
        reason = Status(int(values[tuple(at)])).name.lower()
        first.append([reason, *(_coordinate(status, dim, one) for dim, one in zip(dims, at, strict=True))])
    return by_axis, dims, first


def _coordinate(status: xr.DataArray, dim: str, place: int) -> str:
    """The coordinate of a place along an axis, or those that are zipped there."""
    named = ", ".join(f"{name} {short(values[place])}" for name, values in zipped(status, dim).items())
    return named or short(status[dim].values[place])


def _tune_content(folder: Path) -> dict[str, Any]:
    """What `tune.html` shows of a search: what is known so far."""
    results, provenance, found = load_search(folder), read_record(folder), None
    history = results.history if results.has_history() else None
    heldout = results.heldout() if provenance.get("finished") else None
    if history is not None and heldout is not None:
        content = tune_summary(history, heldout, results.scalars())
        best = content["best"]
        start = history.sel(score=best["score"]).isel(start=best["start"], step=0)
        figures = tune_figures(history, heldout, results.landscape(), best)
        found = {
            "sentences": describe(content),
            "values": [[name, f"{float(start[name]):.4g}", f"{value:.4g}"] for name, value in best["values"].items()],
            "errors": [
                [*error_cells(name, row), f"{row['problems']:,}", f"{row['failed']:,}"]
                for name, row in content["errors"].items()
            ],
            "baselines": results.comparison(),
            "figures": [(Picture.of(figure), TUNE_CAPTIONS[name]) for name, figure in figures.items()],
        }
    return {
        "provenance": provenance,
        "found": found,
        "names": NAMES,
        "measures": measures_in(() if history is None else history),
        "quantities": QUANTITIES,
        "history": [] if history is None else list(_history(history)),
        "gradients": "" if history is None else describe_gradients(count_gradients(history)),
        "tuned": (folder / TUNED).read_text(encoding="utf-8") if (folder / TUNED).exists() else None,
    }


def _history(history: xr.Dataset) -> Iterator[list[Any]]:
    """For every start of every score: its steps, initial loss, and the validation with the lowest error."""
    for score in map(str, history.score.values):
        for start in range(history.sizes["start"]):
            line = history.sel(score=score).isel(start=start)
            losses, errors = line.validation_loss.values, line.validation_error.values
            if np.isfinite(losses).any():
                at = int(ranked(errors, losses)[0])
                success = f"{float(line[f'validation_{measures_in(line).success}'][at]):.1%}"
                first, *best = (f"{float(value):.4g}" for value in (losses[0], losses[at], errors[at]))
                yield [score, start, last_step(line), first, at, *best, success]
