"""The record of a run: where it came from, and every session that worked on it with its times."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .._checks import InputError
from .config import Root
from .provenance import environment, pattern_file_digest, versions
from .store import PROVENANCE, read_json, write_json


class Record:
    """The provenance of a run: where and when it was begun, and every session that continued it."""

    def __init__(self, folder: Path, config: Root) -> None:
        self._path, self._config, self.digest = folder / PROVENANCE, config, pattern_file_digest(config)

    def begin(self, notice: Callable[[str], None]) -> None:
        """A session begins. `notice` is told of versions that have changed since the first one."""
        try:
            before = read_json(self._path)
        except InputError:
            before = {}
        changed = {
            f"{name} {version} (now {versions()[name]})"
            for name, version in before.get("versions", {}).items()
            if version != versions().get(name)
        }
        if changed:
            notice(f"begun with other versions, which may give other values: {', '.join(sorted(changed))}")
        here, now = environment(), datetime.now(UTC).isoformat(timespec="seconds")
        fixed = {
            "seed": self._config.seed,
            "precision": self._config.precision,
            "config_sha256": self._config.sha256(),
            "pattern_file_sha256": self.digest,
        }
        self._content: dict[str, Any] = {**here, **fixed, "started": now, **before, **fixed, "finished": False}
        self._session = {"started": now} | {key: value for key, value in here.items() if before.get(key, value) != value}
        self._clock = time.perf_counter()
        write_json(self._path, self._content)

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
        write_json(self._path, self._content | {"finished": finished, "sessions": sessions})
