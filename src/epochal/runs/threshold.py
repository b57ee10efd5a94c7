"""The decision threshold of each repeat, and decisions with it.

It is chosen on each repeat's validation samples, and used unchanged on the test samples.

New samples are predicted with the mean probability of the repeats. They get the second class where the
repeats exceed their own thresholds on average: mean of (p - t) > 0, and so mean p > mean t. A row that
validates in one repeat trains in another, so there is none on which one threshold for all could be chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from epochal.curves import Summary, summarize
from epochal.data.records import built, converted
from epochal.errors import Refusal
from epochal.models import best_threshold
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
        return {
            "rule": self.rule,
            "positive": self.positive,
            "value": self.value,
            "per_repeat": list(self.per_repeat.per_repeat),
        }

    @staticmethod
    def from_dict(value: Any) -> Threshold:
        """The inverse of `to_dict`."""
        found = converted(dict[str, Any], value, "threshold")
        values = converted(tuple[float, ...], found.pop("per_repeat", None), "threshold.per_repeat")
        found.pop("value", None)  # the mean of the others
        if not values or not all(0 < one < 1 for one in values):
            raise Refusal(
                "`threshold` must be between 0 and 1 in each repeat. Save the run again with epochal."
            )
        return built(Threshold, found, per_repeat=summarize(values, interval=False))

    def __str__(self) -> str:
        if self.rule == "given":
            return f'"{self.positive}" above a probability of {self.value:g}, as given'
        words = self.rule.replace("_", " ").replace("f1", "F1").replace("youden", "Youden's index")
        spread, values = self.per_repeat.sd, self.per_repeat.per_repeat
        if spread is None:
            return (
                f'"{self.positive}" above a probability of {self.value:.3g}, the best {words} on validation'
            )
        return (
            f'"{self.positive}" above a probability of {self.value:.3g}, the mean of the best {words} on the '
            f"validation samples of each repeat: sd {spread:.2g}, from {min(values):.3g} to {max(values):.3g}"
        )


def decide(
    rule: str | float, scores: Mapping[str, Scores], positive: str
) -> tuple[Threshold, dict[str, Scores]]:
    """The threshold of a run, and the scores of its parts with it.

    Args:
        rule: the metric to maximize on "validation", or the threshold.
        scores: by part, with the probabilities of two classes.
        positive: the name of the second class.
    """
    if isinstance(rule, str):
        held_out = scores["validation"]
        assert held_out.labels is not None and held_out.probabilities is not None
        pairs = zip(held_out.probabilities[..., 0], held_out.labels, strict=True)
        values = [best_threshold(rule, shares, labels == 1) for shares, labels in pairs]
    else:
        values = [rule] * max(
            (len(one.labels) for one in scores.values() if one.labels is not None), default=1
        )
    done = {}
    for part, one in scores.items():
        assert one.labels is not None and one.probabilities is not None
        above = one.probabilities[..., 0] > np.reshape(values, (-1, 1))
        counts = [confusion(*pair, 2) for pair in zip(one.labels, above.astype(np.int64), strict=True)]
        done[part] = replace(one, confusion_at_threshold=np.stack(counts))
    name = rule if isinstance(rule, str) else "given"
    return Threshold(name, positive, summarize(values, interval=False)), done
