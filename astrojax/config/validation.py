"""Read a configuration: YAML, overrides from the command line, and one report of all faults."""

import contextlib
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from .._internal import own_code
from .._internal.errors import InputError, did_you_mean, shown
from .axes import NAME
from .files import MAX_DEPTH, MAX_VALUES, command_of, located, parse_yaml, read_yaml
from .run import BaseConfig, Config, Fault, rule_of
from .sections import UNREAD, Choice, Chosen, KindError, Memory, chosen, flatten, section_of


class ConfigError(InputError):
    """An invalid configuration; `faults` lists all faults as pairs of path and text."""

    def __init__(self, source: str, faults: Sequence[Fault]) -> None:
        self.faults = list(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        lines = [f"  {path}: {text}" if path else f"  {text}" for path, text in self.faults]
        super().__init__("\n".join([f"{source} has {count}:", *lines]))


Kind = TypeVar("Kind", bound=BaseConfig)


def read_config(path: str | Path, overrides: Sequence[str] | Mapping[str, Any] = (), *, trust: bool = False) -> Config:
    """Read the configuration of a run from a YAML file, with overrides; see `read`."""
    return read(path, Config, overrides, trust=trust)


def parse_config(raw: Mapping[Any, Any], *, folder: Path | None = None) -> Config:
    """Parse the configuration of a run from a mapping; see `parse`."""
    return parse(raw, Config, folder=folder)


def read(
    path: str | Path, kind: type[Kind], overrides: Sequence[str] | Mapping[str, Any] = (), *, trust: bool | None = False
) -> Kind:
    """Read a configuration from a YAML file or `example:NAME`. Raises `ConfigError` with all faults.

    `trust` says whether code that it names may be imported; `None`: it is not imported, and its sections stay as written.

    Overrides are words of a command line such as `["--retrieval.t1", "20", "--trials=10"]`, or values by dotted key.
    """
    source, path = str(path), located(path)
    if path.suffix in (".npy", ".npz", ".csv") and path.is_file():
        text = f"is a file of patterns; name it in a configuration: patterns: {{kind: file, path: {path.name}}}"
        raise ConfigError(source, [("", text)])
    try:
        raw = read_yaml(path)
    except InputError as error:
        raise ConfigError(source, [("", str(error))]) from error
    command = command_of(raw)
    if command is not None and (command == "run") != (kind is Config):
        what = "run" if command == "run" else "search"
        raise ConfigError(source, [("", f"is the configuration of a {what}: astrojax {command} {shlex.quote(source)}")])
    if not isinstance(raw, dict):
        raise ConfigError(source, find_faults(raw) or [("", f"must be a mapping of keys to values; got {shown(raw)}")])
    if "name" not in raw and re.match(NAME, path.stem):
        raw["name"] = path.stem
    faults: list[Fault] = []
    pairs = overrides if isinstance(overrides, Mapping) else _pairs(overrides, faults)
    _apply(raw, pairs, faults)
    return parse(raw, kind, source=source, folder=path.parent, faults=faults, trust=trust)


def find_faults(content: Any) -> list[tuple[str, str]]:
    """What no configuration may hold, as pairs of path and text: too many values, too deep nesting, keys that are not text,
    control characters, and numbers beyond double precision."""
    faults: list[tuple[str, str]] = []
    pending: list[tuple[str, Any, int]] = [("", content, 0)]
    count = 0
    while pending:
        path, value, depth = pending.pop()
        count += 1
        if count > MAX_VALUES:
            return [("", f"has more than {MAX_VALUES:,} values")]
        if isinstance(value, dict | list | tuple) and depth == MAX_DEPTH:
            return [(path.split(".")[0].split("[")[0], f"has more than {MAX_DEPTH} nested collections")]
        if isinstance(value, dict):
            faults += [(path, f"keys must be text; got {shown(key)}") for key in value if not isinstance(key, str)]
            keys = [key for key in value if isinstance(key, str)]
            faults += [(path, f"a key {text}") for key in keys if (text := _text_fault(key))]
            pending += [(f"{path}.{key}".removeprefix("."), value[key], depth + 1) for key in keys]
        elif isinstance(value, list | tuple):
            pending += [(f"{path}[{place}]", inner, depth + 1) for place, inner in enumerate(value)]
        elif isinstance(value, str) and (text := _text_fault(value)):
            faults.append((path, text))
        elif isinstance(value, int) and abs(value) > sys.float_info.max:
            faults.append((path, f"must be a number within double precision, at most {sys.float_info.max:.2g}"))
    return faults


def _text_fault(text: str) -> str | None:
    found = re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]", text)
    return f"must not have the character {found[0]!a}; got {text[:60]!a}" if found else None


