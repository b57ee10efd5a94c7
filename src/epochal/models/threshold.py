"""From which probability on is a sample taken for the second of two classes?

One half is right where the probabilities are, and where both kinds of mistakes cost the same. With few
samples of a class, or with weights or an order that favor it, another threshold often serves better.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["best_threshold", "confusion_at"]

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
"""What is greatest, given samples found and taken at each threshold; counts, so that equal ones are equal."""


def best_threshold(rule: str, probabilities: ArrayLike, positive: ArrayLike) -> float:
    """The threshold that makes a rule greatest: samples above it are taken for the class.

    It lies in the middle between two probabilities that occur. Of several that are equally good, the one
    nearest to 0.5 is taken.

    Args:
        rule: "f1", "balanced_accuracy", or "youden" (sensitivity + specificity - 1, Youden 1950), which is
            greatest where balanced accuracy is.
        probabilities: (n,) of the class.
        positive: (n,) whether a sample is of it.

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
    # Between neighboring floats there is no middle: the lower one still leaves the upper one above it.
    middle = np.where(middle < upper, middle, lower)
    possible = (middle > 0) & (middle < 1)
    if not possible.any():
        return 0.5
    best = possible & (worth == worth[possible].max())
    return float(middle[best][np.argmin(np.abs(middle[best] - 0.5))])


def confusion_at(threshold: float, probabilities: ArrayLike, true: NDArray[Any]) -> Counts:
    """(true, predicted) counts of two classes, samples above the threshold being taken for the second.

    >>> confusion_at(0.3, [0.2, 0.4, 0.9], np.array([0, 0, 1]))
    array([[1, 1],
           [0, 1]])
    """
    counts = np.zeros((2, 2), np.int64)
    np.add.at(counts, (true, (np.asarray(probabilities) > threshold).astype(np.int64)), 1)
    return counts
