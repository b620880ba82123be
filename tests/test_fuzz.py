"""Damaged at random, a configuration or a file of numbers is read or refused, within seconds and bounded memory.

Whatever happens to a file of a run folder, no value changes unnoticed: it is refused, or repaired.
"""

import contextlib
import io
import os
import random
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import astrojax as aj
from astrojax.config.files import examples
from astrojax.config.validation import read_config
from astrojax.explore.compute import read_upload
from astrojax.runs.tune import load_search_config

from .run_folders import CONFIG

FILES = int(os.environ.get("ASTROJAX_FUZZ", "40"))
"""How many files of each kind are damaged and read; 5000 take some minutes."""

LONGEST, MOST_MEMORY = 20.0, 2**28
"""Seconds and bytes that reading one may take."""

CONFIGURATIONS = [example["text"].encode() for example in examples().values()]
SOUP = """~ -1 1e400 .nan -.inf 0x_ 1e-320 100000000 2001-13-45 !!int !!python/name:os.system "a\\0b" "a\\ud800b" 😀 /dev/zero
[] {} [1, {a: [[1]] &a *a <<: {1: 2} {start: 0, stop: 1e9, step: 1e-9} {kind: [1]} | > - ? % @ ` : # inf "1 −1 ; PK \0 '|O'"""
LONG = ("[" * 300, "9" * 5000, "x" * 3000, "(100000000, 100000000)")


def saved(write, *given, **options) -> bytes:
    file = io.BytesIO()
    write(file, *given, **options)
    return file.getvalue()


SIGNS = np.where(np.arange(20).reshape(4, 5) % 3 > 0, 1.0, -1.0)
ARRAYS = {
    "npy": [saved(np.save, SIGNS.astype(dtype)) for dtype in ("f8", ">f4", "i1", "?", "c16", "U3")],
    "npz": [saved(np.savez, SIGNS), saved(np.savez_compressed, a=SIGNS, b=np.zeros((2000, 2000), np.int8))],
    "csv": [saved(np.savetxt, SIGNS, fmt="%g", delimiter=by, header=head) for by in ",;\t " for head in ("", "a,b")],
}


def damaged(rng: random.Random, content: bytes) -> bytes:
    """Content of which some bytes are flipped, removed, repeated or replaced with a token."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        place, length = rng.randrange(len(data) + 1), rng.choice((0, 1, 8, 100))
        at = rng.randrange(len(SOUP))
        token = rng.choice((*LONG, *4 * [SOUP[at : at + rng.choice((1, 3, 12))]]))
        match rng.randrange(5):
            case 0 if data:
                data[place - 1] ^= 1 << rng.randrange(8)
            case 1:
                del data[place : place + length]
            case 2:
                data[place:place] = data[:length]
            case 3:
                del data[place:]
            case _:
                data[place : place + length] = token.encode()
    return bytes(data)


def read_configuration(path: Path) -> None:
    try:
        read_config(path)
    except aj.InputError:
        load_search_config(path)


def read_arrays(path: Path) -> None:
    ways = (
        lambda: aj.load_patterns(path, max_duplicates=9),
        lambda: read_upload(path.name, path.read_bytes(), threshold=0.0, max_duplicates=9),
    )
    for read in ways:
        values = read()
        assert values.ndim == 2
        assert values.size
        assert np.isfinite(values).all()


@pytest.mark.filterwarnings("ignore:Reading:UserWarning", "ignore:.*escape:SyntaxWarning")
@pytest.mark.parametrize("suffix", ["yaml", *ARRAYS])
def test_damaged_files_are_read_or_refused_within_seconds_and_bounded_memory(suffix, tmp_path):
    path, read = tmp_path / f"damaged.{suffix}", read_configuration if suffix == "yaml" else read_arrays
    for number in range(FILES):
        rng = random.Random(f"{suffix} {number}")
        path.write_bytes(damaged(rng, rng.choice(ARRAYS.get(suffix, CONFIGURATIONS))))
        refusal = path.name
        tracemalloc.start()
        started = time.perf_counter()
        try:
            read(path)
        except aj.InputError as error:
            refusal = str(error)
        finally:
            seconds, memory = time.perf_counter() - started, tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert suffix == "yaml" or (path.name in refusal and "\n" not in refusal and len(refusal) < 2000), number
        assert seconds < LONGEST, number
        assert memory < MOST_MEMORY, number


PLANS = """
import random, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
from astrojax.cli import main
extreme = "0 1 2.5 -3 1e9 2147483648 1e-300 .inf true ~ [] power random hierarchical erasures".split()
extreme += ["[1, 2]", "{start: 1, stop: 1e6}", "{start: 1, stop: 1e6, num: 50}", "{start: 1, stop: 3, num: 3, scale: log}"]
fields = '''seed trials corruption decoders precision patterns.kind patterns.num_neurons patterns.num_prototypes
axes.num_patterns axes.num_flips axes.temperature axes.tau_x axes.retrieval.t1 axes.patterns.num_neurons retrieval.t1
retrieval.max_steps retrieval.num_steps retrieval.rtol
models.a.kind models.a.slope models.a.score models.a.order models.a.coupling'''.split()
for number in range(int(sys.argv[1])):
    rng = random.Random(number)
    words = [word for field in rng.sample(fields, rng.choice((1, 2, 4))) for word in (f"--{field}", rng.choice(extreme))]
    status = main(["run", "example:first", "--models", "{a: {kind: astrocyte}}", "--dry-run", "--quiet", *words])
    assert status in (0, 2), (status, words)
