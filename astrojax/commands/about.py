"""What `astrojax examples`, `explore`, `schema`, `info` and `completion` do."""

import sys
from pathlib import Path
from typing import Any

from .output import Output, print_json


def examples(output: Output, name: str | None) -> None:
    """List the configurations that come with the package, or print one of them as it is."""
    from ..runs.examples import PREFIX, about, kind, names, path_of

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


def explore(patterns: str | None, address: str, port: int, browser: bool, array: str | None, threshold: float | None) -> None:
    """Serve the explorer until it is interrupted."""
    from ..explore import serve

    path = None if patterns is None else Path(patterns)
    serve(address=address, port=port, show=browser, patterns=path, array=array, threshold=threshold)


def schema(tune: bool) -> None:
    """Print the JSON Schema of a configuration."""
    from ..runs.config import Config
    from ..runs.tuning import TuneConfig

    print_json((TuneConfig if tune else Config).model_json_schema())


def info(output: Output) -> None:
    """Print versions and devices."""
    from ..runs.provenance import environment

    content = environment()

    def show(console: Any) -> None:
        for name, version in content["versions"].items():
            console.print(f"{name:<12} {version or 'not installed'}")
        console.print(f"{'python':<12} {content['python']} on {content['platform']}")
        console.print(f"{'devices':<12} {', '.join(content['devices'])} ({content['backend']})")

    output.outcome(content, show)


def completion(shell: str) -> None:
    """Print what a shell needs to complete the words of `astrojax`."""
    import argcomplete

    print(argcomplete.shellcode(["astrojax"], shell=shell))
