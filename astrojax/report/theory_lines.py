"""What theory says of a run: lines and thresholds that its figures show beside the means."""

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from .. import theory
from .._internal.errors import InputError, shown
from ..config.run import Config
from ..config.sections import PARTS, Unread, sections_in
from ..theory.capacity import SCORES

_capacity = functools.cache(theory.hopfield_capacity)  # which takes a second


class Line(NamedTuple):
    """A line of a figure: values at every position along its axis, or the one position of a vertical line."""

    label: str
    model: str | None  # `None` for a decoder
    style: str
    values: np.ndarray | float


def lines_of(config: Config, results: xr.Dataset, observable: str, along: str) -> list[Line]:
    """The lines for means of an observable along an axis, over all other axes of the results; none where nothing is known.

    Raises `InputError` if the configuration is not that of the results.
    """
    if not isinstance(config, Config):
        raise InputError(f"theory must be the configuration of the run, as load_config returns it; got {shown(config)}")
    is_read = not any(isinstance(one, Unread) for one in sections_in(config))
    if is_read and config.sha256() != results.attrs.get("config_sha256"):
        raise InputError("theory must be the configuration of these results; got that of another run")
    low, high = results[along].values.min(), results[along].values.max()
    found = list(_lines(config, results, observable, along)) if config.patterns.kind == "random" else []
    known = [one for one in found if np.isfinite(one.values).any()]
    return [one for one in known if isinstance(one.values, np.ndarray) or low <= one.values <= high]


def _lines(config: Config, results: xr.Dataset, observable: str, along: str) -> Iterator[Line]:
    def known(default: Any, *names: str) -> Any:
        """A number at every position, from the first coordinate of these names; `None` where it has several."""
        for name in names:
            if name in results.coords:
                if results[name].dims == (along,):
                    return results[name].values
                default = results[name].item() if results[name].size == 1 else None
                break
        return np.full(results.sizes[along], default) if isinstance(default, int | float) else None

    sizes, loads = known(getattr(config.patterns, "num_neurons", None), "patterns.num_neurons"), known(None, "num_patterns")
    has_exact = observable in ("hamming_error", "success")
    flips = known(None, "num_flips") if config.corruption.kind == "flips" and has_exact else None
    if sizes is None or loads is None:
        return
    if flips is not None:
        points = list(zip(sizes.tolist(), loads.tolist(), flips.tolist(), strict=True))
        for signed, label, style in ((True, "", "--"), (False, ", blind to x → −x", ":")):
            values = [getattr(theory.nearest_pattern(*point, signed=signed), observable) for point in points]
            yield Line(f"nearest pattern{label}, exact", None, style, np.array(values))
    size, load = sizes[0], math.log(loads[0]) / sizes[0]
    for name in map(str, results.model.values):
        model = config.models[name]
        kinds = {part: getattr(getattr(model, part, None), "kind", "") for part in PARTS.values()}
        if kinds["activation"] not in ("", "tanh"):
            continue
        axes = (f"models.{name}.temperature", "temperature")
        temperatures = known(getattr(model, "temperature", None), *axes)
        slopes = known(getattr(model, "slope", None), f"models.{name}.slope", "slope")
        score = "linear" if model.kind == "modern_hopfield" else kinds["score"]
        is_biased = any(getattr(model, prior, None) for prior in ("logit_bias", "initial_gain_logits"))
        is_simple = kinds["gain_map"] in ("", "softmax") and kinds["gap_junctions"] in ("", "none") and not is_biased
        is_gated = is_simple and getattr(model, "gain_regime", "") != "frozen"
        if flips is not None and is_gated and score in SCORES and temperatures is not None and 2 * flips[0] <= size:
            threshold = math.nan
            if along in axes and load <= math.log(2):
                threshold = theory.critical_temperature(flips[0] / size, load, score)
            elif along == "num_patterns":
                threshold = theory.num_patterns_at(theory.recall_threshold(flips[0] / size, temperatures[0], score), size)
            yield Line("threshold, N → ∞", name, "--", threshold)
        is_shown = along == "num_patterns" and observable in ("hamming_error", "overlap")
        if model.kind == "hopfield" and slopes is not None and is_shown:
            given = {"slope": slopes[0], "zero_diagonal": model.zero_diagonal}
            states = [theory.hopfield_recall(one, **given) for one in np.minimum(loads / size, 1)]
            values = [one.overlap if observable == "overlap" else size * one.error_rate for one in states]
            kept = np.where([one.overlap > 0 for one in states], values, np.nan)
            yield Line("mean field, from pattern", name, "-.", kept)
            yield Line("capacity, mean field", name, "-.", _capacity(**given) * size)
