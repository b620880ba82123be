"""Sections of configurations; those of memories and patterns follow from the signatures and docstrings of their classes."""

import contextlib
import dataclasses
import functools
import inspect
import math
import operator
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PydanticSchemaGenerationError,
    SerializeAsAny,
    TypeAdapter,
    ValidationInfo,
    WrapValidator,
    create_model,
    model_serializer,
    model_validator,
)

from .._internal import own_code
from .._internal.errors import InputError, did_you_mean, shown
from .._internal.parameters import MOST_STEPS, QUANTITIES, OneOf, Range
from .._internal.registry import ROLES, base_names, find, members, names
from .._internal.types import PER_NEURON, PER_PATTERN
from ..models import memories
from ..models.activations import AbstractActivation
from ..models.gain_maps import AbstractGainMap
from ..models.gap_junctions import AbstractGapJunctions
from ..models.scores import AbstractScore, scores
from ..problems.glyphs import glyphs
from ..problems.patterns import digits, ensembles, load_patterns


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def replaced(self, values: Mapping[str, Any]) -> Any:
        """The same section with other values, given by dotted path; pydantic's error if one is not allowed."""
        section: Any = self
        for path, value in values.items():
            section = _replaced(section, path.split("."), value)
        return section


def _replaced(section: Any, path: list[str], value: Any) -> Any:
    first, *rest = path
    if rest:
        value = _replaced(dict(section)[first], rest, value)
    if isinstance(section, dict):
        return section | {first: value}
    if rest:
        return section.model_copy(update={first: value})
    return type(section).model_validate(dict(section) | {first: value})


def as_number(value: Any) -> int | float:
    """Convert a number, or its text, to a finite number. Raises ValueError."""
    with contextlib.suppress(ValueError, OverflowError):  # an integer may be beyond double precision
        number = float(value) if isinstance(value, str) else value
        if isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number):
            return number
    raise ValueError("must be a finite number")


def as_integer(value: Any) -> int:
    """Convert a number with an integer value, such as 1e3, or its text, to an integer. Raises ValueError."""
    with contextlib.suppress(ValueError):
        if (number := as_number(value)) == math.floor(number):
            return int(number)
    raise ValueError("must be an integer")


Integer = Annotated[int, BeforeValidator(as_integer)]
Real = Annotated[float, BeforeValidator(as_number)]
Positive = Annotated[Real, Field(gt=0)]
Number = Annotated[int | float, BeforeValidator(as_number)]
"""An integer or a real number, whichever was written."""

PerPatternFile = Annotated[Path | None, Field(exclude_if=lambda path: path is None)]
"""A .npy, .npz or .csv file with a number for each pattern."""


def _number_or_file(given: Any, number: Callable[[Any], float]) -> float | Path:
    is_file = isinstance(given, Path) or (isinstance(given, str) and given.endswith(FILES_OF_NUMBERS))
    return Path(given) if is_file else number(given)


FILES_OF_NUMBERS = (".npy", ".npz", ".csv")

MaybeFile = (WrapValidator(_number_or_file, json_schema_input_type=float | Path), PlainSerializer(lambda given: given))
"""Marks of a number that may also be a file with one for each neuron."""

RELATIVE = "relative paths start in the configuration's folder"

STATIC = "static"
"""Marks a parameter that is a static field of its class: every value of it is compiled anew."""

PARTS = {
    AbstractScore: "score",
    AbstractGainMap: "gain_map",
    AbstractActivation: "activation",
    AbstractGapJunctions: "gap_junctions",
}
"""Roles of the parts of a memory, by the class in the annotation of its parameter."""

DEFAULTS = {"num_neurons": 20}
"""Defaults in configurations of parameters without a default in Python."""


