"""One retrieval as a figure or an animation, for `Recall.plot` and `astrojax.animate`."""

import io
import math
import os
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
from matplotlib.animation import FFMpegWriter, PillowWriter
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure

from .._internal.checks import InputError, at_least, needing, not_traced, real, shown, within
from .._internal.files import replacing
from .._internal.status import Status
from .._internal.types import ScalarLike
from ..models.base import AbstractMemory, check_state
from ..models.packed import CompactPatterns
from ..problems.observables import cosine, hamming_error

NUM_PICTURES, NUM_OTHERS, NUM_BARS = 6, 20, 40
"""Of a figure: pictures of a state along time, the strongest patterns beside the highlighted ones, and the largest bars."""

WIDE = 5.0
"""States beyond this are drawn on a scale that shows both a query of ±1 and an end of about ±K."""

DPI, HOLD = 80, 1.5
"""Of an animation: dots per inch, and seconds for which the last frame stays."""

RIGHT, WRONG, OTHER, PALE = "#1f77b4", "#d62728", "#ff7f0e", "0.72"


@dataclass(frozen=True)
class RetrievalData:
    """One retrieval as plain arrays, with N neurons, K stored patterns and T saved times; what is `None` is not drawn."""

    title: str
    is_rate: bool  # whether states are firing rates
    sides: dict[str, np.ndarray]  # the query and the target, where they are known
    columns: Any  # numbers of the K patterns in the memory
    target_column: int | None
    picture_shape: tuple[int, int] | None
    states: np.ndarray  # shape (T, N); only that at the horizon, shape (1, N), where no times were saved
    times: Any
    panels: dict[
        str, np.ndarray
    ]  # gains and overlaps, shape (T, K), or (K,) at the horizon, and energies, shape (T,), by label

    @property
    def unit(self) -> float:
        return 1.0 if self.is_rate else float(np.nanmax(np.abs(self.states), initial=1.0))

    @property
    def label(self) -> str:
        return r"firing rate $\varphi(x)$" if self.is_rate else "state $x$"

    def between_sides(self, *names: str) -> list[str]:
        """The names of what is drawn side by side: what is given, between the query and the target."""
        return [name for name in ("query", *names, "target") if name in names or name in self.sides]


def collect(
    function: str, recall: Any, memory: AbstractMemory | None, target: Any, query: Any, picture_shape: Any
) -> RetrievalData:
    """The arrays of one retrieval. Arguments and errors as for `Recall.plot`, which is the `function` of a message."""
    not_traced(function, (recall, memory, target, query))
    if np.ndim(recall.status) > 0:
        raise InputError(
            f"{function} shows one retrieval; got a batch of shape {np.shape(recall.status)} (choose one: "
            "jax.tree.map(lambda leaf: leaf[0], recall))"
        )
    num_neurons, has_times = recall.x.shape[-1], recall.ts is not None
    saved = recall.states if has_times else jax.tree.map(lambda leaf: leaf[None], recall.state)
    states, panels, columns = np.asarray(saved.x), {}, None
    if query is not None:
        query = _one_per_neuron("query", query, num_neurons)
    elif has_times and recall.ts[0] == 0:
        query = states[0]
    if recall.gains is not None:
        columns = np.arange(recall.gains.size)
        panels = {"gain $p$ at the end" if has_times else "gain $p$": recall.gains}
    if memory is not None:
        check_state(memory, recall.state, "memory must be the one that recalled: the recall's state")
        columns = np.arange(memory.patterns.shape[1]) if memory.stored is None else np.flatnonzero(memory.stored)
        states, patterns, energies = _measure_along(memory.precompute(), saved, np.isfinite(states).all(axis=1))
        known = {label: np.asarray(values)[:, columns] for label, values in patterns.items() if values is not None}
        panels = known | {"energy": energies} if has_times else {label: values[0] for label, values in known.items()}
    target, target_column = _target(target, memory, columns, num_neurons)
    return RetrievalData(
        title=_title(recall, target),
        is_rate=memory is not None,
        sides={name: values for name, values in (("query", query), ("target", target)) if values is not None},
        columns=columns,
        target_column=target_column,
        picture_shape=_checked_picture_shape(picture_shape, num_neurons),
        states=_finite(states),
        times=None if recall.ts is None else np.asarray(recall.ts, float),
        panels={label: _finite(values) for label, values in panels.items()},
    )


def _finite(values: Any) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan).astype(float)