"""


@pytest.mark.slow
def test_planning_what_is_extreme_ends_with_a_plan_or_a_refusal_within_bounded_memory():
    command = [sys.executable, "-c", PLANS, str(5 * FILES)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr


MUTATIONS = int(os.environ.get("ASTROJAX_MUTATIONS", "15"))
"""How many damaged folders are read and continued; 500 take some minutes."""


def mutate(rng: random.Random, how: int, path: Path, other: Path) -> None:
    """Flip a bit of a file, truncate it, remove it, exchange it with another one, or append to it."""
    content = path.read_bytes()
    match how:
        case 0 if content:
            place = rng.randrange(len(content))
            path.write_bytes(content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :])
        case 1:
            path.write_bytes(content[: rng.randrange(len(content) or 1)])
        case 2:
            path.unlink()
        case 3:
            path.write_bytes(other.read_bytes())
            other.write_bytes(content)
        case 4:
            path.write_bytes(content + rng.randbytes(rng.randrange(1, 9)))


def files_of(folder: Path) -> dict[str, list[Path]]:
    """The files by kind. Chunks are most of them, and would leave the others hardly a mutation."""
    kinds: dict[str, list[Path]] = {"chunks": [], "flags": [], "coordinates": [], "descriptions": [], "others": []}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"):
        name = path.relative_to(folder).as_posix()
        if name.startswith("done.zarr/c/"):
            kinds["flags"].append(path)
        elif "/c/" in name:
            kinds["coordinates" if name.count("/") == 3 else "chunks"].append(path)
        else:
            kinds["descriptions" if name.endswith("zarr.json") else "others"].append(path)
    return kinds


@pytest.mark.parametrize("number", range(MUTATIONS))
def test_no_mutation_of_a_file_changes_a_value_unnoticed(finished_run, run, no_figures, number):
    wanted, kinds, rng = aj.load(finished_run).load(), files_of(run), random.Random(number)
    path = rng.choice(kinds[rng.choice(list(kinds))])
    beside = [one for one in path.parent.parent.rglob("*") if one.is_file()]
    mutate(rng, number % 5, path, rng.choice(kinds[rng.choice(list(kinds))] if rng.random() < 0.5 else beside))
    # What is read is refused, or unchanged: values, coordinates, dimensions, and attributes, which hold units and the solver.
    with contextlib.suppress(aj.InputError):
        xr.testing.assert_identical(aj.load(run).load(), wanted)
    # What is continued is refused, or repaired.
    with contextlib.suppress(aj.InputError, aj.RunError):
        aj.run(CONFIG, run)
        xr.testing.assert_identical(found := aj.load(run).load(), wanted)
        assert found.dtypes == wanted.dtypes
