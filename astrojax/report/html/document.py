"""One page of text, tables and figures, written once as Markdown, and the same as one HTML file that needs no other."""

import itertools
import re
import struct
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape as escape_html
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from matplotlib.figure import Figure

from ..._internal.checks import InputError, one_of, shown
from ..._internal.files import write_file
from ..figures import RESOLUTION, render

VERDICTS = {"holds": "yes", "holds in part": "part", "does not hold": "no", "not tested": "open"}
"""Verdicts on a claim, and the classes of style of their badges: in bold they become badges in HTML."""

FOLDER = "embedded"
"""Where the figures seem to lie while HTML is made of the Markdown."""

SIGNATURE = b"\x89PNG\r\n\x1a\n"
"""The first bytes of a PNG file."""

STYLE = """
:root { color-scheme: light dark; --text: #1c2128; --faint: #59636e; --line: #d1d9e0; --stripe: #f5f7f9; --back: #fff;
  --link: #0757b8; --yes: #1a6b2f; --part: #8a5300; --no: #b01e28; --open: #59636e; --badge: #fff; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e8ec; --faint: #9aa5b1; --line: #3a434d; --stripe: #1d232a;
  --back: #14181d; --link: #7ab7ff; --yes: #6fd08a; --part: #f0b655; --no: #ff9089; --open: #aab4be; --badge: #14181d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 62rem; overflow-wrap: break-word; color: var(--text);
  background: var(--back); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1, h2, h3 { line-height: 1.25; margin: 2em 0 .6em; }
h1 { font-size: 1.7rem; margin-top: .4em; }
h2 { font-size: 1.3rem; padding-bottom: .25em; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.08rem; }
a { color: var(--link); }
nav { margin: 1em 0; padding: .7em 1em; border: 1px solid var(--line); border-radius: .4em; }
nav ul { margin: 0; padding-left: 1.2em; }
.table { overflow-x: auto; margin: 1em 0; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .4em .7em; border: 1px solid var(--line); text-align: left; vertical-align: top; min-width: 4.5rem;
  max-width: min(26rem, 60vw); }
th, tbody tr:nth-child(even) { background: var(--stripe); }
code, pre { font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; font-size: .9em; }
code { overflow-wrap: anywhere; }
pre { overflow-x: auto; padding: .8em; background: var(--stripe); border-radius: .4em; }
figure { margin: 1.5em 0; overflow-x: auto; }
img { display: block; max-width: 100%; height: auto; padding: .5em; border: 1px solid var(--line); border-radius: .4em;
  background: #fff; }
figcaption { margin-top: .5em; color: var(--faint); font-size: .92rem; }
.verdict { display: inline-block; padding: .05em .6em; border-radius: 1em; color: var(--badge); font-weight: 600;
  font-size: .88em; white-space: nowrap; }
@media (max-width: 40rem) { img { max-width: none; } pre { white-space: pre-wrap; } }
""" + "".join(f".{name} {{ background: var(--{name}); }}\n" for name in VERDICTS.values())

