"""The task of a data set: binary, multiclass or multilabel classification, or regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from epochal.data.labels import LABEL_TYPES, label_values
from epochal.data.records import Damaged, Record, built

TaskKind = Literal["binary", "multiclass", "multilabel", "regression"]


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
        names, least = task.classes, 0 if task.kind == "regression" else 2
        most = {"regression": 2**31, "multilabel": len(names)}.get(task.kind, 1)
        if (
            not (most if task.is_multilabel else 1) <= task.targets <= most
            or not least <= len(names) <= {"regression": 0, "binary": 2}.get(task.kind, len(names))
            or len(set(names)) < len(names)
        ):
            raise Damaged(f"{task.kind} has {len(names):,} classes and {task.targets:,} targets")
        if task.label_type not in LABEL_TYPES:
            raise Damaged("task.label_type is none that there is")
        try:
            label_values(names, task.label_type)
        except ValueError as error:
            raise Damaged(f"its classes are not all of the type {task.label_type}") from error
        return task
