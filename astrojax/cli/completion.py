"""Print what a shell needs to complete commands, options and keys.

Once per shell; open a new one afterwards. In zsh, compinit must have been called before.

examples:
  eval "$(astrojax completion bash)"            # bash: in ~/.bashrc
  eval "$(astrojax completion zsh)"             # zsh: in ~/.zshrc
  astrojax completion fish > ~/.config/fish/completions/astrojax.fish
"""

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from .parser import Parser
from .schema import schema_of


def add(parser: Parser) -> None:
    parser.add_argument("shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="bash, zsh or fish")


def run(options: argparse.Namespace) -> int:
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

    from ..config.examples import located
    from ..config.yaml_files import read_yaml

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
    schema = schema_of(command)
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
