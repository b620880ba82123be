"""From a setting to everything the explorer shows, by one compiled program for each memory, its options and its size."""

import functools
import io
import math
import threading
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from .._internal.arrays import parse_array
from .._internal.checks import InputError
from .._internal.random import seed_key
from ..equilibria import EquilibriumKind, identify
from ..models import AbstractMemory, AstrocyteMemory, HopfieldMemory, memories
from ..models.scores import scores
from ..problems.corruption import Flips, corruptions
from ..problems.decoders import bayes_decoder, nearest_pattern
from ..problems.observables import hamming_error, perplexity
from ..problems.patterns import as_patterns, digits, pooled_patterns
from ..solve.retrieve import Status, retrieve
from .settings import ENSEMBLES, MOST_PATTERNS, SCORES, Settings

FRACTIONS = np.geomspace(1e-4, 1, 97, dtype=np.float32)
"""Times at which a retrieval is shown, in horizons: on a logarithmic scale, since time constants span decades."""

NUM_SHOWN = 6
"""Patterns whose gains and overlaps are drawn."""

LARGEST_UPLOAD, MOST_NEURONS, MOST_ENTRIES = 10 * 2**20, 4096, 1_000_000
"""Bytes of a pattern file, neurons N, and entries N·K that the explorer takes."""

MOST_PROGRAMS = 64
"""Most compiled programs in memory. Before there are more, all are dropped, and those still in use are compiled again."""


class Start(NamedTuple):
    """The pattern file to start with: its path and bytes, and how it is read: other arguments of `load_patterns`."""

    name: str
    data: bytes
    reading: dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """Patterns, shape (N, capacity), target and query, shape (N,), in single precision, and the Bayes decoder's evidence β."""

    patterns: np.ndarray
    target: np.ndarray
    query: np.ndarray
    evidence: float


@dataclass(frozen=True)
class Answer:
    """The outcome of a setting; T times, N neurons, S = `NUM_SHOWN` patterns.

    Arguments:
        times: shape (T,). rates: firing rates φ(x), shape (T, N). energy: shape (T,).
        shown: numbers of the patterns shown, shape (S,): the target, the other that is nearest at the end, and those that
            come nearest on the way; −1 where fewer are stored.
        gains, overlaps: p and ⟨ξ, φ(x)⟩/N of the patterns shown, shape (T, S). Gains are NaN for a memory without any.
        signs: the final signs by memory or decoder, shape (N,). errors: their Hamming errors.
        statuses: `Status` by memory.
        kind: an `EquilibriumKind`. pattern: the leading pattern, or −1. sign: −1 if its negative leads.
        num_mixed: number of patterns in a mixture.
        final_gains: of all patterns, shape (capacity,). perplexity: of these gains.
        steps: accepted and rejected.
        others: which patterns are stored, and neither the target nor a copy of it, shape (capacity,).
        query_scores: g(m) at the query, shape (capacity,); NaN for a memory without gains that follow scores.
        residual: distance of the end from equilibrium: of the neurons relative to the largest |x|, of the gains absolute.
        signed: whether the memory distinguishes a pattern from its negative.
    """

    times: np.ndarray
    rates: np.ndarray
    energy: np.ndarray
    shown: np.ndarray
    gains: np.ndarray
    overlaps: np.ndarray
    signs: dict[str, np.ndarray]
    errors: dict[str, float]
    statuses: dict[str, Status]
    kind: EquilibriumKind
    pattern: int
    sign: int
    num_mixed: int
    final_gains: np.ndarray
    perplexity: float
    steps: tuple[int, int]
    others: np.ndarray
    query_scores: np.ndarray
    residual: float
    signed: bool

    @property
    def is_recalled(self) -> bool:
        """Whether the memory recalls the target."""
        return self.statuses["memory"] == Status.OK and self.errors["memory"] == 0

    def verdict(self, settings: Settings) -> str:
        """What was recalled."""
        status, error, num_neurons = self.statuses["memory"], self.errors["memory"], self.rates.shape[1]
        if status != Status.OK:
            return f"{status.name}: {status.meaning}"
        if error == 0:
            return "Recalled"
        if error == num_neurons:
            return "The negative of the target"
        match self.kind:
            case EquilibriumKind.SILENT:
                return "Silence: no neuron fires"
            case EquilibriumKind.MIXTURE:
                return f"A mixture of {self.num_mixed} patterns"
            case EquilibriumKind.MEMORY if self.pattern == settings.target:
                return "Nearly recalled" if self.sign > 0 else "Nearly the negative of the target"
            case EquilibriumKind.MEMORY:
                return f"{'Wrong pattern' if self.sign > 0 else 'Negative of a wrong pattern'}: number {self.pattern}"
            case _:
                return "No stored pattern"


