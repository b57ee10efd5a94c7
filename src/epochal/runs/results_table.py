"""The table of results, for terminal, page and notebook."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from epochal.common.metric_names import label_of
from epochal.runs.evaluation_text import cells, value_of

if TYPE_CHECKING:
    from epochal.runs.record import Run


def results_table(run: Run, without: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """Every metric at the best epoch, and that epoch; the first row holds the heads.

    With several repeats a row is the name, mean ± sd and the interval, and, if known, the value
    of the ensemble; with one repeat, the name and the value. Metrics shown elsewhere are left out.
    """
    several, together = run.repeats > 1, bool(run.ensemble)
    head = ("", "mean ± sd", "95 % interval") if several else ("", "value")
    rows = [(*head, "ensemble") if together else head]
    shown = [(part, *one) for part, metrics in run.metrics.items() for one in metrics.items()]
    for part, name, summary in shown:
        if name in without:
            continue
        row = cells(summary) if several else (summary.written(summary.mean),)
        if together:
            row = (*row, value_of(run.ensemble.get(part, {}).get(name, math.nan), summary))
        rows.append((f"{part} {label_of(name)}", *row))
    best = sorted(run.best_epoch.per_repeat)
    if best:
        middle = f"{best[(len(best) - 1) // 2]:.4g}"
        ends = (f"{middle} (median)", f"{best[0]:.4g}–{best[-1]:.4g} (all repeats)") if several else (middle,)
        rows.append(("best epoch", *ends, *([""] * together)))
    return rows
