"""Astrocyte-gated associative memory in JAX: batched simulation, search and reproducible runs.

Public names are listed here and loaded when first used, so that importing the package, and the help of the command line,
cost nothing.
"""

import re as _re
from importlib import import_module as _import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import figures as figures
    from ._checks import InputError as InputError
    from ._checks import RunError as RunError
    from .activations import activation as activation
    from .activations import lagrangian as lagrangian
    from .automatic import Automatic as Automatic
    from .compact import CompactPatterns as CompactPatterns
    from .compact import compact_patterns as compact_patterns
    from .corruption import Erasures as Erasures
    from .corruption import Flips as Flips
    from .corruption import GaussianNoise as GaussianNoise
    from .corruption import add_noise as add_noise
    from .corruption import erase as erase
    from .corruption import flip as flip
    from .decoders import bayes_decoder as bayes_decoder
    from .decoders import nearest_pattern as nearest_pattern
    from .equilibria import Attractors as Attractors
    from .equilibria import Basin as Basin
    from .equilibria import Equilibrium as Equilibrium
    from .equilibria import EquilibriumKind as EquilibriumKind
    from .equilibria import Identity as Identity
    from .equilibria import Spectrum as Spectrum
    from .equilibria import Stability as Stability
    from .equilibria import attractors as attractors
    from .equilibria import basin as basin
    from .equilibria import equilibrium as equilibrium
    from .equilibria import identify as identify
    from .equilibria import jacobian as jacobian
    from .equilibria import spectrum as spectrum
    from .experiment import Execution as Execution
    from .experiment import load_config as load_config
    from .experiment import run as run
    from .exponential import ETD2 as ETD2
    from .exponential import ETD3 as ETD3
    from .many import retrieve_many as retrieve_many
    from .models import AbstractMemory as AbstractMemory
    from .models import AstrocyteMemory as AstrocyteMemory
    from .models import AstrocyteState as AstrocyteState
    from .models import DenseMemory as DenseMemory
    from .models import HopfieldMemory as HopfieldMemory
    from .models import ModernHopfieldMemory as ModernHopfieldMemory
    from .models import NeuronAstrocyteMemory as NeuronAstrocyteMemory
    from .models import NeuronAstrocyteState as NeuronAstrocyteState
    from .models import NeuronState as NeuronState
    from .observables import hamming_error as hamming_error
    from .observables import overlap as overlap
    from .observables import perplexity as perplexity
    from .observables import soft_hamming_error as soft_hamming_error
    from .observables import success as success
    from .pages import write_run_page as write_run_page
    from .patterns import biased_patterns as biased_patterns
    from .patterns import digits as digits
    from .patterns import hierarchical_patterns as hierarchical_patterns
    from .patterns import load_patterns as load_patterns
    from .patterns import pooled_patterns as pooled_patterns
    from .patterns import random_patterns as random_patterns
    from .recall import Recall as Recall
    from .recall import Status as Status
    from .recall import animate as animate
    from .retrieval import retrieve as retrieve
    from .runs.export import export as export
    from .runs.store import load as load
    from .scores import AbstractScore as AbstractScore
    from .scores import LinearScore as LinearScore
    from .scores import PowerScore as PowerScore
    from .scores import SquaredScore as SquaredScore
    from .search_results import SearchResults as SearchResults
    from .search_results import load_search as load_search
    from .searching import load_search_config as load_search_config
    from .searching import run_search as run_search
    from .sweep import Engine as Engine
    from .sweep import OutOfMemoryError as OutOfMemoryError
    from .sweep import Sweep as Sweep
    from .sweep import SweepResult as SweepResult
    from .sweep import run_sweeps as run_sweeps
    from .trial import DecoderTrial as DecoderTrial
    from .trial import RecallTrial as RecallTrial
    from .trial import Task as Task
    from .tuning import Loss as Loss
    from .tuning import Objective as Objective
    from .tuning import Parameter as Parameter
    from .tuning import Search as Search
    from .tuning import SearchState as SearchState
    from .tuning import grid_search as grid_search
    from .tuning import random_search as random_search
    from .tuning import tune as tune
    from .verification import verify as verify

# The imports above are for type checkers, which execute nothing: here they are read, so that every name stands once.
with open(__file__, encoding="utf-8") as _source:
    _HOME = {name: module for module, name in _re.findall(r"^    from \.(\S*) import (\w+) as", _source.read(), _re.MULTILINE)}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from ._version import version

        return version()
    if name in _HOME:
        module = _import_module(f".{_HOME[name] or name}", __name__)
        value = getattr(module, name) if _HOME[name] else module
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