def parse(
    raw: Mapping[Any, Any],
    kind: type[Kind],
    *,
    source: str = "configuration",
    folder: Path | None = None,
    faults: Sequence[Fault] = (),
    trust: bool | None = False,
) -> Kind:
    """Parse a configuration from a mapping; paths in it are relative to `folder`. Raises `ConfigError` with all faults."""
    if unreadable := find_faults(raw):
        raise ConfigError(source, [*faults, *unreadable])
    if isinstance(raw.get("patterns"), dict):
        raw = {**raw, "patterns": {"kind": "random"} | raw["patterns"]}
    place = folder or Path()
    raw = own_code.map_files(raw, lambda path: (place / path).resolve())
    if trust is not None and (code := own_code.code_in(raw)):
        own_code.require_trust(code, source, place, trust=trust)
    context = (UNREAD if trust is None else {}) | {"numbers": _numbers_of(raw, trust)}
    found = [*faults, *_faults(raw, kind, context)]
    if found:
        raise ConfigError(source, found)
    config = _with_own_axes(kind.model_validate(raw, context=context))
    return config.replaced({name: ((folder or Path()) / path).resolve() for name, path in config.files().items()})


def _numbers_of(raw: Mapping[Any, Any], trust: bool | None) -> Mapping[str, Any]:
    """Numbers of the memory of a search and of its scores, as declared, by name; of nothing invalid or not imported."""
    found: dict[str, Any] = {}
    kinds: dict[str, Any] = {"model": Memory, "scores": list[chosen("score")]}  # type: ignore[misc]
    for name, kind in kinds.items():
        with contextlib.suppress(ValidationError):
            given = TypeAdapter(kind).validate_python(raw.get(name), context=UNREAD if trust is None else None)
            for section in given if isinstance(given, list) else [given]:
                found |= section.every_number() if isinstance(section, Choice) else {}
    return found


def _with_own_axes(config: Any) -> Any:
    """A configuration whose axes over numbers of a user's own code are lists of numbers of the type that the code says."""
    axes = config.axes
    for name, declared in config.own_axes().items():
        check = TypeAdapter(declared).validate_python
        if name in (given := axes.model_extra or {}):
            axes = axes.model_copy(update={name: check(given[name])})
        zipped = {
            axis: {one: check(given) if one == name else given for one, given in named.items()}
            for axis, named in axes.zipped.items()
        }
        axes = axes.model_copy(update={"zipped": zipped})
    return config.model_copy(update={"axes": axes})


def _faults(raw: Mapping[Any, Any], kind: type[BaseConfig], context: Any) -> Iterator[Fault]:
    """Find the faults of single fields, and the contradictions between sections that are valid on their own."""
    sections: dict[str, Any] = {}
    for name in raw:
        if name not in kind.model_fields:
            yield str(name), "unknown key" + _hint(name, kind)
    for name, field in kind.model_fields.items():
        if name in raw:
            try:
                declared: Any = Annotated[field.annotation, field]
                sections[name] = TypeAdapter(declared).validate_python(raw[name], context=context)
            except ValidationError as error:
                yield from (_described(name, fault, kind, raw) for fault in error.errors())
        elif field.is_required():
            yield name, "is missing"
        else:
            sections[name] = field.default
    yield from kind.cross_field_errors(sections)


