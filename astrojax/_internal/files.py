"""Files: written whole or not at all, safe against a power cut, never through symbolic links; checked against their SHA-256."""

import contextlib
import errno
import functools
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import InputError, RunError

SEAL = "sha256"  # key of a JSON file that holds the SHA-256 of the file's name, its run and everything else in it


class StorageError(RunError):
    """Results that cannot be written or read."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new empty file, synced and renamed to `path` when the block ends without an error; a link there is replaced."""
    if is_special(path):
        raise FileExistsError(errno.EEXIST, "it is a device or a pipe, not a file", str(path))
    part = path.with_name(f".{secrets.token_hex(8)}.part{path.suffix}")
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o666))
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    if hasattr(os, "O_DIRECTORY"):  # Windows syncs the entries of a folder by itself
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def is_part(name: str) -> bool:
    """Whether a file was left behind by `replacing` when its process was killed."""
    return re.match(r"\.[0-9a-f]{16}\.part", name) is not None


def write_file(path: Path, content: bytes) -> None:
    with replacing(path) as part:
        part.write_bytes(content)


@contextlib.contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn every failure to write into a `StorageError`."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file and create its folder if needed; see `replacing`. Raises `StorageError`."""
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode(errors="backslashreplace"))  # names of files may not be valid Unicode


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_sealed_json(path: Path, content: Mapping[str, Any], *run: str) -> None:
    """Like `write_json`, with a checksum that covers the name of the file and, if given, what identifies its run."""
    write_json(path, {**content, SEAL: _seal(path, content, *run)})


def read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} cannot be read: it is not a JSON object")
    return content


def read_sealed_json(path: Path, *run: str) -> dict[str, Any]:
    content = read_json(path)
    if content.pop(SEAL, None) != _seal(path, content, *run):
        which = ", belongs to another search," if run else ","
        raise InputError(f"{path} cannot be read: it is damaged{which} or was changed after it was written")
    return content


def _seal(path: Path, content: Mapping[str, Any], *run: str) -> str:
    return json_sha256([path.name, *run, content])


def is_special(path: Path) -> bool:
    """Whether a path leads to a pipe, a device or the like."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _find_irregular(folder: Path, *, links: bool) -> Path | None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if found := _find_irregular(Path(entry.path), links=links):
                    return found
            elif (entry.is_symlink() and links) or is_special(Path(entry.path)):
                return Path(entry.path)
    return None


def refuse_links(folder: Path) -> None:
    """Raise `InputError` if a folder to be written to holds a symbolic link, which could lead anywhere, a device or a pipe."""
    if folder.exists() and (found := _find_irregular(folder, links=True)):
        raise InputError(f"{found} is a symbolic link, a device or a pipe; a run folder must not hold one")


def refuse_special(folder: Path) -> None:
    """Raise `InputError` if a folder to be read holds a device or a pipe, which may never end."""
    with contextlib.suppress(OSError):  # reported where the file is read
        if found := _find_irregular(folder, links=False):
            raise InputError(f"{found} is a device or a pipe; a run folder must not hold one: remove it")


def json_sha256(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of the content of a file, cached until the file changes. Raises OSError if it cannot be read."""
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):  # a pipe or a device may never end
        raise OSError(errno.EINVAL, "it is not a file", str(path))
    return _sha256(path, state.st_size, state.st_mtime_ns, state.st_ino)


@functools.lru_cache(maxsize=256)
def _sha256(path: Path, *state: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_by_name(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of files, and of all files in folders, by their paths inside a folder. Raises `StorageError`."""
    paths = [path for name in names for path in (folder / name, *sorted((folder / name).rglob("*"))) if path.is_file()]
    try:
        return {path.relative_to(folder).as_posix(): file_sha256(path) for path in paths}
    except OSError as error:
        raise StorageError(f"{folder} cannot be read: {error.strerror or error}") from error
