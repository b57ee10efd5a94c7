"""Laws of windows: they hold the rows they say, and no part of a split sees what another one predicts."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

import epochal as ep
from epochal.data import (
    Timeline,
    chronological,
    encoder_from_dict,
    fit_scaling,
    fit_target_scaling,
    transform,
)

SHAPES = {"window": st.integers(1, 6), "horizon": st.integers(1, 4), "stride": st.integers(1, 5)}


def waves(rows, series=1, seed=0):
    """A table of several series, their rows interleaved, with another column of numbers."""
    random = np.random.default_rng(seed)
    table = {
        "when": np.repeat(np.arange(rows), series) * 10,
        "shop": np.tile([f"shop {k}" for k in range(series)], rows),
        "other": random.normal(size=rows * series),
        "sold": random.normal(size=rows * series) + 5,
    }
    order = np.lexsort((random.random(rows * series), table["when"]))
    return pa.table({name: pa.array(column[order]) for name, column in table.items()})


@given(st.integers(15, 40), st.integers(1, 3), st.fixed_dictionaries(SHAPES))
def test_window_i_of_a_series_holds_the_rows_from_i_times_stride(rows, series, shape):
    table = waves(rows, series)
    data = ep.load_windows(table, time="when", series="shop", **shape)
    sold, other = (table.column(name).to_numpy() for name in ("sold", "other"))
    shops = np.array(table.column("shop").to_pylist())
    assert data.features == ("sold", "other")
    at = 0
    for name in dict.fromkeys(shops):
        own = np.flatnonzero(shops == name)
        for begin in range(0, rows - shape["window"] - shape["horizon"] + 1, shape["stride"]):
            seen = own[begin : begin + shape["window"]]
            ahead = own[begin + shape["window"] : begin + shape["window"] + shape["horizon"]]
            np.testing.assert_array_equal(data.inputs[at, :, 0], sold[seen].astype(np.float32))
            np.testing.assert_array_equal(data.inputs[at, :, 1], other[seen].astype(np.float32))
            np.testing.assert_array_equal(np.ravel(data.targets[at]), sold[ahead])
            assert data.row_numbers[at] == ahead[0] + 1
            at += 1
    assert at == data.samples


PARTS = st.sampled_from([0.0, 0.1, 0.25, 3])


@given(st.integers(30, 80), st.integers(1, 3), st.fixed_dictionaries(SHAPES), PARTS, PARTS, st.integers(0, 3))
def test_no_row_of_a_part_lies_in_another_and_only_windows_that_cross_a_cut_are_left_out(
    rows, series, shape, validation, test, gap
):
    line = ep.load_windows(waves(rows, series), time="when", series="shop", **shape).timeline
    try:
        parts = chronological(line, validation=validation, test=test, gap=gap)
    except ep.Refusal:
        return
    first, last = line.begin, line.begin + line.span - 1
    groups = [part for part in (parts.train, parts.validation, parts.test) if len(part)]
    used = np.concatenate(groups)
    assert len(used) == len(set(used.tolist()))
    bounds = []
    for earlier, later in itertools.pairwise(groups):
        # Series share their times here, so that one row number is one moment in all of them.
        assert last[earlier].max() + gap < first[later].min()
        bounds.append(first[later].min())
    left = np.setdiff1d(np.arange(len(first)), used)
    for sample in left:
        assert any(first[sample] < bound <= last[sample] + gap for bound in bounds)
    for part, size in ((parts.validation, validation), (parts.test, test)):
        wanted = size if isinstance(size, int) else round(size * len(first))
        if series == 1:
            assert len(part) == wanted
        else:
            assert wanted <= len(part) < wanted + series


def test_series_without_times_end_together():
    table = pa.table({"shop": ["a"] * 40 + ["b"] * 20, "sold": np.random.default_rng(0).normal(size=60)})
    data = ep.load_windows(table, series="shop", window=3)
    parts = chronological(data.timeline, validation=10)
    for name, long in (("a", 40), ("b", 20)):
        own = parts.validation[data.timeline.series[parts.validation] == "ab".index(name)]
        assert len(own) == 5
        assert (data.timeline.begin[own] + data.timeline.span - 1).max() == long - 1


@given(st.sampled_from([None, "difference", "ratio"]), st.integers(0, 10))
def test_scalings_know_the_rows_of_training_windows_only(relative, seed):
    table = waves(60, seed=seed)
    random = np.random.default_rng(seed + 1)
    before = ep.load_windows(table, time="when", window=4, horizon=2, relative=relative)
    parts = chronological(before.timeline, validation=0.2, test=0.2)
    line = before.timeline
    seen = int((line.begin + line.span)[parts.train].max())
    changed = {name: table.column(name).to_numpy().copy() for name in ("when", "other", "sold")}
    for name in ("other", "sold"):
        changed[name][seen:] = random.uniform(1e3, 1e6, 60 - seen)
    after = ep.load_windows(pa.table(changed), time="when", window=4, horizon=2, relative=relative)
    for one, other in (
        [fit_scaling(data.inputs, data.continuous, parts.train) for data in (before, after)],
        [fit_target_scaling(data.targets, parts.train) for data in (before, after)],
    ):
        for name, value in vars(one).items():
            np.testing.assert_array_equal(value, getattr(other, name))


def test_each_column_of_windows_has_a_scale_of_its_own():
    random = np.random.default_rng(0)
    table = pa.table({"big": 1000 * random.normal(size=50) + 300, "sold": random.normal(size=50)})
    data = ep.load_windows(table, window=5)
    scaling = fit_scaling(data.inputs, data.continuous, np.arange(30))
    seen = data.inputs[:30].astype(np.float64)
    np.testing.assert_allclose(scaling.center, seen.mean(axis=(0, 1)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(1 / scaling.inverse_scale, seen.std(axis=(0, 1)), rtol=1e-5)


@pytest.mark.parametrize("relative", [None, "difference", "ratio"])
def test_targets_come_back_in_the_units_of_the_column(relative):
    sold = np.random.default_rng(0).uniform(100, 900, 40)
    data = ep.load_windows(sold, window=6, horizon=3, relative=relative)
    line = data.timeline
    wanted = np.lib.stride_tricks.sliding_window_view(sold, 9)[:, 6:]
    np.testing.assert_allclose(
        line.inverse_transform(data.targets, np.arange(data.samples)), wanted, rtol=1e-5
    )


def test_new_rows_become_the_same_windows_and_those_that_reach_beyond_the_end():
    table = waves(30, 2)
    data = ep.load_windows(table, time="when", series="shop", window=4, horizon=2, relative="difference")
    encoder = encoder_from_dict(json.loads(json.dumps(data.encoder.to_dict())))
    assert encoder == data.encoder
    again = transform(encoder, table)
    np.testing.assert_array_equal(again.inputs, data.inputs)
    np.testing.assert_array_equal(again.targets, data.targets)
    ahead = transform(replace(encoder, ahead=True), table)
    assert ahead.targets is None
    assert ahead.samples == data.samples + 2 * 2
    coordinates = ahead.timeline.coordinates()
    assert [coordinates["row"][at] for at in (-1, len(coordinates["row"]) // 2 - 1)] == [None, None]
    assert coordinates["when"][-1] == "300"
    sold = np.array(table.column("sold").to_pylist())[np.array(table.column("shop").to_pylist()) == "shop 1"]
    last = ahead.inputs[coordinates["shop"].index("shop 1") + 26, :, 0]
    np.testing.assert_allclose(last, sold[-4:] - sold[-1], rtol=1e-5, atol=1e-6)


def test_a_split_in_the_order_of_time_is_the_same_in_all_repeats_of_any_table():
    inputs = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    run = ep.fit(
        ep.MLP(2),
        (inputs, inputs[:, 0]),
        epochs=1,
        batch_size=8,
        repeats=2,
        split="chronological",
        gap=3,
        test=5,
    )
    assert run.settings["vary"] == ["init", "order"]
    for parts in run.split_codes:
        assert parts.tolist() == [1] * 29 + [0] * 3 + [2] * 10 + [0] * 3 + [3] * 5
    assert any("the same in all repeats" in note for note in run.data["notes"])


def test_rows_of_a_plain_table_are_moments():
    parts = chronological(Timeline.of_rows(np.arange(1, 101)), validation=0.2, test=0.1)
    assert parts.train.tolist() == list(range(70))
    assert parts.validation.tolist() == list(range(70, 90))


def times(start, unit):
    return [str(time).replace("T", " ") for time in np.datetime64(start) + np.arange(30) * unit]


@pytest.mark.parametrize(
    ("written", "following"),
    [
        (times("2020-01", np.timedelta64(1, "M")), "2022-07"),
        (times("2020-02-28", np.timedelta64(1, "D")), "2020-03-29"),
        (times("2020-02-28T12:00:00", np.timedelta64(1, "h")), "2020-02-29 18:00:00"),
        ([f"{k // 9 + 1:02d}/{k % 9 + 11:02d}/2020" for k in range(18)], None),
        ([str(1990 + 2 * k) for k in range(30)], "2050"),
        ([f"{k + 1:02d}.01.{2001 + j}" for j in range(2) for k in (0, 9, 10)], None),
    ],
)
def test_times_are_read_from_files_and_go_on_beyond_the_end(written, following, tmp_path):
    path = tmp_path / "table.csv"
    sold = np.random.default_rng(0).uniform(1, 2, len(written))
    path.write_text("\n".join(["when,sold", *(f"{t},{v:.3f}" for t, v in zip(written, sold, strict=True))]))
    data = ep.load_windows(path, window=3, across_gaps=True)
    assert data.timeline.time_column.name == "when"
    encoder = replace(encoder_from_dict(json.loads(json.dumps(data.encoder.to_dict()))), ahead=True)
    coordinates = transform(encoder, path).timeline.coordinates()
    assert coordinates["when"][:-1] == written[3:]
    if following is not None:
        assert coordinates["when"][-1] == following


def test_new_dates_and_numbers_in_other_formats_are_read_and_said(tmp_path) -> None:
    days = np.datetime64("2021-01-01") + np.arange(60)
    values = np.round(100 + 9 * np.sin(np.arange(60.0)), 2)
    pairs = list(zip(days.tolist(), values, strict=True))
    first = "\n".join(f"{day:%d/%m/%Y};{value:.2f}".replace(".", ",") for day, value in pairs)
    second = "\n".join(f"{day},{value:.2f}" for day, value in pairs)
    (tmp_path / "trained.csv").write_text(f"day;v\n{first}\n")
    (tmp_path / "new.csv").write_text(f"day,v\n{second}\n")
    data = ep.load_windows(tmp_path / "trained.csv", window=5)
    run = ep.fit(ep.MLP(4), data, epochs=2, progress=False)
    same, other = (run.predict(tmp_path / name) for name in ("trained.csv", "new.csv"))
    np.testing.assert_array_equal(same.values, other.values)
    assert 'column 1 ("day") is written in another way than in training: as YYYY-MM-DD.' in other.notes
