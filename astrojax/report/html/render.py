"""HTML from the templates of this folder: every page is one file that contains its figures and style and loads nothing."""

import functools
import json
import re
import shlex
from base64 import b64encode
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup
from matplotlib.figure import Figure

from ..figures import render as render_figure
from ..statistics import with_interval
from ..tables import distinct

INVISIBLE = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
"""Control characters, marks of direction and of no width, and surrogates."""


class Picture(NamedTuple):
    """A PNG file, and the size in pixels at which a browser shows it as large as it was drawn."""

    content: bytes
    width: int
    height: int

    @classmethod
    def of(cls, figure: Figure) -> "Picture":
        width, height = (round(float(inches) * 96) for inches in figure.get_size_inches())
        return cls(render_figure(figure), width, height)

    @property
    def url(self) -> str:
        return "data:image/png;base64," + b64encode(self.content).decode()


def render(template: str, **content: Any) -> str:
    """Fill a template. Text is escaped unless it is `Markup`."""
    return visible(environment().get_template(template).render(**content))


@functools.cache
def environment() -> Environment:
    """The templates with their filters."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "combine": lambda first, second: first | second,
        "count": lambda number: f"{number:,}",
        "distinct": distinct,
        "intervals": lambda means, ends: [with_interval([mean, *pair], ".3g") for mean, pair in zip(means, ends, strict=True)],
        "quote": shlex.quote,
        "repr": repr,
        "short": short,
        "seconds": lambda value: f"{value:.1f} s" if isinstance(value, float | int) else "",
    }
    environment.globals |= {"zip": zip}
    return environment


def visible(text: str) -> str:
    """Text in which invisible characters are written as their code points."""
    return re.sub(INVISIBLE, lambda found: f"\\u{ord(found[0]):04x}", text)


def short(value: Any) -> str:
    """A number with up to six digits; anything else as JSON."""
    return f"{value:.6g}" if isinstance(value, float | int | np.number) else json.dumps(value)


def inline_markdown(text: str) -> Markup:
    """One line of Markdown as HTML; HTML in it is shown as text."""
    return Markup(MarkdownIt("commonmark", {"html": False}).renderInline(text))
