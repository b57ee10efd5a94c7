"""Class labels in the type of the original target: integers, booleans, floats or text.

A task names its classes in text, in one spelling each (`encode.as_text`). A label type converts the names
back, so that predicted labels compare equal to those of the training data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_NUMBERS = tuple(np.dtype(code).name for code in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"))
LABEL_TYPES = ("", "bool", *_NUMBERS)
"""NumPy type names; empty for text."""
_BOOLEANS = {"true": True, "false": False}


def label_type_of(kind: pa.DataType) -> str:
    """The label type of a target column of this Arrow type.

    >>> label_type_of(pa.int64()), label_type_of(pa.bool_()), label_type_of(pa.string())
    ('int64', 'bool', '')
    """
    if pa.types.is_boolean(kind):
        return "bool"
    name = np.dtype(kind.to_pandas_dtype()).name if pa.types.is_primitive(kind) else ""
    return name if name in _NUMBERS else ""


def label_values(names: Sequence[str], label_type: str) -> NDArray[Any]:
    """The label values of class names, `(classes,)`; objects of type `str` for text.

    Raises:
        ValueError: a name is no value of that type.

    >>> label_values(("1", "2"), "int64"), label_values(("no", "yes"), "")
    (array([1, 2]), array(['no', 'yes'], dtype=object))
    """
    if label_type == "":
        return np.array(names, dtype=object)
    if label_type == "bool":
        if not set(names) <= set(_BOOLEANS):
            raise ValueError(f"no booleans: {', '.join(names)}")
        return np.array([_BOOLEANS[name] for name in names], dtype=bool)
    kind = np.dtype(label_type)
    try:
        return np.array([int(name) if kind.kind in "iu" else float(name) for name in names], dtype=kind)
    except OverflowError as error:
        raise ValueError(str(error)) from error
