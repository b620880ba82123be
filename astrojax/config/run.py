"""The configuration of a run: what may stand in a YAML file, checked all at once.

Names of models, scores and solvers are written out here, so that reading a configuration needs no numerical library.
"""

import abc
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo

from .._internal.errors import InputError, did_you_mean, shown
from .._internal.files import file_sha256, json_sha256
from .._internal.parameters import MOST_ORDER, MOST_STEPS, MOST_TRAJECTORIES
from .variables import DEFINITIONS

Fault = tuple[str, str]
"""The path of a field and what is wrong with it."""


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def as_number(value: Any) -> int | float:
    """A finite number from one, or from the text of one. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a number")
    try:
        number = float(value) if isinstance(value, str) else value
        is_finite = math.isfinite(number)
    except OverflowError:  # an integer beyond double precision
        is_finite = False
    except ValueError:
        raise ValueError("must be a number") from None
    if not is_finite:
        raise ValueError("must be a finite number")
    return number


def as_integer(value: Any) -> int:
    """An integer from a number that is one, such as 1e3, or from its text. Raises ValueError."""
    try:
        number = float(as_number(value))
    except ValueError:
        raise ValueError("must be an integer") from None
    if not number.is_integer():
        raise ValueError("must be an integer")
    return int(value) if isinstance(value, int) else int(number)


Integer = Annotated[int, BeforeValidator(as_integer)]
Real = Annotated[float, BeforeValidator(as_number)]
Positive = Annotated[Real, Field(gt=0)]
Number = Annotated[int | float, BeforeValidator(as_number)]
"""An integer or a real number, whichever was written."""

LARGEST = 10_000_000
"""Largest memory load or number of flips."""

MOST_VARIANTS = 10_000
"""Most points of a product of axes over fields other than loads, levels of corruption and dynamical parameters."""

FLOAT32 = (1.18e-38, 3.4e38)
"""The smallest and the largest positive number in single precision, rounded inwards."""

MOST_VALUES = 100_000
"""Most values along an axis."""


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
    """Patterns from a .npy, .npz or .csv file, one per row; a relative path starts at the configuration's folder.

    Entries are -1 and +1, booleans, or other numbers with a threshold. Pictures of shape (K, height, width) are flattened.
    """

    kind: Literal["file"]
    path: Path
    array: str | None = Field(None, description="which array of an .npz file")
    threshold: Real | None = Field(None, description="when given, entries above it become +1 and the others -1")
    max_duplicates: Integer = Field(0, ge=0, le=LARGEST, description="how many rows may repeat an earlier one")


Patterns = Annotated[
    RandomPatterns | BiasedPatterns | HierarchicalPatterns | DigitPatterns | FilePatterns, Field(discriminator="kind")
]


OfPatterns = Annotated[Path | None, Field(exclude_if=lambda path: path is None)]
"""A .npy, .npz or .csv file with a number for each pattern; a relative path starts at the configuration's folder."""


def _coupling(value: Any) -> Any:
    if value is None or value in ("K", "N"):
        return value
    if isinstance(value, bool) or not (value == "1" or (isinstance(value, int | float) and 0 < value < math.inf)):
        raise ValueError("must be K, N, 1 or another positive number")
    return float(value)


Coupling = Annotated[
    Literal["K", "N"] | Real | None, BeforeValidator(_coupling), Field(exclude_if=lambda coupling: coupling is None)
]
"""The coupling constant of a memory: by name, as a number, or the score's own."""


class Astrocyte(Section):
    """The astrocyte-gated memory."""

    kind: Literal["astrocyte"]
    score: Literal["squared", "linear", "power"] = Field("squared", description="how an overlap feeds the gain of its pattern")
    order: Integer | None = Field(
        None, ge=2, le=MOST_ORDER, multiple_of=2, description="order of the power score; 4 when left out"
    )
    gain_regime: Literal["dynamic", "adiabatic", "frozen"] = Field(
        "dynamic", description="gains follow their equation, at once, or not at all"
    )
    coupling: Coupling = Field(None, description="c, as K, N or a number; left out, K for even scores and 1 for the linear")
    temperature: Positive = Field(0.01, description="T, entropic regularisation of the gains")
    tau_x: Positive = Field(1.0, description="τx, time constant of the neurons")
    tau_p: Positive = Field(1.0, description="τp, time constant of the gains")
    slope: Positive = Field(5.0, description="σ of the firing rate tanh(σx)")
    initial_gain_logits: OfPatterns = Field(None, description="logits at time 0; zeros when left out")
    logit_bias: OfPatterns = Field(None, description="bias of the logits; zeros when left out")

    @model_validator(mode="after")
    def _order_belongs_to_power(self) -> "Astrocyte":
        if self.order is not None and self.score != "power":
            raise ValueError(f"order is for the score power; the score is {self.score}")
        return self


