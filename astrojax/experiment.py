"""From a configuration to a run folder: builds the samples, sweeps them, stores what comes out."""

import functools
import hashlib
import math
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import xarray as xr

from ._checks import InputError
from .corruption import CORRUPTIONS
from .models import AstrocyteMemory, DenseMemory, HopfieldMemory, ModernHopfieldMemory, NeuronAstrocyteMemory
from .patterns import biased_patterns, digits, hierarchical_patterns, load_patterns, pooled_patterns, random_patterns
from .runs import store
from .runs.config import LEVELS, PARAMETERS, Astrocyte, Config, DigitPatterns, FilePatterns
from .runs.provenance import environment
from .runs.reading import ConfigError, read_config
from .scores import PowerScore
from .sweep import Sweep, SweepResult, run_sweeps
from .trial import DecoderTrial, RecallTrial, Task

BUILDERS: dict[str, Callable[..., Any]] = {
    "astrocyte": AstrocyteMemory,
    "hopfield": HopfieldMemory,
    "neuron_astrocyte": NeuronAstrocyteMemory,
    "dense": DenseMemory,
    "modern_hopfield": ModernHopfieldMemory,
}

Values = dict[str, Sequence[float | int]]
"""Values along axes, by name."""

DECODERS = "decoders"
"""Name under which progress of the decoders is reported."""


def load_config(path: str | Path, **overrides: Any) -> Config:
    """The configuration in a YAML file, with overrides by dotted key: `load_config(path, **{"retrieval.t1": 20})`.

    Raises:
        ConfigError (an InputError and a ValueError): with everything that is wrong, at once.
    """
    return read_config(path, overrides)


def run(config: Config, out: str | Path, *, on_batch: Callable[[str, int], None] | None = None) -> xr.Dataset:
    """Compute a configuration and write its run folder: configuration, provenance and results.

    The same configuration gives the same values every time on the same kind of device.

    Arguments:
        config: what to compute; see `load_config`.
        out: the run folder, which must not exist.
        on_batch: called with a name and a number of trajectories whenever these are done.

    Returns:
        The results, as they were stored.

    Raises:
        InputError (a ValueError): for patterns that cannot be used, or a folder that exists or cannot be written.
    """
    folder = Path(out)
    with jax.enable_x64(config.precision == "float64"):
        sweeps = plan(config)
        store.create(folder, config)
        started = datetime.now(UTC)
        provenance = _provenance(config, started)
        store.write_json(folder / store.PROVENANCE, provenance)
        clock = time.perf_counter()
        results = run_sweeps(sweeps, jax.random.key(config.seed), on_batch=on_batch)
        seconds = time.perf_counter() - clock
    table = _dataset(config, sweeps, results).assign_attrs(_problem_attributes(next(iter(sweeps.values()))))
    store.save(folder, table)
    store.write_json(folder / store.PROVENANCE, provenance | {"finished": True, "seconds": _times(results, seconds)})
    return table


def plan(config: Config) -> dict[str, Sweep]:
    """The sweeps of a configuration by model, and that of the decoders if they are wanted.

    Raises:
        ConfigError (an InputError): for a pattern file that cannot be used, or that does not fit the axes.
    """
    task, pool_size = _task(config)
    axes = config.swept_axes()
    sweeps = {name: _model_sweep(config, task, model, axes, pool_size) for name, model in config.models.items()}
    if config.decoders:
        sweeps[DECODERS] = Sweep(DecoderTrial(task), _without(axes, PARAMETERS), pool_size)
    return sweeps


def num_trajectories(config: Config) -> int:
    """How many samples a configuration asks for; a memory is not repeated along parameters that it does not have."""
    axes = config.swept_axes()
    counts = [
        math.prod(len(values) for axis, values in axes.items() if axis not in PARAMETERS or axis in fields)
        for fields in [*(type(model).model_fields for model in config.models.values()), *([{}] if config.decoders else [])]
    ]
    return sum(counts)


