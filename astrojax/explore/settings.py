"""Everything that is chosen in the explorer, as a frozen value, and the same setting as YAML and as Python.

What can be chosen is what the package and its plugins have, or what a configuration names: nothing here lists it.
"""

import contextlib
import functools
import json
import os
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Template
from pydantic import ValidationError

from .._internal import own_code
from .._internal.errors import InputError
from .._internal.parameters import QUANTITIES, Quantity, Range
from .._internal.registry import names
from ..config.axes import Axes
from ..config.files import dump_yaml
from ..config.run import Config, level_of
from ..config.sections import POOLS, Choice, MemorySection, Parameter, parameters_of, score_parameters, section_of
from ..problems.task import Task
from ..runs import build

NUM_NEURONS = (16, 20, 25, 30, 36, 49, 64, 100)
"""Sizes of random patterns that can be chosen. Each has a compiled program of its own."""

MOST_PATTERNS = 500
"""Digits or random patterns that are drawn at once. The memory load masks them, so that it never compiles anything."""

SCRIPT = (Path(__file__).parent / "script.py.jinja").read_text(encoding="utf-8")

TRIALS = 200
"""Trials of the run in the YAML text, where no configuration says how many."""

HORIZON = Parameter("t1", None, {float}, [], QUANTITIES["t1"].meaning)
LONGEST = 1e4  # longer than the horizons that are searched: slow neurons need it


@dataclass(frozen=True)
class Offer:
    """What can be chosen in a session, by name; `config` has the models, and what is not chosen."""

    config: Config
    patterns: dict[str, Choice]
    corruptions: dict[str, Choice]
    capacity: int = MOST_PATTERNS  # most patterns that are drawn
    folder: Path | None = None  # of the file of the configuration, if there is one


@functools.cache
def built_in(role: str) -> dict[str, Any]:
    """Sections of what the package and its plugins have for a role, if it needs no more than its name."""
    found = {}
    for kind in names(role):
        with contextlib.suppress(InputError, ValidationError):  # a plugin that cannot be imported, or a field without a default
            found[kind] = section_of(role, kind)(kind=kind)
    return found


@functools.cache
def everything() -> Offer:
    """What is offered without a configuration. Ensembles need no more than their size."""
    drawn = {kind: section for kind, section in built_in("patterns").items() if {"num_neurons"} == section.own_fields().keys()}
    models = built_in("memory")
    axes = Axes.model_validate({"num_patterns": [30], "num_flips": [8]})
    config = Config(name="explored", trials=TRIALS, axes=axes, models=models)
    pools = {kind: section_of("patterns", kind)(kind=kind) for kind in ("digits", "glyphs")}
    gray = {f"gray {kind}": with_values(section, {"scaling": "range"}) for kind, section in pools.items()}
    return Offer(config, pools | gray | drawn, built_in("corruption"))


@functools.lru_cache(maxsize=16)
def task_of(patterns: Choice, corruption: Choice) -> tuple[Task, int, bool]:
    """Where problems come from, how many neurons they have, and whether patterns are of ±1."""
    changes = {"patterns": patterns, "corruption": corruption, "axes": Axes.model_validate({"num_patterns": [1]})}
    with own_code.pointing_at_own_code():
        task, num_neurons = build.task_of(everything().config.model_copy(update=changes), build.load_pool)
        return task, num_neurons, task.is_binary


def offer_of(config: Config, folder: Path) -> Offer:
    """What a configuration from a folder offers."""
    loads = [int(load) for load in config.axes.values()["num_patterns"]]
    patterns, corruption = ({own_code.short_name(section.kind): section} for section in (config.patterns, config.corruption))
    capacity = max(*loads, min(2 * max(loads), MOST_PATTERNS))
    return Offer(config, patterns, corruption, capacity, folder.resolve())


@functools.cache
def _declared(section: type[Choice]) -> dict[str, Parameter]:
    """The parameters of what a section stands for, by name."""
    return {one.name: one for one in parameters_of(section.build) if one.name in section.model_fields}


def parameters_in(section: Choice) -> dict[str, Parameter]:
    """The parameters of a section and of its parts, by name."""
    own = dict(_declared(type(section)))
    for _, part in section:
        if isinstance(part, Choice):
            own |= score_parameters(part.kind) or parameters_in(part)  # fields of the package's scores are the memory's
    return own


