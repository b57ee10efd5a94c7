"""Is one setting better than another, when both ran on the same repeats?"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from epochal.choose.pairs import (
    ALPHA,
    FEWEST,
    MOST_REPEATS,
    Floats,
    holm,
    improvement_of,
    paired_test,
    probability_interval,
    repeats_needed,
    shared_spread,
    shared_test,
    summary_of,
)
from epochal.curves.statistics import Summary
from epochal.errors import Refusal, did_you_mean

__all__ = [
    "ALPHA",
    "FEWEST",
    "MEANINGFUL",
    "PairedDifference",
    "against",
    "best",
    "difference",
    "holm",
    "indistinguishable",
    "repeats_needed",
]

MEANINGFUL = 0.75
"""A better setting should win this share of the repeats (Bouthillier et al. 2021, section 4.1)."""


@dataclass(frozen=True)
class PairedDifference:
    """Two settings over the same repeats: by how much, how often and how surely one is better.

    Every figure is read as "a is better than b": `mean` is positive where a is better, whether the values
    are losses or accuracies. Repeats where a or b gave no finite value take no part in `mean`, `sd` and
    `ci95`. In `probability` and in the test they count: the setting without a value lost that repeat.

    >>> found = difference([0.31, 0.29, 0.33, 0.30], [0.36, 0.35, 0.37, 0.36], a="16", b="full")
    >>> print(found)
    16 is better than full by 0.0525 (95 % interval 0.0373 to 0.0677), in 4 of 4 repeats
    >>> found.probability, found.detectable, found.meaningful
    (1.0, True, True)
    """

    a: str
    b: str
    differences: Summary
    """Of the improvement of a over b in each repeat, NaN where one of them is not finite."""
    probability: float
    """P(a better than b): the share of repeats that a wins, ties counting half."""
    probability_ci: tuple[float, float]
    """Its 95 % interval: see `pairs.probability_interval`."""
    p_value: float
    """Of the two-sided paired t test; of the signed-rank test where a value is not finite."""
    p_adjusted: float
    """The same after Holm's correction for all comparisons that were made."""
    pairs: int
    wins: tuple[int, int]
    """In how many repeats a was better, and in how many b."""
    unfinished: tuple[int, int]
    """In how many repeats a gave no finite value, and in how many b."""
    better: str | None
    """The name of the better setting, or None where the repeats cannot tell."""
    level: float = ALPHA
    """What a p-value had to stay below: alpha over the number of comparisons."""

    @property
    def mean(self) -> float:
        """By how much a is better than b, in the unit of the values."""
        return self.differences.mean

    @property
    def sd(self) -> float | None:
        """The standard deviation of the differences, at least that of rounding where differences tie.

        Among several settings it is the one they share, or the pair's own where that is larger.
        """
        return self.differences.sd

    @property
    def ci95(self) -> tuple[float, float] | None:
        """The 95 % interval of `mean` by Student's t, of this comparison alone."""
        return self.differences.ci95

    @property
    def detectable(self) -> bool:
        """Whether the repeats can tell the two settings apart."""
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
        return {
            "a": self.a,
            "b": self.b,
            "difference": self.differences.to_dict(),
            "probability": self.probability,
            "probability_ci95": list(self.probability_ci),
            "p_value": self.p_value,
            "p_adjusted": self.p_adjusted,
            "pairs": self.pairs,
            "wins": list(self.wins),
            "unfinished": list(self.unfinished),
            "detectable": self.detectable,
            "meaningful": self.meaningful,
            "better": self.better,
            "repeats_needed": self.needed,
        }

    def __str__(self) -> str:
        return self._undetected() if self.better is None else self._detected(self.better)

    def _undetected(self) -> str:
        asides = [_count(self.pairs, "repeat")]
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
        first = better == self.a
        worse = self.b if first else self.a
        missing = self.unfinished if first else self.unfinished[::-1]
        if missing == (0, self.pairs):
            return (
                f"{better} is better than {worse}, which gave no finite value "
                f"in any of {_count(self.pairs, 'repeat')}"
            )
        wins = f"in {self.wins[0 if first else 1]} of {_count(self.pairs, 'repeat')}"
        if any(missing):
            lost = ", ".join(
                f"{name} gave no finite value in {count}"
                for name, count in zip((better, worse), missing, strict=True)
                if count
            )
            return f"{better} is better than {worse} {wins} ({lost})"
        mean, ends = self.mean, self.ci95 or (math.nan, math.nan)
        low, high = ends if first else (-ends[1], -ends[0])
        written = self.differences.written
        return (
            f"{better} is better than {worse} by {written(abs(mean))} "
            f"(95 % interval {written(low)} to {written(high)}), {wins}"
        )


