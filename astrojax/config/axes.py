"""Axes of a sweep: numbers, lists and ranges."""

import math
from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, create_model, model_validator

from .._internal.parameters import LARGEST, Range
from ..problems.corruption import corruptions
from .sections import PARAMETERS, Integer, Number, Real, Section, as_number

MOST_VALUES = 100_000
"""Longest allowed axis."""

LEVELS = {kind: corruption.level_name for kind, corruption in corruptions().items()}
"""The axis that belongs to each kind of corruption."""

COUNTS = ("num_patterns", *(corruption.level_name for corruption in corruptions().values() if corruption.is_count))
"""Integer-valued axes."""

WRITTEN = {"num_flips", "erased_fraction", "noise_scale", "temperature", "tau_x", "tau_p", "tau_s", "tau_a", "slope"}
"""Axes that stand in every configuration, as null where they are not used; newer ones would change its SHA-256."""

SECTIONS = ("patterns", "models", "retrieval", "corruption")
"""Sections whose numeric fields may be axes; so may `seed`."""


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
        raise ValueError("a range must not span more than 308 orders of magnitude")
    # Rounded to the numbers one would write: 0.3, not 0.1 + 0.2.
    largest = max(abs(start), abs(stop))
    decimals = 14 - math.floor(math.log10(largest)) if largest else 0
    if "num" in given:
        num = _part_of_range(given, "num")
        if not num.is_integer() or not 1 <= num <= MOST_VALUES:
            raise ValueError(f"num must be an integer between 1 and {MOST_VALUES}")
        shares = [place / max(num - 1, 1) for place in range(int(num))]
        if scale == "log":
            return [float(f"{start * (stop / start) ** share:.15g}") for share in shares]
        return [round(start + (stop - start) * share, decimals) for share in shares]
    step = _part_of_range(given, "step") if "step" in given else 1.0
    if step <= 0 or scale == "log" or (stop - start) / step >= MOST_VALUES:
        raise ValueError(f"step must be positive, on a linear scale, and give at most {MOST_VALUES} values")
    # A little beyond `stop`, so that rounding does not lose the last value.
    number = math.floor((stop - start) / step + 1e-9) + 1
    values = [round(start + step * place, decimals) for place in range(number)]
    return [int(value) if value.is_integer() and step.is_integer() else value for value in values]


def integer_values(given: Any) -> Any:
    """Like `axis_values`, but a range with `num` is rounded to integers without duplicates."""
    values = axis_values(given)
    return list(dict.fromkeys(map(round, values))) if isinstance(given, dict) and "num" in given else values


def leaves(value: Any, path: str = "", is_leaf: Callable[[Any], bool] = lambda value: not value) -> dict[str, Any]:
    """Leaves of nested mappings, by dotted path; mappings for which `is_leaf` holds, by default empty ones, are leaves."""
    if not isinstance(value, dict) or is_leaf(value):
        return {path: value}
    inner = {f"{path}.{name}".removeprefix("."): below for name, below in value.items()}
    return {key: leaf for name, below in inner.items() for key, leaf in leaves(below, name, is_leaf).items()}


def _part_of_range(given: dict[str, Any], name: str) -> float:
    try:
        return float(as_number(given[name]))
    except ValueError as error:
        raise ValueError(f"{name} of a range {error}") from None


Given = float | list[float] | dict[str, float | str]
"""How an axis may be written: a number, a list, or a range."""

AsValues = BeforeValidator(axis_values, json_schema_input_type=Given)
AsIntegers = BeforeValidator(integer_values, json_schema_input_type=Given)

Numbers = Annotated[list[Number], Field(min_length=1), AsValues]


NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
Name = Annotated[str, Field(pattern=NAME)]
AxisName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,99}$")]


class _Axes(Section):
    """Axes of the sweep, each a number, a list or a range; their Cartesian product is computed.

    Besides the axes named here, any numeric field of the configuration is one under its dotted path, for instance
    `retrieval.t1` or `models.astrocyte.tau_p`.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Numbers] = Field(init=False)
    if TYPE_CHECKING:
        zipped: dict[str, dict[str, list[int | float]]]

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
        """Values by axis and coordinate; an axis that is not zipped has one coordinate of the same name."""
        given = self.model_dump(exclude={"zipped"})
        single = {name: {name: values} for name, values in given.items() if values is not None}
        return single | {
            axis: {name: _cast(name, values) for name, values in zipped.items()} for axis, zipped in self.zipped.items()
        }

    def values(self) -> dict[str, list[float | int]]:
        """Values by coordinate, along whichever axis it runs."""
        return {name: values for coordinates in self.coordinates().values() for name, values in coordinates.items()}


def _cast(name: str, values: Sequence[float | int]) -> list[float | int]:
    """Values of a coordinate as numbers of its own kind: random keys are derived from it, and 8 and 8.0 must give the same."""
    if name in COUNTS:
        return [int(value) if float(value).is_integer() else value for value in values]
    return [float(value) for value in values] if is_traced(name) else list(values)


def is_traced(coordinate: str, own: Container[str] = ()) -> bool:
    """Whether a coordinate is a number inside one compiled program, rather than a field of several configurations.

    `own` are such coordinates of memories and corruptions of a user's own.
    """
    return coordinate in {"num_patterns", "trial", *LEVELS.values(), *PARAMETERS} or coordinate in own


def axis_field(limits: Range | None, description: str, *, of_integers: bool = False, is_written: bool = True) -> Any:
    """Annotation and default of an axis, and whether it is written where it is not used."""
    values, given = (Integer, AsIntegers) if of_integers else (Real, AsValues)
    bounds = Field(**(limits or Range()).bounds())
    axis = Annotated[list[Annotated[values, bounds]], Field(min_length=1), given]  # type: ignore[valid-type]
    return axis | None, Field(None, description=description, exclude_if=lambda given: given is None and not is_written)


Axes: Any = create_model(
    "Axes",
    __base__=_Axes,
    __doc__=_Axes.__doc__,
    num_patterns=axis_field(Range(ge=1, le=LARGEST), "memory loads K", of_integers=True),
    **{
        corruption.level_name: axis_field(
            corruption.level_range,
            f"{corruption.level_meaning}, for corruption: {kind}",
            of_integers=corruption.is_count,
            is_written=corruption.level_name in WRITTEN,
        )
        for kind, corruption in corruptions().items()
    },
    **{name: axis_field(one.first(Range), one.meaning, is_written=name in WRITTEN) for name, one in PARAMETERS.items()},
    zipped=(
        dict[AxisName, Annotated[dict[str, Numbers], Field(min_length=1)]],
        Field({}, description="axes along which several coordinates run together: name: {coordinate: values, …}"),
    ),
)
"""The section `axes`."""
