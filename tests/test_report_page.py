"""The page of the reproduction says the same in Markdown and HTML, shows every character literally, and loads nothing."""

import itertools
import re
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

import astrojax as aj
from experiments.page import VERDICTS, Markdown, Page, badge, escape, html, write

AWKWARD = [
    "a|b", r"a\|b", "x < y & z > 0", "*bold*", "**", "_it_", "`code`", "[a](b)", "![a](b)", "&lt;", "<b>", "$x$ # ~~y~~",
    "→ −1",
]  # fmt: skip


class Tags(HTMLParser):
    """Tags with their attributes, and the texts inside them by tag."""

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


def assert_loads_nothing(tags: Tags, num_pictures: int) -> None:
    """No script, no style from elsewhere, pictures inside the file, and a policy that forbids the rest."""
    assert {"script", "link", "iframe", "object", "base"}.isdisjoint(tag for tag, _ in tags.tags)
    assert not re.search(r"@import|url\(", tags.texts["style"][0])
    sources = [attributes["src"] for _, attributes in tags.tags if "src" in attributes]
    assert len(sources) == num_pictures
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not any(name.startswith("on") or name in ("srcset", "style") for _, attributes in tags.tags for name in attributes)
    policy = next(meta["content"] for meta in tags.attributes("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'; img-src data:")


def drawing(height: float = 1.0) -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, height])
    return figure


def make_page() -> Page:
    page = Page("Claims <all> of them")
    page.text("Some *text* with <script src='http://elsewhere/x.js'></script> and a [link](https://example.org/a).")
    page.text("## The first claim\n\nIt **holds**, and this is **bold**.\n\n### Detail\n\n## The first claim\n\nAgain.")
    page.table(["claim", "verdict", "a|b"], [[f"C{n}", badge(verdict), n / 4] for n, verdict in enumerate(VERDICTS)])
    page.figure("one", drawing(), "The error over $\\tau_x$,\n**unsmoothed**.", alt='A line, "rising" <fast> [up]')
    page.figure("two", drawing(2.0), "Another.")
    return page


@pytest.fixture(scope="module")
def page() -> Page:
    return make_page()


@pytest.fixture(scope="module")
def tags(page) -> Tags:
    return Tags(html(page))


def test_both_files_and_the_figures_are_written_reproducibly_and_figures_of_an_earlier_page_are_removed(page, tmp_path):
    (tmp_path / "a" / "report").mkdir(parents=True)
    (tmp_path / "a" / "report" / "earlier.png").write_bytes(b"")
    (tmp_path / "a" / "report" / "notes.txt").write_text("mine")
    for content, name in ((page, "a"), (make_page(), "b")):
        write(content, tmp_path / name / "report.md", tmp_path / name / "site" / "report.html")
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.*")} for name in "ab")
    assert first.pop("notes.txt") == b"mine"
    assert first == second
    assert sorted(first) == ["one.png", "report.html", "report.md", "two.png"]
    found = re.findall(r"\]\(report/(\w+\.png)\)", first["report.md"].decode())
    assert [first[name] for name in found] == [block.picture.content for block in page.figures.values()]


def test_the_html_loads_nothing_and_pictures_have_their_texts(page, tags):
    assert_loads_nothing(tags, 2)
    assert [image["alt"] for image in tags.attributes("img")] == ['A line, "rising" <fast> [up]', "Another."]
    assert tags.texts["title"] == tags.texts["h1"] == [page.title]
    assert [heading["id"] for heading in tags.attributes("h2")] == ["the-first-claim", "the-first-claim-1"]


def test_every_character_is_shown_literally():
    title = " ".join(AWKWARD)
    page = Page(title)
    page.table([title, "next"], [[text, Markdown(f"**{escape(text)}**")] for text in AWKWARD])
    page.table(["", "next"], [["x\ny", Markdown("a|b")]])
    page.figure("one", drawing(), escape(title), alt=title)
    tags = Tags(html(page))
    assert tags.texts["title"] == tags.texts["h1"] == tags.texts["figcaption"] == [title]
    assert tags.texts["th"] == [title, "next", "", "next"]
    assert tags.texts["td"] == [*itertools.chain(*zip(AWKWARD, AWKWARD, strict=True)), "x y", "a|b"]
    assert tags.texts["strong"] == AWKWARD
    assert tags.attributes("img")[0]["alt"] == title


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (lambda page: page.table(["a", "b"], [[1]]), r"a row of the table must have 2 cells; got 1: \[1\]"),
        (lambda page: page.figure("../x", drawing(), ""), r"the name of a figure .* got '\.\./x'"),
        (lambda page: page.figure("one", drawing(), ""), "the names of figures must differ; got 'one'"),
        (lambda page: badge("hold"), r"verdict must be one of holds, .*did you mean 'holds'"),
        (lambda page: page.text("![far](https://example.org/one.png)"), r"images .* got 'https://example\.org/one\.png'"),
    ],
)
def test_invalid_parts_of_a_page_are_refused(add, message):
    page = make_page()
    with pytest.raises(aj.InputError, match=message):
        html(add(page) or page)