class Parameter(NamedTuple):
    """A parameter of a memory, a score or an ensemble, as its signature and docstring declare it."""

    name: str
    default: Any
    types: set[Any]
    metadata: list[Any]
    meaning: str

    @property
    def takes_numbers(self) -> bool:
        """Whether it may be a real number that is traced, rather than a part of what is compiled."""
        return bool({float, np.number} & self.types) and not {PER_PATTERN, STATIC} & {*self.metadata}

    @property
    def part(self) -> str | None:
        """The role of the part that it takes, such as `score`, if it takes one."""
        return next((role for base, role in PARTS.items() if base in self.types), None)

    def first(self, kind: type) -> Any:
        """The first of its metadata of some type, or `None`."""
        return next((item for item in self.metadata if isinstance(item, kind)), None)

    def field(self) -> Any:
        """Its annotation and default in a section."""
        allowed, limits, more = self.first(OneOf), self.first(Range), dict[str, Any]()
        meaning = self.meaning
        if PER_PATTERN in self.metadata:
            annotation: Any = PerPatternFile
            meaning = f"file of the {meaning}; {RELATIVE}"
        elif self.part:
            if self.name != self.part:
                raise InputError(
                    f"its parameter {self.name} takes a {self.part.replace('_', ' ')}: it must be named {self.part}"
                )
            annotation, default = chosen(self.part), self.default
            more |= {} if self.part == "score" else {"exclude_if": lambda value: value.kind == default}
            return annotation, Field(section_of(self.part, default)(kind=default), description=meaning, **more)
        elif allowed and self.takes_numbers:
            annotation, limits, more = _named_number(allowed.names), None, {"exclude_if": lambda value: value is None}
        elif allowed:
            annotation = Literal[allowed.names]
            more |= {"exclude_if": lambda value: value is None} if self.default is None else {}
        elif PER_NEURON in self.metadata:
            annotation, limits = Annotated[Real, Field(**(limits or Range()).bounds()), *MaybeFile], None
            meaning = f"{meaning}; or a file with one number per neuron"
        elif float in self.types or self.takes_numbers:
            annotation = Real
        else:
            annotation = Integer if int in self.types else next(iter(self.types))
            if os.PathLike[str] in self.types:
                annotation, meaning = Path, f"{meaning}; {RELATIVE}"
        if limits is not None:
            more |= limits.bounds()
        if self.default is None and PER_PATTERN not in self.metadata:
            annotation = annotation | None
        default = DEFAULTS.get(self.name, ...) if self.default is inspect.Parameter.empty else self.default
        if self.takes_numbers and isinstance(default, int):
            default = float(default)
        return annotation, Field(default, description=meaning, **more)


def parameters_of(build: Callable[..., Any], leave_out: Iterable[str] = ()) -> list[Parameter]:
    """List the parameters of a class or function, except those in `leave_out`."""
    texts = _arguments_in(inspect.getdoc(build) or "")
    fields = dataclasses.fields(build) if dataclasses.is_dataclass(build) else ()
    static = {field.name for field in fields if field.metadata.get("static")}
    found = []
    for name, parameter in inspect.signature(build, eval_str=True).parameters.items():
        if name not in leave_out and parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            has_none = parameter.annotation is parameter.empty
            types, metadata = flatten(_type_of_default(parameter.default) if has_none else _evaluated(build, parameter))
            known = f"{QUANTITIES[name].symbol}, {QUANTITIES[name].meaning}" if name in QUANTITIES else ""
            meaning = texts.get(name, known)
            metadata += [STATIC] if name in static else []
            found.append(Parameter(name, parameter.default, types, metadata, meaning))
    return found


def _evaluated(build: Any, parameter: inspect.Parameter) -> Any:
    """The annotation of a parameter, which is text in a class of a file that postpones the evaluation of annotations."""
    if isinstance(parameter.annotation, str):
        for base in getattr(build, "__mro__", ()):
            if parameter.name in vars(base).get("__annotations__", ()):
                return inspect.get_annotations(base, eval_str=True)[parameter.name]
    return parameter.annotation


def _type_of_default(default: Any) -> type:
    """The type of a parameter without an annotation: a number, unless its default is something else."""
    return type(default) if isinstance(default, bool | int | str) else float


