"""How near each memory comes to the best decoders: the table of limits, and the digits."""

import jax
import jax.numpy as jnp
import numpy as np
from measures import LIMIT, Claim, batched, deviation, drawn, fewer, mean, share, share_deviation, stored
from page import Page

import astrojax as aj
from astrojax.cli.run import run_config

MODELS = {
    (50, 3): {"astrocyte": 0.4, "Hopfield": 3.0, "neuron-astrocyte": 2.0},
    (100, 3): {"astrocyte": 0.7, "Hopfield": 3.1, "neuron-astrocyte": 2.8},
    (200, 3): {"astrocyte": 1.4, "Hopfield": 3.0, "neuron-astrocyte": 3.0, "linear score": 0.70},
    (50, 5): {"astrocyte": 4.7, "Hopfield": 5.1, "neuron-astrocyte": 4.6},
    (100, 5): {"astrocyte": 6.0, "Hopfield": 5.0, "neuron-astrocyte": 4.9},
    (200, 5): {"astrocyte": 6.5, "Hopfield": 5.0, "neuron-astrocyte": 5.0, "linear score": 6.1},
}
"""Reference mean Hamming errors, by load and flips, of 100 trials or more."""

DECODERS = {
    (50, 3): (0.37, 0.34, 0.18, 0.19),
    (100, 3): (0.63, 0.62, 0.32, 0.33),
    (200, 3): (1.24, 1.21, 0.64, 0.65),
    (50, 5): (4.97, 4.61, 3.23, 3.27),
    (100, 5): (6.33, 5.18, 5.06, 4.65),
    (200, 5): (6.66, 5.17, 6.24, 5.15),
}
"""The same of `KINDS`, of 3,000 trials."""

KINDS = ("nearest_unsigned", "bayes_unsigned", "nearest_signed", "bayes_signed")

DIGITS = {
    50: {"defaults": 0.80, "tau_x-10": 1.00, "tau_x-100": 0.99, "linear-score": 1.00, "nearest": 1.00},
    200: {"defaults": 0.08, "tau_x-10": 0.89, "tau_x-100": 0.98, "linear-score": 0.99, "nearest": 1.00},
    1000: {"defaults": 0.01, "tau_x-10": 0.08, "tau_x-100": 0.87, "linear-score": 0.93, "nearest": 0.96},
}
"""Reference shares of perfect recalls of 100 queries."""

NEURONS = 20

PROBLEMS, KEY = 10_000, 10
"""How many random problems the decoder for exactly n flips is measured on, and their random key."""


