"""From a setting to everything the explorer shows, by one compiled program for each memory, its options and its size."""

import functools
import inspect
import io
import math
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._internal.arrays import parse_array
from .._internal.checks import InputError
from .._internal.errors import shown
from .._internal.own_code import pointing_at_own_code, short_name
from .._internal.random import seed_key
from ..config.sections import Choice
from ..equilibria.classification import EquilibriumKind, Identity, identify, is_odd
from ..models import AbstractMemory
from ..models.astrocyte import AstrocyteMemory
from ..models.hopfield import HopfieldMemory
from ..problems.corruption import Flips
from ..problems.decoders import bayes_decoder, nearest_pattern, posterior_decoder
from ..problems.observables import hamming_error, identified, perplexity, rmse
from ..problems.patterns import as_patterns
from ..runs import build
from ..runs.dry_run import is_own, place_of, try_on_query
from ..solve.retrieve import Status, retrieve
from ..sweep.trials import of_columns
from .settings import Settings, task_of

FRACTIONS = np.geomspace(1e-4, 1, 97, dtype=np.float32)
"""Times at which a retrieval is shown, in horizons: on a logarithmic scale, since time constants span decades."""

COOLINGS = np.array([1, *np.geomspace(0.5, 1e-4, 75)], np.float32)
"""Temperatures, as fractions of that of the memory, at which gains are computed to explain a failure."""

NUM_SHOWN = 6
"""Patterns whose gains and overlaps are drawn."""

LARGEST_UPLOAD, MOST_NEURONS, MOST_ENTRIES = 10 * 2**20, 4096, 1_000_000
"""Bytes of a pattern file, neurons N, and entries N·K that the explorer takes."""

MOST_PROGRAMS = 64
"""Most compiled programs in memory. Before there are more, all are dropped, and those still in use are compiled again."""


@dataclass(frozen=True)
class Problem:
    """Patterns, shape (N, capacity), target and query, shape (N,), in single precision, and what decoders are given."""

    patterns: np.ndarray
    columns: np.ndarray | None  # of the pool that the patterns are from, shape (capacity,)
    classes: np.ndarray | None  # of the patterns, shape (capacity,)
    target: np.ndarray
    query: np.ndarray
    evidence: float | None  # β of the Bayes decoder, or the precision where patterns are not of ±1


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
    signs: dict[str, Any]  # the final signs by memory or decoder, of real-valued patterns the final rates, shape (N,)
    errors: dict[str, Any]  # their Hamming errors, or root mean squared errors
    identified: dict[str, Any]  # of real-valued patterns, above 0 where no other is nearer than the target; {} for ±1
    statuses: dict[str, Any]  # `Status` by memory
    identity: Identity  # what the memory recalls
    final_gains: Any  # of all patterns, shape (capacity,)
    perplexity: Any
    steps: tuple[Any, Any]  # accepted and rejected
    others: Any  # which patterns are stored, and neither the target nor a copy of it, shape (capacity,)
    # Those of the target that gains tend to while neurons stay at the query, at `COOLINGS` times the temperature, shape (C,);
    # NaN for a memory without gains that follow scores.
    waiting_gains: Any
    residual: Any  # distance of the end from equilibrium: of neurons relative to the largest |x|, of gains absolute
    signed: bool = field(metadata={"static": True})  # whether the memory distinguishes a pattern from its negative

    @property
    def is_recalled(self) -> bool:
        """Whether the memory recalls the target."""
        is_right = self.identified["memory"] > 0 if self.identified else self.errors["memory"] == 0
        return bool(self.statuses["memory"] == Status.OK and is_right)

    def verdict(self, settings: Settings) -> str:
        """What was recalled."""
        status, error = Status(self.statuses["memory"]), self.errors["memory"]
        if status != Status.OK:
            return f"{status.name}: {status.meaning}"
        if self.is_recalled:
            return "The target is the nearest pattern" if self.identified else "Recalled"
        if self.identified:
            return f"Another pattern is the nearest, number {self.shown[1]}"
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


