"""The order of a training, with the values per sample that it needs."""

from __future__ import annotations

from typing import Any

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
    """The requested order, with the values it needs of all samples."""
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
