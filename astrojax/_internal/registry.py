"""Everything that can be chosen by name: found in the package's files, among installed plugins, or in code of a user's own.

Each kind of thing is a `Role`. No list of the package's own members is kept: they are found by their base class, by the ending
of their name, or by their parameters.
"""

import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, NamedTuple, TypeVar

from .errors import InputError, one_of

PLUGINS = "astrojax.plugins"
"""Entry points of other packages, named `ROLE.KIND`: `score.cubic = "theirlab.scores:CubicScore"`."""


Item = TypeVar("Item")


class Role(NamedTuple):
    """Where the members of a role are in the package, and how they are recognized."""

    place: str
    """A folder or module of the package."""
    base: str = ""
    """Name of the abstract class of which they are subclasses."""
    ending: str = ""
    """Of the names of classes and functions, where there is no base."""
    takes: tuple[str, ...] = ()
    """Parameters that they have, where they are functions."""
    own_base: str = ""
    """Name of the abstract class whose subclasses may stand where functions do, in roles without a base."""


ROLES = {
    "memory": Role("models", ending="Memory", own_base="AbstractMemory"),
    "score": Role("models", base="AbstractScore"),
    "gain_map": Role("models", base="AbstractGainMap"),
    "activation": Role("models", base="AbstractActivation"),
    "gap_junctions": Role("models", base="AbstractGapJunctions"),
    "patterns": Role("problems", ending="_patterns", takes=("key", "num_neurons", "num_patterns")),
    "corruption": Role("problems", base="AbstractCorruption"),
    "decoder": Role("problems.decoders", takes=("problem", "evidence")),
    "observable": Role("sweep.observables", takes=("memory", "target", "recall"), own_base="AbstractRunningObservable"),
    "loss": Role("tuning.losses", ending="_loss", takes=("memory", "target", "state")),
}


@functools.cache
def members(role: str) -> dict[str, Any]:
    """The package's own members of a role by kind (see `kind_of`)."""
    place, base, ending, takes, own_base = ROLES[role]

    def belongs(name: str, item: Any) -> bool:
        if base:
            return isinstance(item, type) and not item.__name__.startswith("Abstract") and base in base_names(item)
        if not callable(item) or not name.endswith(ending) or item.__name__.startswith("Abstract"):
            return False
        if own_base and isinstance(item, type):
            return own_base in base_names(item)
        return set(takes) <= inspect.signature(item).parameters.keys()

    return {
        kind_of(item, ending or base.removeprefix("Abstract")): item for name, item in _public(place) if belongs(name, item)
    }


SIGNS: Final = "signs"
REAL: Final = "real"
NAMED: Final = "named"
"""What decoders and observables are for: only patterns of ±1; others, where none is named; any, but only where named."""


def suits(patterns: str) -> Callable[[Item], Item]:
    """Decorator: say what a decoder suits."""

    def mark(item: Item) -> Item:
        vars(item)["suited_to"] = patterns
        return item

    return mark


def suitable(role: str, is_binary: bool) -> list[Any]:
    """The package's own functions of a role that are taken where none is named, for patterns of ±1 or others."""
    functions = [item for item in members(role).values() if not isinstance(item, type)]
    return [item for item in functions if getattr(item, "suited_to", None) in (None, SIGNS if is_binary else REAL)]


def refuse_signs(role: str, chosen: Mapping[str, Any], is_binary: bool) -> None:
    """Raise `InputError` for members of a role, by name, that compare signs where patterns are not of ±1."""
    unfit = [name for name, item in chosen.items() if getattr(item, "suited_to", None) == SIGNS and not is_binary]
    if unfit:
        others = [name for name, item in members(role).items() if item in suitable(role, False)]
        text = "are for patterns of -1 and +1, and these have other entries; leave them out, or take others, such as"
        raise InputError(f"{role}{'es' if role == 'loss' else 's'}: {', '.join(unfit)} {text} {', '.join(others)}")


def names(role: str) -> list[str]:
    """The names of the package's own members of a role, and of those that plugins have registered."""
    return [*members(role), *(name for name in _plugins(role) if name not in members(role))]


def find(role: str, name: str) -> Any:
    """A member of a role by its name. Raises `InputError` for a name that neither the package nor a plugin has."""
    own = members(role)
    if name in own:
        return own[name]
    one_of(role.replace("_", " "), name, names(role))
    entry = _plugins(role)[name]
    try:
        return entry.load()
    except Exception as error:  # of any kind: it is another package's code
        text = f"{role} {name!r} of the package {entry.dist and entry.dist.name} cannot be imported"
        raise InputError(f"{text}: {type(error).__name__}: {error}") from error


def as_part(role: str, base: type[Any], given: Any) -> Any:
    """An object of a class of a role, given as such or by name; `InputError` for anything else."""
    if isinstance(given, base):
        return given
    part = find(role, given)
    try:
        return part()
    except TypeError as error:  # a field without a default
        raise InputError(f"{role} {given!r} needs fields; give an object, {part.__name__}(…)") from error


@functools.cache
def _plugins(role: str) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=PLUGINS):
        own, _, name = entry.name.partition(".")
        if own == role and found.setdefault(name, entry).value != entry.value:
            both = " and ".join(str(one.dist and one.dist.name) for one in (found[name], entry))
            raise InputError(f"the packages {both} both register the {role} {name!r}; remove one of them")
    return found


def kind_of(item: Any, ending: str) -> str:
    """A class's or function's `kind`, or its name in snake case without the ending."""
    name = item.__name__.removesuffix(ending)
    return getattr(item, "kind", None) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def base_names(item: type) -> set[str]:
    """Names of a class and of all classes that it comes from."""
    return {base.__name__ for base in item.__mro__}


@functools.cache
def _public(place: str) -> list[tuple[str, Any]]:
    """Names and values that a module of the package, or the modules of a folder, define."""
    package = importlib.import_module(f"{__name__.partition('.')[0]}.{place}")
    path = getattr(package, "__path__", None)
    found = [f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(path)] if path else [package.__name__]
    modules = [importlib.import_module(name) for name in found]
    public = [(name, item, module) for module in modules for name, item in vars(module).items() if not name.startswith("_")]
    return [(name, item) for name, item, module in public if getattr(item, "__module__", None) == module.__name__]
