"""A text as word ids, and its (word, context) pairs.

Pairs are as in word2vec (Mikolov et al. 2013, Distributed representations of words and phrases and their
compositionality, arXiv 1310.4546, section 2): frequent words are subsampled, then each word gets a window
size, drawn from 1 to the window, and is paired with each word of its sentence within it. A draw depends on
the seed and the position of the word alone. Unlike word2vec, which draws anew in every pass, the pairs are
made once: a sample stays the same sample in every epoch.
"""

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
from epochal.data.values.writing_systems import without_blanks
from epochal.errors import Refusal
from epochal.plan.threefry import threefry2x32, uint32_words as seed_pair

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


# Pairs ------------------------------------------------------------------------------------------------------

_MOST = 2**31 - 1
_PURPOSE = 3
_BLOCK = 1 << 20


def draws(seed: int, count: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Two random words for each position of a text.

    >>> [int(word[0]) for word in draws(0, 1)] == [int(word[0]) for word in draws(0, 5)]
    True
    """
    high, low = seed_pair(seed)[:1], seed_pair(seed)[1:]
    key = threefry2x32((high, low), (np.zeros(1, np.uint32), np.full(1, _PURPOSE, np.uint32)))
    found = (np.empty(count, np.uint32), np.empty(count, np.uint32))
    for start in range(0, count, _BLOCK):
        places = np.arange(start, min(count, start + _BLOCK), dtype=np.uint32)
        block = threefry2x32(key, (np.zeros(1, np.uint32), places))
        for whole, part in zip(found, block, strict=True):
            whole[start : start + len(places)] = part
    return found


def thinned(counts: NDArray[np.int64], subsample: float) -> NDArray[np.float64]:
    """The share of the occurrences of each word that is kept: sqrt(t/f) + t/f, as in word2vec's code.

    f is the word's share of the running text and t is `subsample`; with t = 0 every word is kept.

    >>> thinned(np.array([90, 9, 1]), 0.01).round(3).tolist()
    [0.117, 0.444, 1.0]
    """
    if not subsample:
        return np.ones(len(counts))
    ratio = subsample * counts.sum() / counts
    return np.minimum(np.sqrt(ratio) + ratio, 1.0)


def within_reach(
    tokens: NDArray[np.int32], sentences: NDArray[np.int32], reach: NDArray[np.int64], window: int
) -> NDArray[np.int32]:
    """All pairs (word, context) with the context in the word's sentence and within its reach.

    Args:
        tokens: `(n,)`.
        sentences: `(n,)`, ascending.
        reach: `(n,)`, 1 to `window`.
        window: the longest reach.

    Returns:
        int32 `(pairs, 2)`, in the order of the words in the text.

    >>> line, same = np.array([7, 8, 9], np.int32), np.zeros(3, np.int32)
    >>> within_reach(line, same, np.array([1, 1, 2]), 2).tolist()
    [[7, 8], [8, 7], [8, 9], [9, 8], [9, 7]]
    """
    centers, contexts = [], []
    for distance in range(1, min(window, len(tokens) - 1) + 1):
        together = sentences[:-distance] == sentences[distance:]
        forward = np.flatnonzero(together & (reach[:-distance] >= distance))
        backward = np.flatnonzero(together & (reach[distance:] >= distance))
        centers += [backward + distance, forward]
        contexts += [backward, forward + distance]
    total = sum(len(part) for part in centers)
    if total > _MOST:
        raise Refusal(f"a text may make at most 2^31 - 1 pairs; got {total:,}. Use a smaller window.")
    if not total:
        return np.empty((0, 2), np.int32)
    center, context = np.concatenate(centers), np.concatenate(contexts)
    order = np.argsort(center, kind="stable")
    return np.stack([tokens[center[order]], tokens[context[order]]], axis=1)


def make_pairs(corpus: Corpus, window: int, subsample: float, seed: int) -> NDArray[np.int32]:
    """The samples of a corpus, int32 `(pairs, 2)`."""
    chance, length = draws(seed, len(corpus.tokens))
    stays = chance < thinned(corpus.counts, subsample)[corpus.tokens] * 2.0**32
    reach = 1 + ((length[stays].astype(np.uint64) * np.uint64(window)) >> np.uint64(32)).astype(np.int64)
    return within_reach(corpus.tokens[stays], corpus.sentences[stays], reach, window)
