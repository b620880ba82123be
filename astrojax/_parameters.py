"""How parameters are searched unless a search says otherwise, by name: transform, lowest and highest value.

The names of transforms are those of `tuning.transforms`; here stand plain data, so that a configuration can be read without a
numerical library.
"""

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

DIMENSIONS = {"initial_gain_logits": 1, "logit_bias": 1, "patterns": 2}
"""Parameters that have an entry for each pattern of a pool, on the last of so many axes; all others are single numbers."""

TRANSIENT = ("tau_x", "tau_p", "tau_s", "tau_a", "t1", "initial_gain_logits")
"""Parameters on which an equilibrium does not depend: they decide only which one is reached, and how soon."""
