"""The slope σ of the neurons, which the paper does not state: what depends on it."""

import numpy as np
from measures import ERRORS, HEADLINE, Claim, mean, median, stored
from page import Page

from astrojax.cli.run import run_config
from astrojax.report.figures import curves


def report(page: Page, trials: int) -> list[Claim]:
    """Add the sensitivity to σ to the page."""
    number = HEADLINE * trials
    results = stored("slope", number).squeeze(["num_patterns", "num_flips"])
    at_rest = results.soft_hamming_error.sel(model="slow neurons")
    near = [float(slope) for slope in results.slope.values if abs(float(np.median(at_rest.sel(slope=slope))) - 6) < 0.05]
    page.text(
        "## The slope σ, which the paper does not state\n\n"
        "Neurons that have not moved leave the soft error at n = 6 only if tanh(σ) is nearly 1. The paper says it stays "
        "there exactly; "
        f"here the median is within 0.05 of 6 for σ = {', '.join(f'{slope:g}' for slope in near)}. We use σ = 5."
    )
    page.figure(
        "slope", curves(results, along="slope"), f"Hamming error over the slope, K = 100, N = 30, n = 6, {number:,} problems."
    )
    rows = [
        [
            f"{slope:g}",
            *(mean(results.hamming_error.sel(model=name, slope=slope), ERRORS) for name in results.model.values),
            median(at_rest.sel(slope=slope)),
        ]
        for slope in results.slope.values
    ]
    page.table(["σ", *map(str, results.model.values), "median soft error, slow neurons"], rows)
    return []


if __name__ == "__main__":
    run_config("configs/slope.yaml")
