"""Claims C1-C5 and C13-C16 of Vivet and Arenas (2026), arXiv:2604.25481: properties that hold exactly or to an order."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from measures import Claim, batched, drawn, share

import astrojax as aj

SIZE = {"num_neurons": 30, "num_patterns": 100}
NUMBER = 200
"""Random problems per claim."""

WORST = "the worst of all problems"
"""What an exact property is judged by."""


def problem(key: jax.Array, **parameters: float | str) -> tuple[aj.AstrocyteMemory, jax.Array]:
    """A memory of random patterns at the paper's size, and a query with 6 flips."""
    patterns, query = drawn(key, **SIZE, num_flips=6)
    return aj.AstrocyteMemory(patterns, **parameters), query


def claims() -> list[Claim]:
    """All of them, in double precision."""
    with jax.enable_x64(True):
        return [simplex(), descent(), fixed_points(), frozen(), adiabatic(), symmetry(), ties(), attention(), experts()]


def simplex() -> Claim:
    def along(key):
        key, temperature_key = jax.random.split(key)
        memory, query = problem(key, temperature=jnp.exp(jax.random.uniform(temperature_key, minval=-9.0, maxval=2.0)))
        states = aj.retrieve(memory, query, t1=10.0, ts=jnp.linspace(0.1, 10, 20)).states
        gains = jax.vmap(memory.gains)(states)

        def residual(state):
            """Of the replicator equation in p, Eq. 6, written out, for the logits' field."""
            p, rate = jax.jvp(memory.gains, (state,), (memory.vector_field(state),))
            scores = (memory.patterns.T @ jnp.tanh(5 * state.x)) ** 2 / (2 * SIZE["num_neurons"])
            fitness = scores - memory.temperature * jnp.log(jnp.maximum(p, 1e-300))
            expected = p * (fitness - p @ fitness)
            return jnp.max(jnp.abs(rate - expected)) / (1 + jnp.max(jnp.abs(scores)))

        return jnp.min(gains), jnp.max(jnp.abs(jnp.sum(gains, axis=1) - 1)), jnp.max(jax.vmap(residual)(states))

    least, excess, apart = (np.asarray(values) for values in batched(along, 1, NUMBER))
    found = (
        f"smallest gain {least.min():.0e}, |Σp − 1| ≤ {excess.max():.0e} along {NUMBER} trajectories at log T from −9 to 2, on "
        f"which dp/dt is that of Eq. 6 to {apart.max():.0e}"
    )
    ok = verdict_of(least.min() >= 0, excess.max() < 1e-12, apart.max() < 1e-12)
    return Claim("C1", "The gains stay on the simplex (Eqs. 3, 6).", ok, WORST, found, "exact")


def descent() -> Claim:
    def along(key):
        memory, query = problem(key)
        states = aj.retrieve(memory, query, t1=10.0, ts=jnp.linspace(0.05, 10, 200)).states
        slopes = jax.vmap(lambda s: jax.jvp(memory.energy, (s,), (memory.vector_field(s),))[1])(states)
        rates, energies = jax.vmap(memory.energy_rate)(states), jax.vmap(memory.energy)(states)
        scale = 1 + jnp.abs(energies)
        return (
            jnp.max(jnp.diff(energies) / scale[1:]),
            jnp.max(rates),
            jnp.max(jnp.abs(slopes - rates) / (scale + jnp.abs(rates))),
        )

    rise, rate, gap = (values.max() for values in batched(along, 2, NUMBER))
    found = (
        f"largest relative rise {max(rise, 0):.0e} along {NUMBER} trajectories; the exact rate is at most {rate:.0e} "
        f"and equals the derivative of ℒ along the flow to {gap:.0e}"
    )
    return Claim(
        "C2",
        "ℒ never increases (Eq. 9, Appendix .1).",
        verdict_of(rise < 1e-9, rate <= 1e-12, gap < 1e-9),
        WORST,
        found,
        "exact",
    )


