"""The memories, one model per file."""

import inspect
from collections.abc import Callable

from .._internal.registry import find, members
from .base import AbstractMemory as AbstractMemory


def memories() -> dict[str, Callable[..., AbstractMemory]]:
    """The memories of the package by kind, any `…Memory` in a file of this folder: `astrocyte` is `AstrocyteMemory`."""
    return members("memory")


def memory_class(kind: str) -> type[AbstractMemory]:
    """The class of the memories of a kind, whether a class or a function makes them."""
    build = find("memory", kind)
    return build if isinstance(build, type) else inspect.signature(build, eval_str=True).return_annotation
