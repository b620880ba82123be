"""Configurations from objects: classes, functions, partials and arrays where a YAML file has names and files."""

import functools
import tempfile
from collections.abc import Mapping
from numbers import Number
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from .._internal import own_code
from .._internal.errors import InputError, shown
from .._internal.own_source import Gathered, home_of
from .._internal.registry import ROLES, members
from ..models.scores import scores
from ..problems.patterns import pooled_patterns
from ..problems.task import Task
from .run import Config
from .sections import PATTERNS, parameters_of
from .tune import TuneConfig
from .validation import parse

FILE = "experiment.py"

ROLE_OF_KEY = {"model": "memory", "models": "memory", "observables": "observable", "decoders": "decoder"}
"""Roles of what stands under a key of a configuration; other keys are the name of a role, or of none."""


def experiment(*, task: Task | None = None, trust: bool = False, **sections: Any) -> Config:
    """The configuration of a run, from objects.

    The sections are those of a configuration file. Wherever it has a name, a class, a function, or a `functools.partial` of one
    with keyword arguments may stand; an object stands for its class with its fields. Functions and classes that belong to no
    installed package, such as those of a notebook, become part of the configuration with their source and all that it uses.

        aj.experiment(
            patterns=functools.partial(barcodes, width=2),
            corruption=Occlusion,
            axes={"num_patterns": [3, 6], "num_occluded": [4, 8]},
            models={"cubic": functools.partial(aj.AstrocyteMemory, temperature=0.5, score=CubicScore(sharpness=2))},
            observables=["success", block_error],
        )

    Arguments:
        task: patterns and corruption, in place of the sections `patterns` and `corruption`.
        trust: let code run that is named by text, such as `"mine.py:Name"`; code given as objects needs no trust.
        sections: sections of the configuration. Arrays may stand for axes, for patterns as columns, shape (N, P), and for
            parameters that have a number for each pattern or neuron.

    Raises:
        InputError (a ValueError): for source that cannot be found or uses what cannot be stored, and, as a `ConfigError`, with
            everything that is wrong with the configuration.
    """
    return _config(Config, task, sections, trust)


def search_experiment(*, task: Task | None = None, trust: bool = False, **sections: Any) -> TuneConfig:
    """The configuration of a search, from objects; see `experiment`."""
    return _config(TuneConfig, task, sections, trust)


def _config(kind: Any, task: Task | None, sections: dict[str, Any], trust: bool) -> Any:
    if task is not None:
        if taken := {"patterns", "corruption"} & sections.keys():
            raise InputError(f"task and {min(taken)} cannot be combined: a task has patterns and corruption")
        sections = sections | {"patterns": task.ensemble, "corruption": task.corruption}
    writer = _Writer()
    content = {name: writer.plain(name, value) for name, value in sections.items()}
    if task is not None and task.classes is not None:
        content["patterns"]["labels"] = writer.file(task.classes)
    writer.finish()
    return parse(content, kind, source="the experiment", trust=trust)


