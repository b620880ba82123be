"""The command line: what it prints for people and for programs, how it refuses input, and how it is completed."""

import contextlib
import errno
import io
import json
import os
import shutil
import subprocess
import sys
import time
import types
from pathlib import Path

import argcomplete
import numpy as np
import pytest
import yaml

import astrojax as aj
from astrojax.cli import main, progress
from astrojax.cli.output import Output, print_json
from astrojax.config.files import examples

from .run_folders import SEARCH, TINY, refused


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Path, str, str]:
    """A run folder, and what `astrojax run --json` printed on stdout and stderr while it made it."""
    place = tmp_path_factory.mktemp("cli")
    (place / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr("astrojax.report.figures.draw_all", lambda draw, folder, formats: [folder / "one.png"])
        assert main(["run", str(place / "tiny.yaml"), "--out", str(place / "runs" / "tiny"), "--json"]) == 0
    return place / "runs" / "tiny", out.getvalue(), err.getvalue()


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A working folder with a configuration of each kind, and a folder of a search that has hardly begun."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(yaml.safe_dump(TINY))
    Path("search.yaml").write_text(yaml.safe_dump(SEARCH))
    np.save("own.npy", np.ones((2, 8)))
    Path("runs/searched").mkdir(parents=True)
    Path("runs/searched/config.yaml").write_text(yaml.safe_dump(SEARCH))
    return tmp_path


def document(capsys, *words: str) -> dict:
    """What a command prints with --json, which is the only thing on stdout."""
    main([*words, "--json"])
    return json.loads(capsys.readouterr().out)


def test_with_json_stdout_is_one_document_with_the_summary_and_notes_go_to_stderr(run):
    folder, out, err = run
    found = json.loads(out)
    assert found["folder"] == str(folder)
    assert found["summary"] == json.loads((folder / "summary.json").read_text())
    assert found["figures"] == [str(folder / "figures" / "one.png")]
    assert "tiny: plan" in err
    assert "mean Hamming error" not in err
    assert "\x1b" not in out + err


@pytest.mark.usefixtures("no_figures")
def test_every_command_about_a_stored_run_prints_json(run, capsys):
    folder = str(run[0])
    shown = document(capsys, "show", folder)
    assert shown["finished"]
    assert shown["provenance"]["versions"]["astrojax"] == aj.__version__
    assert shown["summary"]["trajectories"] == 16
    verified = document(capsys, "verify", folder, "--share", "1")
    assert verified["repeats"]
    assert verified["variables"]["status"]["compared"] == 16
    exported = document(capsys, "export", folder, "--format", "csv")
    assert Path(exported["file"]).read_text().startswith("model,num_patterns,num_flips,trial")
    plan = document(capsys, "run", folder, "--dry-run")["plan"]
    assert plan["num_trajectories"] == 16
    variables = [f"results.zarr/{name}" for name in aj.load(folder).data_vars]
    chunks = [path for name in [*variables, "done.zarr"] for path in (run[0] / name / "c").rglob("*") if path.is_file()]
    assert plan["num_files"] == len(chunks)
    assert plan["stored_bytes"] == sum(values.nbytes for values in aj.load(folder).data_vars.values())


def test_a_finished_run_is_printed_and_neither_computed_nor_drawn_again(run, capsys, monkeypatch):
    folder = run[0]
    monkeypatch.chdir(folder.parents[1])
    for name in ("astrojax.runs.run.run", "astrojax.report.figures.draw_all"):
        monkeypatch.setattr(name, lambda *arguments, **options: pytest.fail("done again"))
    assert main(["run", "tiny.yaml"]) == 0
    printed = capsys.readouterr().out
    assert f"{Path(*folder.parts[-2:])} holds this run already" in printed
    assert "h: mean Hamming error" in printed
    found = document(capsys, "run", "tiny.yaml")
    assert found["finished"]
    assert found["summary"] == json.loads(run[1])["summary"]
    assert document(capsys, "run", "tiny.yaml", "--dry-run")["folder"] == found["folder"]
    assert document(capsys, "run", "tiny.yaml", "--seed", "1", "--dry-run")["folder"] == "runs/tiny-2"
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


@pytest.mark.usefixtures("no_figures")
def test_quiet_commands_print_errors_alone(run, capsys):
    folder = str(run[0])
    for words in (["run", folder], ["show", folder], ["verify", folder]):
        assert main([*words, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["show", "nowhere", "--quiet"]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_a_disk_that_is_full_while_figures_are_drawn_gives_status_1(run, capsys, monkeypatch):
    def full(draw, folder, formats):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("astrojax.report.figures.draw_all", full)
    assert main(["show", str(run[0])]) == 1
    assert "the figures cannot be written: No space left on device; the results are safe" in capsys.readouterr().err


def test_errors_as_json_keep_their_status_and_list_faults(here, capsys):
    assert main(["run", "mine.yaml", "--trials", "0", "--modles", "1", "--json"]) == 2
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert captured.err == ""
    assert found["status"] == 2
    assert {fault["path"] for fault in found["faults"]} == {"trials", "modles"}
    assert "the following arguments are required: RUN" in document(capsys, "show")["error"]


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (aj.RunError("full"), 1), (aj.InputError("no"), 2)])
def test_the_exit_status_says_what_went_wrong(error, status, monkeypatch, capsys):
    def fails(options):
        raise error

    monkeypatch.setattr("astrojax.cli.about._info", fails)
    assert main(["info"]) == status
    assert capsys.readouterr().err == f"astrojax: {error if status != 130 else 'interrupted'}\n"


def test_without_a_terminal_every_tenth_is_printed(monkeypatch):
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(progress, "POLL_INTERVAL", 0.01)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), progress.Progress(Output(as_json=True)) as shown:
        shown.begin(total=1000)
        shown.add_trajectories("a", 20)
        time.sleep(0.1)
        assert err.getvalue() == ""  # not a tenth yet
        shown.add_trajectories("a", 310)
        deadline = time.monotonic() + 20
        while "trajectories 330 of 1,000 (33%), " not in err.getvalue():
            assert time.monotonic() < deadline
            time.sleep(0.005)
    assert not {"\x1b", "\r"} & set(err.getvalue())
    assert out.getvalue() == ""


