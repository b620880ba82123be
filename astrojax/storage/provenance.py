"""Where a run comes from: its configuration with copies of the files it names, software and devices, and every session."""

import contextlib
import hashlib
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._internal import own_code
from .._internal import version as _version
from .._internal.errors import InputError, RunError, shown
from .._internal.files import (
    SEAL,
    file_sha256,
    read_json,
    read_sealed_json,
    sha256_by_name,
    write_bytes,
    write_sealed_json,
    write_text,
)
from ..config.files import CONFIG, dump_yaml, run_again
from .results import RESULTS

if TYPE_CHECKING:
    from ..config.run import BaseConfig

PROVENANCE, INPUTS = "provenance.json", "inputs"

MAX_COPY_BYTES = 2**26
"""Size of the largest file that is copied into a run folder; the configuration names larger ones where they are."""

RANDOM_NUMBERS = "threefry2x32, partitionable"
"""The generator of all random numbers, which no setting of JAX changes."""

NUMERICAL = ("jax", "jaxlib", "diffrax", "equinox", "optimistix", "lineax", "optax", "numpy", "xarray", "zarr")


class Record:
    """The provenance of a run, and the configuration in its folder, which is written if the folder is new.

    `notice` is called with a message about everything that was damaged and is repaired.

    Raises:
        InputError (a ValueError): if the folder holds another configuration, which is shown beside the given one, or one
            that was changed after the run was started.
        StorageError: if the folder cannot be written.
    """

    def __init__(self, folder: Path, config: "BaseConfig", notice: Callable[[str], None]) -> None:
        self._folder, self._notice = folder, notice
        self.is_new = not (folder / CONFIG).exists() and not (folder / RESULTS).exists()
        """Whether the folder holds no run yet."""
        self.previous: dict[str, Any] = {}
        """What the record held before this session."""
        if not self.is_new:
            try:
                self.previous = read_record(folder)
            except InputError:
                _refuse_unsealed(folder)
                if (folder / PROVENANCE).exists():
                    notice(f"{folder / PROVENANCE} is damaged; it is rewritten")
        self.config: Any = _write(folder, config, is_new=True) if self.is_new else self._continue(config)
        """The configuration, which names the copies in the folder, where there are any."""
        self.config_sha256: str = self.previous.get("config_sha256") or self.config.sha256()
        """SHA-256 of the configuration, as it was when the run was started."""

    def _continue(self, config: "BaseConfig") -> "BaseConfig":
        """The configuration in the folder, repaired if it is damaged; `InputError` if it is not the given one."""
        from ..config.validation import read

        folder, previous, codes = self._folder, self.previous, config.code()
        known, wanted = previous.get("config_sha256") or sha256_in_results(folder), config.sha256()
        stored = sha256 = None
        fault = ""
        refuse_changed_code(folder, previous)
        for trust in (False, None):  # without its code, if that is not the code of the given one
            try:
                stored = read(folder / CONFIG, type(config), trust=trust)
                sha256 = stored.sha256()
                break
            except InputError as error:
                fault = f" {error}"
        if (known or sha256) == wanted:
            if stored is not None and sha256 == wanted:
                return stored
            self._notice(f"{folder / CONFIG} or a file that it names was damaged or changed; they are rewritten")
            return _write(folder, config)
        if stored is None or (known is None and sha256 is None):
            raise InputError(f"--out: {folder} holds another configuration, which is damaged; give another folder.{fault}")
        if known not in (None, sha256) and file_sha256(folder / CONFIG) != previous.get("files", {}).get(CONFIG):
            raise config_changed(folder)
        different = differences(stored, config, previous.get("input_files") or stored.file_digests())
        text = "holds the run of another configuration; give another folder, or the same values"
        recorded, given = previous.get("code", {}), {Path(one.place).name: one.text for one in codes if one.text}
        if changes := own_code.changes({Path(name).name: text for name, text in recorded.items()}, given):
            different += changes
        raise InputError("\n  ".join([f"--out: {folder} {text}:", *different]))

    def begin(self, files: Mapping[str, str] | None = None, **more: Any) -> None:
        """Start a session; versions that have changed since the first session are reported.

        `files` are the SHA-256 of files that must not change, by their paths in the folder, besides those of the configuration.
        """
        previous, current = self.previous, versions()
        changed = [
            f"{name} {before} (now {current.get(name)})"
            for name, before in sorted(previous.get("versions", {}).items())
            if before != current.get(name)
        ]
        if changed:
            self._notice(f"started with other versions, which may give other values: {', '.join(changed)}")
        copies = [path.relative_to(self._folder.resolve()) for path in _files_inside(self.config, self._folder)]
        own = sha256_by_name(self._folder, [CONFIG, *(path.as_posix() for path in copies)])
        codes = self.config.code()
        own_code.remember(self._folder, codes)
        here, now = environment(), datetime.now(UTC).isoformat(timespec="seconds")
        fixed = {
            "seed": self.config.seed,
            "precision": self.config.precision,
            "config_sha256": self.config_sha256,
            "input_files": self.config.file_digests(),
            **_recorded(codes, self._folder),
            **more,
            "files": own | dict(files or {}),
        }
        self._content: dict[str, Any] = {**here, "started": now, **previous, **fixed, "finished": False}
        self._session = {"started": now} | {key: value for key, value in here.items() if previous.get(key, value) != value}
        self._start = time.perf_counter()
        self._save()

    def keep(self, *names: str, **more: Any) -> None:
        """Record the SHA-256 of files, or of all files in folders, which must not change from now on, and `more`."""
        self._content["files"] |= sha256_by_name(self._folder, names)
        self._content |= more
        self._save()

    @contextlib.contextmanager
    def ending(self, timings: Mapping[str, Any]) -> Iterator[None]:
        """End the session after the block, as finished unless it raises, with the engine's timings by part."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(RunError):  # what stopped the block is raised
                self._end(timings, finished=False)
            raise
        self._end(timings, finished=True)

    def _end(self, timings: Mapping[str, Any], *, finished: bool) -> None:
        """End the session, with the engine's timings by part."""
        seconds = {
            "wall_clock": round(time.perf_counter() - self._start, 3),
            "parts": {
                name: {
                    "compiling": round(timing.compile_seconds, 3),
                    "running": round(timing.run_seconds, 3),
                    "programs": timing.num_programs,
                    "trajectories": timing.num_trajectories,
                }
                for name, timing in timings.items()
            },
        }
        sessions = self._content.get("sessions", [])
        if timings or not sessions:
            sessions = [*sessions, self._session | {"seconds": seconds}]
        self._content |= {"finished": finished, "sessions": sessions}
        self._save()

    def _save(self) -> None:
        write_sealed_json(self._folder / PROVENANCE, self._content)


