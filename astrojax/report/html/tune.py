"""Content of the page of a tune run, as plain data for `tune.html`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ...tuning.record import ranked
from ..tune import NAMES, count_gradients, describe, describe_gradients, error_cells, last_step, tune_figures, tune_summary
from .render import Picture

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
    """What `tune.html` shows of a search: its results so far, and `tuned`, a configuration with them."""
    found = None
    if history is not None and heldout is not None:
        summary = tune_summary(history, heldout, parameters)
        best = summary["best"]
        start = history.sel(score=best["score"]).isel(start=best["start"], step=0)
        found = {
            "sentences": describe(summary),
            "values": [[name, f"{float(start[name]):.4g}", f"{value:.4g}"] for name, value in best["values"].items()],
            "errors": [
                [*error_cells(name, row), f"{row['problems']:,}", f"{row['failed']:,}"]
                for name, row in summary["errors"].items()
            ],
            "baselines": comparison,
            "figures": [
                (Picture.of(figure), CAPTIONS[name])
                for name, figure in tune_figures(history, heldout, landscape, parameters).items()
            ],
        }
    return {
        "folder": folder,
        "config": config,
        "provenance": provenance,
        "found": found,
        "names": NAMES,
        "history": [] if history is None else list(_history(history)),
        "gradients": "" if history is None else describe_gradients(count_gradients(history)),
        "tuned": tuned,
    }


def _history(history: xr.Dataset) -> Iterator[list[Any]]:
    """For every start of every score: its steps, initial loss, and the validation with the lowest error."""
    for score in map(str, history.score.values):
        for start in range(history.sizes["start"]):
            line = history.sel(score=score).isel(start=start)
            losses, errors = line.validation_loss.values, line.validation_error.values
            if np.isfinite(losses).any():
                at = int(ranked(errors, losses)[0])
                success = f"{float(line.validation_success[at]):.1%}"
                first, *best = (f"{float(value):.4g}" for value in (losses[0], losses[at], errors[at]))
                yield [score, start, last_step(line), first, at, *best, success]
