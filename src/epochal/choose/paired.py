"""Paired comparison of settings over the same repeats."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from epochal.choose.difference import PairedDifference
from epochal.choose.pairs import (
    ALPHA,
    FEWEST,
    Floats,
    Spread,
    alike,
    improvement_of,
    paired_test,
    probability_interval,
    shared_spread,
    shared_test,
    summary_of,
    usual_margin,
)
from epochal.errors import Refusal, did_you_mean


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

    Detectable means: the paired t test gives p < alpha with at least three pairs, and the difference is not
    within the margin. Alpha is 0.02 and not 0.05, so that two equal settings are told apart in at most 1 of
    50 trials, whatever the number of repeats; differences of equal settings are symmetric, and for such the
    test errs on the safe side when tails are heavy. Where a value is not finite, the exact signed-rank test
    takes its place (Wilcoxon 1945), with the lost repeat as the largest difference of all. A setting without
    one finite value, against one that always has one, needs no test.

    Args:
        a_values: one value for each repeat of a; not finite where a repeat diverged.
        b_values: the same for b. The first repeats that both have are compared.
        a: the name of the first setting.
        b: the name of the second setting.
        higher_is_better: True for an accuracy, False for a loss.
        alpha: how often equal settings may be called different.
        margin: the smallest difference that matters, in the unit of the values.

    >>> print(difference([0.5, 0.6, 0.4], [0.52, 0.57, 0.44], a="8", b="16"))
    no detectable difference between 8 and 16 (3 repeats; a difference of 0.010 would need 134)
    >>> print(difference([0.50, 0.60, 0.40], [0.51, 0.59, 0.41], a="8", b="16", margin=0.1))
    8 and 16 are practically the same: they differ by less than 0.1 (98 % interval -0.043 to 0.050; 3 repeats)
    """
    one, two = _values(a, a_values), _values(b, b_values)
    return _judged(_paired(one, two, a, b, higher_is_better, margin), alpha, alpha)