class _Writer:
    """Turns objects into plain data that names files: one of source, and one for each array."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=own_code.scratch()))
        self._gathered, self._references, self._num_arrays = Gathered(), list[str](), 0

    def finish(self) -> None:
        """Write the source, and trust the code of the objects in this process: it is the caller's own."""
        if text := self._gathered.text:
            (self._folder / FILE).write_text(text, encoding="utf-8", newline="")
        own_code.trust_here(own_code.code_in({"kind": self._references}))
        if text:
            self._gathered.check(own_code.module_of(str(self._folder / FILE)))

    def plain(self, key: str, value: Any) -> Any:
        """What stands for a value under a key of a configuration."""
        role = ROLE_OF_KEY.get(key, key)
        if isinstance(value, np.generic) or (isinstance(value, jax.Array | np.ndarray) and value.ndim == 0):
            return value.item()
        if value is None or isinstance(value, str | Number):
            return value
        if isinstance(value, Path):
            return str(value)
        if isinstance(value, jax.Array | np.ndarray):
            if role != "patterns":
                return self.file(value)
            real = {} if (np.abs(value) == 1).all() else {"scaling": "raw"}
            return {"kind": "file", "path": self.file(np.transpose(value)), **real}  # whose rows are patterns
        if key == "axes" or isinstance(value, range):
            return _numbers(value)
        if isinstance(value, list | tuple):
            return [self.plain(key, one) for one in value]
        if key == "loss" and isinstance(value, Mapping):
            return {self.plain(key, name): self.plain("", weight) for name, weight in value.items()}
        if isinstance(value, Mapping):
            return self._hoisted(
                {
                    name: self._kind(role, one)
                    if name == "kind"
                    else self.plain("model" if key == "models" else str(name), one)
                    for name, one in value.items()
                },
                value.get("kind"),
            )
        if role not in ROLES:
            raise InputError(f"{key} must be a number, text, or a list or mapping of these; got {shown(value)}")
        return self._chosen(role, value)

    def _chosen(self, role: str, value: Any) -> Any:
        """The kind of a class, function, partial or object, with its fields if there are any."""
        fields: dict[str, Any] = {}
        if isinstance(value, functools.partial | eqx.Partial):
            if value.args:
                raise InputError(f"a partial of {shown(value.func)} must have only keyword arguments")
            value, fields = value.func, dict(value.keywords)
        elif isinstance(value, eqx.Module):
            if role == "memory":
                raise InputError(
                    f"a memory must be a class, or a partial of it, as patterns differ; got a {type(value).__name__}"
                )
            names = [one.name for one in parameters_of(type(value))]
            if hidden := [name for name in names if not hasattr(value, name)]:
                built = type(value).__name__
                raise InputError(
                    f"{built} does not keep its parameter {hidden[0]}; give functools.partial({built}, {hidden[0]}=...) instead"
                )
            value, fields = type(value), {name: getattr(value, name) for name in names}
        if role == "loss" and fields:
            raise InputError(f"a loss must be a function without further arguments; got a partial of {shown(value)}")
        if role == "patterns" and value is pooled_patterns:
            return self.plain(role, fields.get("pool"))
        kind = self._kind(role, value)
        content = {name: self.plain(name, one) for name, one in fields.items()}
        has_name_alone = not content and role not in ("memory", "patterns")
        return kind if has_name_alone else self._hoisted({"kind": kind, **content}, value)

    def _kind(self, role: str, item: Any) -> str:
        if isinstance(item, str):
            return item
        known = members(role) | ({kind: section.build for kind, section in PATTERNS.items()} if role == "patterns" else {})
        for kind, own in known.items():
            if item is own:
                return kind
        name = getattr(item, "__name__", "")
        if not name.isidentifier():
            raise InputError(f"{role} must be a class or a function with a name, defined by class or def; got {shown(item)}")
        home = home_of(item)
        if home is None:
            self._gathered.add(name, item)
        self._references.append(f"{home or self._folder / FILE}:{name}")
        return self._references[-1]

    @staticmethod
    def _hoisted(content: dict[str, Any], memory: Any) -> dict[str, Any]:
        """A memory's section in which the fields of a score of the package are its own, as in a file."""
        score = content.get("score")
        if isinstance(score, dict) and score.get("kind") in scores():
            own = {one.name for one in parameters_of(memory)} if callable(memory) else set()
            if taken := own & score.keys():
                raise InputError(f"{min(taken)} is a parameter both of {memory.__name__} and of its score; rename the memory's")
            return content | score | {"kind": content["kind"], "score": score["kind"]}
        return content

    def file(self, values: Any) -> str:
        """The path of a new file with an array."""
        self._num_arrays += 1
        path = self._folder / f"array-{self._num_arrays}.npy"
        np.save(path, np.asarray(values))
        return str(path)


def _numbers(value: Any) -> Any:
    """Values of axes as plain data."""
    if isinstance(value, Mapping):
        return {name: _numbers(one) for name, one in value.items()}
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        return value.tolist()
    return [_numbers(one) for one in value] if isinstance(value, list | tuple | range) else value
