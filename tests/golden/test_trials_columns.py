"""Golden: how the columns of tables that people have become inputs, and what is learned from them."""

from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import epochal as ep
from epochal.cli.main import main
from epochal.data import load
from epochal.errors import Refusal
from epochal.runs.loading import PARTS

TRIALS = Path(__file__).parents[1] / "trials"


def accuracy(data, epochs=40, **options):
    options = {"batch_size": 32, "repeats": 1, "evaluate_train": False, "learning_rate": 0.01, **options}
    run = ep.fit(ep.MLP(8), data, epochs=epochs, **options)
    return run.metrics["validation"]["accuracy"].mean, run


def read(tmp_path, text, **options):
    (tmp_path / "table.csv").write_text(text, encoding="utf-8")
    return load(tmp_path / "table.csv", **options)


def said(data, *words):
    """The one note that has all of the words."""
    found = [note for note in data.raw_notes if all(word in note for word in words)]
    assert len(found) == 1, (words, data.raw_notes)
    return found[0]


# The files --------------------------------------------------------------------------------------------------


def test_an_income_that_differs_in_every_row_is_an_input():
    data = load(TRIALS / "income.csv")
    assert data.features == ("income", "age")
    assert accuracy(data)[0] >= 0.95


def test_prices_percentages_thousands_and_weights_are_numbers():
    data = load(TRIALS / "shop.csv")
    assert data.features == ("price", "discount", "stock", "weight")
    assert data.inputs[0].tolist() == pytest.approx([8864.16, 53.6, 62049, 6.6])
    said(data, 'column 1 ("price")', "$8,864.16", "8864.16", "in $")
    said(data, 'column 2 ("discount")', "in %")
    said(data, 'column 4 ("weight")', "in kg")
    assert accuracy(data)[0] >= 0.9


def test_german_numbers_are_numbers():
    data = load(TRIALS / "umsatz.csv")
    assert data.features == ("betrag", "rabatt")
    assert data.inputs[0].tolist() == pytest.approx([8864.16, 53.6])
    assert accuracy(data)[0] >= 0.95


def test_a_column_that_determines_the_target_is_named():
    data = load(TRIALS / "leak.csv")
    said(data, 'column 3 ("status_code") determines the target', 'drop=["status_code"]')
    assert sum("determines" in note for note in data.raw_notes) == 1


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"a": lambda y: [f"${2 * v:,.2f}" for v in y]}, "the target is its multiple"),
        ({"a": lambda y: y**3}, "the target rises with it"),
        ({"a": lambda y: -(y**3)}, "the target falls with it"),
        ({"a": lambda y: np.round(y).astype(int)}, ""),
        ({"a": lambda y: [f"k{k}" for k in range(len(y))]}, ""),
    ],
)
def test_copies_of_a_number_are_named(columns, named):
    y = np.random.default_rng(0).uniform(1000, 9000, 120).round(2)
    made = {name: make(y) for name, make in columns.items()}
    data = load((pa.table({"x": y[::-1] % 7, **made, "y": y}), "y"))
    found = [note for note in data.raw_notes if "determines the target" in note]
    assert (len(found) == 1 and named in found[0]) if named else not found


def test_many_levels_are_learned_and_predicted(tmp_path):
    """Training, saving, loading and predicting, with a level that training has never seen."""
    data = load(TRIALS / "cities.csv")
    assert data.features == ("x", "city")
    said(data, 'column 1 ("city")', "1,495 levels", "embedding")
    share, run = accuracy(data, epochs=12)
    assert share >= 0.9
    run.save(tmp_path / "run")
    again = ep.load(tmp_path / "run")
    new = pa.table({"city": ["town 0575", "TOWN 0575", "nowhere"], "x": [0.67, 0.67, 0.67]})
    found = again.predict(new)
    assert found.values[0].tolist() == found.values[1].tolist()
    assert any('1 value not seen in training ("nowhere"): treated as unknown' in one for one in found.notes)
    assert found.values.tolist() == run.predict(new).values.tolist()


