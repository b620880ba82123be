"""
From a sweep to a figure
========================

How does recall depend on memory load, corruption and temperature? A configuration, a run folder, and a
figure with error bars for a paper.
"""

from pathlib import Path

import matplotlib.pyplot as plt

import astrojax as aj
from astrojax.report.statistics import error_bars, mean_interval, with_interval

# %%
# A run is described by a file. Every combination of the axes is computed, for every model, on the same 100
# problems: comparisons are paired.

Path("load.yaml").write_text("""
patterns: {kind: random, num_neurons: 30}
axes:
  num_patterns: [10, 30, 100, 300]
  num_flips: [3, 6]
  temperature: {start: 0.01, stop: 100, num: 7, scale: log}
trials: 100
models:
  squared: {kind: astrocyte}
  linear: {kind: astrocyte, score: linear}
  hopfield: {kind: hopfield}
""")
config = aj.load_config("load.yaml")

# %%
# ``aj.run`` computes what is not in the folder yet. Interrupted, it goes on where it was; finished, it only
# checks what is there. On the command line: ``astrojax run load.yaml``.

results = aj.run(config, "runs/load")
print(results.hamming_error.sizes)
print("failed:", int((results.status > 0).sum()))
under_way = (results.settled == 0).sum(["num_patterns", "num_flips", "trial"])
print(under_way.to_pandas().to_string())

# %%
# The table counts recalls that were still under way at the horizon: hot gains decide slowly, and a Hopfield
# network of high load hesitates. A longer ``retrieval.t1`` would let them end.
#
# Results are an xarray dataset with an axis for each axis of the sweep, and one value for each trajectory.
# A mean over trials and its 95% interval. Errors of 30 neurons lie between 0 and 30; with these bounds the interval
# allows for failures too rare to be among 100 trials, where a standard error may be 0:

error = results.hamming_error.sel(num_flips=6)
mean = error.mean("trial")
low, high = mean_interval(error, bounds=(0, 30))
print(mean.sel(model="linear").to_pandas().round(2).to_string())
print(f"the widest interval: {(high - low).max():.2f} wrong neurons")

# %%
# The Bayes decoder, which knows the patterns and the rate of flips, errs least on average where flips are
# independent. With it in the figure one sees what there is to gain.

bayes = results.decoder_error.sel(decoder="bayes_signed", num_flips=6).mean("trial")

figure, panels = plt.subplots(1, 4, figsize=(11, 3), sharey=True, layout="constrained")
for panel, load in zip(panels, results.num_patterns.values, strict=True):
    for name, color in zip(results.model.values, ("C0", "C1", "C2"), strict=True):
        at = {"model": name, "num_patterns": load}
        bars = error_bars(mean.sel(at), mean_interval(error.sel(at), bounds=(0, 30)))
        panel.errorbar(mean.temperature, mean.sel(at), bars, color=color, label=name)
    panel.axhline(bayes.sel(num_patterns=load), color="k", ls="--", label="Bayes decoder")
    panel.set(title=f"K = {load}", xlabel="temperature T", xscale="log")
panels[0].set_ylabel("wrong neurons of 30, from 6 flips")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)

# %%
# At low temperatures one gain wins. The linear memory then comes close to the Bayes decoder; the squared
# one cannot tell a pattern from its negative, and errs more as the load grows. Above T ≈ 5 and 20 the gains
# stay a mixture: the squared memory keeps its query, as a Hopfield network of so high a load does, and the
# linear one answers with a mean of all patterns, which is worse than no answer. The Hopfield network has no
# temperature; its value is repeated.
#
# Is the difference of the scores at T = 1 and K = 300 more than chance? Both met the same problems, so that
# the differences of pairs count:

pair = error.sel(num_patterns=300).sel(temperature=1.0, method="nearest")
difference = pair.sel(model="squared") - pair.sel(model="linear")
found = with_interval([difference.mean(), *mean_interval(difference)])
print(f"{found} more wrong neurons with the squared score")

# %%
# It is: the interval lies above 0.

# %%
# ``astrojax show runs/load --html`` makes a page of the whole run, and ``astrojax verify runs/load``
# computes a share of it again.
