"""What a lab brings: a memory, a score, a gain map, patterns, two corruptions, a decoder, observables and a loss."""

from typing import ClassVar

import jax
import jax.numpy as jnp

import astrojax as aj


class ProjectionMemory(aj.AbstractMemory):
    """The projection network of Personnaz, Guyon and Dreyfus (1985): couplings that make up for correlations.

    Arguments:
        tau_x: time constant of the neurons.
        slope: slope of the firing rate.
        strength: how strongly the neurons are coupled.
    """

    patterns: jax.Array
    tau_x: jax.Array
    slope: jax.Array
    strength: jax.Array
    stored: jax.Array | None

    positive_parameters: ClassVar[tuple[str, ...]] = ("tau_x", "slope", "strength")

    def __init__(self, patterns, *, tau_x: float = 1.0, slope: float = 5.0, strength: float = 1.0, stored=None):
        self.set_parameters(patterns, stored, tau_x=tau_x, slope=slope, strength=strength)

    def vector_field(self, state):
        return aj.NeuronState((self.strength * self._project(self.readout(state)) - state.x) / self.tau_x)

    def energy(self, state):
        rates = self.readout(state)
        return self.neuron_energy(state.x) - self.strength * rates @ self._project(rates) / 2

    def _project(self, rates):
        gram = self.patterns.T @ self.patterns + 1e-3 * jnp.eye(self.patterns.shape[1], dtype=rates.dtype)
        return self.patterns @ jnp.linalg.solve(gram, self.patterns.T @ rates)


class CubicScore(aj.AbstractScore):
    """g(m) = s m³/(3N²), c = 1: it tells a pattern from its negative.

    Arguments:
        sharpness: s, how steep it is.
    """

    sharpness: float = 1.0

    def __call__(self, overlaps, num_neurons):
        return self.sharpness * overlaps**3 / (3 * num_neurons**2)

    def coupling(self, num_patterns):
        return jnp.ones_like(num_patterns)


class Sparsemax(aj.AbstractGainMap):
    """The Euclidean projection onto the simplex (Martins and Astudillo 2016): weak patterns lose their gain altogether."""

    def __call__(self, logits):
        ordered = jnp.sort(logits)[::-1]
        number = jnp.arange(1, logits.size + 1)
        total = jnp.cumsum(ordered)
        size = jnp.sum(1 + number * ordered > total)
        return jnp.maximum(logits - (total[size - 1] - 1) / size, 0)

    def regularizer(self, gains):
        return (jnp.sum(gains**2) - 1) / 2


def barcodes(key, *, num_patterns: int, num_neurons: int = 24, width: int = 2):
    """Patterns of bars: `width` neighboring entries are equal."""
    bars = aj.random_patterns(key, num_neurons=num_neurons // width, num_patterns=num_patterns)
    return jnp.repeat(bars, width, axis=0)


class Occlusion(aj.AbstractCorruption):
    """A block of `num_occluded` entries, anywhere, becomes 0."""

    level_name: ClassVar[str] = "num_occluded"
    level_meaning: ClassVar[str] = "occluded entries of the query"
    is_count: ClassVar[bool] = True

    def __call__(self, key, pattern, level):
        place = jax.random.randint(key, (), 0, pattern.size)
        return jnp.where((jnp.arange(pattern.size) - place) % pattern.size < level, 0, pattern)


class SaltAndPepper(aj.AbstractCorruption):
    """A share of the entries becomes −1 or +1 at random."""

    level_name: ClassVar[str] = "noisy_share"
    level_meaning: ClassVar[str] = "share of the entries that are random"

    def __call__(self, key, pattern, level):
        where, which = jax.random.split(key)
        noise = aj.random_patterns(which, num_neurons=pattern.size, num_patterns=1)[:, 0]
        return jnp.where(jax.random.uniform(where, pattern.shape) < level, noise, pattern)


@aj.observable(units="blocks")
def block_error(memory, target, recall):
    """Blocks of two entries that are not recalled."""
    return jnp.sum(jnp.any((jnp.sign(recall.x) != target).reshape(-1, 2), axis=1))


def shown_entries(problem, evidence):
    """The query where it shows something, and the first pattern elsewhere."""
    return jnp.where(problem.query != 0, jnp.sign(problem.query), problem.patterns[:, 0])


def margin(memory, target, state):
    """How far the weakest neuron is from a firing rate of one half on the right side."""
    return jnp.mean(jax.nn.relu(0.5 - target * memory.readout(state)) ** 2)
