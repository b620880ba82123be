"""The configuration of a run: what may stand in a YAML file, checked all at once."""

import abc
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError, model_validator
from pydantic.fields import FieldInfo

from .._internal.errors import InputError, did_you_mean, shown
from .._internal.files import file_sha256, json_sha256
from .._internal.parameters import MOST_TRAJECTORIES
from ..problems.corruption import corruptions
from .axes import LEVELS, Axes, Name, is_traced, leaves
from .sections import PARAMETERS, PATTERNS, POOLS, Integer, Memory, Patterns, Retrieval, Section
from .variables import DEFINITIONS

Fault = tuple[str, str]
"""The path of a field and what is wrong with it."""

MOST_VARIANTS = 10_000
"""Most points of a product of axes over fields other than loads, levels of corruption and dynamical parameters."""

FLOAT32 = (1.18e-38, 3.4e38)
"""The smallest and the largest positive number in single precision, rounded inwards."""

RESERVED = ("trial", "model", "decoder", "swept_axes", *DEFINITIONS)
"""Names in the results that no zipped axis may have."""


def _model_name(name: str) -> str:
    if not name.isprintable() or len(name.encode()) > 100 or set(name) & set("./\\=") or name.strip() in ("", "decoders"):
        raise ValueError(
            "a name of a model is printable text of at most 100 bytes without . / \\ and =, other than decoders, which have it"
        )
    return name


ModelName = Annotated[str, AfterValidator(_model_name), Field(json_schema_extra={"pattern": r"^[^./\\=]+$"})]


class BaseConfig(Section):
    """What every configuration has: seed, precision, and where problems come from."""

    seed: Integer = Field(0, ge=0, lt=2**31, description="all random numbers follow from it")
    precision: Literal["float32", "float64"] = Field("float32", description="of patterns, dynamics and results")
    name: Name
    patterns: Patterns = Field(PATTERNS["random"](), description="where patterns come from")
    corruption: Literal[tuple(corruptions())] = Field("flips", description="how a query differs from its pattern")  # type: ignore[valid-type]

    @classmethod
    @abc.abstractmethod
    def cross_field_errors(cls, sections: dict[str, Any]) -> Iterator[Fault]:
        """Faults between sections that are each valid, as pairs of path and text; sections that are missing are passed over."""

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Any:
        faults = list(self.cross_field_errors({name: getattr(self, name) for name in type(self).model_fields}))
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


class Config(BaseConfig):
    """Everything that determines the results of a run."""

    name: Name = Field("run", description="names the run folder; the file's name when left out")
    axes: Axes = Field(description="what is varied; all combinations are computed")
    trials: Integer = Field(50, ge=1, le=MOST_TRAJECTORIES, description="independent samples at every point")
    models: dict[ModelName, Memory] = Field(
        min_length=1, max_length=1000, description="memories that meet the same problems, under names of your own"
    )
    decoders: bool = Field(True, description="whether the decoders are computed on the same problems")
    retrieval: Retrieval = Field(Retrieval(), description="how trajectories are integrated")

    @classmethod
    def cross_field_errors(cls, sections: dict[str, Any]) -> Iterator[Fault]:
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


def _pool_faults(models: Mapping[str, Any], patterns: Any) -> Iterator[Fault]:
    """Parameters of single patterns make sense where these are the same in every problem."""
    if patterns is None or patterns.kind in POOLS:
        return
    text = f"belongs to patterns of a pool (kind digits or file); of kind {patterns.kind} new ones are drawn for every problem"
    for model, section in models.items():
        yield from ((f"models.{model}.{name}", text) for name in section.files if getattr(section, name) is not None)


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
    num_neurons = getattr(patterns, "num_neurons", None)
    if num_neurons is None or "num_flips" not in named:
        return
    num_neurons, flips = min(named.get("patterns.num_neurons", [num_neurons])), max(named["num_flips"])
    if flips > num_neurons:
        yield "axes.num_flips", f"got {flips}; at most num_neurons = {num_neurons} entries can be flipped"