def read_upload(name: str, data: bytes, array: str | None, threshold: float | None, max_duplicates: int = 0) -> np.ndarray:
    """Patterns from the bytes of a pattern file, shape (N, K).

    Raises:
        InputError (a ValueError): as `load_patterns`, and for what is too large to be explored.
    """
    name = name.replace("\\", "/").rpartition("/")[2]
    if len(data) > LARGEST_UPLOAD:
        raise InputError(too_large(name, len(data)))
    rows = parse_array(io.BytesIO(data), len(data), name, array, LARGEST_UPLOAD)
    if rows.size > MOST_ENTRIES or math.prod(rows.shape[1:]) > MOST_NEURONS:
        raise InputError(
            f"patterns in {name} must have at most {MOST_ENTRIES:,} entries, in rows of at most {MOST_NEURONS:,}; "
            f"got an array of shape {rows.shape}"
        )
    patterns = as_patterns(rows, name, array=array, threshold=threshold, max_duplicates=max_duplicates)
    return np.asarray(patterns, np.float32)


def too_large(name: str, size: int) -> str:
    """The error message for a file that has too many bytes."""
    return f"pattern file {name} has {size / 2**20:.1f} MiB; the explorer takes at most {LARGEST_UPLOAD // 2**20} MiB"


@functools.lru_cache(maxsize=16)
def drawn_patterns(source: str, num_neurons: int, seed: int) -> np.ndarray:
    """The digits or random patterns of a seed, shape (N, `MOST_PATTERNS`). The first K are those that the seed gives for K."""
    key = seed_key(seed)
    if source == "digits":
        patterns = pooled_patterns(key, pool=digits(), num_patterns=MOST_PATTERNS)
    else:
        patterns = ENSEMBLES[source](key, num_neurons=num_neurons, num_patterns=MOST_PATTERNS)
    return np.asarray(patterns, np.float32)


def make_problem(settings: Settings, uploaded: np.ndarray | None) -> Problem:
    """The problem of a setting; `uploaded` are the patterns where the source is a file."""
    if settings.source == "file":
        assert uploaded is not None
        patterns = uploaded
    else:
        patterns = drawn_patterns(settings.source, settings.num_neurons, settings.seed)
    target = patterns[:, settings.target]
    corruption, level = corruptions()[settings.corruption](), jnp.float32(settings.level)
    if settings.flipped is not None:
        query = target.copy()
        query[list(settings.flipped)] *= -1
        corruption, level = Flips(), jnp.float32(len(settings.flipped))
    else:
        query = np.asarray(corruption(seed_key(settings.query_seed), jnp.asarray(target), level), np.float32)
    return Problem(patterns, target, query, float(corruption.evidence(level, len(target))))


_compiled: set[Hashable] = set()
_compiling = threading.Lock()


def is_compiled(settings: Settings, problem: Problem) -> bool:
    """Whether the program of a setting is compiled; all sessions share it."""
    return static_key(settings, problem) in _compiled


def static_key(settings: Settings, problem: Problem) -> Hashable:
    """What a program is compiled for."""
    return settings.memory, *settings.options().items(), problem.patterns.shape


def answer(settings: Settings, problem: Problem) -> Answer:
    """The outcome for the memory, the Hopfield network and the decoders."""
    key = static_key(settings, problem)
    if key in _compiled:
        return _answer(settings, problem)
    with _compiling:  # sessions that want the same program wait for it
        if key not in _compiled and len(_compiled) >= MOST_PROGRAMS:
            _compiled.clear()
            _solve.clear_cache()  # type: ignore[attr-defined]
        found = _answer(settings, problem)
        _compiled.add(key)
    return found


def _answer(settings: Settings, problem: Problem) -> Answer:
    options = tuple(settings.options().items())
    signed = _is_signed(settings.memory, options)
    numbers = {**settings.numbers(), "t1": settings.values["t1"], "evidence": problem.evidence}
    found = jax.device_get(
        _solve(
            problem.patterns,
            np.int32(settings.num_patterns),
            np.int32(settings.target),
            problem.query,
            {name: np.float32(value) for name, value in numbers.items()},
            kind=settings.memory,
            options=options,
            signed=signed,
        )
    )
    found = jax.tree.map(lambda value: value if np.ndim(value) else value.item(), found)
    found["statuses"] = {name: Status(status) for name, status in found["statuses"].items()}
    return Answer(**found | {"kind": EquilibriumKind(found["kind"]), "signed": signed})


def _build(kind: str, options: tuple[tuple[str, str], ...], patterns: jax.Array, **more: Any) -> AbstractMemory:
    static: dict[str, Any] = dict(options)
    if "score" in static:
        given = dict(SCORES[static["score"]])
        static["score"] = scores()[given.pop("score")](**given)
    return memories()[kind](patterns, **static, **more)