def test_where_jax_has_no_device_every_command_that_needs_one_says_why(run, here, monkeypatch, capsys):
    def local_devices():
        raise reason

    monkeypatch.setattr("jax.local_devices", local_devices)
    reason = AssertionError()  # which JAX raises where no NVIDIA GPU is visible
    assert "no such device" in refused(capsys, "run", "mine.yaml")
    reason = RuntimeError("Unable to initialize backend 'nonsense':\nit is not in the list")
    wanted, folder = "'nonsense': it is not in the list", str(run[0])
    for words in (["run", "mine.yaml"], ["run", folder, "--dry-run"], ["tune", "search.yaml"], ["verify", folder], ["explore"]):
        report = refused(capsys, *words)
        assert wanted in report
        assert report.count("\n") == 1
    assert main(["info", "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert wanted in found["error"]
    assert found["versions"]["jax"]
    assert main(["show", folder, "--json"]) == 0  # which needs none


def test_info_says_whether_cached_programs_are_found_again(monkeypatch, capsys):
    kept = document(capsys, "info")["programs"]
    assert kept["found_again"]
    assert kept["number"] > 0
    assert kept["bytes"] > 0
    monkeypatch.setenv("ASTROJAX_CACHE", "off")
    assert document(capsys, "info")["programs"] == {"folder": None}


@pytest.mark.usefixtures("no_figures")
def test_letters_that_the_output_lacks_are_escaped(run, tmp_path, monkeypatch):
    folder = shutil.copytree(run[0], tmp_path / "é τ \udcff")
    for words in (["--json"], []):
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            assert main(["show", str(folder), *words]) == 0
        stream.flush()
        assert not words or json.loads(stream.buffer.getvalue())["folder"] == str(folder)


def test_nothing_typed_gives_help_and_status_2(capsys):
    assert main([]) == 2
    assert "usage: astrojax" in capsys.readouterr().err


MISTAKES = {
    "option before the command": (["--no-color", "info"], "options come after the command"),
    "no name at all": (["run", ""], "CONFIG: must be the name of a file or folder"),
    "unknown option": (["show", "runs", "--allong", "x"], "did you mean '--along'?"),
    "option taken for a key": (["run", "mine.yaml", "--dry_run"], "dry_run: has no value"),
    "no label": (["show", "runs", "--label", "x"], "--label: must be NAME=TEXT"),
    "not a number": (["verify", "runs", "--share", "x"], "--share: invalid float value"),
    "patterns given to run": (["run", "own.npy"], "patterns: {kind: file, path: own.npy}"),
    "run given to tune": (["tune", "mine.yaml"], "astrojax run mine.yaml"),
    "unknown example": (["run", "example:fist"], "did you mean 'first'?"),
    "searched folder given to run": (["run", "runs/searched"], "runs/searched/tuned.yaml"),
    "searched folder to verify": (["verify", "runs/searched"], "is the folder of a search"),
    "models of a searched folder": (["show", "runs/searched", "--models", "tuned"], "are for runs"),
    "folder of runs": (["show", "runs"], "run folders are runs/searched"),
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_answered_with_what_to_do_next(case, capsys):
    words, expected = MISTAKES[case]
    assert expected in refused(capsys, *words)


def test_an_example_is_printed_as_it_is_and_listed_with_what_it_is_for(capsys):
    assert main(["examples", "first"]) == 0
    text = capsys.readouterr().out
    assert text == examples()["first"]["text"]
    assert main(["examples"]) == 0
    assert "astrojax tune example:tune" in capsys.readouterr().out
    assert document(capsys, "examples")["examples"][0]["name"] == "first"


def test_the_explorer_is_called_with_what_was_asked(monkeypatch):
    asked = []
    monkeypatch.setitem(sys.modules, "astrojax.explore", types.SimpleNamespace(serve=lambda **given: asked.append(given)))
    assert main(["explore"]) == 0
    options = ["--port", "0", "--address", "::1", "--no-browser", "--array", "a", "--threshold", "0.5", "--max-duplicates", "3"]
    assert main(["explore", "own.npy", *options]) == 0
    assert main(["explore", "own.yaml", "--trust"]) == 0
    names = ("address", "port", "show", "array", "threshold", "scaling", "max_duplicates", "trust")
    plain, given = ("127.0.0.1", 5006, True, None, None, None, 0, False), ("::1", 0, False, "a", 0.5, None, 3, False)
    asked_of = [dict(zip(names, values, strict=True)) for values in (plain, given, (*plain[:-1], True))]
    assert asked == [asked_of[0], asked_of[1] | {"patterns": "own.npy"}, asked_of[2] | {"config": "own.yaml"}]


COMPLETE = """
import functools, json, os, sys
import argcomplete
from astrojax.cli import entry

for line in sys.argv[1:]:
    argcomplete.autocomplete = functools.partial(argcomplete.CompletionFinder(), exit_method=sys.exit)
    os.environ |= {"COMP_LINE": line, "COMP_POINT": str(len(line.encode()))}
    try:
        entry()
    except SystemExit:
        print(json.dumps(open("answer").read().split("\\n")))
"""
"""What a shell asks of a process of its own, for several lines."""


def test_files_examples_folders_keys_and_choices_are_completed(here):
    settings = {"": "1", "_SHELL": "bash", "_IFS": "\n", "_SUPPRESS_SPACE": "1", "_STDOUT_FILENAME": "answer"}
    environment = os.environ | {f"_ARGCOMPLETE{name}": value for name, value in settings.items()}
    words = ("run ", "show runs/", "run mine.yaml --", "run mine.yaml --retrieval.solver tsi", "tune search.yaml --")
    command = [sys.executable, "-c", COMPLETE, *(f"astrojax {line}" for line in words)]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=True)
    files, folders, run, solvers, tune = map(json.loads, done.stdout.splitlines())
    assert set(files) == {"mine.yaml", "runs/", "search.yaml", "example:first", "example:digits"}
    assert folders == ["runs/searched/"]
    assert {"--trials", "--axes.num_patterns", "--retrieval.t1", "--patterns.num_neurons", "--patterns.threshold"} <= set(run)
    assert {"--models.h.slope", "--models.h.zero_diagonal", "--dry-run"} <= set(run)
    assert "--models.h.temperature" not in run
    assert solvers == ["tsit5"]
    assert {"--search.num_steps", "--model.tau_s", "--out"} <= set(tune)


def test_showing_a_finished_run_imports_no_plotting_library_and_help_nothing_heavy(run):
    code = (
        "import sys\n"
        "from astrojax.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('jax', 'numpy', 'pydantic', 'yaml', 'rich') if name in sys.modules])\n"
        "main(['run', 'tiny.yaml', '--quiet'])\n"
        "print([name for name in ('matplotlib', 'panel') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=run[0].parents[1])
    assert done.stdout.splitlines()[-2:] == ["[]", "[]"]


def test_a_reader_that_stops_early_and_a_full_disk_cause_no_traceback():
    command = f"{sys.executable} -m astrojax.cli schema"
    done = subprocess.run(["bash", "-c", f"{command} | head -c 1"], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("{", "")
    done = subprocess.run(["bash", "-c", f"{command} > /dev/full"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "astrojax: the output cannot be written: No space left on device\n"


def test_numbers_that_are_not_finite_are_null(capsys):
    print_json({"a": [np.float64(np.nan), 1.5], "b": {"c": -np.inf}, "d": Path("x")})
    assert json.loads(capsys.readouterr().out) == {"a": [None, 1.5], "b": {"c": None}, "d": "x"}


def test_completion_prints_the_script_of_a_shell(capsys):
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        assert capsys.readouterr().out == argcomplete.shellcode(["astrojax"], shell=shell) + "\n"
