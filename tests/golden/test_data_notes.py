"""Golden: what is said aloud about a table."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from epochal.data import load

SHARED = Path(os.environ.get("EPOCHAL_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
needs_tables = pytest.mark.skipif(not (SHARED / "horse-colic.csv").exists(), reason="no shared tables")


@needs_tables
def test_horse_colic():
    found = load(SHARED / "horse-colic.csv", target=23)
    assert found.notes == (
        "no header: columns are numbered from 1; ep.load_data(..., header=True) reads the first row as one.",
        'read as missing: "?" (1 in column 1, 60 in column 4, 24 in column 5 and more in 18 other columns; '
        "1,605 in all); ep.load_data(..., missing=...) names others.",
        "column 23 is the target; 1 sample has none (first in row 133): left out.",
        "target column 23: 3 classes (1: 178, 2: 77, 3: 44), multi-class classification; "
        'ep.load_data(..., task="regression") takes the numbers as they are.',
        "column 25 holds codes with leading zeros: it is a category of 61 levels, more than 50: the network "
        "learns an embedding of each; those that few training samples have share one; "
        "ep.load_data(..., drop=[25]) leaves it out. ep.load_data(..., numeric=[25]) reads it as numbers.",
        "column 26 holds codes with leading zeros: it is a category of 6 levels; "
        "ep.load_data(..., drop=[26]) leaves it out. ep.load_data(..., numeric=[26]) reads it as numbers.",
        "columns 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 and 9 more have missing values (1,602 cells): numbers are "
        "filled with the median of the training samples, and an indicator column says where.",
    )
    assert (found.samples, found.shape) == (299, (51,))
    assert found.row_numbers[131:133].tolist() == [132, 134]


@needs_tables
def test_pima_and_airline():
    pima = load(SHARED / "pima-indians-diabetes.csv")
    assert (pima.samples, pima.shape, pima.task.classes) == (768, (8,), ("0", "1"))
    airline = load(SHARED / "airline-passengers.csv")
    assert airline.task.kind == "regression"
    assert airline.features == ("Month year", "Month month", "Month weekday", "Month day number")


def notes_of(text, tmp_path, **options):
    (tmp_path / "table.csv").write_text(text)
    return load(tmp_path / "table.csv", **options)


def test_each_left_out_column_is_said_with_the_flag_that_keeps_it(tmp_path):
    random = np.random.RandomState(0)
    rows = [
        f"{i + 1},{random.randint(10**6)},{random.randint(10**6)}.5,u{i:03d},"
        f"a long remark about the patient number {i} in many words,7,,{'ab'[i % 2]},{i % 2}"
        for i in range(60)
    ]
    text = "row,hospital number,price,code,remark,one,nothing,kind,y\n" + "\n".join(rows) + "\n"
    found = notes_of(text, tmp_path)
    assert found.notes[2:] == (
        'column 1 ("row") looks like a row number (consecutive integers): left out; '
        'ep.load_data(..., keep=["row"]) keeps it.',
        'column 2 ("hospital number") looks like an identifier (60 of 60 values differ) and says nothing '
        'about the target: left out; ep.load_data(..., keep=["hospital number"]) keeps it.',
        'column 4 ("code") looks like an identifier (60 of 60 values differ): left out; '
        'ep.load_data(..., keep=["code"]) keeps it.',
        'column 5 ("remark") looks like free text (60 of 60 values differ): left out; '
        'ep.load_data(..., keep=["remark"]) keeps it, ep.load_texts(..., text="remark") reads its words.',
        'column 6 ("one") is constant (7): left out; ep.load_data(..., keep=["one"]) keeps it.',
        'column 7 ("nothing") has no values at all: left out.',
        'column 8 ("kind") is a category of 2 levels; ep.load_data(..., drop=["kind"]) leaves it out.',
        'column 8 ("kind") determines the target: each of its 2 values goes with one class. If it is not '
        'known before the target is, leave it out with ep.load_data(..., drop=["kind"]).',
    )
    assert found.features == ("price", "kind=a", "kind=b")
    kept = notes_of(text, tmp_path, keep=[1, "hospital number"], drop=["kind"], categorical=["price"])
    assert kept.features[:2] == ("row", "hospital number")
    assert "kind=a" not in kept.features
    assert kept.features == ("row", "hospital number", "price")  # one column of codes for 60 levels


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("header", [True, False])
def test_delimiters_and_headers_are_recognized(delimiter, header, tmp_path):
    rows = [["1.5", "2", "a"], ["2.5", "?", "b"], ["0.5", "4", "a"], ["1.5", "9", "b"]]
    lines = ([["x", "y", "z"]] if header else []) + rows
    found = notes_of("\n".join(delimiter.join(row) for row in lines), tmp_path)
    assert found.samples == 4
    assert found.features[:2] == (("x", "y") if header else ("column 1", "column 2"))
    assert np.isnan(found.inputs[1, 1])


def test_headers_of_text_tables_and_decimal_commas(tmp_path):
    assert notes_of("color,taste\nred,good\nblue,bad\nred,good\nblue,bad\n", tmp_path).samples == 4
    assert notes_of("red,good\nblue,bad\nred,good\nblue,bad\n", tmp_path).samples == 4
    found = notes_of("a;b;y\n1,5;2,25;0\n2,5;3;1\n3,5;4;0\n", tmp_path)
    assert found.inputs.tolist() == [[1.5, 2.25], [2.5, 3], [3.5, 4]]
    assert 'a comma is the decimal separator; `decimal="."` changes that.' in found.raw_notes
    assert notes_of("1,2\n3,4\n5,6\n", tmp_path, header=True).features == ("1",)


def test_few_missing_targets_are_left_out_aloud(tmp_path):
    text = "a,y\n" + "".join(f"{i}.5,{i % 2}\n" for i in range(50)) + "1.25,\n"
    found = notes_of(text, tmp_path)
    assert 'column 2 ("y") is the target; 1 sample has none (first in row 51): left out.' in found.raw_notes
    assert found.samples == 50


def test_stray_marks_in_a_small_category_are_said(tmp_path):
    text = "a,y\n" + "".join(f"{i % 9},{i % 2}\n" for i in range(90)) + "K,1\n" * 3
    found = notes_of(text, tmp_path)
    assert any('`missing=["K"]` makes numbers of it' in note for note in found.raw_notes)
    assert notes_of(text, tmp_path, missing=("K",)).features == ("a", "a is missing")


def test_whole_numbers_beyond_float32_are_kept_until_they_are_scaled(tmp_path):
    found = notes_of("a,y\n" + "".join(f"{10**9 + i % 3},{i % 2}\n" for i in range(30)), tmp_path)
    assert found.dtype == np.float64 and sorted(set(found.inputs[:, 0] - 10**9)) == [0, 1, 2]
    assert not any("float32" in note for note in found.raw_notes)


@pytest.mark.parametrize(
    ("values", "task", "kind"),
    [
        (["yes", "no"], None, "binary"),
        (["a", "b", "c"], None, "multiclass"),
        (["true", "false"], None, "binary"),
        ([0, 1], None, "binary"),
        ([3, 10, 9], None, "multiclass"),
        ([1.0, 2.0], None, "binary"),
        ([0.5, 1.5], None, "regression"),
        ([0, 1], "regression", "regression"),
        ([0.5, 1.5], "classification", "binary"),
        ([0, 1], "multiclass", "multiclass"),
        (range(21), None, "regression"),
    ],
)
def test_the_task_is_recognized(values, task, kind, tmp_path):
    words = [str(value) for value in values]
    text = "a,y\n" + "".join(f"{i / 4},{words[i % len(words)]}\n" for i in range(84))
    found = notes_of(text, tmp_path, task=task)
    assert found.task.kind == kind
    if kind != "regression":
        in_order = sorted(words) if not words[0][0].isdigit() else sorted(words, key=float)
        assert list(found.task.classes) == [word.removesuffix(".0") for word in in_order]


def test_a_table_of_numbers_needs_no_scikit_learn(tmp_path):
    (tmp_path / "t.csv").write_text("".join(f"{i % 7}.5,{i % 5},{i % 2}\n" for i in range(60)) + "?,1,0\n")
    code = (
        "import sys; from epochal import data; d = data.load(sys.argv[1]); s = data.split(d.samples, seed=0, "
        "strata=d.strata); data.fit_scaling(d.inputs, d.continuous, s.train); data.load('example:iris'); "
        "print([m for m in ('sklearn', 'jax', 'skops', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "t.csv"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