def report(page: Page, trials: int) -> list[Claim]:
    """Add the limits to the page."""
    results = stored("limits", trials)
    exact = {at: exactly(*at) for at in MODELS}
    # Chosen on one half of the problems, measured on the other.
    signed = {at: results.decoder_error.sel(decoder="bayes_signed", **place(at)).values.ravel() for at in MODELS}
    worst = max(MODELS, key=lambda at: signed[at][::2].mean() - exact[at][1, ::2].mean())
    errors_there = [mean(errors[1::2], (0, NEURONS)) for errors in (signed[worst], exact[worst][1])]
    page.text(
        "## The limits: how near the memories come to the best decoders\n\n*Nearest* names one pattern, *Bayes* answers "
        "neuron by neuron with the likelier sign; *unsigned* decoders are blind to x → −x, as the squared score is. Bayes is "
        "the best decoder for flips that are independent, at the rate n/N. Here each query has exactly n, and who knows that "
        "can do better, by looking only at patterns at that distance: the last two columns, of which the signed one bounds "
        f"every memory, and the unsigned one those that are blind. The difference matters most at K, n = {worst[0]}, "
        f"{worst[1]}: {' against '.join(errors_there)}. It is why a network that leaves the query as it is, and so errs by n, "
        "can do better than Bayes at strong corruption and high load. Reference figures in brackets, with an asterisk where "
        f"they are more than {LIMIT:g} standard errors away."
    )
    rows, far = [], 0
    for at, references in MODELS.items():
        here = results.sel(place(at))
        row = [f"{at[0]}, {at[1]}"]
        for name in map(str, results.model.values):
            errors = here.hamming_error.sel(model=name)
            z = deviation(errors, references[name], 100) if name in references else 0
            far += z > LIMIT
            row.append(
                mean(errors, (0, NEURONS)) + (f" ({references[name]}{' *' * (z > LIMIT)})" if name in references else "")
            )
        for kind, reference in zip(KINDS, DECODERS[at], strict=True):
            errors = here.decoder_error.sel(decoder=kind)
            z = deviation(errors, reference, 3000)
            far += z > LIMIT
            row.append(f"{mean(errors, (0, NEURONS))} ({reference}{' *' * (z > LIMIT)})")
        rows.append([*row, *(mean(errors, (0, NEURONS)) for errors in exact[at])])
    decoders = [kind.replace("_", ", ").replace("bayes", "Bayes") for kind in KINDS]
    heads = [*map(str, results.model.values), *decoders, "Bayes knowing n, unsigned", "Bayes knowing n, signed"]
    page.table(["K, n", *heads], rows)
    page.text(
        f"Mean Hamming error with 95% interval, {trials} trials, N = 20 ({PROBLEMS:,} other problems in the last two "
        f"columns). {far} of {sum(map(len, MODELS.values())) + 4 * len(DECODERS)} figures differ from their reference."
    )
    digits(page, fewer(trials, 0.4))
    return []


def place(at: tuple[int, int]) -> dict[str, int]:
    """A load and a number of flips, as coordinates."""
    return {"num_patterns": at[0], "num_flips": at[1]}


def exactly(load: int, num_flips: int) -> np.ndarray:
    """Hamming errors of the best decoders that know the number of flips, unsigned and signed, shape (2, problems); N = 20."""

    def errors(key: jax.Array) -> jax.Array:
        patterns, query = drawn(key, NEURONS, load, num_flips)
        overlaps = query @ patterns
        near, far = (jnp.asarray(overlaps == sign * (NEURONS - 2 * num_flips), patterns.dtype) for sign in (1, -1))
        answers = (jnp.sign(patterns @ (near - far)), jnp.sign(patterns @ near))
        return jnp.stack([aj.hamming_error(patterns[:, 0], answer) for answer in answers])

    return batched(errors, KEY, PROBLEMS, batch_size=100).T


def digits(page: Page, trials: int) -> None:
    """Add the recall of handwritten digits."""
    results = stored("digits", trials).isel(num_flips=0)
    nearest = (results.decoder_error.sel(decoder="nearest_signed") == 0).assign_coords(model="nearest")
    rows, far = [], 0
    for load, references in DIGITS.items():
        row = [str(load)]
        for name, reference in references.items():
            recalled = nearest if name == "nearest" else results.success.sel(model=name)
            recalled = np.asarray(recalled.sel(num_patterns=load), float)
            z = share_deviation(recalled, reference, 100)
            far += z > LIMIT
            row.append(f"{share(recalled)} ({reference:.2f}{' *' * (z > LIMIT)})")
        rows.append(row)
    page.text(
        "## Handwritten digits\n\n64 pixels, 6 of them flipped: share of perfect recalls, where real memories are "
        "correlated. The paper's defaults fail at high load; slower neurons, which wait for the gains, fail later, and the "
        "linear score recalls nearly as often as the nearest pattern."
    )
    page.table(["K", *DIGITS[50]], rows)
    page.text(
        f"With 95% intervals, {trials} trials. In brackets reference figures of 100 queries, the same for all memories, "
        f"so that a row deviates as a whole; {far} of {sum(map(len, DIGITS.values()))} are more than {LIMIT:g} standard errors "
        "away."
    )


if __name__ == "__main__":
    run_config("configs/limits.yaml")