def test_spellings_of_one_word_are_one_category():
    data = load(TRIALS / "spellings.csv")
    assert data.features == ("age", "smoker=no", "smoker=yes")
    said(data, "smoker", '"YES"', "are one")
    assert accuracy(data)[0] >= 0.9


def test_a_date_with_one_unknown_is_a_date():
    data = load(TRIALS / "dates.csv")
    assert data.features[0] == "joined month"
    assert data.features[-1] == "joined is missing"
    said(data, 'column 1 ("joined") is a date', "%d %b %Y", '"unknown" (row 18) is read as missing')
    assert accuracy(data, epochs=80)[0] >= 0.9


# Identifiers ------------------------------------------------------------------------------------------------


def table(columns, seed=0, n=120):
    draws = np.random.default_rng(seed)
    made = {name: make(draws, n) for name, make in columns.items()}
    return pa.table(made)


def test_numbers_stay_and_identifiers_by_name_and_shape_go():
    made = table(
        {
            "id": lambda r, n: np.arange(1, n + 1),
            "Unnamed: 0": lambda r, n: np.arange(n),
            "order_no": lambda r, n: r.permutation(10**6)[:n],
            "year": lambda r, n: np.arange(1900, 1900 + n),
            "kilometers": lambda r, n: r.permutation(300_000)[:n],
            "population": lambda r, n: r.integers(10**3, 10**8, n),
            "paid": lambda r, n: r.permutation(10**5)[:n],
            "uuid": lambda r, n: [f"{k:032x}" for k in r.integers(0, 2**62, n)],
            "y": lambda r, n: r.integers(0, 2, n),
        }
    )
    data = load((made, "y"))
    assert data.features == ("year", "kilometers", "population", "paid")
    for name in ("id", "Unnamed: 0", "order_no", "uuid"):
        said(data, f'"{name}"', "left out")
    said(data, "order_no", "says nothing about the target")


def test_an_identifier_that_goes_with_the_target_is_kept_and_said():
    draws = np.random.default_rng(0)
    number = draws.permutation(10**6)[:200]
    data = load((pa.table({"customer_id": number, "y": (number > 500_000).astype(int)}), "y"))
    assert data.features == ("customer_id",)
    said(data, "customer_id", "looks like an identifier by its name", "goes with the target: kept")


