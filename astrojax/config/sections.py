"""Sections of configurations; those of memories and patterns follow from the signatures and docstrings of their classes."""

import contextlib
import functools
import inspect
import math
import operator
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model, model_validator

from .._internal.parameters import MOST_STEPS, QUANTITIES, OneOf, Range
from .._internal.types import PER_PATTERN
from ..models import memories
from ..models.scores import AbstractScore, scores
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
    return type(section).model_validate(section.model_dump() | {first: value})


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

RELATIVE = "relative paths start in the configuration's folder"

SCORES = tuple(scores())
"""Scores that can be named."""

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
        """Whether it may be a real number."""
        return bool({float, np.number} & self.types) and PER_PATTERN not in self.metadata

    def first(self, kind: type) -> Any:
        """The first of its metadata of some type, or `None`."""
        return next((item for item in self.metadata if isinstance(item, kind)), None)

    def field(self) -> Any:
        """Its annotation and default in a section."""
        names, limits, more = self.first(OneOf), self.first(Range), dict[str, Any]()
        meaning = self.meaning
        if PER_PATTERN in self.metadata:
            annotation: Any = PerPatternFile
            meaning = f"file of the {meaning}; {RELATIVE}"
        elif AbstractScore in self.types:
            annotation = Literal[SCORES]
        elif names and self.takes_numbers:
            annotation, limits, more = _named_number(names.names), None, {"exclude_if": lambda value: value is None}
        elif names:
            annotation = Literal[names.names]
        elif self.takes_numbers:
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
    found = []
    for name, parameter in inspect.signature(build, eval_str=True).parameters.items():
        if name not in leave_out:
            types, metadata = flatten(parameter.annotation)
            known = f"{QUANTITIES[name].symbol}, {QUANTITIES[name].meaning}" if name in QUANTITIES else ""
            meaning = texts.get(name, known)
            found.append(Parameter(name, parameter.default, types, metadata, meaning))
    return found


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


class MemorySection(Section):
    """Base of the sections of memories."""

    if TYPE_CHECKING:
        kind: str

    numbers: ClassVar[tuple[str, ...]] = ()
    """Real numbers: they are traced, so that one program serves all values, and may be axes of a sweep."""

    files: ClassVar[tuple[str, ...]] = ()
    """Parameters with a number for each pattern, which are read from files."""

    score_fields: ClassVar[tuple[str, ...]] = ()
    """Fields of scores; each is allowed only for scores that have it."""

    @model_validator(mode="after")
    def _fields_belong_to_the_score(self) -> Any:
        own = score_parameters(getattr(self, "score", None))
        for name in self.score_fields:
            if name not in own and getattr(self, name) is not None:
                owners = [score for score in scores() if name in score_parameters(score)]
                raise ValueError(f"{name} is for the score {' or '.join(owners)}; the score is {getattr(self, 'score', None)}")
        return self


@functools.cache
def score_parameters(score: str | None) -> dict[str, Parameter]:
    """The parameters of a score of the package, by name."""
    return {} if score is None else {parameter.name: parameter for parameter in parameters_of(scores()[score])}


def _memory_section(kind: str, build: Callable[..., Any]) -> type[MemorySection]:
    parameters = parameters_of(build, leave_out=("patterns", "stored", "gain_map", "activation"))
    fields, score_fields = {}, []
    for parameter in parameters:
        fields[parameter.name] = parameter.field()
        if AbstractScore in parameter.types:
            for score in scores():
                for name, own in score_parameters(score).items():
                    text = f"{name} of the {score} score, {own.default} if omitted"
                    fields[name] = own._replace(default=None, meaning=text).field()
                    score_fields.append(name)
    section = _section(kind, build, "", fields, MemorySection)
    section.numbers = tuple(one.name for one in parameters if one.takes_numbers and one.default is not None)
    section.files = tuple(parameter.name for parameter in parameters if PER_PATTERN in parameter.metadata)
    section.score_fields = tuple(score_fields)
    return section


def _section(kind: str, build: Any, ending: str, fields: dict[str, Any], base: type) -> Any:
    name = "".join(word.title() for word in kind.removesuffix("s").split("_")) + ending
    about = (inspect.getdoc(build) or "").partition("\n")[0]
    tag: Any = (Literal[kind], "random" if kind == "random" else ...)
    return create_model(name, __base__=base, __doc__=about, kind=tag, **fields)


def _pattern_section(kind: str, source: Any) -> type[Section]:
    parameters = parameters_of(source, leave_out=("key", "num_patterns", "binary"))
    return _section(kind, source, "Patterns", {one.name: one.field() for one in parameters}, Section)


MEMORIES = {kind: _memory_section(kind, build) for kind, build in memories().items()}
"""Sections of memories, by kind."""

PATTERNS = {
    kind: _pattern_section(kind, source) for kind, source in (*ensembles().items(), ("digits", digits), ("file", load_patterns))
}
"""Sections of patterns, by kind."""

POOLS = ("digits", "file")
"""Kinds of patterns that are the same in every problem, which draws some of them."""

Memory: Any = Annotated[functools.reduce(operator.or_, MEMORIES.values()), Field(discriminator="kind")]
Patterns: Any = Annotated[functools.reduce(operator.or_, PATTERNS.values()), Field(discriminator="kind")]

_NUMBERS = {
    parameter.name: parameter
    for kind, section in reversed(MEMORIES.items())
    for parameter in parameters_of(memories()[kind])
    if parameter.name in section.numbers
}
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
