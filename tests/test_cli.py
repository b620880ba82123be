"""The command line: what it prints for people and for machines, how it refuses, and how it is completed."""

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
from astrojax.cli import completion, main, progress
from astrojax.cli.main import COMMANDS, _raise_interruption
from astrojax.cli.output import Output, print_json
from astrojax.config.axes import Axes
from astrojax.config.run import Config
from astrojax.config.sections import Retrieval
from astrojax.config.tune import SearchSettings

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
    """A working folder with a configuration of each kind, and a folder of a search that was hardly begun."""
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


def test_a_run_for_machines_is_one_document_with_the_summary_and_words_go_to_stderr(run):
    folder, out, err = run
    found = json.loads(out)
    assert found["folder"] == str(folder)
    assert found["summary"] == json.loads((folder / "summary.json").read_text())
    assert found["figures"] == [str(folder / "figures" / "one.png")]
    assert "tiny: plan" in err
    assert "mean Hamming error" not in err
    assert "\x1b" not in out + err


@pytest.mark.usefixtures("no_figures")
def test_stored_runs_answer_machines(run, capsys):
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


def test_a_run_that_is_finished_is_told_again_and_neither_computed_nor_drawn(run, capsys, monkeypatch):
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
def test_quiet_commands_print_nothing(run, capsys):
    folder = str(run[0])
    for words in (["run", folder], ["show", folder], ["verify", folder]):
        assert main([*words, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["show", "nowhere", "--quiet"]) == 2
    assert "nowhere does not exist" in capsys.readouterr().err


@pytest.mark.usefixtures("no_figures")
def test_names_in_brackets_are_printed_and_nothing_is_coloured_in_a_file(run, capsys):
    assert main(["show", str(run[0])]) == 0
    printed = capsys.readouterr().out
    assert "[a]: mean Hamming error" in printed
    assert "\x1b" not in printed


@pytest.mark.usefixtures("no_figures")
def test_a_page_is_written_where_it_is_asked_for(run, tmp_path, capsys, monkeypatch):
    def write_run_page(folder: Path, path: Path) -> Path:
        path.write_text(f"page of {folder}")
        return path

    monkeypatch.setitem(sys.modules, "astrojax.report.html.write", types.SimpleNamespace(write_run_page=write_run_page))
    folder = run[0]
    assert document(capsys, "show", str(folder), "--html")["page"] == str(folder / "report.html")
    assert main(["show", str(folder), "--html", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").read_text() == f"page of {folder}"
    assert f"{tmp_path / 'page.html'}: written" in capsys.readouterr().out


def test_a_disk_that_is_full_while_figures_are_drawn_gives_status_1(run, capsys, monkeypatch):
    def full(results, folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("astrojax.report.figures.draw_all", full)
    assert main(["show", str(run[0])]) == 1
    assert "the figures cannot be written: No space left on device; the results are safe" in capsys.readouterr().err


@pytest.mark.usefixtures("no_figures")
def test_the_command_that_continues_a_run_can_be_pasted(run, tmp_path, capsys):
    folder = tmp_path / ("a long name " * 12)
    shutil.copytree(run[0], folder)
    shutil.rmtree(folder / "done.zarr" / "c")
    assert main(["show", str(folder)]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("unfinished"))
    assert shlex.split(line.partition("; ")[2]) == ["astrojax", "run", str(folder), "continues", "it"]


def test_numbers_that_are_not_finite_are_null(capsys):
    print_json({"a": [np.float64(np.nan), 1.5], "b": {"c": -np.inf}, "d": Path("x")})
    assert json.loads(capsys.readouterr().out) == {"a": [None, 1.5], "b": {"c": None}, "d": "x"}


def test_errors_for_machines_keep_their_status_and_list_faults(here, capsys):
    assert main(["run", "mine.yaml", "--trials", "0", "--modles", "1", "--json"]) == 2
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert captured.err == ""
    assert found["status"] == 2
    assert {fault["path"] for fault in found["faults"]} == {"trials", "modles"}
    assert "the following arguments are required: RUN" in document(capsys, "show")["error"]


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (aj.RunError("full"), 1), (aj.InputError("no"), 2)])
def test_the_exit_status_tells_what_went_wrong(error, status, monkeypatch, capsys):
    def fails(options):
        raise error

    monkeypatch.setitem(COMMANDS, "info", fails)
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
def test_without_a_terminal_a_line_tells_every_tenth_and_breaks_every_silence(as_json, monkeypatch):
    out, err = io.StringIO(), io.StringIO()
    said = err if as_json else out
    monkeypatch.setattr(progress, "POLL_INTERVAL", 0.01)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), progress.Progress(Output(as_json=as_json)) as shown:
        shown.start(1000)
        shown.advance("a", 20)
        time.sleep(0.1)
        assert said.getvalue() == ""  # not a tenth yet
        shown.skip(300)
        shown.advance("a", 10)
        assert wait_for(lambda: "trajectories 330 of 1,000 (33%), " in said.getvalue())
        assert said.getvalue().rstrip().endswith(" left")
        monkeypatch.setattr(progress, "LONGEST_SILENCE", 0.03)
        assert wait_for(lambda: said.getvalue().count("\n") > 3)
    lines = said.getvalue()
    assert "\x1b" not in lines
    assert "\r" not in lines
    time.sleep(0.1)
    assert said.getvalue() == lines  # it has ended
    assert (out if as_json else err).getvalue() == ""


def test_the_first_chunk_is_told_of_while_it_takes_long_and_quiet_commands_say_nothing(monkeypatch, capsys):
    monkeypatch.setattr(progress, "POLL_INTERVAL", 0.01)
    monkeypatch.setattr(progress, "LONGEST_SILENCE", 0.02)
    with progress.Progress(Output()) as shown:
        shown.start(None)
        assert wait_for(lambda: " so far" in capsys.readouterr().out)
    capsys.readouterr()
    with progress.Progress(Output(quiet=True)) as shown:
        shown.start(10)
        shown.advance("a", 5)
        time.sleep(0.1)
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_letters_that_the_output_lacks_are_escaped(run, tmp_path, monkeypatch, encoding):
    folder = tmp_path / "é τ \udcff"
    shutil.copytree(run[0], folder, ignore=shutil.ignore_patterns("results.csv", "report.html"))

    def said(*words: str) -> tuple[int, bytes, bytes]:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
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


REASONS = {
    "unknown": RuntimeError("Unable to initialize backend 'nonsense':\nit is not in the list"),
    "cuda": AssertionError(),  # which JAX raises where no NVIDIA GPU is visible
}


@pytest.mark.parametrize("reason", REASONS)
def test_where_jax_has_no_device_every_command_that_needs_one_says_why(reason, run, here, monkeypatch, capsys):
    def local_devices():
        raise REASONS[reason]

    monkeypatch.setattr("jax.local_devices", local_devices)
    wanted = " ".join(str(REASONS[reason]).split()) or "no such device"
    folder = str(run[0])
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


def test_info_tells_whether_kept_programs_are_found_again(monkeypatch, tmp_path, capsys):
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


def test_an_interruption_where_python_would_only_print_it_is_raised_again(capsys):
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
    "no name at all": (["run", ""], ["CONFIG must be the name of a file or folder; got ''"]),
    "no folder at all": (["show", ""], ["RUN must be the name of a file or folder; got ''"]),
    "tables of a search": (["show", "runs/searched", "--along", "x"], ["--along", "is the folder of a search"]),
    "unknown command": (["rnu", "mine.yaml"], ["did you mean 'run'?", "see: astrojax --help"]),
    "unknown option": (["show", "runs", "--allong", "x"], ["did you mean '--along'?", "see: astrojax show --help"]),
    "option taken for a key": (["run", "mine.yaml", "--dry_run"], ["did you mean '--dry-run'?", "see: astrojax run --help"]),
    "key nearer than an option": (["run", "mine.yaml", "--modles", "{}"], ["modles: unknown key", "did you mean 'models'?"]),
    "missing argument": (["run"], ["required: CONFIG", "usage: astrojax run", "see: astrojax run --help"]),
    "unknown format": (["export", "runs", "--format", "cvs"], ["did you mean 'csv'?"]),
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
    assert text == (Path(aj.__file__).parent / "examples" / "first.yaml").read_text()
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
    given = {"address": "::1", "port": 0, "show": False, "patterns": Path("own.npy"), "array": "a", "threshold": 0.5}
    given["max_duplicates"] = 3
    assert asked == [plain, given]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_script_of_a_shell(shell, capsys):
    assert main(["completion", shell]) == 0
    assert capsys.readouterr().out == argcomplete.shellcode(["astrojax"], shell=shell) + "\n"


def completed(line: str, folder: Path) -> list[str]:
    """What is offered for a line, by the process that a shell starts."""
    answer = folder / "answer"
    environment = {
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_SHELL": "bash",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
    }
    code = "from astrojax.cli import entry; entry()"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=os.environ | environment, check=False)
    assert done.returncode == 0
    return answer.read_text().split("\n")


