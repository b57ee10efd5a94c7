"""Embeddings of categorical inputs in front of a model."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from epochal.models.model import Model, PyTree, Variables, Wrapper, described
from epochal.models.pairwise import Pairwise


def embedding_width(codes: int) -> int:
    """The size of an embedding: larger for more levels, at most 16; the rule is arbitrary.

    >>> [embedding_width(codes) for codes in (51, 1500, 100_000)]
    [4, 8, 16]
    """
    return min(16, max(4, round(1.25 * codes**0.25)))


@dataclass(frozen=True)
class Embedded(Wrapper):
    """A model of numbers and embeddings; each of the last `len(sizes)` inputs is a code below its size.

    Embeddings are initialized normal with variance 1 / width, code 0 (an unknown level) as zero.

    Args:
        model: the model, which sees the other inputs and then the embeddings.
        sizes: number of codes of each column of codes.

    >>> from epochal.models import MLP
    >>> model = Embedded(MLP(4, outputs=1), (100,))
    >>> variables = model.init(jax.random.key(0), jnp.zeros(3))
    >>> variables.params["embeddings"][0].shape, variables.params["model"][0]["kernel"].shape
    ((100, 4), (6, 4))
    """

    model: Model
    sizes: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """The settings of the inner model as JSON; the data determines the columns of codes."""
        return described(self.model)

    def init(self, key: jax.Array, sample: jax.Array) -> Variables:
        """Draw the embeddings, and the variables of the model."""
        tables = []
        for number, size in enumerate(self.sizes):
            width = embedding_width(size)
            own = jax.random.fold_in(jax.random.fold_in(key, 0x656D62), number)
            drawn = jax.random.normal(own, (size, width)) / jnp.sqrt(width)
            tables.append(drawn.at[0].set(0.0))
        shape = embedded_shape(sample.shape, self.sizes)
        variables = self.model.init(key, jnp.zeros(shape, sample.dtype))
        return Variables({"embeddings": tables, "model": variables.params}, variables.state)

    def apply(
        self, variables: Variables, inputs: jax.Array, key: jax.Array, training: bool
    ) -> tuple[jax.Array, PyTree]:
        """Map inputs (batch, ..., columns), the last ones codes, to the model's outputs."""
        first = inputs.shape[-1] - len(self.sizes)
        parts = [inputs[..., :first]]
        for place, table in enumerate(variables.params["embeddings"]):
            parts.append(table[inputs[..., first + place].astype(jnp.int32)])
        within = Variables(variables.params["model"], variables.state)
        return self.model.apply(within, jnp.concatenate(parts, axis=-1), key, training)


def embedded_shape(shape: Sequence[int], sizes: Sequence[int]) -> tuple[int, ...]:
    """The shape of one sample with its codes replaced by embeddings.

    >>> embedded_shape((12, 5), (100, 60)), embedded_shape((3,), ())
    ((12, 11), (3,))
    """
    return (*shape[:-1], shape[-1] - len(sizes) + sum(map(embedding_width, sizes))) if sizes else tuple(shape)


@functools.lru_cache(maxsize=256)
def embedded(model: Model, sizes: tuple[int, ...]) -> Model:
    """The model with embeddings for columns of codes, if there are any; for pairs, around the scorer."""
    if not sizes or isinstance(model, Embedded):
        return model
    if isinstance(model, Pairwise):
        return Pairwise(embedded(model.model, sizes))
    return Embedded(model, sizes)


def without_embeddings(model: Any) -> Any:
    """The inner model of one with embeddings; others unchanged."""
    return model.model if isinstance(model, Embedded) else model
