"""The record of a run: where it came from, what its folder was begun with, and every session with its times."""

import shlex
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, PositiveInt, ValidationError

from .._internal.errors import InputError
from .._internal.files import changed_files, read_sealed_json, sha256_by_name, write_sealed_json
from ..config.detect import CONFIG, is_search
from ..config.run import BaseConfig
from .provenance import environment, versions

PROVENANCE = "provenance.json"

SEALED = ("files", "input_files", "random_numbers", "trajectories_per_chunk")
"""Keys of a record that versions before it was sealed did not write."""


class _Content(BaseModel, extra="allow", strict=True):
    """What readers rely on in a record, whoever wrote it."""

    versions: dict[str, str | None] = {}
    config_sha256: str = Field("", pattern="^[ -~]*$")
    files: dict[str, str] = {}
    input_files: dict[str, str] = {}
    heldout: dict[str, str] = {}
    trajectories_per_chunk: PositiveInt = 1
    grids: dict[str, "_Grid"] = {}
    devices: list[str] = []
    commit: dict[str, Any] | None = None
    sessions: list["_Session"] = []


class _Grid(BaseModel, extra="allow", strict=True):
    """How fine the grids of time steps of a model are, and how well they agree with finer ones."""

    refinement: float
    pilots: int
    differ: float
    overlap_error: float


class _Session(BaseModel, extra="allow", strict=True):
    started: str = ""
    seconds: "_Seconds | None" = None


class _Seconds(BaseModel, strict=True):
    wall_clock: float = 0.0
    parts: dict[str, dict[str, float]] = {}


class Record:
    """The provenance of a run: where and when it was begun, and every session that continued it.

    Arguments:
        folder: the run folder. config: what is computed. before: what `provenance.json` held before this session.
    """

    def __init__(self, folder: Path, config: BaseConfig, before: Mapping[str, Any]) -> None:
        self._folder, self._config, self._before = folder, config, before
        self.config_sha256: str = before.get("config_sha256") or config.sha256()
        """SHA-256 of the configuration, as it was when the run was begun."""

    def begin(self, notice: Callable[[str], None], files: Mapping[str, str], **more: Any) -> None:
        """A session begins.

        Arguments:
            notice: called with a message about versions that have changed since the first session.
            files: SHA-256 of the files that must stay as they are, by their paths in the folder. more: what else is kept.
        """
        before, current = self._before, versions()
        changed = {
            f"{name} {version} (now {current[name]})"
            for name, version in before.get("versions", {}).items()
            if version != current.get(name)
        }
        if changed:
            notice(f"begun with other versions, which may give other values: {', '.join(sorted(changed))}")
        here, now = environment(), datetime.now(UTC).isoformat(timespec="seconds")
        fixed = {
            "seed": self._config.seed,
            "precision": self._config.precision,
            "config_sha256": self.config_sha256,
            "input_files": self._config.file_digests(),
            **more,
            "files": dict(files),
        }
        self._content: dict[str, Any] = {**here, "started": now, **before, **fixed, "finished": False}
        self._session = {"started": now} | {key: value for key, value in here.items() if before.get(key, value) != value}
        self._clock = time.perf_counter()
        self._write()

    def add(self, *names: str) -> None:
        """From now on files, or all files of folders, must stay as they are."""
        self._content["files"] |= sha256_by_name(self._folder, names)
        self._write()

    def keep(self, **more: Any) -> None:
        """From now on the record holds something more."""
        self._content |= more
        self._write()

    def end(self, clocks: Mapping[str, Any], *, finished: bool) -> None:
        """The session ends, with the engine's clocks by part."""
        seconds = {
            "wall_clock": round(time.perf_counter() - self._clock, 3),
            "parts": {
                name: {
                    "compiling": round(clock.compile_seconds, 3),
                    "running": round(clock.run_seconds, 3),
                    "programs": clock.num_programs,
                    "trajectories": clock.num_trajectories,
                }
                for name, clock in clocks.items()
            },
        }
        sessions = self._content.get("sessions", [])
        if clocks or not sessions:
            sessions = [*sessions, self._session | {"seconds": seconds}]
        self._content |= {"finished": finished, "sessions": sessions}
        self._write()

    def _write(self) -> None:
        write_sealed_json(self._folder / PROVENANCE, self._content)


def read_provenance(folder: Path) -> dict[str, Any]:
    """What `provenance.json` holds; `InputError` (a ValueError) if it cannot be read or was changed."""
    content = read_sealed_json(folder / PROVENANCE, since=SEALED)
    try:
        _Content.model_validate(content)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise InputError(f"{folder / PROVENANCE} cannot be read: {place} holds nonsense") from error
    return content


def read_record(folder: Path) -> dict[str, Any]:
    """As `read_provenance`, of a folder that must have it."""
    try:
        return read_provenance(folder)
    except InputError as error:
        raise InputError(f"{error}; {run_again(folder)} mends it") from error


def recorded_files(record: Mapping[str, Any]) -> dict[str, str] | None:
    """The SHA-256 of files that must stay as they are, by name; `None` in a folder of a version that did not record them."""
    files = record.get("files")
    return files if isinstance(files, dict) else None


def check_files(folder: Path, record: Mapping[str, Any], but: str = "/") -> dict[str, str]:
    """Refuse a run folder in which files are missing, or are not those that were written.

    Arguments:
        folder: the run folder. record: what `read_record` gave.
        but: files in this folder of it are not refused, but returned: what is wrong with them, by name.

    Raises:
        InputError (a ValueError): naming the file and what to do.
    """
    changed = changed_files(folder, recorded_files(record) or {})
    for name, fault in changed.items():
        if name == CONFIG:
            raise config_changed(folder)
        if not name.startswith(but):
            raise InputError(f"{folder} is damaged: {folder / name} is {fault}; {run_again(folder)} mends it")
    return {name: fault for name, fault in changed.items() if name.startswith(but)}


def config_changed(folder: Path) -> InputError:
    """The error of a configuration that is not the one that was computed."""
    text = "was changed after the run was begun, so it does not say what was computed; restore it, or give another folder"
    return InputError(f"{folder / CONFIG} {text}")


def finished_already(folder: Path) -> str:
    """Words for a run that is asked for again: when it ended, and what can be done with it."""
    record = read_record(folder)
    try:
        last = record["sessions"][-1]
        end = datetime.fromisoformat(last["started"]) + timedelta(seconds=last["seconds"]["wall_clock"])
        when = f"finished on {end:%Y-%m-%d %H:%M} UTC"
    except (KeyError, IndexError, TypeError, ValueError):
        when = f"started on {record.get('started')}"
    again = f"astrojax show {shlex.quote(str(folder))} draws it again, --out DIR computes it anew"
    return f"{folder} holds this run already, {when}; {again}"


def run_again(folder: Path) -> str:
    """The command that continues and mends a run folder."""
    return f"astrojax {'tune' if is_search(folder) else 'run'} {shlex.quote(str(folder))}"
