"""The configuration of a search: what may stand in the YAML file of `astrojax tune`, checked all at once."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo

from .._internal import own_code
from .._internal.errors import InputError, did_you_mean
from .._internal.parameters import DIMENSIONS, MOST_TRAJECTORIES, QUANTITIES, TRANSIENT, OptimizerName, Range, ScheduleName
from .._internal.registry import members
from ..models import AbstractMemory, memory_class_of
from ..tuning.transforms import TRANSFORMS, Parameter
from .axes import Axes, Name
from .run import BaseConfig, Config, Fault, level_of, own_axes
from .sections import (
    POOLS,
    Choice,
    Integer,
    Memory,
    Number,
    Positive,
    Real,
    Retrieval,
    Section,
    Unread,
    chosen,
    named,
    score_parameters,
    sections_in,
)


def _loss(given: Any, info: ValidationInfo) -> Any:
    """A loss alone has the weight 1; each must be one of the package, or code of a user's own."""
    weights = {given: 1.0} if isinstance(given, str) else given
    for name in weights if isinstance(weights, dict) else ():
        if not (own_code.is_reference(name) and (info.context or {}).get("unread")):
            try:
                named("loss", name)
            except InputError as error:
                raise ValueError(str(error)) from error
    return weights


LossName: Any = Literal[tuple(members("loss"))] | str


class Searched(Section):
    """How one parameter is searched."""

    transform: Literal[tuple(TRANSFORMS)]  # type: ignore[valid-type]
    low: Real = Field(description="lowest value")
    high: Real = Field(description="highest value")


def _searched(given: Any, info: ValidationInfo) -> Any:
    """Parameters by name, with what is left out filled in; a list of names will do."""
    own = (info.context or {}).get("numbers", {})
    if isinstance(given, list) and all(isinstance(name, str) for name in given):
        given = dict.fromkeys(given)
    if not isinstance(given, dict):
        return given
    sections = {name: {} if section is None else section for name, section in given.items()}
    return {
        name: _usual(name, own.get(name)) | section if isinstance(section, dict) else section
        for name, section in sections.items()
    }


def _usual(name: str, declared: Any) -> dict[str, Any]:
    """How a parameter is tuned unless more is said: as the vocabulary says, or within the bounds of its signature."""
    usual = QUANTITIES.get(name, Parameter())
    given = {field: getattr(usual, field) for field in Searched.model_fields}
    limits = declared.first(Range) if declared and name not in QUANTITIES else None
    if limits is None:
        return given
    low = limits.ge if limits.gt is None else limits.gt + 1e-3 * (abs(limits.gt) or 1)
    high = limits.le if limits.lt is None else limits.lt - 1e-3 * (abs(limits.lt) or 1)
    if low is None or low <= 0:
        given = {"transform": "identity", "low": -1.0, "high": 1.0}
    return given | {edge: bound for edge, bound in (("low", low), ("high", high)) if bound is not None}


MOST_STEPS = 1_000_000
"""Most steps of a search."""

Argument = Annotated[Number, Field(ge=-1e15, le=1e15)]


class Schedule(Section):
    """A schedule of optax; its values are factors of the learning rate."""

    name: ScheduleName
    arguments: dict[str, Argument] = Field({}, description="its arguments, by their names in optax")


class Optimizer(Section):
    """An optimizer of optax."""

    name: OptimizerName = "adam"
    learning_rate: Positive = Field(0.3, description="in unconstrained numbers: 0.3 of a logarithm is a change by a third")
    arguments: dict[str, Argument] = Field({}, description="further arguments, by their names in optax")
    schedule: Schedule | None = Field(None, description="how the learning rate changes with the steps")


class SearchSettings(Section):
    """How the search goes on and when it ends."""

    num_steps: Integer = Field(100, ge=1, le=MOST_STEPS, description="most steps")
    batch_size: Integer = Field(128, ge=1, le=MOST_TRAJECTORIES, description="trajectories of a step at each start")
    random_starts: Integer = Field(0, ge=0, le=10_000, description="starts drawn within the bounds, besides the model's values")
    max_gradient_norm: Positive = Field(1.0, description="beyond it the gradient of one problem is scaled down")
    smoothing: Real = Field(
        0.5, ge=0, description="standard deviation of the random perturbations of unconstrained numbers, one for each problem"
    )
    validation_size: Integer = Field(512, ge=1, le=MOST_TRAJECTORIES, description="validation problems, which choose the best")
    validate_every: Integer = Field(5, ge=1, le=MOST_STEPS, description="steps between looking at them")
    patience: Integer = Field(10, ge=1, le=MOST_STEPS, description="validations without improvement that end the search")
    checkpoint_every: Integer = Field(5, ge=1, le=MOST_STEPS, description="steps that a kill may cost")


