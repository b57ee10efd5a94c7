"""Vocabulary and sentences of a text."""

from __future__ import annotations

import difflib
import re
from array import array
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.data.files.read import existing
from epochal.data.values.scripts import without_blanks
from epochal.errors import Refusal

_WORD = re.compile(r"\w+(?:['’\-]\w+)*")
"""Letters, digits and underscores, joined by an apostrophe or a hyphen within."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """The sentences of a text as word ids; rare words are left out.

    Args:
        words: the vocabulary, frequent words first; ties in order of appearance.
        counts: int64 `(words,)`, how often each occurs.
        tokens: int32 `(n,)`, the text, sentence after sentence.
        sentences: int32 `(n,)`, which sentence each token is in, from 0, ascending.
        source: a description of the source.
        notes: notes, each a sentence.
    """

    words: tuple[str, ...]
    counts: NDArray[np.int64]
    tokens: NDArray[np.int32]
    sentences: NDArray[np.int32]
    source: str
    notes: tuple[str, ...]


def check_word(word: object, words: Collection[str]) -> None:
    """Refuse an unknown word; the nearest one is suggested."""
    if not isinstance(word, str) or word not in words:
        near = difflib.get_close_matches(str(word), words, n=1, cutoff=0.6)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        raise Refusal(f'"{word}" is not one of the {len(words):,} words with a vector.{hint}')


MIN_COUNT = 5
"""The default number of occurrences of a word to keep, if that leaves 2 words."""


def read_corpus(source: Any, min_count: int | None = None, lowercase: bool = True) -> Corpus:
    """Read a corpus.

    Args:
        source: the path of a text in UTF-8, a sentence a line; or sentences, each a string or a sequence of
            words. In strings, words are runs of letters and digits, also with an apostrophe or a hyphen
            within, and single characters of scripts without blanks; sequences of words are not split.
        min_count: how often a word must occur to be kept; 5 by default, or 1 if that leaves fewer than 2.
        lowercase: whether strings are lowercased.

    Raises:
        Refusal: no such file, not UTF-8 (with the line), no words, fewer than 2 words kept.

    >>> corpus = read_corpus(["The cat sat.", "The dog sat, too."], min_count=2)
    >>> corpus.words, corpus.tokens.tolist(), corpus.sentences.tolist()
    (('the', 'sat'), [0, 1, 0, 1], [0, 0, 1, 1])
    """
    if isinstance(source, (str, Path)):
        path = existing(source)
        if path.is_dir():
            raise Refusal(f"{source} is a folder; give a text in UTF-8, a sentence a line.")
        name = path.name
        lines: Iterable[Any] = _lines(path)
    elif isinstance(source, Iterable):
        name, lines = "the corpus", source
    else:
        raise Refusal(f"corpus must be a path or sentences; got {type(source).__name__}.")
    numbers: dict[str, int] = {}
    tokens, lengths = array("i"), array("q")
    for at, line in enumerate(lines, start=1):
        before = len(tokens)
        for word in _words_of(line, lowercase, at):
            tokens.append(numbers.setdefault(word, len(numbers)))
        lengths.append(len(tokens) - before)
    if not tokens:
        raise Refusal(f"{name} must have at least 2 different words; got none.")
    return _without_rare_words(
        list(numbers), np.asarray(tokens, np.int32), np.asarray(lengths), min_count, name
    )


def _without_rare_words(
    words: list[str], tokens: NDArray[np.int32], lengths: NDArray[np.int64], requested: int | None, name: str
) -> Corpus:
    counts = np.bincount(tokens, minlength=len(words))
    order = np.argsort(-counts, kind="stable")
    lowered = requested is None and (counts >= MIN_COUNT).sum() < 2
    usual = 1 if lowered else MIN_COUNT
    min_count = usual if requested is None else requested
    order = order[counts[order] >= min_count]
    if len(order) < 2:
        if len(words) == 1:
            raise Refusal(f'{name} must have at least 2 different words; got only "{words[0]}".')
        left = "none" if not len(order) else f'only "{words[order[0]]}"'
        raise Refusal(
            f"`min_count` must be at most {np.sort(counts)[-2]:,}, so that {name} keeps at least 2 words; "
            f"got {min_count:,}, which leaves {left}."
        )
    rank = np.full(len(words), -1, np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    ranked = rank[tokens]
    there = ranked >= 0
    sentences = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    notes = [
        f"{int(there.sum()):,} words of running text, {len(order):,} different ones, in "
        f"{int((lengths > 0).sum()):,} sentences."
    ]
    if lowered:
        notes.append(
            f"words are kept however rare they are: fewer than 2 occur {MIN_COUNT} times (`min_count`)."
        )
    if len(order) < len(words):
        notes.append(
            f"{len(words) - len(order):,} words that occur fewer than {min_count:,} times are left out "
            f"({int((~there).sum()):,} of the running text; `min_count`)."
        )
    return Corpus(
        words=tuple(words[at] for at in order),
        counts=counts[order].astype(np.int64),
        tokens=ranked[there],
        sentences=sentences[there],
        source=name,
        notes=tuple(notes),
    )


def _words_of(line: Any, lowercase: bool, at: int) -> Iterable[str]:
    if isinstance(line, str):
        found = _WORD.findall(line.lower() if lowercase else line)
        return [part for word in found for part in without_blanks(word)]
    if not isinstance(line, Iterable):
        raise Refusal(
            f"a sentence must be a string or a sequence of words; got {type(line).__name__} as "
            f"sentence {at:,}."
        )
    words = list(line)
    for word in words:
        if not isinstance(word, str) or not word or any(sign.isspace() for sign in word):
            raise Refusal(f"a word must be a string without spaces; got {word!r} in sentence {at:,}.")
    return words


def _lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for at, line in enumerate(file, start=1):
            try:
                yield line.decode("utf-8-sig" if at == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise Refusal(
                    f"{path.name} must be text in UTF-8; line {at:,} is not (its byte {error.start + 1:,}). "
                    "Convert it, or correct that line."
                ) from error