def fixed_points() -> Claim:
    def end(key):
        memory, query = problem(key)
        found = aj.equilibrium(memory, aj.retrieve(memory, query, t1=1000.0).state)
        p, x = found.gains, found.x
        drive = memory.patterns @ (p * (memory.patterns.T @ jnp.tanh(5 * x))) * SIZE["num_patterns"] / SIZE["num_neurons"]
        scores = (memory.patterns.T @ jnp.tanh(5 * x)) ** 2 / (2 * SIZE["num_neurons"])
        softmax = jax.nn.softmax(scores / memory.temperature)
        return jnp.max(jnp.abs(drive - x)), jnp.max(jnp.abs(softmax - p)), found.converged

    x, p, converged = batched(end, 3, NUMBER)
    found = f"|x − W(p)φ(x)| ≤ {x.max():.0e}, |p − softmax(f/T)| ≤ {p.max():.0e} at {converged.sum()} of {NUMBER} ends"
    ok = verdict_of(converged.all(), x.max() < 1e-10, p.max() < 1e-10)
    return Claim(
        "C3",
        "Equilibria satisfy x = W(p)φ(x), p = softmax(f/T) (Eqs. 10-11).",
        ok,
        WORST,
        found,
        "rounding, after Newton's method",
    )


def frozen() -> Claim:
    def distance(key):
        memory, query = problem(key)
        patterns = memory.patterns
        hopfield = aj.retrieve(aj.HopfieldMemory(patterns), query, t1=10.0, rtol=1e-6, atol=1e-6).x
        limits = {"frozen": {"gain_regime": "frozen"}, "τp": {"tau_p": 1e8}, "T": {"temperature": 1e8}}
        ends = [aj.retrieve(aj.AstrocyteMemory(patterns, **s), query, t1=10.0, rtol=1e-6, atol=1e-6).x for s in limits.values()]
        return jnp.stack([jnp.max(jnp.abs(end - hopfield)) for end in ends])

    frozen_, tau, temperature = batched(distance, 4, 50).max(axis=0)
    found = (
        f"largest difference of x(10): frozen gains {frozen_:.0e}, τp = 10⁸ {tau:.0e}, T = 10⁸ {temperature:.0e} (50 problems)"
    )
    ok = verdict_of(frozen_ < 1e-5, tau < 1e-2, temperature < 1e-2)
    return Claim(
        "C4", "τp → ∞ and T → ∞ give the classical Hopfield network (II.2.3, .4).", ok, WORST, found, "identical when frozen"
    )


def adiabatic() -> Claim:
    taus = jnp.array([1e-2, 1e-3, 1e-4])

    def errors(key, **given):
        memory, query = problem(key)
        exact = aj.retrieve(aj.AstrocyteMemory(memory.patterns, gain_regime="adiabatic", **given), query, t1=1.0, **TIGHT).x
        ends = [aj.retrieve(aj.AstrocyteMemory(memory.patterns, tau_p=tau, **given), query, t1=1.0, **TIGHT).x for tau in taus]
        first, second = jax.lax.top_k(jnp.abs(query @ memory.patterns), 2)[0]
        return jnp.stack([jnp.max(jnp.abs(end - exact)) for end in ends]), first > second

    texts, parts = [], []
    for where, given in (("at T = 3, σ = 1", {"temperature": 3.0, "slope": 1.0}), ("at T = 0.01, σ = 5", {})):
        distances, untied = batched(partial(errors, **given), 5, 20)
        chosen = distances if given else distances[untied]
        orders = np.median(-np.diff(np.log10(chosen), axis=1), axis=0)
        size = ", ".join(f"{d:.0e}" for d in np.median(chosen, axis=0))
        texts.append(f"{size}, orders {orders[0]:.2f} and {orders[1]:.2f} {where} ({len(chosen)} problems)")
        parts.append(abs(orders[-1] - 1) < 0.1)
    return Claim(
        "C5",
        "τp → 0 gives instantaneous softmax routing (.4).",
        verdict_of(*parts),
        "median order over the problems",
        f"median distance of x(1) at τp = 10⁻², 10⁻³, 10⁻⁴ from gains that follow at once: {'; '.join(texts)}",
        "first order in τp; at T = 0.01 without queries that are equally near to two patterns, which no softmax at once "
        "tells apart",
    )


TIGHT = {"solver": "tsit5", "rtol": 1e-9, "atol": 1e-9, "max_steps": 10**6}
"""For distances that are to fall with τp: see docs/accuracy.md on exponential solvers and gains that follow at once."""


