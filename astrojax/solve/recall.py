"""What a retrieval gives: its result, which draws itself and becomes an xarray dataset."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._internal.checks import InputError, not_traced, real, shown
from .._internal.datasets import batch_dims, dataset, listed
from .._internal.status import Status as Status
from .._internal.types import IntScalar, PerPattern, Scalar, ScalarLike
from ..models.base import AbstractMemory, check_memory
from ..models.packed import CompactPatterns
from ..problems.observables import hamming_error

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

DIMS = {"x": "neuron", "gains": "pattern", "gain_logits": "pattern", "synapses": "pair", "processes": "pair"}
"""Dimensions of the parts of the states of memories."""

DEFINITIONS = {
    "x": ("1", "neuronal state"),
    "gain_logits": ("1", "logits of the gains"),
    "synapses": ("1", "synapses between pairs of neurons: the upper triangle of a matrix, row by row"),
    "processes": ("1", "astrocyte processes of pairs of neurons: the upper triangle of a matrix, row by row"),
    "gains": ("1", "astrocytic gain of each pattern at the horizon"),
    "num_accepted_steps": ("steps", "accepted steps of the solver"),
    "num_rejected_steps": ("steps", "rejected steps of the solver"),
    "convergence_time": ("dimensionless time", "first time at which all moves below the given speed; inf: not within t1"),
    "rtol": ("1", "relative tolerance of a step"),
    "atol": ("1", "absolute tolerance of a step"),
    "time": ("dimensionless time", "time at which the state was saved"),
    "status": ("1", listed(Status)),
}
"""Units and definitions of what `Recall.to_xarray` gives."""


class Recall(eqx.Module):
    """Result of one retrieval.

    Arguments:
        state: state at the horizon; its parts depend on the memory, `x` is always there.
        gains: gains p at the horizon, shape (K,), or `None` for a memory without gains.
        status: a `Status` as an integer.
        stats: numbers of accepted and of rejected steps, with those of the second solve where the result was to be confirmed.
        ts: times at which states were saved, shape (T,), or `None`.
        states: states at `ts`, with a leading axis of length T, or `None`.
        convergence_time: first time at which the speed of the memory was below `convergence_speed`; infinite if it never was
            within the horizon; NaN if the solve that looks for it failed; `None` if no speed was given.
        rtol, atol: the tolerances that were used.
        solver: the solver that was used, by name if it has one.
    """

    state: Any
    gains: PerPattern | None
    status: IntScalar
    stats: dict[str, IntScalar]
    ts: Float[Array, " times"] | None
    states: Any
    convergence_time: Scalar | None
    rtol: Scalar
    atol: Scalar
    solver: str = eqx.field(static=True)

    @property
    def x(self) -> Float[Array | np.ndarray, "*batch neurons"]:
        """Neuronal state x at the horizon, shape (N,); with a leading axis where many queries were recalled."""
        return self.state.x

    def plot(
        self,
        memory: AbstractMemory | None = None,
        *,
        target: jax.typing.ArrayLike | None = None,
        query: jax.typing.ArrayLike | None = None,
        picture_shape: Sequence[int] | None = None,
    ) -> "Figure":
        """Draw one retrieval: the neurons, the gains, and, with the memory, overlaps and energy.

        Where states were saved (`ts` of `retrieve`) they are drawn over time: as pictures, spread over the way of the state, or
        as a map of neurons over time. Otherwise the final state is drawn.

        Arguments:
            memory: the memory. With it firing rates φ(x) are drawn instead of x, overlaps, and over time gains and the energy.
            target: the pattern that ought to be recalled, shape (N,), or, with the memory, its column.
            query: x(0), shape (N,); left out, the first saved state if that is of time 0.
            picture_shape: rows and columns of a picture, whose product is N, for patterns that are pictures.

        Returns:
            The figure, a `matplotlib.figure.Figure`; a notebook shows it, `figure.savefig(path)` writes it.

        Raises:
            InputError (a ValueError): for a batch (draw one of it: `jax.tree.map(lambda leaf: leaf[0], recall)`), inside
                `jax.jit`, or for arguments that do not fit.
        """
        data = _collect("recall.plot", self, memory, target, query, picture_shape)
        from .recall_figure import draw

        return draw(data)

    def to_xarray(self, *, dims: Sequence[str] | None = None) -> "xr.Dataset":
        """The result as an `xarray.Dataset` with dimensions `neuron`, `pattern` and, where states were saved, `time`.

        Arguments:
            dims: names of the leading dimensions of a batch, other than those of variables; `query` for one, `query_0`,
                `query_1`, … for more when left out.

        Returns:
            Variables `x` and other parts of the state at the horizon, `gains`, `status`, `num_accepted_steps`,
            `num_rejected_steps`, `convergence_time`, `rtol` and `atol`, with units and definitions; `x_saved` and so on are the
            states along `time`, or along `saved_time` where these times differ within a batch. `solver` is an attribute.

        Raises `InputError` for names that do not fit, or inside `jax.jit`.
        """
        not_traced("recall.to_xarray", self)
        leading = batch_dims(dims, np.ndim(self.status), "query")
        own = {name: getattr(self, name) for name in ("gains", "status", "convergence_time", "rtol", "atol")}
        values = {**vars(self.state), **own, **self.stats}
        variables = {name: _variable(name, value, leading) for name, value in values.items() if value is not None}
        coordinates = {}
        if self.ts is not None:
            along = (*leading, "time")
            saved = {name: value for name, value in vars(self.states).items() if value is not None}
            variables |= {f"{name}_saved": _variable(name, value, along) for name, value in saved.items()}
            ts = np.asarray(self.ts)
            rows = ts.reshape(-1, ts.shape[-1])
            if len(rows) and (rows == rows[0]).all():
                coordinates["time"] = _variable("time", rows[0], ("time",))
            else:
                variables["saved_time"] = _variable("time", ts, along)
        return dataset(variables, coordinates, {"solver": self.solver})


def _variable(name: str, values: Any, leading: tuple[str, ...]) -> tuple[tuple[str, ...], np.ndarray, dict[str, Any]]:
    """A variable as xarray takes it: its dimensions are those that lead, and its own."""
    array = np.asarray(values)
    own = array.ndim - len(leading)
    dims = (DIMS[name],) if name in DIMS and own == 1 else tuple(f"{name}_{place}" for place in range(own))
    units, definition = DEFINITIONS.get(name, ("1", f"part {name} of the state"))
    return (*leading, *dims), array, {"units": units, "definition": definition}


def animate(
    recall: Recall,
    path: str | Path,
    memory: AbstractMemory | None = None,
    *,
    target: jax.typing.ArrayLike | None = None,
    query: jax.typing.ArrayLike | None = None,
    picture_shape: Sequence[int] | None = None,
    num_frames: int = 60,
    fps: ScalarLike = 20,
) -> Path:
    """Write one retrieval as an animation: the moving state, above gains, overlaps and energy with a mark of the time.

    Frames are saved times, close together where the state moves and far apart where it rests. The last one stays a while.

    Arguments:
        recall: a retrieval with states on the way, such as `retrieve(memory, query, t1=10, ts=jnp.linspace(0, 10, 200))`.
        path: a file that ends in `.gif` or `.mp4`. MP4 needs `ffmpeg`, or `pip install "astrojax-memory[video]"`.
        memory, target, query, picture_shape: as for `Recall.plot`.
        num_frames: most frames, at least 2.
        fps: frames per second, within [1, 50].

    Returns:
        The path. If anything fails no file is left behind, and one that was there stays as it was.

    Raises:
        InputError (a ValueError): for a retrieval without states on the way, a file of another kind or that cannot be written,
            MP4 without ffmpeg, and as for `Recall.plot`.
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"path must be a file that ends in .gif or .mp4; got {shown(path)}")
    data = _collect("animate", recall, memory, target, query, picture_shape)
    from .recall_figure import write_animation

    return write_animation(data, Path(path), num_frames, fps)


