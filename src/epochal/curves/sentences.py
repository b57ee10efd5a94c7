"""What a verdict says, and advises, in words."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from epochal.curves.case import (
    ABOVE_LEAST,
    EXPLAINED,
    FALL,
    FEWEST_EVALUATIONS,
    FEWEST_REPEATS,
    GAP,
    LEARNED,
    RISE,
    Case,
)
from epochal.curves.evidence import Chance, Difference
from epochal.curves.judgment import Verdict, epochs_in_words
from epochal.curves.smoothing import counted
from epochal.curves.statistics import digits

__all__ = [
    "say_chance",
    "say_not_judged",
    "say_overfitting",
    "say_plateau",
    "say_still_improving",
    "say_too_short",
    "say_underfitting",
]

Floats = NDArray[np.float64]

_COUNTS = (
    f"A rise counts from {RISE:.0%} of the baseline loss, {LEARNED:.0%} of what was learned, or "
    f"{ABOVE_LEAST - 1:.0%} of the least loss on, whichever is smallest (arbitrary shares)."
)
_EXHAUSTED = "The training loss is already {}: more epochs have nothing left to learn from these samples."


def say_not_judged(sentence: str, remedy: str) -> Verdict:
    """Where there is no validation curve."""
    rule = f"A verdict needs a validation curve with at least {FEWEST_EVALUATIONS} evaluations."
    return Verdict("not judged", sentence, rule, {}, remedy)


def say_too_short(case: Case, chance: Chance | None) -> Verdict:
    """Where the shape can't be told; whether the baseline is beaten can."""
    known = f"at least {FEWEST_EVALUATIONS} evaluations"
    sentence = f"Not judged: the shape of a curve needs {known}; there were {case.evaluations}. {_near(case)}"
    if chance is not None and not chance.better:
        sentence += f" It is not yet surely better than {case.always}."
    if case.exhausted:
        remedy = _EXHAUSTED.format(digits(case.training_end()))
    else:
        remedy = (
            "Whether more epochs would help can't be told from so few; epochs that were advised need no "
            f'verdict. For one on these, evaluate more often (--evaluate-every "{_often(case)} updates").'
        )
    figures = case.figures() | (chance.figures if chance else {})
    return Verdict("not judged", sentence, f"The shape of a curve needs {known}.", figures, remedy)


def _often(case: Case) -> int:
    """Updates between evaluations that make twice as many as are needed."""
    return max(1, int(case.curves.update.max(initial=0)) // (2 * FEWEST_EVALUATIONS))


def say_chance(case: Case, chance: Chance, rise: Difference) -> Verdict:
    """Not surely better than the baseline."""
    figures = case.figures() | rise.figures | chance.figures
    fall = case.training_share()
    head = (
        "Perhaps better than chance, but not surely"
        if chance.probable
        else "No detectable difference from chance"
    )
    sentence = f"{head}: {_near(case, capital=False)}"
    if math.isfinite(chance.seen):
        seen = (
            f"{chance.seen / case.yardstick:.0%} of the baseline"
            if case.yardstick > 0
            else digits(chance.seen)
        )
        sentence += f" A gain of less than {seen} could have gone unseen."
    if rise.holds or rise.probable:
        epoch, end = case.told_at_end()
        verb = "fell" if case.flipped else "rose"
        sentence += f" From there it {verb} to {digits(end)} at epoch {epochs_in_words(epoch)}."
    if chance.probable:
        remedy = _more(case, chance.repeats, "it")
    elif fall is not None and fall > EXPLAINED:
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
            f"The network learned nothing yet: try {faster}, more --epochs or more units (--hidden); if that "
            "does not help, the inputs may say nothing about the target."
        )
    rule = (
        f"Neither the {case.called} nor a second metric with a known baseline is better than its baseline by "
        f"{chance.how}, and the curve is not falling at the end."
    )
    return Verdict("no detectable difference from chance", sentence, rule, figures, remedy)


