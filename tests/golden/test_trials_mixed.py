"""Tables with several kinds of dirt at once, and what is said about them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from epochal import load_data as load
from epochal.errors import Refusal


def read(folder, text, encoding="utf-8", **options):
    (folder / "t.csv").write_bytes(text.encode(encoding))
    return load(folder / "t.csv", **options)


def said(data, *words):
    text = "\n".join(map(str, data.notes))
    assert all(word in text for word in words), text


def lines(row, count=60):
    return "".join(row(i) + "\n" for i in range(count))


def test_quotes_may_stand_behind_a_blank(tmp_path):
    body = lines(
        lambda i: f'{i % 7}, "{1000 + i:,}.50", "{("Rome", "Oslo, N")[i % 2]}", {("yes", "no")[i % 2]}'
    )
    data = read(tmp_path, '"n", "amount", "city", "ok"\n' + body)
    assert data.features == ("n", "amount", "city=Oslo, N", "city=Rome")
    assert data.inputs[:2, 1].tolist() == [1000.5, 1001.5]
    assert data.target_name == "ok"
    inches = read(tmp_path, "a,size,y\n" + lines(lambda i: f'{i}.5,{i % 9} ",{i % 2}'))
    assert inches.inputs[:2, 1].tolist() == [0, 1]


@pytest.mark.parametrize("spelling", ["a;b;y", "a; b ;y", '"a";b;y'])
def test_headers_of_files_put_together_are_no_rows(spelling, tmp_path):
    part = lines(lambda i: f"{i / 7:.3f};{'NA' if i % 9 == 0 else i % 5};{i % 2}")
    data = read(tmp_path, "a;b;y\n" + part + f"{spelling}\n" + part + f"{spelling}\n" + part)
    assert data.samples == 180
    assert data.features == ("a", "b", "b is missing")
    assert data.task.classes == ("0", "1")
    said(data, "the header is there 2 times more below the first row")


def test_a_mark_that_may_be_a_class_is_named(tmp_path):
    body = "country,x,y\n" + lines(lambda i: f"{i % 3},{i / 7:.3f},{('NA', 'ZA')[i % 2]}")
    with pytest.raises(Refusal, match=r"\"NA\" is read as missing\).* pass --missing ''"):
        read(tmp_path, body)
    assert read(tmp_path, body, missing=[""]).task.classes == ("NA", "ZA")


@pytest.mark.parametrize("kind", ["file", "frame", "parquet"])
@pytest.mark.parametrize("name", ["id", "CustomerID", "row"])
def test_a_last_column_that_counts_rows_is_no_target(kind, name, tmp_path):
    table = pa.table({"x": [i % 7 for i in range(60)], "y": ["a", "b"] * 30, name: range(5, 65)})
    if kind == "file":
        data = read(tmp_path, f"x,y,{name}\n" + lines(lambda i: f"{i % 7},{'ab'[i % 2]},{i + 5}"))
    elif kind == "frame":
        data = load(table)
    else:
        pq.write_table(table, tmp_path / "t.parquet")
        data = load(tmp_path / "t.parquet", stream=True)
    assert (data.features, data.target_name) == (("x",), "y")
    said(data, f'column 3 ("{name}") tells rows apart: the target is column 2 ("y")')
    assert load(table, target=name).target_name == name


def test_a_last_column_of_numbers_stays_the_target(tmp_path):
    draws = np.random.default_rng(0).permutation(1000)[:60]
    for name in ("number", "price", "index"):
        assert load(pa.table({"x": range(60), name: draws})).target_name == name
