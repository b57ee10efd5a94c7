"""The sentences of a verdict and its advice."""

from __future__ import annotations

import math

import numpy as np

from epochal.common.text import counted, mean_count
from epochal.curves import limits
from epochal.curves.baseline_test import BaselineTest
from epochal.curves.curve_view import CurveView, percent
from epochal.curves.judgment import Verdict
from epochal.curves.statistics import Floats, three_digits
from epochal.curves.trend_tests import Difference

_COUNTS = (
    f"A rise counts from {limits.RISE:.0%} of the baseline loss, {limits.LEARNED:.0%} of what was learned, "
    f"or {limits.ABOVE_MINIMUM - 1:.0%} of the lowest loss on, whichever is smallest (arbitrary shares)."
)
_EXHAUSTED = "The training loss is already {}: more epochs have nothing left to learn from these samples."


def without_validation_verdict(view: CurveView, falling: bool) -> Verdict:
    """The verdict without validation samples: a training loss is no evidence for new samples."""
    sentence = "Not judged: no samples were held out for validation"
    if view.training is not None:
        sentence += (
            f", and the training loss ({three_digits(view.training_end())} at the end"
            f"{', still falling' if falling else ''}) does not say what new samples will show"
        )
    rule = f"A verdict needs a validation curve with at least {limits.MIN_EVALUATIONS} evaluations."
    remedy = "Hold samples back for validation: `validation=0.2`."
    return Verdict("not judged", f"{sentence}.", rule, {}, remedy)


