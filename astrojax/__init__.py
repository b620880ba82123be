"""Astrocyte-gated associative memory in JAX: batched simulation, search and reproducible runs.

Public names are listed here and loaded when first used, so that importing the package, and the help of the command line,
cost nothing.
"""

import re as _re
from importlib import import_module as _import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # several names a line, which isort would not do
    # isort: off
    from . import testing as testing, theory as theory
    from ._internal.devices import OutOfMemoryError as OutOfMemoryError
    from ._internal.errors import InputError as InputError, RunError as RunError
    from ._internal.parameters import Range as Range
    from .config.objects import experiment as experiment, search_experiment as search_experiment
    from .equilibria.basins import Attractors as Attractors, Basin as Basin, attractors as attractors, basin as basin
    from .equilibria.classification import EquilibriumKind as EquilibriumKind, Identity as Identity, identify as identify
    from .equilibria.fixed_points import Equilibrium as Equilibrium, equilibrium as equilibrium
    from .equilibria.stability import Spectrum as Spectrum, Stability as Stability, jacobian as jacobian, spectrum as spectrum
    from .models.activations import AbstractActivation as AbstractActivation, IdentityActivation as IdentityActivation
    from .models.activations import RectifiedActivation as RectifiedActivation, SphereActivation as SphereActivation
    from .models.activations import TanhActivation as TanhActivation, activation as activation, lagrangian as lagrangian
    from .models.astrocyte import AstrocyteMemory as AstrocyteMemory, AstrocyteState as AstrocyteState
    from .models.astrocyte import ModernHopfieldMemory as ModernHopfieldMemory
    from .models.base import AbstractMemory as AbstractMemory, NeuronState as NeuronState
    from .models.dense import DenseMemory as DenseMemory
    from .models.entmax import EntmaxGainMap as EntmaxGainMap, SparsemaxGainMap as SparsemaxGainMap
    from .models.gain_maps import AbstractGainMap as AbstractGainMap, SoftmaxGainMap as SoftmaxGainMap
    from .models.gap_junctions import AbstractGapJunctions as AbstractGapJunctions, ClassesGapJunctions as ClassesGapJunctions
    from .models.gap_junctions import MatrixGapJunctions as MatrixGapJunctions, RingGapJunctions as RingGapJunctions
    from .models.hopfield import HopfieldMemory as HopfieldMemory
    from .models.neuron_astrocyte import NeuronAstrocyteMemory as NeuronAstrocyteMemory
    from .models.neuron_astrocyte import NeuronAstrocyteState as NeuronAstrocyteState
    from .models.packed import CompactPatterns as CompactPatterns, compact_patterns as compact_patterns
    from .models.scores import AbstractScore as AbstractScore, DistanceScore as DistanceScore, LinearScore as LinearScore
    from .models.scores import PowerScore as PowerScore, SquaredScore as SquaredScore
    from .problems.corruption import Erasures as Erasures, Flips as Flips, GaussianNoise as GaussianNoise
    from .problems.corruption import AbstractCorruption as AbstractCorruption, Masking as Masking, mask as mask
    from .problems.corruption import add_noise as add_noise, erase as erase, flip as flip
    from .problems.decoders import bayes_decoder as bayes_decoder, nearest_pattern as nearest_pattern
    from .problems.decoders import posterior_decoder as posterior_decoder
    from .problems.observables import hamming_error as hamming_error, overlap as overlap, perplexity as perplexity
    from .problems.observables import cosine as cosine, identified as identified, rmse as rmse
    from .problems.observables import soft_hamming_error as soft_hamming_error, success as success
    from .problems.glyphs import glyphs as glyphs
    from .problems.patterns import biased_patterns as biased_patterns, digits as digits
    from .problems.patterns import classes_of as classes_of, classified as classified
    from .problems.patterns import hierarchical_patterns as hierarchical_patterns, load_patterns as load_patterns
    from .problems.patterns import pooled_patterns as pooled_patterns, random_patterns as random_patterns
    from .problems.real_patterns import gaussian_patterns as gaussian_patterns, spherical_patterns as spherical_patterns
    from .problems.real_patterns import random_features_patterns as random_features_patterns
    from .problems.task import Task as Task
    from .report import figures as figures
    from .report.html.write import write_run_page as write_run_page
    from .runs.run import Execution as Execution, load_config as load_config, run as run
    from .runs.tune import load_search_config as load_search_config, run_search as run_search
    from .runs.tune_results import SearchResults as SearchResults, load_search as load_search
    from .runs.verify import verify as verify
    from .solve.automatic import Automatic as Automatic
    from .solve.retrieve_many import retrieve_many as retrieve_many
    from .solve.exponential import ETD2 as ETD2, ETD3 as ETD3
    from .solve.recall import Recall as Recall, Status as Status, animate as animate
    from .solve.retrieve import retrieve as retrieve
    from .solve.running import AbstractRunningObservable as AbstractRunningObservable
    from .solve.running import FirstPassage as FirstPassage, Maximum as Maximum
    from .storage.export import export as export
    from .storage.folder import load as load
    from .sweep.engine import Engine as Engine
    from .sweep.execution import Sweep as Sweep, SweepResult as SweepResult, run_sweeps as run_sweeps
    from .sweep.observables import observable as observable
    from .sweep.trials import DecoderTrial as DecoderTrial, RecallTrial as RecallTrial
    from .tuning.baselines import grid_search as grid_search, random_search as random_search
    from .tuning.losses import Loss as Loss
    from .tuning.objective import Objective as Objective
    from .tuning.search import Search as Search, SearchState as SearchState, tune as tune
    from .tuning.transforms import Parameter as Parameter

# The imports above are for type checkers, which execute nothing: here they are read, so that every name stands once.
with open(__file__, encoding="utf-8") as _source:
    _LINES = _re.findall(r"^    from \.(\S*) import (.+)$", _source.read(), _re.MULTILINE)
_HOME = {name: module for module, names in _LINES for name in _re.findall(r"(\w+) as", names)}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from ._internal.version import version

        return version()
    if name in _HOME:
        module = _import_module(f".{_HOME[name]}", __name__)
        value = vars(module).get(name) or _import_module(f"{module.__name__}.{name}")
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
