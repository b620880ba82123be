"""A user's script that uses every public name, for the type checker: what an editor knows of each. It is never run."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, assert_type

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import astrojax as aj
from astrojax.config.run import Config
from astrojax.config.tune import TuneConfig
from astrojax.runs.tune_results import Best
from astrojax.tuning.baselines import Candidates

key = jax.random.key(0)

patterns = aj.random_patterns(key, num_neurons=30, num_patterns=100)
assert_type(patterns, jax.Array)
assert_type(aj.biased_patterns(key, num_neurons=30, num_patterns=10, mean=0.2), jax.Array)
assert_type(aj.hierarchical_patterns(key, num_neurons=30, num_patterns=10, num_prototypes=2, overlap=0.5), jax.Array)
assert_type(aj.random_features_patterns(key, num_neurons=30, num_patterns=10, num_features=5), jax.Array)
assert_type(aj.gaussian_patterns(key, num_neurons=30, num_patterns=10), jax.Array)
assert_type(aj.spherical_patterns(key, num_neurons=30, num_patterns=10), jax.Array)
assert_type(aj.digits(), jax.Array)
assert_type(aj.glyphs(size=16, scaling="standard"), jax.Array)
assert_type(aj.classes_of(aj.digits, scaling="range"), jax.Array | None)


@aj.classified(lambda num_patterns, **_: jnp.arange(num_patterns) % 2)
def halves(key: jax.Array, *, num_patterns: int) -> jax.Array:
    return aj.random_patterns(key, num_neurons=30, num_patterns=num_patterns)


assert_type(aj.pooled_patterns(key, pool=aj.digits(), num_patterns=20), jax.Array)
assert_type(aj.load_patterns("mine.npy"), jax.Array)
assert_type(aj.compact_patterns(patterns), aj.CompactPatterns)
query = aj.flip(key, patterns[:, 0], num_flips=6)
assert_type(query, jax.Array)
assert_type(aj.erase(key, query, fraction=0.5), jax.Array)
assert_type(aj.add_noise(key, query, scale=0.5), jax.Array)
assert_type(aj.Flips()(key, query, jnp.asarray(2)), jax.Array)
corruptions: list[aj.AbstractCorruption] = [aj.Flips()]
assert_type(aj.Range(gt=0, le=1), aj.Range)
assert_type(aj.Erasures().level_name, str)
assert_type(aj.GaussianNoise(), aj.GaussianNoise)
assert_type(aj.Masking()(key, aj.mask(query, 0.5), jnp.asarray(0.5)), jax.Array)

memory = aj.AstrocyteMemory(patterns, temperature=0.01, tau_x=1, tau_p=np.float32(1.0), slope=jnp.asarray(5.0))
assert_type(memory, aj.AstrocyteMemory)
assert_type(aj.AstrocyteMemory(patterns, score=aj.PowerScore(6), stored=[True] * 100).score, aj.AbstractScore)
assert_type(aj.SquaredScore().coupling(memory.num_patterns), jax.Array)
assert_type(aj.LinearScore()(jnp.ones(3), 30), jax.Array)
assert_type(aj.AstrocyteMemory(patterns, gain_map=aj.SoftmaxGainMap()).gain_map, aj.AbstractGainMap)
assert_type(aj.EntmaxGainMap(alpha=1.3)(jnp.ones(3)), jax.Array)
gain_maps: list[aj.AbstractGainMap] = [aj.SoftmaxGainMap(), aj.SparsemaxGainMap(), aj.EntmaxGainMap()]
assert_type(aj.HopfieldMemory(patterns, activation=aj.TanhActivation()).activation, aj.AbstractActivation)
activations: list[aj.AbstractActivation] = [aj.IdentityActivation(), aj.RectifiedActivation(), aj.SphereActivation()]
assert_type(aj.DistanceScore().bias(patterns), jax.Array)
coupled = aj.AstrocyteMemory(patterns, gap_junctions=aj.MatrixGapJunctions(jnp.eye(100), gap_strength=0.5))
assert_type(coupled.gap_junctions, aj.AbstractGapJunctions)
junctions: list[aj.AbstractGapJunctions] = [aj.RingGapJunctions(), aj.ClassesGapJunctions()]
assert_type(aj.ModernHopfieldMemory(patterns, temperature=0.1), aj.AstrocyteMemory)
hopfield = aj.HopfieldMemory(aj.compact_patterns(patterns), zero_diagonal=True)
aj.testing.check_memory(aj.HopfieldMemory)
memories: list[aj.AbstractMemory] = [memory, hopfield, aj.DenseMemory(patterns, order=3), aj.NeuronAstrocyteMemory(patterns)]
state = memory.initial_state(query)
assert_type(state, aj.AstrocyteState)
assert_type(hopfield.initial_state(query), aj.NeuronState)
assert_type(aj.NeuronAstrocyteMemory(patterns).initial_state(query), aj.NeuronAstrocyteState)
assert_type(memory.energy(state), jax.Array)
assert_type(aj.activation(query, jnp.asarray(5.0)), jax.Array)
assert_type(aj.lagrangian(query, jnp.asarray(5.0)), jax.Array)

recall = aj.retrieve(memory, query, t1=10.0, ts=np.linspace(0, 10, 50), solver=aj.ETD3(), confirm=True)
assert_type(recall, aj.Recall)
assert_type(aj.Status(int(recall.status)), aj.Status)
assert_type(aj.retrieve_many(memory, patterns.T, t1=10.0), aj.Recall)
assert_type(recall.plot(memory, target=0, picture_shape=(5, 6)), Figure)
assert_type(aj.animate(recall, "recall.gif", memory, target=patterns[:, 0]), Path)
assert_type(aj.ETD2(), aj.ETD2)
assert_type(aj.Automatic(), aj.Automatic)

assert_type(aj.hamming_error(query, query), jax.Array)
assert_type(aj.soft_hamming_error(query, memory.readout(state)), jax.Array)
assert_type(aj.overlap(query, memory.readout(state)), jax.Array)
assert_type(aj.perplexity(memory.log_gains(state)), jax.Array)
assert_type(aj.success(query, query), jax.Array)
assert_type(aj.rmse(query, query) + aj.cosine(query, query) + aj.identified(patterns, query), jax.Array)
assert_type(aj.posterior_decoder(patterns, query, 4.0), jax.Array)
assert_type(aj.nearest_pattern(key, patterns, query), jax.Array)
assert_type(aj.bayes_decoder(patterns, query, 1.0, signed=False), jax.Array)

rest = aj.equilibrium(memory, recall.state)
assert_type(rest, aj.Equilibrium)
assert_type(aj.jacobian(memory, rest.state), jax.Array)
assert_type(aj.spectrum(memory, rest.state), aj.Spectrum)
assert_type(aj.Stability(int(aj.spectrum(memory, rest.state).stability)), aj.Stability)
assert_type(aj.identify(memory, rest.state), aj.Identity)
assert_type(aj.EquilibriumKind(0), aj.EquilibriumKind)
assert_type(aj.attractors(memory, patterns.T), aj.Attractors)
assert_type(aj.basin(memory, key, num_flips=[0, 3], num_queries=10), aj.Basin)

assert_type(aj.theory.nearest_pattern(20, 10**12, 3, signed=False), aj.theory.DecoderPerformance)
assert_type(aj.theory.channel_capacity(0.2), float)
assert_type(aj.theory.recall_threshold(0.2, 0.5, "linear"), float)
assert_type(aj.theory.best_temperature(0.2), float)
assert_type(aj.theory.critical_temperature(0.2, 0.1), float)
assert_type(aj.theory.num_patterns_at(0.2, 30), float)
assert_type(aj.theory.hopfield_recall(0.1, slope=5.0, zero_diagonal=False), aj.theory.HopfieldRecall)
assert_type(aj.theory.hopfield_capacity(5.0), float)

try:
    aj.retrieve(memory, query, t1=-1.0)
except aj.InputError as error:
    assert_type(error, aj.InputError)
except aj.OutOfMemoryError as error:
    wider: aj.RunError = error

task = aj.Task(eqx.Partial(aj.random_patterns, num_neurons=30), aj.Flips())
trial = aj.RecallTrial(task, eqx.Partial(aj.AstrocyteMemory), {}, t1=10.0, solver="auto", max_steps=4096)
axes = {"num_patterns": [5, 10], "num_flips": range(4), "trial": range(20)}
sweeps = {"mine": aj.Sweep(trial, axes), "decoders": aj.Sweep(aj.DecoderTrial(task), axes)}
results = aj.run_sweeps(sweeps, key, engine=aj.Engine(num_threads=1))
assert_type(results, dict[str, aj.SweepResult])
assert_type(results["mine"].observables, dict[str, np.ndarray])


@aj.observable(units="1", definition="largest neuron")
def largest(memory: aj.AbstractMemory, target: jax.Array, recall: aj.Recall) -> jax.Array:
    return jnp.max(jnp.abs(recall.state.x))


class Peak(aj.Maximum):
    def value(self, memory: aj.AbstractMemory, target: jax.Array, state: Any) -> jax.Array:
        return jnp.max(jnp.abs(state.x))


class Arrival(aj.FirstPassage):
    def value(self, memory: aj.AbstractMemory, target: jax.Array, state: Any) -> jax.Array:
        return jnp.mean(target * memory.readout(state))


running: list[aj.AbstractRunningObservable[Any]] = [Peak(), Arrival(0.9)]
aj.RecallTrial(task, eqx.Partial(aj.AstrocyteMemory), observables=["overlap", largest, *running])
assert_type(results["mine"].to_xarray(), xr.Dataset)

config = aj.load_config("config.yaml", trials=5)
assert_type(config, Config)
experiment = aj.experiment(task=task, axes={"num_patterns": [5], "num_flips": 2}, models={"mine": aj.HopfieldMemory})
assert_type(experiment, Config)
assert_type(aj.run(config, "runs/mine", execution=aj.Execution(num_threads=2)), xr.Dataset)
assert_type(aj.load("runs/mine", partial=True), xr.Dataset)
assert_type(aj.figures.curves(aj.load("runs/mine"), "overlap", models=["a"], theory=config), Figure)
assert_type(aj.figures.save(Figure(), "mine.pdf"), Path)
assert_type(aj.export("runs/mine", "csv"), Path)
assert_type(aj.write_run_page("runs/mine", "mine.html"), Path)
assert_type(aj.verify("runs/mine", share=0.1), dict[str, dict[str, float | int]])

objective = aj.Objective(
    task, eqx.Partial(aj.AstrocyteMemory), num_patterns=[20], levels=[3], loss=aj.Loss({"softsign": 1.0}), t1=10.0
)
states = aj.tune(objective, {"temperature": 0.01}, key=key, num_steps=5)
assert_type(states, Iterator[aj.SearchState])
for step in states:
    assert_type(step, aj.SearchState)
    assert_type(step.best, dict[str, Any])
search = aj.Search(objective, key=key, num_steps=5)
assert_type(search.step(search.init({"temperature": 0.01})), aj.SearchState)
parameters: Mapping[str, aj.Parameter] = {"temperature": aj.Parameter("log", 1e-3, 1.0)}
assert_type(aj.random_search(objective, parameters, key=key, num_solves=1000), Candidates)
assert_type(aj.grid_search(objective, parameters, key=key, num_solves=1000), Candidates)
assert_type(aj.load_search_config("tune.yaml"), TuneConfig)
aj.run_search(aj.search_experiment(axes=axes, model=aj.AstrocyteMemory, parameters=["temperature"]), "runs/mine")
found = aj.run_search(aj.load_search_config("tune.yaml"), "runs/tuned")
assert_type(found, aj.SearchResults)
assert_type(aj.load_search("runs/tuned").history, xr.Dataset)
assert_type(found.heldout(), xr.Dataset)
assert_type(found.best, Best)
assert_type(found.best.memory(patterns), aj.AbstractMemory)
assert_type(objective.memory(found.best.values, patterns), aj.AbstractMemory)
assert_type(found.landscape(), xr.DataArray | None)
