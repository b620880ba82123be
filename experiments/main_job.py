"""The main job: the paper's retrieval benchmark, then real handwritten digits. Run by `make run`."""

import contextlib
import shlex
import time
from pathlib import Path

import digits
import fig4
import xarray as xr
from measures import mean, share
from rich.console import Console
from rich.table import Table

from astrojax.report.tables import make_table

LOG = Path("runs") / "main_job.txt"
"""Where plans, tables and everything else that the two parts print goes."""


def main() -> None:
    started, console = time.perf_counter(), Console(width=100, highlight=False, markup=False)
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("w", encoding="utf-8") as log:
        console.print("1 of 2: the paper's benchmark (Fig. 4), all memories at every load and number of wrong entries")
        with contextlib.redirect_stdout(log):
            benchmark = fig4.main()
        console.print("2 of 2: handwritten digits as memories")
        with contextlib.redirect_stdout(log):
            pictures = digits.main()
    console.print("\nFindings, with 95% intervals in brackets")
    for number, sentence in enumerate([*fig4.findings(benchmark), *digits.findings(pictures)], 1):
        console.print(f"{number}. {sentence}")
    console.print(summary_table(benchmark, pictures))
    console.print(f"Done in {time.perf_counter() - started:.0f} s. All tables: {LOG}")
    console.print("Figures: runs/fig4/figures, runs/digits/figures (with two films of one recall)")
    console.print("How slow should the neurons be? Try next:")
    console.print(f"  .venv/bin/astrojax run {shlex.join(digits.NEXT)}", soft_wrap=True)


ROWS = {
    "astrocyte (paper)": ("astrocyte", "defaults"),
    "neurons 10 times slower": (None, "tau_x-10"),
    "neurons 100 times slower": (None, "tau_x-100"),
    "linear score": (None, "linear-score"),
    "Hopfield": ("Hopfield", None),
    "Hopfield, no diagonal": ("Hopfield, no diagonal", None),
    "neuron-astrocyte": ("neuron-astrocyte", None),
    "Bayes decoder": ("bayes_signed", "bayes_signed"),
    "nearest pattern": ("nearest_signed", "nearest_signed"),
}
"""Names of memories and decoders in the table, in the benchmark, and among the digits."""


def summary_table(benchmark: xr.Dataset, pictures: xr.Dataset) -> Table:
    """Errors that are left in the benchmark, and shares of digits recalled without error."""
    high, loads = fig4.high_loads(benchmark), pictures.num_patterns.values[1:]
    bounds = (0, benchmark.attrs["num_neurons"])
    title = f"random patterns, {fig4.span(high)} stored: mean wrong entries; digits: share recalled without error"
    rows = []
    for name, (ours, digit) in ROWS.items():
        left = [mean(errors_of(high, ours).sel(num_flips=flips), bounds) for flips in fig4.FLIPS] if ours else ["", ""]
        recalled = [share(errors_of(pictures, digit).sel(num_patterns=load) == 0, ".0%") for load in loads] if digit else []
        rows.append([name, *left, *(recalled or [""] * len(loads))])
    headings = ["", *(f"of {flips} wrong entries\nare left" for flips in fig4.FLIPS)]
    return make_table([*headings, *(f"of {load} digits\nrecalled" for load in loads)], rows, title)


def errors_of(results: xr.Dataset, name: str) -> xr.DataArray:
    """Hamming errors of a memory or a decoder."""
    if name in results.model.values:
        return results.hamming_error.sel(model=name)
    return results.decoder_error.sel(decoder=name)


if __name__ == "__main__":
    main()
