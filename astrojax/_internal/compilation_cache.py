"""JAX's persistent compilation cache, in the user's cache folder."""

import contextlib
import hashlib
import os
import platform
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache
from platformdirs import user_cache_path


def keep_compiled_programs() -> Path | None:
    """Turn on JAX's persistent compilation cache, unless the user has set it up otherwise."""
    chosen = os.environ.get("ASTROJAX_CACHE", "")  # another folder, or `off`
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
    """The `folder` of kept programs, `None` if they are not kept; their `number` and `bytes`."""
    folder = keep_compiled_programs()
    if folder is None:
        return {"folder": None}
    sizes: list[int] = []
    with contextlib.suppress(OSError):
        sizes.extend(path.stat().st_size for path in folder.glob("*-cache"))
    return {"folder": str(folder), "number": len(sizes), "bytes": sum(sizes)}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        features = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(features.encode()).hexdigest()[:8]}"
