"""What a tune run found: its summary as plain data, its table for the terminal, and its figures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from rich.console import Console

from ..runs.tune_results import best_entry
from ..tuning.record import measures_in
from .drawing import COLORS, DECODERS, add_legend, axis_label, is_logarithmic, set_axis
from .figures import curves, difference, heat_map
from .statistics import fdr_significant, mean_interval, paired_p_values, share_interval, with_interval
from .tables import bounds_of, in_words, long_axes, make_table

NAMES = {"random": "random search", **DECODERS}
"""Labels of what is compared, where they are not the names."""


def tune_summary(history: xr.Dataset, heldout: xr.Dataset, parameters: Sequence[str]) -> dict[str, Any]:
    """Plain data of a tune run, whose tuned `parameters` are single numbers; `looks` are the validations."""
    return {
        "best": _best(history, parameters),
        "looks": _validations(history),
        "steps": {str(score): last_step(history.sel(score=score)) for score in history.score.values},
        "gradients": count_gradients(history),
        "errors": heldout_errors(heldout),
        "cells": _cells(heldout),
    }


def heldout_errors(heldout: xr.Dataset) -> dict[str, Any]:
    """Share of right recalls and mean error over all loads and levels, each with its 95% interval, by name; see `Measures`."""
    error, success, right, _ = measures_in(heldout)
    models, decoders = heldout[[error, success]].to_array(), heldout.decoder_error
    identified = heldout.get("decoder_identified", decoders == 0)
    each: dict[str, Any] = {str(name): models.sel(model=name) for name in heldout.model.values}
    each |= {str(name): (decoders.sel(decoder=name), identified.sel(decoder=name)) for name in heldout.decoder.values}
    found, limits = {}, bounds_of(heldout, error)
    for name, (errors, successes) in each.items():
        flat, number = errors.values.astype(float).ravel(), float(np.nansum(successes.values, dtype=float))
        flat = flat[~np.isnan(flat)]
        mean = [float(np.mean(flat)), *mean_interval(flat, limits).tolist()] if flat.size else [np.nan] * 3
        found[name] = {
            right: [number / errors.size, *share_interval(number, errors.size).tolist()],
            error: [one if np.isfinite(one) else None for one in mean],
            "problems": flat.size,
            "failed": int(errors.size - flat.size),
        }
    return found


def print_tune_summary(console: Console, content: dict[str, Any]) -> None:
    """Print a `tune_summary`."""
    rows = [[*error_cells(name, row), f"{row['failed']:,}" if row["failed"] else ""] for name, row in content["errors"].items()]
    measures = measures_in(next(iter(content["errors"].values())))
    headings = ["", f"{measures.right} recalls", f"mean {in_words(measures.error)}", "failed"]
    console.print(make_table(headings, rows, "on held-out problems, with 95% intervals"))
    for sentence in describe(content):
        console.print(sentence, soft_wrap=True)


def error_cells(name: str, row: dict[str, Any]) -> list[str]:
    """Label, share of right recalls and mean error, for a table."""
    error, _, right, _ = measures_in(row)
    return [NAMES.get(name, name), with_interval(row[right], ".1%"), with_interval(row[error], ".3f")]


def describe(content: dict[str, Any]) -> list[str]:
    """The findings of a `tune_summary` in sentences."""
    best, cells, counts = content["best"], content["cells"], content["gradients"]
    values = ", ".join(f"{name} {value:.4g}" for name, value in best["values"].items())
    start = f", start {best['start']}" if best["start"] else ""
    found = [
        f"lowest validation error: score {best['score']}{start}, step {best['step']} of "
        f"{content['steps'][best['score']]}, error {best['validation_error']:.3f}, loss {best['validation_loss']:.4f}: {values}"
    ]
    if best["step"] == 0:
        found.append("no step improved on the initial values, which are reported")
    if cells["number"] > 1:
        found.append(
            f"of {cells['number']} pairs of load and level the tuned memory errs less than the start in {cells['better']}, "
            f"more in {cells['worse']}; significantly less in {cells['significantly_better']}, "
            f"more in {cells['significantly_worse']}"
        )
    if any(counts.values()):
        found.append(f"gradients of single problems: {describe_gradients(counts)}")
    return found


def count_gradients(history: xr.Dataset) -> dict[str, int]:
    """Numbers of gradients of single problems that were clipped, or left out, by reason."""
    return {name: int(np.nansum(history[f"num_{name}"].values)) for name in ("clipped", "non_finite", "failed")}


def describe_gradients(counts: dict[str, int]) -> str:
    return "{clipped:,} clipped; left out {non_finite:,} that were not finite, and {failed:,} of failed trajectories".format(
        **counts
    )


def tune_figures(
    history: xr.Dataset, heldout: xr.Dataset, landscape: xr.DataArray | None, best: dict[str, Any]
) -> dict[str, Figure]:
    """The figures of a tune run by name; `best` is that of its summary."""
    figures = {"search": plot_history(history, best)}
    if landscape is not None:
        figures["landscape"] = plot_landscape(history, landscape, best)
    axes = long_axes(heldout, measures_in(heldout).error)
    if len(axes) >= 2:
        figures["before_and_after"] = heat_map(heldout)
        figures["difference"] = difference(heldout, "tuned", "start")
    elif axes:
        figures["before_and_after"] = curves(heldout)
    return figures


def plot_history(history: xr.Dataset, best: dict[str, Any]) -> Figure:
    """Plot the loss and each parameter over the steps: one line per start, one color per score."""
    names, steps = list(best["values"]), np.arange(history.sizes["step"])
    columns = min(len(names) + 1, 3)
    rows = -(-(len(names) + 1) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.2 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for number, score in enumerate(history.score.values):
        color = COLORS[number % len(COLORS)]
        for start in range(history.sizes["start"]):
            line = history.sel(score=score).isel(start=start)
            validated = np.isfinite(line.validation_loss.values)
            panels[0].plot(steps, line.loss.values, color=color, alpha=0.25, linewidth=0.8)
            label = None if start else str(score)
            panels[0].plot(steps[validated], line.validation_loss.values[validated], color=color, label=label)
            is_best = str(score) == best["score"] and start == best["start"]
            for ax, name in zip(panels[1:], names, strict=False):
                ax.plot(steps, line[name].values, color=color, alpha=1 if is_best else 0.4, linewidth=1.8 if is_best else 0.8)
    panels[0].set_yscale("log")
    panels[0].set_title("loss: each step (pale), validation problems", fontsize="medium")
    add_legend(figure, panels[0].get_legend_handles_labels()[0], title="score")
    for ax, name in zip(panels[1:], names, strict=False):
        ax.set_title(axis_label(name), fontsize="medium")
        ax.axvline(best["step"], color="0.6", linestyle=":")
        if np.nanmin(history[name].values) > 0:
            ax.set_yscale("log")
    for ax in panels[: len(names) + 1]:
        set_axis(ax, "step", steps)
    for ax in panels[len(names) + 1 :]:
        ax.set_axis_off()
    return figure


def plot_landscape(history: xr.Dataset, landscape: xr.DataArray, best: dict[str, Any]) -> Figure:
    """Plot the loss on a plane of two parameters, the others at their best values, and the path of the best start."""
    vertical, horizontal = map(str, landscape.dims)
    figure = Figure(figsize=(5.6, 4.4), layout="constrained")
    ax = figure.subplots()
    loss = np.ma.masked_invalid(landscape.values)
    image = ax.pcolormesh(landscape[horizontal].values, landscape[vertical].values, loss, shading="nearest", cmap="viridis")
    path = history.sel(score=best["score"]).isel(start=best["start"])
    x, y = path[horizontal].values, path[vertical].values
    ax.plot(x, y, color="w", linewidth=1.2, marker=".", markersize=3)
    ax.plot(x[0], y[0], "wo", markeredgecolor="k", markersize=7, label="start")
    ax.plot(best["values"][horizontal], best["values"][vertical], "r*", markersize=13, label="best")
    set_axis(ax, horizontal, landscape[horizontal].values)
    if is_logarithmic(landscape[vertical].values):
        ax.set_yscale("log")
    ax.set_ylabel(axis_label(vertical))
    others = [f"{axis_label(name)} = {value:.3g}" for name, value in best["values"].items() if name not in landscape.dims]
    ax.set_title(f"mean loss{', at ' + ', '.join(others) if others else ''}", fontsize="medium")
    add_legend(figure, ax.get_legend_handles_labels()[0])
    figure.colorbar(image, ax=ax, label="loss")
    return figure


def _best(history: xr.Dataset, parameters: Sequence[str]) -> dict[str, Any]:
    """The validation that was chosen, of all scores and starts, and the values there."""
    place = best_entry(history)
    there = history.isel(place)
    return {
        **place,
        "score": str(there.score.values),
        "validation_error": float(there.validation_error),
        "validation_loss": float(there.validation_loss),
        "values": {name: float(there[name]) for name in parameters if name in history},
    }


def _validations(history: xr.Dataset) -> list[dict[str, Any]]:
    """Error and loss of every validation, by score, start and step."""
    names = ["validation_error", "validation_loss"]
    table = history[names].assign_coords(start=range(history.sizes["start"]), step=range(history.sizes["step"]))
    rows = table.to_dataframe(dim_order=["score", "start", "step"])[names].dropna(how="all").reset_index()
    return rows.to_dict("records")


def last_step(history: xr.Dataset) -> int:
    """The last step that was taken, of all starts."""
    return int(np.nonzero(np.isfinite(history.gradient_norm.transpose(..., "step").values))[-1].max(initial=0))


def _cells(heldout: xr.Dataset) -> dict[str, int]:
    """In how many pairs of load and level the tuned memory errs less or more than the start; false discovery rate 5%."""
    errors = heldout[measures_in(heldout).error].transpose("model", ..., "trial")
    difference = (errors.sel(model="tuned") - errors.sel(model="start")).values.astype(float)
    mean = np.nanmean(difference, axis=-1) if difference.size else np.zeros(0)
    certain = fdr_significant(paired_p_values(difference))
    return {
        "number": int(mean.size),
        "better": int(np.sum(mean < 0)),
        "worse": int(np.sum(mean > 0)),
        "significantly_better": int(np.sum(certain & (mean < 0))),
        "significantly_worse": int(np.sum(certain & (mean > 0))),
    }
