"""Precision against recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from epochal.curves.statistics import Floats, Ints, Summary, summarize, t_factor


@dataclass(frozen=True, eq=False)
class Steps:
    """The precision-recall curve of one repeat: a point for each distinct score, the lowest first.

    `precision` and `recall` have one value more than `thresholds`; the last point is (recall 0, precision 1).
    Samples with a score of at least `thresholds[i]` get the class.
    """

    precision: Floats
    recall: Floats
    thresholds: Floats

    @property
    def area(self) -> float:
        """The average precision: the area under the steps, without interpolation.

        >>> round(steps([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]).area, 4)
        0.8333
        """
        return float(np.sum(-np.diff(self.recall) * self.precision[:-1]))

    def at(self, recall: ArrayLike) -> Floats:
        """The precision at the highest threshold with at least this recall."""
        # Recall falls along the thresholds; the last point that is not below has the highest one.
        place = np.searchsorted(-self.recall[:-1], -np.asarray(recall, np.float64), side="right") - 1
        return self.precision[np.maximum(place, 0)]


def steps(scores: ArrayLike, positive: ArrayLike) -> Steps:
    """The full curve of one repeat, as scikit-learn's `precision_recall_curve`, by the scores of its samples.

    Without any `positive` sample recall counts as 1.
    """
    thresholds, found, taken = counted_by_threshold(scores, positive)
    total = int(np.sum(np.asarray(positive, bool)))
    precision = found / taken
    recall = found / total if total else np.ones(len(found))
    return Steps(np.append(precision[::-1], 1.0), np.append(recall[::-1], 0.0), thresholds[::-1])


def counted_by_threshold(scores: ArrayLike, positive: ArrayLike) -> tuple[Floats, Ints, Ints]:
    """The distinct scores, falling; for each the number of positive samples, and of all, not below it.

    >>> [one.tolist() for one in counted_by_threshold([0.2, 0.9, 0.2], [1, 1, 0])]
    [[0.9, 0.2], [1, 2], [1, 3]]
    """
    values, true = np.asarray(scores, np.float64), np.asarray(positive, bool)
    falling = np.argsort(-values, kind="stable")
    values, true = values[falling], true[falling]
    last = np.flatnonzero(np.append(np.diff(values) != 0, True)[: values.size])
    return values[last], np.cumsum(true)[last], last + 1


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """Precision against recall for one class, against the rest, over the repeats.

    The average precision is the area under the curve of each repeat, and the base rate the share of the class
    among the samples, the precision of random predictions. `recall` holds the (m,) places where any curve has
    a step, or evenly spaced ones of many, ascending; `mean`, `low` and `high` the mean precision there with
    its 95 % interval (Student t; NaN with one repeat).
    """

    name: str
    repeats: tuple[Steps, ...]
    average_precision: Summary
    base_rate: float
    recall: Floats
    mean: Floats
    low: Floats
    high: Floats


def precision_recall(
    name: str, scores: Sequence[Any], positive: Sequence[Any], most: int = 2000
) -> PrecisionRecall | None:
    """The curves of some repeats with their mean; None where a repeat has no sample of the class.

    The area under the mean curve is the mean of the average precisions, unless more than `most` places along
    the recall would be needed. A repeat with a score that is not a number is left out.

    >>> found = precision_recall("yes", [[0.1, 0.4, 0.35, 0.8]], [[0, 0, 1, 1]])
    >>> found.base_rate, found.recall, found.mean.round(3)
    (0.5, array([0.5, 1. ]), array([1.   , 0.667]))
    """
    pairs = [
        (np.asarray(one, np.float64), np.asarray(true, bool))
        for one, true in zip(scores, positive, strict=True)
    ]
    pairs = [(one, true) for one, true in pairs if np.isfinite(one).all()]
    if not pairs or not all(true.any() for _, true in pairs):
        return None
    curves = tuple(steps(one, true) for one, true in pairs)
    places = np.unique(np.concatenate([curve.recall for curve in curves]))
    places = places[places > 0]
    if len(places) > most:
        places = places[np.unique(np.linspace(0, len(places) - 1, most).round().astype(np.int64))]
    heights = np.stack([curve.at(places) for curve in curves])
    mean, count = heights.mean(axis=0), len(curves)
    half = t_factor(count) * heights.std(axis=0, ddof=1) if count > 1 else np.full(len(places), np.nan)
    return PrecisionRecall(
        name,
        curves,
        summarize([curve.area for curve in curves], interval=False),
        float(np.mean([true.mean() for _, true in pairs])),
        places,
        mean,
        np.maximum(mean - half, 0.0),
        np.minimum(mean + half, 1.0),
    )
