"""Tables with several kinds of dirt at once, and what is said about them."""

from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from epochal import load_data as load
from epochal.data import transform
from epochal.data.values.date_forms import infer_dates
from epochal.errors import Refusal


def read(folder, text, encoding="utf-8", **options):
    (folder / "t.csv").write_bytes(text.encode(encoding))
    return load(folder / "t.csv", **options)


def said(data, *words):
    text = "\n".join(map(str, data.raw_notes))
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
    with pytest.raises(Refusal, match=r"\"NA\" is read as missing\).* pass missing=\[\]"):
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


DATES = {
    "18 мая 2021 г.": "2021-05-18",
    "3 grudnia 2021": "2021-12-03",
    "3. července 2021": "2021-07-03",
    "18 Mayıs 2021": "2021-05-18",
    "2021년 5월 18일": "2021-05-18",
    "2021. 5. 18.": "2021-05-18",
    "12 de marzo del 2021": "2021-03-12",
    "[18/May/2021:13:30:00 +0000]": "2021-05-18T13:30:00",
    "18.05.2021, 13:30 Uhr": "2021-05-18T13:30:00",
    "20210518T133000Z": "2021-05-18T13:30:00",
    "2021-05-18 13:30:00 CEST": "2021-05-18T13:30:00",
    "18/05/2021 01:30 p. m.": "2021-05-18T13:30:00",
    "2021-W20": "2021-05-17",
    "2021-138": "2021-05-18",
}


@pytest.mark.parametrize("word", DATES)
def test_dates_of_other_languages_and_systems(word):
    found = infer_dates(pa.chunked_array([[word] * 30]))
    assert found is not None
    assert found.values[0].as_py() == datetime.fromisoformat(DATES[word])


def test_numbers_may_be_dates_with_times_and_a_zero_date_is_missing(tmp_path):
    stamps = [int(datetime(2021, 5, 1 + i % 28, i % 24, i).strftime("%Y%m%d%H%M%S")) for i in range(60)]
    data = load(pa.table({"at": stamps, "y": [0, 1] * 30}))
    assert data.features[-1] == "at hour"
    assert data.inputs[:3, -1].tolist() == [0, 1, 2]
    days = ["0000-00-00" if i % 8 == 3 else f"2021-05-{1 + i % 28:02d}" for i in range(60)]
    assert "at is missing" in load(pa.table({"at": days, "y": [0, 1] * 30})).features
    with pytest.raises(Refusal, match="date_format"):
        load(pa.table({"at": days, "y": [0, 1] * 30}), date_format="%d.%m.")


JOINT = {
    "hours and minutes": (["3h 20m", "45min", "2h05"], [3 + 1 / 3, 0.75, 2 + 1 / 12]),
    "laps": (["04:30.5", "05:00.0", "12:06.0"], [270.5 / 3600, 5 / 60, 0.2017]),
    "time deltas of pandas": (["0 days 03:30:00", "2 days 00:00:00", "1 days 12:00:00.5"], [3.5, 48, 36]),
    "feet and inches": (["5'6\"", "6'", "5 ft 9 in"], [5.5, 6, 5.75]),
    "pounds and ounces": (["7 lb 8 oz", "6 lbs 4 oz", "8 lb"], [7.5, 6.25, 8]),
    "arabic digits": (["١٬٢٣٤٫٥", "٧", "٣٫٢٥"], [1234.5, 7, 3.25]),
    "thai digits": (["๑๒.๕", "๗", "๓"], [12.5, 7, 3]),
    "estimates": (["~12", "≈7.5", "3"], [12, 7.5, 3]),
}


@pytest.mark.parametrize("name", JOINT)
def test_amounts_in_several_units_and_other_digits_are_numbers(name):
    words, numbers = JOINT[name]
    data = load((pa.table({"a": words * 20, "y": [0, 1, 1] * 20}), "y"))
    assert data.features == ("a",)
    assert data.inputs[:3, 0].tolist() == pytest.approx(numbers, abs=2e-4)
    said(data, 'column 1 ("a") holds numbers')


def test_words_with_units_stay_words():
    for words in (
        ["4 x 100 m", "2 x 50 m", "1 x 20 m"],
        ["3D 4K", "2D 8K", "3D 8K"],
        ["5'UTR", "3'UTR", "CDS"],
    ):
        data = load((pa.table({"a": words * 20, "y": [0, 1, 1] * 20}), "y"))
        assert len(data.features) == 3


