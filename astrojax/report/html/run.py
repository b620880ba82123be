"""Content of the page of a run, as plain data for `run.html`."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from ..._internal.status import Status
from ..figures import figures_of
from ..statistics import with_interval
from ..tables import bounds_of, computed, describe_grids, mean_and_interval, summary
from .render import Picture, inline_markdown, short

NUM_SHOWN = 8
"""Most values of an axis, and most trajectories, in a table of failures."""

QUANTITIES = {
    "success": "perfect recalls (share)",
    "hamming_error": "Hamming error (neurons)",
    "overlap": "overlap",
    "perplexity": "perplexity (patterns)",
    "num_steps": "steps",
}
"""Observables that are averaged over a whole run, and their labels."""


def run_content(
    folder: str, config: str, provenance: Mapping[str, Any], results: xr.Dataset, num_done: int, num_chunks: int
) -> dict[str, Any]:
    """What `run.html` shows of a run that has done `num_done` of its chunks; what is not computed yet has the status −1."""
    content = summary(results)
    quantities = {name: label for name, label in QUANTITIES.items() if name in results}
    statuses = {str(name): computed(results.status.sel(model=name)) for name in results.model.values}

    def overview(model: str) -> Iterator[str]:
        for name in quantities:
            values = computed(results[name].sel(model=model)).where(statuses[model] == 0)
            yield with_interval(mean_and_interval(values, [], bounds_of(results, name)), ".3g")

    return {
        "folder": folder,
        "config": config,
        "provenance": provenance,
        "summary": content,
        "num_done": num_done,
        "num_chunks": num_chunks,
        "quantities": list(quantities.values()),
        "overview": {name: list(overview(name)) for name in statuses},
        "grids": describe_grids(provenance.get("grids", {}), content["refined"]),
        "figures": list(_figures(results)) if content["trajectories"] else [],
        "meanings": {status.name.lower(): inline_markdown(status.meaning) for status in Status},
        "num_computed": {name: int((status >= 0).sum()) for name, status in statuses.items()},
        "failed_at": [(name, *_failed_at(status)) for name, status in statuses.items() if content["failed"][name]],
        "num_shown": NUM_SHOWN,
        "solver": results.attrs.get("solver"),
        "variables": {str(name): values.attrs for name, values in results.data_vars.items()},
    }


def _figures(results: xr.Dataset) -> Iterator[tuple[Picture, str]]:
    """Figures and their captions."""
    first, *others = map(str, results.model.values)
    captions = {
        "hamming_error": "Mean Hamming error of every model over two axes, beside the Bayes decoder's where it was run."
    } | {
        f"difference_{first}_{other}": f"Mean Hamming error of {first} minus that of {other}, on the same problems: blue where "
        "the first is better, red where it is worse, pale where the 95% interval includes 0."
        for other in others
    }
    for name, figure in figures_of(results).items():
        along = f"Hamming error along {name.removeprefix('along_')}: means, and bands between the quartiles."
        yield Picture.of(figure), captions.get(name, along)


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
    zipped = {str(name): values for name, values in status.coords.items() if name != dim and values.dims == (dim,)}
    named = ", ".join(f"{name} {short(values.values[place])}" for name, values in sorted(zipped.items()))
    return named or short(status[dim].values[place])