def _model_sweep(
    config: Config, task: Task, model: Any, axes: dict[str, Sequence[float | int]], pool_size: int | None
) -> Sweep:
    settings = model.model_dump(exclude={"kind"})
    parameters = {name: settings.pop(name) for name in PARAMETERS if name in settings}
    if isinstance(model, Astrocyte):
        order = settings.pop("order")
        if model.score == "power":
            settings["score"] = PowerScore(4 if order is None else order)
    how = config.retrieval
    trial = RecallTrial(
        task=task,
        build=functools.partial(BUILDERS[model.kind], **settings),
        parameters=parameters,
        t1=how.t1,
        rtol=how.rtol,
        atol=how.atol,
        convergence_speed=how.convergence_speed,
        solver=how.solver,
        max_steps=how.max_steps,
    )
    return Sweep(trial, _without(axes, [name for name in PARAMETERS if name not in parameters]), pool_size)


def _task(config: Config) -> tuple[Task, int | None]:
    """Where problems come from, and how many patterns there are to draw from, where that is limited."""
    corruption = CORRUPTIONS[config.corruption]()
    patterns = config.patterns
    if isinstance(patterns, DigitPatterns | FilePatterns):
        pool = _pool(config)
        return Task(eqx.Partial(pooled_patterns, pool=pool), corruption), pool.shape[1]
    ensembles: dict[str, Callable[..., Any]] = {
        "random": random_patterns,
        "biased": biased_patterns,
        "hierarchical": hierarchical_patterns,
    }
    return Task(eqx.Partial(ensembles[patterns.kind], **patterns.model_dump(exclude={"kind"})), corruption), None


def _pool(config: Config) -> jax.Array:
    patterns = config.patterns
    if isinstance(patterns, DigitPatterns):
        pool = digits(threshold=patterns.threshold)
    else:
        assert isinstance(patterns, FilePatterns)
        try:
            settings = patterns.model_dump(exclude={"kind", "path"})
            pool = load_patterns(patterns.path, **settings)
        except InputError as error:
            raise ConfigError(config.name, [("patterns.path", str(error))]) from error
    num_neurons, size = pool.shape
    faults = []
    if max(config.axes.num_patterns) > size:
        faults.append(("axes.num_patterns", f"got {max(config.axes.num_patterns)}; there are {size} patterns to draw from"))
    if config.axes.num_flips is not None and max(config.axes.num_flips) > num_neurons:
        text = f"got {max(config.axes.num_flips)}; at most {num_neurons} entries can be flipped"
        faults.append((f"axes.{LEVELS['flips']}", text))
    if faults:
        raise ConfigError(config.name, faults)
    return pool


def _dataset(config: Config, sweeps: dict[str, Sweep], results: dict[str, SweepResult]) -> xr.Dataset:
    models = {name: (list(sweeps[name].axes), results[name].observables) for name in config.models}
    decoders = (list(sweeps[DECODERS].axes), results[DECODERS].observables) if config.decoders else None
    return store.dataset(config.swept_axes(), models, decoders)


def _problem_attributes(sweep: Sweep) -> dict[str, Any]:
    shape = jax.eval_shape(lambda key: sweep.sample.task.ensemble(key, num_patterns=1), jax.random.key(0)).shape
    return {"num_neurons": shape[0]} | ({} if sweep.largest_capacity is None else {"pool_size": sweep.largest_capacity})


def _provenance(config: Config, started: datetime) -> dict[str, Any]:
    patterns = config.patterns
    digest = hashlib.sha256(patterns.path.read_bytes()).hexdigest() if isinstance(patterns, FilePatterns) else None
    return environment() | {
        "seed": config.seed,
        "precision": config.precision,
        "config_sha256": config.sha256(),
        "pattern_file_sha256": digest,
        "started": started.isoformat(timespec="seconds"),
        "finished": False,
    }


def _times(results: dict[str, SweepResult], seconds: float) -> dict[str, Any]:
    """Wall-clock seconds of the whole sweep; and of each part, where calls that ran side by side count each."""
    parts = {
        name: {
            "compiling": round(result.compile_seconds, 3),
            "running": round(result.run_seconds, 3),
            "programs": result.num_programs,
            "trajectories": result.num_trajectories,
        }
        for name, result in results.items()
    }
    return {"wall_clock": round(seconds, 3), "parts": parts}


def _without(axes: Values, names: Any) -> Values:
    return {name: values for name, values in axes.items() if name not in names}
