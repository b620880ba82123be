"""Print versions, devices and cached programs.

examples:
  astrojax info
  astrojax info --json
"""

import argparse
from typing import Any

from .output import Output, print_error
from .parser import Parser, add_output


def add(parser: Parser) -> None:
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    from .._internal.compilation_cache import describe_kept_programs
    from .._internal.errors import InputError, shown_bytes
    from ..storage.provenance import environment, software

    try:
        content: dict[str, Any] = {**environment(), "programs": describe_kept_programs()}
    except InputError as error:  # JAX has no device
        content = {**software(), "devices": [], "error": str(error), "status": 2}
    lines = {name: version or "not installed" for name, version in content["versions"].items()}
    if commit := content["commit"]:
        lines["commit"] = commit["id"] + ("" if commit["clean"] else " with uncommitted changes")
    lines["python"] = f"{content['python']} on {content['platform']}"
    if "error" not in content:
        lines["devices"] = f"{', '.join(content['devices'])} ({content['backend']})"
        cache = content["programs"]
        lines["programs"] = "not cached (ASTROJAX_CACHE)"
        if cache["folder"] is not None:
            works = (
                "and found again" if cache["found_again"] else f"but not found again: {cache['reason'] or 'JAX caches none'}"
            )
            lines["programs"] = f"{cache['number']:,} ({shown_bytes(cache['bytes'])}) cached in {cache['folder']}, {works}"

    def show(console: Any) -> None:
        for name, text in lines.items():
            console.print(f"{name:<12} {text}", soft_wrap=True)
        if "error" in content:
            print_error(f"astrojax: {content['error']}")

    Output.of(options).print_outcome(content, show)
    return content.get("status", 0)
