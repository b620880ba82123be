"""From a setting to everything the explorer shows, by one compiled program for each memory, its options and its size."""

import functools
import io
import math
import threading
from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._internal.arrays import parse_array
from .._internal.checks import InputError
from .._internal.random import seed_key
from ..equilibria.classification import EquilibriumKind, Identity, identify, is_odd
from ..models import AbstractMemory, memories
from ..models.astrocyte import AstrocyteMemory
from ..models.hopfield import HopfieldMemory
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


@dataclass(frozen=True)
class Problem:
    """Patterns, shape (N, capacity), target and query, shape (N,), in single precision, and the Bayes decoder's evidence β."""

    patterns: np.ndarray
    target: np.ndarray
    query: np.ndarray
    evidence: float


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Answer:
    """The outcome of a setting; T times, N neurons, S = `NUM_SHOWN` patterns."""

    times: Any  # shape (T,)
    rates: Any  # firing rates φ(x), shape (T, N)
    energy: Any  # shape (T,)
    shown: Any  # the target, the other pattern nearest at the end, and the nearest on the way, −1 for none, shape (S,)
    gains: Any  # p of the patterns shown, shape (T, S); NaN for a memory without gains
    overlaps: Any  # ⟨ξ, φ(x)⟩/N of the patterns shown, shape (T, S)
    signs: dict[str, Any]  # the final signs by memory or decoder, shape (N,)
    errors: dict[str, Any]  # their Hamming errors
    statuses: dict[str, Any]  # `Status` by memory
    identity: Identity  # what the memory recalls
    final_gains: Any  # of all patterns, shape (capacity,)
    perplexity: Any
    steps: tuple[Any, Any]  # accepted and rejected
    others: Any  # which patterns are stored, and neither the target nor a copy of it, shape (capacity,)
    query_scores: Any  # g(m) at the query, shape (capacity,); NaN for a memory without gains that follow scores
    residual: Any  # distance of the end from equilibrium: of neurons relative to the largest |x|, of gains absolute
    signed: bool = field(metadata={"static": True})  # whether the memory distinguishes a pattern from its negative

    @property
    def is_recalled(self) -> bool:
        """Whether the memory recalls the target."""
        return bool(self.statuses["memory"] == Status.OK and self.errors["memory"] == 0)

    def verdict(self, settings: Settings) -> str:
        """What was recalled."""
        status, error = Status(self.statuses["memory"]), self.errors["memory"]
        if status != Status.OK:
            return f"{status.name}: {status.meaning}"
        if error == 0:
            return "Recalled"
        if error == self.rates.shape[1]:
            return "The negative of the target"
        match int(self.identity.kind):
            case EquilibriumKind.SILENT:
                return "Silence: no neuron fires"
            case EquilibriumKind.MIXTURE:
                return f"A mixture of {np.count_nonzero(self.identity.signs)} patterns"
            case EquilibriumKind.MEMORY:
                pattern = int(self.identity.pattern)
                name = "the target" if pattern == settings.target else f"another pattern, number {pattern}"
                return f"Nearly {'the negative of ' if self.identity.signs[pattern] < 0 else ''}{name}"
            case _:
                return "No stored pattern"


def read_upload(
    name: str, data: bytes, array: str | None = None, threshold: Any = None, max_duplicates: int = 0, size: int = 0
) -> np.ndarray:
    """Patterns from the bytes of a pattern file, shape (N, K); `data` may be incomplete if the file's `size` is too large."""
    name, size = name.replace("\\", "/").rpartition("/")[2], max(size, len(data))
    if size > LARGEST_UPLOAD:
        largest = LARGEST_UPLOAD // 2**20
        raise InputError(f"pattern file {name} has {size / 2**20:.1f} MiB; the explorer takes at most {largest} MiB")
    rows = parse_array(io.BytesIO(data), size, name, array, LARGEST_UPLOAD)
    if rows.size > MOST_ENTRIES or math.prod(rows.shape[1:]) > MOST_NEURONS:
        raise InputError(
            f"patterns in {name} must have at most {MOST_ENTRIES:,} entries, in rows of at most {MOST_NEURONS:,}; "
            f"got an array of shape {rows.shape}"
        )
    patterns = as_patterns(rows, name, array=array, threshold=threshold, max_duplicates=max_duplicates)
    return np.asarray(patterns, np.float32)


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
    evidence = corruption.evidence(level, len(target))
    return Problem(patterns, target, query, math.nan if evidence is None else float(evidence))


