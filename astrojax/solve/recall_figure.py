"""One retrieval as a figure or an animation. Plain arrays come in; `Recall.plot` and `astrojax.animate` collect them."""

import contextlib
import io
import math
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.animation import FFMpegWriter
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure
from PIL import Image

from .._internal.checks import InputError, at_least, shown, within
from .._internal.files import replacing

NUM_PICTURES, NUM_OTHERS, NUM_BARS = 6, 20, 40
"""Of a figure: pictures of a state along time, the strongest patterns beside the highlighted ones, and the largest bars."""

WIDE = 5.0
"""States beyond this are drawn on a scale that shows both a query of ±1 and an end of about ±K."""

DPI, HOLD, NUM_COLORS = 80, 1.5, 128
"""Of an animation: dots per inch, seconds for which the last frame stays, and colors of a GIF."""

RIGHT, WRONG, TARGET, OTHER, PALE = "#1f77b4", "#d62728", "#1f77b4", "#ff7f0e", "0.72"


@dataclass(frozen=True)
class RetrievalData:
    """One retrieval as plain arrays, with N neurons, K stored patterns and T saved times; what is `None` is not drawn."""

    title: str
    final: np.ndarray  # state at the horizon, shape (N,)
    is_rate: bool = True  # whether states are firing rates
    times: Any = None
    states: Any = None  # shape (T, N)
    gains: Any = None  # shape (T, K)
    overlaps: Any = None  # relative to N
    energies: Any = None
    final_gains: Any = None  # shape (K,)
    final_overlaps: Any = None
    query: Any = None
    target: Any = None
    columns: Any = None  # numbers of the K patterns in the memory
    target_column: int | None = None
    picture_shape: tuple[int, int] | None = None

    @property
    def unit(self) -> float:
        values = self.final if self.states is None else np.concatenate([self.states.ravel(), self.final])
        return 1.0 if self.is_rate else float(np.nanmax(np.abs(values), initial=1.0))

    @property
    def sides(self) -> dict[str, np.ndarray]:
        return {name: values for name, values in (("query", self.query), ("target", self.target)) if values is not None}

    @property
    def label(self) -> str:
        return r"firing rate $\varphi(x)$" if self.is_rate else "state $x$"


class Drawing(Figure):
    """A figure that notebooks show by themselves, whether pyplot is used or not."""

    def _repr_html_(self) -> str:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=100)
        return f'<img alt="{self.get_suptitle()}" src="data:image/png;base64,{b64encode(file.getvalue()).decode()}">'


def draw(data: RetrievalData) -> Figure:
    """The neurons, above gains, overlaps and energy: over time, or at the end where no states were saved."""
    figure = Drawing(figsize=(10.5, 1), layout="constrained")
    figure.suptitle(data.title)
    above, draw_panels = _divide(figure, data, 2.0 if data.picture_shape else 2.5, 2.7)
    if data.picture_shape:
        _draw_pictures(above, data)
    elif data.states is not None:
        _draw_map(above, data)
    else:
        _draw_strip(above.subplots(), data, data.final)
    draw_panels()
    return figure


def _divide(figure: Figure, data: RetrievalData, above: float, below: float) -> tuple[Any, Callable[[], list[Any]]]:
    """The upper part of a figure, and what draws gains, overlaps and energy into axes below it and returns these."""
    if data.times is None:
        panels = [(_bars, data.final_gains, "gain $p$"), (_bars, data.final_overlaps, "overlap $m/N$")]
    else:
        gains = (_curves, data.gains, "gain $p$")
        panels = [(_bars, data.final_gains, "gain $p$ at the end") if data.gains is None else gains]
        panels += [(_curves, data.overlaps, "overlap $m/N$"), (_curves, data.energies, "energy")]
    panels = [panel for panel in panels if panel[1] is not None]
    heights = (above, below) if panels else (above,)
    figure.set_figheight(sum(heights))
    parts: list[Any] = list(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])

    def draw_panels() -> list[Any]:
        axes = list(parts[1].subplots(1, len(panels), squeeze=False)[0]) if panels else []
        for ax, (draw_panel, values, label) in zip(axes, panels, strict=True):
            draw_panel(ax, data, values)
            ax.set_ylabel(label)
        named = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
        if named:
            style = {"loc": "outside upper center", "fontsize": "small", "frameon": False}
            parts[1].legend(named.values(), named.keys(), ncols=len(named), **style)
        return axes

    return parts[0], draw_panels


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


def _draw_picture(ax: Any, data: RetrievalData, values: np.ndarray, title: str, *, is_pattern: bool = False) -> Any:
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
        _draw_picture(ax, data, values, title, is_pattern=title in data.sides)


def _draw_map(part: Any, data: RetrievalData) -> None:
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


def _draw_strip(ax: Any, data: RetrievalData, state: np.ndarray) -> Callable[[np.ndarray], None]:
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


def _curves(ax: Any, data: RetrievalData, values: np.ndarray) -> None:
    _time_axis(ax, data.times)
    if values.ndim == 1:
        return _plot(ax, data.times, values, color="k")
    highlighted = _highlighted(data, values)
    strength = np.nan_to_num(np.abs(values)).max(axis=0)
    strength[[place for place, _, _ in highlighted]] = -1
    others = np.argsort(-strength)[: min(NUM_OTHERS, values.shape[1] - len(highlighted))]
    for number, place in enumerate(others):
        label_once = "other patterns" if number == 0 else None
        _plot(ax, data.times, values[:, place], color=PALE, linewidth=0.8, label=label_once)
    for place, name, colour in reversed(highlighted):
        _plot(ax, data.times, values[:, place], color=colour, linewidth=2, label=name)
    return None