def test_files_examples_folders_keys_and_choices_are_completed(here):
    assert completed("astrojax run ", here) == ["mine.yaml", "runs/", "search.yaml", "example:first", "example:digits"]
    assert completed("astrojax show runs/", here) == ["runs/searched"]
    keys = completed("astrojax run mine.yaml --models.h", here)
    assert {"--models.h.slope", "--models.h.zero_diagonal"} <= set(keys)
    assert "--models.h.temperature" not in keys
    assert completed("astrojax run mine.yaml --retrieval.solver tsi", here) == ["tsit5"]


def test_keys_are_those_of_the_schema():
    run, tune = ({key for key, _, _ in completion.keys(command, {})} for command in ("run", "tune"))
    assert set(Config.model_fields) <= run
    assert {f"axes.{name}" for name in Axes.model_fields} <= run
    assert {f"retrieval.{name}" for name in Retrieval.model_fields} <= run
    assert {"patterns.num_neurons", "patterns.threshold"} <= run
    assert {f"search.{name}" for name in SearchSettings.model_fields} <= tune
    assert {"model.tau_s", "model.temperature"} <= tune


def test_completing_refusing_and_telling_what_is_done_wait_for_no_numerical_library(run):
    code = (
        "import sys\n"
        "from astrojax.cli import main\n"
        "from astrojax.cli.completion import keys\n"
        "list(keys('run', {}))\n"
        "main(['run', 'example:first', '--trials', 'many'])\n"
        "print([name for name in ('jax', 'numpy', 'xarray') if name in sys.modules])\n"
        "main(['run', 'tiny.yaml', '--quiet'])\n"
        "print([name for name in ('jax', 'matplotlib', 'xarray') if name in sys.modules])"
    )
    here = run[0].parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=here)
    assert "trials: must be an integer" in done.stderr
    assert done.stdout == "[]\n['xarray']\n"


def test_a_reader_that_stops_early_causes_no_traceback():
    command = f"{sys.executable} -m astrojax.cli schema | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("{", "")


def test_a_full_disk_under_the_output_is_one_line():
    command = f"{sys.executable} -m astrojax.cli schema > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "astrojax: the output cannot be written: No space left on device\n"