def say_overfitting(case: Case, rise: Difference, chosen_by: str, stopped: bool) -> Verdict:
    """A rise that holds, or one that is probable."""
    verb = "fell" if case.flipped else "rose"
    best = case.curves.best(case.name)
    epoch, end = case.told_at_end()
    k = epochs_in_words(best.median_epoch)
    moved = (
        f"the {case.told_as} {verb} from {digits(case.told_at_best())} at the best epoch"
        f"{'s' if case.repeats > 1 else ''} to {digits(end)} at epoch "
        f"{epochs_in_words(epoch)}{case.told_baseline}"
    )
    if rise.holds:
        kind, again = "overfitting", ""
        sentence = (
            f"Overfitting starts around epoch {k}: from there {moved}, while the training loss kept falling."
        )
    else:
        kind = "probably overfitting"
        sentence = (
            f"Probably overfitting from around epoch {k} on: {moved}, which scatter could still explain."
        )
        again = f"{_more(case, rise.repeats, 'it')} ".lstrip()
    chosen = case.curves.best(chosen_by) if chosen_by in case.curves.columns else None
    if chosen is not None and chosen.median_epoch <= max(rise.epoch, best.median_epoch) + 0.1 * case.horizon:
        sentence += " Predictions use the weights from the best epoch."
    else:
        sentence += f" Predictions use weights from after that, where {chosen_by} was best."
    if stopped:
        sentence += " A rule stopped training after that."
    rule = (
        f"Overfitting when {rise.how}, and the training loss at fixed parameters fell meanwhile. {_COUNTS} "
    )
    rule += (
        f"Probably overfitting when that holds at one-sided 80 %, or the mean ends above {ABOVE_LEAST} "
        f"times its "
        "least."
    )
    known = best.epoch[np.isfinite(best.epoch)]
    last = max(1, math.ceil(float(known.max())))
    where = f"The best epoch was {k}"
    if case.repeats > 1:
        ends = f"{epochs_in_words(float(known.min()))} to {epochs_in_words(float(known.max()))}"
        where += f" (median of {case.repeats} repeats; {ends})"
    fewer = (
        f"--epochs {last} ends at the latest of them" if case.repeats > 1 else f"--epochs {last} ends there"
    )
    saving = _patience(case)
    remedy = f"{again}{where}; {fewer}{f', {saving}' if saving else ''}. "
    remedy += "A smaller network, dropout, weight decay or more data would delay it."
    return Verdict(kind, sentence, rule, case.figures() | rise.figures, remedy)


def say_still_improving(case: Case, fall: Difference, chance: Chance | None) -> Verdict:
    """Falling at the end."""
    verb = "rising" if case.flipped else "falling"
    yet = "" if chance is None or chance.better else f" It is not yet better than {case.always}."
    sentence = (
        f"Still improving: the {case.called} was {verb} when training ended at epoch "
        f"{epochs_in_words(case.horizon)}, by {fall.size:.3g} over the last {fall.epoch:,.3g} epochs.{yet}"
    )
    rule = (
        f"Still improving when, over the last fifth of the evaluations (10, where that is at most a third), "
        f"{fall.how}, and the change is more than {fall.figures['fall_worth_a_word']:.3g} ({FALL:.0%} of the "
        f"baseline, twice that with fewer than {FEWEST_REPEATS} repeats; arbitrary shares). Where it "
        f"would end "
        "is not claimed."
    )
    remedy = f"Train longer: --epochs {max(1, round(2 * case.horizon))}."
    if case.exhausted:
        remedy = _EXHAUSTED.format(digits(case.training_end()))
    figures = case.figures() | fall.figures | (chance.figures if chance else {})
    return Verdict("still improving", sentence, rule, figures, remedy)


def say_underfitting(case: Case, explained: float, sure: bool, figures: dict[str, object]) -> Verdict:
    """Both losses flat, close together and high."""
    head = "Underfitting, as far as curves can tell" if sure else "Probably underfitting"
    sentence = (
        f"{head}: training and validation loss are flat and close together, and the training loss is only "
        f"{max(explained, 0.0):.0%} below its baseline ({case.always}). Curves cannot tell a network "
        f"that is too "
        "small from inputs that say no more."
    )
    rule = (
        f"Underfitting when neither loss falls any more, the gap between them (each less its baseline on the "
        f"same samples) is under {GAP:.0%} of the baseline, and the training loss explains less than "
        f"{EXPLAINED:.0%} of it (arbitrary shares), each by its one-sided 95 % bound over at least "
        f"{FEWEST_REPEATS} repeats; probably, where only the means say so."
    )
    rate = case.settings.get("learning_rate")
    faster = (
        f"--learning-rate {3 * float(rate):.1g}"
        if isinstance(rate, int | float)
        else "another --learning-rate"
    )
    remedy = f"Try more units (--hidden 128,128) and {faster}. If nothing changes, the inputs say no more."
    return Verdict("underfitting" if sure else "probably underfitting", sentence, rule, figures, remedy)


