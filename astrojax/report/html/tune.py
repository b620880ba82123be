"""Content of the page of a tune run, as plain data for `tune.html`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ..tune import NAMES, count_gradients, describe, describe_gradients, error_cells, last_step, tune_figures, tune_summary
from .render import Picture, short

CAPTIONS = {
    "search": "The loss, and each parameter, over the steps: one line per start, one color per score.",
    "landscape": "The loss on a plane of two parameters, the others at their best values, and the path over it.",
    "before_and_after": "Hamming errors on held-out problems.",
    "difference": "Tuned minus start on the same problems: blue where tuning helped, pale where that is not certain.",
}


def tune_content(
    folder: str,
    config: str,
    provenance: Mapping[str, Any],
    parameters: Sequence[str],
    history: xr.Dataset | None,
    heldout: xr.Dataset | None,
    comparison: Mapping[str, Any],
    landscape: xr.DataArray | None,
    tuned: str | None,
) -> dict[str, Any]:
    """What `tune.html` shows.

    Arguments:
        folder: its name. config: its configuration, YAML. provenance: its record.
        parameters: the tuned parameters that are single numbers.
        history, heldout, comparison, landscape: as of `SearchResults`, as far as they exist.
        tuned: the configuration of a run with the best values, YAML.
    """
    found = None
    if history is not None and heldout is not None:
        summary = tune_summary(history, heldout, parameters)
        best = summary["best"]
        start = history.sel(score=best["score"]).isel(start=best["start"], step=0)
        figures = tune_figures(history, heldout, landscape, parameters)
        found = {
            "sentences": describe(summary),
            "values": [[name, f"{float(start[name]):.4g}", f"{value:.4g}"] for name, value in best["values"].items()],
            "errors": [
                [*error_cells(name, row), f"{row['problems']:,}", f"{row['failed']:,}"]
                for name, row in summary["errors"].items()
            ],
            "baselines": _baselines(comparison),
            "figures": [(Picture.of(figure), CAPTIONS[name]) for name, figure in figures.items()],
        }
    return {
        "folder": folder,
        "config": config,
        "provenance": provenance,
        "found": found,
        "history": [] if history is None else _history(history),
        "gradients": "" if history is None else describe_gradients(count_gradients(history)),
        "tuned": tuned,
    }


def _baselines(comparison: Mapping[str, Any]) -> tuple[list[str], list[list[str]]] | None:
    """Header and rows of the table of other methods; `None` without any."""
    if not comparison:
        return None
    names = list(next(iter(comparison.values())).get("values", {}))
    rows = [
        [
            NAMES.get(method, method),
            *(short(found["values"].get(name)) for name in names),
            *(f"{found.get(number, 0):,}" for number in ("candidates", "trajectories")),
        ]
        for method, found in comparison.items()
    ]
    return ["method", *names, "candidates", "trajectories"], rows


def _history(history: xr.Dataset) -> list[list[Any]]:
    """For every start of every score: its steps, initial loss, and the validation with the lowest error."""
    rows = []
    for score in map(str, history.score.values):
        for start in range(history.sizes["start"]):
            line = history.sel(score=score).isel(start=start)
            losses = line.validation_loss.values
            if not np.isfinite(losses).any():
                continue
            at = int(np.lexsort((losses, line.validation_error.values))[0])
            values = [f"{float(line[name][at]):.4g}" for name in ("validation_loss", "validation_error")]
            success = f"{float(line.validation_success[at]):.1%}"
            rows.append([score, start, last_step(line), f"{losses[0]:.4g}", at, *values, success])
    return rows
