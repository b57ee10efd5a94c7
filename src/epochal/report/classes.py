"""How is each class found, on the page?"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from epochal.curves import Summary
from epochal.run import ClassFigures

__all__ = ["class_tables"]

_MOST_ROWS = 200
_COLUMNS = ("precision", "recall", "F1")


def class_tables(parts: Mapping[str, Mapping[str, ClassFigures]]) -> str:
    """A table for each part of the samples: mean ± sd with the 95 % interval below, a row a class."""
    return "".join(_table(part, classes) for part, classes in parts.items() if classes)


def _table(part: str, classes: Mapping[str, ClassFigures]) -> str:
    shown = sorted(classes.items(), key=lambda one: one[1].f1.mean) if len(classes) > _MOST_ROWS else None
    rows = "".join(_row(name, figures) for name, figures in (shown or list(classes.items()))[:_MOST_ROWS])
    head = "".join(f"<th scope=col class=number>{name}</th>" for name in (*_COLUMNS, "samples"))
    left_out = f" The {_MOST_ROWS} of {len(classes):,} classes with the lowest F1 are shown." if shown else ""
    return (
        f"<h3>Each class, {escape(part)}</h3>"
        '<div class="scroll" tabindex="0"><table class="rows classes"><thead><tr><th scope=col>class</th>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        '<p class="note">Precision: of the samples taken for the class, the share that is of it. Recall: of '
        "the samples of the class, the share that is found. F1: their harmonic mean. Counted without "
        f"weights, at the best parameters.{left_out}</p>"
    )


def _row(name: str, figures: ClassFigures) -> str:
    cells = "".join(_cell(one) for one in (figures.precision, figures.recall, figures.f1))
    support = figures.support.mean
    samples = f"{support:,.0f}" if support == round(support) or support >= 100 else f"{support:.1f}"
    return f"<tr><th scope=row>{escape(name)}</th>{cells}<td class=number>{samples}</td></tr>"


def _cell(summary: Summary) -> str:
    if summary.sd is None or summary.ci95 is None:
        return f"<td class=number>{summary.mean:.3f}</td>"
    digits = min(max(summary.decimals, 2), 4)
    low, high = summary.ci95
    return (
        f"<td class=number>{summary.mean:.{digits}f} ± {summary.sd:.{digits}f}"
        f"<small>{low:.{digits}f} to {high:.{digits}f}</small></td>"
    )
