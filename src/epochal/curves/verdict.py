"""What do the curves say, and what should be done?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from epochal.curves.evidence import (
    COLLAPSE,
    EXPLAINED,
    FALL,
    FEWEST_EVALUATIONS,
    FEWEST_REPEATS,
    GAP,
    JUMP,
    RISE,
    Case,
    Chance,
    Difference,
    beats_chance,
    falling_to_the_end,
    risen,
    training_share,
)
from epochal.curves.record import Curves
from epochal.curves.smoothing import (
    counted,
    ending,
    plain,
)
from epochal.directions import label_of
from epochal.faces import in_python
from epochal.html_view import details, facts, heading, said, view

__all__ = ["KINDS", "Verdict", "judge"]

Floats = NDArray[np.float64]

KINDS = (
    "overfitting",
    "underfitting",
    "good fit",
    "still improving",
    "unstable",
    "no detectable difference from chance",
    "not judged",
)
"""Every kind of verdict."""


@dataclass(frozen=True)
class Verdict:
    """A judgment of learning curves that can be checked: the rule and the figures travel with it.

    kind      one of `KINDS`.
    sentence  the judgment in one or two sentences.
    rule      how it was reached, thresholds included.
    figures   the numbers that led to it.
    remedy    what to do, with the flags of the command line.
    """

    kind: str
    sentence: str
    rule: str
    figures: dict[str, Any] = field(default_factory=dict)
    remedy: str = ""

    def __str__(self) -> str:
        return in_python(self.sentence)

    def __repr__(self) -> str:
        return f"<Verdict: {' '.join(filter(None, (str(self), in_python(self.remedy))))}>"

    def _repr_html_(self) -> str:
        figures = [(label_of(name), _shown(value)) for name, value in self.figures.items()]
        rest = facts([*figures, ("rule", in_python(self.rule))])
        return view(
            heading("Verdict", self.kind),
            said(self.sentence, self.remedy),
            details("How this was judged", rest),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "kind": self.kind,
            "sentence": self.sentence,
            "rule": self.rule,
            "figures": dict(self.figures),
            "remedy": self.remedy,
        }


def _shown(value: object) -> str:
    """A figure for a reader: a range, a rounded number, or as it is."""
    if isinstance(value, list | tuple):
        return " to ".join(map(_shown, value))
    return f"{value:.3g}" if isinstance(value, float) and not value.is_integer() else f"{value}"


def judge(
    curves: Curves,
    *,
    baseline: Mapping[str, ArrayLike] | None = None,
    validation_samples: int = 0,
    training_samples: int | None = None,
    monitor: str = "validation.loss",
    chosen_by: str | None = None,
    stopped_early: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> Verdict:
    """Judge a run by its curves, within the epochs that it ran: nothing is claimed beyond them.

    Args:
        curves: with `monitor` and, to tell overfitting from drift, `train.loss` at fixed parameters.
        baseline: what the best constant prediction reaches on the validation samples, by curve name: a
            number, or one a repeat (`validation.loss`, `validation.accuracy` of the majority class). Without
            it, the loss at epoch 0 is the yardstick, and nothing is said about chance.
        validation_samples: how many samples the validation figures rest on, in one repeat.
        training_samples: how many were trained on, for the overlap of random splits.
        monitor: the curve that is judged.
        stopped_early: whether a rule ended the repeats, so that more epochs would change nothing.
        chosen_by: the curve whose best evaluation decided which parameters are kept; `monitor` by default.
        settings: `epochs`, `learning_rate`, `batch_size`, `loss`: for a remedy in numbers.

    The checks, in this order; the first that holds is the verdict:

    1. unstable: a loss that is not finite, or a training loss that jumps repeatedly, or collapses.
    2. not judged: no validation, or fewer than 10 evaluations.
    3. no detectable difference from chance: not better than the baseline, and not improving either.
    4. overfitting: the validation loss ended above its minimum while the training loss went on falling.
    5. still improving: the validation loss was falling at the end.
    6. underfitting: flat, without a gap to validation, and little explained.
    7. good fit: none of these.

    With four or more repeats, differences are paired by repeat and tested by a t interval that is widened for
    overlapping random splits (Nadeau & Bengio 2003). The epoch of the minimum is chosen, for each repeat, on
    the other repeats: a minimum over noise is lower than the truth, and this choice is not. With fewer
    repeats, a difference must exceed the curve's own scatter and amount to a likelihood ratio of 20 on
    the validation samples.
    """
    case = Case.of(curves, baseline, validation_samples, training_samples, monitor, settings or {})
    shaken = _unstable(case)
    if shaken is not None:
        return shaken
    if case.monitored is None:
        return _not_judged(
            f'Not judged: there is no "{monitor}" curve.',
            "Hold samples back for validation: --validation 0.2.",
        )
    if case.evaluations < FEWEST_EVALUATIONS:
        return _not_judged(
            f"Not judged: {counted(case.evaluations, 'evaluation')} cannot tell a trend from noise.",
            f"Train longer or evaluate more often: at least {FEWEST_EVALUATIONS} evaluations are needed; "
            f"--epochs {max(2 * FEWEST_EVALUATIONS, 2 * round(case.horizon))}.",
        )
    rise, fall, chance = risen(case), falling_to_the_end(case, case.monitored), beats_chance(case)
    if chance is not None and not chance.better and not fall.holds:
        verdict = _say_chance(case, chance)
    elif rise.holds:
        verdict = _say_overfitting(case, rise, chosen_by or monitor)
    elif fall.holds and not stopped_early:
        verdict = _say_still_improving(case, fall, chance)
    else:
        verdict = _say_plateau(case, rise, fall, chance)
    if case.repeats >= FEWEST_REPEATS:
        return verdict
    few = f" Tentative: {counted(case.repeats, 'repeat')} cannot tell a trend from drift; --repeats 5 can."
    return replace(verdict, remedy=verdict.remedy + few)


def _unstable(case: Case) -> Verdict | None:
    """Has a loss left the numbers, or does the training loss jump about?"""
    curves = case.curves
    broken = np.zeros(len(curves), dtype=bool)
    for name, column in curves.columns.items():
        if name.endswith("loss"):
            broken |= ~np.isfinite(column) & ((curves.update > 0) | (name != "train.running_loss"))
    if broken.any() and not all(np.isnan(c).all() for n, c in curves.columns.items() if n.endswith("loss")):
        missing_everywhere = [
            n for n, c in curves.columns.items() if n.endswith("loss") and np.isnan(c).all()
        ]
        for name in missing_everywhere:  # a column that was never measured says nothing
            broken &= ~np.isnan(curves.columns[name]) | _others_broken(curves, name)
    if broken.any():
        which = np.unique(curves.repeat[broken])
        first = float(curves.epoch[broken].min())
        return Verdict(
            "unstable",
            f"Unstable: the loss stopped being a finite number in {which.size} of "
            f"{counted(case.repeats, 'repeat')}, first by epoch {epochs_in_words(first)}.",
            "A loss that is not finite in any evaluation.",
            {"repeats": case.repeats, "repeats_not_finite": int(which.size), "first_epoch": plain(first)},
            _calmer(case),
        )
    curve = case.training
    if curve is None:
        return None
    ends, collapsed, jumped, shares, places = [], 0, 0, [], []
    for row in curve:
        row = row[np.isfinite(row)]
        if row.size < 4:
            continue
        steps = np.diff(row)
        jumps = steps > JUMP * case.yardstick
        shares.append(float(jumps.mean()))
        jumped += bool(jumps.sum() >= 3 and jumps.mean() >= 0.1)
        end = float(np.median(row[-min(max(case.window, 5), row.size) :]))
        ends.append(end)
        fallen = (
            bool((steps > COLLAPSE * case.yardstick).any()) and end > row.min() + COLLAPSE * case.yardstick
        )
        risen = end > row[0] + JUMP * case.yardstick
        if fallen or risen:
            collapsed += 1
            finite = np.isfinite(case.epochs)
            places.append(float(case.epochs[finite][1 + int(np.argmax(steps))]))
    if not shares:
        return None
    figures = {
        "repeats": case.repeats,
        "repeats_that_jump": jumped,
        "repeats_that_collapsed": collapsed,
        "share_of_evaluations_with_a_jump": plain(float(np.mean(shares))),
        "jump_is_more_than": plain(JUMP * case.yardstick),
    }
    rule = (
        f"Unstable when, in at least half of the repeats, the training loss rises from one evaluation to "
        f"the next by "
        f"more than {JUMP:.0%} of the baseline loss, three times or more and in a tenth of the "
        f"evaluations; or when "
        f"in a fifth of the repeats it ends above its start, or jumps by {COLLAPSE:.0%} and stays there. "
        f"(The shares are arbitrary.)"
    )
    if jumped * 2 >= len(shares):
        sentence = (
            f"Unstable: the training loss jumps up in {float(np.mean(shares)):.0%} of the evaluations, "
            f"in {jumped} of {counted(len(shares), 'repeat')}."
        )
    elif collapsed * 5 >= len(shares):
        sentence = (
            f"Unstable: the training loss collapsed upwards in {collapsed} of "
            f"{counted(len(shares), 'repeat')}, "
            f"around epoch {float(np.median(places)):,.6g}, and did not come back."
        )
    else:
        return None
    return Verdict("unstable", sentence, rule, figures, _calmer(case))


def _others_broken(curves: Curves, name: str) -> NDArray[np.bool_]:
    broken = np.zeros(len(curves), dtype=bool)
    for other, column in curves.columns.items():
        if other != name and other.endswith("loss") and not np.isnan(column).all():
            broken |= ~np.isfinite(column) & ((curves.update > 0) | (other != "train.running_loss"))
    return broken


# --- the words ------------------------------------------------------------------------------------------


def _not_judged(sentence: str, remedy: str) -> Verdict:
    rule = f"A verdict needs a validation curve with at least {FEWEST_EVALUATIONS} evaluations."
    return Verdict("not judged", sentence, rule, {}, remedy)


def _calmer(case: Case) -> str:
    rate, size = case.settings.get("learning_rate"), case.settings.get("batch_size")
    slower = (
        f"--learning-rate {float(rate) / 3:.1g}"
        if isinstance(rate, int | float)
        else "a third of the learning rate"
    )
    if isinstance(size, int) and case.training_samples is not None:
        if size >= case.training_samples:
            return f"The learning rate is too large: try a smaller one ({slower})."
        larger = f"--batch-size {min(4 * size, case.training_samples)}"
    else:
        larger = (
            f"--batch-size {4 * int(size)}" if isinstance(size, int) else "a batch size four times as large"
        )
    return (
        "The learning rate is too large for the noise of batches of this size: "
        f"try a smaller rate ({slower}), or a larger batch ({larger})."
    )


def _say_chance(case: Case, chance: Chance) -> Verdict:
    figures = case.figures() | chance.figures
    fall = training_share(case)
    sentence = (
        f"No detectable difference from chance: at its best, the {case.called} is "
        f"{digits(figures['fair_best_value'])} ({case.always} gives {digits(figures['baseline'])})."
    )
    if fall is not None and fall > EXPLAINED:
        sentence += f" The training loss did fall ({fall:.0%} below): what was learned does not carry over."
        remedy = (
            "The inputs may say nothing about the target: check the target column and what was left out. "
            "More samples, or more repeats (--repeats 10), may show a smaller effect."
        )
    else:
        rate = case.settings.get("learning_rate")
        faster = (
            f"--learning-rate {3 * float(rate):.1g}"
            if isinstance(rate, int | float)
            else "a larger --learning-rate"
        )
        remedy = (
            f"The network learned nothing yet: try {faster}, more --epochs or more units (--hidden); if "
            f"that does not "
            "help, the inputs may say nothing about the target."
        )
    rule = (
        f"Neither the {case.called} nor a second metric with a known baseline is better than its "
        f"baseline (always predicting the class frequencies, or the mean) by {chance.how}, and the "
        "curve is not falling at the end."
    )
    return Verdict("no detectable difference from chance", sentence, rule, figures, remedy)


def _say_overfitting(case: Case, rise: Difference, chosen_by: str) -> Verdict:
    k = max(1, round(rise.epoch))
    verb = "fell" if case.flipped else "rose"
    level = case.baseline.get(case.name)
    gives = "" if level is None else f" ({case.always} gives {digits(float(np.mean(level)))})"
    sentence = (
        f"Overfitting starts around epoch {k:,}: from there the {case.called} {verb} from "
        f"{digits(rise.figures['value_there'])} to {digits(rise.figures['value_at_the_end'])}{gives}, while "
        "the training loss kept falling. "
    )
    best = case.curves.best(chosen_by) if chosen_by in case.curves.columns else None
    if best is not None and best.median_epoch <= rise.epoch + 0.1 * case.horizon:
        sentence += "Predictions use the weights from the best epoch."
    else:
        sentence += f"Predictions use weights from after that, where {chosen_by} was best."
    rule = (
        f"Overfitting when {rise.how}, the training loss at fixed parameters fell meanwhile, and the rise "
        f"is more "
        f"than {RISE:.0%} of the baseline (an arbitrary share)."
    )
    shown = case.curves.best(case.name).epoch
    last = max(k, math.ceil(float(np.nanmax(shown))))
    where = epochs_in_words(case.curves.best(case.name).median_epoch)
    if case.repeats > 1:
        where += f" (median of {case.repeats} repeats; {epochs_in_words(float(np.nanmin(shown)))} to "
        where += f"{epochs_in_words(float(np.nanmax(shown)))})"
    remedy = (
        f"The best epoch was {where}. Stop early with --patience "
        f"{max(5, min(50, math.ceil(last / 2)))}, or "
        f"train for fewer epochs: --epochs {last}. A smaller network, dropout, weight decay or more data "
        "would delay it."
    )
    return Verdict("overfitting", sentence, rule, case.figures() | rise.figures, remedy)


def _say_still_improving(case: Case, fall: Difference, chance: Chance | None) -> Verdict:
    verb = "rising" if case.flipped else "falling"
    yet = "" if chance is None or chance.better else f" It is not yet better than {case.always}."
    sentence = (
        f"Still improving: the {case.called} was {verb} when training ended at epoch "
        f"{epochs_in_words(case.horizon)}, "
        f"by {fall.size:.3g} over the last {fall.epoch:,.3g} epochs.{yet}"
    )
    rule = (
        f"Still improving when, over the last fifth of the evaluations (10, where that is at most a third), "
        f"{fall.how}, and the change is "
        f"more than {fall.figures['fall_worth_a_word']:.3g} ({FALL:.0%} of the baseline, twice that with "
        f"fewer "
        f"than {FEWEST_REPEATS} repeats; arbitrary shares). Where it would end is not claimed."
    )
    remedy = f"Train longer: --epochs {max(1, round(2 * case.horizon))}."
    figures = case.figures() | fall.figures | (chance.figures if chance else {})
    return Verdict("still improving", sentence, rule, figures, remedy)


def _say_plateau(case: Case, rise: Difference, fall: Difference, chance: Chance | None) -> Verdict:
    figures = case.figures() | rise.figures | fall.figures | (chance.figures if chance else {})
    explained = training_share(case)
    gap = None
    flat = True
    if case.training is not None and not case.flipped and case.monitored is not None:
        gap = ending(case.monitored, case.window) - ending(case.training, case.window)
        flat = not falling_to_the_end(case, case.training).holds
        figures |= {"gap_at_the_end": plain(gap)}
    if explained is not None:
        figures |= {"explained_share_of_training_loss": plain(explained)}
    if chance is None:
        near = f"The best epoch is around {figures['best_epoch']:,.6g}."
    else:
        near = (
            f"At its best, around epoch {figures['best_epoch']:,.6g}, it is "
            f"{digits(figures['fair_best_value'])} ({case.always} gives {digits(figures['baseline'])})."
        )
    if (
        explained is not None
        and case.name in case.baseline
        and gap is not None
        and explained < EXPLAINED
        and gap < GAP * case.yardstick
        and flat
    ):
        sentence = (
            f"Underfitting, as far as curves can tell: training and validation loss are flat and close "
            f"together, and "
            f"the training loss is only {max(explained, 0.0):.0%} below its baseline ({case.always}). "
            f"Curves cannot tell a network that is too small from inputs that say no more."
        )
        rule = (
            f"Underfitting when neither loss falls any more, the gap between them is under {GAP:.0%} of the "
            f"baseline, and the training loss explains less than {EXPLAINED:.0%} of it (arbitrary shares)."
        )
        rate = case.settings.get("learning_rate")
        faster = (
            f"--learning-rate {3 * float(rate):.1g}"
            if isinstance(rate, int | float)
            else "another --learning-rate"
        )
        remedy = (
            f"Try more units (--hidden 128,128) and {faster}. If nothing changes, the inputs say no more."
        )
        return Verdict("underfitting", sentence, rule, figures, remedy)
    sentence = (
        f"Good fit: the {case.called} leveled off within {epochs_in_words(case.horizon)} epochs, with no "
        f"sign of overfitting (a {'fall' if case.flipped else 'rise'} of less than "
        f"{RISE * case.yardstick:.2g} would go unseen). {near}"
    )
    rule = (
        f"Good fit when the {case.called} beats the baseline (where that is known), shows no "
        f"rise from its "
        f"minimum (a rise would be one of more than {RISE:.0%} of the baseline of which it can be said "
        f"that {rise.how}) "
        f"and no fall at the end (of more than {FALL:.0%}; arbitrary shares). Nothing is said about epochs "
        f"beyond these."
    )
    patience = max(5, min(50, round(case.horizon / 10)))
    remedy = f"Nothing needs to change. To spend less time: --patience {patience}."
    return Verdict("good fit", sentence, rule, figures, remedy)


def digits(number: Any) -> str:
    return "unknown" if number is None else f"{number:.3g}"


def epochs_in_words(epochs: float) -> str:
    """An epoch with its fraction, as far as it is worth saying.

    >>> epochs_in_words(8.0666), epochs_in_words(1500.0)
    ('8.1', '1,500')
    """
    return f"{epochs:,.0f}" if epochs == round(epochs) or epochs >= 100 else f"{epochs:.1f}"
