"""The memories, one model per file."""

import inspect
from collections.abc import Callable

from .._internal.registry import members
from .base import AbstractMemory as AbstractMemory


def memories() -> dict[str, Callable[..., AbstractMemory]]:
    """The memories of the package by kind, any `…Memory` in a file of this folder: `astrocyte` is `AstrocyteMemory`."""
    return members("memory")


def memory_class_of(build: Callable[..., AbstractMemory]) -> type[AbstractMemory]:
    """The class of the memories that a class or a function builds; the abstract one where a function does not say."""
    if isinstance(build, type):
        return build
    found = inspect.signature(build, eval_str=True).return_annotation
    return found if isinstance(found, type) and issubclass(found, AbstractMemory) else AbstractMemory
