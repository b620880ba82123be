"""JAX's persistent compilation cache, in the user's cache folder."""

import contextlib
import hashlib
import os
import platform
import warnings
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache
from platformdirs import user_cache_path

VARIABLE = "ASTROJAX_CACHE"
"""Environment variable: another folder for compiled programs, or `off`."""


def keep_compiled_programs() -> Path | None:
    """Turn on JAX's persistent compilation cache, unless the user has set it up otherwise."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen.lower() == "off":
        return None
    already = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if already:
        return Path(already)
    folder = Path(chosen) if chosen else user_cache_path("astrojax") / "programs"
    folder = folder / f"jax-{jax.__version__}-{_processor()}"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    # JAX reads its settings only at the first compilation, which may have been before.
    compilation_cache.reset_cache()
    return folder


def describe_kept_programs() -> dict[str, Any]:
    """The `folder` of kept programs, `None` if they are not kept; their `number` and `bytes`; whether a small program that is
    compiled twice was `found_again`; and JAX's `reason` if it was not."""
    folder = keep_compiled_programs()
    if folder is None:
        return {"folder": None}
    hits: list[str] = []
    jax.monitoring.register_event_listener(lambda event, **more: hits.append(event) if event.endswith("/cache_hits") else None)
    shortest = jax.config.jax_persistent_cache_min_compile_time_secs  # type: ignore[attr-defined]
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    try:
        with warnings.catch_warnings(record=True, action="always") as reasons:
            for _ in range(2):
                hits.clear()
                jax.jit(lambda number: number + 1).lower(0).compile()
    finally:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", shortest)
    sizes: list[int] = []
    with contextlib.suppress(OSError):
        sizes.extend(path.stat().st_size for path in folder.glob("*-cache"))
    reason = "; ".join({str(warning.message) for warning in reasons})
    return {"folder": str(folder), "number": len(sizes), "bytes": sum(sizes), "found_again": bool(hits), "reason": reason}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        features = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(features.encode()).hexdigest()[:8]}"