@functools.cache
def _is_signed(kind: str, options: tuple[tuple[str, str], ...]) -> bool:
    """Whether the memory distinguishes a pattern from its negative: its equations change under x → −x."""
    patterns = jnp.asarray([[1.0], [1.0], [-1.0]], jnp.float32)

    @jax.jit
    def drives(query: jax.Array) -> tuple[jax.Array, jax.Array]:
        memory = _build(kind, options, patterns)
        forward, backward = (memory.vector_field(memory.initial_state(x)).x for x in (query, -query))
        return forward, -backward

    forward, backward = drives(jnp.ones(3, jnp.float32))
    return not np.allclose(forward, backward, rtol=1e-4)


@functools.partial(jax.jit, static_argnames=("kind", "options", "signed"))
def _solve(
    patterns: jax.Array,
    num_patterns: jax.Array,
    target: jax.Array,
    query: jax.Array,
    numbers: dict[str, jax.Array],
    *,
    kind: str,
    options: tuple[tuple[str, str], ...],
    signed: bool,
) -> dict[str, Any]:
    numbers = dict(numbers)
    t1, evidence = numbers.pop("t1"), numbers.pop("evidence")
    capacity = patterns.shape[1]
    stored = jnp.arange(capacity, dtype=jnp.int32) < num_patterns
    wanted = patterns[:, target]
    memory: Any = _build(kind, options, patterns, stored=stored, **numbers)
    ways: dict[str, Any] = {"adjoint": diffrax.ForwardMode(), "t1": t1}
    recall = retrieve(memory, query, ts=t1 * FRACTIONS, **ways)
    overlaps = jax.vmap(memory.overlaps)(recall.states) / memory.num_neurons
    has_gains = memory.gains(recall.state) is not None
    gains = jax.vmap(memory.gains)(recall.states) if has_gains else jnp.zeros_like(overlaps)
    likeness = overlaps if signed else jnp.abs(overlaps)
    correlations = wanted @ patterns
    others = stored & ((correlations if signed else jnp.abs(correlations)) < memory.num_neurons)
    rival = jnp.argmax(jnp.where(others, gains[-1] + likeness[-1], -2))
    nearness = jnp.max(gains, axis=0) + jnp.max(jnp.abs(overlaps), axis=0)
    nearness = jnp.where(stored, nearness, -1).at[rival].set(3).at[target].set(4)
    _, shown = jax.lax.top_k(nearness, min(NUM_SHOWN, capacity))
    gains = gains if has_gains else jnp.full_like(gains, jnp.nan)
    identity, last = identify(memory, recall.state), gains[-1]
    residual = jnp.max(jnp.abs(memory.tau_x * memory.vector_field(recall.state).x)) / jnp.max(jnp.abs(recall.x))
    query_scores = jnp.full_like(last, jnp.nan)
    if isinstance(memory, AstrocyteMemory):
        query_scores = memory.scores(memory.initial_state(query))
        if memory.gain_regime == "dynamic":
            settled = jax.nn.softmax(memory.scores(recall.state) / memory.temperature, where=stored)
            residual = jnp.maximum(residual, jnp.max(jnp.abs(last - settled)))

    hopfield = retrieve(HopfieldMemory(patterns, stored=stored, tau_x=memory.tau_x, slope=memory.slope), query, **ways)
    how: dict[str, Any] = {"signed": signed, "stored": stored}
    signs = {
        "memory": jnp.sign(recall.x),
        "hopfield": jnp.sign(hopfield.x),
        "nearest": nearest_pattern(seed_key(0), patterns, query, **how),
        "bayes": bayes_decoder(patterns, query, evidence, **how),
    }
    return {
        "times": recall.ts,
        "rates": jax.vmap(memory.readout)(recall.states),
        "energy": jax.vmap(memory.energy)(recall.states),
        "shown": jnp.where(stored[shown], shown, -1),
        "gains": gains[:, shown],
        "overlaps": overlaps[:, shown],
        "signs": signs,
        "errors": {name: hamming_error(wanted, found) for name, found in signs.items()},
        "statuses": {"memory": recall.status, "hopfield": hopfield.status},
        "kind": identity.kind,
        "pattern": identity.pattern,
        "sign": identity.signs[identity.pattern],
        "num_mixed": jnp.sum(identity.signs != 0),
        "final_gains": last,
        "perplexity": perplexity(memory.log_gains(recall.state)) if has_gains else jnp.nan,
        "steps": (recall.stats["num_accepted_steps"], recall.stats["num_rejected_steps"]),
        "others": others,
        "query_scores": query_scores,
        "residual": residual,
    }
