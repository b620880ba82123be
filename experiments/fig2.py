"""Fig. 2 of Vivet and Arenas (2026), arXiv:2604.25481: fast and slow neurons."""

import numpy as np
from along import Along, one_axis
from measures import Claim, compared, fewer, interval, mean, median, medians_compared, share, stored, verdict

from astrojax.cli import run_config
from astrojax.report.page import Page

FAST = {0.01: 1.8, 0.1: 1.4, 1.0: 0.9}
"""Reference mean Hamming errors."""

SLOW = {100.0: 0.0, 600.0: 4.4, 1000.0: 5.94, 10000.0: 6.0}
"""Reference medians of the soft Hamming error."""


def report(page: Page, trials: int) -> list[Claim]:
    """Add Fig. 2 to the page; claims C7, C8, C9 and C11."""
    figure = Along("fig2", "tau_x", trials)
    figure.section(
        page,
        "Fig. 2: the time constant of the neurons",
        "Fast neurons follow the gains before these have chosen, and commit to a wrong memory more often. Slow neurons "
        "wait for the choice; very slow ones have not moved by the horizon, and their soft error is that of the query.",
    )
    return [commitment(figure), freezing(figure), growth(page, trials), horizons(figure)]


def commitment(figure: Along) -> Claim:
    """C7."""
    found = {value: figure.at(value) for value in FAST}
    perplexity = {value: figure.at(value, "perplexity") for value in FAST}
    wrong = {value: (perplexity[value] < 1.5) & (np.exp(figure.at(value, "log_target_gain")) < 0.5) for value in FAST}
    certain = all(np.nanmedian(values) < 1.05 for values in perplexity.values())
    worse = interval(found[0.01] - found[1.0])[0] > 0
    more = interval(wrong[0.01].astype(float) - wrong[1.0])[0] > 0
    return Claim(
        "C7",
        "τx → 0 commits to a wrong memory with confidence: error up, perplexity low (Fig. 2).",
        verdict([certain, worse, more]),
        f"mean error {'; '.join(f'{mean(errors)} at τx = {value:g}' for value, errors in found.items())}; one gain, and "
        "that of another memory than the target, in "
        f"{'; '.join(f'{share(values)} at τx = {value:g}' for value, values in wrong.items())}; "
        f"median perplexity {', '.join(f'{np.nanmedian(values):.2f}' for values in perplexity.values())}",
        compared(FAST, found),
    )


def freezing(figure: Along) -> Claim:
    """C8."""
    soft = {value: figure.at(value, "soft_hamming_error") for value in SLOW}
    medians = {value: float(np.nanmedian(errors)) for value, errors in soft.items()}
    falls = interval(figure.at(1.0, "soft_hamming_error") - soft[100.0])[0] > 0
    certain, unsure = figure.at(1.0, "perplexity"), figure.at(100.0, "perplexity")
    rises = interval(unsure - certain)[0] > 0
    frozen = abs(medians[10000.0] - 6) < 0.05
    halfway = freeze(figure)
    moved = medians[100.0] < 3  # at τx = 10², where the paper places the freeze
    text = "; ".join(f"{median(errors)} at τx = {value:g}" for value, errors in soft.items())
    return Claim(
        "C8",
        "As τx grows the error falls and the perplexity rises; then the state is frozen and the error is exactly n = 6 "
        "(Fig. 2).",
        verdict([falls, rises, frozen, not moved]),
        f"mean soft error falls from {mean(figure.at(1.0, 'soft_hamming_error'))} at τx = 1 to {mean(soft[100.0])} at 10²; "
        f"mean perplexity goes from {mean(certain)} to {mean(unsure)} there; median soft error {text}. The paper places "
        f"the freeze near τx = 10²; half of the query's error is left at τx = {halfway:.0f}",
        f"{medians_compared(SLOW, soft)}. With the factor K/N of Eq. 5 the chosen pattern drives a neuron by (K/N)(N − 2n) = "
        "60, so that one that is wrong, at −1, passes zero after τx log(61/60) = τx/60: the horizon, less the time in which "
        "the gains choose, for τx somewhat below 600",
    )


def freeze(figure: Along) -> float:
    """The τx at which the median soft error passes half of the query's, by interpolation between neighbours in log τx."""
    taus = figure.results.tau_x.values
    slow = taus >= 100
    errors = [float(np.nanmedian(figure.at(tau, "soft_hamming_error"))) for tau in taus[slow]]
    return float(np.exp(np.interp(3.0, errors, np.log(taus[slow]))))


def growth(page: Page, trials: int) -> Claim:
    """C9, with a horizon that cuts no recall short."""
    results = one_axis(stored("convergence", fewer(trials, 0.2)), "tau_x")
    taus, times = results.tau_x.values, results.convergence_time.transpose("tau_x", "trial").values
    slow = taus >= 10
    resampled = np.random.default_rng(0).integers(times.shape[1], size=(500, times.shape[1]))

    def exponent(chosen: np.ndarray) -> float:
        return float(np.polyfit(np.log(taus[slow]), np.log(np.nanmedian(chosen[slow], axis=1)), 1)[0])

    measured = exponent(times)
    low, high = np.quantile([exponent(times[:, draw]) for draw in resampled], [0.025, 0.975])
    median = np.nanmedian(times, axis=1) / taus
    page.text(
        "Without a horizon, the median time to converge is "
        f"{', '.join(f'{m:.3g} τx at τx = {t:g}' for t, m in zip(taus, median, strict=True) if t >= 1)}. "
        "Once the gains have chosen, x relaxes exponentially to its fixed point, so that the time is a number of τx."
    )
    return Claim(
        "C9",
        "The convergence time grows faster than linearly in τx (Fig. 2).",
        "holds" if low > 1 else "does not hold" if high <= 1 else "not tested",
        f"median time ∝ τx^{measured:.3f} [{low:.3f}, {high:.3f}] (bootstrap) for τx from 10 to 10⁴, until the speed is "
        f"below 0.1/τx; {times.shape[1]} trials of each, {np.sum(~np.isfinite(times))} of {times.size} not converged",
        "to be measured; here no horizon cuts a recall short. At a fixed speed instead of 0.1/τx growth would be slower still: "
        "x relaxes as exp(−t/τx)",
    )


def horizons(figure: Along) -> Claim:
    """C11."""
    recovered = figure.at(600.0) - figure.at(600.0, horizon=100.0)
    remaining = figure.at(0.01) - figure.at(0.01, horizon=100.0)
    parts = [
        interval(recovered)[0] > 0.5 and figure.censored(600, 10.0) > 0.95,
        np.mean(np.abs(remaining)) < 0.2 and figure.censored(0.01, 10.0) < 0.05,
    ]
    return Claim(
        "C11",
        "Real failure can be told from slow convergence (II.3).",
        verdict(parts),
        f"from horizon 10 to 100 the mean error falls by {mean(recovered)} at τx = 600, where {figure.censored(600, 10.0):.0%} "
        f"had not converged by 10, and by {mean(remaining)} at τx = 0.01, where {figure.censored(0.01, 10.0):.0%} had not",
        "event-based times, and ten times the horizon",
    )


if __name__ == "__main__":
    run_config("configs/fig2.yaml")