def values_in(section: Choice) -> dict[str, Any]:
    """The values of `parameters_in`; of a part it is its section."""
    inner = {name: value for _, part in section if isinstance(part, Choice) for name, value in values_in(part).items()}
    defaults = {name: one.default for name, one in parameters_in(section).items()}
    own = {name: defaults.get(name) if value is None else value for name, value in section.own_fields().items()}
    return inner | own


def with_values(section: Any, values: dict[str, Any]) -> Any:
    """The same section with other values, which may be those of its parts. Raises pydantic's error if one is not allowed."""
    own = {name: values.get(name, value) for name, value in section}
    inner = {name: with_values(value, values) if isinstance(value, Choice) else value for name, value in own.items()}
    return type(section).model_validate(inner)


def spread(parameter: Parameter, value: float, *more: float) -> list[float]:
    """Values for a slider, rounded or given: twenty in a decade, or of both signs, or evenly spaced from one of at most 0."""
    name, limits = parameter.name, parameter.first(Range) or Range()
    known = QUANTITIES.get(name, Quantity(name, ""))
    low = limits.gt if limits.ge is None else limits.ge
    high = limits.lt if limits.le is None else limits.le
    is_ratio = name in QUANTITIES or (value > 0 and low is None) or low == limits.gt == 0 or (low or 0) > 0
    if known.transform == "identity":
        sizes = np.geomspace(known.high / 1e4, known.high, 81)
        found = np.concatenate([-sizes, [0], sizes])
    elif known.transform == "log" and is_ratio:
        low, high = (known.low, LONGEST if name == "t1" else known.high) if name in QUANTITIES else (low, high)
        low = min(low or known.low, high or np.inf, value)
        high = max(value, high or max(known.high, 10 * low))
        found = np.geomspace(low, high, 1 + round(20 * np.log10(high / low)))
    else:
        reach = max(1.0, 4 * abs(value))
        found = np.linspace(-reach if low is None else low, reach if high is None else high, 81)
    rounded = {float(f"{one:.{3 if known.transform == 'logit' else 2}g}") for one in found}
    inside = {one for one in rounded if one not in (limits.gt, limits.lt)}
    return sorted({float(value), *more, *inside})