class Hopfield(Section):
    """The classical Hopfield network."""

    kind: Literal["hopfield"]
    zero_diagonal: bool = Field(False, description="whether self-couplings are left out")
    tau_x: Positive = Field(1.0, description="τx, time constant of the neurons")
    slope: Positive = Field(5.0, description="σ of the firing rate tanh(σx)")


class NeuronAstrocyte(Section):
    """The neuron-synapse-astrocyte memory."""

    kind: Literal["neuron_astrocyte"]
    tau_x: Positive = Field(1.0, description="τx, time constant of the neurons")
    tau_s: Positive = Field(1.0, description="τs, time constant of the synapses")
    tau_a: Positive = Field(1.0, description="τa, time constant of the astrocyte processes")
    slope: Positive = Field(5.0, description="σ of the firing rate tanh(σx)")


class Dense(Section):
    """The dense associative memory."""

    kind: Literal["dense"]
    order: Integer = Field(4, ge=2, le=MOST_ORDER, description="order of the interaction; 2 is the Hopfield network")
    tau_x: Positive = Field(1.0, description="τx, time constant of the neurons")
    slope: Positive = Field(5.0, description="σ of the firing rate tanh(σx)")


class ModernHopfield(Section):
    """The modern Hopfield network."""

    kind: Literal["modern_hopfield"]
    temperature: Positive = Field(0.01, description="T, entropic regularisation of the gains")
    tau_x: Positive = Field(1.0, description="τx, time constant of the neurons")
    slope: Positive = Field(5.0, description="σ of the firing rate tanh(σx)")


Model = Annotated[Astrocyte | Hopfield | NeuronAstrocyte | Dense | ModernHopfield, Field(discriminator="kind")]

PARAMETERS = ("temperature", "tau_x", "tau_p", "tau_s", "tau_a", "slope")
"""Dynamical parameters, which may be axes of a sweep."""

OF_PATTERNS = ("initial_gain_logits", "logit_bias")
"""Parameters that are read from a file, one number for each pattern."""

LEVELS = {"flips": "num_flips", "erasures": "erased_fraction", "noise": "noise_scale"}
"""The axis that belongs to each kind of corruption."""


def axis_values(given: Any) -> Any:
    """A list of values from a number, a list, or a range {start, stop, step} or {start, stop, num, scale: linear or log}."""
    if not isinstance(given, dict):
        return given if isinstance(given, list) else [given]
    unknown = set(given) - {"start", "stop", "step", "num", "scale"}
    if unknown or not {"start", "stop"} <= set(given) or ("step" in given and "num" in given):
        raise ValueError("a range is {start, stop, step} or {start, stop, num, scale}")
    start, stop = (_part_of_range(given, name) for name in ("start", "stop"))
    scale = given.get("scale", "linear")
    if scale not in ("linear", "log"):
        raise ValueError("scale must be linear or log")
    if stop < start or (scale == "log" and start <= 0):
        raise ValueError("a range must have start <= stop, and start > 0 on a log scale")
    if not math.isfinite(stop / start if scale == "log" else stop - start):
        raise ValueError("a range must not reach over more than 308 decimal orders of magnitude")
    if "num" in given:
        num = _part_of_range(given, "num")
        if not num.is_integer() or not 1 <= num <= MOST_VALUES:
            raise ValueError(f"num must be an integer between 1 and {MOST_VALUES}")
        shares = [place / max(num - 1, 1) for place in range(int(num))]
        if scale == "log":
            return [float(f"{start * (stop / start) ** share:.15g}") for share in shares]
        values = [start + (stop - start) * share for share in shares]
        return [round(value, _decimals(start, stop)) for value in values]
    step = _part_of_range(given, "step") if "step" in given else 1.0
    if step <= 0 or scale == "log" or (stop - start) / step >= MOST_VALUES:
        raise ValueError(f"step must be positive, on a linear scale, and give at most {MOST_VALUES} values")
    # A little beyond `stop`, so that rounding does not lose the last value.
    number = math.floor((stop - start) / step + 1e-9) + 1
    values = [round(start + step * place, _decimals(start, stop)) for place in range(number)]
    return [int(value) if value.is_integer() and step.is_integer() else value for value in values]


