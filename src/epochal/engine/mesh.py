"""The mesh of devices that share each batch.

The program stays the one of a single device: samples, state and order are replicated, and a sharding
constraint divides the gathered samples of a batch. XLA partitions the program by it (GSPMD, Xu et al. 2021,
arXiv:2105.04663): every sum over samples becomes a sum over devices, in losses, gradients and batch
normalization alike, and padding of an uneven batch counts in none of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "samples"
"""The name of the mesh axis along which a batch is sharded."""

Tree = TypeVar("Tree")


@dataclass(frozen=True)
class DeviceMesh:
    """The mesh of devices that share each batch; empty for JAX's default device."""

    devices: tuple[jax.Device, ...] = ()

    @property
    def size(self) -> int:
        """Number of devices."""
        return max(1, len(self.devices))

    @cached_property
    def _mesh(self) -> Mesh:
        return Mesh(np.array(self.devices), (AXIS,))

    @property
    def replicated(self) -> NamedSharding | None:
        """The sharding of replicated arrays; None if left to JAX."""
        return NamedSharding(self._mesh, PartitionSpec()) if self.devices else None

    def shard(self, batch: Tree) -> Tree:
        """Shard arrays (samples, ...) over the mesh, within a program."""
        return self._laid(batch, PartitionSpec(AXIS))

    def replicate(self, arrays: Tree) -> Tree:
        """Replicate arrays over the mesh, within a program."""
        return self._laid(arrays, PartitionSpec())

    def _laid(self, arrays: Tree, spec: PartitionSpec) -> Tree:
        if self.size == 1:
            return arrays
        return jax.lax.with_sharding_constraint(arrays, NamedSharding(self._mesh, spec))

    @property
    def local(self) -> bool:
        """Whether all devices are of this process; else processes must make the same calls."""
        where = self.replicated
        return where is None or where.is_fully_addressable

    @property
    def local_indices(self) -> list[int]:
        """The indices in the mesh of this process's devices."""
        here = jax.process_index()
        return [place for place, device in enumerate(self.devices) if device.process_index == here] or [0]

    def place(self, arrays: Tree, axis: int) -> Tree:
        """Arrays with one entry of `axis` on each of this process's devices."""
        if not self.devices:
            return self.put(arrays)
        spec, own = PartitionSpec(*[None] * axis, AXIS), self.local_indices

        def assemble(array: Any) -> jax.Array:
            shape = (*array.shape[:axis], self.size, *array.shape[axis + 1 :])
            shards = [
                jax.device_put(array[(*[slice(None)] * axis, slice(row, row + 1))], self.devices[place])
                for row, place in enumerate(own)
            ]
            return jax.make_array_from_single_device_arrays(shape, NamedSharding(self._mesh, spec), shards)

        return jax.tree.map(assemble, arrays)

    def put(self, arrays: Tree) -> Tree:
        """Replicate arrays over the mesh, outside of a program."""
        where = self.replicated
        if where is not None and not self.local:
            # `jax.device_put` would compare them over all processes, and takes no keys.
            return jax.tree.map(lambda leaf: _spread(leaf, where), arrays)
        return jax.device_put(arrays, where)

    def shaped(self, leaf: Any) -> jax.ShapeDtypeStruct:
        """Shape, dtype and sharding of an array, to compile for."""
        placed = getattr(leaf, "sharding", None)
        ours = isinstance(placed, NamedSharding) and placed.mesh == self._mesh if self.devices else False
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=placed if ours else self.replicated)


def _spread(leaf: Any, where: NamedSharding) -> jax.Array:
    """An array that each process has, replicated over all devices."""
    if isinstance(leaf, jax.Array) and leaf.sharding == where:
        return leaf
    if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        words = _spread(jax.random.key_data(leaf), where)
        return jax.random.wrap_key_data(words, impl=jax.random.key_impl(leaf))
    host = np.asarray(leaf)
    return jax.make_array_from_callback(host.shape, where, lambda index: host[index])


ALONE = DeviceMesh()
"""JAX's default device."""
