"""Golden: files as people have them give the columns, names, rows and missing cells that they mean."""

import bz2
import gzip
import io
import lzma
import os
import shlex
import subprocess
import sys
import threading
import zipfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse

import epochal as ep
from epochal.cli.option_flags import in_flags
from epochal.cli.param_types import column, columns
from epochal.common.option_text import option
from epochal.data import Reading, load, transform
from epochal.data.columns import reference
from epochal.data.recipe import Recipe
from epochal.data.source import TrainingContext
from epochal.errors import MissingExtra, Refusal
from workbooks import workbook

TRIALS = Path(__file__).parents[1] / "trials"
RANDOM = np.random.RandomState(0)
ROWS = [[f"{i % 7}", *(f"{value:.2f}" for value in RANDOM.uniform(10, 99, 3))] for i in range(30)]
BODY = "".join(",".join(row) + "\n" for row in ROWS)
ABCY = ("a", "b", "c", "y")


def names_of(data):
    return (*data.features, data.target_name)


def said(data, *parts):
    """A note has all these words."""
    return any(all(part in note for part in parts) for note in data.raw_notes)


@pytest.mark.parametrize(
    ("name", "features", "target", "samples", "words"),
    [
        ("years", ("region", "2019", "2020"), "2021", 60, ["header", "`header=False`"]),
        ("trailing", ("a", "b"), "y", 120, ["column 4", "left out"]),
        ("collide", ("x", "x (3)", "x (4)"), "y", 120, ['"x"', 'now "x (4)"']),
        ("excel", ("a", "b"), "y", 100, ["sep=;"]),
        ("comment", ("a", "b"), "y", 100, ["#", "comment"]),
        ("utf16", ("a", "b"), "y", 100, ["utf-16", "`encoding="]),
        ("cyrillic-cp1251", ("рост", "вес"), "ответ", 120, ["cp1251", "`encoding="]),
        ("chinese-gbk", ("身高", "体重"), "结果", 120, ["gb18030", "`encoding="]),
    ],
)
def test_trials_are_read_right_and_said(name, features, target, samples, words):
    found = load(TRIALS / f"{name}.csv", keep=["region"] if name == "years" else ())
    assert (found.features, found.target_name, found.samples) == (features, target, samples)
    assert said(found, *words), found.notes


@pytest.mark.parametrize(
    ("name", "encoding", "classes"),
    [("cyrillic-cp1251", "cp1251", ("нет", "да")), ("chinese-gbk", "gbk", ("否", "是"))],
)
def test_an_encoding_can_be_given(name, encoding, classes):
    found = load(TRIALS / f"{name}.csv", encoding=encoding)
    assert found.task.classes == classes
    with pytest.raises(Refusal, match="not written in utf-8"):
        load(TRIALS / f"{name}.csv", encoding="utf-8")


@pytest.mark.parametrize(("name", "minimum"), [("years", 0.95), ("trailing", 0.9), ("collide", 0.9)])
def test_trials_are_learned_saved_and_predicted(name, minimum, tmp_path):
    data = ep.load_data(TRIALS / f"{name}.csv")
    ep.fit(ep.MLP(16), data, epochs=60, batch_size=8, repeats=1, learning_rate=0.01, out=tmp_path / "run")
    back = ep.load(tmp_path / "run")
    new = back.predict(TRIALS / f"{name}.csv")
    assert len(new) == data.samples
    if name == "years":
        values = np.asarray(new.values)[:, 0]
        assert 1 - np.mean((values - data.targets) ** 2) / np.var(data.targets) > minimum
    else:
        assert np.mean(np.argmax(new.values, axis=1) == data.targets) > minimum


