"""The configuration of a run: what may stand in a YAML file, checked all at once.

Names of models, scores and solvers are written out here, so that reading a configuration needs no numerical library.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


Integer = Annotated[int, BeforeValidator(_no_boolean)]
Real = Annotated[float, BeforeValidator(_no_boolean)]
Positive = Annotated[Real, Field(gt=0)]

LARGEST = 10_000_000
"""Largest memory load or number of flips."""

MOST_TRAJECTORIES = 100_000_000
"""Most points of a product of axes."""


class RandomPatterns(Section):
    """Independent random ±1 patterns."""

    kind: Literal["random"] = "random"
    num_neurons: Integer = Field(20, ge=1, le=LARGEST, description="neurons N")


class BiasedPatterns(Section):
    """Independent ±1 patterns with a mean other than zero."""

    kind: Literal["biased"]
    num_neurons: Integer = Field(20, ge=1, le=LARGEST, description="neurons N")
    mean: Real = Field(0.0, ge=-1, le=1, description="expected value of every entry")


class HierarchicalPatterns(Section):
    """Correlated ±1 patterns: noisy copies of random prototypes."""

    kind: Literal["hierarchical"]
    num_neurons: Integer = Field(20, ge=1, le=LARGEST, description="neurons N")
    num_prototypes: Integer = Field(ge=1, le=LARGEST, description="how many prototypes")
    overlap: Real = Field(ge=0, le=1, description="expected overlap of two copies of one prototype")


class DigitPatterns(Section):
    """Handwritten digits of 8×8 pixels."""

    kind: Literal["digits"]
    threshold: Real = Field(7.0, ge=0, le=15, description="grey levels above it become +1")


class FilePatterns(Section):
    """Patterns from a .npy, .npz or .csv file, one per row; a relative path starts at the configuration's folder."""

    kind: Literal["file"]
    path: Path
    array: str | None = Field(None, description="which array of an .npz file")
    threshold: Real | None = Field(None, description="when given, entries above it become +1 and the others -1")
    max_duplicates: Integer = Field(0, ge=0, description="how many rows may repeat an earlier one")


Patterns = Annotated[
    RandomPatterns | BiasedPatterns | HierarchicalPatterns | DigitPatterns | FilePatterns, Field(discriminator="kind")
]


class Astrocyte(Section):
    """The astrocyte-gated memory."""

    kind: Literal["astrocyte"]
    score: Literal["squared", "linear", "power"] = "squared"
    order: Integer | None = Field(None, ge=2, multiple_of=2, description="order of the power score; 4 when left out")
    gain_regime: Literal["dynamic", "adiabatic", "frozen"] = "dynamic"
    temperature: Positive = 0.01
    tau_x: Positive = 1.0
    tau_p: Positive = 1.0
    slope: Positive = 5.0

    @model_validator(mode="after")
    def _order_belongs_to_power(self) -> "Astrocyte":
        if self.order is not None and self.score != "power":
            raise ValueError(f"order is for the score power; the score is {self.score}")
        return self


class Hopfield(Section):
    """The classical Hopfield network."""

    kind: Literal["hopfield"]
    zero_diagonal: bool = False
    tau_x: Positive = 1.0
    slope: Positive = 5.0


class NeuronAstrocyte(Section):
    """The neuron-synapse-astrocyte memory."""

    kind: Literal["neuron_astrocyte"]
    tau_x: Positive = 1.0
    tau_s: Positive = 1.0
    tau_a: Positive = 1.0
    slope: Positive = 5.0


class Dense(Section):
    """The dense associative memory."""

    kind: Literal["dense"]
    order: Integer = Field(4, ge=2)
    tau_x: Positive = 1.0
    slope: Positive = 5.0


class ModernHopfield(Section):
    """The modern Hopfield network."""

    kind: Literal["modern_hopfield"]
    temperature: Positive = 0.01
    tau_x: Positive = 1.0
    slope: Positive = 5.0


Model = Annotated[Astrocyte | Hopfield | NeuronAstrocyte | Dense | ModernHopfield, Field(discriminator="kind")]

PARAMETERS = ("temperature", "tau_x", "tau_p", "tau_s", "tau_a", "slope")
"""Dynamical parameters, which may be axes of a sweep."""

LEVELS = {"flips": "num_flips", "erasures": "erased_fraction", "noise": "noise_scale"}
"""The axis that belongs to each kind of corruption."""


def axis_values(given: Any) -> Any:
    """A list of values from a number, a list, or a range {start, stop, step} or {start, stop, num, scale: linear or log}."""
    if not isinstance(given, dict):
        return given if isinstance(given, list) else [given]
    unknown = set(given) - {"start", "stop", "step", "num", "scale"}
    if unknown or not {"start", "stop"} <= set(given) or ("step" in given and "num" in given):
        raise ValueError("a range is {start, stop, step} or {start, stop, num, scale}")
    start, stop = (_number(given[name], name) for name in ("start", "stop"))
    scale = given.get("scale", "linear")
    if scale not in ("linear", "log"):
        raise ValueError("scale must be linear or log")
    if stop < start or (scale == "log" and start <= 0):
        raise ValueError("a range must have start <= stop, and start > 0 on a log scale")
    if "num" in given:
        num = _number(given["num"], "num")
        if not num.is_integer() or not 1 <= num <= 1_000_000:
            raise ValueError("num must be an integer between 1 and 1000000")
        values = (np.geomspace if scale == "log" else np.linspace)(start, stop, int(num))
        # A value that only rounding keeps from being an integer is one: so {start: 5, stop: 500, num: 3, scale: log} has loads.
        whole = np.round(values)
        return [float(value) for value in np.where(np.isclose(values, whole, rtol=1e-12, atol=0), whole, values)]
    step = _number(given.get("step", 1), "step")
    if step <= 0 or scale == "log" or (stop - start) / step > 1_000_000:
        raise ValueError("step must be positive, on a linear scale, and give at most 1000000 values")
    # A little beyond `stop`, so that rounding does not lose the last value.
    spread = (start + step * number for number in range(math.floor((stop - start) / step + 1e-9) + 1))
    return [int(value) if value.is_integer() and step == int(step) else value for value in spread]


