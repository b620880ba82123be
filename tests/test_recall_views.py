"""How memories and results show themselves: as text, as a figure, as a film and as an xarray dataset."""

import functools
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import astrojax as aj
from astrojax.solve import recall_figure

PATTERNS = aj.random_patterns(jax.random.key(0), num_neurons=16, num_patterns=6)
TARGET = PATTERNS[:, 2]
QUERY = aj.flip(jax.random.key(1), TARGET, 3)
TIMES = np.linspace(0.0, 6.0, 40)
STORED = jnp.arange(6) < 5
retrieve = functools.partial(aj.retrieve, solver="tsit5")
"""With a solver that is traced in less time than the default one: views do not depend on it."""


@pytest.fixture(scope="module")
def memory():
    return aj.AstrocyteMemory(PATTERNS, stored=STORED)


@pytest.fixture(scope="module")
def recall(memory):
    return retrieve(memory, QUERY, t1=6.0, ts=TIMES)


@pytest.fixture(scope="module")
def batch(memory):
    return stacked([retrieve(memory, query, t1=6.0, ts=TIMES) for query in PATTERNS.T[:5]])


def stacked(recalls):
    """As `jax.vmap` gives them; no other program is compiled."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *recalls)


def test_what_was_found_at_rest_becomes_datasets_alone_in_batches_and_as_attractors(memory, recall):
    rest = aj.equilibrium(memory, recall.state)
    parts = (rest, aj.spectrum(memory, rest.state), aj.identify(memory, rest.state))
    sizes = [{"neuron": 16, "pattern": 6}, {"eigenvalue": 22}, {"pattern": 6}]
    for part, own in zip(parts, sizes, strict=True):
        assert dict(part.to_xarray().sizes) == own
        assert dict(stacked([part] * 2).to_xarray(dims=["start"]).sizes) == {"start": 2} | own
    with pytest.raises(aj.InputError, match="dims must name the 0 leading dimensions"):
        rest.to_xarray(dims=["start"])
    assert parts[2].to_xarray().leader == 2
    basin = aj.Basin(jnp.array([0, 3]), jnp.array([4, 2]), jnp.array([4, 4]))
    assert basin.to_xarray().share.sel(num_flips=3) == 0.5
    several = (stacked([part] * 2) for part in parts)
    table = aj.Attractors(*several, jnp.array([3, 1]), jnp.array([0, 0, -1, 1, 0]), jnp.array(1)).to_xarray()
    assert dict(table.sizes) == {"attractor": 2, "neuron": 16, "pattern": 6, "eigenvalue": 22, "start": 5}
    np.testing.assert_array_equal(table.x.isel(attractor=1), rest.x)
    assert table.leader.values.tolist() == [2, 2]
    assert table.attrs == {"num_unsettled": 1}


def test_a_figure_over_time_shows_what_was_stored(recall, memory):
    figure = recall.plot(memory, target=2)
    assert isinstance(figure, Figure)
    rates = jax.vmap(memory.readout)(recall.states)
    drawn = next(ax.collections[0] for ax in figure.axes if ax.collections and ax.get_xlabel() == "time")
    np.testing.assert_array_equal(np.asarray(drawn.get_array()).reshape(16, 40), rates.T)
    sides = {ax.get_title(): np.asarray(ax.images[0].get_array()).ravel() for ax in figure.axes if ax.images}
    np.testing.assert_array_equal(sides["query"], QUERY)
    np.testing.assert_array_equal(sides["target"], TARGET)
    curves = {ax.get_ylabel(): ax.lines for ax in figure.axes if ax.lines}
    np.testing.assert_allclose(curves["gain $p$"][-1].get_ydata(), jax.vmap(memory.gains)(recall.states)[:, 2])
    np.testing.assert_allclose(curves["overlap $m/N$"][-1].get_ydata(), rates @ TARGET / 16)
    np.testing.assert_allclose(curves["energy"][0].get_ydata(), jax.vmap(memory.energy)(recall.states))
    assert len(curves["gain $p$"]) == 5  # the column that is not stored is none
    assert figure.get_suptitle() == "0 of 16 neurons differ from the target"


def test_arguments_that_do_not_fit_are_refused_as_a_user_meets_them(recall, batch, memory, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    refused = [
        ({"target": 5}, "target must be a stored column of the 6"),
        ({"target": jnp.ones(3)}, r"target must be .* shape \(16,\)"),
        ({"target": "56"}, "target must be an array of real numbers"),
        ({"query": jnp.full(16, jnp.nan)}, r"query must be finite numbers of shape \(16,\)"),
        ({"memory": aj.HopfieldMemory(PATTERNS)}, "memory must be the one that recalled"),
        *(({"picture_shape": shape}, "picture_shape must be rows and columns") for shape in ((4, 5), "28", (-4, -4), (16,))),
    ]
    for given, message in refused:
        with pytest.raises(aj.InputError, match=message):
            recall.plot(**({"memory": memory} | given))
    for dims in (3, ["a", "b"], ["neuron"]):
        with pytest.raises(aj.InputError, match="dims must"):
            batch.to_xarray(dims=dims)


def test_one_retrieval_is_drawn_not_a_batch_nor_a_traced_one(recall, batch):
    with pytest.raises(aj.InputError, match=r"recall.plot shows one retrieval; got a batch of shape \(5,\)"):
        batch.plot()
    with pytest.raises(aj.InputError, match="cannot be called inside jax"):
        jax.jit(lambda recall: recall.plot())(recall)


@pytest.mark.parametrize(("suffix", "shape"), [("gif", (4, 4)), ("mp4", None)])
def test_an_animation_is_written_whole_and_small(recall, memory, tmp_path, suffix, shape):
    path = tmp_path / f"film.{suffix}"
    fps = np.float32(10)
    assert aj.animate(recall, str(path), memory, target=2, picture_shape=shape, num_frames=6, fps=fps) == path
    assert 2_000 < path.stat().st_size < 100_000
    assert [other.name for other in tmp_path.iterdir()] == [path.name]
    if suffix == "gif":
        with Image.open(path) as film:
            assert 4 <= film.n_frames <= 6
            assert film.info["duration"] == 100
            assert film.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    else:
        assert path.read_bytes()[4:8] == b"ftyp"


def test_an_animation_that_cannot_be_made_leaves_nothing_behind(recall, memory, tmp_path, monkeypatch):
    path = tmp_path / "film.gif"
    with pytest.raises(aj.InputError, match=r"path must end in \.gif or \.mp4; got 'film.webm'"):
        aj.animate(recall, "film.webm")
    with pytest.raises(aj.InputError, match="an animation needs states on the way"):
        aj.animate(retrieve(memory, QUERY, t1=1.0), path)
    with pytest.raises(aj.InputError, match="num_frames must be an integer of at least 2; got 1"):
        aj.animate(recall, path, num_frames=1)
    with pytest.raises(aj.InputError, match=r"fps must lie within \[1, 50\]; got 0"):
        aj.animate(recall, path, fps=0)
    with pytest.raises(aj.InputError, match="path must be a file in a folder that exists"):
        aj.animate(recall, tmp_path / "none" / "film.gif")
    path.write_text("what was there")
    monkeypatch.setattr(recall_figure, "_draw_strip", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        aj.animate(recall, path)
    assert [(other.name, other.read_text()) for other in tmp_path.iterdir()] == [("film.gif", "what was there")]
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(aj.InputError, match=r"film.mp4 needs ffmpeg, .* pip install 'astrojax-memory\[video\]'"):
        aj.animate(recall, tmp_path / "film.mp4")


def test_what_is_not_installed_is_named(recall, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "astrojax.solve.recall_figure", None)
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(aj.InputError, match="to_xarray needs xarray: python -m pip install 'xarray'"):
        recall.to_xarray()
    for view in (recall.plot, lambda: aj.animate(recall, tmp_path / "film.gif")):
        with pytest.raises(aj.InputError, match="needs matplotlib and Pillow: python -m pip install 'matplotlib' 'pillow'"):
            view()


def test_a_result_becomes_a_dataset_with_named_dimensions(recall, batch):
    one, many = recall.to_xarray(), batch.to_xarray()
    assert dict(one.sizes) == {"neuron": 16, "pattern": 6, "time": 40}
    assert dict(many.sizes) == {"query": 5} | dict(one.sizes)
    np.testing.assert_array_equal(one.x, recall.x)
    np.testing.assert_array_equal(one.time, TIMES)
    np.testing.assert_array_equal(many.gains.sel(query=3), batch.gains[3])
    np.testing.assert_array_equal(many.x_saved.transpose("query", "time", "neuron"), batch.states.x)
    assert many.num_accepted_steps.dims == many.status.dims == ("query",)
    assert one.attrs == {"solver": "tsit5"}
    assert one.status.attrs["definition"].startswith("0 ok, 1 max_steps, ")
    assert all(set(variable.attrs) == {"units", "definition"} for variable in many.variables.values())
    assert "convergence_time" not in one
    assert batch.to_xarray(dims=["digit"]).gains.dims == ("digit", "pattern")


def test_times_that_differ_within_a_batch_are_kept(memory):
    ends = jnp.array([1.0, 6.0])
    recalls = stacked([retrieve(memory, QUERY, t1=t1, ts=TIMES / 6 * t1) for t1 in ends])
    with_time = eqx.tree_at(lambda recall: recall.convergence_time, recalls, ends, is_leaf=lambda leaf: leaf is None)
    found = with_time.to_xarray(dims=["horizon"])
    assert "time" not in found.coords
    np.testing.assert_allclose(found.saved_time, TIMES / 6 * np.array([[1], [6]]))
    assert found.convergence_time.dims == ("horizon",)
    state = aj.NeuronAstrocyteState(QUERY[:3], jnp.ones(6), jnp.ones(6))
    without = {"gains": None, "ts": None, "states": None, "convergence_time": None, "stats": {}}
    tripartite = aj.Recall(state, status=jnp.array(0), rtol=jnp.array(1.0), atol=jnp.array(1.0), solver="etd3", **without)
    tripartite = tripartite.to_xarray()
    assert tripartite.synapses.dims == tripartite.processes.dims == ("pair",)
    assert "gains" not in tripartite


def test_a_sweep_becomes_a_dataset_with_an_axis_for_each_dimension():
    values = np.arange(6.0).reshape(2, 3)
    axes = {"num_patterns": {"num_patterns": np.array([5, 9])}, "both": {"tau_x": np.ones(3), "tau_p": np.arange(3.0)}}
    result = aj.SweepResult({"hamming_error": values}, 6, axes=axes)
    found = result.to_xarray()
    assert found.hamming_error.dims == ("num_patterns", "both")
    assert found.hamming_error.sel(num_patterns=9).values.tolist() == [3, 4, 5]
    assert found.tau_p.dims == ("both",)
