"""Fig. 2 of Vivet and Arenas (2026), arXiv:2604.25481: fast and slow neurons."""

import numpy as np
from along import Along
from coupling import factor, fitting, freezes
from measures import CHANGES, ERRORS, PERPLEXITIES, Claim, compared, interval, mean, medians_compared, share, verdict
from medians import along, described, judged
from page import Page

from astrojax.cli.run import run_config

FAST = {0.01: 1.8, 0.1: 1.4, 1.0: 0.9}
"""Reference mean Hamming errors."""

SLOW = {100.0: 0.0, 600.0: 4.4, 1000.0: 5.94, 10000.0: 6.0}
"""Reference medians of the soft Hamming error."""


def report(page: Page, trials: int) -> list[Claim]:
    """Add Fig. 2 to the page; claims C7, C8 and C11."""
    figure = Along("fig2", "tau_x", trials)
    figure.section(
        page,
        "Fig. 2: the time constant of the neurons",
        "Fast neurons follow the gains before these have chosen, and commit to a wrong memory more often: in the mean and in "
        "the upper percentiles, not in the median. Slow neurons wait for the choice; very slow ones have not moved by the "
        "horizon, and their soft error is that of the query.",
    )
    return [commitment(figure), freezing(figure, freezes(page, trials)), horizons(figure)]


def commitment(figure: Along) -> Claim:
    """C7."""
    found = {value: figure.at(value) for value in FAST}
    perplexity = {value: figure.at(value, "perplexity") for value in FAST}
    wrong = {value: (perplexity[value] < 1.5) & (np.exp(figure.at(value, "log_target_gain")) < 0.5) for value in FAST}
    certain = all(judged(lambda gains: np.nanmedian(gains) < 1.05, values) for values in perplexity.values())
    worse = judged(lambda fast, usual: np.nanmedian(fast) > np.nanmedian(usual), found[0.01], found[1.0])
    rise = found[0.01] - found[1.0]
    return Claim(
        "C7",
        "τx → 0 commits to a wrong memory with confidence: error up, perplexity low (Fig. 2).",
        verdict([certain, worse]),
        "medians of error and perplexity",
        f"median error {along(found, 'τx')}: {'up' if worse else 'not up, though the 95th percentile is high'}; median "
        f"perplexity {along(perplexity, 'τx')}. What the mean adds: error "
        f"{'; '.join(f'{mean(errors, ERRORS)} at τx = {value:g}' for value, errors in found.items())}, "
        f"{'up' if interval(rise, CHANGES)[0] > 0 else 'not up'} by {mean(rise, CHANGES)} from τx = 1 to 0.01; one "
        f"gain, and that of another memory than the target, in "
        f"{'; '.join(f'{share(values)} at τx = {value:g}' for value, values in wrong.items())}",
        f"mean error {compared(FAST, found)}",
    )


def freezing(figure: Along, freezes_at: dict[str, float]) -> Claim:
    """C8, with the τx at which half of the query's error is left, by coupling."""
    soft = {value: figure.at(value, "soft_hamming_error") for value in SLOW}
    usual, certain = (figure.at(1.0, variable) for variable in ("soft_hamming_error", "perplexity"))
    unsure = figure.at(100.0, "perplexity")
    parts = [
        judged(lambda slow, errors: np.nanmedian(slow) < np.nanmedian(errors) - 0.01, soft[100.0], usual),
        judged(lambda slow, gains: np.nanmedian(slow) > np.nanmedian(gains) + 0.01, unsure, certain),
        judged(lambda errors: abs(np.nanmedian(errors) - 6) < 0.05, soft[10000.0]),
        factor(freezes_at["K"]) < 2,
    ]
    falls, rises, frozen, placed = ("yes" if part else "no" for part in parts)
    return Claim(
        "C8",
        "As τx grows the error falls and the perplexity rises; then the state is frozen and the error is exactly n = 6 "
        "(Fig. 2). The paper places the freeze near τx = 10².",
        verdict(parts),
        "medians of soft error and perplexity",
        f"median soft error {described(usual)} at τx = 1; {along(soft, 'τx')}; median perplexity {described(certain)} at τx = "
        f"1; {described(unsure)} at 100. In medians: error falls, {falls}; perplexity rises, {rises}; frozen at n, {frozen}; "
        f"freeze near 10² with c = K, {placed}. What the mean adds: soft error {mean(usual, ERRORS)} at τx = "
        f"1, {mean(soft[100.0], ERRORS)} at 100; perplexity {mean(certain, PERPLEXITIES)}, {mean(unsure, PERPLEXITIES)}. "
        "Half of the query's error is left at "
        + ", ".join(f"τx = {value:.3g} with c = {name}" for name, value in freezes_at.items()),
        f"{medians_compared(SLOW, soft)}. Eq. 5 is c = K; the paper's freeze near τx = 10² fits c = {fitting(freezes_at)} best",
    )


def horizons(figure: Along) -> Claim:
    """C11."""
    slow, late = figure.at(600.0, "soft_hamming_error"), figure.at(600.0, "soft_hamming_error", 100.0)
    fast, remaining = figure.at(0.01), figure.at(0.01, horizon=100.0)
    parts = [
        judged(lambda early, late: np.nanmedian(early) > np.nanmedian(late) + 3, slow, late)
        and figure.censored(600, 10.0) > 0.95,
        judged(lambda early, late: np.nanmedian(np.abs(early - late)) == 0, fast, remaining)
        and figure.censored(0.01, 10.0) < 0.05,
    ]
    return Claim(
        "C11",
        "Real failure can be told from slow convergence (II.3).",
        verdict(parts),
        "medians of errors at two horizons, and shares converged",
        f"from horizon 10 to 100 the median soft error goes from {described(slow)} to {described(late)} at τx = 600, where "
        f"{figure.censored(600, 10.0):.0%} had not converged by 10. At τx = 0.01, where {figure.censored(0.01, 10.0):.0%} had "
        f"not, {share(fast == remaining)} of the errors stay the same. What the mean adds: it falls by "
        f"{mean(figure.at(600.0) - figure.at(600.0, horizon=100.0), CHANGES)} and by {mean(fast - remaining, CHANGES)}",
        "event-based times, and ten times the horizon",
    )


if __name__ == "__main__":
    run_config("configs/fig2.yaml")
