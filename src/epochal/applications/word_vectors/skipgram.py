"""Skip-gram with negative sampling.

Mikolov et al. 2013 (arXiv 1310.4546, equation 4): each word w has a vector v_w, and one u_w as a context. A
pair (w, c) with k noise words n_i has the loss

    -log σ(u_c·v_w) - Σ_i log σ(-u_{n_i}·v_w)

where noise words come from the unigram distribution to the power 3/4. They are drawn within the compiled
program with the key of the update, so the same update always sees the same noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from epochal.models import PyTree, Variables
from epochal.models.model import Applied

POWER = 0.75
"""The power of word counts in the noise distribution (section 2.2)."""

_NEVER = -1e4
"""A logit whose loss and gradient as noise are 0."""


def alias_table(weights: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The tables of Walker's alias method (Vose 1991), which draws from any distribution in two look-ups.

    Args:
        weights: `(n,)`, positive.

    Returns:
        prob and alias: draw an index uniformly; keep it with its `prob`, else take its `alias`.

    >>> prob, alias = alias_table(np.array([3.0, 1.0]))
    >>> prob.tolist(), alias.tolist()
    ([1.0, 0.5], [0, 0])
    """
    scaled = np.asarray(weights, np.float64) * (len(weights) / np.sum(weights))
    prob, alias = np.ones(len(scaled)), np.arange(len(scaled))
    left = scaled.tolist()
    small = [at for at, value in enumerate(left) if value < 1]
    large = [at for at, value in enumerate(left) if value >= 1]
    while small and large:
        low, high = small.pop(), large[-1]
        prob[low], alias[low] = left[low], high
        left[high] -= 1 - left[low]
        if left[high] < 1:
            small.append(large.pop())
    return prob.astype(np.float32), alias.astype(np.int32)


@dataclass(frozen=True)
class SkipGram:
    """Vectors of words, and of words as contexts.

    Its outputs for a pair are the logits of the true context and of the noise words, in this order. The
    noise distribution is in the model's state, so that the compiled program serves other texts as well.
    """

    vocab_size: int
    dimensions: int
    negatives: int

    def init(self, key: jax.Array, sample: jax.Array) -> Variables:
        """Small random vectors of words and zeros for contexts, as in word2vec; noise words evenly drawn."""
        size = (self.vocab_size, self.dimensions)
        vectors = (jax.random.uniform(key, size) - 0.5) / self.dimensions
        even = {"prob": jnp.ones(self.vocab_size), "alias": jnp.arange(self.vocab_size, dtype=jnp.int32)}
        return Variables({"contexts": jnp.zeros(size), "words": vectors}, even)

    def initial_variables(self, seed: int, counts: NDArray[np.int64]) -> Variables:
        """The initial variables for a text: `init` with its noise distribution."""
        params = self.init(jax.random.key(seed), jnp.zeros(2, jnp.int32)).params
        prob, alias = alias_table(counts**POWER)
        return Variables(params, {"prob": jnp.asarray(prob), "alias": jnp.asarray(alias)})

    def noise(self, state: PyTree, key: jax.Array, pairs: int) -> jax.Array:
        """Words from the noise distribution, (pairs, negatives)."""
        place_key, chance_key = jax.random.split(key)
        size = (pairs, self.negatives)
        place = jax.random.randint(place_key, size, 0, self.vocab_size)
        chance = jax.random.uniform(chance_key, size)
        return jnp.where(chance < state["prob"][place], place, state["alias"][place])

    def apply(self, variables: Variables, inputs: jax.Array, key: jax.Array, training: bool) -> Applied:
        """Map pairs (batch, 2) to logits (batch, 1 + negatives)."""
        rows = self.rows(variables.state, inputs, key)
        read = jax.tree.map(lambda table, at: table[at], variables.params, rows)
        return self.of_rows(read, rows, inputs), variables.state

    def rows(self, state: PyTree, inputs: jax.Array, key: jax.Array) -> PyTree:
        """See `engine.sparse_update`: each word, and the true context and noise words of each pair."""
        noise = self.noise(state, key, inputs.shape[0])
        return {"contexts": jnp.concatenate([inputs[:, 1:], noise], axis=1).ravel(), "words": inputs[:, 0]}

    def of_rows(self, read: PyTree, rows: PyTree, inputs: jax.Array) -> jax.Array:
        """See `engine.sparse_update`."""
        shape = (inputs.shape[0], 1 + self.negatives)
        others = read["contexts"].reshape(*shape, self.dimensions)
        logits = (read["words"][:, None, :] * others).sum(axis=-1)
        # A noise word equal to the context is no noise.
        same = (rows["contexts"].reshape(shape) == inputs[:, 1:]).at[:, 0].set(False)
        return jnp.where(same, _NEVER, logits)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"kind": "skip-gram", "vocab_size": self.vocab_size, "dimensions": self.dimensions}


def pair_loss(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """The loss of each pair, in nats, from the logits of its context and of its noise words.

    >>> [round(float(x), 4) for x in pair_loss(jnp.zeros((1, 3)), jnp.zeros(1, jnp.int32)) / np.log(2)]
    [3.0]
    """
    return jax.nn.softplus(-outputs[:, 0]) + jax.nn.softplus(outputs[:, 1:]).sum(axis=1)
