"""The devices of this process."""

import jax

from .errors import InputError


def local_devices() -> list[jax.Device]:
    """The devices of this process, of which there is at least one.

    Raises:
        InputError (a ValueError): with JAX's reason, if it cannot start on the platforms that it is told to use.
    """
    try:
        return jax.local_devices()
    except (RuntimeError, AssertionError) as error:  # without words where no NVIDIA GPU is visible
        reason = " ".join(str(error).split()) or "it finds no such device"
        platforms: str = jax.config.jax_platforms  # type: ignore[attr-defined]
        raise InputError(f"JAX cannot start{f' on {platforms!r} (JAX_PLATFORMS)' if platforms else ''}: {reason}") from error
