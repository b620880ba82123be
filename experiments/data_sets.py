"""Six data sets by five memories: how often the target is identified, and how far the recall is from it, beside the decoders.

Patterns of ±1 have a quarter of their 64 entries flipped; real-valued ones, of variance 1, have noise of standard deviation 2.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr
from rich.console import Console

import astrojax as aj
from astrojax.report.tables import make_table

LOAD, NUM_FLIPS, NOISE, WARMTH = 100, 16, 2.0, 1.0

DATA_SETS: dict[str, dict[str, Any]] = {
    "random": {"kind": "random", "num_neurons": 64},
    "random features": {"kind": "random_features", "num_neurons": 64, "num_features": 16},
    "digits": {"kind": "digits"},
    "glyphs": {"kind": "glyphs", "size": 8},
    "gray digits": {"kind": "digits", "scaling": "standard"},
    "Gaussian": {"kind": "gaussian", "num_neurons": 64},
}
REAL = ("gray digits", "Gaussian")


def memories(temperature: float) -> dict[str, Any]:
    """The memories; those with a linear score at a temperature.

    For patterns of ±1 it is that at which one step of softmax attention is the Bayes decoder. For real-valued ones it is lower
    than s², since the first step takes away most of the noise; later steps at s² would blend similar pictures.
    """
    linear = functools.partial(aj.AstrocyteMemory, score="linear", temperature=temperature)
    modern = functools.partial(aj.AstrocyteMemory, gain_regime="adiabatic", temperature=temperature)
    return {
        "Hopfield": aj.HopfieldMemory,
        "squared": aj.AstrocyteMemory,
        "linear": linear,
        "linear entmax": functools.partial(linear, gain_map=aj.EntmaxGainMap(1.5)),
        "modern Hopfield": functools.partial(modern, activation="identity", score="distance"),
    }


def computed(name: str, trials: int, folder: Path) -> xr.Dataset:
    """The results of a data set, computed or continued in its run folder."""
    is_real = name in REAL
    rate = NUM_FLIPS / 64
    experiment = aj.experiment(
        axes={"num_patterns": [LOAD]} | ({"noise_scale": [NOISE]} if is_real else {"num_flips": [NUM_FLIPS]}),
        trials=trials,
        patterns=DATA_SETS[name],
        corruption="noise" if is_real else "flips",
        models=memories(WARMTH if is_real else 2 / float(jnp.log((1 - rate) / rate))),
        observables=["rmse", "identified"] if is_real else ["hamming_error", "identified"],
        decoders=["nearest_euclidean", "posterior_mean"] if is_real else ["nearest_signed", "bayes_signed"],
        retrieval={"num_steps": 80},
    )
    return aj.run(experiment, folder / name.replace(" ", "-")).load()


def row(name: str, results: xr.Dataset) -> list[str]:
    """Identified targets and mean errors: the Hamming error per neuron, or the root mean squared error."""
    scale = 1 if name in REAL else 64
    error = (results.rmse if name in REAL else results.hamming_error) / scale
    decoders = results.decoder_error / scale
    nearest, other = decoders.decoder.values
    nearest, other = (nearest, other) if str(nearest).startswith("nearest") else (other, nearest)
    found = [(results.identified.sel(model=model), error.sel(model=model)) for model in results.model.values]
    is_right = results.decoder_identified if name in REAL else decoders == 0
    found.append((is_right.sel(decoder=nearest), decoders.sel(decoder=nearest)))
    cells = [f"{float(np.mean(identified)):.0%}  {float(np.mean(wrong)):.2f}" for identified, wrong in found]
    return [name, *cells, f"{float(decoders.sel(decoder=other).mean()):.2f}"]


def main(trials: int = 500, folder: str | Path = "runs/data_sets", names: Sequence[str] = tuple(DATA_SETS)) -> None:
    """Compute and print the table."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    rows = [row(name, computed(name, trials, Path(folder))) for name in names]
    title = f"{LOAD} patterns of 64 neurons: share identified, and error; means of {trials} trials"
    Console(width=128, highlight=False).print(make_table(["", *memories(1.0), "nearest", "Bayes"], rows, title))


if __name__ == "__main__":
    main()
