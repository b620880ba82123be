"""Fig. 1 of Vivet and Arenas (2026), arXiv:2604.25481: fast and slow gains."""

import numpy as np
from along import Along
from measures import Claim, compared, interval, mean, median, medians_compared, verdict

from astrojax.cli import run_config
from astrojax.report.page import Page

REFERENCES = {1.0: 1.0, 3.0: 1.0, 10.0: 1.3, 30.0: 4.2, 300.0: 5.9}
PERPLEXITIES = {1.0: 1, 3.0: 1, 10.0: 1.04, 30.0: 90, 300.0: 100}
"""Of 50 trials: mean Hamming error and perplexity over τp."""

NEGLIGIBLE = 0.3
"""Error, in neurons, that more time may leave where the end of the run is to explain the rise."""


def slowest(figure: Along, horizon: float) -> float:
    """The largest τp at which the gains have chosen by a horizon."""
    taus = figure.results.tau_p.values
    return max(tau for tau in taus if np.nanmedian(figure.at(tau, "perplexity", horizon)) < 1.5)


def report(page: Page, trials: int) -> list[Claim]:
    """Add Fig. 1 to the page; claim C6."""
    figure = Along("fig1", "tau_p", trials)
    found = {value: figure.at(value) for value in REFERENCES}
    perplexity = {value: figure.at(value, "perplexity") for value in PERPLEXITIES}
    slow = (10.0, 30.0)
    later = {value: figure.at(value, horizon=100.0) for value in slow}
    recovered = {value: found[value] - later[value] for value in slow}
    remains = {value: later[value] - figure.at(1.0, horizon=100.0) for value in slow}
    unfinished = ", ".join(f"{figure.censored(value, 100.0):.1%}" for value in slow)
    figure.section(
        page,
        "Fig. 1: the time constant of the gains",
        "Gains that follow the neurons at once choose one pattern and recall it. Gains much slower than the neurons have not "
        f"chosen by the paper's horizon: by a median perplexity below 1.5 they have where τp ≤ {slowest(figure, 10.0):g}, "
        f"and at ten times the horizon where τp ≤ {slowest(figure, 100.0):g}. But not all of the error goes: while gains are "
        "nearly uniform the neurons leave the query for the state of a Hopfield network, and the gains then choose by that. "
        + " ".join(
            f"At τp = {value:g} more time takes {mean(recovered[value])} off the error, and {mean(remains[value])} more than "
            "at τp = 1 remains."
            for value in slow
        )
        + f" Not converged by t = 100: {unfinished}.",
    )
    parts = [
        np.mean(found[1.0]) < 1.5 < np.mean(found[30.0]),
        np.nanmedian(perplexity[1.0]) < 1.05,
        interval(recovered[30.0])[0] > 0,
        all(interval(remains[value])[1] < NEGLIGIBLE for value in slow),
    ]
    text = "; ".join(f"{mean(errors)} at τp = {value:g}" for value, errors in found.items())
    gains = "; ".join(f"{median(values)} at τp = {value:g}" for value, values in perplexity.items())
    extra = "; ".join(
        f"at τp = {value:g} falls to {mean(later[value])}, still {mean(remains[value])} above that of τp = 1" for value in slow
    )
    return [
        Claim(
            "C6",
            "Fast gains give low error and perplexity; beyond τp ≈ 10 the error grows because the run ends before convergence "
            "(Fig. 1).",
            verdict(parts),
            f"mean error {text}; median perplexity {gains}. At horizon 100 the error {extra}",
            f"error {compared(REFERENCES, found)}. Perplexity {medians_compared(PERPLEXITIES, perplexity)}. "
            + (
                "That the run is cut short explains all of the rise"
                if parts[3]
                else "That the run is cut short explains a part of the rise: slow gains also choose worse"
            ),
        )
    ]


if __name__ == "__main__":
    run_config("configs/fig1.yaml")
