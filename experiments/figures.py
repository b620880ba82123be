"""Figures of the reproduction of the paper's claims. Each function returns a matplotlib figure of stored results.

Statistics are over trials, whose problems are independent; trials that failed, NaN, are left out. Nothing is smoothed.

Source: Vivet and Arenas (2026), arXiv:2604.25481, of whose Figs. 1 to 3 are `sweep_figure`, and of Fig. 4 `winners_map`.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import xarray as xr
from matplotlib.colors import CenteredNorm, ListedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from astrojax._internal.checks import InputError, one_of
from astrojax.report.drawing import COLORS, add_legend, axis_label, draw_grid, observable_label, plain, set_axis
from astrojax.report.figures import REFERENCES
from astrojax.report.statistics import (
    Bounds,
    error_bars,
    fdr_significant,
    mean,
    mean_interval,
    paired_p_values,
    quantiles,
    share_interval,
)
from astrojax.report.tables import bounds_of

HORIZON = "retrieval.t1"
"""The dimension along which recalls end at different times."""

SWEPT_VARIABLES = ("soft_hamming_error", "hamming_error", "perplexity")

REGIMES = ("retrieval", "wrong memory", "mixture", "Hopfield-like")
"""What a recall ends in, by number; see `regimes`."""

COMMITTED = 1.5
"""Perplexity below which the gains have chosen one pattern."""

Item = TypeVar("Item")

TIE = -1
"""In place of a winner, where the lowest mean error is that of several models, or of none."""


def convergence(results: xr.Dataset, axis: str) -> Figure:
    """Convergence times of one model along an axis, and below them the share of recalls that the horizon cuts short.

    The line is the median, the band reaches from the 25th to the 75th percentile. A recall that does not converge counts as
    longer than all others; a quantile that therefore is infinite is an open triangle at the horizon, small for a quartile.

    Arguments:
        results: with `convergence_time` along the axis and `trial`, and a dimension or coordinate `retrieval.t1`; infinite
            times mean not converged. axis: the axis of the sweep, logarithmic where it is wide.

    Raises:
        InputError (a ValueError): if the results have other axes with several values.
    """
    positions = results[axis].values
    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    times, censored = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for color, (horizon, chosen) in _colored(_by_horizon(results)):
        values = _trials(chosen.convergence_time, [axis])
        low, median, high = quantiles(values, [0.25, 0.5, 0.75])
        finite = [np.where(np.isinf(quantile), np.nan, quantile) for quantile in (low, median, high)]
        times.fill_between(positions, finite[0], finite[2], color=color, alpha=0.15, linewidth=0)
        times.plot(positions, finite[1], color=color, marker=".", label=f"horizon {horizon:g}")
        times.axhline(horizon, color=color, linewidth=0.8, linestyle=":")
        for quantile, size in ((low, 4), (high, 4), (median, 8)):
            beyond = positions[np.isinf(quantile)]
            times.plot(beyond, np.full(beyond.shape, horizon), "^", color=color, markersize=size, markerfacecolor="none")
        unfinished = np.where(np.isnan(values), np.nan, np.isinf(values))
        interval = share_interval(np.nansum(unfinished, axis=-1), np.sum(~np.isnan(values), axis=-1))
        censored.plot(positions, mean(unfinished), color=color, marker=".")
        censored.fill_between(positions, *interval, color=color, alpha=0.15, linewidth=0)
    times.set_yscale("log")
    times.set_ylabel("convergence time: median and quartiles")
    handles, _ = times.get_legend_handles_labels()
    add_legend(figure, handles, title="△ not within the horizon")
    censored.set_ylim(-0.05, 1.05)
    censored.set_ylabel("share beyond\nthe horizon")
    set_axis(censored, axis, positions)
    return figure


def sweep_figure(
    results: xr.Dataset,
    axis: str,
    variables: Sequence[str] = SWEPT_VARIABLES,
    protocol: xr.Dataset | None = None,
    precise: xr.Dataset | None = None,
) -> Figure:
    """Observables of one model along an axis, a panel each: mean with its 95% interval, median, quartile band.

    Arguments:
        results: along the axis, `trial`, and maybe `retrieval.t1`, of which every horizon has a color.
        axis: the axis of the sweep, logarithmic where it is wide.
        variables: the observables; perplexities have a logarithmic scale.
        protocol: the same by the paper's explicit Euler protocol, at some values of the axis: squares.
        precise: the same problems at high precision, at some values of the axis: circles. Of both the means are drawn, with
            their intervals, and the medians, open.

    Raises:
        InputError (a ValueError): if the results have other axes of several values.
    """
    positions = results[axis].values
    horizons = _by_horizon(results)
    figure = Figure(figsize=(6.4, 0.9 + 2.4 * len(variables)), layout="constrained")
    panels = figure.subplots(len(variables), 1, sharex=True, squeeze=False)[:, 0]
    overlays = {
        label: (overlay, marker)
        for label, overlay, marker in (("Euler protocol", protocol, "s"), ("high precision", precise, "o"))
        if overlay is not None
    }
    for ax, variable in zip(panels, variables, strict=True):
        for color, (_, chosen) in _colored(horizons):
            _draw_sweep(ax, positions, _trials(chosen[variable], [axis]), color, bounds_of(results, variable))
        for overlay, marker in overlays.values():
            if variable in overlay:
                _draw_markers(
                    ax, overlay[axis].values, _trials(overlay[variable], [axis]), marker, bounds_of(results, variable)
                )
        ax.set_ylabel(observable_label(results, variable))
        if variable == "perplexity":
            ax.set_yscale("log")
    set_axis(panels[-1], axis, positions)
    handles: list[Any] = [
        Line2D([], [], color="0.3", marker=".", label="mean, 95% interval"),
        Line2D([], [], color="0.3", linestyle="--", marker="o", markerfacecolor="none", label="median"),
        Patch(color="0.3", alpha=0.2, linewidth=0, label="quartiles"),
    ]
    if len(horizons) > 1:
        handles += [Line2D([], [], color=color, label=f"horizon {horizon:g}") for color, (horizon, _) in _colored(horizons)]
    handles += [
        Line2D([], [], color="k", linestyle="none", marker=marker, label=label) for label, (_, marker) in overlays.items()
    ]
    add_legend(figure, handles)
    return figure


def winners(errors: np.ndarray, rate: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Which of some models has the lowest mean error, cell by cell, and whether it beats every other significantly.

    Every cell's p value is the largest of the winner's paired comparisons, times M/2 for M models, and the false discovery rate
    over all cells is at most `rate`. The factor pays for choosing the winner from the same trials: among M equal models any may
    be taken for better than all others, but in one direction of the two that p counts.

    Arguments:
        errors: shape (models, …, trials), the same problems for all models. rate: the false discovery rate.

    Returns:
        The winner's number, or `TIE`, and whether it is certain, each of shape (…).
    """
    means = mean(errors)
    lowest = np.nanmin(means, axis=0, initial=np.inf)
    best = np.argmax(means == lowest, axis=0)
    empty, tied = np.isinf(lowest), np.sum(means == lowest, axis=0) > 1
    of_best = np.take_along_axis(errors, best[None, ..., None], axis=0)[0]
    p_values = np.stack([paired_p_values(of_best - other) for other in errors])
    # A winner competes neither with itself nor with models that were not run in a cell.
    itself = np.arange(len(errors)).reshape(-1, *[1] * best.ndim) == best
    hardest = np.max(np.where(itself | np.isnan(p_values), 0, p_values), axis=0)
    corrected = np.minimum(hardest * max(len(errors) / 2, 1), 1)
    return np.where(empty | tied, TIE, best), fdr_significant(np.select([empty, tied], [np.nan, 1], corrected), rate)


