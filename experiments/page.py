"""The page of the reproduction: text, tables and figures, written as Markdown and as one HTML file that loads nothing."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from matplotlib.figure import Figure

from astrojax._internal.checks import InputError, one_of, shown
from astrojax._internal.files import write_file
from astrojax.report.html.render import Picture, environment, inline_markdown, render, visible

VERDICTS = {"holds": "yes", "holds in part": "part", "does not hold": "no", "not tested": "open"}
"""Verdicts on a claim, and the CSS classes of their badges: a verdict in bold becomes a badge in HTML."""

FRAME = '<div class="table" role="region" aria-label="Table" tabindex="0">\n<table>\n'
"""Frame in which a table wider than the screen scrolls, by touch and by keys."""


class Markdown(str):
    """Text that is Markdown already, for a cell of a table."""


@dataclass(frozen=True)
class FigureBlock:
    """A figure with its caption, Markdown of one line, and `alt` for screen readers; `name` is that of its file."""

    name: str
    picture: Picture
    caption: str
    alt: str | None

    def markdown(self, folder: str) -> str:
        """The image, from a file in a folder, above its caption."""
        # A backslash ends the line of the image, so that the caption stands below it wherever Markdown is shown.
        alt = self.caption if self.alt is None else escape(self.alt)
        return f"![{alt}]({folder}/{self.name}.png)\\\n{self.caption}"

    def html(self) -> str:
        caption = inline_markdown(self.caption)
        return environment().get_template("macros.html").module.figure(self.picture, caption, self.alt or caption.striptags())


@dataclass
class Page:
    """Text, tables and figures in the order in which they are added; the title is plain text."""

    title: str
    blocks: list[str | FigureBlock] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, FigureBlock]:
        """The figures of the page by name."""
        return {block.name: block for block in self.blocks if isinstance(block, FigureBlock)}

    def text(self, markdown: str) -> None:
        """Add paragraphs, headings and lists in Markdown. HTML in it is shown as text; images are added by `figure`."""
        self.blocks.append(markdown.strip())

    def table(self, header: Sequence[object], rows: Iterable[Sequence[object]]) -> None:
        """Add a table whose cells are plain text, or `Markdown`, such as a `badge`."""
        lines = [list(header), *map(list, rows)]
        for line in lines:
            if len(line) != len(header):
                raise InputError(f"a row of the table must have {len(header)} cells; got {len(line)}: {shown(line)}")
        heading, *body = ["| " + " | ".join(map(_cell, line)) + " |" for line in lines]
        self.blocks.append("\n".join([heading, "|" + " --- |" * len(header), *body]))

    def figure(self, name: str, figure: Figure, caption: str, alt: str | None = None) -> None:
        """Add a figure with a caption in Markdown; `name` is that of its PNG file, without suffix."""
        if not re.fullmatch(r"[\w-]+", name, re.ASCII):
            raise InputError(f"the name of a figure must consist of letters, digits, '-' and '_'; got {name!r}")
        if name in self.figures:
            raise InputError(f"the names of figures must differ; got {name!r} twice")
        self.blocks.append(FigureBlock(name, Picture.of(figure), " ".join(caption.split()), alt))


def badge(verdict: str) -> Markdown:
    """A verdict in bold Markdown, which becomes a colored badge in HTML."""
    one_of("verdict", verdict, VERDICTS)
    return Markdown(f"**{verdict}**")


def escape(text: str) -> str:
    """Plain text as Markdown of one line that shows it literally."""
    return re.sub(r"([\\`*_{}\[\]<>|~&$#])", r"\\\1", " ".join(text.split()))


def markdown(page: Page, folder: str) -> str:
    """The page as Markdown, which refers to its figures as files in a folder beside it."""
    blocks = [block if isinstance(block, str) else block.markdown(folder) for block in page.blocks]
    return visible("\n\n".join([f"# {escape(page.title)}", *blocks]) + "\n")


def html(page: Page) -> str:
    """The page as one HTML file with its figures and style.

    Raises:
        InputError (a ValueError): if the text has an image.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("table_open", lambda *_: FRAME)
    parser.add_render_rule("table_close", lambda *_: "</table>\n</div>\n")
    anchors: dict[str, str] = {}
    sections: dict[str, str] = {}
    parts = []
    for block in page.blocks:
        if isinstance(block, FigureBlock):
            parts.append(block.html())
            continue
        tokens = parser.parse(block)
        for token, inline in zip(tokens, [*tokens[1:], Token("", "", 0)], strict=True):
            if token.type == "heading_open":
                text = "".join(child.content for child in inline.children or [])
                anchor = _new_anchor(text, anchors)
                token.attrSet("id", anchor)
                anchors[anchor] = text
                if token.tag == "h2":
                    sections[anchor] = text
            _draw_badges(token.children or [])
        parts.append(parser.renderer.render(tokens, parser.options, {}))
    return render("base.html", title=page.title, sections=sections, body=Markup("".join(parts)))


def write(page: Page, markdown_path: Path, html_path: Path) -> None:
    """Write the page as Markdown, with its figures in a folder of the same name beside it, and as one HTML file.

    The folder belongs to the page: figures that the page no longer has are removed.
    """
    whole = html(page)
    folder = markdown_path.with_suffix("")
    for path in folder.glob("*.png"):
        if path.stem not in page.figures:
            path.unlink()
    contents = {folder / f"{name}.png": block.picture.content for name, block in page.figures.items()}
    contents |= {markdown_path: markdown(page, folder.name).encode(), html_path: whole.encode()}
    for path, content in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)


def _cell(value: object) -> str:
    """Content of a cell on one line, in which no `|` ends the cell."""
    return re.sub(r"(?<!\\)\|", r"\|", " ".join(value.split())) if isinstance(value, Markdown) else escape(str(value))


def _new_anchor(text: str, taken: dict[str, str]) -> str:
    """The anchor of a heading as GitHub names it, numbered if it is taken."""
    anchor = name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
    number = 0
    while anchor in taken:
        number += 1
        anchor = f"{name}-{number}"
    return anchor


def _draw_badges(tokens: list[Token]) -> None:
    """Turn verdicts in bold into badges, and refuse images."""
    for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if (before.type, after.type) == ("strong_open", "strong_close") and token.content in VERDICTS:
            before.tag = after.tag = "span"
            before.attrSet("class", f"verdict {VERDICTS[token.content]}")
    for token in tokens:
        if token.type == "image":
            raise InputError(f"images of a page are added by figure(); got {shown(token.attrs['src'])} in its text")
