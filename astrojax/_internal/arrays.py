"""Arrays of numbers from files that may be damaged, endless or malicious: checked before anything is allocated or loaded."""

import array
import csv
import io
import itertools
import json
import math
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from .errors import InputError, shown

MAX_BYTES, MAX_TEXT_BYTES, MAX_LINE, MAX_HEADER = 2**32, 2**28, 2**24, 10_000
"""Sizes of an array in double precision, of a text file, of one of its lines, and of the header of an array."""

CONVERSIONS = {
    ".mat": ("scipy.io", 'scipy.io.loadmat({})["NAME"]'),
    ".pt": ("torch", "torch.load({}).numpy()"),
    ".xlsx": ("pandas", "pandas.read_excel({}, header=None).to_numpy()"),
    ".parquet": ("pandas", "pandas.read_parquet({}).to_numpy()"),
    ".tsv": ("pandas", "pandas.read_table({}, header=None).to_numpy()"),
    **dict.fromkeys((".h5", ".hdf5"), ("h5py", 'h5py.File({})["NAME"][:]')),
    **dict.fromkeys((".pkl", ".pickle"), ("pathlib, pickle", "pickle.loads(pathlib.Path({}).read_bytes())")),
    **dict.fromkeys((".txt", ".dat"), ("numpy", "np.loadtxt({})")),
} | {
    suffix: ("glob, PIL.Image", f"np.stack([PIL.Image.open(p).convert('L') for p in sorted(glob.glob('*{suffix}'))])")
    for suffix in (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff")
}
"""Modules and a Python expression that read other kinds of files."""


def read_array(path: str | os.PathLike[str], name: str | None = None) -> np.ndarray:
    """Read the array of numbers in a `.npy`, `.npz` or `.csv` file."""
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"path must be the path of a file; got {shown(path)}")
    path = Path(path)
    try:
        if not path.is_file():  # a pipe or a device may never end
            raise InputError(f"{path} is not a file" if path.exists() else f"{path} does not exist")
        with path.open("rb") as file:
            return parse_array(file, os.fstat(file.fileno()).st_size, str(path), name)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def parse_array(
    file: io.BufferedIOBase, size: int, path: str, name: str | None = None, max_bytes: int = MAX_BYTES
) -> np.ndarray:
    """Like `read_array`, from an open file of `size` bytes; arrays of more than `max_bytes` in double precision are refused."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".npy", ".npz", ".csv"):
        hint = ""
        if suffix in CONVERSIONS:
            modules, expression = CONVERSIONS[suffix]
            old, new = json.dumps(path), json.dumps(str(Path(path).with_suffix(".npy")))
            hint = f"; make one with: import {modules}, numpy as np; np.save({new}, {expression.format(old)})"
        raise InputError(f"{path} must end in .npy, .npz or .csv{hint}")
    try:
        start = file.read(6)
        file.seek(0)
        if start == np.lib.format.MAGIC_PREFIX:
            return _parse_npy(file, size, max_bytes)
        if start.startswith(b"PK"):
            return _parse_npz(file, name, max_bytes)
        if suffix == ".csv":
            return _parse_csv(file, size)
        raise ValueError("it does not begin as numpy.save or numpy.savez begin a file")
    except Exception as error:  # of any kind: NumPy, zipfile and zlib raise many for damaged files
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"{path} cannot be read: {reason}") from error


def transposition(path: str, array: str | None = None, threshold: object = None) -> str:
    """A line of Python that writes the transpose of the array in a file."""
    old, new = json.dumps(path), json.dumps(str(Path(path).with_suffix(".npy")))
    if Path(path).suffix.lower() == ".csv":
        how = "scaling='raw'" if threshold is None else f"threshold={threshold}"
        return f"np.save({new}, aj.load_patterns({old}, {how}, max_duplicates=10**9))"
    return f"np.save({new}, np.load({old}){'' if array is None else f'[{json.dumps(array)}]'}.T)"


def _parse_npy(file: io.BufferedIOBase | IO[bytes], size: int, max_bytes: int) -> np.ndarray:
    width = {(1, 0): 2, (2, 0): 4}.get(np.lib.format.read_magic(file))
    if width is None:
        raise ValueError("it is in a version of the format of numpy.save that arrays of numbers do not need")
    length = int.from_bytes(file.read(width), "little")
    header = file.read(min(length, MAX_HEADER))
    counted = io.BytesIO(len(header).to_bytes(2, "little") + header)
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(counted)
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise ValueError(f"it must hold real numbers in at most double precision; it holds an array of type {dtype}")
    if 8 * math.prod(shape) > max_bytes:
        raise ValueError(f"an array of shape {shape} takes more than {max_bytes / 2**20:g} MiB in double precision")
    expected, rest = math.prod(shape) * dtype.itemsize, size - file.tell()
    if expected == rest:
        data = file.read(expected)
        if len(data) == expected:
            return np.ndarray(shape, dtype, data, order="F" if is_fortran else "C")
        rest = len(data)
    raise ValueError(f"an array of shape {shape} and type {dtype} has {expected:,} bytes; there are {rest:,}")


def _parse_npz(file: io.BufferedIOBase, name: str | None, max_bytes: int) -> np.ndarray:
    with zipfile.ZipFile(file) as archive:
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        if not members:
            raise ValueError("it holds no arrays")
        if name is None and len(members) == 1:
            (name,) = members
        if name not in members:
            hint = "choose one with array, or save it by itself" if name is None else f"got array={name!r}"
            raise ValueError(f"it holds the arrays {shown(list(members))}; {hint}")
        member = members[name]
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others are unpacked without bounds
            raise ValueError("it must be compressed as numpy.savez_compressed does it, or not at all")
        with archive.open(member) as content:
            return _parse_npy(content, member.file_size, max_bytes)


def _parse_csv(file: io.BufferedIOBase, size: int) -> np.ndarray:
    if size > MAX_TEXT_BYTES:
        raise ValueError(f"it has {size / 2**20:,.0f} MiB, text may have {MAX_TEXT_BYTES // 2**20}; use numpy.save")
    lines = _lines(io.TextIOWrapper(io.BytesIO(file.read(size)), encoding="utf-8-sig", errors="replace"))
    first = list(itertools.islice(lines, 2))
    if not first:
        return np.empty((0, 0))
    separator = next((mark for mark in ";\t," if mark in first[-1][1]), " ")  # the first line may be a header
    values, width, row = array.array("d"), 0, 0
    for line, text in itertools.chain(first, lines):
        if separator in ";\t":
            text = text.replace(",", ".")
        fields = next(csv.reader([text], delimiter=separator, skipinitialspace=True))
        if line == first[0][0] and _is_header(fields):
            continue
        row, width = row + 1, width or len(fields)
        if len(fields) != width:
            raise ValueError(f"row {row} (line {line}) has {len(fields)} columns; those before have {width}")
        for column, field in enumerate(fields, 1):
            try:
                values.append(float(field))
            except ValueError:
                raise ValueError(f"{shown(field)} at row {row}, column {column} (line {line}) is not a number") from None
    return np.array(values).reshape(row, width)


def _lines(text: io.TextIOWrapper) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, without comments and blank lines."""
    for number in itertools.count(1):
        line = text.readline(MAX_LINE + 1)
        if not line:
            return
        if len(line) > MAX_LINE:
            raise ValueError(f"line {number} has more than {MAX_LINE:,} characters")
        if "\0" in line:
            raise ValueError(f"line {number} holds NUL: text must be in UTF-8, not in UTF-16, and without binary data")
        line = line.partition("#")[0].strip(" \n")
        if line:
            yield number, line


def _is_header(fields: list[str]) -> bool:
    """Whether a first line names columns: no field is a number, or they are numbered from 0, as pandas does."""
    if len(fields) > 1 and not fields[0].strip() and _is_header(fields[1:]):
        raise ValueError(
            "its first column has no name, as the row numbers that pandas and R write; "
            "leave them out: to_csv(..., index=False), write.csv(..., row.names=FALSE)"
        )
    return not any(map(_is_number, fields)) or (len(fields) > 2 and fields == [str(index) for index in range(len(fields))])


def _is_number(field: str) -> bool:
    try:
        float(field.replace(",", "."))
    except ValueError:
        return False
    return True
