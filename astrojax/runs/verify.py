"""Verify a stored run: recompute a random share of it and compare."""

import contextlib
import functools
import math
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np

from .._internal.checks import InputError, at_least, within
from .._internal.compilation_cache import keep_compiled_programs
from .._internal.files import StorageError
from .._internal.own_code import pointing_at_own_code
from ..config.validation import read_config
from ..storage import folder as store
from ..storage.provenance import check_files, read_record, refuse_changed_code
from ..storage.results import RESULTS, Results
from ..sweep.engine import Engine
from .build import build
from .plan import Job, Plan
from .run import Execution

EQUAL = 1e-5
"""Relative difference up to which floats count as equal."""

EXACT = ("hamming_error", "success", "settled", "identified", "class_identified", "num_active_gains", "decoder_identified")
"""Floats that are counts, and must be equal."""


def verify(
    run: str | Path,
    *,
    share: float = 0.01,
    seed: int | None = None,
    trust: bool = False,
    execution: Execution = Execution(),  # noqa: B008 (frozen)
    on_chunk: Callable[[str, int], None] | None = None,
) -> dict[str, dict[str, float | int]]:
    """Recompute a random share of a run's stored trajectories and compare.

    All finished chunks are checked, whatever the share; damaged ones are compared completely. Unreadable values, all values of
    a variable whose description was changed, and changed coordinates count as different.

    Arguments:
        run: a run folder; if unfinished, its finished chunks.
        share: proportion in (0, 1]; at least one trajectory.
        seed: of the random choice, an integer of at least 0; different every time if omitted.
        trust: let code of a user's own run that the configuration names; see `load_config`.
        execution: how to compute.
        on_chunk: as for `run`.

    Returns:
        For each variable `compared`, how many values were compared, `different`, how many are not the same bit for bit,
        `beyond`, how many differ by more than a relative 1e-5, or at all if they are integers, counts or not finite; and
        `largest`, the largest difference relative to max(1, |value|).

    Raises:
        InputError (a ValueError): if the folder holds no run, or one whose configuration, patterns or code have changed since,
            or are not trusted, or for a share or a seed out of range.
        StorageError (a RunError): if the dataset or its flags cannot be opened.
    """
    engine = Engine(**execution.engine_settings())  # first, since checking numbers starts JAX
    within("share", share, 0, 1)
    if seed is not None:
        at_least("seed (--seed)", seed, 0)
    if execution.cluster is not None:
        raise InputError("execution: a run is verified in this process, not on a cluster")
    folder = store.find_run(run)
    record = read_record(folder)
    changed = list(dict.fromkeys(name.split("/")[1] for name in check_files(folder, record, but=f"{RESULTS}/")))
    refuse_changed_code(folder, record)
    config = read_config(folder / store.CONFIG, trust=trust)
    for name, digest in config.file_digests().items():
        if record["input_files"].get(name) != digest:
            raise InputError(f"{name}: {config.files()[name]} has changed since the run was started; restore it")
    keep_compiled_programs()
    entropy = int(np.random.default_rng(seed).integers(2**32))
    with pointing_at_own_code(), jax.enable_x64(config.precision == "float64"):
        plan = build(config).in_chunks(record["trajectories_per_chunk"]).refined(record["grids"])
        session, jobs = engine.session(), plan.jobs
        results = Results(folder, plan.coordinates, plan.variables, record["config_sha256"])
        results.open_for_reading(without=changed)
        flags = results.done()
        done = np.array([index for index, job in enumerate(jobs) if results.is_done(job.regions, flags)], int)
        if not done.size:
            raise InputError(f"{folder} holds no results yet")
        rng = np.random.default_rng(entropy)
        sizes = np.array([jobs[index].num_trajectories for index in done])
        counts = rng.binomial(sizes, share)
        if not counts.any():
            counts[rng.choice(done.size, p=sizes / sizes.sum())] = 1
        intact = [results.is_intact(jobs[index].regions, flags) for index in done]
        counts = np.where(intact, counts, sizes)
        variables = jobs[0].regions.keys() | jobs[-1].regions.keys()
        found = {name: _all_different(1) for name in changed if name not in variables}
        lock = threading.Lock()

        def check(index: int, count: int) -> None:
            job = jobs[index]
            rng = np.random.default_rng([entropy, index])
            chosen = np.sort(rng.choice(job.num_trajectories, count, replace=False))
            again = session.compute(plan.lanes(job, chosen))
            compared = _compare(results, plan, job, chosen, again, changed)
            with lock:
                for name, tally in compared.items():
                    before = found.get(name, dict.fromkeys(tally, 0))
                    found[name] = {
                        key: max(before[key], value) if key == "largest" else before[key] + value
                        for key, value in tally.items()
                    }
                if on_chunk is not None:
                    on_chunk(plan.parts[job.part].name, count)

        session.run(
            [functools.partial(check, int(index), int(count)) for index, count in zip(done, counts, strict=True) if count]
        )
    return found


def _compare(
    results: Results, plan: Plan, job: Job, chosen: np.ndarray, again: dict[str, np.ndarray], changed: Sequence[str]
) -> dict[str, dict[str, float | int]]:
    """Tallies by stored variable, for the chosen lanes of a job; changed and unreadable values count as different."""
    size = job.num_trajectories
    full = {name: np.zeros(size, value.dtype) for name, value in again.items()}
    for name, value in again.items():
        full[name][chosen] = value
    mask = np.zeros(size, bool)
    mask[chosen] = True
    masks, values = (plan.stored(job, given) for given in (dict.fromkeys(again, mask), full))
    tallies = {}
    for name, region in job.regions.items():
        shape = [part.stop - part.start for part in region]
        at = np.broadcast_to(masks[name], shape)
        tallies[name] = _all_different(int(at.sum()))
        if name not in changed:
            with contextlib.suppress(StorageError):
                tallies[name] = _tally(name, results.read(name, region)[at], np.broadcast_to(values[name], shape)[at])
    return tallies


def _all_different(number: int) -> dict[str, float | int]:
    return {"compared": number, "different": number, "beyond": number, "largest": math.inf}


def _tally(name: str, one: np.ndarray, other: np.ndarray) -> dict[str, float | int]:
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    exact = one.dtype.kind in "iu" or name in EXACT
    one, other = one.astype(np.float64), other.astype(np.float64)
    with np.errstate(invalid="ignore"):
        relative = np.abs(one - other) / np.maximum(1, np.abs(one))
    relative = np.where(same, 0.0, np.where(np.isnan(relative), np.inf, relative))
    return {
        "compared": one.size,
        "different": int((~same).sum()),
        "beyond": int((relative > (0 if exact else EQUAL)).sum()),
        "largest": float(relative.max(initial=0.0)),
    }
