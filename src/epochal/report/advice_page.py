"""The page about an advice: what its template shows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence

from epochal.choose.advice.advice import Advice, Tried
from epochal.choose.comparison.sentences import telling
from epochal.common.metric_names import label_of
from epochal.common.text import counted, duration
from epochal.curves import Summary
from epochal.report import study_page
from epochal.report.formatting import format_interval, format_number, percent, sentence
from epochal.report.page import Cell, Table
from epochal.report.study_figures import advice_figures

_GOALS = {
    "time": ("time to the target", "least time until the network is as good as the best", "fastest"),
    "samples": (
        "samples to the target",
        "fewest samples until the network is as good as the best",
        "one with the fewest samples",
    ),
    "updates": (
        "updates to the target",
        "fewest updates until the network is as good as the best",
        "one with the fewest updates",
    ),
    "quality": ("quality reached", "best quality on held-out samples", "best"),
}
"""For each goal: the name of its cost, what is minimized, and the advised value."""


def advice_page(advice: Advice, line: str = "") -> str:
    """The page about an advice as text; `line` is the command that trains with it, by default in Python."""
    reference = next((one for one in advice.tried if one.is_reference), None)
    other = reference is not None and not advice.advises(reference)
    against = reference.text if reference is not None and other else "the advised setting"
    most = max((one.repeats for one in advice.tried), default=len(advice.best_epochs))
    cost, wanted, best = _GOALS[advice.goal]
    target = "" if advice.goal == "quality" else advice.target_text
    first = {"goal": wanted, "target": target, "exhaustive grid": advice.usage.grid}
    share = advice.usage.of_grid
    return study_page.render_study(
        advice,
        "advice",
        (f"goal: {advice.goal}", f"up to {counted(most, 'repeat')}"),
        {name: value for name, value in first.items() if value},
        figures=advice_figures(advice),
        cards=_cards(advice),
        expected=_expected(advice),
        share=percent(share, 1 if share < 0.1 else 0) if math.isfinite(share) else "an unknown share",
        command=line or command(advice),
        goal={"cost": cost, "wanted": wanted, "best": best},
        advised_tried=any(map(advice.advises, advice.tried)),
        missed=any(not one.updates_to_target.reached for one in advice.tried),
        tried=_tried(advice, against),
        against=against,
        theory=_theory(advice),
    )


def _cards(advice: Advice) -> list[tuple[str, str, str, str]]:
    rate, epochs = advice.learning_rate, advice.epochs
    own = "" if rate is not None else " The optimizer was given as an object and keeps its own."
    stop = "passes through the training samples."
    if math.isinf(epochs.high):
        stop += " It was still getting better when the measurement ended, so more may help."
    elif epochs.low < epochs.high:
        stop += " In most repeats, the best moment to stop lay in this range; the weights from the best "
        stop += "epoch are kept."
    note = f" {sentence(epochs.note)}" if epochs.note else ""
    between = "" if epochs.low == epochs.high else format_interval(epochs.low, epochs.high)
    return [
        ("batch size", f"{advice.batch_size:,}", "", "samples for one update."),
        ("learning rate", "its own" if rate is None else f"{rate:.3g}", "", f"how far one update goes.{own}"),
        ("epochs", f"{epochs.value:,.0f}", between, f"{stop}{note}"),
    ]


def _expected(advice: Advice) -> list[tuple[str, Summary, str]]:
    better = f"{'higher' if advice.higher_is_better else 'lower'} is better"
    meaning = "; ".join(filter(None, (study_page.meaning_of(advice.monitor), better)))
    found = [(f"{label_of(advice.monitor)}: {meaning}", advice.quality, "")]
    for name, summary in list(advice.metrics.items())[:3]:
        found.append((": ".join(filter(None, (label_of(name), study_page.meaning_of(name)))), summary, ""))
    for name, one in advice.beside.items():
        text = f"{name} would give on the same seeds: {label_of(advice.monitor)}"
        found.append((text, one.quality, one.text))
    return found


def command(advice: Advice) -> str:
    """The call that trains with the advice; it holds the model where that is a plain network."""
    source, size = str(advice.data.get("source") or ""), advice.batch_size
    whole = size == (advice.data.get("sizes") or {}).get("train")
    model = advice.settings.get("model")
    hidden = model.get("hidden") if isinstance(model, Mapping) and model.get("kind") == "mlp" else None
    words = ["model" if hidden is None else f"epochal.MLP({', '.join(map(str, hidden))})"]
    words += ["data" if source in ("", "arrays", "data frame") else json.dumps(source, ensure_ascii=False)]
    words += ['batch_size="full"' if whole else f"batch_size={size}"]
    if advice.learning_rate is not None:
        words += [f'optimizer="{advice.optimizer}"', f"learning_rate={advice.learning_rate:.6g}"]
    return f"epochal.fit({', '.join(words)}, epochs={math.ceil(advice.epochs.value)})"


def _tried(advice: Advice, against: str) -> Table:
    relative = advice.goal != "quality"
    heads = [
        *study_page.SETTING_HEADS,
        ("status", f"against {against}"),
        (_GOALS[advice.goal][0], "expected, with 95 % interval")
        if relative
        else (label_of(advice.monitor), "mean on the seeds of the search"),
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
    return Table(heads, [_one_tried(one, advice) for one in advice.tried], "Measured settings", "sortable")


def _one_tried(one: Tried, advice: Advice) -> list[Cell]:
    advised = advice.advises(one)
    status = "best" if advised else "tied" if one.tied else "dropped" if one.given_up else "worse"
    shape, text = study_page.STATUSES[status]
    if advised:
        text = "advised"
    elif one.is_reference:
        text = "reference, not advised"
    elif one.left_out or one.ahead:
        text = "left out: failed on fresh seeds" if one.left_out else "better in the search"
    quality = advice.goal == "quality"
    write = duration if advice.goal == "time" else advice.quality.format_value if quality else format_number
    return [
        *study_page.setting_cells(one),
        Cell(f"{shape} {text}", by=str(("best", "tied", "dropped", "worse").index(status)), kind="stand"),
        _ranged(one.value, write, ends=not quality),
        Cell("", by=0.0)
        if one.is_reference
        else _ranged(
            one.effect, telling(advice.quality.format_value, *one.effect[1:]) if quality else format_number
        ),
        study_page.ert_cell(one.updates_to_target, ends=not one.epochs),
        Cell(str(one.repeats), by=one.repeats),
    ]


def _ranged(interval: Sequence[float], write: Callable[[float], str], ends: bool = True) -> Cell:
    middle, low, high = interval
    if math.isnan(middle):
        return Cell("not finite")
    if math.isinf(middle):
        return Cell("not reached", format_interval(low, high, write))
    return Cell(write(middle), format_interval(low, high, write) if ends else "", middle)


def _theory(advice: Advice) -> list[str]:
    noise, theory = advice.noise, advice.theory
    if noise is not None and noise.value is not None:
        ends = format_interval(noise.low, noise.high)
        found = [f"Measured noise scale: {format_number(noise.value)} samples (95 % interval {ends})."]
    else:
        why = advice.noise_text or (noise.reason if noise is not None else "")
        found = [sentence(f"The noise scale is not known here{f': {why}' if why else ''}")]
    if theory is not None:
        ends = format_interval(theory.low, theory.high)
        found.append(
            "With the measured time of an update, theory alone would take batch size "
            f"{format_number(theory.value)} ({ends})."
        )
    return found