def too_short_verdict(view: CurveView, test: BaselineTest | None) -> Verdict:
    """The verdict on too few evaluations; the baseline can still be compared."""
    known = f"at least {limits.MIN_EVALUATIONS} evaluations"
    sentence = f"Not judged: the shape of a curve needs {known}; there were {view.evaluations}. {_near(view)}"
    if test is not None and not test.better:
        sentence += f" It is not yet surely better than {view.constant_in_words}."
    if view.exhausted:
        remedy = _EXHAUSTED.format(three_digits(view.training_end()))
    else:
        often = max(1, int(view.curves.update.max(initial=0)) // (2 * limits.MIN_EVALUATIONS))
        remedy = (
            "Whether more epochs would help can't be told from so few; epochs that were advised need no "
            f'verdict. For one on these, evaluate more often (`evaluate_every="{counted(often, "update")}"`).'
        )
    statistics = view.statistics() | (test.statistics if test else {})
    return Verdict("not judged", sentence, f"The shape of a curve needs {known}.", statistics, remedy)


def no_better_verdict(view: CurveView, test: BaselineTest, rise: Difference) -> Verdict:
    """The verdict "not significantly better than the baseline"."""
    statistics = view.statistics() | rise.statistics | test.statistics
    fall = view.training_share()
    unsure = "Perhaps better than chance, but not surely"
    head = unsure if test.probable else "No significant difference from chance"
    sentence = f"{head}: {_near(view, capital=False)}"
    possible = view.reference_loss if not view.higher_is_better else 1 - view.reference_loss
    if 0 < test.max_gain < possible:
        gain = _lower(view, test.max_gain / view.reference_loss)
        sentence += f" A gain of up to {gain} of the baseline is not ruled out."
    if rise.detected or rise.probable:
        epoch, end = view.displayed_at_end()
        verb = "fell" if view.higher_is_better else "rose"
        sentence += f" From there it {verb} to {three_digits(end)} at epoch {mean_count(epoch)}."
    if test.probable:
        remedy = _more(view, test.repeats_to_detect, "it")
    elif fall is not None and fall > limits.EXPLAINED:
        sentence += f" The training loss did fall ({fall:.0%} below): what was learned does not carry over."
        remedy = (
            "The inputs may say nothing about the target: check the target column and what was left out. "
            f"More samples{', or more repeats (`repeats=10`),' if view.repeats < 10 else ''} may show a "
            "smaller effect."
        )
    else:
        remedy = (
            f"The network learned nothing yet: try {_faster(view, 'a larger')}, more `epochs` or more units "
            "(`ep.MLP(...)`); if that does not help, the inputs may say nothing about the target."
        )
    rule = (
        f"Neither the {view.label} nor a second metric with a known baseline is better than its baseline by "
        f"{test.method}, and the curve is not falling at the end."
    )
    return Verdict("no significant difference from chance", sentence, rule, statistics, remedy)


def overfitting_verdict(view: CurveView, rise: Difference) -> Verdict:
    """The verdict on a rise, significant or probable."""
    verb = "fell" if view.higher_is_better else "rose"
    best = view.curves.best(view.metric)
    epoch, end = view.displayed_at_end()
    k, several = mean_count(best.median_epoch), view.repeats > 1
    moved = (
        f"the {view.displayed_label} {verb} from {three_digits(view.displayed_at_best())} at the best "
        f"epoch{'s' if several else ''} to {three_digits(end)} at epoch "
        f"{mean_count(epoch)}{view.baseline_in_words}"
    )
    if rise.detected:
        kind, again = "overfitting", ""
        sentence = f"Overfitting starts around epoch {k}: from there {moved}, "
        sentence += "while the training loss kept falling."
    else:
        kind, doubt = "probably overfitting", "which scatter could still explain"
        if rise.reversed_rise:
            before = view.in_words(rise.reversed_rise, rise.loss_at_minimum)
            doubt = f"but it had already risen by {before} and come back"
        sentence = f"Probably overfitting from around epoch {k} on: {moved}, {doubt}."
        again = "" if rise.reversed_rise else f"{_more(view, rise.repeats_to_detect, 'it')} ".lstrip()
    chosen = view.curves.best(view.monitor) if view.monitor in view.curves.columns else None
    if chosen is not None and chosen.median_epoch <= 1.25 * max(rise.epoch, best.median_epoch):
        sentence += " Predictions use the weights from the best epoch."
    else:
        sentence += f" Predictions use weights from after that, where {view.monitor} was best."
    if view.stopped_early:
        sentence += " A rule stopped training after that."
    rule = (
        f"Overfitting when {rise.method}, and the training loss at fixed parameters fell meanwhile. {_COUNTS}"
        " Probably overfitting when that holds at one-sided 80 %, the mean ends above "
        f"{limits.ABOVE_MINIMUM} times its minimum, or the loss had already risen by half as much and come "
        "back."
    )
    known = best.epoch[np.isfinite(best.epoch)]
    low, high = float(known.min()), float(known.max())
    where, there = f"The best epoch was {k}", "there"
    if several:
        where += f" (median of {view.repeats} repeats; {mean_count(low)} to {mean_count(high)})"
        there = "at the latest of them"
    saving = _patience(view)
    remedy = (
        f"{again}{where}; `epochs={max(1, math.ceil(high))}` ends {there}{f', {saving}' if saving else ''}. "
        "A smaller network, dropout, weight decay or more data would delay it."
    )
    return Verdict(kind, sentence, rule, view.statistics() | rise.statistics, remedy)


def still_improving_verdict(view: CurveView, fall: Difference, test: BaselineTest | None) -> Verdict:
    """The verdict on a fall at the end, significant or probable."""
    verb = "rising" if view.higher_is_better else "falling"
    yet = "" if test is None or test.better else f" It is not yet better than {view.constant_in_words}."
    kind = "still improving" if fall.detected else "probably still improving"
    ended = "a rule ended training" if view.stopped_early else "training ended"
    doubt = "" if fall.detected else ", which scatter could still explain"
    sentence = (
        f"{kind.capitalize()}: the {view.displayed_label} was {verb} when {ended} at epoch "
        f"{mean_count(view.last_epoch)}, by {_fallen(view, fall)} over the last {fall.epoch:,.3g} "
        f"epochs{doubt}.{yet}"
    )
    rule = (
        f"Still improving when, over the last fifth of the evaluations (10, where that is at most a third), "
        f"{fall.method}, and the change is more than {fall.statistics['min_relevant_fall']:.3g}: "
        f"{limits.FALL:.0%} of the baseline (twice that with fewer than {limits.MIN_REPEATS} repeats), or "
        f"the pace that would lower the loss by a fifth in twice the epochs, whichever is smaller (arbitrary "
        "shares). Probably, when that holds at one-sided 80 %. Where it would end is not claimed."
    )
    ended_by = view.settings.get("ended_by")
    if view.exhausted:
        remedy = _EXHAUSTED.format(three_digits(view.training_end()))
    elif view.stopped_early:
        remedy = (
            "Let the rule wait longer (a larger `patience`, a smaller change that counts), or leave it out."
        )
    else:
        longer = f"; this time {ended_by}" if ended_by else f": `epochs={max(1, round(2 * view.last_epoch))}`"
        remedy = f"Train longer{'' if fall.detected else ' to see whether it still improves'}{longer}."
    statistics = view.statistics() | fall.statistics | (test.statistics if test else {})
    return Verdict(kind, sentence, rule, statistics, remedy)


def _fallen(view: CurveView, fall: Difference) -> str:
    """The fall over the last epochs, as a share, in the unit of sentences."""
    if view.higher_is_better or fall.loss_at_minimum <= 0:
        return f"{fall.effect:.3g}"
    return _lower(view, fall.effect / (fall.loss_at_minimum + fall.effect))


def _lower(view: CurveView, share: float) -> str:
    """By which share a loss is lower, in the unit that sentences speak of."""
    return percent(1 - math.sqrt(max(0.0, 1 - share)) if view.displayed != view.metric else share)


def underfitting_verdict(
    view: CurveView, explained: float, sure: bool, statistics: dict[str, object]
) -> Verdict:
    """The verdict on flat, close and high losses."""
    head = "Underfitting, as far as curves can tell" if sure else "Probably underfitting"
    sentence = (
        f"{head}: training and validation loss are flat and close together, and the training loss is only "
        f"{max(explained, 0.0):.0%} below its baseline ({view.constant_in_words}). Curves cannot tell a "
        "network that is too small from inputs that say no more."
    )
    rule = (
        f"Underfitting when neither loss falls any more, the gap between them (each less its baseline on the "
        f"same samples) is under {limits.GAP:.0%} of the baseline, and the training loss explains less than "
        f"{limits.EXPLAINED:.0%} of it (arbitrary shares), each by its one-sided 95 % bound over at least "
        f"{limits.MIN_REPEATS} repeats; probably, where only the means say so."
    )
    faster = _faster(view, "another")
    remedy = f"Try more units (`ep.MLP(128, 128)`) and {faster}. If nothing changes, the inputs say no more."
    return Verdict("underfitting" if sure else "probably underfitting", sentence, rule, statistics, remedy)


def _faster(view: CurveView, otherwise: str) -> str:
    rate = view.settings.get("learning_rate")
    if isinstance(rate, int | float):
        return f"`learning_rate={3 * float(rate):.1g}`"
    return f"{otherwise} `learning_rate`"


def flat_verdict(
    view: CurveView,
    rise: Difference,
    fall: Difference,
    statistics: dict[str, object],
    *,
    flat: bool,
    good: bool,
    known: bool,
) -> Verdict:
    """No sign of a rise or a fall that matters: ruled out, or undecided.

    `flat` is whether both are ruled out, `good` whether nothing else speaks against it, and `known` whether
    the baseline is known, and beaten.
    """
    room = _room(view, rise, fall)
    sign = "little sign of" if rise.significant and rise.effect > 0 else "no sign of"
    if not flat:
        kind = "undecided"
        up = "fall" if view.higher_is_better else "rise"
        small = f"shows {sign} overfitting" if rise.significant else f"has no significant {up}"
        shows = f"the {view.displayed_label} {small}, but"
        shape = f"{'a rule ended training, and' if view.stopped_early else shows} {room}"
        tip = _tell(view, rise, fall)
    elif view.stopped_early:
        kind = "stopped in time" if good else "leveled off"
        shape = f"a rule ended training when the {view.displayed_label} was level ({room})"
        tip = "Epochs after the stop were not tried: whether they would be better is not known."
    else:
        kind, saving = "good fit" if good else "leveled off", _patience(view)
        within = f"within {mean_count(view.last_epoch)} epochs"
        shape = f"the {view.displayed_label} leveled off {within}, with {sign} overfitting ({room})"
        tip = f"To spend less time: {saving}." if saving else ""
    sentence = f"{kind.capitalize()}: {shape}. "
    if not known and view.metric in view.baseline:
        some = counted(view.repeats, "repeat")
        sentence += f"Whether it is better than always predicting the same, {some} can't tell of this loss. "
    elif not known:
        sentence += "No baseline is known for this loss, so whether anything was learned can't be said. "
    elif flat and view.end_over_own_best > limits.ABOVE_MINIMUM:
        sentence += (
            f"Single repeats end at {view.end_over_own_best:.2g} times their minimum: evaluations scatter. "
        )
    sentence += _near(view)
    explained = view.training_share()
    if explained is not None and explained < limits.EXPLAINED:
        share = f"{max(explained, 0.0):.0%}"
        sentence += f" The training loss is only {share} below its baseline: little was learned."
    sentence += _far_apart(view)
    if view.stopped_early:
        sentence += " Predictions use the weights from the best epoch."
    up, down = f"{limits.FLAT:.0%} of the lowest loss", f"{limits.FLAT:.0%}"
    if view.displayed != view.metric:
        up += f" ({percent(math.sqrt(1 + limits.FLAT) - 1)} of the typical error)"
        down += f" ({_lower(view, limits.FLAT)})"
    ends, worse, better = f", ends at most {limits.ABOVE_MINIMUM} times its minimum", "rise", "fall"
    if view.higher_is_better:
        ends, worse, better, up = "", better, worse, f"{limits.FLAT:.0%} of what was learned"
    rule = (
        f"Good fit when the {view.label} beats a known baseline{ends}, and one-sided 95 % bounds "
        f"rule out a {worse} by more than {up} and a {better} by more than {down} in twice the epochs at the "
        f"pace of the last third; undecided where they don't. {_COUNTS} Leveled off where they do, "
        f"but no baseline is known, the training loss is less than {limits.EXPLAINED:.0%} below its own, "
        f"or something else is the matter. Nothing is said about epochs beyond these."
    )
    return Verdict(kind, sentence, rule, statistics, tip)


def _far_apart(view: CurveView) -> str:
    """What a training loss below a quarter of the validation loss means."""
    if view.metric != "validation.loss" or view.training is None or view.minimized is None:
        return ""
    train, held_out = map(view.end_in_picture, (view.training_name, view.metric))
    if not 0 <= 4 * train < held_out:
        return ""
    return (
        f" The training loss ends far lower ({three_digits(train)}; validation {three_digits(held_out)}): "
        "training samples are fitted much closer than new ones; more samples or regularization may narrow "
        "the gap."
    )


def _room(view: CurveView, rise: Difference, fall: Difference) -> str:
    """What the repeats cannot rule out, after a small significant rise."""
    (up, rose), (down, fell) = ("rise", "rose"), ("fall", "fell")
    if view.higher_is_better:
        up, rose, down, fell = down, fell, up, rose
    repeats = f"{counted(view.repeats, 'repeat')} {'leaves' if view.repeats == 1 else 'leave'}"
    small = ""
    if rise.significant and rise.effect > 0:
        how = "while the training loss is not seen to fall" if rise.relevant else "which is small"
        small = f"smoothed, it {rose} by {view.in_words(rise.effect, rise.loss_at_minimum)}, {how}; "
    elif fall.significant and fall.effect > 0:
        small = f"it {fell} by {_fallen(view, fall)} over the last {fall.epoch:,.3g} epochs, which is small; "
    room = []
    if fall.reversed_rise or rise.reversed_rise > rise.flat_tolerance:
        swings = max(fall.reversed_rise, rise.reversed_rise)
        room.append(f"swings of {view.in_words(swings, rise.loss_at_minimum)}")
    if not math.isfinite(rise.upper_bound):
        room.append(f"a {up} of unknown size")
    elif rise.upper_bound > 0:
        room.append(f"a {up} of up to {view.in_words(rise.upper_bound, rise.loss_at_minimum)}")
    pace = "in twice the epochs at this pace"
    if not math.isfinite(fall.upper_bound):
        room.append(f"a {down} of unknown size")
    elif fall.upper_bound > 0 and (view.higher_is_better or fall.loss_at_minimum <= 0):
        room.append(f"a {down} of up to {three_digits(fall.upper_bound)} {pace}")
    elif fall.upper_bound > 0:
        room.append(
            f"a {down} of up to {_lower(view, min(fall.upper_bound / fall.loss_at_minimum, 1.0))} {pace}"
        )
    if not room:
        return f"{small}{repeats} no room for a further {up} or {down}"
    return f"{small}{repeats} room for {', and for '.join(room)}"


def _tell(view: CurveView, rise: Difference, fall: Difference) -> str:
    """What would decide: repeats for a rise, epochs for a fall, or for a rise to be taken back."""
    found = []
    if not rise.ruled_out:
        found.append(_more(view, rise.repeats_to_bound, "a smaller rise"))
    if not fall.ruled_out or rise.relevant:
        longer, ended_by = f"`epochs={max(1, round(2 * view.last_epoch))}`", view.settings.get("ended_by")
        if view.stopped_early or ended_by:
            longer = "a larger `patience`" if view.stopped_early else f"this time {ended_by}"
        goes = "falls again" if rise.relevant else "goes on falling"
        found.append(f"A longer training would show whether it {goes} ({longer}).")
    return " ".join(filter(None, found))


def _near(view: CurveView, *, capital: bool = True) -> str:
    best = mean_count(view.curves.best(view.metric).median_epoch)
    epochs = "the best epochs" if view.monitor == view.metric else f"the epochs of the lowest {view.label}"
    where = f"epoch {best}" if view.repeats == 1 else f"{epochs} (median {best})"
    value = three_digits(view.displayed_at_best())
    words = f"at {where}, the {view.displayed_label} is {value}{view.baseline_in_words}."
    return words[0].upper() + words[1:] if capital else words


def _more(view: CurveView, repeats: int | None, what: str) -> str:
    """The repeats needed to decide, or that samples are."""
    if view.repeats < limits.MIN_REPEATS:
        return ""
    if repeats is None:
        return f"More repeats of this table would hardly tell {what}; more validation samples would."
    enough = repeats <= view.repeats
    return "" if enough else f"About {repeats} repeats would tell {what} (`repeats={repeats}`)."


def _patience(view: CurveView) -> str:
    """The shortest patience that keeps each repeat's best epoch and saves a fifth of the epochs, in words."""
    if view.minimized is None:
        return ""
    rows = [(view.epochs[np.isfinite(row)], row[np.isfinite(row)]) for row in view.minimized]
    for patience in (5, 10, 20, 50):
        stops, best = zip(*(_stopped(*row, patience) for row in rows), strict=True)
        middle = float(np.quantile(stops, 0.5, method="lower"))
        if all(best) and middle > 0.8 * view.last_epoch:
            return ""
        if all(best):
            stop = f"`stop=ep.Patience({patience})` would have kept the same weights and stopped"
            return f"{stop} around epoch {mean_count(round(middle))}"
    return ""


def _stopped(epochs: Floats, row: Floats, patience: int) -> tuple[float, bool]:
    """The epoch at which patience would stop a repeat, and whether it has reached its best by then."""
    minimum = np.minimum.accumulate(row)
    improved = np.concatenate([[True], row[1:] < minimum[:-1]])
    newest = np.maximum.accumulate(np.where(improved, np.arange(row.size), 0))
    fired = np.flatnonzero(epochs - epochs[newest] >= patience)
    stop = int(fired[0]) if fired.size else row.size - 1
    return float(epochs[stop]), int(newest[stop]) == int(np.argmin(row))
