"""The configuration of a run: what may stand in a YAML file, checked all at once."""

import abc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from .._internal import own_code
from .._internal.errors import InputError, did_you_mean, shown
from .._internal.files import file_sha256, json_sha256
from .._internal.parameters import MOST_TRAJECTORIES, Range
from .axes import LEVELS, SECTIONS, Axes, Name, axis_field, is_traced, leaves
from .sections import (
    PARAMETERS,
    PATTERNS,
    POOLS,
    Choice,
    Integer,
    Memory,
    Parameter,
    Patterns,
    Retrieval,
    Section,
    Unread,
    chosen,
    flatten,
    section_of,
    sections_in,
)
from .variables import DEFINITIONS

Fault = tuple[str, str]
"""The path of a field and what is wrong with it."""

MOST_VARIANTS = 10_000
"""Most points of a product of axes over fields other than loads, levels of corruption and dynamical parameters."""

FLOAT32 = (1.18e-38, 3.4e38)
"""The smallest and the largest positive number in single precision, rounded inwards."""

RESERVED = ("trial", "model", "decoder", "swept_axes", *DEFINITIONS)
"""Names in the results that no zipped axis may have."""

TAKEN = {"num_patterns", "zipped", "seed", "t1", *LEVELS.values(), *RESERVED}
"""Names of axes and results, which a number of a user's own shares at the price of being an axis under its path alone."""


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
    patterns: Patterns = Field(PATTERNS["random"](kind="random"), description="where patterns come from")
    corruption: chosen("corruption") = Field(  # type: ignore[valid-type]
        section_of("corruption", "flips")(kind="flips"), description="how a query differs from its pattern"
    )

    @classmethod
    @abc.abstractmethod
    def cross_field_errors(cls, sections: dict[str, Any]) -> Iterator[Fault]:
        """Faults between sections that are each valid, as pairs of path and text; sections that are missing are passed over."""

    def files(self) -> dict[str, Path]:
        """Files that values are read from, by dotted key."""
        return {name: leaf for name, leaf in leaves(self.model_dump()).items() if isinstance(leaf, Path)}

    def code(self) -> list[own_code.Code]:
        """Files and packages of a user's own code that it names, and packages of plugins.

        Raises `InputError` if one cannot be read, or is a file that has changed since the configuration was read.
        """
        found = {code.place: code for code in own_code.code_in(self.model_dump(mode="json"))}
        for section in sections_in(self):
            if not isinstance(section, Choice):
                continue
            if own_code.is_reference(section.kind):
                place, loaded = section.kind.rpartition(":")[0], own_code.loaded_sha256(section.build)
                if loaded is not None and place in found and found[place].identity != loaded:
                    raise InputError(f"{place} has changed since the configuration was read; read it again")
            elif not own_code.is_ours(section.build):
                package = own_code.package_code(section.build.__module__.partition(".")[0])
                found[package.place] = package
        return list(found.values())

    def with_code(self, change: Callable[[Path], Any]) -> Any:
        """The same configuration with `change` applied to each file of code."""
        if not any(code.text for code in self.code()):
            return self
        return type(self).model_validate(own_code.map_files(self.model_dump(), change))

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
        """SHA-256 of the JSON with sorted keys in which that of its content stands for each file, which must be readable."""
        content = self.replaced({name: Path(digest) for name, digest in self.file_digests().items()}).model_dump(mode="json")
        return json_sha256(own_code.map_files(content, lambda path: f"{own_code.sha256_of(path)}.py"))


class Config(BaseConfig):
    """Everything that determines the results of a run."""

    name: Name = Field("run", description="names the run folder; the file's name if omitted")
    axes: Axes = Field(description="what is varied; all combinations are computed")
    trials: Integer = Field(50, ge=1, le=MOST_TRAJECTORIES, description="independent samples at every point")
    models: dict[ModelName, Memory] = Field(
        min_length=1, max_length=1000, description="memories that meet the same problems, under names of your own"
    )
    decoders: Annotated[bool | list[chosen("decoder")], Field(union_mode="left_to_right")] = Field(  # type: ignore[valid-type]
        True, description="whether the decoders are computed on the same problems, or a choice of them"
    )
    observables: list[chosen("observable")] | None = Field(  # type: ignore[valid-type]
        None,
        min_length=1,
        description="what is measured; if omitted, all that the package has for such patterns",
        exclude_if=lambda given: given is None,
    )
    retrieval: Retrieval = Field(Retrieval(), description="how trajectories are integrated")

    @classmethod
    def cross_field_errors(cls, sections: dict[str, Any]) -> Iterator[Fault]:
        axes, patterns = sections.get("axes"), sections.get("patterns")
        if axes is None:
            return
        if "corruption" in sections:
            yield from _level_faults(axes, sections["corruption"])
        if any(isinstance(one, Unread) for one in sections_in(sections)):
            return  # which axes there are is written in code
        yield from _axis_faults(axes, sections)
        if patterns is not None:
            yield from _pool_faults(sections.get("models") or {}, patterns)
            yield from _flip_faults(axes, patterns)
        if sections.get("precision") == "float32":
            for name in ("models", "axes", "retrieval"):
                yield from _precision_faults(name, sections.get(name))

    def own_axes(self) -> dict[str, Any]:
        """See `own_axes`."""
        return own_axes(self.corruption, self.models.values())

    def swept_axes(self) -> dict[str, Mapping[str, Sequence[float | int]]]:
        """Values by coordinate, by axis, in the order of the results' dimensions, `trial` last."""
        return self.axes.coordinates() | {"trial": {"trial": range(self.trials)}}