def flatten(annotation: Any) -> tuple[set[Any], list[Any]]:
    """The types in an annotation, and the metadata of all its parts."""
    metadata = list(getattr(annotation, "__metadata__", ()))
    parts = get_args(annotation)[:1] if metadata else get_args(annotation)
    if isinstance(annotation, type) or not parts or os.PathLike[str] == annotation:
        return {annotation}, metadata
    inner = [flatten(part) for part in parts]
    return set().union(*(types for types, _ in inner)) - {type(None)}, metadata + [item for _, more in inner for item in more]


def _arguments_in(docstring: str) -> dict[str, str]:
    """Find the first sentence about each argument in a docstring, by name."""
    block = re.search(r"^Arguments:\n((?:    .*\n?|\n)*)", docstring, re.MULTILINE)
    entries = re.findall(r"^    (\S[\w, ]*): ((?:.*\n?)(?:        .*\n?)*)", block[1] if block else "", re.MULTILINE)
    return {
        name: re.split(r"[.](?:\s|$)", " ".join(text.split()), maxsplit=1)[0]
        for names, text in entries
        for name in names.split(", ")
    }


def _named_number(names: tuple[str, ...]) -> Any:
    """The type of a positive number or one of some names; names that are numbers are converted."""
    words = tuple(name for name in names if not name.isdigit())

    def check(value: Any) -> Any:
        if value is None or value in words:
            return value
        is_number = value in names or (isinstance(value, int | float) and 0 < value < math.inf)
        if isinstance(value, bool) or not is_number:
            raise ValueError(f"must be {', '.join(names)} or another positive number")
        return float(value)

    return Annotated[Literal[words] | Real | None, BeforeValidator(check)]


class Choice(Section):
    """Base of what is chosen by its `kind`: a name of the package or of a plugin, or code of a user's own; with its fields."""

    if TYPE_CHECKING:
        kind: str

    build: ClassVar[Any] = None
    """The class or function of that kind."""

    numbers: ClassVar[Mapping[str, Parameter]] = {}
    """Real numbers, by name: they are traced, so that one program serves all values, and may be axes of a sweep."""

    files: ClassVar[tuple[str, ...]] = ()
    """Parameters with a number for each pattern, which are read from files."""

    def own_fields(self) -> dict[str, Any]:
        """All fields but the kind, by name."""
        return {name: value for name, value in self if name != "kind"}

    def every_number(self) -> dict[str, Parameter]:
        """The `numbers` and those of its parts, as they are declared, by name."""
        return {**self.numbers} | {
            name: one for _, value in self if isinstance(value, Choice) for name, one in value.every_number().items()
        }


class PartSection(Choice):
    """Base of the sections of scores, corruptions and others that a name alone can stand for."""

    @model_serializer(mode="wrap")
    def _name_alone(self, handler: Any) -> Any:
        content = handler(self)
        return self.kind if content.keys() == {"kind"} else content


class MemorySection(Choice):
    """Base of the sections of memories."""

    if TYPE_CHECKING:
        score: PartSection

    score_fields: ClassVar[tuple[str, ...]] = ()
    """Fields of scores; each is allowed only for scores that have it."""

    @model_validator(mode="after")
    def _fields_belong_to_the_score(self) -> Any:
        own = score_parameters(getattr(getattr(self, "score", None), "kind", None))
        for name in self.score_fields:
            if name not in own and getattr(self, name) is not None:
                owners = [score for score in scores() if name in score_parameters(score)]
                raise ValueError(f"{name} is for the score {' or '.join(owners)}; the score is {self.score.kind}")
        return self


@functools.cache
def score_parameters(score: str | None) -> dict[str, Parameter]:
    """The parameters of a score of the package, by name."""
    return {parameter.name: parameter for parameter in parameters_of(scores()[score])} if score in scores() else {}


def _numbers(parameters: Iterable[Parameter]) -> dict[str, Parameter]:
    return {one.name: one for one in parameters if one.takes_numbers and one.default is not None}


