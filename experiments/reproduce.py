"""The whole reproduction: every figure and claim of the paper, computed, judged and written as one page. `make reproduce`.

Runs are kept in runs/reproduction and continued after an interruption; the page is written from them, as Markdown and as one
HTML file. It holds no times or versions, so that the same numbers give the same page.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import ambiguity
import capacity
import early
import fig1
import fig2
import fig3
import fig4_cells
import fixed_points
import identities
import jax
import limits
import linear
import phases
import selectivity
import slope
import symmetry
import thresholds
from measures import DONE, HEADLINE, Claim, Done
from medians import EXPLAINED
from page import Page, badge, write

from astrojax.sweep.engine import PROGRAMS

SECTIONS = (
    *(fig1, fig2, thresholds, symmetry, early, fig3, selectivity, ambiguity),
    *(fig4_cells, limits, linear, slope, fixed_points, phases, capacity),
)

OPEN = [
    (
        "The slope σ of the neurons is not stated.",
        "5: the soft error of very slow neurons stays at n exactly only if tanh σ ≈ 1",
    ),
    (
        "“10/dt steps with dt = 0.001”",
        "horizon 10; where a swept parameter α is 0.01 or less the paper takes dt = 0.05 α, same horizon",
    ),
    ("Fig. 4's corruption levels are not stated.", "0 to 10 flips of N = 20"),
    (
        "Fig. 4's baseline parameters are not stated.",
        "those of the published tutorial of the neuron-astrocyte memory: slope 5, all times 1",
    ),
    (
        "Which pattern is the target, and where a recall starts.",
        "the first; x(0) is the corrupted ±1 vector, the gains are uniform",
    ),
    ("The captions of Figs. 1 and 2 and the text swap them.", "Fig. 1 sweeps τp, Fig. 2 sweeps τx"),
    (
        "Figs. 1 to 3 show medians of 50 trials with percentile bands, the text speaks of errors.",
        "judged by the medians of 50 and of all problems first; then what the mean adds",
    ),
    ("The percentile bands are smoothed.", "nothing is smoothed: bands are quartiles, intervals are of the mean"),
    (
        "“Convergence times” are plotted, and never defined.",
        "by event, at a stated speed; claim C9 at several, and what follows from the choice alone",
    ),
    (
        "The factor K/N of Eq. 5 is missing in the appendix (τp → 0), and is 1/α in Eq. 34.",
        "c = K, Eq. 5; claim C8 shows c = K, N and 1, of which c = N fits the figure",
    ),
    (
        "The paper names a repository with the authors' code, its reference 31.",
        "it could not be had: nothing here was compared with it, and what is open was decided from the text",
    ),
    (
        "Signs in Eqs. 17-18, a stray T in the score for τx → 0, α in Eqs. 33-35.",
        "misprints: the vector field of docs/models.md, checked against ℒ",
    ),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--trials", type=int, default=1000, help="trials of each point; 50 as in the paper; costly parts have fewer"
    )
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where the page is written")
    options = parser.parse_args()
    started = time.perf_counter()
    print("claims that are properties of the equations", flush=True)
    claims, parts = identities.claims(), []
    for section in SECTIONS:
        part = Page(section.__name__)
        before = time.perf_counter()
        claims += section.report(part, options.trials)
        parts.append(part)
        PROGRAMS.clear()
        jax.clear_caches()
        print(f"{section.__name__}: {time.perf_counter() - before:.0f} s", flush=True)
    page = assembled(claims, parts, options.trials, list(DONE.values()))
    options.docs.mkdir(exist_ok=True)
    write(page, options.docs / "reproduction.md", options.docs / "reproduction.html")
    for claim in sorted(claims, key=order):
        print(f"{claim.number:>4} {claim.verdict}")
    print(f"{options.docs / 'reproduction.html'}: written after {time.perf_counter() - started:.0f} s")


def order(claim: Claim) -> int:
    """The number of a claim."""
    return int(claim.number[1:])


def assembled(claims: list[Claim], parts: list[Page], trials: int, runs: Sequence[Done]) -> Page:
    """The page: verdicts first, then every part, what the paper leaves open, and how to repeat it."""
    page = Page("The paper's figures and claims, reproduced")
    page.text(
        'A. Vivet and A. Arenas, "Emergent Self-Attention from Astrocyte-Gated Associative Memory Dynamics" (2026), '
        "arXiv:2604.25481. For every claim: what was claimed, what we computed, with 95% intervals, and whether it "
        "holds. Intervals cover rare failures too; how, and how often, is in statistics.md. Defaults: N = "
        "30, K = 100, n = 6, τx = τp = 1, T = 0.01, σ = 5, horizon "
        f"10, {trials} trials; {HEADLINE * trials:,} for the errors of Figs. 1 to 3. Of "
        f"{sum(run.num_trajectories for run in runs):,} trajectories "
        f"{sum(run.num_failed for run in runs):,} failed; they are left out."
    )
    page.text(
        "## Verdicts\n\nEach names the statistic it is by: the paper's own where it shows one, medians in Figs. 1 to 3. A "
        f"median is given as {EXPLAINED}. A claim holds by medians if it does both in the first 50 trials, as "
        "many as the paper has, and in all."
    )
    rows = [
        [claim.number, claim.says, badge(claim.verdict), claim.statistic, claim.found, claim.reference]
        for claim in sorted(claims, key=order)
    ]
    page.table(["", "claim", "verdict", "by", "computed", "reference or remark"], rows)
    for part in parts:
        page.blocks += part.blocks
    page.text("## What the paper leaves open, and what we use")
    page.table(["the paper", "here"], OPEN)
    page.text(
        "## How to repeat it\n\n"
        f"`make reproduce` computes everything above at {trials} trials (fewer where the text says so) and writes this page; "
        "it is continued after an interruption. Its parts, each of which runs alone:\n\n"
        "```\n" + "\n".join(run.command for run in runs) + "\n```\n\n"
        "Without a sweep: `python experiments/identities.py` (claims C1-C5, C13-C16), `early.py` (C19), `ambiguity.py` (C20) "
        "and `fixed_points.py`. "
        "At the paper's size: `python experiments/reproduce.py --trials 50`, or any command above with `--trials 50`.\n\n"
        "**Seeds.** Sweeps draw from `seed: 2026` of their configuration, so that a problem is the same at any number of "
        "trials, on any axis and for every memory; the Euler protocol and the runs at high precision meet the first of "
        "these. Other problems come from JAX keys: 1 to 9 in `identities.py`, in the order of the claims; K for the "
        "patterns, 1 for the starts, 2 for the queries and 3 for the saddle in `fixed_points.py`; K + n for one step of "
        "attention in `linear.py`; 10 for the decoders that know n in `limits.py`; 11 + K in `early.py`; 12 + the "
        "number of candidates in `ambiguity.py`. Bootstraps and sign flips use NumPy's "
        "generator at 0.\n\n"
        "**Full size, on a GPU.** With JAX for it installed the same commands use it: `python experiments/reproduce.py "
        "--trials 5000` (costly parts are shares of this: Fig. 4 has 1,000), and for Fig. 4 on the paper's whole grid "
        "`astrojax run configs/fig4.yaml --trials 1000`. Solvers and their accuracy are compared in [accuracy.md](accuracy.md)."
    )
    return page


if __name__ == "__main__":
    main()
