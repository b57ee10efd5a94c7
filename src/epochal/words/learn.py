"""How are vectors of words learned from a text?

A sample is a pair (word, context), so order, batch size, remainder, epochs and updates mean what they mean in
any other training, and the same engine makes the updates.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from epochal.data import Dataset, Task
from epochal.data.dataset import fingerprint
from epochal.driving import Control
from epochal.errors import Refusal
from epochal.events import Event
from epochal.run import Run
from epochal.training import fit, train
from epochal.words.corpus import Corpus, read_corpus
from epochal.words.pairs import make_pairs
from epochal.words.skipgram import SkipGram, pair_loss
from epochal.words.vectors import WordVectors

__all__ = ["Learning", "word_vectors"]

_ADAGRAD = {"initial_accumulator_value": 0.0, "eps": 1e-20}
"""So that only the ratio of a gradient to the earlier ones counts, whatever the batch size."""


def word_vectors(
    corpus: Any,
    *,
    dimensions: int = 100,
    window: int = 5,
    negatives: int = 5,
    min_count: int = 5,
    subsample: float = 1e-3,
    lowercase: bool = True,
    epochs: int = 5,
    batch_size: int | Literal["full"] = 1024,
    optimizer: Any = "adagrad",
    learning_rate: float | None = None,
    order: Any = "shuffle",
    remainder: str = "keep",
    seed: int = 0,
) -> WordVectors:
    """Learn a vector for each word of a text: skip-gram with negative sampling (see `words.skipgram`).

    Args:
        corpus: the path of a text in UTF-8, a sentence a line; or sentences, each a string or a sequence of
            words. Pairs never cross the end of a sentence.
        dimensions: the length of a vector.
        window: the longest distance between a word and its context, in words; the reach of each word is
            drawn from 1 to it.
        negatives: noise words for each pair.
        min_count: how often a word must occur to get a vector.
        subsample: thins out words that make up a larger share of the text than this; 0 keeps all.
        lowercase: whether sentences that are strings are lowercased.
        epochs: passes through the pairs.
        batch_size: pairs of one update, or "full".
        optimizer: as for `fit`; "adagrad" and "sgd" touch only the vectors of the words in a batch.
        learning_rate: as for `fit`.
        order: as for `fit`.
        remainder: as for `fit`.
        seed: of the pairs, the first vectors, the order and the noise.

    Returns:
        The vectors; their `run` has the plan (pairs, batches, updates) and the curve of the loss.

    Raises:
        Refusal: what cannot work, in one sentence, before anything is trained.

    >>> sentences = ["the king rules the land", "the queen rules the land", "a dog chases a cat"] * 20
    >>> vectors = word_vectors(sentences, dimensions=8, subsample=0, epochs=3, batch_size=64)
    >>> vectors.run.plan.samples, vectors["king"].shape
    (942, (8,))
    """
    learning = Learning.of(
        corpus,
        dimensions=dimensions,
        window=window,
        negatives=negatives,
        min_count=min_count,
        subsample=subsample,
        lowercase=lowercase,
        seed=seed,
    )
    chosen = learning.options(
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        learning_rate=learning_rate,
        order=order,
        remainder=remainder,
    )
    return learning.vectors(fit(learning.model, learning.dataset, **chosen))


@dataclass(frozen=True, eq=False)
class Learning:
    """What is settled before the vectors of a text are learned."""

    corpus: Corpus
    model: SkipGram
    dataset: Dataset
    seed: int

    @classmethod
    def of(
        cls,
        corpus: Any,
        *,
        dimensions: int,
        window: int,
        negatives: int,
        min_count: int,
        subsample: float,
        lowercase: bool,
        seed: int,
    ) -> Learning:
        """Read the text and make its pairs; takes what `word_vectors` takes."""
        bounds = {"dimensions": 2**15, "window": 2**15, "negatives": 2**10, "min_count": 2**31}
        given = {"dimensions": dimensions, "window": window, "negatives": negatives, "min_count": min_count}
        for name, most in bounds.items():
            _whole(name, given[name], 1, most)
        _whole("seed", seed, 0, 2**64 - 1)
        if isinstance(subsample, bool) or not isinstance(subsample, int | float) or not 0 <= subsample <= 1:
            raise Refusal(f"subsample must be a share between 0 (keep all words) and 1; got {subsample!r}.")
        text = read_corpus(corpus, min_count, lowercase)
        pairs = make_pairs(text, window, subsample, seed)
        classes = ("context", *(f"noise {number + 1}" for number in range(negatives)))
        notes = [*text.notes, f"{len(pairs):,} pairs (word, context) within {window} words: the samples."]
        if subsample and (shares := text.counts / text.counts.sum()).max() > subsample:
            notes.insert(
                -1,
                f"{int((shares > subsample).sum()):,} frequent words are thinned out "
                f"(shares above {subsample:g}; --subsample).",
            )
        dataset = Dataset(
            inputs=pairs,
            targets=np.zeros(len(pairs), np.int32),
            task=Task("multiclass", classes),
            features=("word", "context"),
            continuous=np.zeros(2, bool),
            encoder=None,
            target_name="context",
            source=text.source,
            notes=tuple(notes),
            rows=np.arange(1, len(pairs) + 1, dtype=np.int64),
            sample_weight=None,
            fingerprint=fingerprint(text.words, pairs),
        )
        return cls(text, SkipGram(len(text.words), dimensions, negatives), dataset, seed)

    def options(self, *, optimizer: Any, learning_rate: float | None, **pace: Any) -> Any:
        """The settings of the training, as `fit` takes them."""
        usual = optimizer == "adagrad" if isinstance(optimizer, str) else False
        return {
            **pace,
            "optimizer": optimizer,
            "learning_rate": learning_rate,
            "optimizer_options": _ADAGRAD if usual else {},
            "loss": pair_loss,
            "metrics": (),
            "validation": 0,
            "seed": self.seed,
            "initial": self.model.start(self.seed % 2**32, self.corpus.counts),
        }

    def events(self, control: Control, options: Any) -> Iterator[Event]:
        """The events of the training."""
        return train(self.model, self.dataset, control=control, **options)

    def vectors(self, run: Run) -> WordVectors:
        """What was learned, as it was at the end."""
        return WordVectors(self.corpus.words, np.asarray(run.fitted[0].last.params["words"]), run)


def _whole(name: str, value: Any, least: int, most: int) -> None:
    try:
        whole = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        whole = None
    if whole is None or not least <= whole <= most:
        raise Refusal(f"{name} must be a whole number between {least} and {most:,}; got {value!r}.")
