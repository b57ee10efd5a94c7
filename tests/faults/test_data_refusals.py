"""Fault: each bad input is refused in one sentence with the name, the bound, the value and the remedy."""

import gzip
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pyarrow.csv
import pyarrow.json
import pytest

from epochal.data import TableEncoder, fit_scaling, load, read_table, transform, write_example
from epochal.data.source import TrainingContext
from epochal.errors import Refusal


@contextmanager
def refused(*words):
    """A Refusal must be raised whose one sentence has all these words."""
    with pytest.raises(Refusal) as caught:
        yield
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith((".", "?")), sentence
    for word in words:
        assert word in sentence, f"{word!r} is not in: {sentence}"


def numbers(rows=60):
    return "".join(f"{i % 7}.5,{i % 5},{i % 2}\n" for i in range(rows))


TEXTS = {
    "empty": ("", {}, ["empty", "at least 2 rows", "got 0"]),
    "blank": ("\n\n  \n", {}, ["empty", "at least 2 rows"]),
    "header only": ("a,b,c\n", {}, ["header but no rows", "at least 2 rows", "got 0"]),
    "one row": ("1,2,3\n", {}, ["at least 2 rows", "got 1"]),
    "one row below a header": ("a,b\n1,2\n", {}, ["at least 2 rows", "got 1"]),
    "one column": ("a\n1\n2\n3\n", {}, ["at least 2 columns", "got 1", "delimiter=CHAR"]),
    "too long a row": (numbers(9) + "1,2,3,4\n" + numbers(3), {}, ["line 10", "3 fields", "got 4", "delimiter=CHAR"]),  # noqa: E501
    "too short a row": ("a,b,c\n" + numbers(9) + "1,2\n", {}, ["line 11", "3 fields", "got 2"]),
    "a long row after a quoted line break": ('a,b\n"x\ny",1\n' + "z,1\n" * 5 + "z,1,2\n", {}, ["line 9", "got 3"]),  # noqa: E501
    "ragged by tabs": ("1\t2\n3\t4\t5\n6\t7\n8\t9\n", {}, ["line 2", "2 fields", "got 3", "tab"]),
    "ragged by spaces": ("1  2 3\n4 5 6\n7 8\n9 1 2\n4 5  6\n", {}, ["line 3", "3 fields", "got 2", "space"]),
    "no such target": ("age,class\n1,2\n2,3\n", {"target": "clas"}, ["target", "2 columns", '"clas"', 'mean "class"']),  # noqa: E501
    "other case": ("age,Class\n1,2\n2,3\n", {"target": "CLASS"}, ['mean "Class"']),
    "target number": (numbers(), {"target": "4"}, ["target", "1 to 3", "got 4"]),
    "target 0": (numbers(), {"target": 0}, ["target", "1 to 3", "got 0"]),
    "one class": (numbers(20).replace(",1\n", ",0\n"), {}, ["column 3", "at least 2", 'got 1 ("0")', "target=COLUMN"]),  # noqa: E501
    "missing targets": (numbers() + "1,2,?\n" * 9, {}, ["at most 5%", "9 missing of 69", "row 61", "target=COLUMN"]),  # noqa: E501
    "all targets missing": ("1,?\n2,?\n3,?\n", {}, ["3 missing of 3", "row 1"]),
    "all inputs missing": ("?,NA,0\n" * 30 + "?,NA,1\n" * 30, {}, ["at least 1 input", "all missing", "keep=COLUMN"]),  # noqa: E501
    "all inputs constant": ("5,0\n" * 30 + "5,1\n" * 30, {}, ["at least 1 input", "constant", "keep=COLUMN"]),
    "inf": ("a,b\n" + "1.5,0\n2,1\n" * 9 + "inf,1\n", {}, ['column 1 ("a")', "finite", "inf", "row 19", "missing"]),  # noqa: E501
    "minus inf": ("a,b\n" + "1.5,0\n-2,1\n" * 9 + "-inf,1\n", {}, ["-inf", "row 19"]),
    "beyond float32": ("a,b\n" + "1.5,0\n2,1\n" * 9 + "1e200,1\n", {}, ["3.4e38", "row 19"]),
    "inf target": ("1,1.5\n2,2.5\n3,inf\n4,5\n", {"task": "regression"}, ["column 2", "finite", "row 3"]),
    "typos among numbers": (
        "a,y\n" + "".join(f"{i / 7:.4f},{i % 2}\n" for i in range(100)) + "1O,1\n3..5,0\nx7,1\n",
        {},
        ["3 of 103", '"1O" (row 101)', '(row 102)', 'missing=["1O", "3..5", "x7"]', 'categorical=["a"]'],
    ),
    "two kinds of money": (
        "a,y\n" + "".join(f"{'$€'[i % 3 == 0]}{i},{i % 2}\n" for i in range(60)),
        {},
        ['column 1 ("a")', "mixes currencies", "$ (40)", "€ (20)", 'drop=["a"]'],
    ),
    "several columns at once": (
        "a,b,y\n" + "".join(f"{i / 7:.4f},{i}.{i % 12 + 1}.2021,{i % 2}\n" for i in range(1, 29)) * 4
        + "1O,31.2.2021,1\n",
        {},
        ["2 problems", '(1) column 1 ("a")', '"1O"', '(2) column 2 ("b")', '"31.2.2021"'],
    ),
    "a date format without a year": (numbers(), {"date_format": "%d.%m."}, ["date_format", "%Y"]),
    "an unknown decimal separator": (numbers(), {"decimal": ";"}, ["decimal", '";"']),
    "text as number": ("a,y\nred,0\nblue,1\nred,0\n", {"numeric": ["a"]}, ['column 1 ("a")', '"red"', "row 1", "missing=VALUES"]),  # noqa: E501
    "text in a regression": ("a,y\n1,x\n2,y\n3,x\n4,y\n", {"task": "regression"}, ["numbers", '"x"', "row 1"]),  # noqa: E501
    "unknown task": (numbers(), {"task": "regresion"}, ['"regresion"', '"regression"']),
    "three classes for binary": ("1,a\n2,b\n3,c\n4,a\n5,b\n6,c\n", {"task": "binary"}, ["2 classes", "got 3", "multiclass"]),  # noqa: E501
    "a class a row": ("".join(f"{i}.5,c{i}\n" for i in range(40)), {}, ["at most 20 classes", "got 40", "target=COLUMN"]),  # noqa: E501
    "dates as a target": ("1,2020-01-01\n2,2020-01-02\n3,2020-01-01\n", {}, ["dates"]),
    "unknown drop": (numbers(), {"drop": ["9"]}, ["drop", "1 to 3", "got 9"]),
    "keep and drop": (numbers(), {"drop": [1], "keep": [1]}, ["column 1", "keep", "drop"]),
    "drop the target": (numbers(), {"drop": [3]}, ["drop", "column 3", "target"]),
    "negative weight": ("1,2,0\n2,-1,1\n3,1,0\n", {"sample_weight": 2}, ["at least 0", "-1", "row 2"]),
    "missing weight": ("1,2,0\n2,?,1\n3,1,0\n", {"sample_weight": 2}, ["miss no value", "row 2"]),
    "no weight": ("1,0,0\n2,0,1\n3,0,0\n", {"sample_weight": 2}, ["above 0", "all 3"]),
    "weight is target": (numbers(), {"sample_weight": 3}, ["sample_weight", "column 3"]),
    "long delimiter": (numbers(), {"delimiter": "::"}, ["delimiter", "one character", "::"]),
    "open quote": ('a,b\n"x,1\ny,2\n', {}, []),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_a_bad_text_table_is_refused(name, tmp_path):
    text, options, words = TEXTS[name]
    (tmp_path / "table.csv").write_text(text)
    with refused(*words):
        load(tmp_path / "table.csv", **options)


def test_a_long_file_with_a_ragged_row_names_its_line(tmp_path, monkeypatch):
    monkeypatch.setattr("epochal.data.files.text.STREAM_BYTES", 0)
    (tmp_path / "table.csv").write_text(numbers(2000) + "1,2\n" + numbers(10))
    with refused("line 2,001", "3 fields", "got 2"):
        load(tmp_path / "table.csv")


def test_paths_that_are_no_table_are_refused(tmp_path):
    (tmp_path / "table.csv").write_text(numbers())
    with refused("no file", "tabel.csv", 'mean "', "table.csv"):
        load(tmp_path / "tabel.csv")
    with refused("no file", "nor is there a folder"):
        load(tmp_path / "nowhere" / "table.csv")
    with refused("is a folder", ".csv"):
        load(tmp_path)
    with refused("data must be", "int"):
        load(42)
    with refused("example", '"iriss"', 'mean "iris"'):
        load("example:iriss")


@pytest.mark.parametrize("content", [bytes(range(256)), b"\x00\x00", b"1,2\n3,\x004\n"])
def test_binary_garbage_is_refused(content, tmp_path):
    (tmp_path / "table.csv").write_bytes(content)
    with refused("text table", "UTF-8", "byte 0x", "another kind"):
        load(tmp_path / "table.csv")


@pytest.mark.parametrize("content", [b"PK\x03\x04\x00\x00", b"PK\x05\x06", b"\x1f\x8b\x08\x00abc", b"BZh9"])
def test_a_damaged_archive_is_refused(content, tmp_path):
    (tmp_path / "table.csv").write_bytes(content)
    with refused("table.csv can't be read"):
        load(tmp_path / "table.csv")


@pytest.mark.parametrize("suffix", [".parquet", ".npy", ".npz", ".csv.gz"])
def test_a_file_that_is_not_what_its_name_says_is_refused(suffix, tmp_path):
    (tmp_path / f"table{suffix}").write_bytes(b"neither this nor that, at all")
    with refused(f"table{suffix}", "can't be read"):
        load(tmp_path / f"table{suffix}")


def test_a_truncated_array_is_refused(tmp_path):
    np.save(tmp_path / "whole.npy", np.zeros((100, 3), np.float32))
    (tmp_path / "half.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:-600])
    with refused("half.npy", "100 rows", "row 51"):
        load(tmp_path / "half.npy")


def test_latin_text_and_byte_order_marks_are_read(tmp_path):
    text = "größe,y\n" + "é,0\nü,1\né,0\nü,1\n" * 3
    for encoding in ("latin-1", "utf-8-sig", "utf-8", "utf-16"):
        (tmp_path / "table.csv").write_bytes(text.replace("\n", "\r\n").encode(encoding))
        found = load(tmp_path / "table.csv")
        assert found.features == ("größe=é", "größe=ü"), encoding
        assert any("not UTF-8" in note for note in found.notes) == (encoding in ("latin-1", "utf-16"))


X, Y = np.ones((6, 2), np.float32), np.arange(6) % 2
HOLE = np.array([0.5, 1, np.nan, 2, 3, 4])
WRONG = X.copy()
WRONG[3, 1] = np.inf
ARRAYS = {
    "length": ((X, Y[:5]), {}, ["targets", "6 samples", "got 5"]),
    "objects": ((np.array([["a", 1.5]] * 6, object), Y), {}, ["array of numbers", "objects", "data frame"]),
    "complex": ((X.astype(complex), Y), {}, ["array of numbers", "complex"]),
    "text": ((X.astype(str), Y), {}, ["array of numbers", "text"]),
    "one dimension": ((X[:, 0], Y), {}, ["2 dimensions", "(6,)", "X[:, None]"]),
    "empty": ((X[:0], Y[:0]), {}, ["at least 2 samples"]),
    "one": ((X[:1], Y[:1]), {}, ["at least 2 samples"]),
    "no columns": ((X[:, :0], Y), {}, ["1 feature"]),
    "inf": ((WRONG, Y), {}, ["finite", "inf", "row 4, column 2", "NaN"]),
    "overflow": ((WRONG.astype(float).clip(max=1e99), Y), {}, ["finite", "3.4e38", "1e+99"]),
    "missing target": ((X, HOLE), {}, ["targets", "finite", "nan", "row 3", "1 of 6"]),
    "one class": ((X, np.zeros(6, int)), {}, ["at least 2", "got 1"]),
    "soft labels": ((X, np.eye(2)[Y] * 0.9), {"task": "multilabel"}, ["0 and 1 in each column", "got 0.9"]),
    "labels as classes": (
        (X, np.ones((6, 2)) - np.eye(6)[:, :2]),
        {"task": "binary"},
        ["one class label", "labels"],
    ),
    "one column of labels": ((X, Y), {"task": "multilabel"}, ["several columns of 0 and 1", "got one"]),
    "object target": ((X, np.array([0, None, 1, 2, 3, 4], object)), {}, ["targets", "finite", "row 2"]),
    "three dimensions": ((X, np.ones((6, 2, 2))), {}, ["(samples, m)", "(6, 2, 2)"]),
    "weights": ((X, Y, np.ones(5)), {}, ["sample_weight", "6 samples", "got 5"]),
    "negative weights": ((X, Y, -np.ones(6)), {}, ["sample_weight", "at least 0", "-1"]),
    "table options": ((X, Y), {"drop": [1]}, ["drop", "data frame"]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_bad_arrays_are_refused(name):
    source, options, words = ARRAYS[name]
    with refused(*words):
        load(source, **options)


def test_bad_array_files_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", features=X)
    with refused("X or x or inputs", "features"):
        load(tmp_path / "a.npz")
    np.save(tmp_path / "o.npy", np.array([{}]), allow_pickle=True)
    with refused("o.npy", "objects"):
        load(tmp_path / "o.npy")
    np.save(tmp_path / "d.npy", np.ones((3, 3, 3)))
    with refused("2 rows and 2 columns", "(3, 3, 3)", ".npz"):
        load(tmp_path / "d.npy")


def test_frames_with_columns_that_are_no_column_are_refused():
    with refused('"a"', "list", "Leave it out"):
        load(pd.DataFrame({"a": [[1], [2]], "y": [0, 1]}))
    with refused("2 problems", '(1) column 1 ("a")', '(2) column 2 ("b")', "object", 'drop=["b"]'):
        load(pd.DataFrame({"a": [[1], [2]], "b": [object(), object()], "y": [0, 1]}))
    with refused('column 1 ("a")', "complex numbers"):
        load(pd.DataFrame({"a": [1j, 2j], "y": [0, 1]}))
    with refused("target", "3 rows", "got 2"):
        load((pd.DataFrame({"a": [1, 2, 3]}), [0, 1]))


@pytest.fixture(scope="module")
def known():
    rows = 40
    return load(
        pd.DataFrame(
            {
                "age": np.arange(rows) % 9,
                "size": np.linspace(0, 1, rows),
                "color": ["red", "blue"] * 20,
                "day": pd.date_range("2020-01-01", periods=rows),
                "y": ["no", "no", "yes", "yes"] * 10,
            }
        )
    )


NEW = {
    "age": [1, 2],
    "size": [0.5, 0.6],
    "color": ["red", "red"],
    "day": ["2020-01-01"] * 2,
    "y": ["no", "yes"],
}
BAD_NEW = {
    "missing columns": ({"size": None, "color": None}, ["4 input columns", '"size"', '"color"', "drop=["]),
    "renamed": ({"size": None, "Sizes": [1, 2]}, ['lacks "size"', 'Is "Sizes" the first']),
    "retyped": ({"age": ["12", "old"]}, ['column 1 ("age")', "numbers", '"old"', "row 2", "missing=VALUES"]),
    "dates for numbers": ({"age": pd.to_datetime(["2020-01-01"] * 2)}, ['column 1 ("age")', "dates"]),
    "words for dates": (
        {"day": ["2020-01-01", "monday"]},
        ['column 4 ("day")', "dates", '"monday"', "row 2"],
    ),
    "inf": ({"size": [0.5, np.inf]}, ["finite", "row 2"]),
}


@pytest.mark.parametrize("name", BAD_NEW)
def test_new_data_that_does_not_fit_is_refused(name, known):
    changes, words = BAD_NEW[name]
    frame = pd.DataFrame({key: value for key, value in {**NEW, **changes}.items() if value is not None})
    with refused(*words):
        transform(known.encoder, frame)


def test_new_data_without_rows_or_of_another_width_is_refused(known, tmp_path):
    with refused("at least 1 row", "got 0"):
        transform(known.encoder, pd.DataFrame(NEW).head(0))
    with refused("5 columns, or 4 without the target", "got 2"):
        transform(TableEncoder.from_dict({**known.encoder.to_dict(), "header": False}), np.ones((3, 2)))
    with refused("shape (2,)", "(4,)"):
        transform(None, np.ones((4, 4)), TrainingContext(shape=(2,)))


def test_missing_values_in_new_rows_stay_missing(known):
    frame = pd.DataFrame({**NEW, "size": [None, 0.5]})
    assert np.isnan(transform(known.encoder, frame).inputs[0, known.features.index("size")])


def test_nothing_to_fit_on_is_refused():
    with refused("at least 1 sample", "got 0"):
        fit_scaling(X, np.ones(2, bool), np.arange(0))


def test_writing_an_example_over_a_file_is_refused(tmp_path):
    write_example("moons", tmp_path / "moons.csv")
    with refused("exists already", "out=PATH"):
        write_example("moons", tmp_path / "moons.csv")
    with refused("can't be written", "no folder"):
        write_example("moons", tmp_path / "no" / "moons.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["moons.csv"]


def test_thousands_of_columns_are_read(tmp_path):
    rows = np.random.RandomState(0).normal(size=(20, 3000)).round(3)
    np.savetxt(tmp_path / "wide.csv", np.column_stack([rows, np.arange(20) % 2]), delimiter=",", fmt="%g")
    assert read_table(tmp_path / "wide.csv")[0].num_columns == 3001
    assert load(tmp_path / "wide.csv").shape == (3000,)


@pytest.mark.parametrize("name", ["plain", "spaces", "comment", "packed", "json"])
def test_no_object_of_python_is_left_to_the_threads_of_the_reader(tmp_path, monkeypatch, name):
    """They let go of it when they please, and abort a process that ends just then."""
    content = {
        "spaces": "a b\n1  2\n3 4\n5 6\n",
        "comment": "a,b\n1,2\n# a remark\n3,4\n\n5,6\n",
        "json": '{"a": 1, "b": 2}\n{"a": 3, "b": 4}\n{"a": 5, "b": 6}\n',
    }.get(name, "a,b\n1,2\n3,4\n5,6\n")
    file = tmp_path / ("t.csv.gz" if name == "packed" else "t.csv")
    file.write_bytes(gzip.compress(content.encode()) if name == "packed" else content.encode())
    seen = []
    for module, call in ((pyarrow.csv, "read_csv"), (pyarrow.csv, "open_csv"), (pyarrow.json, "read_json")):
        read = getattr(module, call)
        monkeypatch.setattr(
            module, call, lambda source, read=read, **how: seen.append((source, how)) or read(source, **how)
        )
    table, _ = read_table(file)
    assert table.to_pydict() == {"a": [1, 3, 5], "b": [2, 4, 6]}
    for source, how in seen:
        assert isinstance(source, str | pyarrow.BufferReader)
        assert "parse_options" not in how or how["parse_options"].invalid_row_handler is None
    assert seen


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_groups_in_an_array_may_miss_no_value(missing):
    with refused("groups", "sample 3"):
        load((np.ones((6, 2)), np.arange(6.0)), groups=[1, 1, missing, 2, 2, 2])
