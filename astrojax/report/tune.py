"""What a search found: its table for the terminal, as plain data too, and its figures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

from .figures import (
    COLOURS,
    add_legend,
    axis_label,
    curves,
    difference,
    heat_map,
    is_logarithmic,
    set_axis,
)
from .statistics import discoveries, error_bars, mean_interval, paired_p_values, share_interval, with_interval
from .tables import bounds_of, long_axes

NAMES = {
    "tuned": "tuned",
    "start": "start",
    "defaults": "paper's defaults",
    "random": "random search",
    "grid": "grid",
    "nearest_signed": "nearest pattern",
    "nearest_unsigned": "nearest pattern, blind to x → −x",
    "bayes_signed": "Bayes decoder",
    "bayes_unsigned": "Bayes decoder, blind to x → −x",
}
"""What is compared, as tables name it."""


def search_summary(history: xr.Dataset, heldout: xr.Dataset, parameters: Sequence[str]) -> dict[str, Any]:
    """Plain data of a search: what was found, and errors on fresh problems with 95% intervals.

    Arguments:
        history: of `SearchResults`. heldout: its runs on fresh problems. parameters: single numbers that were searched.

    Returns:
        `best` (score, start, step, error, loss, values), `looks` (error and loss of every look at the held-out problems),
        `steps` by score, counts of `clipped`, `non_finite` and `failed` gradients of single problems, `errors` by name, and
        `cells`: in how many pairs of load and level the tuned memory is better, and significantly (false discovery rate 5%),
        than the start.
    """
    return {
        "best": _best(history, parameters),
        "looks": _looks(history),
        "steps": {str(score): last_step(history.sel(score=score)) for score in history.score.values},
        "gradients": gradients_left_out(history),
        "errors": errors_on_fresh_problems(heldout),
        "cells": _cells(heldout),
    }


def errors_on_fresh_problems(heldout: xr.Dataset) -> dict[str, Any]:
    """Share of perfect recalls and mean Hamming error over all loads and levels, each with its 95% interval, by name."""
    each = {str(name): heldout.hamming_error.sel(model=name) for name in heldout.model.values}
    each |= {str(name): heldout.decoder_error.sel(decoder=name) for name in heldout.decoder.values}
    found, limits = {}, bounds_of(heldout, "hamming_error")
    for name, errors in each.items():
        flat = errors.values.astype(float).ravel()
        flat = flat[~np.isnan(flat)]
        found[name] = {
            "perfect": [float(np.sum(flat == 0) / errors.size), *share_interval(np.sum(flat == 0), errors.size).tolist()],
            "hamming_error": [float(np.mean(flat)), *mean_interval(flat, limits).tolist()] if flat.size else [None] * 3,
            "problems": flat.size,
            "failed": int(errors.size - flat.size),
        }
    return found


def print_search(console: Console, content: dict[str, Any]) -> None:
    """Print a `search_summary`."""
    table = Table(title="on fresh problems, with 95% intervals", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "perfect recalls", "mean Hamming error", "failed"):
        table.add_column(heading, justify="left" if heading == "" else "right", no_wrap=heading != "")
    for name, row in content["errors"].items():
        cells = with_interval(row["perfect"], ".1%"), with_interval(row["hamming_error"], ".3f")
        table.add_row(NAMES.get(name, name), *cells, f"{row['failed']:,}" if row["failed"] else "")
    console.print(table)
    for sentence in sentences(content):
        console.print(sentence, soft_wrap=True)


def sentences(content: dict[str, Any]) -> list[str]:
    """What a `search_summary` says in words."""
    best, cells, counts = content["best"], content["cells"], content["gradients"]
    values = ", ".join(f"{name} {value:.4g}" for name, value in best["values"].items())
    others = f", start {best['start']}" if best["start"] else ""
    said = [
        f"lowest held-out error: score {best['score']}{others}, step {best['step']} of "
        f"{content['steps'][best['score']]}, error {best['validation_error']:.3f}, loss {best['validation_loss']:.4f}: {values}"
    ]
    if best["step"] == 0:
        said.append("no step made it better: these are the values where the search started")
    if cells["number"] > 1:
        said.append(
            f"of {cells['number']} pairs of load and level the tuned memory errs less than the start in {cells['better']}, "
            f"more in {cells['worse']}; significantly less in {cells['significantly_better']}, "
            f"more in {cells['significantly_worse']}"
        )
    if any(counts.values()):
        said.append(f"gradients of single problems: {gradients_in_words(counts)}")
    return said


def gradients_left_out(history: xr.Dataset) -> dict[str, int]:
    """How many gradients of single problems were clipped, or left out and why."""
    return {name: int(np.nansum(history[f"num_{name}"].values)) for name in ("clipped", "non_finite", "failed")}


def gradients_in_words(counts: dict[str, int]) -> str:
    return "{clipped:,} clipped; left out {non_finite:,} that were not finite, and {failed:,} of failed trajectories".format(
        **counts
    )


def figures_of_search(
    history: xr.Dataset, heldout: xr.Dataset, landscape: xr.DataArray | None, parameters: Sequence[str]
) -> dict[str, Figure]:
    """The figures of a search by name."""
    best = _best(history, parameters)
    figures = {"search": along_the_search(history, parameters)}
    if landscape is not None:
        figures["landscape"] = landscape_with_path(history, landscape, best)
    axes = long_axes(heldout)
    if len(axes) >= 2:
        figures["before_and_after"] = heat_map(heldout)
        figures["difference"] = difference(heldout, "tuned", "start")
    elif axes:
        figures["before_and_after"] = curves(heldout)
    else:
        figures["before_and_after"] = intervals(errors_on_fresh_problems(heldout))
    return figures


def along_the_search(history: xr.Dataset, parameters: Sequence[str]) -> Figure:
    """The loss, and each parameter, along the steps: a line for each start, a colour for each score."""
    names = [name for name in parameters if name in history]
    columns = min(len(names) + 1, 3)
    rows = -(-(len(names) + 1) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.2 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    best = _best(history, parameters)
    for number, score in enumerate(history.score.values):
        one, colour = history.sel(score=score), COLOURS[number % len(COLOURS)]
        for start in one.start.values if "start" in one.coords else range(one.sizes["start"]):
            line = one.isel(start=int(start))
            step = np.arange(line.sizes["step"])
            looked = np.isfinite(line.validation_loss.values)
            panels[0].plot(step, line.loss.values, color=colour, alpha=0.25, linewidth=0.8)
            panels[0].plot(
                step[looked], line.validation_loss.values[looked], color=colour, label=str(score) if int(start) == 0 else None
            )
            for ax, name in zip(panels[1:], names, strict=False):
                chosen = str(score) == best["score"] and int(start) == best["start"]
                ax.plot(step, line[name].values, color=colour, alpha=1.0 if chosen else 0.4, linewidth=1.8 if chosen else 0.8)
    panels[0].set_yscale("log")
    panels[0].set_title("loss: each step (pale), held-out problems", fontsize="medium")
    add_legend(figure, panels[0].get_legend_handles_labels()[0], title="score")
    for ax, name in zip(panels[1:], names, strict=False):
        ax.set_title(axis_label(name), fontsize="medium")
        ax.axvline(best["step"], color="0.6", linestyle=":")
        if np.nanmin(history[name].values) > 0:
            ax.set_yscale("log")
    for ax in panels[len(names) + 1 :]:
        ax.set_axis_off()
    for ax in panels[: len(names) + 1]:
        set_axis(ax, "step", np.arange(history.sizes["step"]))
    return figure


def landscape_with_path(history: xr.Dataset, landscape: xr.DataArray, best: dict[str, Any]) -> Figure:
    """The loss on a plane of two parameters, the others at their best, and the way that the best start took over it."""
    vertical, horizontal = map(str, landscape.dims)
    figure = Figure(figsize=(5.6, 4.4), layout="constrained")
    ax = figure.subplots()
    loss = np.ma.masked_invalid(landscape.values)
    image = ax.pcolormesh(landscape[horizontal].values, landscape[vertical].values, loss, shading="nearest", cmap="viridis")
    path = history.sel(score=best["score"]).isel(start=best["start"])
    ax.plot(path[horizontal].values, path[vertical].values, color="w", linewidth=1.2, marker=".", markersize=3)
    ax.plot(path[horizontal].values[0], path[vertical].values[0], "wo", markeredgecolor="k", markersize=7, label="start")
    ax.plot(best["values"][horizontal], best["values"][vertical], "r*", markersize=13, label="best")
    for name, scale in ((horizontal, ax.set_xscale), (vertical, ax.set_yscale)):
        if is_logarithmic(landscape[name].values):
            scale("log")
    ax.set_xlabel(axis_label(horizontal))
    ax.set_ylabel(axis_label(vertical))
    others = ", ".join(
        f"{axis_label(name)} = {value:.3g}" for name, value in best["values"].items() if name not in landscape.dims
    )
    ax.set_title(f"mean loss{', at ' + others if others else ''}", fontsize="medium")
    add_legend(figure, ax.get_legend_handles_labels()[0])
    figure.colorbar(image, ax=ax, label="loss")
    return figure


def intervals(errors: dict[str, Any]) -> Figure:
    """Mean Hamming error and share of perfect recalls by name, with 95% intervals."""
    names = [name for name in errors if errors[name]["hamming_error"][0] is not None]
    figure = Figure(figsize=(9, 1.2 + 0.35 * len(names)), layout="constrained")
    for ax, kind, label in zip(
        figure.subplots(1, 2, sharey=True), ("hamming_error", "perfect"), ("mean Hamming error", "perfect recalls"), strict=True
    ):
        middle, low, high = np.array([errors[name][kind] for name in names], float).T
        places = np.arange(len(names))
        ax.errorbar(middle, places, xerr=error_bars(middle, [low, high]), fmt="o", capsize=3)
        ax.set_yticks(places, [NAMES.get(name, name) for name in names])
        ax.set_xlabel(label)
        ax.grid(axis="x", alpha=0.3)
    figure.axes[0].invert_yaxis()
    return figure


def _best(history: xr.Dataset, parameters: Sequence[str]) -> dict[str, Any]:
    """The look at the held-out problems with the lowest error, of all scores and starts, and the values there.

    The loss breaks ties, then the order: so a search chooses too.
    """
    dims = ("score", "start", "step")
    losses, errors = (history[name].transpose(*dims).values for name in ("validation_loss", "validation_error"))
    lowest = np.lexsort((losses.ravel(), errors.ravel()))[0]
    place = {dim: int(index) for dim, index in zip(dims, np.unravel_index(lowest, losses.shape), strict=True)}
    there = history.isel(place)
    return {
        **place,
        "score": str(there.score.values),
        "validation_error": float(there.validation_error),
        "validation_loss": float(there.validation_loss),
        "values": {name: float(there[name]) for name in parameters if name in history},
    }


def _looks(history: xr.Dataset) -> list[dict[str, Any]]:
    """Error and loss of every look at the held-out problems, by score, start and step."""
    names = ["validation_error", "validation_loss"]
    table = history[names].assign_coords(start=range(history.sizes["start"]), step=range(history.sizes["step"]))
    rows = table.to_dataframe(dim_order=["score", "start", "step"])[names].dropna(how="all").reset_index()
    return rows.to_dict("records")


def last_step(history: xr.Dataset) -> int:
    """The last step that was taken from one of the starts, or from a single one."""
    return int(np.nonzero(np.isfinite(history.gradient_norm.transpose(..., "step").values))[-1].max(initial=0))


def _cells(heldout: xr.Dataset) -> dict[str, int]:
    """In how many pairs of load and level the tuned memory errs less or more than the start, and where that is significant."""
    axes = [dim for dim in heldout.hamming_error.dims if dim not in ("model", "trial")]
    errors = heldout.hamming_error.transpose("model", *axes, "trial")
    difference = (errors.sel(model="tuned") - errors.sel(model="start")).values.astype(float)
    mean = np.nanmean(difference, axis=-1) if difference.size else np.zeros(0)
    certain = discoveries(paired_p_values(difference))
    return {
        "number": int(mean.size),
        "better": int(np.sum(mean < 0)),
        "worse": int(np.sum(mean > 0)),
        "significantly_better": int(np.sum(certain & (mean < 0))),
        "significantly_worse": int(np.sum(certain & (mean > 0))),
    }