def read_upload(name: str, data: bytes, size: int = 0, **reading: Any) -> np.ndarray:
    """Patterns from the bytes of a pattern file, shape (N, K); `data` may be incomplete if the file's `size` is too large."""
    name, size = name.replace("\\", "/").rpartition("/")[2], max(size, len(data))
    if size > LARGEST_UPLOAD:
        largest = LARGEST_UPLOAD // 2**20
        raise InputError(f"pattern file {name} has {size / 2**20:.1f} MiB; the explorer takes at most {largest} MiB")
    rows = parse_array(io.BytesIO(data), size, name, reading.get("array"), LARGEST_UPLOAD)
    if rows.size > MOST_ENTRIES or math.prod(rows.shape[1:]) > MOST_NEURONS:
        raise InputError(
            f"patterns in {name} must have at most {MOST_ENTRIES:,} entries, in rows of at most {MOST_NEURONS:,}; "
            f"got an array of shape {rows.shape}"
        )
    return np.asarray(as_patterns(rows, name, **reading), np.float32)


@functools.lru_cache(maxsize=16)
def drawn_patterns(patterns: Choice, corruption: Choice, seed: int, capacity: int) -> Any:
    """Patterns of a seed, shape (N, capacity), their columns in the pool if they are from one, and their classes."""
    drawn, columns, classes = jax.device_get(task_of(patterns, corruption)[0].patterns(seed_key(seed), capacity))
    return drawn.astype(np.float32), columns, classes


@pointing_at_own_code()
def make_problem(settings: Settings, uploaded: np.ndarray | None) -> Problem:
    """The problem of a setting; `uploaded` are the patterns where the source is a file. Raises `InputError`."""
    patterns, columns, classes = uploaded, None, None
    if patterns is None:
        patterns, columns, classes = drawn_patterns(settings.patterns, settings.corruption, settings.seed, settings.capacity)
    target = patterns[:, settings.target]
    corruption: Any = settings.corruption.build(**settings.corruption.own_fields())
    level = jnp.asarray(settings.level) if corruption.is_count else jnp.float32(settings.level)
    if settings.flipped is not None:
        query = target.copy()
        query[list(settings.flipped)] *= -1
        corruption, level = Flips(), jnp.float32(len(settings.flipped))
    else:
        query = np.asarray(corruption(seed_key(settings.query_seed), jnp.asarray(target), level), np.float32)
    if query.shape != target.shape or not np.isfinite(query).all():
        wrong = query.shape if query.shape != target.shape else query
        text = f"must return a query of finite numbers, shape {target.shape}; got {shown(wrong)}"
        raise InputError(f"{place_of(corruption.__call__)}: {short_name(settings.corruption.kind)} {text}")
    evidence = corruption.evidence(level, len(target)) if settings.is_binary else corruption.precision(level)
    return Problem(patterns, columns, classes, target, query, None if evidence is None else float(evidence))


workers = ThreadPoolExecutor(16, thread_name_prefix="explore")
"""Shared by all sessions: each computes at most one answer at a time."""

_programs: dict[Hashable, Future[Answer]] = {}
_lock = threading.Lock()


def program(settings: Settings, problem: Problem) -> Future[Answer]:
    """The compilation of a setting's program, which all sessions share; it starts if it has not, or if it failed."""
    key = settings.static_key(), problem.patterns.shape, problem.evidence is None, problem.classes is None, settings.is_binary
    with _lock:
        known = _programs.get(key)
        if known is None or (known.done() and known.exception()):
            if len(_programs) >= MOST_PROGRAMS:
                _programs.clear()
                _solve.clear_cache()  # type: ignore[attr-defined]
            known = _programs[key] = workers.submit(first_answer, settings, problem)
    return known


def first_answer(settings: Settings, problem: Problem) -> Answer:
    """An answer, once a memory of a user's own has been tried. Raises `InputError`, with the line, if it cannot be used."""
    _try_own(settings, problem)
    return answer(settings, problem)


