"""Comparison of a run with the baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from epochal.common.metric_names import higher_is_better
from epochal.curves.curve_view import FEWEST_EVALUATIONS, FEWEST_REPEATS, Case
from epochal.curves.evidence import PROBABLE, repeats_needed
from epochal.curves.statistics import (
    ALPHA,
    Floats,
    carried,
    mean_over_repeats,
    noise_bound,
    places,
    plain,
    smoothed,
)


@dataclass(frozen=True)
class Chance:
    """Whether a run is better than the baseline, with figures and words.

    `probable`: better, but not significantly; `repeats` as in `Difference`; `most` is the largest gain
    in the monitored curve that is not ruled out.
    """

    better: bool
    figures: dict[str, Any]
    how: str
    probable: bool = False
    most: float = math.inf
    repeats: int | None = None


def beats_chance(case: Case) -> Chance | None:
    """Whether the best evaluation is better than the baseline; None without a baseline.

    A second metric with a known baseline may decide it. For a custom loss, where it does not, the question
    stays open: what such a loss learns need not be what the metric measures. Likewise for few repeats of a
    loss without a likelihood.
    """
    curve, level = case.monitored, case.baseline.get(case.name)
    extra = next(
        (
            name
            for name in case.baseline
            if name not in (case.name, case.shown, "train.loss") and name in case.curves.columns
        ),
        None,
    )
    if curve is None or (level is None and extra is None):
        return None
    continued = carried(np.stack([smoothed(row) for row in curve]))[0]
    rows = [r for r in range(len(curve)) if np.isfinite(curve[r]).any()]
    if level is not None:
        level = -level if case.flipped else level
        rows = [r for r in rows if np.isfinite(level[r])]
    if not rows:
        return None
    chosen = []
    for r in rows:  # a repeat is judged where the others are best, independent of its own scatter
        others = mean_over_repeats(
            np.delete(continued, r, axis=0) if len(rows) >= FEWEST_REPEATS else continued
        )
        usable = np.isfinite(others) & np.isfinite(curve[r])
        chosen.append(int(np.argmin(np.where(usable, others, np.inf))))
    better, figures = _by_metric(case, extra, rows, chosen)
    if level is None:
        how = f"the 95 % interval of {extra}"
        return Chance(True, figures, how) if better else None
    if not case.known_likelihood and len(rows) < FEWEST_REPEATS and not better:
        return None
    return _by_loss(case, curve, continued, rows, level[rows], continued[rows, chosen], better, figures)


def _by_loss(
    case: Case,
    curve: Floats,
    continued: Floats,
    rows: list[int],
    level: Floats,
    values: Floats,
    by_metric: bool,
    figures: dict[str, Any],
) -> Chance:
    gain = level - values
    size = float(gain.mean())
    reached = float(level.mean() - size)
    nats = case.nats(float(level.mean()), reached)
    looked_at = max(2.0, places(len(case.epochs)))
    needed: int | None = None
    if len(rows) >= FEWEST_REPEATS:
        low = case.lower_bound(gain, 0.95)
        required = math.log((looked_at if case.shared else 2) / ALPHA)
        by_samples = size > 0 and nats > required
        # Samples that all repeats share may favor all of them alike: then both tests must agree.
        better = (low > 0 and (by_samples or not case.known_likelihood)) if case.shared else (
            low > 0 or by_samples
        )  # fmt: skip
        likely = case.lower_bound(gain, PROBABLE) > 0
        most = -case.lower_bound(-gain)
        if case.shared and case.known_likelihood:
            most = max(most, size + case.rise_of(required, max(reached, 1e-12)))
        needed = repeats_needed(gain, case.overlap) if likely and not case.shared else None
        figures = {"gain_at_least": plain(low)} | figures
        how = (
            f"the 95 % interval over {len(rows)} repeats, {'and' if case.shared else 'or'} a likelihood "
            f"ratio on the validation samples"
        )
    else:
        required = math.log(looked_at / ALPHA)
        lowest = int(np.nanargmin(mean_over_repeats(continued[rows])))
        bound = noise_bound(mean_over_repeats(curve[rows]), lowest)
        if case.evaluations < FEWEST_EVALUATIONS:
            bound = 0.0  # so few do not show how a curve scatters, and the fall itself would count
        better = nats > required and size > bound
        likely = nats > math.log(4) and size > bound / 2
        most = max(size, 0.0) + max(bound, case.rise_of(required, max(reached, 1e-12)))
        figures = {"scatter_bound": plain(bound)} | figures
        how = f"a likelihood ratio on {case.samples:,} validation samples and the scatter of the curve"
    figures = {
        "fair_best_value": plain(-reached if case.flipped else reached),
        "gain_over_baseline": plain(size),
        "gain_at_most": plain(most),
        "log_likelihood_ratio": plain(nats),
        "log_likelihood_ratio_needed": plain(required),
    } | figures
    if case.interval is not None:
        better = better or bool(case.interval[1] < level.mean())
        how += ", or the 95 % interval of the loss"
    better = bool(better or by_metric)
    return Chance(better, figures, how, bool(likely and not better), most, needed)


def _by_metric(
    case: Case, name: str | None, rows: list[int], chosen: list[int]
) -> tuple[bool, dict[str, Any]]:
    """Whether a second metric is significantly better than its baseline, and by how much."""
    if name is None:
        return False, {}
    column, sign = case.curves.values(name)[1], 1.0 if higher_is_better(name) else -1.0
    gain = np.array(
        [
            sign * (float(smoothed(column[r])[at]) - case.baseline[name][r])
            for r, at in zip(rows, chosen, strict=True)
        ]
    )
    if not np.isfinite(gain).all():
        return False, {}
    paired = len(rows) >= FEWEST_REPEATS
    better = paired and case.lower_bound(gain, 0.95) > 0
    if (not paired or case.shared) and case.effective:
        better = False
        if name.endswith("accuracy"):
            from scipy.special import ndtri  # late: importing SciPy is slower than most calls

            share = float(np.mean(case.baseline[name]))
            error = math.sqrt(max(share * (1 - share), 1 / case.effective) / case.effective)
            better = float(gain.mean()) > float(ndtri(1 - ALPHA / 2)) * error
    return bool(better), {f"{name}_gain_over_baseline": plain(float(gain.mean()))}
