"""The task of a data set: binary, multiclass or multilabel classification, or regression."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from epochal.common.text import natural
from epochal.data.records import Damaged, Record, built

TaskKind = Literal["binary", "multiclass", "multilabel", "regression"]
_NUMBERS = tuple(np.dtype(code).name for code in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"))
LABEL_TYPES = ("", "bool", *_NUMBERS)
"""NumPy type names; empty for text."""
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True)
class Task(Record):
    """The kind of prediction: binary, multiclass or multilabel classification, or regression.

    `classes` are the names of the classes, in the order of the class ids, or of the labels, in the order of
    their columns; empty for regression.
    `targets` is the number of target columns (more than one only for regression and labels).
    `label_type` is NumPy's name of the type that the labels had, such as "int64" or "bool"; empty for text.

    >>> Task("binary", ("no", "yes")).outputs, Task("multiclass", ("a", "b", "c")).outputs
    (1, 3)
    >>> Task("regression").outputs, Task("multilabel", ("a", "b"), 2).outputs
    (1, 2)
    >>> Task("binary", ("0", "1"), label_type="int64").labels
    array([0, 1])
    """

    kind: TaskKind
    classes: tuple[str, ...] = ()
    targets: int = 1
    label_type: str = ""

    @property
    def outputs(self) -> int:
        """Number of outputs: one logit for two classes, one per class, or one per target."""
        if self.kind in ("regression", "multilabel"):
            return self.targets
        return 1 if self.kind == "binary" else len(self.classes)

    @property
    def is_classification(self) -> bool:
        """Whether targets are class ids."""
        return self.kind in ("binary", "multiclass")

    @property
    def is_multilabel(self) -> bool:
        """Whether targets are rows of 0 and 1, one per label."""
        return self.kind == "multilabel"

    @property
    def is_regression(self) -> bool:
        """Whether targets are numbers."""
        return self.kind == "regression"

    @property
    def labels(self) -> NDArray[Any]:
        """The classes in the order of their ids, in the target's original type."""
        return label_values(self.classes, self.label_type)

    @staticmethod
    def from_dict(value: Any) -> Task:
        """The inverse of `to_dict`."""
        task = built(Task, value)
        names, minimum = task.classes, 0 if task.kind == "regression" else 2
        most = {"regression": 2**31, "multilabel": len(names)}.get(task.kind, 1)
        classes = {"regression": 0, "binary": 2}.get(task.kind, len(names))
        targets = (most if task.is_multilabel else 1) <= task.targets <= most
        if not targets or not minimum <= len(names) <= classes or len(set(names)) < len(names):
            raise Damaged(f"{task.kind} has {len(names):,} classes and {task.targets:,} targets")
        if task.label_type not in LABEL_TYPES:
            raise Damaged("task.label_type is none that there is")
        try:
            label_values(names, task.label_type)
        except ValueError as error:
            raise Damaged(f"its classes are not all of the type {task.label_type}") from error
        return task


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


_YES_FIRST = {
    *("+ -", "ano ne", "có không", "da ne", "da nu", "evet hayir", "evet hayır", "igen nem", "j n", "ja nee"),
    *("ja nei", "ja nein", "ja nej", "já nei", "jā nē", "áno nie", "ναι όχι", "да не", "да нет", "כן לא"),
}
"""Yes and no, where yes comes first in order."""


def class_order(names: Iterable[str]) -> tuple[str, ...]:
    """Classes in natural order; of two, yes comes last: metrics and thresholds are of the last one.

    >>> class_order(["10", "9"]), class_order(["ja", "nein"]), class_order(["No", "Yes"])
    (('9', '10'), ('nein', 'ja'), ('No', 'Yes'))
    """
    classes = tuple(sorted(names, key=natural))
    return classes[::-1] if " ".join(classes).lower() in _YES_FIRST else classes
