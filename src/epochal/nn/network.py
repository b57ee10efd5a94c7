"""`Network`, the base of the built-in networks.

A network is its settings, frozen and hashable. Its Flax module is built when the shape of a sample is known,
once for each shape.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from math import prod
from typing import Any, ClassVar, Self

import jax
from flax import nnx

from epochal.data.records import Record
from epochal.errors import Refusal, did_you_mean
from epochal.models import ACTIVATIONS, FlaxModel, PyTree, Variables, refuse_ids

Shape = tuple[int, ...]


class Network(Record, ABC):
    """Settings that build a Flax module; subclasses are frozen dataclasses."""

    kind: ClassVar[str]
    """The name in run folders and on the command line."""
    evaluation_rows: ClassVar[int] = 4096
    """Samples per forward pass of an evaluation, to limit memory."""
    products: ClassVar[tuple[str, ...]] = ("*/kernel", "*/recurrent")
    """The parameters that mixed precision rounds: not embeddings, whose row gradients add up in float32."""
    outputs: int | None

    @abstractmethod
    def module(self, shape: Shape, rngs: nnx.Rngs) -> nnx.Module:
        """The module for samples of that shape; impossible shapes are refused."""

    @property
    @abstractmethod
    def depth(self) -> int:
        """Number of layers with parameters."""

    @classmethod
    @abstractmethod
    def from_dict(cls, settings: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""

    def with_outputs(self, outputs: int) -> Self:
        """The network with this number of outputs; one that is already set is kept."""
        return type(self).from_dict({**self.to_dict(), "outputs": self.outputs or outputs})

    def refuse_inputs(self, inputs: Any) -> None:
        """Refuse values that cannot work, whatever the shape: here token ids."""
        refuse_ids(self, inputs)

    def init(self, key: jax.Array, sample: jax.Array) -> Variables:
        """Draw the parameters, all kernels at once."""
        return _adapted(self, tuple(sample.shape)).init(key, sample)

    def apply(
        self, variables: Variables, inputs: jax.Array, key: jax.Array, training: bool
    ) -> tuple[jax.Array, PyTree]:
        """Map (batch, *sample) inputs to (batch, outputs)."""
        return _adapted(self, tuple(inputs.shape[1:])).apply(variables, inputs, key, training)


class _Adapted(FlaxModel):
    """A module whose kernels come from one draw."""

    def init(self, key: jax.Array, sample: jax.Array) -> Variables:
        """Build the module; its own draws of kernels are unused, so not computed."""
        drawn = super().init(key, sample)
        starts = {path: one.get_metadata().get("start") for path, one in nnx.to_flat_state(self._params)}
        sizes = {path: prod(one.shape) for path, one in nnx.to_flat_state(self._params) if starts[path]}
        normal, begin = jax.random.normal(key, (sum(sizes.values()),)), 0
        for path, size in sizes.items():
            *parents, name = path
            parent = functools.reduce(lambda tree, part: tree[part], parents, drawn.params)
            parent[name] = starts[path](normal[begin : begin + size].reshape(parent[name].shape))
            begin += size
        return drawn


@functools.lru_cache(maxsize=64)
def _adapted(network: Network, shape: Shape) -> FlaxModel:
    return _Adapted(functools.partial(network.module, shape))


def check_whole(name: str, value: object, least: int = 1) -> int:
    """An int of at least `least`, or a refusal."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise Refusal(f"`{name}` must be a whole number, at least {least}; got {value!r}.")
    return value


def check_share(name: str, value: Any) -> float:
    """A share in [0, 1), or a refusal."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise Refusal(f"`{name}` must be at least 0 and less than 1; got {value!r}.")
    return float(value)


def check_activation(name: Any) -> str:
    """The name of an activation, or a refusal."""
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise Refusal(did_you_mean("activation", str(name), ACTIVATIONS))
    return name
