"""The order of a training, with the values per sample that it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from epochal.data import Dataset
from epochal.errors import Refusal
from epochal.plan import Blocks, Order, order_named

_LACKING = {
    "classes": "classes, and this is a {kind} task: use shuffle, or blocks or groups",
    "lengths": "texts, whose padding it saves: use shuffle",
    "weights": "sample weights: name their column with `sample_weight=COLUMN`, or give "
    "data=(inputs, targets, weights)",
    "groups": "groups of samples: name their column with `groups=COLUMN`, or give order=Groups(values)",
}


def order_for(given: Any, dataset: Dataset, class_weight: Any) -> Order:
    """The requested order, with the values it needs of all samples.

    An order with values (`Stratified(labels)`) must have one for each sample.
    """
    order = given if isinstance(given, Order) else order_named(str(given))
    if order.needs == "weights" and class_weight is not None:
        raise Refusal(
            f'`class_weight` must be left out with order "{order.name}", which draws samples by their '
            "weights and does not weigh their losses; multiply the sample weights by those of the classes."
        )
    if order.needs == "weights" and order.values is not None and dataset.sample_weight is not None:
        raise Refusal(
            f'order "{order.name}" must draw by one set of weights, and the data has sample weights besides; '
            f'give `order="{order.name}"` to draw by those, or data without them.'
        )
    if order == Blocks() and dataset.timeline is not None:
        # By default, blocks of windows are as long as a window's lags.
        order = Blocks(dataset.timeline.span - dataset.timeline.horizon)
    if order.values is not None and len(order.values) != dataset.samples:
        raise Refusal(
            f'order "{order.name}" must have one value for each of the {dataset.samples:,} samples of '
            f"the data, held-out ones too; got {len(order.values):,}."
        )
    if order.values is not None or not order.needs:
        return order
    column = {"classes": "strata", "weights": "sample_weight"}.get(order.needs, order.needs)
    values = getattr(dataset, column, None)
    if values is None:
        kind = "" if dataset.task is None else dataset.task.kind
        raise Refusal(f'order "{order.name}" needs {_LACKING[order.needs].format(kind=kind)}.')
    return order.bind(values)


def stacked(
    found: Sequence[Mapping[str, NDArray[Any]]], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, NDArray[Any]]:
    """The arrays of the orders of several repeats, with a leading axis of repeats, padded to these shapes.

    >>> stacked([{"a": np.array([1])}, {"a": np.array([2, 3])}], {"a": (2,)})["a"].tolist()
    [[1, 0], [2, 3]]
    """
    stack = {}
    for name, shape in shapes.items():
        stack[name] = np.zeros((len(found), *shape), found[0][name].dtype)
        for row, arrays in enumerate(found):
            stack[name][row][tuple(map(slice, arrays[name].shape))] = arrays[name]
    return stack
