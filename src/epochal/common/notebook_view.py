"""HTML views for notebooks: headings, facts, tables, lists and charts, escaped, in light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from epochal.common.option_text import parts, render_message
from epochal.common.text import one_line, printable

_LINE = "1px solid rgba(128,128,128,.35)"
_CELL = f"padding:.15em 1.2em .15em 0;border:0;border-bottom:{_LINE};background:none;vertical-align:top"
_DIGITS = "font-variant-numeric:tabular-nums"
_TABLE = "border-collapse:collapse;border:0;margin:.4em 0;background:none;color:inherit"

MAX_ITEMS = 12
"""Lines of a list; the others follow, collapsed."""


def text(value: object, max_length: int = 300) -> str:
    """Any text, escaped and on one line, without control characters.

    >>> text("<b>\\x1b")
    '&lt;b&gt;?'
    """
    return escape(one_line(value, max_length))


def coded(sentence: str) -> str:
    """A sentence as the current interface shows it, with options set as code.

    >>> coded("Train longer: `epochs=20`.")
    'Train longer: <code>epochs=20</code>.'
    """
    return "".join(f"<code>{escape(one)}</code>" if code else escape(one) for one, code in parts(sentence))


def view(*parts: str) -> str:
    """Parts as one view, readable in light and dark themes."""
    return f'<div style="line-height:1.5;max-width:60em">{"".join(part for part in parts if part)}</div>'


def heading(title: str, aside: str = "") -> str:
    """A title, with a short remark."""
    more = f' <span style="opacity:.75">{text(aside)}</span>' if aside else ""
    return f"<div>{f'<b>{text(title)}</b>' if title else ''}{more}</div>"


def paragraph(*sentences: str) -> str:
    """Sentences, one below the other."""
    return "".join(f"<div>{text(render_message(one), 3000)}</div>" for one in sentences if one)


def code(line: str) -> str:
    """A line of Python."""
    return f'<div style="margin:.4em 0"><code>{text(line, 3000)}</code></div>'


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """Names with their values."""
    rows = "".join(
        f'<tr style="background:none"><th style="{_CELL};text-align:left;font-weight:normal;opacity:.75">'
        f'{text(name)}</th><td style="{_CELL};text-align:left">{text(value, 3000)}</td></tr>'
        for name, value in pairs
    )
    return f'<table style="{_TABLE}"><tbody>{rows}</tbody></table>' if rows else ""


def details(title: str, inside: str) -> str:
    """A collapsed section."""
    return f"<details><summary>{text(title)}</summary>{inside}</details>"


def table(head: Sequence[str], rows: Sequence[Sequence[object]], text_columns: Sequence[int] = (0,)) -> str:
    """A table; `text_columns` are aligned left, numbers right."""

    def line(kind: str, values: Sequence[object]) -> str:
        cells = []
        for place, value in enumerate(values):
            side = (
                "left" if place in text_columns else "right;white-space:nowrap" if kind == "td" else "right"
            )
            style = f"{_CELL};text-align:{side};{_DIGITS}"
            cells.append(f'<{kind} style="{style}">{text(value)}</{kind}>')
        return f'<tr style="background:none">{"".join(cells)}</tr>'

    top, lines = line("th", head), "".join(line("td", row) for row in rows)
    return (
        f'<div style="overflow-x:auto"><table style="{_TABLE}"><thead>{top}'
        f"</thead><tbody>{lines}</tbody></table></div>"
    )


def items(title: str, lines: Sequence[str], *, collapsed: bool = False) -> str:
    """A titled list of sentences; long ones are partly collapsed, or fully."""
    if not lines:
        return ""
    shown = [f"<li>{text(render_message(line), 3000)}</li>" for line in lines]
    listed = f'<ul style="margin:.1em 0 .4em;padding-left:1.4em">{"".join(shown[:MAX_ITEMS])}</ul>'
    if rest := shown[MAX_ITEMS:]:
        inside = f'<ul style="margin:.1em 0;padding-left:1.4em">{"".join(rest)}</ul>'
        listed += details(f"{len(rest):,} more", inside)
    if collapsed:
        return details(f"{title} ({len(lines):,})", listed)
    return f'<div style="margin-top:.4em">{text(title)}</div>{listed}'


def block(title: str, lines: Sequence[str]) -> str:
    """Preformatted lines under a title."""
    body = "\n".join(escape(printable(line)) for line in lines)
    style = "margin:.1em 0 .6em;padding:0;border:0;background:none;color:inherit;overflow-x:auto"
    return f'<div style="margin-top:.4em">{text(title)}</div><pre style="{style}">{body}</pre>'


def chart(lines: Sequence[tuple[str, Sequence[float], Sequence[float]]], x_name: str) -> str:
    """A small chart in the text color of lines (name, x, y): the first is solid, the others dashed.

    Non-finite values are left out; `x_name` is the unit of x.
    """
    drawn = [
        (name, [(a, b) for a, b in zip(xs, ys, strict=True) if math.isfinite(a) and math.isfinite(b)])
        for name, xs, ys in lines
    ]
    drawn = [(name, points) for name, points in drawn if len(points) > 1]
    if not drawn:
        return ""
    across = [a for _, points in drawn for a, _ in points]
    up = [b for _, points in drawn for _, b in points]
    left, wide = min(across), (max(across) - min(across)) or 1.0
    low, high = min(up), (max(up) - min(up)) or 1.0
    styles = (("solid", ""), ("dashed", ' stroke-dasharray="5 3"'), ("dotted", ' stroke-dasharray="1 3"'))
    paths, names = [], []
    for number, (name, points) in enumerate(drawn):
        thinned = [*points[: -1 : max(1, len(points) // 300)], points[-1]]
        at = " ".join(
            f"{10 + 380 * (a - left) / wide:.1f},{112 - 100 * (b - low) / high:.1f}" for a, b in thinned
        )
        style, dash = styles[min(number, 2)]
        paths.append(f'<polyline points="{at}" fill="none" stroke="currentColor" stroke-width="1.5"{dash}/>')
        names.append(f"{style}: {name}")
    axis = f"{x_name} {left:,.4g} to {left + wide:,.4g}; from {low:.3g} to {low + high:.3g}"
    return (
        f'<figure style="margin:.4em 0"><svg viewBox="0 0 400 120" width="400" height="120" role="img" '
        f'style="max-width:100%;color:inherit" aria-label="{text(", ".join(names))}">'
        f'<path d="M10 6V114H394" fill="none" stroke="currentColor" opacity=".4"/>{"".join(paths)}</svg>'
        f'<figcaption style="opacity:.75">{text("; ".join(names))}. {text(axis)}.</figcaption></figure>'
    )