@eqx.filter_jit
def _measure_along(memory: AbstractMemory, states: Any, was_reached: Any) -> Any:
    """What is drawn of states with a leading axis of time; NaN for those that were not reached."""

    def measure(state: Any, was_reached: Any) -> Any:
        patterns = {"gain $p$": memory.gains(state), "overlap $m/N$": memory.overlaps(state) / memory.num_neurons}
        measured = memory.readout(state), patterns, memory.energy(state)
        return jax.tree.map(lambda values: jnp.where(was_reached, values, jnp.nan), measured)

    return jax.vmap(measure)(states, was_reached)


def _checked_picture_shape(shape: Any, num_neurons: int) -> tuple[int, int] | None:
    if shape is None:
        return None
    sides = list(shape) if isinstance(shape, Sequence | np.ndarray) else []
    are_counts = all(isinstance(side, int | np.integer) and not isinstance(side, bool) and side >= 1 for side in sides)
    if len(sides) != 2 or not are_counts or sides[0] * sides[1] != num_neurons:
        raise InputError(f"picture_shape must be rows and columns, integers whose product is {num_neurons}; got {shown(shape)}")
    return int(sides[0]), int(sides[1])


def _target(
    target: Any, memory: AbstractMemory | None, columns: np.ndarray | None, num_neurons: int
) -> tuple[np.ndarray | None, int | None]:
    """The target as a pattern, and its column in the memory, if it has one."""
    if target is None:
        return None, None
    if isinstance(target, Sequence) or np.ndim(target) > 0:
        pattern = _one_per_neuron("target", target, num_neurons)
        if memory is None or isinstance(memory.patterns, CompactPatterns):
            return pattern, None
        stored = np.asarray(memory.patterns)
        same = np.flatnonzero((stored == pattern.astype(stored.dtype)[:, None]).all(axis=0))
        return pattern, int(same[0]) if same.size else None
    if memory is None or columns is None:
        raise InputError(f"target must be a pattern, or with a memory its column; got {shown(target)} without a memory")
    number, num_patterns = np.asarray(target), memory.patterns.shape[1]
    if number.dtype.kind not in "iu" or int(number) not in columns:
        raise InputError(f"target must be a stored column of the {num_patterns}, or a pattern; got {shown(target)}")
    chosen = (np.arange(num_patterns) == number).astype(memory.patterns.dtype)
    return np.asarray(memory.patterns @ jnp.asarray(chosen)), int(number)


def _one_per_neuron(name: str, values: Any, num_neurons: int) -> np.ndarray:
    array = np.asarray(real(name, values))
    if array.shape != (num_neurons,) or not np.isfinite(array).all():
        raise InputError(f"{name} must be finite numbers of shape ({num_neurons},), one per neuron; got {shown(values)}")
    return array


def _title(recall: Any, target: Any) -> str:
    status, num_steps = Status(int(recall.status)), sum(int(number) for number in recall.stats.values())
    if status != Status.OK:
        return f"{status.name} after {num_steps} steps: the final state is invalid"
    if target is None:
        return f"{num_steps} steps ({recall.solver})"
    wanted, x = (np.asarray(values, float) for values in (target, recall.x))
    if not (np.abs(wanted) == 1).all():
        return f"cosine with the target: {float(cosine(jnp.asarray(wanted), jnp.asarray(x))):.3f}"
    wrong = float(hamming_error(jnp.asarray(target, recall.x.dtype), jnp.asarray(recall.x)))
    return f"{wrong:g} of {recall.x.shape[-1]} neurons differ from the target"


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
    above, _ = _divide(figure, data, 2.0 if data.picture_shape else 2.5, 2.7)
    if data.picture_shape:
        _draw_pictures(above, data)
    elif data.times is not None:
        _draw_map(above, data)
    else:
        _draw_strip(above.subplots(), data)
    return figure


def _divide(figure: Figure, data: RetrievalData, above: float, below: float) -> tuple[Any, list[Any]]:
    """The upper part of a figure, and the axes below it, with gains, overlaps and energy drawn."""
    heights = (above, below) if data.panels else (above,)
    figure.set_figheight(sum(heights))
    upper, *lower = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    if not lower:
        return upper, []
    axes = list(lower[0].subplots(1, len(data.panels), squeeze=False)[0])
    for ax, (label, values) in zip(axes, data.panels.items(), strict=True):
        (_curves if values.ndim == 2 or label == "energy" else _bars)(ax, data, values)
        ax.set_ylabel(label)
    named = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    if named:
        style = {"loc": "outside upper center", "fontsize": "small", "frameon": False}
        lower[0].legend(named.values(), named.keys(), ncols=len(named), **style)
    return upper, axes


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
    return {"norm": SymLogNorm(1.0, vmin=-data.unit, vmax=data.unit)}


