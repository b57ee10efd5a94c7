"""Golden cases of series, images, texts and words as people have them: the right outcome of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import epochal as ep
from epochal.data import transform

TRIALS = Path(__file__).parents[1] / "trials"


def moments(start, count, unit="D", every=1):
    return (np.datetime64(start) + np.arange(0, count * every, every).astype(f"timedelta64[{unit}]")).astype(
        "datetime64[s]"
    )


def series(when, **columns):
    values = np.random.default_rng(0).normal(size=len(when))
    return pa.table({"when": pa.array(np.asarray(when)), **columns, "load": values})


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Run a command in a folder of its own: its exit status, and what it printed in one line."""
    from epochal.cli.main import main

    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capsys.readouterr()
        status = main([str(one) for one in arguments])
        return status, " ".join(" ".join(capsys.readouterr()).split())

    return run


def begins(data):
    """The time with which each window begins."""
    return data.timeline.starts


DAYS = moments("2021-01-04", 140)
WORKING = DAYS[(DAYS.astype("datetime64[D]").astype(int) + 3) % 7 < 5]
HOURS = moments("2021-10-30T00", 72, "h")
OPEN = np.concatenate([day + np.arange(9, 18).astype("timedelta64[h]") for day in WORKING[:40]])
JITTER = np.datetime64("2021-01-01", "s") + np.cumsum(60 + np.random.default_rng(1).integers(-1, 2, 300))


def test_no_window_crosses_the_gap_of_the_trial():
    data = ep.load_windows(TRIALS / "gap.csv", window=7)
    assert data.samples == 53 + 53
    assert any(
        "1 gap in time, between 2021-03-01 and 2021-04-01 (row 61): no window crosses it; `across_gaps=True`"
        in note
        for note in data.raw_notes
    )
    assert ep.load_windows(TRIALS / "gap.csv", window=7, across_gaps=True).samples == 113


def test_the_hour_that_comes_twice_is_named_and_utc_offered(call):
    status, said = call("train", TRIALS / "clock-change.csv", "--window", "4", "--out", "run")
    assert status == 2
    assert "2012-11-04 01:00 twice (rows 26 and 27)" in said
    assert "UTC" in said and "--time-zone" in said
    data = ep.load_windows(TRIALS / "clock-change.csv", window=4, time_zone="America/New_York")
    assert data.samples == 72 - 4
    assert np.diff(data.timeline.times[0]).tolist() == [3600] * 71