def _collect(
    function: str,
    recall: Recall,
    memory: AbstractMemory | None,
    target: Any,
    query: Any,
    picture_shape: Sequence[int] | None,
) -> Any:
    if not isinstance(recall, Recall):
        raise InputError(f"recall must be what retrieve returns; got {shown(recall)}")
    not_traced(function, (recall, memory, target, query))
    if np.ndim(recall.status) > 0:
        raise InputError(
            f"{function} shows one retrieval; got a batch of shape {np.shape(recall.status)} (choose one: "
            "jax.tree.map(lambda leaf: leaf[0], recall))"
        )
    from .recall_figure import RetrievalData

    num_neurons = recall.x.shape[-1]
    columns = None if recall.gains is None else np.arange(recall.gains.shape[-1])
    arrays: dict[str, Any] = {
        "final": recall.x,
        "states": None if recall.states is None else recall.states.x,
        "times": recall.ts,
    }
    if memory is not None:
        check_memory(memory)
        wanted, given = (jax.tree.map(jnp.shape, tree) for tree in (memory.state_like(), recall.state))
        if wanted != given:
            raise InputError(f"memory must be the one that recalled; its states have the shapes {wanted}, the result's {given}")
        memory = memory.precompute()
        columns = np.arange(memory.patterns.shape[1]) if memory.stored is None else np.flatnonzero(memory.stored)
        arrays["final"] = memory.readout(recall.state)
        arrays["final_overlaps"] = np.asarray(memory.overlaps(recall.state))[columns] / num_neurons
        if recall.states is not None:
            was_reached = np.isfinite(np.asarray(recall.states.x)).all(axis=1)
            along = jax.device_get(_measure_along(memory, recall.states, was_reached))
            arrays["states"], overlaps, gains, arrays["energies"] = along
            arrays["overlaps"] = overlaps[:, columns] / num_neurons
            arrays["gains"] = None if gains is None else gains[:, columns]
    if recall.gains is not None:
        arrays["final_gains"] = np.asarray(recall.gains)[columns]
    arrays["target"], target_column = _target(target, memory, columns, num_neurons)
    if query is not None:
        arrays["query"] = _one_per_neuron("query", query, num_neurons)
    elif recall.ts is not None and recall.ts[0] == 0:
        arrays["query"] = np.asarray(recall.states.x)[0]
    present = {name: np.asarray(values, float) for name, values in arrays.items() if values is not None}
    return RetrievalData(
        title=_title(recall, arrays["target"]),
        is_rate=memory is not None,
        columns=columns,
        target_column=target_column,
        picture_shape=_checked_picture_shape(picture_shape, num_neurons),
        **{name: np.where(np.isfinite(values), values, np.nan) for name, values in present.items()},
    )


