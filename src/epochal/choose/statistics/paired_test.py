"""Paired comparison of settings over the same repeats.

One interval gives three outcomes. Beyond zero: one setting is better. Within the margin, below which no
difference matters: practically the same, by two one-sided tests (Schuirmann 1987). Neither: undecided, which
is no evidence of equality.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from epochal.choose.statistics import paired_statistics as paired
from epochal.choose.statistics.paired_statistics import ALPHA, MIN_PAIRS
from epochal.common.text import counted
from epochal.curves.statistics import Floats, Summary
from epochal.data.records import plain

MEANINGFUL = 0.75
"""A better setting should win this share of the repeats (Bouthillier et al. 2021, section 4.1)."""


_KEPT = (
    *("a", "b", "probability", "p_value", "p_adjusted", "pairs", "wins", "nonfinite", "significant"),
    *("meaningful", "equivalent", "margin", "better", "interval"),
)
"""What JSON holds as it is."""


@dataclass(frozen=True)
class PairedDifference:
    """Two settings over the same repeats: by how much, how often and how surely one is better.

    Every number is read as "a is better than b": `mean` is positive where a is better, whether the values
    are losses or accuracies. Repeats where a or b gave no finite value take no part in `mean`, `sd` and
    `interval`. In `probability` and in the test they count: the setting without a value lost that repeat.

    >>> from epochal.choose.statistics.paired_test import difference
    >>> found = difference([0.31, 0.29, 0.33, 0.30], [0.36, 0.35, 0.37, 0.36], a="16", b="full")
    >>> print(found)
    16 is better than full by 0.0525 (98 % interval 0.0308 to 0.0742), in 4 of 4 repeats
    >>> found.probability, found.significant, found.meaningful
    (1.0, True, True)
    """

    a: str
    b: str
    differences: Summary  # of the improvement of a over b in each repeat, NaN where one of them is not finite
    df: float  # the degrees of freedom of the standard deviation
    probability: float  # P(a better than b): the share of repeats that a wins, ties counting half
    probability_ci: tuple[float, float]  # its 95 % interval: see `probability_interval`
    p_value: float  # of the two-sided paired t test; of the signed-rank test where a value is not finite
    p_adjusted: float
    """The same, corrected for all comparisons and looks (Bonferroni): to be held against `alpha`."""
    pairs: int
    wins: tuple[int, int]  # the numbers of repeats in which a and b were better
    nonfinite: tuple[int, int]  # the numbers of repeats in which a and b had no finite value
    better: str | None  # the better setting, or None if undecided or practically the same
    alpha_spent: float = ALPHA  # the part of `alpha` for this comparison at this look: its significance level
    alpha: float = ALPHA  # the error rate over all comparisons
    margin: float = 0.0  # the smallest difference that matters

    @property
    def mean(self) -> float:
        """By how much a is better than b, in the unit of the values."""
        return self.differences.mean

    @property
    def sd(self) -> float | None:
        """The standard deviation of the differences, at least that of rounding where differences tie.

        Among several settings it is the largest of three estimates: see `shared_test`.
        """
        return self.differences.sd

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of `mean`, by Student's t at `alpha_spent`: it leaves zero out exactly where the test rejects.

        All intervals of a comparison hold together, with a confidence of 1 - alpha. None where no spread is
        known, or where a value is not finite and ranks took the place of means.
        """
        if self.sd is None or self.df < 1 or any(self.nonfinite):
            return None
        return paired.interval_of(self.mean, self.sd, self.differences.repeats, self.df, self.alpha_spent)

    @property
    def equivalent(self) -> bool:
        """Whether any difference is within the margin: two one-sided tests at half of `alpha_spent` each.

        Values that are all equal, such as accuracies of 1, leave no margin and show nothing.
        """
        ends = self.interval
        return ends is not None and self.pairs >= MIN_PAIRS and max(map(abs, ends)) <= self.margin > 0

    @property
    def significant(self) -> bool:
        """Whether the repeats show that one of the settings is better."""
        return self.better is not None

    @property
    def meaningful(self) -> bool:
        """Whether the difference is significant and the better setting wins more than 3 of 4 repeats."""
        return self.significant and max(self.probability, 1 - self.probability) > MEANINGFUL

    @property
    def needed(self) -> int | None:
        """How many repeats would show a difference as large as the observed one, with a power of 80 %.

        None where no number is known: no spread, no difference, values that are not finite, or more than
        10,000.
        """
        if self.sd is None or self.mean == 0 or any(self.nonfinite):
            return None
        return paired.repeats_needed(self.sd, self.mean, alpha=self.alpha_spent)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        values = self.differences.to_dict()
        return {
            **{name: plain(getattr(self, name)) for name in _KEPT},
            "difference": {name: values[name] for name in ("mean", "sd", "per_repeat")},
            "confidence": 1 - self.alpha,
            "probability_ci95": list(self.probability_ci),
            "repeats_needed": self.needed,
        }

    def __str__(self) -> str:
        if self.equivalent:
            return (
                f"{self.a} and {self.b} are practically the same: they differ by less than {self.margin:.3g} "
                f"({confidence(self.alpha)} interval {self._ends()}; {counted(self.pairs, 'repeat')})"
            )
        return self._not_significant() if self.better is None else self._significant(self.better)

    def _ends(self, sign: float = 1.0) -> str:
        low, high = sorted(sign * end for end in self.interval or (math.nan, math.nan))
        return f"{self.differences.format_value(low)} to {self.differences.format_value(high)}"

    def _not_significant(self) -> str:
        asides = [counted(self.pairs, "repeat")]
        if self.pairs < MIN_PAIRS:
            asides.append(f"at least {MIN_PAIRS} are needed")
        elif self.sd is not None and self.mean != 0 and not any(self.nonfinite):
            needed = f"{self.needed:,}" if self.needed else f"more than {paired.MAX_REPEATS:,}"
            size = self.differences.format_value(abs(self.mean))
            asides.append(f"a difference of {size} would need {needed}")
        asides += [
            f"{name} gave no finite value in {missing} of them"
            for name, missing in zip((self.a, self.b), self.nonfinite, strict=True)
            if missing
        ]
        return f"no significant difference between {self.a} and {self.b} ({'; '.join(asides)})"

    def _significant(self, better: str) -> str:
        first, repeats = better == self.a, counted(self.pairs, "repeat")
        worse, missing = (self.b, self.nonfinite) if first else (self.a, self.nonfinite[::-1])
        ahead = f"{better} is better than {worse}"
        if missing == (0, self.pairs):
            return f"{ahead}, which gave no finite value in any of {repeats}"
        wins = f"in {self.wins[0 if first else 1]} of {repeats}"
        if any(missing):
            named = zip((better, worse), missing, strict=True)
            asides = [f"{name} gave no finite value in {count}" for name, count in named if count]
            return f"{ahead} {wins} ({', '.join(asides)})"
        by = self.differences.format_value(abs(self.mean))
        interval = f"{confidence(self.alpha)} interval {self._ends(1.0 if first else -1.0)}"
        return f"{ahead} by {by} ({interval}), {wins}"


