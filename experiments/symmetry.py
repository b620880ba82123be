"""Perplexity at slow neurons when the time limit is raised. Claim C17."""

import numpy as np
import xarray as xr
from figures import COMMITTED, HORIZON
from measures import PERPLEXITIES, Claim, mean, share, stored, verdict
from medians import along, middle
from page import Page

from astrojax.cli.run import run_config

PAPER = 10.0
"""The paper's time limit."""

MANY, FEW = 0.01, 0.005
"""Shares of recalls above which large perplexity is there, and below which it is gone."""


def report(page: Page, trials: int) -> list[Claim]:
    """Add perplexities at longer time limits to the page; claim C17."""
    results = stored("symmetry", trials).squeeze(["model", "num_patterns", "num_flips"])
    taus, limits = results.tau_x.values, results[HORIZON].values
    page.text(
        "## Slow neurons and the time limit\n\nWhere two patterns are equally near to the query the gains share themselves "
        "between both, until the neurons have moved and make one score larger than the other. Slow neurons have not moved by "
        f"the paper's limit of {PAPER:g}. Share of recalls with a perplexity above {COMMITTED:g}, by the time limit:"
    )
    rows = [[f"{tau:g}", *(share(at(results, tau, t1) > COMMITTED) for t1 in limits)] for tau in taus]
    page.table(["τx \\ time limit", *(f"{t1:g}" for t1 in limits)], rows)
    page.text(
        f"{trials} trials at K = 100, N = 30, n = 6, the same problems throughout. The median perplexity is "
        f"{min(middle(at(results, tau, t1)) for tau in taus for t1 in limits):.3f} to "
        f"{max(middle(at(results, tau, t1)) for tau in taus for t1 in limits):.3f} everywhere: at no limit does it show what "
        "this is about. The share does."
    )
    return [claim(results, taus, limits)]


def at(results: xr.Dataset, tau_x: float, t1: float) -> np.ndarray:
    """Perplexities of all trials."""
    return results.perplexity.sel({"tau_x": tau_x, HORIZON: t1}).values


def claim(results: xr.Dataset, taus: np.ndarray, limits: np.ndarray) -> Claim:
    """C17: large at the paper's limit in some recalls, gone at the longest one, for all slow neurons."""
    slow = [float(tau) for tau in taus if tau >= 300]
    early, late = ({tau: at(results, tau, t1) for tau in slow} for t1 in (PAPER, limits[-1]))
    parts = [np.nanmean(early[tau] > COMMITTED) > MANY for tau in slow] + [
        np.nanmean(late[tau] > COMMITTED) < FEW for tau in slow
    ]
    gone = {tau: next((t1 for t1 in limits if np.nanmean(at(results, tau, t1) > COMMITTED) < FEW), np.inf) for tau in slow}
    return Claim(
        "C17",
        "Large perplexity at slow neurons disappears when the time limit is raised: symmetry breaks (II.3.1).",
        verdict(parts),
        f"share of recalls with a perplexity above {COMMITTED:g}; the median is 1 at every limit and shows nothing",
        f"perplexity at t = {PAPER:g}: median {along(early, 'τx')}. Above {COMMITTED:g}, at t = {PAPER:g} and at t = "
        f"{limits[-1]:g}: "
        + "; ".join(f"{share(early[tau] > COMMITTED)} and {share(late[tau] > COMMITTED)} at τx = {tau:g}" for tau in slow)
        + f". Fewer than {FEW:.1%} are left from t = "
        + "; ".join(f"{gone[tau]:g} at τx = {tau:g}" for tau in slow)
        + ". What the mean adds: "
        + "; ".join(f"{mean(early[tau], PERPLEXITIES)} and {mean(late[tau], PERPLEXITIES)} at τx = {tau:g}" for tau in slow),
        "about 7% above 1.5 for τx ≥ 300, also at t = 60, median 1.000. Two patterns equally near to the query share the gains "
        "until the neurons have moved",
    )


if __name__ == "__main__":
    run_config("configs/symmetry.yaml")