def winners_map(
    results: xr.Dataset,
    models: Sequence[str],
    vertical: str = "num_patterns",
    horizontal: str = "num_flips",
    rate: float = 0.05,
) -> Figure:
    """Which model has the lowest mean Hamming error over two axes, beside the errors and their excess over the Bayes decoders.

    A cell has its winner's full color only where the winner beats every other of the models significantly (see `winners`),
    and is pale where it does not; a tie is white.

    Arguments:
        results: `hamming_error` over model, the two axes and trial, and `decoder_error` of the Bayes decoders, if there.
        models: the names of those that compete. vertical, horizontal: the two axes. rate: the false discovery rate.

    Raises:
        InputError (a ValueError): for a model that is not there, and if the results have other axes of several values.
    """
    for name in models:
        one_of("models", name, map(str, results.model.values))
    axes = [vertical, horizontal]
    errors = np.stack([_trials(results.hamming_error.sel(model=name), axes) for name in models])
    means = mean(errors)
    decoders = {}
    if "decoder_error" in results:
        known = [name for name in REFERENCES if name in results.decoder.values]
        decoders = {axis_label(name): mean(_trials(results.decoder_error.sel(decoder=name), axes)) for name in known}
    rows = 1 + len(decoders)
    figure = Figure(figsize=(4.6 + 2.7 * len(models), max(2.5 * rows, 4)), layout="constrained")
    parts: Any = figure.subfigures(1, 2, width_ratios=(4.6, 2.7 * len(models)))
    best, certain = winners(errors, rate)
    colors = np.array([to_rgba(color) for color, _ in _colored(models)])[best]
    colors[..., 3] = np.select([best == TIE, certain], [0, 1], 0.3)
    left = parts[0].subplots()
    draw_grid(left, results, colors, vertical, horizontal)
    left.set_ylabel(axis_label(vertical))
    left.set_title("lowest mean Hamming error", fontsize="medium")
    handles = [Patch(color=color, label=plain(name)) for color, name in _colored(models)]
    handles += [Patch(color="0.5", alpha=0.3, linewidth=0, label="pale: not significant; white: tie")]
    left.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, fontsize="small", frameon=False)
    panels = parts[1].subplots(rows, len(models), sharex=True, sharey=True, squeeze=False)
    grids = [("mean Hamming error", means), *((f"excess over\n{name}", means - errors) for name, errors in decoders.items())]
    for row, (title, grid) in zip(panels, grids, strict=True):
        top = float(np.nanmax(np.abs(grid), initial=0)) or 1.0
        style: dict[str, Any] = {"norm": CenteredNorm(halfrange=top), "cmap": "RdBu_r"}
        if grid is means:
            style = {"vmin": 0, "vmax": top, "cmap": "viridis"}
        for ax, of_model in zip(row, grid, strict=True):
            image = draw_grid(ax, results, of_model, vertical, horizontal, **style)
            ax.label_outer()
        parts[1].colorbar(image, ax=row, pad=0.01).set_label(title, fontsize="small")
        row[0].set_ylabel(axis_label(vertical))
    for ax, name in zip(panels[0], models, strict=True):
        ax.set_title(plain(name), fontsize="medium")
    return figure


