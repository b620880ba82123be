"""What the page shows of an answer: columns of the figures, pictures, and the outcome as text."""

import base64
import html
from typing import Any

import numpy as np

from ..solve.retrieve import Status
from .compute import NUM_SHOWN, Answer, Problem
from .settings import Settings

COLORS = ["#2f83cc", "#e07b39", *["#8b949e"] * (NUM_SHOWN - 2)]
"""Of the target, of the nearest other pattern, and of the rest; legible on a light and a dark background."""

LONGEST_ROW = 50
"""Neurons in a row of the picture of patterns that are not square."""


def course_of(found: Answer) -> dict[str, np.ndarray]:
    """Columns of the figures."""
    columns = {"t": found.times, "energy": found.energy}
    for kind, values in {"gain": found.gains, "overlap": found.overlaps}.items():
        for place in range(NUM_SHOWN):
            there = place < len(found.shown) and found.shown[place] >= 0
            columns[f"{kind}{place}"] = values[:, place] if there else np.full_like(found.times, np.nan)
    return columns


def pictures_of(settings: Settings, problem: Problem, found: Answer) -> dict[str, Any]:
    """What the pictures show."""
    num_neurons, side = len(problem.target), round(len(problem.target) ** 0.5)
    rows = -(-num_neurons // LONGEST_ROW)
    return {
        "columns": side if side * side == num_neurons else -(-num_neurons // rows),
        "labels": {
            "target": f"Target {settings.target}",
            "query": "Query (draw here)",
            "state": "Firing rates φ(x)",
            "hopfield": "Hopfield network",
            "nearest": "Nearest" if found.signed else "Nearest, ±",
            "bayes": "Bayes decoder",
        },
        "target": signs_of(problem.target),
        "query": signs_of(problem.query),
        "answers": {name: signs_of(signs) for name, signs in found.signs.items() if name != "memory"},
        "rates": base64.b64encode(_bytes(found.rates)).decode(),
        "times": found.times.tolist(),
    }


def readout(settings: Settings, problem: Problem, found: Answer, why: str) -> str:
    """The outcome as HTML; `why` explains a failure."""
    status, num_neurons = found.statuses["memory"], len(problem.target)
    accepted, rejected = found.steps
    facts = {}
    if status == Status.OK:
        facts["Hamming error"] = f"{found.errors['memory']:g} of {num_neurons}"
        if not np.isnan(gains := found.final_gains).any():
            facts["winning gain"] = f"{gains.max():.3f} (pattern {gains.argmax()})"
            facts["target's gain"] = f"{gains[settings.target]:.3f}"
            facts["perplexity"] = f"{found.perplexity:.2f} of {settings.num_patterns}"
    facts["steps"] = f"{accepted} + {rejected} rejected"
    if found.statuses["hopfield"] != Status.OK:
        facts["Hopfield"] = found.statuses["hopfield"].name
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    verdict = f'<strong class="{"good" if found.is_recalled else "bad"}">{html.escape(found.verdict(settings))}</strong>'
    return f'<div role="status">{verdict}<dl>{listed}</dl><p>{why}</p></div>'


def legend(found: Answer) -> str:
    """The legend of the figures, as HTML."""
    names = [f"target, pattern {found.shown[0]}"]
    names += [f"nearest other, pattern {number}" for number in found.shown[1:2] if number >= 0]
    names += [f"next {count}"] if (count := int(np.sum(found.shown[2:] >= 0))) else []
    return "".join(f'<span><i style="background:{color}"></i>{name}</span>' for color, name in zip(COLORS, names, strict=False))


def _bytes(rates: np.ndarray) -> bytes:
    """Rates in [−1, 1] as bytes from 0 to 254. None loses its sign, however small: the page counts signs."""
    sizes = np.clip(np.rint(127 * np.abs(rates)), 1, 127)
    return (127 + np.sign(rates) * sizes).astype(np.uint8).tobytes()


def signs_of(values: np.ndarray) -> str:
    return "".join("0+-"[int(np.sign(value))] for value in values)


def numbers_of(signs: str) -> np.ndarray:
    return np.array([1.0 if sign == "+" else -1.0 for sign in signs], np.float32)