def confidence(alpha: float) -> str:
    """The confidence of an interval in words.

    >>> confidence(0.02)
    '98 %'
    """
    return f"{100 * (1 - alpha):.4g} %"


def difference(
    a_values: ArrayLike,
    b_values: ArrayLike,
    *,
    a: str,
    b: str,
    higher_is_better: bool = False,
    alpha: float = ALPHA,
    margin: float = 0.0,
) -> PairedDifference:
    """Compare two settings by their values in the same repeats.

    Significant means: the paired t test gives p < alpha with at least three pairs, and the difference is
    not within the margin. Alpha is 0.02 and not 0.05, so that two equal settings are called different in
    at most 1 of 50 trials, whatever the number of repeats; differences of equal settings are symmetric,
    and for such the test errs on the safe side when tails are heavy. Where a value is not finite, the
    exact signed-rank test takes its place (Wilcoxon 1945), with that repeat as the largest difference
    of all. A setting without one finite value, against one that always has one, needs no test.

    There is one value for each repeat, not finite where it diverged; the first repeats that both have are
    compared. `margin` is the smallest difference that matters, in the unit of the values.

    >>> print(difference([0.5, 0.6, 0.4], [0.52, 0.57, 0.44], a="8", b="16"))
    no significant difference between 8 and 16 (3 repeats; a difference of 0.010 would need 134)
    >>> print(difference([0.50, 0.60, 0.40], [0.51, 0.59, 0.41], a="8", b="16", margin=0.1))
    8 and 16 are practically the same: they differ by less than 0.1 (98 % interval -0.043 to 0.050; 3 repeats)
    """
    one, two = np.asarray(a_values, np.float64), np.asarray(b_values, np.float64)
    return _tested(_paired(one, two, a, b, higher_is_better, margin), alpha, alpha)


