"""Records of the repeats of a run: outcomes, parameters, scores."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from epochal.curves import Summary
from epochal.data import Scaling, TargetScaling, Vocabulary
from epochal.data.records import NullableFloat
from epochal.models import Variables


@dataclass(frozen=True)
class DivergedUpdate:
    """The first update whose loss or parameters were not finite; counted from 0, shown from 1."""

    update: int
    epoch: int
    batch: int
    samples: tuple[int, ...]
    """Its source rows, counted from 1."""

    def __str__(self) -> str:
        shown = ", ".join(str(row) for row in self.samples[:8])
        more = f" and {len(self.samples) - 8} more" if len(self.samples) > 8 else ""
        where = f"epoch {self.epoch + 1:,}, batch {self.batch + 1:,}"
        return f"update {self.update + 1:,} ({where}; rows {shown}{more})"


@dataclass(frozen=True)
class Outcome:
    """The outcome of one repeat."""

    repeat: int
    seed: int
    stopped: str
    """Why it ended, in words."""
    epochs: NullableFloat
    updates: int
    seconds: NullableFloat
    best_epoch: NullableFloat
    best_update: int
    diverged: DivergedUpdate | None = None


@dataclass(frozen=True)
class Fitted:
    """The variables of one repeat, and its scaling."""

    best: Variables
    last: Variables
    scaling: Scaling | Vocabulary | None
    target_scaling: TargetScaling | None


@dataclass(frozen=True)
class Scores:
    """Scores of the best parameters of each repeat on one part."""

    metrics: dict[str, Summary]
    confusion: NDArray[np.int64] | None = None
    """(repeats, true, predicted) counts of classes, or (repeats, labels, true, predicted) of labels."""
    true: NDArray[np.float64] | None = None
    predicted: NDArray[np.float64] | None = None
    """Targets and predictions in their own units, of all repeats, for regression."""
    labels: NDArray[np.int64] | None = None
    """(repeats, n) class ids, or (repeats, n, labels) of 0 and 1, where probabilities are kept."""
    probabilities: NDArray[np.float64] | None = None
    """(repeats, n, 1) of the second of two classes, or (repeats, n, classes); not kept if too many."""
    confusion_at_threshold: NDArray[np.int64] | None = None
    """(repeats, true, predicted) counts with the threshold of each repeat, if the run has one."""
    ensemble: dict[str, NullableFloat] = field(default_factory=dict)
    """The metrics of the mean prediction, if repeats share samples that decide nothing."""
    corrected: bool = False
    """Whether the intervals correct for choosing the epoch on the same samples."""
