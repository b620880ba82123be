"""From a setting to everything the explorer shows. Pure functions; one compiled program for each static part of a setting."""

import functools
import io
import math
import threading
from collections.abc import Hashable
from concurrent.futures import Future, ThreadPoolExecutor
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
from ..models import AstrocyteMemory, HopfieldMemory
from ..models.scores import PowerScore, as_score
from ..problems.corruption import Flips, flip
from ..problems.decoders import bayes_decoder, nearest_pattern
from ..problems.observables import hamming_error, perplexity
from ..problems.patterns import as_patterns, digits, pooled_patterns, random_patterns
from ..solve.retrieve import Status, retrieve
from .settings import MOST_PATTERNS, SCORES, Settings

FRACTIONS = np.geomspace(1e-4, 1, 97, dtype=np.float32)
"""Times at which a retrieval is shown, in horizons: on a logarithmic scale, since time constants span decades."""

NUM_SHOWN = 6
"""Patterns whose gains and overlaps are drawn."""

LARGEST_UPLOAD, MOST_NEURONS, MOST_ENTRIES = 10 * 2**20, 4096, 1_000_000
"""Bytes of a pattern file, neurons N, and entries N·K that the explorer takes."""

MOST_PROGRAMS = 64
"""Compiled programs that are kept, each for one score, gain regime and size."""

STATUS_WORDS = {
    Status.OK: "",
    Status.MAX_STEPS: "the horizon was not reached within the largest number of steps: the setting is stiff",
    Status.NON_FINITE: "the state became infinite or undefined",
    Status.INVALID_MEMORY: "a parameter of the memory is out of range",
    Status.SOLVER_FAILED: "the solver gave up",
    Status.INVALID_SETTINGS: "the horizon is out of range",
    Status.UNCONFIRMED: "a tighter solution ends elsewhere",
}


class Start(NamedTuple):
    """A pattern file to begin with: its path and bytes, and how it is read."""

    name: str
    data: bytes
    array: str | None
    threshold: float | None
    max_duplicates: int


@dataclass(frozen=True)
class Problem:
    """Patterns, shape (N, capacity), target and query, shape (N,), in single precision; ±1."""

    patterns: np.ndarray
    target: np.ndarray
    query: np.ndarray


