"""The memories, one model per file."""

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
