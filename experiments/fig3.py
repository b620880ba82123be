"""Fig. 3 of Vivet and Arenas (2026), arXiv:2604.25481: the temperature of the gains."""

import numpy as np
from along import Along
from measures import CHANGES, ERRORS, HEADLINE, Claim, compared, mean, medians_compared, stored, verdict
from medians import along, described, judged
from page import Page
from protocol import DT

from astrojax.cli.run import run_config

REFERENCES = {1.0: 0.94, 3.0: 1.5, 10.0: 5.5, 1000.0: 5.96}
GAINS = {1.0: 1, 3.0: 15.5, 10.0: 99.5}


def report(page: Page, trials: int) -> list[Claim]:
    """Add Fig. 3 to the page; claim C10."""
    figure = Along("fig3", "temperature", trials, smallest=1e-3)
    perplexity = {value: figure.at(value, "perplexity") for value in GAINS}
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
    found = {value: figure.at(value) for value in REFERENCES}
    hopfield = stored("slope", HEADLINE * trials).hamming_error.sel(model="Hopfield", slope=5).squeeze().values
    hot = found[1000.0] - hopfield
    parts = [
        judged(lambda errors: np.nanmedian(errors) < 1, found[1.0]),
        judged(lambda gains: np.nanmedian(gains) < 1.05, perplexity[1.0]),
        judged(lambda gains: np.nanmedian(gains) > 99, figure.at(1000.0, "perplexity")),
        judged(lambda errors, reference: np.nanmedian(errors) == np.nanmedian(reference), found[1000.0], hopfield),
    ]
    return [
        Claim(
            "C10",
            "Low T: sharp routing, low error; high T: uniform gains, Hopfield's error (Fig. 3).",
            verdict(parts),
            "medians of error and perplexity",
            f"median error {along(found, 'T')}; of a Hopfield network on the same problems {described(hopfield)}. Median "
            f"perplexity {along(perplexity, 'T')}. What the mean adds: error "
            + "; ".join(f"{mean(errors, ERRORS)} at T = {value:g}" for value, errors in found.items())
            + f"; a Hopfield network {mean(hopfield, ERRORS)}, difference at T = 1000 {mean(hot, CHANGES)}",
            f"mean error {compared(REFERENCES, found)}. Perplexity {medians_compared(GAINS, perplexity)}",
        )
    ]


if __name__ == "__main__":
    run_config("configs/fig3.yaml")
