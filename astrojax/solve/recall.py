"""What a retrieval gives: its result, which draws itself and becomes an xarray dataset."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float

from .._internal.checks import InputError, needing, not_traced, shown
from .._internal.datasets import batch_dims, dataset, labeled, listed, variables
from .._internal.status import Status as Status
from .._internal.types import IntScalar, PerPattern, Scalar, ScalarLike
from ..models.base import AbstractMemory

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


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
            within the horizon; NaN if the solve that looks for it failed or the input is invalid; `None` if no speed was given.
        rtol, atol: the tolerances that were used.
        solver: the solver that was used, by name if it has one.
        running: results of running observables by name, or `None` where there are none.
    """

    state: Any
    gains: PerPattern | None = labeled("astrocytic gain of each pattern at the horizon", "pattern")
    status: IntScalar = labeled(listed(Status))
    stats: dict[str, IntScalar]  # type: ignore[misc]  # mypy takes `labeled` for a default
    ts: Float[Array, " times"] | None = labeled("time at which the state was saved", "time", units="dimensionless time")
    states: Any  # type: ignore[misc]
    convergence_time: Scalar | None = labeled(
        "first time at which all moves below the given speed; inf: not within t1", units="dimensionless time"
    )
    rtol: Scalar = labeled("relative tolerance of a step")
    atol: Scalar = labeled("absolute tolerance of a step")
    solver: str = eqx.field(static=True)  # type: ignore[misc]
    running: dict[str, Scalar] | None = None

    @property
    def x(self) -> Float[Array | np.ndarray, "*batch neurons"]:
        """Neuronal state x at the horizon, shape (N,); with a leading axis where many queries were recalled."""
        return self.state.x  # type: ignore[no-any-return]

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

        Raises `InputError` for a batch (draw one of it: `jax.tree.map(lambda leaf: leaf[0], recall)`), inside `jax.jit`, or for
        arguments that do not fit.
        """
        with needing("recall.plot needs matplotlib and Pillow", "matplotlib", "pillow"):
            from .recall_figure import collect, draw
        return draw(collect("recall.plot", self, memory, target, query, picture_shape))

    def to_xarray(self, *, dims: Sequence[str] | None = None) -> "xr.Dataset":
        """The result as an `xarray.Dataset` with dimensions `neuron`, `pattern` and, where states were saved, `time`.

        Arguments:
            dims: names of the leading dimensions of a batch, other than those of variables; `query` for one, `query_0`,
                `query_1`, … for more if omitted.

        Returns:
            Variables `x` and other parts of the state at the horizon, `gains`, `status`, `num_accepted_steps`,
            `num_rejected_steps`, `convergence_time`, `rtol` and `atol`, with units and definitions; `x_saved` and so on are the
            states along `time`, or along `saved_time` where these times differ within a batch. `solver` is an attribute.

        Raises `InputError` for names that do not fit, or inside `jax.jit`.
        """
        not_traced("recall.to_xarray", self)
        leading = batch_dims(dims, np.ndim(self.status), "query")
        found = variables(self, leading)
        for name, number in self.stats.items():
            attributes = {"units": "steps", "definition": f"{name.split('_')[1]} steps of the solver"}
            found[name] = (leading, np.asarray(number), attributes)
        if self.ts is None:
            return dataset(found, solver=self.solver)
        found |= variables(self.states, (*leading, "time"), "_saved")
        own_dims, ts, attributes = found.pop("ts")
        rows = ts.reshape(-1, ts.shape[-1])
        if len(rows) and (rows == rows[0]).all():
            return dataset(found, {"time": ("time", rows[0], attributes)}, solver=self.solver)
        return dataset(found | {"saved_time": (own_dims, ts, attributes)}, solver=self.solver)


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

    Raises `InputError` for a retrieval without states on the way, a file of another kind or that cannot be written, MP4 without
    ffmpeg, and as for `Recall.plot`.
    """
    if not isinstance(recall, Recall):
        raise InputError(f"recall must be what retrieve returns; got {shown(recall)}")
    with needing("animate needs matplotlib and Pillow", "matplotlib", "pillow"):
        from .recall_figure import collect, write_animation
    return write_animation(collect("animate", recall, memory, target, query, picture_shape), path, num_frames, fps)
