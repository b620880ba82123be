"""The source of functions and classes that a user defined in a notebook or a script, gathered with all that it uses."""

import ast
import builtins
import enum
import inspect
import linecache
import math
import symtable
import sys
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .errors import InputError, shown
from .own_code import is_installed

FUTURE_ANNOTATIONS = 0x1000000  # of co_flags: where `from __future__ import annotations` holds


def home_of(item: Any) -> str | None:
    """The shortest public module of an installed package, or of Python, that has a class or function under its name."""
    module, name = getattr(item, "__module__", None), getattr(item, "__name__", None) or getattr(item, "_name", None)
    if not isinstance(module, str) or not isinstance(name, str) or not is_installed(module):
        return None
    top = module.partition(".")[0]
    known = [one for one in list(sys.modules) if one.partition(".")[0] == top and "._" not in one] + [module]
    homes = [one for one in known if getattr(sys.modules.get(one), "__dict__", {}).get(name) is item]
    return min(homes, key=lambda one: (one.count("."), one), default=None)


class Gathered:
    """The text of one file with the source of functions and classes, and of all that they use.

    What comes from installed packages is imported. Numbers, texts and arrays that are used are written out.
    """

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._imports: set[str] = set()
        self._definitions: list[str] = []

    @property
    def text(self) -> str:
        """What the file holds; nothing if nothing was added."""
        future = sorted(line for line in self._imports if "__future__" in line)
        imports = [*future, *sorted(self._imports.difference(future))]
        return "\n\n".join(["\n".join(imports), *self._definitions, ""]) if self._definitions else ""

    def add(self, name: str, value: Any, user: str = "the experiment") -> None:
        """Add what a name stands for. Raises `InputError` if it cannot be written down, or is another thing than before."""
        if name in self._values:
            before = self._values[name]
            if before is not value and not (
                isinstance(value, str | int | float) and (type(before), before) == (type(value), value)
            ):
                raise InputError(f"{user} uses {name}, which stands for two different things; rename one of them")
            return
        self._values[name] = value
        if isinstance(value, ModuleType):
            if not is_installed(value.__name__):
                text = f"import what it needs, from {value.__name__} import …, or install it as a package"
                raise InputError(f"{user} uses the module {value.__name__}, a file of your own; {text}")
            self._imports.add(f"import {value.__name__} as {name}" if name != value.__name__ else f"import {name}")
        elif home := home_of(value):
            original = getattr(value, "__name__", name)
            self._imports.add(f"from {home} import {original}" + (f" as {name}" if name != original else ""))
        elif isinstance(value, type) or isinstance(inspect.unwrap(value), FunctionType):
            self._define(name, value)
        else:
            self._definitions.append(f"{name} = {self._literal(name, value, user)}")

    def _define(self, name: str, item: Any) -> None:
        if name != item.__name__:
            self.add(item.__name__, item)
            self._definitions.append(f"{name} = {item.__name__}")
            return
        text, values, is_future = _source_of(item)
        if is_future:
            self._imports.add("from __future__ import annotations")
        required, possible = _names_used(text)
        for used in sorted(required | possible):
            if used in values:
                self.add(used, values[used], item.__name__)
                self._imports |= {f"import {module}" for module in _submodules(text, used, values[used])}
            elif used in required and not hasattr(builtins, used) and not is_future:
                raise InputError(f"{item.__name__} uses {used}, whose value cannot be found; define it outside of functions")
        self._definitions.append(text)
        rules = [getattr(item, rule, None) for rule in ("jvp", "fwd", "bwd")]  # of a derivative of its own
        named = {rule.__name__: rule for rule in rules if isinstance(rule, FunctionType)}
        for rule, function in named.items():
            self.add(rule, function)
        if named:
            self._definitions.append(f"{name}.{'defjvp' if len(named) == 1 else 'defvjp'}({', '.join(named)})")

    def check(self, module: ModuleType) -> None:
        """Raise `InputError` unless a module made from the text has what was added."""
        for name, value in self._values.items():
            if name not in ("jax", "numpy") and not _is_same(value, vars(module).get(name)):
                raise InputError(
                    f"{name} is not what its source makes of it: run again, it gives something else, as where a value that it "
                    "uses has changed since, or where it is made by a call; define it by def or class, with the values in it"
                )

    def _literal(self, name: str, value: Any, user: str) -> str:
        is_array = isinstance(value, jax.Array | np.ndarray | np.generic) and not jnp.issubdtype(
            value.dtype, jax.dtypes.extended
        )
        if is_array and value.dtype.kind in "biuf" and np.isfinite(value).all():
            module = jax if isinstance(value, jax.Array) else np
            self.add(module.__name__, module)
            home = "jax.numpy" if module is jax else "numpy"
            return f'{home}.asarray({np.asarray(value).tolist()}, "{value.dtype}")'
        if isinstance(value, float) and not math.isfinite(value):
            return f'float("{value}")'
        try:
            if ast.literal_eval(repr(value)) == value and not isinstance(value, set):
                return repr(value)
        except (ValueError, SyntaxError, TypeError, RecursionError):
            pass
        allowed = "numbers, text, finite arrays, functions, classes and what is imported from installed packages"
        raise InputError(f"{user} uses {name}, which cannot be stored with it: {allowed} can be; got {shown(value)}")


