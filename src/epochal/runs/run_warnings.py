"""Warnings that outrank the curves: leakage, naive forecasts, unbeaten baselines, classes never predicted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from epochal.common.metric_names import constant_of, higher_is_better, label_of
from epochal.curves.statistics import three_digits
from epochal.data import Task
from epochal.data.grouping import GROUP_LEAK_NOTE_MARKER
from epochal.data.tables.association import LEAK_NOTE_MARKER
from epochal.models import METRICS
from epochal.runs.forecast import ForecastScores
from epochal.runs.metrics import NO_LOSS
from epochal.runs.outcome import Scores

_MAX_NAMED = 5


def warnings_of(
    notes: Sequence[str],
    forecasts: Mapping[str, ForecastScores],
    confusion: Mapping[str, NDArray[np.int64]],
    classes: Sequence[str],
    weighted: bool,
    test: str = "",
) -> tuple[str, ...]:
    """Warnings, the most important first; `confusion` has counts (repeats, true, predicted) by part.

    `test` is that of `not_beaten`.

    >>> warnings_of((), {}, {"validation": np.array([[[9, 0], [3, 0]]])}, ("no", "yes"), weighted=True)
    ('"yes" is never predicted, though 3 of 12 validation samples are of it.',)
    """
    markers = (LEAK_NOTE_MARKER, GROUP_LEAK_NOTE_MARKER)
    found = [f"Leakage suspected: {note}" for note in notes if any(one in note for one in markers)]
    for part, scores in list(forecasts.items())[-1:]:  # test if there is one
        found.append(scores.warning(part))
    if not forecasts:
        found.append(test)
    for part, counts in list(confusion.items())[-1:]:
        found.append(_never_predicted(part, counts, classes, weighted))
    return tuple(filter(None, found))


_MIN_TESTED = 20
"""Fewest test samples of which it is said that no baseline is beaten. (Arbitrary.)"""


def not_beaten(scores: Scores, baseline: Mapping[str, Sequence[float]], samples: int) -> str:
    """That on the test samples the mean of the repeats beats no baseline in any metric; empty if it does.

    Nothing is said of few samples, or of those of one class, on which nothing can be shown.
    """
    known = [name for name in scores.metrics if f"test.{name}" in baseline]
    classes = (
        None if scores.confusion is None or scores.confusion.ndim > 3 else scores.confusion.sum(axis=(0, 2))
    )
    if not known or samples < _MIN_TESTED or (classes is not None and (classes > 0).sum() < 2):
        return ""
    levels = {name: float(np.mean(baseline[f"test.{name}"])) for name in known}

    def beats(name: str, value: float | None) -> bool:
        sign = 1.0 if higher_is_better(name) else -1.0
        return value is not None and sign * value > sign * levels[name]

    means = [scores.metrics[name].mean for name in known]
    if any(map(beats, known, means)) or not all(map(math.isfinite, means)):
        return ""
    name = "rmse" if "rmse" in known else known[0]
    reached, together = scores.metrics[name].mean, scores.ensemble.get(name)
    ensemble = f"; their mean prediction does, with {three_digits(together)}" if beats(name, together) else ""
    return (
        "On the test samples the repeats beat no baseline: "
        f"{label_of(name)} {three_digits(reached)}, and {constant_of(name)} gives "
        f"{three_digits(levels[name])}{ensemble}."
    )


def _never_predicted(part: str, counts: NDArray[np.int64], classes: Sequence[str], weighted: bool) -> str:
    """Classes that at least half of the repeats with samples of them never predict."""
    true, predicted = counts.sum(axis=2), counts.sum(axis=1)
    silent = ((true > 0) & (predicted == 0)).sum(axis=0)
    never = [k for k in range(len(classes)) if silent[k] and 2 * silent[k] >= (true[:, k] > 0).sum()]
    if not never:
        return ""
    repeats, total = len(counts), true.sum(axis=0)
    some, all_ = round(total[never].sum() / repeats), round(total.sum() / repeats)
    names = ", ".join(f'"{classes[k]}"' for k in never[:_MAX_NAMED])
    more = f" and {len(never) - _MAX_NAMED} more classes" if len(never) > _MAX_NAMED else ""
    verb, it = ("is", "it") if len(never) == 1 else ("are", "them")
    where = ""
    if predicted[:, never].any():
        bound = "" if len(never) == 1 else "at least "
        where = f" in {bound}{silent[never].min()} of {repeats} repeats"
    remedy = "" if weighted else f' `class_weight="balanced"` makes {it} count as much as the others.'
    are = "is" if some == 1 else "are"
    return (
        f"{names}{more} {verb} never predicted{where}, though {some:,} of {all_:,} {part} samples {are} of "
        f"{it}.{remedy}"
    )


def notes_on_metrics(
    task: Task, metrics: Iterable[str], repeats: int, *, scaled: bool, ensemble: bool
) -> list[str]:
    """Notes needed to read metrics, one sentence each.

    `scaled` is whether targets are standardized, `ensemble` whether the mean prediction is scored, too.

    >>> notes_on_metrics(Task("binary", ("no", "yes")), ["f1"], 1, scaled=False, ensemble=False)
    ['F1, average precision, precision and recall are of "yes".']
    """
    sentences = []
    if scaled:
        own = [label_of(name) for name in metrics if name in METRICS and METRICS[name].in_target_units]
        units = f"; {' and '.join(own)} {'is' if len(own) == 1 else 'are'} in the target's units"
        sentences.append(f"The loss is of standardized targets (mean 0, sd 1){units if own else ''}.")
    if task.kind == "binary":
        sentences.append(f'F1, average precision, precision and recall are of "{task.classes[1]}".')
    if task.kind == "multiclass":
        sentences.append("F1, average precision, precision, recall and ROC AUC are means over the classes.")
    if ensemble:
        mean = f"Ensemble: the mean prediction of the {repeats} repeats, which new rows get"
        sentences.append(f"{mean}{f'; {NO_LOSS}' if task.is_regression else '.'}")
    return sentences
