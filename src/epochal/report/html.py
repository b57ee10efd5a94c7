"""HTML of the page about a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from epochal.common.metric_names import label_of
from epochal.common.notebook_view import coded
from epochal.curves import KINDS, Summary, figure_label
from epochal.report.classes import class_tables, tradeoff
from epochal.report.confusion import confusion_table
from epochal.report.document import ReportDocument
from epochal.report.forecast import forecast_section

__all__ = ["body", "conditions_said", "text"]

_SIGNS = {  # a sign beside the color, so that meaning does not depend on color
    "overfitting": ("↗", "warn"),
    "probably overfitting": ("↗", "warn"),
    "underfitting": ("→", "warn"),
    "probably underfitting": ("→", "warn"),
    "good fit": ("✓", "good"),
    "stopped in time": ("✓", "good"),
    "leveled off": ("→", "open"),
    "undecided": ("?", "open"),
    "still improving": ("↘", "open"),
    "probably still improving": ("↘", "open"),
    "unstable": ("⚡", "bad"),
    "probably unstable": ("⚡", "warn"),
    "no detectable difference from chance": ("≈", "bad"),
    "not judged": ("?", "open"),
}
assert set(_SIGNS) == set(KINDS)

_WORDS = {
    "best_epoch": "best epoch",
    "stopped": "stopped because",
    "train.loss": "training loss",
    "train.running_loss": "training loss, running",
    "seconds": "seconds",
    "train samples": "training samples",
    "ci95": "95 % interval",
    "devices_a_batch": "devices per batch",
    "turns": "uses per epoch",
}


def text(value: Any) -> str:
    """A value as escaped HTML text, with formatted numbers."""
    return escape(_plain(value))


def conditions_said(found: Mapping[str, Any]) -> dict[str, Any]:
    """Conditions with their names on a page."""
    return {
        "same bits every time" if name == "deterministic" else name: value for name, value in found.items()
    }


def body(document: ReportDocument) -> str:
    """The body of the page, without scripts."""
    sections = [
        ""
        if document.forecasts is None
        else _block("forecasts", "Forecasts", forecast_section(document.forecasts)),
        _curves(document),
        _results(document),
        _repeats(document),
        _errors(document),
        _block("tradeoff", "Precision and recall", tradeoff(document)),
        _block("plan", "The plan", _plan(document)),
        _block("data", "The data", _data(document)),
        _block("settings", "Settings", _table(document.settings)),
        _block("conditions", "Conditions", _table(document.conditions)),
    ]
    return (
        f'<a class="skip" href="#curves">Skip to the curves</a>\n'
        f'<header><p class="brand"><span aria-hidden="true"></span>epochal · training report</p>'
        f"<h1>{escape(document.title)}</h1>{_byline(document)}</header>\n"
        f"<main>\n{_answer(document)}\n{chr(10).join(part for part in sections if part)}\n</main>\n"
        f"<footer>One file, complete: nothing is fetched, nothing is sent.</footer>"
    )


def _byline(document: ReportDocument) -> str:
    curves = document.curves
    parts = []
    if len(curves):
        repeats = len(curves.repeats)
        parts = [f"{repeats} repeat{'' if repeats == 1 else 's'}", f"{curves.epoch.max():,.6g} epochs"]
        if curves.update.max() > 0:
            parts.append(f"{int(curves.update.max()):,} updates")
    parts += [str(document.conditions[key]) for key in ("date", "device") if document.conditions.get(key)]
    return f'<p class="byline">{" · ".join(escape(part) for part in parts)}</p>' if parts else ""


def _answer(document: ReportDocument) -> str:
    verdict = document.verdict
    sign, tone = _SIGNS.get(verdict.kind, ("?", "open"))
    if verdict.concerns:
        sign, tone = "!", "bad"
    figures = "".join(
        f"<tr><th scope=row>{escape(figure_label(name))}</th><td>{text(value)}</td></tr>"
        for name, value in verdict.figures.items()
    )
    how = f"<p>{coded(verdict.rule)}</p>" + (f"<table class=facts>{figures}</table>" if figures else "")
    remedy = f'<p class="remedy"><b>What to do.</b> {coded(verdict.remedy)}</p>' if verdict.remedy else ""
    said = verdict.sentence
    head, colon, rest = said.partition(": ")
    if colon and len(head) <= 60 and rest:
        said_html = f"<span>{coded(rest[0].upper() + rest[1:])}</span>"
        kind = head
    else:
        said_html, kind = f"<span>{coded(said)}</span>", verdict.kind.capitalize()
    if verdict.concerns:  # they outrank the curves
        kind, *others = verdict.concerns
        said_html = f"<span>{coded(' '.join([*others, said]))}</span>"
    return (
        f'<section id="answer" class="answer {tone}" aria-label="The answer">'
        f'<div class="words"><p class="kind"><span class="sign" '
        f'aria-hidden="true">{sign}</span>{coded(kind)}</p>'
        f'<p class="sentence">{said_html}</p>{remedy}'
        f"</div>{_headline(document)}"
        f"<details><summary>How this was judged</summary>{how}</details></section>"
    )


def _headline(document: ReportDocument) -> str:
    summary = document.headline
    if summary is None:
        return ""
    name = document.headline_name
    notes = []
    if summary.sd is not None:
        notes.append(f"± sd of {summary.repeats} repeats")
        if summary.ci95 is not None:
            low, high = (_fixed(end, summary) for end in summary.ci95)
            notes.append(f"95 % interval for new samples {low} to {high}")
    elif summary.repeats:
        notes.append("1 repeat: no interval")
    if document.ensemble is not None:
        notes.append(f"ensemble {_fixed(document.ensemble, summary)} (the mean prediction of the repeats)")
    left_out = len(summary.per_repeat) - summary.repeats
    if left_out:
        notes.append(f"{left_out} not finite, left out")
    if name in document.baseline:
        level = float(np.mean(np.asarray(document.baseline[name], float)))
        notes.append(f"baseline {_fixed(level, summary)}")
    spread = f' <span class="spread">± {_fixed(summary.sd, summary)}</span>' if summary.sd is not None else ""
    return (
        f'<div class="headline"><p class="name">{escape(_words(name))}</p>'
        f'<p class="figure">{_fixed(summary.mean, summary)}{spread}</p>{_strip(document, summary)}'
        f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>{_caution(document)}</div>"
    )


def _caution(document: ReportDocument) -> str:
    if not document.caution:
        return ""
    return f"<details><summary>Limitations</summary><p>{coded(document.caution)}</p></details>"


def _strip(document: ReportDocument, summary: Summary) -> str:
    """A strip plot of the repeats, with the interval of the mean."""
    values = [value for value in summary.per_repeat if math.isfinite(value)]
    if len(values) < 2 or summary.ci95 is None:
        return ""
    level = document.baseline.get(document.headline_name)
    base = None if level is None else float(np.mean(np.asarray(level, float)))
    ends = [*values, *summary.ci95, *([] if base is None else [base])]
    low, span = min(ends), (max(ends) - min(ends)) or 1.0

    def at(value: float) -> str:
        return f"{8 + 264 * (value - low) / span:.1f}"

    dots = "".join(f'<circle cx="{at(value)}" cy="16" r="4"/>' for value in values)
    left, right = (float(at(end)) for end in summary.ci95)
    mark = "" if base is None else f'<line class="base" x1="{at(base)}" x2="{at(base)}" y1="4" y2="28"/>'
    return (
        f'<svg class="strip" viewBox="0 0 280 32" role="img" aria-label="The values of the repeats">'
        f'<line class="axis" x1="4" x2="276" y1="16" y2="16"/>{mark}'
        f'<rect x="{left:.1f}" y="8" width="{max(right - left, 1):.1f}" height="16" rx="4"/>{dots}</svg>'
    )


def _results(document: ReportDocument) -> str:
    """The table of results, as on the terminal and in a notebook."""
    if len(document.results) < 2:
        return ""
    head, *rows = document.results
    heads = "".join(
        f"<th scope=col{' class=number' if i else ''}>{escape(one)}</th>" for i, one in enumerate(head)
    )
    lines = "".join(
        f"<tr><th scope=row>{escape(name)}</th>"
        f"{''.join(f'<td class=number>{_unbroken(one)}</td>' for one in cells)}</tr>"
        for name, *cells in rows
    )
    table = f"<table class=rows><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"
    note = f'<p class="note">{coded(" ".join(document.remarks))}</p>' if document.remarks else ""
    return _block(
        "results", "Results at the best epoch", f'<div class="scroll" tabindex="0">{table}</div>{note}'
    )


def _curves(document: ReportDocument) -> str:
    if not (document.curves.names and len(document.curves)):
        return ""
    axes = "".join(
        f'<label><input type="radio" name="x" '
        f'value="{x}"{" checked" if x == "epochs" else ""}><span>{x}</span></label>'
        for x in ("epochs", "updates", "samples", "seconds")
    )
    several = len(document.curves.repeats) > 1
    note = (
        "Lines are means over the repeats, dotted where some have stopped (they count with their last "
        "value) and "
        "ending where most have; bands, the 95 % interval of the mean (Student t; while at least 4 "
        "repeats run, "
        "or all). Faint lines are single repeats. "
        if several
        else ""
    )
    faint = (
        '<label class="check"><input type="checkbox" id="faint" checked> single repeats</label>'
        if several
        else ""
    )
    return (
        '<section id="curves"><h2>Learning curves</h2>'
        f'<form class="controls" aria-label="How the curves are '
        f'drawn"><fieldset><legend>against</legend>{axes}</fieldset>'
        f'<label class="check"><input type="checkbox" id="log"> log loss axis</label>{faint}</form>'
        '<div id="panels"><noscript><p>The figures are drawn by a script inside this file, '
        "and scripts are switched off.</p></noscript></div>"
        f'<p class="note">{note}“Training, running” is the mean loss of the updates since the last '
        f"evaluation, while "
        "the parameters moved; “training, fixed” is the loss of all training samples at the parameters of "
        "that moment, "
        "comparable with validation.</p></section>"
    )


def _repeats(document: ReportDocument) -> str:
    rows = list(document.per_repeat)
    if not rows:
        return ""
    names = list(dict.fromkeys(name for row in rows for name in row))
    numeric = {
        name for name in names if all(_is_number(row.get(name)) or row.get(name) is None for row in rows)
    }
    head = "".join(
        f"<th scope=col{' class=number' if name in numeric else ''}>{escape(_words(name))}</th>"
        for name in names
    )
    lines = "".join(
        "<tr>"
        + "".join(
            f"<td{' class=number' if name in numeric else ''}>{text(row.get(name))}</td>" for name in names
        )
        + "</tr>"
        for row in rows
    )
    table = f"<table class=rows><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"
    return _block("repeats", "Individual runs", f'<div class="scroll" tabindex="0">{table}</div>')


def _errors(document: ReportDocument) -> str:
    labels = document.data.get("task") == "multilabel"
    tables = class_tables(document.per_class, "label" if labels else "class")
    if document.confusion is not None or tables:
        pairs = "" if document.confusion is None else confusion_table(document.confusion)
        return _block("errors", "Errors", pairs + tables)
    if document.residuals is not None:
        note = (
            "Validation samples of all repeats at the best epoch. On the diagonal, a prediction is exact; "
            "the bars count the samples by predicted minus true."
        )
        return _block(
            "errors",
            "Errors",
            f'<div class="pair"><div id="scatter" class="figure-box"></div><div id="histogram" '
            f'class="figure-box"></div>'
            f'</div><p class="note">{note}</p>',
        )
    return ""


def _plan(document: ReportDocument) -> str:
    said = f'<pre tabindex="0">{escape(document.plan_text)}</pre>' if document.plan_text else ""
    table = _table(document.plan)
    return said + (
        f"<details><summary>The plan in figures</summary>{table}</details>" if said and table else table
    )


def _data(document: ReportDocument) -> str:
    notes = "".join(f"<li>{coded(str(note))}</li>" for note in document.data_notes)
    return _table(document.data) + (f'<ul class="notes">{notes}</ul>' if notes else "")


def _table(values: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th scope=row>{escape(_words(name))}</th><td>{text(value)}</td></tr>"
        for name, value in _flat(values)
    )
    return f"<table class=facts>{rows}</table>" if rows else ""


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found += _flat(value, f"{before}{name} · ")
        else:
            found.append((f"{before}{name}", value))
    return found


def _block(name: str, title: str, inside: str) -> str:
    return f'<section id="{name}"><h2>{escape(title)}</h2>{inside}</section>' if inside else ""


def _unbroken(cell: str) -> str:
    """A cell without line breaks except before its parenthesis."""
    return escape(cell).replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")


def _words(name: str) -> str:
    """A readable form of an internal name."""
    if name in _WORDS:
        return _WORDS[name]
    return label_of(name)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _plain(value: Any) -> str:
    if value is None or value == {}:
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{int(value):,}" if abs(int(value)) >= 100_000 else str(int(value))
    if isinstance(value, float | np.floating):
        if not math.isfinite(value):
            return "not finite"
        return f"{value:,.0f}" if 1000 <= abs(float(value)) < 1e15 else f"{float(value):.4g}"
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes):
        return ", ".join(_plain(one) for one in value) or "–"
    return str(value)


def _fixed(value: float, summary: Summary) -> str:
    return summary.written(value) if math.isfinite(value) else "not finite"
