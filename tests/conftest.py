"""The test run uses float64, strict promotion of ranks and types, and warnings as errors (see pyproject.toml)."""

import os
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# Compiled programs are shared by all processes of the tests, and kept apart from the user's.
os.environ["ASTROJAX_CACHE"] = str(Path(__file__).parents[1] / ".pytest_cache" / "programs")
