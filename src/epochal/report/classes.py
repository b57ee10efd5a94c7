"""Class figures and the decision threshold on the page."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from epochal.curves import Summary
from epochal.report.document import ReportDocument
from epochal.report.paper.precision_recall import shown_classes
from epochal.runs import ClassFigures

__all__ = ["class_tables", "tradeoff"]

_MOST_ROWS = 200
_COLUMNS = ("precision", "recall", "F1")
_MANY = {"class": "classes", "label": "labels"}


def class_tables(parts: Mapping[str, Mapping[str, ClassFigures]], of: str = "class") -> str:
    """A table per part of the samples: mean ± sd with the 95 % interval below, a row per class."""
    tables = "".join(_table(part, classes, of) for part, classes in parts.items() if classes)
    decided = (
        "each label where its probability is above 0.5"
        if of == "label"
        else "each sample in its most probable class"
    )
    return tables and (
        f'{tables}<p class="note">Precision: of the samples taken for the {of}, the share that is of it. '
        f"Recall: of the samples of the {of}, the share that is found. F1: their harmonic mean. Counted "
        f"without weights, at the best epoch, {decided}.</p>"
    )


def tradeoff(document: ReportDocument) -> str:
    """Containers of the figures of precision against recall, and the effect of the threshold."""
    names = shown_classes(document.precision_recall)
    if not names:
        return _threshold(document)
    places = "".join(f'<div id="tradeoff-{place}" class="figure-box"></div>' for place in range(len(names)))
    classes = {one.name for curves in document.precision_recall.values() for one in curves}
    left_out = (
        f" Of the {len(classes):,} classes, those with the lowest average precision are shown."
        if len(classes) > len(names)
        else ""
    )
    return (
        f'<div class="{"pair" if len(names) > 1 else "single"}">{places}</div>'
        '<p class="note">Each step is a threshold on the probability: to the right more of the class is '
        "found, upwards fewer others are taken for it. Lines are means over the repeats, bands the 95 % "
        "interval of the mean, faint lines single repeats. Average precision is the area under the steps. "
        f"Dashed: the base rate, the share of the class, which samples taken at random reach.{left_out}</p>"
    ) + _threshold(document)


def _threshold(document: ReportDocument) -> str:
    if document.threshold is None:
        return ""
    rows = "".join(
        f"<tr><th scope=row>{escape(f'{part} {name}'.replace('_', ' '))}</th>"
        f"{_cell(half)}{_cell(with_it)}</tr>"
        for part, name, half, with_it in document.at_threshold
    )
    table = (
        '<div class="scroll" tabindex="0"><table class="rows classes"><thead><tr><th scope=col></th>'
        "<th scope=col class=number>above 0.5</th><th scope=col class=number>above the threshold</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></div>"
    )
    aside = (
        ""
        if document.threshold.rule == "given"
        else " It was chosen on the validation samples, whose figures therefore look better than they are: "
        "test figures can judge it."
    )
    said = escape(str(document.threshold))
    return f'<h3>The threshold</h3><p class="note">Taken for {said}.{aside}</p>{table if rows else ""}'


def _table(part: str, classes: Mapping[str, ClassFigures], of: str) -> str:
    shown = sorted(classes.items(), key=lambda one: one[1].f1.mean) if len(classes) > _MOST_ROWS else None
    rows = "".join(_row(name, figures) for name, figures in (shown or list(classes.items()))[:_MOST_ROWS])
    head = "".join(f"<th scope=col class=number>{name}</th>" for name in (*_COLUMNS, "samples"))
    left_out = (
        f'<p class="note">The {_MOST_ROWS} of {len(classes):,} {_MANY[of]} with the lowest F1 are shown.</p>'
        if shown
        else ""
    )
    return (
        f"<h3>Each {of}, {escape(part)}</h3>"
        '<div class="scroll" tabindex="0"><table class="rows classes"><thead><tr><th scope=col>'
        f"{of}</th>"
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        f"{left_out}"
    )


def _row(name: str, figures: ClassFigures) -> str:
    cells = "".join(_cell(one) for one in (figures.precision, figures.recall, figures.f1))
    support = figures.support.mean
    samples = f"{support:,.0f}" if support == round(support) or support >= 100 else f"{support:.1f}"
    return f"<tr><th scope=row>{escape(name)}</th>{cells}<td class=number>{samples}</td></tr>"


def _cell(summary: Summary) -> str:
    if summary.sd is None:
        return f"<td class=number>{summary.mean:.3f}</td>"
    digits = min(max(summary.decimals, 2), 4)
    ends = "" if summary.ci95 is None else " to ".join(f"{end:.{digits}f}" for end in summary.ci95)
    return (
        f"<td class=number>{summary.mean:.{digits}f} ± {summary.sd:.{digits}f}"
        f"{ends and f'<small>{ends}</small>'}</td>"
    )
