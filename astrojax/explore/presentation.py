"""What the page shows of an answer: columns of the figures, pictures, and the outcome in words."""

import base64
import html
from typing import Any

import numpy as np

from ..solve.retrieve import Status
from .compute import NUM_SHOWN, Answer, Problem
from .settings import Settings

COLOURS = ["#2f83cc", "#e07b39", *["#8b949e"] * (NUM_SHOWN - 2)]
"""Of the target, of the pattern that comes nearest besides it, and of the others; legible on light and on dark ground."""

LONGEST_ROW = 50
"""Neurons in a row of a picture of patterns that are no square."""


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
            "nearest": "Nearest" if settings.score == "linear" else "Nearest, ±",
            "bayes": "Bayes decoder",
        },
        "target": signs_of(problem.target),
        "query": signs_of(problem.query),
        "answers": {name: signs_of(signs) for name, signs in found.signs.items() if name != "astrocyte"},
        "rates": base64.b64encode(_bytes(found.rates)).decode(),
        "times": found.times.tolist(),
    }


def readout(settings: Settings, problem: Problem, found: Answer, why: str) -> str:
    """The outcome in words and numbers, as HTML; `why` it is a failure."""
    status, num_neurons = found.statuses["astrocyte"], len(problem.target)
    accepted, rejected = found.steps
    facts = {
        "Hamming error": f"{found.errors['astrocyte']:g} of {num_neurons}",
        "winning gain": f"{found.winning_gain:.3f} (pattern {found.winner})",
        "target's gain": f"{found.target_gain:.3f}",
        "perplexity": f"{found.perplexity:.2f} of {settings.num_patterns}",
        "steps": f"{accepted} + {rejected} rejected",
    }
    if status != Status.OK:
        facts = {"steps": facts["steps"]}
    if found.statuses["hopfield"] != Status.OK:
        facts["Hopfield"] = found.statuses["hopfield"].name
    good = status == Status.OK and found.errors["astrocyte"] == 0
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    verdict = f'<strong class="{"good" if good else "bad"}">{html.escape(found.verdict(settings))}</strong>'
    return f'<div role="status">{verdict}<dl>{listed}</dl><p>{why}</p></div>'


def legend(found: Answer) -> str:
    """Which line is which, as HTML."""
    names = [f"target, pattern {found.shown[0]}"]
    names += [f"nearest other, pattern {number}" for number in found.shown[1:2] if number >= 0]
    names += [f"next {count}"] if (count := int(np.sum(found.shown[2:] >= 0))) else []
    return "".join(
        f'<span><i style="background:{colour}"></i>{name}</span>' for colour, name in zip(COLOURS, names, strict=False)
    )


def _bytes(rates: np.ndarray) -> bytes:
    """Rates in [−1, 1] as bytes from 0 to 254. However small, none loses its sign: the page counts signs."""
    sizes = np.clip(np.rint(127 * np.abs(rates)), 1, 127)
    return (127 + np.sign(rates) * sizes).astype(np.uint8).tobytes()


def signs_of(values: np.ndarray) -> str:
    return "".join("0+-"[int(np.sign(value))] for value in values)


def numbers_of(signs: str) -> np.ndarray:
    return np.array([1.0 if sign == "+" else -1.0 for sign in signs], np.float32)
