"""Whatever happens to a file of a run folder, no value changes unnoticed: it is refused, or mended to what it was."""

import contextlib
import os
import random
import shutil
from pathlib import Path

import pytest
import xarray as xr

import astrojax as aj
from astrojax.config.load import parse_config

MUTATIONS = int(os.environ.get("ASTROJAX_MUTATIONS", "40"))
"""How many damaged folders are read and continued; 500 take some minutes."""

CONFIG = parse_config(
    {
        "seed": 3,
        "patterns": {"kind": "random", "num_neurons": 12},
        "axes": {"num_patterns": [2, 4], "num_flips": [1, 2]},
        "trials": 4,
        "models": {"a": {"kind": "hopfield"}, "b": {"kind": "hopfield", "zero_diagonal": True}},
        "retrieval": {"t1": 3.0},
    }
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    aj.run(CONFIG, folder, execution=aj.Execution(lanes_per_chunk=8))
    return folder, aj.load(folder).load()


def flip_bit(rng: random.Random, path: Path, other: Path) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def truncate(rng: random.Random, path: Path, other: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content) or 1)])


def remove(rng: random.Random, path: Path, other: Path) -> None:
    path.unlink()


def swap(rng: random.Random, path: Path, other: Path) -> None:
    one, two = path.read_bytes(), other.read_bytes()
    path.write_bytes(two)
    other.write_bytes(one)


def append(rng: random.Random, path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes() + rng.randbytes(rng.randrange(1, 9)))


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


def assert_the_same(found: xr.Dataset, wanted: xr.Dataset) -> None:
    """Values bit for bit, coordinates, dimensions, and attributes, which hold units, tolerances and the solver."""
    assert set(found.variables) == set(wanted.variables)
    assert found.attrs == wanted.attrs
    for name, variable in wanted.variables.items():
        assert found[name].dims == variable.dims, name
        assert found[name].attrs == variable.attrs, name
        assert found[name].dtype == variable.dtype, name
        assert found[name].values.tolist() == variable.values.tolist() or (
            found[name].values.tobytes() == variable.values.tobytes()
        ), name


def refused(read) -> bool:
    with contextlib.suppress(aj.InputError, aj.RunError):
        read()
        return False
    return True


@pytest.mark.parametrize("number", range(MUTATIONS))
def test_no_mutation_of_a_file_changes_a_value_unnoticed(finished, tmp_path, number):
    whole, wanted = finished
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    rng = random.Random(number)
    mutate = [flip_bit, truncate, remove, swap, append][number % 5]
    kinds = files_of(folder)
    path = rng.choice(kinds[rng.choice(list(kinds))])
    other = rng.choice(
        kinds[rng.choice(list(kinds))]
        if rng.random() < 0.5
        else [one for one in path.parent.parent.rglob("*") if one.is_file()]
    )
    mutate(rng, path, other)
    # What is read is refused, or what it was.
    with contextlib.suppress(aj.InputError):
        assert_the_same(aj.load(folder).load(), wanted)
    # What is continued is refused, or mended; what was damaged is so no more.
    if not refused(lambda: aj.run(CONFIG, folder)):
        assert_the_same(aj.load(folder).load(), wanted)
