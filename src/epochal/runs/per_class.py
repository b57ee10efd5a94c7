"""Figures per class, and the most confused classes.

All follow from the confusion counts of the repeats, so any saved run has them. Counts are of samples: weights
of samples and classes shape the training and the loss, not these metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.curves import Summary, summarize
from epochal.curves.statistics import Floats, Ints
from epochal.data.records import Record


@dataclass(frozen=True)
class ClassMetrics(Record):
    """The metrics of one class, over the repeats.

    Args:
        precision: TP / (TP + FP), the share of correct ones among predictions of the class; 0 if
            there are none.
        recall: TP / (TP + FN), the share of the class's samples that are predicted correctly; 0 if there are
            none.
        f1: 2 TP / (2 TP + FP + FN), the harmonic mean of the two; 0 if both are.
        support: number of samples of the class.
    """

    precision: Summary
    recall: Summary
    f1: Summary
    support: Summary


@dataclass(frozen=True)
class Confused:
    """Samples of one class that were predicted as another."""

    true: str
    predicted: str
    count: Summary
    share: float
    """The share of the true class's samples, the mean over repeats."""


def per_class(confusion: Ints, classes: Sequence[str]) -> dict[str, ClassMetrics]:
    """Precision, recall, F1 and support of each class or label, over repeats.

    As scikit-learn's `precision_recall_fscore_support(zero_division=0)` for each repeat.

    Args:
        confusion: (repeats, true, predicted) counts of classes, or (repeats, labels, 2, 2) of labels, as
            `label_confusion` gives them.
        classes: their names.

    >>> found = per_class(np.array([[[8, 2], [1, 4]]]), ("no", "yes"))["yes"]
    >>> round(found.precision.mean, 3), found.recall.mean, found.support.mean
    (0.667, 0.8, 5.0)
    """
    if confusion.ndim == 4:
        hits = confusion[:, :, 1, 1]
        true, predicted = confusion[:, :, 1].sum(axis=2), confusion[:, :, :, 1].sum(axis=2)
    else:
        hits = np.diagonal(confusion, axis1=1, axis2=2)
        true, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    metrics = _share(hits, predicted), _share(hits, true), _share(2 * hits, true + predicted), true
    return {
        name: ClassMetrics(*(summarize(values[:, k], interval=False) for values in metrics))
        for k, name in enumerate(classes)
    }


def decisions(probabilities: Floats, threshold: float | None = None) -> Ints:
    """The most probable class of each sample; with a threshold the second of two where it is exceeded."""
    found = probabilities.argmax(axis=1) if threshold is None else probabilities[:, 1] > threshold
    return found.astype(np.int64)


def confusion(true: NDArray[Any], predicted: NDArray[Any], classes: int) -> Ints:
    """Counts (true, predicted) of class ids.

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (true, predicted), 1)
    return counts


def label_confusion(true: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> Ints:
    """Counts (labels, 2, 2) of true and predicted (n, labels) absence and presence of each label.

    scikit-learn's `multilabel_confusion_matrix`.

    >>> label_confusion(np.array([[True], [False]]), np.array([[True], [True]])).tolist()
    [[[0, 1], [0, 1]]]
    """
    cells = [[~true & ~predicted, ~true & predicted], [true & ~predicted, true & predicted]]
    return np.moveaxis(np.array([[cell.sum(axis=0) for cell in row] for row in cells]), 2, 0).astype(np.int64)


def decided(confusion: Ints) -> dict[str, Floats]:
    """The metrics of two classes that depend on decisions only, one value per repeat, by metric name.

    Args:
        confusion: (repeats, true, predicted) counts of two classes; the second is the positive one.

    >>> decided(np.array([[[8, 2], [1, 4]]]))["balanced_accuracy"]
    array([0.8])
    """
    true, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    recall = _share(hits, true)
    present = true > 0
    spread = np.sqrt(np.prod(true.astype(np.float64), axis=1) * np.prod(predicted.astype(np.float64), axis=1))
    covariance = hits[:, 0] * hits[:, 1] - confusion[:, 0, 1] * confusion[:, 1, 0]
    return {
        "accuracy": _share(hits.sum(axis=1), true.sum(axis=1)),
        "balanced_accuracy": _share((recall * present).sum(axis=1), present.sum(axis=1)),
        "f1": _share(2 * hits[:, 1], true[:, 1] + predicted[:, 1]),
        "precision": _share(hits[:, 1], predicted[:, 1]),
        "recall": recall[:, 1],
        "mcc": _share(covariance, spread),
    }


def most_confused(confusion: Ints, classes: Sequence[str], most: int = 10) -> list[Confused]:
    """The most frequent confusions of two classes.

    >>> found = most_confused(np.array([[[8, 2], [1, 4]]]), ("no", "yes"))
    >>> [(one.true, one.predicted, one.count.mean) for one in found]
    [('no', 'yes', 2.0), ('yes', 'no', 1.0)]
    """
    mean = confusion.mean(axis=0)
    total = mean.sum(axis=1)
    np.fill_diagonal(mean, 0)
    places = [divmod(int(flat), len(classes)) for flat in np.argsort(-mean, axis=None, kind="stable")[:most]]
    return [
        Confused(
            classes[i],
            classes[j],
            summarize(confusion[:, i, j], interval=False),
            float(mean[i, j] / total[i]),
        )
        for i, j in places
        if mean[i, j] > 0
    ]


def _share(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=whole > 0)
