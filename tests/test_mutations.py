"""Whatever happens to a file of a run folder, no value changes unnoticed: it is refused, or repaired."""

import contextlib
import os
import random
import shutil
from pathlib import Path

import pytest
import xarray as xr

import astrojax as aj
from astrojax.config.load import parse_config

MUTATIONS = int(os.environ.get("ASTROJAX_MUTATIONS", "25"))
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


def assert_the_same(found: xr.Dataset, wanted: xr.Dataset) -> None:
    """Values, coordinates, dimensions, and attributes, which hold units, tolerances and the solver."""
    xr.testing.assert_identical(found, wanted)
    assert found.dtypes == wanted.dtypes


@pytest.mark.parametrize("number", range(MUTATIONS))
def test_no_mutation_of_a_file_changes_a_value_unnoticed(finished, tmp_path, number):
    whole, wanted = finished
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    rng = random.Random(number)
    kinds = files_of(folder)
    path = rng.choice(kinds[rng.choice(list(kinds))])
    other = rng.choice(
        kinds[rng.choice(list(kinds))]
        if rng.random() < 0.5
        else [one for one in path.parent.parent.rglob("*") if one.is_file()]
    )
    mutate(rng, number % 5, path, other)
    # What is read is refused, or unchanged.
    with contextlib.suppress(aj.InputError):
        assert_the_same(aj.load(folder).load(), wanted)
    # What is continued is refused, or repaired.
    try:
        aj.run(CONFIG, folder)
    except (aj.InputError, aj.RunError):
        return
    assert_the_same(aj.load(folder).load(), wanted)
