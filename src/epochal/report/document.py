"""`ReportDocument`: everything that the page about a run shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from epochal.curves import Curves, PrecisionRecall, Summary, Verdict
from epochal.errors import Refusal
from epochal.runs import ClassFigures, Threshold

if TYPE_CHECKING:
    from epochal.report.forecast import Forecasts

__all__ = ["Confusion", "ReportDocument", "Residuals"]


@dataclass(frozen=True, eq=False)
class Confusion:
    """The confusion matrix of the validation samples.

    classes  the names, in the order of rows and columns.
    matrix   counts of shape (classes, classes), or (repeats, classes, classes): rows true, columns predicted.
    """

    classes: Sequence[str]
    matrix: ArrayLike

    def __post_init__(self) -> None:
        size = len(self.classes)
        if self.counts.shape[-2:] != (size, size):
            raise Refusal(
                f"a confusion matrix must be {size} by {size} (the classes); got "
                f"{np.asarray(self.matrix).shape}."
            )

    @property
    def counts(self) -> NDArray[np.float64]:
        """Always (repeats, classes, classes)."""
        array = np.asarray(self.matrix, dtype=np.float64)
        return array if array.ndim == 3 else array[None]


@dataclass(frozen=True, eq=False)
class Residuals:
    """True and predicted values of the validation samples, all repeats pooled.

    target  the name of the target.
    """

    true: ArrayLike
    predicted: ArrayLike
    target: str = "target"

    def __post_init__(self) -> None:
        true, predicted = np.shape(self.true), np.shape(self.predicted)
        if true != predicted or len(true) != 1:
            raise Refusal(
                f"true and predicted must be equally long, with 1 axis; got {true} and {predicted}."
            )


@dataclass(frozen=True, eq=False)
class ReportDocument:
    """Everything that a report shows, as plain data.

    title          the data and model in a few words: `pima-indians-diabetes · MLP 64-64`.
    verdict        of the curves.
    curves         the curves of the run.
    headline       the main metric over repeats, at the best parameters; None without validation.
    ensemble       the main metric of the mean prediction of the repeats, if known.
    results        all figures at the best parameters as rows of text, the first with the heads.
    remarks        notes needed to read them, one sentence each.
    caution        a caveat, in a sentence.
    headline_name  its curve name: `validation.accuracy`.
    plan_text      `str(plan)`.
    plan           the plan as plain data.
    per_repeat     one mapping a repeat; its keys become the columns, in this order: `repeat`, `seed`,
                   `stopped`, `best_epoch`, `validation.loss`, ...
    confusion      for classification.
    residuals      for regression.
    forecasts      for windows of a series.
    per_class      by part and class, for classification.
    precision_recall  the curves of the classes, by part.
    threshold      of two classes, if it is not one half.
    at_threshold   part, metric, its value above one half, its value with the threshold.
    data           the data in figures: `{"rows": 768, "inputs": 8, "target": "class", ...}`.
    data_notes     notes on what was recognized and done, one sentence each.
    settings       every setting of the run, defaults included; mappings may be nested.
    conditions     of the figures: versions, device, seeds, fingerprint, date, command.
    baseline       the baseline by curve name: a number or one per repeat.
    """

    title: str
    verdict: Verdict
    curves: Curves
    headline: Summary | None = None
    headline_name: str = "validation.loss"
    ensemble: float | None = None
    results: Sequence[Sequence[str]] = ()
    remarks: Sequence[str] = ()
    caution: str = ""
    plan_text: str = ""
    plan: Mapping[str, Any] = field(default_factory=dict)
    per_repeat: Sequence[Mapping[str, Any]] = ()
    confusion: Confusion | None = None
    residuals: Residuals | None = None
    forecasts: Forecasts | None = None
    per_class: Mapping[str, Mapping[str, ClassFigures]] = field(default_factory=dict)
    precision_recall: Mapping[str, Sequence[PrecisionRecall]] = field(default_factory=dict)
    threshold: Threshold | None = None
    at_threshold: Sequence[tuple[str, str, Summary, Summary]] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    data_notes: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    baseline: Mapping[str, ArrayLike] = field(default_factory=dict)
