"""Fig. 3 of Vivet and Arenas (2026), arXiv:2604.25481: the temperature of the gains."""

import numpy as np
from along import Along
from measures import Claim, compared, interval, mean, median, medians_compared, stored, verdict
from protocol import DT

from astrojax.cli import run_config
from astrojax.report.page import Page

ERRORS = {1.0: 0.94, 3.0: 1.5, 10.0: 5.5, 1000.0: 5.96}
PERPLEXITIES = {1.0: 1, 3.0: 15.5, 10.0: 99.5}


def report(page: Page, trials: int) -> list[Claim]:
    """Add Fig. 3 to the page; claim C10."""
    figure = Along("fig3", "temperature", trials, smallest=1e-3)
    perplexity = {value: figure.at(value, "perplexity") for value in PERPLEXITIES}
    figure.section(
        page,
        "Fig. 3: the temperature of the gains",
        "Cold gains choose one pattern; hot ones are all equal, and the memory is a Hopfield network, here far above its "
        "capacity: median perplexity "
        + ", ".join(f"{np.nanmedian(values):.1f} at T = {value:g}" for value, values in perplexity.items())
        + f". The Euler protocol is repeated from T = {figure.values[0]:g} to {figure.values[-1]:g}: below, nothing changes "
        "but its cost. Its steps on the gains are unstable where dt T log K/τp exceeds 2, the fate of a small error in Σp = 1: "
        f"above T = {2 / (DT * np.log(100)):.0f}.",
    )
    found = {value: figure.at(value) for value in ERRORS}
    hopfield = stored("slope", trials).hamming_error.sel(model="Hopfield", slope=5).squeeze().values
    hot = found[1000.0] - hopfield
    low, high = interval(hot)
    parts = [
        np.mean(found[1.0]) < 1.5,
        np.nanmedian(perplexity[1.0]) < 1.05,
        np.nanmedian(figure.at(1000.0, "perplexity")) > 99,
        low <= 0 <= high and np.abs(np.mean(hot)) < 0.1,
    ]
    return [
        Claim(
            "C10",
            "Low T: sharp routing, low error; high T: uniform gains, Hopfield's error (Fig. 3).",
            verdict(parts),
            "mean error "
            + "; ".join(f"{mean(errors)} at T = {value:g}" for value, errors in found.items())
            + f"; a Hopfield network on the same problems {mean(hopfield)}, difference at T = 1000 {mean(hot)}; "
            "median perplexity " + "; ".join(f"{median(values)} at T = {value:g}" for value, values in perplexity.items()),
            f"error {compared(ERRORS, found)}. Perplexity {medians_compared(PERPLEXITIES, perplexity)}",
        )
    ]


if __name__ == "__main__":
    run_config("configs/fig3.yaml")
