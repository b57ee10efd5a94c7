"""Pairwise training of a network that scores single items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax

from epochal.errors import Refusal
from epochal.models.convert import as_model
from epochal.models.model import Model, PyTree, Variables, described


@dataclass(frozen=True)
class Pairwise:
    """A scorer f of one item, trained on pairs: the logit that the first is ahead is f(first) - f(second).

    With the log loss this is RankNet (Burges et al. 2005, "Learning to rank using gradient descent"); with a
    linear f, logistic regression on differences. Both items go through the same network, so that opposite
    pairs have opposite logits, preferences are transitive, and f alone ranks any number of items.

    Args:
        model: the scorer, as `fit` takes a model, with one output.

    >>> import jax.numpy as jnp
    >>> from epochal.models import MLP
    >>> ranker = Pairwise(MLP(8)).with_outputs(1)
    >>> variables = ranker.init(jax.random.key(0), jnp.zeros((2, 3)))
    >>> pair = jax.random.normal(jax.random.key(1), (1, 2, 3))
    >>> ahead, _ = ranker.apply(variables, pair, jax.random.key(0), False)
    >>> behind, _ = ranker.apply(variables, pair[:, ::-1], jax.random.key(0), False)
    >>> bool(ahead[0] == -behind[0])
    True
    """

    model: Any

    def with_outputs(self, outputs: int) -> Pairwise:
        """The scorer gets one output, whatever the task."""
        return Pairwise(as_model(self.model, 1))

    def refuse_inputs(self, values: Any) -> None:
        """Samples must be pairs."""
        if values.ndim < 3 or values.shape[1] != 2:
            raise Refusal(
                f"Pairwise needs samples that are pairs of items, (n, 2, ...); got {tuple(values.shape)}. "
                "Make them with epochal.rank_pairs."
            )

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON."""
        return {"kind": "pairwise", "of": described(self.model)}

    def init(self, key: jax.Array, sample: jax.Array) -> Variables:
        """Draw the variables of the scorer."""
        scorer: Model = self.model
        return scorer.init(key, sample[0])

    def apply(
        self, variables: Variables, inputs: jax.Array, key: jax.Array, training: bool
    ) -> tuple[jax.Array, PyTree]:
        """Map pairs (batch, 2, *item) to the logits (batch,) that the first item is ahead of the second."""
        pairs = inputs.shape[0]
        outputs, state = self.model.apply(
            variables, inputs.reshape(2 * pairs, *inputs.shape[2:]), key, training
        )
        scores = outputs.reshape(pairs, 2)
        return scores[:, 0] - scores[:, 1], state