def test_row_numbers_of_a_sorted_file_are_left_out_and_said():
    made = pa.table({"Id": range(1, 151), "x": np.arange(150) % 7, "y": np.arange(150) // 50})
    data = load((made, "y"))
    assert data.features == ("x",)
    said(data, '"Id"', "row number", "goes with the target only as the order of the rows does", 'keep=["Id"]')


# Numbers ----------------------------------------------------------------------------------------------------

WRITTEN = {
    "currency behind": (["3 €", "4,50 €", "-1.200,00 €"], [3, 4.5, -1200]),
    "code before": (["EUR 7", "EUR 1.250,5", "EUR 2"], [7, 1250.5, 2]),
    "kronor": (["1 234 kr", "99 kr", "12 345,50 kr"], [1234, 99, 12345.5]),
    "no-break and thin blanks": (["1\u202f234,5", "12,5", "1\u00a0000"], [1234.5, 12.5, 1000]),
    "apostrophes": (["1'234.50", "12.00", "1’000"], [1234.5, 12, 1000]),
    "accounting": (["(1,234)", "55.5", "(0.5)"], [-1234, 55.5, -0.5]),
    "trailing minus": (["12-", "7.5", "1,000-"], [-12, 7.5, -1000]),
    "unicode minus": (["−12", "＋7", "−0.5"], [-12, 7, -0.5]),
    "full width": (["１２３", "４．５", "７"], [123, 4.5, 7]),
    "underscores": (["1_000", "2_500_000", "3"], [1000, 2500000, 3]),
    "lakhs": (["1,23,456", "12,34,567.5", "999"], [123456, 1234567.5, 999]),
    "speed": (["5 km/h", "10 km/h", "7.5 km/h"], [5, 10, 7.5]),
    "no blank": (["180cm", "165cm", "170cm"], [180, 165, 170]),
    "mixed kg and g": (["12.3 kg", "500 g", "7 kg"], [12.3, 0.5, 7]),
    "hours and minutes": (["3 h", "90 min", "2 hours"], [3, 1.5, 2]),
    "areas": (["60 m²", "72.5 m²", "1,200 m²"], [60, 72.5, 1200]),
    "thousands and millions": (["950", "1.2k", "3M"], [950, 1200, 3e6]),
    "exponents": (["$1e5", "$2.5E-3", "$7"], [1e5, 2.5e-3, 7]),
    "times of day": (["14:30", "08:15", "23:45"], [14.5, 8.25, 23.75]),
    "half days": (["2:30 PM", "12:15 am", "12:00 PM"], [14.5, 0.25, 12]),
    "durations": (["1:05:24", "0:00:36", "-1:30:00"], [1.09, 0.01, -1.5]),
    "percent": (["76.7%", "8 %", "100%"], [76.7, 8, 100]),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_numbers_are_read_as_people_write_them(name):
    words, numbers = WRITTEN[name]
    data = load((pa.table({"a": words * 20, "y": [0, 1, 1] * 20}), "y"))
    assert data.features == ("a",)
    assert data.inputs[:3, 0].tolist() == pytest.approx(numbers)
    said(data, 'column 1 ("a") holds numbers')


@pytest.mark.parametrize(
    "words",
    [
        ["1st", "2nd", "3rd"],
        ["18-24", "25-34", "65+"],
        ["12 Oak St", "7 Elm Rd", "9 Ash Ave"],
        ["1.2.3", "1.10.0", "2.0.1"],
        ["01", "02", "10"],
        ["A12", "B7", "C3"],
    ],
)
def test_words_with_digits_are_no_numbers(words):
    data = load((pa.table({"a": words * 20, "y": [0, 1, 1] * 20}), "y"))
    assert data.features == tuple(f"a={word}" for word in sorted(words))


def test_ambiguous_thousands_are_said_and_decided_by_an_option():
    made = pa.table({"a": ["5.683", "911", "12.000"] * 20, "y": [0, 1, 1] * 20})
    data = load((made, "y"))
    assert data.inputs[:3, 0].tolist() == [5683, 911, 12000]
    said(data, "ambiguous", '`decimal="."` reads the other way')
    other = load((made, "y"), decimal=".")
    assert other.inputs[:3, 0].tolist() == pytest.approx([5.683, 911, 12])


@pytest.mark.parametrize(
    ("rows", "options", "first"),
    [
        (["5.683;2.5", "911;1", "1.200;3"], {}, [5.683, 2.5]),
        (["5.683;2,5", "911;1", "1.200;3"], {}, [5683, 2.5]),
        (["5.683;2", "911;1", "1.200;3"], {}, [5683, 2]),
        (["5.683;2", "911;1", "1.200;3"], {"decimal": "."}, [5.683, 2]),
        (["5,683;2", "911;1", "1,200;3"], {}, [5683, 2]),
        (["5,683;2", "911;1", "1,200;3"], {"decimal": ","}, [5.683, 2]),
        (["5.683,5;2.5", "911,1;1.25", "1.200,2;3"], {}, [5683.5, 2.5]),
    ],
)
def test_the_decimal_mark_is_decided_by_the_whole_file(rows, options, first, tmp_path):
    lines = [f"{row};{k % 2}" for k, row in enumerate(rows * 20)]
    data = read(tmp_path, "a;b;y\n" + "\n".join(lines) + "\n", **options)
    assert data.features == ("a", "b")
    assert data.inputs[0].tolist() == pytest.approx(first)
    if rows[0] == "5.683;2" and not options:
        said(data, 'column 1 ("a")', "ambiguous", '`decimal="."`')


def test_typos_of_many_kinds_are_refused_with_their_rows(tmp_path):
    good = "".join(f"{i / 7:.4f},{i % 2}\n" for i in range(300))
    with pytest.raises(Refusal, match=r'6 of 306 cells: "1O" \(row 301\).* and 1 more kinds'):
        read(tmp_path, f"a,y\n{good}1O,1\nl2,0\n3..4,1\n5-6,0\nx7,1\n8q9,1\n")
    data = read(tmp_path, f"a,y\n{good}pending,1\n")
    assert data.features == ("a", "a is missing")
    said(data, '"pending" (row 301) is read as missing')
    assert np.isnan(data.inputs[300, 0])


def test_a_run_reads_new_numbers_as_it_was_trained(tmp_path):
    text = "a,y\n" + "".join(f'"$1,{i % 10}00.50",{int(i % 10 > 4)}\n' for i in range(60)) + "unknown,1\n"
    data = read(tmp_path, text)
    _, run = accuracy(data, epochs=3)
    run.save(tmp_path / "run")
    again = ep.load(tmp_path / "run")
    (tmp_path / "new.csv").write_text('a\n"$1,200.50"\nunknown\n1700.5\n')
    found = again.predict(tmp_path / "new.csv")
    same = run.predict(pa.table({"a": [1200.5, None, 1700.5]}))
    assert found.values == pytest.approx(same.values)
    (tmp_path / "new.csv").write_text('a\n"$1,200.50"\n€ 5\n')
    with pytest.raises(Refusal, match=r'"€ 5" in row 2'):
        again.predict(tmp_path / "new.csv")


# Dates ------------------------------------------------------------------------------------------------------

FORMS = [
    *("%d %B %Y", "%B %d, %Y", "%d-%b-%y", "%Y-%m-%dT%H:%M:%S.123", "%Y-%m-%dT%H:%M:%SZ", "%d.%m.%y"),
    *("%Y-%m-%d %H:%M:%S+02:00", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%Y%m%d"),
    *("%a, %d %b %Y %H:%M:%S +0200", "%H:%M %d.%m.%Y", "%d/%b/%Y:%H:%M:%S", "%B %d %Y %I:%M%p"),
]


@pytest.mark.parametrize("form", FORMS)
def test_dates_are_read_as_people_write_them(form):
    moments = np.datetime64("2021-01-04T09:30", "s") + np.arange(90) * np.timedelta64(31 * 3600, "s")
    words = [moment.item().strftime(form) for moment in moments]
    data = load((pa.table({"when": words, "y": [0, 1, 1] * 30}), "y"))
    part = {name.removeprefix("when "): data.inputs[:, at] for at, name in enumerate(data.features)}
    assert part["month"].tolist() == [moment.item().month for moment in moments]
    assert part["weekday"].tolist() == [moment.item().isoweekday() for moment in moments]
    if "%H" in form or "%I" in form:
        assert part["hour"].tolist() == [moment.item().hour for moment in moments]


@pytest.mark.parametrize("words", [["18. März 2021", "3. Mai 2020"], ["3 janv. 2020", "1 août 2021"]])
def test_months_have_names_in_other_languages(words):
    data = load((pa.table({"when": words * 20, "y": [0, 1] * 20}), "y"))
    assert data.features[:2] == ("when year", "when month")


def test_days_and_months_are_told_apart_by_the_whole_column_or_said():
    draws = np.random.default_rng(0)
    words = [f"{day:02d}/{month:02d}/2021" for day, month in draws.integers(1, 13, (80, 2))]
    y = draws.integers(0, 2, 80)
    data = load((pa.table({"when": words, "y": y}), "y"))
    said(data, "though %d/%m/%Y fits as well", '`date_format="%d/%m/%Y"`')
    forced = load((pa.table({"when": words, "y": y}), "y"), date_format="%d/%m/%Y")
    assert forced.inputs[0, forced.features.index("when day")] == int(words[0][:2])
    other = [f"{day}/3/2021" for day in draws.integers(1, 29, 80)]
    both = load((pa.table({"when": words, "paid": other, "y": y}), "y"))
    assert both.inputs[0, both.features.index("when day")] == int(words[0][:2])


def test_dates_in_several_ways_are_dates():
    moments = np.datetime64("2021-01-04", "s") + np.arange(90) * np.timedelta64(31 * 3600, "s")
    forms = ("%d.%m.%Y", "%Y-%m-%d %H:%M:%S")
    words = [moment.item().strftime(forms[k % 2]) for k, moment in enumerate(moments)]
    data = load((pa.table({"when": words, "y": [0, 1, 1] * 30}), "y"))
    said(data, "written as", *forms)
    day = data.inputs[:, data.features.index("when day")]
    assert day.tolist() == [moment.item().day for moment in moments]


def test_several_words_among_numbers_may_mean_something_of_their_own(tmp_path):
    good = "".join(f"{i / 7:.4f},{i % 2}\n" for i in range(100))
    with pytest.raises(
        Refusal, match=r'"low" \(3 values, first in row 101\), "high".*missing=\["low", "high"\]'
    ):
        read(tmp_path, f"a,y\n{good}" + "low,1\n" * 3 + "high,0\n" * 2)


def test_whole_numbers_may_be_dates_and_seconds_are_numbers():
    days = [20210101 + day for day in range(28)] * 3
    seconds = [1_600_000_000 + 1000 * day for day in range(84)]
    data = load((pa.table({"day": days, "at": seconds, "y": [0, 1] * 42}), "y"))
    assert data.features == ("day day", "day weekday", "day day number", "at")


def test_a_series_whose_time_is_not_understood_is_asked_about():
    rows = pa.table({"when": [f"day {chr(97 + k)}{k}" for k in range(26)], "value": np.arange(26.0)})
    with pytest.raises(Refusal, match=r'column 1 \("when"\) may be the time.*date_format.*drop=\["when"\]'):
        ep.load_windows(rows, window=3)
    assert ep.load_windows(rows, window=3, drop=["when"]).samples == 23


@pytest.mark.parametrize("form", ["%d.%m.%Y", "%d %B %Y", "%m/%d/%Y %I:%M %p", "%d-%b-%y"])
def test_a_series_is_in_the_order_of_its_dates(form):
    days = np.datetime64("2021-01-04") + np.arange(40)
    words = [day.item().strftime(form) for day in days]
    newest_first = pa.table({"when": words[::-1], "value": np.arange(40.0)[::-1]})
    data = ep.load_windows(newest_first, window=3)
    assert data.targets[:3].tolist() == [3, 4, 5]


# Categories -------------------------------------------------------------------------------------------------


def test_levels_are_known_from_training_rows_only():
    """Which levels held-out rows have changes nothing in what is learned."""
    draws = np.random.default_rng(0)
    city = np.array([f"c{k % 60}" for k in range(300)], object)
    x, y = draws.normal(size=300), draws.integers(0, 2, 300)
    options = {"epochs": 2, "seed": 3, "validation": 0.4}
    _, run = accuracy((pa.table({"city": city, "x": x, "y": y}), "y"), **options)
    held = np.flatnonzero(run.split_codes[0] != PARTS.index("train"))
    moved = city.copy()
    moved[held] = moved[held][::-1]
    _, other = accuracy((pa.table({"city": moved, "x": x, "y": y}), "y"), **options)
    ours, theirs = run.fitted[0], other.fitted[0]
    assert ours.scaling.known.tolist() == theirs.scaling.known.tolist()
    assert not ours.scaling.known.all()
    for mine, its in zip(jax.tree.leaves(ours.last), jax.tree.leaves(theirs.last), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_options_of_the_command_line(tmp_path, capsys):
    words = [f"{1 + k % 12:02d}/{1 + k % 11:02d}/2021;5.{100 + k};{k % 2}" for k in range(60)]
    (tmp_path / "t.csv").write_text("when;amount;y\n" + "\n".join(words) + "\n")
    arguments = ["train", str(tmp_path / "t.csv"), "--epochs", "2", "--out", str(tmp_path / "run")]
    status = main([*arguments, "--date-format", "%d/%m/%Y", "--decimal", "."])
    shown = " ".join(" ".join(capsys.readouterr()).split())
    assert status == 0, shown
    assert "written as %d/%m/%Y" in shown


@pytest.mark.parametrize("name", ["Auftrag", "order", "Kunde"])
def test_numbers_that_count_what_the_table_lists_are_left_out_and_said(tmp_path, name):
    random = np.random.RandomState(0)
    rows = [f"{48001 + at},{random.rand():.3f},{'ab'[at // 100]}" for at in range(200)]
    found = read(tmp_path, f"{name},x,y\n" + "\n".join(rows) + "\n")
    assert found.features == ("x",)
    said(found, f'"{name}"', "row number", "left out", f'`keep=["{name}"]`')


@pytest.mark.parametrize("name", ["year", "step"])
def test_other_numbers_that_count_the_rows_are_inputs_and_said(tmp_path, name):
    random = np.random.RandomState(0)
    rows = [f"{1920 + at},{random.rand():.3f},{random.rand():.3f}" for at in range(100)]
    found = read(tmp_path, f"{name},x,price\n" + "\n".join(rows) + "\n")
    assert found.features == (name, "x")
    said(found, f'("{name}") counts the rows (1,920 to 2,019): kept; `drop=["{name}"]` leaves it out')


def test_dates_are_no_target(tmp_path):
    rows = [f"{at % 7},{1 + at % 28:02d}.{1 + at % 12:02d}.2024" for at in range(200)]
    with pytest.raises(Refusal, match=r"must hold numbers or classes; got dates \(84 different ones\)"):
        read(tmp_path, "x,received\n" + "\n".join(rows) + "\n")
    assert read(tmp_path, "x,received\n" + "\n".join(rows) + "\n", task="classification").task.outputs == 84


@pytest.mark.parametrize("gap", ["targets", "rows", "cells"])
def test_numbers_that_counted_the_rows_before_some_were_taken_out_are_said(tmp_path, gap):
    random = np.random.RandomState(1)
    rows = [[f"{1920 + at}", f"{random.rand():.3f}", f"{random.rand():.3f}"] for at in range(100)]
    rows[40][{"targets": 2, "rows": 1, "cells": 0}[gap]] = ""
    rows = [row for row in rows if gap != "rows" or row[1]]
    found = read(tmp_path, "job,x,price\n" + "\n".join(map(",".join, rows)) + "\n")
    said(found, '("job") counts the rows, with gaps (1,920 to 2,019): kept; `drop=["job"]` leaves it out')


def test_row_numbers_of_shuffled_rows_are_said(tmp_path):
    random = np.random.RandomState(2)
    rows = [f"{1920 + at},{random.rand():.3f},{random.rand():.3f}" for at in random.permutation(100)]
    found = read(tmp_path, "job,x,price\n" + "\n".join(rows) + "\n")
    said(found, '("job") holds nearly each number once (1,920 to 2,019): kept;')


def test_new_rows_far_from_those_of_training_are_said():
    random = np.random.RandomState(3)
    job, x = np.arange(3000, 3200), random.rand(200)
    table = pd.DataFrame({"job": job, "x": x, "price": 10 * x})
    run = ep.fit(ep.MLP(4), table, target="price", epochs=2, progress=False)
    far = "more than 2 standard deviations from the mean of the training rows"
    assert far not in " ".join(run.predict(table).notes)
    rare = table.assign(job=np.where(np.arange(200) < 4, job + 1000, np.nan))
    assert far not in " ".join(run.predict(rare).notes), "few rows have a value at all"
    new = table.assign(job=job + 1000)
    for notes in (run.predict(new).notes, run.evaluate(new).notes):
        assert f'in most rows "job" is {far}' in " ".join(notes)


def test_units_that_do_not_convert_are_refused_whether_they_are_known_or_not():
    random = np.random.default_rng(2)

    def mixed(*units, share=0.5, values=100):
        first = random.random(200) < share
        numbers = random.integers(1, values, 200)
        return [f"{n}{units[0] if one else units[1]}" for n, one in zip(numbers, first, strict=True)]

    def loaded(column, **more):
        return ep.load_data(pd.DataFrame({"amount": column, "y": random.integers(0, 2, 200)}), **more)

    for units in ("l/100km", "mpg"), ("L/100 km", "pcs"), ("Stk", "kg"), ("apple", "pear"):
        with pytest.raises(
            ep.Refusal, match=r"it mixes.*Convert or split them.*drop=.*categorical="
        ) as refused:
            loaded(mixed(*(f" {one}" for one in units), share=0.6))
        assert all(one.lower() in str(refused.value).lower() for one in units)
    with pytest.raises(ep.Refusal, match="no unit"):
        loaded(mixed("", " pcs", share=0.6))
    assert loaded(mixed(" Stk", " kg"), categorical=["amount"]).encoder.columns[0].kind == "category"
    for column in (mixed(" apples", " pears", values=9), mixed("Q", "X"), mixed(" l/100km", " l/100 km")):
        assert len(loaded(column).encoder.columns) == 1
    assert loaded(mixed(" l/100km", " L/100km")).encoder.columns[0].kind == "numeric"


@pytest.mark.parametrize("target", ["price", "far", "kind"])
def test_frames_and_files_read_the_same_decimal_mark(tmp_path, target):
    frame = pd.DataFrame(
        {
            "far": [f"{i + 12},{100 + i * 37 % 900} km" for i in range(60)],
            "kind": ["a", "b", "c"] * 20,
            "price": [f"${i + 3}.{i % 9 + 1}k" for i in range(60)],
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    read = [ep.load_data(source, target=target) for source in (frame, tmp_path / "t.csv")]
    for one in read:
        assert not any("ambiguous" in note for note in one.notes)
    assert read[0].fingerprint == read[1].fingerprint


@pytest.mark.parametrize("way", ["frame", ",", ";"])
def test_leading_zeros_make_codes_whatever_the_decimal_mark(tmp_path, way):
    random = np.random.default_rng(3)
    codes = [f"{code:05d}" for code in random.integers(1000, 99_000, 200)]
    frame = pd.DataFrame(
        {"PLZ": codes, "area": [code[:2] for code in codes], "size": [f"{i},5" for i in range(200)]}
    ).assign(y=random.integers(0, 2, 200))
    frame.to_csv(tmp_path / "t.csv", index=False, sep=way[0])
    data = ep.load_data(frame if way == "frame" else tmp_path / "t.csv", target="y")
    said(
        data,
        'column 1 ("PLZ") holds codes with leading zeros and looks like an identifier',
        'numeric=["PLZ"]',
    )
    said(data, 'column 2 ("area") holds codes with leading zeros: it is a category of', 'numeric=["area"]')
    assert ep.load_data(frame, target="y", numeric=["PLZ"]).features[0] == "PLZ"


def test_one_level_is_one_level_and_errors_of_python_name_its_function():
    frame = pd.DataFrame({"a": ["x"] * 30 + [None] * 10, "b": range(40), "y": [0, 1] * 20})
    said(ep.load_data(frame), "is a category of 1 level;")
    with pytest.raises(TypeError, match=r"^load_data\(\)"):
        ep.load_data(frame, "y")
