"""What is stored: units and definition of every variable."""

from collections.abc import Iterable
from typing import Any

from .._internal.registry import members
from ..sweep.observables import HOW, meaning_of

OBSERVABLES = {name: meaning_of(function) for name, function in members("observable").items()}

DEFINITIONS = {
    **OBSERVABLES,
    **HOW,
    "decoder_error": ("neurons", "Hamming error of a decoder on the same problem, for reference"),
    "decoder_identified": ("1", "1 where the stored pattern nearest to a decoder's answer is the target"),
}
"""Units and definition of every variable of the package."""


def ordered(names: Iterable[str]) -> list[str]:
    """Names of variables in the order in which they are stored: the package's observables, a user's, all others."""
    names = set(names)
    others = [name for name in DEFINITIONS if name not in OBSERVABLES]
    return [name for name in [*OBSERVABLES, *sorted(names - DEFINITIONS.keys()), *others] if name in names]


def attributes(name: str, observable: Any = None) -> dict[str, str]:
    """Units and definition of a variable, which a user's `observable` measures if it is none of the package's."""
    units, definition = DEFINITIONS[name] if observable is None else meaning_of(observable)
    return {"units": units, "long_name": name.replace("_", " "), "definition": definition}
