"""Many machines: chunks as tasks of a Dask cluster, one worker process for each accelerator. Needs the extra `cluster`.

Workers only compute. This process stores what they return, so the flags in the run folder stay correct whatever happens to a
worker, and only pattern files need a shared file system.
"""

import asyncio
import concurrent.futures
import contextlib
import functools
import json
import logging
import multiprocessing
import re
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .._internal import own_code
from .._internal.checks import InputError, RunError, needing
from .._internal.compilation_cache import keep_compiled_programs
from ..config.run import Config
from ..storage.provenance import versions
from ..sweep.engine import Engine, Timings
from .build import build
from .plan import Plan

TASKS_PER_THREAD = 3
"""Tasks submitted at a time per thread of the cluster: enough to keep it busy."""

ATTEMPTS = 3
"""How often a chunk is submitted again after its worker died."""

CONNECT_TIMEOUT = 60
"""Seconds to wait for a cluster, and for a worker when there is none left."""

GATHER_TIMEOUT = 10
"""Seconds to wait for a result from the worker that holds it."""

POLL_INTERVAL = 2
"""Seconds between looks at the state of the cluster."""

LOCAL = re.compile(r"local:([1-9]\d{0,3})")

Computed = tuple[dict[str, np.ndarray], dict[str, Timings]]


class ClusterError(RunError):
    """A cluster that cannot be reached or has gone."""


def check(cluster: str) -> None:
    """Raise `InputError` unless the text can name a cluster; see `connected`."""
    if LOCAL.fullmatch(cluster) or re.match(r"\w+://.", cluster) or Path(cluster).is_file():
        return
    if "/" in cluster or cluster.endswith(".json"):
        raise InputError(f"--cluster: there is no scheduler file {cluster}")
    raise InputError(f"--cluster must be an address such as tcp://10.0.0.1:8786, a scheduler file, or local:4; got {cluster!r}")


def local_workers(cluster: str) -> int:
    """How many workers are started on this machine; 0 for any other cluster."""
    found = LOCAL.fullmatch(cluster)
    return int(found[1]) if found else 0


@contextlib.contextmanager
def connected(cluster: str, notice: Callable[[str], None]) -> Iterator[Any]:
    """A client of a Dask cluster, as in `Execution`. Raises `InputError` without the extra, `ClusterError` without workers."""
    with needing("--cluster needs Dask, which is an extra", "astrojax-memory[cluster]"):
        import dask
        import distributed
    workers = local_workers(cluster)
    if workers and getattr(multiprocessing.current_process(), "_inheriting", False):
        # A worker imports the script that starts it, which has no main guard. The parent process reports that.
        raise SystemExit(1)
    settings = {
        "distributed.scheduler.allowed-failures": 100,  # a worker may die for reasons unrelated to its task
        "distributed.worker.multiprocessing-method": "spawn",  # JAX does not survive a fork
        "distributed.comm.timeouts.connect": CONNECT_TIMEOUT,
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(settings))
        try:
            where = {"address" if "://" in cluster else "scheduler_file": cluster}
            opened = _local_client(workers) if workers else distributed.Client(**where, timeout=CONNECT_TIMEOUT)
            client = stack.enter_context(opened)
            client.wait_for_workers(1, timeout=CONNECT_TIMEOUT)
        except RuntimeError as error:
            ask = 'does this script act under `if __name__ == "__main__":` only, as workers need, and is there memory for them?'
            raise ClusterError(f"{cluster}: workers end while they start; {ask}") from error
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(f"no cluster with workers at {cluster} within {CONNECT_TIMEOUT} s: {error}") from error
        here = versions().items()
        others = {
            f"{name} {there} (here {dict(here)[name]})"
            for each in client.run(versions).values()
            for name, there in each.items() - here
        }
        if others:
            notice(f"workers have other versions, and may give other values: {', '.join(sorted(others))}")
        yield client


@contextlib.contextmanager
def _local_client(workers: int) -> Iterator[Any]:
    """A client of a cluster of workers on this machine."""
    import distributed

    # Distributed warns when another cluster has taken the port of the dashboard, which is off here.
    with _ignore_sigint(), warnings.catch_warnings(action="ignore", category=UserWarning):
        cluster = distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
        )
    client = None
    try:
        client = distributed.Client(cluster)
        yield client
    finally:
        with _ignore_sigint():  # interrupted while closing, it would wait forever
            if client is not None:
                client.close()
            cluster.close()


