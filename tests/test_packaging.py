"""What is packaged: examples that can be read, help that can be followed, and metadata that agree."""

import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

import astrojax as aj
from astrojax.cli import COMMANDS
from astrojax.commands.parser import NAMES, make_parser
from astrojax.runs import examples
from astrojax.runs.config import Config
from astrojax.runs.reading import read
from astrojax.runs.tuning import TuneConfig

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_there_is_a_first_example_one_of_digits_and_one_of_a_search():
    assert examples.names() == ["first", "digits", "tune"]
    assert [examples.kind(name) for name in examples.names()] == ["run", "run", "tune"]


@pytest.mark.parametrize("name", examples.names())
def test_every_example_is_a_configuration_named_by_its_file_that_says_what_it_is(name):
    config = read(f"example:{name}", Config if examples.kind(name) == "run" else TuneConfig)
    assert config.name == name
    assert examples.path_of(name).read_text().startswith("# ")
    assert 20 < len(examples.about(name)) < 128


def test_an_example_can_be_loaded_in_python():
    assert aj.load_config("example:first", trials=7).trials == 7


def test_every_command_has_a_description_examples_that_parse_and_exit_statuses():
    parser, commands = make_parser(COMMANDS)
    assert set(commands) == set(COMMANDS) == set(NAMES)
    for name, command in commands.items():
        text = command.format_help()
        assert NAMES[name] in " ".join(text.split())
        assert "exit status: 0 done, 1 given up" in text
        lines = [line.strip() for line in text.partition("examples:\n")[2].splitlines() if line.startswith("  ")]
        own = [shlex.split(line.partition("|")[0].partition(" > ")[0], comments=True) for line in lines]
        own = [words for words in own if words[:2] == ["astrojax", name]]
        assert own or name == "completion"  # whose examples put it into a shell's own words
        for words in own:
            options, rest = parser.parse_known_args(words[1:])
            assert options.name == name
            assert all(word.startswith("--") or word.isdigit() for word in rest)


def test_the_help_of_the_whole_names_every_command_once():
    text = make_parser(COMMANDS)[0].format_help()
    assert all(text.count(f"\n  {name} ") == 1 for name in COMMANDS)


def test_the_wheel_is_the_whole_package_with_its_marker_of_types_and_its_examples():
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel == {"packages": ["astrojax"]}  # every file in the folder, whatever its kind
    package = Path(aj.__file__).parent
    assert (package / "py.typed").is_file()
    assert examples.FOLDER.is_relative_to(package)
    ignored = (ROOT / ".gitignore").read_text().split()
    assert not any("yaml" in line or "examples" in line for line in ignored)


def test_versions_and_licences_agree_and_extras_exist():
    citation, project = yaml.safe_load((ROOT / "CITATION.cff").read_text()), PROJECT["project"]
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    extras = project["optional-dependencies"]
    assert {"cuda", "tpu", "cluster", "explore", "export", "video", "docs", "dev"} <= set(extras)
    own = [
        name for needs in extras.values() for need in needs if need.startswith("astrojax[") for name in need[9:-1].split(",")
    ]
    assert set(own) <= set(extras)
