"""What is stored: units and definition of every variable."""

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
    "refined": ("1", "1 where the first grid of time steps was too coarse, and a finer one was taken"),
    "tolerance": ("1", "relative tolerance of a step of the solver; on a grid, its largest error beyond which it is refined"),
    "status": (
        "1",
        "0 ok, 1 max_steps, 2 non_finite, 3 invalid_memory, 4 solver_failed, 5 invalid_settings, "
        "6 unconfirmed, -1 not computed yet; failed samples are NaN",
    ),
    "decoder_error": ("neurons", "Hamming error of a decoder on the same problem, for reference"),
}
"""Units and definition of every stored variable."""


def attributes(name: str) -> dict[str, str]:
    """Units and definition of a variable."""
    units, definition = DEFINITIONS[name]
    return {"units": units, "long_name": name.replace("_", " "), "definition": definition}
