"""Explains a failed recall in one sentence. Causes follow from the trajectory; a remedy is named only if it was tried."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..solve.retrieve import Status
from .compute import Answer, Problem
from .settings import NUMBERS, Settings, spread

MOST_TRIED = 3
"""Most remedies that are tried; all use the program that is compiled already."""

SETTLED = 0.05
"""Largest residual of an end that counts as an equilibrium."""

CLEAR = 0.9
"""Least gain that the target should reach at a proposed temperature while neurons stay at the query."""

DECIDED = 0.5
"""A pattern with a larger gain outweighs all others together."""

REMEDIES = {
    "num_patterns": "fewer patterns, K",
    "temperature": "a lower temperature, ",
    "tau_x": "slower neurons, ",
    "slope": "a steeper firing rate, ",
    "t1": "a longer horizon, ",
}

Changes = dict[str, Any]
Cause = tuple[str, list[Changes]]


def explain(settings: Settings, problem: Problem, found: Answer, solve: Callable[[Settings], Answer]) -> str:
    """Why a recall failed, with a remedy where one recalls the target; empty for success, and for a failed status.

    Arguments:
        settings, problem, found: the setting and its outcome.
        solve: the outcome of other settings of this problem; called at most `MOST_TRIED` times.
    """
    if found.statuses["memory"] != Status.OK or found.is_recalled:
        return ""
    causes = list(_causes(settings, problem, found))
    for text, changes in [(text, changes) for text, remedies in causes for changes in remedies if changes][:MOST_TRIED]:
        if solve(settings.change(**changes)).is_recalled:
            symbols = {name: NUMBERS[name].symbol if name in NUMBERS else "" for name in changes}
            named = " and ".join(f"{REMEDIES[name]}{symbols[name]} = {value:g}," for name, value in changes.items())
            several = len(changes) > 1 or not changes.keys().isdisjoint(("num_patterns", "tau_x"))
            return f"{text}; {named} {'recall' if several else 'recalls'} the target."
    return f"{causes[-1][0]}."


def _causes(settings: Settings, problem: Problem, found: Answer) -> Iterator[Cause]:
    """Causes that fit, the most telling one last, each with its remedies."""
    values, regime, signed, target = settings.values, settings.options().get("gain_regime"), found.signed, settings.target
    temperature, tau_x, t1 = values["temperature"], values["tau_x"], values["t1"]
    dynamic, final = regime == "dynamic", found.gains[-1, 0]
    query = problem.query @ problem.patterns / len(problem.query)
    likeness = np.where(found.others, query if signed else np.abs(query), -np.inf)
    nearest, own = int(np.argmax(likeness)), query[target] if signed else abs(query[target])
    if likeness[nearest] >= own:
        name = f"{'' if query[nearest] >= 0 else 'the negative of '}pattern {nearest} (overlap {query[nearest]:.2f})"
        its = f"to the target ({query[target]:.2f})"
        if likeness[nearest] == own:
            yield f"The query is as near to {name} as {its}: only chance can decide", []
        else:
            yield f"The query is nearer to {name} than {its}: the nearest-pattern decoder fails too", []
        return
    if query[target] <= 0 and not signed:
        text = f"The query is no nearer to the target than to its negative (overlap {query[target]:.2f})"
        yield f"{text}, and this memory does not distinguish the two", []
        return
    rate, first_rate = np.max(np.abs(found.rates[-1])), np.tanh(values["slope"])
    if not signed and rate < first_rate / 2:
        text = f"At σ = {values['slope']:g} the neurons fall silent: the largest rate falls from {first_rate:.2g} to {rate:.2g}"
        yield text, [_set(settings, slope=factor * values["slope"]) for factor in (3, 10, 100)]
        return

    paths = found.overlaps if signed else np.abs(found.overlaps)
    leads = not found.others.any() or paths[-1, 0] > paths[-1, 1]
    unfinished, longer = leads and found.residual > SETTLED, {}
    if unfinished:
        slowest = max(tau_x, values["tau_p"] if dynamic else 0)
        longer = _set(settings, t1=max(10 * t1, 3 * slowest))
        text = f"The recall is not finished at t₁ = {t1:g}, where the overlap with the target is {paths[-1, 0]:.2f}"
        yield text, [longer]
    if regime == "frozen" or np.isnan(found.query_scores).all():
        fewer = [len(problem.query) // part for part in (3, 7, 14)]  # a Hopfield network recalls up to 0.14 N
        weighed = "Frozen gains weigh" if regime == "frozen" else "This memory weighs"
        text = f"{weighed} all {settings.num_patterns} patterns alike, and the others outweigh the target"
        yield text, [{"num_patterns": load} | longer for load in fewer if target < load < settings.num_patterns]
        return

    # While neurons wait at the query, gains tend to softmax(g(m)/T). Slower neurons can help only where the target wins there.
    behind = found.query_scores[found.others] - found.query_scores[target]
    waiting = _waiting_gain(behind, temperature)
    slower = []
    if dynamic:
        for factor in (10, 30, 100):
            change = _set(settings, tau_x=factor * max(tau_x, values["tau_p"]))
            # Driven by a single pattern, a neuron changes its sign within a time of τx/c.
            enough = 3 * change.get("tau_x", tau_x) / (1 if signed else settings.num_patterns)
            slower.append(change | (_set(settings, t1=enough) if enough > t1 else {}))
    if waiting <= DECIDED or not dynamic or (leads and final > DECIDED and not unfinished):
        if waiting <= DECIDED:
            text = f"gains cannot decide from the query: if the neurons waited, the target's would come to {waiting:.2g}"
        else:
            text = f"gains stay mixed: that of the target is {waiting:.2g} at the query and {final:.2g} at the end"
        below = [value for value in spread("temperature") if value <= temperature / 2]
        colder = [{"temperature": value} for value in reversed(below) if _waiting_gain(behind, value) > CLEAR][:1]
        yield f"At T = {temperature:g} the {text}", [cold | longer | slow for cold in colder for slow in ({}, *slower)]
    elif final <= DECIDED or not leads:
        text = "The neurons moved before the gains decided: "
        crossed, undecided = np.flatnonzero(paths[:, 1:2] >= paths[:, :1]), np.flatnonzero(found.gains[:, 1:2] <= DECIDED)
        if leads:
            text += f"the target's overlap went from {paths[0, 0]:.2f} to {paths[-1, 0]:.2f}, its gain only to {final:.2g}"
        else:
            text += f"they were nearer to pattern {found.shown[1]} than to the target by t ≈ {found.times[crossed[0]]:.2g}, "
            won = undecided[-1] + 1
            text += f"before its gain won at t ≈ {found.times[won]:.2g}" if won < len(found.times) else "when no gain had won"
        yield text, slower


def _waiting_gain(behind: np.ndarray, temperature: float) -> float:
    """Equilibrium gain of the target where the scores of the others minus its own are `behind`."""
    return float(1 / (1 + np.sum(np.exp(behind.astype(float) / temperature))))


def _set(settings: Settings, **wanted: float) -> Changes:
    """The value of a slider nearest to the wanted one; nothing if it is set already."""
    ((name, value),) = wanted.items()
    nearest = min(spread(name), key=lambda one: abs(math.log(one / value)))
    return {} if nearest == settings.values[name] else {name: nearest}
