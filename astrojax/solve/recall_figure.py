"""One retrieval as a figure. Plain arrays come in; `Recall.plot` makes them. Films are in `report.animation`."""

import io
import math
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure

NUM_PICTURES = 6
"""Pictures of a state along time in a figure, beside query and target."""

NUM_OTHERS = 20
"""Patterns that are drawn beside the highlighted ones: the strongest."""

NUM_BARS = 40
"""Patterns that bars are drawn of: where there are more, those of the largest values."""

WIDE = 5.0
"""States beyond this are drawn on a scale that shows both a query of ±1 and an end of about ±K."""

RIGHT, WRONG, TARGET, OTHER, PALE = "#1f77b4", "#d62728", "#1f77b4", "#ff7f0e", "0.72"


@dataclass(frozen=True)
class Film:
    """One retrieval as plain arrays, with N neurons, K stored patterns and T saved times. What is `None` is not drawn.

    Arguments:
        title: above the figure. final: state at the horizon, shape (N,). is_rate: whether states are firing rates.
        times: shape (T,). states: shape (T, N). gains, overlaps: shape (T, K), overlaps relative to N. energies: shape (T,).
        final_gains, final_overlaps: shape (K,). query, target: shape (N,).
        columns: numbers of the K patterns in the memory. target_column: that of the target, if it is one of them.
        picture_shape: rows and columns of a picture, whose product is N.
    """

    title: str
    final: np.ndarray
    is_rate: bool = True
    times: np.ndarray | None = None
    states: np.ndarray | None = None
    gains: np.ndarray | None = None
    overlaps: np.ndarray | None = None
    energies: np.ndarray | None = None
    final_gains: np.ndarray | None = None
    final_overlaps: np.ndarray | None = None
    query: np.ndarray | None = None
    target: np.ndarray | None = None
    columns: np.ndarray | None = None
    target_column: int | None = None
    picture_shape: tuple[int, int] | None = None

    @property
    def unit(self) -> float:
        """The size of a state that is drawn as the largest: 1 for firing rates."""
        values = self.final if self.states is None else np.concatenate([self.states.ravel(), self.final])
        return 1.0 if self.is_rate else float(np.nanmax(np.abs(finite(values)), initial=1.0))

    @property
    def label(self) -> str:
        """What a state is called."""
        return r"firing rate $\varphi(x)$" if self.is_rate else "state $x$"


class Drawing(Figure):
    """A figure that notebooks show by themselves, whether pyplot is used or not."""

    def _repr_html_(self) -> str:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=100)
        return f'<img alt="{self.get_suptitle()}" src="data:image/png;base64,{b64encode(file.getvalue()).decode()}">'


def draw(film: Film) -> Figure:
    """The neurons, above gains, overlaps and energy: over time, or at the end where no states were saved."""
    ends = {"gain $p$": film.final_gains, "overlap $m/N$": film.final_overlaps}
    bars = [partial(_bars, film=film, values=values, label=label) for label, values in ends.items() if values is not None]
    panels: list[Any] = bars if film.times is None else curve_panels(film)
    height = 2.0 if film.picture_shape else 2.5
    figure = Drawing(figsize=(10.5, height + (2.7 if panels else 0)), layout="constrained")
    figure.suptitle(film.title)
    parts: Any = figure.subfigures(1 + bool(panels), 1, height_ratios=(height, 2.7)[: 1 + bool(panels)], squeeze=False)[:, 0]
    if film.picture_shape:
        _draw_pictures(parts[0], film)
    elif film.states is not None:
        _draw_map(parts[0], film)
    else:
        draw_strip(parts[0].subplots(), film, film.final)
    if panels:
        draw_panels(parts[1], panels)
    return figure


def way_of(states: np.ndarray) -> np.ndarray:
    """The share of the way that a state has gone, shape (T,)."""
    steps = np.abs(np.diff(np.nan_to_num(finite(states)), axis=0)).sum(axis=1)
    way = np.concatenate([[0.0], np.cumsum(steps)])
    return way / way[-1] if way[-1] > 0 else way


def evenly(progress: np.ndarray, number: int) -> list[int]:
    places = np.searchsorted(progress, np.linspace(0, progress[-1], number + 1)[1:])
    return sorted({int(min(place, len(progress) - 1)) for place in places} | {len(progress) - 1})


def finite(values: np.ndarray) -> np.ndarray:
    """NaN for what is not finite, such as states at times that a failed trajectory did not reach."""
    return np.where(np.isfinite(values), values, np.nan)


def _scale(film: Film) -> dict[str, Any]:
    if film.is_rate:
        return {"vmin": -1, "vmax": 1}
    if film.unit <= WIDE:
        return {"vmin": -film.unit, "vmax": film.unit}
    return {"norm": AsinhNorm(linear_width=1.0, vmin=-film.unit, vmax=film.unit)}


