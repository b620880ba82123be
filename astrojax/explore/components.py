"""The parts of the page: pictures to draw on, sliders, a file chooser, and Panel's widgets in the page's style."""

from pathlib import Path
from typing import Any

import panel as pn
import param
from panel.custom import JSComponent

from .compute import LARGEST_UPLOAD

HERE = Path(__file__).parent
STYLES, WIDGETS, COPY = ((HERE / name).read_text(encoding="utf-8") for name in ("components.css", "widgets.css", "copy.js"))

WIDE: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": 0}
"""Layout of parts that fill the width of their container."""

STYLED: dict[str, Any] = WIDE | {"stylesheets": [WIDGETS]}
"""Layout and style of Panel's widgets."""


class Pictures(JSComponent):
    """The pictures of a retrieval and its clock. `version` is set after all else."""

    columns = param.Integer(1)
    labels = param.Dict({})
    pictures = param.Dict({}, doc="Entries or firing rates, one byte each, in base64; those of `state` at all times.")
    errors = param.Dict({}, doc="Root mean squared errors of real-valued pictures, those of `state` at all times; {} for ±1.")
    drawn = param.Dict({})  # the `signs` of a query drawn by the user, `+` and `-`, and the number of `strokes` so far
    strokes = param.Integer(0)  # the number that the answer includes
    times = param.List([])
    frame = param.Integer(0)
    version = param.Integer(0)

    _esm = HERE / "pixels.js"
    _stylesheets = [STYLES]  # noqa: RUF012 (as Panel declares it)


class Slider(JSComponent):
    """A slider over a list of values, or, where that is empty, over the integers from `first` to `last`."""

    label = param.String("")
    help = param.String("")
    values = param.List([])
    first = param.Integer(0)
    last = param.Integer(0)
    value = param.Number(0)
    disabled = param.Boolean(False)

    _esm = HERE / "slider.js"
    _stylesheets = [STYLES]  # noqa: RUF012


class Upload(JSComponent):
    """A chosen file: its `name`, `size` and `data` in base64, which are empty if there are more bytes than `largest`."""

    file = param.Dict({})
    largest = param.Integer(LARGEST_UPLOAD)

    _esm = HERE / "upload.js"
    _stylesheets = [STYLES]  # noqa: RUF012


def fit(slider: Slider, first: int, last: int) -> None:
    slider.param.update(first=first, last=max(first, last), value=min(max(int(slider.value), first), max(first, last)))


def side_by_side(width: int) -> dict[str, str]:
    """A style with as many columns of at least a width as there is room for."""
    return {"display": "grid", "grid-template-columns": f"repeat(auto-fit, minmax({width}px, 1fr))", "gap": "12px"}


def button(name: str, meaning: str) -> pn.widgets.Button:
    return pn.widgets.Button(name=name, description=meaning, **STYLED)


def markup(text: str, **settings: Any) -> pn.pane.HTML:
    return pn.pane.HTML(text, stylesheets=[STYLES], **WIDE, **settings)
