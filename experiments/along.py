"""Figs. 1 to 3: one parameter swept, at the paper's horizon and at ten times it, beside the paper's Euler protocol."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from figures import convergence, sweep_figure
from measures import CONFIGS, ERRORS, HEADLINE, RUNS, fewer, mean, stored
from medians import EXPLAINED, described
from page import Page
from protocol import TRIALS, euler

import astrojax as aj

PRECISE = {"solver": "tsit5", "rtol": 1e-7, "atol": 1e-7, "max_steps": 1_000_000, "convergence_speed": None}
"""Settings of retrieval at high precision: another solver than that of the sweep."""


OUTCOMES = {"retrieval.convergence_speed": None, "retrieval.rtol": 3e-3, "retrieval.atol": 3e-3}
"""Settings of the sweeps of many problems: outcomes alone, all at one tolerance, so that equal points have equal values."""


@dataclass(frozen=True)
class Along:
    """A figure of the paper: the name of its configuration, the parameter that is swept, and the trials of other parts."""

    name: str
    axis: str
    trials: int
    smallest: float = 0.0
    """Smallest value at which the Euler protocol is repeated."""

    @cached_property
    def times(self) -> xr.Dataset:
        """The sweep with convergence times, on the first of the problems: along the parameter, the horizon and trials."""
        return one_axis(stored(self.name, fewer(self.trials, 0.2)), self.axis)

    @cached_property
    def results(self) -> xr.Dataset:
        """Outcomes of many problems, along the parameter, the horizon and trials."""
        config = aj.load_config(CONFIGS / f"{self.name}.yaml")
        (values,) = [named[self.axis] for named in config.axes.coordinates().values() if self.axis in named]
        axes = {"axes.zipped": {}, f"axes.{self.axis}": values}
        return one_axis(stored(self.name, HEADLINE * self.trials, "outcomes", **axes, **OUTCOMES), self.axis)

    @cached_property
    def values(self) -> np.ndarray:
        """Every other value of the sweep, where it is compared with the paper's protocol and with high precision."""
        swept = self.results[self.axis].values[1::2]
        return swept[swept >= self.smallest]

    @cached_property
    def euler(self) -> xr.Dataset:
        """By the paper's protocol, on the first trials."""
        return euler(self.name, self.axis, self.values, RUNS)

    @cached_property
    def precise(self) -> xr.Dataset:
        """The same trials at high precision."""
        axes = {"axes.zipped": {}, f"axes.{self.axis}": self.values.tolist(), "axes.retrieval.t1": [10]}
        settings = {f"retrieval.{name}": value for name, value in PRECISE.items()}
        return one_axis(stored(self.name, TRIALS, "precise", **axes, **settings), self.axis).squeeze("retrieval.t1")

    def at(self, value: float, variable: str = "hamming_error", horizon: float = 10.0) -> np.ndarray:
        """An observable of all problems at the value of the sweep nearest to the given one, by ratio."""
        return self._nearest(self.results[variable], value, horizon)

    def agreement(self, other: xr.Dataset) -> str:
        """Describe how near mean errors and outcomes are to another solution of the same problems."""
        ours = self.results.hamming_error.sel({"retrieval.t1": 10.0, self.axis: self.values}).isel(trial=slice(TRIALS))
        difference = (ours - other.hamming_error).transpose(self.axis, "trial").values
        return agreement(
            difference, {f"{self.axis} = {value:g}": row for value, row in zip(self.values, difference, strict=True)}
        )

    def section(self, page: Page, title: str, text: str) -> None:
        """Add the figure's part of the page."""
        page.text(f"## {title}\n\n{text}")
        number = self.results.sizes["trial"]
        caption = (
            f"{number:,} problems at every value, the same at both horizons; σ = 5. Squares: the paper's protocol, "
            f"explicit Euler on the gains, on the first {TRIALS} of these problems, at horizon 10; circles: the same problems "
            "at tolerance 10⁻⁷ by Tsit5."
        )
        page.figure(self.name, sweep_figure(self.results, self.axis, protocol=self.euler, precise=self.precise), caption)
        page.text(
            f"Against the paper's protocol: {self.agreement(self.euler)}. Against high precision: "
            f"{self.agreement(self.precise)}."
        )
        page.figure(
            f"{self.name}_convergence",
            convergence(self.times, self.axis),
            f"Convergence times, by event, of {self.times.sizes['trial']} problems. A recall counts as converged when "
            "neurons and gains both move more slowly than the speed in the configuration.",
        )
        rows = [
            [f"{value:.3g}"]
            + [
                cell
                for t1 in (10.0, 100.0)
                for cell in (described(self.at(value, horizon=t1)), mean(self.at(value, horizon=t1), ERRORS))
            ]
            + [f"{self.censored(value, t1):.0%}" for t1 in (10.0, 100.0)]
            for value in self.results[self.axis].values
        ]
        ends = [f"{what} at {t1}" for t1 in (10, 100) for what in ("median error", "mean")]
        page.table([self.axis, *ends, "not converged by 10", "by 100"], rows)
        page.text(
            f"Hamming errors of {number:,} problems: {EXPLAINED}, and mean. Not converged: of {self.times.sizes['trial']}."
        )

    def censored(self, value: float, horizon: float) -> float:
        """Share of the recalls that are not known to have converged by a horizon."""
        return float(np.mean(~np.isfinite(self._nearest(self.times.convergence_time, value, horizon))))

    def _nearest(self, values: xr.DataArray, value: float, horizon: float) -> np.ndarray:
        nearest = int(np.argmin(np.abs(np.log(values[self.axis].values / value))))
        return values.isel({self.axis: nearest}).sel({"retrieval.t1": horizon}).values


def agreement(difference: np.ndarray, places: dict[str, np.ndarray]) -> str:
    """Describe how many Hamming errors of two solutions of the same problems are equal, and where they are not."""
    same = np.abs(difference) < 0.25
    gap = max(abs(float(np.mean(row))) for row in places.values())
    apart = [f"{np.sum(np.abs(row) >= 0.25)} at {place}" for place, row in places.items() if np.any(~(np.abs(row) < 0.25))]
    others = f"; the others: {', '.join(apart)}" if apart else ""
    return f"the same Hamming error in {same.sum()} of {same.size} trajectories, mean errors within {gap:.2f}{others}"


def one_axis(results: xr.Dataset, axis: str) -> xr.Dataset:
    """The results of the astrocyte memory with the swept parameter as a dimension."""
    chosen = results.sel(model="astrocyte").squeeze([dim for dim in ("num_patterns", "num_flips") if dim in results.dims])
    zipped = [dim for dim in chosen[axis].dims if dim != axis]
    return chosen.swap_dims({zipped[0]: axis}) if zipped else chosen