def _decimals(start: float, stop: float) -> int:
    """Decimals to which values of a range are rounded, so that they are the numbers one would write: 0.3, not 0.1 + 0.2."""
    largest = max(abs(start), abs(stop))
    return 14 - math.floor(math.log10(largest)) if largest else 0


def integer_values(given: Any) -> Any:
    """As `axis_values`; a range of a given number of values is rounded to integers, each of them once."""
    values = axis_values(given)
    if not isinstance(given, dict) or "num" not in given:
        return values
    return list(dict.fromkeys(round(value) for value in values))


def leaves(value: Any, path: str = "", is_leaf: Callable[[Any], bool] = lambda value: not value) -> dict[str, Any]:
    """What nested mappings hold, by dotted path; some of these, by default empty ones, are leaves themselves."""
    if not isinstance(value, dict) or is_leaf(value):
        return {path: value}
    inner = {f"{path}.{name}".removeprefix("."): below for name, below in value.items()}
    return {key: leaf for name, below in inner.items() for key, leaf in leaves(below, name, is_leaf).items()}


def _part_of_range(given: dict[str, Any], name: str) -> float:
    try:
        return float(as_number(given[name]))
    except ValueError as error:
        raise ValueError(f"{name} of a range {error}") from None


SECTIONS = ("patterns", "models", "retrieval")
"""Sections whose numeric fields may be axes; so may `seed`."""

Given = float | list[float] | dict[str, float | str]
"""How an axis may be written: a number, a list, or a range."""

AsValues = BeforeValidator(axis_values, json_schema_input_type=Given)
AsIntegers = BeforeValidator(integer_values, json_schema_input_type=Given)

Counts = Annotated[list[Annotated[Integer, Field(ge=0, le=LARGEST)]], Field(min_length=1), AsIntegers]
Loads = Annotated[list[Annotated[Integer, Field(ge=1, le=LARGEST)]], Field(min_length=1), AsIntegers]
Fractions = Annotated[list[Annotated[Real, Field(ge=0, le=1)]], Field(min_length=1), AsValues]
Scales = Annotated[list[Annotated[Real, Field(ge=0)]], Field(min_length=1), AsValues]
Positives = Annotated[list[Positive], Field(min_length=1), AsValues]


Numbers = Annotated[list[Number], Field(min_length=1), AsValues]


def _text_like(pattern: str, rule: str) -> Any:
    """Text that matches a pattern, for which a rule stands in messages."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {rule}")
        return text

    return Annotated[str, AfterValidator(check), Field(json_schema_extra={"pattern": pattern})]


NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
Name: Any = _text_like(NAME, "at most 100 letters, digits and _ . -, the first a letter or digit")
AxisName: Any = _text_like(r"^[A-Za-z][A-Za-z0-9_-]{0,99}$", "at most 100 letters, digits and _ -, the first a letter")


class Axes(Section):
    """Axes of the sweep, each a number, a list or a range; their cartesian product is computed.

    Besides the axes named here, any numeric field of the configuration is one under its dotted path, for instance
    `retrieval.t1` or `models.astrocyte.tau_p`.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Numbers] = Field(init=False)

    num_patterns: Loads | None = Field(None, description="memory loads K")
    num_flips: Counts | None = Field(None, description="flipped entries of the query, for corruption: flips")
    erased_fraction: Fractions | None = Field(None, description="erased share of the query, for corruption: erasures")
    noise_scale: Scales | None = Field(None, description="standard deviation of the noise, for corruption: noise")
    temperature: Positives | None = Field(None, description="T, entropic regularisation of the gains")
    tau_x: Positives | None = Field(None, description="τx, time constant of the neurons")
    tau_p: Positives | None = Field(None, description="τp, time constant of the gains")
    tau_s: Positives | None = Field(None, description="τs, time constant of the synapses")
    tau_a: Positives | None = Field(None, description="τa, time constant of the astrocyte processes")
    slope: Positives | None = Field(None, description="σ of the firing rate tanh(σx)")
    zipped: dict[AxisName, Annotated[dict[str, Numbers], Field(min_length=1)]] = Field(
        {}, description="axes along which several coordinates run together: name: {coordinate: values, …}"
    )

    @model_validator(mode="before")
    @classmethod
    def _dotted_paths(cls, given: Any) -> Any:
        """Sections inside become dotted paths: {retrieval: {t1: …}} is {retrieval.t1: …}."""
        if not isinstance(given, dict):
            return given
        flat: dict[Any, Any] = {}
        for key, value in given.items():
            flat |= leaves(value, str(key), lambda value: "start" in value) if key in SECTIONS else {key: value}
        return flat

    def coordinates(self) -> dict[str, dict[str, list[float | int]]]:
        """Values by coordinate, by axis; an axis that is not zipped has one coordinate, of its own name."""
        given = self.model_dump(exclude={"zipped"})
        alone = {name: {name: values} for name, values in given.items() if values is not None}
        return alone | {
            axis: {name: _cast(name, values) for name, values in zipped.items()} for axis, zipped in self.zipped.items()
        }


