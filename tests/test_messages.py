"""Some messages word for word, in messages.txt, the only place that has them whole: read them again when they change.

ASTROJAX_MESSAGES=write pytest tests/test_messages.py writes the file.
"""

import os
from pathlib import Path

import equinox as eqx
import jax
import numpy as np

import astrojax as aj
from astrojax.cli import main
from astrojax.config.tune import TuneConfig
from astrojax.config.validation import parse, parse_config

from .run_folders import RAW, chunk_files, edit, flip_bit, set_flags
from .test_tuning_runs import SMALL

FILE = Path(__file__).with_name("messages.txt")
PATTERNS = aj.random_patterns(jax.random.key(0), num_neurons=8, num_patterns=3)
MEMORY = aj.AstrocyteMemory(PATTERNS)
TRIAL = aj.RecallTrial(aj.Task(eqx.Partial(aj.random_patterns, num_neurons=8), aj.Flips()), aj.AstrocyteMemory)


def damaged(run):
    flip_bit(chunk_files(run, "energy")[0])
    return aj.load(run).energy.values


def unfinished(run):
    set_flags(run, slice(3))
    return aj.load(run)


def changed(run):
    edit(run / "config.yaml", "t1: 3.0", "t1: 0.05")
    return aj.load(run)


def patterns_from(run, rows):
    np.save(run.parent / "own.npy", rows)
    return aj.load_patterns(run.parent / "own.npy")


CASES = {
    "configuration": lambda run: parse_config(RAW | {"trials": 0, "modles": 1, "retrieval": {"solver": "heunn"}}),
    "axis of a field": lambda run: parse_config(RAW | {"axes": RAW["axes"] | {"retrieval.t1": [1, -2]}}),
    "search": lambda run: parse(SMALL | {"parameters": ["tau_s"], "loss": {"direction": 0}}, TuneConfig),
    "sweep": lambda run: aj.run_sweeps(
        {"a": aj.Sweep(TRIAL, {"num_patterns": [3], "num_flips": [1], "tau_y": [1.0], "trial": range(3)})},
        jax.random.key(0),
    ),
    "query": lambda run: aj.retrieve(MEMORY, PATTERNS, t1=1.0),
    "times": lambda run: aj.retrieve(MEMORY, PATTERNS[:, 0], t1=1.0, ts=[0.5, 2.0]),
    "bits": lambda run: aj.AstrocyteMemory((PATTERNS + 1) / 2),
    "pattern file": lambda run: patterns_from(run, [[0, 1], [1, 1]]),
    "rows and columns": lambda run: patterns_from(run, np.where(np.tri(40, 4) > 0, 1, -1)),
    "run that is no folder": lambda run: aj.load(run.parent),
    "damaged": damaged,
    "unfinished": unfinished,
    "changed": changed,
}
COMMANDS = {"command": ["rnu", "mine.yaml"], "file": ["run", "mien.yaml"], "search given to run": ["run", "search.yaml"]}


def test_messages_are_those_that_were_read(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
    Path("mine.yaml").touch()
    Path("search.yaml").write_text("model: {kind: astrocyte}\nparameters: [slope]\naxes: {num_patterns: 5, num_flips: 1}\n")
    said = {}
    for name, case in CASES.items():
        try:
            case(run)
        except aj.InputError as error:
            said[name] = str(error)
    for name, words in COMMANDS.items():
        assert main(words) == 2
        printed, said[name] = capsys.readouterr()
        assert printed == ""
    text = "\n\n".join(f"# {name}\n{message.strip()}" for name, message in said.items()).replace(str(tmp_path), "FOLDER") + "\n"
    if os.environ.get("ASTROJAX_MESSAGES") == "write":
        FILE.write_text(text, encoding="utf-8")
    assert text == FILE.read_text(encoding="utf-8")