workers = ThreadPoolExecutor(16, thread_name_prefix="explore")
"""Shared by all sessions: each computes at most one answer at a time."""

_programs: dict[Hashable, Future[Answer]] = {}
_lock = threading.Lock()


def program(settings: Settings, problem: Problem) -> Future[Answer]:
    """The compilation of a setting's program, which all sessions share; it starts if it has not, or if it failed."""
    key = settings.memory, *settings.options().items(), problem.patterns.shape
    with _lock:
        known = _programs.get(key)
        if known is None or (known.done() and known.exception()):
            if len(_programs) >= MOST_PROGRAMS:
                _programs.clear()
                _solve.clear_cache()  # type: ignore[attr-defined]
            known = _programs[key] = workers.submit(answer, settings, problem)
    return known


def answer(settings: Settings, problem: Problem) -> Answer:
    """The outcome for the memory, the Hopfield network and the decoders."""
    options = tuple(settings.options().items())
    numbers = {**settings.numbers(), "t1": settings.values["t1"], "evidence": problem.evidence}
    found: Answer = jax.device_get(
        _solve(
            problem.patterns,
            np.int32(settings.num_patterns),
            np.int32(settings.target),
            problem.query,
            {name: np.float32(value) for name, value in numbers.items()},
            kind=settings.memory,
            options=options,
            signed=_is_signed(settings.memory, options),
        )
    )
    return found


def _build(kind: str, options: tuple[tuple[str, str], ...], patterns: jax.Array, **more: Any) -> AbstractMemory:
    static: dict[str, Any] = dict(options)
    if "score" in static:
        given = dict(SCORES[static["score"]])
        static["score"] = scores()[given.pop("score")](**given)
    return memories()[kind](patterns, **static, **more)


@functools.cache
def _is_signed(kind: str, options: tuple[tuple[str, str], ...]) -> bool:
    """Whether the memory distinguishes a pattern from its negative."""
    memory = _build(kind, options, jnp.asarray([[1.0], [1.0], [-1.0]], jnp.float32))
    return not eqx.filter_jit(is_odd)(memory, memory.initial_state(jnp.ones(3, jnp.float32)))


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
) -> Any:
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
    last = gains[-1]
    residual = jnp.max(jnp.abs(memory.tau_x * memory.vector_field(recall.state).x)) / jnp.max(jnp.abs(recall.x))
    query_scores = jnp.full_like(last, jnp.nan)
    if isinstance(memory, AstrocyteMemory):
        query_scores = memory.scores(memory.initial_state(query))
        if memory.gain_regime == "dynamic":
            settled = memory.gain_map.gains(memory.scores(recall.state) / memory.temperature, stored)
            residual = jnp.maximum(residual, jnp.max(jnp.abs(last - settled)))

    hopfield = retrieve(HopfieldMemory(patterns, stored=stored, tau_x=memory.tau_x, slope=memory.slope), query, **ways)
    how: dict[str, Any] = {"signed": signed, "stored": stored}
    signs = {
        "memory": jnp.sign(recall.x),
        "hopfield": jnp.sign(hopfield.x),
        "nearest": nearest_pattern(seed_key(0), patterns, query, **how),
        "bayes": bayes_decoder(patterns, query, evidence, **how),
    }
    return Answer(
        times=recall.ts,
        rates=jax.vmap(memory.readout)(recall.states),
        energy=jax.vmap(memory.energy)(recall.states),
        shown=jnp.where(stored[shown], shown, -1),
        gains=gains[:, shown],
        overlaps=overlaps[:, shown],
        signs=signs,
        errors={name: hamming_error(wanted, found) for name, found in signs.items()},
        statuses={"memory": recall.status, "hopfield": hopfield.status},
        identity=identify(memory, recall.state),
        final_gains=last,
        perplexity=perplexity(memory.log_gains(recall.state)) if has_gains else jnp.nan,
        steps=(recall.stats["num_accepted_steps"], recall.stats["num_rejected_steps"]),
        others=others,
        query_scores=query_scores,
        residual=residual,
        signed=signed,
    )
