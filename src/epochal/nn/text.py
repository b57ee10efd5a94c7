"""`TextClassifier`, the built-in network for texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import jax
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from epochal.errors import Refusal, did_you_mean
from epochal.models.built_in import check_fraction, check_whole
from epochal.nn.basic import Dense, Embed, he, masked_mean
from epochal.nn.network import Network, Shape
from epochal.nn.recurrent import Recurrent

KINDS = ("mean", "gru", "lstm")
_BLOCK = 1 << 14
"""Samples per scanned block."""


@dataclass(frozen=True, init=False)
class TextClassifier(Network):
    """Embeddings, pooled to one vector per text, then a dense layer.

    Samples are token ids (length,) as int32, 0 for padding. Padding is ignored: the outputs of a
    text do not depend on it.

    Args:
        embedding: size of an embedding.
        units: of the hidden layer.
        kind: the pooling: "mean" of its tokens' embeddings, then a hidden layer with ReLU
            (Iyyer et al. 2015); or the last state of a "gru" or "lstm" over them.
        vocabulary: number of tokens, padding included; ids are below it. By default that of the
            training data.
        dropout: the fraction of the embeddings, and of the text's vector, that is set to zero in an
            update, in [0, 1).
        outputs: the number of outputs; by default that of the task.

    Initializers: embeddings normal with variance 1 / embedding, dense kernels He's (2015), the last one
    Glorot's (2010), recurrent ones as in `LSTM`.

    >>> import jax, jax.numpy as jnp
    >>> model = TextClassifier(embedding=4, units=8, vocabulary=100, outputs=1)
    >>> variables = model.init(jax.random.key(0), jnp.zeros(20, "int32"))
    >>> sum(leaf.size for leaf in jax.tree.leaves(variables.params))
    449
    """

    kind: ClassVar[str] = "text"
    evaluation_rows: ClassVar[int] = 512
    embedding: int
    units: int
    reading: str
    vocabulary: int | None
    dropout: float
    outputs: int | None

    def __init__(
        self,
        embedding: int = 64,
        units: int = 64,
        kind: str = "mean",
        vocabulary: int | None = None,
        dropout: float = 0.0,
        outputs: int | None = None,
    ) -> None:
        if kind not in KINDS:
            raise Refusal(did_you_mean("kind", str(kind), KINDS))
        set_ = object.__setattr__
        set_(self, "embedding", check_whole("embedding", embedding))
        set_(self, "units", check_whole("units", units))
        set_(self, "reading", kind)
        set_(self, "vocabulary", None if vocabulary is None else check_whole("vocabulary", vocabulary, 2))
        set_(self, "dropout", check_fraction("dropout", dropout))
        set_(self, "outputs", None if outputs is None else check_whole("outputs", outputs))

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        options = {name: value for name, value in settings.items() if name not in ("kind", "reading")}
        return cls(kind=settings["reading"], **options)

    def for_inputs(self, inputs: Any, vocabulary: int | None = None) -> Self:
        """The network with a vocabulary, if it has none: as given, or as the ids need."""
        if self.vocabulary is not None:
            return self
        size = max(2, _largest(inputs) + 1) if vocabulary is None else vocabulary
        return type(self).from_dict({**self.to_dict(), "vocabulary": size})

    def refuse_inputs(self, inputs: Any) -> None:
        """Refuse inputs that are no ids, or ids without an embedding."""
        largest = _largest(inputs)
        if self.vocabulary is not None and largest >= self.vocabulary:
            raise Refusal(
                f"token ids must be less than {self.vocabulary:,} (the vocabulary); got "
                f"{largest:,}. Use TextClassifier(vocabulary={largest + 1})."
            )

    def module(self, shape: Shape, rngs: nnx.Rngs) -> nnx.Module:
        """The module for samples of that shape."""
        if len(shape) != 1:
            raise Refusal(f"a TextClassifier needs samples of shape (length,), token ids; got {shape}.")
        if self.vocabulary is None:
            raise Refusal("`vocabulary` must be given where it can't be counted; got None.")
        return _Module(self, self.vocabulary, rngs)


def _largest(inputs: Any) -> int:
    """The largest token id, which may be read from a file; other values are refused."""
    if inputs.dtype != np.int32:
        raise Refusal(
            f"a TextClassifier needs token ids (int32); got {inputs.dtype}. "
            "Use MLP(...) or LSTM(...) for numbers; `ep.load_texts(..., text=COLUMN)` makes ids of texts."
        )
    largest = 0
    for start in range(0, len(inputs), _BLOCK):
        block: NDArray[np.int32] = inputs[start : start + _BLOCK]
        if block.min(initial=0) < 0:
            raise Refusal(f"token ids must be at least 0 (padding); got {int(block.min()):,}.")
        largest = max(largest, int(block.max(initial=0)))
    return largest


class _Module(nnx.Module):
    def __init__(self, network: TextClassifier, vocabulary: int, rngs: nnx.Rngs) -> None:
        self.reading = network.reading
        self.embed = Embed(vocabulary, network.embedding, rngs=rngs)
        if network.reading == "mean":
            self.hidden: Any = Dense(network.embedding, network.units, kernel_init=he, rngs=rngs)
        else:
            cell: Literal["lstm", "gru"] = "lstm" if network.reading == "lstm" else "gru"
            self.hidden = Recurrent(network.embedding, network.units, cell=cell, rngs=rngs)
        self.dense = Dense(network.units, network.outputs or 1, rngs=rngs)
        self.dropout = nnx.Dropout(network.dropout, rngs=rngs) if network.dropout else nnx.data(None)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        mask = inputs > 0
        x = self._dropped(self.embed(inputs))
        if self.reading == "mean":
            text = nnx.relu(self.hidden(masked_mean(x, mask)))
        else:
            text = self.hidden(x, mask=mask)[0][:, -1]
        return self.dense(self._dropped(text))

    def _dropped(self, x: jax.Array) -> jax.Array:
        return x if self.dropout is None else self.dropout(x)
