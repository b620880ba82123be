"""Any numeric field of a configuration can be an axis, alone or zipped with others, and means what the field means."""

import numpy as np
import pytest
import yaml

import astrojax as aj
from astrojax.cli import main
from astrojax.config.validation import parse_config
from astrojax.runs.build import build

RAW = {
    "patterns": {"kind": "random", "num_neurons": 10},
    "axes": {"num_patterns": [3, 12], "num_flips": [1, 3]},
    "trials": 4,
    "models": {"a": {"kind": "astrocyte"}, "h": {"kind": "hopfield"}},
    "retrieval": {"t1": 2},
}


def config(axes, **sections):
    return parse_config(RAW | {"axes": RAW["axes"] | axes} | sections)


def single(folder, **sections):
    return aj.run(parse_config(RAW | sections), folder)


def test_an_axis_over_a_field_gives_the_runs_of_its_values(tmp_path, no_figures):
    axes = {"retrieval": {"t1": [0.3, 2]}, "models.a.tau_p": [1.0, 50.0]}
    found = aj.run(config(axes), tmp_path / "run")
    assert found.sizes["retrieval.t1"] == found.sizes["models.a.tau_p"] == 2
    models = RAW["models"] | {"a": {"kind": "astrocyte", "tau_p": 50.0}}
    expected = single(tmp_path / "one", retrieval={"t1": 0.3}, models=models)
    at = found.sel({"retrieval.t1": 0.3, "models.a.tau_p": 50.0})
    for name in expected.data_vars:
        np.testing.assert_array_equal(at[name] if name != "decoder_error" else found[name], expected[name])
    # The field of one model changes nothing about the other, which is computed once along it; nor do decoders depend on either.
    plan = build(config(axes))
    assert plan.num_trajectories == 16 * (4 + 2 + 1)
    assert found.decoder_error.dims == ("decoder", "num_patterns", "num_flips", "trial")


def test_fields_that_change_shapes_are_axes_too(tmp_path, no_figures):
    axes = {"patterns.num_neurons": [6, 10], "seed": [0, 5]}
    found = aj.run(config(axes), tmp_path / "run")
    expected = single(tmp_path / "one", patterns={"kind": "random", "num_neurons": 6}, seed=5)
    at = found.sel({"patterns.num_neurons": 6, "seed": 5})
    for name in expected.data_vars:
        np.testing.assert_array_equal(at[name], expected[name])
    assert aj.verify(tmp_path / "run", share=1.0)["decoder_error"]["compared"] == 4 * 16 * 4


def test_zipped_axes_run_together_and_are_drawn(tmp_path, capsys):
    zipped = {
        "balance": {"tau_x": [1.0, 10.0, 1.0], "tau_p": [10.0, 1.0, 1.0]},
        "stop": {"retrieval.t1": [1, 2], "slope": [5, 2]},
    }
    found = aj.run(config({"zipped": zipped}), tmp_path / "run")
    assert dict(found.sizes) | {"balance": 3, "stop": 2} == dict(found.sizes)
    assert found.tau_x.dims == found.tau_p.dims == ("balance",)
    models = {"a": {"kind": "astrocyte", "tau_x": 10, "slope": 2}, "h": {"kind": "hopfield", "tau_x": 10, "slope": 2}}
    expected = single(tmp_path / "one", models=models, retrieval={"t1": 2})
    at = found.isel(balance=1, stop=1)
    for name in ("hamming_error", "soft_hamming_error", "num_steps"):
        np.testing.assert_allclose(at[name], expected[name], rtol=1e-5, atol=1e-6)
    assert aj.load_config(tmp_path / "run" / "config.yaml") == config({"zipped": zipped})
    assert main(["show", str(tmp_path / "run"), "--along", "balance"]) == 0
    assert "balance 1: tau_p 1, tau_x 10" in capsys.readouterr().out
    assert (tmp_path / "run" / "figures" / "along_balance.png").exists()


def test_zipped_values_are_numbers_of_their_coordinate_s_kind():
    """Random keys are derived from them, so 3.0 patterns must be 3."""
    zipped = {"pairs": {"num_patterns": [3.0, 12.0], "num_flips": {"start": 1, "stop": 3, "num": 2}}}
    grid = build(parse_config(RAW | {"axes": {"zipped": zipped}})).parts[0].sweep.grid
    assert {grid.at(np.arange(grid.size))[name].dtype.kind for name in zipped["pairs"]} == {"i"}


def test_ranges_of_counts_are_rounded_to_different_integers():
    found = config({"num_patterns": {"start": 5, "stop": 500, "num": 20, "scale": "log"}}).axes.num_patterns
    assert found[0] == 5
    assert found[-1] == 500
    assert all(isinstance(value, int) for value in found)
    assert config({"num_flips": {"start": 0, "stop": 3, "num": 9}}).axes.num_flips == [0, 1, 2, 3]