@dataclass(frozen=True)
class Answer:
    """What a setting leads to; T times, N neurons, S = `NUM_SHOWN` patterns.

    Arguments:
        times: shape (T,). rates: firing rates φ(x), shape (T, N). energy: shape (T,).
        shown: numbers of the patterns shown, shape (S,): the target, the other that is nearest at the end, and those that
            come nearest on the way; −1 where fewer are stored.
        gains, overlaps: p and ⟨ξ, φ(x)⟩/N of the patterns shown, shape (T, S).
        signs: the final signs by memory or decoder, shape (N,). errors: their Hamming errors.
        statuses: `Status` by memory.
        kind: an `EquilibriumKind`. pattern: the pattern that leads, or −1. sign: −1 if its negative does.
        num_mixed: how many patterns take part.
        winner, winning_gain, target_gain, perplexity: of the gains at the end.
        steps: accepted and rejected.
        others: which patterns are stored, and neither the target nor a copy of it, shape (capacity,).
        query_scores: g(m) at the query, shape (capacity,).
        residual: how far the end is from an equilibrium: of the neurons relative to the largest |x|, of the gains in gains.
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
    winner: int
    winning_gain: float
    target_gain: float
    perplexity: float
    steps: tuple[int, int]
    others: np.ndarray
    query_scores: np.ndarray
    residual: float

    def verdict(self, settings: Settings) -> str:
        """What was recalled, in words."""
        status, error, num_neurons = self.statuses["astrocyte"], self.errors["astrocyte"], self.rates.shape[1]
        if status != Status.OK:
            return f"{status.name}: {STATUS_WORDS[status]}"
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
    """What is said of a file that has too many bytes."""
    return f"pattern file {name} has {size / 2**20:.1f} MiB; the explorer takes at most {LARGEST_UPLOAD // 2**20} MiB"


@functools.lru_cache(maxsize=16)
def drawn_patterns(source: str, num_neurons: int, seed: int) -> np.ndarray:
    """The digits or random patterns of a seed, shape (N, `MOST_PATTERNS`). The first K are those that the seed gives for K."""
    key = seed_key(seed)
    if source == "digits":
        patterns = pooled_patterns(key, pool=digits(), num_patterns=MOST_PATTERNS)
    else:
        patterns = random_patterns(key, num_neurons=num_neurons, num_patterns=MOST_PATTERNS)
    return np.asarray(patterns, np.float32)


def posed(settings: Settings, uploaded: np.ndarray | None) -> Problem:
    """The problem of a setting; `uploaded` are the patterns where the source is a file."""
    if settings.source == "file":
        assert uploaded is not None
        patterns = uploaded
    else:
        patterns = drawn_patterns(settings.source, settings.num_neurons, settings.seed)
    target = patterns[:, settings.target]
    query = target.copy()
    if settings.flipped is not None:
        query[list(settings.flipped)] *= -1
    else:
        query = np.asarray(flip(seed_key(settings.flip_seed), jnp.asarray(target), settings.num_flips))
    return Problem(patterns, target, query)


_compilers = ThreadPoolExecutor(2, thread_name_prefix="compile")
_programs: dict[Hashable, Future[None]] = {}
_lock = threading.Lock()


def program(settings: Settings, problem: Problem) -> Future[None]:
    """Done when the program of a setting is compiled. All sessions share it; whoever asks first has it compiled.

    One that cannot be compiled is tried again when it is next asked for. Before there are more than `MOST_PROGRAMS`, all are
    given up: what is still in use is compiled anew.
    """
    static = settings.score, settings.gain_regime, problem.patterns.shape

    def compiled() -> None:
        try:
            answer(settings, problem)
        except BaseException:
            with _lock:
                _programs.pop(static, None)
            raise

    with _lock:
        if static not in _programs:
            if len(_programs) >= MOST_PROGRAMS:
                _programs.clear()
                _solve.clear_cache()  # type: ignore[attr-defined]
            _programs[static] = _compilers.submit(compiled)
        return _programs[static]


def answer(settings: Settings, problem: Problem) -> Answer:
    """What the memory, the Hopfield network and the decoders make of a problem."""
    numbers = {name: np.float32(value) for name, value in settings.parameters().items()}
    found = jax.device_get(
        _solve(
            problem.patterns,
            np.int32(settings.num_patterns),
            np.int32(settings.target),
            problem.query,
            numbers,
            score=settings.score,
            gain_regime=settings.gain_regime,
        )
    )
    scalars: dict[str, Any] = {"kind": EquilibriumKind, "pattern": int, "sign": int, "num_mixed": int, "winner": int}
    scalars |= dict.fromkeys(("winning_gain", "target_gain", "perplexity", "residual"), float)
    found |= {name: kind(found[name]) for name, kind in scalars.items()}
    found["statuses"] = {name: Status(int(status)) for name, status in found["statuses"].items()}
    found["errors"] = {name: float(error) for name, error in found["errors"].items()}
    return Answer(**found | {"steps": tuple(int(number) for number in found["steps"])})


@functools.partial(jax.jit, static_argnames=("score", "gain_regime"))
def _solve(
    patterns: jax.Array,
    num_patterns: jax.Array,
    target: jax.Array,
    query: jax.Array,
    numbers: dict[str, jax.Array],
    *,
    score: str,
    gain_regime: str,
) -> dict[str, Any]:
    kind, order = SCORES[score]
    capacity = patterns.shape[1]
    stored = jnp.arange(capacity, dtype=jnp.int32) < num_patterns
    wanted = patterns[:, target]
    shared: dict[str, Any] = {"tau_x": numbers["tau_x"], "slope": numbers["slope"], "stored": stored}
    memory = AstrocyteMemory(
        patterns,
        temperature=numbers["temperature"],
        tau_p=numbers["tau_p"],
        score=as_score(kind) if order is None else PowerScore(order),
        gain_regime=gain_regime,
        **shared,
    )
    ways: dict[str, Any] = {"adjoint": diffrax.ForwardMode(), "t1": numbers["t1"]}
    recall = retrieve(memory, query, ts=numbers["t1"] * FRACTIONS, **ways)
    gains = jax.vmap(memory.gains)(recall.states)
    overlaps = jax.vmap(memory.overlaps)(recall.states) / memory.num_neurons
    likeness = overlaps if kind == "linear" else jnp.abs(overlaps)
    correlations = wanted @ patterns
    others = stored & ((correlations if kind == "linear" else jnp.abs(correlations)) < memory.num_neurons)
    rival = jnp.argmax(jnp.where(others, gains[-1] + likeness[-1], -2))
    nearness = jnp.max(gains, axis=0) + jnp.max(jnp.abs(overlaps), axis=0)
    nearness = jnp.where(stored, nearness, -1).at[rival].set(3).at[target].set(4)
    _, shown = jax.lax.top_k(nearness, min(NUM_SHOWN, capacity))
    identity, last = identify(memory, recall.state), memory.gains(recall.state)
    residual = jnp.max(jnp.abs(memory.tau_x * memory.vector_field(recall.state).x)) / jnp.max(jnp.abs(recall.x))
    if gain_regime == "dynamic":
        settled = jax.nn.softmax(memory.scores(recall.state) / memory.temperature, where=stored)
        residual = jnp.maximum(residual, jnp.max(jnp.abs(last - settled)))

    hopfield = retrieve(HopfieldMemory(patterns, **shared), query, **ways)
    # The evidence of as many flips as there are. Even scores do not tell a pattern from its negative.
    evidence = Flips().evidence(hamming_error(wanted, query), memory.num_neurons)
    how: dict[str, Any] = {"signed": kind == "linear", "stored": stored}
    signs = {
        "astrocyte": jnp.sign(recall.x),
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
        "statuses": {"astrocyte": recall.status, "hopfield": hopfield.status},
        "kind": identity.kind,
        "pattern": identity.pattern,
        "sign": identity.signs[identity.pattern],
        "num_mixed": jnp.sum(identity.signs != 0),
        "winner": jnp.argmax(last),
        "winning_gain": jnp.max(last),
        "target_gain": last[target],
        "perplexity": perplexity(memory.log_gains(recall.state)),
        "steps": (recall.stats["num_accepted_steps"], recall.stats["num_rejected_steps"]),
        "others": others,
        "query_scores": memory.scores(memory.initial_state(query)),
        "residual": residual,
    }
