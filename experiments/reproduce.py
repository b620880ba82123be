"""The whole reproduction: every figure and claim of the paper, computed, judged and written as one page. `make reproduce`.

Runs are kept in runs/reproduction and continued after an interruption; the page is written from them, as Markdown and as one
HTML file. It holds no times or versions, so that the same numbers give the same page.
"""

import argparse
import time
from pathlib import Path

import capacity
import fig1
import fig2
import fig3
import fig4
import fixed_points
import identities
import limits
import linear
import phases
import slope
from measures import Claim

from astrojax.report.page import Page, badge, write

SECTIONS = (fig1, fig2, fig3, fig4, limits, linear, slope, fixed_points, phases, capacity)

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
    ("Percentile bands are smoothed.", "nothing is smoothed: bands are quartiles, intervals are of the mean"),
    (
        "Signs in Eqs. 17-18, a stray T, a missing K/N, α in Eqs. 33-35.",
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
        print(f"{section.__name__}: {time.perf_counter() - before:.0f} s", flush=True)
    page = assembled(claims, parts, options.trials)
    options.docs.mkdir(exist_ok=True)
    write(page, options.docs / "reproduction.md", options.docs / "reproduction.html")
    for claim in sorted(claims, key=order):
        print(f"{claim.number:>4} {claim.verdict}")
    print(f"{options.docs / 'reproduction.html'}: written after {time.perf_counter() - started:.0f} s")


def order(claim: Claim) -> int:
    """The number of a claim."""
    return int(claim.number[1:])


def assembled(claims: list[Claim], parts: list[Page], trials: int) -> Page:
    """The page: verdicts first, then every part, what the paper leaves open, and how to repeat it."""
    page = Page("The paper's figures and claims, reproduced")
    page.text(
        'A. Vivet and A. Arenas, "Emergent Self-Attention from Astrocyte-Gated Associative Memory Dynamics" (2026), '
        "arXiv:2604.25481. For every claim: what was claimed, what we computed, with 95% intervals, and whether it "
        "holds. Intervals of means and medians are percentile bootstraps over trials, of shares Wilson's. Defaults: N = "
        "30, K = 100, n = 6, τx = τp = 1, T = 0.01, σ = 5, horizon "
        f"10, {trials} trials."
    )
    page.text("## Verdicts")
    rows = [
        [claim.number, claim.says, badge(claim.verdict), claim.found, claim.reference] for claim in sorted(claims, key=order)
    ]
    page.table(["", "claim", "verdict", "computed", "reference or remark"], rows)
    for part in parts:
        page.blocks += part.blocks
    page.text("## What the paper leaves open, and what we use")
    page.table(["the paper", "here"], OPEN)
    page.text(
        "## How to repeat it\n\n"
        f"`make reproduce` computes everything above at {trials} trials (fewer where the text says so) and writes this "
        "page; it is continued after an interruption. All seeds are in the configurations (`seed: 2026`), and each can "
        "be run alone, at any size:\n\n"
        "```\n"
        + "\n".join(f"astrojax run configs/{name}.yaml --trials {trials}" for name in CONFIGURATIONS)
        + "\n```\n\nFixed points and exact claims: `python experiments/fixed_points.py`, `python experiments/identities.py`. "
        "On a GPU, with JAX for it installed, the same commands use it; the full size is `python experiments/reproduce.py "
        "--trials 5000` and, for Fig. 4 on the paper's whole grid, `astrojax run configs/fig4.yaml --trials 1000`. Solvers and "
        "their accuracy are compared in [accuracy.md](accuracy.md)."
    )
    return page


CONFIGURATIONS = (
    *(
        "fig1",
        "fig2",
        "fig3",
        "fig4",
        "convergence",
        "slope",
        "linear",
        "limits",
        "digits",
        "phase_times",
        "phase_load",
        "capacity",
    ),
)


if __name__ == "__main__":
    main()
