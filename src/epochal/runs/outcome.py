"""How each repeat of a run went, what it learned, and what its best parameters reach."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from epochal.curves import Summary
from epochal.data import Scaling, TargetScaling, Vocabulary
from epochal.data.records import Measured
from epochal.models import Variables

__all__ = ["BrokenUpdate", "Fitted", "Outcome", "Scores"]


@dataclass(frozen=True)
class BrokenUpdate:
    """The first update whose loss or parameters were not finite; counted from 0, and shown from 1."""

    update: int
    epoch: int
    batch: int
    samples: tuple[int, ...]
    """Rows of the source that formed it, counted from 1."""

    def __str__(self) -> str:
        shown = ", ".join(str(row) for row in self.samples[:8])
        more = f" and {len(self.samples) - 8} more" if len(self.samples) > 8 else ""
        where = f"epoch {self.epoch + 1:,}, batch {self.batch + 1:,}"
        return f"update {self.update + 1:,} ({where}; rows {shown}{more})"


@dataclass(frozen=True)
class Outcome:
    """How one repeat went."""

    repeat: int
    seed: int
    stopped: str
    """Why it ended, in words."""
    epochs: Measured
    updates: int
    seconds: Measured
    best_epoch: Measured
    best_update: int
    broken: BrokenUpdate | None = None


@dataclass(frozen=True)
class Fitted:
    """What one repeat learned: its variables and the scaling that goes before them."""

    best: Variables
    last: Variables
    scaling: Scaling | Vocabulary | None
    target_scaling: TargetScaling | None


@dataclass(frozen=True)
class Scores:
    """What the best parameters of each repeat reach on one part of the split."""

    metrics: dict[str, Summary]
    confusion: NDArray[np.int64] | None = None
    """(repeats, true, predicted) counts of classes, or (repeats, labels, true, predicted) of labels."""
    true: NDArray[np.float64] | None = None
    predicted: NDArray[np.float64] | None = None
    """Targets and predictions in their own units, of all repeats, for regression."""
    labels: NDArray[np.int64] | None = None
    """(repeats, n) class ids, or (repeats, n, labels) of 0 and 1, where probabilities are kept."""
    probabilities: NDArray[np.float64] | None = None
    """(repeats, n, 1) of the second of two classes, or (repeats, n, classes); not kept of too many."""
    confusion_at_threshold: NDArray[np.int64] | None = None
    """(repeats, true, predicted) counts with the threshold of each repeat, if the run has one."""
    ensemble: dict[str, float] = field(default_factory=dict)
    """The metrics of the mean prediction of the repeats, where they share samples that decide nothing."""
    corrected: bool = False
    """Whether the intervals allow for the choice of the epoch on the same samples."""
