"""Completing a command line: what may stand for CONFIG and RUN, and the keys of a configuration as options."""

import argparse
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args, get_origin

import argcomplete

from ..config.detect import CONFIG
from ..config.examples import PREFIX, kind, located, names
from ..config.yaml_files import read_yaml
from .parser import Parser

MODELS, RANGES = "models", "axes"
"""Sections whose keys are names that the user gives; and whose fields are not sections."""


def complete(parser: Parser, commands: dict[str, Parser]) -> NoReturn:
    """Answer a shell, which has put the line so far into the environment, and end the process."""
    words = _words()
    command = words[1] if len(words) > 1 else ""
    if command in ("run", "tune") and any(word.startswith("--") for word in words[-2:]):  # a key, or its value
        _add_keys(commands[command], command, words)
    # Options are many: they are offered once a dash is typed.
    argcomplete.autocomplete(parser, always_complete_options=False)
    raise SystemExit(1)


def configurations(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """YAML files, folders, and the examples that the command can take."""
    examples = [f"{PREFIX}{name}" for name in names() if kind(name) == parsed_args.name]
    files = _paths(prefix, lambda path: path.suffix in (".yaml", ".yml"))
    return [*files, *(example for example in examples if example.startswith(prefix))]


def folders(prefix: str, **_: Any) -> list[str]:
    """Folders."""
    return _paths(prefix, lambda path: False)


def run_folders(prefix: str, **_: Any) -> list[str]:
    """Run folders, and folders that may hold some."""
    return [text.rstrip("/") if (Path(text) / CONFIG).is_file() else text for text in folders(prefix)]


def keys(command: str, models: dict[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """The dotted keys of a configuration, each with what it is annotated and its description.

    Arguments:
        command: `run` or `tune`. models: the models that the configuration has, by name, each with its kind.
    """
    from ..config.run import Config
    from ..config.sections import MEMORIES
    from ..config.tune import TuneConfig

    if command == "tune":
        yield from _keys_of(TuneConfig, "")
        return
    yield from _keys_of(Config, "")
    for name, model in models.items():
        section = MEMORIES.get(str(model.get("kind"))) if isinstance(model, dict) else None
        if section is not None:
            yield from _keys_of(section, f"{MODELS}.{name}.")


def _add_keys(parser: Parser, command: str, words: Sequence[str]) -> None:
    for key, annotation, description in keys(command, _models_in(words)):
        if f"--{key}" in parser.options():
            continue
        action: Any = parser.add_argument(f"--{key}", metavar="VALUE", help=description or key)
        choices: Any = [str(choice) for choice in get_args(annotation)] if get_origin(annotation) is Literal else []
        action.completer = argcomplete.ChoicesCompleter(choices)


def _keys_of(section: Any, path: str) -> Iterator[tuple[str, Any, str]]:
    from ..config.load import sections_in

    for name, field in section.model_fields.items():
        yield f"{path}{name}", field.annotation, field.description or ""
        if (name == RANGES or not path) and get_origin(field.annotation) is not dict:
            seen = set()
            for inner in sections_in(field.annotation):
                for key in _keys_of(inner, f"{path}{name}."):
                    if key[0] not in seen:
                        seen.add(key[0])
                        yield key


def _models_in(words: Sequence[str]) -> dict[str, Any]:
    """The models of the configuration that stands on the command line, by name."""
    try:
        return dict(read_yaml(located(words[2]))[MODELS])
    except (ValueError, LookupError, TypeError):
        return {}


def _words() -> list[str]:
    """The words up to the cursor; the last one is being completed."""
    line = os.environ.get("COMP_LINE", "").encode()[: int(os.environ.get("COMP_POINT") or 0)].decode(errors="ignore")
    try:
        words = shlex.split(line)
    except ValueError:  # a quote is open
        words = line.split()
    return [*words, ""] if not words or line.endswith(" ") else words


def _paths(prefix: str, wanted: Any) -> list[str]:
    """Files that are wanted, and folders with a slash behind them, whose names begin so."""
    folder, _, start = prefix.rpartition("/")
    place = Path(os.path.expanduser(f"{folder}/") if "/" in prefix else ".")
    found = []
    try:
        for path in sorted(place.iterdir()):
            if not path.name.startswith(start) or (path.name.startswith(".") and not start.startswith(".")):
                continue
            text = f"{folder}/{path.name}" if "/" in prefix else path.name
            if path.is_dir():
                found.append(f"{text}/")
            elif wanted(path):
                found.append(text)
    except OSError:
        return []
    return found
