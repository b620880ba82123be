"""One retrieval as an animation, GIF or MP4. Plain arrays come in; `astrojax.animate` collects them."""

import contextlib
import math
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from .._internal.checks import InputError, at_least, shown, within
from .._internal.files import replacing
from .recall_figure import RetrievalData, divided, draw_panels, draw_picture, draw_strip, evenly, panels_of, path_fraction

DPI, COLOURS, HOLD = 80, 64, 1.5
"""Of an animation: dots per inch, colours of a GIF, seconds for which the last frame stays."""


def write(data: RetrievalData, path: Path, num_frames: int, fps: Any) -> Path:
    """Write the animation; see `astrojax.animate`."""
    if path.suffix.lower() not in (".gif", ".mp4"):
        raise InputError(f"path must end in .gif or .mp4; got {str(path)!r}")
    at_least("num_frames", num_frames, 2)
    within("fps", fps, 1, 50)
    if data.times is None or data.states is None:
        raise InputError(
            "an animation needs states on the way: retrieve(memory, query, t1=10.0, ts=jnp.linspace(0.0, 10.0, 200)) saves them"
        )
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"path must be a file in a folder that exists; got {str(path)!r}")
    encode = _write_gif if path.suffix.lower() == ".gif" else _mp4_writer(path)
    moving = _Moving(data)
    try:
        with replacing(path) as part:
            encode(moving, frames(data.states, num_frames), part, float(fps))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def frames(states: np.ndarray, number: int) -> list[int]:
    """Frames that share the sum of way and saved times equally: motion in detail, and rest as well. The first is among them."""
    return sorted({0, *evenly((path_fraction(states) + np.linspace(0, 1, len(states))) / 2, number - 1)})


class _Moving:
    """A figure whose state and mark of time move."""

    def __init__(self, data: RetrievalData) -> None:
        self._data = data
        panels = panels_of(data)
        self._figure = Figure(figsize=(8, 1), dpi=DPI, layout="constrained")
        self._canvas = FigureCanvasAgg(self._figure)
        above, below = divided(self._figure, 2.7, 2.3 if panels else 0)
        if data.picture_shape:
            axes = above.subplots(1, 1 + len(data.sides), squeeze=False)[0]
            middle = int("query" in data.sides)
            image = draw_picture(axes[middle], data, data.states[0], "")
            for ax, (name, values) in zip(np.delete(axes, middle), data.sides.items(), strict=True):
                draw_picture(ax, data, values, name, is_pattern=True)
            self._ax = axes[middle]
            self._set_state: Callable[[np.ndarray], Any] = lambda state: image.set_data(state.reshape(data.picture_shape))
        else:
            self._ax = above.subplots()
            self._set_state = draw_strip(self._ax, data, data.states[0])
        self._marks = [self._mark(ax) for ax in draw_panels(below, panels) if ax.get_xlabel() == "time"]
        self._ax.set_title(" ")
        self._canvas.draw()
        # Axes now stay where they are, and frames are drawn faster.
        self._figure.set_layout_engine("none")

    def picture(self, at: int) -> np.ndarray:
        """The pixels of the frame of a saved time, shape (rows, columns, 4)."""
        data = self._data
        self._set_state(data.states[at])
        self._ax.set_title(f"t = {data.times[at]:.3g}", fontsize="medium")
        for line, veil, end in self._marks:
            line.set_xdata([data.times[at]] * 2)
            veil.set_x(data.times[at])
            veil.set_width(max(end - data.times[at], 0))
        self._canvas.draw()
        return np.array(self._canvas.buffer_rgba())

    def _mark(self, ax: Any) -> tuple[Any, Any, float]:
        """A line at the present, and a veil over what is to come."""
        left, right = ax.get_xlim()
        veil = ax.axvspan(left, right, color="white", alpha=0.75, linewidth=0, zorder=3)
        return ax.axvline(left, color="0.3", linewidth=1, zorder=4), veil, right


def _write_gif(moving: _Moving, places: list[int], path: Path, fps: float) -> None:
    pictures = [Image.fromarray(moving.picture(at)[..., :3]) for at in places]
    # One palette for all frames, of the colours of some: what does not move then stays the same, and takes no bytes.
    some = [pictures[len(pictures) * part // 4] for part in range(4)] + [pictures[-1]]
    width, height = some[0].size
    together = Image.new("RGB", (width, height * len(some)))
    for number, picture in enumerate(some):
        together.paste(picture, (0, height * number))
    palette = together.quantize(COLOURS, method=Image.Quantize.MEDIANCUT)
    colours = np.reshape(palette.getpalette() or [], (-1, 3))
    colours[colours.min(axis=1) > 245] = 255  # the mean of white and what is almost white is not white
    palette.putpalette(colours.ravel().tolist())
    first, *rest = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    durations = [round(1000 / fps)] * len(rest) + [round(1000 * HOLD)]
    first.save(path, format="GIF", save_all=True, append_images=rest, duration=durations, loop=0, optimize=True)


def _mp4_writer(path: Path) -> Callable[[_Moving, list[int], Path, float], None]:
    program = _ffmpeg()
    if program is None:
        raise InputError(
            f'{path.name} needs ffmpeg, which is not on the PATH: pip install "astrojax-memory[video]" brings it; '
            "a file that ends in .gif needs none"
        )

    def write(moving: _Moving, places: list[int], part: Path, fps: float) -> None:
        rows, columns, _ = moving.picture(places[0]).shape
        given = ["-f", "rawvideo", "-pix_fmt", "rgba", "-s", f"{columns}x{rows}", "-r", str(fps), "-i", "-"]
        # Sides of an even number of pixels, and colours, that every browser plays.
        wanted = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-movflags", "+faststart"]
        command = [program, "-y", "-loglevel", "error", *given, *wanted, str(part)]
        pictures = [moving.picture(at).tobytes() for at in places]
        pictures += pictures[-1:] * math.ceil(HOLD * fps)
        done = subprocess.run(command, input=b"".join(pictures), capture_output=True)
        if done.returncode:
            raise InputError(f"{path} cannot be written: ffmpeg says {shown(done.stderr.decode(errors='replace').strip())}")

    return write


def _ffmpeg() -> str | None:
    """The program that makes MP4, if there is one: on the PATH, or that of imageio-ffmpeg."""
    found = shutil.which("ffmpeg")
    if found is None:
        with contextlib.suppress(ImportError, RuntimeError):
            import imageio_ffmpeg  # type: ignore[import-untyped]

            found = imageio_ffmpeg.get_ffmpeg_exe()
    return found
