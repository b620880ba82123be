"""Content of the page of a run, as plain data for `run.html`."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from ..._internal.status import Status
from ..figures import figures_of
from ..statistics import with_interval
from ..tables import bounds_of, computed, describe_grids, distinct, mean_and_interval, summary
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
    """What `run.html` shows.

    Arguments:
        folder: its name. config: its configuration, YAML. provenance: its record.
        results: its dataset; values not computed yet are NaN and have the status −1.
        num_done: number of chunks that are done, of `num_chunks`.
    """
    content = summary(results)
    quantities = {name: label for name, label in QUANTITIES.items() if name in results}
    statuses = {str(name): computed(results.status.sel(model=name)) for name in results.model.values}
    failures = []
    for model, reasons in content["failures"].items():
        number = int((statuses[model] >= 0).sum())
        for reason, count in reasons.items():
            meaning = inline_markdown(Status[reason.upper()].meaning)
            failures.append([model, reason, f"{count:,}", f"{count / number:.2%}", meaning])
    return {
        "folder": folder,
        "config": config,
        "provenance": provenance,
        "summary": content,
        "num_done": num_done,
        "num_chunks": num_chunks,
        "quantities": list(quantities.values()),
        "overview": [_overview(results, content, name, quantities) for name in statuses],
        "grids": describe_grids(provenance.get("grids", {}), content["refined"]),
        "means": list(_mean_tables(content)),
        "zipped": [
            (axis, [axis, *named], [[place, *map(short, line)] for place, line in enumerate(zip(*named.values(), strict=True))])
            for axis, named in content["zipped"].items()
            if named
        ],
        "figures": list(_figures(results)) if content["trajectories"] else [],
        "failures": failures,
        "failed_at": [(name, *_failed_at(status)) for name, status in statuses.items() if content["failed"][name]],
        "num_shown": NUM_SHOWN,
        "solver": results.attrs.get("solver"),
        "variables": [
            [name, values.attrs.get("units", ""), values.attrs.get("definition", "")]
            for name, values in results.data_vars.items()
        ],
    }


def _overview(results: xr.Dataset, content: dict[str, Any], model: str, quantities: Mapping[str, str]) -> list[str]:
    """The row of a model in the table of means over everything."""
    cells = []
    for name in quantities:
        values = computed(results[name].sel(model=model))
        # Counts are invalid where a trajectory failed or is not computed.
        values = values.where(computed(results.status.sel(model=model)) == 0)
        found = mean_and_interval(values, [], bounds_of(results, name))
        cells.append(with_interval(found, ".3g") if name != "num_steps" or np.isnan(found[0]) else f"{found[0]:.3g}")
    return [model, *cells, f"{content['failed'][model]:,}", f"{content['unsettled'][model]:,}"]


def _mean_tables(content: dict[str, Any]) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Title, header and rows of tables of mean Hamming errors along the axes, as the terminal shows them."""

    def cells(means: list[float | None], ends: list[list[float | None]]) -> list[str]:
        return [with_interval([mean, *pair], ".3g") for mean, pair in zip(means, ends, strict=True)]

    tables = {name: (table["mean_hamming_error"], table["interval"]) for name, table in content["hamming_error"].items()}
    *rows, values = content["axes"].values()
    header = ["", *distinct(values)]
    if rows:
        for name, table in tables.items():
            yield name, header, [[row, *cells(*line)] for row, *line in zip(distinct(rows[0]), *table, strict=True)]
    else:
        yield "", header, [[name, *cells(*table)] for name, table in tables.items()]


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
    for place, dim in enumerate(dims):
        if dim == "trial" or values.shape[place] < 2:
            continue
        others = tuple(other for other in range(values.ndim) if other != place)
        failed, total = (values > 0).sum(axis=others), (values >= 0).sum(axis=others)
        for at in sorted(np.argsort(-failed, kind="stable")[:NUM_SHOWN].tolist()):
            if failed[at]:
                by_axis.append([dim, _coordinate(status, dim, at), f"{failed[at]:,} of {total[at]:,}"])
    first = [
        [
            Status(int(values[tuple(at)])).name.lower(),
            *(_coordinate(status, dim, one) for dim, one in zip(dims, at, strict=True)),
        ]
        for at in np.argwhere(values > 0)[:NUM_SHOWN].tolist()
    ]
    return by_axis, dims, first


def _coordinate(status: xr.DataArray, dim: str, place: int) -> str:
    """The coordinate of a place along an axis, or those that are zipped there."""
    zipped = {str(name): values for name, values in status.coords.items() if name != dim and values.dims == (dim,)}
    named = ", ".join(f"{name} {short(values.values[place])}" for name, values in sorted(zipped.items()))
    return named or short(status[dim].values[place])