def _recorded(codes: Sequence[own_code.Code], folder: Path) -> dict[str, Any]:
    """The source of a user's own code by path in the folder, and versions of packages; nothing if there is none."""
    sources = {_relative(Path(code.place), folder.resolve()).as_posix(): code.text for code in codes if code.text is not None}
    packages = {code.place: code.identity for code in codes if code.text is None}
    return {name: found for name, found in {"code": sources, "packages": packages}.items() if found}


def refuse_changed_code(folder: Path, record: Mapping[str, Any]) -> None:
    """Raise `InputError`, with the changes, if a user's own code in a run folder, or a package of it, is not what was computed
    with."""
    for package, identity in record.get("packages", {}).items():
        if (here := own_code.package_code(package).identity) != identity:
            text = f"was computed with the package {identity}; here is {here}. Install that one, or give another folder"
            raise InputError(f"{folder} {text}")
    recorded = record.get("code", {})
    now = {}
    for name in recorded:
        with contextlib.suppress(OSError):
            now[name] = (folder / name).read_bytes().decode("utf-8", "backslashreplace")
    if now and (changes := own_code.changes({name: recorded[name] for name in now}, now)):
        text = "has changed since the run was started, so it is not what was computed with; restore it, or give another folder"
        raise InputError("\n  ".join([f"{folder}: its code {text}:", *changes]))


def environment() -> dict[str, Any]:
    """The software and the devices; `InputError` (a ValueError) if there is no device."""
    from .._internal.devices import local_devices

    devices = local_devices()
    return software() | {"backend": devices[0].platform, "devices": [device.device_kind for device in devices]}


def software() -> dict[str, Any]:
    """Versions of everything numerical, the commit if there is one, and the generator of random numbers."""
    return {
        "versions": versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "commit": _version.commit(),
        "random_numbers": RANDOM_NUMBERS,
    }


def versions() -> dict[str, str]:
    """Versions of every package that affects numbers."""
    return {"astrojax": _version.version(), **{name: version(name) for name in NUMERICAL}}


def read_record(folder: Path) -> dict[str, Any]:
    """What `provenance.json` holds; `InputError` (a ValueError) if it is missing, damaged or was changed."""
    try:
        return read_sealed_json(folder / PROVENANCE)
    except InputError as error:
        _refuse_unsealed(folder)
        raise InputError(f"{error}; {run_again(folder)} repairs it") from error


def _refuse_unsealed(folder: Path) -> None:
    """Raise `InputError` for a folder of a version whose records had no seal, so that it is neither trusted nor overwritten."""
    try:
        keys = read_json(folder / PROVENANCE).keys()
    except InputError:  # of a damaged or missing record, which is repaired
        return
    if keys.isdisjoint((SEAL, "files", "trajectories_per_chunk")):
        text = "was started by a version before the first release, and cannot be checked or continued; give another folder"
        raise InputError(f"{folder} {text}. Its results can still be read: xarray.open_zarr({str(folder / RESULTS)!r})")


