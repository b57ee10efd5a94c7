"""Warnings that outrank the curves: leakage, naive forecasts, classes never predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from epochal.data.grouping import GROUP_LEAK_NOTE_MARKER
from epochal.data.tables.association import LEAK_NOTE_MARKER
from epochal.runs.forecast import ForecastScores

_MOST_NAMED = 5


def warnings_of(
    notes: Sequence[str],
    forecasts: Mapping[str, ForecastScores],
    confusion: Mapping[str, NDArray[np.int64]],
    classes: Sequence[str],
    weighted: bool,
) -> tuple[str, ...]:
    """Warnings, the most important first; `confusion` has counts (repeats, true, predicted) by part.

    >>> warnings_of((), {}, {"validation": np.array([[[9, 0], [3, 0]]])}, ("no", "yes"), weighted=True)
    ('"yes" is never predicted, though 3 of 12 validation samples are of it.',)
    """
    markers = (LEAK_NOTE_MARKER, GROUP_LEAK_NOTE_MARKER)
    found = [f"Leakage suspected: {note}" for note in notes if any(one in note for one in markers)]
    for part, scores in list(forecasts.items())[-1:]:  # test if there is one
        found.append(scores.warning(part))
    for part, counts in list(confusion.items())[-1:]:
        found.append(_never_predicted(part, counts, classes, weighted))
    return tuple(filter(None, found))


def _never_predicted(part: str, counts: NDArray[np.int64], classes: Sequence[str], weighted: bool) -> str:
    """Classes that at least half of the repeats with samples of them never predict."""
    true, predicted = counts.sum(axis=2), counts.sum(axis=1)
    silent = ((true > 0) & (predicted == 0)).sum(axis=0)
    never = [k for k in range(len(classes)) if silent[k] and 2 * silent[k] >= (true[:, k] > 0).sum()]
    if not never:
        return ""
    repeats, total = len(counts), true.sum(axis=0)
    some, all_ = round(total[never].sum() / repeats), round(total.sum() / repeats)
    names = ", ".join(f'"{classes[k]}"' for k in never[:_MOST_NAMED])
    more = f" and {len(never) - _MOST_NAMED} more classes" if len(never) > _MOST_NAMED else ""
    verb, it = ("is", "it") if len(never) == 1 else ("are", "them")
    where = ""
    if predicted[:, never].any():
        least = "" if len(never) == 1 else "at least "
        where = f" in {least}{silent[never].min()} of {repeats} repeats"
    remedy = "" if weighted else f' `class_weight="balanced"` makes {it} count as much as the others.'
    are = "is" if some == 1 else "are"
    return (
        f"{names}{more} {verb} never predicted{where}, though {some:,} of {all_:,} {part} samples {are} of "
        f"{it}.{remedy}"
    )
