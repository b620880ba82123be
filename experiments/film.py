"""A film of one recall, docs/recall.gif: a digit with a fifth of its pixels flipped, and the gains of twenty that compete."""

from pathlib import Path

import jax
import jax.numpy as jnp

import astrojax as aj

PATH = Path(__file__).parents[1] / "docs" / "recall.gif"


def main() -> None:
    patterns = aj.digits()[:, :20]
    target = patterns[:, 3]
    query = aj.flip(jax.random.key(4), target, num_flips=13)
    memory = aj.AstrocyteMemory(patterns, score="linear", temperature=2.0)
    recall = aj.retrieve(memory, query, t1=20.0, ts=jnp.geomspace(0.01, 20, 200))
    print(recall, "wrong pixels:", float(aj.hamming_error(target, recall.x)))
    print(aj.animate(recall, PATH, memory, target=target, query=query, picture_shape=(8, 8)))


if __name__ == "__main__":
    main()
