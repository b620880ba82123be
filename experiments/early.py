"""Very fast neurons: they first go to the fixed point of the Hopfield network, before the gains have moved. Claim C19."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from measures import ERRORS, Claim, batched, drawn, fewer, mean, share, verdict
from medians import along, described, judged, middle
from page import Page

import astrojax as aj

NUM_NEURONS, NUM_FLIPS, LOADS = 30, 6, (3, 10, 30, 100, 300)

TAUS = (1.0, 0.1, 0.01, 0.001, 0.0001)

PAPER_LOAD = 100

HORIZON = 100.0

RELAXED = 20
"""Time, in units of τx, after which the state is compared with the fixed point: long for the neurons, short for the gains."""

SEED = 11


class Found(NamedTuple):
    """Of a batch of problems: distances in neurons of the Hopfield fixed point, and errors of the full model."""

    from_query: np.ndarray
    from_target: np.ndarray
    missed: np.ndarray
    """Neurons whose sign differs from that of the fixed point after `RELAXED` τx, shape (problems, τx)."""
    errors: np.ndarray
    """Hamming errors at the end, shape (problems, τx)."""
    continued: np.ndarray
    """Hamming error at the end if the recall, at the smallest τx, starts at the fixed point."""


def problems(load: int, number: int) -> Found:
    """Random problems at a load, each by the Hopfield network and by the full model at every τx."""

    def one(key: jax.Array) -> Found:
        patterns, query = drawn(key, NUM_NEURONS, load, NUM_FLIPS)
        target = patterns[:, 0]
        rest = aj.retrieve(aj.HopfieldMemory(patterns), query, t1=200.0, solver="etd3").x

        def full(start: jax.Array, tau_x: jax.Array, t1: jax.Array) -> jax.Array:
            return aj.retrieve(aj.AstrocyteMemory(patterns, tau_x=tau_x), start, t1=t1, solver="etd3", rtol=3e-3, atol=3e-3).x

        taus = jnp.array(TAUS)
        # All recalls of the full model in one batch: on the way, at the end, and from the fixed point.
        starts = jnp.stack([query] * 2 * len(TAUS) + [rest])
        limits = jnp.concatenate([RELAXED * taus, jnp.full(len(TAUS) + 1, HORIZON)])
        ends = jax.vmap(full)(starts, jnp.concatenate([taus, taus, taus[-1:]]), limits)
        early, late, continued = ends[: len(TAUS)], ends[len(TAUS) : -1], ends[-1]
        return Found(
            aj.hamming_error(query, rest),
            aj.hamming_error(target, rest),
            jax.vmap(lambda x: aj.hamming_error(jnp.sign(rest), x))(early),
            jax.vmap(lambda x: aj.hamming_error(target, x))(late),
            aj.hamming_error(target, continued),
        )

    with jax.enable_x64(True):
        return batched(one, SEED + load, number)


def report(page: Page, trials: int) -> list[Claim]:
    """Add where very fast neurons go first; claim C19."""
    number = fewer(trials, 0.2)
    found = {load: problems(load, number) for load in LOADS}
    page.text(
        "## Very fast neurons: the Hopfield network comes first\n\nFor τx → 0 the neurons are at rest before the gains have "
        "moved from 1/K. The couplings are then W_H, and the neurons go to a fixed point of the Hopfield network; the gains "
        "choose by that state. Its distances are counted in neurons of another sign, of N = 30; n = 6."
    )
    header = ["K", "from the query", "from the target", f"full model from it after {RELAXED} τx", "final error", "at τx = 1"]
    rows = [
        [
            str(load),
            described(each.from_query),
            described(each.from_target),
            described(each.missed[:, -1]),
            described(each.errors[:, -1]),
            described(each.errors[:, 0]),
        ]
        for load, each in found.items()
    ]
    page.table(header, rows)
    paper = found[PAPER_LOAD]
    page.table(
        [f"τx, K = {PAPER_LOAD}", *(f"{tau:g}" for tau in TAUS)],
        [
            [f"neurons at the Hopfield fixed point after {RELAXED} τx", *(share(column == 0) for column in paper.missed.T)],
            ["mean final error", *(mean(column, ERRORS) for column in paper.errors.T)],
        ],
    )
    page.text(
        f"{number} problems at each load; the Hopfield network at t = 200, the full model at t = {HORIZON:g}. Medians with 95% "
        f"interval (of the first 50; 5th to 95th percentile). The full model at τx = {TAUS[-1]:g} but in the last column."
    )
    return [claim(found)]


def claim(found: dict[int, Found]) -> Claim:
    """C19: the neurons go there, and it is farther from the query than the noise was, at some load and at the paper's."""
    paper = found[PAPER_LOAD]
    goes = all(judged(lambda missed: np.nanmedian(missed) == 0, each.missed[:, -1]) for each in found.values())
    far = {load: judged(lambda distance: np.nanmedian(distance) > NUM_FLIPS, each.from_query) for load, each in found.items()}
    same = np.concatenate([each.continued == each.errors[:, -1] for each in found.values()])
    distances, errors = (
        along(dict(zip(found, column, strict=True)), "K")
        for column in ([each.from_query for each in found.values()], [each.errors[:, -1] for each in found.values()])
    )
    farthest = max(int(each.from_query.max()) for each in found.values())
    first, last = (f"τx = {tau:g}" for tau in (TAUS[0], TAUS[-1]))
    return Claim(
        "C19",
        "τx → 0: the neurons first go to the fixed point of the Hopfield network, which may be arbitrarily far from the query "
        "(.4).",
        verdict([goes, any(far.values()), far[PAPER_LOAD]]),
        "medians of distances and errors",
        f"neurons of another sign than at that fixed point after {RELAXED} τx, {last}: median "
        + ", ".join(f"{middle(each.missed[:, -1]):g} at K = {load}" for load, each in found.items())
        + f". Distance of the fixed point from the query: {distances}; the farthest is {farthest} of {NUM_NEURONS}. Error "
        f"after it, {last}: {errors}. A recall that starts at the fixed point ends with the same error in "
        f"{share(same)}. What the mean adds, at K = {PAPER_LOAD}: distance "
        f"{mean(paper.from_query, ERRORS)}, error {mean(paper.errors[:, -1], ERRORS)} ({first}: "
        f"{mean(paper.errors[:, 0], ERRORS)}); the fixed point is not the query in {share(paper.from_query > 0)}",
        f"far: by more than the {NUM_FLIPS} neurons that the noise flipped, at some load and at the paper's K = {PAPER_LOAD}. "
        "There K/N, the diagonal of W_H, holds the query nearly where it is; around K = N/3 it does not",
    )


if __name__ == "__main__":
    part = Page("Very fast neurons")
    print(report(part, 100), *part.blocks, sep="\n\n")
