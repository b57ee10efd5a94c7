"""What matters more than the shape of the curves: leakage, naive forecasts, classes never predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from epochal.data.tables.association import DETERMINES
from epochal.runs.forecast import ForecastScores

__all__ = ["concerns_of"]

_MOST_NAMED = 5


def concerns_of(
    notes: Sequence[str],
    forecasts: Mapping[str, ForecastScores],
    confusion: Mapping[str, NDArray[np.int64]],
    classes: Sequence[str],
) -> tuple[str, ...]:
    """Sentences to be said first, the most important first; none where nothing is the matter.

    Args:
        notes: what was noticed about the data.
        forecasts: by part, of windows of a series.
        confusion: by part, (repeats, true, predicted) counts of classes.
        classes: their names.

    >>> concerns_of((), {}, {"validation": np.array([[[9, 0], [3, 0]]])}, ("no", "yes"))
    ('"yes" is never predicted, though 3 of 12 validation samples are of it.',)
    """
    leaks = [note for note in notes if DETERMINES in note]
    found = [f"Leakage suspected: {note}" for note in leaks]
    for part, scores in list(forecasts.items())[-1:]:  # test, where there is one
        beaten = [
            one.name for one in scores.naive if one.gain.repeats and not _beats(one.gain.ci95, one.gain.mean)
        ]
        if beaten:
            found.append(f"The forecast does not surely beat {' or '.join(beaten)} on the {part} windows.")
    for part, counts in list(confusion.items())[-1:]:
        found += _never_predicted(part, counts, classes)
    return tuple(found)


def _beats(interval: tuple[float, float] | None, mean: float) -> bool:
    """Whether a gain is above zero: by its interval, or by itself where there is none."""
    return (mean if interval is None else interval[0]) > 0


def _never_predicted(part: str, counts: NDArray[np.int64], classes: Sequence[str]) -> list[str]:
    true, predicted = counts.sum(axis=(0, 2)), counts.sum(axis=(0, 1))
    never = [k for k in range(len(classes)) if true[k] and not predicted[k]]
    if not never:
        return []
    repeats = len(counts)
    some, all_ = round(true[never].sum() / repeats), round(true.sum() / repeats)
    names = ", ".join(f'"{classes[k]}"' for k in never[:_MOST_NAMED])
    more = f" and {len(never) - _MOST_NAMED} more classes" if len(never) > _MOST_NAMED else ""
    verb = "is" if len(never) == 1 else "are"
    it = "it" if len(never) == 1 else "them"
    return [f"{names}{more} {verb} never predicted, though {some:,} of {all_:,} {part} samples are of {it}."]
