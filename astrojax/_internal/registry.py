"""Find the memories, scores, corruptions and so on in the package's files, so that no list of them is needed."""

import functools
import importlib
import pkgutil
import re
from typing import Any


def find_classes(folder: str, base: type) -> dict[str, Any]:
    """Find the concrete subclasses of `base` in the files of a folder of the package, by kind (see `kind_of`)."""
    classes = (item for _, item in _members(folder) if isinstance(item, type) and issubclass(item, base) and item is not base)
    return {kind_of(item): item for item in classes}


def find_named(folder: str, ending: str) -> dict[str, Any]:
    """Find the public classes and functions with a given name ending in the files of a folder, by kind (see `kind_of`)."""
    named = (item for name, item in _members(folder) if name.endswith(ending) and callable(item))
    return {kind_of(item, ending): item for item in named if not item.__name__.startswith("Abstract")}


def kind_of(item: Any, ending: str = "") -> str:
    """A class's or function's `kind`, or its name in snake case without the ending (by default that of its abstract base)."""
    if isinstance(item, type) and not ending:
        ending = next(base.__name__ for base in item.__mro__ if base.__name__.startswith("Abstract")).removeprefix("Abstract")
    name = item.__name__.removesuffix(ending)
    return getattr(item, "kind", None) or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


@functools.cache
def _members(folder: str) -> list[tuple[str, Any]]:
    """Names and values that the modules of a folder of the package define."""
    package = importlib.import_module(f"{__name__.partition('.')[0]}.{folder}")
    modules = [importlib.import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__)]
    public = [(name, item, module) for module in modules for name, item in vars(module).items() if not name.startswith("_")]
    return [(name, item) for name, item, module in public if getattr(item, "__module__", None) == module.__name__]