@eqx.filter_jit
def _measure_along(memory: AbstractMemory, states: Any, was_reached: Any) -> Any:
    """Firing rates, overlaps, gains and energies of states with a leading axis of time; NaN for those that were not reached."""

    def measure(state: Any, was_reached: Any) -> Any:
        found = memory.readout(state), memory.overlaps(state), memory.gains(state), memory.energy(state)
        return jax.tree.map(lambda values: jnp.where(was_reached, values, jnp.full_like(values, jnp.nan)), found)

    return jax.vmap(measure)(states, was_reached)


def _checked_picture_shape(shape: Any, num_neurons: int) -> tuple[int, int] | None:
    if shape is None:
        return None
    match np.asarray(shape, object).tolist():
        case [int() | np.integer() as rows, int() | np.integer() as columns] if rows > 0 and rows * columns == num_neurons:
            return int(rows), int(columns)
    raise InputError(f"picture_shape must be rows and columns, integers whose product is {num_neurons}; got {shown(shape)}")


def _target(
    target: Any, memory: AbstractMemory | None, columns: np.ndarray | None, num_neurons: int
) -> tuple[np.ndarray | None, int | None]:
    """The target as a pattern, and its column in the memory, if it has one."""
    if target is None:
        return None, None
    if isinstance(target, Sequence) or np.ndim(target) > 0:
        pattern = _one_per_neuron("target", target, num_neurons)
        if memory is None or isinstance(memory.patterns, CompactPatterns):
            return pattern, None
        stored = np.asarray(memory.patterns)
        same = np.flatnonzero((stored == pattern.astype(stored.dtype)[:, None]).all(axis=0))
        return pattern, int(same[0]) if same.size else None
    if memory is None or columns is None:
        raise InputError(f"target must be a pattern, or with a memory its column; got {shown(target)} without a memory")
    number, num_patterns = np.asarray(target), memory.patterns.shape[1]
    if number.dtype.kind not in "iu" or int(number) not in columns:
        raise InputError(f"target must be a stored column of the {num_patterns}, or a pattern; got {shown(target)}")
    chosen = (np.arange(num_patterns) == number).astype(memory.patterns.dtype)
    return np.asarray(memory.patterns @ jnp.asarray(chosen)), int(number)


def _one_per_neuron(name: str, values: Any, num_neurons: int) -> np.ndarray:
    array = np.asarray(real(name, values))
    if array.shape != (num_neurons,) or not np.isfinite(array).all():
        raise InputError(f"{name} must be finite numbers of shape ({num_neurons},), one per neuron; got {shown(values)}")
    return array


def _title(recall: Recall, target: Any) -> str:
    status, num_steps = Status(int(recall.status)), sum(int(number) for number in recall.stats.values())
    if status != Status.OK:
        return f"{status.name} after {num_steps} steps: the final state is invalid"
    if target is None:
        return f"{num_steps} steps ({recall.solver})"
    wrong = float(hamming_error(jnp.asarray(target, recall.x.dtype), jnp.asarray(recall.x)))
    return f"{wrong:g} of {recall.x.shape[-1]} neurons differ from the target"