def test_planning_many_values_takes_time_in_proportion():
    """Every value is checked once: a plan of 100 configurations, not of the square of that."""
    plan = build(config({"retrieval.t1": {"start": 1, "stop": 100}}))
    assert len(plan.parts) == 201


def test_one_program_serves_all_values_of_a_traced_field(tmp_path, no_figures):
    aj.run(config({"retrieval.t1": {"start": 1, "stop": 6}}), tmp_path / "run")
    parts = yaml.safe_load((tmp_path / "run" / "provenance.json").read_text())["sessions"][0]["seconds"]["parts"]
    assert all(part["programs"] <= 1 for part in parts.values())  # 0 where another test has compiled it already


BROKEN = {
    "no such axis": ({"num_patern": [1]}, "did you mean 'num_patterns'?"),
    "no such model": ({"models.z.slope": [1]}, "axes.models.z.slope: "),
    "a field of words": ({"retrieval.solver": [1]}, "axes.retrieval.solver: "),
    "a value out of range": ({"retrieval.t1": [1, -2]}, "axes.retrieval.t1[1]: "),
    "a fraction for an integer": ({"retrieval.max_steps": [2.5]}, "axes.retrieval.max_steps[0]: "),
    "values twice": ({"retrieval.t1": [1, 1]}, "axes.retrieval.t1: "),
    "zipped lengths": ({"zipped": {"z": {"tau_x": [1, 2], "slope": [1]}}}, "axes.zipped.z: "),
    "zipped value": ({"zipped": {"z": {"tau_x": [1, 0]}}}, "axes.zipped.z.tau_x[1]: "),
    "along two axes": ({"tau_x": [1, 2], "zipped": {"z": {"tau_x": [1, 2]}}}, "runs along axes.tau_x already"),
    "name of an observable": ({"zipped": {"status": {"tau_x": [1, 2]}}}, "axes.zipped.status: "),
    "a misspelt field": ({"models.aa.tau_p": [1, 2]}, "did you mean 'models.a.tau_p'?"),
    "a parameter twice": ({"tau_p": [1, 2], "models.a.tau_p": [1, 2]}, "axes.models.a.tau_p: "),
    "too many configurations": (
        {"retrieval.t1": {"start": 1, "stop": 200}, "retrieval.rtol": {"start": 0.001, "stop": 0.1, "num": 60}},
        "12,000 different configurations",
    ),
    "flips beyond the fewest neurons": ({"patterns.num_neurons": [2, 10]}, "axes.num_flips: got 3"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_axes_that_make_no_sense_are_refused(case):
    axes, words = BROKEN[case]
    with pytest.raises(aj.InputError) as caught:
        config(axes)
    assert words in str(caught.value)


def test_values_that_do_not_go_together_are_refused_before_anything_is_computed(tmp_path):
    models = {"a": {"kind": "astrocyte", "score": "power"}}
    with pytest.raises(aj.InputError, match=r"axes.models.a.order\[1\]: should be a multiple of 2; got 3"):
        config({"models.a.order": [4, 3]}, models=models)
    with pytest.raises(aj.InputError, match="order is for the score power"):
        aj.run(config({"models.a.order": [4, 6]}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_parameters_that_have_no_effect_on_any_model_are_refused_as_axes():
    frozen = {"a": {"kind": "astrocyte", "gain_regime": "frozen"}, "h": {"kind": "hopfield"}}
    with pytest.raises(aj.InputError, match=r"axes.tau_p: has no effect on any model here"):
        build(config({"tau_p": [1.0, 2.0]}, models=frozen))
    with pytest.raises(aj.InputError, match=r"axes.models.a.tau_p: has no effect on any model here"):
        build(config({"models.a.tau_p": [1.0, 2.0]}, models=frozen | {"b": {"kind": "astrocyte"}}))
    assert build(config({"tau_p": [1.0, 2.0]}, models=frozen | {"b": {"kind": "astrocyte"}})).parts


def test_the_command_line_takes_axes_of_fields_and_shows_tables_along_them(tmp_path, capsys):
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(RAW))
    command = ["run", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "run"), "--axes.retrieval.t1", "[0.1, 2, 4]"]
    assert main([*command, "--dry-run"]) == 0
    planned = capsys.readouterr().out
    assert "112 trajectories in" in planned
    assert not (tmp_path / "run").exists()
    assert main(command) == 0
    capsys.readouterr()
    assert main(["show", str(tmp_path / "run"), "--along", "retrieval.t1"]) == 0
    table = capsys.readouterr().out
    means = aj.load(tmp_path / "run").hamming_error.sel(model="a").mean(["num_patterns", "num_flips", "trial"]).values
    assert "  ".join(f"{mean:.2f}" for mean in means) in table
    assert main(["show", str(tmp_path / "run"), "--along", "tau_x"]) == 2
    assert "--along must be one of num_patterns, num_flips, retrieval.t1" in capsys.readouterr().err
