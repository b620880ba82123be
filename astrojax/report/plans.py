"""What is printed before a run, and of a comparison after it."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from .._internal.errors import shown_bytes


def print_outline(console: Console, title: str, outline: Any) -> None:
    """Print what a run will take: an `Outline`."""
    table = Table(title=f"{title}: plan", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("", "trajectories", "padded to", "padding"):
        table.add_column(heading, justify="left" if not heading else "right")
    for row in outline.rows:
        shapes = ", ".join(str(capacity) for capacity in row.capacities)
        table.add_row(row.name, f"{row.num_trajectories:,}", shapes, f"{row.padding:.0%}")
    console.print(table)
    if outline.pool is not None:
        console.print("{} patterns of {} neurons to draw from".format(*outline.pool))
    console.print(
        f"{outline.num_trajectories:,} trajectories in {outline.num_chunks:,} chunks of up to {outline.lanes_per_chunk:,}, "
        f"{outline.num_programs} programs (one for each padded shape)",
        soft_wrap=True,
    )
    size = shown_bytes(outline.stored_bytes)
    console.print(f"results of {size} before compression, in {outline.num_files:,} files of chunks and their flags")
    many = len(outline.devices)
    if many:
        where = f"{many} device{'s' if many > 1 else ''} ({outline.devices[0]})"
        console.print(f"{where}, at most {shown_bytes(outline.budget_bytes)} of memory each", soft_wrap=True)
    else:
        console.print("computed by the workers of a cluster")
    if outline.run_seconds is not None:
        console.print(
            f"about {duration(outline.run_seconds)}, and {duration(outline.compile_seconds)} of compiling if these shapes "
            "are new to this machine (a rough guess)",
            soft_wrap=True,
        )


def repeats(found: Mapping[str, Mapping[str, float | int]]) -> bool:
    """Whether the run that `verify` compared repeats: no value is beyond tolerance."""
    return not any(tally["beyond"] for tally in found.values())


def print_comparison(console: Console, found: Mapping[str, Mapping[str, float | int]]) -> None:
    """Print what `verify` found."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("", "compared", "not bit for bit", "beyond tolerance", "largest difference"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, tally in found.items():
        counts = (f"{tally[kind]:,}" for kind in ("compared", "different", "beyond"))
        table.add_row(name, *counts, f"{tally['largest']:.1e}" if tally["largest"] else "0")
    console.print(table)
    console.print("the run repeats" if repeats(found) else "the run does not repeat: see the values beyond tolerance")


def duration(seconds: float | int) -> str:
    """A time in words, rounded, at least a second."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.{0 if seconds >= 10 * length else 1}f} {unit}"
    return f"{max(seconds, 1):.0f} s"
