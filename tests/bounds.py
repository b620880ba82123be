"""Do the declared bounds hold? Installs the lowest and the newest dependencies, each into an environment of its own below
build/bounds, and works through the package with them: `make bounds`. Needs the package index, and some minutes.

The lowest set has every dependency at its lower bound, the newest whatever the package index has for the newest Python that is
here (3.11 to 3.13). What dependencies depend on is in both as new as they allow.
"""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = ("cluster", "explore", "export", "video")
"""What users install; the other extras are for developers, or for machines with accelerators."""

COMMANDS = """
info
run example:first --trials 3 --out runs/one
show runs/one --html
verify runs/one --share 1
run example:first --trials 3 --cluster local:1 --out runs/two
export runs/one --format csv
export runs/one --format nc
export runs/one --format parquet
tune example:tune --search.num_steps 2 --search.validation_size 8 --landscape.size 0 --heldout_trials 4 --out runs/tuned
show runs/tuned
""".strip().splitlines()


def requirements() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["dependencies"] + [need for extra in EXTRAS for need in project["optional-dependencies"][extra]]


def lowest() -> list[str]:
    return [re.sub(r">=([\w.]+).*", r"==\1", need) for need in requirements()]


def newest_python() -> str:
    """The newest interpreter that is here and can be started."""
    for name in ("python3.13", "python3.12"):
        try:
            subprocess.run([name, "--version"], check=True, capture_output=True)
            return name
        except (OSError, subprocess.CalledProcessError):
            pass
    return sys.executable


def check(name: str, python: str, constraints: list[str]) -> None:
    """Make an environment with these constraints, and work through the package in it."""
    folder = ROOT / "build" / "bounds" / name
    subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
    own = folder / "bin" / "python"
    pins = folder / "constraints.txt"
    pins.write_text("\n".join(constraints))
    pip = [own, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--constraint", pins, f"{ROOT}[{','.join(EXTRAS)}]"], check=True)
    with tempfile.TemporaryDirectory() as elsewhere:
        ours = {"ASTROJAX_CACHE": elsewhere, "TF_CPP_MIN_LOG_LEVEL": "3"}  # jaxlib 0.10.0 is talkative about its cache
        subprocess.run([own, "-I", Path(__file__).resolve(), "smoke"], check=True, cwd=elsewhere, env=os.environ | ours)
    names = sorted(re.split("[>=<]", need)[0] for need in requirements())
    frozen = subprocess.run([*pip, "list", "--format=freeze"], check=True, capture_output=True, text=True).stdout
    found = {re.sub("[-_.]+", "-", line.partition("==")[0]).lower(): line for line in frozen.splitlines()}
    print(f"{name}: smoke run: ok:", ", ".join(found[one] for one in ["astrojax-memory", *names]), flush=True)


def smoke() -> None:
    """Work through the package that is installed here."""
    import shlex

    import jax

    import astrojax as aj
    from astrojax.cli import main

    assert Path(aj.__file__).parent != ROOT / "astrojax"
    for name in aj.__all__:
        getattr(aj, name)
    for command in COMMANDS:
        status = main([*shlex.split(command), *([] if command == "info" else ["--quiet"])])
        if status:
            sys.exit(f"astrojax {command}: exit status {status}")
    assert not aj.load("runs/one").status.any()
    memory = aj.ModernHopfieldMemory(aj.random_patterns(jax.random.key(0), num_neurons=9, num_patterns=3))
    recall = aj.retrieve(memory, memory.patterns[:, 0], t1=1.0, ts=jax.numpy.linspace(0, 1, 5))
    aj.animate(recall, "recall.mp4", memory)
    command = [Path(sys.executable).with_name("astrojax"), "explore", "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        page = re.search(r"http://\S+", server.stdout.readline())[0]
        assert urllib.request.urlopen(page, timeout=60).status == 200
        server.terminate()


if __name__ == "__main__":
    if sys.argv[1:] == ["smoke"]:
        smoke()
    else:
        print(f"lowest with {sys.executable}, newest with {newest_python()}", flush=True)
        check("lowest", sys.executable, lowest())
        check("newest", newest_python(), [])