def level_of(corruption: Any) -> str:
    """The axis that belongs to a corruption."""
    return str(corruption.build.level_name)


def own_axes(corruption: Any, models: Iterable[Any]) -> dict[str, Any]:
    """Types of the axes over numbers that only code of a user's own has, by name: its level of corruption and parameters."""
    found: dict[str, Any] = {}
    if isinstance(corruption, Choice) and level_of(corruption) not in LEVELS.values():
        own = corruption.build
        found[level_of(corruption)] = axis_field(own.level_range, own.level_meaning, of_integers=own.is_count)
    for name, declared in _declared(models).items():
        if name not in PARAMETERS and name not in TAKEN:
            found[name] = axis_field(None, declared[0].meaning)  # whose ranges are checked one by one
    return {name: Annotated[annotation, field] for name, (annotation, field) in found.items()}


def _declared(models: Iterable[Any]) -> dict[str, list[Parameter]]:
    """The numbers of memories by name, as each memory declares them."""
    found: dict[str, list[Parameter]] = {}
    for section in models:
        for name, one in section.every_number().items() if isinstance(section, Choice) else ():
            found.setdefault(name, []).append(one)
    return found


def _level_faults(axes: Axes, corruption: Any) -> Iterator[Fault]:
    own = None if isinstance(corruption, Unread) else level_of(corruption)
    if own and own not in LEVELS.values() and (not own.isidentifier() or own in TAKEN or own in PARAMETERS):
        text = f"{own!r} cannot be the level_name of {corruption.kind}: it must be a name of letters, digits and _ not in use"
        yield "corruption", text
        return
    if own and own not in axes.values():
        yield f"axes.{own}", f"is missing; corruption: {corruption.kind} needs it"
    for kind, level in LEVELS.items() if own else ():
        if own != level and level in axes.values():
            yield f"axes.{level}", f"belongs to corruption: {kind}; the corruption is {corruption.kind}"


