"""From a setting to everything the explorer shows, by one compiled program for each memory, its options and its size."""

import functools
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
from ..config.axes import Axes
from ..config.sections import Choice
from ..equilibria.classification import EquilibriumKind, Identity, identify, is_odd
from ..models import AbstractMemory
from ..models.astrocyte import AstrocyteMemory
from ..models.hopfield import HopfieldMemory
from ..problems.corruption import Flips
from ..problems.decoders import bayes_decoder, nearest_pattern
from ..problems.observables import hamming_error, perplexity
from ..problems.patterns import as_patterns, pooled_columns
from ..problems.task import Task
from ..runs import build
from ..runs.dry_run import is_own, place_of, try_on_query
from ..solve.retrieve import Status, retrieve
from ..sweep.trials import of_columns
from .settings import Settings, everything

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
    """Patterns, shape (N, capacity), target and query, shape (N,), in single precision, and the Bayes decoder's evidence β."""

    patterns: np.ndarray
    columns: np.ndarray | None  # of the pool that the patterns are from, shape (capacity,)
    target: np.ndarray
    query: np.ndarray
    evidence: float | None


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
    # Those of the target that gains tend to while neurons stay at the query, at `COOLINGS` times the temperature, shape (C,);
    # NaN for a memory without gains that follow scores.
    waiting_gains: Any
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
def task_of(patterns: Choice, corruption: Choice) -> tuple[Task, int]:
    """Where problems come from, and how many neurons they have."""
    changes = {"patterns": patterns, "corruption": corruption, "axes": Axes.model_validate({"num_patterns": [1]})}
    with pointing_at_own_code():
        return build.task_of(everything().config.model_copy(update=changes), build.load_pool)


@functools.lru_cache(maxsize=16)
def drawn_patterns(patterns: Choice, corruption: Choice, seed: int, capacity: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Patterns of a seed, shape (N, capacity), and their columns in the pool if they are from one."""
    task, key = task_of(patterns, corruption)[0], seed_key(seed)
    size = task.pool_size
    columns = None if size is None else np.asarray(pooled_columns(key, size=size, num_patterns=capacity))
    return np.asarray(task.ensemble(key, num_patterns=capacity), np.float32), columns


@pointing_at_own_code()
def make_problem(settings: Settings, uploaded: np.ndarray | None) -> Problem:
    """The problem of a setting; `uploaded` are the patterns where the source is a file. Raises `InputError`."""
    patterns, columns = uploaded, None
    if patterns is None:
        patterns, columns = drawn_patterns(settings.patterns, settings.corruption, settings.seed, settings.capacity)
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
    evidence = corruption.evidence(level, len(target))
    return Problem(patterns, columns, target, query, None if evidence is None else float(evidence))


workers = ThreadPoolExecutor(16, thread_name_prefix="explore")
"""Shared by all sessions: each computes at most one answer at a time."""

_programs: dict[Hashable, Future[Answer]] = {}
_lock = threading.Lock()


def program(settings: Settings, problem: Problem) -> Future[Answer]:
    """The compilation of a setting's program, which all sessions share; it starts if it has not, or if it failed."""
    key = settings.static_key(), problem.patterns.shape, problem.evidence is None
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
    numbers: dict[str, Any] = field(compare=False)


def _recipe(settings: Settings, problem: Problem) -> tuple[Recipe, dict[str, Any]]:
    """How the memory is built, and its parameters."""
    task: Any = SimpleNamespace(pool_size=None) if settings.is_uploaded else task_of(settings.patterns, settings.corruption)[0]
    path, source, num_neurons = f"models.{settings.name}", settings.offer.config.name, len(problem.target)
    make, parameters, per_pattern = build.memory_of(settings.model, path, task, num_neurons, source)
    numbers = {name: np.asarray(value, np.float32) for name, value in parameters.items()}
    of_patterns = {
        name: of_columns(name, np.asarray(values, np.float32), problem.columns) for name, values in per_pattern.items()
    }
    return Recipe(settings.static_key(), make, numbers), numbers | of_patterns


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


@functools.partial(jax.jit, static_argnames=("recipe", "signed"))
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
    waiting_gains = jnp.full_like(COOLINGS, jnp.nan)
    if isinstance(memory, AstrocyteMemory):

        def settled(state: Any, cooling: Any = 1) -> jax.Array:
            return memory.gain_map.gains(memory.scores(state) / (cooling * memory.temperature), stored)

        waiting_gains = jax.vmap(functools.partial(settled, memory.initial_state(query)))(COOLINGS)[:, target]
        if memory.gain_regime == "dynamic":
            residual = jnp.maximum(residual, jnp.max(jnp.abs(last - settled(recall.state))))

    hopfield = retrieve(HopfieldMemory(patterns, stored=stored, tau_x=memory.tau_x, slope=memory.slope), query, **ways)
    how: dict[str, Any] = {"signed": signed, "stored": stored}
    signs = {
        "memory": jnp.sign(recall.x),
        "hopfield": jnp.sign(hopfield.x),
        "nearest": nearest_pattern(seed_key(0), patterns, query, **how),
    }
    if evidence is not None:
        signs["bayes"] = bayes_decoder(patterns, query, evidence, **how)
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
        waiting_gains=waiting_gains,
        residual=residual,
        signed=signed,
    )
