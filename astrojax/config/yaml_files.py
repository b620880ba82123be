"""YAML: plain data, bounded in size and depth, with numbers as YAML 1.2 and JSON write them.

Anchors, merges and comments work. Dates, sets and binary data are not read; `1e3` is a number, `010` is 10 and `1:30` is text.
"""

import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from .._internal.errors import InputError, shown

MAX_BYTES = 4 * 2**20
"""Bytes of the largest file."""

MAX_DEPTH = 50
"""Deepest nesting of collections."""

MAX_VALUES = 400_000
"""Most values, with every alias expanded."""

MAX_MERGED = 100
"""Most mappings merged into one."""


def read_yaml(path: Path) -> Any:
    """The content of a YAML file. Raises `InputError`, whose message does not name the file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError("is not a regular file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise InputError(f"is too large: a configuration has at most {MAX_BYTES // 2**20} MiB")
        return parse_yaml(content.decode("utf-8"))
    except (OSError, UnicodeError) as error:
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def parse_yaml(text: str) -> Any:
    """The content of a YAML text. Raises `InputError`."""
    try:
        return yaml.load(text, _Loader)
    except RecursionError:
        raise InputError(f"has more than {MAX_DEPTH} nested collections") from None
    except yaml.YAMLError as error:
        raise InputError("is not YAML: " + " ".join(str(error).split())) from error


def dump_yaml(content: Any) -> str:
    """Plain data as YAML: nested mappings as blocks, innermost collections on one line."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)


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


class _Loader(yaml.SafeLoader):
    """YAML in which a key may be given only once, and scalars are text, numbers, booleans or null."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        for key, value in node.value:
            if key.tag == MERGE and isinstance(value, yaml.SequenceNode) and len(value.value) > MAX_MERGED:
                raise yaml.constructor.ConstructorError(None, None, f"merges more than {MAX_MERGED} mappings", key.start_mark)
        super().flatten_mapping(node)
        if len(node.value) > MAX_VALUES:
            raise yaml.constructor.ConstructorError(None, None, f"merges more than {MAX_VALUES:,} keys", node.start_mark)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be text", key.start_mark)
            if key.value in seen and key.tag != MERGE:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _scalar(kind: str, convert: Callable[[str], Any]) -> Callable[[yaml.SafeLoader, yaml.ScalarNode], Any]:
    """A constructor of scalars of one kind; text that cannot be converted is a YAML error."""

    def construct(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
        text = loader.construct_scalar(node)
        try:
            return convert(text.lower())
        except (ValueError, KeyError):
            raise yaml.constructor.ConstructorError(None, None, f"not {kind}: {text[:60]!r}", node.start_mark) from None

    return construct


class _Dumper(yaml.SafeDumper):
    """Writes text in quotes wherever this reader, or one of YAML 1.1, would take it for something else."""


_TAG = "tag:yaml.org,2002:"
MERGE = _TAG + "merge"

_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_SCALARS = {
    "bool": (r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    "int": (rf"[-+]?(?:{_DIGITS}|0o[0-7]+|0x[0-9a-fA-F]+)", "-+0123456789"),
    "float": (
        rf"[-+]?(?:(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "merge": (r"<<", "<"),
}
_Loader.yaml_implicit_resolvers = {}
for _name, (_pattern, _first) in _SCALARS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern})$"), list(_first))
_Loader.yaml_constructors = {
    **{_TAG + kind: yaml.SafeLoader.yaml_constructors[_TAG + kind] for kind in ("null", "str", "seq", "map")},
    _TAG + "bool": _scalar("a boolean", lambda text: yaml.SafeLoader.bool_values[text]),
    _TAG + "int": _scalar("an integer", lambda text: int(text, 0 if re.match(r"[-+]?0[xo]", text) else 10)),
    _TAG + "float": _scalar("a number", lambda text: float(re.sub(r"\.(?=inf|nan)", "", text))),
    None: yaml.SafeLoader.construct_undefined,
}
