"""Compiled programs that outlive the process: JAX's persistent compilation cache, kept in the user's cache folder."""

import hashlib
import os
import platform
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache
from platformdirs import user_cache_path

VARIABLE = "ASTROJAX_CACHE"
"""Environment variable: another folder for compiled programs, or `off`."""


def keep_compiled_programs() -> Path | None:
    """Keep programs compiled from now on, and take those that were kept, unless the user has set up JAX's cache otherwise.

    Returns the folder, or `None` if programs are not kept. Programs of processors with different instructions are kept apart.
    """
    chosen = os.environ.get(VARIABLE, "")
    if chosen.lower() == "off":
        return None
    already = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if already:
        return Path(already)
    folder = Path(chosen) if chosen else user_cache_path("astrojax") / "programs"
    folder = folder / f"jax-{jax.__version__}-{_processor()}"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    # Something may have been compiled already, after which JAX does not look at the settings again.
    compilation_cache.reset_cache()
    return folder


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        features = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(features.encode()).hexdigest()[:8]}"