def _plot(ax: Any, times: np.ndarray, values: np.ndarray, **style: Any) -> None:
    """A line; a dot where a failed trajectory reached only one saved time; a message where it reached none."""
    reached = int(np.isfinite(values).sum())
    ax.plot(times, values, marker="o" if reached == 1 else None, clip_on=reached != 1, **style)
    if reached == 0 and not ax.texts:
        ax.text(0.5, 0.5, "no saved time was reached", transform=ax.transAxes, ha="center", va="center", color="0.4")


def _bars(ax: Any, data: RetrievalData, values: np.ndarray) -> None:
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


def write_animation(data: RetrievalData, path: Path, num_frames: int, fps: Any) -> Path:
    """Write the animation; see `astrojax.animate`."""
    is_mp4 = path.suffix.lower() == ".mp4"
    if not is_mp4 and path.suffix.lower() != ".gif":
        raise InputError(f"path must end in .gif or .mp4; got {str(path)!r}")
    at_least("num_frames", num_frames, 2)
    within("fps", fps, 1, 50)
    rate: Any = float(fps)
    if data.times is None or data.states is None:
        raise InputError("an animation needs states on the way: retrieve(..., ts=jnp.linspace(0.0, t1, 200)) saves them")
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"path must be a file in a folder that exists; got {str(path)!r}")
    places = frames(data.states, num_frames)
    try:
        with mpl.rc_context({"animation.ffmpeg_path": _find_ffmpeg(path)} if is_mp4 else {}), replacing(path) as part:
            figure, show = _moving_figure(data)
            if not is_mp4:
                _write_gif(figure, show, places, part, rate)
                return path
            writer = FFMpegWriter(rate, extra_args=["-movflags", "+faststart"])
            with writer.saving(figure, str(part), DPI):
                for at in places + places[-1:] * math.ceil(HOLD * rate):
                    show(at)
                    writer.grab_frame()
    except subprocess.CalledProcessError as error:
        raise InputError(f"{path} cannot be written: ffmpeg says {shown(error.stderr)}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def _write_gif(figure: Figure, show: Callable[[int], None], places: list[int], path: Path, rate: float) -> None:
    canvas, pictures = FigureCanvasAgg(figure), []
    for at in places:
        show(at)
        canvas.draw()
        pictures.append(Image.fromarray(np.array(canvas.buffer_rgba())[..., :3]))
    # One palette for all frames: what does not move keeps its color, and takes no bytes.
    some = [pictures[len(pictures) * part // 4] for part in range(4)] + [pictures[-1]]
    together = Image.fromarray(np.concatenate([np.asarray(picture) for picture in some]))
    palette = together.quantize(NUM_COLORS, method=Image.Quantize.MEDIANCUT)
    colors = np.reshape(palette.getpalette() or [], (-1, 3))
    colors[colors.min(axis=1) > 245] = 255  # the mean of white and what is almost white is not white
    palette.putpalette(colors.ravel().tolist())
    first, *rest = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    durations = [round(1000 / rate)] * len(rest) + [round(1000 * HOLD)]
    first.save(path, format="GIF", save_all=True, append_images=rest, duration=durations, loop=0, optimize=True)


def frames(states: np.ndarray, number: int) -> list[int]:
    """Frames that share the sum of way and saved times equally: motion in detail, and rest as well. The first is among them."""
    return sorted({0, *evenly((path_fraction(states) + np.linspace(0, 1, len(states))) / 2, number - 1)})


def _moving_figure(data: RetrievalData) -> tuple[Figure, Callable[[int], None]]:
    """A figure, and a function that moves its state and its marks of time to a saved time."""
    figure = Figure(figsize=(8, 1), dpi=DPI, layout="constrained")
    above, draw_panels = _divide(figure, data, 2.7, 2.3)
    set_state: Callable[[np.ndarray], Any]
    if data.picture_shape:
        axes = above.subplots(1, 1 + len(data.sides), squeeze=False)[0]
        middle = int("query" in data.sides)
        ax = axes[middle]
        image = _draw_picture(ax, data, data.states[0], "")
        for side, (name, values) in zip(np.delete(axes, middle), data.sides.items(), strict=True):
            _draw_picture(side, data, values, name, is_pattern=True)
        set_state = lambda state: image.set_data(state.reshape(data.picture_shape))  # noqa: E731
    else:
        ax = above.subplots()
        set_state = _draw_strip(ax, data, data.states[0])
    marks = []
    for panel in draw_panels():
        if panel.get_xlabel() == "time":  # a line at the present, and a veil over what is to come
            left, right = panel.get_xlim()
            veil = panel.axvspan(left, right, color="white", alpha=0.75, linewidth=0, zorder=3)
            marks.append((panel.axvline(left, color="0.3", linewidth=1, zorder=4), veil, right))
    ax.set_title(" ")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # axes stay where they are now, and frames are drawn faster

    def show(at: int) -> None:
        time = data.times[at]
        set_state(data.states[at])
        ax.set_title(f"t = {time:.3g}", fontsize="medium")
        for line, veil, end in marks:
            line.set_xdata([time, time])
            veil.set_x(time)
            veil.set_width(max(end - time, 0))

    return figure, show


def _find_ffmpeg(path: Path) -> str:
    """The program that makes MP4: on the PATH, or that of imageio-ffmpeg."""
    if found := shutil.which("ffmpeg"):
        return found
    with contextlib.suppress(ImportError, RuntimeError):
        import imageio_ffmpeg  # type: ignore[import-untyped]

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    raise InputError(f'{path.name} needs ffmpeg: pip install "astrojax-memory[video]" brings it; a .gif needs none')
