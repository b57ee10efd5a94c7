"""`WordVectors`: nearest words, analogies, and files of vectors.

The text format is word2vec's: a line with the number of words and of dimensions, then a line for each word
with its numbers, all separated by single spaces. Nine digits restore the same 32-bit floats. As safetensors:
one tensor "vectors" and the words as a JSON list in the metadata.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.applications.word_vectors.corpus import check_word
from epochal.data.files.read import existing
from epochal.errors import Refusal
from epochal.plan.sizes import as_integer
from epochal.runs import Run
from epochal.runs.tensors import read_tensors, write_tensors


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
        path = Path(path)
        if path.suffix.lower() == ".safetensors":
            path.unlink(missing_ok=True)
            write_tensors(path, {"vectors": self.vectors}, {"words": json.dumps(self.words)})
            return path
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.write(f"{len(self.words)} {self.dimensions}\n")
            for word, vector in zip(self.words, self.vectors, strict=True):
                file.write(f"{word} {' '.join(f'{number:.9g}' for number in vector.tolist())}\n")
        return path

    @staticmethod
    def load(path: str | Path) -> WordVectors:
        """Read vectors from `save`, or in the text format of word2vec.

        Raises:
            Refusal: no such file, or not word vectors (with the line).
        """
        file = existing(path)
        if file.is_dir():
            raise Refusal(f"{path} is a folder; give a file of word vectors.")
        read = _read_tensors if file.suffix.lower() == ".safetensors" else _read_text
        return WordVectors(*read(file))

    def _best(self, scores: NDArray[np.float32], without: list[int], k: int) -> list[tuple[str, float]]:
        count = as_integer(k) or 0
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


def _read_tensors(path: Path) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    try:
        tensors, metadata = read_tensors(path)
        words, vectors = json.loads(metadata["words"]), tensors["vectors"]
    except (ValueError, KeyError, RecursionError) as error:
        raise Refusal(f"{path.name} holds no word vectors: {' '.join(str(error).split())}.") from error
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise Refusal(f"{path.name} holds no word vectors: its words are no list of strings.")
    if vectors.dtype.kind != "f" or vectors.ndim != 2 or not vectors.size or not np.isfinite(vectors).all():
        raise Refusal(f"{path.name} holds no word vectors: they must be finite numbers (words, dimensions).")
    return tuple(words), np.asarray(vectors, np.float32)


def _read_text(path: Path) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    words: list[str] = []
    rows: list[NDArray[np.float32]] = []
    count = size = 0
    with path.open("rb") as file:
        for at, line in enumerate(file, start=1):
            try:
                fields = line.decode("utf-8").rstrip(" \r\n").split(" ")
                if at == 1:
                    count, size = (int(field) for field in fields)
                    if size < 1:
                        raise ValueError("a vector must have at least 1 number")
                    continue
                if len(fields) != size + 1:
                    raise ValueError(f"a word and {size:,} numbers are due, it has {len(fields):,} fields")
                with np.errstate(over="ignore"):
                    rows.append(np.array([float(field) for field in fields[1:]], np.float32))
                if not np.isfinite(rows[-1]).all():
                    raise ValueError("its numbers must be finite")
            except ValueError as error:
                what = "not in UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
                raise Refusal(f"{path.name} can't be read as word vectors: line {at:,}: {what}.") from error
            words.append(fields[0])
    if len(words) != count or not words:
        raise Refusal(f"{path.name} must hold {count:,} words as its first line says; it has {len(words):,}.")
    return tuple(words), np.stack(rows)