def _cast(name: str, values: Sequence[float | int]) -> list[float | int]:
    """Values of a coordinate as numbers of its own kind: random keys are derived from it, and 8 and 8.0 must give the same."""
    if name in ("num_patterns", "num_flips"):
        return [int(value) if float(value).is_integer() else value for value in values]
    return [float(value) for value in values] if is_traced(name) else list(values)


class Retrieval(Section):
    """How trajectories are integrated."""

    t1: Positive = Field(10.0, description="horizon, in dimensionless time")
    solver: Literal["auto", "adams", "etd2", "etd3", "heun", "bosh3", "tsit5", "dopri5", "dopri8", "kvaerno3", "kvaerno5"] = (
        Field("adams", description="`adams` takes fixed grids of time steps; `etd3` when left out where a tolerance is given")
    )
    num_steps: Integer | None = Field(
        None, ge=1, le=MOST_STEPS, description="steps of the grid of `adams`; as many as suit each problem when left out"
    )
    outcome_error: Annotated[Real, Field(gt=0, lt=1)] | None = Field(
        None,
        description="grids of `adams` are refined until at most this share of pilot problems ends otherwise than on finer ones",
    )
    rtol: Annotated[Real, Field(gt=0, lt=1)] | None = Field(None, description="one that suits memory and solver when left out")
    atol: Annotated[Real, Field(gt=0)] | None = Field(None, description="of neurons; one that suits the solver when left out")
    max_steps: Integer = Field(4096, ge=1, lt=2**31, description="most steps of a trajectory; beyond, it fails")
    convergence_speed: Positive | None = Field(None, description="when given, convergence times are found at this speed")
    confirm: bool = Field(False, description="solve again more tightly; trajectories that end elsewhere fail as unconfirmed")

    @model_validator(mode="before")
    @classmethod
    def _tolerances_ask_for_steps_that_adapt(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("solver") is None:
            adaptive = given.get("rtol") is not None or given.get("atol") is not None
            return given | {"solver": "etd3" if adaptive else "adams"}
        return given

    @model_validator(mode="after")
    def _settings_fit_the_solver(self) -> "Retrieval":
        on_grid, others = ("num_steps", "outcome_error"), ("rtol", "atol")
        for name in others if self.solver == "adams" else on_grid:
            if getattr(self, name) is not None:
                allowed = "num_steps and outcome_error" if self.solver == "adams" else "rtol and atol"
                raise ValueError(f"{name} is not for the solver {self.solver}, which has {allowed}")
        if self.num_steps is not None and self.outcome_error is not None:
            raise ValueError("num_steps and outcome_error exclude each other: either says how fine grids are")
        if self.num_steps is not None and self.num_steps > self.max_steps:
            raise ValueError(f"num_steps must be at most max_steps, {self.max_steps}")
        return self

    def settings(self) -> dict[str, Any]:
        """Those of a single retrieval, by name."""
        return self.model_dump(exclude={"outcome_error"})


RESERVED = ("trial", "model", "decoder", "swept_axes", *DEFINITIONS)
"""Names in the results that no zipped axis may have."""


def _model_name(name: str) -> str:
    if not name.isprintable() or len(name.encode()) > 100 or set(name) & set("./\\=") or name.strip() in ("", "decoders"):
        raise ValueError(
            "a name of a model is printable text of at most 100 bytes without . / \\ and =, other than decoders, which have it"
        )
    return name


ModelName = Annotated[str, AfterValidator(_model_name), Field(json_schema_extra={"pattern": r"^[^./\\=]+$"})]


class Root(Section):
    """What stands in one file."""

    seed: Integer = Field(0, ge=0, lt=2**31, description="all random numbers follow from it")
    precision: Literal["float32", "float64"] = Field("float32", description="of patterns, dynamics and results")
    name: Name
    patterns: Patterns = Field(RandomPatterns(), description="where patterns come from")
    corruption: Literal["flips", "erasures", "noise"] = Field("flips", description="how a query differs from its pattern")

    @classmethod
    @abc.abstractmethod
    def contradictions(cls, sections: dict[str, Any]) -> Iterator[Fault]:
        """Faults between sections that are each valid, as pairs of path and text; sections that are missing are passed over."""

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Any:
        faults = list(self.contradictions({name: getattr(self, name) for name in type(self).model_fields}))
        if faults:
            raise ValueError("; ".join(f"{path}: {text}" for path, text in faults))
        return self

    def files(self) -> dict[str, Path]:
        """Files that values are read from, by dotted key."""
        return {name: leaf for name, leaf in leaves(self.model_dump()).items() if isinstance(leaf, Path)}

    def with_files(self, paths: Mapping[str, Path]) -> Any:
        """The same configuration with other files, by dotted key."""
        return _with_files(self, "", paths)

    def file_digests(self) -> dict[str, str]:
        """SHA-256 of the content of the files, by dotted key; `InputError` if one cannot be read."""
        digests = {}
        for name, path in self.files().items():
            try:
                digests[name] = file_sha256(path)
            except (OSError, ValueError) as error:
                raise InputError(f"{name}: {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
        return digests

    def sha256(self) -> str:
        """SHA-256 of the canonical form: JSON with sorted keys, in which the SHA-256 of its content stands for a file.

        Raises:
            InputError (a ValueError): if a file cannot be read.
        """
        content = self.with_files({name: Path(digest) for name, digest in self.file_digests().items()})
        return json_sha256(content.model_dump(mode="json"))


def _with_files(value: Any, name: str, paths: Mapping[str, Path]) -> Any:
    if name in paths:
        return paths[name]
    if not isinstance(value, BaseModel | dict):
        return value
    inner = {part: _with_files(one, f"{name}.{part}".removeprefix("."), paths) for part, one in dict(value).items()}
    return inner if isinstance(value, dict) else value.model_copy(update=inner)


class Config(Root):
    """Everything that determines the results of a run."""

    name: Name = Field("run", description="names the run folder; the file's name when left out")
    axes: Axes = Field(description="what is varied; all combinations are computed")
    trials: Integer = Field(50, ge=1, le=MOST_TRAJECTORIES, description="independent samples at every point")
    models: dict[ModelName, Model] = Field(
        min_length=1, max_length=1000, description="memories that meet the same problems, under names of your own"
    )
    decoders: bool = Field(True, description="whether the decoders are computed on the same problems")
    retrieval: Retrieval = Field(Retrieval(), description="how trajectories are integrated")

    @classmethod
    def contradictions(cls, sections: dict[str, Any]) -> Iterator[Fault]:
        axes, models = sections.get("axes"), sections.get("models")
        if axes is None:
            return
        yield from _level_faults(axes, sections.get("corruption"))
        yield from _shape_faults(axes, sections.get("trials") or 1)
        seen: dict[str, str] = {}
        for axis, coordinates in axes.coordinates().items():
            for name, values in coordinates.items():
                path = _path(axes, axis, name)
                if name in seen:
                    yield path, f"runs along {seen[name]} already"
                seen[name] = path
                if name in PARAMETERS and models:
                    if not any(name in type(model).model_fields for model in models.values()):
                        yield path, "is a parameter of none of the models"
                elif not is_traced(name):
                    yield from _field_faults(path, name, values, sections)
        for name, path in seen.items():
            parameter = name.rpartition(".")[2]
            if name in _known(sections) and name != parameter and parameter in seen:
                yield path, f"is set by {seen[parameter]} already"
        if "num_patterns" not in seen:
            yield "axes.num_patterns", "is missing"
        yield from _pool_faults(models or {}, sections.get("patterns"))
        if sections.get("precision") == "float32":
            for name in ("models", "axes", "retrieval"):
                yield from _precision_faults(name, sections.get(name))
        yield from _flip_faults(axes, sections.get("patterns"))

    def swept_axes(self) -> dict[str, Mapping[str, Sequence[float | int]]]:
        """Values by coordinate, by axis, in the order of the results' dimensions, `trial` last."""
        return self.axes.coordinates() | {"trial": {"trial": range(self.trials)}}

    def replaced(self, values: Mapping[str, float | int]) -> "Config":
        """The same configuration with other values of fields, given by dotted path; pydantic's error if one is not allowed."""
        changed: dict[str, Any] = {}
        for path, value in values.items():
            match path.split("."):
                case ["models", name, field]:
                    models = changed.setdefault("models", dict(self.models))
                    models[name] = _with(models[name], field, value)
                case [section, field]:
                    changed[section] = _with(changed.get(section, getattr(self, section)), field, value)
                case _:
                    changed[path] = int(value)  # the seed
        return self.model_copy(update=changed)


def _with(section: Section, field: str, value: float | int) -> Section:
    return type(section).model_validate(section.model_dump() | {field: value})


def is_traced(coordinate: str) -> bool:
    """Whether a coordinate is a number inside one compiled program, rather than a field of several configurations."""
    return coordinate in {"num_patterns", "trial", *LEVELS.values(), *PARAMETERS}


def _pool_faults(models: Mapping[str, Any], patterns: Any) -> Iterator[Fault]:
    """Parameters of single patterns make sense where these are the same in every problem."""
    if patterns is None or isinstance(patterns, DigitPatterns | FilePatterns):
        return
    text = f"belongs to patterns of a pool (kind digits or file); of kind {patterns.kind} new ones are drawn for every problem"
    for model, section in models.items():
        yield from ((f"models.{model}.{name}", text) for name in OF_PATTERNS if getattr(section, name, None) is not None)


def _precision_faults(path: str, value: Any) -> Iterator[Fault]:
    """Numbers that are infinite or 0 in single precision."""
    if isinstance(value, BaseModel | dict):
        for name, one in dict(value).items():
            if name != "atol":
                yield from _precision_faults(f"{path}.{name}", one)
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from _precision_faults(f"{path}[{place}]", one)
    elif isinstance(value, float) and value and not FLOAT32[0] <= abs(value) <= FLOAT32[1]:
        yield path, f"must be between {FLOAT32[0]:g} and {FLOAT32[1]:g} with precision: float32; got {value:g}"


def _path(axes: Axes, axis: str, name: str) -> str:
    return f"axes.zipped.{axis}.{name}" if axis in axes.zipped else f"axes.{name}"


def _level_faults(axes: Axes, corruption: str | None) -> Iterator[Fault]:
    names = {name for coordinates in axes.coordinates().values() for name in coordinates}
    for kind, level in LEVELS.items():
        if corruption == kind and level not in names:
            yield f"axes.{level}", f"is missing; corruption: {kind} needs it"
        if corruption is not None and corruption != kind and level in names:
            yield f"axes.{level}", f"belongs to corruption: {kind}; the corruption is {corruption}"


def _shape_faults(axes: Axes, trials: int) -> Iterator[Fault]:
    """Faults of lengths, repetitions, and of zipped values, which no field has checked."""
    lanes, outer = trials, 1
    for axis, coordinates in axes.coordinates().items():
        path = f"axes.zipped.{axis}" if axis in axes.zipped else f"axes.{axis}"
        lengths = {name: len(values) for name, values in coordinates.items()}
        if len(set(lengths.values())) > 1:
            yield path, f"must have equally many values of each; got {lengths}"
        points = list(zip(*coordinates.values(), strict=False))
        if len(set(points)) < len(points):
            yield path, "lists a value twice; every value must be different"
        if axis in axes.zipped and axis in {*Axes.model_fields, *RESERVED}:
            yield path, "is the name of something else in the results; zipped axes need another"
        for name, values in coordinates.items() if axis in axes.zipped else []:
            if name in Axes.model_fields and name != "zipped":
                yield from _value_faults(f"{path}.{name}", Axes.model_fields[name], values)
        lanes *= len(points)
        outer *= 1 if all(is_traced(name) for name in coordinates) else len(points)
    if lanes > MOST_TRAJECTORIES:
        yield "axes", f"and trials make {lanes:,} points; at most {MOST_TRAJECTORIES:,} can be computed in one run"
    if outer > MOST_VARIANTS:
        yield "axes", f"make {outer:,} different configurations; at most {MOST_VARIANTS:,} can be computed in one run"


def _field_faults(path: str, name: str, values: list[Any], sections: dict[str, Any]) -> Iterator[Fault]:
    """Faults of an axis over a field of the configuration: there must be such a number, and every value must be allowed."""
    section: Any = None
    match name.split("."):
        case ["seed" as field]:
            section = Config
        case ["models", model, field] if "models" in sections:
            section = type(sections["models"].get(model))
        case ["patterns" | "retrieval" as part, field] if part in sections:
            section = type(sections[part])
        case ["models", _, _] | ["patterns" | "retrieval", _]:  # a section with faults of its own
            return
        case _:
            field = name
    known = getattr(section, "model_fields", {})
    if _is_numeric(known.get(field)):
        yield from _value_faults(path, known[field], values, one_by_one=True)
    else:
        yield path, "is neither an axis nor a number in this configuration" + did_you_mean(name, _known(sections))


def _known(sections: dict[str, Any]) -> list[str]:
    """Everything that may be an axis."""
    places: dict[str, Any] = {name: type(sections[name]) for name in ("patterns", "retrieval") if name in sections}
    places |= {f"models.{name}": type(model) for name, model in (sections.get("models") or {}).items()}
    fields = [
        f"{path}.{name}" for path, kind in places.items() for name, field in kind.model_fields.items() if _is_numeric(field)
    ]
    return [*(axis for axis in Axes.model_fields if axis != "zipped"), "seed", *fields]


def _is_numeric(field: FieldInfo | None) -> bool:
    return field is not None and bool({int, float} & _types(field.annotation))


def _types(annotation: Any) -> set[Any]:
    inner = {kind for part in get_args(annotation) for kind in _types(part)}
    return inner | {annotation} if isinstance(annotation, type) else inner


def _value_faults(path: str, field: FieldInfo, values: list[Any], one_by_one: bool = False) -> Iterator[Fault]:
    declared: Any = Annotated[field.annotation, field]
    allowed = TypeAdapter(declared)
    for place, value in enumerate(values) if one_by_one else [(None, values)]:
        try:
            allowed.validate_python(value)
        except ValidationError as error:
            for fault in error.errors():
                index = f"[{place}]" if one_by_one else "".join(f"[{part}]" for part in fault["loc"] if isinstance(part, int))
                yield path + index, f"{rule_of(fault)}; got {shown(fault['input'])}"


def rule_of(fault: Any) -> str:
    """What pydantic says of a fault, as the rest of a sentence."""
    text = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{text[:1].lower()}{text[1:]}"


def _flip_faults(axes: Axes, patterns: Any) -> Iterator[Fault]:
    for together in axes.zipped.values():
        if {"num_flips", "patterns.num_neurons"} <= set(together):
            pairs = zip(together["num_flips"], together["patterns.num_neurons"], strict=False)
            if wrong := [f"{flips} of {num_neurons}" for flips, num_neurons in pairs if flips > num_neurons]:
                yield "axes.num_flips", f"at most num_neurons entries can be flipped; got {', '.join(wrong)}"
            return
    named = {name: values for coordinates in axes.coordinates().values() for name, values in coordinates.items()}
    num_neurons = 64 if isinstance(patterns, DigitPatterns) else getattr(patterns, "num_neurons", None)
    if num_neurons is None or "num_flips" not in named:
        return
    num_neurons, flips = min(named.get("patterns.num_neurons", [num_neurons])), max(named["num_flips"])
    if flips > num_neurons:
        yield "axes.num_flips", f"got {flips}; at most num_neurons = {num_neurons} entries can be flipped"
