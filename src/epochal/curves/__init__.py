"""Learning curves, their statistics and the verdict."""

from __future__ import annotations

from epochal.curves.curves import X_AXES as X_AXES, Band as Band, Best as Best, Curves as Curves
from epochal.curves.judgment import KINDS as KINDS, Verdict as Verdict, statistic_label as statistic_label
from epochal.curves.precision_recall import (
    PrecisionRecall as PrecisionRecall,
    precision_recall as precision_recall,
)
from epochal.curves.statistics import Summary as Summary, summarize as summarize
from epochal.curves.terminal import picture as picture
from epochal.curves.verdict import judge as judge