NUMBERED = "".join(f"{i},{row[1]},{row[2]},{row[3]}\n" for i, row in enumerate(ROWS))
NAMED = "".join(f"s{i},{row[1]},{row[2]},{row[3]}\n" for i, row in enumerate(ROWS))
SPACED = "".join(f'"{i + 1}" {row[1]} {row[2]} {row[3]}\n' for i, row in enumerate(ROWS))
SHAPES = {
    "uneven years": ("region,2010,2015,2019\n" + BODY, {}, ("region", "2010", "2015", "2019"), 30, "header"),
    "years alone": ("2018,2019,2020,2021\n" + BODY, {}, ("2018", "2019", "2020", "2021"), 30, "header"),
    "numbers of columns": ("0,1,2,3\n" + BODY, {}, ("0", "1", "2", "3"), 30, "header"),
    "dates": ("land,1/22/20,1/23/20,1/24/20\n" + BODY, {}, ("land", "1/22/20", "1/23/20", "1/24/20"), 30, ""),
    "wavelengths": ("x,400.5,401.0,401.5\n" + BODY, {}, ("x", "400.5", "401.0", "401.5"), 30, "header"),
    "a saved index": (",b,c,y\n" + NUMBERED, {}, ("b", "c", "y"), 30, '"index"'),
    "an index of numbered columns": (",0,1,2\n" + NUMBERED, {}, ("0", "1", "2"), 30, '"index"'),
    "row names of R": ('"b" "c" "y"\n' + SPACED, {}, ("b", "c", "y"), 30, "one field more"),
    "a title": ("Sales 2024\n\na,b,c,y\n" + BODY, {}, ABCY, 30, "Sales 2024"),
    "a title of a spreadsheet": ("Sales,,,\n,,,\na,b,c,y\n" + BODY, {}, ABCY, 30, "Sales"),
    "padded titles": ("Sales,,,\nBy me,,,\na,b,c,y\n" + BODY, {}, ABCY, 30, '("Sales", …)'),
    "titles beside values": (
        "Sales,Q3,,\nOf,2024,,\n,,,\na,b,c,y\n" + BODY,
        {},
        ABCY,
        30,
        '("Sales, Q3", …)',
    ),
    "a date below a title": ("Sales,,,\n2024-01-02\na,b,c,y\n" + BODY, {}, ABCY, 30, "2 lines above"),
    "titles above a known header": (
        ",Sales,,\n2024,,,\na,b,c,y\n" + BODY,
        {"header": True},
        ABCY,
        30,
        "2 lines",
    ),
    "units": ("a,b,c,y\nkg,m,s,W\n" + BODY, {}, ABCY, 30, "kg, m, s, W"),
    "units with digits": ("a,b,c,y\nm2,l/100km,1/s,10^3 EUR\n" + BODY, {}, ABCY, 30, "m2, l/100km"),
    "units in brackets": ("a,b,c,y\n,[kg],[m],\n" + BODY, {}, ABCY, 30, "[kg]"),
    "a total": ("a,b,c,y\n" + NAMED + "Total,1500.5,1400,1300\n", {"keep": []}, ("b", "c", "y"), 30, "Total"),
    "a source": ("a,b,c,y\n" + BODY + "\nSource: Eurostat\n", {}, ABCY, 30, "Eurostat"),
    "a padded source": ("a,b,c,y\n" + BODY + ",,,\nSource: me,,,\n", {}, ABCY, 30, "Source: me"),
    "delimiters end rows": ("a,b,c,y\n" + BODY.replace("\n", ",\n"), {}, ABCY, 30, "column 5"),
    "delimiters end the header": ("a,b,c,y,\n" + BODY, {}, ABCY, 30, "header"),
    "comments between rows": ("a,b,c,y\n" + BODY + "# half\n" + BODY, {}, ABCY, 60, "line 32"),
    "a header in a comment": ("# a,b,c,y\n" + BODY, {}, ABCY, 30, "comment in line 1"),
    "percent signs": ("% by x\n%\na;b;c;y\n" + BODY.replace(",", ";"), {}, ABCY, 30, "2 lines"),
    "slashes": ("// by x\na,b,c,y\n" + BODY, {}, ABCY, 30, '"//"'),
    "a comment that is told": ("a,b,c,y\n;,1,2,3\n" + BODY, {"comment": ";"}, ABCY, 30, "(`comment`)"),
    "rows that are skipped": ("1,2\n3\na,b,c,y\n" + BODY, {"skip_rows": 2}, ABCY, 30, "(`skip_rows`)"),
    "a quoted sep": ('"sep=|"\na|b|c|y\n' + BODY.replace(",", "|"), {}, ABCY, 30, "sep=|"),
    "blank lines": ("a,b,c,y\n" + BODY + "   \n\n" + BODY, {}, ABCY, 60, ""),
    "hard names": ('"a, b","say ""c""","x\ny",y\n' + BODY, {}, ("a, b", 'say "c"', "x y", "y"), 30, ""),
    "names in capitals": ("x,X,x ,y\n" + BODY, {}, ("x", "X", "x (3)", "y"), 30, 'now "x (3)"'),
    "doubled doubles": ("x,x (2),x,x (2)\n" + BODY, {}, ("x", "x (2)", "x (3)", "x (2) (4)"), 30, ""),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_headers_and_lines_around_a_table(kind, tmp_path):
    text, options, names, samples, word = SHAPES[kind]
    (tmp_path / "t.csv").write_text(text)
    found = load(tmp_path / "t.csv", **options)
    assert (names_of(found), found.samples) == (names, samples), found.notes
    assert said(found, word), found.notes
    assert found.inputs.dtype == np.float32


@pytest.mark.parametrize(
    "text",
    [
        BODY,
        "unknown,5.5,3.2,1.5\n" + BODY,
        "".join(f"#{'f0' if i % 2 else '0f'}00,{i}.5,{i % 3}.5,1.5\n" for i in range(30)),
        "3,51,62,73\n" + "".join(f"{i % 7},{i % 80},{i % 90},{i % 100}\n" for i in range(120)),
    ],
)
def test_data_are_no_header_and_no_comment(text, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    found = load(tmp_path / "t.csv", target=3, drop=[4])
    assert found.samples == text.count("\n")
    assert said(found, "no header", "`header=True`")


@pytest.mark.parametrize("first", ["x1,3.2 kg,,$4.50", "x1,n.a.,n.a.,unknown", "x9,,,(12)", "x9,,5 %,"])
def test_a_first_row_with_empty_cells_is_no_units(first, tmp_path):
    rows = [first, *(f"x{i % 4},{i / 4} kg,{i % 7},${i}.50" for i in range(60))]
    (tmp_path / "t.csv").write_text("item,weight,beds,price\n" + "\n".join(rows))
    found = load(tmp_path / "t.csv", missing=["", "n.a.", "unknown"], target="item")
    assert found.samples == 61
    assert not said(found, "as units do")


ALPHABETS = {
    "koi8-r": ("рост;вес;город", ["Москва", "Казань"]),
    "cp866": ("рост;вес;город", ["Москва", "Казань"]),
    "big5": ("身高;體重;結果", ["是", "否"]),
    "cp932": ("身長;体重;判定", ["はい", "いいえ"]),
    "euc-kr": ("키;몸무게;결과", ["예", "아니오"]),
    "cp1250": ("imię;wzrost;płeć", ["mężczyzna", "kobieta"]),
    "cp1252": ("größe;fuß;ort", ["Köln", "Düren €"]),
    "utf-8-sig": ("größe;fuß;ort", ["Köln", "Düren"]),
    "utf-16": ("größe;fuß;ort", ["Köln", "Düren"]),
    "utf-16-be": ("gross;fuss;ort", ["Koeln", "Dueren"]),
    "utf-32": ("größe;fuß;ort", ["Köln", "Düren"]),
}


@pytest.mark.parametrize("encoding", ALPHABETS)
def test_alphabets_are_read_by_themselves(encoding, tmp_path):
    header, classes = ALPHABETS[encoding]
    rows = "".join(f"{150 + i % 9}.5;{60 + i % 7}.1;{classes[i % 2]}\n" for i in range(40))
    (tmp_path / "t.csv").write_bytes(f"{header}\n{rows}".encode(encoding))
    found = load(tmp_path / "t.csv")
    assert ";".join(names_of(found)) == header
    assert sorted(found.task.classes) == sorted(classes)
    assert said(found, "not UTF-8", "`encoding=") == (not encoding.startswith("utf-8"))


def zipped(data):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("in/t.csv", data)
        archive.writestr("__MACOSX/._t.csv", b"\x00")
    return out.getvalue()


PACKED = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
    "zip": zipped,
}


@pytest.mark.parametrize("suffix", [".csv", ".dat"])
@pytest.mark.parametrize("kind", PACKED)
def test_packed_tables_are_read_whatever_their_names(kind, suffix, tmp_path):
    (tmp_path / f"t{suffix}").write_bytes(PACKED[kind](("a,b,c,y\n" + BODY).encode()))
    found = load(tmp_path / f"t{suffix}")
    assert (names_of(found), found.samples) == (ABCY, 30)


def test_parquet_and_json_are_known_by_their_bytes(tmp_path):
    table = pa.table({"a": [0.5, 1.5, 3.5] * 9, "y": [1.5, 2.5, 4.0] * 9})
    pq.write_table(table, tmp_path / "t.csv")
    (tmp_path / "t.jsonl").write_text("".join(f'{{"a": {i}.5, "y": {i}.25}}\n' for i in range(30)))
    (tmp_path / "list.json").write_text('[{"y": 1.5}, {"a": 2.5, "y": 3.5}, {"a": 1.5, "y": 2.5}]')
    assert load(tmp_path / "t.csv").features == ("a",)
    assert load(tmp_path / "t.jsonl").samples == 30
    assert names_of(load(tmp_path / "list.json", target="y")) == ("a", "a is missing", "y")


FORMATS = {
    "a PDF": b"%PDF-1.7\n",
    "a SQLite database": b"SQLite format 3\x00",
    "a PNG image": b"\x89PNG\r\n\x1a\n",
    "an HTML page": b"\n<!DOCTYPE html><table>",
    "an HDF5 file": b"\x89HDF\r\n\x1a\n",
    "a pickle": b"\x80\x05\x95\x00",
    "a NumPy array": b"\x93NUMPY\x01\x00",
    "an XML file": b'<?xml version="1.0"?>',
}


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_no_table_is_refused_by_its_name(kind, tmp_path):
    for suffix, data in ((".csv", FORMATS[kind]), (".csv.gz", gzip.compress(FORMATS[kind]))):
        (tmp_path / f"t{suffix}").write_bytes(data)
        with pytest.raises(Refusal, match=f"must be a table; it is {kind}"):
            load(tmp_path / f"t{suffix}")


def test_marks_of_missing_values_are_said_and_values_are_kept(tmp_path):
    def read(text, **options):
        (tmp_path / "t.csv").write_text(text)
        return load(tmp_path / "t.csv", **options)

    rows = "".join(f"{('-', 'NULL', '#N/A', '3.5', '4.5', '5.5')[i % 6]},{i % 2}\n" for i in range(60))
    found = read("a,y\n" + rows)
    assert found.features == ("a", "a is missing")
    assert said(found, '"-" (10 in column 1 ("a"))', '"NULL"', '"#N/A"', "`missing=...`")
    codes = "".join(f"{('NA', 'DE', 'FR', 'US', 'AT')[i % 5]},{i % 2}\n" for i in range(60))
    found = read("country,y\n" + codes)
    assert "country=NA" in found.features
    assert said(found, '"NA"', "two letters", '`missing=["NA"]`')
    assert "country=(missing)" in read("country,y\n" + codes, missing=["NA"]).features
    grades = "".join(f"{i % 7}.5,{('None', 'mild', 'severe')[i % 3]}\n" for i in range(60))
    assert read("a,pain\n" + grades).task.classes == ("None", "mild", "severe")
    answers = "".join(f"{i % 7}.5,{('NA', 'yes', 'no')[i % 3]}\n" for i in range(60))
    assert read("a,y\n" + answers, missing=[""]).task.classes == ("NA", "no", "yes")
    signs = "".join(f"{i % 7}.5,{'+-'[i % 2]}\n" for i in range(60))
    assert read("a,y\n" + signs).task.classes == ("-", "+")


def test_new_files_know_the_marks_and_levels_of_training(tmp_path):
    rows = "".join(
        f"{('NA', 'DE', 'FR', 'US')[i % 4]},{('-9', '3.5', '4.5')[i % 3]},{i % 2}\n" for i in range(60)
    )
    (tmp_path / "t.csv").write_text("country,a,y\n" + rows)
    data = load(tmp_path / "t.csv", missing=["-9"])
    (tmp_path / "new.csv").write_text("Country, A\nNA,-9\nDE,3.5\n")
    encoder = type(data.encoder).from_dict(data.encoder.to_dict())
    new = ep.data.transform(encoder, tmp_path / "new.csv")
    row = dict(zip(new.features, new.inputs[0], strict=True))
    assert row["country=NA"] == 1
    assert np.isnan(row["a"])
    assert row["a is missing"] == 1
    assert said(new, "2 column names differ", "capitals or blanks", '"Country" for "country"')


def test_all_ragged_lines_are_told_at_once(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,c,y\n" + BODY + "1,2\n" + BODY + "1,2,3,4,5\n" + "1\n" * 9)
    with pytest.raises(Refusal, match=r"11 lines .* 4 fields .* line 32 \(2\), 63 \(5\), .* and 6 more"):
        load(tmp_path / "t.csv")


# Workbooks ------------------------------------------------------------------------------------------------


def test_a_sheet_of_a_workbook_is_a_table(tmp_path, monkeypatch):
    rows = [[float(i % 7), i * 0.5, ("no", "yes")[i % 2]] for i in range(30)]
    workbook(tmp_path / "b.xlsx", notes=[["by me"]] * 3, data=[["Sales", None, None], ["a", "b", "y"], *rows])
    pytest.importorskip("python_calamine")
    found = load(tmp_path / "b.xlsx", sheet="data")
    assert (names_of(found), found.samples) == (("a", "b", "y"), 30)
    assert said(found, "Sales")
    assert said(found, '"data"', "of 2", "`sheet=...`")
    assert load(tmp_path / "b.xlsx", sheet=2).fingerprint == found.fingerprint
    with pytest.raises(Refusal, match='unknown sheet "dat"; did you mean "data"'):
        load(tmp_path / "b.xlsx", sheet="dat")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(Refusal, match="sheet is about workbooks"):
        load(tmp_path / "t.csv", sheet=1)
    assert (
        ep.data.transform(
            found.encoder, tmp_path / "b.xlsx", TrainingContext(reading=Reading(sheet=2))
        ).samples
        == 30
    )
    new = ep.data.tables.new_rows.read_as_before(found.encoder, tmp_path / "b.xlsx")
    assert new.sheet == "data"
    workbook(tmp_path / "c.xlsx", Sales=[["a", "b"], *(row[:2] for row in rows)], notes=[["by me"]])
    assert ep.data.tables.new_rows.read_as_before(found.encoder, tmp_path / "c.xlsx").sheet is None
    workbook(tmp_path / "d.xlsx", notes=[["me"]], data=[["by", "me", "x"], *[["a", 2, 3]] * 3])
    cover = 'The sheet "notes" is read, of 2 ("notes", "data"); sheet=... names another'
    for read in (load, lambda path, sheet: ep.load_windows(path, window=2, sheet=sheet)):
        for book in ("b.xlsx", "d.xlsx"):
            with pytest.raises(Refusal) as refused:
                read(tmp_path / book, sheet=1)
            assert cover in str(refused.value)
    with pytest.raises(
        Refusal, match=r'input columns.* The sheet "data" is read, of 2 \("notes", "data"\)\.$'
    ):
        ep.data.transform(found.encoder, tmp_path / "d.xlsx", TrainingContext(reading=Reading(sheet="data")))
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(MissingExtra, match=r'pip install "epochal\[excel\]"'):
        load(tmp_path / "b.xlsx")


# Objects of Python ----------------------------------------------------------------------------------------

N = 40
X = RANDOM.normal(size=N)
Y = [i % 2 for i in range(N)]
COLUMNS = {
    "intervals": (lambda: pd.cut(X, 3), 3),
    "sparse": (lambda: pd.arrays.SparseArray([0, 0, 1, 2] * 10), 1),
    "periods": (lambda: pd.period_range("2020-01", periods=N, freq="M"), 4),
    "durations": (lambda: pd.to_timedelta(X, unit="s"), 1),
    "several types": (lambda: [1, "u", "v", None] * 10, 4),
    "several numbers": (lambda: pd.Series([1, Decimal("2.5"), 2.5, None] * 10, dtype=object), 2),
    "nullable": (lambda: pd.array([1, None, 3, 4] * 10, dtype="Int64"), 2),
    "a zone": (lambda: pd.date_range("2020-01-01", periods=N, tz="Europe/Berlin", freq="h"), 4),
    "ordered": (lambda: pd.Categorical(["lo", "mid", "hi", "lo"] * 10, ["lo", "mid", "hi"], ordered=True), 3),
    "mixed categories": (lambda: pd.Categorical([1, "a", 1, "b"] * 10), 3),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_of_pandas_are_read(kind):
    make, features = COLUMNS[kind]
    found = load(pd.DataFrame({"a": make(), "y": Y}))
    assert found.samples == N
    assert len(found.features) == features, found.features
    new = ep.data.transform(found.encoder, pd.DataFrame({"a": make()}).head(5))
    np.testing.assert_array_equal(new.inputs, found.inputs[:5])


def test_durations_keep_their_fractions_and_zones_their_clocks():
    frame = pd.DataFrame({"a": pd.to_timedelta([0.25, 0.5] * 20, unit="s"), "y": Y})
    assert sorted(set(load(frame).inputs[:, 0])) == [0.25, 0.5]
    times = pd.date_range("2020-07-01 22:30", periods=N, tz="UTC", freq="D").tz_convert("Europe/Berlin")
    found = load(pd.DataFrame({"a": times, "y": Y}))
    assert "a hour" not in found.features
    assert found.inputs[0, found.features.index("a day")] == 2, "it is past midnight in Berlin"


def test_a_column_that_cannot_be_converted_can_be_dropped(tmp_path):
    frame = pd.DataFrame({"a": X, "l": [[1]] * N, "o": [object()] * N, "y": Y})
    found = load(frame, drop=["l", "o"])
    assert found.features == ("a",)
    assert ep.data.transform(found.encoder, frame).samples == N
    with pytest.raises(Refusal, match=r"2 problems: \(1\) column 2 .*list.* \(2\) column 3 .*object"):
        load(frame)
    frame.drop(columns="o").to_parquet(tmp_path / "t.parquet")
    assert load(tmp_path / "t.parquet", drop=["l"]).features == ("a",)
    lists = pl.DataFrame({"a": X, "l": [[1]] * N, "y": Y})
    assert load(lists, drop=["l"]).features == ("a",)
    assert said(load(lists.lazy().drop("l")), "lazy")


def test_names_and_indices_of_frames():
    index = pd.Index([f"p{i // 4}" for i in range(N)], name="patient")
    frame = pd.DataFrame({"a": X, "y": Y}, index=index)
    found = load(frame, groups="patient")
    assert (found.features, found.target_name, found.groups.max()) == (("a",), "y", 9)
    assert said(load(frame), '"patient"', "reset_index()")
    levels = pd.DataFrame({("a", "x"): X, ("a", "z"): X + 1, ("y", ""): Y})
    assert names_of(load(levels)) == ("a x", "a z", "y")
    blanks = load(pd.DataFrame({"a ": X, " a": X + 1, "y ": Y}), target="y ")
    assert names_of(blanks) == ("a", "a (2)", "y")
    dated = ep.load_windows(pd.Series(X, index=pd.date_range("2020-01-01", periods=N), name="v"), window=4)
    assert (dated.samples, dated.features) == (N - 4, ("v",))
    assert said(dated, "is the time", "2020-01-01")


def test_tensors_and_sparse_matrices_are_arrays(monkeypatch):
    table = np.c_[X, X * 2].astype(np.float32)
    plain = load((table, Y))
    for inputs in (scipy.sparse.csr_matrix(table), scipy.sparse.csr_array(table)):
        assert load((inputs, Y)).fingerprint == plain.fingerprint
        assert load(ep.data.source_from_xy(inputs, Y)).fingerprint == plain.fingerprint
    monkeypatch.setattr("epochal.data.arrays.host.free_memory", lambda: 100)
    with pytest.raises(Refusal, match=r"sparse matrix must fit into memory .*\(40, 2\)"):
        load((scipy.sparse.csr_matrix(table), Y))
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(table, requires_grad=True)
    assert load((tensor, torch.tensor(Y))).fingerprint == plain.fingerprint
    assert load((tensor.bfloat16(), Y)).samples == N
    beside = load((pd.DataFrame({"a": X}), torch.tensor(X, requires_grad=True)))
    assert beside.task.kind == "regression"


def test_a_dataset_shows_itself_in_a_line():
    shown = repr(load((np.c_[X, X], Y)))
    assert shown == 'Dataset("arrays", 40 samples, inputs (2,) float32, target "target": 2 classes)'


# The command line -----------------------------------------------------------------------------------------


def test_names_with_commas_can_be_dropped(tmp_path):
    (tmp_path / "t.csv").write_text('"a, b","say ""c""",d,y\n' + BODY)
    assert columns(('"a, b",d', "3")) == ("a, b", "d", 3)
    assert column('"a, b"') == "a, b"
    left = load(tmp_path / "t.csv", drop=columns((flag(0),)))
    assert left.features == ('say "c"', "d")
    left = load(tmp_path / "t.csv", drop=columns((flag(1), "d")))
    assert left.features == ("a, b",)


def flag(index):
    """What a shell hands over for the flag that a note proposes."""
    names = ["a, b", 'say "c"', "d", "y"]
    return shlex.split(in_flags(option("drop", [reference(names, index)]).strip("`")))[1]


def test_standard_input_pipes_and_plans_of_tables(tmp_path):
    def run(*arguments, **options):
        command = [sys.executable, "-m", "epochal", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, **options)

    text = (TRIALS / "collide.csv").read_text()
    plan = run("plan", "-", "-b", 8, "--validation", 0.25, input=text)
    assert "90 of the 120 samples of standard input train; 30 are held out for validation." in plan.stdout
    os.mkfifo(tmp_path / "pipe")
    thread = threading.Thread(target=(tmp_path / "pipe").write_text, args=(text,))
    thread.start()
    assert "96 of the 120 samples of pipe train" in run("plan", "pipe", "-b", 8).stdout
    thread.join()
    assert load(TRIALS / "collide.csv").recipe is not None
    assert Recipe.of("load_data", {}, "-", {}) is None


@pytest.mark.parametrize(
    ("encoding", "header"),
    [
        ("cp1251", "рост;вес;ответ"),
        ("cp1251", "зріст;вага;відповідь"),
        ("gbk", "身高;体重;结果"),
        ("big5", "年齡;性別;收入"),
        ("cp932", "年齢;性別;収入"),
        ("euc-jp", "年齢;性別;収入"),
        ("cp1253", "ύψος;βάρος;απάντηση"),
        ("cp1256", "الطول;الوزن;الجواب"),
        ("cp874", "ส่วนสูง;น้ำหนัก;คำตอบ"),
        ("cp1252", "größe;gewicht;antwort"),
        ("cp1252", "item;T (°C);y"),
    ],
)
def test_three_words_are_enough_for_most_alphabets(encoding, header, tmp_path):
    rows = "".join(f"{150 + i % 9}.5;{60 + i % 7}.1;{i % 2}\n" for i in range(40))
    (tmp_path / "t.csv").write_bytes(f"{header}\n{rows}".encode(encoding))
    found = load(tmp_path / "t.csv")
    assert ";".join(names_of(found)) == header
    assert said(found, "not UTF-8", "`encoding=")


def test_a_first_line_that_is_too_short_is_left_out_or_refused_with_a_remedy(tmp_path):
    (tmp_path / "t.csv").write_text("made, today\na,b,c,y\n" + BODY)
    found = load(tmp_path / "t.csv")
    assert names_of(found) == ABCY
    assert said(found, "made, today", "`skip_rows=0`")
    (tmp_path / "t.csv").write_text("1,2,x\n" + BODY)
    with pytest.raises(Refusal, match=r"line 1 of t.csv has 3 fields and most others have 4.*skip_rows=1"):
        load(tmp_path / "t.csv")
    assert load(tmp_path / "t.csv", skip_rows=1).samples == 30


HARD_NAMES = ["a ", " a", "A", "b, c", 'say "d"', "e\nf", "x", "x (2)", "x"]


def test_a_run_on_hard_names_is_saved_loaded_and_predicts_frames_and_files(tmp_path):
    frame = pd.DataFrame(RANDOM.normal(size=(N, len(HARD_NAMES))), columns=HARD_NAMES)
    ep.fit(ep.MLP(4), frame.assign(**{"y ": Y}), epochs=2, batch_size=16, repeats=1, out=tmp_path / "run")
    back = ep.load(tmp_path / "run")
    assert len(set(back.encoder.names)) == len(HARD_NAMES) + 1
    expected = back.predict(frame).values
    frame.to_csv(tmp_path / "new.csv", index=False)
    np.testing.assert_allclose(back.predict(tmp_path / "new.csv").values, expected, rtol=1e-5)
    lower = back.predict(frame.rename(columns={"b, c": "B, C", 'say "d"': ' Say "D"'}))
    np.testing.assert_array_equal(lower.values, expected)
    assert sum("capitals or blanks" in note for note in lower.raw_notes) == 1


def test_marks_of_missing_values_in_a_frame_are_those_of_a_file(tmp_path):
    """What a file may have a frame with text may have, too, and so may new rows."""
    price = [f"${value:.2f}" for value in np.random.default_rng(0).uniform(1, 99, 100)]
    marked = ["NA", "NULL", "NaN", "-", "n/a", *price[5:]]
    when = ["2024-01-02", "None", "null", *(f"2024-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(97))]
    frame = pd.DataFrame({"price": marked, "when": when, "y": np.arange(100) % 2})
    frame.to_csv(tmp_path / "t.csv", index=False)
    found, file = load(frame), load(tmp_path / "t.csv")
    assert found.features == file.features
    np.testing.assert_array_equal(found.inputs, file.inputs)
    whole = load(frame.assign(price=price, when=when[3:] + when[3:6]))
    new = transform(whole.encoder, frame)  # where no training row missed anything
    lacking = dict(zip(whole.features, np.isnan(new.inputs).sum(axis=0), strict=True))
    assert lacking["price"] == 5
    assert sum(count == 2 for count in lacking.values()) > 0, lacking


@pytest.mark.parametrize(("encoding", "word"), [("cp1252", "âge"), ("cp1257", "amžius")])
def test_single_bytes_that_several_encodings_know_are_read_in_the_usual_one(tmp_path, encoding, word):
    """Few French words are as likely in the Baltic encoding; Lithuanian ones are not in the western one."""
    words = ["hospitalisé", "Médecine", "Néphrologie", "créatinine", "facturé"]
    if encoding == "cp1257":
        words = ["gydytojas čia", "ligoninė", "sąskaita", "širdis", "žmogus", "Vilnių", "įmonė"]
    rows = [f"{20 + at % 60};{words[at % len(words)]};{at % 2}" for at in range(80)]
    (tmp_path / "t.csv").write_text("\n".join([f"{word};place;y", *rows]) + "\n", encoding=encoding)
    assert load(tmp_path / "t.csv").features[0] == word
