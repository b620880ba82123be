"""One retrieval as a figure. Plain arrays come in; `Recall.plot` collects them."""

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


Panel = Callable[[Any], None]
"""What draws into given axes."""


@dataclass(frozen=True)
class RetrievalData:
    """One retrieval as plain arrays, with N neurons, K stored patterns and T saved times. Arrays that are `None` are not drawn."""

    title: str
    final: np.ndarray
    is_rate: bool = True
    times: Any = None
    states: Any = None
    gains: Any = None
    overlaps: Any = None
    energies: Any = None
    final_gains: Any = None
    final_overlaps: Any = None
    query: Any = None
    target: Any = None
    columns: Any = None
    target_column: int | None = None
    picture_shape: tuple[int, int] | None = None

    @property
    def unit(self) -> float:
        """The size of a state that is drawn as the largest: 1 for firing rates."""
        values = self.final if self.states is None else np.concatenate([self.states.ravel(), self.final])
        return 1.0 if self.is_rate else float(np.nanmax(np.abs(values), initial=1.0))

    @property
    def sides(self) -> dict[str, np.ndarray]:
        """Query and target, as far as they are there."""
        return {name: values for name, values in (("query", self.query), ("target", self.target)) if values is not None}

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


def draw(data: RetrievalData) -> Figure:
    """The neurons, above gains, overlaps and energy: over time, or at the end where no states were saved."""
    panels = panels_of(data)
    figure = Drawing(figsize=(10.5, 1), layout="constrained")
    figure.suptitle(data.title)
    above, below = divided(figure, 2.0 if data.picture_shape else 2.5, 2.7 if panels else 0)
    if data.picture_shape:
        _draw_pictures(above, data)
    elif data.states is not None:
        _draw_map(above, data)
    else:
        draw_strip(above.subplots(), data, data.final)
    draw_panels(below, panels)
    return figure


