"""The version, which names the commit: of the checkout the package lies in, otherwise of the one it was built from.

Building a wheel executes this file (see pyproject.toml), so it imports the standard library only.
"""

import functools
import re
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

DISTRIBUTION = "astrojax-memory"
"""What is installed; `astrojax` on the package index is another project."""

RELEASE = "0.2.0"
"""The next release: the commit tagged with it has this version, all others are development versions of it."""


def version() -> str:
    """The version: of a release, or as in `0.2.0.dev202611280822+g1a2b3c4d5e6f` with the time (UTC) and id of the commit."""
    if checkout := _checkout():
        commit, time, refs, clean = checkout
        if clean and f"tag: v{RELEASE}" in refs:
            return RELEASE
        return f"{RELEASE}.dev{time}+g{commit[:12]}{'' if clean else '.dirty'}"
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return f"{RELEASE}.dev0"


def commit() -> dict[str, Any] | None:
    """The commit and whether it was clean, of the checkout or else of the installed version; `None` if neither is known."""
    if checkout := _checkout():
        return {"id": checkout[0], "clean": checkout[3]}
    found = re.fullmatch(r"(?P<release>[\d.]+)|.*\+g(?P<commit>\w+)(?P<dirty>\.dirty)?", version())
    return {"id": found["commit"] or f"v{found['release']}", "clean": not found["dirty"]} if found else None


@functools.cache  # what is imported does not change with later commits
def _checkout() -> tuple[str, str, str, bool] | None:
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():  # git would go on to look in the folders above
        return None

    def git(*words: str) -> str:
        command = ["git", "-C", str(root), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        commit, seconds, refs = git("show", "--no-patch", "--format=%H|%ct|%D").split("|", 2)
        time = datetime.fromtimestamp(int(seconds), UTC)
        return commit, f"{time:%Y%m%d%H%M}", refs, not git("status", "--porcelain")
    except (OSError, subprocess.SubprocessError):
        return None