def regimes(perplexity: Any, success: Any, load: Any) -> np.ndarray:
    """What a recall ends in, as a number in `REGIMES`, or −1 where it failed or the memory has no gains.

    - 0, retrieval: one pattern has the gains, and the recall is right.
    - 1, wrong memory: one pattern has the gains, and the recall is wrong.
    - 2, mixture: some patterns share the gains, at most (K + 1)/2 of those that are stored.
    - 3, Hopfield-like: more of them do, so that the couplings are nearly Hopfield's.

    One pattern has the gains where the perplexity is less than 1.5.

    Arguments:
        perplexity: in [1, K], or NaN. success: 1 where the recall is right, else 0. load: K. Shapes broadcast.

    Returns:
        Integers of the same shape.
    """
    perplexity, success, load = np.broadcast_arrays(*(np.asarray(values, float) for values in (perplexity, success, load)))
    conditions = [
        np.isnan(perplexity) | np.isnan(success),
        (perplexity < COMMITTED) & (success == 1),
        perplexity < COMMITTED,
        perplexity <= (load + 1) / 2,
    ]
    return np.select(conditions, [-1, 0, 1, 2], 3)


def phase_map(results: xr.Dataset, x: str, y: str) -> Figure:
    """Regimes of one model over two axes: that of most trials as a color, and the success rate as contour lines.

    Arguments:
        results: `perplexity` and `success` over the two axes and trial; the coordinate `num_patterns` is the load.
        x, y: the horizontal and the vertical axis.

    Raises:
        InputError (a ValueError): if the results have other axes of several values.
    """
    axes = [y, x]
    load = results.num_patterns.broadcast_like(results.perplexity)
    perplexity, success, loads = (_trials(values, axes) for values in (results.perplexity, results.success, load))
    found = regimes(perplexity, success, loads)
    counts = np.stack([np.sum(found == number, axis=-1) for number in range(len(REGIMES))])
    majority = np.ma.masked_where(counts.sum(axis=0) == 0, np.argmax(counts, axis=0))
    figure = Figure(figsize=(5.6, 4.4), layout="constrained")
    ax = figure.subplots()
    style: dict[str, Any] = {"cmap": ListedColormap(COLORS[: len(REGIMES)]), "vmin": -0.5, "vmax": len(REGIMES) - 0.5}
    draw_grid(ax, results, majority, y, x, alpha=0.75, **style)
    rate = mean(success)
    low, high = (np.nanmin(rate, initial=1), np.nanmax(rate, initial=0)) if min(rate.shape) > 1 else (1, 0)
    levels = [level for level in (0.1, 0.5, 0.9) if low < level < high]
    if levels:
        lines = ax.contour(np.ma.masked_invalid(rate), levels=levels, colors="k", linewidths=1.2)
        ax.clabel(lines, fmt="%g", fontsize="small")
    ax.set_ylabel(axis_label(y))
    present = [number for number in range(len(REGIMES)) if np.any(majority == number)]
    handles: list[Any] = [Patch(color=COLORS[number], alpha=0.75, label=REGIMES[number]) for number in present]
    handles += [Line2D([], [], color="k", linewidth=1.2, label="success rate")] if levels else []
    add_legend(figure, handles)
    return figure


