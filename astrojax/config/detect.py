"""Run folders and configurations, told by what is in them; no numerical library is needed."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from .._internal.errors import InputError
from .._internal.files import refuse_special
from .yaml_files import read_yaml

CONFIG = "config.yaml"

FEW = 5
"""Names that a message lists."""


def command_of(content: Any) -> str | None:
    """The command that the content of a configuration is for, `run` or `tune`; `None` if that cannot be told."""
    keys = set(content) if isinstance(content, dict) else set()
    if "parameters" in keys and "models" not in keys:
        return "tune"
    return "run" if "models" in keys and not keys & {"model", "parameters"} else None


def existing(folder: str | Path) -> Path:
    """A folder that may be a run folder; `InputError` (a ValueError) if there is none, or one that must not be read."""
    path = Path(folder)
    if not path.exists():
        raise InputError(f"{path} does not exist{run_folders(path.parent)}")
    refuse_special(path)
    return path


def is_search(folder: Path) -> bool:
    """Whether a run folder is that of a search."""
    try:
        content = read_yaml(folder / CONFIG)
    except InputError:
        return False
    return command_of(content) == "tune"


def run_folders(near: Path) -> str:
    """Words for a message: the run folders in a folder, or else those in the folder `runs`, the newest first."""
    for place in (near, Path("runs")):
        found = sorted((path.parent for path in _found(place, f"*/{CONFIG}")), key=_age)
        if found:
            return f"; run folders are {_few(found)}"
    return ""


def files_like(path: Path) -> str:
    """Words for a message: a YAML file of nearly the same name, or those that there are."""
    places = (path.parent, Path(), Path("configs"))
    found = list(dict.fromkeys(file for place in places for file in sorted(_found(place, "*.y*ml"))))
    names = {file.name: file for file in reversed(found)}
    for name in get_close_matches(path.name, names, n=1):
        return f" (did you mean '{names[name]}'?)"
    if found:
        return f"; there are {_few(found)}"
    return "; `astrojax examples` lists some that are ready to run"


def _found(folder: Path, pattern: str) -> Iterator[Path]:
    try:
        yield from folder.glob(pattern)
    except OSError:
        return


def _age(path: Path) -> float:
    try:
        return -path.stat().st_mtime
    except OSError:
        return 0.0


def _few(paths: list[Path]) -> str:
    return ", ".join(map(str, paths[:FEW])) + (", …" if len(paths) > FEW else "")