UNSEEN = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
"""Characters that are no text: controls, marks of direction and of no width, halves of surrogate pairs."""

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""What a browser may load for the page: nothing from outside."""

FRAME = '<div class="table" role="region" aria-label="Table" tabindex="0">'
"""What a table too wide for the screen scrolls in, by touch and by keys."""


class Markdown(str):
    """Text that is Markdown already, to stand in a table as it is."""


@dataclass(frozen=True)
class Picture:
    """A figure of a page: the PNG file, its name without `.png`, its caption, Markdown of one line, and what it shows."""

    name: str
    content: bytes
    alt: str | None
    caption: str

    def markdown(self, folder: str) -> str:
        """The picture, from a file in a folder, above its caption."""
        # A backslash ends the line of the image, so that the caption stands below it wherever Markdown is shown.
        alt = self.caption if self.alt is None else escape(self.alt)
        return f"![{alt}]({folder}/{self.name}.png)\\\n{self.caption}"


@dataclass
class Page:
    """Text, tables and figures in the order in which they are added.

    Arguments:
        title: the heading of the page, as plain text. blocks: what is on the page already.
    """

    title: str
    blocks: list[str | Picture] = field(default_factory=list)

    @property
    def pictures(self) -> dict[str, Picture]:
        """The figures of the page by name."""
        return {block.name: block for block in self.blocks if isinstance(block, Picture)}

    def text(self, markdown: str) -> None:
        """Add paragraphs, headings and lists in Markdown. HTML in it is shown as text; images are added by `figure`."""
        self.blocks.append(markdown.strip())

    def table(self, header: Sequence[object], rows: Iterable[Sequence[object]]) -> None:
        """Add a table. Cells are plain text, or `Markdown`, such as a `badge`.

        Raises:
            InputError (a ValueError): if a row is not as long as the header.
        """
        lines = [list(header), *map(list, rows)]
        for line in lines:
            if len(line) != len(header):
                raise InputError(f"a row of the table must have {len(header)} cells; got {len(line)}: {shown(line)}")
        heading, *body = ["| " + " | ".join(map(_cell, line)) + " |" for line in lines]
        self.blocks.append("\n".join([heading, "|" + " --- |" * len(header), *body]))

    def figure(self, name: str, figure: Figure | bytes, caption: str, alt: str | None = None) -> None:
        """Add a figure, or the bytes of a PNG file.

        Arguments:
            name: of its file, without `.png`; letters, digits, `-`, `_`. caption: Markdown, below the figure.
            alt: what the figure shows, as plain text, for those who do not see it; the caption if left out.

        Raises:
            InputError (a ValueError): for a name that cannot name a file, or that another figure has, for other bytes, and
                without a caption.
        """
        if not re.fullmatch(r"[\w-]+", name, re.ASCII):
            raise InputError(f"the name of a figure must have letters, digits, '-' and '_' alone; got {name!r}")
        if name in self.pictures:
            raise InputError(f"the names of figures must differ; {name!r} is there already")
        content = figure if isinstance(figure, bytes) else render(figure)
        if not content.startswith(SIGNATURE):
            raise InputError(f"figure must be a matplotlib figure or the bytes of a PNG file; got {shown(content)}")
        line = " ".join(caption.split())
        if not line:
            raise InputError(f"figure {name!r} must have a caption")
        self.blocks.append(Picture(name, content, alt, line))


def badge(verdict: str) -> Markdown:
    """A verdict as Markdown, bold, that is a coloured badge in HTML.

    Raises:
        InputError (a ValueError): for anything but one of `VERDICTS`.
    """
    one_of("verdict", verdict, VERDICTS)
    return Markdown(f"**{verdict}**")


def escape(text: str) -> str:
    """Plain text as Markdown of one line that shows it, whatever characters it has."""
    return re.sub(r"([\\`*_{}\[\]<>|~&$#])", r"\\\1", " ".join(text.split()))


def code(text: str) -> Markdown:
    """Plain text as code within a line of Markdown, not in a table."""
    line = " ".join(text.split())
    fence = _longer_than_any("`", line, 1)
    pad = " " if "`" in line else ""
    return Markdown(f"{fence}{pad}{line}{pad}{fence}")


def code_block(text: str, language: str) -> Markdown:
    """Plain text as a block of code in Markdown."""
    fence = _longer_than_any("~", text, 5)
    return Markdown(f"{fence}{language}\n{text.strip()}\n{fence}")


def _longer_than_any(mark: str, text: str, least: int) -> str:
    """As many marks as nothing in a text can be taken for the end of."""
    return mark * max(least, *(len(found) + 1 for found in re.findall(f"{mark}+", text)), 0)


def _visible(text: str) -> str:
    """Text in which characters that no reader sees, or that turn the direction of others, are written as their numbers."""
    return re.sub(UNSEEN, lambda found: f"\\u{ord(found[0]):04x}", text)


def markdown(page: Page, folder: str) -> str:
    """The page as Markdown, which refers to its figures as files in a folder beside it."""
    blocks = [block if isinstance(block, str) else block.markdown(folder) for block in page.blocks]
    return _visible("\n\n".join([f"# {escape(page.title)}", *blocks]) + "\n")


def html(page: Page) -> str:
    """The same page as one HTML file that holds its figures and style, and asks for nothing else.

    Raises:
        InputError (a ValueError): if the text has an image that is not a figure of the page.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown(page, FOLDER))
    pictures = {f"{FOLDER}/{name}.png": picture for name, picture in page.pictures.items()}
    headings = _anchor_headings(tokens)
    for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        children = token.children or []
        _draw_badges(children)
        _embed(children, pictures)
        if children and children[0].type == "image":
            before.tag = after.tag = "figure"
            # What follows the image and the end of its line is its caption.
            children[1:2] = [Token("figcaption_open", "figcaption", 1)]
            children.append(Token("figcaption_close", "figcaption", -1))
    body = parser.renderer.render(tokens, parser.options, {})
    # What looks like a tag in the text is escaped: these are tags.
    body = body.replace("<table>", f"{FRAME}<table>").replace("</table>", "</table></div>")
    body = body.replace("</h1>\n", f"</h1>\n{_contents(headings)}", 1)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{escape_html(_visible(page.title))}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def write(page: Page, markdown_path: Path, html_path: Path) -> None:
    """Write the page as Markdown, with its figures in a folder beside it of the same name, and as one HTML file.

    The folder is the page's own: figures in it that an earlier page had, and this one has not, are removed.

    Raises:
        InputError (a ValueError): as `html`, before anything is written.
    """
    whole = html(page)
    folder = markdown_path.with_suffix("")
    for path in folder.glob("*.png"):
        if path.stem not in page.pictures:
            path.unlink()
    contents: dict[Path, bytes] = {folder / f"{name}.png": picture.content for name, picture in page.pictures.items()}
    contents |= {markdown_path: markdown(page, folder.name).encode(), html_path: whole.encode()}
    for path, content in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)