def _memory_section(kind: str, build: Callable[..., Any]) -> type[MemorySection]:
    first = next(iter(inspect.signature(build).parameters), "")
    parameters = parameters_of(build, leave_out=(first, "stored"))
    fields, score_fields = {}, []
    for parameter in parameters:
        fields[parameter.name] = parameter.field()
        if parameter.part == "score":
            for score in scores():
                for name, own in score_parameters(score).items():
                    if any(name == one.name for one in parameters):
                        continue  # the memory's own
                    text = f"{name} of the {score} score, {own.default} if omitted"
                    fields[name] = own._replace(default=None, meaning=text).field()
                    score_fields.append(name)
    section = _section(kind, build, "", fields, MemorySection, parameters)
    section.score_fields = tuple(score_fields)
    return section


def _section(kind: str, build: Any, ending: str, fields: dict[str, Any], base: type, parameters: Any = ()) -> Any:
    name = "".join(word.title() for word in kind.removesuffix("s").split("_")) + ending
    about = (inspect.getdoc(build) or "").partition("\n")[0]
    tag: Any = (Literal[kind], "random" if kind == "random" else ...)
    if own_code.is_reference(kind):
        name, tag = own_code.short_name(kind), (str, ...)  # a copy of the file is another kind of the same content
    if taken := [field for field in fields if field == "kind" or hasattr(base, field)]:
        raise InputError(f"its parameter {taken[0]} needs another name: {taken[0]} is in use in sections of configurations")
    try:
        section: Any = create_model(name, __base__=base, __doc__=about, kind=tag, **fields)
    except PydanticSchemaGenerationError:
        wrong = next(name for name, (annotation, _) in fields.items() if not _can_be_given(annotation))
        can = "numbers, text, booleans, and scores, gain maps and activations"
        raise InputError(f"its parameter {wrong} cannot be given in a configuration, which has {can}") from None
    section.build = staticmethod(build)  # type: ignore[attr-defined]
    section.numbers = _numbers(parameters)  # type: ignore[attr-defined]
    section.files = tuple(one.name for one in parameters if PER_PATTERN in one.metadata)  # type: ignore[attr-defined]
    return section


def _can_be_given(annotation: Any) -> bool:
    with contextlib.suppress(PydanticSchemaGenerationError):
        return bool(TypeAdapter(annotation))
    return False


def _pattern_section(kind: str, source: Any) -> type[Choice]:
    parameters = parameters_of(source, leave_out=("key", "num_patterns"))
    return _section(kind, source, "Patterns", {one.name: one.field() for one in parameters}, Choice)


def _part_section(role: str, kind: str, item: Any) -> type[Choice]:
    is_flat = kind in scores() and item is scores()[kind]  # whose fields are those of the memory
    parameters = [] if is_flat else parameters_of(item, () if isinstance(item, type) else (*ROLES[role].takes, "problem"))
    if not isinstance(item, type):  # a default may be anything there, such as an array
        plain = (bool, int, float, str, type(None), type)
        parameters = [one for one in parameters if isinstance(one.default, plain)]
    fields = {one.name: one.field() for one in parameters}
    if role in MEASURES:
        fields = {"name": NAME_OF_RESULT} | fields
    return _section(kind, item, "", fields, PartSection, parameters)


MEASURES = ("observable", "decoder")
"""Roles whose members may be given a name, so that several of the same kind can be measured."""

NAME_OF_RESULT: Any = (
    Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")] | None,
    Field(None, description="under which the result is stored", exclude_if=lambda name: name is None),
)

EXPECTED = {
    "memory": "a subclass of AbstractMemory, or a function that builds one from patterns",
    "score": "a subclass of AbstractScore",
    "gain_map": "a subclass of AbstractGainMap",
    "activation": "a subclass of AbstractActivation",
    "patterns": "a function of key and num_patterns",
    "gap_junctions": "a subclass of AbstractGapJunctions",
    "corruption": "a subclass of AbstractCorruption",
    "decoder": "a function of problem and evidence",
    "observable": "a function of memory, target and recall, or a subclass of AbstractRunningObservable",
    "loss": "a function of memory, target and state",
}
"""What code of a user's own must be in each role."""