def _paired(
    one: Floats, two: Floats, a: str, b: str, higher_is_better: bool, margin: float
) -> PairedDifference:
    """A difference that is not tested yet; `better` is the setting that did better."""
    pairs = min(one.size, two.size)
    one, two = one[:pairs], two[:pairs]
    improvement = paired.improvement_of(one, two, higher_is_better)
    finite = np.isfinite(improvement)
    p_value, direction = paired.paired_test(improvement, one, two)
    wins, losses = int((improvement > 0).sum()), int((improvement < 0).sum())
    enough = pairs - int(np.isnan(improvement).sum()) >= MIN_PAIRS
    return PairedDifference(
        a=a,
        b=b,
        differences=paired.summary_of(np.where(finite, improvement, np.nan), one, two),
        df=int(finite.sum()) - 1,
        probability=(wins + (pairs - wins - losses) / 2) / pairs,
        probability_ci=paired.probability_interval(wins, pairs - wins - losses, losses),
        p_value=p_value,
        p_adjusted=p_value,
        pairs=pairs,
        wins=(wins, losses),
        nonfinite=(int((~np.isfinite(one)).sum()), int((~np.isfinite(two)).sum())),
        better=(a if direction > 0 else b) if enough else None,
        margin=margin,
    )


def against(
    values: Mapping[str, ArrayLike],
    reference: str | None = None,
    *,
    higher_is_better: bool = False,
    alpha: float = ALPHA,
    share: float = 1.0,
    margin: float | None = None,
    comparisons: int | None = None,
) -> tuple[PairedDifference, ...]:
    """Compare a reference with every other setting, corrected for all comparisons (Bonferroni).

    A reference that is named beforehand takes part in one comparison for each other setting. A reference
    chosen because it did best is favored by chance, so the correction counts all pairs. Settings without any
    finite value are left out of the correction. All settings share one estimate of the spread (see
    `shared_test`), without which a few repeats of many settings could hardly tell anything; with two settings
    this is the paired t test itself.

    Args:
        values: one value for each repeat, by setting. Each pair is compared over the repeats it shares.
        reference: the setting to compare with, which is the a of all differences; the best one when None.
        higher_is_better: True for an accuracy, False for a loss.
        alpha: how often a family of equal settings may have any that are called different, over all looks.
        share: of alpha, which this look may spend; 1 where one looks once.
        margin: the smallest difference that matters; see `default_margin` for None.
        comparisons: how many the correction covers, where it is not as said above.

    >>> losses = {"8": [0.31, 0.29, 0.33, 0.30], "16": [0.30, 0.31, 0.32, 0.31], "full": [0.9, 0.8, 0.9, 0.9]}
    >>> for found in against(losses):
    ...     print(found)
    no significant difference between 8 and 16 (4 repeats; a difference of 0.003 would need 2,981)
    8 is better than full by 0.568 (98 % interval 0.432 to 0.703), in 4 of 4 repeats
    """
    columns = {name: np.asarray(column, np.float64) for name, column in values.items()}
    leader = best(columns, higher_is_better=higher_is_better) if reference is None else reference
    if comparisons is None:
        others = len(_with_any_finite(columns) - {leader})
        comparisons = others if reference is not None else comparisons_of(columns)
    if margin is None:
        margin = paired.default_margin(columns[leader])
    complete = functools.cache(functools.partial(_complete, columns))
    found = []
    for name in columns:
        if name == leader:
            continue
        one = _paired(columns[leader], columns[name], leader, name, higher_is_better, margin)
        if one.pairs >= MIN_PAIRS and not any(one.nonfinite):
            finite, calm = complete(one.pairs)
            # The spread of a much noisier setting enters its own comparisons only.
            pooled = [other for other in finite if other in calm or other in (leader, name)]
            shared = paired.shared_sd(np.array([finite[other] for other in pooled]))
            two = pooled.index(leader), pooled.index(name)
            differences, df, p_value = paired.shared_test(one.differences, shared, two)
            one = replace(one, differences=differences, p_value=p_value, df=df)
        found.append(_tested(one, alpha, alpha * share / max(1, comparisons)))
    return tuple(found)