def check_files(folder: Path, record: Mapping[str, Any], but: str = "/") -> list[str]:
    """Raise `InputError` if a recorded file is missing or was changed; those inside the folder `but` are returned instead."""
    tolerated = []
    for name, digest in record.get("files", {}).items():
        try:
            fault = "" if hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest else "changed"
        except (OSError, ValueError):
            fault = "missing"
        if fault and name == CONFIG:
            raise config_changed(folder)
        if fault and not name.startswith(but):
            raise InputError(f"{folder} is damaged: {folder / name} is {fault}; {run_again(folder)} repairs it")
        if fault:
            tolerated.append(name)
    return tolerated


def config_changed(folder: Path) -> InputError:
    """The error of a configuration that is not the one that was computed."""
    text = "was changed after the run was started, so it does not say what was computed; restore it, or give another folder"
    return InputError(f"{folder / CONFIG} {text}")


def sha256_in_results(folder: Path) -> str | None:
    """SHA-256 of the configuration as the dataset records it, or `None`."""
    try:
        return read_json(folder / RESULTS / "zarr.json")["attributes"]["config_sha256"]
    except (InputError, KeyError, TypeError):
        return None


def differences(there: "BaseConfig", here: "BaseConfig", recorded: Mapping[str, str]) -> list[str]:
    """Differences between the configuration of a run folder and another one, a line for each field.

    `recorded` are the SHA-256 of the folder's files, by dotted key.
    """
    from ..config.axes import leaves

    digests = here.file_digests()
    there = there.replaced({name: Path(recorded.get(name, str(path))) for name, path in there.files().items()})
    here = here.replaced({name: Path(digest) for name, digest in digests.items()})
    dumps = (own_code.map_files(config.model_dump(mode="json"), lambda path: path.name) for config in (there, here))
    first, second = map(leaves, dumps)

    def line(path: str) -> str:
        if path in digests and path in recorded:
            return f"{path}: another file there, of SHA-256 {recorded[path][:12]}…; {digests[path][:12]}… here"
        one, other = (shown(values[path]) if path in values else "nothing" for values in (first, second))
        return f"{path}: {one} there, {other} here"

    missing = object()
    paths = sorted(first.keys() | second.keys())
    return [line(path) for path in paths if first.get(path, missing) != second.get(path, missing)]


def as_yaml(config: "BaseConfig", beside: Path | None = None) -> str:
    """A configuration as YAML with every value. Paths are relative to the folder `beside`, if given."""
    if beside is not None:
        config = config.replaced({name: _relative(path, beside.resolve()) for name, path in config.files().items()})
    content = config.model_dump(mode="json")
    if beside is not None:
        content = own_code.map_files(content, lambda path: _relative(path, beside.resolve()).as_posix())
    return dump_yaml(content)


def _relative(path: Path, folder: Path) -> Path:
    try:
        return Path(os.path.relpath(path, folder))
    except ValueError:  # on another drive
        return path


def _write(folder: Path, config: "BaseConfig", *, is_new: bool = False) -> "BaseConfig":
    """Write copies of the files that a configuration names, code included, and then the configuration, which names the copies
    from now on: it is returned. In a new folder no other file is overwritten."""
    code = {one.place: one for one in config.code() if one.text is not None}
    digests, taken, copies = config.file_digests(), dict[str, str](), dict[str, Path]()
    files = config.files() | {place: Path(place) for place in code}
    digests |= {place: one.identity for place, one in code.items()}
    for key, source in files.items():
        if source.is_relative_to(folder.resolve()) or (key not in code and source.stat().st_size > MAX_COPY_BYTES):
            continue
        name, number = source.name, 2
        while taken.setdefault(name, digests[key]) != digests[key]:
            name, number = f"{number}-{source.name}", number + 1
        copies[key] = folder.resolve() / INPUTS / name
    for key, target in copies.items():
        content = files[key].read_bytes()
        if hashlib.sha256(content).hexdigest() != digests[key]:
            raise InputError(f"{key}: {files[key]} was changed while it was read")
        if is_new and target.exists() and target.read_bytes() != content:
            raise InputError(f"--out: {target} exists already, is another file, and is never overwritten; give another folder")
        write_bytes(target, content)
    stored = config.replaced({key: target for key, target in copies.items() if key not in code})
    stored = stored.with_code(lambda path: copies.get(str(path), path))
    write_text(folder / CONFIG, as_yaml(stored, beside=folder))
    return stored


def _files_inside(config: "BaseConfig", folder: Path) -> list[Path]:
    return [path for path in config.files().values() if path.is_relative_to(folder.resolve())]