class Comparison(Section):
    """Searches without gradients that get as many solved trajectories."""

    methods: list[Literal["random", "grid"]] = Field([], description="which")
    problems_per_candidate: Integer = Field(128, ge=1, le=MOST_TRAJECTORIES)


class Landscape(Section):
    """The loss on a plane of two parameters through the result."""

    size: Integer = Field(15, ge=0, le=1000, description="points along each parameter; 0 for no landscape")
    problems: Integer = Field(64, ge=1, le=MOST_TRAJECTORIES, description="problems at each point")


class TuneConfig(BaseConfig):
    """Everything that determines the result of a search."""

    name: Name = Field("tune", description="names the run folder; the file's name if omitted")
    axes: Axes = Field(description="memory loads and levels of corruption; problems of all pairs are equally frequent")
    model: Memory = Field(description="the memory; its values are where the search starts")
    scores: list[chosen("score")] = Field(  # type: ignore[valid-type]
        [], description="scores that are searched one after the other; the one with the lowest validation error is taken"
    )
    parameters: Annotated[dict[str, Searched], BeforeValidator(_searched, json_schema_input_type=Any)] = Field(
        min_length=1, description="what is searched: names, with transform and bounds where others than usual are wanted"
    )
    loss: Annotated[
        dict[str, Annotated[Real, Field(ge=0)]], BeforeValidator(_loss, json_schema_input_type=LossName | dict[LossName, float])
    ] = Field({"softsign": 1.0}, min_length=1, description="a loss, or weights of several")
    gradient: Literal["auto", "forward", "reverse", "implicit"] = Field("auto", description="how gradients are found")
    optimiser: Optimizer = Optimizer()
    search: SearchSettings = SearchSettings()
    compare: Comparison = Comparison()
    landscape: Landscape = Landscape()
    retrieval: Retrieval = Retrieval()
    heldout_trials: Integer = Field(1000, ge=1, le=MOST_TRAJECTORIES, description="held-out problems of each load and level")

    @classmethod
    def cross_field_errors(cls, sections: dict[str, Any]) -> Iterator[Fault]:
        model, axes, retrieval = (sections.get(name) for name in ("model", "axes", "retrieval"))
        if any(isinstance(one, Unread) for one in sections_in(sections)):
            return  # what there is to be searched is written in code
        corruption = sections.get("corruption")
        level = level_of(corruption) if corruption else None
        others = [name for name in axes.coordinates() if name not in ("num_patterns", level)] if axes and level else []
        for name in others:
            text = "is not an axis of a search: its problems differ in num_patterns and the level of corruption alone"
            yield f"axes.{name}", text
        if not others:
            models = None if model is None else {"model": model}
            run = {**sections, "models": models, "trials": sections.get("heldout_trials")}
            for path, text in Config.cross_field_errors(run):
                yield path.removeprefix("models."), text
        if model is None:
            return
        tuned = sections.get("scores") or []
        if tuned and not hasattr(model, "score"):
            yield "scores", f"belong to memories with a score; the kind {model.kind} has none"
        if len({own_code.short_name(score.kind) for score in tuned}) < len(tuned):
            yield "scores", "list a score twice"
        yield from _faults_of_loss(sections.get("loss") or {}, model)
        yield from _faults_of_size(sections)
        if retrieval and retrieval.convergence_speed is not None:
            yield "retrieval.convergence_speed", "does not belong to a search"
        for name, how in (sections.get("parameters") or {}).items():
            try:
                _check_parameter(name, how, model, sections)
            except InputError as error:
                yield f"parameters.{name}", str(error)

    def own_axes(self) -> dict[str, Any]:
        """See `run.own_axes`."""
        return own_axes(self.corruption, [])

    def start(self) -> dict[str, float]:
        """The values of single numbers among the parameters where the search starts."""
        return {name: _start(self.model, self.retrieval, name) for name in self.parameters if name not in DIMENSIONS}

    def models(self) -> dict[str, Any]:
        """The memories that are searched, by score; a memory without one by its kind."""
        models = {}
        for score in self.scores:
            unused = dict.fromkeys(set(self.model.score_fields) - set(score_parameters(score.kind)))
            models[own_code.short_name(score.kind)] = self.model.replaced(unused | {"score": score})
        named_by = getattr(self.model, "score", self.model)
        return models or {own_code.short_name(named_by.kind): self.model}

    def heldout(self, name: str, model: Any, values: Mapping[str, Any], *, decoders: bool = False) -> Config:
        """A run of a memory with values of parameters on held-out problems, which are those of any run with the same seed."""
        given = {field: getattr(self, field) for field in BaseConfig.model_fields}
        given |= {"name": name, "trials": self.heldout_trials, "axes": self.axes, "decoders": decoders}
        values = dict(values)
        retrieval = self.retrieval.replaced({"t1": values.pop("t1", self.retrieval.t1)})
        return Config(**given, models={name: _with_values(model, values)}, retrieval=retrieval)


