"""Law 6 (Evidence), on disk: a record that is written as JSON is read as itself, or refused by its field."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, strategies as st

from epochal.curves import Summary, summarize
from epochal.data.records import Damaged, NullableFloat, Record, built, plain
from epochal.runs import Outcome
from epochal.runs.outcome import DivergedUpdate
from epochal.runs.threshold import Threshold

NUMBERS = st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf])


def through(record):
    return json.loads(json.dumps(plain(record), allow_nan=False))


def same(one, other):
    """Equal, with NaN where the other has what is not finite."""
    return json.dumps(plain(one)) == json.dumps(plain(other))


@given(st.lists(NUMBERS, min_size=1, max_size=5))
def test_a_summary_is_read_as_itself(values):
    summary = summarize(values)
    assert same(Summary.from_dict(through(summary)), summary)


@given(NUMBERS, st.integers(0, 10**9), st.none() | st.just(DivergedUpdate(3, 0, 3, (1, 2))))
def test_an_outcome_is_read_as_itself(epochs, updates, diverged):
    outcome = Outcome(0, 7, "all done", epochs, updates, 1.5, epochs, updates, diverged)
    found = built(Outcome, through(outcome))
    assert same(found, outcome) and found.diverged == diverged
    assert math.isnan(found.epochs) == (not math.isfinite(epochs))


def test_a_threshold_is_read_as_itself():
    threshold = Threshold("f1", "yes", summarize([0.25, 0.5], interval=False))
    assert Threshold.from_dict(through(threshold)) == threshold


@dataclass(frozen=True)
class Inner(Record):
    kind = "inner"
    size: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer(Record):
    inner: Inner
    share: float
    measured: NullableFloat = 0.0
    parts: dict[str, Inner] | None = None


def test_records_within_records_are_read_with_their_kinds():
    outer = Outer(Inner(3, ("a",)), 0.5, math.nan, {"one": Inner(1)})
    written = through(outer)
    assert written["inner"] == {"kind": "inner", "size": 3, "names": ["a"]} and written["measured"] is None
    assert same(built(Outer, written), outer)
    assert plain({"a": np.arange(2), "b": np.float32(0.5), 3: (None, True)}) == {
        "a": [0, 1],
        "b": 0.5,
        "3": [None, True],
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"share": None}, "outer.share must be a number; got None"),
        ({"share": "0.5"}, "outer.share must be a number; got '0.5'"),
        ({"share": True}, "outer.share must be a number; got True"),
        ({"share": 10**400}, "outer.share must be a number"),
        ({"inner": []}, r"inner must be an object; got \[\]"),
        ({"inner": {"size": 1.0}}, "inner.size must be a whole number; got 1.0"),
        ({"inner": {"size": 1, "names": "ab"}}, "inner.names must be a list; got 'ab'"),
        ({"inner": {}}, "inner lacks size"),
        ({"inner": {"size": 1, "more": 2}}, 'inner has no "more"'),
        ({"parts": {"one": 3}}, "inner must be an object; got 3"),
    ],
)
def test_another_value_is_refused_by_its_field(change, words):
    with pytest.raises(Damaged, match=words):
        built(Outer, {"inner": {"size": 1}, "share": 0.5, **change})
