"""The command line: what it prints for people and for programs, how it refuses input, and how it is completed."""

import contextlib
import errno
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import argcomplete
import jax
import numpy as np
import pytest
import yaml
from jax.experimental.compilation_cache import compilation_cache

import astrojax as aj
from astrojax.cli import main, progress
from astrojax.cli.main import _raise_interruption
from astrojax.cli.output import Output, print_json
from astrojax.config.examples import path_of

TINY = {
    "patterns": {"num_neurons": 8},
    "axes": {"num_patterns": [2, 3], "num_flips": [0, 1]},
    "trials": 2,
    "models": {"h": {"kind": "hopfield"}, "[a]": {"kind": "hopfield", "slope": 2}},
    "decoders": False,
    "retrieval": {"t1": 1},
}
SEARCH = {"axes": {"num_patterns": 5, "num_flips": 1}, "model": {"kind": "astrocyte"}, "parameters": ["temperature"]}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Path, str, str]:
    """A run folder, and what `astrojax run --json` printed on stdout and stderr while it made it."""
    place = tmp_path_factory.mktemp("cli")
    (place / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr("astrojax.report.figures.draw_all", lambda results, folder: [folder / "one.png"])
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


def refused(capsys, *words: str) -> str:
    assert main(list(words)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("astrojax: ")
    return captured.err


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
    assert f"{Path(*folder.parts[-2:])} holds this run already, finished on 20" in printed
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


@pytest.mark.usefixtures("no_figures")
def test_a_page_is_written_where_it_is_asked_for(run, tmp_path, capsys, monkeypatch):
    def write_run_page(folder: Path, path: Path) -> Path:
        path.write_text(f"page of {folder}")
        return path

    monkeypatch.setitem(sys.modules, "astrojax.report.html.write", types.SimpleNamespace(write_run_page=write_run_page))
    folder, page = run[0], tmp_path / "page.html"
    assert document(capsys, "show", str(folder), "--html")["page"] == str(folder / "report.html")
    assert document(capsys, "show", str(folder), "--html", str(page))["page"] == str(page)
    assert page.read_text() == f"page of {folder}"


def test_a_disk_that_is_full_while_figures_are_drawn_gives_status_1(run, capsys, monkeypatch):
    def full(results, folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("astrojax.report.figures.draw_all", full)
    assert main(["show", str(run[0])]) == 1
    assert "the figures cannot be written: No space left on device; the results are safe" in capsys.readouterr().err


@pytest.mark.usefixtures("no_figures")
def test_the_command_that_continues_a_run_can_be_pasted_and_names_are_printed_as_they_are(run, tmp_path, capsys):
    folder = tmp_path / ("a long name " * 12)
    shutil.copytree(run[0], folder)
    shutil.rmtree(folder / "done.zarr" / "c")
    assert main(["show", str(folder)]) == 0
    printed = capsys.readouterr().out
    line = next(line for line in printed.splitlines() if line.startswith("unfinished"))
    assert shlex.split(line.partition("; ")[2]) == ["astrojax", "run", str(folder), "continues", "it"]
    assert "[a]: mean Hamming error" in printed
    assert "\x1b" not in printed


def test_numbers_that_are_not_finite_are_null(capsys):
    print_json({"a": [np.float64(np.nan), 1.5], "b": {"c": -np.inf}, "d": Path("x")})
    assert json.loads(capsys.readouterr().out) == {"a": [None, 1.5], "b": {"c": None}, "d": "x"}


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

    monkeypatch.setattr("astrojax.cli.info.run", fails)
    assert main(["info"]) == status
    assert capsys.readouterr().err == f"astrojax: {error if status != 130 else 'interrupted'}\n"


def test_values_that_differ_give_status_1(run, capsys, monkeypatch):
    tally = {"compared": 4, "different": 1, "beyond": 1, "largest": float("inf")}
    monkeypatch.setattr("astrojax.runs.verify.verify", lambda folder, **given: {"hamming_error": tally})
    assert main(["verify", str(run[0]), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["repeats"]
    assert found["variables"]["hamming_error"]["largest"] is None


def wait_for(holds) -> bool:
    """Whether something becomes true within some seconds."""
    deadline = time.monotonic() + 20
    while not (found := holds()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return found


@pytest.mark.parametrize("as_json", [True, False])
def test_without_a_terminal_every_tenth_is_printed_and_every_silence_broken(as_json, monkeypatch):
    out, err = io.StringIO(), io.StringIO()
    used, unused = (err, out) if as_json else (out, err)
    monkeypatch.setattr(progress, "POLL_INTERVAL", 0.01)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), progress.Progress(Output(as_json=as_json)) as shown:
        shown.begin_trajectories(1000, 300)
        with monkeypatch.context() as impatient:
            impatient.setattr(progress, "LONGEST_SILENCE", 0.02)
            assert wait_for(lambda: " so far" in used.getvalue())  # the first chunk takes long
        used.truncate(0)
        shown.begin_trajectories(1000)
        shown.add_trajectories("a", 20)
        time.sleep(0.1)
        assert used.getvalue().strip("\0") == ""  # not a tenth yet
        shown.add_trajectories("a", 310)
        assert wait_for(lambda: "trajectories 330 of 1,000 (33%), " in used.getvalue())
        monkeypatch.setattr(progress, "LONGEST_SILENCE", 0.03)
        assert wait_for(lambda: used.getvalue().count("\n") > 3)
    lines = used.getvalue()
    assert not {"\x1b", "\r"} & set(lines)
    time.sleep(0.1)
    assert used.getvalue() == lines  # it has ended
    assert unused.getvalue() == ""


def test_quiet_commands_show_no_progress(monkeypatch, capsys):
    monkeypatch.setattr(progress, "POLL_INTERVAL", 0.01)
    with progress.Progress(Output(quiet=True)) as shown:
        shown.begin_trajectories(10)
        shown.add_trajectories("a", 5)
        time.sleep(0.05)
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("no_figures")
def test_letters_that_the_output_lacks_are_escaped(run, tmp_path, monkeypatch):
    folder = tmp_path / "é τ \udcff"
    shutil.copytree(run[0], folder, ignore=shutil.ignore_patterns("results.csv", "report.html"))

    def said(*words: str) -> tuple[int, bytes, bytes]:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            status = main(list(words))
        for stream in streams:
            stream.flush()
        return status, *(stream.buffer.getvalue() for stream in streams)

    for words in (["show"], ["show", "--html"], ["verify"], ["export", "--format", "csv"], ["export", "--format", "parquet"]):
        status, out, err = said(words[0], str(folder), *words[1:])
        assert (status, err) == (0, b"")
        assert out
    assert json.loads(said("show", str(folder), "--json")[1])["folder"] == str(folder)
    for words in (["schema"], ["examples"], ["info"]):
        assert said(*words)[0] == 0
    assert said("run", "τ.yaml")[0] == said("run", str(run[0]), "--modèles.τ", "1")[0] == 2


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
    assert main(["info"]) == 2
    captured = capsys.readouterr()
    assert "jaxlib" in captured.out
    assert wanted in captured.err
    assert main(["show", folder, "--json"]) == 0  # which needs none


def test_info_says_whether_cached_programs_are_found_again(monkeypatch, tmp_path, capsys):
    kept = document(capsys, "info")["programs"]
    assert kept["found_again"]
    assert kept["number"] > 0
    assert kept["bytes"] > 0
    monkeypatch.setenv("ASTROJAX_CACHE", "off")
    assert document(capsys, "info")["programs"] == {"folder": None}
    monkeypatch.delenv("ASTROJAX_CACHE")
    (tmp_path / "file").write_text("in the way")
    with jax_cache(tmp_path / "file" / "programs"):
        kept = document(capsys, "info")["programs"]
    assert not kept["found_again"]
    assert kept["number"] == 0


@contextlib.contextmanager
def jax_cache(folder: Path):
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(folder))
    compilation_cache.reset_cache()
    try:
        yield
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
        compilation_cache.reset_cache()


def test_an_interruption_that_python_would_only_print_is_raised_again(capsys):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # servers of other tests set their own
    try:
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012
            _raise_interruption(types.SimpleNamespace(exc_type=KeyboardInterrupt))
            time.sleep(1)
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("words", "environment", "red"), [([], {}, True), (["--no-color"], {}, False), ([], {"NO_COLOR": "1"}, False)]
)
def test_errors_are_red_on_a_terminal_alone(words, environment, red, monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    with contextlib.redirect_stderr(terminal):
        main(["show", "nowhere", *words])
    assert ("\x1b[31m" in terminal.getvalue()) is red
    main(["show", "nowhere", *words])
    assert "\x1b" not in capsys.readouterr().err


def test_nothing_typed_gives_help_and_status_2(capsys):
    assert main([]) == 2
    assert "usage: astrojax" in capsys.readouterr().err


MISTAKES = {
    "option before the command": (["--no-color", "info"], ["options come after the command: astrojax info … --no-color"]),
    "no name at all": (["run", ""], ["CONFIG: must be the name of a file or folder; got ''"]),
    "no folder at all": (["show", ""], ["RUN: must be the name of a file or folder; got ''"]),
    "tables of a search": (["show", "runs/searched", "--along", "x"], ["--along", "is the folder of a search"]),
    "unknown command": (["rnu", "mine.yaml"], ["did you mean 'run'?", "see: astrojax --help"]),
    "unknown option": (["show", "runs", "--allong", "x"], ["did you mean '--along'?", "see: astrojax show --help"]),
    "option taken for a key": (["run", "mine.yaml", "--dry_run"], ["did you mean '--dry-run'?", "see: astrojax run --help"]),
    "key nearer than an option": (["run", "mine.yaml", "--modles", "{}"], ["modles: unknown key", "did you mean 'models'?"]),
    "missing argument": (["run"], ["required: CONFIG", "usage: astrojax run", "see: astrojax run --help"]),
    "unknown format": (["export", "runs", "--format", "cvs"], ["did you mean 'csv'?"]),
    "no size": (["run", "mine.yaml", "--memory", "lots"], ["--memory: must be a number of bytes such as 800MB or 2GiB"]),
    "no label": (["show", "runs", "--label", "x"], ["--label: must be NAME=TEXT; got 'x'"]),
    "not a number": (["verify", "runs", "--share", "x"], ["--share: invalid float value: 'x'", "see: astrojax verify --help"]),
    "unknown shell": (["completion", "fsh"], ["did you mean 'fish'?"]),
    "misspelt file": (["run", "mien.yaml"], ["no such file (did you mean 'mine.yaml'?)"]),
    "file that is not there": (["run", "zzz"], ["no such file; there are mine.yaml, search.yaml"]),
    "example without its prefix": (["run", "first"], ["no such file (did you mean 'example:first'?)"]),
    "patterns given to run": (["run", "own.npy"], ["is a file of patterns", "patterns: {kind: file, path: own.npy}"]),
    "search given to run": (["run", "search.yaml"], ["is the configuration of a search: astrojax tune search.yaml"]),
    "run given to tune": (["tune", "mine.yaml"], ["is the configuration of a run: astrojax run mine.yaml"]),
    "example of the other command": (["tune", "example:first"], ["astrojax run example:first"]),
    "unknown example": (["run", "example:fist"], ["did you mean 'first'?", "first, digits, tune"]),
    "unknown example to print": (["examples", "digit"], ["did you mean 'digits'?"]),
    "searched folder given to run": (["run", "runs/searched"], ["astrojax tune runs/searched", "runs/searched/tuned.yaml"]),
    "searched folder to verify": (["verify", "runs/searched"], ["is the folder of a search"]),
    "folder of runs": (["show", "runs"], ["not a run folder", "run folders are runs/searched"]),
    "run folder that is not there": (["show", "runs/sarched"], ["does not exist", "run folders are runs/searched"]),
    "unknown parameter": (["tune", "search.yaml", "--parameters", "[temprature]"], ["did you mean 'temperature'?"]),
}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_answered_with_what_to_do_next(case, capsys):
    words, expected = MISTAKES[case]
    report = refused(capsys, *words)
    for text in expected:
        assert text in report


def test_a_run_given_to_tune_as_a_folder_is_sent_to_run(run, capsys):
    assert "continues" in refused(capsys, "tune", str(run[0]))


def test_an_example_is_printed_as_it_is_and_listed_with_what_it_is_for(capsys):
    assert main(["examples", "first"]) == 0
    text = capsys.readouterr().out
    assert text == path_of("first").read_text()
    assert main(["examples"]) == 0
    assert "astrojax tune example:tune" in capsys.readouterr().out
    assert document(capsys, "examples")["examples"][0]["name"] == "first"


def test_the_explorer_is_called_with_what_was_asked(monkeypatch):
    asked = []
    monkeypatch.setitem(sys.modules, "astrojax.explore", types.SimpleNamespace(serve=lambda **given: asked.append(given)))
    assert main(["explore"]) == 0
    options = ["--port", "0", "--address", "::1", "--no-browser", "--array", "a", "--threshold", "0.5", "--max-duplicates", "3"]
    assert main(["explore", "own.npy", *options]) == 0
    plain = {"address": "127.0.0.1", "port": 5006, "show": True, "patterns": None, "array": None, "threshold": None}
    plain["max_duplicates"] = 0
    given = {"address": "::1", "port": 0, "show": False, "patterns": "own.npy", "array": "a", "threshold": 0.5}
    given["max_duplicates"] = 3
    assert asked == [plain, given]


def test_completion_prints_the_script_of_a_shell(capsys):
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        assert capsys.readouterr().out == argcomplete.shellcode(["astrojax"], shell=shell) + "\n"


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
    assert files == ["mine.yaml", "runs/", "search.yaml", "example:first", "example:digits"]
    assert folders == ["runs/searched"]
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