def say_plateau(
    case: Case,
    rise: Difference,
    fall: Difference | None,
    stopped: bool,
    figures: dict[str, object],
    good: bool,
) -> Verdict:
    """Leveled off without a sign of overfitting; good where a rise that matters would have been seen.

    `fall` is one at the end that is probable.
    """
    verb = "fall" if case.flipped else "rise"
    relative = rise.seen / abs(rise.figures["value_there"] or math.inf)
    share = "" if case.flipped or relative < 0.005 else f", {relative:.0%} of its least,"
    unseen = (
        f"a {verb} of less than {digits(rise.seen)}{share} could have gone unseen"
        if math.isfinite(rise.seen)
        else f"whether it began to {verb} can't be told from {counted(case.repeats, 'repeat')}"
    )
    within = f"within {epochs_in_words(case.horizon)} epochs"
    saving = _patience(case)
    tip = f"To spend less time: {saving}." if saving else ""
    late = case.curves.best(case.name).median_epoch >= 0.95 * case.horizon
    explained = case.training_share()
    little = ""
    if not good and explained is not None and explained < EXPLAINED:
        little = (
            f" The training loss is only {max(explained, 0.0):.0%} below its baseline: little was learned."
        )
    if stopped and not late:
        kind = "stopped in time" if good else "leveled off"
        aside = "" if good else f" No sign of overfitting before, but {unseen}."
        sentence = (
            f"{kind[0].upper()}{kind[1:]}: a rule ended training when the {case.called} no longer improved. "
            f"{_near(case)}{aside} Predictions use the weights from the best epoch."
        )
        tip = "What a longer training would have done is not known."
    elif good:
        kind = "good fit"
        sentence = (
            f"Good fit: the {case.called} leveled off {within}, with no sign of overfitting ({unseen}). "
        )
        sentence += _near(case)
    else:
        kind = "leveled off"
        sentence = (
            f"Leveled off: the {case.called} leveled off {within}. No sign of overfitting, but {unseen}. "
        )
        sentence += _near(case)
        tip = f"{_more(case, rise.repeats, 'a smaller one')} {tip}".strip()
    if fall is not None:
        sentence += (
            f" Perhaps it was still {'rising' if case.flipped else 'falling'} (by {digits(fall.size)} over "
            f"the last {fall.epoch:,.3g} epochs, which scatter could explain): --epochs "
            f"{max(1, round(2 * case.horizon))} would tell."
        )
    sentence += little
    if late and not stopped and fall is None:
        sentence += " The best epoch is among the last, so a few more may lower it a little."
    rule = (
        f"Good fit when the {case.called} beats the baseline (where that is known), ends at most "
        f"{ABOVE_LEAST} times above its least, shows no fall at the end (of more than {FALL:.0%} of the "
        f"baseline) and no rise from its minimum: {rise.how}; and the training loss is at least "
        f"{EXPLAINED:.0%} below its baseline. {_COUNTS} Leveled off where a rise of a fifth of the least "
        "loss could have gone unseen, or little was learned. Nothing is said about epochs beyond these."
    )
    return Verdict(kind, sentence, rule, figures, tip)


def _near(case: Case, *, capital: bool = True) -> str:
    """Where the curve was best, and its value there: those of the table of results."""
    best = epochs_in_words(case.curves.best(case.name).median_epoch)
    where = f"epoch {best}" if case.repeats == 1 else f"the best epochs (median {best})"
    words = f"at {where}, the {case.told_as} is {digits(case.told_at_best())}{case.told_baseline}."
    return words[0].upper() + words[1:] if capital else words


def _more(case: Case, repeats: int | None, what: str) -> str:
    """How many repeats would tell, or that samples would; of few repeats the verdict itself says so."""
    if case.repeats < FEWEST_REPEATS:
        return ""
    if repeats is not None and repeats > case.repeats:
        return f"About {repeats} repeats would tell {what} (--repeats {repeats})."
    return f"More repeats of this table would hardly tell {what}; more validation samples would."


def _patience(case: Case) -> str:
    """The least patience that keeps every repeat's best epoch and saves a fifth of the epochs, in words."""
    if case.monitored is None:
        return ""
    for patience in (5, 10, 20, 50):
        stops = [
            _stopped(case.epochs[np.isfinite(row)], row[np.isfinite(row)], patience) for row in case.monitored
        ]
        if all(kept for _, kept in stops):
            mean = float(np.mean([stop for stop, _ in stops]))
            if mean > 0.8 * case.horizon:
                return ""
            after = epochs_in_words(round(mean))
            return f"--patience {patience} would have kept the same weights and stopped around epoch {after}"
    return ""


def _stopped(epochs: Floats, row: Floats, patience: int) -> tuple[float, bool]:
    """Where patience ends a repeat, and whether it has seen the best evaluation by then."""
    least = np.minimum.accumulate(row)
    improved = np.concatenate([[True], row[1:] < least[:-1]])
    newest = np.maximum.accumulate(np.where(improved, np.arange(row.size), 0))
    fired = np.flatnonzero(epochs - epochs[newest] >= patience)
    stop = int(fired[0]) if fired.size else row.size - 1
    return float(epochs[stop]), int(newest[stop]) == int(np.argmin(row))