def _described(section: str, fault: Any, kind: type[BaseConfig], raw: Any) -> Fault:
    path, parent = _walk((section, *fault["loc"]), kind, raw)
    given = f"got {shown(fault['input'])}"
    match fault["type"]:
        case "extra_forbidden":
            return path, "unknown key" + _hint(fault["loc"][-1], parent)
        case "missing":
            return path, "is missing"
        case "value_error" if isinstance(fault["ctx"]["error"], KindError):
            return path + fault["ctx"]["error"].path, str(fault["ctx"]["error"])
        case "literal_error":
            expected = fault["ctx"]["expected"]
            names = [name.strip("' ") for name in expected.replace(" or ", ", ").split(",")]
            return path, f"must be one of {', '.join(names)}; {given}{did_you_mean(fault['input'], names)}"
        case _:
            return path, f"{rule_of(fault)}; {given}"


def _walk(loc: Sequence[Any], kind: type[BaseConfig], raw: Any) -> tuple[str, type[BaseModel] | None]:
    """The path of a field as the user wrote it, and the section that contains it."""
    path = ""
    parent: Any = None
    section: Any = kind
    given = raw
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
        is_section = isinstance(section, type) and issubclass(section, BaseModel)
        parent = section if is_section else None
        field = section.model_fields.get(part) if is_section else None
        declared = field.annotation if field else (get_args(section) or (None,))[-1]
        marks = [*flatten(declared)[1], *(field.metadata if field else ())] if declared else []
        is_index = isinstance(given, list) and isinstance(part, int)
        given = given[part] if is_index else given.get(part) if isinstance(given, dict) else None
        section = declared
        if get_origin(declared) not in (dict, list):
            role = next((one.role for one in marks if isinstance(one, Chosen)), None)
            section = _section_given(role, given) if role else _section_in(declared)
    return path.removeprefix(".").removesuffix(".[key]"), parent


def _section_given(role: str, given: Any) -> type[BaseModel] | None:
    """The section of what was chosen for a role, if there is one."""
    try:
        found: type[BaseModel] = section_of(role, given.get("kind", "") if isinstance(given, dict) else given)
    except (InputError, TypeError):
        return None
    return found


def _section_in(declared: Any) -> type[BaseModel] | None:
    """The section that an annotation names, if any."""
    types = flatten(declared)[0] if declared else ()
    return next((one for one in types if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _hint(key: object, section: type[BaseModel] | None) -> str:
    if section is None:
        return ""
    names = list(section.model_fields)
    return did_you_mean(key, names) or f"; allowed are {', '.join(names)}"


def _pairs(words: Sequence[str], faults: list[Fault]) -> dict[str, Any]:
    """Collect values by dotted key from the words of a command line; invalid words become faults."""
    pairs: dict[str, Any] = {}
    remaining = iter(words)
    for word in remaining:
        key, equals, text = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not key:
            faults.append((word, "is not an override; write --dotted.key value"))
            continue
        value = text if equals else next(remaining, None)
        try:
            if value is None:
                faults.append((key, "has no value; write --dotted.key value"))
            else:
                pairs[key] = parse_yaml(value)
        except InputError:
            faults.append((key, f"is not YAML; got {shown(value)}"))
    return pairs


def _apply(raw: dict[Any, Any], pairs: Mapping[str, Any], faults: list[Fault]) -> None:
    """Set values by dotted key in a raw configuration; keys that cannot be set become faults."""
    for key, value in pairs.items():
        *parents, last = key.split(".")
        section: Any = raw
        for parent in parents:
            section = section.setdefault(parent, {}) if isinstance(section, dict) else None
        if isinstance(section, dict):
            section[last] = value
        else:
            faults.append((key, f"cannot be set: {'.'.join(parents)} is not a mapping"))
