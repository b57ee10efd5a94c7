"""Oracle: pandas and scikit-learn say what a table is and how it is encoded."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn import datasets
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator
from sklearn.preprocessing import OneHotEncoder

from epochal.data import EXAMPLES, TableEncoder, example, load, transform, write_example
from epochal.data.source import TrainingContext


@pytest.fixture(scope="module")
def frame():
    random = np.random.RandomState(0)
    rows = 120
    numbers = random.normal(size=rows).round(3)
    numbers[5] = np.nan
    colors = random.choice(["red", "green", "blue"], rows).astype(object)
    colors[7] = None
    return pd.DataFrame(
        {
            "size": random.randint(1, 9, rows),
            "weight": numbers,
            "color": colors,
            "sold": random.uniform(size=rows) < 0.5,
            "day": pd.date_range("2024-01-30", periods=rows),
            "label": random.choice(["no", "yes"], rows),
        }
    )


def test_a_mixed_table_becomes_what_scikit_learn_makes_of_it(frame):
    found = load((frame, "label"))
    assert found.features == (
        *("size", "weight", "sold", "day month", "day day", "day weekday", "day day number"),  # one year only
        *("color=blue", "color=green", "color=red", "color=(missing)", "weight is missing"),
    )
    columns = dict(zip(found.features, found.inputs.T, strict=True))
    np.testing.assert_array_equal(columns["weight"], frame["weight"].to_numpy(np.float32))
    np.testing.assert_array_equal(columns["weight is missing"], frame["weight"].isna())
    np.testing.assert_array_equal(columns["day weekday"], frame["day"].dt.day_of_week + 1)
    np.testing.assert_array_equal(columns["day month"], frame["day"].dt.month)
    np.testing.assert_array_equal(columns["sold"], frame["sold"])
    colors = frame[["color"]].fillna("(missing)")
    levels = ["blue", "green", "red", "(missing)"]
    oracle = OneHotEncoder(categories=[levels], sparse_output=False).fit_transform(colors)
    np.testing.assert_array_equal(np.stack([columns[f"color={level}"] for level in levels], axis=1), oracle)
    assert found.task.kind == "binary"
    np.testing.assert_array_equal(found.targets, frame["label"] == "yes")
    assert not found.continuous[[found.features.index("sold"), found.features.index("color=red")]].any()


def test_every_door_gives_the_same_dataset(frame, tmp_path):
    frame.to_csv(tmp_path / "table.csv", index=False)
    frame.to_csv(tmp_path / "table.tsv", index=False, sep="\t")
    frame.to_csv(tmp_path / "packed.csv.gz", index=False)
    frame.to_parquet(tmp_path / "table.parquet")
    prints = {
        load(source).fingerprint
        for source in (
            frame,
            pl.from_pandas(frame),
            pa.Table.from_pandas(frame),
            (frame.drop(columns="label"), frame["label"]),
            tmp_path / "table.csv",
            str(tmp_path / "table.tsv"),
            tmp_path / "packed.csv.gz",
            tmp_path / "table.parquet",
        )
    }
    assert len(prints) == 1


def test_the_encoding_is_that_of_a_column_transformer(frame):
    random = np.random.default_rng(0)
    many = frame.assign(town=random.choice([f"town {k}" for k in range(60)], len(frame)))
    many.loc[:59, "town"] = [f"town {k}" for k in range(60)]
    found = load(many, target="label", keep=["town"])
    passed, one_hot, indicators, codes = found.encoder.layout
    assert len(one_hot) == len(indicators) == len(codes) == 1
    columns, raw = (
        dict(zip(found.features, found.inputs.T, strict=True)),
        np.zeros((len(many), 9), np.float32),
    )
    assert raw.shape[1] == len(found.encoder.raw_names)
    for slot, at in enumerate(passed):
        raw[:, at] = found.inputs[:, slot]
    color = found.encoder.columns[[one.name for one in found.encoder.columns].index("color")]
    words = many["color"].fillna("(missing)").tolist()
    raw[:, one_hot[0][0]] = [color.all_levels.index(word) for word in words]
    raw[:, codes[0][0]] = columns["town"]
    levels = [np.arange(len(column.all_levels), dtype=np.float32) for _, column in one_hot]
    encode = OneHotEncoder(categories=levels, handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    oracle = ColumnTransformer(
        [
            ("numbers", "passthrough", passed),
            ("categories", encode, [at for at, _ in one_hot]),
            ("missing", MissingIndicator(features="all"), [at for at, _ in indicators]),
            ("codes", "passthrough", [at for at, _ in codes]),
        ],
        sparse_threshold=0.0,
    )
    np.testing.assert_array_equal(oracle.fit_transform(raw), found.inputs)


def test_the_schema_survives_json(frame):
    found = load(frame)
    encoder = TableEncoder.from_dict(json.loads(json.dumps(found.encoder.to_dict())))
    assert encoder == found.encoder
    np.testing.assert_array_equal(transform(encoder, frame).inputs, found.inputs)


def test_the_encoding_of_a_row_does_not_depend_on_other_rows(frame):
    found = load(frame)
    some = transform(found.encoder, frame.iloc[30:40])
    np.testing.assert_array_equal(some.inputs, found.inputs[30:40])
    np.testing.assert_array_equal(some.targets, found.targets[30:40])


def test_new_rows_may_be_reordered_wider_and_unlabeled(frame):
    found = load(frame)
    new = frame[["day", "color", "sold", "weight", "size"]].assign(extra=1)
    same = transform(found.encoder, new)
    np.testing.assert_array_equal(same.inputs, found.inputs)
    assert same.targets is None
    assert same.task is None
    assert same.raw_notes == (
        'column "extra" was not in the training table: ignored.',
        "the columns are in another order than in training: matched by their names.",
    )


def test_unseen_categories_are_counted_and_say_nothing(frame):
    found = load(frame)
    new = frame.head(6).assign(color=["pink", "red", "pink", "blue", "red", "red"])
    encoded = transform(found.encoder, new)
    at = [i for i, name in enumerate(found.features) if name.startswith("color=")]
    assert encoded.inputs[0, at].tolist() == [0, 0, 0, 0]
    assert 'column 3 ("color") has 1 value not seen in training ("pink") in 2 rows' in encoded.raw_notes[0]


def test_new_files_without_header_match_by_count(tmp_path):
    random = np.random.RandomState(0)
    X = random.normal(size=(30, 3)).round(3)
    y = np.arange(30) % 2
    np.savetxt(tmp_path / "train.csv", np.column_stack([X[:, 0], y, X[:, 1:]]), delimiter=",")
    np.savetxt(tmp_path / "new.csv", X[:5], delimiter=",")
    found = load(tmp_path / "train.csv", target=2)
    assert found.target_name == "column 2"
    for source in (tmp_path / "new.csv", X[:5], X[:5].astype(np.float32)):
        encoded = transform(found.encoder, source)
        np.testing.assert_array_equal(encoded.inputs, found.inputs[:5])
        assert encoded.targets is None
    np.testing.assert_array_equal(transform(found.encoder, tmp_path / "train.csv").targets, found.targets)


def test_text_levels_stay_text_in_a_new_file(tmp_path):
    (tmp_path / "train.csv").write_text("code,x,y\n" + "".join(f"{c},{i}.5,{i % 2}\n" for i, c in enumerate(
        ["01", "02", "A", "01", "02", "A"] * 3)))  # fmt: skip
    (tmp_path / "new.csv").write_text("x,code\n1.5,01\n2.5,02\n")
    found = load(tmp_path / "train.csv")
    encoded = transform(found.encoder, tmp_path / "new.csv")
    assert not encoded.raw_notes or "no category" not in " ".join(encoded.raw_notes)
    assert encoded.inputs[:, 1:].tolist() == [[1, 0, 0], [0, 1, 0]]


def test_one_row_of_text_under_a_header_can_be_predicted(tmp_path):
    rows = "".join(f"{c},{'yes' if i % 2 else 'no'}\n" for i, c in enumerate("abc" * 10))
    (tmp_path / "train.csv").write_text("letter,y\n" + rows)
    (tmp_path / "new.csv").write_text("letter\nb\n")
    found = load(tmp_path / "train.csv")
    assert transform(found.encoder, tmp_path / "new.csv").inputs.tolist() == [[0, 1, 0]]


@pytest.mark.parametrize(
    ("name", "loader"),
    [
        ("breast-cancer", datasets.load_breast_cancer),
        ("digits", datasets.load_digits),
        ("iris", datasets.load_iris),
        ("wine", datasets.load_wine),
        ("diabetes", lambda: datasets.load_diabetes(scaled=False)),
    ],
)
def test_bundled_examples_equal_scikit_learns_loaders(name, loader):
    table, _ = example(name)
    oracle = loader()
    inputs = np.column_stack([column.to_numpy() for column in table.columns[:-1]])
    np.testing.assert_array_equal(inputs, oracle.data)
    assert table.column_names[:-1] == list(oracle.feature_names)
    if name == "diabetes":
        np.testing.assert_array_equal(table.columns[-1].to_numpy(), oracle.target)
    else:
        words = [str(oracle.target_names[value]) for value in oracle.target]
        assert table.columns[-1].to_pylist() == words


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_written_and_read_is_the_same(name, tmp_path):
    write_example(name, tmp_path / "out.csv")
    assert load(tmp_path / "out.csv").fingerprint == load(f"example:{name}").fingerprint


def test_streaming_gives_the_same_as_reading_whole(frame, tmp_path, monkeypatch):
    frame.to_csv(tmp_path / "table.csv", index=False)
    whole = load(tmp_path / "table.csv").fingerprint
    monkeypatch.setattr("epochal.data.files.text.STREAM_BYTES", 0)
    monkeypatch.setattr("epochal.data.files.text._BLOCK_BYTES", 600)
    assert load(tmp_path / "table.csv").fingerprint == whole


@pytest.mark.parametrize("stream", [False, True])
def test_a_late_surprise_widens_the_column(stream, tmp_path, monkeypatch):
    rows = [f"{i % 7},{i % 5},,{i % 3},{i % 2}" for i in range(2000)]
    rows[1900] = "0.5,red,4.5,3000000000,1"
    (tmp_path / "late.csv").write_text("a,b,c,d,y\n" + "\n".join(rows) + "\n")
    if stream:
        monkeypatch.setattr("epochal.data.files.text.STREAM_BYTES", 0)
    monkeypatch.setattr("epochal.data.files.text._BLOCK_BYTES", 1000)
    found = load(tmp_path / "late.csv", categorical=["b"])
    assert found.inputs[1900, 0] == 0.5
    assert found.inputs[1900, found.features.index("c")] == 4.5
    assert found.inputs[1900, found.features.index("d")] == 3e9
    assert found.inputs[1900, found.features.index("b=red")] == 1


def test_arrays_are_taken_as_they_are_without_a_copy():
    X = np.random.RandomState(0).normal(size=(20, 3)).astype(np.float32)
    X[:, 1] = 1
    found = load((X, np.arange(20) % 2))
    assert np.shares_memory(found.inputs, X)
    assert not found.inputs.flags.writeable
    assert X.flags.writeable
    assert found.inputs.shape == (20, 3)
    assert found.task.kind == "binary"
    assert load((X.astype(float), np.linspace(0, 1, 20))).task.kind == "regression"
    assert load((X, np.ones((20, 2)) * 3)).task.outputs == 2
    assert load((X[:, :, None], ["a", "b"] * 10, np.ones(20))).shape == (3, 1)


def test_numpy_files_are_the_arrays_that_they_hold(tmp_path):
    random = np.random.RandomState(0)
    X = random.normal(size=(40, 4)).astype(np.float32)
    y = np.arange(40) % 3
    data = np.insert(X, 2, y, axis=1)
    np.save(tmp_path / "c.npy", data)
    np.save(tmp_path / "f.npy", np.asfortranarray(data.astype(float)))
    np.savez(tmp_path / "xy.npz", X=X, y=y)
    for source, target in (("c.npy", 3), ("f.npy", "3"), ("xy.npz", None)):
        found = load(tmp_path / source, target=target)
        np.testing.assert_array_equal(found.inputs, X)
        np.testing.assert_array_equal(found.targets, y)
        assert found.inputs.flags.writeable
        assert transform(None, X[:3], TrainingContext(task=found.task, shape=found.shape)).inputs.shape == (
            3,
            4,
        )
    like = TrainingContext(task=found.task, shape=found.shape, target_name="column 3")
    again = transform(None, tmp_path / "c.npy", like)
    np.testing.assert_array_equal(again.inputs, X)
    np.testing.assert_array_equal(again.targets, y)
    assert transform(None, X[:1], like).inputs.shape == (1, 4)
