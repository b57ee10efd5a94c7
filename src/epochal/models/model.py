"""The `Model` interface: a pair of pure functions.

`init` draws variables for one sample's shape; `apply` maps a batch of inputs to outputs. Parameters are what
the optimizer moves; state is what the model itself keeps from update to update (the running means of batch
normalization), and is empty for most models.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np

PyTree = Any
Applied = tuple[jax.Array, PyTree]
"""The outputs of a model, and its new state."""


class Variables(NamedTuple):
    """The variables of a model: trainable `params` and the model's own `state`, both trees of arrays."""

    params: PyTree
    state: PyTree


@runtime_checkable
class Model(Hashable, Protocol):
    """A pair of pure functions that the engine can train. Models must be hashable."""

    def init(self, key: jax.Array, sample: jax.Array) -> Variables:
        """Draw variables for inputs shaped like one `sample` (no batch axis), float32 or int32."""
        ...

    def apply(self, variables: Variables, inputs: jax.Array, key: jax.Array, training: bool) -> Applied:
        """Map `inputs` of shape (batch, *sample) to (outputs of shape (batch, ...), new state).

        `key` is for dropout and the like, used only if `training`; it is derived from (seed, epoch, update),
        so that the same update always draws the same noise.
        """
        ...


def described(model: Any) -> dict[str, Any]:
    """The settings of a model as JSON, or its kind alone if it has none."""
    return dict(model.to_dict()) if hasattr(model, "to_dict") else {"kind": type(model).__name__}


@dataclass(frozen=True)
class FunctionModel:
    """A model made of two plain functions; see `model_from_functions`."""

    init_function: Callable[[jax.Array, jax.Array], PyTree]
    apply_function: Callable[[PyTree, jax.Array], jax.Array]

    def init(self, key: jax.Array, sample: jax.Array) -> Variables:
        """Draw the parameters."""
        return Variables(self.init_function(key, sample), ())

    def apply(self, variables: Variables, inputs: jax.Array, key: jax.Array, training: bool) -> Applied:
        """Map inputs to outputs."""
        return self.apply_function(variables.params, inputs), ()


def model_from_functions(
    init: Callable[[jax.Array, jax.Array], PyTree], apply: Callable[[PyTree, jax.Array], jax.Array]
) -> FunctionModel:
    """Make a model of `init(key, sample) -> params` and `apply(params, inputs) -> outputs`.

    >>> import jax, jax.numpy as jnp
    >>> line = model_from_functions(lambda key, sample: jnp.zeros(sample.shape), lambda w, x: x @ w)
    >>> variables = line.init(jax.random.key(0), jnp.ones(3))
    >>> line.apply(variables, jnp.ones((2, 3)), jax.random.key(1), True)[0].shape
    (2,)
    """
    return FunctionModel(init, apply)


def model_input_dtype(dtype: Any) -> Any:
    """The dtype in which a model gets samples, and a loss targets: float32, but int32 for tokens and ids.

    >>> model_input_dtype(np.uint8).__name__, model_input_dtype(np.int32).__name__
    ('float32', 'int32')
    """
    return np.int32 if np.dtype(dtype) == np.int32 else np.float32


def as_model_input(inputs: jax.Array) -> jax.Array:
    """Inputs as a model gets them: bytes are pixels and become float32 from 0 to 1, others are unchanged.

    >>> as_model_input(jax.numpy.array([0, 51, 255], "uint8")).round(3).tolist()
    [0.0, 0.20000000298023224, 1.0]
    """
    return inputs.astype(np.float32) * np.float32(1 / 255) if inputs.dtype == np.uint8 else inputs


def build_for_inputs(model: Model, inputs: Sequence[Any], vocabulary: int | None = None) -> Model:
    """The model, built with settings that depend on input values; impossible values are refused.

    Args:
        model: a model; its optional method `for_inputs(inputs, vocabulary)` returns its replacement,
            its optional method `refuse_inputs(inputs)` checks the inputs.
        inputs: the training samples, then those of other parts.
        vocabulary: number of tokens of the data's encoder, if it has any.
    """
    complete = getattr(model, "for_inputs", None)
    chosen: Model = model if complete is None else complete(inputs[0], vocabulary)
    refuse = getattr(chosen, "refuse_inputs", None)
    if refuse is not None:
        for values in inputs:
            refuse(values)
    return chosen


def shapes_of(model: Model, sample: tuple[int, ...], dtype: Any = np.float32) -> Variables:
    """The shapes of a model's variables for samples of this shape and stored dtype, without computing.

    >>> import jax
    >>> line = model_from_functions(lambda key, sample: jax.numpy.zeros(sample.shape), lambda w, x: x @ w)
    >>> shapes_of(line, (3,)).params.shape
    (3,)
    """

    def draw() -> Variables:
        return model.init(jax.random.key(0), jax.numpy.zeros(sample, model_input_dtype(dtype)))

    shapes: Variables = jax.eval_shape(draw)
    return shapes
