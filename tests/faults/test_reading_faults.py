"""Fault: what stands below, beside or within the cells of a table is no sample, and none refuses it."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import epochal as ep
from epochal.data import load
from epochal.errors import Refusal
from workbooks import workbook

TOTAL = "Total;;7499;60049.5"


def rows(count):
    return [f"A{i:05d};{'NSW'[i % 3]};{i % 9 + 1};{i % 9 * 3.5 + i % 3}" for i in range(count)]


def written(path, lines, encoding="utf-8", end="\n"):
    path.write_bytes((end.join(["order;region;quantity;price", *lines]) + end).encode(encoding))
    return path


@pytest.fixture(scope="module")
def run():
    data = ep.load_data(pa.table({"region": ["N", "S", "W"] * 20, "quantity": range(60), "price": range(60)}))
    return ep.fit(ep.MLP(4), data, epochs=1, repeats=1)


@pytest.mark.parametrize("count", [2, 3, 997, 998, 999, 1000, 2500, 30_000])
@pytest.mark.parametrize(("encoding", "end"), [("utf-8", "\n"), ("utf-16", "\r\n"), ("cp1252", "\r")])
def test_a_total_at_the_end_is_left_out_of_a_file_of_any_length(count, encoding, end, tmp_path):
    found = load(written(tmp_path / "t.csv", [*rows(count), TOTAL], encoding, end))
    assert found.samples == count
    assert any('("Total, 7499, 60049.5") left out' in note for note in found.raw_notes)


def test_a_total_below_titles_and_wide_rows_is_left_out(tmp_path):
    titles = [f"About the export, part {number}" for number in range(6)]
    names = ";".join(["order", *(f"month {number}" for number in range(600)), "price"])
    body = [";".join([f"A{i:03d}", *(f"{(i * j) % 97}.25" for j in range(601))]) for i in range(90)]
    total = ";".join(["Total", *["4000.5"] * 601])
    found = load(written(tmp_path / "t.csv", [*titles, names, *body, total]))
    assert found.samples == 90 and any("Total, 4000.5" in note for note in found.raw_notes)


@pytest.mark.parametrize("count", [40, 1500])
def test_several_totals_and_a_source_are_left_out(count, tmp_path):
    more = ["Mittelwert;;5;14", "Summe;;200;560", "", "Source: the shop"]
    assert load(written(tmp_path / "t.csv", [*rows(count), *more])).samples == count


@pytest.mark.parametrize("last", [["Total;N;1;2.5"] * 3, ["A00000;N;1;2.5"], ["Total;N;1;2.5", "B;S;2;3.5"]])
def test_a_row_like_others_is_no_total(last, tmp_path):
    lines = [*rows(1200), *last, *last]
    assert load(written(tmp_path / "t.csv", lines)).samples == len(lines)


def test_the_total_of_a_sheet_and_of_new_rows_is_left_out(run, tmp_path):
    pytest.importorskip("python_calamine")
    header, total = ["order", "region", "quantity", "price"], ["Total", None, 7499, 60049.5]
    cells = [[f"A{i:05d}", "NSW"[i % 3], i % 9 + 1, i % 9 * 3.5] for i in range(1500)]
    workbook(tmp_path / "t.xlsx", Orders=[header, *cells, total])
    assert load(tmp_path / "t.xlsx").samples == 1500
    for count in (2, 1540):
        assert len(run.predict(written(tmp_path / "new.csv", [*rows(count), "Summe;;9;9"]))) == count


def test_the_total_of_a_single_row_is_told_by_its_numbers(run, tmp_path):
    """One that repeats the row's is left out; another may be a row."""
    single = "A00000;N;3;12.5"
    assert len(run.predict(written(tmp_path / "new.csv", [single, "Total;;3;12.5"]))) == 1
    assert len(run.predict(written(tmp_path / "new.csv", [single, "Total;;4;12.5"]))) == 2


METER = [
    {
        "time": f"2026-01-{1 + i // 24:02d}T{i % 24:02d}:00:00Z",
        "filter": {"age": i, "ok": True},
        "people": i % 5,
        "energy": i % 5 * 1.5 + i % 24 / 10,
    }
    for i in range(120)
]