@pytest.mark.parametrize(
    ("when", "windows", "said"),
    [
        (np.delete(moments("2021-01-01T00", 100, "h"), [50]), 47 + 46, "1 gap in time"),
        (WORKING, len(WORKING) - 3, "1 working day apart"),
        (np.delete(WORKING, [20, 56]), len(WORKING) - 5, "closed times"),
        (np.delete(WORKING, range(50, 65)), len(WORKING) - 15 - 6, "1 gap in time"),
        (OPEN, len(OPEN) - 3, "closed times"),
        (JITTER, len(JITTER) - 3, "usually 1 minute apart"),
        (np.delete(JITTER, [100]), len(JITTER) - 1 - 6, "1 gap in time"),
        (moments("2020-01", 24, "M"), 21, "1 month apart"),
        (np.delete(moments("2020-01", 24, "M"), [9]), 6 + 11, "1 gap in time, between 2020-09-01"),
        (moments("2020-02", 24, "M") - np.timedelta64(86_400, "s"), 21, "1 month apart"),
        (moments("2021-01-04", 30, "D", 7), 27, "1 week apart"),
        (moments("2021-01-04", 30, "D", 45), 27, "45 days apart"),
        (np.arange("1950", "2010", dtype="datetime64[Y]"), 57, "1 year apart"),
        (np.delete(HOURS, [26]), 71 - 6, "1 gap in time"),
        (
            np.concatenate([HOURS[:50], HOURS[49] + np.arange(1, 60) * np.timedelta64(1800, "s")]),
            47 + 56,
            "1 change of the distance between rows",
        ),
        (np.append(np.arange(60), np.arange(90, 150)), 57 + 57, "1 gap in time, between 59 and 90"),
        (
            np.delete(0.1 * np.arange(120) + np.random.default_rng(2).normal(0, 0.005, 120), range(50, 60)),
            47 + 57,
            "1 gap in time",
        ),
        (np.append(np.arange(60), np.arange(90, 150))[::-1], 57 + 57, "sorted, the oldest row first"),
        (DAYS[::-1], 137, "sorted, the oldest row first"),
        (np.delete(moments("2021-03-27T00", 72, "h"), [26]), 71 - 3, "read as clocks set forward"),
        (
            moments("2021-01-01", 1)[0]
            + np.cumsum(np.random.default_rng(0).exponential(600, 90) // 1 + 1).astype("timedelta64[s]"),
            87,
            "no usual distance in time",
        ),
    ],
)
def test_gaps_are_rows_that_are_missing_and_nothing_else(when, windows, said):
    when = when.astype("datetime64[s]") if when.dtype.kind == "M" else when
    data = ep.load_windows(series(when), window=3)
    assert data.samples == windows
    assert data.timeline.time_column.name == "when"
    assert any(said in note for note in data.raw_notes), data.raw_notes
    assert (np.diff(data.timeline.times[0]) > 0).all()


def test_windows_are_those_of_the_stretches_between_gaps():
    table = series(np.delete(HOURS, [20, 21, 50]))
    data = ep.load_windows(table, window=5, horizon=2, stride=3)
    stretches = [table.slice(0, 20), table.slice(20, 28), table.slice(48)]
    alone = [ep.load_windows(part, window=5, horizon=2, stride=3) for part in stretches]
    np.testing.assert_array_equal(data.inputs, np.concatenate([part.inputs for part in alone]))
    np.testing.assert_array_equal(data.targets, np.concatenate([part.targets for part in alone]))
    np.testing.assert_array_equal(begins(data), np.concatenate([begins(part) for part in alone]))


def test_each_series_has_gaps_of_its_own():
    when = np.concatenate([np.delete(HOURS, [20]), np.delete(HOURS, [40])])
    shop = ["a"] * 71 + ["b"] * 71
    data = ep.load_windows(series(when, shop=shop), window=3, series="shop")
    assert data.samples == 2 * (71 - 6)
    days = ep.load_windows(
        series([*range(30), *range(40, 60), *range(5, 55)], shop=["a"] * 50 + ["b"] * 50),
        window=3,
        series="shop",
    )
    assert (days.samples, days.features) == (27 + 17 + 47, ("load",))
    assert days.timeline.time_column.name == "when"


def test_rows_in_any_order_give_the_same_windows():
    table = series(np.delete(HOURS, [20]))
    mixed = table.take(np.random.default_rng(0).permutation(71))
    one, other = ep.load_windows(table, window=3), ep.load_windows(mixed, window=3)
    np.testing.assert_array_equal(one.inputs, other.inputs)
    assert [mixed.column("when")[row - 1] for row in other.row_numbers] == [
        table.column("when")[row - 1] for row in one.row_numbers
    ]


@pytest.mark.parametrize(
    ("when", "following"),
    [
        (WORKING[:20], "2021-02-01"),
        (OPEN, "2021-03-01 09:00:00"),
        (
            np.concatenate([HOURS[:50], HOURS[49] + np.arange(1, 60) * np.timedelta64(7200, "s")]),
            "2021-11-06 01:00:00",
        ),
        (
            np.array([f"20{20 + k // 12}-{k % 12 + 1:02d}-28" for k in range(14)], "datetime64[s]"),
            "2021-03-28",
        ),
    ],
)
def test_what_is_forecast_beyond_the_end_keeps_to_the_rhythm(when, following):
    data = ep.load_windows(series(when), window=3)
    ahead = transform(replace(data.encoder, ahead=True), series(when))
    assert ahead.timeline.coordinates()["when"][-1] == following


def test_new_rows_are_held_to_the_rhythm_of_training():
    # Two weeks alone would not say that weekends are no gaps.
    data = ep.load_windows(series(WORKING), window=3)
    assert transform(replace(data.encoder, ahead=True), series(WORKING[:10])).samples == 8


@pytest.mark.parametrize("half", [0, 1])
def test_repeated_hours_of_finer_rows_are_named_and_read_by_their_zone(half):
    fine = moments("2021-10-30T00", 144, "m", 30)
    hour = fine[52:54]
    when = np.concatenate([fine[:54], hour, fine[54:]])
    when = np.sort(when) if half else when
    with pytest.raises(ep.Refusal, match=r"hour from 2021-10-31 02:00 twice .* UTC"):
        ep.load_windows(series(when), window=3)
    data = ep.load_windows(series(when), window=3, time_zone="Europe/Berlin")
    assert np.diff(data.timeline.times[0]).tolist() == [1800] * 145
    newest = ep.load_windows(series(when).take(np.arange(145, -1, -1)), window=3, time_zone="Europe/Berlin")
    if not half:
        np.testing.assert_array_equal(newest.inputs, data.inputs)


def test_other_times_that_come_twice_are_no_matter_of_clocks():
    with pytest.raises(ep.Refusal, match=r"must have each time once.*with series=COLUMN, or"):
        ep.load_windows(series(np.insert(HOURS, 5, HOURS[5])), window=3)
    with pytest.raises(ep.Refusal, match=r'unknown time_zone "Europe/Berln"; did you mean "Europe/Berlin"'):
        ep.load_windows(series(HOURS), window=3, time_zone="Europe/Berln")
    with pytest.raises(ep.Refusal, match="time_zone is for a column of dates with hours"):
        ep.load_windows(series(DAYS), window=3, time_zone="Europe/Berlin")


def test_a_window_longer_than_any_stretch_is_refused_with_a_remedy():
    with pytest.raises(
        ep.Refusal, match=r"at least 41 rows without a gap in time .* got 36.*across_gaps=True"
    ):
        ep.load_windows(series(np.delete(HOURS, [35])), window=40)


def test_a_state_is_zero_again_after_a_gap():
    table = series(np.delete(moments("2021-01-01T00", 81, "h"), []))
    data = ep.load_windows(table, window=4, stride=4)
    run = ep.fit(ep.LSTM(3), data, epochs=1, batch_size=3, stateful=True, validation=4)
    gone = series(np.delete(moments("2021-01-01T00", 81, "h"), range(41, 60)))
    found = run.predict(gone)
    assert any(
        "the state is zero before the first row and again after each gap" in note for note in found.notes
    )
    both = [run.predict(gone.slice(0, 41)), run.predict(gone.slice(41))]
    assert len(both[1]) == 5
    np.testing.assert_allclose(found.values[-5:], both[1].values, atol=1e-6)
    with pytest.raises(
        ep.Refusal, match=r"stateful needs windows .*the window, and let windows cross .*across_gaps=True"
    ):
        ep.fit(
            ep.LSTM(3),
            ep.load_windows(gone, window=4, stride=4),
            epochs=1,
            batch_size=3,
            stateful=True,
            validation=2,
        )
