"""Bounds of numbers, and how parameters are searched: plain data, so that a configuration can be read without a numerical
library."""

from typing import Literal

MOST_TRAJECTORIES = 100_000_000
"""Most points of a product of axes."""

MOST_THREADS = 1024
"""Most calls of compiled programs at a time."""

MOST_STEPS = 1_000_000
"""Most steps of a grid."""

MOST_ORDER = 10_000
"""Highest order of an interaction. Beyond a few hundred only the nearest pattern matters."""

SEARCHED: dict[str, tuple[str, float, float]] = {
    "temperature": ("log", 1e-3, 1e3),
    "tau_x": ("log", 1e-3, 1e3),
    "tau_p": ("log", 1e-3, 1e3),
    "tau_s": ("log", 1e-3, 1e3),
    "tau_a": ("log", 1e-3, 1e3),
    "slope": ("log", 0.1, 100.0),
    "coupling": ("log", 1e-3, 1e4),
    "t1": ("log", 0.1, 1e3),
    "initial_gain_logits": ("identity", -100.0, 100.0),
    "logit_bias": ("identity", -100.0, 100.0),
    "patterns": ("identity", -10.0, 10.0),
}
"""How parameters are searched unless a search says otherwise, by name: a transform of `tuning.transforms`, lowest and highest
value."""

DIMENSIONS = {"initial_gain_logits": 1, "logit_bias": 1, "patterns": 2}
"""Parameters that have an entry for each pattern of a pool, on the last of so many axes; all others are single numbers."""

TRANSIENT = ("tau_x", "tau_p", "tau_s", "tau_a", "t1", "initial_gain_logits")
"""Parameters on which an equilibrium does not depend: they decide only which one is reached, and how soon."""

OptimiserName = Literal["adabelief", "adam", "adamax", "adamw", "amsgrad", "lion", "nadam", "radam", "rmsprop", "sgd", "yogi"]
"""Optimisers of optax that can be named."""

ScheduleName = Literal[
    "constant_schedule",
    "cosine_decay_schedule",
    "exponential_decay",
    "linear_schedule",
    "polynomial_schedule",
    "warmup_cosine_decay_schedule",
]
"""Schedules of optax that can be named: of the learning rate along the steps."""