@dataclass(frozen=True)
class Recipe:
    """How a memory is built, compared by what is static in it."""

    static_key: Hashable
    build: Callable[..., AbstractMemory] = field(compare=False)
    numbers: dict[str, Any] = field(compare=False)  # its parameters where it holds a single pattern


def _recipe(settings: Settings, problem: Problem) -> tuple[Recipe, dict[str, Any]]:
    """How the memory is built, and its parameters."""
    task: Any = SimpleNamespace(pool_size=None) if settings.is_uploaded else task_of(settings.patterns, settings.corruption)[0]
    path, source, num_neurons = f"models.{settings.name}", settings.offer.config.name, len(problem.target)
    make, parameters, per_pattern = build.memory_of(settings.model, path, task, num_neurons, source)
    numbers = {name: np.asarray(value, np.float32) for name, value in parameters.items()}
    of_patterns = {
        name: of_columns(name, np.asarray(values, np.float32), problem.columns) for name, values in per_pattern.items()
    }
    if problem.classes is not None and "pattern_classes" in inspect.signature(settings.model.build).parameters:
        of_patterns["pattern_classes"] = problem.classes
    of_first = {name: of_columns(name, values, np.zeros(1, int)) for name, values in of_patterns.items()}
    return Recipe(settings.static_key(), make, numbers | of_first), numbers | of_patterns


def _try_own(settings: Settings, problem: Problem) -> None:
    if is_own(settings.model):
        recipe, parameters = _recipe(settings, problem)
        stored = jnp.arange(problem.patterns.shape[1]) < settings.num_patterns
        make = functools.partial(recipe.build, jnp.asarray(problem.patterns), stored=stored, **parameters)
        try_on_query(make, jnp.asarray(problem.query), short_name(settings.model.kind), settings.name, recipe.build)


@pointing_at_own_code()
def answer(settings: Settings, problem: Problem) -> Answer:
    """The outcome for the memory, the Hopfield network and the decoders.

    Raises `InputError` for an exception in a user's code, and where it returns NaN, with the line.
    """
    recipe, parameters = _recipe(settings, problem)
    found: Answer = jax.device_get(
        _solve(
            problem.patterns,
            np.int32(settings.num_patterns),
            np.int32(settings.target),
            problem.query,
            parameters,
            np.float32(settings.t1),
            None if problem.evidence is None else np.float32(problem.evidence),
            recipe=recipe,
            is_binary=settings.is_binary,
            signed=_is_signed(recipe, len(problem.target)),
        )
    )
    if found.statuses["memory"] != Status.OK:
        _try_own(settings, problem)
    return found


@functools.lru_cache(maxsize=MOST_PROGRAMS)
def _is_signed(recipe: Recipe, num_neurons: int) -> bool:
    """Whether the memory distinguishes a pattern from its negative."""
    signs = jnp.where(jnp.arange(num_neurons) % 3 == 2, -1.0, 1.0).astype(jnp.float32)
    memory = recipe.build(signs[:, None], **recipe.numbers)
    return not eqx.filter_jit(is_odd)(memory, memory.initial_state(jnp.ones_like(signs)))


