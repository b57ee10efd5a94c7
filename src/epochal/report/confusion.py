"""The confusion matrix as an HTML table."""

from __future__ import annotations

from html import escape

import numpy as np

from epochal.report.document import Confusion

__all__ = ["confusion_table"]

MOST_CLASSES = 20
"""With more classes, the matrix is drawn as a picture."""


def confusion_table(confusion: Confusion) -> str:
    """Counts and shares of each true class, the mean over the repeats."""
    mean = confusion.counts.mean(axis=0)
    repeats = len(confusion.counts)
    totals = mean.sum(axis=1, keepdims=True)
    share = np.divide(mean, totals, out=np.zeros_like(mean), where=totals > 0)
    over = f", mean of {repeats} repeats" if repeats > 1 else ""
    note = (
        f'<p class="note">Validation samples at the best epoch{over}. Rows are the true classes, '
        f"columns the "
        "predicted ones; the share is of the row.</p>"
    )
    if len(confusion.classes) > MOST_CLASSES:
        return '<div id="confusion" class="figure-box tall"></div>' + note
    names = [str(name) for name in confusion.classes]
    kind = "confusion many" if len(names) > 6 else "confusion"
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in names)
    rows = []
    for i, name in enumerate(names):
        cells = "".join(
            f'<td class="{"right" if i == j else "wrong"}" style="--share:{share[i, j]:.3f}">'
            f"<b>{_count(mean[i, j])}</b><small>{share[i, j]:.0%}</small></td>"
            for j in range(len(names))
        )
        rows.append(f"<tr><th scope=row>{escape(name)}</th>{cells}</tr>")
    return (
        f'<div class="scroll" tabindex="0"><table class="{kind}"><thead><tr><td class="corner">true ↓ &nbsp; '
        f"predicted →</td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>{note}"
    )


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or value >= 100 else f"{value:.1f}"
