"""The astrocyte-gated associative memory, in its three gain regimes."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from .._internal.checks import finite, one_of, positive, real, shaped
from .._internal.datasets import labeled
from .._internal.parameters import OneOf, Range
from .._internal.registry import as_part, kind_of
from .._internal.types import (
    BoolScalar,
    MaskLike,
    Neurons,
    Patterns,
    PerNeuronLike,
    PerPattern,
    PerPatternLike,
    PositiveLike,
    Scalar,
    ScalarLike,
    ScalarOrNeurons,
    Stored,
)
from .activations import AbstractActivation, require_bounded
from .base import DEFAULT_TOLERANCE, LARGEST_TOLERANCE, NUM_STEPS, AbstractMemory, NeuronState, checked_query, largest
from .gain_maps import AbstractGainMap, masked
from .gap_junctions import AbstractGapJunctions, NoGapJunctions
from .packed import CompactPatterns
from .scores import COUPLINGS, AbstractScore, LinearScore, SquaredScore

CLEAR_SIMILARITY = 0.65  # cosine with its target above which a query is clear: 3 flips of 20 entries leave 0.7
GAIN_REGIMES = ("dynamic", "adiabatic", "frozen")


class AstrocyteState(NeuronState):
    """Neurons x and, in the dynamic regime, the logits z of the gains."""

    gain_logits: PerPattern | None = labeled("logits of the gains", "pattern")


class AstrocyteMemory(AbstractMemory):
    """A Hopfield-type network whose couplings are multiplied, pattern by pattern, by competing astrocytic gains.

    With firing rates φ(x) = tanh(σx), overlaps m = Ξᵀφ(x), gains p = softmax(z), a score g and its coupling constant c:

        τx dx/dt = −x + c Ξ (p ⊙ g′(m))
        τp dz/dt = g(m) + b − T z

    The second line is an entropy-regularized replicator equation in logits,

        τp dp/dt = p ⊙ (F − ⟨p, F⟩),  F = g(m) + b − T log p,

    which keeps p on the simplex exactly and never takes the logarithm of zero. The system descends the energy

        ℒ = −c⟨p, g(m) + b⟩ + cT⟨p, log p⟩ + Σ [xφ(x) − L(x)]

    at the rate

        dℒ/dt = −(1/τx) Σ φ′(x)(τx dx/dt)² − (c/τp) Var_p(F),

    whose second term is there only in the dynamic regime.

    With another gain map, p = ∇Ω*(z) for a regularizer Ω, the energy has cT Ω(p) for cT⟨p, log p⟩, and its rate
    −c τp ⟨dz/dt, ∇²Ω*(z) dz/dt⟩ for −(c/τp) Var_p(F). With another activation, φ = ∇L, the rate has −τx⟨dx/dt, ∇²L(x) dx/dt⟩.
    Gap junctions add κ A p to the scores in the second line, and −(cκ/2) pᵀA p to the energy.

    Arguments:
        patterns: stored patterns as columns, shape (N, K), ±1 in the paper, or `compact_patterns`; their precision is that of
            the whole computation.
        temperature: T, entropic regularization of the gains, positive. At the paper's 0.01 one gain wins; at 10 and above the
            gains stay nearly uniform.
        tau_x: τx, time constant of the neurons, positive, dimensionless. Larger values wait for the gains to decide.
            A number, or one per neuron, shape (N,). T and τp are single numbers: the energy falls because they are the same
            for all patterns.
        tau_p: τp, time constant of the gains, positive, dimensionless. It has an effect in the regime `dynamic` alone.
        slope: σ of the firing rate tanh(σx), positive. 5 throughout this project, since the paper does not say.
            A number, or one per neuron, shape (N,).
        score: how an overlap feeds the gain of its pattern: `squared` (the paper), `linear`, `power`, or `distance` for
            real-valued patterns. Or a score object such as `PowerScore(6)`.
        gain_map: how gains follow from logits: `softmax` (the paper), `sparsemax`, `entmax`, or an object such as
            `EntmaxGainMap(1.3)`.
        activation: firing rate φ: `tanh` (the paper), `identity`, `rectified`, `sphere`, or an object.
        gap_junctions: how astrocytes are coupled: `none` (the paper), `ring`, `classes`, or an object such as
            `MatrixGapJunctions(A)`. Only in the regime `dynamic`: instantaneous gains would not be unique.
        gain_regime: how gains follow their scores: `dynamic`, by their equation; `adiabatic`, at once (τp = 0); `frozen`, not
            at all (τp = ∞). Adiabatic gains are p = softmax(g(m)/T) at every instant; frozen ones stay at their start, and with
            uniform gains and the squared score this is the classical Hopfield network.
        coupling: c, how strongly the gated patterns drive the neurons: `K` (the memory load, as in the paper), `N` (the number
            of neurons), `1`, or a positive number; if omitted, the score's own: K for even scores, 1 for the linear one.
            A pattern at rest with a single gain has |x| = c |g′(N)|: c for the squared score.
        stored: which columns are stored, shape (K,), boolean; all of them if omitted.
        initial_gain_logits: logits z of the gains at time 0, shape (K,); zeros, so uniform gains, if omitted.
        logit_bias: bias b of the logits, shape (K,); zeros if omitted. Scores are g(m) + b in every formula, so that gains
            at rest are multiplied by exp(b/T): a prior over the patterns.
        pattern_classes: class of each pattern as a number, shape (K,), for the gap junctions `classes`.

    Raises `InputError` for a parameter that is not positive, an unknown name, or arrays that do not fit.

    Source: Vivet and Arenas (2026), arXiv:2604.25481, Eqs. 4-9; Σ is written without the misprints of its appendix.
    """

    patterns: Patterns | CompactPatterns
    temperature: Scalar
    tau_x: ScalarOrNeurons
    tau_p: Scalar
    slope: ScalarOrNeurons
    stored: Stored | None
    initial_gain_logits: PerPattern | None
    logit_bias: PerPattern | None
    pattern_classes: PerPattern | None
    coupling: Scalar | None  # c where it was given as a number
    score: AbstractScore
    gain_map: AbstractGainMap
    activation: AbstractActivation
    gap_junctions: AbstractGapJunctions
    gain_regime: str = eqx.field(static=True)
    coupling_name: str | None = eqx.field(static=True)  # `K`, `N` or `1` where the coupling was given by name

    positive_parameters: ClassVar[tuple[str, ...]] = ("temperature", "tau_x", "tau_p", "slope")
    needs: ClassVar[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
        "temperature": {"gain_regime": ("dynamic", "adiabatic")},
        "tau_p": {"gain_regime": ("dynamic",)},
        "initial_gain_logits": {"gain_regime": ("dynamic", "frozen")},
        "logit_bias": {"gain_regime": ("dynamic", "adiabatic")},
        "gap_strength": {"gain_regime": ("dynamic",)},
    }

    def __init__(
        self,
        patterns: jax.typing.ArrayLike | CompactPatterns,
        *,
        temperature: PositiveLike = 0.01,
        tau_x: PerNeuronLike = 1.0,
        tau_p: PositiveLike = 1.0,
        slope: PerNeuronLike = 5.0,
        score: str | AbstractScore = "squared",
        gain_map: str | AbstractGainMap = "softmax",
        activation: str | AbstractActivation = "tanh",
        gap_junctions: str | AbstractGapJunctions = "none",
        gain_regime: Annotated[str, OneOf(GAIN_REGIMES)] = "dynamic",
        coupling: Annotated[ScalarLike | str | None, Range(gt=0), OneOf(tuple(COUPLINGS))] = None,
        stored: MaskLike | None = None,
        initial_gain_logits: PerPatternLike | None = None,
        logit_bias: PerPatternLike | None = None,
        pattern_classes: PerPatternLike | None = None,
    ) -> None:
        self.set_parameters(patterns, stored, temperature=temperature, tau_x=tau_x, tau_p=tau_p, slope=slope)
        dtype = self.patterns.dtype
        self.score = as_part("score", AbstractScore, score)
        self.gain_map = as_part("gain_map", AbstractGainMap, gain_map)
        self.activation = as_part("activation", AbstractActivation, activation)
        if self.score.needs_bounded_rates:
            require_bounded(self.activation, f"the score {kind_of(type(self.score), 'Score')}")
        one_of("gain_regime", gain_regime, GAIN_REGIMES)
        self.gain_regime = gain_regime
        self.coupling_name = coupling if isinstance(coupling, str) else None
        if self.coupling_name is not None:
            one_of("coupling", coupling, COUPLINGS)
        self.coupling = None if coupling is None or self.coupling_name else positive("coupling", coupling, dtype)
        self.initial_gain_logits = _per_pattern("initial_gain_logits", initial_gain_logits, self.patterns)
        self.logit_bias = _per_pattern("logit_bias", logit_bias, self.patterns)
        self.pattern_classes = _per_pattern("pattern_classes", pattern_classes, self.patterns)
        self.gap_junctions = as_part("gap_junctions", AbstractGapJunctions, gap_junctions)
        if not isinstance(self.gap_junctions, NoGapJunctions):
            one_of("gain_regime with gap junctions", gain_regime, ("dynamic",))
        self.gap_junctions.check(self)

    def initial_state(self, query: Neurons) -> AstrocyteState:
        x = checked_query(query, self.patterns)
        return AstrocyteState(x, self._initial_logits() if self.gain_regime == "dynamic" else None)

    def vector_field(self, state: AstrocyteState) -> AstrocyteState:
        scores, score_slopes = self.score.with_derivative(self.overlaps(state), self.num_neurons)
        scores = self._biased(scores)
        gains = self.gain_map.gains(self._logits(state, scores), self.stored)
        drive = self.coupling_constant() * (self.patterns @ (gains * score_slopes))
        dx = (drive - state.x) / self.tau_x
        if state.gain_logits is None:
            return AstrocyteState(dx, None)
        scores = self._with_gap_junctions(scores, gains)
        return AstrocyteState(dx, (scores - self.temperature * state.gain_logits) / self.tau_p)

    def gains(self, state: AstrocyteState) -> PerPattern:
        return self.gain_map.gains(self._logits(state, self.scores(state)), self.stored)

    def log_gains(self, state: AstrocyteState) -> PerPattern:
        return self.gain_map.log_gains(self._logits(state, self.scores(state)), self.stored)

    def scores(self, state: AstrocyteState) -> PerPattern:
        """Scores g(m) of the patterns with their bias, shape (K,)."""
        return self._biased(self.score(self.overlaps(state), self.num_neurons))

    def energy(self, state: AstrocyteState) -> Scalar:
        scores = self.scores(state)
        logits = self._logits(state, scores)
        gains = self.gain_map.gains(logits, self.stored)
        scores = self._with_gap_junctions(scores, gains, 0.5)
        free_energy = self.temperature * self.gain_map.regularizer_of(gains, logits, self.stored) - gains @ scores
        return self.coupling_constant() * free_energy + self.neuron_energy(state.x)

    def energy_rate(self, state: AstrocyteState) -> Scalar:
        """−(1/τx) Σ φ′(x) (τx dx/dt)² − c τp ⟨dz/dt, ∇²Ω*(z) dz/dt⟩; the second term only in the dynamic regime."""
        derivative = self.vector_field(state)
        rate = self.neuron_dissipation(state.x, derivative.x)
        if state.gain_logits is None or derivative.gain_logits is None:
            return rate
        dissipation = self.gain_map.dissipation(masked(state.gain_logits, self.stored), derivative.gain_logits)
        return rate - self.coupling_constant() * self.tau_p * dissipation

    def speed(self, state: AstrocyteState) -> Scalar:
        """Largest of |dx/dt|∞ and |dp/dt|∞: logits drift long after the gains have settled."""
        derivative = self.vector_field(state)
        _, dp = jax.jvp(self.gains, (state,), (derivative,))
        return largest(derivative.x, dp)

    def rates(self) -> tuple[ScalarOrNeurons, ...]:
        neurons = 1 / self.tau_x
        return (neurons, self.temperature / self.tau_p) if self.gain_regime == "dynamic" else (neurons,)

    def shortest_time(self) -> Scalar:
        """τx alone unless the gains are dynamic."""
        return super().shortest_time() if self.gain_regime == "dynamic" else jnp.min(self.tau_x)

    def tolerance(self, t1: Scalar) -> Scalar:
        """Looser where neurons are faster than gains and horizon: they follow the gains, and their errors decay."""
        if self.gain_regime != "dynamic":
            return super().tolerance(t1)
        following = jnp.minimum(t1, 100 * self.tau_p) / (10 * jnp.max(self.tau_x))
        return jnp.clip(DEFAULT_TOLERANCE * following, DEFAULT_TOLERANCE, LARGEST_TOLERANCE)

    def time_scale(self) -> Scalar:
        """τp, less where neurons are faster, and more where the temperature delays the decision."""
        if self.gain_regime != "dynamic":
            return super().time_scale()
        return jnp.minimum(self.tau_p, jnp.sqrt(jnp.min(self.tau_x) * self.tau_p)) * jnp.clip(1 + self.temperature, 1, 3)

    def num_steps(self, num_patterns: ScalarLike, similarity: ScalarLike) -> ScalarLike:
        """Twice as many for each factor of 10 by which neurons are faster than gains. Fewer for a clear query (unless the score
        is a power), and fewest if also K ≤ N. From 5 patterns per neuron on (10 for a clear query), up to 40, as √K."""
        if self.gain_regime != "dynamic":
            return super().num_steps(num_patterns, similarity)
        load = jnp.asarray(num_patterns, self.tau_p.dtype) / self.num_neurons
        clear = jnp.where(load > 1, 28 * jnp.sqrt(jnp.clip(load / 10, 1, 4)), 20)
        unclear = NUM_STEPS * jnp.sqrt(jnp.clip(load / 5, 1, 8))
        is_clear = jnp.asarray(similarity) > (CLEAR_SIMILARITY if isinstance(self.score, SquaredScore | LinearScore) else 1)
        return jnp.where(is_clear, clear, unclear) * jnp.maximum(1, self.tau_p / jnp.min(self.tau_x)) ** math.log10(2)

    def is_valid(self) -> BoolScalar:
        valid = super().is_valid() & self.gain_map.is_valid() & self.gap_junctions.is_valid()
        return valid if self.coupling is None else valid & (self.coupling > 0) & jnp.isfinite(self.coupling)

    @property
    def has_kinks(self) -> bool:
        return self.activation.has_kinks or self.gain_map.has_kinks

    def _initial_logits(self) -> PerPattern:
        if self.initial_gain_logits is None:
            return jnp.zeros(self.patterns.shape[1], self.patterns.dtype)
        return self.initial_gain_logits

    def _biased(self, scores: PerPattern) -> PerPattern:
        for bias in (self.score.bias(self.patterns), self.logit_bias):
            scores = scores if bias is None else scores + bias
        return scores

    def _with_gap_junctions(self, scores: PerPattern, gains: PerPattern, share: float = 1.0) -> PerPattern:
        """The scores with a `share` of κ A p."""
        fed = self.gap_junctions(gains, self.stored, self.pattern_classes)
        if fed is None:
            return scores
        strength = jnp.asarray(self.gap_junctions.gap_strength, fed.dtype)  # type: ignore[attr-defined]
        return scores + share * strength * masked(fed, self.stored, 0.0)

    def _logits(self, state: AstrocyteState, scores: PerPattern) -> PerPattern:
        if state.gain_logits is not None:
            return state.gain_logits
        return scores / self.temperature if self.gain_regime == "adiabatic" else self._initial_logits()

    def coupling_constant(self) -> Scalar:
        """The coupling constant c as a number."""
        if self.coupling is not None:
            return self.coupling
        if self.coupling_name is not None:
            return COUPLINGS[self.coupling_name](self.num_patterns, self.num_neurons)
        return self.score.coupling(self.num_patterns)


def _per_pattern(name: str, values: jax.typing.ArrayLike | None, patterns: Patterns | CompactPatterns) -> PerPattern | None:
    if values is None:
        return None
    array = real(name, values).astype(patterns.dtype)
    finite(name, array)
    shaped(name, array, patterns.shape[1:], "one number per pattern")
    return array


def ModernHopfieldMemory(  # noqa: N802 (named like the other memories, of which it is a special case)
    patterns: jax.typing.ArrayLike | CompactPatterns,
    *,
    temperature: PositiveLike = 0.01,
    tau_x: PerNeuronLike = 1.0,
    slope: PerNeuronLike = 5.0,
    activation: str | AbstractActivation = "tanh",
    stored: MaskLike | None = None,
) -> AstrocyteMemory:
    """The modern Hopfield network: softmax attention as a dynamical system.

        τx dx/dt = −x + Ξ softmax(Ξᵀφ(x)/T)

    It is the adiabatic, linear member of the astrocyte family; T is the temperature, 1/β in the source. It descends the energy

        −T log Σ exp(m/T) + Σ [xφ(x) − L(x)].

    With the activation `identity` a step of length τx is the source's update. Patterns of different lengths need the score
    `distance` of an `AstrocyteMemory`. Other arguments and errors are as there.

    Arguments:
        activation: firing rate φ, as for `AstrocyteMemory`.

    Source: Ramsauer et al. (2021), arXiv:2008.02217.
    """
    parts: dict[str, Any] = {"score": LinearScore(), "activation": activation, "gain_regime": "adiabatic"}
    return AstrocyteMemory(patterns, temperature=temperature, tau_x=tau_x, slope=slope, stored=stored, **parts)