def draw_picture(ax: Any, film: Film, values: np.ndarray, title: str, *, is_pattern: bool = False) -> Any:
    scale = {"vmin": -1, "vmax": 1} if is_pattern else _scale(film)
    image = ax.imshow(finite(values).reshape(film.picture_shape), cmap="gray", **scale)
    ax.set_title(title, fontsize="medium")
    ax.set_xticks([])
    ax.set_yticks([])
    return image


def _draw_pictures(part: Any, film: Film) -> None:
    pictures = [("query", film.query, True)] if film.query is not None else []
    if film.states is not None and film.times is not None:
        # Spread evenly over the way, they show where the state moves rather than where it rests.
        places = evenly(way_of(film.states), NUM_PICTURES)
        pictures += [(f"t = {film.times[at]:.2g}", film.states[at], False) for at in places]
    else:
        pictures += [("end", film.final, False)]
    pictures += [("target", film.target, True)] if film.target is not None else []
    for ax, (title, values, is_pattern) in zip(part.subplots(1, len(pictures), squeeze=False)[0], pictures, strict=True):
        draw_picture(ax, film, values, title, is_pattern=is_pattern)


def _draw_map(part: Any, film: Film) -> None:
    """Neurons over time, between query and target."""
    assert film.states is not None
    assert film.times is not None
    sides = {name: values for name, values in (("query", film.query), ("target", film.target)) if values is not None}
    order = [name for name in ("query", "", "target") if name in sides or not name]
    widths = [1 if name else 45 for name in order]
    axes = dict(zip(order, part.subplots(1, len(order), sharey=True, squeeze=False, width_ratios=widths)[0], strict=True))
    neurons = np.arange(film.final.size)
    image = axes[""].pcolormesh(film.times, neurons, finite(film.states).T, cmap="coolwarm", shading="nearest", **_scale(film))
    _time_axis(axes[""], film.times)
    for name, values in sides.items():
        axes[name].imshow(values[:, None], cmap="coolwarm", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
        axes[name].set_xticks([])
        axes[name].set_title(name, fontsize="small")
    axes[order[0]].set_ylabel("neuron")
    axes[""].set_ylim(neurons.size - 0.5, -0.5)
    bar = part.colorbar(image, ax=list(axes.values()), label=film.label, pad=0.01)
    _mark_state(bar.ax.yaxis, film)


def _mark_state(axis: Any, film: Film) -> None:
    """Ticks of an axis of states: those of a query, and the largest."""
    ticks = [-1, 0, 1] if film.unit <= WIDE else [-film.unit, -1, 0, 1, film.unit]
    axis.set_ticks(ticks, labels=[f"{tick:.3g}" for tick in ticks])
    axis.set_ticks([], minor=True)


def draw_strip(ax: Any, film: Film, state: np.ndarray) -> Callable[[np.ndarray], None]:
    """A bar for each neuron, red where its sign is not the target's; returns what draws another state."""
    neurons = np.arange(film.final.size)
    width = float(np.clip(420 / neurons.size, 0.6, 9))
    bars = ax.vlines(neurons, 0, np.nan_to_num(finite(state)), linewidth=width)
    scale = 1.0 if film.is_rate or film.unit <= 1 else film.unit
    if film.target is not None:
        ax.plot(neurons, scale * film.target, "_", color="0.25", markersize=width, label="target", zorder=1)
    if film.query is not None and film.states is None:
        ax.plot(neurons, film.query, ".", color="0.5", markersize=5, label="query")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small", frameon=False)
    ax.axhline(0, color="0.6", linewidth=0.6)
    ax.set_xlim(-0.7, neurons.size - 0.3)
    ax.set_ylim(-1.15 * scale, 1.15 * scale)
    if scale > WIDE:
        ax.set_yscale("asinh", linear_width=1.0)
        _mark_state(ax.yaxis, film)
    ax.set_xlabel("neuron")
    ax.set_ylabel(film.label)

    def show(values: np.ndarray) -> None:
        values = np.nan_to_num(finite(values))
        bars.set_segments([[(place, 0.0), (place, value)] for place, value in enumerate(values)])
        wrong = np.zeros(values.size, bool) if film.target is None else np.sign(values) != np.sign(film.target)
        bars.set_color([WRONG if one else RIGHT for one in wrong])

    show(state)
    return show


def _highlighted(film: Film, values: np.ndarray) -> list[tuple[int, str, str]]:
    """Places of the target and of the pattern with the largest last value, with labels and colours."""
    assert film.columns is not None
    last = np.nan_to_num(np.abs(finite(values[-1] if values.ndim == 2 else values)))
    # The one with the largest gain or overlap at the end, by whichever is there.
    decisive = film.final_gains if film.final_gains is not None else last
    leader = int(np.argmax(np.nan_to_num(np.abs(decisive))))
    found = []
    if film.target_column is not None:
        found.append((int(np.flatnonzero(film.columns == film.target_column)[0]), "target", TARGET))
    if not found or found[0][0] != leader:
        found.append((leader, f"pattern {film.columns[leader]}", OTHER))
    return found


def curve_panels(film: Film) -> list[Callable[[Any], None]]:
    """What draws gains, overlaps and energy over time, as far as they are there."""
    times = film.times
    assert times is not None
    panels: list[Callable[[Any], None]] = []
    if film.gains is not None:
        panels.append(lambda ax: _curves(ax, film, film.gains, "gain $p$"))
    elif film.final_gains is not None:
        panels.append(lambda ax: _bars(ax, film, film.final_gains, "gain $p$ at the end"))
    if film.overlaps is not None:
        panels.append(lambda ax: _curves(ax, film, film.overlaps, "overlap $m/N$"))
    if film.energies is not None:
        energies = finite(film.energies)

        def energy(ax: Any) -> None:
            _plot(ax, times, energies, color="k")
            ax.set_ylabel("energy")
            _time_axis(ax, times)

        panels.append(energy)
    return panels


def draw_panels(part: Any, panels: list[Callable[[Any], None]]) -> list[Any]:
    """Draw panels side by side below one legend, and return their axes."""
    axes = list(part.subplots(1, len(panels), squeeze=False)[0])
    for ax, panel in zip(axes, panels, strict=True):
        panel(ax)
    named = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    if named:
        part.legend(named.values(), named.keys(), loc="outside upper center", ncols=len(named), fontsize="small", frameon=False)
    return axes


def _curves(ax: Any, film: Film, values: Any, label: str) -> None:
    values = finite(values)
    assert film.times is not None
    highlighted = _highlighted(film, values)
    strength = np.nan_to_num(np.abs(values)).max(axis=0)
    strength[[place for place, _, _ in highlighted]] = -1
    others = np.argsort(-strength)[: min(NUM_OTHERS, values.shape[1] - len(highlighted))]
    for number, place in enumerate(others):
        label_once = "other patterns" if number == 0 else None
        _plot(ax, film.times, values[:, place], color=PALE, linewidth=0.8, label=label_once)
    for place, name, colour in reversed(highlighted):
        _plot(ax, film.times, values[:, place], color=colour, linewidth=2, label=name)
    ax.set_ylabel(label)
    _time_axis(ax, film.times)


def _plot(ax: Any, times: np.ndarray, values: np.ndarray, **style: Any) -> None:
    """A line, or a dot where a failed trajectory reached one saved time alone; words where it reached none."""
    reached = int(np.isfinite(values).sum())
    ax.plot(times, values, marker="o" if reached == 1 else None, clip_on=reached != 1, **style)
    if reached == 0 and not ax.texts:
        ax.text(0.5, 0.5, "no saved time was reached", transform=ax.transAxes, ha="center", va="center", color="0.4")


def _bars(ax: Any, film: Film, values: Any, label: str) -> None:
    """Bars of all patterns in order, or of the largest values where there are many."""
    assert film.columns is not None
    values = np.nan_to_num(finite(values))
    colours = np.full(values.size, PALE, object)
    for place, _, colour in reversed(_highlighted(film, values)):
        colours[place] = colour
    if values.size <= NUM_BARS:
        ax.bar(film.columns, values, color=list(colours))
        ax.set_xlabel("pattern")
        ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
    else:
        largest = np.argsort(-np.abs(values), kind="stable")[:NUM_BARS]
        ax.bar(np.arange(NUM_BARS), values[largest], color=list(colours[largest]))
        ax.set_xticks(np.arange(NUM_BARS)[::3], [str(film.columns[place]) for place in largest[::3]], fontsize="small")
        ax.set_xlabel(f"pattern, the {NUM_BARS} largest of {values.size:,}")
    for _, name, colour in _highlighted(film, values):
        ax.bar([film.columns[0] if values.size <= NUM_BARS else 0], [0], color=colour, label=name)
    ax.set_ylabel(label)


def _time_axis(ax: Any, times: np.ndarray) -> None:
    """Time, logarithmic beyond the first step where saved times are not spread evenly."""
    ax.set_xlabel("time")
    if times.size > 1:
        ax.set_xlim(float(times[0]), float(times[-1]))
    steps = np.diff(times)
    if times.size > 2 and steps.max() > 3 * steps.min():
        linear = float(times[1])
        ax.set_xscale("symlog", linthresh=linear)
        powers = 10.0 ** np.arange(math.ceil(math.log10(linear)), math.floor(math.log10(times[-1])) + 1)
        ax.set_xticks([0.0, *powers] if times[0] == 0 else powers)
        ax.minorticks_off()
