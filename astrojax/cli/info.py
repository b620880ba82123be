"""What `astrojax examples`, `explore`, `schema`, `info` and `completion` do."""

import sys
from pathlib import Path
from typing import Any

from .._internal.errors import InputError
from .output import Output, print_error, print_json


def examples(output: Output, name: str | None) -> None:
    """List the configurations that come with the package, or print one of them as it is."""
    from ..config.examples import PREFIX, about, kind, names, path_of

    if name is not None:
        path = path_of(name.removeprefix(PREFIX))
        text = path.read_text(encoding="utf-8")
        content = {"name": path.stem, "command": kind(path.stem), "about": about(path.stem), "text": text}
        if output.as_json:
            print_json(content)
        else:
            sys.stdout.write(text)
        return
    found = [{"name": one, "command": kind(one), "about": about(one)} for one in names()]

    def show(console: Any) -> None:
        for one in found:
            console.print(f"{one['name']:<8} {one['about']}", soft_wrap=True)
            console.print(f"{'':<8} astrojax {one['command']} {PREFIX}{one['name']}", soft_wrap=True)

    output.outcome({"examples": found}, show)


def explore(patterns: str | None, address: str, port: int, browser: bool, **reading: Any) -> None:
    """Serve the explorer until it is interrupted."""
    from .._internal.devices import local_devices
    from ..explore import serve

    local_devices()  # refused here, not by the first request
    path = None if patterns is None else Path(patterns)
    serve(address=address, port=port, show=browser, patterns=path, **reading)


def schema(tune: bool) -> None:
    """Print the JSON Schema of a configuration."""
    from ..config.run import Config
    from ..config.tune import TuneConfig

    print_json((TuneConfig if tune else Config).model_json_schema())


def info(output: Output) -> bool:
    """Print versions, devices and kept programs; returns whether JAX has devices."""
    from .._internal.compilation_cache import describe_kept_programs
    from .._internal.errors import shown_bytes
    from ..storage.provenance import environment, software

    try:
        content: dict[str, Any] = {**environment(), "programs": describe_kept_programs()}
    except InputError as error:
        content = {**software(), "devices": [], "error": str(error), "status": 2}
    lines = {name: version or "not installed" for name, version in content["versions"].items()}
    if commit := content["commit"]:
        lines["commit"] = commit["id"] + ("" if commit["clean"] else " with uncommitted changes")
    lines["python"] = f"{content['python']} on {content['platform']}"
    if "error" not in content:
        lines["devices"] = f"{', '.join(content['devices'])} ({content['backend']})"
        kept = content["programs"]
        lines["programs"] = "not kept (ASTROJAX_CACHE)"
        if kept["folder"] is not None:
            found = (
                "are found again" if kept["found_again"] else f"but are not found again: {kept['reason'] or 'JAX keeps none'}"
            )
            lines["programs"] = f"{kept['number']:,} ({shown_bytes(kept['bytes'])}) are kept in {kept['folder']}, {found}"

    def show(console: Any) -> None:
        for name, text in lines.items():
            console.print(f"{name:<12} {text}", soft_wrap=True)
        if "error" in content:
            print_error(f"astrojax: {content['error']}")

    output.outcome(content, show)
    return "error" not in content


def completion(shell: str) -> None:
    """Print what a shell needs to complete the words of `astrojax`."""
    import argcomplete

    print(argcomplete.shellcode(["astrojax"], shell=shell))
