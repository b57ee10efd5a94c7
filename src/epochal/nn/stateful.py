"""Stateful recurrent networks, which carry their state from batch to batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import jax
from flax import nnx

from epochal.errors import Refusal
from epochal.models.built_in import check_whole
from epochal.nn.network import Network, Shape
from epochal.nn.sequence import GRU, LSTM, SequenceModule


@dataclass(frozen=True)
class Stateful(Network):
    """An LSTM or GRU whose state at the end of a batch starts the next batch, slot by slot.

    The state is in the model's own variables, arrays `(batch, units)`, and no parameter: gradients
    end at the start of a batch (truncated backpropagation through time). In an evaluation samples are
    consecutive stretches of one series, and the state is carried through them from zero.

    Args:
        network: the LSTM or GRU.
        batch: samples of a batch.
    """

    network: LSTM | GRU
    batch: int
    outputs: int | None = field(init=False)

    kind: ClassVar[str] = "stateful"
    carries: ClassVar[bool] = True
    """Whether the model's state is reset at each epoch."""
    evaluation_rows: ClassVar[int] = 2**31 - 1

    def __post_init__(self) -> None:
        if not isinstance(self.network, LSTM | GRU):
            name = type(self.network).__name__
            raise Refusal(f"`stateful` needs a network that has a state, LSTM(...) or GRU(...); got {name}.")
        check_whole("batch", self.batch)
        object.__setattr__(self, "outputs", self.network.outputs)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON."""
        return {"kind": self.kind, "network": self.network.to_dict(), "batch": self.batch}

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        inner = settings["network"]
        kinds = {"lstm": LSTM, "gru": GRU}
        return cls(kinds[inner["kind"]].from_dict(inner), settings["batch"])

    def with_outputs(self, outputs: int) -> Self:
        """The network with this number of outputs; one that is already set is kept."""
        return type(self)(self.network.with_outputs(outputs), self.batch)

    @property
    def depth(self) -> int:
        """Number of layers."""
        return self.network.depth

    def module(self, shape: Shape, rngs: nnx.Rngs) -> nnx.Module:
        """The module for samples of that shape."""
        return _Module(self, shape, rngs)


class _Carry(nnx.Variable[jax.Array]):
    """A carried state."""


class _Module(nnx.Module):
    def __init__(self, stateful: Stateful, shape: Shape, rngs: nnx.Rngs) -> None:
        inner = stateful.network.module(shape, rngs)
        assert isinstance(inner, SequenceModule)
        self.inner = inner
        self.carry = nnx.List(
            nnx.List(_Carry(part) for part in layer.start(stateful.batch)) for layer in inner.recurrent
        )
        self.deterministic = False

    def __call__(self, inputs: jax.Array) -> jax.Array:
        count, steps = inputs.shape[:2]
        if self.deterministic:  # an evaluation: stretches in sequence
            states, _ = self.inner.states(inputs.reshape(1, count * steps, -1), None)
            return self.inner.dense(states.reshape(count, steps, -1)[:, -1])
        begin = [tuple(part[...] for part in parts) for parts in self.carry]
        states, ends = self.inner.states(inputs, begin)
        for parts, end in zip(self.carry, ends, strict=True):
            for part, value in zip(parts, end, strict=True):
                part[...] = jax.lax.stop_gradient(value)
        return self.inner.dense(states[:, -1])
