"""Comparison of a run with the baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from epochal.common.metric_names import higher_is_better
from epochal.curves import limits, statistics as stats
from epochal.curves.curve_view import CurveView
from epochal.curves.statistics import ALPHA, Floats
from epochal.curves.trend_tests import PROBABLE, repeats_to_detect

_DOUBT = 0.3
"""By this share of its width the ends of an interval move out (95 % -> 99.8 %): it is one of several."""


@dataclass(frozen=True)
class BaselineTest:
    """Whether a run is better than the baseline, with statistics and words.

    `probable`: better, but not significantly; `repeats_to_detect` as in `Difference`; `max_gain` is the
    largest gain in the judged curve that is not ruled out.
    """

    better: bool
    statistics: dict[str, Any]
    method: str
    probable: bool = False
    max_gain: float = math.inf
    repeats_to_detect: int | None = None


def compare_with_baseline(view: CurveView) -> BaselineTest | None:
    """Whether the best evaluation is better than the baseline; None without a baseline.

    A second metric with a known baseline may decide it. For a custom loss, where it does not, the question
    stays open: what such a loss learns need not be what the metric measures. Likewise for few repeats of a
    loss without a likelihood.
    """
    curve, baseline = view.minimized, view.baseline.get(view.metric)
    losses = (view.metric, view.displayed, "train.loss")
    known = (name for name in view.baseline if name not in losses and name in view.curves.columns)
    extra = next(known, None)
    if curve is None or (baseline is None and extra is None):
        return None
    continued = stats.forward_filled(np.stack([stats.smoothed(row) for row in curve]))[0]
    rows = [r for r in range(len(curve)) if np.isfinite(curve[r]).any()]
    if baseline is not None:
        baseline = -baseline if view.higher_is_better else baseline
        rows = [r for r in rows if np.isfinite(baseline[r])]
    if not rows:
        return None
    chosen = []
    for r in rows:  # a repeat is judged where the others are best, independent of its own scatter
        others = stats.mean_over_repeats(
            np.delete(continued, r, axis=0) if len(rows) >= limits.MIN_REPEATS else continued
        )
        usable = np.isfinite(others) & np.isfinite(curve[r])
        chosen.append(int(np.argmin(np.where(usable, others, np.inf))))
    better, statistics = _by_metric(view, extra, rows, chosen)
    if baseline is None:
        how = f"the 95 % interval of {extra}"
        return BaselineTest(True, statistics, how) if better else None
    if not view.known_likelihood and len(rows) < limits.MIN_REPEATS and not better:
        return None
    return _by_loss(view, curve, continued, rows, baseline[rows], continued[rows, chosen], better, statistics)


def _by_loss(
    view: CurveView,
    curve: Floats,
    continued: Floats,
    rows: list[int],
    baseline: Floats,
    values: Floats,
    by_metric: bool,
    statistics: dict[str, Any],
) -> BaselineTest:
    gain = baseline - values
    size = float(gain.mean())
    reached = float(baseline.mean() - size)
    log_ratio = view.log_likelihood_ratio(float(baseline.mean()), reached)
    looked_at = max(2.0, stats.window_count(len(view.epochs)))
    needed: int | None = None
    if len(rows) >= limits.MIN_REPEATS:
        low = view.lower_bound(gain, 0.95)
        required = math.log((looked_at if view.same_samples else 2) / ALPHA)
        by_samples = size > 0 and log_ratio > required
        # Samples that all repeats share may favor all of them alike: then both tests must agree.
        better = (low > 0 and (by_samples or not view.known_likelihood)) if view.same_samples else (
            low > 0 or by_samples
        )  # fmt: skip
        likely = view.lower_bound(gain, PROBABLE) > 0
        most = -view.lower_bound(-gain)
        if view.same_samples and view.known_likelihood:
            most = max(most, size + view.rise_of(required, max(reached, 1e-12)))
        needed = repeats_to_detect(gain, view.test_train_ratio) if likely and not view.same_samples else None
        statistics = {"gain_at_least": low} | statistics
        how = (
            f"the 95 % interval over {len(rows)} repeats, {'and' if view.same_samples else 'or'} a "
            f"likelihood ratio on the validation samples"
        )
    else:
        required = math.log(looked_at / ALPHA)
        lowest = int(np.nanargmin(stats.mean_over_repeats(continued[rows])))
        bound = 0.0  # few evaluations do not show how a curve scatters, and the fall itself would count
        if view.evaluations >= limits.MIN_EVALUATIONS:
            bound = stats.noise_bound(stats.mean_over_repeats(curve[rows]), lowest)
        better = log_ratio > required and size > bound
        likely = log_ratio > math.log(4) and size > bound / 2
        most = max(size, 0.0) + max(bound, view.rise_of(required, max(reached, 1e-12)))
        statistics, samples = {"scatter_bound": bound} | statistics, f"{view.validation_samples:,}"
        how = f"a likelihood ratio on {samples} validation samples and the scatter of the curve"
    statistics = {
        "fair_best_value": -reached if view.higher_is_better else reached,
        "gain_over_baseline": size,
        "gain_at_most": most,
        "log_likelihood_ratio": log_ratio,
        "log_likelihood_ratio_needed": required,
    } | statistics
    if view.interval is not None:
        better = better or bool(view.interval[1] < baseline.mean())
        how += ", or the 95 % interval of the loss"
    by_ranks = False
    if view.roc_auc is not None:
        low, high = view.roc_auc
        by_ranks = low - _DOUBT * (high - low) > 0.5
        how += ", or the interval of ROC AUC"
    better = bool(better or by_metric or by_ranks)
    return BaselineTest(better, statistics, how, bool(likely and not better), most, needed)


def _by_metric(
    view: CurveView, name: str | None, rows: list[int], chosen: list[int]
) -> tuple[bool, dict[str, Any]]:
    """Whether a second metric is significantly better than its baseline, and by how much."""
    if name is None:
        return False, {}
    column, sign = view.curves.values(name)[1], 1.0 if higher_is_better(name) else -1.0
    reached = np.array([stats.smoothed(column[r])[at] for r, at in zip(rows, chosen, strict=True)])
    gain = sign * (reached - view.baseline[name][rows])
    if not np.isfinite(gain).all():
        return False, {}
    paired = len(rows) >= limits.MIN_REPEATS
    better = paired and view.lower_bound(gain, 0.95) > 0
    if (not paired or view.same_samples) and view.effective:
        better = False
        if name.endswith("accuracy"):
            share = float(np.mean(view.baseline[name]))
            error = math.sqrt(max(share * (1 - share), 1 / view.effective) / view.effective)
            better = float(gain.mean()) > NormalDist().inv_cdf(1 - ALPHA / 2) * error
    return bool(better), {f"{name}_gain_over_baseline": float(gain.mean())}
