"""Title, notes and conditions of the pages about comparisons and advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from epochal.choose.advice import Advice
from epochal.choose.comparison import Comparison, Cost
from epochal.common.durations import duration
from epochal.common.notebook_view import coded
from epochal.report.choice_html import block, count, facts
from epochal.report.html import conditions_said

__all__ = ["around", "conditions", "cost_words", "notes", "title_of"]


def title_of(choice: Comparison | Advice) -> str:
    """The name of the data."""
    return str(choice.data.get("source") or "data")


def around(choice: Comparison | Advice, kind: str, said: Sequence[str], sections: Sequence[str]) -> str:
    """Header, main part and footer."""
    known = (choice.conditions.get("date"), choice.conditions.get("device"))
    date, device = (str(one) if one else "" for one in known)
    if "T" in date:
        date = date[:16].replace("T", " ") + " UTC"
    byline = " · ".join(escape(part) for part in (*said, date, device) if part)
    return (
        '<a class="skip" href="#answer">Skip to the answer</a>\n'
        f'<header><p class="brand"><span aria-hidden="true"></span>epochal · {escape(kind)}</p>'
        f'<h1>{escape(title_of(choice))}</h1><p class="byline">{byline}</p></header>\n'
        f"<main>\n{''.join(sections)}</main>\n"
        "<footer>One file, complete: nothing is fetched, nothing is sent.</footer>"
    )


def notes(said: Sequence[str]) -> str:
    """Notes, one sentence each."""
    rows = "".join(f"<li>{coded(note)}</li>" for note in said)
    return block("notes", "Notes", f'<ul class="notes">{rows}</ul>' if rows else "")


def cost_words(cost: Cost) -> str:
    """The cost of a choice in words."""
    return (
        f"{count(cost.trainings, 'training')}, {count(cost.updates, 'update')}, {duration(cost.seconds)} "
        "by the "
        "clock in this call, compilation included"
    )


def conditions(choice: Comparison | Advice, first: Mapping[str, Any]) -> str:
    """The conditions of the figures."""
    data = {name: value for name, value in choice.data.items() if name not in ("notes", "encoder", "inputs")}
    if isinstance(data.get("task"), Mapping):
        data["task"] = data["task"].get("kind")
    settings = choice.settings
    if isinstance(choice, Advice):  # the advised values are no conditions
        advised = ("batch_size", "learning_rate", "epochs")
        settings = {name: value for name, value in settings.items() if name not in advised}
    said = choice.data.get("notes")
    listed = said if isinstance(said, Sequence) and not isinstance(said, str) else ()
    rows = "".join(f"<li>{coded(str(note))}</li>" for note in listed)
    folder = {} if choice.folder is None else {"folder": str(choice.folder)}
    parts = (
        facts(dict(first) | folder),
        _titled("The data", facts(data) + (f'<ul class="notes">{rows}</ul>' if rows else "")),
        _titled("Settings that all share", facts(settings)),
        _titled("Device, versions and date", facts(conditions_said(choice.conditions))),
    )
    return block("conditions", "Conditions", "".join(parts))


def _titled(title: str, inside: str) -> str:
    return f"<h3>{escape(title)}</h3>{inside}" if inside else ""
