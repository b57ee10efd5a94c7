"""What the pages about a comparison and about an advice share: header, statuses, conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from epochal.choose.advice.advice import Advice, Tried
from epochal.choose.comparison.comparison import Comparison, Row
from epochal.choose.statistics.time_to_target import ExpectedRunningTime
from epochal.report.formatting import environment, format_interval, format_number, minute
from epochal.report.page import Cell, render

STATUSES = {
    "best": ("◆", "recommended"),
    "tied": ("●", "no significant difference"),
    "worse": ("○", "worse"),
    "dropped": ("✕", "given up early"),
    "diverged": ("⚡", "not finite"),
}
"""A shape and words for each status, so that meaning does not depend on color."""

SETTING_HEADS = [("batch size", "samples per update"), ("learning rate", "how far one update goes")]

_MEANINGS = {
    "loss": "how wrong the network is",
    "accuracy": "the share that the network gets right",
    "balanced_accuracy": "the share that the network gets right, each class counting the same",
    "r2": "the share of the variance that the network explains",
    "mae": "how far off the network is on average",
    "rmse": "how far off the network is, counting large errors more,",
}


def meaning_of(metric: str) -> str:
    """The meaning of a metric in plain words; empty if unknown.

    >>> meaning_of("validation.loss")
    'how wrong the network is on samples that it did not learn from'
    """
    part, _, name = metric.partition(".")
    known = _MEANINGS.get(name, "")
    on = "samples that it did not learn from" if part == "validation" else "the samples that it learned from"
    return f"{known} on {on}" if known else ""


def setting_cells(one: Row | Tried) -> list[Cell]:
    """Batch size and learning rate, as in `SETTING_HEADS`."""
    rate = one.learning_rate
    return [
        Cell(f"{one.batch_size:,}", by=one.batch_size),
        Cell("–" if rate is None else f"{rate:.3g}", by=rate),
    ]


def ert_cell(ert: ExpectedRunningTime | None, *, ends: bool = True) -> Cell:
    """The expected updates to the target, with their interval, and how many repeats reached it if not all."""
    if ert is None or ert.reached == 0:
        return Cell("–") if ert is None else Cell("not reached", str(ert))
    between = format_interval(ert.low, ert.high) if ends else ""
    missed = "" if ert.reached == ert.repeats else f"; reached in {ert.reached} of {ert.repeats}"
    return Cell(format_number(ert.expected), between + missed, ert.expected)


def render_study(
    study: Comparison | Advice, kind: str, about: Sequence[str], first: Mapping[str, Any], **context: Any
) -> str:
    """The page as text: `about` it in the byline, `first` among the conditions."""
    source = study.data["source"] or "data"
    own = {**first, "cost": f"{study.usage.text}, compilation included"}
    if study.folder is not None:
        own["folder"] = str(study.folder)
    return render(
        f"{kind}.html",
        title=f"{kind} · {source}",
        kind=kind,
        heading=source,
        byline=[*about, minute(study.environment["date"]), study.environment["device"]],
        found=study,
        conditions=[("", own, ()), *_conditions(study)],
        **context,
    )


def _conditions(study: Comparison | Advice) -> list[tuple[str, Mapping[str, Any], Sequence[str]]]:
    data = {name: value for name, value in study.data.items() if name != "notes"}
    data["task"] = data["task"]["kind"]
    advised = ("batch_size", "learning_rate", "epochs") if isinstance(study, Advice) else ()
    settings = {name: value for name, value in study.settings.items() if name not in advised}
    return [
        ("The data", data, study.data["notes"]),
        ("Settings that all share", settings, ()),
        ("Device, versions and date", environment(study.environment), ()),
    ]
