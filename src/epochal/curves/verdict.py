"""`judge`: the verdict on the curves of a run, and advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from epochal.common.text import counted
from epochal.curves import limits, sentences
from epochal.curves.baseline_test import BaselineTest, compare_with_baseline
from epochal.curves.curve_view import CurveView
from epochal.curves.curves import Curves
from epochal.curves.judgment import Verdict
from epochal.curves.stability import end_above_minimum_verdict, unstable_verdict
from epochal.curves.statistics import for_json
from epochal.curves.trend_tests import Difference, detect_fall, detect_rise


def judge(
    curves: Curves,
    *,
    baseline: Mapping[str, ArrayLike] | None = None,
    validation_samples: int = 0,
    training_samples: int | None = None,
    metric: str = "validation.loss",
    monitor: str | None = None,
    stopped_early: bool = False,
    settings: Mapping[str, Any] | None = None,
    warnings: Sequence[str] = (),
    same_samples: bool = False,
    effective_samples: float | None = None,
    interval: tuple[float, float] | None = None,
    roc_auc: tuple[float, float] | None = None,
) -> Verdict:
    """Judge a run by its curves; nothing is claimed beyond the epochs that it ran.

    Args:
        curves: with `metric` and, to distinguish overfitting from drift, `train.loss` at fixed parameters.
        baseline: the baseline's values on the same samples, by curve name: a number, or
            one a repeat (`validation.loss`, `train.loss`, `validation.accuracy` of the majority class).
            Without it, the loss at epoch 0 is the reference, and chance is not tested.
        validation_samples: number of validation samples in one repeat.
        training_samples: number of training samples, for the overlap of random splits.
        metric: the curve to judge; training curves are no evidence for new samples, and are not judged.
        monitor: the curve that selected the best parameters; `metric` by default.
        stopped_early: whether the repeats were ended by a rule that waits for the validation loss to stop
            improving.
        settings: `epochs`, `learning_rate`, `batch_size`, `loss`, `standardize`: for advice in numbers;
            `ended_by`, what ended training before its last epoch; `on_relative_targets`, metrics that are
            not in the target's units.
        warnings: warnings that outrank the curve and exclude a good fit.
        same_samples: whether all repeats are validated on the same samples, so that they differ by seeds.
        effective_samples: the equivalent number of independent samples, if some are duplicates or
            weights differ (Kish 1965, Survey Sampling); all of them by default.
        interval: the 95 % interval for new samples of the judged loss at the best epochs, which allows for
            their choice; a baseline above it is beaten.
        roc_auc: the same of the area under the ROC curve, which shows a rare class better than the loss does;
            it must lie above one half by 30 % of its width (95 % -> 99.8 %), as one of several tests.

    The checks, in this order; the first that holds is the verdict:

    1. unstable: a loss that is not finite, or a training loss that jumps repeatedly, or collapses.
    2. not judged: no validation, or fewer than 10 evaluations.
    3. no significant difference from chance: not better than the baseline, and not improving either.
    4. overfitting: the validation loss ended above its minimum while the training loss went on falling.
    5. still improving: the validation loss was falling at the end.
    6. probably overfitting: a rise that is more likely than not and large, a mean rise to more than 1.2 times
    the lowest loss of several repeats that differ, or a rise of a curve that swung as far before.
    7. probably still improving: a fall at the end that is more likely than not.
    8. probably unstable: jumps in some repeats, or an end that probably lies above 1.2 times the lowest loss,
    without a falling training loss.
    9. underfitting, or probably: flat, without a gap to validation, and little explained.
    10. undecided: none of these, though there is a rise that matters, or one by a fifth of the lowest loss is
    not ruled out, or a fall by as much in twice the epochs.
    11. good fit, or, where a rule ended the repeats after their best epoch, stopped in time: these are ruled
    out, the baseline is beaten, and the training loss explains a fifth of its own. Leveled off: likewise,
    with a warning, without a known baseline, or where little was learned.

    With four or more repeats, differences are paired by repeat and tested by a t interval that is widened for
    overlapping random splits (Nadeau & Bengio 2003). The epoch of the minimum is chosen, for each repeat, on
    the other repeats: a minimum over noise is lower than the truth, and this choice is not. With fewer
    repeats, a difference must exceed the curve's own scatter and amount to a likelihood ratio of 20 on
    the validation samples. With samples that all repeats share, both are required.
    """
    view = CurveView(
        curves, metric, baseline, validation_samples, training_samples, settings or {}, effective_samples,
        same_samples, interval, roc_auc, monitor or metric, stopped_early, bool(warnings),
    )  # fmt: skip
    verdict = _judged(view)
    statistics = {name: for_json(value) for name, value in verdict.statistics.items()}
    return replace(verdict, warnings=tuple(warnings), statistics=statistics)


def _judged(view: CurveView) -> Verdict:
    unstable = unstable_verdict(view)
    if unstable is not None and unstable.kind == "unstable":
        return unstable
    if view.minimized is None:
        return sentences.without_validation_verdict(view, _training_falls(view))
    test = compare_with_baseline(view)
    if view.evaluations < limits.MIN_EVALUATIONS:
        return sentences.too_short_verdict(view, test)
    rise, fall = detect_rise(view), detect_fall(view, view.minimized)
    waited = view.stopped_early and view.end_over_best <= limits.ABOVE_MINIMUM  # rules wait for a rise
    if test is not None and not test.better and not fall.detected:
        verdict = sentences.no_better_verdict(view, test, rise)
    elif rise.detected:
        verdict = sentences.overfitting_verdict(view, rise)
    elif fall.detected:
        verdict = sentences.still_improving_verdict(view, fall, test)
    elif rise.probable and not waited:
        verdict = sentences.overfitting_verdict(view, rise)
    elif fall.probable and not view.stopped_early:
        verdict = sentences.still_improving_verdict(view, fall, test)
    elif unstable is not None:
        verdict = unstable
    elif rise.likely and view.end_over_best > limits.ABOVE_MINIMUM:
        verdict = end_above_minimum_verdict(view)
    else:
        verdict = _flat(view, rise, fall, test)
    if view.repeats >= limits.MIN_REPEATS:
        return verdict
    few = f"Tentative: {counted(view.repeats, 'repeat')} cannot tell a trend from drift; `repeats=5` can."
    return replace(verdict, remedy=f"{verdict.remedy} {few}".strip())


def _flat(view: CurveView, rise: Difference, fall: Difference, test: BaselineTest | None) -> Verdict:
    """Neither rising nor falling: underfitting, good fit, undecided or leveled off."""
    statistics = view.statistics() | rise.statistics | fall.statistics | (test.statistics if test else {})
    explained = view.training_share()
    if explained is not None and view.training is not None and view.minimized is not None:
        gap = float(view.final_losses()[1].mean())
        statistics |= {"gap_at_the_end": gap, "explained_share_of_training_loss": explained}
        settled = detect_fall(view, view.training).ruled_out
        if (
            view.metric in view.baseline
            and explained < limits.EXPLAINED
            and abs(gap) < limits.GAP * view.reference_loss
        ):
            return sentences.underfitting_verdict(
                view, explained, settled and _surely_underfit(view), statistics
            )
    scattered = max(view.end_over_own_best, view.end_over_best) > limits.ABOVE_MINIMUM
    known = test is not None and test.better
    learned = explained is None or explained >= limits.EXPLAINED
    flat = (
        rise.ruled_out
        and fall.ruled_out
        and not fall.reversed_rise
        and rise.reversed_rise <= rise.flat_tolerance
        and not rise.relevant
    )
    good = flat and known and learned and not view.has_warnings and not scattered
    return sentences.flat_verdict(view, rise, fall, statistics, flat=flat, good=good, known=known)


def _training_falls(view: CurveView) -> bool:
    if view.training is None or np.isfinite(view.training).sum(axis=1).max() < limits.MIN_EVALUATIONS:
        return False
    return detect_fall(view, view.training).detected


def _surely_underfit(view: CurveView) -> bool:
    """Whether both gap and explained share lie below their bounds over the repeats."""
    if view.repeats < limits.MIN_REPEATS:
        return False
    train, gaps = view.final_losses()
    room = limits.GAP * view.reference_loss - gaps
    unexplained = train - (1 - limits.EXPLAINED) * view.training_reference_loss
    return view.lower_bound(room) > 0 and view.lower_bound(unexplained) > 0
