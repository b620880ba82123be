"""Reading YAML: numbers as one writes them, everything else refused with an InputError, in bounded time and memory."""

import os

import pytest
import yaml

import astrojax as aj
from astrojax.config.files import MAX_BYTES, MAX_DEPTH, MAX_VALUES, dump_yaml, parse_yaml, read_yaml
from astrojax.config.validation import find_faults, parse_config, read_config

SMALL = "models: {h: {kind: hopfield}}\naxes: {num_patterns: 5, num_flips: 1}\n"


FLOATS = {"1e3": 1e3, "2E1": 20.0, "-1.5e-3": -1.5e-3, ".5": 0.5, "3.": 3.0, "-.inf": float("-inf")}
INTEGERS = {"1_000": 1000, "010": 10, "0x1F": 31, "0o17": 15}
TEXTS = {text: text for text in ("1:30", "2001-01-01", "0x_", "1__0")}
SCALARS = FLOATS | INTEGERS | TEXTS | {"yes": True, "Off": False, "~": None}


@pytest.mark.parametrize("text", SCALARS)
def test_scalars_are_what_they_look_like(text):
    read = parse_yaml(text)
    assert read == SCALARS[text]
    assert type(read) is type(SCALARS[text])


def test_counts_can_be_written_with_exponents():
    config = parse_config(parse_yaml("trials: 1e3\n" + SMALL.replace("5", "[1e1, 2E1]")))
    assert (config.trials, config.axes.num_patterns) == (1000, [10, 20])
    with pytest.raises(aj.InputError):
        parse_config(parse_yaml("trials: 1.5e0\n" + SMALL))


@pytest.mark.parametrize(
    "text", ["1e3", "010", "0x1F", "1:30", "2001-01-01", "yes", "~", "", "é", "a: b", "1_000", "0b1", ".inf"]
)
def test_text_is_written_so_that_any_reader_finds_text(text):
    content = {text: [text, {"inner": text}]}
    assert parse_yaml(dump_yaml(content)) == yaml.safe_load(dump_yaml(content)) == content


def test_anchors_and_merges_are_read():
    text = "base: &base {tau_x: 1, slope: 5}\nmine: {<<: *base, slope: 3}\n"
    assert parse_yaml(text)["mine"] == {"tau_x": 1, "slope": 3}


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))
MERGES = "a0: &a0 {x0: 1, x1: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{','.join([f'*a{i - 1}'] * 90)}]}}\n" for i in range(1, 9))


@pytest.mark.parametrize(
    "text",
    [
        "? [a, b]\n: c\n",
        "{1: 2}",
        "null: 1",
        "a: 1\na: 2\n",
        "seed: " + "9" * 5000,
        "seed: !!int x",
        "seed: !!binary YQ==",
        "seed: !!python/object/apply:os.system [false]",
        "a: " + "[" * 3000,
        "axes: &a {retrieval: *a}",
        "a: &a {<<: *a}",
        "a: {<<: 1}",
        "axes: {num_patterns: {start: 1, stop: 1" + "0" * 400 + "}}",
        'patterns: {kind: file, path: "a\\0b"}',
        'patterns: {kind: file, path: "a\\ud800b"}',
        "patterns: {kind: [1]}",
        "models: {h: {kind: {a: 1}}}",
        pytest.param(BOMB, id="aliases"),
        pytest.param(MERGES, id="merges"),
    ],
)
def test_invalid_configurations_are_refused(text, tmp_path):
    (tmp_path / "c.yaml").write_text(text + ("" if "models" in text else "\n" + SMALL))
    with pytest.raises(aj.InputError):
        read_config(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("axes", "where"),
    [
        ({"num_patterns": {"start": 1e-300, "stop": 1e300, "num": 3, "scale": "log"}}, "axes.num_patterns"),
        ({"temperature": {"start": 1e-300, "stop": 1e300, "num": 3, "scale": "log"}}, "axes.temperature"),
        ({"slope": [5, 1e308]}, "axes.slope[1]"),
        ({"tau_x": [1e-46]}, "axes.tau_x[0]"),
    ],
)
def test_numbers_that_the_precision_lacks_are_refused(axes, where):
    content = parse_yaml(SMALL)
    with pytest.raises(aj.InputError) as caught:
        parse_config(content | {"axes": content["axes"] | axes})
    assert [path for path, _ in caught.value.faults] == [where]


@pytest.mark.parametrize("content", [{"seed": 10**5000}, {10**5000: 1}, {"a": {None: 1}}, {"a": "\ud800"}, {"a": ["\0"]}])
def test_mappings_from_python_are_checked_likewise(content):
    with pytest.raises(aj.InputError) as caught:
        parse_config(parse_yaml(SMALL) | content)
    assert caught.value.faults == find_faults(content)


def test_depth_and_size_are_bounded():
    nested: object = 1
    for _ in range(MAX_DEPTH):
        nested = [nested]
    assert not find_faults(nested)
    assert find_faults([nested])
    assert not find_faults([0] * (MAX_VALUES - 1))
    assert find_faults([0] * MAX_VALUES)


def test_only_regular_files_of_bounded_size_are_read(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "large").write_text("#" * (MAX_BYTES + 1))
    (tmp_path / "latin").write_bytes("é: 1".encode("latin-1"))
    for name in ("fifo", "link", "large", "latin", "missing", "."):
        for read in (read_yaml, read_config):
            with pytest.raises(aj.InputError):
                read(tmp_path / name)


@pytest.mark.parametrize("name", ["decoders", "a.b", "a/b", "", "n" * 101, "é" * 51, "a\u202eb", "a\tb", 5])
def test_names_of_models_that_would_not_work_are_refused(name):
    with pytest.raises(aj.InputError):
        parse_config({"models": {name: {"kind": "hopfield"}}, "axes": {"num_patterns": 5, "num_flips": 1}})
