"""Unstable training: detection and advice."""

from __future__ import annotations

import numpy as np

from epochal.common.text import counted, mean_count
from epochal.curves import limits
from epochal.curves.curve_view import CurveView
from epochal.curves.judgment import Verdict
from epochal.curves.statistics import three_digits

MAX_RATE = 0.1
"""The largest learning rate that is proposed for a loss that jumps. (Arbitrary.)"""


def unstable_verdict(view: CurveView) -> Verdict | None:
    """Test for a non-finite loss, or jumps of the training loss, in most repeats or in some."""
    curves = view.curves
    losses = {name: column for name, column in curves.columns.items() if name.endswith("loss")}
    measured = {name: column for name, column in losses.items() if not np.isnan(column).all()} or losses
    nonfinite = np.zeros(len(curves), dtype=bool)
    for name, column in measured.items():  # a column without measurements is no evidence
        nonfinite |= ~np.isfinite(column) & ((curves.update > 0) | (name != "train.running_loss"))
    if nonfinite.any():
        which = np.unique(curves.repeat[nonfinite])
        first = float(curves.epoch[nonfinite].min())
        return Verdict(
            "unstable",
            f"Unstable: the loss stopped being a finite number in {which.size} of "
            f"{counted(view.repeats, 'repeat')}, first by epoch {mean_count(first)}.{_not_beaten(view)}",
            "A loss that is not finite in any evaluation.",
            {"repeats": view.repeats, "repeats_not_finite": int(which.size), "first_epoch": first},
            stability_advice(view),
        )
    curve = view.training
    if curve is None:
        return None
    collapsed, jumped, shares, places = 0, 0, [], []
    for row in curve:
        row = row[np.isfinite(row)]
        if row.size < 4:
            continue
        steps = np.diff(row)
        jumps = steps > limits.JUMP * view.reference_loss
        shares.append(float(jumps.mean()))
        jumped += bool(jumps.sum() >= 3 and jumps.mean() >= 0.1)
        end = float(np.median(row[-min(max(view.window, 5), row.size) :]))
        leap = limits.COLLAPSE * view.reference_loss
        fallen = (steps > leap).any() and end > row.min() + leap
        if fallen or end > row[0] + limits.JUMP * view.reference_loss:
            collapsed += 1
            finite = np.isfinite(view.epochs)
            places.append(float(view.epochs[finite][1 + int(np.argmax(steps))]))
    if not shares:
        return None
    statistics = {
        "repeats": view.repeats,
        "repeats_that_jump": jumped,
        "repeats_that_collapsed": collapsed,
        "share_of_evaluations_with_a_jump": float(np.mean(shares)),
        "jump_is_more_than": limits.JUMP * view.reference_loss,
    }
    rule = (
        f"Unstable when, in at least half of the repeats, the training loss rises from one evaluation to the "
        f"next by more than {limits.JUMP:.0%} of the baseline loss, three times or more and in a tenth of "
        f"the evaluations; or when in a fifth of the repeats it ends above its start, or jumps by "
        f"{limits.COLLAPSE:.0%} and stays there. (The shares are arbitrary.)"
    )
    share, among = float(np.mean(shares)), counted(len(shares), "repeat")
    if jumped * 2 >= len(shares):
        kind, how = "unstable", f"jumps up in {share:.0%} of the evaluations, in {jumped} of {among}"
    elif collapsed * 5 >= len(shares):
        epoch = f"{float(np.median(places)):,.6g}"
        how = f"collapsed upwards in {collapsed} of {among}, around epoch {epoch}, and did not come back"
        kind = "unstable"
    elif jumped or collapsed:
        kind, repeats = "probably unstable", f"`repeats={2 * len(shares)}`"
        how = f"jumps up or collapses in {max(jumped, collapsed)} of {among}"
        how += f"; more repeats would tell how often ({repeats})"
    else:
        return None
    sentence = f"{kind.capitalize()}: the training loss {how}.{_not_beaten(view)}"
    return Verdict(kind, sentence, rule, statistics, stability_advice(view))


def _not_beaten(view: CurveView) -> str:
    """That the baseline is not beaten even at the best epochs, as a further sentence; empty if it is."""
    level = view.baseline.get(view.displayed)
    if level is None or view.minimized is None or view.higher_is_better:
        return ""
    reached = view.displayed_at_best()
    if not reached >= float(np.mean(level)):
        return ""
    return (
        f" Even at its best the {view.displayed_label} is {three_digits(reached)}, no better than "
        f"{view.constant_in_words} ({three_digits(float(np.mean(level)))})."
    )


def end_above_minimum_verdict(view: CurveView) -> Verdict:
    """The verdict on an end far above the lowest loss where the training loss is not seen to fall."""
    sentence = (
        f"Probably unstable: the mean {view.label} ended at {view.end_over_best:.2g} times its minimum, and "
        "the training loss is not seen to fall meanwhile."
    )
    rule = f"An end above {limits.ABOVE_MINIMUM} times the minimum is no good fit."
    return Verdict("probably unstable", sentence, rule, view.statistics(), stability_advice(view))


def stability_advice(view: CurveView) -> str:
    """Advice on a loss that jumps: first the scale of the inputs."""
    rate, size = view.settings.get("learning_rate"), view.settings.get("batch_size")
    first = "The inputs are not standardized, which is the first suspicion: leave out `standardize=False`. "
    first = first if view.settings.get("unscaled") else ""
    slower, larger = "a third of the learning rate", "a batch size four times as large"
    if isinstance(rate, int | float):
        slower = f"`learning_rate={min(float(rate) / 3, MAX_RATE):.1g}`"
    if isinstance(size, int):
        most = view.training_samples
        if most is not None and size >= most:
            return f"{first}The learning rate is too large: try a smaller one ({slower})."
        larger = f"`batch_size={4 * size if most is None else min(4 * size, most)}`"
    return (
        f"{first}The learning rate is too large for the noise of batches of this size: "
        f"try a smaller rate ({slower}), or a larger batch ({larger})."
    )