def test_arrays_of_objects_that_are_numbers_are_numbers():
    inputs = np.array([[1, 2.5], [None, 3]] * 10, object)
    assert np.isnan(load((inputs, np.arange(20) % 2)).inputs[1, 0])
    answers = load((np.arange(20.0)[:, None], np.array([True, False] * 10, object)))
    assert (answers.task.classes, answers.task.label_type) == (("false", "true"), "bool")
    assert load((np.arange(20.0)[:, None], np.array([1, 2] * 10, object))).task.classes == ("1", "2")
    with pytest.raises(Refusal, match="data frame"):
        load((np.array([["a", 1]] * 20, object), np.arange(20) % 2))


# New files that are written otherwise ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def german(tmp_path_factory):
    """A German table in a file, and the way in which it is read."""
    path = tmp_path_factory.mktemp("german") / "train.csv"
    rows = lines(german_row)
    path.write_bytes(("Nr;Betrag;Maß;Stadt;Tag;kauft\n" + rows).encode("cp1252"))
    return path, load(path)


def german_row(i, amount="1.{:03d},50 €", size="{},5", day="{:02d}.05.2021"):
    town, buys = ("Köln", "Bonn")[i % 2], ("ja", "nein")[i % 2]
    return ";".join([str(i + 1), amount.format(i), size.format(i % 7), town, day.format(1 + i % 28), buys])


