"""Recognize run folders and configurations by what they hold; no numerical library is needed."""

import contextlib
import shlex
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from .._internal.errors import InputError
from .._internal.files import refuse_special
from .yaml_files import read_yaml

CONFIG = "config.yaml"

MAX_LISTED = 5
"""Names that a message lists."""


def command_of(content: Any) -> str | None:
    """The command that a configuration is for, `run` or `tune`; `None` if its keys leave that open."""
    keys = set(content) if isinstance(content, dict) else set()
    if "parameters" in keys and "models" not in keys:
        return "tune"
    return "run" if "models" in keys and not keys & {"model", "parameters"} else None


def existing(folder: str | Path) -> Path:
    """A folder that may be a run folder; `InputError` (a ValueError) if it is missing or must not be read."""
    path = Path(folder)
    if not path.exists():
        raise InputError(f"{path} does not exist{run_folders(path.parent)}")
    refuse_special(path)
    return path


def is_search(folder: Path) -> bool:
    """Whether a run folder is that of a search."""
    with contextlib.suppress(InputError):
        return command_of(read_yaml(folder / CONFIG)) == "tune"
    return False


def run_again(folder: Path) -> str:
    """The command that continues and repairs a run folder."""
    return f"astrojax {'tune' if is_search(folder) else 'run'} {shlex.quote(str(folder))}"


def run_folders(near: Path) -> str:
    """Part of a message: the run folders in a folder, or else those in the folder `runs`, the newest first."""
    for place in (near, Path("runs")):
        with contextlib.suppress(OSError):
            if found := sorted((path.parent for path in place.glob(f"*/{CONFIG}")), key=lambda path: -path.stat().st_mtime):
                return f"; run folders are {_list(found)}"
    return ""


def files_like(path: Path) -> str:
    """Part of a message: a YAML file with a similar name, or else the YAML files nearby."""
    found: dict[str, Path] = {}
    for place in (path.parent, Path(), Path("configs")):
        with contextlib.suppress(OSError):
            for file in sorted(place.glob("*.y*ml")):
                found.setdefault(file.name, file)
    for name in get_close_matches(path.name, found, n=1):
        return f" (did you mean '{found[name]}'?)"
    return f"; there are {_list(list(found.values()))}" if found else "; `astrojax examples` lists some that are ready to run"


def _list(paths: list[Path]) -> str:
    return ", ".join(map(str, paths[:MAX_LISTED])) + (", …" if len(paths) > MAX_LISTED else "")
