"""Random configurations and files of numbers: each is read, or refused with an InputError, within seconds and bounded memory.

    python -m tests.fuzz [--configurations 20000] [--files 2000] [--plans 200] [--seed 0]

A few of them run in the suite (test_fuzz.py). What escapes is printed with the text that did it; the exit status is 1 then.
"""

import argparse
import contextlib
import random
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import astrojax as aj
from astrojax.config.load import read_config
from astrojax.config.run import Config
from astrojax.runs.tune import load_search_config

from .fuzz_arrays import check_file, mutate_file

ROOT = Path(__file__).parents[1]

BASES = [
    path.read_text(encoding="utf-8") for folder in ("astrojax/examples", "configs") for path in (ROOT / folder).rglob("*.yaml")
]

MEMORY = 8 * 2**30
"""Bytes of address space that a process may have."""

SECONDS = 20
"""Within which each must be told."""

SCALARS = [
    *"""
~ ¦ yes ¦ no ¦ -1 ¦ 0 ¦ 1 ¦ 1e3 ¦ 1E2 ¦ 1_000 ¦ 010 ¦ 0x1F ¦ 0x_ ¦ 0b_ ¦ 1:30 ¦ 1e400 ¦ -1e400 ¦ .nan ¦ -.inf ¦ 2**70 ¦ 1e-320
100000000 ¦ 2001-13-45 ¦ 2001-01-01 ¦ !!int x ¦ !!float x ¦ !!bool x ¦ !!null x ¦ !!timestamp x ¦ !!binary x ¦ !!binary YQ==
!!set {a, b} ¦ !!omap [a: 1] ¦ !!python/name:os.system ¦ !foo bar ¦ ! a ¦ !<tag:a,b> c ¦ ' ¦ " ¦ "a\\0b" ¦ "a\\ud800b" ¦ τ ¦ 😀
/dev/zero ¦ /dev/stdin ¦ example:first ¦ ../.. ¦ [] ¦ {} ¦ [1, 2 ¦ {a: ¦ [[1]] ¦ [a, true, null] ¦ {start: 1} ¦ &a [*a] ¦ *a
&a {<<: *a} ¦ *nowhere ¦ {<<: 1} ¦ {<<: [1]} ¦ {start: 0, stop: 1, step: 0} ¦ {start: 0, stop: 1e9, step: 1e-9} ¦ {1: 2}
{start: -1e308, stop: 1e308, num: 5} ¦ {start: 1, stop: 2, num: 1e99} ¦ {start: 1, stop: x} ¦ {start: 0, stop: 1, scale: log}
{? [a, b] : c} ¦ {? {a: b} : c} ¦ {null: 1} ¦ {kind: [1]} ¦ {kind: file, path: 3} ¦ | ¦ > ¦ - a ¦ ? a ¦ % ¦ @ ¦ ` ¦ # x
infinity ¦ nan ¦ None ¦ True ¦ random ¦ hopfield ¦ dense
""".strip()
    .replace("\n", " ¦ ")
    .split(" ¦ "),
    *("", "\u202e", "\ufeff", "x" * 3000, "[" * 200, "{a: " * 200, "1" + "0" * 400, "9" * 5000),
]
"""Each is put in place of a value, a word or a key."""


def mutate_configuration(rng: random.Random) -> str:
    """A configuration with some faults, or none."""
    if rng.random() < 0.02:
        return "".join(rng.choice("[]{}:,-?&*!|>'\"%@`# \n\tab01.~<\\") for _ in range(rng.randrange(200)))
    lines = rng.choice(BASES).splitlines()
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        place = rng.randrange(len(lines))
        line, scalar = lines[place], rng.choice(SCALARS)
        words = line.split(" ")
        word = rng.randrange(len(words))
        key, colon, _ = line.partition(":")
        match rng.randrange(10):
            case 0 | 1 | 2:
                lines[place] = f"{key}{colon} {scalar}"
            case 3 | 4:
                words[word] = scalar + ("," if words[word].endswith(",") else "")
                lines[place] = " ".join(words)
            case 5:
                lines[place] = f"{scalar}: {line.strip()}"
            case 6:
                lines.insert(rng.randrange(len(lines)), line)
            case 7:
                lines[place] = rng.choice(("  ", "\t", " ")) + line if rng.random() < 0.5 else line[1:]
            case 8:
                at = rng.randrange(len(line) + 1)
                lines[place] = line[:at] + rng.choice("[]{}:,-?&*!|>'\"%@`# .~<\\e0") + line[at + rng.randrange(2) :]
            case _:
                del lines[place]
                lines = lines or [""]
    return "\n".join(lines[: rng.randrange(len(lines)) + 1] if rng.random() < 0.05 else lines)


def read_configuration(text: str, folder: Path) -> object:
    """The configuration of a run, else that of a search; InputError if it is neither."""
    path = folder / "fuzzed.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        return read_config(path)
    except aj.InputError:
        return load_search_config(path)


def escape_of(function: Callable[[], object]) -> str | None:
    """What a call raises that is no InputError, or that it takes too long; `None` if it does neither."""
    try:
        with time_limit():
            function()
    except aj.InputError:
        return None
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__}: {str(error)[:300]}"
    return None


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """Raise TimeoutError in the block after `SECONDS`."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"took more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fuzz_configurations(number: int, plans: int, seed: int) -> list[str]:
    """Escapes of so many random configurations, of which some that are valid are planned as well."""
    from astrojax.runs.run import Execution, outline_of

    rng, escapes, valid = random.Random(seed), [], 0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(number):
            text, found = mutate_configuration(rng), []

            def read(text: str = text, found: list[object] = found) -> None:
                found.append(read_configuration(text, Path(folder)))

            escape = escape_of(read)
            if found and valid < plans and isinstance(found[0], Config):
                valid += 1
                escape = escape_of(lambda config=found[0]: outline_of(config, Execution()))
            if escape:
                escapes.append(f"{escape}\n{text[:2000]}")
    print(f"{number:,} configurations, {valid} of them planned: {len(escapes)} escapes", flush=True)
    return escapes


def fuzz_files(number: int, seed: int) -> list[str]:
    """Escapes of so many random files of numbers."""
    escapes = []
    with tempfile.TemporaryDirectory() as folder:
        for case in range(number):
            path = mutate_file(random.Random(f"{seed} {case}"), Path(folder))
            with time_limit():
                escape = check_file(path)
            if escape:
                escapes.append(f"file {case} of seed {seed}: {escape}")
            path.unlink()
    print(f"{number:,} files of numbers: {len(escapes)} escapes", flush=True)
    return escapes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--configurations", type=int, default=20_000)
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--plans", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    escapes = fuzz_configurations(given.configurations, given.plans, given.seed) + fuzz_files(given.files, given.seed)
    print(*escapes[:20], sep="\n\n---\n")
    return int(bool(escapes))


if __name__ == "__main__":
    sys.exit(main())
