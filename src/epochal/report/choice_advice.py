"""The page about an advice."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

from epochal.choose.advice import Advice, Choice, Tried
from epochal.common.durations import duration
from epochal.common.metric_names import label_of
from epochal.curves import Summary
from epochal.report.choice_frame import around, conditions, cost_words, notes
from epochal.report.choice_html import (
    Cell,
    block,
    chart,
    count,
    details,
    interval,
    number,
    percent,
    quality,
    spread,
    switch,
    table,
)
from epochal.report.choice_words import GOALS, NOISE, STANDINGS, explained, meaning_of

__all__ = ["advice_body", "command"]


def advice_body(advice: Advice, said: str = "") -> str:
    """The body of the page, without scripts.

    `said` is the command that trains with the advice; by default from `command`.
    """
    cost = {
        "goal": GOALS[advice.goal][1],
        "target": "" if advice.goal == "quality" else advice.target_words,
        "cost": cost_words(advice.cost),
        "exhaustive grid": advice.cost.grid,
    }
    sections = (
        _answer(advice, said or command(advice)),
        _price(advice),
        _timing(advice),
        _epochs(advice),
        _curves(advice),
        _tried(advice),
        _theory(advice),
        notes(advice.notes),
        conditions(advice, {name: value for name, value in cost.items() if value}),
    )
    most = max((one.repeats for one in advice.tried), default=len(advice.best_epochs))
    byline = (f"goal: {advice.goal}", f"up to {count(most, 'repeat')}")
    return around(advice, "advice", byline, sections)


# --- the answer ---------------------------------------------------------------------------------------------


def _answer(advice: Advice, said: str) -> str:
    figures = "".join(
        f'<div class="card"><p class="name">{name}</p><p class="figure">{escape(figure)}</p>'
        f'<p class="range">{escape(ends)}</p><p class="meaning">{escape(meaning)}</p></div>'
        for name, figure, ends, meaning in _figures(advice)
    )
    apart = f'<p class="apart">≈ {escape(_sentence(advice.told_apart))}</p>' if advice.told_apart else ""
    tone = "good" if advice.recommended else "open"
    cards = f'<div class="cards">{figures}</div>{apart}' if advice.recommended else ""
    reached = "What to expect" if advice.recommended else "On fresh seeds"
    train = f"<h3>Train with it</h3>{_command(said)}" if advice.recommended else ""
    return (
        f'<section id="answer" class="answer advice {tone}" aria-label="The answer"><div class="words">'
        f'<p class="sentence">{escape(advice.answer)}</p></div>\n'
        f"{cards}"
        f'<div class="pair plain"><div><h3>{reached}</h3>{_expected(advice)}</div>'
        f"<div><h3>What this advice cost</h3>{_cost(advice)}</div></div>"
        f"{train}</section>\n"
    )


def _figures(advice: Advice) -> list[tuple[str, str, str, str]]:
    """The three numbers, each with its interval and its meaning."""
    size, rate, epochs = advice.batch_size, advice.learning_rate, advice.epochs
    best = GOALS[advice.goal][2]
    meaning = (
        "samples for one update. No other size that was tried on as many repeats comes close enough to be "
        f"the {best} by chance."
    )
    if size.low < size.high:
        meaning = (
            f"samples for one update. Which size of this range is the {best}, the measurements cannot tell."
        )
    found = [("batch size", f"{size.value:,.0f}", _range(size), _with_note(meaning, size))]
    if rate is None:
        said = "how far one update goes. The optimizer was given as an object and keeps its own."
        found.append(("learning rate", "its own", "", said))
    else:
        meaning = "how far one update goes."
        if rate.low < rate.high:
            meaning += " Rates in this range do as well, as far as the repeats can tell."
        found.append(("learning rate", f"{rate.value:.3g}", _range(rate), _with_note(meaning, rate)))
    meaning = "passes through the training samples."
    if math.isinf(epochs.high):
        meaning += " It was still getting better when the measurement ended, so more may help."
    elif epochs.low < epochs.high:
        meaning += (
            " In most repeats, the best moment to stop lay in this range; the weights from the best "
            "epoch are kept."
        )
    found.append(("epochs", f"{epochs.value:,.0f}", _range(epochs), _with_note(meaning, epochs)))
    return found


def _range(choice: Choice) -> str:
    if choice.low == choice.high:
        return ""
    return interval(choice.low, choice.high)


def _with_note(meaning: str, choice: Choice) -> str:
    return f"{meaning} {_sentence(choice.note)}" if choice.note else meaning


def _sentence(words: str) -> str:
    """Capitalized and with a period."""
    words = words.strip()
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?")) else ".")


def _expected(advice: Advice) -> str:
    better = "higher" if advice.higher_is_better else "lower"
    meaning = meaning_of(advice.column)
    aside = f"{meaning}; {better} is better" if meaning else f"{better} is better"
    rows = [
        f"<b>{escape(quality(advice.quality))}</b> {escape(label_of(advice.column))}: {escape(aside)} "
        f"({_ends(advice.quality)})"
    ]
    for name, summary in list(advice.figures.items())[:3]:
        said = escape(": ".join(filter(None, (label_of(name), meaning_of(name)))))
        rows.append(f"<b>{escape(quality(summary))}</b> {said} ({_ends(summary)})")
    usual = advice.defaults
    if usual.difference is not None:  # otherwise it is the same number
        rows.append(
            f"<b>{escape(quality(usual.quality))}</b> the defaults would give on the same seeds: "
            f"{escape(label_of(advice.column))} ({_ends(usual.quality)}; {escape(usual.words)})"
        )
    if advice.recommended:
        rows.append(f"<b>{duration(advice.seconds)}</b> for one training as advised")
    return f"<ul>{''.join(f'<li>{row}</li>' for row in rows)}</ul>"


def _ends(summary: Summary) -> str:
    return escape(f"95 % interval {spread(summary)}" if summary.ci95 is not None else spread(summary))


def _cost(advice: Advice) -> str:
    cost = advice.cost
    rows = [
        f"<b>{duration(cost.seconds)}</b> by the clock, {count(cost.updates, 'update')} in "
        f"{count(cost.trainings, 'training')}",
        f"as many updates as <b>{_times(cost.of_one_training)}</b> as advised" if advice.recommended else "",
        f"<b>{_share(cost.of_grid)}</b> of trying everything ({escape(cost.grid)})" if cost.grid else "",
    ]
    return f"<ul>{''.join(f'<li>{row}</li>' for row in rows if row)}</ul>"


def _times(share: float) -> str:
    return "1 training" if round(share, 1) == 1 else f"{number(share)} trainings"


def _share(share: float) -> str:
    if not math.isfinite(share):
        return "an unknown share"
    return percent(share, 1 if share < 0.1 else 0)


def command(advice: Advice) -> str:
    """The call that trains with the advice; it holds the model where that is a plain network."""
    source, size = str(advice.data.get("source") or ""), advice.batch_size.value
    whole = size == (advice.data.get("sizes") or {}).get("train")
    model = advice.settings.get("model")
    hidden = model.get("hidden") if isinstance(model, Mapping) and model.get("kind") == "mlp" else None
    words = ["model" if hidden is None else f"epochal.MLP({', '.join(map(str, hidden))})"]
    words += ["data" if source in ("", "arrays", "data frame") else json.dumps(source, ensure_ascii=False)]
    words += ['batch_size="full"' if whole else f"batch_size={size:.0f}"]
    if advice.learning_rate is not None:
        words += [f'optimizer="{advice.optimizer}"', f"learning_rate={advice.learning_rate.value:.6g}"]
    return f"epochal.fit({', '.join(words)}, epochs={math.ceil(advice.epochs.value)})"


def _command(said: str) -> str:
    words = " ".join(f"<span>{escape(word)}</span>" for word in said.split(" "))  # no break after a hyphen
    return (
        f'<div class="copy"><pre tabindex="0" id="command">{words}</pre>'
        '<button type="button" data-copy="command">copy</button></div>'
    )


# --- pictures -----------------------------------------------------------------------------------------------


def _price(advice: Advice) -> str:
    if not advice.tried:
        return ""
    price, wanted, best = GOALS[advice.goal]
    what = f"Goal: {escape(wanted)}."
    if advice.target_words and advice.goal != "quality":
        what += f" As good as the best means: {escape(advice.target_words)}."
    among = any(map(advice.advises, advice.tried))
    note = (
        f"{'<b>◆</b> advised · ' if among else ''}<b>●</b> no significant difference from "
        f"{'it' if among else 'the best'} · "
        "<b>○</b> worse, or given up early"
    )
    if any(not one.effort.reached for one in advice.tried) and advice.goal != "quality":
        note += " · <b>△</b> target not reached (the true number lies above)"
    note += ". Bars are 95 % intervals; the line joins the best learning rate of each batch size."
    if advice.recommended and not among:
        note += " The advised setting is not among these: it was measured on the fresh seeds."
    return block(
        "price",
        f"Which batch size is the {best}?" if advice.recommended else "What did the batch sizes reach?",
        f"<p>{what}</p>" + chart("prices", f"{price} against batch size", note, "", 420),
    )


def _timing(advice: Advice) -> str:
    if not advice.timing.points:
        return ""
    note = (
        "Measured on this machine. Where the points are level, a larger batch costs no more time; where they "
        "rise with the dashed line, twice the batch takes about twice as long. Both axes are logarithmic."
    )
    return block(
        "timing",
        "How long does one update take?",
        chart("clock", "Time of an update against batch size", note, "", 340),
    )


def _epochs(advice: Advice) -> str:
    known = [epoch for epoch in advice.best_epochs if math.isfinite(epoch)]
    if not (known and advice.recommended):
        return ""
    late = sum(advice.improving)
    note = (
        "Each dot is one repeat: the epoch at which it did best on held-out samples. The line is the advised "
        "number, the shaded range holds most repeats."
    )
    if late:
        note += f" <b>▷</b> {count(late, 'repeat')} still improving at the end: the best lies further right."
    return block(
        "epochs",
        "When is it best to stop?",
        chart("stops", "The best epoch of each repeat", note, "", 220),
    )


def _curves(advice: Advice) -> str:
    if not len(advice.curves):
        return ""
    axes = [(axis, axis) for axis in ("epochs", "updates", "samples", "seconds")]
    controls = (
        '<label class="pick">show <select name="quantity" aria-label="quantity"></select></label>'
        + switch("x", "against", axes, "epochs")
        + '<label class="check"><input type="checkbox" name="logx"> log x</label>'
        + '<label class="check"><input type="checkbox" name="logy"> log y</label>'
    )
    setting, mark = "the setting that came nearest", ""
    if advice.recommended:
        setting, mark = "the advised setting", "The dotted line marks the advised number of epochs. "
    note = (
        f"Lines are means over the repeats at {setting}, as far as all of them were trained; bands are 95 % "
        f"intervals of the mean. {mark}Where the curve of held-out (validation) samples turns back, the "
        "network begins to learn its own samples by heart."
    )
    return block("curves", "How does it learn?", chart("lines", "Learning curves", note, controls, 440))


# --- tables -------------------------------------------------------------------------------------------------


def _tried(advice: Advice) -> str:
    if not advice.tried:
        return ""
    relative = advice.goal != "quality"
    reference = next((one for one in advice.tried if one.reference), None)
    against = "the advised setting"
    if reference is not None and not advice.advises(reference):
        against = "the reference"
    heads = [
        ("batch size", "samples per update"),
        ("learning rate", "how far one update goes"),
        ("standing", f"against {against}"),
        (label_of(advice.column) if not relative else GOALS[advice.goal][0], "expected, with 95 % interval"),
        (
            (f"relative {advice.goal}", f"over that of {against}, with 95 % interval")
            if relative
            else ("difference", f"from {against}: mean of the paired differences, with 95 % interval")
        ),
        ("updates to the target", "expected, with 95 % interval")
        if relative
        else ("updates", "in the epochs that are best for it, which the other repeats choose"),
        ("repeats", "trainings with seeds of their own"),
    ]
    rows = [_one_tried(one, advice) for one in advice.tried]
    column = f"relative {advice.goal}" if relative else "difference"
    note = (
        f"Click a heading to sort by it. The {column} is {'to' if relative else 'from'} {against}, on the "
        "same seeds; these seeds chose the setting, so what to expect stands above."
    )
    return block(
        "tried",
        "What was tried",
        table(heads, rows, "Measured settings") + f'<p class="note">{note}</p>',
    )


def _one_tried(one: Tried, advice: Advice) -> list[Cell]:
    advised = advice.advises(one)
    stands = "best" if advised else "tied" if one.tied else "dropped" if one.given_up else "worse"
    shape, words = STANDINGS[stands]
    words = "advised" if advised else "reference, not advised" if one.reference else words
    write = (
        duration if advice.goal == "time" else advice.quality.written if advice.goal == "quality" else number
    )
    apart = advice.quality.written if advice.goal == "quality" else number
    order = ("best", "tied", "dropped", "worse").index(stands)
    work = one.effort
    if work.reached:
        missed = "" if work.reached == work.repeats else f"; reached in {work.reached} of {work.repeats}"
        ends = "" if one.epochs else interval(work.low, work.high)
        updates = f"{number(work.expected)}<small>{escape(ends)}{missed}</small>"
    else:
        updates = "not reached"
    return [
        Cell(f"{one.batch_size:,}", one.batch_size),
        Cell("–" if one.learning_rate is None else f"{one.learning_rate:.3g}", one.learning_rate),
        Cell(f'<span class="stand">{shape} {escape(words)}</span>', str(order)),
        _ranged(one.price, write),
        Cell("", 0.0) if one.reference else _ranged(one.ratio, apart),
        Cell(updates, work.expected if work.reached else None),
        Cell(str(one.repeats), one.repeats),
    ]


def _ranged(ends: Sequence[float], write: Callable[[float], str]) -> Cell:
    middle, low, high = ends
    if math.isinf(middle):
        return Cell(f"not reached<small>{escape(interval(low, high, write))}</small>")
    if math.isnan(middle):
        return Cell("not finite")
    return Cell(
        f"{write(middle)}<small>{escape(interval(low, high, write))}</small>",
        middle,
    )


# --- theory -------------------------------------------------------------------------------------------------


def _theory(advice: Advice) -> str:
    noise, theory = advice.noise, advice.theory
    said = []
    if noise is not None and noise.value is not None:
        ends = interval(noise.low, noise.high)
        said.append(f"Measured noise scale: {number(noise.value)} samples (95 % interval {ends}).")
    else:
        why = advice.noise_words or (noise.reason if noise is not None else "")
        said.append(f"The noise scale is not known here{f': {why}' if why else ''}.".replace("..", "."))
    if theory is not None:
        ends = interval(theory.low, theory.high)
        said.append(
            "With the measured time of an update, theory alone would take batch size "
            f"{number(theory.value)} ({ends})."
        )
    rows = "".join(f"<li>{escape(words)}</li>" for words in said)
    inside = f'<ul class="notes">{rows}</ul>{explained(NOISE)}'
    decided = f'<p class="sentence">{escape(_sentence(advice.decided_by))}</p>' if advice.decided_by else ""
    return block(
        "theory",
        "Theory or measurement?",
        decided + details("What theory says, and what a noise scale is", inside),
    )
