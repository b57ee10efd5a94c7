"""Mixed precision: the type that a model computes in.

Mixed precision (Micikevicius et al. 2018) in bfloat16, whose range is that of float32, so no loss scaling is
needed: parameters are kept in float32 and rounded where they are used. Gradients come back in float32, so the
optimizer, its state, sums over micro-batches and losses are unaffected.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fnmatch import fnmatchcase

import jax
import jax.numpy as jnp

from epochal.models.embedded import Embedded
from epochal.models.frozen import names_of
from epochal.models.model import Model, PyTree, Variables, Wrapper
from epochal.models.pairwise import Pairwise


@dataclass(frozen=True)
class Mixed(Wrapper):
    """A model with mixed precision: its compute dtype differs from that of its parameters.

    Inputs that are quantities and parameters are rounded, outputs are float32 again. State from
    batch to batch (running moments, a carried state) keeps its own dtype.

    Args:
        model: the model. If it has `products`, patterns of parameter names, only those are rounded,
            and the rest is computed in float32, as in the built-in networks.
        precision: the name of a dtype.

    >>> from epochal.models.mlp import MLP
    >>> model = Mixed(MLP(2, outputs=1), "bfloat16")
    >>> variables = model.init(jax.random.key(0), jnp.zeros(3))
    >>> variables.params[0]["kernel"].dtype.name
    'float32'
    >>> traced = jax.make_jaxpr(lambda x: model.apply(variables, x, jax.random.key(0), True)[0])
    >>> [str(one.outvars[0].aval) for one in traced(jnp.zeros((4, 3))).eqns if "dot" in one.primitive.name]
    ['bfloat16[4,2]', 'bfloat16[4,1]']
    """

    model: Model
    precision: str

    def apply(
        self, variables: Variables, inputs: jax.Array, key: jax.Array, training: bool
    ) -> tuple[jax.Array, PyTree]:
        """Apply the model in fewer bits, with outputs in float32."""
        params, state = variables
        patterns = getattr(self.model, "products", ("*",))
        leaves, tree = jax.tree.flatten(params)
        rounded = [
            self._rounded(leaf) if any(fnmatchcase(name, pattern) for pattern in patterns) else leaf
            for name, leaf in zip(names_of(params), leaves, strict=True)
        ]
        variables = Variables(jax.tree.unflatten(tree, rounded), state)
        outputs, after = self.model.apply(variables, self._rounded(inputs), key, training)
        after = jax.tree.map(lambda new, old: new.astype(old.dtype), after, state)
        return outputs.astype(jnp.float32), after

    def _rounded(self, values: jax.Array) -> jax.Array:
        """Round 32-bit floats; integers and shorter floats are unchanged."""
        return values.astype(self.precision) if values.dtype == jnp.float32 else values


@functools.lru_cache(maxsize=64)
def computing_in(model: Model, precision: str) -> Model:
    """The model in that precision; float32 leaves it unchanged.

    A method `computing_in(dtype)` of the model returns what is wrapped: a Flax module sets the dtype of its
    layers, so that a layer after one with float32 outputs still computes in fewer bits.
    """
    if precision == "float32":
        return model
    if isinstance(model, Pairwise):
        return Pairwise(computing_in(model.model, precision))
    if isinstance(model, Embedded):  # codes need more digits than fewer bits have
        return Embedded(computing_in(model.model, precision), model.sizes)
    own = getattr(model, "computing_in", None)
    return Mixed(model if own is None else own(jnp.dtype(precision)), precision)
