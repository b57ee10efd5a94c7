"""What the built-in networks have in common: settings that are checked, kept and read, and the dense layer.

The dense layer is lowered by size inside a compiled loop. On a CPU, XLA pays a fixed price for each library
call. A product of a thousand multiplications costs less as multiply-and-sum, which fuses with its
surroundings; a larger one belongs to the vendor's matrix product, the more so as XLA splits larger loops
over threads. The limit was measured (docs/log.md). Accelerators, and kernels of fewer bits, always take the
product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

from epochal.data.records import Record
from epochal.errors import Refusal, did_you_mean

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": jax.nn.relu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
    "elu": jax.nn.elu,
    "leaky_relu": jax.nn.leaky_relu,
    "softplus": jax.nn.softplus,
    "identity": lambda x: x,
}
RECTIFIED = ("relu", "leaky_relu", "elu", "gelu", "silu")
"""Activations for which kernels get He's variance."""


class BuiltIn(Record):
    """A network as its settings; subclasses are frozen dataclasses."""

    kind: ClassVar[str]
    """The name in run folders and on the command line."""
    positional: ClassVar[str] = ""
    """The setting that is given as positional arguments, if any."""
    products: ClassVar[tuple[str, ...]] = ("*/kernel", "*/recurrent")
    """The parameters that mixed precision rounds: not embeddings, whose row gradients add up in float32."""
    outputs: int | None

    @property
    def depth(self) -> int:
        """Number of layers that the settings ask for, the last one included."""
        lists = [value for value in vars(self).values() if isinstance(value, tuple)]
        return sum(map(len, lists)) + int(getattr(self, "layers", 0)) + 1

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        options = {name: value for name, value in settings.items() if name != "kind"}
        build: Callable[..., Self] = cls
        return build(*(options.pop(cls.positional) if cls.positional else ()), **options)

    def with_outputs(self, outputs: int) -> Self:
        """The network with this number of outputs; one that is already set is kept."""
        return self.from_dict({**self.to_dict(), "outputs": self.outputs or outputs})

    def refuse_inputs(self, inputs: Any) -> None:
        """Refuse values that cannot work, whatever the shape: here token ids, whose sizes mean nothing."""
        if inputs.dtype == np.int32:
            raise Refusal(
                f"{type(self).__name__} needs numbers; got token ids (int32). Use `ep.TextClassifier()`."
            )


def check_whole(name: str, value: object, least: int = 1) -> int:
    """An int of at least `least`, or a refusal."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise Refusal(f"`{name}` must be a whole number, at least {least}; got {value!r}.")
    return value


def check_share(name: str, value: Any) -> float:
    """A share in [0, 1), or a refusal."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating) or not 0 <= value < 1:
        raise Refusal(f"`{name}` must be at least 0 and less than 1; got {value!r}.")
    return float(value)


def check_activation(name: Any) -> str:
    """The name of an activation, or a refusal."""
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise Refusal(did_you_mean("activation", str(name), ACTIVATIONS))
    return name


FUSED_LIMIT = 2048
"""Most multiplications (batch * inputs * outputs) at which multiply-and-sum is faster on a CPU."""


def dense(inputs: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """`inputs @ kernel + bias` for shapes (batch, i), (i, o), (o,), lowered by size.

    Computed in the dtype of the kernel.
    """
    batch, features = inputs.shape
    small = batch * features * kernel.shape[1] <= FUSED_LIMIT and kernel.dtype == jnp.float32
    if jax.default_backend() == "cpu" and small:
        return (inputs[:, :, None] * kernel[None]).sum(axis=1) + bias
    return inputs.astype(kernel.dtype) @ kernel + bias
