"""`LSTM` and `GRU`, the networks for numeric sequences, and `Stateful`, which carries their state on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import jax
from flax import nnx

from epochal.errors import Refusal
from epochal.models.built_in import check_fraction, check_whole
from epochal.nn.basic import Dense
from epochal.nn.network import Network, Shape
from epochal.nn.recurrent import Carry, Recurrent


@dataclass(frozen=True)
class _Sequence(Network):
    units: int = 64
    layers: int = 1
    dropout: float = 0.0
    outputs: int | None = None

    evaluation_rows: ClassVar[int] = 512

    def __post_init__(self) -> None:
        check_whole("units", self.units)
        check_whole("layers", self.layers)
        object.__setattr__(self, "dropout", check_fraction("dropout", self.dropout))
        if self.outputs is not None:
            check_whole("outputs", self.outputs)

    def features(self, shape: Shape) -> int:
        """The features of one time step."""
        if len(shape) not in (1, 2):
            raise Refusal(
                f"{type(self).__name__} needs samples of shape (time, features) or (time,); got {shape}. "
                "Use CNN(...) for images, or reshape them."
            )
        return shape[1] if len(shape) == 2 else 1

    def module(self, shape: Shape, rngs: nnx.Rngs) -> nnx.Module:
        """The module for samples of that shape."""
        return SequenceModule(self, self.features(shape), rngs)


@dataclass(frozen=True)
class LSTM(_Sequence):
    """LSTM layers, then a dense layer on the last state.

    Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000). Samples are
    (time, features), or (time,) for one feature; several steps ahead are several outputs.

    Args:
        units: of the state of each layer.
        layers: number of stacked layers.
        dropout: the fraction of the states between layers, and before the dense layer, that is set to zero in
            an update, in [0, 1).
        outputs: the number of outputs; by default that of the task.

    Initializers, per gate: input kernels Glorot's (2010), recurrent kernels orthogonal
    (Saxe et al. 2014), biases zero but one for forget gates (Jozefowicz et al. 2015).

    >>> import jax, jax.numpy as jnp
    >>> variables = LSTM(8).init(jax.random.key(0), jnp.zeros((50, 3)))
    >>> sum(leaf.size for leaf in jax.tree.leaves(variables.params))
    393
    """

    kind: ClassVar[str] = "lstm"


@dataclass(frozen=True)
class GRU(_Sequence):
    """GRU layers, then a dense layer on the last state.

    Cho et al. (2014), with the reset after the product, as in cuDNN and PyTorch. Otherwise as `LSTM`, with
    the same arguments.

    >>> import jax, jax.numpy as jnp
    >>> variables = GRU(8).init(jax.random.key(0), jnp.zeros((50, 3)))
    >>> sum(leaf.size for leaf in jax.tree.leaves(variables.params))
    305
    """

    kind: ClassVar[str] = "gru"


class SequenceModule(nnx.Module):
    """Recurrent layers and a dense layer."""

    def __init__(self, network: _Sequence, features: int, rngs: nnx.Rngs) -> None:
        cell: Literal["lstm", "gru"] = "lstm" if network.kind == "lstm" else "gru"
        sizes = [features, *[network.units] * (network.layers - 1)]
        self.features = features
        self.recurrent = nnx.List(Recurrent(size, network.units, cell=cell, rngs=rngs) for size in sizes)
        self.dense = Dense(network.units, network.outputs or 1, rngs=rngs)
        self.dropout = nnx.Dropout(network.dropout, rngs=rngs) if network.dropout else nnx.data(None)

    def states(
        self, inputs: jax.Array, begin: Sequence[Carry] | None = None
    ) -> tuple[jax.Array, list[Carry]]:
        """The states of the last layer (batch, time, units), and each layer's final carry.

        Args:
            inputs: (batch, time, ...).
            begin: each layer's initial carry; zeros by default.
        """
        x, ends = inputs.reshape(*inputs.shape[:2], self.features), []
        for number, layer in enumerate(self.recurrent):
            x, end = layer(x, None if begin is None else begin[number])
            x = x if self.dropout is None else self.dropout(x)
            ends.append(end)
        return x, ends

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """The outputs (batch, outputs), from the state after the last step."""
        return self.dense(self.states(inputs)[0][:, -1])


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
    stateful: ClassVar[bool] = True
    """Whether the model's state is carried from batch to batch, from zeros at the start of each epoch."""
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
        kinds: dict[str, type[LSTM] | type[GRU]] = {"lstm": LSTM, "gru": GRU}
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
        return _StatefulModule(self, shape, rngs)


class _Carry(nnx.Variable[jax.Array]):
    """A carried state."""


class _StatefulModule(nnx.Module):
    def __init__(self, stateful: Stateful, shape: Shape, rngs: nnx.Rngs) -> None:
        inner = stateful.network.module(shape, rngs)
        assert isinstance(inner, SequenceModule)
        self.inner = inner
        self.carry = nnx.List(
            nnx.List(_Carry(array) for array in layer.initial_carry(stateful.batch))
            for layer in inner.recurrent
        )
        self.deterministic = False

    def __call__(self, inputs: jax.Array) -> jax.Array:
        count, steps = inputs.shape[:2]
        if self.deterministic:  # an evaluation: stretches in sequence
            states, _ = self.inner.states(inputs.reshape(1, count * steps, -1), None)
            return self.inner.dense(states.reshape(count, steps, -1)[:, -1])
        begin = [tuple(array[...] for array in layer) for layer in self.carry]
        states, ends = self.inner.states(inputs, begin)
        for layer, end in zip(self.carry, ends, strict=True):
            for array, value in zip(layer, end, strict=True):
                array[...] = jax.lax.stop_gradient(value)
        return self.inner.dense(states[:, -1])