def capacity_figure(curves: xr.Dataset) -> Figure:
    """Capacity against the number of neurons, a line for each model, on logarithmic scales.

    Arguments:
        curves: over `model` and `num_neurons`: `capacity`, NaN where it is not measured; `low` and `high`, the ends of its
            interval; `censored`, true where no load tested was too large, so that the capacity is a lower bound: an open
            triangle, without interval.
    """
    figure = Figure(figsize=(5.4, 4.2), layout="constrained")
    ax = figure.subplots()
    neurons = curves.num_neurons.values
    for color, name in _colored(curves.model.values):
        curve = curves.sel(model=name)
        bound = curve.censored.values.astype(bool)
        capacity = curve.capacity.values
        known = ~bound & ~np.isnan(capacity)
        spread = np.abs([capacity - curve.low.values, curve.high.values - capacity])
        ax.errorbar(
            neurons[known], capacity[known], spread[:, known], color=color, marker=".", capsize=3, label=plain(str(name))
        )
        ax.plot(neurons[bound], capacity[bound], "^", color=color, markersize=8, markerfacecolor="none")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(neurons, [f"{number:g}" for number in neurons])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("neurons $N$")
    ax.set_ylabel("capacity $K_{90}$ (patterns)")
    handles, _ = ax.get_legend_handles_labels()
    if curves.censored.any():
        handles.append(Line2D([], [], color="0.3", linestyle="none", marker="^", markerfacecolor="none", label="at least"))
    add_legend(figure, handles)
    return figure


def _colored(items: Iterable[Item]) -> Iterator[tuple[str, Item]]:
    return zip(itertools.cycle(COLORS), items, strict=False)


def _by_horizon(results: xr.Dataset) -> list[tuple[float, xr.Dataset]]:
    """Results by horizon; without such a dimension all results, with their horizon, NaN if it is not known."""
    if HORIZON not in results.dims:
        return [(float(results.get(HORIZON, np.nan)), results)]
    return [(horizon, results.sel({HORIZON: horizon})) for horizon in results[HORIZON].values.tolist()]


def _trials(values: xr.DataArray, axes: Sequence[str]) -> np.ndarray:
    """Values over the axes and trials, in double precision, shape (…, trials).

    Raises:
        InputError (a ValueError): if an axis is not there, or another has several values.
    """
    for axis in axes:
        one_of("axis", axis, map(str, values.dims))
    others = [dim for dim in values.dims if dim not in (*axes, "trial")]
    for dim in others:
        if values.sizes[dim] > 1:
            raise InputError(f"the figure takes one value of {dim}; got {values.sizes[dim]}: select one before")
    return values.isel(dict.fromkeys(others, 0)).transpose(*axes, "trial").values.astype(np.float64)


def _draw_sweep(ax: Any, positions: np.ndarray, values: np.ndarray, color: str, limits: Bounds) -> None:
    low, median, high = quantiles(values, [0.25, 0.5, 0.75])
    ax.fill_between(positions, low, high, color=color, alpha=0.15, linewidth=0)
    ax.plot(positions, median, color=color, linestyle="--", linewidth=1)
    _draw_means(ax, positions, values, limits, color=color, marker=".", linewidth=1.5)


def _draw_markers(ax: Any, positions: np.ndarray, values: np.ndarray, marker: str, limits: Bounds) -> None:
    (median,) = quantiles(values, [0.5])
    ax.plot(positions, median, color="k", linestyle="none", marker=marker, markerfacecolor="none", markersize=8)
    _draw_means(ax, positions, values, limits, color="k", linestyle="none", marker=marker, markersize=4)


def _draw_means(ax: Any, positions: np.ndarray, values: np.ndarray, limits: Bounds, **style: Any) -> None:
    """Means with their intervals."""
    means = mean(values)
    ax.errorbar(positions, means, error_bars(means, mean_interval(values, limits)), elinewidth=1, **style)
