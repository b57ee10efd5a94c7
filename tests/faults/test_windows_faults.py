"""Faults of ordered tables: each is refused in a sentence that names the row and the value, or told aloud."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import epochal as ep

MONTHS = [f"{1990 + k // 12}-{k % 12 + 1:02d}" for k in range(60)]
SOLD = np.random.default_rng(0).uniform(10, 20, 60)


def table(**changes):
    return pa.table({"month": MONTHS, "sold": SOLD} | changes)


def but(values, **changes):
    """Values with some of them changed, by place."""
    values = list(values)
    for place, value in changes.items():
        values[int(place[1:])] = value
    return values


REFUSED = [
    (
        {"window": 70},
        {},
        "data frame must have at least 71 rows for a window of 70 and 1 to forecast; got 60. Use a shorter "
        "window or more rows.",
    ),
    ({"window": 0}, {}, "window must be a whole number of rows, at least 1; got 0."),
    ({"horizon": 0}, {}, "horizon must be a whole number of rows, at least 1; got 0."),
    ({"horizon": 1.5}, {}, "horizon must be a whole number of rows, at least 1; got 1.5."),
    ({"stride": True}, {}, "stride must be a whole number of rows, at least 1; got True."),
    (
        {},
        {"month": but(MONTHS, _7="1990-07")},
        'column 1 ("month") must have each time once; got 1990-07 in row 7 and in row 8.',
    ),
    (
        {"time": "at"},
        {"at": pa.array(range(0, 15_000, 250), pa.timestamp("ms"))},
        "must have each time once, to the second; got 1970-01-01 00:00:00 in row 1 and in row 2.",
    ),
    (
        {},
        {"month": but(MONTHS, _7=None)},
        'column 1 ("month") is the time and may miss no value; got none in row 8.',
    ),
    (
        {},
        {"sold": but(SOLD, _9=None, _10=None)},
        'column 2 ("sold") is forecast from its own past and may miss no value; got 2 missing, first in row '
        '10. fill="forward" carries',
    ),
    (
        {"fill": "forward"},
        {"sold": but(SOLD, _0=None)},
        'column 2 ("sold") must begin with a value, which filling forward carries onward; got none in row 1.',
    ),
    (
        {"relative": "ratio"},
        {"sold": but(SOLD, _20=0.0)},
        'column 2 ("sold") must be above 0 to be seen as a ratio; got 0 in row 21. Use relative="difference"',
    ),
    ({"relative": "diference"}, {}, 'unknown relative "diference"; did you mean "difference"?'),
    ({"fill": "back"}, {}, 'unknown fill "back"'),
    ({"target": "month"}, {}, 'column 1 ("month") is to be forecast and must hold numbers; got string.'),
    ({"series": "sold"}, {}, "the table must have a column of numbers to forecast; it has none."),
    ({"series": "sold", "target": "sold"}, {}, "series must be another column than the target;"),
    ({"time": "sold"}, {}, "the table must have a column of numbers to forecast"),
    ({"period": -1}, {}, "period must be a whole number of rows, at least 0; got -1."),
    ({"window": 12, "period": 13}, {}, "period must be at most 12 (the window)"),
]


@pytest.mark.parametrize(("options", "changes", "said"), REFUSED, ids=range(len(REFUSED)))
def test_a_table_that_makes_no_windows_is_refused_in_a_sentence(options, changes, said):
    with pytest.raises(ep.Refusal) as refused:
        ep.load_windows(table(**changes), **options)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_time_that_is_no_date_is_refused():
    with pytest.raises(
        ep.Refusal, match=r'column 1 \("month"\) is the time and must hold dates.*got "spring"'
    ):
        ep.load_windows(pa.table({"month": ["spring", "summer"] * 30, "sold": SOLD}), time="month")


def test_targets_beside_the_numbers_are_refused():
    with pytest.raises(ep.Refusal, match="windows make their own targets"):
        ep.load_windows((SOLD[:, None], SOLD))


def test_a_series_that_is_too_short_is_named_and_left_out():
    shops = ["a"] * 40 + ["b"] * 5 + ["c"] * 15
    data = ep.load_windows(pa.table({"shop": shops, "sold": SOLD}), series="shop", window=10)
    assert '1 series is shorter than the 11 rows of a window and left out: "b" (5).' in data.raw_notes
    assert data.timeline.names == ("a", "c")
    assert data.samples == 30 + 5
    with pytest.raises(ep.Refusal, match=r"a series of data frame must have at least 42 rows .* got 40"):
        ep.load_windows(pa.table({"shop": shops, "sold": SOLD}), series="shop", window=41)


def test_gaps_are_told_and_missing_values_filled_from_the_past_alone():
    months = [*MONTHS[:10], *MONTHS[12:]]
    data = ep.load_windows(pa.table({"month": months, "sold": SOLD[:58]}), window=3)
    assert any(
        "1 gap in time, between 1990-10 and 1991-01 (row 11): no window crosses it; `across_gaps=True`" in n
        for n in data.raw_notes
    )
    filled = ep.load_windows(table(sold=but(SOLD, _9=None, _10=None)), window=3, fill="forward")
    assert filled.timeline.values[0][8:12].tolist() == [SOLD[8], SOLD[8], SOLD[8], SOLD[11]]
    assert any(
        ' missing values of column 2 ("sold") are filled with the last one before' in n
        for n in filled.raw_notes
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"validation": 0.4, "test": 0.4}, "are too few to hold out 19 for test and 19 for validation"),
        ({"gap": -1}, "gap must be a whole number of rows, at least 0; got -1."),
        ({"split": "chronologic"}, 'unknown split "chronologic"; did you mean "chronological"?'),
        ({"split": "random", "gap": 1}, "gap belongs to a split in the order of time"),
        ({"vary": ("split",), "repeats": 2}, "vary must name init or order for 2 repeats"),
        ({"order": ep.Blocks(30), "batch_size": 4}, "block_length must be between 1 and 26"),
    ],
)
def test_a_split_that_cannot_be_is_refused_before_training(options, said):
    data = ep.load_windows(table())
    with pytest.raises(ep.Refusal) as refused:
        ep.fit(ep.MLP(2), data, epochs=1, **options)
    assert said in str(refused.value)


def test_a_random_split_of_windows_is_told_to_be_too_good():
    run = ep.fit(ep.MLP(2), ep.load_windows(table()), epochs=1, split="random")
    assert any("metrics are too good" in note for note in run.data["notes"])


def test_what_was_no_series_has_no_forecasts_to_draw():
    run = ep.fit(ep.MLP(2), (SOLD[:, None], SOLD), epochs=1)
    assert run.forecasts == {}
    with pytest.raises(ep.Refusal, match="forecasts are drawn for windows of a series"):
        run.plot_forecast()


def test_new_rows_are_held_to_the_same():
    run = ep.fit(ep.MLP(2), ep.load_windows(table()), epochs=1, batch_size=8)
    with pytest.raises(ep.Refusal, match=r'it lacks "month"\. Add it: a series is predicted from all'):
        run.predict(pa.table({"sold": SOLD}))
    with pytest.raises(ep.Refusal, match="must have at least 12 rows for a window of 12; got 5"):
        run.predict(table().slice(0, 5))
    with pytest.raises(ep.Refusal, match="step must be between 1 and 1"):
        run.plot_forecast(step=2)
    last = run.predict(table().slice(48, 12))
    assert (len(last), last.coordinates["month"]) == (1, ["1995-01"])
