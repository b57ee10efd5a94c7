"""Law: what goes with the target more than by chance is said, and chance is not."""

import numpy as np
import pyarrow as pa
import pytest

import epochal as ep
from epochal.data.tables.association import LEAK_NOTE_MARKER, alike_within, target_values


def churned(share, rows=800, seed=3):
    """A table whose column of reasons is filled for this share of the 15 % that left."""
    random = np.random.default_rng(seed)
    left = random.random(rows) < 0.15
    filled = left & (random.random(rows) < share)
    reasons = np.where(filled, random.choice(["price", "moved"], rows), None)
    return pa.table(
        {"age": random.integers(18, 80, rows), "reason": reasons, "left": np.where(left, "yes", "no")}
    )


def leaks(data):
    return [note for note in data.raw_notes if LEAK_NOTE_MARKER in note]


@pytest.mark.parametrize("share", [1, 0.97, 0.9, 0.6, 0.2])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_column_that_is_filled_for_one_class_only_is_named(share, swapped):
    """Also one that is missing for one class only, and one that is filled for hardly any other row."""
    table = churned(share)
    reason = table["reason"].to_pylist()
    if swapped:
        reason = [None if one else "stays" if i % 2 else "is here" for i, one in enumerate(reason)]
    data = ep.load_data(table.set_column(1, "reason", [reason]))
    assert len(leaks(data)) == 1 and 'drop=["reason"]' in leaks(data)[0]
    run = ep.fit(ep.MLP(4), data, epochs=1, repeats=1)
    assert "Leakage suspected" in str(run.verdict)


def test_a_few_cells_of_other_rows_do_not_hide_it():
    table = churned(0.9, rows=4000)
    reason = table["reason"].to_pylist()
    other = [i for i, left in enumerate(table["left"].to_pylist()) if left == "no"][:5]
    reason = ["price" if i in other else one for i, one in enumerate(reason)]
    (note,) = leaks(ep.load_data(table.set_column(1, "reason", [reason])))
    assert "all but 5 of" in note


@pytest.mark.parametrize(("cells", "rows", "share"), [(5, 400, 0.95), (7, 800, 0.15), (3, 100, 0.5)])
def test_a_few_cells_of_one_class_are_chance(cells, rows, share):
    classes = np.arange(rows) < share * rows
    column = pa.chunked_array([[i if i < cells else None for i in range(rows)]])
    assert not target_values(classes, 2).determined_by(column)


def test_no_column_with_random_gaps_is_named():
    random, named = np.random.default_rng(0), 0
    for trial in range(1500):
        rows, classes = (50, 200, 1000)[trial % 3], (2, 2, 3, 10)[trial % 4]
        share = random.choice([0.02, 0.15, 0.5, 0.95])
        target = np.where(random.random(rows) < share, 0, random.integers(1, classes, rows))
        target[:2] = 0, 1
        found = target_values(target, classes)
        for filled in (0.02, 0.1, 0.5, 0.9, 0.98):
            cells = np.where(random.random(rows) < filled, random.normal(size=rows), np.nan)
            named += bool(found.determined_by(pa.chunked_array([pa.array(cells, from_pandas=True)])))
    assert named == 0, "of 7,500 columns"


def visits(name, people, each, alike=0.76, seed=0, number=False):
    """A table of so many visits of each person, whose class is the person's in 88 of 100."""
    random = np.random.default_rng(seed)
    rows = people * each
    who = np.repeat(np.arange(people), each)
    ill = np.where(random.random(rows) < alike, (random.random(people) < 0.5)[who], random.random(rows) < 0.5)
    names = who if number else [f"P{one:04d}" for one in who]
    return pa.table({name: names, "pulse": random.normal(size=rows), "ill": np.where(ill, "yes", "no")})


def repeated(table, groups=None, **options):
    run = ep.fit(ep.MLP(4), ep.load_data(table, groups=groups), epochs=1, repeats=1, **options)
    return [note for note in run.notes if "values of several rows each" in note]


@pytest.mark.parametrize(
    ("name", "people", "each", "number"),
    [
        *[("patient", 100, 8, False), ("who", 100, 8, False), ("who", 600, 2, False)],
        *[("patient", 20, 20, False), ("subject_id", 60, 5, True), ("Customer", 15, 10, True)],
    ],
)
def test_rows_of_the_same_person_are_named_where_they_are_split_at_random(name, people, each, number):
    table = visits(name, people, each, number=number)
    (note,) = repeated(table)
    assert f"{people:,} values" in note and f'groups="{name}"' in note
    assert not repeated(table, split="chronological")
    assert not repeated(table, groups=name)
    assert not repeated(table, validation=0)


@pytest.mark.parametrize(
    "table",
    [
        visits("patient", 100, 8, alike=0),
        visits("city", 20, 40),
        visits("patient", 5, 40),
        visits("age", 60, 8, number=True),
        visits("who", 700, 1),
    ],
    ids=["chance", "few levels", "few patients", "numbers", "a row each"],
)
def test_ordinary_columns_are_no_repeated_rows(table):
    assert not repeated(table)


def test_codes_some_of_which_are_frequent_are_no_repeated_rows():
    random = np.random.default_rng(0)
    code = np.minimum(random.zipf(1.5, 900), 200)
    table = pa.table({"code": [f"c{one}" for one in code], "x": random.normal(size=900), "ill": code % 2})
    assert not repeated(table)


def test_random_levels_are_hardly_ever_alike():
    random, found = np.random.default_rng(0), 0
    for trial in range(1000):
        rows = (100, 400, 2000)[trial % 3]
        levels = np.unique(
            random.choice((10, 55, rows // 8, rows // 3)[trial % 4], rows), return_inverse=True
        )[1]
        classes = (0, 2, 5)[trial % 5 % 3]
        target = random.lognormal(size=rows)
        if classes:
            target = np.where(random.random(rows) < 0.1, 0, random.integers(1, classes, rows))
        found += alike_within(levels, target, classes)
    assert found <= 1, "of 1,000: 3.3 standard deviations are passed once in 2,000"
