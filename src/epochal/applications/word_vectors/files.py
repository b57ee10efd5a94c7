"""Word vector files: word2vec's text format, and safetensors.

The text format: a line with the number of words and of dimensions, then a line for each word with its
numbers, all separated by single spaces. Nine digits restore the same 32-bit floats. As safetensors: one
tensor "vectors" and the words as a JSON list in the metadata.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from epochal.data.files.read import existing
from epochal.errors import Refusal
from epochal.runs.tensors import read_tensors, write_tensors


def write_vectors(path: Path, words: tuple[str, ...], vectors: NDArray[np.float32]) -> Path:
    """Write words and vectors, as safetensors if the name ends so, else as text."""
    if path.suffix.lower() == ".safetensors":
        path.unlink(missing_ok=True)
        write_tensors(path, {"vectors": vectors}, {"words": json.dumps(words)})
        return path
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{len(words)} {vectors.shape[1]}\n")
        for word, vector in zip(words, vectors, strict=True):
            file.write(f"{word} {' '.join(f'{number:.9g}' for number in vector.tolist())}\n")
    return path


def read_vectors(source: str | Path) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Words and vectors of a file.

    Raises:
        Refusal: no such file, or not word vectors (with the line).
    """
    path = existing(source)
    if path.is_dir():
        raise Refusal(f"{source} is a folder; give a file of word vectors.")
    return _read_tensors(path) if path.suffix.lower() == ".safetensors" else _read_text(path)


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
