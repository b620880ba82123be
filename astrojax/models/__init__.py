"""The memories, one model per file."""

from collections.abc import Callable as _Callable

from .._internal.kinds import find_named as _find_named
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


def memories() -> dict[str, _Callable[..., AbstractMemory]]:
    """The memories of the package by kind, any `…Memory` in a file of this folder: `astrocyte` is `AstrocyteMemory`."""
    return _find_named("models", "Memory")
