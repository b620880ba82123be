"""Damaged at random, a configuration or a file of numbers is read or refused, within seconds and bounded memory."""

import io
import os
import random
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import astrojax as aj
from astrojax.config import examples
from astrojax.config.load import read_config
from astrojax.explore.compute import read_upload
from astrojax.runs.tune import load_search_config

FILES = int(os.environ.get("ASTROJAX_FUZZ", "40"))
"""How many files of each kind are damaged and read; 5000 take some minutes."""

LONGEST, MOST_MEMORY = 20.0, 2**28
"""Seconds and bytes that reading one may take."""

CONFIGURATIONS = [examples.path_of(name).read_bytes() for name in examples.names()]
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
    ways = (lambda: aj.load_patterns(path, max_duplicates=9), lambda: read_upload(path.name, path.read_bytes(), None, 0.0, 9))
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
