"""What the page shows of an answer: columns of the figures, pictures, the outcome as text, and why a recall failed.

Causes of a failed recall follow from its trajectory; a remedy is named only if it was tried.
"""

import base64
import html
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._internal.parameters import QUANTITIES
from ..solve.retrieve import Status
from .compute import COOLINGS, NUM_SHOWN, Answer, Problem
from .settings import Settings

COLORS = ["#2f83cc", "#e07b39", *["#8b949e"] * (NUM_SHOWN - 2)]
"""Of the target, of the nearest other pattern, and of the rest; legible on a light and a dark background."""

LONGEST_ROW = 50
"""Neurons in a row of the picture of patterns that are not square."""

SETTLED, CLEAR, DECIDED = 0.05, 0.9, 0.5
"""Largest residual of an equilibrium; least gain of the target at a lower temperature, for neurons at the query; a pattern with
a larger gain outweighs all others."""

REMEDIES = {
    "num_patterns": "fewer patterns",
    "temperature": "a lower temperature",
    "tau_x": "slower neurons",
    "slope": "a steeper firing rate",
    "t1": "a longer horizon",
    "gap_strength": "uncoupled astrocytes",
}

Changes = dict[str, Any]


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
    rows, is_binary = -(-num_neurons // LONGEST_ROW), settings.is_binary
    scale = 1 if is_binary else float(np.max(np.abs(problem.patterns[:, : settings.num_patterns])))
    pictures = {"target": problem.target, "query": problem.query, "state": found.rates} | found.signs
    errors = {name: np.sqrt(np.mean((values - problem.target) ** 2, axis=-1)).tolist() for name, values in pictures.items()}
    return {
        "columns": side if side * side == num_neurons else -(-num_neurons // rows),
        "labels": {
            "target": f"Target {settings.target}",
            "query": "Query (draw here)" if is_binary else "Query",
            "state": "Firing rates φ(x)",
            "hopfield": "Hopfield network",
            "nearest": "Nearest" if found.signed or not is_binary else "Nearest, ±",
            "bayes": "Bayes decoder" if is_binary else "Posterior mean",
        },
        "pictures": {name: encoded(values / scale) for name, values in pictures.items()},
        "errors": {} if is_binary else errors,
        "times": found.times.tolist(),
    }


def readout(settings: Settings, problem: Problem, found: Answer, why: str) -> str:
    """The outcome as HTML; `why` explains a failure."""
    error, (accepted, rejected), facts = found.errors["memory"], found.steps, dict[str, str]()
    if found.statuses["memory"] == Status.OK:
        facts |= (
            {"Hamming error": f"{error:g} of {len(problem.target)}"} if settings.is_binary else {"RMS error": f"{error:.3g}"}
        )
        if not np.isnan(gains := found.final_gains).any():
            facts["winning gain"] = f"{gains.max():.3f} (pattern {gains.argmax()})"
            facts["target's gain"] = f"{gains[settings.target]:.3f}"
            facts["perplexity"] = f"{found.perplexity:.2f} of {settings.num_patterns}"
    facts["steps"] = f"{accepted} + {rejected} rejected"
    if found.statuses.get("hopfield", Status.OK) != Status.OK:
        facts["Hopfield"] = Status(found.statuses["hopfield"]).name
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    verdict = f'<strong class="{"good" if found.is_recalled else "bad"}">{html.escape(found.verdict(settings))}</strong>'
    return f'<div role="status">{verdict}<dl>{listed}</dl><p>{why}</p></div>'


def legend(found: Answer) -> str:
    """The legend of the figures, as HTML."""
    names = [f"target, pattern {found.shown[0]}"]
    names += [f"nearest other, pattern {number}" for number in found.shown[1:2] if number >= 0]
    names += [f"next {count}"] if (count := int(np.sum(found.shown[2:] >= 0))) else []
    return "".join(f'<span><i style="background:{color}"></i>{name}</span>' for color, name in zip(COLORS, names, strict=False))


def encoded(values: np.ndarray) -> str:
    """Values in [−1, 1] as bytes from 0 to 254, in base64. None loses its sign, however small: the page counts signs."""
    sizes = np.clip(np.rint(127 * np.abs(values)), 1, 127)
    return base64.b64encode((127 + np.sign(values) * sizes).astype(np.uint8).tobytes()).decode()


def explain(settings: Settings, problem: Problem, found: Answer, solve: Callable[[Settings], Answer]) -> str:
    """Why a recall failed, with a remedy that recalls the target by `solve`; empty for success, and for a failed status."""
    if found.statuses["memory"] != Status.OK or found.is_recalled:
        return ""
    if not settings.is_binary:
        return "" if found.identified["nearest"] else "The query is nearer to another pattern than to the target."
    text, remedies = _cause(settings, problem, found)
    for changes in remedies:
        if changes and solve(settings.change(**changes)).is_recalled:
            symbols = {name: QUANTITIES[name].symbol if name in QUANTITIES else "K" for name in changes}
            named = " and ".join(f"{REMEDIES[name]}, {symbols[name]} = {value:g}," for name, value in changes.items())
            return f"{text}; with {named} the target is recalled."
    return f"{text}."


def _cause(settings: Settings, problem: Problem, found: Answer) -> tuple[str, list[Changes]]:
    """The cause of a failed recall, and changes of the settings that may help."""
    values, signed, target = settings.numbers, found.signed, settings.target
    t1, load, regime = settings.t1, settings.num_patterns, settings.values.get("gain_regime")
    times = [values[name] for name in ("tau_x", *(["tau_p"] if regime == "dynamic" else [])) if name in values]
    slowest, final = max(times, default=0), found.gains[-1, 0]
    query = problem.query @ problem.patterns / len(problem.query)
    likeness = np.where(found.others, query if signed else np.abs(query), -np.inf)
    nearest = int(np.argmax(likeness))
    if likeness[nearest] >= (query[target] if signed else abs(query[target])):
        other = f"{'' if query[nearest] >= 0 else 'the negative of '}pattern {nearest} (overlap {query[nearest]:.2f})"
        return f"The query is no nearer to the target (overlap {query[target]:.2f}) than to {other}", []
    if query[target] <= 0 and not signed:
        text = f"The query is no nearer to the target than to its negative (overlap {query[target]:.2f})"
        return f"{text}, and this memory does not distinguish the two", []
    rate, first_rate = np.max(np.abs(found.rates[-1])), np.max(np.abs(found.rates[0]))
    if not signed and rate < first_rate / 2:
        at = f"At σ = {values['slope']:g} the" if "slope" in values else "The"
        text = f"{at} neurons fall silent: the largest rate falls from {first_rate:.2g} to {rate:.2g}"
        return text, [_set(settings, slope=factor * values.get("slope", 1)) for factor in (3, 10, 100)]

    paths = found.overlaps if signed else np.abs(found.overlaps)
    leads = not found.others.any() or paths[-1, 0] > paths[-1, 1]
    if leads and found.residual > SETTLED:
        text = f"The recall is not finished at t₁ = {t1:g}, where the overlap with the target is {paths[-1, 0]:.2f}"
        return text, [_set(settings, t1=max(10 * t1, 3 * slowest))]
    if regime == "frozen" or np.isnan(found.waiting_gains).any():
        text = f"Frozen gains weigh all {load} patterns alike" if regime == "frozen" else "No gain selects a pattern here"
        fewer = [len(problem.query) // part for part in (3, 7, 14)]  # a Hopfield network recalls up to 0.14 N
        return f"{text}, and the others outweigh the target", [{"num_patterns": few} for few in fewer if target < few < load]

    if getattr(settings.values.get("gap_junctions"), "kind", "none") != "none":
        return "Gap junctions feed the gains besides the scores", [{"gap_strength": 0.0}]

    # While neurons wait at the query, gains tend to those of g(m)/T. Slower neurons can help only where the target wins there.
    waiting = found.waiting_gains[0]
    if waiting <= DECIDED or regime != "dynamic" or (leads and final > DECIDED):
        temperature = values.get("temperature", 1)
        text = f"At T = {temperature:g} the gains do not decide: while neurons stay at the query, that of the target tends to "
        below = COOLINGS[1:][found.waiting_gains[1:] > CLEAR][:1]
        text += f"{waiting:.2g}; at the end it is {final:.2g}"
        return text, [_set(settings, temperature=temperature * one) for one in below]
    text = "The neurons moved before the gains decided: "
    if leads:
        text += f"the target's overlap went from {paths[0, 0]:.2f} to {paths[-1, 0]:.2f}, its gain only to {final:.2g}"
    else:
        crossed, undecided = np.flatnonzero(paths[:, 1] >= paths[:, 0]), np.flatnonzero(found.gains[:, 1] <= DECIDED)
        text += f"they were nearer to pattern {found.shown[1]} than to the target by t ≈ {found.times[crossed[0]]:.2g}, "
        won = undecided[-1] + 1
        text += f"before its gain won at t ≈ {found.times[won]:.2g}" if won < len(found.times) else "when no gain had won"
    # Driven by a single pattern, a neuron changes its sign within a time of τx/c.
    slower = [(factor * slowest, 3 * factor * slowest / (1 if signed else load)) for factor in (10, 30, 100)]
    return text, [_set(settings, tau_x=slow, t1=max(t1, enough)) for slow, enough in slower]


def _set(settings: Settings, **wanted: float) -> Changes:
    """The values of sliders nearest to the wanted ones, without those that are set already or that the memory has not."""
    values = settings.numbers
    nearest = {
        name: min(settings.spread(name), key=lambda one: abs(math.log(one / value)))
        for name, value in wanted.items()
        if name in values
    }
    return {name: value for name, value in nearest.items() if value != values[name]}