def difference(
    a_values: ArrayLike,
    b_values: ArrayLike,
    *,
    a: str,
    b: str,
    higher_is_better: bool = False,
    alpha: float = ALPHA,
) -> PairedDifference:
    """Compare two settings by their values in the same repeats.

    Detectable means: the paired t test gives p < alpha with at least three pairs. Alpha is
    0.025 and not 0.05, so that two equal settings are told apart in about 1 of 40 trials, whatever the
    number of repeats; differences of equal settings are symmetric, and for such the test errs on the safe
    side when tails are heavy. Where a value is not finite, the exact signed-rank test takes its place
    (Wilcoxon 1945), with the lost repeat as the largest difference of all. A setting without one finite
    value, against one that always has one, needs no test.

    Args:
        a_values: one value for each repeat of a; not finite where a repeat diverged.
        b_values: the same for b. The first repeats that both have are compared.
        a: the name of the first setting.
        b: the name of the second setting.
        higher_is_better: True for an accuracy, False for a loss.
        alpha: how often equal settings may be called different.

    >>> print(difference([0.5, 0.6, 0.4], [0.52, 0.57, 0.44], a="8", b="16"))
    no detectable difference between 8 and 16 (3 repeats; a difference of 0.010 would need 127)
    """
    one, two = _values(a, a_values), _values(b, b_values)
    pairs = min(one.size, two.size)
    one, two = one[:pairs], two[:pairs]
    improvement = improvement_of(one, two, higher_is_better)
    finite = np.isfinite(improvement)
    missing = int((~np.isfinite(one)).sum()), int((~np.isfinite(two)).sum())
    p_value, direction = paired_test(improvement, one, two)
    wins, losses = int((improvement > 0).sum()), int((improvement < 0).sum())
    without = _without(missing, pairs)
    detectable = pairs - int(np.isnan(improvement).sum()) >= FEWEST and (without != 0 or p_value < alpha)
    return PairedDifference(
        a=a,
        b=b,
        differences=summary_of(np.where(finite, improvement, np.nan), one, two),
        probability=(wins + (pairs - wins - losses) / 2) / pairs,
        probability_ci=probability_interval(wins, pairs - wins - losses, losses),
        p_value=p_value,
        p_adjusted=p_value,
        pairs=pairs,
        wins=(wins, losses),
        unfinished=missing,
        better=(a if (without or direction) > 0 else b) if detectable else None,
        level=alpha,
    )