def _number(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(f"{name} of a range must be a finite number")
    return number


Counts = Annotated[list[Annotated[Integer, Field(ge=0, le=LARGEST)]], Field(min_length=1), BeforeValidator(axis_values)]
Loads = Annotated[list[Annotated[Integer, Field(ge=1, le=LARGEST)]], Field(min_length=1), BeforeValidator(axis_values)]
Fractions = Annotated[list[Annotated[Real, Field(ge=0, le=1)]], Field(min_length=1), BeforeValidator(axis_values)]
Scales = Annotated[list[Annotated[Real, Field(ge=0)]], Field(min_length=1), BeforeValidator(axis_values)]
Positives = Annotated[list[Positive], Field(min_length=1), BeforeValidator(axis_values)]


class Axes(Section):
    """Axes of the sweep, each a number, a list or a range; their cartesian product is computed."""

    num_patterns: Loads = Field(description="memory loads K")
    num_flips: Counts | None = Field(None, description="flipped entries of the query, for corruption: flips")
    erased_fraction: Fractions | None = Field(None, description="erased share of the query, for corruption: erasures")
    noise_scale: Scales | None = Field(None, description="standard deviation of the noise, for corruption: noise")
    temperature: Positives | None = None
    tau_x: Positives | None = None
    tau_p: Positives | None = None
    tau_s: Positives | None = None
    tau_a: Positives | None = None
    slope: Positives | None = None


class Retrieval(Section):
    """How trajectories are integrated."""

    t1: Positive = Field(10.0, description="horizon, in units of the time constants")
    solver: Literal["heun", "bosh3", "tsit5", "dopri5", "dopri8", "kvaerno3", "kvaerno5"] = "bosh3"
    rtol: Real = Field(1e-2, gt=0, lt=1)
    atol: Real = Field(1e-2, gt=0)
    max_steps: Integer = Field(4096, ge=1, lt=2**31)
    convergence_speed: Positive | None = Field(None, description="when given, convergence times are found at this speed")


class Config(Section):
    """Everything that determines the results of a run."""

    name: str = Field("run", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="names the run folder")
    seed: Integer = Field(0, ge=0, lt=2**31)
    precision: Literal["float32", "float64"] = "float32"
    patterns: Patterns = RandomPatterns()
    corruption: Literal["flips", "erasures", "noise"] = "flips"
    axes: Axes
    trials: Integer = Field(50, ge=1, le=MOST_TRAJECTORIES, description="independent samples at every point")
    models: dict[Annotated[str, Field(pattern=r"^[^.=]+$")], Model] = Field(min_length=1)
    decoders: bool = Field(True, description="whether the decoders are computed on the same problems")
    retrieval: Retrieval = Retrieval()

    @model_validator(mode="after")
    def _parts_fit_together(self) -> "Config":
        faults = contradictions({name: getattr(self, name) for name in type(self).model_fields})
        if faults:
            raise ValueError("; ".join(f"{path}: {text}" for path, text in faults))
        return self

    def swept_axes(self) -> dict[str, Sequence[float | int]]:
        """The axes that were given, in the order of the results' dimensions, `trial` last."""
        given = {name: values for name, values in self.axes.model_dump().items() if values is not None}
        return given | {"trial": range(self.trials)}

    def sha256(self) -> str:
        """SHA-256 of the canonical form: JSON with sorted keys."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


def contradictions(sections: dict[str, Any]) -> list[tuple[str, str]]:
    """Faults between sections that are each valid, as pairs of path and text; sections that are missing are passed over."""
    faults: list[tuple[str, str]] = []
    axes, corruption, patterns = (sections.get(name) for name in ("axes", "corruption", "patterns"))
    models = sections.get("models") or {}
    num_neurons = 64 if isinstance(patterns, DigitPatterns) else getattr(patterns, "num_neurons", None)
    if axes is None:
        return faults
    for kind, level in LEVELS.items():
        given = getattr(axes, level) is not None
        if corruption == kind and not given:
            faults.append((f"axes.{level}", f"is missing; corruption: {kind} needs it"))
        if corruption is not None and corruption != kind and given:
            faults.append((f"axes.{level}", f"belongs to corruption: {kind}; the corruption is {corruption}"))
    for name in type(axes).model_fields:
        values = getattr(axes, name)
        if values is not None and len(set(values)) < len(values):
            faults.append((f"axes.{name}", "lists a value twice; every value must be different"))
    if num_neurons is not None and axes.num_flips is not None and max(axes.num_flips) > num_neurons:
        text = f"got {max(axes.num_flips)}; at most num_neurons = {num_neurons} entries can be flipped"
        faults.append(("axes.num_flips", text))
    lanes = math.prod(len(values) for values in axes.model_dump().values() if values is not None) * (
        sections.get("trials") or 1
    )
    if lanes > MOST_TRAJECTORIES:
        faults.append(("axes", f"and trials make {lanes:,} points; at most {MOST_TRAJECTORIES:,} can be computed in one run"))
    if models:
        known = {name for model in models.values() for name in type(model).model_fields}
        for name in PARAMETERS:
            if getattr(axes, name) is not None and name not in known:
                faults.append((f"axes.{name}", "is a parameter of none of the models"))
    return faults
