"""Everything that is chosen in the explorer, as a frozen value, and the same setting as YAML and as Python.

Memories, scores, corruptions and their parameters are those that the package has: nothing here lists them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jinja2 import Template

from .._internal.parameters import QUANTITIES, OneOf, Quantity, Range
from ..config.sections import MEMORIES, PARAMETERS, Retrieval, parameters_of, score_parameters
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

SCRIPT = Template(
    (Path(__file__).parent / "script.py.jinja").read_text(encoding="utf-8"),
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)

TRIALS = 200
"""Trials of the run in the YAML text."""

ORDERS = (0, 2)
"""What is added to the default order of a score to get those that can be chosen."""


def _scores() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in scores():
        order = score_parameters(name).get("order")
        if order is None:
            yield name, {"score": name}
        else:
            yield from ((f"{name} {order.default + more}", {"score": name, "order": order.default + more}) for more in ORDERS)


SCORES = dict(_scores())
"""Scores by the name in the explorer: the keys of a configuration."""

OPTIONS = {
    parameter.name: (tuple(SCORES) if parameter.name == "score" else names.names)
    for build in memories().values()
    for parameter in parameters_of(build)
    if (names := parameter.first(OneOf) or (OneOf(()) if parameter.name == "score" else None)) and not parameter.takes_numbers
}
"""Parameters of memories that are one of some names."""


def _quantity(name: str) -> Quantity:
    if name in QUANTITIES:
        return QUANTITIES[name]
    parameter = PARAMETERS[name]
    quantity, limits = Quantity(name, parameter.meaning), parameter.first(Range) or Range()
    return quantity._replace(low=limits.ge or quantity.low, high=limits.le or quantity.high)


NUMBERS = {name: _quantity(name) for name in (*PARAMETERS, "t1")}
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
    """A setting of the explorer.

    Arguments:
        source: one of `SOURCES`.
        file, reading: a pattern file, and other arguments of `load_patterns`.
        num_neurons, num_patterns: N and the memory load K, the first K patterns of the source.
        seed: of the patterns drawn.
        target: number of the pattern to be recalled, from 0.
        corruption, level, query_seed: how the query differs from the target.
        flipped: entries in which a query drawn by hand differs from the target, in place of the corruption.
        memory: its kind.
        values: `NUMBERS` and `OPTIONS`, of all memories.
    """

    source: str = "digits"
    file: str = ""
    reading: dict[str, Any] = field(default_factory=dict)
    num_neurons: int = 64
    num_patterns: int = 30
    seed: int = 0
    target: int = 0
    corruption: str = "flips"
    level: float | int = 8
    query_seed: int = 0
    flipped: tuple[int, ...] | None = None
    memory: str = "astrocyte"
    values: dict[str, Any] = field(default_factory=lambda: dict(DEFAULTS))

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
        hopfield = {"kind": "hopfield", "tau_x": self.values["tau_x"], "slope": self.values["slope"]}
        name, level = ("flips", len(self.flipped)) if self.flipped is not None else (self.corruption, self.level)
        config = {
            "name": "explored",
            "patterns": self._ensemble(),
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
            given = SCORES[self.values["score"]]
            score = f"aj.{scores()[given['score']].__name__}({given['order']})" if "order" in given else f'"{given["score"]}"'
            arguments["score"] = score
        ensemble = ENSEMBLES.get(self.source)
        names = {
            "ensemble": ensemble and ensemble.__name__,
            "corruption": corruptions()[self.corruption].__name__,
            "memory": memories()[self.memory].__name__,
        }
        content = vars(self) | names | {"reading": self._reading(), "arguments": arguments, "t1": self.values["t1"]}
        return SCRIPT.render(content)

    def _ensemble(self) -> dict[str, Any]:
        match self.source:
            case "digits":
                return {"kind": "digits"}
            case "file":
                return {"kind": "file", "path": self.file, **self._reading()}
            case kind:
                return {"kind": kind, "num_neurons": self.num_neurons}

    def _reading(self) -> dict[str, Any]:
        return {
            name: value for name, value in self.reading.items() if value is not None and (name, value) != ("max_duplicates", 0)
        }
