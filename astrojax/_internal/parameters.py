"""The vocabulary of parameters: symbols, meanings, ranges and search defaults, as plain data."""

import operator
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

MOST_TRAJECTORIES = 100_000_000
MOST_THREADS = 1024
MOST_STEPS = 1_000_000  # of a grid
MOST_ORDER = 10_000  # of an interaction; beyond a few hundred only the nearest pattern matters
LARGEST = 10_000_000  # memory load, number of neurons or number of flips


@dataclass(frozen=True)
class Range:
    """Values that a parameter may take, in the annotation of its signature: `Annotated[ScalarLike, Range(gt=0)]`."""

    gt: float | int | None = None
    ge: float | int | None = None
    lt: float | int | None = None
    le: float | int | None = None
    multiple_of: int | None = None

    def __str__(self) -> str:
        words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most", "multiple_of": "a multiple of"}
        return " and ".join(f"{words[name]} {bound:g}" for name, bound in self.bounds().items())

    def admits(self, number: float) -> bool:
        """Whether a number lies within the bounds."""
        tests = {"gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le}
        return all(test(number, self.bounds()[name]) for name, test in tests.items() if name in self.bounds())

    def bounds(self) -> dict[str, Any]:
        return {name: bound for name, bound in asdict(self).items() if bound is not None}


@dataclass(frozen=True)
class OneOf:
    """Names that a parameter may take, in the annotation of its signature."""

    names: tuple[str, ...]


class Quantity(NamedTuple):
    """What a parameter of that name is in every memory, and how it is tuned unless the configuration says otherwise."""

    symbol: str
    meaning: str
    transform: str = "log"
    low: float = 1e-3
    high: float = 1e3
    is_transient: bool = False  # whether equilibria are independent of it
    num_dims: int = 0  # axes of a parameter with an entry per pattern of a pool, patterns last


QUANTITIES = {
    "temperature": Quantity("T", "entropic regularization of the gains"),
    "tau_x": Quantity("τx", "time constant of the neurons", is_transient=True),
    "tau_p": Quantity("τp", "time constant of the gains", is_transient=True),
    "tau_s": Quantity("τs", "time constant of the synapses", is_transient=True),
    "tau_a": Quantity("τa", "time constant of the astrocyte processes", is_transient=True),
    "slope": Quantity("σ", "slope of the firing rate tanh(σx)", low=0.1, high=100.0),
    "coupling": Quantity("c", "coupling constant", high=1e4),
    "alpha": Quantity("α", "how sparse the gains are", "logit", 1.01, 2.0),
    "gap_strength": Quantity("κ", "strength of the gap junctions", "identity", -100.0, 100.0),
    "t1": Quantity("t₁", "horizon, in dimensionless time", low=0.1, is_transient=True),
    "initial_gain_logits": Quantity("z₀", "logits of the gains at time 0", "identity", -100.0, 100.0, True, 1),
    "logit_bias": Quantity("b", "bias of the logits", "identity", -100.0, 100.0, False, 1),
    "patterns": Quantity("Ξ", "stored patterns", "identity", -10.0, 10.0, False, 2),
}
"""The one table of what is shared: a parameter that is not listed is described by the docstring of its class."""

DIMENSIONS = {name: quantity.num_dims for name, quantity in QUANTITIES.items() if quantity.num_dims}
"""Parameters with an entry per pattern of a pool, and their number of axes."""

PER_PAIR = ("gap_matrix",)
"""Parameters with an entry for each pair of patterns of a pool."""

TRANSIENT = tuple(name for name, quantity in QUANTITIES.items() if quantity.is_transient)

OptimizerName = Literal["adabelief", "adam", "adamax", "adamw", "amsgrad", "lion", "nadam", "radam", "rmsprop", "sgd", "yogi"]
ScheduleName = Literal[
    "constant_schedule",
    "cosine_decay_schedule",
    "exponential_decay",
    "linear_schedule",
    "polynomial_schedule",
    "warmup_cosine_decay_schedule",
]
