"""Writing files: whole or not at all, safe against a power cut, and never through symbolic links. Standard library only."""

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path


def is_part(name: str) -> bool:
    """Whether a file is one that `replacing` was writing when its process was killed."""
    return re.match(r"\.[0-9a-f]{16}\.part", name) is not None


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new empty file in the folder of `path`, which replaces `path` when the block ends without an error.

    It is created exclusively under a random name, so nothing that lies in the folder is opened or followed. Its content is
    synced to disk before it is renamed, and the folder afterwards. A link at `path` is replaced, not followed.

    Raises:
        OSError: if it cannot be created or renamed, and for a device or a pipe at `path`. The new file is removed then.
    """
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
    _sync_folder(path.parent)


def write_file(path: Path, content: bytes) -> None:
    """Write a file; see `replacing`. Raises OSError."""
    with replacing(path) as part:
        part.write_bytes(content)


def find_irregular(folder: Path, *, links: bool) -> Path | None:
    """A pipe, a device or the like at any depth inside a folder, or `None`; with `links`, symbolic links too.

    What links lead to is looked at, but not what is inside. The folder itself may be a link.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if found := find_irregular(Path(entry.path), links=links):
                    return found
            elif (entry.is_symlink() and links) or is_special(Path(entry.path)):
                return Path(entry.path)
    return None


def is_special(path: Path) -> bool:
    """Whether a path leads to a pipe, a device or the like: something that exists and is neither a file nor a folder."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _sync_folder(folder: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):  # Windows syncs the entries of a folder by itself
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
