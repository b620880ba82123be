"""Queries equally near to one, two, three and four patterns: how many gains take part, on the way and at the end. Claim C20."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from measures import PERPLEXITIES, Claim, batched, fewer, mean, share, verdict
from medians import described, judged, middle
from page import Page

import astrojax as aj

NUM_NEURONS, NUM_PATTERNS, NUM_FLIPS = 30, 100, 6

CANDIDATES = (1, 2, 3, 4)

TIMES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0)

NEURONS = {"τx = 1": 1.0, "τx = 100": 100.0, "held, τx = 10⁸": 1e8}

SEED = 12


class Found(NamedTuple):
    """Of the problems in which the candidates are nearer to the query than all other patterns."""

    perplexity: np.ndarray
    """Shape (problems, neurons, times)."""
    among: np.ndarray
    """Share of the gains that the candidates have, of the same shape."""


def problems(candidates: int, number: int) -> Found:
    """Random queries, each with `candidates` patterns at a distance of exactly `NUM_FLIPS`, among random ones."""

    def one(key: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        pattern_key, *flip_keys = jax.random.split(key, candidates + 1)
        patterns = aj.random_patterns(pattern_key, num_neurons=NUM_NEURONS, num_patterns=NUM_PATTERNS)
        query = patterns[:, 0]
        near = jnp.stack([aj.flip(flip_key, query, NUM_FLIPS) for flip_key in flip_keys], axis=1)
        patterns = patterns.at[:, :candidates].set(near)
        overlaps = jnp.abs(query @ patterns)
        clear = jnp.max(overlaps[candidates:]) < overlaps[0]

        def along_time(tau_x: jax.Array) -> tuple[jax.Array, jax.Array]:
            memory = aj.AstrocyteMemory(patterns, tau_x=tau_x)
            states = aj.retrieve(memory, query, t1=TIMES[-1], ts=jnp.array(TIMES)).states
            gains = jax.vmap(memory.gains)(states)
            return jax.vmap(lambda s: aj.perplexity(memory.log_gains(s)))(states), jnp.sum(gains[:, :candidates], axis=1)

        return *jax.vmap(along_time)(jnp.array(list(NEURONS.values()))), clear

    with jax.enable_x64(True):
        perplexity, among, clear = batched(one, SEED + candidates, number)
    return Found(perplexity[clear], among[clear])


def report(page: Page, trials: int) -> list[Claim]:
    """Add ambiguous queries to the page; claim C20."""
    number = fewer(trials, 0.2)
    found = {candidates: problems(candidates, number) for candidates in CANDIDATES}
    page.text(
        "## Ambiguous queries\n\nEach query has one to four patterns at a distance of exactly 6 flips, and no other of the 100 "
        f"as near (N = {NUM_NEURONS}; problems with another as near are left out). If the gains adapt to the candidates their "
        "perplexity falls from 100 to the number of candidates, and to 1 when the neurons have broken the tie. Held neurons "
        "never break it."
    )
    for place, neurons in enumerate(NEURONS):
        rows = [
            [str(candidates), *(f"{middle(each.perplexity[:, place, at]):.2f}" for at in range(len(TIMES)))]
            for candidates, each in found.items()
        ]
        page.table([f"{neurons}: candidates", *(f"t = {t:g}" for t in TIMES)], rows)
    page.text(
        "Median perplexity over "
        + ", ".join(f"{len(each.perplexity)}" for each in found.values())
        + f" of {number} problems with {', '.join(map(str, CANDIDATES))} candidates."
    )
    return [claim(found)]


def claim(found: dict[int, Found]) -> Claim:
    """C20: the perplexity falls to the number of candidates and no lower while they are tied, and to 1 when neurons decide."""
    held, free, transient = len(NEURONS) - 1, 0, TIMES.index(3.0)
    tied = {candidates: each.perplexity[:, held, -1] for candidates, each in found.items()}
    early = {candidates: each.perplexity[:, held, transient] for candidates, each in found.items()}
    decided = {candidates: each.perplexity[:, free, -1] for candidates, each in found.items()}
    parts = [judged(lambda gains, m=m: abs(np.nanmedian(gains) - m) < 0.05 * m, values) for m, values in tied.items()]
    parts += [judged(lambda gains: np.nanmedian(gains) < 1.05, values) for values in decided.values()]
    right = np.concatenate([each.among[:, free, -1] > 0.9 for each in found.values()])

    def listed(samples: dict[int, np.ndarray]) -> str:
        return ", ".join(described(values) for values in samples.values())

    return Claim(
        "C20",
        "Under ambiguity the gains adapt to a few candidates: low perplexity (Discussion).",
        verdict(parts),
        "medians of the perplexity",
        f"with {', '.join(map(str, found))} equally near patterns of {NUM_PATTERNS}, median perplexity of held neurons at t = "
        f"{TIMES[transient]:g} {listed(early)}, at t = {TIMES[-1]:g} {listed(tied)}. With τx = 1 at t = {TIMES[-1]:g} "
        f"{listed(decided)}, and more than 0.9 of the gain with a candidate in {share(right)}. What the mean adds: held "
        f"{', '.join(mean(values, PERPLEXITIES) for values in tied.values())}; τx = 1 "
        f"{', '.join(mean(values, PERPLEXITIES) for values in decided.values())}",
        "as many gains are left as there are candidates, and one when the neurons have moved: ambiguity shows on the way, not "
        "at the end",
    )


if __name__ == "__main__":
    part = Page("Ambiguous queries")
    print(report(part, 100), *part.blocks, sep="\n\n")
