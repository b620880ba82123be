"""
Tuning on your own patterns
===========================

Which temperature and time constants suit a set of patterns? Gradients through the solver find them, and fresh problems judge them.
"""

from pathlib import Path

import equinox as eqx
import jax
import matplotlib.pyplot as plt
import numpy as np

import astrojax as aj

# %%
# Any file of ±1 rows will do. Here: 200 melodies of 32 beats, made from eight themes by changing some beats, so that they resemble each other as
# real patterns do.

rng = np.random.default_rng(3)
themes = rng.choice([-1, 1], (8, 32))
melodies = themes[rng.integers(0, 8, 400)] * np.where(rng.random((400, 32)) < 0.2, -1, 1)
np.save("melodies.npy", np.unique(melodies, axis=0)[:200])

# %%
# ``astrojax tune`` takes a file like this one. The search starts at the paper's parameters and looks along logarithms for T, τx and τp.

Path("melodies.yaml").write_text("""
patterns: {kind: file, path: melodies.npy}
axes: {num_patterns: [40], num_flips: [3]}
model: {kind: astrocyte, score: linear}
parameters: [temperature, tau_x, tau_p]
search: {num_steps: 30, batch_size: 64}
heldout_trials: 500
landscape: {size: 0}
""")
results = aj.run_search(aj.load_search_config("melodies.yaml"), "runs/melodies")

# %%
# The history has every step. The loss is a smooth stand-in for the Hamming error, which counts signs and has no gradient.

history = results.history.isel(score=0, start=0)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
left.plot(history.step, history.hamming_error, color="0.7", label="problems of the step")
left.plot(history.step, history.validation_error, "o", color="C0", label="held-out problems")
left.set(xlabel="step", ylabel="mean Hamming error (neurons)")
left.legend()
for name, label in {"temperature": "T", "tau_x": "τx", "tau_p": "τp"}.items():
    right.plot(history.step, history[name], label=label)
right.set(xlabel="step", ylabel="value", yscale="log")
right.legend()

# %%
# What counts is the error on problems that neither the steps nor the choice of the best values have met, beside the start and the decoders:

heldout = results.heldout()
errors = heldout.hamming_error.squeeze()
for name in heldout.model.values:
    values = errors.sel(model=name)
    print(f"{name:>9}: {float(values.mean()):.3f} ± {float(values.std(ddof=1) / np.sqrt(values.size)):.3f}")
print(f"    Bayes: {float(heldout.decoder_error.sel(decoder='bayes_signed').mean()):.3f}")

# %%
# ``runs/melodies/tuned.yaml`` is a configuration to run. The same search in Python, as a loop whose state can be looked at, kept, and continued:

pool = aj.load_patterns("melodies.npy")
task = aj.Task(eqx.Partial(aj.pooled_patterns, pool=pool), aj.Flips())
objective = aj.Objective(task, eqx.Partial(aj.AstrocyteMemory, score="linear"), num_patterns=[40], levels=[3])
start = {"temperature": 0.01, "tau_x": 1.0, "tau_p": 1.0}
for state in aj.tune(objective, start, key=jax.random.key(0), num_steps=5, batch_size=32):
    print(int(state.step), float(state.record.loss[0]), {name: float(value[0]) for name, value in state.values.items()})
