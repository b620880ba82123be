"""The commands about the program: the schema of configurations, versions and devices, completion in a shell."""

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from .output import Output, print_error, print_json
from .parser import Parser, add_output


def schema(parser: Parser) -> None:
    """Print the JSON Schema of a configuration.

    examples:
      astrojax schema > run.schema.json
      astrojax schema --tune
    """
    parser.add_argument("--tune", action="store_true", help="that of a search")
    parser.add_argument("--json", action="store_true", help="the schema is JSON in any case")
    parser.set_defaults(execute=_schema)


def _schema(options: argparse.Namespace) -> int:
    print_json(_schema_of("tune" if options.tune else "run"))
    return 0


def _schema_of(command: str) -> dict[str, Any]:
    from ..config.run import Config
    from ..config.tune import TuneConfig

    return (TuneConfig if command == "tune" else Config).model_json_schema()


def info(parser: Parser) -> None:
    """Print versions, devices and cached programs.

    examples:
      astrojax info
      astrojax info --json
    """
    add_output(parser)
    parser.set_defaults(execute=_info)


def _info(options: argparse.Namespace) -> int:
    from .._internal.compilation_cache import describe_kept_programs
    from .._internal.errors import InputError, shown_bytes
    from ..storage.provenance import environment, software

    try:
        content: dict[str, Any] = {**environment(), "programs": describe_kept_programs()}
    except InputError as error:  # JAX has no device
        content = {**software(), "devices": [], "error": str(error), "status": 2}
    lines = dict(content["versions"])
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


def completion(parser: Parser) -> None:
    """Print what a shell needs to complete commands, options and keys.

    Once per shell; open a new one afterwards. In zsh, compinit must have been called before.

    examples:
      eval "$(astrojax completion bash)"            # bash: in ~/.bashrc
      eval "$(astrojax completion zsh)"             # zsh: in ~/.zshrc
      astrojax completion fish > ~/.config/fish/completions/astrojax.fish
    """
    parser.add_argument("shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="bash, zsh or fish")
    parser.set_defaults(execute=_completion)


def _completion(options: argparse.Namespace) -> int:
    import argcomplete

    print(argcomplete.shellcode(["astrojax"], shell=options.shell))
    return 0


def complete(parser: Parser, commands: Mapping[str, Parser]) -> NoReturn:
    """Answer a shell, which puts the line into the environment, and end the process."""
    import argcomplete

    line = os.environ.get("COMP_LINE", "").encode()[: int(os.environ.get("COMP_POINT") or 0)].decode(errors="ignore")
    _, current, _, words, _ = argcomplete.split_line(line)
    command = words[1] if len(words) > 1 else ""
    if command in ("run", "tune") and any(word.startswith("--") for word in (words[-1], current)):  # a key, or its value
        _add_keys(commands[command], command, words)
    # Options are many: they are offered once a dash is typed.
    argcomplete.autocomplete(parser, always_complete_options=False)
    raise SystemExit(1)


def _add_keys(parser: Parser, command: str, words: Sequence[str]) -> None:
    """Declare the keys of a configuration as options; those of its models depend on the file that is named."""
    import argcomplete

    from ..config.files import located, read_yaml

    try:
        models = dict(read_yaml(located(words[2]))["models"])
    except (ValueError, LookupError, TypeError):
        models = {}
    for key, schema in keys(command, models).items():
        if f"--{key}" not in parser.options():
            action: Any = parser.add_argument(f"--{key}", metavar="VALUE", help=schema.get("description", key))
            choices = [choice for option in (schema, *schema.get("anyOf", ())) for choice in option.get("enum", ())]
            action.completer = argcomplete.ChoicesCompleter(dict.fromkeys(map(str, choices), ""))


def keys(command: str, models: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The dotted keys of a configuration for `run` or `tune` that has some models by name, each key with its JSON Schema."""
    schema = _schema_of(command)
    definitions = schema["$defs"]

    def walk(node: Mapping[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        if "$ref" in node:
            node = definitions[node["$ref"].rpartition("/")[2]]
        for name, field in node.get("properties", {}).items():
            yield f"{path}{name}", field
            yield from walk(field, f"{path}{name}.")
        for alternative in (*node.get("anyOf", ()), *node.get("oneOf", ())):
            yield from walk(alternative, path)

    found = dict(walk(schema, ""))
    for name, model in models.items():
        for section in definitions.values():
            kind = section.get("properties", {}).get("kind", {}).get("const")
            if isinstance(model, dict) and kind is not None and kind == model.get("kind"):
                found |= walk(section, f"models.{name}.")
    return found
