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

__all__ = ["ALONE", "Team"]

AXIS = "samples"
"""The name of the mesh axis along which a batch is shared."""

Tree = TypeVar("Tree")


@dataclass(frozen=True)
class Team:
    """The devices that share each batch; none stands for the one that JAX takes by itself."""

    devices: tuple[jax.Device, ...] = ()

    @property
    def size(self) -> int:
        """How many they are."""
        return max(1, len(self.devices))

    @cached_property
    def _mesh(self) -> Mesh:
        return Mesh(np.array(self.devices), (AXIS,))

    @property
    def everywhere(self) -> NamedSharding | None:
        """Where arrays lie that every device has; None where JAX decides."""
        return NamedSharding(self._mesh, PartitionSpec()) if self.devices else None

    def share(self, batch: Tree) -> Tree:
        """The same arrays (samples, ...), divided among the devices; inside of a program."""
        return self._laid(batch, PartitionSpec(AXIS))

    def gather(self, arrays: Tree) -> Tree:
        """The same arrays, whole on every device; inside of a program."""
        return self._laid(arrays, PartitionSpec())

    def _laid(self, arrays: Tree, parts: PartitionSpec) -> Tree:
        if self.size == 1:
            return arrays
        laid: Tree = jax.lax.with_sharding_constraint(arrays, NamedSharding(self._mesh, parts))
        return laid

    @property
    def local(self) -> bool:
        """Whether no other process has a part in it; else all make the same calls, whatever a clock says."""
        where = self.everywhere
        return where is None or where.is_fully_addressable

    @property
    def own(self) -> list[int]:
        """The places in the team of the devices that belong to this process."""
        here = jax.process_index()
        return [place for place, device in enumerate(self.devices) if device.process_index == here] or [0]

    def dealt(self, arrays: Tree, axis: int) -> Tree:
        """Arrays whose axis has a place for each of the `own` devices, each place on its device."""
        if not self.devices:
            return self.put(arrays)
        parts, own = PartitionSpec(*[None] * axis, AXIS), self.own

        def place(array: Any) -> jax.Array:
            shape = (*array.shape[:axis], self.size, *array.shape[axis + 1 :])
            pieces = [
                jax.device_put(array[(*[slice(None)] * axis, slice(row, row + 1))], self.devices[place])
                for row, place in enumerate(own)
            ]
            return jax.make_array_from_single_device_arrays(shape, NamedSharding(self._mesh, parts), pieces)

        placed: Tree = jax.tree.map(place, arrays)
        return placed

    def put(self, arrays: Tree) -> Tree:
        """The same arrays on every device; from outside of a program."""
        where = self.everywhere
        if where is not None and not self.local:
            # `jax.device_put` would compare them over all processes, and takes no keys.
            spread: Tree = jax.tree.map(lambda leaf: _spread(leaf, where), arrays)
            return spread
        placed: Tree = jax.device_put(arrays, where)
        return placed

    def shaped(self, leaf: Any) -> jax.ShapeDtypeStruct:
        """What a program is compiled for that takes this array: its shape, its type and where it lies."""
        placed = getattr(leaf, "sharding", None)
        ours = isinstance(placed, NamedSharding) and placed.mesh == self._mesh if self.devices else False
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=placed if ours else self.everywhere)


def _spread(leaf: Any, where: NamedSharding) -> jax.Array:
    """An array that each process has, on the devices of all of them."""
    if isinstance(leaf, jax.Array) and leaf.sharding == where:
        return leaf
    if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        words = _spread(jax.random.key_data(leaf), where)
        return jax.random.wrap_key_data(words, impl=jax.random.key_impl(leaf))
    host = np.asarray(leaf)
    return jax.make_array_from_callback(host.shape, where, lambda index: host[index])


ALONE = Team()
"""The one device that JAX takes by itself."""