def _paired(
    one: Floats, two: Floats, a: str, b: str, higher_is_better: bool, margin: float
) -> PairedDifference:
    """A difference before it is held against a level; `better` is the setting that it speaks for."""
    pairs = min(one.size, two.size)
    one, two = one[:pairs], two[:pairs]
    improvement = improvement_of(one, two, higher_is_better)
    finite = np.isfinite(improvement)
    p_value, direction = paired_test(improvement, one, two)
    wins, losses = int((improvement > 0).sum()), int((improvement < 0).sum())
    enough = pairs - int(np.isnan(improvement).sum()) >= FEWEST
    return PairedDifference(
        a=a,
        b=b,
        differences=summary_of(np.where(finite, improvement, np.nan), one, two),
        freedom=int(finite.sum()) - 1,
        probability=(wins + (pairs - wins - losses) / 2) / pairs,
        probability_ci=probability_interval(wins, pairs - wins - losses, losses),
        p_value=p_value,
        p_adjusted=p_value,
        pairs=pairs,
        wins=(wins, losses),
        unfinished=(int((~np.isfinite(one)).sum()), int((~np.isfinite(two)).sum())),
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

    A reference that is named beforehand takes part in one comparison for each other setting. One that is
    picked because it did best is the luckiest of all, and so is compared as if every pair had been: the
    correction then covers all pairs. Settings without any finite value are left out of the correction.
    All settings share one estimate of the spread (see `pairs.shared_test`), without which a few repeats of
    many settings could hardly tell anything; with two settings this is the paired t test itself.

    No stepwise correction: it would reject a little more often, but no simple intervals go with it, and an
    interval that holds zero beside a difference that is called significant helps nobody.

    Args:
        values: one value for each repeat, by setting. Each pair is compared over the repeats it shares.
        reference: the setting to compare with; the best one when None.
        higher_is_better: True for an accuracy, False for a loss.
        alpha: how often a family of equal settings may have any that are called different, over all looks.
        share: of alpha, which this look may spend; 1 where one looks once.
        margin: the smallest difference that matters; see `pairs.usual_margin` for None.
        comparisons: how many the correction covers, where it is not as said above.

    Returns:
        One difference for each other setting, in their order, with the reference as a.

    >>> losses = {"8": [0.31, 0.29, 0.33, 0.30], "16": [0.30, 0.31, 0.32, 0.31], "full": [0.9, 0.8, 0.9, 0.9]}
    >>> for found in against(losses):
    ...     print(found)
    no detectable difference between 8 and 16 (4 repeats; a difference of 0.003 would need 2,981)
    8 is better than full by 0.568 (98 % interval 0.432 to 0.703), in 4 of 4 repeats
    """
    columns = {name: _values(name, column) for name, column in values.items()}
    if reference is not None and reference not in columns:
        raise Refusal(did_you_mean("setting", reference, columns))
    leader = best(columns, higher_is_better=higher_is_better) if reference is None else reference
    if comparisons is None:
        others = len(_finished(columns) - {leader})
        comparisons = others if reference is not None else comparisons_of(columns)
    if margin is None:
        margin = usual_margin(columns[leader])
    spread_for = functools.partial(_spread_for, functools.cache(functools.partial(_complete, columns)))
    found = []
    for name in columns:
        if name == leader:
            continue
        one = _paired(columns[leader], columns[name], leader, name, higher_is_better, margin)
        if one.pairs >= FEWEST and not any(one.unfinished):
            spread, two = spread_for(leader, name, one.pairs)
            differences, freedom, p_value = shared_test(one.differences, spread, two)
            one = replace(one, differences=differences, p_value=p_value, freedom=freedom)
        found.append(_judged(one, alpha, alpha * share / max(1, comparisons)))
    return tuple(found)


def comparisons_of(values: Mapping[str, ArrayLike]) -> int:
    """How many pairs there are of settings that have any finite value.

    >>> comparisons_of({"8": [0.3], "16": [0.4], "32": [0.2], "full": [float("nan")]})
    3
    """
    return math.comb(len(_finished({name: np.asarray(column) for name, column in values.items()})), 2)


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


def _complete(columns: Mapping[str, Floats], repeats: int) -> tuple[dict[str, Floats], list[str]]:
    """The settings that ran so many repeats to their end, and the names of those that scatter alike."""
    firsts = {name: column[:repeats] for name, column in columns.items() if column.size >= repeats}
    finite = {name: column for name, column in firsts.items() if np.isfinite(column).all()}
    names = list(finite)
    return finite, [names[place] for place in alike(np.array(list(finite.values())))]


def _spread_for(
    complete: Callable[[int], tuple[dict[str, Floats], list[str]]], one: str, other: str, repeats: int
) -> tuple[Spread, tuple[int, int]]:
    """The spread of the settings that two are pooled with, and the places of the two in it."""
    finite, calm = complete(repeats)
    names = calm if one in calm and other in calm else list(finite)
    return shared_spread(np.array([finite[name] for name in names])), (names.index(one), names.index(other))


def _judged(found: PairedDifference, alpha: float, level: float) -> PairedDifference:
    """A difference at its level, which is a share of alpha."""
    judged = replace(found, p_adjusted=min(1.0, found.p_value * (alpha / level)), level=level, alpha=alpha)
    never = {(0, found.pairs): found.a, (found.pairs, 0): found.b}  # the other has no finite value
    if found.better is not None and found.unfinished in never:
        return replace(judged, better=never[found.unfinished])
    return judged if found.p_value < level and not judged.equivalent else replace(judged, better=None)


def _finished(columns: Mapping[str, Floats]) -> set[str]:
    return {name for name, column in columns.items() if np.isfinite(column).any()}


def _values(name: str, values: ArrayLike) -> Floats:
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1 or column.size == 0:
        raise Refusal(
            f'the values of "{name}" must be one number for each of at least 1 repeat; '
            f"got the shape {column.shape}."
        )
    return column
