"""The run folder: a configuration, its provenance, and a labelled dataset that grows (results.py)."""

import contextlib
import io
import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import yaml
import zarr
from filelock import FileLock, Timeout

from .._checks import InputError, shown
from .config import Config, Root
from .definitions import DEFINITIONS
from .folders import CONFIG, is_search, run_folders
from .reading import ConfigError, read
from .results import DONE, RESULTS, StorageError

PROVENANCE, SUMMARY, FIGURES, LOCK = "provenance.json", "summary.json", "figures", ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run folder, made if need be, against other processes; the hold ends with the process, however it ends.

    Raises:
        InputError (a ValueError): if another process holds it, or it cannot be written.
    """
    lock = FileLock(folder / LOCK)
    try:
        names = {path.name for path in folder.iterdir()} if folder.exists() else set()
        if not {CONFIG, RESULTS} & names and names - {LOCK, FIGURES}:
            raise InputError(f"--out: {folder} exists already, is no run folder, and is never overwritten; give another folder")
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        (folder / FIGURES).mkdir(exist_ok=True)
    except Timeout:
        raise InputError(f"--out: {folder} is in use: another process is computing it") from None
    except OSError as error:
        raise InputError(f"--out: {folder} cannot be written: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()


def begin(folder: Path, config: Root, digest: str | None, notice: Callable[[str], None]) -> bool:
    """Write the configuration into a new run folder, or see that the folder holds the same one. Returns whether it is new.

    Arguments:
        folder: the run folder.
        config: what is computed.
        digest: SHA-256 of the pattern file, if there is one.
        notice: told in words what was damaged and mended.

    Raises:
        InputError (a ValueError): if the folder holds another configuration, which is shown beside the given one.
        StorageError: if the folder cannot be written.
    """
    if not (folder / CONFIG).exists() and not (folder / RESULTS).exists():
        write_text(folder / CONFIG, as_yaml(config))
        return True
    try:
        before = read_json(folder / PROVENANCE)
    except InputError as error:
        before = {}
        if (folder / PROVENANCE).exists():
            notice(f"{error}; it is written again")
    try:
        stored = read(folder / CONFIG, type(config))
    except ConfigError as error:
        known = before.get("config_sha256") or _sha256_beside_results(folder)
        if known != config.sha256():
            which = "another configuration, which" if known else "an unknown configuration, since what told it"
            raise InputError(f"--out: {folder} holds {which} is damaged; give another folder. {error}") from error
        notice(f"{folder / CONFIG} was damaged, and is written again")
        write_text(folder / CONFIG, as_yaml(config))
        return False
    different = differences(stored, config)
    if different:
        lines = "\n".join(f"  {line}" for line in different)
        raise InputError(
            f"--out: {folder} holds the run of another configuration; give another folder, or the same values:\n{lines}"
        )
    if before.get("pattern_file_sha256", digest) != digest:
        raise InputError(f"--out: {folder} was begun with other patterns: the file at patterns.path has changed since")
    return False


def _sha256_beside_results(folder: Path) -> str | None:
    try:
        return read_json(folder / RESULTS / "zarr.json")["attributes"]["config_sha256"]
    except (InputError, KeyError, TypeError):
        return None


def differences(there: Root, here: Root) -> list[str]:
    """What differs between the configuration of a run folder and another one, a line for each field."""
    first, second = (_leaves(config.model_dump(mode="json"), "") for config in (there, here))
    missing = object()
    lines = []
    for path in sorted(first.keys() | second.keys()):
        one, other = first.get(path, missing), second.get(path, missing)
        if one != other:
            words = ["nothing" if value is missing else shown(value) for value in (one, other)]
            lines.append(f"{path}: {words[0]} there, {words[1]} here")
    return lines


def _leaves(value: Any, path: str) -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {key: leaf for name, inner in value.items() for key, leaf in _leaves(inner, f"{path}.{name}").items()}
    return {path.removeprefix("."): value}


def as_yaml(config: Root, beside: Path | None = None) -> str:
    """A configuration as it stands in a file: every value that is used. Files in the folder `beside` are named alone."""
    content = config.model_dump(mode="json")
    folder = None if beside is None else beside.resolve()
    for model in content.get("models", {}).values():
        for name, value in model.items():
            if isinstance(value, str) and Path(value).parent == folder:
                model[name] = Path(value).name
    return yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=120)


def unfinished(parent: Path, name: str, config: Root) -> Path | None:
    """A folder `parent/name` or `parent/name-NUMBER` that holds an unfinished run of the same configuration, if any."""
    for folder in sorted(parent.glob(f"{name}*")):
        try:
            record = read_json(folder / PROVENANCE)
            finished = all(is_done(folder)) if isinstance(config, Config) else record["finished"]
            if record["config_sha256"] == config.sha256() and not finished:
                return folder
        except (InputError, KeyError):
            continue
    return None


def free_folder(parent: Path, name: str) -> Path:
    """`parent/name`, or with the first number appended that is free."""
    folder, number = parent / name, 2
    try:
        while folder.exists():
            folder, number = parent / f"{name}-{number}", number + 1
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from error
    return folder


def coordinates_of(
    axes: Mapping[str, Mapping[str, Sequence[float | int]]], models: Mapping[str, Sequence[str]], decoders: Sequence[str] | None
) -> xr.Dataset:
    """The coordinates of a run's dataset.

    Arguments:
        axes: values by coordinate, by axis, in the order of the dimensions.
        models: for each model the axes that matter for it; along the others its values are repeated.
        decoders: names of the decoders, if there are any.
    """
    coordinates: dict[str, Any] = {"model": _strings(models)}
    for axis, named in axes.items():
        coordinates |= {name: (axis, np.asarray(values)) for name, values in named.items()}
        if axis not in named:  # zipped: its positions
            coordinates[axis] = (axis, np.arange(len(next(iter(named.values())))))
    definition = "axes that matter for the model, as a JSON list; along the others its values are repeated"
    swept = _strings(json.dumps(list(names)) for names in models.values())
    coordinates["swept_axes"] = ("model", swept, {"definition": definition})
    if decoders is not None:
        coordinates["decoder"] = _strings(decoders)
    return xr.Dataset(coords=coordinates)


def is_done(run: str | Path) -> np.ndarray:
    """Which tasks of a run are done, shape (tasks,), boolean. `InputError` (a ValueError) if that cannot be read."""
    try:
        return np.asarray(zarr.open_array(Path(run) / DONE, mode="r")[:]) == 1
    except Exception as error:  # of whatever kind: zarr raises what it likes on damaged files
        reason = str(error) or type(error).__name__
        again = f"astrojax run {shlex.quote(str(run))} mends it"
        raise InputError(f"{Path(run) / DONE} cannot be read: {reason}; {again}") from error


def load(run: str | Path, *, partial: bool = False) -> xr.Dataset:
    """The results of a run folder, read when used.

    Arguments:
        run: the run folder.
        partial: whether a run may be unfinished; what is not computed yet is NaN and has status −1.

    Raises:
        InputError (a ValueError): if the folder holds no run, an unfinished one, or one that is damaged.
    """
    folder = Path(run)
    if not folder.exists():
        raise InputError(f"{folder} does not exist{run_folders(folder.parent)}")
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder} is not a run folder: it holds no {CONFIG}{run_folders(folder)}")
    again = f"astrojax run {shlex.quote(str(folder))}"
    if not (folder / RESULTS).is_dir() and is_search(folder):
        raise InputError(f"{folder} is the folder of a search, not of a run{run_folders(folder / 'heldout')}")
    if not (folder / RESULTS).is_dir():
        raise InputError(f"{folder} holds no {RESULTS}: the run was not begun; {again} begins it")
    done = is_done(folder)
    if not partial and not done.all():
        raise InputError(f"{folder} is unfinished: {done.sum()} of {done.size} chunks are computed; {again} continues it")
    try:
        results = xr.open_zarr(folder / RESULTS, consolidated=False, chunks=None)
    except Exception as error:  # of whatever kind: xarray and zarr raise what they like on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{folder / RESULTS} is damaged and cannot be read: {reason}; {again} mends it") from error
    needed = ("model", "trial", "hamming_error", "success", "settled", "status")
    missing = [name for name in needed if name not in results.variables]
    if missing:
        raise InputError(f"{folder / RESULTS} is damaged: {', '.join(missing)} is missing; {again} mends it")
    return results[[name for name in DEFINITIONS if name in results]]


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file with line breaks, whole or not at all. Raises `StorageError` if it cannot be written."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all. Raises `StorageError` if it cannot be written."""
    write_bytes(path, text.encode())


def write_array(path: Path, values: np.ndarray) -> None:
    """Write an array as a .npy file, whole or not at all. Raises `StorageError` if it cannot be written."""
    content = io.BytesIO()
    np.save(content, np.asarray(values), allow_pickle=False)
    write_bytes(path, content.getvalue())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all. Raises `StorageError` if it cannot be written."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object; `InputError` if it is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} cannot be read: it holds no object")
    return content


def _strings(names: Iterable[str]) -> np.ndarray:
    # As objects they are stored as strings of variable length, which Zarr v3 specifies; fixed lengths it does not.
    return np.array(list(names), dtype=object)