@contextlib.contextmanager
def _ignore_sigint() -> Iterator[None]:
    """Processes started here ignore Ctrl-C, which reaches them too: their parent shuts them down in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def compute_on_cluster(
    client: Any,
    plan: Plan,
    engine_settings: Mapping[str, int | None],
    pending: Sequence[int],
    write: Callable[[int, Mapping[str, np.ndarray]], None],
    timings: dict[str, Timings],
    notice: Callable[[str], None],
) -> None:
    """Compute the pending tasks of a run on a cluster; the workers' times are added to `timings`.

    Raises `ClusterError` if the cluster is gone, or workers die whenever they compute a certain chunk; and what workers raise.
    """
    from distributed import KilledWorker

    config = plan.config
    code = {one.place: [one.identity, one.text] for one in config.code()}
    given = config.model_dump(mode="json"), code, config.file_digests(), plan.chunk_length, plan.grids, dict(engine_settings)
    task = json.dumps(given, allow_nan=False)
    waiting, attempts = list(reversed(pending)), dict.fromkeys(pending, 0)
    futures: dict[Any, int] = {}

    def submit(index: int) -> None:
        futures[client.submit(_compute, task, index, pure=False, retries=ATTEMPTS)] = index

    try:
        while waiting or futures:
            room = TASKS_PER_THREAD * max(sum(client.nthreads().values()), 1) - len(futures)
            for _ in range(min(room, len(waiting))):
                submit(waiting.pop())
            for future in _completed(client, futures, notice):
                index = futures[future]
                try:
                    values, times = future.result(timeout=GATHER_TIMEOUT)
                except TimeoutError:
                    continue  # its worker died with the result, which is computed again if any worker is left
                except (concurrent.futures.CancelledError, asyncio.CancelledError):
                    # Cancelled with its worker, or with the cluster.
                    if client.status != "running":
                        raise ClusterError("the cluster is gone") from None
                    submit(index)
                except KilledWorker as error:
                    attempts[index] += 1
                    if attempts[index] >= ATTEMPTS:
                        raise ClusterError(f"workers die whenever they compute chunk {index}: {error}") from error
                    notice(f"workers died while they computed chunk {index}; it is submitted again")
                    submit(index)
                else:
                    write(index, values)
                    for name, clock in times.items():
                        timings.setdefault(name, Timings()).add(clock)
                del futures[future]
    except (OSError, TimeoutError) as error:
        raise ClusterError(f"the cluster is gone: {error}") from error
    finally:
        if client.status == "running":
            client.cancel(list(futures))


def _completed(client: Any, futures: Mapping[Any, int], notice: Callable[[str], None]) -> list[Any]:
    """Completed futures, at least one. Waits a limited time for a worker when there is none."""
    from distributed import wait

    deadline = None
    while True:
        try:
            return list(wait(list(futures), timeout=POLL_INTERVAL, return_when="FIRST_COMPLETED").done)
        except TimeoutError:
            if client.status != "running":
                raise ClusterError("the cluster is gone") from None
        if client.nthreads():
            deadline = None
        elif deadline is None:
            notice(f"the cluster has no workers left; waiting {CONNECT_TIMEOUT} s for new ones")
            deadline = time.monotonic() + CONNECT_TIMEOUT
        elif time.monotonic() > deadline:
            raise ClusterError(f"the cluster has had no workers for {CONNECT_TIMEOUT} s")


def _compute(task: str, index: int) -> Computed:
    """One task, as a worker computes it."""
    plan, engine = _prepare(task)
    with jax.enable_x64(plan.config.precision == "float64"):
        session = engine.session()
        return session.compute(plan.lanes(plan.jobs[index])), session.timings


@functools.lru_cache(maxsize=1)
def _prepare(task: str) -> tuple[Plan, Engine]:
    """Plan and engine, made once by each worker from the configuration and the files it names."""
    given, code, digests, chunk, grids, engine_settings = json.loads(task)
    for package, (identity, source) in code.items():
        if source is None and (here := own_code.package_code(package).identity) != identity:
            raise InputError(
                f"the worker has the package {here}; the run is started with {identity}: all must have the same one"
            )
    given = own_code.map_files(given, lambda path: own_code.unpacked(path.name, code[str(path)][1]))
    own_code.trust_here(own_code.code_in(given))
    config = Config.model_validate(given)
    found = config.file_digests()
    for name, digest in digests.items():
        if found[name] != digest:
            raise InputError(f"{name}: {config.files()[name]} is another file on the worker; all must see the same one")
    keep_compiled_programs()
    with jax.enable_x64(config.precision == "float64"):
        return build(config).in_chunks(chunk).refined(grids), Engine(**engine_settings)
