"""The explorer in headless Chromium: by keyboard and by hand, at two widths, for two users at once."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
pytest.importorskip("panel", reason="Panel is not installed")

SERVE = "from astrojax.explore import serve; serve(port=0, show=False)"
TIMEOUT = 120_000  # milliseconds: the first program may be compiled on a busy machine

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address():
    with subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True) as server:
        line = server.stdout.readline()
        yield re.search(r"http://127\.0\.0\.1:\d+/", line)[0]
        server.terminate()


@pytest.fixture
def visit(address, browser):
    """Opens the page in a session of its own, and waits for the first answer."""
    contexts = []

    def opened(watch=lambda page: None, **settings):
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT)
        watch(page)
        page.goto(address)
        api.expect(page.get_by_text("Hamming error")).to_be_visible(timeout=TIMEOUT)
        return page

    yield opened
    for context in contexts:
        context.close()


def shows(page, text, area="Python"):
    api.expect(page.get_by_label(area)).to_have_value(re.compile(re.escape(text)), timeout=TIMEOUT)


def test_nothing_comes_from_another_host_nothing_fails_and_the_text_is_copied(visit, address):
    asked, failed = [], []

    def watch(page):
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("requestfailed", lambda request: failed.append(request.url))

    page = visit(watch, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Copy").last.press("Enter")
    api.expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.get_by_label("Python").input_value()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert len(asked) > 5
    assert failed == []


def test_sliders_obey_the_keyboard_and_every_control_is_reached_by_tab(visit):
    page = visit()
    load = page.get_by_role("slider", name="K: memory load")
    load.focus()
    load.press("ArrowRight")
    shows(page, "num_patterns=31")
    load.press("End")
    shows(page, "num_patterns=500")
    api.expect(page.get_by_text("of 500")).to_be_visible()
    temperature = page.get_by_role("slider", name="T: entropic")
    temperature.focus()
    for _ in range(3):
        temperature.press("ArrowLeft")
    shows(page, "temperature: 0.0071", "YAML")
    page.get_by_label("Gain regime").select_option("frozen")
    api.expect(temperature).to_be_disabled()
    page.get_by_label("Gain regime").select_option("dynamic")
    api.expect(page.get_by_role("slider", name="τp:")).to_be_enabled()
    page.get_by_label("Source").focus()
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                """() => {
                  let at = document.activeElement
                  while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement
                  return `${at.tagName} ${at.getAttribute("aria-label") ?? at.textContent} ${getComputedStyle(at).outlineStyle}`
                }"""
            )
        )
    labels = ("K:", "Target:", "num_flips:", "T:", "τx:", "τp:", "σ:", "t₁:")
    for name in (*labels, "New patterns", "New query", "Clear", "Next target", "Copy"):
        assert any(name in control and "none" not in control for control in reached), name
    assert sum(control.startswith("SELECT") for control in reached) >= 2


def test_a_configuration_with_own_code_is_explored(browser, tmp_path):
    lab = Path(__file__).parents[1] / "docs" / "examples" / "mylab" / "run.yaml"
    code = f"from astrojax.explore import serve; serve(config={str(lab)!r}, trust=True, port=0, show=False)"
    environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path)}
    context = browser.new_context()
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as server:
        page = context.new_page()
        page.goto(re.search(r"http://127\.0\.0\.1:\d+/", server.stdout.readline())[0])
        shows(page, "memory = ProjectionMemory(")
        page.get_by_label("Memory", exact=True).select_option("cubic")
        shows(page, "score=CubicScore(sharpness=2.0)")
        page.get_by_role("slider", name="sharpness: s, how steep it is").press("ArrowRight")
        shows(page, "score=CubicScore(sharpness=2.2)")
        api.expect(page.get_by_text("Hamming error")).to_be_visible()
        server.terminate()
    context.close()


def test_a_query_is_drawn_by_keys_and_by_hand(visit):
    page = visit()
    grid = page.get_by_role("grid", name="Query")
    api.expect(page.get_by_text("8 of 64 wrong")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    shows(page, "flipped = jnp.array([")
    grid.focus()
    for key in ("ArrowRight", "ArrowDown", " "):
        grid.press(key)
    assert grid.locator("[role=gridcell]").nth(9).text_content().startswith("row 2, column 2: +1")
    box = grid.bounding_box()
    side = box["width"] / 8
    page.mouse.move(box["x"] + 6.5 * side, box["y"] + 0.5 * side)
    page.mouse.down()
    page.mouse.move(box["x"] + 6.5 * side, box["y"] + 7.5 * side, steps=8)
    page.mouse.up()
    drawn = [cell for cell, text in enumerate(grid.locator("[role=gridcell]").all_text_contents()) if "+1" in text]
    assert drawn == [6, 9, *range(14, 64, 8)]
    page.get_by_role("button", name="New query").click()
    shows(page, "aj.Flips()(jax.random.key(1), target, jnp.asarray(8))")


def test_real_valued_patterns_are_shown_in_gray_and_combinations_that_are_refused_say_so(visit):
    failed = []
    page = visit(lambda page: page.on("pageerror", lambda error: failed.append(str(error))))
    page.get_by_label("Corruption").select_option("masking")
    shows(page, "aj.Masking()")
    page.get_by_label("Source").select_option("gray digits")
    shows(page, 'aj.digits(scaling="range")')
    api.expect(page.get_by_role("definition").first).to_be_visible()
    api.expect(page.get_by_text("Hamming error")).to_have_count(0)
    api.expect(page.locator("figure.query")).to_contain_text("RMS error")
    api.expect(page.locator("figure.hopfield")).to_be_hidden()
    api.expect(page.get_by_role("button", name="Clear")).to_be_disabled()
    page.get_by_label("Activation").select_option("identity")
    api.expect(page.get_by_role("alert")).to_contain_text("activation must have bounded rates", timeout=TIMEOUT)
    page.get_by_label("Score").select_option("distance")
    shows(page, 'score="distance"')
    api.expect(page.get_by_role("alert")).to_have_count(0)
    api.expect(page.locator("figure.bayes")).to_contain_text("Posterior mean")
    api.expect(page.get_by_text("The target is the nearest pattern")).to_be_visible()
    assert failed == []


def test_a_bad_upload_says_what_is_wrong_and_the_page_lives_on(visit, tmp_path):
    np.save(tmp_path / "cube.npy", np.ones((2, 3, 4, 5)))
    np.save(tmp_path / "grey.npy", np.arange(128.0).reshape(2, 64) % 7)
    np.save(tmp_path / "large.npy", np.zeros(11 * 2**20, np.int8))
    page = visit()
    page.get_by_label("Source").select_option("file")
    for name, message in {
        "cube.npy": "one pattern per row",
        "large.npy": "the explorer takes at most 10 MiB",
        "grey.npy": "or a scaling",
    }.items():
        page.locator("input[type=file]").set_input_files(tmp_path / name)
        api.expect(page.get_by_role("alert")).to_contain_text(message)
        for part in ("Course of the retrieval", "The setting as text"):
            api.expect(page.get_by_role("region", name=part)).to_be_hidden()
        api.expect(page.get_by_role("grid", name="Query")).to_be_hidden()
    page.get_by_label("Threshold").fill("2.5")
    page.get_by_label("Threshold").press("Enter")
    api.expect(page.get_by_role("alert")).to_have_count(0)
    api.expect(page.get_by_role("slider", name="K: memory load")).to_have_attribute("aria-valuetext", "2")
    page.get_by_label("Source").select_option("digits")
    shows(page, "pool=aj.digits(), num_patterns=2\n")
    api.expect(page.get_by_role("region", name="Course of the retrieval")).to_be_visible()


def test_two_sessions_do_not_meet_and_the_page_fits_a_phone(visit):
    desk = visit(viewport={"width": 1280, "height": 900})
    phone = visit(viewport={"width": 390, "height": 844}, has_touch=True)
    phone.get_by_role("button", name="Next target").tap()
    shows(phone, "patterns[:, 1]")
    phone.get_by_role("grid", name="Query").tap(position={"x": 5, "y": 5})
    shows(phone, "flipped = jnp.array([")
    phone.get_by_role("button", name="Next target").tap()
    shows(phone, "patterns[:, 2]")
    desk.get_by_role("button", name="New query").click()
    shows(desk, "jax.random.key(1), target")
    shows(desk, "patterns[:, 0]")
    shows(phone, "jax.random.key(0), target")
    for page, width in ((desk, 1280), (phone, 390)):
        assert page.evaluate("document.documentElement.scrollWidth") == width