def named(role: str, kind: str) -> Any:
    """What a kind stands for, whoever wrote it. Raises `InputError` if there is none, or code that does not fit the role."""
    if not own_code.is_reference(kind):
        return find(role, kind)
    item, base, takes = own_code.load(kind), ROLES[role].base, ROLES[role].takes
    if isinstance(item, type):
        base = base or ROLES[role].own_base
    if role == "patterns":
        takes = ("key", "num_patterns")
    is_class = isinstance(item, type) and base in base_names(item)
    is_function = callable(item) and not isinstance(item, type) and set(takes) <= inspect.signature(item).parameters.keys()
    if not (is_class if base else is_function):
        raise InputError(f"{kind} is no {role.replace('_', ' ')}: it must be {EXPECTED[role]}; got {item!r}")
    if missing := sorted(getattr(item, "__abstractmethods__", ())):
        raise InputError(f"{kind} lacks {', '.join(missing)}, which it must define")
    if role == "corruption" and not isinstance(getattr(item, "level_name", None), str):
        raise InputError(f"{kind} lacks level_name, the name of its level, which it must define")
    return item


def section_of(role: str, kind: str) -> type[Any]:
    """The section of a kind. Raises `InputError` as `named` does, and for parameters that no configuration can give."""
    if role == "patterns" and kind in PATTERNS:
        return PATTERNS[kind]
    return _section_of(role, kind, named(role, kind))


@functools.cache
def _section_of(role: str, kind: str, item: Any) -> type[Any]:
    make: Any = {"memory": _memory_section, "patterns": _pattern_section}.get(role, functools.partial(_part_section, role))
    try:
        with own_code.pointing_at_own_code():
            return make(kind, item)
    except Exception as error:
        if not own_code.is_reference(kind) or isinstance(error, own_code.OwnCodeError):
            raise
        text = (
            f"{error}" if isinstance(error, InputError) else f"its parameters cannot be read: {type(error).__name__}: {error}"
        )
        raise InputError(f"{kind}: {text}") from error


def sections_in(value: Any) -> Iterator["Section"]:
    """All sections inside nested sections, mappings and lists."""
    if isinstance(value, Section):
        yield value
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    for one in (named for _, named in value) if isinstance(value, Section) else inner:
        yield from sections_in(one)


class Unread(Section):
    """What names code that is not to be imported, as it was written."""

    model_config = ConfigDict(extra="allow")
    kind: str
    score_fields: ClassVar[tuple[str, ...]] = ()


UNREAD = {"unread": True}
"""Context of validation in which no code of a user's own is imported."""


def chosen(role: str, known: Any = None) -> Any:
    """The type of a field whose value is a section of a role, chosen by its kind; parts may be named by their kind alone.

    `known` are the sections of the package's own members, for the JSON Schema.
    """

    def validate(given: Any, info: ValidationInfo) -> Any:
        if isinstance(given, Section):
            return given
        content = {"kind": given} if isinstance(given, str) and known is None else given
        if not isinstance(content, Mapping):
            return content
        if "kind" not in content:
            raise KindError("is missing", given)
        kind = content["kind"]
        if not isinstance(kind, str):
            kind = shown(kind)
        if own_code.is_reference(kind) and (info.context or {}).get("unread"):
            return Unread.model_validate(content)
        try:
            section = section_of(role, kind)
        except InputError as error:
            allowed = [*PATTERNS, *names(role)] if role == "patterns" else names(role)
            allowed = list(dict.fromkeys(allowed))
            text = f"must be one of {', '.join(allowed)}; got {kind!r}{did_you_mean(kind, allowed)}"
            raise KindError(str(error) if own_code.is_reference(kind) else text, given) from error
        return section.model_validate(dict(content), context=info.context)

    schema = known if known is not None else Literal[tuple(members(role))] | dict[str, Any]
    return Annotated[SerializeAsAny[Section], BeforeValidator(validate, json_schema_input_type=schema), Chosen(role, known)]


class Chosen(NamedTuple):
    """Marks a field whose value is a section of a role; `known` as in `chosen`."""

    role: str
    known: Any


