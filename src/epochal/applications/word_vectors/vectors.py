"""`WordVectors`: nearest words and analogies."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.applications.word_vectors.corpus import check_word
from epochal.applications.word_vectors.files import read_vectors, write_vectors
from epochal.errors import Refusal
from epochal.plan.sizes import whole
from epochal.runs import Run


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Words and their vectors.

    Args:
        words: the vocabulary, frequent words first.
        vectors: float32 `(words, dimensions)`.
        run: the training run; None for vectors from a file.

    >>> some = WordVectors(("a", "b", "c"), np.array([[1, 0], [1, 0.1], [0, 1]], np.float32))
    >>> [word for word, _ in some.nearest("a", 2)]
    ['b', 'c']
    """

    words: tuple[str, ...]
    vectors: NDArray[np.float32]
    run: Run | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.words):
            raise Refusal(
                f"vectors must be one for each of the {len(self.words):,} words; got {self.vectors.shape}."
            )

    def __repr__(self) -> str:
        return f"WordVectors({len(self.words):,} words, {self.dimensions} dimensions)"

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._numbers

    def __getitem__(self, word: str) -> NDArray[np.float32]:
        row: NDArray[np.float32] = self.vectors[self._number(word)]
        return row

    @property
    def dimensions(self) -> int:
        """The length of a vector."""
        return int(self.vectors.shape[1])

    def nearest(self, word: str, k: int = 10) -> list[tuple[str, float]]:
        """The k words whose vectors have the largest cosines with that of `word`, and these cosines.

        Raises:
            Refusal: an unknown word; the nearest one is suggested.
        """
        number = self._number(word)
        return self._best(self._unit @ self._unit[number], [number], k)

    def analogy(self, a: str, b: str, c: str, k: int = 1) -> list[tuple[str, float]]:
        """What is to `c` as `b` is to `a`: the k best words, and their scores.

        The score is cos(d, b) - cos(d, a) + cos(d, c), the 3CosAdd of Levy and Goldberg (2014, Linguistic
        regularities in sparse and explicit word representations, equation 1); a, b and c are left out.

        >>> square = np.array([[1, 0.1], [1, 1], [0.2, -0.9], [-0.9, -0.9]], np.float32)
        >>> WordVectors(("man", "woman", "king", "stone"), square).analogy("woman", "man", "king")[0][0]
        'stone'
        """
        numbers = [self._number(word) for word in (a, b, c)]
        one, two, three = (self._unit[number] for number in numbers)
        return self._best(self._unit @ (two - one + three), numbers, k)

    def save(self, path: str | Path) -> Path:
        """Write the vectors, as safetensors if the name ends so, else in the text format of word2vec."""
        return write_vectors(Path(path), self.words, self.vectors)

    @staticmethod
    def load(path: str | Path) -> WordVectors:
        """Read vectors from `save`, or in the text format of word2vec.

        Raises:
            Refusal: no such file, or not word vectors (with the line).
        """
        return WordVectors(*read_vectors(path))

    def _best(self, scores: NDArray[np.float32], without: list[int], k: int) -> list[tuple[str, float]]:
        count = whole(k) or 0
        if count < 1:
            raise Refusal(f"k must be a whole number, at least 1; got {k!r}.")
        scores = scores.copy()
        scores[without] = -np.inf
        count = min(count, len(scores) - len(set(without)))
        best = np.argpartition(-scores, count - 1)[:count] if count else np.empty(0, np.int64)
        best = best[np.lexsort((best, -scores[best]))]
        return [(self.words[at], float(scores[at])) for at in best]

    def _number(self, word: Any) -> int:
        check_word(word, self._numbers)
        return self._numbers[word]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    @cached_property
    def _unit(self) -> NDArray[np.float32]:
        length = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        unit: NDArray[np.float32] = self.vectors / np.maximum(length, np.finfo(np.float32).tiny)
        return unit
