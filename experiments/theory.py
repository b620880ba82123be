"""Theory beside simulation: the page docs/theory.md with its figures. `python experiments/theory.py`, about five minutes."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from measures import stored
from page import Page, markdown
from scipy.optimize import brentq, isotonic_regression

import astrojax as aj
from astrojax._internal.files import write_file
from astrojax.report.drawing import COLORS, MARKERS, add_legend

SIZES: dict[int, dict[str, Any]] = {
    32: {},
    64: {"axes.num_patterns": [2**power for power in range(1, 12)], "axes.temperature": [2, 4, 8, 16, 32]},
    128: {"axes.num_patterns": [2**power for power in range(2, 13)], "axes.temperature": [8, 16, 32]},
    256: {"axes.num_patterns": [2**power for power in range(4, 13)], "axes.temperature": [16, 32]},
}
"""Numbers of neurons at which thresholds are measured, and the loads and temperatures that can be had there."""

NOISE_LEVEL = 0.25

HOPFIELD_SIZES = (32, 64, 128, 256, 512, 1024)
LOADS = (0.02, 0.05, 0.08, 0.1, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16, 0.18, 0.2, 0.25, 0.3, 0.4)
STAYS = 0.8
"""Overlap above which a pattern counts as retrieved; up to its capacity the mean field has more."""


SCORES, SHOWN = ("linear", "squared"), 16.0
SLOPES = {"slope 5": 5.0, "slope 50": 50.0}


def main() -> None:
    page = Page("Theory beside simulation")
    page.text(
        "[`aj.theory`](reference/theory.md) has what is known of random ±1 patterns: the exact error of the nearest pattern "
        "at any size, and, for N → ∞, thresholds of recall and the mean field of the Hopfield network. This page compares it "
        "with simulations, made by `python experiments/theory.py` from `configs/theory_*.yaml`. Where a result is for N → ∞, "
        "the distance at finite N is stated. `astrojax show RUN --theory` draws the same lines over the figures of any run "
        "([figures](guides/figures.md#theory-beside-simulation))."
    )
    decoder(page, 10_000)
    thresholds(page, 100)
    hopfield(page, 100)
    path = Path("docs") / "theory.md"
    for name, block in page.figures.items():
        (path.parent / "theory").mkdir(exist_ok=True)
        write_file(path.parent / "theory" / f"{name}.png", block.picture.content)
    write_file(path, markdown(page, "theory").encode())


def decoder(page: Page, trials: int) -> None:
    """Exact errors of the nearest pattern beside simulated ones."""
    results = stored("theory_decoder", trials)
    errors = results.decoder_error
    figure = Figure(figsize=(5.6, 3.8), layout="constrained")
    ax = figure.subplots()
    deviations = []
    fine = np.unique(np.geomspace(2, 200, 60).round().astype(int)).tolist()
    for color, flips in zip(COLORS, results.num_flips.values.tolist(), strict=False):
        for kind, style, marker in (("signed", "-", "o"), ("unsigned", "--", "s")):
            exact = [aj.theory.nearest_pattern(20, load, flips, signed=kind == "signed").hamming_error for load in fine]
            ax.plot(fine, exact, style, color=color, label=f"n = {flips}, {kind}")
            values = errors.sel(decoder=f"nearest_{kind}", num_flips=flips).transpose("num_patterns", "trial").values
            ax.plot(results.num_patterns, values.mean(axis=1), marker, color=color, markersize=4)
            for load, sample in zip(results.num_patterns.values.tolist(), values, strict=True):
                expected = aj.theory.nearest_pattern(20, load, flips, signed=kind == "signed").hamming_error
                deviations.append(abs(sample.mean() - expected) / sample.std() * math.sqrt(sample.size))
    ax.set(xscale="log", xlabel="memory load $K$", ylabel="mean Hamming error")
    add_legend(figure, ax.get_legend_handles_labels()[0])
    page.text("## The nearest pattern, exactly")
    page.figure(
        "decoder",
        figure,
        f"Lines: exact expected error of the nearest pattern, N = 20. Points: the decoders of the package, {trials:,} problems "
        "each.",
    )
    page.text(
        f"Of {len(deviations)} simulated means {np.mean(np.array(deviations) < 2):.0%} are within 2 standard errors of the "
        f"exact values, and the farthest is {max(deviations):.1f} away. The formula holds for any N, K and n; at K = 10¹² it "
        "agrees with exact arithmetic to nine digits."
    )


def thresholds(page: Page, trials: int) -> None:
    """Loads up to which queries are recalled, over the temperature."""
    figure = Figure(figsize=(8.4, 6.4), layout="constrained")
    panels = figure.subplots(2, 2, sharey="row")
    found: dict[tuple[str, float], dict[int, float]] = {}
    fine = np.geomspace(0.4, 40, 200)
    for score, (above, below) in zip(SCORES, panels.T, strict=True):
        below.plot(fine, [aj.theory.recall_threshold(NOISE_LEVEL, T, score) for T in fine], "k", label="theory, N → ∞")
        above.axvline(aj.theory.recall_threshold(NOISE_LEVEL, SHOWN, score), color="k", linewidth=1)
        above.set(xlabel="load log(K)/N", title=f"{score} score, T = {SHOWN:g}", xlim=(0, 0.15))
        below.set(xlabel="temperature $T$", xscale="log", ylim=(0, 0.25))
    for color, marker, (size, overrides) in zip(COLORS, MARKERS, SIZES.items(), strict=False):
        given = {"patterns.num_neurons": size, "axes.num_flips": round(NOISE_LEVEL * size), **overrides} if overrides else {}
        results = stored("theory_thresholds", trials, str(size), **given).squeeze("num_flips")
        loads, temperatures = np.log(results.num_patterns.values) / size, results.temperature.values.tolist()
        style = {"color": color, "marker": marker, "markersize": 4, "linewidth": 0.7, "label": f"N = {size}"}
        for score, (above, below) in zip(SCORES, panels.T, strict=True):
            success = results.success.sel(model=score).transpose("temperature", "num_patterns", "trial").values
            shares = success.mean(axis=-1)
            above.plot(loads, shares[temperatures.index(SHOWN)], **style)
            halves = [crossing(loads, share) for share in shares]
            below.plot(temperatures, halves, **style)
            for temperature, half in zip(temperatures, halves, strict=True):
                found.setdefault((score, temperature), {})[size] = half
    panels[0, 0].set_ylabel("success")
    panels[1, 0].set_ylabel("load log(K)/N of half success")
    add_legend(figure, [*panels[0, 0].get_legend_handles_labels()[0], panels[1, 0].lines[0]])
    page.text(
        "## Thresholds over the temperature\n\nA query with the noise level η is recalled at the load α = log(K)/N while its "
        "target outweighs the other patterns, of which there are exponentially many at every overlap. Below "
        "`aj.theory.best_temperature` this holds up to the capacity of the flip channel, log 2 − H(η), as for the nearest "
        "pattern; above it the threshold falls."
    )
    page.figure(
        "thresholds",
        figure,
        f"Gains at once, a quarter of the query flipped, {trials} trials, horizon 10. Above: success at T = {SHOWN:g}, with "
        "the threshold for N → ∞ as a vertical line. Below: the load at which half of the queries are recalled, and the "
        "threshold.",
    )
    header = ["score", "T", "theory, N → ∞", *(f"N = {size}" for size in SIZES)]
    rows = []
    for (score, temperature), halves in sorted(found.items()):
        theory = aj.theory.recall_threshold(NOISE_LEVEL, temperature, score)
        known = [halves.get(size, math.nan) for size in SIZES]
        cells = [f"{half:.3f} ({half - theory:+.3f})" if half == half else "–" for half in known]
        rows.append([score, f"{temperature:g}", f"{theory:.3f}", *cells])
    for signed, name in ((True, "signed"), (False, "unsigned")):
        capacity, halves = aj.theory.channel_capacity(NOISE_LEVEL), [half_load(size, signed) for size in SIZES]
        cells = [f"{half:.3f} ({half - capacity:+.3f})" for half in halves]
        rows.append([f"nearest pattern, {name}, exact", "", f"{capacity:.3f}", *cells])
    rows.append(["log(N)/N", "", "0", *(f"{math.log(size) / size:.3f}" for size in SIZES)])
    page.table(header, rows)
    page.text(
        "Loads log(K)/N at which half of the queries are recalled, and in brackets how far they are above the theory for "
        "N → ∞. –: outside the range of loads that was run; at N = 256 a load of 0.035 is K = 8,000 already. The "
        "deviations are large, since theory compares exponents only, and a factor in K adds its logarithm divided by N. "
        "At low temperature they are those of the exact nearest pattern. Warm memories recall more patterns than exp(Nα), "
        "by a factor that approaches the order of T with the linear score, as N grows, and about N with the squared one: "
        "where gains are nearly uniform, the other patterns hold a neuron in its state with a weight of only tanh(1/T), "
        "or 1/N, and the target needs a gain of that size, not of one half."
    )


def crossing(positions: np.ndarray, shares: np.ndarray, level: float = 0.5) -> float:
    """Where shares that are made to fall pass a level; NaN if they do not between the ends."""
    falling = isotonic_regression(shares, increasing=False).x
    below = np.flatnonzero(falling < level)
    if not below.size or not below[0]:
        return math.nan
    last = below[0]
    return float(np.interp(-level, -falling[last - 1 : last + 1], positions[last - 1 : last + 1]))


def half_load(size: int, signed: bool) -> float:
    """The load log(K)/N at which the nearest pattern is the target in half of the problems, exactly."""

    def excess(log_load: float) -> float:
        return (
            aj.theory.nearest_pattern(size, round(math.exp(log_load)), round(NOISE_LEVEL * size), signed=signed).success - 0.5
        )

    return brentq(excess, math.log(2), 41, xtol=1e-6) / size


def hopfield(page: Page, trials: int) -> None:
    """Overlaps of Hopfield networks with a stored pattern beside the mean field."""
    figure = Figure(figsize=(8.4, 3.8), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    rows: dict[str, list[str]] = {name: [] for name in SLOPES}
    for color, marker, size in zip(COLORS, MARKERS, HOPFIELD_SIZES, strict=False):
        loads = sorted({round(load * size) for load in LOADS} - {0})
        given = {} if size == 256 else {"patterns.num_neurons": size, "axes.num_patterns": loads}
        results = stored("theory_hopfield", trials, str(size), **given).squeeze("num_flips")
        loads = results.num_patterns.values / size
        for ax, (name, slope) in zip(panels, SLOPES.items(), strict=True):
            values = results.overlap.sel(model=name).transpose("num_patterns", "trial").values
            style = {"color": color, "marker": marker, "markersize": 4, "linewidth": 0.7}
            ax.plot(loads, np.median(values, axis=1), label=f"N = {size}", **style)
            half, capacity = crossing(loads, (values > STAYS).mean(axis=1)), aj.theory.hopfield_capacity(slope)
            at = int(np.argmin(np.abs(loads - 0.08)))
            expected = aj.theory.hopfield_recall(loads[at], slope).overlap
            beyond = f"above {loads[-1]:.2f}" if math.isnan(half) else f"{half:.3f} ({half / capacity - 1:+.0%})"
            rows[name] += [beyond, f"{np.median(values[at]) - expected:+.4f}"]
    for ax, slope in zip(panels, SLOPES.values(), strict=True):
        capacity = aj.theory.hopfield_capacity(slope)
        fine = capacity - np.geomspace(1e-5, capacity - 0.005, 80)
        overlaps = [aj.theory.hopfield_recall(load, slope).overlap for load in fine]
        ax.plot(fine, overlaps, "k", label="mean field, N → ∞")
        ax.axvline(capacity, color="k", linestyle=":", linewidth=1)
        ax.set(xlabel="load K/N", title=f"slope σ = {slope:g}")
    panels[0].set_ylabel("median overlap")
    add_legend(figure, panels[0].get_legend_handles_labels()[0])
    page.text(
        "## The Hopfield network\n\nA stored pattern is the query; does it stay? The mean field of binary neurons has the "
        f"capacity {aj.theory.hopfield_capacity():.4f} (Amit, Gutfreund and Sompolinsky 1985: 0.138), that of neurons with "
        f"the slope σ in continuous time, without self-couplings, {aj.theory.hopfield_capacity(5.0):.4f} at σ = 5 and "
        f"{aj.theory.hopfield_capacity(50.0):.4f} at σ = 50; with the self-couplings that the paper keeps, "
        f"{aj.theory.hopfield_capacity(5.0, zero_diagonal=False):.4f} at σ = 5."
    )
    page.figure("hopfield", figure, f"Median overlap at t = 200, {trials} trials; dotted: the capacity of the mean field.")
    cells = [
        [f"N = {size}"] + [rows[name][2 * at + part] for name in SLOPES for part in (0, 1)]
        for at, size in enumerate(HOPFIELD_SIZES)
    ]
    capacities = [f"{aj.theory.hopfield_capacity(slope):.3f}" for slope in SLOPES.values()]
    page.table(
        ["", *(f"{name}: {what}" for name in SLOPES for what in ("α of half retrieval", "overlap at K/N ≈ 0.08"))],
        [*cells, ["mean field", capacities[0], "0", capacities[1], "0"]],
    )
    page.text(
        f"The load at which half of the queries keep an overlap above {STAYS:g}, with its distance from the capacity of the "
        "mean field, and the median overlap minus the mean field's at the load nearest to 0.08. Below the capacity the "
        "overlaps agree; the capacity itself is approached slowly from above: in a small network some sets of patterns are "
        "retrieved well beyond it."
    )


if __name__ == "__main__":
    main()
