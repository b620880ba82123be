"""The pages that `make docs` has built ask no other host for anything, and show every equation."""

import http.server
import re
import threading
from functools import partial
from pathlib import Path

import pytest

from .browser import CHROMIUM, QUIET

ROOT = Path(__file__).parents[1] / "build" / "docs"
PAGES = sorted(ROOT.rglob("*.html"))

pytestmark = pytest.mark.skipif(not PAGES, reason="make docs has not been run")
LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|embed)[^>]+src=\"(https?:)?//|<link(?![^>]+canonical)[^>]+href=\"(https?:)?//|@import|url\(['\"]?https?:"
)


def test_no_page_names_a_file_of_another_host():
    for page in PAGES:
        found = LOADED.search(page.read_text(encoding="utf-8"))
        assert not found, f"{page}: {found[0]}"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def address():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(ROOT))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_pages_ask_no_other_host_and_show_their_equations_in_a_browser(address):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        tab = browser.new_page()
        asked, faults = [], []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        for page in PAGES:
            tab.goto(f"{address}/{page.relative_to(ROOT)}")
            if tab.locator(".math").count():
                tab.wait_for_function(
                    "document.querySelectorAll('.math').length <= document.querySelectorAll('mjx-container').length"
                )
            assert tab.locator("mjx-merror, [data-mjx-error]").count() == 0, page
            missing = tab.evaluate(
                "[...document.images].filter(image => image.complete && !image.naturalWidth).map(image => image.src)"
            )
            assert not missing, page
        browser.close()
    assert {url for url in asked if not url.startswith((address, "data:", "blob:"))} == set()
    assert not faults
