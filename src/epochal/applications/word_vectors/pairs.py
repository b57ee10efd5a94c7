"""The (word, context) pairs of a text.

As in word2vec (Mikolov et al. 2013, Distributed representations of words and phrases and their
compositionality, arXiv 1310.4546, section 2): frequent words are subsampled, then each word gets a window
size, drawn from 1 to the window, and is paired with each word of its sentence within it. A draw depends on
the seed and the position of the word alone. Unlike word2vec, which draws anew in every pass, the pairs are
made once: a sample stays the same sample in every epoch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from epochal.applications.word_vectors.corpus import Corpus
from epochal.errors import Refusal
from epochal.plan.threefry import threefry2x32, words

_MOST = 2**31 - 1
_PURPOSE = 3
_BLOCK = 1 << 20


def draws(seed: int, count: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Two random words for each position of a text.

    >>> [int(word[0]) for word in draws(0, 1)] == [int(word[0]) for word in draws(0, 5)]
    True
    """
    high, low = words(seed)[:1], words(seed)[1:]
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