def divided(figure: Figure, above: float, below: float) -> tuple[Any, Any]:
    """Two parts of a figure, of given heights; the lower one is `None` where it has none."""
    figure.set_figheight(above + below)
    heights = (above, below) if below else (above,)
    parts: list[Any] = list(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    return parts[0], parts[1] if below else None


def path_fraction(states: np.ndarray) -> np.ndarray:
    """The share of the way that a state has gone, shape (T,)."""
    steps = np.abs(np.diff(np.nan_to_num(states), axis=0)).sum(axis=1)
    way = np.concatenate([[0.0], np.cumsum(steps)])
    return way / way[-1] if way[-1] > 0 else way


def evenly(progress: np.ndarray, number: int) -> list[int]:
    places = np.searchsorted(progress, np.linspace(0, progress[-1], number + 1)[1:])
    return sorted({int(min(place, len(progress) - 1)) for place in places} | {len(progress) - 1})


def _scale(data: RetrievalData) -> dict[str, Any]:
    if data.is_rate:
        return {"vmin": -1, "vmax": 1}
    if data.unit <= WIDE:
        return {"vmin": -data.unit, "vmax": data.unit}
    return {"norm": AsinhNorm(linear_width=1.0, vmin=-data.unit, vmax=data.unit)}


def draw_picture(ax: Any, data: RetrievalData, values: np.ndarray, title: str, *, is_pattern: bool = False) -> Any:
    scale = {"vmin": -1, "vmax": 1} if is_pattern else _scale(data)
    image = ax.imshow(values.reshape(data.picture_shape), cmap="gray", **scale)
    ax.set_title(title, fontsize="medium")
    ax.set_xticks([])
    ax.set_yticks([])
    return image


def _draw_pictures(part: Any, data: RetrievalData) -> None:
    if data.states is not None:
        # Spread evenly over the way, they show where the state moves rather than where it rests.
        places = evenly(path_fraction(data.states), NUM_PICTURES)
        states = [(f"t = {data.times[at]:.2g}", data.states[at]) for at in places]
    else:
        states = [("end", data.final)]
    pictures = [("query", data.query), *states, ("target", data.target)]
    pictures = [(title, values) for title, values in pictures if values is not None]
    for ax, (title, values) in zip(part.subplots(1, len(pictures), squeeze=False)[0], pictures, strict=True):
        draw_picture(ax, data, values, title, is_pattern=title in data.sides)


def _draw_map(part: Any, data: RetrievalData) -> None:
    """Neurons over time, between query and target."""
    order = [name for name in ("query", "", "target") if name in data.sides or not name]
    widths = [1 if name else 45 for name in order]
    axes = dict(zip(order, part.subplots(1, len(order), sharey=True, squeeze=False, width_ratios=widths)[0], strict=True))
    neurons = np.arange(data.final.size)
    image = axes[""].pcolormesh(data.times, neurons, data.states.T, cmap="coolwarm", shading="nearest", **_scale(data))
    _time_axis(axes[""], data.times)
    for name, values in data.sides.items():
        axes[name].imshow(values[:, None], cmap="coolwarm", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
        axes[name].set_xticks([])
        axes[name].set_title(name, fontsize="small")
    axes[order[0]].set_ylabel("neuron")
    axes[""].set_ylim(neurons.size - 0.5, -0.5)
    bar = part.colorbar(image, ax=list(axes.values()), label=data.label, pad=0.01)
    _mark_state(bar.ax.yaxis, data)


def _mark_state(axis: Any, data: RetrievalData) -> None:
    """Ticks of an axis of states: those of a query, and the largest."""
    ticks = [-1, 0, 1] if data.unit <= WIDE else [-data.unit, -1, 0, 1, data.unit]
    axis.set_ticks(ticks, labels=[f"{tick:.3g}" for tick in ticks])
    axis.set_ticks([], minor=True)


def draw_strip(ax: Any, data: RetrievalData, state: np.ndarray) -> Callable[[np.ndarray], None]:
    """A bar for each neuron, red where its sign is not the target's; returns what draws another state."""
    neurons = np.arange(data.final.size)
    width = float(np.clip(420 / neurons.size, 0.6, 9))
    bars = ax.vlines(neurons, 0, np.nan_to_num(state), linewidth=width)
    scale = 1.0 if data.is_rate or data.unit <= 1 else data.unit
    if data.target is not None:
        ax.plot(neurons, scale * data.target, "_", color="0.25", markersize=width, label="target", zorder=1)
    if data.query is not None and data.states is None:
        ax.plot(neurons, data.query, ".", color="0.5", markersize=5, label="query")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small", frameon=False)
    ax.axhline(0, color="0.6", linewidth=0.6)
    ax.set_xlim(-0.7, neurons.size - 0.3)
    ax.set_ylim(-1.15 * scale, 1.15 * scale)
    if scale > WIDE:
        ax.set_yscale("asinh", linear_width=1.0)
        _mark_state(ax.yaxis, data)
    ax.set_xlabel("neuron")
    ax.set_ylabel(data.label)

    def show(values: np.ndarray) -> None:
        values = np.nan_to_num(values)
        bars.set_segments([[(place, 0.0), (place, value)] for place, value in enumerate(values)])
        wrong = np.zeros(values.size, bool) if data.target is None else np.sign(values) != np.sign(data.target)
        bars.set_color([WRONG if one else RIGHT for one in wrong])

    show(state)
    return show


def _highlighted(data: RetrievalData, values: np.ndarray) -> list[tuple[int, str, str]]:
    """Places of the target and of the pattern with the largest last value, with labels and colours."""
    last = np.nan_to_num(np.abs(values[-1] if values.ndim == 2 else values))
    # The one with the largest gain or overlap at the end, by whichever is there.
    decisive = data.final_gains if data.final_gains is not None else last
    leader = int(np.argmax(np.nan_to_num(np.abs(decisive))))
    found = []
    if data.target_column is not None:
        found.append((int(np.flatnonzero(data.columns == data.target_column)[0]), "target", TARGET))
    if not found or found[0][0] != leader:
        found.append((leader, f"pattern {data.columns[leader]}", OTHER))
    return found


def panels_of(data: RetrievalData) -> list[Panel]:
    """Gains, overlaps and energy, as far as they are there: over time, or at the end."""
    bars, curves, energy = (partial(draw, data=data) for draw in (_bars, _curves, _energy))
    if data.times is None:
        found = [(bars, data.final_gains, "gain $p$"), (bars, data.final_overlaps, "overlap $m/N$")]
    else:
        gains = (bars, data.final_gains, "gain $p$ at the end") if data.gains is None else (curves, data.gains, "gain $p$")
        found = [gains, (curves, data.overlaps, "overlap $m/N$"), (energy, data.energies, "energy")]
    return [partial(panel, values=values, label=label) for panel, values, label in found if values is not None]


def draw_panels(part: Any, panels: list[Panel]) -> list[Any]:
    """Draw panels next to each other below one legend, and return their axes."""
    if not panels:
        return []
    axes = list(part.subplots(1, len(panels), squeeze=False)[0])
    for ax, panel in zip(axes, panels, strict=True):
        panel(ax)
    named = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    if named:
        part.legend(named.values(), named.keys(), loc="outside upper center", ncols=len(named), fontsize="small", frameon=False)
    return axes


def _energy(ax: Any, data: RetrievalData, values: np.ndarray, label: str) -> None:
    _plot(ax, data.times, values, color="k")
    ax.set_ylabel(label)
    _time_axis(ax, data.times)


def _curves(ax: Any, data: RetrievalData, values: np.ndarray, label: str) -> None:
    highlighted = _highlighted(data, values)
    strength = np.nan_to_num(np.abs(values)).max(axis=0)
    strength[[place for place, _, _ in highlighted]] = -1
    others = np.argsort(-strength)[: min(NUM_OTHERS, values.shape[1] - len(highlighted))]
    for number, place in enumerate(others):
        label_once = "other patterns" if number == 0 else None
        _plot(ax, data.times, values[:, place], color=PALE, linewidth=0.8, label=label_once)
    for place, name, colour in reversed(highlighted):
        _plot(ax, data.times, values[:, place], color=colour, linewidth=2, label=name)
    ax.set_ylabel(label)
    _time_axis(ax, data.times)


def _plot(ax: Any, times: np.ndarray, values: np.ndarray, **style: Any) -> None:
    """A line; a dot where a failed trajectory reached only one saved time; a message where it reached none."""
    reached = int(np.isfinite(values).sum())
    ax.plot(times, values, marker="o" if reached == 1 else None, clip_on=reached != 1, **style)
    if reached == 0 and not ax.texts:
        ax.text(0.5, 0.5, "no saved time was reached", transform=ax.transAxes, ha="center", va="center", color="0.4")


def _bars(ax: Any, data: RetrievalData, values: np.ndarray, label: str) -> None:
    """Bars of all patterns in order, or of the largest values where there are many."""
    values = np.nan_to_num(values)
    colours = np.full(values.size, PALE, object)
    for place, _, colour in reversed(_highlighted(data, values)):
        colours[place] = colour
    if values.size <= NUM_BARS:
        ax.bar(data.columns, values, color=list(colours))
        ax.set_xlabel("pattern")
        ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
    else:
        largest = np.argsort(-np.abs(values), kind="stable")[:NUM_BARS]
        ax.bar(np.arange(NUM_BARS), values[largest], color=list(colours[largest]))
        ax.set_xticks(np.arange(NUM_BARS)[::3], [str(data.columns[place]) for place in largest[::3]], fontsize="small")
        ax.set_xlabel(f"pattern, the {NUM_BARS} largest of {values.size:,}")
    for _, name, colour in _highlighted(data, values):
        ax.bar([data.columns[0] if values.size <= NUM_BARS else 0], [0], color=colour, label=name)
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
