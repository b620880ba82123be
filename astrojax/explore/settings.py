"""Everything that is chosen in the explorer, as a frozen value, and the same setting as YAML and as Python.

Memories, scores, corruptions and their parameters are those that the package has: nothing here lists them.
"""

import itertools
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jinja2 import Template

from .._internal.parameters import QUANTITIES, OneOf, Quantity, Range
from ..config.sections import MEMORIES, PARAMETERS, Parameter, Retrieval, parameters_of, score_parameters
from ..models import memories
from ..models.scores import scores
from ..problems.corruption import corruptions
from ..problems.patterns import ensembles

ENSEMBLES = {
    kind: draw
    for kind, draw in ensembles().items()
    if [one.name for one in parameters_of(draw)] == ["key", "num_neurons", "num_patterns"]
}
"""Ensembles that need no more than their size."""

SOURCES = ("digits", *ENSEMBLES, "file")

NUM_NEURONS = (16, 20, 25, 30, 36, 49, 64, 100)
"""Sizes of random patterns that can be chosen. Each has a compiled program of its own."""

MOST_PATTERNS = 500
"""Digits or random patterns that are drawn at once. The memory load masks them, so that it never compiles anything."""

SCRIPT = (Path(__file__).parent / "script.py.jinja").read_text(encoding="utf-8")

TRIALS = 200
"""Trials of the run in the YAML text."""

SCORES = {
    " ".join([name, *map(str, values)]): {"score": name, **dict(zip(own, values, strict=True))}
    for name in scores()
    for own in [score_parameters(name)]
    for values in itertools.product(*((one.default, one.default + 2) for one in own.values()))
}
"""Scores by the name in the explorer, at the defaults of their fields, which are integers, and at larger ones: the keys of a
configuration."""

OPTIONS = {"score": tuple(SCORES)} | {
    parameter.name: names.names
    for build in memories().values()
    for parameter in parameters_of(build)
    if (names := parameter.first(OneOf)) and not parameter.takes_numbers
}
"""Parameters of memories that are one of some names."""


def _quantity(name: str, parameter: Parameter) -> Quantity:
    quantity, limits = Quantity(name, parameter.meaning), parameter.first(Range) or Range()
    return quantity._replace(low=limits.ge or quantity.low, high=limits.le or quantity.high)


NUMBERS = {name: QUANTITIES.get(name) or _quantity(name, parameter) for name, parameter in PARAMETERS.items()}
NUMBERS["t1"] = QUANTITIES["t1"]._replace(high=1e4)  # longer than those that are searched: slow neurons need it
"""Parameters of memories that are numbers, and the horizon."""

DEFAULTS: dict[str, Any] = {
    **{name: choices[0] for name, choices in OPTIONS.items()},
    **{name: float(parameter.default) for name, parameter in PARAMETERS.items()},
    "t1": Retrieval().t1,
}


def spread(name: str) -> list[float]:
    """Values of a number, of two digits: twenty in a decade, or evenly spaced where the lowest is not positive."""
    low, high = NUMBERS[name].low, NUMBERS[name].high
    num = 1 + round(20 * np.log10(high / low)) if low > 0 else 81
    values = np.geomspace(low, high, num) if low > 0 else np.linspace(low, high, num)
    return sorted({DEFAULTS[name], *(float(f"{value:.2g}") for value in values)})


@dataclass(frozen=True)
class Settings:
    """A setting of the explorer."""

    source: str = "digits"  # one of `SOURCES`
    file: str = ""
    reading: dict[str, Any] = field(default_factory=dict)  # arguments of `load_patterns` other than their defaults
    num_neurons: int = 64
    num_patterns: int = 30
    seed: int = 0  # of the patterns
    target: int = 0
    corruption: str = "flips"
    level: float | int = 8
    query_seed: int = 0
    flipped: tuple[int, ...] | None = None  # where a query drawn by hand differs from the target, in place of the corruption
    memory: str = "astrocyte"
    values: dict[str, Any] = field(default_factory=lambda: dict(DEFAULTS))  # of `NUMBERS` and `OPTIONS`, of all memories

    def change(self, **changes: Any) -> "Settings":
        """The same setting with other fields or values."""
        own = {one.name for one in fields(self)}
        values = self.values | {name: value for name, value in changes.items() if name not in own}
        return replace(self, **{"values": values} | {name: value for name, value in changes.items() if name in own})

    def numbers(self) -> dict[str, float]:
        """The numbers of the memory."""
        return {name: self.values[name] for name in MEMORIES[self.memory].numbers}

    def options(self) -> dict[str, str]:
        """The options of the memory."""
        return {name: self.values[name] for name in OPTIONS if name in MEMORIES[self.memory].model_fields}

    def yaml(self) -> str:
        """The configuration of a run at this setting, for `astrojax run`."""
        options = self.options()
        memory = {"kind": self.memory, **SCORES.get(options.pop("score", ""), {}), **options, **self.numbers()}
        sizes = {"num_neurons": self.num_neurons} if self.source in ENSEMBLES else {}
        patterns = {"path": self.file, **self.reading} if self.source == "file" else sizes
        hopfield = {"kind": "hopfield", "tau_x": self.values["tau_x"], "slope": self.values["slope"]}
        name, level = ("flips", len(self.flipped)) if self.flipped is not None else (self.corruption, self.level)
        config = {
            "name": "explored",
            "patterns": {"kind": self.source, **patterns},
            "corruption": name,
            "axes": {"num_patterns": self.num_patterns, corruptions()[name].level_name: level},
            "trials": TRIALS,
            "models": {self.memory: memory, "Hopfield": hopfield},
            "retrieval": {"t1": self.values["t1"]},
        }
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        return f"# {TRIALS} trials at this setting: each draws its own\n# patterns, target and query.\n{text}"

    def python(self) -> str:
        """A script that recalls exactly what is shown."""
        arguments: dict[str, Any] = self.numbers() | {name: f'"{value}"' for name, value in self.options().items()}
        if "score" in arguments:
            own = dict(SCORES[self.values["score"]])
            name = own.pop("score")
            fields_of_score = ", ".join(f"{field}={value}" for field, value in own.items())
            arguments["score"] = f"aj.{scores()[name].__name__}({fields_of_score})" if own else f'"{name}"'
        ensemble = ENSEMBLES.get(self.source)
        names = {
            "ensemble": ensemble and ensemble.__name__,
            "corruption": corruptions()[self.corruption].__name__,
            "memory": memories()[self.memory].__name__,
        }
        return Template(SCRIPT, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True).render(
            vars(self) | names | {"arguments": arguments, "t1": self.values["t1"]}
        )
