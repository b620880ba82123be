"""Fig. 4 of Vivet and Arenas (2026), arXiv:2604.25481: recall by several memories over memory load and corruption.

Runs configs/fig4.yaml and says, cell by cell of the grid, where the astrocyte-gated memory beats the baselines.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from measures import mean, share

from astrojax.cli.run import run_config
from astrojax.report.statistics import mean_interval

CONFIG = Path(__file__).parents[1] / "configs" / "fig4.yaml"


FLIPS = (3, 5)
"""Numbers of flips, of 20 entries, that the findings compare: few and many."""


def main(overrides: Sequence[str] = ()) -> xr.Dataset:
    folder, results = run_config(CONFIG, overrides=overrides)
    print("\n".join(findings(results)))
    print(f"Heat maps: {folder / 'figures'}")
    return results


def high_loads(results: xr.Dataset) -> xr.Dataset:
    """The upper quarter of the loads."""
    return results.sel(num_patterns=results.num_patterns >= 0.75 * results.num_patterns.max())


def span(results: xr.Dataset) -> str:
    """Format the range of loads."""
    low, high = int(results.num_patterns.min()), int(results.num_patterns.max())
    return f"{low} to {high}" if low < high else str(low)


def findings(results: xr.Dataset) -> list[str]:
    """The findings in sentences."""
    first, *others = (str(name) for name in results.model.values)
    counts = []
    for name in others:
        better, worse, cells = won_and_lost(results.hamming_error.sel(model=first) - results.hamming_error.sel(model=name))
        counts.append(f"less than {name} in {better:.0%} and more in {worse:.0%}")
    lines = [f"Over {cells:,} pairs of load and wrong entries the {first} memory errs significantly {'; '.join(counts)}."]
    high, size = high_loads(results), results.attrs["num_neurons"]
    for flips in FLIPS:
        errors = {name: high.hamming_error.sel(model=name, num_flips=flips) for name in (first, *others)}
        ranked = sorted(errors, key=lambda name: float(errors[name].mean()))
        other = next(name for name in ranked if name != first)
        lines.append(
            f"With {flips} of {size} entries wrong and {span(high)} patterns stored it is number {ranked.index(first) + 1} of "
            f"{len(errors)} memories: it leaves {mean(errors[first], (0, size))} wrong; {other}, the best of the others, "
            f"{mean(errors[other], (0, size))}."
        )
    at = high.sel(num_flips=FLIPS[-1])
    known = at.success.notnull()
    committed = ((at.hamming_error > 0) & (at.perplexity < 1.1)).where(known).sel(model=first)
    kept = (at.hamming_error == FLIPS[-1]).where(known)
    most = max(others, key=lambda name: float(kept.sel(model=name).mean()))
    lines.append(
        f"There, with {FLIPS[-1]} wrong, {share(committed)} of its recalls settle on one pattern and end wrong; {most} returns "
        f"as many wrong entries as it was given in {share(kept.sel(model=most))}."
    )
    return lines


def won_and_lost(difference: xr.DataArray) -> tuple[float, float, int]:
    """Shares of cells where the 95% interval of the mean paired difference is below and above zero, and how many cells."""
    low, high = mean_interval(difference.transpose(..., "trial").values)
    return float(np.mean(high < 0)), float(np.mean(low > 0)), low.size


if __name__ == "__main__":
    main()
