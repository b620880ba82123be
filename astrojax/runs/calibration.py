"""How well the time grids of a run agree with much finer ones, on pilot problems that are in no run."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..sweep.engine import Session
from ..sweep.trials import RecallTrial
from .plan import Part, Plan

NUM_PILOTS = 512
"""Number of pilot problems of a model, spread evenly over its axes."""

FINER = 8
"""Factor by which the grids of the comparison have more steps."""

FINEST = 32
"""Largest refinement."""

COMPARED = {True: ("hamming_error", "overlap"), False: ("identified", "rmse")}
"""The observables of pilot problems, whatever a run stores: whether their patterns are of ±1 or not."""

LAST_TRIAL = 2**31 - 1
"""Pilot problems count down from the last possible trial."""


def calibrate(plan: Plan, session: Session, outcome_error: float | None) -> dict[str, dict[str, float | int]]:
    """How well the time grids of each model agree with finer ones, refined until `differ` is at most `outcome_error`, if given.

    By model: `refinement`; `pilots`, their number; `differ`, the share whose Hamming error differs on the finer grid; and
    `overlap_error`, the 99% quantile of differences of overlaps among the others. For patterns that are not of ±1, `differ` is
    the share that identifies another pattern, and `rmse_error` that quantile of root mean squared errors.
    """
    parts: dict[str, list[Part]] = {}
    for part in plan.grid_parts:
        parts.setdefault(part.name, []).append(part)
    found: dict[str, dict[str, float | int]] = {}

    def refine(name: str) -> None:
        refinement = 1.0
        while True:
            found[name] = {"refinement": refinement} | _compare(parts[name], session, refinement)
            if outcome_error is None or found[name]["differ"] <= outcome_error or 2 * refinement > FINEST:
                return
            refinement *= 2

    session.run([functools.partial(refine, name) for name in parts])
    return {name: found[name] for name in parts}


def _compare(parts: Sequence[Part], session: Session, refinement: float) -> dict[str, float | int]:
    each = -(-NUM_PILOTS // len(parts))
    outcomes = [_pair(part, session, each, refinement) for part in parts]
    compared = COMPARED[parts[0].sweep.sample.task.is_binary]
    (errors, overlaps), (finer_errors, finer_overlaps) = (
        [np.concatenate([pair[i][name] for pair in outcomes]) for name in compared] for i in (0, 1)
    )
    known = np.isfinite(errors) & np.isfinite(finer_errors)
    differ = known & (errors != finer_errors)
    gaps = np.abs(overlaps - finer_overlaps)[known & ~differ]
    return {
        "pilots": int(known.sum()),
        "differ": float(differ.sum() / max(known.sum(), 1)),
        f"{compared[1]}_error": float(np.quantile(gaps, 0.99)) if gaps.size else 0.0,
    }


def _pair(part: Part, session: Session, number: int, refinement: float) -> tuple[dict[str, Any], dict[str, Any]]:
    sample = dataclasses.replace(part.sweep.sample, refinement=refinement)
    compared = COMPARED[sample.task.is_binary]
    if not set(compared) <= part.outputs.keys():
        sample = dataclasses.replace(sample, observables=compared)
    own = _outcomes(part, session, number, sample)
    # Finer grids may have more steps than those of a run, unless it is only a few pilots that need so many.
    usual = np.quantile(own["num_steps"], 0.99)
    most = max(sample.max_steps, 2 ** math.ceil(math.log2(FINER * usual)))
    return own, _outcomes(part, session, number, dataclasses.replace(sample, refinement=FINER * refinement, max_steps=most))


def _outcomes(part: Part, session: Session, number: int, sample: RecallTrial) -> dict[str, Any]:
    places = np.arange(number)
    lanes = part.lanes((places * part.sweep.grid.size) // number)
    trials: dict[str, Any] = {"trial": (LAST_TRIAL - places).astype(np.int32)}
    # Under a name of their own, so that the timings of a model are those of its run alone.
    name = f"{lanes.name}, pilots"
    return session.compute(lanes._replace(name=name, sample=sample, coordinates=lanes.coordinates | trials))
