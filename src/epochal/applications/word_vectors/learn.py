"""`word_vectors`: training of word vectors.

A sample is a pair (word, context), so order, batch size, remainder, epochs and updates mean what they mean in
any other training, and the same engine makes the updates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from epochal.applications.word_vectors.corpus import Corpus, make_pairs, read_corpus
from epochal.applications.word_vectors.skipgram import SkipGram, pair_loss
from epochal.applications.word_vectors.vectors import WordVectors
from epochal.data import Dataset, Task
from epochal.data.dataset import fingerprint
from epochal.errors import Refusal
from epochal.plan.sizes import as_integer
from epochal.runs import Run
from epochal.training.train import fit

_ADAGRAD = {"initial_accumulator_value": 0.0, "eps": 1e-20}
"""Makes only the ratio of a gradient to earlier ones count, whatever the batch size."""


BATCH_SIZE, SUBSAMPLE = 1024, 1e-3
"""Defaults for large texts."""


def word_vectors(
    corpus: Any,
    *,
    dimensions: int = 100,
    window: int = 5,
    negatives: int = 5,
    min_count: int | None = None,
    subsample: float | None = None,
    lowercase: bool = True,
    epochs: int = 5,
    batch_size: int | Literal["full"] | None = None,
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
        window: the longest distance between a word and its context, in words; the window of each word is
            drawn from 1 to it.
        negatives: noise words for each pair.
        min_count: how often a word must occur to get a vector; 5 by default, or 1 in a text that has fewer
            than 2 such words.
        subsample: subsamples words with a larger fraction of the text than this; 0 keeps all. 0.001 by
            default, or 0 in a text of which that leaves fewer than 2 pairs.
        lowercase: whether sentences that are strings are lowercased.
        epochs: passes through the pairs.
        batch_size: pairs of one update, or "full"; 1024 by default, or an eighth of fewer pairs.
        optimizer: as for `fit`; "adagrad" and "sgd" touch only the vectors of the words in a batch.
        learning_rate, order, remainder: as for `fit`.
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
        batch_size=batch_size,
        seed=seed,
    )
    chosen = learning.options(
        epochs=epochs, optimizer=optimizer, learning_rate=learning_rate, order=order, remainder=remainder
    )
    return learning.vectors(fit(learning.model, learning.dataset, **chosen))


@dataclass(frozen=True, eq=False)
class Learning:
    """A text prepared for learning."""

    corpus: Corpus
    model: SkipGram
    dataset: Dataset
    batch_size: int | Literal["full"]
    seed: int

    @classmethod
    def of(
        cls,
        corpus: Any,
        *,
        dimensions: int,
        window: int,
        negatives: int,
        min_count: int | None,
        subsample: float | None,
        lowercase: bool,
        seed: int,
        batch_size: int | Literal["full"] | None = None,
    ) -> Learning:
        """Read the text and make its pairs, with the arguments of `word_vectors`."""
        _check_whole("dimensions", dimensions, 1, 2**15)
        _check_whole("window", window, 1, 2**15)
        _check_whole("negatives", negatives, 1, 2**10)
        _check_whole("min_count", 1 if min_count is None else min_count, 1, 2**31)
        _check_whole("seed", seed, 0, 2**64 - 1)
        fraction = SUBSAMPLE if subsample is None else subsample
        if isinstance(fraction, bool) or not isinstance(fraction, int | float) or not 0 <= fraction <= 1:
            raise Refusal(
                f"`subsample` must be a fraction between 0 (keep all words) and 1; got {subsample!r}."
            )
        text = read_corpus(corpus, min_count, lowercase)
        pairs = make_pairs(text, window, fraction, seed)
        all_kept = len(pairs) < 2 and subsample is None
        if all_kept:
            fraction, pairs = 0.0, make_pairs(text, window, 0.0, seed)
        if len(pairs) < 2:
            remedy = " Use a larger subsample, or 0 to keep all words." if fraction else ""
            raise Refusal(
                f"{text.source} must make at least 2 pairs of words within its sentences; "
                f"got {len(pairs)}.{remedy}"
            )
        classes = ("context", *(f"noise {number + 1}" for number in range(negatives)))
        notes = list(text.notes)
        if all_kept:
            notes.append("no word is thinned out, which would leave fewer than 2 pairs (`subsample`).")
        if fraction and (frequent := int((text.counts / text.counts.sum() > fraction).sum())):
            notes.append(
                f"{frequent:,} frequent words are thinned out (fractions above {fraction:g}; `subsample`)."
            )
        notes.append(f"{len(pairs):,} pairs (word, context) within {window} words: the samples.")
        if batch_size is None:
            batch_size = BATCH_SIZE
            if len(pairs) < BATCH_SIZE:  # the largest power of two within an eighth of the pairs
                batch_size = 1 << (max(1, len(pairs) // 8).bit_length() - 1)
                notes.append(
                    f"batch size {batch_size:,}, so that an epoch has several updates (`batch_size`)."
                )
        dataset = Dataset(
            inputs=pairs,
            targets=np.zeros(len(pairs), np.int32),
            task=Task("multiclass", classes),
            features=("word", "context"),
            continuous=np.zeros(2, bool),
            target_name="context",
            source=text.source,
            raw_notes=tuple(notes),
            row_numbers=np.arange(1, len(pairs) + 1, dtype=np.int64),
            fingerprint=fingerprint(text.words, pairs),
        )
        return cls(text, SkipGram(len(text.words), dimensions, negatives), dataset, batch_size, seed)

    def options(self, *, optimizer: Any, learning_rate: float | None, **pace: Any) -> Any:
        """The settings of the training, as `fit` takes them."""
        return {
            "batch_size": self.batch_size,
            **pace,
            "optimizer": optimizer,
            "learning_rate": learning_rate,
            "optimizer_options": _ADAGRAD if isinstance(optimizer, str) and optimizer == "adagrad" else {},
            "loss": pair_loss,
            "metrics": (),
            "validation": 0,
            "seed": self.seed,
            "initial": self.model.initial_variables(self.seed % 2**32, self.corpus.counts),
        }

    def vectors(self, run: Run) -> WordVectors:
        """The final vectors."""
        return WordVectors(self.corpus.words, np.asarray(run.fitted[0].last.params["words"]), run)


def _check_whole(name: str, value: Any, minimum: int, maximum: int) -> None:
    number = as_integer(value)
    if number is None or not minimum <= number <= maximum:
        raise Refusal(f"`{name}` must be a whole number between {minimum} and {maximum:,}; got {value!r}.")