@dataclass(frozen=True)
class Settings:
    """A setting of the explorer."""

    offer: Offer = field(default_factory=everything, repr=False)
    patterns: Choice = field(default_factory=lambda: everything().patterns["digits"])
    is_uploaded: bool = False  # whether they are all those of a file, in its order
    capacity: int = MOST_PATTERNS
    num_patterns: int = 30
    seed: int = 0  # of the patterns
    target: int = 0
    corruption: Choice = field(default_factory=lambda: built_in("corruption")["flips"])
    level: float | int = 8
    query_seed: int = 0
    flipped: tuple[int, ...] | None = None  # where a query drawn by hand differs from the target, in place of the corruption
    name: str = "astrocyte"
    model: MemorySection = field(default_factory=lambda: everything().config.models["astrocyte"])
    t1: float = 10.0

    def change(self, **changes: Any) -> "Settings":
        """The same setting with other fields, or other values of the model."""
        own = {one.name for one in fields(self)}
        new = replace(self, **{name: value for name, value in changes.items() if name in own})
        values = {name: value for name, value in changes.items() if name not in own}
        return replace(new, model=with_values(new.model, values)) if values else new

    @property
    def values(self) -> dict[str, Any]:
        """Values of the model and its parts, and the horizon, by name."""
        return values_in(self.model) | {"t1": self.t1}

    @property
    def numbers(self) -> dict[str, float]:
        """Those of the values that have sliders."""
        known = {*self.model.every_number(), "t1"}
        return {name: value for name, value in self.values.items() if name in known and isinstance(value, float)}

    @property
    def is_binary(self) -> bool:
        """Whether patterns are of ±1, as are those of every pool unless they are scaled."""
        patterns: Any = self.patterns
        return patterns.scaling is None if patterns.kind in POOLS else task_of(patterns, self.corruption)[2]

    def static_key(self) -> tuple[Any, ...]:
        """What a compiled program depends on, besides shapes."""
        numbers = self.model.every_number()
        values = {name: value.kind if isinstance(value, Choice) else value for name, value in values_in(self.model).items()}
        return self.model.kind, *((name, one) for name, one in values.items() if name not in numbers or isinstance(one, Path))

    def spread(self, name: str) -> list[float]:
        """The values of a slider."""
        parameter = HORIZON if name == "t1" else self.model.every_number()[name]
        return spread(parameter, self.values[name])

    def config(self) -> Config:
        """The configuration of a run at this setting."""
        corruption, level = self.corruption, self.level
        if self.flipped is not None:
            corruption, level = built_in("corruption")["flips"], len(self.flipped)
        scales = {name: value for name, value in self.values.items() if name in ("tau_x", "slope")}
        hopfield = {"Hopfield": with_values(built_in("memory")["hopfield"], scales)} if self.is_binary else {}
        base = self.offer.config
        return base.model_copy(
            update={
                "patterns": self.patterns,
                "corruption": corruption,
                "axes": Axes.model_validate({"num_patterns": [self.num_patterns], level_of(corruption): [level]}),
                "models": {self.name: self.model} | hopfield | {self.name: self.model},
                "retrieval": base.retrieval.model_copy(update={"t1": self.t1}),
            }
        )

    def yaml(self) -> str:
        """The configuration of a run at this setting, for `astrojax run`; paths start in the folder of the configuration."""
        config = self.config()
        if self.offer.folder:
            config = config.replaced({name: Path(self._relative(path)) for name, path in config.files().items()})
        given: Any = {"include": set(config.model_fields_set), "exclude": {"axes": {"zipped"}, "retrieval": True}}
        content = config.model_dump(mode="json", exclude_none=True, **given)
        content["retrieval"] = config.retrieval.model_dump(mode="json", exclude_unset=True)
        text = dump_yaml(own_code.map_files(content, self._relative))
        return f"# {config.trials} trials at this setting: each draws its own\n# patterns, target and query.\n{text}"

    def _relative(self, path: Path) -> str:
        return os.path.relpath(path, self.offer.folder)

    def python(self, classes: Any = None) -> str:
        """A script that recalls exactly what is shown; gap junctions may need the `classes` of the patterns."""
        if any(isinstance(value, Path) for value in self.values.values()):
            return "# Parameters of single patterns or neurons are read from files here, which no script does."
        parts = [one for one in values_in(self.model).values() if isinstance(one, Choice) and _is_called(one)]
        imports: dict[str, set[str]] = {}
        for place, name in map(_home, (self.patterns, self.corruption, self.model, *parts)):
            imports.setdefault(place, set()).add(name)
        is_pool, junctions = self.patterns.kind in POOLS, getattr(self.values.get("gap_junctions"), "kind", "none")
        return Template(SCRIPT, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True).render(
            {one.name: getattr(self, one.name) for one in fields(self)}
            | {
                "imports": {place: sorted(named) for place, named in sorted(imports.items()) if place},
                "pool": _call(self.patterns) if is_pool else None,
                "ensemble": _home(self.patterns)[1],
                "sizes": [] if is_pool else _arguments(self.patterns),
                "is_binary": self.is_binary,
                "classes": [] if junctions in ("none", "ring") or classes is None else classes[: self.num_patterns],
                "corruption": _call(self.corruption),
                "memory": _home(self.model)[1],
                "arguments": _arguments(self.model),
            }
        )


def _home(section: Choice) -> tuple[str, str]:
    """The module from which a script imports it, and its name there; no module for what the package has."""
    if own_code.is_reference(section.kind):
        place, _, name = section.kind.rpartition(":")
        return Path(place).stem if place.endswith(".py") else place, name
    module, name = section.build.__module__, section.build.__name__
    return ("", f"aj.{name}") if module.startswith(f"{__name__.partition('.')[0]}.") else (module, name)


def _call(section: Choice, *more: str) -> str:
    return f"{_home(section)[1]}({', '.join([*_arguments(section), *more])})"


def _is_called(part: Choice) -> bool:
    """Whether a part of a memory is built in a script; otherwise its name says all."""
    return own_code.is_reference(part.kind) or bool(_arguments(part))


def _arguments(section: Choice) -> list[str]:
    """Arguments of the call that builds what a section stands for: its numbers, and what differs from defaults."""
    of_score = {name: getattr(section, name) for name in getattr(section, "score_fields", ())}
    declared, found = _declared(type(section)), list[str]()
    for name, value in section.own_fields().items():
        default = declared[name].default if name in declared else None
        if value is None or name in of_score or (value == default and name not in section.numbers):
            continue
        text = json.dumps(str(value)) if isinstance(value, str | Path) else repr(value)
        if isinstance(value, Choice):
            more = [f"{own}={number}" for own, number in of_score.items() if name == "score" and number is not None]
            if not more and not _is_called(value) and value.kind == default:
                continue
            text = _call(value, *more) if more or _is_called(value) else json.dumps(value.kind)
        found.append(f"{name}={text}")
    return found
