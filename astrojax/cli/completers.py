"""What may stand for CONFIG, RUN and DIR on a command line that a shell completes."""

import argparse
import glob
import os
from pathlib import Path
from typing import Any


def configurations(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """YAML files, folders, and the examples for the command."""
    from ..config.examples import PREFIX, kind, names

    examples = [f"{PREFIX}{name}" for name in names() if kind(name) == parsed_args.command]
    return [*_paths(prefix, ".yaml", ".yml"), *(example for example in examples if example.startswith(prefix))]


def run_folders(prefix: str, **_: Any) -> list[str]:
    """Run folders, and folders that may hold some."""
    from ..config.detect import CONFIG

    return [text.rstrip("/") if (Path(text).expanduser() / CONFIG).is_file() else text for text in _paths(prefix)]


def _paths(prefix: str, *suffixes: str) -> list[str]:
    """Folders, with a slash behind them, and files with one of the suffixes, whose names begin with the prefix."""
    start = os.path.expanduser(prefix)
    found = [
        prefix + path.removeprefix(start) + ("/" if os.path.isdir(path) else "")
        for path in sorted(glob.glob(f"{glob.escape(start)}*"))
    ]
    return [path for path in found if path.endswith(("/", *suffixes))]
