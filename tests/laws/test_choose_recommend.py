"""Law 6, Evidence: one setting is recommended, never one that is significantly worse, and in true words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

import choice_fixtures as made
from epochal.choose.comparison.comparison import Comparison
from epochal.choose.comparison.recommend import FASTER, recommended, times_faster
from epochal.choose.comparison.sentences import answer, behind, lines_of, mark_of
from epochal.choose.statistics.race import race
from epochal.curves import summarize

SIZES = {"batch 1": 1, "batch 8": 8, "batch 32": 32, "full batch (512)": 512}


def compared(
    values: Mapping[str, Sequence[float]],
    *,
    best_epochs: Mapping[str, float] | None = None,
    seconds: Mapping[str, float] | None = None,
    accuracy: bool = False,
    baseline: float = math.nan,
    **options: float,
) -> Comparison:
    """A comparison of known values; a training takes less time the larger its batch."""
    outcome = race(
        list(values),
        len(next(iter(values.values()))),
        lambda live, _, look: {name: list(values[name][:look]) for name in live},
        higher_is_better=accuracy,
        **options,
    )
    values = {
        name: column[: outcome.dropped[name].after] if name in outcome.dropped else column
        for name, column in values.items()
    }
    rows = {
        name: replace(
            made.row(name, SIZES[name], column, column),
            difference=outcome.differences.get(name),
            dropped=outcome.dropped.get(name),
            best_epoch=summarize(np.full(len(column), (best_epochs or {}).get(name, 16.0))),
            updates_to_target=None,
            **({"seconds": seconds[name]} if seconds else {}),
        )
        for name, column in values.items()
    }
    chosen, same = recommended(
        rows, outcome, outcome.tied, values, accuracy, (1.0 if accuracy else 0.0, baseline)
    )
    found = made.comparison(
        rows=tuple(sorted(rows.values(), key=lambda row: row.name != chosen)), recommended=chosen, same=same,
        best=outcome.best, tied=outcome.tied, margin=outcome.margin, target_value=None, hyperbola=None,
    )  # fmt: skip
    return replace(found, answer=answer(found))


def columns(*shifts: float, sd: float = 0.01, repeats: int = 10, seed: int = 0) -> dict[str, list[float]]:
    """Values around 0.3 on shared splits, one setting for each shift."""
    random = np.random.default_rng(seed)
    split = random.normal(0.3, 0.05, repeats)
    return {
        name: (split + shift + sd * random.normal(size=repeats)).tolist()
        for name, shift in zip(SIZES, shifts, strict=False)
    }


def test_the_fastest_that_is_practically_the_same_is_recommended() -> None:
    found = compared(columns(0, 1e-5, 2e-5, 0.5, sd=1e-4))
    assert (found.recommended, found.best, set(found.same)) == ("batch 32", "batch 1", set(list(SIZES)[:3]))
    assert found.answer.startswith("Use batch size 32: as good as 1 and 8 (within 0.00")
    assert "times faster than 1; full batch (512) is significantly worse than 1." in found.answer
    assert "(sd 0.0" in found.answer and "best around epoch 16 of 20" in found.answer
    assert [mark_of(found, found.row(name)) for name in SIZES] == ["=", "=", "*", ""]


def test_what_is_only_not_significant_is_not_called_as_good() -> None:
    found = compared(columns(0, 0, sd=0.03))
    assert set(found.tied) == {"batch 1", "batch 8"} and len(found.same) == 1
    assert "as good as" not in found.answer and "no significant difference from" in found.answer
    assert "~" in {mark_of(found, row) for row in found.rows}


def test_a_large_difference_that_few_repeats_cannot_show_is_not_recommended_for_its_speed() -> None:
    values = {"batch 1": [0.30, 0.31, 0.29], "full batch (512)": [0.95, 0.50, 1.20]}
    found = compared(values)
    assert len(found.tied) == 2, "three repeats do not show it"
    assert found.recommended == found.best == "batch 1"


def test_a_mean_behind_by_half_is_not_recommended_for_its_speed_though_within_one_standard_error() -> None:
    found = compared({"batch 1": [0.03, 0.09, 0.06], "full batch (512)": [0.14, 0.05, 0.08]})
    assert len(found.tied) == 2 and found.recommended == found.best == "batch 1"
    close = compared({"batch 1": [0.30, 0.90, 0.60], "full batch (512)": [0.40, 0.80, 0.63]})
    assert close.recommended == "full batch (512)", "negative control: a twentieth may be"


def test_one_collapse_in_ten_is_not_recommended_for_its_speed_though_the_mean_accuracy_is_near() -> None:
    good = [0.96, 0.97, 0.98, 0.97, 0.96, 0.98, 0.97, 0.97, 0.96, 0.98]
    found = compared({"batch 1": good, "full batch (512)": [*good[:9], 0.5]}, accuracy=True)
    assert len(found.tied) == 2 and found.recommended == "batch 1"


def test_a_useless_setting_is_not_recommended_for_its_speed_where_little_was_learned() -> None:
    values = {"batch 1": [0.60, 0.72, 0.66], "full batch (512)": [0.68, 0.68, 0.69]}
    assert compared(values, baseline=0.693).recommended == "batch 1"
    assert compared(values).recommended == "full batch (512)", "negative control: without the baseline"


def test_what_is_significantly_worse_is_never_recommended_however_fast() -> None:
    for seed in range(30):
        found = compared(columns(0, 0.02, 0.05, 0.3, seed=seed))
        assert found.recommended in found.tied
        assert found.recommended != "full batch (512)"


def test_what_needs_more_epochs_to_its_best_is_no_faster() -> None:
    """All 20 epochs take a third of the time, but the best one comes at 16 instead of 2."""
    values = columns(0, 0.0001, sd=1e-3)
    late = compared(values)
    assert late.recommended == "batch 8" and "times faster than 1" in late.answer
    early = compared(values, best_epochs={"batch 1": 2.0})
    assert early.recommended == "batch 1" and "faster" not in early.answer
    assert "Batch size 1 has the best mean, 0.000" in late.answer
    assert late.answer.endswith(("less than matters.", "within one standard error."))


@pytest.mark.parametrize("repeats", [1, 2])
def test_with_too_few_repeats_the_best_mean_is_named_as_no_more_than_that(repeats: int) -> None:
    found = compared(columns(0, 0.01, 0.02, repeats=repeats))
    assert found.recommended == found.best
    assert "too few for a significant difference" in found.answer and "Use" not in found.answer


def test_a_tiny_sure_difference_makes_no_winner() -> None:
    """A rate of 0.0100001: negative control without the margin."""
    random = np.random.default_rng(1)
    one = random.normal(0.3, 0.03, 10)
    values = {"batch 8": one.tolist(), "batch 32": (one + 3.5e-7 + 1e-8 * random.normal(size=10)).tolist()}
    found = compared(values)
    assert found.tied == ("batch 8", "batch 32") == found.same
    assert compared(values, margin=0.0).tied == ("batch 8",)


def test_the_table_says_the_same_as_the_answer() -> None:
    found = compared(columns(0, 0.001, 0.1))
    lines = lines_of(found)
    assert lines[1].startswith(f"*  {found.recommended}") and "recommended" in lines[-1]
    for row in found.rows:
        if row.name == found.best:
            assert behind(found, row) == "best mean"
            continue
        assert row.difference is not None and row.difference.interval is not None
        low, high = row.difference.interval
        assert (low > 0) == (row.name not in found.tied) and math.isfinite(high)


def test_what_was_dropped_behind_another_than_the_best_is_not_said_to_be_worse_than_the_best() -> None:
    """The leader of the first look, 1, falls back later: 8 was compared with it alone."""
    values = {
        "batch 1": [0.33, 0.27, 0.305, 0.42, 0.36, 0.41, 0.40, 0.35, 0.41, 0.38],
        "batch 8": [9.0, 9.1, 9.05] + [9.0] * 7,
        "batch 32": [0.28, 0.36, 0.33, 0.33, 0.34, 0.335, 0.33, 0.34, 0.33, 0.335],
    }
    found = compared(values)
    assert found.best == "batch 32" and found.rows[-1].dropped.than == "batch 1"
    assert "8 was dropped early, significantly worse than 1" in found.answer
    for row in found.rows[1:]:
        assert row.difference.a == found.best, "what is shown is the difference from the best"


FOUR = st.tuples(*[st.floats(0, 0.02)] * 4)


@given(
    FOUR,
    st.tuples(*[st.floats(1, 20)] * 4),
    st.tuples(*[st.floats(1, 4)] * 4),
    st.floats(0.001, 0.03),
    st.booleans(),
    st.integers(0, 99),
)
def test_no_setting_that_is_dominated_is_recommended(
    shifts: Sequence[float],
    epochs: Sequence[float],
    seconds: Sequence[float],
    sd: float,
    accuracy: bool,
    seed: int,
) -> None:
    """Of what may be advised none is better on average and as fast."""
    values = columns(*shifts, sd=sd, seed=seed)
    of = {
        "best_epochs": dict(zip(SIZES, epochs, strict=True)),
        "seconds": dict(zip(SIZES, seconds, strict=True)),
    }
    found = compared(values, accuracy=accuracy, baseline=0.5, **of)
    tied = [found.row(name) for name in found.tied]
    chosen, best = found.recommended_row, found.row(found.best)
    sign = -1 if accuracy else 1
    for row in tied:
        if sign * row.quality.mean < sign * chosen.quality.mean:
            assert times_faster(row, best) <= FASTER or times_faster(row, best) < times_faster(chosen, best)