def _axis_faults(axes: Axes, sections: dict[str, Any]) -> Iterator[Fault]:
    """Faults of lengths and repetitions, of coordinates, and of zipped values, which no field has checked."""
    lanes, outer, seen = sections.get("trials") or 1, 1, dict[str, str]()
    fields, models = _numeric_fields(sections), sections.get("models")
    own = own_axes(sections.get("corruption"), (models or {}).values())
    declared, corruption = _declared((models or {}).values()), sections.get("corruption")
    if isinstance(corruption, Choice) and level_of(corruption) in declared:
        yield "corruption", f"has a level {level_of(corruption)}, which is also a parameter of a model; rename one of them"
    for axis, coordinates in axes.coordinates().items():
        is_zipped = axis in axes.zipped
        place = f"axes.zipped.{axis}" if is_zipped else f"axes.{axis}"
        lengths = {name: len(values) for name, values in coordinates.items()}
        if len(set(lengths.values())) > 1:
            yield place, f"must have equally many values of each; got {lengths}"
        points = list(zip(*coordinates.values(), strict=False))
        if len(set(points)) < len(points):
            yield place, "lists a value twice; every value must be different"
        if is_zipped and axis in {*Axes.model_fields, *RESERVED}:
            yield place, "is the name of something else in the results; zipped axes need another"
        lanes *= len(points)
        outer *= 1 if all(is_traced(name, own) for name in coordinates) else len(points)
        for name, values in coordinates.items():
            path = f"{place}.{name}" if is_zipped else place
            if name in seen:
                yield path, f"runs along {seen[name]} already"
            seen[name] = path
            if is_zipped and name in Axes.model_fields and name != "zipped":
                yield from _value_faults(path, Axes.model_fields[name], values)
            usual = PARAMETERS[name].first(Range) if name in PARAMETERS else None
            for limits in dict.fromkeys(one.first(Range) for one in declared.get(name, ()) if name in {*PARAMETERS, *own}):
                if limits not in (None, usual):
                    yield from _value_faults(path, axis_field(limits, "")[0], values)
            if name in PARAMETERS and models:
                if not any(name in type(model).model_fields for model in models.values()):
                    yield path, "is a parameter of none of the models"
            elif name in own:
                yield from _value_faults(path, own[name], values)
            elif name in fields:
                yield from _value_faults(path, fields[name], values, one_by_one=True)
            elif (name == "trial" or not is_traced(name)) and (
                name.partition(".")[0] not in SECTIONS or sections.get(name.partition(".")[0])
            ):
                known = [*(axis for axis in Axes.model_fields if axis != "zipped"), *fields]
                yield path, "is neither an axis nor a number in this configuration" + did_you_mean(name, known)
    for name, path in seen.items():
        parameter = name.rpartition(".")[2]
        if name in fields and name != parameter and parameter in seen:
            yield path, f"is set by {seen[parameter]} already"
    if "num_patterns" not in seen:
        yield "axes.num_patterns", "is missing"
    if lanes > MOST_TRAJECTORIES:
        yield "axes", f"and trials make {lanes:,} points; at most {MOST_TRAJECTORIES:,} can be computed in one run"
    if outer > MOST_VARIANTS:
        yield "axes", f"make {outer:,} different configurations; at most {MOST_VARIANTS:,} can be computed in one run"


def _numeric_fields(sections: dict[str, Any]) -> dict[str, FieldInfo]:
    """Numbers of the configuration that may be axes, by dotted path, besides those that the section `axes` names."""
    places: dict[str, Any] = {name: sections[name] for name in ("patterns", "retrieval", "corruption") if name in sections}
    places |= {f"models.{name}": model for name, model in (sections.get("models") or {}).items()}
    places |= {f"{path}.{name}": part for path, one in places.items() for name, part in one if isinstance(part, Choice)}
    return {"seed": BaseConfig.model_fields["seed"]} | {
        f"{path}.{name}": field
        for path, section in places.items()
        for name, field in type(section).model_fields.items()
        if {int, float} & flatten(field.annotation)[0]
    }


def _value_faults(path: str, field: Any, values: list[Any], one_by_one: bool = False) -> Iterator[Fault]:
    declared: Any = Annotated[field.annotation, field] if isinstance(field, FieldInfo) else field
    try:
        TypeAdapter(list[declared] if one_by_one else declared).validate_python(values)
    except ValidationError as error:
        for fault in error.errors():
            index = "".join(f"[{part}]" for part in fault["loc"] if isinstance(part, int))
            yield path + index, f"{rule_of(fault)}; got {shown(fault['input'])}"


def rule_of(fault: Any) -> str:
    """What pydantic says of a fault, as the rest of a sentence."""
    text = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{text[:1].lower()}{text[1:]}"


def _pool_faults(models: Mapping[str, Any], patterns: Any) -> Iterator[Fault]:
    """Parameters of single patterns make sense where these are the same in every problem."""
    text = f"belongs to patterns of a pool (digits, glyphs, file); of kind {patterns.kind} new ones are drawn for every problem"
    places = {f"models.{model}": section for model, section in models.items() if isinstance(section, Choice)}
    places |= {f"{path}.{name}": part for path, one in places.items() for name, part in one if isinstance(part, Choice)}
    for path, section in places.items() if patterns.kind not in POOLS else ():
        yield from ((f"{path}.{name}", text) for name in section.files if getattr(section, name) is not None)


def _flip_faults(axes: Axes, patterns: Any) -> Iterator[Fault]:
    named: dict[str, Any] = axes.values()
    num_neurons = getattr(patterns, "num_neurons", None)
    if "num_flips" not in named or num_neurons is None:
        return
    flips, sizes = named["num_flips"], named.get("patterns.num_neurons", [num_neurons])
    are_zipped = any({"num_flips", "patterns.num_neurons"} <= set(zipped) for zipped in axes.zipped.values())
    pairs = zip(flips, sizes, strict=False) if are_zipped else [(max(flips), min(sizes))]
    if wrong := [f"{number} of {size}" for number, size in pairs if number > size]:
        yield "axes.num_flips", f"got {', '.join(wrong)}; at most num_neurons entries can be flipped"


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