def meter(path, rows):
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_run_reads_its_own_file_with_a_nested_column_again(suffix, stream, tmp_path):
    """Also a nested column that is only in the new file."""
    path = meter(tmp_path / f"t{suffix}", METER)
    if stream and suffix == ".jsonl":
        pytest.skip("only Parquet files are converted to a stream")
    data = ep.load_data(path, drop=["filter"], stream=stream)
    assert data.features[-1] == "people"
    run = ep.fit(ep.MLP(4), data, epochs=1, repeats=1)
    expected = run.predict(path).values
    assert run.evaluate(path).metrics
    more = meter(tmp_path / f"new{suffix}", [row | {"tags": [1, 2]} for row in METER])
    np.testing.assert_array_equal(run.predict(more).values, expected)
    beside = run.predict(more, with_inputs=True).to_arrow()
    assert json.loads(beside["filter"][3].as_py()) == METER[3]["filter"]
    assert beside["tags"][3].as_py() == "[1, 2]"


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("kind", ["windows", "texts", "rankings"])
def test_every_reader_leaves_out_a_nested_column(suffix, kind, tmp_path):
    rows = [row | {"text": f"a word{row['people']} b", "race": i // 6} for i, row in enumerate(METER)]
    path = meter(tmp_path / f"t{suffix}", rows)
    if kind == "windows":
        data = ep.load_windows(path, window=6, drop=["filter", "text"], target="energy")
    elif kind == "texts":
        data = ep.load_texts(path, text="text", target="people")
    else:
        data = ep.load_rank_pairs(path, by="race", target="energy", drop=["filter", "text", "time"])
    for source in (path, pa.Table.from_pylist(rows)):
        again = ep.data.transform(data.encoder, source)
        np.testing.assert_array_equal(again.inputs, data.inputs)


@pytest.mark.parametrize(
    "form", ["{}T{}:00:00Z", "{}T{}:00:00+01:00", "{} {}:00:00", "{}", "{}T{}:00:00.250Z"]
)
def test_cells_of_json_lines_stand_beside_predictions_as_written(form, tmp_path):
    times = [form.format(f"2026-01-{1 + i // 24:02d}", f"{i % 24:02d}") for i in range(120)]
    rows = [row | {"time": time} for row, time in zip(METER, times, strict=True)]
    path = meter(tmp_path / "t.jsonl", rows)
    data = ep.load_data(path, drop=["filter"])
    run = ep.fit(ep.MLP(4), data, epochs=1, repeats=1)
    assert "time weekday" in data.features
    for options in ({"id": ["time"]}, {"with_inputs": True}):
        assert run.predict(path, **options).to_arrow()["time"].to_pylist() == times


TABLE = [["a", "b", "y"], *[[float(i % 7), i * 0.5, ("no", "yes")[i % 2]] for i in range(30)]]
COVER = [["Exported from a system"], ["by me"]]


def test_the_only_sheet_that_holds_a_table_is_read(tmp_path):
    pytest.importorskip("python_calamine")
    workbook(tmp_path / "t.xlsx", Cover=COVER, More=[["see there"]], Data=[["Visits", None, None], *TABLE])
    data = load(tmp_path / "t.xlsx")
    assert data.samples == 30
    assert any('"Data" is read' in one and "the only one that holds a table" in one for one in data.raw_notes)
    run = ep.fit(ep.MLP(4), data, epochs=1, repeats=1)
    assert len(run.predict(tmp_path / "t.xlsx")) == 30


def test_of_several_tables_and_of_none_the_first_sheet_is_read(tmp_path):
    pytest.importorskip("python_calamine")
    workbook(tmp_path / "two.xlsx", Cover=COVER, Data=TABLE, Old=TABLE)
    with pytest.raises(Refusal, match='The sheet "Cover" is read, of 3'):
        load(tmp_path / "two.xlsx")
    workbook(tmp_path / "none.xlsx", Cover=COVER, More=COVER)
    with pytest.raises(Refusal, match='The sheet "Cover" is read, of 2'):
        load(tmp_path / "none.xlsx")
    workbook(tmp_path / "first.xlsx", Data=TABLE, More=COVER, Old=TABLE)
    assert load(tmp_path / "first.xlsx").samples == 30
    workbook(tmp_path / "series.xlsx", Data=[["load"], *[[i * 0.5] for i in range(30)]], Table=TABLE)
    assert ep.load_windows(tmp_path / "series.xlsx", window=3).samples == 27


@pytest.mark.parametrize("titles", [[], ["Export;;;"], ["Export of the shop;;;", "2026-11-03;;;", ";;;"]])
def test_new_rows_below_titles_are_counted(run, titles, tmp_path):
    """A header without rows has none, and one with a row has one."""
    path, header = tmp_path / "new.csv", "order;region;quantity;price"
    path.write_text("\n".join([*titles, header]) + "\n")
    for options in ({}, {"id": ["order"]}):
        with pytest.raises(Refusal, match=r"^new\.csv .* got 0"):
            run.predict(path, **options)
    with pytest.raises(Refusal, match=r"^new\.csv .* got 0"):
        run.evaluate(path)
    path.write_text("\n".join([*titles, header, *rows(1)]) + "\n")
    assert len(run.predict(path)) == 1