def against(
    values: Mapping[str, ArrayLike],
    reference: str | None = None,
    *,
    higher_is_better: bool = False,
    alpha: float = ALPHA,
) -> tuple[PairedDifference, ...]:
    """Compare a reference with every other setting, corrected for all comparisons by Holm (1979).

    A reference that is named beforehand takes part in one comparison for each other setting. One that is
    picked because it did best is the luckiest of all, and so is compared as if every pair had been: the
    correction then covers all pairs. Settings without any finite value are left out of the correction.
    All settings share one estimate of the spread (see `pairs.shared_test`), without which a few repeats of
    many settings could hardly tell anything; with two settings this is the paired t test itself.

    Args:
        values: one value for each repeat, by setting. Each pair is compared over the repeats it shares.
        reference: the setting to compare with; the best one when None.
        higher_is_better: True for an accuracy, False for a loss.
        alpha: how often a family of equal settings may have any that are called different.

    Returns:
        One difference for each other setting, in their order, with the reference as a.

    >>> losses = {"8": [0.31, 0.29, 0.33, 0.30], "16": [0.30, 0.31, 0.32, 0.31], "full": [0.9, 0.8, 0.9, 0.9]}
    >>> for found in against(losses):
    ...     print(found)
    no detectable difference between 8 and 16 (4 repeats; a difference of 0.003 would need 2,856)
    8 is better than full by 0.568 (95 % interval 0.518 to 0.617), in 4 of 4 repeats
    """
    columns = {name: _values(name, column) for name, column in values.items()}
    if reference is not None and reference not in columns:
        raise Refusal(did_you_mean("setting", reference, columns))
    leader = best(columns, higher_is_better=higher_is_better) if reference is None else reference
    finished = [name for name, column in columns.items() if np.isfinite(column).any()]
    spread_over = functools.cache(functools.partial(_spread_over, columns))
    family = {}
    for pair in itertools.combinations(columns, 2):
        a, b = pair if pair[1] != leader else pair[::-1]
        if leader in pair or (reference is None and a in finished and b in finished):
            alone = difference(
                columns[a], columns[b], a=a, b=b, higher_is_better=higher_is_better, alpha=math.inf
            )
            if alone.pairs >= FEWEST and not any(alone.unfinished):
                differences, p_value = shared_test(alone.differences, *spread_over(alone.pairs))
                alone = replace(alone, differences=differences, p_value=p_value)
            family[a, b] = alone
    tested = [pair for pair in family if pair[0] in finished and pair[1] in finished]
    adjusted = dict(zip(tested, holm([family[pair].p_value for pair in tested]), strict=True))
    return tuple(
        _corrected(family[leader, name], adjusted.get((leader, name)), alpha, max(1, len(tested)))
        for name in columns
        if name != leader
    )


def indistinguishable(
    values: Mapping[str, ArrayLike], *, higher_is_better: bool = False, alpha: float = ALPHA
) -> tuple[str, ...]:
    """The settings that cannot be told apart from the best one, itself included, in the given order.

    >>> indistinguishable({"8": [0.31, 0.29, 0.33], "16": [0.30, 0.31, 0.32], "full": [0.97, 0.95, 0.98]})
    ('8', '16')
    """
    found = against(values, higher_is_better=higher_is_better, alpha=alpha)
    worse = {one.b for one in found if one.better == one.a}
    return tuple(name for name in values if name not in worse)


def best(values: Mapping[str, ArrayLike], *, higher_is_better: bool = False) -> str:
    """The setting with the best mean, among those with the most repeats.

    A value that is not finite counts as the worst finite value of any setting.

    >>> best({"8": [0.3, float("nan")], "16": [0.4, 0.5], "32": [0.7, 0.6]})
    '16'
    """
    if not values:
        raise Refusal("the settings to compare must be at least 1; got 0. Name one.")
    sign = 1.0 if higher_is_better else -1.0
    columns = {name: sign * _values(name, column) for name, column in values.items()}
    most = max(column.size for column in columns.values())
    finite = np.concatenate([column[np.isfinite(column)] for column in columns.values()])
    worst = float(finite.min()) if finite.size else 0.0
    means = {
        name: (np.isfinite(column).any(), float(np.where(np.isfinite(column), column, worst).mean()))
        for name, column in columns.items()
        if column.size == most
    }
    return max(means, key=lambda name: means[name])


def _spread_over(columns: Mapping[str, Floats], repeats: int) -> tuple[float, int]:
    """The spread that all settings share that ran so many repeats to their end."""
    firsts = [column[:repeats] for column in columns.values() if column.size >= repeats]
    return shared_spread(np.array([column for column in firsts if np.isfinite(column).all()]))


def _corrected(
    alone: PairedDifference, adjusted: float | None, alpha: float, comparisons: int
) -> PairedDifference:
    """A difference that was tested at any level, at the level of its family."""
    p_adjusted = alone.p_value if adjusted is None else adjusted
    without = _without(alone.unfinished, alone.pairs)
    return replace(
        alone,
        p_adjusted=p_adjusted,
        better=alone.better if without or p_adjusted < alpha else None,
        level=alpha / comparisons,
    )


def _values(name: str, values: ArrayLike) -> Floats:
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1 or column.size == 0:
        raise Refusal(
            f'the values of "{name}" must be one number for each of at least 1 repeat; '
            f"got the shape {column.shape}."
        )
    return column


def _without(unfinished: tuple[int, int], pairs: int) -> int:
    """1 where b has no finite value and a always has one, -1 where it is the other way, else 0."""
    return (unfinished == (0, pairs)) - (unfinished == (pairs, 0))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