def _is_same(one: Any, other: Any) -> bool:
    """Whether values are the same, as far as code can tell: functions by code and defaults, classes by what they have."""
    if one is other:
        return True
    if isinstance(one, enum.Enum) and isinstance(other, enum.Enum):
        return one.name == other.name and _is_same(one.value, other.value)
    if type(one) is not type(other) and not (isinstance(one, type) and isinstance(other, type)):
        return isinstance(one, np.generic) and isinstance(other, np.ndarray) and _is_same(np.asarray(one), other)
    if isinstance(one, type):
        mine, theirs = ({name: item for name, item in vars(each).items() if name not in UNLIKE} for each in (one, other))
        return mine.keys() == theirs.keys() and all(_is_same(item, theirs[name]) for name, item in mine.items())
    if isinstance(one, FunctionType):
        codes = [_described(function.__code__) for function in (one, other)]
        defaults = [(function.__defaults__ or (), function.__kwdefaults__ or {}) for function in (one, other)]
        return codes[0] == codes[1] and _is_same(*defaults) and _is_same(vars(one), vars(other))
    if isinstance(one, np.ndarray | jax.Array):
        return one.shape == other.shape and one.dtype == other.dtype and bool(np.array_equal(one, other, equal_nan=True))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_is_same(item, other[name]) for name, item in one.items())
    if isinstance(one, str | int | float | complex | bytes):
        return one == other or one != one
    inner = [getattr(each, "__wrapped__", None) or getattr(each, "__func__", None) for each in (one, other)]
    return inner[0] is None or _is_same(*inner)  # what else there is has no text


UNLIKE = ("__module__", "__dict__", "__weakref__", "__qualname__", "__doc__", "__firstlineno__")
"""Attributes in which a class differs from the same class defined elsewhere."""


