"""The memories, one model per file."""

import inspect
from collections.abc import Callable

from .._internal.kinds import find_named
from .astrocyte import AstrocyteMemory as AstrocyteMemory
from .astrocyte import AstrocyteState as AstrocyteState
from .astrocyte import ModernHopfieldMemory as ModernHopfieldMemory
from .base import AbstractMemory as AbstractMemory
from .base import NeuronState as NeuronState
from .dense import DenseMemory as DenseMemory
from .hopfield import HopfieldMemory as HopfieldMemory
from .neuron_astrocyte import NeuronAstrocyteMemory as NeuronAstrocyteMemory
from .neuron_astrocyte import NeuronAstrocyteState as NeuronAstrocyteState
from .neuron_astrocyte import symmetric as symmetric


def memories() -> dict[str, Callable[..., AbstractMemory]]:
    """The memories of the package by kind, any `…Memory` in a file of this folder: `astrocyte` is `AstrocyteMemory`."""
    return find_named("models", "Memory")


def memory_class(kind: str) -> type[AbstractMemory]:
    """The class of the memories of a kind, whether a class or a function makes them."""
    build = memories()[kind]
    return build if isinstance(build, type) else inspect.signature(build, eval_str=True).return_annotation