def comparisons_of(values: Mapping[str, ArrayLike]) -> int:
    """How many pairs there are of settings that have any finite value.

    >>> comparisons_of({"8": [0.3], "16": [0.4], "32": [0.2], "full": [float("nan")]})
    3
    """
    return math.comb(len(_with_any_finite({name: np.asarray(column) for name, column in values.items()})), 2)


def best(values: Mapping[str, ArrayLike], *, higher_is_better: bool = False) -> str:
    """The setting with the best mean, among those with the most repeats.

    A value that is not finite counts as the worst finite value of any setting.

    >>> best({"8": [0.3, float("nan")], "16": [0.4, 0.5], "32": [0.7, 0.6]})
    '16'
    """
    sign = 1.0 if higher_is_better else -1.0
    columns = {name: sign * np.asarray(column, np.float64) for name, column in values.items()}
    most = max(column.size for column in columns.values())
    finite = np.concatenate([column[np.isfinite(column)] for column in columns.values()])
    worst = float(finite.min()) if finite.size else 0.0
    means = {
        name: (np.isfinite(column).any(), float(np.where(np.isfinite(column), column, worst).mean()))
        for name, column in columns.items()
        if column.size == most
    }
    return max(means, key=lambda name: means[name])


def _complete(columns: Mapping[str, Floats], repeats: int) -> tuple[dict[str, Floats], list[str]]:
    """The settings that ran so many repeats to their end, and the names of those that scatter alike."""
    firsts = {name: column[:repeats] for name, column in columns.items() if column.size >= repeats}
    finite = {name: column for name, column in firsts.items() if np.isfinite(column).all()}
    names = list(finite)
    return finite, [names[place] for place in paired.similar_variance(np.array(list(finite.values())))]


def _tested(found: PairedDifference, alpha: float, alpha_spent: float) -> PairedDifference:
    """A difference at its part of alpha."""
    p_adjusted = min(1.0, found.p_value * (alpha / alpha_spent))
    tested = replace(found, p_adjusted=p_adjusted, alpha_spent=alpha_spent, alpha=alpha)
    never = {(0, found.pairs): found.a, (found.pairs, 0): found.b}  # the other has no finite value
    if found.better is not None and found.nonfinite in never:
        return replace(tested, better=never[found.nonfinite])
    return tested if found.p_value < alpha_spent and not tested.equivalent else replace(tested, better=None)


def _with_any_finite(columns: Mapping[str, Floats]) -> set[str]:
    return {name for name, column in columns.items() if np.isfinite(column).any()}
