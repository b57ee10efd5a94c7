"""`CNN`, the built-in convolutional network."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any, ClassVar

import jax
from flax import nnx

from epochal.errors import Refusal
from epochal.models import ACTIVATIONS, as_model_input
from epochal.models.built_in import check_activation, check_fraction, check_whole
from epochal.nn.basic import Dense, Glorot, default_kernel_init
from epochal.nn.convolution import Conv, max_pool, padding_of
from epochal.nn.network import Network, Shape

ASCENDING = ("relu", "tanh", "sigmoid", "elu", "leaky_relu", "softplus", "identity")
"""Monotonic activations: the largest value stays the largest, so pooling may come first."""


@dataclass(frozen=True, init=False)
class CNN(Network):
    """A convolutional network (LeCun et al. 1998): convolutions, each with max pooling, then dense layers.

    Args:
        filters: the number of filters of each convolution.
        kernel: the window size along each axis.
        stride: the step of the window.
        padding: "same" (zeros around, so that a stride of 1 keeps the size) or "valid" (none).
        pool: the size and step of the max pooling after each convolution; 1 for none. Any rest at the
            end of an axis is dropped.
        dense: the units of the hidden dense layers after the convolutions.
        activation: a name in `ACTIVATIONS`, after each pooling and each hidden dense layer. A monotonic
            one gives the same before and after pooling; others come before it.
        dropout: the fraction of the inputs of each dense layer that is set to zero in an update, in [0, 1).
        batch_norm: normalize each convolution's output over the batch (Ioffe and Szegedy 2015).
        axes: 2 for images, (height, width) or (height, width, channels); 1 for sequences, (time,) or
            (time, features). A missing channel axis is added.
        outputs: the number of outputs; by default that of the task.

    Bytes (uint8) are pixels and become 0 to 1. Kernels and biases are drawn as those of `MLP`.

    >>> import jax, jax.numpy as jnp
    >>> model = CNN(8, 16, dense=(32,), outputs=10)
    >>> variables = model.init(jax.random.key(0), jnp.zeros((28, 28)))
    >>> sum(leaf.size for leaf in jax.tree.leaves(variables.params))
    26698
    """

    kind: ClassVar[str] = "cnn"
    positional: ClassVar[str] = "filters"
    evaluation_rows: ClassVar[int] = 256
    filters: tuple[int, ...]
    kernel: int
    stride: int
    padding: str
    pool: int
    dense: tuple[int, ...]
    activation: str
    dropout: float
    batch_norm: bool
    axes: int
    outputs: int | None

    def __init__(
        self,
        *filters: int,
        kernel: int = 3,
        stride: int = 1,
        padding: str = "same",
        pool: int = 2,
        dense: tuple[int, ...] = (128,),
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        axes: int = 2,
        outputs: int | None = None,
    ) -> None:
        if not filters:
            raise Refusal("a CNN must have at least 1 convolution; got none. Use MLP(...) for none.")
        if padding not in ("same", "valid"):
            raise Refusal(f'padding must be "same" or "valid"; got {padding!r}.')
        if isinstance(axes, bool) or axes not in (1, 2):
            raise Refusal(f"axes must be 2 (images) or 1 (sequences); got {axes!r}.")
        if not isinstance(dense, tuple | list):
            raise Refusal(f"`dense` must be the units of the dense layers, such as (128,); got {dense!r}.")
        set_ = object.__setattr__
        set_(self, "filters", tuple(check_whole("filters", one) for one in filters))
        set_(self, "kernel", check_whole("kernel", kernel))
        set_(self, "stride", check_whole("stride", stride))
        set_(self, "padding", padding)
        set_(self, "pool", check_whole("pool", pool))
        set_(self, "dense", tuple(check_whole("dense", units) for units in dense))
        set_(self, "activation", check_activation(activation))
        set_(self, "dropout", check_fraction("dropout", dropout))
        set_(self, "batch_norm", bool(batch_norm))
        set_(self, "axes", axes)
        set_(self, "outputs", None if outputs is None else check_whole("outputs", outputs))

    def sizes(self, shape: Shape) -> list[Shape]:
        """(*axes, channels) of a sample and after each convolution with its pooling."""
        found = [self._with_channels(shape)]
        for layer, filters in enumerate(self.filters):
            *axes, _ = found[-1]
            try:
                axes = _slid(axes, self.kernel, self.stride, self.padding)
                axes = _slid(axes, self.pool, self.pool, "valid")
            except Refusal as error:
                why = error.sentence[:1].lower() + error.sentence[1:]
                raise Refusal(
                    f"samples of shape {shape} are too small for {len(self.filters)} convolutions with "
                    f"kernel={self.kernel}, stride={self.stride}, pool={self.pool}: at convolution "
                    f"{layer + 1}, {why}"
                ) from None
            found.append((*axes, filters))
        return found

    def _with_channels(self, shape: Shape) -> Shape:
        if len(shape) == self.axes:
            return (*shape, 1)
        if len(shape) != self.axes + 1:
            wanted = "(height, width) or (height, width, channels)" if self.axes == 2 else "(time, features)"
            other = "MLP(...) for plain features" if len(shape) < 2 else f"axes={3 - self.axes}"
            raise Refusal(
                f"a CNN of {self.axes} ax{'e' if self.axes == 2 else 'i'}s needs samples of shape {wanted}; "
                f"got {shape}. Use {other}, or reshape them."
            )
        return shape

    def module(self, shape: Shape, rngs: nnx.Rngs) -> nnx.Module:
        """The module for samples of that shape."""
        return _Module(self, shape, rngs)


def _slid(sizes: list[int], window: int, stride: int, padding: str) -> list[int]:
    pads = padding_of(sizes, [window] * len(sizes), [stride] * len(sizes), padding)
    return [(size + sum(pad) - window) // stride + 1 for size, pad in zip(sizes, pads, strict=True)]


class _Module(nnx.Module):
    def __init__(self, network: CNN, shape: Shape, rngs: nnx.Rngs) -> None:
        sizes, settings = network.sizes(shape), network
        self.settings, self.sample = settings, sizes[0]
        kernel_init = default_kernel_init(settings.activation)
        window, strides = (settings.kernel,) * settings.axes, (settings.stride,) * settings.axes
        options: dict[str, Any] = {"strides": strides, "kernel_init": kernel_init}
        options["padding"] = settings.padding.upper()
        self.convolutions = nnx.List(
            Conv(*channels, window, **options, rngs=rngs) for channels in pairwise(size[-1] for size in sizes)
        )
        if settings.batch_norm:
            self.norms = nnx.List(nnx.BatchNorm(size[-1], momentum=0.9, rngs=rngs) for size in sizes[1:])
        layers = list(pairwise((prod(sizes[-1]), *settings.dense, settings.outputs or 1)))
        self.dense = nnx.List(
            Dense(*pair, kernel_init=kernel_init if hidden else Glorot(), rngs=rngs)
            for hidden, pair in zip([True] * len(settings.dense) + [False], layers, strict=True)
        )
        self.dropout = nnx.Dropout(settings.dropout, rngs=rngs) if settings.dropout else nnx.data(None)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        settings, x = self.settings, as_model_input(inputs).reshape(len(inputs), *self.sample)
        activate, ascending = ACTIVATIONS[settings.activation], settings.activation in ASCENDING
        for layer, convolution in enumerate(self.convolutions):
            x = convolution(x)
            if settings.batch_norm:
                x = self.norms[layer](x)
            x = x if ascending else activate(x)
            if settings.pool > 1:
                x = max_pool(x, (settings.pool,) * settings.axes)
            x = activate(x) if ascending else x
        x = x.reshape(len(x), -1)
        for layer, dense in enumerate(self.dense):
            x = dense(x if self.dropout is None else self.dropout(x))
            x = x if layer == len(settings.dense) else activate(x)
        return x
