"""Detection of duplicate samples, which a split keeps together, by hashes of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FEW = 8
"""Values of a sample compared first, which distinguish most."""
_LEAST = 3
"""Fewest distinct samples, so that each part of a split can have one."""
_CHANCE = 0.1
"""The share of equal samples that chance explains; only above it do they count as duplicates."""
_OFTEN = 10
"""Average samples per distinct one above which a column must identify the distinct ones."""

Hashes = NDArray[np.uint64]
_BLOCK_BYTES = 1 << 19


@dataclass(frozen=True)
class Duplicates:
    """`group` is int64 `(n,)`: equal for samples with the same inputs, from 0."""

    group: NDArray[np.int64]
    distinct: int

    @property
    def note(self) -> str:
        """The number of duplicates, in a sentence."""
        rows = f"{self.distinct:,} distinct rows of {len(self.group):,}"
        return f"{rows} (the target left aside): duplicates are kept on one side of each split."


def find_duplicates(inputs: NDArray[Any]) -> Duplicates | None:
    """Groups of samples with equal inputs, if they are duplicates; otherwise None.

    Equal inputs with different targets belong together too, since memorizing one helps with the other. In
    columns with few values, equal samples arise by chance (two people of the same age and sex), and keeping
    them together would test unseen combinations only: so there must be more of them than independent columns
    would give.

    >>> measured = np.float32([[0.12, 7.1], [0.57, 7.9], [0.41, 7.3], [0.77, 8.2], [0.38, 7.7]])
    >>> find_duplicates(np.tile(measured, (3, 1))).group.tolist()
    [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4]
    >>> find_duplicates(np.float32([[0], [1], [0], [1]])) is None
    True
    """
    flat = inputs.reshape(len(inputs), -1)
    some = np.unique(np.linspace(0, flat.shape[1] - 1, _FEW).astype(int))
    few = np.sort(row_hashes(flat[:, some]))
    if not (few[1:] == few[:-1]).any():
        return None
    _, first, of = np.unique(row_hashes(inputs), return_index=True, return_inverse=True)
    of = np.argsort(np.argsort(first))[of]
    samples, distinct = len(inputs), len(first)
    if not _LEAST <= distinct < samples:
        return None
    counts = np.bincount(of).astype(np.float64)
    equal = float((counts * (counts - 1)).sum()) / 2
    apart = _collisions(inputs[np.sort(first)])
    by_chance = samples * (samples - 1) / 2 * float(np.exp(np.log(np.maximum(apart, 1e-300)).sum()))
    if by_chance > _CHANCE * equal or (samples > _OFTEN * distinct and apart.min() >= 1 / distinct):
        return None
    return Duplicates(of.astype(np.int64), distinct)


def _collisions(inputs: NDArray[Any]) -> NDArray[np.float64]:
    """The probability that two distinct samples have the same value, for each column."""
    flat = inputs.reshape(len(inputs), -1)
    flat = flat[:: max(1, len(flat) // 20_000)]
    # More columns only lower the probability, so some of them are enough.
    chosen = np.unique(np.linspace(0, flat.shape[1] - 1, 64).astype(int))
    pairs = len(flat) * (len(flat) - 1.0) / 2
    counts = (np.unique(flat[:, column], return_counts=True)[1].astype(np.float64) for column in chosen)
    return np.array([((each * (each - 1)).sum() / 2 + 1) / (pairs + 1) for each in counts])


def whole_groups(groups: NDArray[np.int64], duplicates: Duplicates) -> NDArray[np.int64] | None:
    """Groups, merged where they share duplicates: int64 `(n,)`.

    None if most samples end up in one group, which leaves too few to hold out.

    >>> whole_groups(np.array([0, 1, 2, 2]), Duplicates(np.array([0, 0, 1, 2]), 3)).tolist()
    [0, 0, 1, 1]
    >>> whole_groups(np.array([0, 1, 1, 2]), Duplicates(np.array([0, 0, 1, 1]), 2)) is None
    True
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ids, own = np.unique(groups, return_inverse=True)
    size = len(ids) + duplicates.distinct
    links = coo_array((np.ones(len(own), bool), (own, len(ids) + duplicates.group)), shape=(size, size))
    labels = connected_components(links, directed=False)[1][own]
    merged: NDArray[np.int64] = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    most = max(2 * len(groups) // 3, int(np.bincount(own).max()))
    return merged if np.bincount(merged).max() <= most else None


def row_hashes(*arrays: NDArray[Any]) -> Hashes:
    """64-bit hashes `(n,)` of the joint rows of arrays `(n, ...)`, the same in every process.

    Rows are equal if their bits are, except that 0 equals -0, and NaN equals NaN. Rows that
    differ have the same hash with a probability of about 2^-63: two independent sums of products of pairs
    of words (NH; Black et al. 1999, UMAC, section 4.1), of 32 bits each.

    >>> rows = np.array([[1, 0.0], [2, 0], [1, -0.0]], np.float32)
    >>> first, second, third = row_hashes(rows)
    >>> bool(first == third), bool(first == second)
    (True, False)
    """
    found = np.zeros(len(arrays[0]), np.uint64)
    for place, array in enumerate(arrays):
        flat = array.reshape(len(array), -1)
        width = -(-flat.shape[1] * flat.itemsize // 8)
        # The raw stream of PCG64 is the same in every version of NumPy.
        keys = np.random.PCG64(place).random_raw(2 * width + 1).view(np.uint32)
        once, again, last = np.split(keys, (2 * width, 4 * width))
        rows = max(1, _BLOCK_BYTES // max(1, 8 * width))
        for start in range(0, len(flat), rows):
            words = _words(flat[start : start + rows])
            one, two = _sums(words, once), _sums(words, again)
            found[start : start + rows] += _mixed(one + _mixed(two)) * (last.view(np.uint64) | 1)
    return found


def _words(block: NDArray[Any]) -> NDArray[np.uint32]:
    """The bits of rows as an even number of 32-bit words each."""
    if block.dtype.kind == "f":
        block = block + np.zeros((), block.dtype)  # -0 becomes 0
        block[np.isnan(block)] = np.nan
    raw = np.ascontiguousarray(block).view(np.uint8)
    if left := -raw.shape[1] % 8:
        raw = np.pad(raw, ((0, 0), (0, left)))
    return raw.view(np.uint32)


def _sums(words: NDArray[np.uint32], keys: NDArray[np.uint32]) -> Hashes:
    keyed = words + keys
    return np.einsum("ij,ij->i", keyed[:, ::2], keyed[:, 1::2], dtype=np.uint64, casting="unsafe")


def _mixed(values: Hashes) -> Hashes:
    """Each bit of a word spread over all of them (the finalizer of SplitMix64)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))
