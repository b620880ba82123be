"""What the pages of a run and of a search have alike: settings, provenance, commands, and how values are written."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from .document import Page, code_block

KEEP = "The same configuration gives the same patterns, queries and results, whatever the chunks, devices and interruptions."


def add_settings(page: Page, config: str) -> None:
    page.text(f"## Settings\n\nThe whole configuration, every value that was used:\n\n{code_block(config, 'yaml')}")


def add_provenance(page: Page, provenance: Mapping[str, Any], more: Mapping[str, Any]) -> None:
    """Where it came from; what is not known is left out."""
    page.text("## Provenance")
    commit = provenance.get("commit") or {}
    clean = "" if commit.get("clean", True) else " with changes that were not committed"
    known = {
        "started": provenance.get("started"),
        "seed": provenance.get("seed"),
        "precision": provenance.get("precision"),
        **more,
        "device": ", ".join(map(str, provenance.get("devices", []))),
        "backend": provenance.get("backend"),
        "platform": provenance.get("platform"),
        "commit": f"{commit['id']}{clean}" if "id" in commit else None,
        "SHA-256 of the configuration": provenance.get("config_sha256"),
        **{f"SHA-256 of {name}": digest for name, digest in (provenance.get("input_files") or {}).items()},
        "random numbers": provenance.get("random_numbers"),
        "python": provenance.get("python"),
        "packages": ", ".join(f"{name} {version}" for name, version in provenance.get("versions", {}).items() if version),
    }
    page.table(["", "value"], [[name, value] for name, value in known.items() if value not in (None, "")])
    sessions = provenance.get("sessions", [])
    if not sessions:
        return
    page.text("### Sessions\n\nSeconds by part, summed over what ran side by side; a program is compiled once.")
    rows = []
    for number, session in enumerate(sessions, 1):
        seconds = session.get("seconds", {})
        begun, lasted = session.get("started", ""), _seconds(seconds.get("wall_clock"))
        rows.append([f"{number}: {begun}", "in all", lasted, *[""] * 4])
        for name, part in seconds.get("parts", {}).items():
            times = [_seconds(part.get(kind)) for kind in ("compiling", "running")]
            counts = [f"{part.get(kind, 0):,}" for kind in ("programs", "trajectories")]
            rows.append(["", name, "", *times, *counts])
    page.table(["session", "part", "wall clock", "compiling", "running", "programs", "trajectories"], rows)


def add_commands(page: Page, commands: Mapping[str, str]) -> None:
    """Commands, each below what it does."""
    page.text(code_block("\n\n".join(f"# {meaning}\n{command}" for command, meaning in commands.items()), "sh"))


def figure_name(number: int, name: str) -> str:
    return f"{number}-" + "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)


def short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float | int | np.number) else json.dumps(value)


def _seconds(value: Any) -> str:
    return f"{value:.1f} s" if isinstance(value, float | int) else ""
