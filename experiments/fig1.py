"""Fig. 1 of Vivet and Arenas (2026), arXiv:2604.25481: fast and slow gains."""

import numpy as np
from along import Along
from measures import CHANGES, ERRORS, Claim, compared, interval, mean, medians_compared, verdict
from medians import along, judged
from page import Page

from astrojax.cli.run import run_config

REFERENCES = {1.0: 1.0, 3.0: 1.0, 10.0: 1.3, 30.0: 4.2, 300.0: 5.9}
GAINS = {1.0: 1, 3.0: 1, 10.0: 1.04, 30.0: 90, 300.0: 100}
"""Of 50 trials: mean Hamming error and perplexity over τp."""

SLOW = (10.0, 30.0)
"""Values of τp whose error grows at the paper's horizon."""

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
    perplexity = {value: figure.at(value, "perplexity") for value in GAINS}
    later = {value: figure.at(value, horizon=100.0) for value in SLOW}
    recovered = {value: found[value] - later[value] for value in SLOW}
    remains = {value: later[value] - figure.at(1.0, horizon=100.0) for value in SLOW}
    unfinished = ", ".join(f"{figure.censored(value, 100.0):.1%}" for value in SLOW)
    figure.section(
        page,
        "Fig. 1: the time constant of the gains",
        "Gains that follow the neurons at once choose one pattern and recall it. Gains much slower than the neurons have not "
        f"chosen by the paper's horizon: by a median perplexity below 1.5 they have where τp ≤ {slowest(figure, 10.0):g}, "
        f"and at ten times the horizon where τp ≤ {slowest(figure, 100.0):g}. In medians all of the error then goes. In means "
        "a part of it stays: while gains are nearly uniform the neurons leave the query for the state of a Hopfield network, "
        "and the gains then choose by that. "
        + " ".join(
            f"At τp = {value:g} more time takes {mean(recovered[value], CHANGES)} off the mean error, and "
            f"{mean(remains[value], CHANGES)} more than at τp = 1 remains."
            for value in SLOW
        )
        + f" Not converged by t = 100: {unfinished}.",
    )
    parts = [
        judged(lambda errors, gains: np.nanmedian(errors) < 1 and np.nanmedian(gains) < 1.05, found[1.0], perplexity[1.0]),
        judged(lambda late, early: np.nanmedian(late) > np.nanmedian(early) + 3, found[30.0], found[1.0]),
        *(judged(lambda errors: np.nanmedian(errors) < NEGLIGIBLE, later[value]) for value in SLOW),
    ]
    worse = all(interval(remains[value], CHANGES)[0] > NEGLIGIBLE for value in SLOW)
    text = "; ".join(f"{mean(errors, ERRORS)} at τp = {value:g}" for value, errors in found.items())
    extra = "; ".join(f"{mean(later[value], ERRORS)} at τp = {value:g}" for value in SLOW)
    return [
        Claim(
            "C6",
            "Fast gains give low error and perplexity; beyond τp ≈ 10 the error grows because the run ends before convergence "
            "(Fig. 1).",
            verdict(parts),
            "medians of error and perplexity",
            f"median error {along(found, 'τp')}; at horizon 100 {along(later, 'τp')}. Median perplexity "
            f"{along(perplexity, 'τp')}. What the mean adds: error {text}; at horizon 100 {extra}, above that of τp = 1 by "
            + "; ".join(mean(remains[value], CHANGES) for value in SLOW)
            + (": the run cut short explains only a part of its rise, slow gains also choose worse" if worse else ""),
            f"mean error {compared(REFERENCES, found)}. Perplexity {medians_compared(GAINS, perplexity)}",
        )
    ]


if __name__ == "__main__":
    run_config("configs/fig1.yaml")
