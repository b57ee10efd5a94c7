"""The decision threshold of each repeat, and decisions with it.

One half is right where probabilities are calibrated and both kinds of errors cost the same. With a rare
class, or with class weights or a balanced order, another threshold often serves better.

It is chosen on each repeat's validation samples, and used unchanged on the test samples.

New samples are predicted with the mean probability of the repeats. They get the second class where the
repeats exceed their own thresholds on average: mean of (p - t) > 0, and so mean p > mean t.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from epochal.curves import Summary, summarize
from epochal.curves.precision_recall import counted_by_threshold
from epochal.curves.statistics import Floats, Ints
from epochal.data.records import built, convert_json
from epochal.errors import Refusal
from epochal.runs.outcome import Scores
from epochal.runs.per_class import confusion


@dataclass(frozen=True)
class Threshold:
    """The decision threshold of a run.

    Args:
        rule: the metric it maximizes on the validation samples of each repeat, or "given".
        positive: the class of samples above it.
        per_repeat: that of each repeat; `per_repeat.mean` is used for predictions.
    """

    rule: str
    positive: str
    per_repeat: Summary

    @property
    def value(self) -> float:
        """The threshold of the mean probability of the repeats."""
        return self.per_repeat.mean

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        named = {"rule": self.rule, "positive": self.positive}
        return {**named, "value": self.value, "per_repeat": list(self.per_repeat.per_repeat)}

    @staticmethod
    def from_dict(value: Any) -> Threshold:
        """The inverse of `to_dict`."""
        found = convert_json(dict[str, Any], value, "threshold")
        values = convert_json(tuple[float, ...], found.pop("per_repeat", None), "threshold.per_repeat")
        found.pop("value", None)  # the mean of the others
        if not values or not all(0 < one < 1 for one in values):
            raise Refusal(
                "`threshold` must be between 0 and 1 in each repeat. Save the run again with epochal."
            )
        return built(Threshold, found, per_repeat=summarize(values, interval=False))

    def __str__(self) -> str:
        if self.rule == "given":
            return f'"{self.positive}" above a probability of {self.value:g}, as given'
        rule = self.rule.replace("_", " ").replace("f1", "F1").replace("youden", "Youden's index")
        above = f'"{self.positive}" above a probability of {self.value:.3g}'
        spread, values = self.per_repeat.sd, self.per_repeat.per_repeat
        if spread is None:
            return f"{above}, the best {rule} on validation"
        return (
            f"{above}, the mean of the best {rule} on the validation samples of each repeat: "
            f"sd {spread:.2g}, from {min(values):.3g} to {max(values):.3g}"
        )


def _f1(found: Ints, taken: Ints, positives: int, negatives: int) -> Floats:
    return 2 * found / np.maximum(taken + positives, 1)


def _youden(found: Ints, taken: Ints, positives: int, negatives: int) -> Floats:
    return (found * negatives - (taken - found) * positives).astype(np.float64)


_RULES = {"f1": _f1, "balanced_accuracy": _youden, "youden": _youden}
"""The quantity to maximize, from samples found and taken at each threshold; integer for exact ties."""


def best_threshold(rule: str, probabilities: ArrayLike, positive: ArrayLike) -> float:
    """The threshold that maximizes a rule; samples above it get the class.

    It lies midway between two occurring probabilities. Of equally good ones, the
    nearest to 0.5 is taken.

    Args:
        rule: "f1", "balanced_accuracy", or "youden" (sensitivity + specificity - 1, Youden 1950), maximal
            where balanced accuracy is.
        probabilities: (n,) of the class.
        positive: (n,) whether a sample has it.

    >>> best_threshold("f1", [0.1, 0.2, 0.4, 0.8], [0, 1, 0, 1])
    0.15000000000000002
    """
    values, found, taken = counted_by_threshold(probabilities, positive)
    positives = int(found[-1])
    worth = _RULES[rule](np.append(0, found), np.append(0, taken), positives, int(taken[-1]) - positives)
    upper, lower = np.append(1.0, values), np.append(values, 0.0)
    middle = (upper + lower) / 2
    # Neighboring floats have no midpoint: the lower one still separates them.
    middle = np.where(middle < upper, middle, lower)
    possible = (middle > 0) & (middle < 1)
    if not possible.any():
        return 0.5
    best = possible & (worth == worth[possible].max())
    return float(middle[best][np.argmin(np.abs(middle[best] - 0.5))])


def apply_threshold(
    rule: str | float, scores: Mapping[str, Scores], positive: str
) -> tuple[Threshold, dict[str, Scores]]:
    """The threshold of a run, and the scores of its parts with it; `rule` is a metric, or the threshold."""
    if isinstance(rule, str):
        held_out = scores["validation"]
        assert held_out.labels is not None and held_out.probabilities is not None
        pairs = zip(held_out.probabilities[..., 0], held_out.labels, strict=True)
        values = [best_threshold(rule, shares, labels == 1) for shares, labels in pairs]
    else:
        repeats = [len(one.labels) for one in scores.values() if one.labels is not None]
        values = [rule] * max(repeats, default=1)
    done = {}
    for part, one in scores.items():
        assert one.labels is not None and one.probabilities is not None
        above = one.probabilities[..., 0] > np.reshape(values, (-1, 1))
        counts = [confusion(*pair, 2) for pair in zip(one.labels, above.astype(np.int64), strict=True)]
        done[part] = replace(one, confusion_at_threshold=np.stack(counts))
    name = rule if isinstance(rule, str) else "given"
    return Threshold(name, positive, summarize(values, interval=False)), done
