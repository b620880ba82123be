"""Everything that is chosen in the explorer, as a frozen value, and the same setting as YAML and as Python."""

import json
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

SOURCES = ("digits", "random", "file")

SCORES = {"squared": ("squared", None), "linear": ("linear", None), "power 4": ("power", 4), "power 6": ("power", 6)}
"""Scores by the name in the explorer: kind, and order where it has one."""

NUM_NEURONS = (16, 20, 25, 30, 36, 49, 64, 100)
"""Sizes of random patterns that can be chosen. Each is a program of its own."""

MOST_PATTERNS = 500
"""Digits or random patterns that are drawn at once. The memory load masks them, so that it never compiles anything."""

TRIALS = 200
"""Samples of the run in the YAML text."""


NUMBERS = {
    "temperature": ("T", "temperature: low, one gain wins", 1e-3, 1e2),
    "tau_x": ("τx", "time constant of the neurons", 1e-2, 1e3),
    "tau_p": ("τp", "time constant of the gains", 1e-2, 1e3),
    "slope": ("σ", "slope of the firing rate tanh(σx)", 1e-1, 1e2),
    "t1": ("t₁", "horizon", 1.0, 1e4),
}
"""Sliders of numbers: symbol, what it is, least and largest value."""


def spread(low: float, high: float) -> list[float]:
    """Values of two digits, evenly spaced on a logarithmic scale, twenty in a decade."""
    return [float(f"{value:.2g}") for value in np.geomspace(low, high, 1 + round(20 * np.log10(high / low)))]


@dataclass(frozen=True)
class Settings:
    """A setting of the explorer. Fields of the memory are those of `AstrocyteMemory`.

    Arguments:
        source: one of `SOURCES`.
        file, array, threshold, max_duplicates: of a pattern file, as `load_patterns` takes them.
        num_neurons, num_patterns: N and the memory load K, the first K patterns of the source.
        seed: of the patterns drawn.
        target: number of the pattern to be recalled, from 0.
        num_flips, flip_seed: the query is the target with so many random entries flipped.
        flipped: entries in which a query drawn by hand differs from the target, in place of random ones.
        score: one of `SCORES`.
        t1: horizon.
    """

    source: str = "digits"
    file: str = ""
    array: str | None = None
    threshold: float | None = None
    max_duplicates: int = 0
    num_neurons: int = 64
    num_patterns: int = 30
    seed: int = 0
    target: int = 0
    num_flips: int = 8
    flip_seed: int = 0
    flipped: tuple[int, ...] | None = None
    score: str = "squared"
    gain_regime: str = "dynamic"
    temperature: float = 0.01
    tau_x: float = 1.0
    tau_p: float = 1.0
    slope: float = 5.0
    t1: float = 10.0

    def parameters(self) -> dict[str, float]:
        """The numbers of the memory and the horizon, by name."""
        return {name: getattr(self, name) for name in ("temperature", "tau_x", "tau_p", "slope", "t1")}

    def yaml(self) -> str:
        """The configuration of a run at this setting, for `astrojax run`."""
        kind, order = SCORES[self.score]
        memory: dict[str, Any] = {"kind": "astrocyte", "score": kind}
        if order is not None:
            memory["order"] = order
        memory |= {"gain_regime": self.gain_regime} | self.parameters()
        num_flips = self.num_flips if self.flipped is None else len(self.flipped)
        config = {
            "name": "explored",
            "patterns": self._ensemble(),
            "corruption": "flips",
            "axes": {"num_patterns": self.num_patterns, "num_flips": num_flips},
            "trials": TRIALS,
            "models": {"astrocyte": memory, "Hopfield": {"kind": "hopfield", "tau_x": self.tau_x, "slope": self.slope}},
            "retrieval": {"t1": memory.pop("t1")},
        }
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        return f"# {TRIALS} samples at this setting: each draws its own\n# patterns, target and flips.\n{text}"

    def python(self) -> str:
        """A script that recalls exactly what is shown."""
        kind, order = SCORES[self.score]
        score = f'"{kind}"' if order is None else f"aj.PowerScore({order})"
        lines = [
            "import jax",
            *([] if self.flipped is None else ["import jax.numpy as jnp"]),
            "",
            "import astrojax as aj",
            "",
            f"patterns = {self._patterns_in_python()}",
            f"target = patterns[:, {self.target}]",
            *self._query_in_python(),
            "memory = aj.AstrocyteMemory(",
            "    patterns,",
            *(f"    {name}={value!r}," for name, value in self.parameters().items() if name != "t1"),
            f"    score={score},",
            f'    gain_regime="{self.gain_regime}",',
            ")",
            f"recall = aj.retrieve(memory, query, t1={self.t1!r})",
            "error = aj.hamming_error(target, recall.x)",
            "status = aj.Status(int(recall.status)).name",
            'print(f"{status}: {error:g} of {target.size} wrong")',
        ]
        return "\n".join(lines) + "\n"

    def _ensemble(self) -> dict[str, Any]:
        match self.source:
            case "random":
                return {"kind": "random", "num_neurons": self.num_neurons}
            case "digits":
                return {"kind": "digits"}
            case _:
                return {"kind": "file", "path": self.file, **self._reading()}

    def _query_in_python(self) -> list[str]:
        if self.flipped is None:
            return [f"query = aj.flip(jax.random.key({self.flip_seed}), target, num_flips={self.num_flips})"]
        listed = textwrap.wrap(", ".join(map(str, self.flipped)), 52)
        return [
            "flipped = jnp.array([",
            *(f"    {line}" for line in listed),
            "], int)",
            "query = target.at[flipped].multiply(-1)",
        ]

    def _patterns_in_python(self) -> str:
        key, load = f"jax.random.key({self.seed})", f"num_patterns={self.num_patterns}"
        match self.source:
            case "random":
                return f"aj.random_patterns(\n    {key}, num_neurons={self.num_neurons}, {load}\n)"
            case "digits":
                return f"aj.pooled_patterns(\n    {key}, pool=aj.digits(), {load}\n)"
            case _:
                reading = "".join(f", {name}={json.dumps(value)}" for name, value in self._reading().items())
                return f"aj.load_patterns({json.dumps(self.file)}{reading})[:, :{self.num_patterns}]"

    def _reading(self) -> dict[str, Any]:
        given = {"array": self.array, "threshold": self.threshold, "max_duplicates": self.max_duplicates or None}
        return {name: value for name, value in given.items() if value is not None}
