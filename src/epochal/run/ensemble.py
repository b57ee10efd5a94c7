"""Metrics of the mean prediction of all repeats, which is what `predict` gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.data import Task
from epochal.models import metrics_for

__all__ = ["ensemble_figures", "figures", "logits_of"]

Floats = NDArray[np.float64]


def figures(outputs: Floats, targets: NDArray[Any], task: Task) -> dict[str, float]:
    """All metrics of the task, of logits or of numbers in the target's units."""
    classes = len(task.classes)
    return {
        metric.name: float(metric.function(outputs, targets, classes, np))
        for metric in metrics_for(task.kind)
    }


def logits_of(shares: Floats, task: Task) -> Floats:
    """Probabilities as the metrics take them: log probabilities of classes, log odds of labels.

    >>> logits_of(np.array([[0.5, 0.5]]), Task("binary", ("no", "yes"))).round(3).tolist()
    [[-0.693, -0.693]]
    """
    logits: Floats = np.log(np.maximum(shares, 1e-300))
    return logits - np.log(np.maximum(1 - shares, 1e-300)) if task.is_multilabel else logits


def ensemble_figures(
    mean: Floats, targets: NDArray[Any], task: Task, weights: NDArray[Any] | None = None, *, loss: bool = True
) -> dict[str, float]:
    """The metrics of a mean prediction, and its log loss for classes and labels.

    Args:
        mean: (n, classes) probabilities, (n, labels) likewise, or (n, targets) numbers in their own units;
            the mean over the repeats.
        targets: (n,) class ids, (n, labels) of 0 and 1, or numbers shaped as `mean`.
        task: what is predicted.
        weights: of the samples, in the loss alone.
        loss: whether the log loss is among the figures. Numbers have none: each repeat has its own unit.

    >>> task = Task("binary", ("no", "yes"))
    >>> found = ensemble_figures(np.array([[0.8, 0.2], [0.5, 0.5]]), np.array([0, 1]), task)
    >>> round(found["loss"], 3), found["accuracy"]
    (0.458, 0.5)
    """
    if task.is_regression:
        return figures(mean, targets, task)
    found = figures(logits_of(mean, task), targets, task)
    if not loss:
        return found
    right = (
        np.where(targets > 0, mean, 1 - mean) if task.is_multilabel else mean[np.arange(len(mean)), targets]
    )
    each = np.log(np.maximum(right, 1e-300)).reshape(len(mean), -1).mean(axis=1)
    return {"loss": float(-np.average(each, weights=weights)), **found}
