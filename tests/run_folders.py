"""Small configurations, that of the fixture `finished_run` first, and functions with which tests read and alter run folders."""

import numpy as np
import zarr

import astrojax as aj
from astrojax.cli import main
from astrojax.config.validation import parse_config

RAW = {
    "seed": 3,
    "patterns": {"kind": "random", "num_neurons": 11},
    "axes": {"num_patterns": [3, 20], "num_flips": [0, 4]},
    "trials": 12,
    "models": {"h, plain": {"kind": "hopfield"}},
    "retrieval": {"t1": 3.0},
}
CHUNK = 6
NUM_CELLS = 16
"""Chunks of 6 trajectories: 8 of the memory, 8 of the decoders."""

CONFIG = parse_config(RAW)

TINY = {
    "patterns": {"num_neurons": 8},
    "axes": {"num_patterns": [2, 3], "num_flips": [0, 1]},
    "trials": 2,
    "models": {"h": {"kind": "hopfield"}, "[a],b": {"kind": "hopfield", "slope": 2}},
    "decoders": False,
    "retrieval": {"t1": 1},
}


SEARCH = {"axes": {"num_patterns": 5, "num_flips": 1}, "model": {"kind": "astrocyte"}, "parameters": ["temperature"]}


def refused(capsys, *words):
    """What a command that is refused prints."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == 2
    report = capsys.readouterr().err
    assert report.startswith("astrojax: ")
    assert "Traceback" not in report
    return report


def values(folder):
    """The bytes of every variable."""
    return {name: array.values.tobytes() for name, array in aj.load(folder).data_vars.items()}


def chunk_files(folder, variable):
    return sorted(path for path in (folder / "results.zarr").glob(f"{variable}/c/**/*") if path.is_file())


def flip_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def set_flags(folder, cells, value=0):
    with zarr.config.set({"array.write_empty_chunks": True}):
        zarr.open_array(folder / "done.zarr", mode="r+")[cells] = np.uint64(value)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
