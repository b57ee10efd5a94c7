"""WHAT happened: events folded into columns; verdicts.

record      the curves of a run, in columns
statistics  mean, spread and interval over repeats
verdict     what the curves say, by which rule, and what to do
plot        the curves as a Matplotlib figure
terminal    the curves in a terminal
"""

from __future__ import annotations

from epochal.curves.record import AXES, Band, Best, Curves
from epochal.curves.statistics import Summary, summarize
from epochal.curves.terminal import picture
from epochal.curves.verdict import KINDS, Verdict, judge

__all__ = [
    "AXES",
    "KINDS",
    "Band",
    "Best",
    "Curves",
    "Summary",
    "Verdict",
    "judge",
    "picture",
    "summarize",
]
