"""The run folder: a configuration, its provenance and a labelled dataset."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import yaml

from .._checks import InputError
from .config import Config

CONFIG, PROVENANCE, RESULTS, SUMMARY, FIGURES = (
    "config.yaml",
    "provenance.json",
    "results.zarr",
    "summary.json",
    "figures",
)

DEFINITIONS = {
    "hamming_error": ("neurons", "half the sum of |target - sign(x)|; sign(0) counts as half an error"),
    "soft_hamming_error": ("neurons", "half the sum of |target - tanh(slope x)|"),
    "overlap": ("1", "mean of target times tanh(slope x)"),
    "success": ("1", "1 where the Hamming error is 0"),
    "perplexity": ("patterns", "exponential of the entropy of the gains; NaN for memories without gains"),
    "log_target_gain": ("1", "logarithm of the target's gain; NaN for memories without gains"),
    "energy": ("dimensionless energy", "Lyapunov function of the final state; differs from memory to memory"),
    "energy_rate": ("dimensionless energy per time", "its exact time derivative at the final state; minus the dissipation"),
    "settled": ("1", "0 where a neuron is still driven towards the other sign, so that a longer horizon changes the outcome"),
    "convergence_time": (
        "dimensionless time",
        "first time at which all moves below the stated speed; inf: not within the horizon",
    ),
    "num_steps": ("steps", "accepted steps of the solver"),
    "status": (
        "1",
        "0 ok, 1 max_steps, 2 non_finite, 3 invalid_memory, 4 solver_failed, 5 invalid_settings; failed samples are NaN",
    ),
    "decoder_error": ("neurons", "Hamming error of a decoder on the same problem, for reference"),
}
"""Units and definition of every stored variable."""


def create(folder: Path, config: Config) -> None:
    """Make a new run folder and write the configuration into it.

    Raises:
        InputError (a ValueError): if something is there already, or the folder cannot be written.
    """
    try:
        if folder.exists():
            raise InputError(f"--out: {folder} exists already and is never overwritten; give another folder or remove it")
        (folder / FIGURES).mkdir(parents=True)
        text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, default_flow_style=None, width=120)
        (folder / CONFIG).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"--out: {folder} cannot be written: {error.strerror or error}") from error


def free_folder(parent: Path, name: str) -> Path:
    """`parent/name`, or with the first number appended that is free."""
    folder, number = parent / name, 2
    try:
        while folder.exists():
            folder, number = parent / f"{name}-{number}", number + 1
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from error
    return folder


def dataset(
    axes: Mapping[str, Sequence[float | int]],
    models: Mapping[str, tuple[list[str], Mapping[str, np.ndarray]]],
    decoders: tuple[list[str], Mapping[str, np.ndarray]] | None,
) -> xr.Dataset:
    """One labelled dataset from the arrays of a sweep.

    Arguments:
        axes: values along all axes, by name, in the order of the dimensions.
        models: for each model the names of the axes it was swept over and its observables; along the other axes, which are
            parameters it does not have, its values are repeated.
        decoders: the same for the decoders' errors by decoder, or `None`.
    """
    sizes = {name: len(values) for name, values in axes.items()}
    names = list(dict.fromkeys(name for _, observables in models.values() for name in observables))
    variables: dict[str, Any] = {}
    for name in names:
        stacked = [_expanded(observables[name], swept, sizes) for swept, observables in models.values()]
        variables[name] = (("model", *axes), np.stack(stacked), _attributes(name))
    coordinates: dict[str, Any] = {"model": _strings(models)} | {name: np.asarray(values) for name, values in axes.items()}
    swept_axes = _strings(" ".join(swept) for swept, _ in models.values())
    coordinates["swept_axes"] = (
        "model",
        swept_axes,
        {"definition": "axes the model was computed along; it repeats along others"},
    )
    if decoders is not None:
        swept, errors = decoders
        variables["decoder_error"] = (("decoder", *swept), np.stack(list(errors.values())), _attributes("decoder_error"))
        coordinates["decoder"] = _strings(errors)
    return xr.Dataset(variables, coordinates)


def save(folder: Path, results: xr.Dataset) -> None:
    """Write a dataset as `results.zarr`."""
    results.to_zarr(folder / RESULTS, mode="w-", zarr_format=3, consolidated=False)


def load(run: str | Path) -> xr.Dataset:
    """The results of a run folder, read when used.

    Raises:
        InputError (a ValueError): if the folder holds no finished run, or its results cannot be read.
    """
    folder = Path(run)
    try:
        if not (folder / CONFIG).is_file():
            raise InputError(f"{folder} is not a run folder: it holds no {CONFIG}")
        if not (folder / RESULTS).is_dir() or not read_json(folder / PROVENANCE).get("finished"):
            raise InputError(f"{folder} holds no finished {RESULTS}: the run did not finish; start it again in another folder")
        results = xr.open_zarr(folder / RESULTS, consolidated=False, chunks=None)
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{folder / RESULTS} cannot be read: {error}") from error
    missing = [
        name for name in ("model", "trial", "hamming_error", "success", "settled", "status") if name not in results.variables
    ]
    if missing:
        raise InputError(f"{folder / RESULTS} is damaged: {', '.join(missing)} is missing")
    return results


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file with line breaks."""
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object; `InputError` if it is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} cannot be read: it holds no object")
    return content


def _expanded(values: np.ndarray, swept: list[str], sizes: Mapping[str, int]) -> np.ndarray:
    shape = [sizes[name] if name in swept else 1 for name in sizes]
    return np.broadcast_to(values.reshape(shape), list(sizes.values()))


def _attributes(name: str) -> dict[str, str]:
    units, definition = DEFINITIONS[name]
    return {"units": units, "long_name": name.replace("_", " "), "definition": definition}


def _strings(names: Iterable[str]) -> np.ndarray:
    # As objects they are stored as strings of variable length, which Zarr v3 specifies; fixed lengths it does not.
    return np.array(list(names), dtype=object)