@functools.partial(jax.jit, static_argnames=("recipe", "is_binary", "signed"))
def _solve(
    patterns: jax.Array,
    num_patterns: jax.Array,
    target: jax.Array,
    query: jax.Array,
    parameters: dict[str, jax.Array],
    t1: jax.Array,
    evidence: jax.Array | None,
    *,
    recipe: Recipe,
    is_binary: bool,
    signed: bool,
) -> Any:
    capacity = patterns.shape[1]
    stored = jnp.arange(capacity, dtype=jnp.int32) < num_patterns
    wanted = patterns[:, target]
    memory: Any = recipe.build(patterns, stored=stored, **parameters)
    ways: dict[str, Any] = {"adjoint": diffrax.ForwardMode(), "t1": t1}
    recall = retrieve(memory, query, ts=t1 * FRACTIONS, **ways)
    overlaps = jax.vmap(memory.overlaps)(recall.states) / memory.num_neurons
    has_gains = memory.gains(recall.state) is not None
    gains = jax.vmap(memory.gains)(recall.states) if has_gains else jnp.zeros_like(overlaps)
    likeness = (overlaps if signed else jnp.abs(overlaps))[-1] + gains[-1]
    others = stored & jnp.any(patterns != wanted[:, None], axis=0)
    if not is_binary:  # by distance
        likeness = overlaps[-1] - jnp.mean(patterns**2, axis=0) / 2
    elif not signed:
        others &= jnp.any(patterns != -wanted[:, None], axis=0)
    rival = jnp.argmax(jnp.where(others, likeness, -jnp.inf))
    nearness = jnp.max(gains, axis=0) + jnp.max(jnp.abs(overlaps), axis=0)
    nearness = jnp.where(stored, nearness, -1).at[rival].set(jnp.finfo(nearness.dtype).max).at[target].set(jnp.inf)
    _, shown = jax.lax.top_k(nearness, min(NUM_SHOWN, capacity))
    gains = gains if has_gains else jnp.full_like(gains, jnp.nan)
    last = gains[-1]
    change: Any = memory.vector_field(recall.state)
    residual = jnp.max(jnp.abs(memory.tau_x * change.x)) / jnp.max(jnp.abs(recall.x))
    waiting_gains = jnp.full_like(COOLINGS, jnp.nan)
    if isinstance(memory, AstrocyteMemory):
        logits = memory.scores(memory.initial_state(query)) / memory.temperature
        waiting_gains = jax.vmap(lambda cooling: memory.gain_map.gains(logits / cooling, stored))(COOLINGS)[:, target]
        if memory.gain_regime == "dynamic":
            settled = recall.state.gain_logits + change.gain_logits * memory.tau_p / memory.temperature
            residual = jnp.maximum(residual, jnp.max(jnp.abs(last - memory.gain_map.gains(settled, stored))))

    rates, statuses = jax.vmap(memory.readout)(recall.states), {"memory": recall.status}
    signs = {"memory": jnp.sign(recall.x) if is_binary else rates[-1]}
    if is_binary:
        hopfield = retrieve(HopfieldMemory(patterns, stored=stored, tau_x=memory.tau_x, slope=memory.slope), query, **ways)
        signs["hopfield"], statuses["hopfield"] = jnp.sign(hopfield.x), hopfield.status
    how: dict[str, Any] = {"signed": signed, "stored": stored}
    signs["nearest"] = nearest_pattern(seed_key(0), patterns, query, euclidean=not is_binary, **how)
    if evidence is not None:
        decode: Any = functools.partial(bayes_decoder, signed=signed) if is_binary else posterior_decoder
        signs["bayes"] = decode(patterns, query, evidence, stored=stored)
    target_first = functools.partial(jnp.roll, shift=-target, axis=-1)
    is_nearest = functools.partial(identified, target_first(patterns), stored=target_first(stored))
    return Answer(
        times=recall.ts,
        rates=rates,
        energy=jax.vmap(memory.energy)(recall.states),
        shown=jnp.where(stored[shown], shown, -1),
        gains=gains[:, shown],
        overlaps=overlaps[:, shown],
        signs=signs,
        errors={name: (hamming_error if is_binary else rmse)(wanted, found) for name, found in signs.items()},
        identified={} if is_binary else {name: is_nearest(found) for name, found in signs.items()},
        statuses=statuses,
        identity=identify(memory, recall.state),
        final_gains=last,
        perplexity=perplexity(memory.log_gains(recall.state)) if has_gains else jnp.nan,
        steps=(recall.stats["num_accepted_steps"], recall.stats["num_rejected_steps"]),
        others=others,
        waiting_gains=waiting_gains,
        residual=residual,
        signed=signed,
    )
