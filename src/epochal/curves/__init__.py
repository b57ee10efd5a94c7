"""WHAT happened: events folded into columns; verdicts.

record      the curves of a run, in columns
statistics  mean, spread and interval over repeats
verdict     what the curves say, by which rule, and what to do
plot        the curves as a Matplotlib figure
precision_recall  how much precision is left when more of a class is to be found
terminal    the curves in a terminal
"""

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
