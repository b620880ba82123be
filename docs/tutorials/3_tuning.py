"""
Tuning on your own patterns
===========================

Which temperature and time constants suit a set of patterns? Gradients through the solver find them, and
fresh problems judge them.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter

import astrojax as aj
from astrojax.report.statistics import mean_interval, with_interval

# %%
# Any file of patterns will do. Here: 300 landscapes of 10 × 10 fields, land or water, made by smoothing
# noise. Neighbours are alike and there is more water than land, so that the patterns resemble each other,
# as real ones do.

rng = np.random.default_rng(0)
heights = gaussian_filter(rng.normal(size=(300, 10, 10)), sigma=(0, 1.5, 1.5))
landscapes = np.where(heights > 0.1, 1, -1)
np.save("landscapes.npy", landscapes.reshape(300, 100))

figure, panels = plt.subplots(1, 8, figsize=(9, 1.3))
for panel, landscape in zip(panels, landscapes, strict=False):
    panel.imshow(landscape, cmap="gray")
    panel.set_axis_off()

# %%
# ``astrojax tune`` takes a file like this one: 150 of the landscapes are stored, and 10 of 100 fields of
# the query are wrong. The search starts at the paper's parameters and looks along the logarithms of T, τx
# and τp.

Path("landscapes.yaml").write_text("""
patterns: {kind: file, path: landscapes.npy}
axes: {num_patterns: [150], num_flips: [10]}
model: {kind: astrocyte}
parameters: [temperature, tau_x, tau_p]
search: {num_steps: 20, batch_size: 64, validation_size: 128}
heldout_trials: 500
landscape: {size: 0}
""")
results = aj.run_search(aj.load_search_config("landscapes.yaml"), "runs/landscapes")

# %%
# The history has every step. The loss is a smooth stand-in for the Hamming error, which counts signs and
# has no gradient.

history = results.history.isel(score=0, start=0)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
left.plot(history.step, history.hamming_error, color="0.7", label="problems of the step")
left.plot(history.step, history.validation_error, "o", color="C0", label="held-out problems")
left.set(xlabel="step", ylabel="mean Hamming error (neurons)")
left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
for name, label in {"temperature": "T", "tau_x": "τx", "tau_p": "τp"}.items():
    right.plot(history.step, history[name], label=label)
right.set(xlabel="step", ylabel="value", yscale="log")
right.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)

# %%
# What counts is the error on problems that neither the steps nor the choice of the best values have met,
# beside the start and the decoders:

heldout = results.heldout()
errors = heldout.hamming_error.squeeze()
for name in heldout.model.values:
    values = errors.sel(model=name)
    print(f"{name:>9}: {with_interval([values.mean(), *mean_interval(values, bounds=(0, 100))], '.3f')}")
bayes = heldout.decoder_error.sel(decoder="bayes_signed")
print(f"    Bayes: {float(bayes.mean()):.3f}")

# %%
# The search keeps the values with the lowest held-out error. They make a memory of any patterns, or of all landscapes:

best = results.best
recall = aj.retrieve(best.memory(), landscapes[0].ravel(), t1=best.t1)
print(best)
print("wrong fields:", float(aj.hamming_error(landscapes[0].ravel(), recall.state.x)))

# %%
# ``runs/landscapes/tuned.yaml`` is a configuration to run: ``astrojax run runs/landscapes/tuned.yaml``.
# From Python the same search is a loop over ``aj.tune``, whose states can be looked at, kept and continued.
