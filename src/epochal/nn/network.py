"""`Network`, the base of the built-in networks.

A network is its settings, frozen and hashable. Its Flax module is built when the shape of a sample is known,
once for each shape.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from math import prod
from typing import ClassVar

import jax
from flax import nnx

from epochal.models import BuiltIn, FlaxModel, Variables
from epochal.models.model import Applied

Shape = tuple[int, ...]


class Network(BuiltIn, ABC):
    """Settings that build a Flax module; subclasses are frozen dataclasses."""

    evaluation_rows: ClassVar[int] = 4096
    """Samples per forward pass of an evaluation, to limit memory."""

    @abstractmethod
    def module(self, shape: Shape, rngs: nnx.Rngs) -> nnx.Module:
        """The module for samples of that shape; impossible shapes are refused."""

    def init(self, key: jax.Array, sample: jax.Array) -> Variables:
        """Draw the parameters, all kernels at once."""
        return _adapted(self, tuple(sample.shape)).init(key, sample)

    def apply(self, variables: Variables, inputs: jax.Array, key: jax.Array, training: bool) -> Applied:
        """Map (batch, *sample) inputs to (batch, outputs)."""
        return _adapted(self, tuple(inputs.shape[1:])).apply(variables, inputs, key, training)


class _Adapted(FlaxModel):
    """A module whose kernels come from one draw."""

    def init(self, key: jax.Array, sample: jax.Array) -> Variables:
        """Build the module; its own draws of kernels are unused, so not computed."""
        drawn = super().init(key, sample)
        params = dict(nnx.to_flat_state(self._params))
        inits = {path: one.get_metadata().get("kernel_init") for path, one in params.items()}
        sizes = {path: prod(one.shape) for path, one in params.items() if inits[path]}
        normal, begin = jax.random.normal(key, (sum(sizes.values()),)), 0
        for path, size in sizes.items():
            *parents, name = path
            parent = functools.reduce(lambda tree, key: tree[key], parents, drawn.params)
            parent[name] = inits[path](normal[begin : begin + size].reshape(parent[name].shape))
            begin += size
        return drawn


@functools.lru_cache(maxsize=64)
def _adapted(network: Network, shape: Shape) -> FlaxModel:
    return _Adapted(functools.partial(network.module, shape))