def _with_values(model: Any, values: Mapping[str, Any]) -> Any:
    """A memory with other values of parameters of its own, or of its parts."""
    return model.replaced({_path(model, name): value for name, value in values.items()})


def _path(model: Any, name: str) -> str:
    """The path of a parameter within a memory: its own, or that of the part that has it."""
    parts = [part for part, section in model if isinstance(section, Choice) and name in section.numbers]
    return f"{parts[0]}.{name}" if parts else name


def _start(model: Any, retrieval: Any, name: str) -> Any:
    part, _, own = _path(model, name).rpartition(".")
    return retrieval.t1 if name == "t1" else getattr(getattr(model, part) if part else model, own)


def _faults_of_loss(loss: Mapping[str, float], model: Any) -> Iterator[Fault]:
    if loss and not any(loss.values()):
        yield "loss", "needs a weight above 0"
    if "gain" in loss and memory_class_of(model.build).log_gains is AbstractMemory.log_gains:
        yield "loss", f"gain needs a memory with gains; the kind {model.kind} has none"
    if "gain" in loss and getattr(model, "gain_regime", None) == "frozen":
        yield "loss", "gain is the same whatever is recalled in the gain regime frozen"


def _faults_of_size(sections: Mapping[str, Any]) -> Iterator[Fault]:
    """What would be too many trajectories at once, and settings that do not go together."""
    search, landscape, compare = sections.get("search"), sections.get("landscape"), sections.get("compare")
    sizes = {}
    if search:
        starts = search.random_starts + 1
        for name in ("batch_size", "validation_size"):
            sizes[f"search.{name}"] = f"with {starts:,} starts ", getattr(search, name) * starts
        if search.smoothing > 0 and search.batch_size % 2:
            yield "search.batch_size", f"must be even with search.smoothing; got {search.batch_size}"
    if landscape:
        sizes["landscape"] = "", landscape.size**2 * landscape.problems
    for path, (what, number) in sizes.items():
        if number > MOST_TRAJECTORIES:
            yield path, f"{what}makes {number:,} trajectories; at most {MOST_TRAJECTORIES:,} are possible"
    entries = [name for name in sections.get("parameters") or {} if name in DIMENSIONS]
    if compare and compare.methods and entries:
        yield "compare.methods", f"cannot search {entries[0]}, which has an entry for each pattern; leave them out"


def _check_parameter(name: str, how: Searched, model: Any, sections: Mapping[str, Any]) -> None:
    """Raise `InputError` for what is wrong with a parameter, if anything."""
    allowed = [field for field in type(model).model_fields if field in (*QUANTITIES, *model.numbers)]
    allowed = [*dict.fromkeys([*allowed, *model.every_number(), "t1"])]
    patterns = sections.get("patterns")
    if name not in allowed:
        raise InputError(
            f"is not a parameter of the kind {model.kind}; allowed are {', '.join(allowed)}{did_you_mean(name, allowed)}"
        )
    parameter = Parameter(how.transform, how.low, how.high)
    searched = [section for section in (model, *(sections.get("scores") or ())) if isinstance(section, Choice)]
    for numbers in [section.every_number() for section in searched]:
        limits = (numbers[name].first(Range) if name in numbers else None) or Range()
        for edge in ("low", "high"):
            if not limits.admits(getattr(how, edge)):
                raise InputError(f"needs a {edge} that {name} may be, {limits}; got {getattr(how, edge):g}")
    if name == "t1" and how.low <= 0:
        raise InputError(f"needs a positive low; got {how.low:g}")
    if sections.get("gradient") == "implicit" and name in TRANSIENT:
        raise InputError("does not move an equilibrium, so that gradient: implicit cannot find it")
    for setting, values in memory_class_of(model.build).needs.get(name, {}).items():
        if getattr(model, setting, values[0]) not in values:
            raise InputError(f"has no effect in the {setting.replace('_', ' ')} {getattr(model, setting)}")
    if name in DIMENSIONS:
        if patterns is not None and patterns.kind not in POOLS:
            raise InputError(
                f"belongs to patterns of a pool (digits, glyphs, file); of kind {patterns.kind} new ones are drawn every time"
            )
        return
    if name == "t1" and "retrieval" not in sections:
        return
    start = _start(model, sections.get("retrieval"), name)
    if not isinstance(start, float):
        raise InputError(f"starts from a number; model.{name} is {start or 'left out'}")
    parameter.check("the start", start)
