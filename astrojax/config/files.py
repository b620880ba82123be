"""Configuration files and the folders that hold them, recognized by their content; no numerical library is needed.

YAML is plain data, bounded in size and depth, with numbers as YAML 1.2 and JSON write them. Anchors, merges and comments work.
Dates, sets and binary data are not read; `1e3` is a number, `010` is 10 and `1:30` is text.
"""

import contextlib
import re
import shlex
import stat
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from .._internal.errors import InputError, one_of
from .._internal.files import refuse_special

CONFIG = "config.yaml"

EXAMPLES, PREFIX = Path(__file__).parent / "examples", "example:"
"""Configurations that come with the package: `example:NAME` stands for their files."""

MAX_BYTES = 4 * 2**20
"""Bytes of the largest file."""

MAX_DEPTH = 50
"""Deepest nesting of collections."""

MAX_VALUES = 400_000
"""Most values, with every alias expanded."""

MAX_MERGED = 100
"""Most mappings merged into one."""


def command_of(content: Any) -> str | None:
    """The command that a configuration is for, `run` or `tune`; `None` if its keys leave that open."""
    keys = set(content) if isinstance(content, dict) else set()
    if "parameters" in keys and "models" not in keys:
        return "tune"
    return "run" if "models" in keys and not keys & {"model", "parameters"} else None


def run_folder(folder: str | Path, command: str = "run") -> Path:
    """The folder of a run, or of a search (`command` is `tune`); `InputError` if it is another one, or must not be read."""
    path = Path(folder)
    if not path.exists():
        raise InputError(f"{path} does not exist{run_folders(path.parent)}")
    refuse_special(path)
    if not (path / CONFIG).is_file():
        raise InputError(f"{path} is not a run folder: it holds no {CONFIG}{run_folders(path)}")
    holds_search = is_search(path)
    if holds_search and command == "run":
        runs = f"astrojax run {shlex.quote(str(path / 'tuned.yaml'))} runs what it found{run_folders(path / 'heldout')}"
        raise InputError(f"{path} is the folder of a search: {run_again(path)} continues it; {runs}")
    if not holds_search and command == "tune":
        raise InputError(f"{path} is not the folder of a search; it holds a run, which {run_again(path)} continues")
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
                return f"; run folders are {', '.join(map(str, found[:5]))}"
    return ""


def examples() -> dict[str, dict[str, str]]:
    """The examples by name, the first, other runs, searches: the command, what it is about, and the text of each."""
    found = {}
    for path in EXAMPLES.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        about = text.partition("\n")[0].removeprefix("# ")
        found[path.stem] = {"command": command_of(parse_yaml(text)) or "run", "about": about, "text": text}
    return dict(sorted(found.items(), key=lambda one: (one[1]["command"], one[0] != "first", one[0])))


def located(path: str | Path) -> Path:
    """A path, or that of the example for which `example:NAME` stands; `InputError` if there is none of that name."""
    name = str(path).removeprefix(PREFIX)
    if name == str(path):
        return Path(path)
    one_of("example", name, examples())
    return EXAMPLES / f"{name}.yaml"


def read_yaml(path: Path) -> Any:
    """The content of a YAML file. Raises `InputError`, whose message does not name the file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError("is a folder, not a file" if path.is_dir() else "is not a regular file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise InputError(f"is too large: a configuration has at most {MAX_BYTES // 2**20} MiB")
        return parse_yaml(content.decode("utf-8"))
    except FileNotFoundError as error:
        near = get_close_matches(path.name, [file.name for file in path.parent.glob("*.y*ml")], n=1)
        near = [f"{PREFIX}{path}"] if str(path) in examples() else near
        hint = f" (did you mean '{near[0]}'?)" if near else "; `astrojax examples` lists some that are ready to run"
        raise InputError(f"there is no such file{hint}") from error
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
