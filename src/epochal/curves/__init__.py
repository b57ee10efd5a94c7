"""Learning curves, their statistics and the verdict."""

from __future__ import annotations

from epochal.curves.judgment import KINDS, Verdict, figure_label
from epochal.curves.precision_recall import PrecisionRecall, precision_recall
from epochal.curves.record import AXES, Band, Best, Curves
from epochal.curves.statistics import Summary, summarize
from epochal.curves.terminal import picture
from epochal.curves.verdict import judge

__all__ = [
    "AXES",
    "KINDS",
    "Band",
    "Best",
    "Curves",
    "PrecisionRecall",
    "Summary",
    "Verdict",
    "figure_label",
    "judge",
    "picture",
    "precision_recall",
    "summarize",
]