def symmetry() -> Claim:
    def distance(key):
        memory, query = problem(key)
        return jnp.max(jnp.abs(aj.retrieve(memory, query, t1=10.0).x + aj.retrieve(memory, -query, t1=10.0).x))

    largest = batched(distance, 6, NUMBER).max()
    return Claim(
        "C13",
        "The squared score has the symmetry x → −x (.3.1).",
        verdict_of(largest == 0),
        WORST,
        f"|x(−q) + x(q)| ≤ {largest:g}",
        "exact",
    )


def ties() -> Claim:
    def ends(key):
        patterns = aj.random_patterns(key, num_neurons=31, num_patterns=100)
        first, second = patterns[:, 0], patterns[:, 1]
        differs = first != second
        query = jnp.where(differs & (jnp.cumsum(differs) <= jnp.sum(differs) // 2), second, first)
        scores = jnp.abs(query @ patterns)
        tied = (scores[0] == scores[1]) & (jnp.max(scores) == scores[0]) & (jnp.sum(scores == scores[0]) == 2)
        free, held = (aj.retrieve(aj.AstrocyteMemory(patterns, tau_x=tau_x), query, t1=100.0).gains for tau_x in (1.0, 1e8))
        return tied, jnp.max(free), jnp.max(free[:2]), jnp.max(held)

    tied, gain, of_tied, held = batched(ends, 7, 2000)
    resolved, kept = gain[tied] > 0.9, held[tied] > 0.9
    found = (
        f"{share(resolved)} of {tied.sum()} queries that are equally near to two patterns, and less to all others, end with a "
        f"single gain (t = 100), {share(of_tied[tied] > 0.9)} with that of one of the two; of neurons that are held (τx = 10⁸) "
        f"{share(kept)}"
    )
    ok = verdict_of(resolved.mean() > 0.95, kept.mean() < 0.05)
    return Claim(
        "C14",
        "Ties between equal scores are broken by the neurons (.3.2).",
        ok,
        "share of the queries",
        found,
        "all but non-generic cases",
    )


def attention() -> Claim:
    def distance(key):
        memory, query = problem(key, score="linear", gain_regime="adiabatic", temperature=3.0)
        step = query + memory.vector_field(memory.initial_state(query)).x
        weights = jnp.exp(memory.patterns.T @ jnp.tanh(5 * query) / 3.0)
        return jnp.max(jnp.abs(step - memory.patterns @ weights / jnp.sum(weights)))

    largest = batched(distance, 8, NUMBER).max()
    found = f"one step of size 1 with gains that follow at once differs from Ξ softmax(Ξᵀφ/T) by {largest:.0e} (T = 3)"
    return Claim(
        "C15",
        "The linear score reproduces the attention readout (Discussion).",
        verdict_of(largest < 1e-12),
        WORST,
        found,
        "rounding",
    )


def experts() -> Claim:
    def distance(key):
        memory, query = problem(key, temperature=1.0)
        state = aj.retrieve(memory, query, t1=3.0).state
        rank_one = jnp.einsum("k,ik,jk->ij", memory.gains(state), memory.patterns, memory.patterns)
        coupling = rank_one * SIZE["num_patterns"] / SIZE["num_neurons"]
        drive = coupling @ jnp.tanh(5 * state.x)
        return jnp.max(jnp.abs(memory.vector_field(state).x - (drive - state.x))) / jnp.max(jnp.abs(drive))

    largest = batched(distance, 9, NUMBER).max()
    found = f"the drive differs from Σ p_μ (K/N) ξ_μ ξ_μᵀ φ by {largest:.0e} of its size (T = 1, t = 3)"
    return Claim(
        "C16",
        "The drive is a mixture of rank-one experts gated by p (II.2.2).",
        verdict_of(largest < 1e-12),
        WORST,
        found,
        "identity",
    )


def verdict_of(*parts: object) -> str:
    """A property holds, or it does not."""
    return "holds" if all(map(bool, parts)) else "does not hold"


if __name__ == "__main__":
    for claim in claims():
        print(f"{claim.number} {claim.says} {claim.verdict}: {claim.found} (reference: {claim.reference})")
