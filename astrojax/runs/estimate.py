"""What a run will take, estimated before anything is computed."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..sweep.engine import Engine
from .plan import Part, Plan


@dataclass(frozen=True)
class Row:
    """What one model, or the decoders, will take."""

    name: str
    num_trajectories: int
    capacities: list[int]
    padding: float
    """Share of the patterns computed that is padding."""
    num_programs: int


@dataclass(frozen=True)
class Outline:
    """What a run will take."""

    rows: list[Row]
    pool: tuple[int, int] | None
    """Size of the pool of patterns, if it is limited, and number of neurons."""
    num_chunks: int
    lanes_per_chunk: int
    stored_bytes: int
    """Of results, before compression."""
    num_files: int
    """Of chunks and their flags; descriptions, coordinates and figures are a few dozen more."""
    budget_bytes: int
    """Of each device's memory."""
    devices: list[str]
    """Kinds of the devices of this process that are used; none for a run on a cluster."""
    num_trajectories: int
    num_programs: int
    """Of all rows together, like the trajectories."""


def estimate(plan: Plan, engine: Engine, is_local: bool) -> Outline:
    """What a run of a plan will take, in this process or on a cluster, of whose workers nothing is known."""
    rows = [_row(name, [part for part in plan.parts if part.name == name]) for name in plan.dims]
    sizes = plan.problem_sizes
    stored_bytes, num_files = plan.stored_size
    return Outline(
        rows=rows,
        pool=(sizes["pool_size"], sizes["num_neurons"]) if len(sizes) == 2 else None,
        num_chunks=len(plan.jobs),
        lanes_per_chunk=plan.chunk_length,
        stored_bytes=stored_bytes,
        num_files=num_files,
        budget_bytes=engine.memory,
        devices=[device.device_kind for device in engine.devices] if is_local else [],
        num_trajectories=plan.num_trajectories,
        num_programs=sum(row.num_programs for row in rows),
    )


def _row(name: str, parts: Sequence[Part]) -> Row:
    capacities = sorted({int(capacity) for part in parts for capacity in part.sweep.shapes.capacities})
    sizes = [part.sweep.grid.size for part in parts]
    padding = sum(part.sweep.shapes.padding * size for part, size in zip(parts, sizes, strict=True)) / sum(sizes)
    programs = {key for part in parts for key in part.sweep.preparations(name, part.root_key)}
    return Row(name, sum(sizes), capacities, padding, len(programs))
