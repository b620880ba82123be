"""What the page has beyond Panel's widgets: pictures to draw on, sliders over any list of values, and a choice of file."""

from pathlib import Path

import param
from panel.custom import JSComponent

from .recall import LARGEST_UPLOAD

HERE = Path(__file__).parent
STYLES = (HERE / "components.css").read_text(encoding="utf-8")


class Pictures(JSComponent):
    """The pictures of a retrieval and its clock. Signs are strings of `+`, `-` and `0`.

    `version` changes last, when everything else is there. `drawn` has the `signs` that the user made of the query, by so many
    `strokes`; of these, an answer tells how many it knows.
    """

    columns = param.Integer(1)
    labels = param.Dict({})
    target = param.String("")
    query = param.String("")
    drawn = param.Dict({})
    strokes = param.Integer(0)
    answers = param.Dict({})
    rates = param.String("", doc="Firing rates over time, one byte each, in base64.")
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
    """A choice of file: its `name`, `size` and `data` in base64, empty where there are more bytes than `largest`."""

    file = param.Dict({})
    largest = param.Integer(LARGEST_UPLOAD)

    _esm = HERE / "upload.js"
    _stylesheets = [STYLES]  # noqa: RUF012
