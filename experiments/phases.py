"""Phase diagrams: what the memory does over time constants, temperature and load."""

import itertools

from figures import HORIZON, phase_map
from measures import Claim, fewer, stored
from page import Page

from astrojax.cli.run import run_config

CORRELATED = {"patterns": {"kind": "hierarchical", "num_neurons": 30, "num_prototypes": 10, "overlap": 0.5}}
ENSEMBLES = {"random": {}, "correlated": CORRELATED}
"""Random patterns, and noisy copies of ten prototypes: two copies of the same one have an overlap of 0.5 on average."""


DIAGRAMS = (
    ("phase_times", "tau_p", "the ratio of the time constants τp/τx; τx = 1, K = 100"),
    ("phase_load", "num_patterns", "the load; K/N is the load divided by 30"),
)
"""Configurations, their horizontal axes, and captions of these."""


def report(page: Page, trials: int) -> list[Claim]:
    """Add the phase diagrams to the page."""
    trials = fewer(trials, 0.05)
    page.text(
        "## Phase diagrams\n\nThe regime of most trials: *retrieval* (one gain, recalled without error), *wrong memory* (one "
        "gain, but errors), *mixture* (several gains, at most (K + 1)/2) and *Hopfield-like* (more gains than that); lines: "
        "the rate of success. A gain is taken for the only one below a perplexity of 1.5. *Hopfield-like* means uniform "
        "gains. With the squared score the couplings are then Hopfield's; with the linear score uniform gains drive the "
        "neurons by the mean of the patterns, whatever the query, and nothing is recalled. Gains slower than the horizon are "
        "uniform because they have not moved: the diagrams at ten times the horizon tell this from gains that stay uniform. "
        "*Correlated* patterns are noisy copies of ten prototypes; two copies of the same one have an overlap of 0.5 on "
        "average. Up to K = 10 each has a prototype of its own, and they are as random ones."
    )
    for name, axis, what in DIAGRAMS:
        for ensemble, overrides in ENSEMBLES.items():
            results = stored(name, trials, ensemble, **overrides)
            horizons = results[HORIZON].values if HORIZON in results.dims else [10.0]
            for score, horizon in itertools.product(map(str, results.model.values), horizons):
                chosen = results.sel({"model": score} | ({HORIZON: horizon} if HORIZON in results.dims else {}))
                chosen = chosen.squeeze([dim for dim in chosen.dims if chosen.sizes[dim] == 1 and dim != "trial"])
                caption = (
                    f"Temperature and {what}: {score} score, {ensemble} patterns, N = 30, n = 6, horizon {horizon:g}, {trials} "
                    "trials."
                )
                late = "" if horizon == 10 else f"_{horizon:g}"
                page.figure(f"{name}_{score}_{ensemble}{late}", phase_map(chosen, axis, "temperature"), caption)
    return []


if __name__ == "__main__":
    for config in ("phase_times", "phase_load"):
        run_config(f"configs/{config}.yaml")