class KindError(ValueError):
    """What is wrong with a `kind`, alone or in the mapping that was given."""

    def __init__(self, text: str, given: Any) -> None:
        super().__init__(text)
        self.path = "" if isinstance(given, str) else ".kind"


MEMORIES = {kind: _section_of("memory", kind, build) for kind, build in memories().items()}
"""Sections of memories, by kind."""

POOLS = {"digits": digits, "glyphs": glyphs, "file": load_patterns}
"""Patterns that are the same in every problem, which draws some of them: functions that return them, by kind."""

PATTERNS = {kind: _pattern_section(kind, source) for kind, source in (ensembles() | POOLS).items()}
"""Sections of patterns, by kind."""

_KNOWN_MEMORIES: Any = Annotated[functools.reduce(operator.or_, MEMORIES.values()), Field(discriminator="kind")]
_KNOWN_PATTERNS: Any = Annotated[functools.reduce(operator.or_, PATTERNS.values()), Field(discriminator="kind")]
Memory = chosen("memory", _KNOWN_MEMORIES)
Patterns = chosen("patterns", _KNOWN_PATTERNS)

_NUMBERS = {name: parameter for section in reversed(MEMORIES.values()) for name, parameter in section.numbers.items()}
PARAMETERS = {name: _NUMBERS[name] for name in (*QUANTITIES, *_NUMBERS) if name in _NUMBERS}
"""Real numbers that memories have: the dynamical parameters, which may be axes of a sweep."""


class Retrieval(Section):
    """How trajectories are integrated."""

    t1: Positive = Field(10.0, description="horizon, in dimensionless time")
    solver: Literal["auto", "adams", "etd2", "etd3", "heun", "bosh3", "tsit5", "dopri5", "dopri8", "kvaerno3", "kvaerno5"] = (
        Field("adams", description="`adams` uses fixed time grids; the default is `etd3` if a tolerance is given")
    )
    num_steps: Integer | None = Field(
        None, ge=1, le=MOST_STEPS, description="steps of the grid of `adams`; by default chosen for each problem"
    )
    outcome_error: Annotated[Real, Field(gt=0, lt=1)] | None = Field(
        None,
        description="refine grids of `adams` until at most this share of pilot problems has another outcome on finer grids",
    )
    rtol: Annotated[Real, Field(gt=0, lt=1)] | None = Field(None, description="default depends on memory and solver")
    atol: Annotated[Real, Field(gt=0)] | None = Field(None, description="of neurons; default depends on the solver")
    max_steps: Integer = Field(4096, ge=1, lt=2**31, description="most steps of a trajectory; with more, it fails")
    convergence_speed: Positive | None = Field(None, description="if given, measure convergence times at this speed")
    confirm: bool = Field(False, description="solve again at a smaller tolerance; if outcomes differ, fail as unconfirmed")

    @model_validator(mode="before")
    @classmethod
    def _tolerances_ask_for_adaptive_steps(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("solver") is None:
            is_adaptive = given.get("rtol") is not None or given.get("atol") is not None
            return given | {"solver": "etd3" if is_adaptive else "adams"}
        return given

    @model_validator(mode="after")
    def _settings_fit_the_solver(self) -> "Retrieval":
        on_grid, others = ("num_steps", "outcome_error"), ("rtol", "atol")
        allowed, refused = (on_grid, others) if self.solver == "adams" else (others, on_grid)
        for name in refused:
            if getattr(self, name) is not None:
                raise ValueError(f"{name} does not apply to the solver {self.solver}; use {' and '.join(allowed)}")
        if self.num_steps is not None and self.outcome_error is not None:
            raise ValueError("num_steps and outcome_error cannot be combined: both set how fine grids are")
        if self.num_steps is not None and self.num_steps > self.max_steps:
            raise ValueError(f"num_steps must be at most max_steps, {self.max_steps}")
        return self

    def settings(self) -> dict[str, Any]:
        """Settings of a single retrieval, by name."""
        return self.model_dump(exclude={"outcome_error"})
