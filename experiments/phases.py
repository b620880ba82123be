"""Phase diagrams: what the memory does over time constants, temperature and load."""

from measures import Claim, stored

from astrojax.cli import run_config
from astrojax.report.page import Page
from astrojax.report.reproduction import phase_map

CORRELATED = {"patterns": {"kind": "hierarchical", "num_neurons": 30, "num_prototypes": 10, "overlap": 0.5}}
ENSEMBLES = {"random": {}, "correlated": CORRELATED}
"""Random patterns, and noisy copies of ten prototypes, two of which have an overlap of 0.5."""


def report(page: Page, trials: int) -> list[Claim]:
    """Add the phase diagrams to the page."""
    trials = min(trials, 50)
    page.text(
        "## Phase diagrams\n\nThe regime of most trials: *retrieval* (one gain, recalled without error), *wrong memory* "
        "(one gain, but errors), *mixture* (several gains, at most K/2) and *Hopfield-like* (more than K/2 gains); "
        "lines: the rate of success."
    )
    for name, axis, what in (
        ("phase_times", "tau_p", "time constants τp/τx, K = 100"),
        ("phase_load", "num_patterns", "load; K/N is the load divided by 30"),
    ):
        for ensemble, overrides in ENSEMBLES.items():
            results = stored(name, trials, ensemble, **overrides)
            for score in results.model.values:
                chosen = results.sel(model=score).squeeze(
                    [dim for dim in results.dims if results.sizes[dim] == 1 and dim != "trial"]
                )
                caption = f"Temperature and {what}: {score} score, {ensemble} patterns, N = 30, n = 6, {trials} trials."
                page.figure(f"{name}_{score}_{ensemble}", phase_map(chosen, axis, "temperature"), caption)
    return []


if __name__ == "__main__":
    for config in ("phase_times", "phase_load"):
        run_config(f"configs/{config}.yaml")
