"""Pages that are written from the program itself: commands, and the keys of configurations.

The second is kept in the repository, to be read there: python docs/_ext/generated.py writes it again.
"""

import os
import re
from inspect import cleandoc
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from astrojax._internal.registry import members
from astrojax.cli.main import make_parser
from astrojax.config.run import Config
from astrojax.config.sections import Chosen, PartSection, section_of
from astrojax.config.tune import Searched, TuneConfig

DOCS = Path(__file__).parents[1]
CONFIGURATION = DOCS / "configuration.md"
USUAL = {Searched: "usual for the parameter"}
"""Sections whose keys are filled in before they are checked."""

NAMES = {int: "integer", float: "number", bool: "true or false", str: "text", Path: "path", type(None): "nothing"}


def command_line() -> str:
    """What every command says with `--help`."""
    os.environ["COLUMNS"] = "100"
    whole, commands = make_parser()
    parts = ["# Command line", f"```text\n{whole.format_help()}```"]
    for name, command in commands.items():
        parts += [f"## astrojax {name}", f"```text\n{command.format_help()}```"]
    return "\n\n".join(parts) + "\n"


def configuration() -> str:
    """Every field of both kinds of configuration: type, limits, default, meaning."""
    schema = "`astrojax schema` prints the same as a JSON Schema, with which an editor checks a file as it is written."
    own = (
        "Wherever a `kind` or another name of a memory, score, gain map, activation, ensemble, corruption, decoder, "
        "observable or loss stands, [your own code](guides/extending.md) may be named: `mine.py:Name`."
    )
    numbers = (
        "A configuration is YAML of at most 4 MiB, with anchors and merges. Numbers are as in JSON: `1e3` is a thousand, "
        "also where an integer is asked for, and `010` is ten; `1:30` and `2001-01-01` are text. Values of ranges are the "
        "decimals one would write: `{start: 0, stop: 0.6, step: 0.1}` has 0.3, so that `results.sel(erased_fraction=0.3)` "
        "finds it."
    )
    parts, told = ["# Configuration", numbers, own, schema], set()
    for title, kind in {"Of a run": Config, "Of a search": TuneConfig}.items():
        parts += [f"## {title}", cleandoc(kind.__doc__ or ""), _table(kind)]
        if told:
            parts.append("Sections that a run has too are as above.")
        for name, section in _sections(kind).items():
            if section not in told:
                parts += [f"### {name}", cleandoc(section.__doc__ or ""), _table(section)]
                told.add(section)
        for role in ("gain_map", "gap_junctions") if kind is Config else ():
            for name in members(role):
                section = section_of(role, name)
                if len(section.model_fields) > 1:
                    parts += [f"### {role} of a model, kind {name}", cleandoc(section.__doc__ or ""), _table(section)]
    return "\n\n".join(parts) + "\n"


def _sections(kind: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Sections inside a configuration by path, those of several kinds by kind."""
    found = {}
    for name, field in kind.model_fields.items():
        for section in _models(field.annotation, field.metadata):
            tag = section.model_fields.get("kind")
            suffix = f", kind {get_args(tag.annotation)[0]}" if tag else ""
            found[f"{name}{suffix}"] = section
    return found


def _models(annotation: Any, metadata: Any = ()) -> list[type[BaseModel]]:
    if chosen := next((one for one in metadata if isinstance(one, Chosen)), None):
        return _models(chosen.known)
    if get_origin(annotation) is Annotated:
        return _models(get_args(annotation)[0], get_args(annotation)[1:])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _table(kind: type[BaseModel]) -> str:
    rows = ["| key | | when left out | meaning |", "|---|---|---|---|"]
    for name, field in kind.model_fields.items():
        default = USUAL.get(kind) or ("must be given" if field.is_required() else _value(field))
        rows.append(f"| `{name}` | {_type(field.annotation, field.metadata)} | {default} | {field.description or ''} |")
    return "\n".join(rows)


def _value(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if isinstance(default, PartSection):
        return f"`{default.kind}`"
    if isinstance(default, BaseModel):
        return "all as below"
    if default is None or default in ({}, ()):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _type(annotation: Any, metadata: Any = ()) -> str:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return _type(inner, [*more, *metadata])
    limits = _limits(metadata)
    if chosen := next((one for one in metadata if isinstance(one, Chosen)), None):
        return _type(chosen.known) if chosen.known else " or ".join(f"`{name}`" for name in members(chosen.role))
    if origin in (Union, UnionType):
        parts = dict.fromkeys(_type(part) for part in get_args(annotation) if part is not type(None))
        return " or ".join(parts) + limits
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if origin is list:
        return (
            "values: a number, a list or a range"
            if _is_axis(metadata)
            else f"list of: {_type(get_args(annotation)[0])}{limits}"
        )
    if origin is tuple:
        return f"list of: {_type(get_args(annotation)[0])}"
    if origin is dict:
        return f"mapping of names to: {_type(get_args(annotation)[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        tag = annotation.model_fields.get("kind")
        return f"kind `{get_args(tag.annotation)[0]}`" if tag else "a section"
    return NAMES.get(annotation, getattr(annotation, "__name__", str(annotation))) + limits


def _is_axis(metadata: Any) -> bool:
    return any(getattr(getattr(one, "func", None), "__name__", "") in ("axis_values", "integer_values") for one in metadata)


def _limits(metadata: Any) -> str:
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    found = []
    for one in metadata:
        inner = one.metadata if isinstance(one, FieldInfo) else [one]
        for limit in inner:
            found += [
                f"{sign} {getattr(limit, name):,}" for name, sign in signs.items() if getattr(limit, name, None) is not None
            ]
    return f" {', '.join(found)}" if found else ""


def write(app: Any) -> None:
    """Write the page of commands, before any is read."""
    (DOCS / "generated").mkdir(exist_ok=True)
    path = DOCS / "generated" / "command_line.md"
    if not path.exists() or path.read_text(encoding="utf-8") != command_line():
        path.write_text(command_line(), encoding="utf-8")


def link_tutorials(app: Any, page: str, source: list[str]) -> None:
    """Links to the scripts of tutorials lead to the pages that are made of them."""
    source[0] = re.sub(r"\]\((?:\.\./)?tutorials/(\w+)\.py\)", r"](/generated/tutorials/\1)", source[0])


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", write, priority=100)
    app.connect("source-read", link_tutorials)
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    CONFIGURATION.write_text(configuration(), encoding="utf-8")