def _described(code: CodeType) -> Any:
    """What a code does, wherever its names are from."""
    inner = [_described(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    names = {*code.co_names, *code.co_freevars} - {"__class__"}
    return code.co_name, code.co_argcount, code.co_kwonlyargcount, names, inner


def _source_of(item: Any) -> tuple[str, Mapping[str, Any], bool]:
    """Source of a function or class, values of names that it can use, and whether its annotations are not evaluated."""
    functions = list(_functions_of(item))
    values: dict[str, Any] = {}
    if isinstance(item, type):
        values |= vars(sys.modules.get(item.__module__, builtins)) | {base.__name__: base for base in item.__bases__}
    for function in functions:
        values |= function.__globals__ | dict(inspect.getclosurevars(function).nonlocals)
    places = dict[str, list[CodeType]]()
    for function in functions:
        places.setdefault(function.__code__.co_filename, []).append(function.__code__)
    for file, codes in (places or {file: [] for file in _files_of(item)}).items():
        linecache.checkcache(file)
        text = "".join(linecache.getlines(file))
        if node := _definition(text, item.__name__, codes[0] if codes else None):
            flags = codes[0].co_flags & FUTURE_ANNOTATIONS if codes else 0
            there = list(_codes_in(compile(text, file, "exec", flags, True)))
            if any(code not in there for code in codes):
                raise InputError(f"{file} has changed since {item.__name__} was defined there; import it again")
            lines = text.split("\n")[_first_line(node) - 1 : node.end_lineno]
            nested = ["if True:  # it was defined inside another function"] if node.col_offset else []
            return "\n".join([*nested, *lines]), values, bool(flags)
    raise InputError(f"the source of {item.__name__} cannot be found; define it in a notebook or a file, by def or class")


def _files_of(item: type) -> list[str]:
    """Files in which a class without methods may be: that of its module, or the cells of a notebook, the latest first."""
    file = getattr(sys.modules.get(item.__module__), "__file__", None)
    return [file] if file else [name for name, cached in reversed(linecache.cache.items()) if cached[1:2] == (None,)]


def _functions_of(item: Any) -> Iterator[FunctionType]:
    """The function, or the methods that a class defines itself."""
    found = [item]
    if isinstance(item, type):
        found = [getattr(one, "fget", None) or getattr(item, name) for name, one in list(vars(item).items())]
    for one in found:
        function = inspect.unwrap(getattr(one, "__func__", one))
        is_own = not isinstance(item, type) or getattr(function, "__module__", None) == item.__module__
        if isinstance(function, FunctionType) and is_own and function.__code__.co_filename != "<string>":
            yield function


def _definition(text: str, name: str, code: CodeType | None) -> Any:
    """The innermost definition of a name, around the line of its code if it has some, in a text; `None` if there is none."""
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except SyntaxError:
        return None
    found = [
        node
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node.name == name
        and (code is None or _first_line(node) <= code.co_firstlineno <= (node.end_lineno or 0))
    ]
    return max(found, key=_first_line, default=None)


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    return min([node.lineno, *(one.lineno for one in node.decorator_list)])


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    yield code
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _codes_in(one)


def _submodules(text: str, name: str, module: Any) -> set[str]:
    """Modules inside a module that a definition reaches by attributes of its name, as in `scipy.special.erf`."""
    found = {name: module.__name__} if isinstance(module, ModuleType) else {}
    for node in reversed(list(ast.walk(ast.parse(text)))):  # inner ones first
        outer = found.get(ast.unparse(node.value)) if isinstance(node, ast.Attribute) else None
        if outer and isinstance(sys.modules.get(f"{outer}.{node.attr}"), ModuleType):  # type: ignore[attr-defined]
            found[ast.unparse(node)] = f"{outer}.{node.attr}"  # type: ignore[attr-defined]
    return set(found.values()) - {getattr(module, "__name__", "")}


def _names_used(text: str) -> tuple[set[str], set[str]]:
    """Global names that a definition uses, and those in annotations that are text."""
    table = symtable.symtable(text, "definition", "exec")
    assigned = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()}
    tables, names = [table], set[str]()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        is_top = table.get_type() == "module"
        names |= {one.get_name() for one in table.get_symbols() if one.is_referenced() and (is_top or one.is_global())}
    annotations = [
        annotation
        for node in ast.walk(ast.parse(text))
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if annotation is not None
    ]
    texts = [one.value for node in annotations for one in ast.walk(node) if isinstance(one, ast.Constant)]
    inside = set[str]()
    for given in texts:
        try:
            inside |= {one.id for one in ast.walk(ast.parse(str(given), mode="eval")) if isinstance(one, ast.Name)}
        except SyntaxError:
            continue
    return names - assigned, inside - assigned
