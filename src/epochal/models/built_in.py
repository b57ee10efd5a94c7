"""`MLP`, the built-in network for tables, and what all built-in networks have in common.

The dense layer is lowered by size inside a compiled loop. On a CPU, XLA pays a fixed price for each library
call. A product of a thousand multiplications costs less as multiply-and-sum, which fuses with its
surroundings; a larger one belongs to the vendor's matrix product, the more so as XLA splits larger loops
over threads. The limit was measured (docs/log.md). Accelerators, and kernels of fewer bits, always take the
product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

from epochal.data.records import Record
from epochal.errors import Refusal, did_you_mean
from epochal.models.model import Applied, Variables

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
    low_precision_params: ClassVar[tuple[str, ...]] = ("*/kernel", "*/recurrent")
    """Patterns of parameters that mixed precision rounds; gradients of embeddings add up in float32."""
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


def check_whole(name: str, value: object, minimum: int = 1) -> int:
    """An int of at least `minimum`, or a refusal."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise Refusal(f"`{name}` must be a whole number, at least {minimum}; got {value!r}.")
    return value


def check_fraction(name: str, value: Any) -> float:
    """A fraction in [0, 1), or a refusal."""
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


BATCH_NORM_MOMENTUM = 0.9
BATCH_NORM_EPSILON = 1e-5


@dataclass(frozen=True, init=False)
class MLP(BuiltIn):
    """A multi-layer perceptron: dense layers with an activation between them.

    Args:
        hidden: the number of units of each hidden layer; none makes a linear model.
        activation: a name in `ACTIVATIONS`.
        dropout: the fraction of hidden units set to zero in each update, in [0, 1) (Srivastava et al. 2014).
        batch_norm: normalize each hidden layer over the batch, before the activation
            (Ioffe and Szegedy 2015); the running statistics move by a tenth in each update.
        outputs: the number of outputs; by default that of the task.

    Inputs of more than one axis are flattened. Kernels are normal, with He's variance (He et al. 2015)
    before activations of the ReLU family, else Glorot's (Glorot and Bengio 2010); biases zero.

    >>> import jax, jax.numpy as jnp
    >>> model = MLP(12, 8, outputs=1)
    >>> variables = model.init(jax.random.key(0), jnp.zeros(8))
    >>> sum(leaf.size for leaf in jax.tree.leaves(variables.params))
    221
    """

    kind: ClassVar[str] = "mlp"
    positional: ClassVar[str] = "hidden"
    hidden: tuple[int, ...]
    activation: str
    dropout: float
    batch_norm: bool
    outputs: int | None

    def __init__(
        self,
        *hidden: int,
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        outputs: int | None = None,
    ) -> None:
        for units in hidden:
            if isinstance(units, bool) or not isinstance(units, int) or units < 1:
                raise Refusal(f"hidden layers must have at least 1 unit each, whole numbers; got {units!r}.")
        set_ = object.__setattr__
        set_(self, "hidden", tuple(hidden))
        set_(self, "activation", check_activation(activation))
        set_(self, "dropout", check_fraction("dropout", dropout))
        set_(self, "batch_norm", bool(batch_norm))
        set_(self, "outputs", outputs)

    def init(self, key: jax.Array, sample: jax.Array) -> Variables:
        """Draw kernels, set biases to zero."""
        sizes = (sample.size, *self.hidden, self.outputs or 1)
        shapes = list(pairwise(sizes))
        # One draw for all kernels: compiling a random generator costs more than the rest of this function.
        drawn = jax.random.normal(key, (sum(prod(shape) for shape in shapes),))
        params, state, begin = [], [], 0
        for index, (fan_in, fan_out) in enumerate(shapes):
            hidden = index < len(self.hidden)
            variance = 2 / fan_in if hidden and self.activation in RECTIFIED else 2 / (fan_in + fan_out)
            kernel = drawn[begin : begin + fan_in * fan_out].reshape(fan_in, fan_out) * variance**0.5
            begin += fan_in * fan_out
            layer = {"kernel": kernel, "bias": jnp.zeros(fan_out)}
            if hidden and self.batch_norm:
                layer |= {"scale": jnp.ones(fan_out), "shift": jnp.zeros(fan_out)}
                state.append({"mean": jnp.zeros(fan_out), "variance": jnp.ones(fan_out)})
            params.append(layer)
        return Variables(params, state)

    def apply(self, variables: Variables, inputs: jax.Array, key: jax.Array, training: bool) -> Applied:
        """Map (batch, ...) inputs to (batch, outputs)."""
        activate = ACTIVATIONS[self.activation]
        x = inputs.reshape(inputs.shape[0], -1)
        state = []
        for index, layer in enumerate(variables.params[:-1]):
            x = dense(x, layer["kernel"], layer["bias"])
            if self.batch_norm:
                x, running = _normalize(x, layer, variables.state[index], training)
                state.append(running)
            x = activate(x)
            if training and self.dropout:
                keep = jax.random.bernoulli(jax.random.fold_in(key, index), 1 - self.dropout, x.shape)
                x = jnp.where(keep, x / (1 - self.dropout), 0)
        last = variables.params[-1]
        return dense(x, last["kernel"], last["bias"]), state


def _normalize(
    x: jax.Array, layer: dict[str, jax.Array], running: dict[str, jax.Array], training: bool
) -> tuple[jax.Array, dict[str, jax.Array]]:
    if training:
        mean, variance = x.mean(axis=0), x.var(axis=0)
        momentum = BATCH_NORM_MOMENTUM
        running = {
            "mean": momentum * running["mean"] + (1 - momentum) * mean,
            "variance": momentum * running["variance"] + (1 - momentum) * variance,
        }
    else:
        mean, variance = running["mean"], running["variance"]
    normal = (x - mean) * jax.lax.rsqrt(variance + BATCH_NORM_EPSILON)
    return normal * layer["scale"] + layer["shift"], running
