"""How does a recurrent network carry its state from one batch to the next?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import jax
from flax import nnx

from epochal.errors import Refusal
from epochal.nn.network import Network, Shape, check_whole
from epochal.nn.sequence import GRU, LSTM, SequenceModule

__all__ = ["Stateful"]


@dataclass(frozen=True)
class Stateful(Network):
    """An LSTM or GRU whose state at the end of a batch starts the next batch, slot by slot.

    The state is kept in the model's own variables, `(batch, units)` an array, and is no parameter: gradients
    end where a batch begins (truncated backpropagation through time). In an evaluation samples are taken as
    consecutive stretches of one series: the state starts at zero and is carried from each to the next.

    Args:
        network: the LSTM or GRU.
        batch: samples of a batch.
    """

    network: LSTM | GRU
    batch: int
    outputs: int | None = field(init=False)

    kind: ClassVar[str] = "stateful"
    carries: ClassVar[bool] = True
    """Whether the model's state belongs to an epoch, at whose beginning it is zero."""
    evaluation_rows: ClassVar[int] = 2**31 - 1

    def __post_init__(self) -> None:
        if not isinstance(self.network, LSTM | GRU):
            name = type(self.network).__name__
            raise Refusal(f"`stateful` needs a network that has a state, LSTM(...) or GRU(...); got {name}.")
        check_whole("batch", self.batch)
        object.__setattr__(self, "outputs", self.network.outputs)

    def to_dict(self) -> dict[str, Any]:
        """The settings, as JSON holds them."""
        return {"kind": self.kind, "network": self.network.to_dict(), "batch": self.batch}

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> Self:
        """The network that `to_dict` described."""
        inner = settings["network"]
        kinds: dict[str, type[LSTM] | type[GRU]] = {"lstm": LSTM, "gru": GRU}
        return cls(kinds[inner["kind"]].from_dict(inner), settings["batch"])

    def with_outputs(self, outputs: int) -> Self:
        """The same network with a number of outputs; one that is already set is kept."""
        return type(self)(self.network.with_outputs(outputs), self.batch)

    @property
    def depth(self) -> int:
        """How many layers the settings ask for."""
        return self.network.depth

    def module(self, shape: Shape, rngs: nnx.Rngs) -> nnx.Module:
        """The module for samples of that shape."""
        return _Module(self, shape, rngs)


class _Carry(nnx.Variable[jax.Array]):
    """A state that is carried from batch to batch."""


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
        if self.deterministic:  # an evaluation: one stretch after the other
            states, _ = self.inner.states(inputs.reshape(1, count * steps, -1), None)
            return self.inner.dense(states.reshape(count, steps, -1)[:, -1])
        begin = [tuple(part[...] for part in parts) for parts in self.carry]
        states, ends = self.inner.states(inputs, begin)
        for parts, end in zip(self.carry, ends, strict=True):
            for part, value in zip(parts, end, strict=True):
                part[...] = jax.lax.stop_gradient(value)
        return self.inner.dense(states[:, -1])
