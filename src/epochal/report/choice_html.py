"""HTML parts that the pages about comparisons and advice share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from epochal.curves import Summary
from epochal.report.html import text

__all__ = [
    "Cell",
    "block",
    "chart",
    "count",
    "details",
    "facts",
    "interval",
    "listed",
    "number",
    "percent",
    "quality",
    "spread",
    "switch",
    "table",
]

# --- numbers ------------------------------------------------------------------------------------------------


def number(value: float | None) -> str:
    """A number with three significant digits and thousands separators.

    >>> [number(value) for value in (25_000.0, 1234.5, 0.031622, 64.0, 4e-7, float("inf"), None)]
    ['25,000', '1,234', '0.0316', '64', '4e-07', 'no limit', '–']
    """
    if value is None:
        return "–"
    if math.isinf(value):
        return "no limit"
    if math.isnan(value):
        return "not finite"
    if abs(value) >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percent(share: float, digits: int = 0) -> str:
    """A share in percent.

    >>> percent(0.254), percent(0.0123, 1)
    ('25 %', '1.2 %')
    """
    return f"{100 * share:.{digits}f} %"


def count(size: int, noun: str) -> str:
    """A count with its noun.

    >>> count(1, "repeat"), count(1200, "update")
    ('1 repeat', '1,200 updates')
    """
    return f"{size:,} {noun}{'' if size == 1 else 's'}"


def listed(names: Sequence[str], most: int = 8) -> str:
    """A list of names in words.

    >>> listed(["8", "16", "32"]), listed(["8"]), listed([str(i) for i in range(12)], most=3)
    ('8, 16 and 32', '8', '0, 1, 2 and 9 more')
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def interval(low: float, high: float, write: Any = number) -> str:
    """An interval in words, possibly open.

    >>> interval(12, 40), interval(12, float("inf")), interval(0, float("inf")), interval(float("nan"), 1)
    ('12 to 40', '12 or more', 'not known', 'not known')
    """
    if math.isnan(low) or math.isnan(high):
        return "not known"
    if high == math.inf:
        return "not known" if low <= 0 else f"{write(low)} or more"
    return f"up to {write(high)}" if low == -math.inf else f"{write(low)} to {write(high)}"


def quality(summary: Summary) -> str:
    """The mean with its spread, if it has one; not escaped."""
    if not math.isfinite(summary.mean):
        return "not finite"
    return summary.written(summary.mean)


def spread(summary: Summary) -> str:
    """The 95 % interval of a mean in words; not escaped."""
    if summary.ci95 is None:
        return "no interval (1 repeat)" if math.isfinite(summary.mean) else "–"
    low, high = summary.ci95
    return f"{summary.written(low)} to {summary.written(high)}"


# --- parts --------------------------------------------------------------------------------------------------


def block(name: str, title: str, inside: str) -> str:
    """A section with a heading; empty without content."""
    return f'<section id="{name}"><h2>{escape(title)}</h2>\n{inside}</section>\n' if inside else ""


def details(summary: str, inside: str) -> str:
    """A collapsed section."""
    return f"<details><summary>{escape(summary)}</summary>{inside}</details>"


def switch(name: str, legend: str, choices: Sequence[tuple[str, str]], checked: str) -> str:
    """Radio buttons; empty for a single choice."""
    if len(choices) < 2:
        return ""
    options = "".join(
        f'<label><input type="radio" name="{name}" value="{escape(value)}"'
        f"{' checked' if value == checked else ''}><span>{escape(said)}</span></label>"
        for value, said in choices
    )
    return f"<fieldset><legend>{escape(legend)}</legend>{options}</fieldset>"


def chart(name: str, described: str, note: str, controls: str = "", height: int = 400) -> str:
    """The container of a figure, with controls above it and a note below.

    `described` is the alternative text, `note` and `controls` are HTML.
    """
    form = (
        f'<form class="controls" data-for="{name}" aria-label="How the figure is drawn">{controls}</form>'
        if controls
        else ""
    )
    return (
        f'{form}<div id="{name}" class="chart" role="img" aria-label="{escape(described)}" '
        f'style="min-height:{height}px"><noscript><p>The figure is drawn by a script inside this file, and '
        f'scripts are switched off.</p></noscript></div>\n<p class="note">{note}</p>'
    )


@dataclass(frozen=True)
class Cell:
    """A cell of a table: HTML and its sort key (None comes last)."""

    html: str
    by: float | str | None = None


def table(heads: Sequence[tuple[str, str]], rows: Sequence[Sequence[Cell]], caption: str) -> str:
    """A table that can be sorted by its headings.

    Args:
        heads: for each column its heading and meaning, as plain text.
        rows: their cells; the first one is the row's name. Columns with numeric keys are right-aligned.
        caption: plain text.
    """
    numeric = [
        any(isinstance(row[i].by, int | float) for row in rows)
        and not any(isinstance(row[i].by, str) for row in rows)
        for i in range(len(heads))
    ]
    head = "".join(
        f'<th scope="col"{" class=number" if numeric[i] else ""} aria-sort="none">'
        f'<button type="button" title="{escape(meaning)}">{escape(heading)}'
        f'<span class="arrow" aria-hidden="true"></span></button></th>'
        for i, (heading, meaning) in enumerate(heads)
    )
    body = "".join(
        "<tr>" + "".join(_cell(cell, i == 0, numeric[i]) for i, cell in enumerate(row)) + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f'<table class="rows sortable"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def _cell(cell: Cell, first: bool, numeric: bool) -> str:
    by = cell.by
    if isinstance(by, float) and math.isnan(by):
        by = None
    key = "" if by is None else escape(str(by) if isinstance(by, str) else repr(float(by)))
    tag = 'th scope="row"' if first else "td"
    kind = ' class="number"' if numeric else ""
    return f'<{tag}{kind} data-sort="{key}">{cell.html}</{tag[:2]}>'


def facts(values: Mapping[str, Any]) -> str:
    """Names and values, flattened; empty without any."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{text(value)}</td></tr>' for name, value in _flat(values)
    )
    return f'<table class="facts">{rows}</table>' if rows else ""


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        said = f"{before}{str(name).replace('_', ' ')}"
        if isinstance(value, Mapping):
            found += _flat(value, f"{said} · ") if value else []
        else:
            found.append((said, value))
    return found
