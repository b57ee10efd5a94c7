"""Separate arguments for inputs, targets and sample weights, joined into one source."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from epochal.data.arrays.host import on_host
from epochal.data.dataset import Dataset
from epochal.data.registry import load
from epochal.data.streams.hugging_face import is_hugging
from epochal.data.streams.items import is_items
from epochal.data.tables.frames import is_frame
from epochal.errors import Refusal


def joined(data: Any, y: Any = None, sample_weight: Any = None, **reading: Any) -> Any:
    """The `source` of `load` for the arguments of `fit(model, X, y)`.

    Args:
        data: the inputs X, or everything: a file, a data frame with its target, `(X, y)`, a `Dataset`.
        y: the targets, one for each sample; or the name of their column.
        sample_weight: the weights, likewise.
        reading: arguments of `load` for a source whose columns are named.

    Raises:
        Refusal: missing targets, targets given twice, or of other data.

    >>> joined([[1.0, 2.0], [3.0, 4.0]], [0, 1])[0].shape
    (2, 2)
    >>> joined([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
    Traceback (most recent call last):
    epochal.errors.Refusal: y is missing: X has 4 samples and no targets; give X and y, one target a sample.
    """
    data, y, sample_weight = on_host(data), on_host(y), on_host(sample_weight)
    separate = {"y": y, "sample_weight": sample_weight}
    given = {name: value for name, value in separate.items() if value is not None}
    if not given:
        alone = isinstance(data, list) and len(data) > 3 and not is_items(data)
        if isinstance(data, np.ndarray) or alone or (hasattr(data, "__array__") and not is_frame(data)):
            raise _no_targets(_array("X", data))
        return data
    first = next(iter(given))
    if isinstance(data, Dataset):
        raise Refusal(f"{first} must be left out where X is a Dataset, which holds its targets and weights.")
    if isinstance(data, (str, Path)) or is_hugging(data):
        source = "a file" if isinstance(data, (str, Path)) else "a data set"
        for name, value in given.items():
            if isinstance(value, bool) or not isinstance(value, (str, int)):
                raise Refusal(
                    f"{name} must be the name of a column where X is {source}; got {type(value).__name__}."
                )
        return load(data, target=y, sample_weight=sample_weight, **reading)
    if is_frame(data):
        if y is not None:
            return (data, *given.values())
        if isinstance(sample_weight, (str, int)):
            return load(data, sample_weight=sample_weight, **reading)
        raise Refusal(
            "y is missing: sample_weight beside a data frame needs y, the targets or the name of their "
            "column."
        )
    if isinstance(data, tuple) and data and (hasattr(data[0], "__array__") or is_frame(data[0])):
        raise Refusal(
            f"X is a tuple (X, y) already, and {first} is given besides; give X and y as two arguments."
        )
    if isinstance(data, Mapping):
        raise Refusal(
            "X must be an array or a data frame; got a mapping of columns. pandas.DataFrame(X) makes a frame."
        )
    if not isinstance(data, (list, tuple)) and not hasattr(data, "__array__"):
        found = "gives its targets itself" if is_items(data) or hasattr(data, "__iter__") else "is no data"
        raise Refusal(f"{first} must be left out where X is of type {type(data).__name__}, which {found}.")
    inputs = _array("X", data)
    if y is None:
        raise _no_targets(inputs)
    for name, value in given.items():
        if isinstance(value, (str, int)) or not hasattr(value, "__len__"):
            raise Refusal(
                f"{name} must have one value for each sample where X is an array; got {value!r}. A column is "
                "named where X is a data frame or a file."
            )
    return (inputs, *(_array(name, value) for name, value in given.items()))


def y_or_target(y: Any, target: Any) -> Any:
    """The one of `y` and `target` that is given; both may name a column.

    Raises:
        Refusal: both are given, and differ.

    >>> y_or_target(None, "price"), y_or_target("price", None), y_or_target("price", "price")
    ('price', 'price', 'price')
    """
    if y is not None and target is not None and not (isinstance(y, str | int) and y == target):
        raise Refusal(
            f"`target` names the column of the targets, as y does; give one of them, not {target!r} too."
        )
    return target if y is None else y


def named_columns(y: Any, sample_weight: Any) -> dict[str, Any]:
    """The columns among the targets and weights that were given by their names, as arguments of `fit`.

    >>> named_columns("price", [1.0, 2.0])
    {'target': 'price'}
    """
    columns = {"target": y, "sample_weight": sample_weight}
    return {name: value for name, value in columns.items() if isinstance(value, str)}


def _array(name: str, values: Any) -> Any:
    """Lists as an array; others unchanged."""
    if not isinstance(values, (list, tuple)):
        return values
    try:
        return np.asarray(values)
    except ValueError as error:
        raise Refusal(
            f"{name} must have equally many values in each row; got a list whose rows differ in length."
        ) from error


def _no_targets(inputs: Any) -> Refusal:
    samples = len(inputs) if np.ndim(inputs) else 1
    return Refusal(
        f"y is missing: X has {samples:,} sample{'' if samples == 1 else 's'} and no targets; give X and y, "
        "one target a sample."
    )