def _cell(value: object) -> str:
    """Content of a cell on one line, in which no `|` ends the cell."""
    return re.sub(r"(?<!\\)\|", r"\|", " ".join(value.split())) if isinstance(value, Markdown) else escape(str(value))


def _anchor_headings(tokens: list[Token]) -> dict[str, str]:
    """Give every heading an anchor, as GitHub names it; return those of the second level, anchors to texts."""
    taken: dict[str, int] = {}
    second = {}
    for token, inline in itertools.pairwise(tokens):
        if token.type != "heading_open":
            continue
        text = "".join(child.content for child in inline.children or [])
        name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        number = taken[name] = taken.get(name, -1) + 1
        anchor = f"{name}-{number}" if number else name
        token.attrSet("id", anchor)
        if token.tag == "h2":
            second[anchor] = text
    return second


def _contents(headings: dict[str, str]) -> str:
    """A list of links to headings; nothing for a page of less than two parts."""
    if len(headings) < 2:
        return ""
    links = "".join(f'<li><a href="#{anchor}">{escape_html(text)}</a></li>\n' for anchor, text in headings.items())
    return f'<nav aria-label="Contents">\n<ul>\n{links}</ul>\n</nav>\n'


def _draw_badges(tokens: list[Token]) -> None:
    """Make badges of the verdicts that stand alone in bold."""
    for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if (before.type, after.type) == ("strong_open", "strong_close") and token.content in VERDICTS:
            before.tag = after.tag = "span"
            before.attrSet("class", f"verdict {VERDICTS[token.content]}")


def _embed(tokens: list[Token], pictures: dict[str, Picture]) -> None:
    """Put the files of images, known by their addresses, in place of these, and describe them as the page does."""
    for token in tokens:
        if token.type != "image":
            continue
        picture = pictures.get(str(token.attrs["src"]))
        if picture is None:
            raise InputError(f"images of a page are added as its figures; got {shown(token.attrs['src'])} in its text")
        # Shown as large as it was drawn, though never wider than the screen; its place is kept while the page is built.
        for side, pixels in zip(("width", "height"), struct.unpack(">II", picture.content[16:24]), strict=True):
            token.attrSet(side, str(round(pixels * 96 / RESOLUTION)))
        token.attrSet("src", "data:image/png;base64," + b64encode(picture.content).decode())
        token.children = [Token("text", "", 0, content="".join(child.content for child in token.children or []))]
