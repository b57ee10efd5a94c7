"""`Difference`: the paired comparison of two settings.

One interval gives three outcomes. Beyond zero: one setting is better. Within the margin, below which no
difference matters: practically the same, by two one-sided tests (Schuirmann 1987). Neither: undecided, which
is no evidence of equality.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from epochal.choose.pairs import ALPHA, FEWEST, MOST_REPEATS, interval_of, repeats_needed
from epochal.curves.statistics import Summary, counted

MEANINGFUL = 0.75
"""A better setting should win this share of the repeats (Bouthillier et al. 2021, section 4.1)."""


@dataclass(frozen=True)
class PairedDifference:
    """Two settings over the same repeats: by how much, how often and how surely one is better.

    Every figure is read as "a is better than b": `mean` is positive where a is better, whether the values
    are losses or accuracies. Repeats where a or b gave no finite value take no part in `mean`, `sd` and
    `interval`. In `probability` and in the test they count: the setting without a value lost that repeat.

    >>> from epochal.choose.paired import difference
    >>> found = difference([0.31, 0.29, 0.33, 0.30], [0.36, 0.35, 0.37, 0.36], a="16", b="full")
    >>> print(found)
    16 is better than full by 0.0525 (98 % interval 0.0308 to 0.0742), in 4 of 4 repeats
    >>> found.probability, found.detectable, found.meaningful
    (1.0, True, True)
    """

    a: str
    b: str
    differences: Summary
    """Of the improvement of a over b in each repeat, NaN where one of them is not finite."""
    freedom: float
    """The degrees of freedom of the standard deviation."""
    probability: float
    """P(a better than b): the share of repeats that a wins, ties counting half."""
    probability_ci: tuple[float, float]
    """Its 95 % interval: see `pairs.probability_interval`."""
    p_value: float
    """Of the two-sided paired t test; of the signed-rank test where a value is not finite."""
    p_adjusted: float
    """The same, corrected for all comparisons and looks (Bonferroni): to be held against `alpha`."""
    pairs: int
    wins: tuple[int, int]
    """The numbers of repeats in which a and b were better."""
    unfinished: tuple[int, int]
    """The numbers of repeats in which a and b had no finite value."""
    better: str | None
    """The better setting, or None if undecided or practically the same."""
    level: float = ALPHA
    """The significance level of this comparison at this look."""
    alpha: float = ALPHA
    """The error rate over all comparisons."""
    margin: float = 0.0
    """The smallest difference that matters."""

    @property
    def mean(self) -> float:
        """By how much a is better than b, in the unit of the values."""
        return self.differences.mean

    @property
    def sd(self) -> float | None:
        """The standard deviation of the differences, at least that of rounding where differences tie.

        Among several settings it is the largest of three estimates: see `pairs.shared_test`.
        """
        return self.differences.sd

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of `mean`, by Student's t at `level`: it leaves zero out exactly where the test rejects.

        All intervals of a comparison hold together, with a confidence of 1 - alpha. None where no spread is
        known, or where a value is not finite and ranks took the place of means.
        """
        if self.sd is None or self.freedom < 1 or any(self.unfinished):
            return None
        return interval_of(self.mean, self.sd, self.differences.repeats, self.freedom, self.level)

    @property
    def equivalent(self) -> bool:
        """Whether any difference is within the margin: two one-sided tests at half the level each.

        Values that are all equal, such as accuracies of 1, leave no margin and show nothing.
        """
        ends = self.interval
        return ends is not None and self.pairs >= FEWEST and max(map(abs, ends)) <= self.margin > 0

    @property
    def detectable(self) -> bool:
        """Whether the repeats show that one of the settings is better."""
        return self.better is not None

    @property
    def meaningful(self) -> bool:
        """Whether the difference is detectable and the better setting wins more than 3 of 4 repeats."""
        return self.detectable and max(self.probability, 1 - self.probability) > MEANINGFUL

    @property
    def needed(self) -> int | None:
        """How many repeats would show a difference as large as the observed one, with a power of 80 %.

        None where no number is known: no spread, no difference, values that are not finite, or more than
        10,000.
        """
        if self.sd is None or self.mean == 0 or any(self.unfinished):
            return None
        return repeats_needed(self.sd, self.mean, alpha=self.level)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        figures = self.differences.to_dict()
        ends = self.interval
        return {
            "a": self.a,
            "b": self.b,
            "difference": {name: figures[name] for name in ("mean", "sd", "per_repeat")},
            "interval": None if ends is None else list(ends),
            "confidence": 1 - self.alpha,
            "probability": self.probability,
            "probability_ci95": list(self.probability_ci),
            "p_value": self.p_value,
            "p_adjusted": self.p_adjusted,
            "pairs": self.pairs,
            "wins": list(self.wins),
            "unfinished": list(self.unfinished),
            "detectable": self.detectable,
            "meaningful": self.meaningful,
            "equivalent": self.equivalent,
            "margin": self.margin,
            "better": self.better,
            "repeats_needed": self.needed,
        }

    def __str__(self) -> str:
        if self.equivalent:
            return (
                f"{self.a} and {self.b} are practically the same: they differ by less than {self.margin:.3g} "
                f"({confidence(self.alpha)} interval {self._ends()}; {counted(self.pairs, 'repeat')})"
            )
        return self._undetected() if self.better is None else self._detected(self.better)

    def _ends(self, sign: float = 1.0) -> str:
        low, high = sorted(sign * end for end in self.interval or (math.nan, math.nan))
        return f"{self.differences.written(low)} to {self.differences.written(high)}"

    def _undetected(self) -> str:
        asides = [counted(self.pairs, "repeat")]
        if self.pairs < FEWEST:
            asides.append(f"at least {FEWEST} are needed")
        elif self.sd is not None and self.mean != 0 and not any(self.unfinished):
            needed = f"{self.needed:,}" if self.needed else f"more than {MOST_REPEATS:,}"
            asides.append(f"a difference of {self.differences.written(abs(self.mean))} would need {needed}")
        asides += [
            f"{name} gave no finite value in {missing} of them"
            for name, missing in zip((self.a, self.b), self.unfinished, strict=True)
            if missing
        ]
        return f"no detectable difference between {self.a} and {self.b} ({'; '.join(asides)})"

    def _detected(self, better: str) -> str:
        first, repeats = better == self.a, counted(self.pairs, "repeat")
        worse, missing = (self.b, self.unfinished) if first else (self.a, self.unfinished[::-1])
        ahead = f"{better} is better than {worse}"
        if missing == (0, self.pairs):
            return f"{ahead}, which gave no finite value in any of {repeats}"
        wins = f"in {self.wins[0 if first else 1]} of {repeats}"
        if any(missing):
            named = zip((better, worse), missing, strict=True)
            lost = [f"{name} gave no finite value in {count}" for name, count in named if count]
            return f"{ahead} {wins} ({', '.join(lost)})"
        by = self.differences.written(abs(self.mean))
        interval = f"{confidence(self.alpha)} interval {self._ends(1.0 if first else -1.0)}"
        return f"{ahead} by {by} ({interval}), {wins}"


def confidence(alpha: float) -> str:
    """The confidence of an interval in words.

    >>> confidence(0.02)
    '98 %'
    """
    return f"{100 * (1 - alpha):.4g} %"
