"""A page says the same in Markdown and in HTML, shows every character as it is, and needs nothing from outside."""

import itertools
import re
import struct
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from matplotlib.figure import Figure

from astrojax.report.figures import render as png
from astrojax.report.html.document import VERDICTS, Markdown, Page, badge, escape, html, markdown, write

AWKWARD = [
    "a|b",
    r"a\|b",
    "x < y & z > 0",
    "*bold*",
    "**",
    "_it_",
    "`code`",
    "[a](b)",
    "![a](b)",
    "&lt;",
    "<b>",
    "$x$ # ~~y~~",
    "→ −1",
]


class Tags(HTMLParser):
    """Tags with their attributes, and the text by tag that surrounds it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.texts.setdefault(tag, []).append("")
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open.pop() != tag:
            pass

    def handle_data(self, data):
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def drawing(height: float = 1.0) -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, height])
    return figure


@pytest.fixture
def page() -> Page:
    page = Page("Claims <all> of them")
    page.text("Some *text* with <script src='http://elsewhere/x.js'></script> and a [link](https://example.org/a).")
    page.text("## The first claim\n\nIt **holds**, and this is **bold**.\n\n### Detail\n\n## The first claim\n\nAgain.")
    page.table(["claim", "verdict", "a|b"], [[f"C{n}", badge(verdict), n / 4] for n, verdict in enumerate(VERDICTS)])
    page.figure("one", drawing(), "The error over $\\tau_x$,\n**unsmoothed**.", alt='A line, "rising" <fast> [up]')
    page.figure("two", png(drawing(2.0)), "Another.")
    return page


def test_the_same_page_has_the_same_bytes(page, tmp_path):
    again = Page(page.title, list(page.blocks))
    again.blocks[-2:] = []
    again.figure("one", drawing(), page.pictures["one"].caption, page.pictures["one"].alt)
    again.figure("two", drawing(2.0), "Another.")
    for content, folder in ((page, "a"), (again, "b")):
        write(content, tmp_path / folder / "report.md", tmp_path / folder / "report.html")
    first, second = (sorted(path for path in (tmp_path / name).rglob("*") if path.is_file()) for name in "ab")
    assert [path.name for path in first] == ["one.png", "two.png", "report.html", "report.md"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_files_of_figures_have_neither_a_date_nor_the_name_of_a_program():
    content, kinds, place = png(drawing()), [], 8
    while place < len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        kinds.append(content[place + 4 : place + 8])
        place += length + 12
    assert not {b"tEXt", b"iTXt", b"zTXt", b"tIME"} & set(kinds)


def test_the_html_asks_for_nothing_from_outside(page):
    text = html(page)
    tags = Tags(text)
    assert {"script", "link", "iframe", "object", "base"}.isdisjoint(tag for tag, _ in tags.tags)
    assert "@import" not in text
    assert "url(" not in text
    loading = [attributes["src"] for tag, attributes in tags.tags if "src" in attributes]
    assert len(loading) == 2
    assert all(address.startswith("data:image/png;base64,") for address in loading)
    assert not any(name.startswith("on") or name in ("srcset", "style") for _, attributes in tags.tags for name in attributes)
    policy = next(meta["content"] for meta in tags.attributes("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'; img-src data:")


def test_the_html_is_fit_for_phones_and_readers(page):
    tags = Tags(html(page))
    assert tags.attributes("html") == [{"lang": "en"}]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in tags.attributes("meta")
    assert [image["alt"] for image in tags.attributes("img")] == ['A line, "rising" <fast> [up]', "Another."]
    assert tags.texts["figcaption"] == ["The error over $\\tau_x$, unsmoothed.", "Another."]
    assert tags.texts["title"] == tags.texts["h1"] == [page.title]
    inside = [tag for (_, outer), (tag, _) in itertools.pairwise(tags.tags) if outer.get("class") == "table"]
    assert inside == ["table"]


def test_headings_have_anchors_and_those_of_the_second_level_are_listed(page):
    tags = Tags(html(page))
    assert [heading["id"] for heading in tags.attributes("h2")] == ["the-first-claim", "the-first-claim-1"]
    assert tags.attributes("h3") == [{"id": "detail"}]
    links = [link["href"] for link in tags.attributes("a")]
    assert links == ["#the-first-claim", "#the-first-claim-1", "https://example.org/a"]
    short = Page("short")
    short.text("## One part")
    assert "nav" not in Tags(html(short)).texts


def test_verdicts_in_bold_are_badges_and_other_words_are_not(page):
    tags = Tags(html(page))
    assert tags.texts["span"] == ["holds", *VERDICTS]
    assert [badge["class"] for badge in tags.attributes("span")][1:] == [f"verdict {name}" for name in VERDICTS.values()]
    assert tags.texts["strong"] == ["bold", "unsmoothed"]
    assert "| C1 | **holds in part** | 0.25 |" in markdown(page, "report")


@pytest.mark.parametrize("text", AWKWARD)
def test_every_character_is_shown_as_it_is(text):
    page = Page(text)
    page.table([text, "next"], [[text, Markdown(f"**{escape(text)}**")], ["x\ny", Markdown("a|b")]])
    page.figure("one", png(drawing()), escape(text), alt=text)
    tags = Tags(html(page))
    assert (tags.texts["title"], tags.texts["h1"]) == ([text], [text])
    assert tags.texts["th"] == [text, "next"]
    assert tags.texts["td"] == [text, text, "x y", "a|b"]
    assert tags.texts["strong"] == [text]
    assert tags.attributes("img")[0]["alt"] == text
    assert tags.texts["figcaption"] == [text]


def test_tables_are_tables_in_markdown(page):
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown(page, "report"))
    cells = [inline.content for token, inline in itertools.pairwise(tokens) if token.type in ("th_open", "td_open")]
    assert cells[:6] == ["claim", "verdict", r"a|b", "C0", "**holds**", "0.0"]
    assert len(cells) == 3 * (1 + len(VERDICTS))


def test_markdown_refers_to_figures_on_disk_and_those_of_an_earlier_page_go(page, tmp_path):
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "earlier.png").write_bytes(b"")
    (folder / "notes.txt").write_text("mine")
    write(page, tmp_path / "report.md", tmp_path / "site" / "report.html")
    text = (tmp_path / "report.md").read_text()
    found = re.findall(r"\]\((report/\w+\.png)\)", text)
    assert found == ["report/one.png", "report/two.png"]
    assert all((tmp_path / name).read_bytes() == page.pictures[Path(name).stem].content for name in found)
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", "one.png", "two.png"]


def test_what_does_not_fit_a_page_is_refused(page, tmp_path):
    with pytest.raises(ValueError, match=r"a row of the table must have 2 cells; got 1: \[1\]"):
        page.table(["a", "b"], [[1]])
    with pytest.raises(ValueError, match=r"letters, digits, '-' and '_' alone; got '\.\./x'"):
        page.figure("../x", b"", "")
    with pytest.raises(ValueError, match="the names of figures must differ; 'one' is there already"):
        page.figure("one", b"", "")
    with pytest.raises(ValueError, match=r"verdict must be one of holds, .*; got 'hold' \(did you mean 'holds'\?\)"):
        badge("hold")
    with pytest.raises(ValueError, match=r"figure must be a matplotlib figure or the bytes of a PNG file; got b'GIF'"):
        page.figure("three", b"GIF", "A caption.")
    with pytest.raises(ValueError, match="figure 'three' must have a caption"):
        page.figure("three", drawing(), " ")
    page.text("![far](https://example.org/one.png)")
    with pytest.raises(ValueError, match=r"images of a page are added as its figures; got 'https://example\.org/one\.png'"):
        write(page, tmp_path / "a.md", tmp_path / "a.html")
    assert list(tmp_path.iterdir()) == []


def test_a_figure_is_embedded_as_it_is_on_disk():
    page = Page("bytes")
    page.figure("line", drawing(), "A line.")
    (image,) = Tags(html(page)).attributes("img")
    assert b64decode(image["src"].removeprefix("data:image/png;base64,")) == png(drawing())
    assert (image["width"], image["height"]) == ("192", "96")  # of 2 by 1 inches
