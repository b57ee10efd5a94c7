"""The decision threshold of binary classification.

One half is right where probabilities are calibrated and both kinds of errors cost the same. With a rare
class, or with class weights or a balanced order, another threshold often serves better.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_RULES: dict[str, Callable[[Counts, Counts, int, int], Floats]] = {
    "f1": lambda found, taken, positives, negatives: 2 * found / np.maximum(taken + positives, 1),
    "balanced_accuracy": lambda found, taken, positives, negatives: (
        found * negatives + (negatives - taken + found) * positives
    ).astype(np.float64),
    "youden": lambda found, taken, positives, negatives: (
        found * negatives - (taken - found) * positives
    ).astype(np.float64),
}
"""The quantity to maximize, from samples found and taken at each threshold; integer for exact ties."""


def best_threshold(rule: str, probabilities: ArrayLike, positive: ArrayLike) -> float:
    """The threshold that maximizes a rule; samples above it get the class.

    It lies midway between two occurring probabilities. Of equally good ones, the
    nearest to 0.5 is taken.

    Args:
        rule: "f1", "balanced_accuracy", or "youden" (sensitivity + specificity - 1, Youden 1950), maximal
            where balanced accuracy is.
        probabilities: (n,) of the class.
        positive: (n,) whether a sample has it.

    >>> best_threshold("f1", [0.1, 0.2, 0.4, 0.8], [0, 1, 0, 1])
    0.15000000000000002
    """
    values, true = np.asarray(probabilities, np.float64), np.asarray(positive, bool)
    falling = np.argsort(-values, kind="stable")
    values, true = values[falling], true[falling]
    last = np.flatnonzero(np.append(np.diff(values) != 0, True))
    positives = int(true.sum())
    found, taken = np.append(0, np.cumsum(true)[last]), np.append(0, last + 1)
    worth = _RULES[rule](found, taken, positives, len(true) - positives)
    upper, lower = np.append(1.0, values[last]), np.append(values[last], 0.0)
    middle = (upper + lower) / 2
    # Neighboring floats have no midpoint: the lower one still separates them.
    middle = np.where(middle < upper, middle, lower)
    possible = (middle > 0) & (middle < 1)
    if not possible.any():
        return 0.5
    best = possible & (worth == worth[possible].max())
    return float(middle[best][np.argmin(np.abs(middle[best] - 0.5))])
