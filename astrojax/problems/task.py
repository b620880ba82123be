"""Problems: patterns, target and query at given coordinates."""

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from .._internal.checks import InputError, concrete, refuse_bits, shaped
from .._internal.random import folded, pinned, seed_key
from .._internal.registry import members
from .._internal.types import Neurons, Patterns, RandomKey, Stored
from .corruption import AbstractCorruption
from .patterns import classes_of, pooled_columns, pooled_patterns

Coordinates = Mapping[str, jax.Array]
"""Coordinates of a problem or a trajectory along the axes of a sweep, by name."""


_BINARY: dict[Any, bool] = {}
"""What `Task.is_binary` found: of ensembles of the package by kind, of others by function and arguments."""


class Problem(eqx.Module):
    """Patterns to store, and a query: the corrupted first pattern, the target."""

    patterns: Patterns
    stored: Stored
    target: Neurons
    query: Neurons
    tie_key: RandomKey
    columns: Int[Array, " patterns"] | None
    """Columns of the pool that the patterns come from; `None` without a pool."""
    classes: Int[Array, " patterns"] | None = None
    """The class of each pattern, if there are classes."""


class Task(eqx.Module):
    """A distribution of problems: an ensemble of patterns and a corruption.

    The random key of a problem is derived only from the root key and its coordinates (load, level of corruption,
    trial). Memories and dynamical parameters share the problems, so comparisons between them are paired.

    Arguments:
        ensemble: `ensemble(key, num_patterns=K)` returns patterns, shape (N, K); the first is the same for every K.
        corruption: `corruption(key, pattern, level)` gives a query.
        classes: of the patterns of a pool, shape (pool size,), as `classes_of` returns them; those of an ensemble are its own.
    """

    ensemble: Callable[..., Patterns]
    corruption: AbstractCorruption
    classes: Int[Array, " pool"] | None = None

    def __check_init__(self) -> None:
        if self.pool is not None:
            refuse_bits("pool", self.pool)
        if self.classes is not None:
            if self.pool_size is None:
                raise InputError("classes are those of a pool; decorate the ensemble with classified")
            shaped("classes", self.classes, (self.pool_size,), "one per pattern of the pool")

    @pinned
    def draw(self, root_key: RandomKey, coordinates: Coordinates, capacity: int) -> Problem:
        """The problem at the coordinates `num_patterns`, the corruption's level and `trial`, padded to `capacity` patterns."""
        for name in self.coordinate_names:
            if name not in coordinates:
                raise InputError(f"axis {name} is missing; got {', '.join(coordinates)}")
        num_patterns, level, trial = (coordinates[name] for name in self.coordinate_names)
        parts = (_as_bits(part) for part in (num_patterns, level, trial))
        pattern_key, corruption_key, tie_key = folded(root_key, *parts, jnp.arange(3))
        patterns, columns, classes = self.patterns(pattern_key, capacity)
        target = patterns[:, 0]
        return Problem(
            patterns=patterns,
            stored=jnp.arange(capacity, dtype=num_patterns.dtype) < num_patterns,
            target=target,
            query=self.corruption(corruption_key, target, level),
            tie_key=tie_key,
            columns=columns,
            classes=classes,
        )

    def patterns(self, key: RandomKey, num_patterns: int) -> tuple[Patterns, Array | None, Array | None]:
        """Patterns of a key, shape (N, K), and as in `Problem` their columns in the pool and their classes."""
        patterns = self.ensemble(key, num_patterns=num_patterns)
        if self.pool_size is None:
            function, given = getattr(self.ensemble, "func", self.ensemble), getattr(self.ensemble, "keywords", {})
            return patterns, None, classes_of(function, num_patterns=num_patterns, **given)
        columns = pooled_columns(key, size=self.pool_size, num_patterns=num_patterns)
        return patterns, columns, None if self.classes is None else self.classes[columns]

    @property
    def coordinate_names(self) -> tuple[str, str, str]:
        """Names of a problem's coordinates: the load, the level of corruption and the trial."""
        return "num_patterns", self.corruption.level_name, "trial"

    @property
    def is_binary(self) -> bool:
        """Whether entries are −1 and +1: those of the pool, or of patterns of a fixed key; taken for granted if traced.

        It does not depend on the numbers in an ensemble of the package, so each of these is tried once, at small sizes.
        """
        if self.pool is not None:
            return isinstance(self.pool, jax.core.Tracer) or bool((np.abs(np.asarray(self.pool)) == 1).all())
        ensemble, given = self.ensemble, getattr(self.ensemble, "keywords", {})
        function = getattr(ensemble, "func", ensemble)
        kind = next((kind for kind, own in members("patterns").items() if own is function), None)
        key: Any = kind or (function, *getattr(ensemble, "args", ()), *given.items())
        with contextlib.suppress(TypeError):  # an array among its arguments, which are tried every time
            if key in _BINARY:
                return _BINARY[key]
        if kind is not None:
            small = {name: max(2, min(value, 8)) if type(value) is int else value for name, value in given.items()}
            ensemble = functools.partial(function, **small)
        with jax.ensure_compile_time_eval():
            drawn = jax.jit(lambda: ensemble(seed_key(0), num_patterns=2))()
            is_binary = concrete(jnp.all(jnp.abs(drawn) == 1)) is not False
        with contextlib.suppress(TypeError):
            _BINARY[key] = is_binary
        return is_binary

    @property
    def pool(self) -> Patterns | None:
        """The pool that patterns are drawn from, or `None` if the ensemble creates new ones."""
        ensemble = self.ensemble
        return ensemble.keywords["pool"] if isinstance(ensemble, eqx.Partial) and ensemble.func is pooled_patterns else None

    @property
    def pool_size(self) -> int | None:
        """Number of patterns in the pool; `None` without a pool."""
        return None if self.pool is None else self.pool.shape[1]


def _as_bits(coordinate: jax.Array) -> jax.Array:
    """A coordinate as an integer that is the same in every precision."""
    if jnp.issubdtype(coordinate.dtype, jnp.integer):
        return coordinate.astype(jnp.uint32)
    return jax.lax.bitcast_convert_type(coordinate.astype(jnp.float32), jnp.uint32)
