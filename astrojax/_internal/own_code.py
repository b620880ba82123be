"""Code of a user's own that a configuration names: `mine.py:Name`, a file beside it, or `package.module:Name`.

Naming code means running it. Nothing is imported before its content is trusted: by the caller, for this process, or because
it was trusted before in the same folder. What is executed are the bytes whose SHA-256 was trusted.
"""

import ast
import atexit
import functools
import hashlib
import importlib
import importlib.util
import os
import re
import shutil
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import distribution, packages_distributions, version
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from .errors import InputError, did_you_mean
from .files import file_sha256, read_json, write_json

PLACES = ("kind", "score", "scores", "gain_map", "activation", "corruption", "observables", "decoders", "loss")
"""Keys of a configuration under which code may be named; under `loss` it may also be a key."""

FILE, MODULE = re.compile(r"(.+\.py):([A-Za-z_]\w*)"), re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")

SHA256 = "__sha256__"  # name in a module made from a file
PREFIX = "astrojax_own_"  # of the names of modules made from files
LARGEST_FILE = 2**22  # bytes of a file of code

_trusted: set[str] = set()
_modules: dict[str, ModuleType] = {}
_lock = threading.RLock()


class OwnCodeError(InputError):
    """An exception that a user's code raised; the message shows the line."""


class Code(NamedTuple):
    """A file, or a top-level package, that would run."""

    place: str
    """Path of the file, or name of the package."""
    identity: str
    """SHA-256 of the file; name and version of the package, or the SHA-256 of its first file if it has no version."""
    text: str | None
    """What the file holds; `None` for a package."""


def is_reference(text: Any) -> bool:
    """Whether a text names code of a user's own."""
    return isinstance(text, str) and bool(FILE.fullmatch(text) or MODULE.fullmatch(text))


def short_name(reference: str) -> str:
    """The name behind the colon of a reference; any other text as it is."""
    return reference.rpartition(":")[2] if is_reference(reference) else reference


