"""Peak memory of `astrojax run` for sweeps of rising size: it should not grow.

Each run is a process of its own, from the plan to the figures. The first time compiling is the peak; the second time programs
are there already.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = """
patterns: {kind: random, num_neurons: 20}
axes:
  num_patterns: {start: 2, stop: 200, step: 2}
  num_flips: {start: 0, stop: 9}
models: {astrocyte: {kind: astrocyte}}
decoders: false
retrieval: {t1: 0.1, solver: heun, rtol: 0.1, atol: 0.1}
"""
POINTS = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trajectories", type=int, nargs="*", default=[100_000, 1_000_000])
    print("| trajectories | programs | peak resident memory, MiB | seconds |\n|---|---|---|---|")
    for number in parser.parse_args().trajectories:
        with tempfile.TemporaryDirectory() as place:
            for programs in ("compiled", "kept"):
                peak, seconds = run(Path(place), number // POINTS, programs)
                print(f"| {number:,} | {programs} | {peak:.0f} | {seconds:.0f} |", flush=True)


def run(place: Path, trials: int, name: str) -> tuple[float, float]:
    """Peak memory in MiB, and seconds."""
    (place / "sweep.yaml").write_text(CONFIG)
    command = [sys.executable, "-m", "astrojax.cli", "run", "sweep.yaml", "--out", name, "--trials", str(trials)]
    started = time.perf_counter()
    with subprocess.Popen(
        command, cwd=place, env=os.environ | {"ASTROJAX_CACHE": str(place / "programs")}, stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the run of {trials * POINTS:,} trajectories failed")
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10), time.perf_counter() - started


if __name__ == "__main__":
    main()