WRITTEN = {
    "as in training": ({}, ""),
    "another currency mark": ({"amount": "EUR 1.{:03d},50"}, ""),
    "decimal points": ({"amount": "€1,{:03d}.50", "size": "{}.5"}, '("€1,000.50" is 1000.5'),
    "plain numbers": ({"amount": "1{:03d}.50", "size": "{}.5"}, 'column 2 ("Betrag") is written in another'),
    "dates of ISO 8601": ({"day": "2021-05-{:02d}"}, 'column 5 ("Tag") is written in another way'),
    "dates of the United States": ({"day": "05/{:02d}/2021"}, "as %m/%d/%Y"),
    "dates as numbers": ({"day": "202105{:02d}"}, "as %Y%m%d"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_new_files_may_write_numbers_and_dates_in_another_way(name, german, tmp_path):
    ways, note = WRITTEN[name]
    _, trained = german
    new = "Nr;Betrag;Maß;Stadt;Tag;kauft\n" + lines(lambda i: german_row(i, **ways))
    (tmp_path / "new.csv").write_text(new, encoding="utf-16")
    found = transform(trained.encoder, tmp_path / "new.csv")
    np.testing.assert_array_equal(found.inputs, trained.inputs)
    said(found, note)


def test_new_frames_in_another_order_with_text_or_numbers_are_read(german):
    path, trained = german
    frame = pd.read_csv(path, sep=";", encoding="cp1252")[["kauft", "Tag", "Stadt", "Maß", "Betrag"]]
    np.testing.assert_array_equal(transform(trained.encoder, frame).inputs, trained.inputs)
    amount = [1000.5 + i for i in range(60)]
    numbers = frame.assign(Betrag=amount, Tag=pd.to_datetime(frame["Tag"], format="%d.%m.%Y"))
    np.testing.assert_array_equal(transform(trained.encoder, numbers).inputs, trained.inputs)


def test_what_no_way_reads_without_doubt_is_refused(german):
    path, trained = german
    frame = pd.read_csv(path, sep=";", encoding="cp1252")
    with pytest.raises(Refusal, match="dates written as %d"):  # either order fits
        transform(trained.encoder, frame.assign(Tag=[f"{1 + i % 9}/{1 + i % 5}/2021" for i in range(60)]))
    with pytest.raises(Refusal, match=r"got \"\$7.50\" in row 1"):
        transform(trained.encoder, frame.assign(Betrag="$7.50"))
    with pytest.raises(Refusal, match=r'got "abc" in row 1'):
        transform(trained.encoder, frame.assign(Maß=["abc", *frame["Maß"][1:]]))


def test_new_files_may_miss_values_that_training_had(german):
    path, trained = german
    frame = pd.read_csv(path, sep=";", encoding="cp1252")
    size, day = ["k.A.", *frame["Maß"][1:]], ["unbekannt", *frame["Tag"][1:]]
    found = transform(trained.encoder, frame.assign(Maß=size, Tag=day, Stadt=None))
    assert np.isnan(found.inputs[0, 1])
    said(found, '"k.A." (row 1) is read as missing', '"unbekannt" (row 1) is read as missing')
    said(found, 'column 4 ("Stadt") has 60 missing values (first in row 1)', "treated as unknown")


@pytest.mark.parametrize(
    "values", [lambda i: f"{i / 7:.2f} €", lambda i: f"2021-05-{1 + i % 28:02d}", lambda i: f"r{i}"]
)
def test_a_column_that_is_filled_for_one_class_only_is_named(values, tmp_path):
    text = "x,refund,kept\n" + lines(
        lambda i: f"{i % 7},{'' if i % 3 else values(i)},{'no' if i % 3 else 'yes'}"
    )
    data = read(tmp_path, text, keep=["refund"])
    said(data, 'column 2 ("refund") determines the target: whether it has a value tells the class')
    other = "x,refund,kept\n" + lines(
        lambda i: f"{i % 7},{'' if i % 3 else values(i)},{'no' if i % 2 else 'yes'}"
    )
    assert "has a value" not in "".join(map(str, read(tmp_path, other, keep=["refund"]).notes))


def test_single_quotes_hold_fields_together(tmp_path):
    towns, answers = ("Rome", "Oslo, N", "L''Aquila"), ("yes", "no")
    body = lines(lambda i: f"'{i / 7:.2f}', '{towns[i % 3]}','{answers[i % 2]}'")
    data = read(tmp_path, "'x','city','ok'\n" + body)
    assert data.features == ("x", "city=L'Aquila", "city=Oslo, N", "city=Rome")
    assert data.task.classes == ("no", "yes")
    names = read(tmp_path, "x,city,y\n" + lines(lambda i: f"{i / 7:.2f},'{'ab'[i % 2]},{i % 2}"))
    assert names.features == ("x", "city='a", "city='b")


def test_letters_of_dos_are_read(tmp_path):
    text = "größe;fläche;ziel\n" + lines(lambda i: f"{i % 7},5;{i % 5};{('Köln', 'Düren')[i % 2]}")
    data = read(tmp_path, text, encoding="cp850")
    assert (data.features, data.task.classes) == (("größe", "fläche"), ("Düren", "Köln"))
    said(data, "cp850", "encoding")


def test_the_decimal_mark_of_a_frame_is_that_of_its_clear_columns():
    """An amount such as 8,736% is in doubt by itself, but not beside 1.234,50 €."""
    share = [f"{1 + i % 9},{100 + i}%" for i in range(60)]
    price = [f"1.{100 + i},50 €" for i in range(60)]
    for columns in ({"share": share, "price": price}, {"price": price, "share": share}):
        data = load(pa.table({**columns, "y": ["a", "b"] * 30}))
        assert data.inputs[0, data.features.index("share")] == pytest.approx(1.1)
    alone = load(pa.table({"share": share, "y": ["a", "b"] * 30}))
    said(alone, "which is ambiguous")
    points = [one.replace(",", ".") for one in share]
    clear = load(
        pa.table({"share": points, "price": price, "y": ["a", "b"] * 30}), decimal=".", drop=["price"]
    )
    with pytest.raises(Refusal, match="as the training table wrote"):
        transform(clear.encoder, pa.table({"share": share}))
    both = load(pa.table({"share": points, "price": [i + 0.5 for i in range(60)], "y": ["a", "b"] * 30}))
    found = transform(both.encoder, pa.table({"share": share, "price": [f"{i},5" for i in range(60)]}))
    np.testing.assert_array_equal(found.inputs, both.inputs)


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (["48.85° N", "12.5° S", "0.25° N"], [48.85, -12.5, 0.25]),
        (["12,50 CR", "7,25 DR", "3,00 CR"], [12.5, -7.25, 3]),
    ],
)
def test_words_may_be_signs(words, numbers):
    data = load(pa.table({"a": words * 20, "y": [0, 1, 1] * 20}))
    assert data.features == ("a",)
    assert data.inputs[:3, 0].tolist() == pytest.approx(numbers)
    said(data, "negative")
    new = transform(data.encoder, pa.table({"a": [words[1]]}))
    assert new.inputs[0, 0] == pytest.approx(numbers[1])


def test_watts_are_no_directions():
    data = load(pa.table({"a": ["60 W", "100 W", "75 W"] * 20, "y": [0, 1, 1] * 20}))
    assert data.inputs[:3, 0].tolist() == [60, 100, 75]


def test_times_of_day_are_hours_in_files_and_frames(tmp_path):
    times = [f"{i % 24:02d}:{15 * (i % 4):02d}" for i in range(60)]
    data = read(tmp_path, "at,y\n" + lines(lambda i: f"{times[i]},{i % 2}"))
    frame = load(pa.table({"at": times, "y": [0, 1] * 30}))
    np.testing.assert_array_equal(data.inputs, frame.inputs)
    assert data.inputs[:3, 0].tolist() == [0, 1.25, 2.5]
    np.testing.assert_array_equal(transform(data.encoder, pa.table({"at": times})).inputs, data.inputs)