def map_references(content: Any, change: Callable[[str], str], under: str = "") -> Any:
    """Nested plain data in which `change` was applied to every reference."""

    def changed(text: Any) -> Any:
        return change(text) if is_reference(text) else text

    if isinstance(content, dict):
        is_named = under == "loss"
        return {changed(key) if is_named else key: map_references(value, change, str(key)) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [map_references(value, change, under) for value in content]
    return changed(content) if under in PLACES else content


def map_files(content: Any, change: Callable[[Path], Any]) -> Any:
    """Nested plain data in which `change` was applied to the file of every reference to one."""

    def changed(reference: str) -> str:
        found = FILE.fullmatch(reference)
        return f"{change(Path(found[1]))}:{found[2]}" if found else reference

    return map_references(content, changed)


def code_in(content: Any) -> list[Code]:
    """The files and packages that a configuration names, each once. Raises `InputError` if one cannot be found or read."""
    found: dict[str, str] = {}  # a reference for each file and module
    map_references(content, lambda reference: found.setdefault(reference.rpartition(":")[0], reference))
    codes = {code.place: code for code in map(_code_of, found.values())}
    for code in list(codes.values()):  # packages that are edited where they are change as a file does
        used = {name.partition(".")[0] for _, name in _imports(code.text or "")} - {__name__.partition(".")[0], ""}
        edited = [one for one in sorted(used) if any(map(_is_editable, distributions_of(one)))]
        codes |= {package: package_code(package) for package in edited}
    return list(codes.values())


def _code_of(reference: str) -> Code:
    if found := FILE.fullmatch(reference):
        content = _read(found[1])
        return Code(found[1], hashlib.sha256(content).hexdigest(), content.decode("utf-8", "backslashreplace"))
    return package_code(reference.partition(":")[0].partition(".")[0])


def sha256_of(path: Path | str) -> str:
    """SHA-256 of a file of code. Raises `InputError` if it cannot be read."""
    return hashlib.sha256(_read(str(path))).hexdigest()


def package_code(package: str) -> Code:
    """The identity of an installed top-level package: its version, or the content of its files if it is installed where it is
    edited. Nothing is imported. Raises `InputError` if it is not installed."""
    if package in sys.stdlib_module_names:
        raise InputError(f"{package} is a part of Python")
    if not package.isidentifier() or not distributions_of(package):
        is_here = package.isidentifier() and importlib.util.find_spec(package) is not None
        text = (
            "is not installed, so it has no version: install it, or name its file" if is_here else "is not in this environment"
        )
        raise InputError(f"the package {package} {text}")
    names = distributions_of(package)
    if not any(map(_is_editable, names)):
        return Code(package, f"{names[0]} {version(names[0])}", None)
    spec, digest = importlib.util.find_spec(package), hashlib.sha256()
    places = [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
    files = [Path(found, name) for place in places for found, _, inside in os.walk(place, followlinks=True) for name in inside]
    files = [file for file in files if "__pycache__" not in file.parts] or [Path(str(spec and spec.origin))]
    for file in sorted(files):
        digest.update(f"{file.name}\0{file_sha256(file)}\0".encode())
    return Code(package, f"{package} {digest.hexdigest()}", None)


def _is_editable(name: str) -> bool:
    return '"editable": true' in (distribution(name).read_text("direct_url.json") or "")


@functools.cache
def distributions_of(package: str) -> tuple[str, ...]:
    """The installed distributions that have a top-level package; none if it is not installed."""
    known = _distributions()
    if package not in known:
        _distributions.cache_clear()  # it may have been installed meanwhile
    return tuple(dict.fromkeys(_distributions().get(package, ())))


_distributions = functools.cache(packages_distributions)


def is_installed(module: str) -> bool:
    """Whether a module comes with Python, with this package or with an installed one."""
    package = module.partition(".")[0]
    return package in (__name__.partition(".")[0], *sys.stdlib_module_names) or bool(distributions_of(package))


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(content) > LARGEST_FILE:
        raise InputError(f"{path} is too large: a file of code has at most {LARGEST_FILE // 2**20} MiB")
    return content


def require_trust(codes: Iterable[Code], source: str, folder: Path, *, trust: bool) -> None:
    """Let the code of a configuration in a folder run, if the caller trusts it or did before. Raises `InputError` otherwise."""
    codes = [code for code in codes if code.identity not in _trusted]
    unknown = [] if trust else [code for code in codes if _key(folder, code) not in _remembered()]
    if unknown:
        named = ", ".join(code.place if code.text else f"the package {code.identity}" for code in unknown)
        raise InputError(
            f"{source} runs code that does not come with astrojax: {named}. Read it, and if you trust it, give --trust "
            "(in Python: trust=True); that is remembered for this folder until the code changes"
        )
    trust_here(codes)
    if trust:
        remember(folder, codes)


def trust_here(codes: Iterable[Code]) -> None:
    """Let code run in this process."""
    _trusted.update(code.identity for code in codes)


@functools.cache
def scratch() -> Path:
    """A folder for files that this process writes for itself; it is removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="astrojax-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def unpacked(name: str, text: str) -> Path:
    """A file with the source of code from another machine, which is trusted in this process."""
    path = Path(tempfile.mkdtemp(dir=scratch())) / name
    path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    trust_here([_code_of(f"{path}:_")])
    return path


def remember(folder: Path, codes: Iterable[Code]) -> None:
    """Trust code in a folder from now on, as long as it does not change."""
    known = _remembered()
    if new := {_key(folder, code) for code in codes} - known.keys():
        with suppress(OSError, RuntimeError):  # it is asked for again then
            write_json(_memory(), known | dict.fromkeys(new, str(folder)))


def _memory() -> Path:
    from platformdirs import user_config_path

    return user_config_path("astrojax") / "trusted.json"


def _remembered() -> dict[str, Any]:
    with suppress(InputError, OSError, TypeError, ValueError):
        return dict(read_json(_memory()))
    return {}


def _key(folder: Path, code: Code) -> str:
    return hashlib.sha256(f"{folder.resolve()}\0{Path(code.place).name}\0{code.identity}".encode()).hexdigest()


def load(reference: str) -> Any:
    """What a reference names. Raises `InputError` if it is not trusted, cannot be imported, or has no such name."""
    found = FILE.fullmatch(reference)
    module = module_of(found[1]) if found else _package(reference)
    name = short_name(reference)
    if not hasattr(module, name):
        own = [one for one, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
        place = reference.rpartition(":")[0]
        raise InputError(f"{place} has no {name}{did_you_mean(name, own)}")
    return getattr(module, name)


def module_of(path: str) -> ModuleType:
    """The module that a file of code is. Raises as `load` does."""
    content = _read(path)
    digest = hashlib.sha256(content).hexdigest()
    with _lock:
        if digest in _modules:
            return _modules[digest]
        if digest not in _trusted:
            raise InputError(f"{path} is not trusted, so it is not run")
        program = _compiled(path, content)
        module = ModuleType(f"{PREFIX}{digest[:12]}_{Path(path).stem}")
        module.__file__ = path
        vars(module)[SHA256] = digest
        sys.modules[module.__name__] = module  # where its classes say they are from
        try:
            with pointing_at_own_code():
                exec(program, vars(module))
        except BaseException:
            del sys.modules[module.__name__]
            raise
        _modules[digest] = module
    return module


def _compiled(path: str, content: bytes) -> CodeType:
    """A file of code as a program. Raises `InputError` if it is not Python, or imports another file that is not installed,
    which would be neither trusted nor kept."""
    try:
        program = compile(content, path, "exec")
    except (SyntaxError, ValueError) as error:
        raise OwnCodeError(_fault(error) or f"{path} is not Python: {error}") from error
    for line, name in _imports(content):
        package = name.partition(".")[0]
        if not package or (not is_installed(package) and importlib.util.find_spec(package) is not None):
            text = f"imports {name}, which is not installed: put all into one file, or install it as a package"
            raise InputError(f"{path}, line {line}: {text}")
    return program


def _imports(content: bytes | str) -> Iterator[tuple[int, str]]:
    """Lines and names of the modules that Python code imports; relative ones begin with a dot. Nothing if it is not Python."""
    try:
        nodes = list(ast.walk(ast.parse(content)))
    except (SyntaxError, ValueError):
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def is_ours(item: Any) -> bool:
    """Whether a class or function comes with this package."""
    return str(item.__module__).partition(".")[0] == __name__.partition(".")[0]


def loaded_sha256(item: Any) -> str | None:
    """SHA-256 of the file that a class or function was loaded from by `load`; `None` for any other."""
    return getattr(sys.modules.get(getattr(item, "__module__", None) or ""), SHA256, None)


def _package(reference: str) -> ModuleType:
    code = _code_of(reference)
    if code.identity not in _trusted:
        raise InputError(f"the package {code.identity} is not trusted, so it is not run")
    name = reference.partition(":")[0]
    try:
        module = importlib.import_module(name)
    except Exception as error:  # of any kind: it is another package's code
        raise InputError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error
    _modules[name] = module
    return module


@contextmanager
def pointing_at_own_code() -> Iterator[None]:
    """Turn an exception that comes from a user's code into an `InputError` that shows the line."""
    try:
        yield
    except OwnCodeError:
        raise
    except Exception as error:
        if text := _fault(error):
            raise OwnCodeError(text) from error
        raise


def _fault(error: BaseException) -> str:
    """Where in a user's code an exception arose, and what it says; nothing if it arose elsewhere."""
    files = {module.__file__ for module in list(sys.modules.values()) if _is_own(module)}
    if isinstance(error, SyntaxError) and error.filename and error.filename.endswith(".py") and error.lineno:
        return f"{error.filename}, line {error.lineno}: {(error.text or '').strip()}\n  {type(error).__name__}: {error.msg}"
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        following = following.__cause__ or following.__context__
    for one in chain:
        frames = [frame for frame in traceback.extract_tb(one.__traceback__) if frame.filename in files]
        if frames:
            at = frames[-1]
            said = " ".join(str(error).split())
            said = said if len(said) <= 500 else said[:497] + "..."
            return f"{at.filename}, line {at.lineno}, in {at.name}: {at.line}\n  {type(error).__name__}: {said}"
    return ""


def _is_own(module: Any) -> bool:
    return module in _modules.values() or str(getattr(module, "__name__", "")).startswith(PREFIX)


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """How files of code differ, as lines of unified diffs, by name."""
    import difflib

    lines: list[str] = []
    for name in sorted(before.keys() | now.keys()):
        old, new = (text.get(name, "").splitlines() for text in (before, now))
        lines += difflib.unified_diff(old, new, f"{name} (recorded)", f"{name} (now)", lineterm="", n=1)
    return lines
