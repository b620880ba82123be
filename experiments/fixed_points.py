"""What lies at the fixed points: attractors, their stability and kind, saddles, and the size of basins."""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
from measures import Claim
from page import Page

import astrojax as aj
from astrojax.report.statistics import share_interval

NUM_NEURONS, NUM_STARTS, NUM_QUERIES = 30, 200, 200
LOADS, TEMPERATURES = (3, 10, 100), (0.01, 3.0, 30.0)
DISTANCES = (0, 3, 6, 9, 12, 15)


def report(page: Page, trials: int) -> list[Claim]:
    """Add attractors, saddles and basins to the page; computed in double precision, at the same size for any `trials`."""
    with jax.enable_x64(True):
        page.text(
            "## At the fixed points\n\nFrom the end of a long trajectory Newton's method finds the fixed point itself; the "
            "eigenvalues of the Jacobian there say whether it is stable. They are real, since the system descends ℒ. All "
            "figures are of one draw of patterns for each K."
        )
        header = [
            "K, T",
            "fixed points",
            "largest residual",
            *(kind.name.lower() for kind in aj.EquilibriumKind),
            "unstable",
            "unsettled",
        ]
        page.table(header, [attractors(load, temperature) for load in LOADS for temperature in TEMPERATURES])
        page.text(
            f"Distinct fixed points that {NUM_STARTS} random starts of ±1 end in, N = {NUM_NEURONS}; then how many starts "
            "ended in each kind of state, in one that is not stable (a saddle or marginal; these count among the fixed "
            "points), and in none (the horizon is 30 relaxation times of the slowest variable). A memory's negative counts as "
            "the memory."
        )
        page.text(saddle())
        page.table(["basin of one memory; K, T", *(f"n = {n}" for n in DISTANCES)], [basin(load, 0.01) for load in LOADS])
        page.text(
            f"Basins: share of {NUM_QUERIES} random queries at each distance n from the first memory that return to it "
            "without error, T = 0.01, with 95% intervals. At n = 0 the queries are all the same, and the share is 0 or "
            "1: whether the memory is kept."
        )
    return []


def memory_of(load: int, temperature: float) -> aj.AstrocyteMemory:
    """A memory of random patterns, the same for all temperatures."""
    patterns = aj.random_patterns(jax.random.key(load), num_neurons=NUM_NEURONS, num_patterns=load)
    return aj.AstrocyteMemory(patterns, temperature=temperature)


def attractors(load: int, temperature: float) -> list[str]:
    """A row of the table of attractors."""
    memory = memory_of(load, temperature)
    starts = jax.random.rademacher(jax.random.key(1), (NUM_STARTS, NUM_NEURONS), dtype=memory.patterns.dtype)
    found = aj.attractors(memory, starts)
    counts = np.asarray(found.counts)
    kinds = Counter(dict.fromkeys(aj.EquilibriumKind, 0))
    for kind, count in zip(np.asarray(found.identities.kind), counts, strict=True):
        kinds[aj.EquilibriumKind(int(kind))] += int(count)
    unstable = counts[np.asarray(found.spectra.stability) != aj.Stability.STABLE].sum()
    residual = np.asarray(found.equilibria.residual).max(initial=0)
    ends = [str(kinds[kind]) for kind in aj.EquilibriumKind]
    return [
        f"{load}, {temperature:g}",
        str(counts.size),
        f"{residual:.0e}",
        *ends,
        str(unstable),
        str(int(found.num_unsettled)),
    ]


def saddle() -> str:
    """Describe the saddle between two memories."""
    patterns = aj.random_patterns(jax.random.key(3), num_neurons=NUM_NEURONS, num_patterns=3)
    memory = aj.AstrocyteMemory(patterns, temperature=0.5)
    middle = patterns[:, 0] + patterns[:, 1]
    start = aj.AstrocyteState(middle, jnp.array([20.0, 20.0, 0.0]))
    found = aj.equilibrium(memory, start)
    spectrum, identity = aj.spectrum(memory, found.state), aj.identify(memory, found.state)
    name = aj.EquilibriumKind(int(identity.kind)).name.lower()
    return (
        f"Between two memories stands a **{aj.Stability(int(spectrum.stability)).name.lower()}** with "
        f"{int(spectrum.index)} unstable "
        f"direction(s): a {name} of {int(np.abs(identity.signs).sum())} patterns with gains "
        f"{np.round(np.asarray(found.gains), 3).tolist()} "
        f"(K = 3, T = 0.5), residual {float(found.residual):.0e}, leading eigenvalue {float(spectrum.eigenvalues[0]):.3g}."
    )


def basin(load: int, temperature: float) -> list[str]:
    """A row of the table of basins."""
    found = aj.basin(memory_of(load, temperature), jax.random.key(2), num_flips=list(DISTANCES), num_queries=NUM_QUERIES)
    low, high = share_interval(np.asarray(found.num_returned), np.asarray(found.num_valid))
    cells = [f"{share:.0%} [{a:.0%}, {b:.0%}]" for share, a, b in zip(np.asarray(found.share), low, high, strict=True)]
    return [f"{load}, {temperature:g}", *cells]


if __name__ == "__main__":
    page = Page("Fixed points")
    report(page, 1)
    print("\n\n".join(str(block) for block in page.blocks))
