"""Class weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.data import Dataset, Task, class_words
from epochal.errors import Refusal, did_you_mean
from epochal.settings.value_kinds import plain_number


def weights_of_classes(
    class_weight: Any, dataset: Dataset, train: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """The weight of each class, or None; "balanced" counts the training samples."""
    if class_weight is None:
        return None
    task = dataset.task
    assert task is not None and dataset.targets is not None
    if not task.is_classification:
        kind = "multilabel" if task.is_multilabel else "regression"
        raise Refusal(f"`class_weight` needs classes; this is a {kind} task. Use sample weights.")
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise Refusal(
                f'`class_weight` must be "balanced" or a mapping from class to weight; got "{class_weight}".'
            )
        counts = np.bincount(dataset.targets[train], minlength=len(task.classes))
        return np.asarray(counts.sum() / (len(counts) * np.maximum(counts, 1)))
    if not isinstance(class_weight, Mapping):
        raise Refusal(f'`class_weight` must be "balanced" or a mapping; got {type(class_weight).__name__}.')
    weights = np.ones(len(task.classes))
    for name, weight in by_class(class_weight, task).items():
        if not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
            raise Refusal(f'the weight of class "{name}" must be at least 0 and finite; got {weight}.')
        weights[task.classes.index(name)] = float(weight)
    return weights


def by_class(class_weight: Any, task: Task) -> Any:
    """Class weights with the class names of the task."""
    if not isinstance(class_weight, Mapping) or not task.is_classification:
        return class_weight
    found = {}
    for given, weight in class_weight.items():
        known = [word for word in class_words(given) if word in task.classes]
        if not known:
            raise Refusal(did_you_mean("class in class_weight", class_words(given)[0], task.classes))
        found[known[0]] = plain_number(weight)
    return found