def _draw_picture(ax: Any, data: RetrievalData, values: np.ndarray, title: str) -> Any:
    scale = {"vmin": -1, "vmax": 1} if title in data.sides else _scale(data)
    image = ax.imshow(values.reshape(data.picture_shape), cmap="gray", **scale)
    ax.set_title(title, fontsize="medium")
    ax.set_xticks([])
    ax.set_yticks([])
    return image


def _draw_pictures(part: Any, data: RetrievalData) -> None:
    states = {"end": data.states[-1]}
    if data.times is not None:
        # Spread evenly over the way, they show where the state moves rather than where it rests.
        places = evenly(path_fraction(data.states), NUM_PICTURES)
        states = {f"t = {data.times[at]:.4g}": data.states[at] for at in places}
    names = data.between_sides(*states)
    for ax, name in zip(part.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        _draw_picture(ax, data, (data.sides | states)[name], name)


def _draw_map(part: Any, data: RetrievalData) -> None:
    names = data.between_sides("states")
    axes = part.subplot_mosaic([names], sharey=True, width_ratios=[1 if name in data.sides else 45 for name in names])
    neurons = np.arange(data.states.shape[1])
    image = axes["states"].pcolormesh(data.times, neurons, data.states.T, cmap="coolwarm", shading="nearest", **_scale(data))
    _time_axis(axes["states"], data.times)
    for name, values in data.sides.items():
        axes[name].imshow(values[:, None], cmap="coolwarm", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
        axes[name].set_xticks([])
        axes[name].set_title(name, fontsize="small")
    axes[names[0]].set_ylabel("neuron")
    axes["states"].set_ylim(neurons.size - 0.5, -0.5)
    part.colorbar(image, ax=list(axes.values()), label=data.label, pad=0.01)


def _draw_strip(ax: Any, data: RetrievalData) -> Callable[[np.ndarray], None]:
    """A bar for each neuron, red where its sign is not the target's; returns what draws another state."""
    neurons = np.arange(data.states.shape[1])
    target, query = data.sides.get("target"), data.sides.get("query")
    width = float(np.clip(420 / neurons.size, 0.6, 9))
    bars = ax.vlines(neurons, 0, np.zeros(neurons.size), linewidth=width)
    if target is not None:
        ax.plot(neurons, data.unit * target, "_", color="0.25", markersize=width, label="target", zorder=1)
    if query is not None and data.times is None:
        ax.plot(neurons, query, ".", color="0.5", markersize=5, label="query")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small", frameon=False)
    ax.axhline(0, color="0.6", linewidth=0.6)
    ax.set_xlim(-0.7, neurons.size - 0.3)
    ax.set_ylim(-1.15 * data.unit, 1.15 * data.unit)
    if data.unit > WIDE:
        ax.set_yscale("symlog", linthresh=1.0)
    ax.set_xlabel("neuron")
    ax.set_ylabel(data.label)

    def show(state: np.ndarray) -> None:
        state = np.nan_to_num(state)
        bars.set_segments([[(place, 0.0), (place, value)] for place, value in enumerate(state)])
        is_right = True if target is None else np.sign(state) == np.sign(target)
        bars.set_color(np.where(np.broadcast_to(is_right, state.shape), RIGHT, WRONG))

    show(data.states[-1])
    return show


def _highlighted(data: RetrievalData) -> dict[int, tuple[str, str]]:
    """Labels and colors of the target and of the pattern with the largest gain (or overlap) that is known last, by place."""
    decisive = np.atleast_2d(next(iter(data.panels.values())))
    known = decisive[np.isfinite(decisive).all(axis=-1)]
    leader = int(np.argmax(np.abs(known[-1]))) if len(known) else 0
    found = {} if data.target_column is None else {int(np.searchsorted(data.columns, data.target_column)): ("target", RIGHT)}
    found.setdefault(leader, (f"pattern {data.columns[leader]}", OTHER))
    return found


def _curves(ax: Any, data: RetrievalData, values: np.ndarray) -> None:
    _time_axis(ax, data.times)
    if values.ndim == 1:
        ax.plot(data.times, values, color="k")
        return
    highlighted = _highlighted(data)
    others = np.setdiff1d(np.arange(values.shape[1]), list(highlighted))
    strength = np.nan_to_num(np.abs(values[:, others])).max(axis=0)
    others = others[np.argsort(-strength)[:NUM_OTHERS]]
    if others.size:
        first, *_ = ax.plot(data.times, values[:, others], color=PALE, linewidth=0.8)
        first.set_label("other patterns")
    for place, (name, color) in reversed(highlighted.items()):
        ax.plot(data.times, values[:, place], color=color, linewidth=2, label=name)


def _bars(ax: Any, data: RetrievalData, values: np.ndarray) -> None:
    """Bars of all patterns in order, or of the largest values where there are many."""
    values, highlighted = np.nan_to_num(values), _highlighted(data)
    has_many = values.size > NUM_BARS
    drawn = np.argsort(-np.abs(values), kind="stable")[:NUM_BARS] if has_many else np.arange(values.size)
    names, colors = zip(*(highlighted.get(int(place), ("_other", PALE)) for place in drawn), strict=True)
    ax.bar(np.arange(drawn.size), values[drawn], color=colors, label=names)
    step = 1 + drawn.size // 14
    ax.set_xticks(np.arange(drawn.size)[::step], data.columns[drawn[::step]])
    ax.set_xlabel(f"pattern, the {NUM_BARS} largest of {values.size:,}" if has_many else "pattern")


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


def write_animation(data: RetrievalData, path: str | os.PathLike[str], num_frames: int, fps: ScalarLike) -> Path:
    """Write the animation; see `astrojax.animate`."""
    suffix = Path(path).suffix.lower() if isinstance(path, str | os.PathLike) else ""
    if suffix not in (".gif", ".mp4"):
        raise InputError(f"path must end in .gif or .mp4; got {shown(path)}")
    at_least("num_frames", num_frames, 2)
    within("fps", fps, 1, 50)
    if data.times is None:
        raise InputError("an animation needs states on the way: retrieve(..., ts=jnp.linspace(0.0, t1, 200)) saves them")
    path = Path(path)
    rate: Any = float(fps)
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"path must be a file in a folder that exists; got {str(path)!r}")
    places = frames(data.states, num_frames)
    try:
        with mpl.rc_context({"animation.ffmpeg_path": _find_ffmpeg(path)} if suffix == ".mp4" else {}), replacing(path) as part:
            figure, show = _moving_figure(data)
            writer = PillowWriter(rate) if suffix == ".gif" else FFMpegWriter(rate, extra_args=["-movflags", "+faststart"])
            with writer.saving(figure, str(part), DPI):
                for at in places + places[-1:] * math.ceil(HOLD * rate):
                    show(at)
                    writer.grab_frame()
    except (OSError, subprocess.CalledProcessError) as error:
        reason = shown(getattr(error, "stderr", None) or getattr(error, "strerror", None) or str(error))
        raise InputError(f"{path} cannot be written: {reason}") from error
    return path


def frames(states: np.ndarray, number: int) -> list[int]:
    """Frames that share the sum of way and saved times equally: motion in detail, and rest as well. The first is among them."""
    return sorted({0, *evenly((path_fraction(states) + np.linspace(0, 1, len(states))) / 2, number - 1)})


def _moving_figure(data: RetrievalData) -> tuple[Figure, Callable[[int], None]]:
    """A figure, and a function that moves its state and its marks of time to a saved time."""
    figure = Figure(figsize=(8, 1), dpi=DPI, layout="constrained")
    above, panels = _divide(figure, data, 2.7, 2.3)
    set_state: Callable[[np.ndarray], Any]
    if data.picture_shape:
        axes = above.subplot_mosaic([data.between_sides("state")])
        images = {name: _draw_picture(axes[name], data, data.sides.get(name, data.states[0]), name) for name in axes}
        ax = axes["state"]
        set_state = lambda state: images["state"].set_data(state.reshape(data.picture_shape))  # noqa: E731
    else:
        ax = above.subplots()
        set_state = _draw_strip(ax, data)
    marks = [panel.axvline(data.times[0], color="0.3", linewidth=1) for panel in panels if panel.get_xlabel() == "time"]
    ax.set_title(" ")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # axes stay where they are now, and frames are drawn faster

    def show(at: int) -> None:
        time = data.times[at]
        set_state(data.states[at])
        ax.set_title(f"t = {time:.3g}", fontsize="medium")
        for mark in marks:
            mark.set_xdata([time, time])

    return figure, show


def _find_ffmpeg(path: Path) -> str:
    """The program that makes MP4: on the PATH, or that of imageio-ffmpeg."""
    if found := shutil.which("ffmpeg"):
        return found
    with needing(f"{path.name} needs ffmpeg, a .gif does not", "astrojax-memory[video]"):
        import imageio_ffmpeg  # type: ignore[import-untyped]
    return str(imageio_ffmpeg.get_ffmpeg_exe())
