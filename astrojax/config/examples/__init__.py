"""Configurations that come with the package: `example:NAME` stands for their files."""

from pathlib import Path

from ..._internal.errors import InputError, did_you_mean
from ..detect import command_of
from ..yaml_files import read_yaml

FOLDER = Path(__file__).parent

PREFIX = "example:"


def names() -> list[str]:
    """Names of all examples: the first, other runs, searches."""
    return sorted((path.stem for path in FOLDER.glob("*.yaml")), key=lambda name: (kind(name), name != "first", name))


def path_of(name: str) -> Path:
    """The file of an example; `InputError` (a ValueError) if there is none of that name."""
    if name not in names():
        raise InputError(
            f"there is no example {name!r}{did_you_mean(name, names())}; there are {', '.join(names())} (astrojax examples)"
        )
    return FOLDER / f"{name}.yaml"


def located(path: str | Path) -> Path:
    """A path, or that of the example for which `example:NAME` stands."""
    text = str(path)
    return path_of(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else Path(path)


def kind(name: str) -> str:
    """The command that an example is for, `run` or `tune`."""
    return command_of(read_yaml(FOLDER / f"{name}.yaml")) or "run"


def about(name: str) -> str:
    """What an example is, in one line: the first of its file."""
    return path_of(name).read_text(encoding="utf-8").partition("\n")[0].removeprefix("#").strip()
