"""Learning curves, their statistics and the verdict."""

from __future__ import annotations

from epochal.curves.judgment import KINDS as KINDS
from epochal.curves.judgment import Verdict as Verdict
from epochal.curves.judgment import figure_label as figure_label
from epochal.curves.precision_recall import (
    PrecisionRecall as PrecisionRecall,
)
from epochal.curves.precision_recall import (
    precision_recall as precision_recall,
)
from epochal.curves.record import AXES as AXES
from epochal.curves.record import Band as Band
from epochal.curves.record import Best as Best
from epochal.curves.record import Curves as Curves
from epochal.curves.statistics import Summary as Summary
from epochal.curves.statistics import summarize as summarize
from epochal.curves.terminal import picture as picture
from epochal.curves.verdict import judge as judge
