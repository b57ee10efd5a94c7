"""Arrays of Python objects as arrays of numbers, where they hold some."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray


def of_objects(array: NDArray[Any]) -> NDArray[Any]:
    """An array of objects as numbers or booleans, if all of them are; None is missing.

    Others are returned unchanged.

    >>> of_objects(np.array([1, None, 2.5], object)).tolist(), of_objects(np.array([True], object)).dtype
    ([1.0, nan, 2.5], dtype('bool'))
    """
    if array.dtype.kind != "O":
        return array
    kinds = {type(value) for value in array.flat}
    if kinds <= {bool, np.bool_}:
        return array.astype(bool)
    if not all(kind is type(None) or issubclass(kind, (numbers.Real, np.bool_)) for kind in kinds):
        return array
    whole = all(issubclass(kind, numbers.Integral) for kind in kinds)
    return array.astype(np.int64 if whole else np.float64)
