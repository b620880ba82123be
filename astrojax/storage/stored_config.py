"""The configuration in a run folder: written with copies of the files it names, and compared when a run is continued."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from .._internal.errors import InputError, shown
from .._internal.files import file_sha256, read_json, sha256_by_name, write_bytes, write_text
from ..config.axes import leaves
from ..config.detect import CONFIG
from ..config.load import ConfigError, read
from ..config.run import BaseConfig
from ..config.yaml_files import dump_yaml
from .record import PROVENANCE, read_provenance, recorded_files
from .results import RESULTS

INPUTS = "inputs"
"""Folder with copies of the files that a configuration names."""

LARGEST_COPY = 2**26
"""Bytes of the largest file that is copied into a run folder; larger ones stay where they are."""

Kind = TypeVar("Kind", bound=BaseConfig)


class Begun(NamedTuple):
    """What a run folder stands for: the configuration, whose files are in the folder where they are not too large, the SHA-256
    of its file and of these copies by their paths in the folder, what `provenance.json` held before, and whether it is new."""

    config: Any
    files: dict[str, str]
    before: dict[str, Any]
    is_new: bool


def begin(folder: Path, config: BaseConfig, notice: Callable[[str], None]) -> Begun:
    """Write the configuration into a new run folder, or see that the folder holds the same one.

    Arguments:
        folder: the run folder.
        config: what is computed.
        notice: called with a message about everything that was damaged and is mended.

    Raises:
        InputError (a ValueError): if the folder holds another configuration, which is shown beside the given one; one that
            was changed after the run was begun; or a run of an earlier version.
        StorageError: if the folder cannot be written.
    """
    is_new = not (folder / CONFIG).exists() and not (folder / RESULTS).exists()
    before: dict[str, Any] = {}
    if is_new:
        stored = _write(folder, config)
    else:
        try:
            before = read_provenance(folder)
        except InputError as error:
            if (folder / PROVENANCE).exists():
                notice(f"{error}; it is written again")
        stored = _continued(folder, config, before, notice)
    copies = [path.relative_to(folder.resolve()).as_posix() for path in stored.files().values() if _is_inside(path, folder)]
    return Begun(stored, sha256_by_name(folder, [CONFIG, *copies]), before, is_new)


def _continued(folder: Path, config: Kind, before: Mapping[str, Any], notice: Callable[[str], None]) -> Kind:
    """The configuration in the folder, mended if need be."""
    if before and recorded_files(before) is None:
        raise InputError(
            f"--out: {folder} was begun by an earlier version of astrojax; it can be loaded, shown and exported, but not "
            "continued: give another folder"
        )
    known = before.get("config_sha256") or sha256_beside_results(folder)
    stored, fault = None, None
    try:
        stored = read(folder / CONFIG, type(config))
    except ConfigError as error:
        fault = error
    if stored is not None and (not known or _has_digest(folder / CONFIG, (recorded_files(before) or {}).get(CONFIG, ""))):
        recorded = before.get("input_files") or stored.file_digests()
        different = differences(stored, config, recorded)
        if different:
            lines = "\n".join(f"  {line}" for line in different)
            raise InputError(
                f"--out: {folder} holds the run of another configuration; give another folder, or the same values:\n{lines}"
            )
        if all(_has_digest(path, recorded.get(name)) for name, path in stored.files().items()):
            return stored
        notice(f"{folder}: files that the configuration names were damaged or missing, and are written again")
        return _write(folder, config)
    if known == config.sha256():
        notice(f"{folder / CONFIG} was damaged or changed, and is written again")
        return _write(folder, config)
    if stored is None:
        which = "another configuration, which" if known else "an unknown configuration, since what told it"
        raise InputError(f"--out: {folder} holds {which} is damaged; give another folder. {fault}") from fault
    raise InputError(
        f"--out: {folder / CONFIG} was changed after the run was begun, and results of two configurations must not be mixed; "
        f"restore it, or give another folder"
    )


def _write(folder: Path, config: Kind) -> Kind:
    """Write the configuration and copies of its files. Returns the configuration that names the copies."""
    digests, taken, paths = config.file_digests(), dict[str, str](), dict[str, Path]()
    for key, source in config.files().items():
        paths[key] = source
        if _is_inside(source, folder) or source.stat().st_size > LARGEST_COPY:
            continue
        name, number = source.name, 2
        while taken.setdefault(name, digests[key]) != digests[key]:
            name, number = f"{number}-{source.name}", number + 1
        paths[key] = folder.resolve() / INPUTS / name
    write_text(folder / CONFIG, as_yaml(config.with_files(paths), beside=folder))
    for key, source in config.files().items():
        if paths[key] != source:
            _copy(source, paths[key], key, digests[key])
    return config.with_files(paths)


def _copy(source: Path, target: Path, key: str, digest: str) -> None:
    try:
        content = source.read_bytes()
    except OSError as error:
        raise InputError(f"{key}: {source} cannot be read: {error.strerror or error}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise InputError(f"{key}: {source} was changed while it was read")
    write_bytes(target, content)


def _is_inside(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder.resolve())


def _has_digest(path: Path, digest: str | None) -> bool:
    try:
        return digest is None or file_sha256(path) == digest
    except OSError:
        return False


def sha256_beside_results(folder: Path) -> str | None:
    """SHA-256 of the configuration as the dataset tells it, or `None`."""
    try:
        return read_json(folder / RESULTS / "zarr.json")["attributes"]["config_sha256"]
    except (InputError, KeyError, TypeError):
        return None


def differences(there: BaseConfig, here: BaseConfig, recorded: Mapping[str, str]) -> list[str]:
    """What differs between the configuration of a run folder and another one, a line for each field.

    Arguments:
        there: the folder's. here: the other one. recorded: SHA-256 of the folder's files, by dotted key.
    """
    digests = here.file_digests()
    there = there.with_files({name: Path(recorded.get(name, str(path))) for name, path in there.files().items()})
    here = here.with_files({name: Path(digest) for name, digest in digests.items()})
    first, second = (leaves(config.model_dump(mode="json")) for config in (there, here))
    missing = object()
    lines = []
    for path in sorted(first.keys() | second.keys()):
        one, other = first.get(path, missing), second.get(path, missing)
        if one == other:
            continue
        if path in digests and path in recorded:
            lines.append(f"{path}: another file there, of SHA-256 {recorded[path][:12]}…; {digests[path][:12]}… here")
            continue
        words = ["nothing" if value is missing else shown(value) for value in (one, other)]
        lines.append(f"{path}: {words[0]} there, {words[1]} here")
    return lines


def as_yaml(config: BaseConfig, beside: Path | None = None) -> str:
    """A configuration as it stands in a file: every value that is used. Paths start at the folder `beside`, if given."""
    if beside is not None:
        config = config.with_files({name: _relative(path, beside.resolve()) for name, path in config.files().items()})
    return dump_yaml(config.model_dump(mode="json"))


def _relative(path: Path, folder: Path) -> Path:
    try:
        return Path(os.path.relpath(path, folder))
    except ValueError:  # on another drive
        return path
