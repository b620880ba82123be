"""Compact patterns for large memories: one byte per entry, expanded block by block, and spread over devices."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int8

from .._internal.checks import InputError, at_least, not_traced, pattern_matrix, refuse_bits, refuse_booleans, shown
from .._internal.types import Neurons, PerPattern

BLOCK = 1024
"""Patterns of a block: enough for a matrix product at full speed, few enough for the cache."""


class CompactPatterns(eqx.Module):
    """Patterns with entries that are small integers, one byte each, in place of an array of shape (N, K).

    Made by `compact_patterns`. Memories take them in place of an array, since all they need are the products `patterns @ w`
    and `φ @ patterns`. Under `jax.vmap` over queries a block is expanded once for all of them.

    Arguments:
        blocks: shape (devices, blocks of a device, N, patterns of a block); zeros after the last pattern.
        num_patterns: K.
        dtype: precision of the computation.
    """

    blocks: Int8[Array, "devices blocks neurons block"]
    num_patterns: int = eqx.field(static=True)
    dtype: Any = eqx.field(static=True)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, K)."""
        return self.blocks.shape[2], self.num_patterns

    def __matmul__(self, weights: PerPattern) -> Neurons:
        """Ξw, shape (N,)."""
        devices, blocks, _, block = self.blocks.shape
        parts = jnp.pad(weights, (0, devices * blocks * block - self.num_patterns)).reshape(devices, blocks, block)
        if devices == 1:  # faster as a product of matrices
            return self._sum(lambda at: self._expanded(at)[0] @ parts[0, at])
        return self._sum(lambda at: jnp.einsum("dnk,dk->n", self._expanded(at), parts[:, at]))

    def __rmatmul__(self, rates: Neurons) -> PerPattern:
        """φΞ = Ξᵀφ, shape (K,)."""

        def product(at: jax.Array) -> Float[Array, "devices block"]:
            if len(self.blocks) == 1:
                return (rates @ self._expanded(at)[0])[None]
            return jnp.einsum("n,dnk->dk", rates, self._expanded(at))

        products: jax.Array = jax.lax.map(product, jnp.arange(self.blocks.shape[1]))
        return products.swapaxes(0, 1).ravel()[: self.num_patterns]

    def squared_sums(self) -> Neurons:
        """Σ_μ ξ² for each neuron, shape (N,)."""
        return self._sum(lambda at: jnp.sum(self._expanded(at) ** 2, axis=(0, 2)))

    def _sum(self, of_block: Callable[[jax.Array], Neurons]) -> Neurons:
        """Sum over the blocks of a device, by their numbers."""
        start = jnp.zeros_like(jax.eval_shape(of_block, jax.ShapeDtypeStruct((), jnp.int32)))
        total: Neurons = jax.lax.fori_loop(0, self.blocks.shape[1], lambda at, total: total + of_block(at), start)
        return total

    def _expanded(self, at: jax.Array) -> Float[Array, "devices neurons block"]:
        return self.blocks[:, at].astype(self.dtype)


def compact_patterns(
    patterns: jax.typing.ArrayLike, *, devices: Sequence[jax.Device] | None = None, block: int = BLOCK
) -> CompactPatterns:
    """Store patterns as one byte per entry, for memories that as floats would not fit, or be read too slowly.

    Arguments:
        patterns: shape (N, K), integers from −127 to 127; ±1 in the paper. A NumPy array on disk (`numpy.load` with
            `mmap_mode="r"`) is read block by block.
        devices: spread the patterns over these, and with them what depends on patterns.
        block: how many patterns are expanded at a time, at least 1.

    Raises `InputError` for patterns of another shape, with other entries, of 0 and 1 alone, or traced; for invalid devices.
    """
    not_traced("compact_patterns", patterns)
    try:
        array = np.asarray(patterns)
    except (TypeError, ValueError) as error:
        raise InputError(f"patterns must be an array of integers; got {shown(patterns)}") from error
    pattern_matrix(array.shape)
    refuse_booleans("patterns", array)
    at_least("block", block, 1)
    if devices is not None:
        listed = isinstance(devices, Sequence) and len(devices) > 0 and all(isinstance(one, jax.Device) for one in devices)
        if not listed or len(set(devices)) < len(devices):
            raise InputError(f"devices must be a list of different devices, such as jax.devices(); got {shown(devices)}")
    num_neurons, num_patterns = array.shape
    num_devices = len(devices) if devices else 1
    per_device = -(-num_patterns // num_devices)
    block = min(block, per_device)
    blocks = -(-per_device // block)
    block = -(-per_device // blocks)  # as even as possible: zeros after the last pattern cost as much as patterns
    lowest, highest = 127, -127
    kept = np.zeros((num_devices * blocks, num_neurons, block), np.int8)
    for number, first in enumerate(range(0, num_patterns, block)):
        part = array[:, first : first + block]
        _refuse_other_than_small_integers(part, first)
        kept[number, :, : part.shape[1]] = part
        lowest, highest = min(lowest, int(part.min())), max(highest, int(part.max()))
    if lowest == 0 and highest <= 1:
        refuse_bits("patterns", np.array([lowest, highest]))
    shaped = kept.reshape(num_devices, blocks, num_neurons, block)
    if devices is None:
        stored = jnp.asarray(shaped)
    else:
        mesh = jax.sharding.Mesh(np.array(devices), ("patterns",))
        stored = jax.device_put(shaped, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("patterns")))
    return CompactPatterns(stored, num_patterns, jnp.result_type(float))


def _refuse_other_than_small_integers(part: np.ndarray, first: int) -> None:
    if part.dtype == np.int8 and part.min() >= -127:
        return
    if not np.issubdtype(part.dtype, np.number) or np.iscomplexobj(part):
        raise InputError(f"patterns must be real numbers; got {part.dtype}")
    bad = ~((part == np.rint(part)) & (np.abs(part.astype(float)) <= 127))
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InputError(f"patterns must be integers in [-127, 127]; entry ({row}, {first + column}) is {part[row, column]}")
