"""Files of numbers that are damaged or odd, at random, and whether they are read or refused as they should be."""

import io
import random
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np

from astrojax._internal.errors import InputError
from astrojax.explore.compute import read_upload
from astrojax.problems.patterns import load_patterns

LONGEST, MOST_MEMORY = 5.0, 2**28
"""Seconds and bytes that the reading of a file may take; the files have some kilobytes."""

DTYPES = ["f8", ">f8", "f4", "f2", "i1", "u1", ">i4", "u8", "?"]
ODD_DTYPES = ["g", "c16", "U3", "S2", "V4", "V0", "O", "M8[s]", "m8[D]", "f4,i2"]
SHAPES = [(), (0,), (3,), (4, 5), (5, 4), (0, 3), (3, 0), (2, 3, 4), (2, 2, 2, 2), (40, 2), (1, 300)]
HEADERS = [
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }",
    "{'descr': '|i1', 'fortran_order': False, 'shape': (1000000, 1000000), }",
    "{'descr': '|b1', 'fortran_order': True, 'shape': (-1, -4), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (%s), }" % ("9" * 400 + ", 0"),
    "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 10000000000000000000000), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (2L, 2L), }",
    "{'descr': '<f8', 'fortran_order': 1, 'shape': [2, 2], }",
    "{'descr': '<f8', 'shape': (2, 2)}",
    "{'descr': ('<f8', (1000000, 1000000)), 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<U1000000000', 'fortran_order': False, 'shape': (3, 3), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (3, 3), }",
    "{'descr': 3, 'fortran_order': False, 'shape': (3, 3), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (True, 2), }",
    "(" * 3000,
    "[" * 90 + "1",
    "{'descr': __import__('os'), 'fortran_order': False, 'shape': (3, 3), }",
    "'",
    "",
    "\x00" * 20,
    "{" + "'a': 1, " * 20000 + "}",
]
CELLS = ["1", "-1", "1", "-1", "0", "+1", "1.0", "1e0", "0.5", "inf", "-inf", "nan", "1e400", "-0", "x", "True", "1,5", "1_0"]
CELLS += ["0x1", "1j", "None", "1;", "#", "1 # note", "", " "]
CELLS += ['"1"', '"1', "'1'", "−1", "١", "é", "\x00", "\ud800", "\u2028", "\x0b", "1" * 5000, "0." + "1" * 9000, "1" * 200_000]
ENCODINGS = ["utf-8", "utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-32", "utf-16-le", "cp1252", "utf-7"]
SUFFIXES = [".npy", ".npz", ".csv", ".NPY", ".CSV", ".mat", ".txt", ".pkl", ".png", ".h5", ""]


def mutate_file(rng: random.Random, folder: Path) -> Path:
    """Write a damaged or odd file of numbers at random. Returns its path."""
    suffix, make = rng.choice([(".npy", _npy), (".npz", _npz), (".csv", _csv)])
    content = make(rng)
    if rng.random() < 0.4:
        content = _damaged(rng, content)
    path = folder / f"file{rng.choice(SUFFIXES) if rng.random() < 0.1 else suffix}"
    path.write_bytes(content)
    return path


def check_file(path: Path) -> str | None:
    """`None` if a file is read, or refused naming it, in bounded time and memory; otherwise what happened instead."""
    ways = {
        "load_patterns": lambda: load_patterns(path, max_duplicates=9),
        "with a threshold": lambda: load_patterns(path, threshold=0.5, array="a", binary=False),
        "read_upload": lambda: read_upload(path.name, path.read_bytes(), None, 0.0, 9),
    }
    for way, read in ways.items():
        tracemalloc.start()
        start = time.perf_counter()
        try:
            values = read()
            if values.ndim != 2 or 0 in values.shape or not np.isfinite(values).all():
                return f"{way} gives an array of shape {values.shape}"
        except InputError as error:
            if path.name not in str(error) or "\n" in str(error) or len(str(error)) > 2000:
                return f"{way} does not name the file in a line: {error}"
        except Exception as error:
            return f"{way} raises {type(error).__name__}: {error}"
        finally:
            seconds, memory = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        if seconds > LONGEST or memory > MOST_MEMORY:
            return f"{way} takes {seconds:.1f} s and {memory / 2**20:.0f} MiB"
    return None


