"""
First recall
============

Store handwritten digits, ask for one of them with a fifth of its pixels flipped, and watch how the memory
decides.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt

import astrojax as aj

# %%
# Patterns are the columns of an array. These are the first thirty of 1,750 digits of 8 × 8 pixels, each
# entry ±1.

patterns = aj.digits()[:, :30]
print(patterns.shape)

figure, panels = plt.subplots(3, 10, figsize=(8, 2.6))
for panel, pattern in zip(panels.ravel(), patterns.T, strict=True):
    panel.imshow(pattern.reshape(8, 8), cmap="gray")
    panel.set_axis_off()

# %%
# A memory is made of its patterns and a few numbers. We want the linear score, which tells a pattern from
# its negative, at a temperature at which several patterns compete for a while.

memory = aj.AstrocyteMemory(patterns, score="linear", temperature=2.0)
print(memory)

# %%
# The query is the first digit, a zero, with 13 of its 64 pixels flipped. ``retrieve`` starts the neurons
# there and integrates the memory's equations up to the horizon ``t1``; ``ts`` are the times at which states
# are kept.

query = aj.flip(jax.random.key(1), patterns[:, 0], num_flips=13)
recall = aj.retrieve(memory, query, t1=10.0, ts=jnp.geomspace(0.01, 10, 80))
print(aj.Status(int(recall.status)).name, "largest gain:", recall.gains.max())
before, after = aj.hamming_error(patterns[:, 0], query), aj.hamming_error(patterns[:, 0], recall.x)
print("wrong pixels before and after:", before, after)

# %%
# The gains start equal. Those of the patterns that resemble the query grow at the cost of all others, until
# one is left, and the neurons follow it. The energy falls all the way.

recall.plot(memory, target=patterns[:, 0], query=query, picture_shape=(8, 8))

# %%
# Every memory has an energy and its exact rate, so that the claim can be checked rather than believed: no
# saved state lies higher than the one before.

energies = jax.vmap(memory.energy)(recall.states)
print("largest rise between saved states:", jnp.diff(energies).max())

# %%
# The classical Hopfield network has no gains. Thirty digits, which resemble each other, are far too many
# for it:

hopfield = aj.HopfieldMemory(patterns)
other = aj.retrieve(hopfield, query, t1=10.0)
print("wrong pixels:", aj.hamming_error(patterns[:, 0], other.x))

pictures = {"stored": patterns[:, 0], "query": query, "astrocyte": recall.x, "Hopfield": other.x}
figure, panels = plt.subplots(1, 4, figsize=(7, 2))
for panel, (title, x) in zip(panels, pictures.items(), strict=True):
    panel.imshow(jnp.sign(x).reshape(8, 8), cmap="gray", vmin=-1, vmax=1)
    panel.set_title(title)
    panel.set_axis_off()

# %%
# ``retrieve`` takes one query, and ``jax.vmap`` many: every digit is asked for, with flips of its own.

keys = jax.random.split(jax.random.key(2), 30)
queries = jax.vmap(lambda key, pattern: aj.flip(key, pattern, 13))(keys, patterns.T)


def errors(memory):
    recalls = jax.vmap(lambda query: aj.retrieve(memory, query, t1=10.0))(queries)
    return jax.vmap(aj.hamming_error)(patterns.T, recalls.x)


for name, one in {"astrocyte": memory, "Hopfield": hopfield}.items():
    print(f"{name}: {(errors(one) == 0).sum()} of 30 recalled without error")

# %%
# A film of a recall for a talk: ``aj.animate(recall, "recall.gif", memory, picture_shape=(8, 8))``.
