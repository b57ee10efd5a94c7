"""Metrics of many subsets of the same samples at once, on the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.models.losses import probabilities
from epochal.models.metrics import Metric, indicators

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_MOST = 2**20
"""Most subsets times samples at once; beyond, one subset at a time."""


def of_subsets(
    metric: Metric, outputs: Floats, targets: NDArray[Any], classes: int, members: Bools
) -> Floats:
    """A built-in metric of each subset, (subsets,), without a call for each.

    Args:
        metric: a built-in one.
        outputs: (n, ...) of all samples.
        targets: (n, ...).
        classes: number of classes.
        members: (subsets, n), the samples of each.

    >>> from epochal.models import METRICS
    >>> outputs, targets = np.array([1.0, -1.0, 2.0]), np.array([1, 1, 0])
    >>> members = np.array([[True, True, True], [True, True, False]])
    >>> of_subsets(METRICS["accuracy"], outputs, targets, 2, members).round(2).tolist()
    [0.33, 0.5]
    """
    if members.size > _MOST or (metric.of_counts is None and metric.name not in _BY_METRIC):
        return np.array(
            [metric.function(outputs[one], targets[one], classes, np) for one in members], np.float64
        )
    each = members.astype(np.float64)
    with np.errstate(all="ignore"):
        if metric.of_counts is not None:
            predicted, true = indicators(outputs, targets, classes, np)
            counts = (each @ (predicted & true), each @ predicted, each @ true)
            of_each = each.sum(axis=1, keepdims=True)
            found = np.asarray(metric.of_counts(*counts, of_each, np), np.float64)
            assert found.shape == (len(each),), f"{metric.name} of counts must be (...); got {found.shape}"
            return found
        return np.asarray(_BY_METRIC[metric.name](outputs, targets, each), np.float64)


def one_by_one(metric: Callable[[Any], float]) -> Callable[[Bools], Floats]:
    """Any function of rows, called once for each subset.

    >>> one_by_one(lambda rows: float(np.arange(3)[rows].sum()))(np.array([[True, False, True]])).tolist()
    [2.0]
    """
    return lambda members: np.array([metric(rows) for rows in members], np.float64)


def weighted_means(values: Floats, weights: NDArray[Any] | None, members: Bools) -> Floats:
    """The weighted mean of the values of each subset; NaN for empty ones.

    >>> members = np.array([[True, True, True], [True, True, False]])
    >>> weighted_means(np.array([1.0, 2.0, 6.0]), None, members).tolist()
    [3.0, 1.5]
    """
    own = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64)
    with np.errstate(all="ignore"):
        if members.size > _MOST:
            return np.array([(values[one] @ own[one]) / own[one].sum() for one in members])
        return np.asarray((members @ (values * own)) / (members @ own))


def _roc_auc(scores: Floats, positive: Bools, members: Floats) -> Floats:
    """The probability that a positive sample scores above a negative one, ties half; NaN with one class."""
    rising = np.argsort(scores)
    members, positive, ordered = members[:, rising], positive[rising], scores[rising]
    negatives = np.pad(np.cumsum(members * ~positive, axis=1), ((0, 0), (1, 0)))
    below, upto = (negatives[:, np.searchsorted(ordered, ordered, side)] for side in ("left", "right"))
    found = members * positive
    return (found * (below + upto) / 2).sum(axis=1) / (found.sum(axis=1) * negatives[:, -1])


def _average_precision(scores: Floats, positive: Bools, members: Floats) -> Floats:
    """The mean of the precision at the score of each positive sample; NaN without any."""
    rising = np.argsort(scores)
    members, positive, ordered = members[:, rising], positive[rising], scores[rising]
    at = np.searchsorted(ordered, ordered, "left")
    found = members * positive
    of_all, of_positive = (np.pad(np.cumsum(one, axis=1), ((0, 0), (1, 0))) for one in (members, found))
    above, taken = of_positive[:, -1:] - of_positive[:, at], of_all[:, -1:] - of_all[:, at]
    return (found * above / np.maximum(taken, 1)).sum(axis=1) / of_positive[:, -1]


def _against_the_rest(area: Callable[[Floats, Bools, Floats], Floats]) -> Callable[..., Floats]:
    def metric(outputs: Floats, targets: NDArray[Any], members: Floats) -> Floats:
        shares = outputs.reshape(len(outputs), -1)
        if shares.shape[1] <= 2:
            scores = shares[:, 0] if shares.shape[1] == 1 else shares[:, 1] - shares[:, 0]
            return area(scores, targets == 1, members)
        shares = probabilities(shares, np)
        return _known_mean([area(column, targets == k, members) for k, column in enumerate(shares.T)])

    return metric


def _of_each_label(area: Callable[[Floats, Bools, Floats], Floats]) -> Callable[..., Floats]:
    def metric(outputs: Floats, targets: NDArray[Any], members: Floats) -> Floats:
        scores, true = outputs.reshape(targets.shape), targets > 0
        both = ((members @ true > 0) & (members @ ~true > 0)).T
        each = [area(scores[:, k], true[:, k], members) for k in range(targets.shape[1])]
        return _known_mean(np.where(both, each, np.nan))

    return metric


def _known_mean(values: Any) -> Floats:
    known = ~np.isnan(values)
    return np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0)


def _mean(error: Callable[[Floats, NDArray[Any]], Any]) -> Callable[..., Floats]:
    """The mean over samples of an error (n, ...), averaged over the outputs of a sample."""

    def metric(outputs: Floats, targets: NDArray[Any], members: Floats) -> Floats:
        each = error(outputs.reshape(targets.shape), targets).reshape(len(targets), -1).mean(axis=1)
        return members @ each / members.sum(axis=1)

    return metric


def _rmse(outputs: Floats, targets: NDArray[Any], members: Floats) -> Floats:
    return np.sqrt(_mean(lambda ours, true: (ours - true) ** 2)(outputs, targets, members))


def _r2(outputs: Floats, targets: NDArray[Any], members: Floats) -> Floats:
    true = targets.reshape(len(targets), -1)
    centered = true - true.mean(axis=0)  # avoids cancellation in a difference of squares
    total = members @ centered**2 - (members @ centered) ** 2 / members.sum(axis=1, keepdims=True)
    same = total <= 1e-12 * (members @ centered**2)
    error = members @ (outputs.reshape(true.shape) - true) ** 2
    return np.where(same, np.nan, 1 - error / total).mean(axis=1)


_BY_METRIC: dict[str, Callable[..., Floats]] = {
    "roc_auc": _against_the_rest(_roc_auc),
    "average_precision": _against_the_rest(_average_precision),
    "roc_auc_macro": _of_each_label(_roc_auc),
    "average_precision_macro": _of_each_label(_average_precision),
    "label_accuracy": _mean(lambda ours, true: (ours > 0) == (true > 0)),
    "exact_match": _mean(lambda ours, true: ((ours > 0) == (true > 0)).all(axis=1)),
    "r2": _r2,
    "rmse": _rmse,
    "mae": _mean(lambda ours, true: np.abs(ours - true)),
}
"""Metrics that need more than counts: (outputs, targets, members) -> (subsets,)."""