def _npy(rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        header = rng.choice(HEADERS).encode("latin-1") + b"\n"
        width = rng.choice([2, 2, 4])
        length = len(header) if rng.random() < 0.8 else rng.choice([0, 10, 60_000])
        version = {2: b"\x01\x00", 4: rng.choice([b"\x02\x00", b"\x03\x00", b"\x09\x00"])}[width]
        start = b"\x93NUMPY" + version + min(length, 256**width - 1).to_bytes(width, "little")
        return start + header + bytes(rng.choice([0, 32]))
    return _saved(_values(rng))


def _values(rng: random.Random) -> np.ndarray:
    shape, dtype = rng.choice(SHAPES), np.dtype(rng.choice(DTYPES if rng.random() < 0.8 else ODD_DTYPES))
    bits = np.random.default_rng(rng.randrange(2**32)).integers(0, 2, shape)
    values = bits * rng.choice([1, 2, 2, 2, 100]) - rng.choice([0, 1, 1])
    with np.errstate(all="ignore"):
        try:
            values = np.asarray(values).astype(dtype)
        except (TypeError, ValueError):
            values = np.zeros(shape, dtype)
    if values.dtype.kind == "f" and values.size and rng.random() < 0.2:
        values.flat[rng.randrange(values.size)] = rng.choice([np.nan, np.inf, -np.inf, 0.5])
    return np.asfortranarray(values) if rng.random() < 0.3 else values


def _saved(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def _npz(rng: random.Random) -> bytes:
    file = io.BytesIO()
    how = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    with zipfile.ZipFile(file, "w", how) as archive:
        names = [[], ["a"], ["a"], ["a"], ["a", "b"], ["a/b"], ["../a"], ["a\n"], [f"a{number}" for number in range(300)]]
        for name in rng.choice(names):
            content = _npy(rng)
            if rng.random() < 0.1 and name in ("a", "b"):  # unpacks to much more than it is
                content = _saved(np.zeros((2**11, 2**11), np.int8))
            archive.writestr(name + rng.choice([".npy", ".npy", ""]), content)
    return file.getvalue()


def _csv(rng: random.Random) -> bytes:
    separator, width = rng.choice([",", ",", ";", "\t", " ", "  ", "|", ", "]), rng.choice([0, 1, 2, 5, 5, 30])
    odd = rng.choice([0.0, 0.0, 0.02, 0.3])
    numbered, named = (separator.join(f"{start}{index}" for index in range(width)) for start in ("", "n"))
    lines = rng.choice([[], [], ["# note"], [named], [numbered], [separator + numbered], ["sep=;"], [""]])
    for _ in range(rng.randrange(12)):
        columns = width if rng.random() > odd / 3 else rng.randrange(9)
        lines.append(separator.join(rng.choice(CELLS if rng.random() < odd else ["1", "-1"]) for _ in range(columns)))
    text = rng.choice(["\n", "\r\n", "\r"]).join(lines) + rng.choice(["", "\n", "\n\n"])
    return text.encode(rng.choice(ENCODINGS), errors=rng.choice(["replace", "ignore"]))


def _damaged(rng: random.Random, content: bytes) -> bytes:
    data = bytearray(content)
    match rng.randrange(6):
        case 0:
            del data[rng.randrange(len(data) + 1) :]
        case 1:
            for _ in range(rng.choice([1, 2, 30])):
                if data:
                    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case 2:
            place = rng.randrange(len(data) + 1)
            data[place:place] = rng.randbytes(rng.choice([1, 8, 100]))
        case 3:
            place = rng.randrange(len(data) + 1)
            del data[place : place + rng.choice([1, 8, 100])]
        case 4:
            data += bytes(data)
        case 5:
            starts = [b"", b"PK", b"PK\x05\x06", b"\x93NUMPY", b"\x80\x04.", rng.randbytes(200), b"\0" * 99]
            data = bytearray(rng.choice(starts))
    return bytes(data)
