"""How long the explorer takes to answer: from a setting to all that is shown, and from a moved slider to the changed page.

The first is measured in this process: problem, memory, Hopfield network, decoders, and what is sent to the page. The second,
with `--browser`, is measured in headless Chromium by the page's own clock, with the server on the same machine: from the
slider's `input` event, which a key or the mouse gives rise to, to the first frame with the changed text and pictures. What the
keyboard and the browser take before that event is not in it.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from astrojax.explore.compute import answer, make_problem
from astrojax.explore.presentation import course_of, explain, pictures_of, readout
from astrojax.explore.settings import Settings, built_in, everything, with_values


def drawn(num_neurons: int) -> Any:
    return with_values(everything().patterns["random"], {"num_neurons": num_neurons})


SETTINGS = {
    "digits, N = 64, K = 200": Settings(num_patterns=200),
    "digits, N = 64, K = 500, linear": Settings(num_patterns=500).change(score=built_in("score")["linear"]),
    "random, N = 20, K = 100": Settings(patterns=drawn(20), num_patterns=100, level=4),
    "random, N = 30, K = 100, τx = 100": Settings(patterns=drawn(30), num_patterns=100, level=6).change(tau_x=100.0),
    "random, N = 64, K = 500": Settings(patterns=drawn(64), num_patterns=500),
    "random, N = 64, K = 500, power 6": Settings(patterns=drawn(64), num_patterns=500).change(
        score=built_in("score")["power"], order=6
    ),
}
SLIDERS = {"K": "K: memory load", "n": "num_flips: flipped entries", "T": "T: entropic", "τx": "τx: time constant"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=200)
    parser.add_argument("--browser", action="store_true", help="also in headless Chromium (needs playwright)")
    options = parser.parse_args()
    print(f"Load of the machine before: {os.getloadavg()[0]:.1f}; {options.answers} answers each.\n")
    print("| from a setting to its answer | median, ms | 95%, ms | first, compiling, s |\n|---|---|---|---|")
    for name, settings in SETTINGS.items():
        compiling = seconds(lambda settings=settings: shown(settings))
        moved = [settings.change(temperature=0.01 * 1.01**step, query_seed=step) for step in range(options.answers)]
        times = [seconds(lambda one=one: shown(one)) for one in moved]
        print(f"| {name} | {row(times)} | {compiling:.1f} |", flush=True)
    if options.browser:
        print("\n| from a moved slider to the changed page | median, ms | 95%, ms |\n|---|---|---|")
        for name, times in in_browser(options.answers).items():
            print(f"| {name} | {row(times)} |", flush=True)


def shown(settings: Settings) -> None:
    """Everything that a change of a setting costs on the server, but for sending it."""
    problem = make_problem(settings, None)
    found = answer(settings, problem)
    course_of(found)
    pictures_of(settings, problem, found)
    readout(settings, problem, found, explain(settings, problem, found, lambda changed: answer(changed, problem)))
    settings.yaml()
    settings.python()


def in_browser(moves: int) -> dict[str, list[float]]:
    """Seconds from a moved slider to the changed page, by slider, on the page's own clock: driving it costs nothing."""
    from playwright.sync_api import sync_playwright

    serve = "from astrojax.explore import serve; serve(port=0, show=False)"
    # Waits for the text that changes last, and then for the frame that shows it.
    wait = """slider => new Promise(done => {
      const text = window.text, before = text.value, begun = performance.now()
      const look = () => text.value == before ? setTimeout(look, 0)
        : requestAnimationFrame(() => setTimeout(() => done((performance.now() - begun) / 1000), 0))
      const up = slider.value != slider.max
      slider.value = Number(slider.value) + (up ? 1 : -1)
      slider.dispatchEvent(new Event("input"))
      look()
    })"""
    times = {}
    with (
        subprocess.Popen([sys.executable, "-c", serve], stdout=subprocess.PIPE, text=True) as server,
        sync_playwright() as play,
    ):
        chromium = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)
        assert server.stdout is not None
        page.goto(server.stdout.readline().split()[4])
        page.get_by_text("Hamming error").wait_for()
        time.sleep(30)  # until the other scores are compiled
        page.get_by_label("Python").evaluate("text => { window.text = text }")
        load = page.get_by_role("slider", name=SLIDERS["K"])
        load.evaluate("slider => { slider.value = 199; slider.dispatchEvent(new Event('input')) }")
        time.sleep(1)
        for name, label in SLIDERS.items():
            slider = page.get_by_role("slider", name=label).element_handle()
            times[f"digits, K = 200, {name}"] = [page.evaluate(wait, slider) for _ in range(moves)]
        chromium.close()
        server.terminate()
    return times


def seconds(run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def row(times: Sequence[float]) -> str:
    return f"{1e3 * statistics.median(times):.1f} | {1e3 * float(np.percentile(times, 95)):.1f}"


if __name__ == "__main__":
    main()
