"""Golden: tables whose targets, scales and rows need care, and the right outcome of each."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from PIL import Image

import epochal as ep
from epochal.cli.main import main

TRIALS = Path(__file__).parents[1] / "trials"
OPTIONS = ("--epochs", 30, "--batch-size", 8, "--learning-rate", 0.01)
QUICK = {"epochs": 30, "batch_size": 8, "learning_rate": 0.01}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def call(capsys):
    """Run a command: (exit status, standard output, standard error)."""

    def run(*arguments):
        capsys.readouterr()
        status = main([str(one) for one in arguments])
        return status, *capsys.readouterr()

    return run


def column(path, name):
    with Path(path).open(encoding="utf-8") as file:
        return np.array([float(row[name]) for row in csv.DictReader(file)])


def test_targets_far_from_zero_are_learned_and_written_with_all_their_digits(call):
    table = TRIALS / "timestamps.csv"
    status, out, _ = call("train", table, "--epochs", 40, "--batch-size", 8, "--out", "run", "--hidden", 16)
    assert status == 0
    assert "1700000000.23 to 1700000099.9" in " ".join(out.split())
    true = column(table, "when")
    run = ep.load("run")
    assert run.scores["validation"].metrics["r2"].mean > 0.95
    assert run.baseline["validation.r2"][0] == pytest.approx(0, abs=0.05)
    held = run.scores["validation"]
    np.testing.assert_array_equal(held.true, true[run.split_codes[0] == 2])
    error = np.sqrt(np.square(held.predicted - held.true).mean())
    assert held.metrics["rmse"].mean == pytest.approx(error, rel=1e-9)
    assert run.curves.values("validation.rmse")[1][0].min() == pytest.approx(error, rel=1e-3)

    exact = run.predict(table).values[:, 0]
    assert np.abs(exact - true).max() < 20
    printed = call("predict", "run", table)[1]
    by_csv = [float(row["predicted when"]) for row in csv.DictReader(io.StringIO(printed))]
    by_json = [
        row["predicted when"] for row in json.loads(call("predict", "run", table, "--json")[1])["rows"]
    ]
    for written in (by_csv, by_json):
        np.testing.assert_allclose(written, exact, rtol=0, atol=1e-4)
    page = Path("run/report.html").read_text()
    assert "1700000" in page.partition('"residuals"')[2][:200]


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(lambda x: 2.5e12 + 7 * x, id="milliseconds"),
        pytest.param(lambda x: -3e7 + x * 1e-2, id="below zero"),
        pytest.param(lambda x: (16_777_216 + np.round(1000 * x)).astype(np.int64), id="whole numbers"),
        pytest.param(lambda x: np.column_stack([x, 1e9 + x]), id="one of two"),
    ],
)
def test_any_offset_of_the_target_changes_nothing_that_is_learned(target):
    x = np.random.default_rng(0).normal(size=(200, 2))
    y = target(x[:, 0] + 3)
    run = ep.fit(ep.MLP(8), (x, y), standardize=True, task="regression", **QUICK)
    assert run.scores["validation"].metrics["r2"].mean > 0.95
    found = run.predict(x).values.reshape(y.shape)
    assert (np.abs(found - y).mean(axis=0) < 0.2 * np.std(y, axis=0)).all()


def _frame(x, y):
    return pa.table({"a": x[:, 0], "b": x[:, 1], "y": y})


@pytest.fixture(scope="module")
def far():
    """Inputs 1e9 + x, of which x decides."""
    x = np.random.default_rng(1).normal(size=(300, 2))
    return 1e9 + x, (x[:, 0] > 0).astype(np.int64)


@pytest.mark.parametrize("kind", ["arrays", "frame", "csv", "parquet", "npy"])
@pytest.mark.parametrize("stream", [False, True])
def test_inputs_far_from_zero_are_learned(far, kind, stream):
    inputs, classes = far
    table = _frame(inputs, classes)
    new = inputs if kind in ("arrays", "npy") else table
    if kind == "arrays":
        source = (inputs, classes)
    elif kind == "frame":
        source = (table, "y")
    elif kind == "npy":
        source = "far.npy"
        np.save(source, np.column_stack([inputs, classes]))
    else:
        source = f"far.{kind}"
        (pa.csv.write_csv if kind == "csv" else pq.write_table)(table, source)
    run = ep.fit(ep.MLP(8), source, stream=stream if kind != "frame" else None, standardize=True, **QUICK)
    assert run.scores["validation"].metrics["accuracy"].mean > 0.85
    run.save("run")
    labels = ep.load("run").predict(new).labels.astype(int)
    assert (labels == classes).mean() > 0.85
    one = ep.load("run").predict(new[:1] if isinstance(new, np.ndarray) else new.slice(0, 1))
    np.testing.assert_allclose(one.values[0], run.predict(new).values[0], rtol=1e-5)


def test_a_series_far_from_zero_is_forecast():
    series = 1.6e9 + 10 * np.sin(np.arange(240) / 5)
    run = ep.fit(ep.MLP(8), ep.load_windows(series, window=8), **QUICK)
    assert run.scores["validation"].metrics["r2"].mean > 0.9


def test_numbers_that_float32_holds_exactly_stay_float32():
    years = np.column_stack([np.arange(1900.0, 2020.0), np.arange(120.0) / 7])
    assert ep.load_data((years, np.arange(120) % 2)).dtype == np.float32


def test_without_scaling_lost_differences_are_said(far):
    inputs, classes = far
    run = ep.fit(ep.MLP(4), (inputs, classes), standardize=False, epochs=1)
    assert any("standardize" in note and "column 1" in note for note in run.data["notes"])


def joined(text):
    return " ".join(text.split())


def test_arrays_are_standardized_from_python_as_from_the_command_line(call):
    """One column in thousandths, one in millions: without scales the second drowns the first."""
    random = np.random.default_rng(3)
    inputs = random.normal(size=(240, 2)) * [1e-3, 1e6]
    classes = (inputs[:, 0] > 0).astype(np.int64)
    np.save("apart.npy", np.column_stack([inputs, classes]))
    run = ep.fit(ep.MLP(8), (inputs, classes), **QUICK)
    status, out, _ = call("train", "apart.npy", "--hidden", 8, *OPTIONS, "--out", "run")
    assert status == 0
    assert "each column to mean 0 and variance 1" in joined(out)
    by_file = ep.load("run").scores["validation"].metrics["accuracy"].mean
    assert run.scores["validation"].metrics["accuracy"].mean == by_file > 0.9
    assert any("standardize=False" in note for note in run.data["notes"])
    raw = ep.fit(ep.MLP(8), (inputs, classes), standardize=False, **QUICK)
    assert raw.scores["validation"].metrics["accuracy"].mean < 0.8
    assert not raw.settings["standardize"]


def test_each_kind_of_array_has_its_scales():
    random = np.random.default_rng(4)
    classes = np.arange(40) % 2

    def fitted(model, inputs, **options):
        return ep.fit(model, (inputs, classes), epochs=1, batch_size=8, metrics=(), **options)

    series = random.normal(size=(40, 9, 2)) * [1, 1e4] + [0, 1e5]
    scaling = fitted(ep.LSTM(2), series).fitted[0].scaling
    assert scaling.center.shape == (2,) and scaling.center[1] == pytest.approx(1e5, rel=0.1)
    images = random.uniform(size=(40, 8, 8))
    assert fitted(ep.MLP(2), images).fitted[0].scaling is None, "pixels from 0 to 1"
    assert fitted(ep.MLP(2), np.round(255 * images)).fitted[0].scaling.center.shape == (1,)
    assert fitted(ep.MLP(2), np.round(255 * images).astype(np.uint8)).fitted[0].scaling is None

    def init(key, sample):
        return {"table": jax.random.normal(key, (7, 1))}

    ids = random.integers(0, 7, (40, 5))
    run = fitted((init, lambda p, x: p["table"][x.astype(int)].sum(axis=1)), ids)
    assert run.fitted[0].scaling is None, "ids for an embedding"
    assert any("whole numbers of its inputs" in note for note in run.data["notes"])
    assert fitted((lambda key, x: jnp.zeros(5), lambda w, x: x @ w), ids).fitted[0].scaling is not None


def test_parameters_to_start_from_decide_how_arrays_are_scaled(tmp_path):
    random = np.random.default_rng(5)
    data = random.normal(size=(40, 2)) * [1, 100], np.arange(40) % 2
    for asked in (False, None):
        first = ep.fit(ep.MLP(3), data, epochs=1, standardize=asked)
        folder = first.save(tmp_path / f"run {asked}")
        second = ep.fit(ep.MLP(3), data, epochs=1, initial=folder)
        assert second.settings["standardize"] == first.settings["standardize"] == (asked is None)


def test_duplicates_are_kept_on_one_side_of_each_split(call):
    table = TRIALS / "duplicates.csv"
    options = ("--repeats", 5, "--epochs", 60, "--hidden", 32, "--out", "run")
    status, out, _ = call("train", table, *options)
    assert status == 0
    assert "100 distinct rows of 400" in out and "one side of each split" in joined(out)
    assert "No significant difference" in joined(out) or "no better than" in joined(out)
    run = ep.load("run")
    rows = table.read_text().splitlines()[1:]
    for parts in run.split_codes:
        sides = {}
        for row, part in zip(rows, parts, strict=True):
            sides.setdefault(row, set()).add(int(part))
        assert all(len(found) == 1 for found in sides.values())
        assert (parts == 2).sum() == 80
    assert run.scores["validation"].metrics["accuracy"].mean < 0.65


@pytest.mark.parametrize("kind", ["frame", "arrays", "numbers", "images", "groups", "test"])
def test_copies_of_every_kind_stay_together(kind):
    random = np.random.default_rng(6)
    inputs, targets = random.normal(size=(40, 3)), random.integers(0, 2, 40)
    several, options = np.tile(np.arange(40), 3), {"epochs": 1, "batch_size": 8, "metrics": ()}
    if kind == "images":
        inputs = random.integers(0, 256, (40, 5, 5), dtype=np.uint8)
    if kind == "numbers":
        targets = random.normal(size=40)
    data = inputs[several], targets[several]
    if kind in ("frame", "groups"):
        columns = {"a": data[0][:, 0], "b": data[0][:, 1], "y": data[1]}
        columns |= {"who": np.arange(120) // 2} if kind == "groups" else {}
        data = ep.load_data((pa.table(columns), "y"), **({"groups": "who"} if kind == "groups" else {}))
    options |= {"test": 0.2} if kind == "test" else {}
    run = ep.fit(ep.MLP(2), data, repeats=2, **options)
    for parts in run.split_codes:
        assert (parts.reshape(3, 40) == parts[:40]).all()
        assert set(parts.tolist()) >= {1, 2}
    assert sum("duplicates" in note for note in run.data["notes"]) == 1


def test_copies_in_data_of_its_own_are_counted_and_said():
    random = np.random.default_rng(7)
    inputs, classes = random.normal(size=(60, 3)), np.arange(60) % 2
    run = ep.fit(ep.MLP(2), (inputs, classes), validation=(inputs[:30], classes[:30]), epochs=1)
    assert any("30 of the 30 validation samples have inputs" in note for note in run.data["notes"])


def test_a_table_of_twenty_rows_trains_with_the_batch_lowered(call):
    status, out, _ = call("train", TRIALS / "twenty.csv", "--epochs", 3, "--out", "run")
    assert status == 0
    assert "batch size 16 instead of the usual 32" in joined(out)
    assert ep.load("run").plan.batch_size == 16
    status, _, err = call("train", TRIALS / "twenty.csv", "--batch-size", 32, "--epochs", 3)
    assert status == 2 and "16" in err, "what was asked for is refused"


@pytest.mark.parametrize("rows", [2, 3, 5])
@pytest.mark.parametrize("target", ["numbers", "classes", "one of a class"])
def test_the_fewest_rows_train_and_no_figure_is_without_explanation(rows, target):
    random = np.random.default_rng(rows)
    y = {
        "numbers": random.normal(size=rows),
        "classes": np.array(["a", "b"])[np.arange(rows) % 2],
        "one of a class": np.array(["a"] * (rows - 1) + ["b"]),
    }[target]
    run = ep.fit(ep.MLP(2), (random.normal(size=(rows, 2)), y), epochs=1, batch_size=None, task=None)
    notes = " ".join(run.data["notes"])
    if rows == 2:
        assert "nothing validates" in notes and not run.scores
        return
    undefined = {name for name, one in run.scores["validation"].metrics.items() if np.isnan(one.mean)}
    assert not undefined or "not defined" in notes or "lack the class" in notes


@pytest.mark.parametrize("order", ["stratified", "balanced", "contiguous"])
def test_no_usual_batch_size_is_refused(order):
    random = np.random.default_rng(8)
    kinds = 40 if order == "stratified" else 2
    data = random.normal(size=(120, 2)), np.array([f"class {k % kinds}" for k in range(120)])
    few = ep.fit(ep.MLP(2), data, order=order, epochs=1, metrics=())
    assert few.plan.updates


def test_sizes_of_a_grid_that_do_not_fit_are_left_out_and_said():
    random = np.random.default_rng(9)
    data = random.normal(size=(50, 2)), np.arange(50) % 2
    options = {"learning_rate": 0.01, "epochs": 2, "repeats": 3}
    found = ep.compare(ep.MLP(2), data, batch_size=[8, 20, 128], **options)
    assert sorted(row.batch_size for row in found.rows) == [8, 20]
    assert any("128 is left out" in note for note in found.notes)
    with pytest.raises(ep.Refusal, match="batch_size must be between 1 and 40"):
        ep.compare(ep.MLP(2), data, batch_size=[64, 128], **options)


@pytest.fixture(scope="module")
def adult(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adult") / "run"
    ep.fit(ep.MLP(4), str(TRIALS / "adult.csv"), epochs=3).save(folder)
    return folder


def test_labels_that_training_did_not_have_are_named_and_the_rows_predicted(call, adult):
    new = TRIALS / "adult-new.csv"
    status, out, err = call("predict", adult, new)
    assert status == 0
    assert len(out.splitlines()) == len(new.read_text().splitlines())
    assert '"<=50K.", ">50K."' in joined(err) and "accuracy" not in err
    assert joined(err).count("training did not have") == 1
    prediction = ep.load(adult).predict(str(new))
    assert prediction.accuracy is None and set(prediction.labels) <= {"<=50K", ">50K"}
    status, out, _ = call("train", TRIALS / "adult.csv", "--test", new, "--epochs", 2, "--out", "run")
    assert status == 0 and "training did not have" in joined(out)
    status, _, err = call("train", TRIALS / "adult.csv", "--validation", new, "--epochs", 2)
    assert status == 2 and '"<=50K."' in err


def test_rows_with_known_labels_still_count():
    random = np.random.default_rng(10)
    inputs, classes = random.normal(size=(40, 2)), np.array(["a", "b"])[np.arange(40) % 2]
    run = ep.fit(ep.MLP(2), (inputs, classes), epochs=1)
    some = classes.astype(object)
    some[:10] = "c"
    found = run.predict((inputs, some.astype(str)))
    assert found.accuracy == pytest.approx((found.labels[10:] == classes[10:]).mean())
    assert sum('"c" in 10 of 40 rows' in note for note in found.notes) == 1


@pytest.mark.parametrize(
    ("known", "new"),
    [
        (["0", "1"], ["false", "true"]),
        ([0, 1], [False, True]),
        ([False, True], [0, 1]),
        ([1, 2], [1.0, 2.0]),
        ([1, 2], ["1.0", "2.0"]),
        (["no", "yes"], ["No", "YES"]),
        (["no", "yes"], [0, 1]),
        (["red", "green"], [" Red", "GREEN "]),
    ],
)
def test_other_spellings_of_a_class_are_understood(known, new):
    random = np.random.default_rng(11)
    inputs, ids = random.normal(size=(30, 2)), np.arange(30) % 2
    run = ep.fit(ep.MLP(2), (inputs, np.array(known)[ids]), epochs=1)
    found = run.predict((inputs, np.array(new)[ids]))
    assert found.truth.tolist() == run.predict((inputs, np.array(known)[ids])).truth.tolist()
    assert found.accuracy is not None


@pytest.mark.parametrize(
    "make", [pd.Series, pd.Index, lambda values: values], ids=["series", "index", "bare"]
)
@pytest.mark.parametrize("as_frame", [False, True])
def test_ranges_of_pandas_are_classes(make, as_frame):
    inputs = np.random.default_rng(0).normal(size=(40, 2))
    given = pd.DataFrame(inputs, columns=["a", "b"]) if as_frame else inputs
    found = ep.load_data((given, make(pd.cut(inputs[:, 0], [-9, 0, 9]))))
    assert found.task.classes == ("(-9, 0]", "(0, 9]")
    assert (found.targets == (inputs[:, 0] > 0)).all()


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_class_that_is_missing_among_words_is_named(missing):
    words = np.array(["a", "b", missing, "a"] * 5, object)
    with pytest.raises(ep.Refusal, match=r"known for each sample; got \S+ in row 3 \(5 of 20"):
        ep.load_data((np.ones((20, 2)), words))


def boats(path: Path) -> pd.DataFrame:
    """Prices as text, two of them a word that stands for none."""
    random = np.random.default_rng(0)
    length = random.uniform(5, 20, 80).round(1)
    price = [f"£{4000 * size + random.normal(0, 500):,.0f}" for size in length]
    price[7] = price[30] = "POA"
    table = pd.DataFrame({"length": length, "berths": random.integers(1, 6, 80), "price": price})
    table.to_csv(path / "boats.csv", index=False)
    table.to_parquet(path / "boats.parquet", index=False)
    return table


@pytest.mark.parametrize(("name", "stream"), [("boats.csv", ()), ("boats.parquet", ("--stream",))])
def test_words_in_place_of_a_target_are_missing_in_new_files_too(tmp_path, capsys, name, stream):
    boats(tmp_path)
    assert main(["train", name, *stream, "--target", "price", "--epochs", "2", "--out", "run"]) == 0
    assert '"POA" (2 values, first in row 8) is read as missing' in " ".join(capsys.readouterr().out.split())
    run = ep.load("run")
    assert run.evaluate("boats.csv").rows == 78
    few = pd.DataFrame({"length": [7.0, 8.0], "berths": [2, 2], "price": ["POA", "£30,000"]})
    assert len(run.predict(few).values) == 2, "half of a small file"


def test_classes_are_offered_only_where_they_are_few_enough(tmp_path):
    boats(tmp_path)
    assert "classification" not in "".join(ep.load_data("boats.csv", target="price").raw_notes)
    few = pd.DataFrame({"x": np.arange(90.0), "price": np.arange(90) % 30 + 0.5})
    assert '`task="classification"` makes classes' in "".join(ep.load_data(few, target="price").raw_notes)


def test_a_page_that_is_written_again_is_the_same(tmp_path, capsys):
    boats(tmp_path)
    assert main(["train", "boats.csv", "--epochs", "2", "--repeats", "2", "--out", "run"]) == 0
    before = Path("run/report.html").read_bytes()
    assert main(["report", "run"]) == 0 and Path("run/report.html").read_bytes() == before
    assert main(["verify", "run"]) == 0 and "is not the page" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "positive"),
    [
        (("ja", "nein"), "ja"),
        (("Да", "нет"), "Да"),
        (("+", "-"), "+"),
        (("Yes", "No"), "Yes"),
        (("Y", "N"), "Y"),
        (("True", "False"), "True"),
        (("fraud", "legit"), "legit"),
        (("<=50K", ">50K"), ">50K"),
        (("da", "sv"), "sv"),
        ((0, 1), "1"),
    ],
)
@pytest.mark.parametrize("share", [0.2, 0.8])
def test_the_order_of_two_classes_depends_on_their_names_alone(names, positive, share):
    random = np.random.default_rng(0)
    labels = np.array(names, object)[(np.arange(100) < 100 * share).astype(int)]
    found = ep.load_data(pd.DataFrame({"x": random.normal(size=100), "y": labels}), target="y")
    assert found.task.classes[1] == positive


def frauds():
    random = np.random.default_rng(0)
    inputs = random.normal(size=(600, 2))
    labels = np.where(inputs[:, 0] + random.normal(0, 0.7, 600) > 1.9, "fraud", "legit")
    return pd.DataFrame({"a": inputs[:, 0], "b": inputs[:, 1], "y": labels})


def test_the_positive_class_can_be_chosen(tmp_path):
    frame = frauds()
    options = {"target": "y", "epochs": 20, "threshold": "f1", "learning_rate": 0.01, "progress": False}
    other = ep.fit(ep.MLP(8), frame, **options)
    assert other.task.classes == ("fraud", "legit") and 'are of "legit"' in other.metric_notes[0]
    run = ep.fit(ep.MLP(8), frame, positive="fraud", out=tmp_path / "run", **options)
    assert run.task.classes == ("legit", "fraud") and run.threshold.positive == "fraud"
    found = run.predict(frame.drop(columns="y"))
    flagged = frame["y"] == "fraud"
    assert (found.labels[flagged] == "fraud").mean() > 0.4 and found.values[flagged, 1].mean() > 0.2
    again = ep.load(tmp_path / "run")
    assert again.predict(frame).labels.tolist() == found.labels.tolist()
    assert again.evaluate(frame).metrics["f1"].mean == run.evaluate(frame).metrics["f1"].mean
    same = ep.fit(ep.MLP(8), (frame[["a", "b"]].to_numpy(), flagged.to_numpy()), positive=False, epochs=1)
    assert same.task.classes == ("true", "false")
    with pytest.raises(ep.Refusal, match=r'`?positive`?.*did you mean "fraud"'):
        ep.fit(ep.MLP(8), frame, target="y", positive="fruad")
    with pytest.raises(ep.Refusal, match="positive is for two classes; got regression"):
        ep.fit(ep.MLP(8), frame[["a", "b"]], target="b", positive="1")
    with pytest.raises(ep.Refusal, match=r'initial has the classes in another order.*positive="fraud"'):
        ep.fit(ep.MLP(8), frame, target="y", initial=tmp_path / "run", epochs=1)
    start = {"initial": tmp_path / "run", "epochs": 1, "learning_rate": 1e-6, "positive": "fraud"}
    continued = ep.fit(ep.MLP(8), frame, target="y", progress=False, **start)
    assert abs(continued.predict(frame).accuracy - run.predict(frame).accuracy) < 0.05


def test_the_positive_class_of_images_and_streams(tmp_path):
    random = np.random.default_rng(0)
    for name in ("defect", "ok"):
        (tmp_path / "parts" / name).mkdir(parents=True)
        for number in range(6):
            pixels = random.integers(0, 255, (8, 8), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "parts" / name / f"{number}.png")
    run = ep.fit(ep.MLP(4), tmp_path / "parts", positive="defect", epochs=1, progress=False)
    assert run.task.classes == ("ok", "defect")
    assert run.predict(tmp_path / "parts").labels.shape == (12,)
    pq.write_table(pa.Table.from_pandas(frauds()), tmp_path / "s.parquet")
    for stream in (True, False):
        found = ep.fit(
            ep.MLP(4), tmp_path / "s.parquet", target="y", positive="fraud", stream=stream, epochs=1
        )
        assert found.task.classes == ("legit", "fraud")
        assert (found.predict(frauds()).truth == (frauds()["y"] == "fraud")).all()


def test_the_positive_class_of_texts_is_that_of_their_files_too(tmp_path):
    rows = [
        ("good nice film", "pos"),
        ("bad awful film", "neg"),
        ("nice great one", "pos"),
        ("awful dull", "neg"),
    ]
    for name in ("train.csv", "new.csv"):
        (tmp_path / name).write_text("text,label\n" + "".join(f"{a},{b}\n" for a, b in rows * 10))
    data = ep.load_texts(tmp_path / "train.csv", text="text", target="label")
    options = {"epochs": 20, "learning_rate": 0.05, "positive": "neg", "progress": False}
    run = ep.fit(ep.TextClassifier(8), data, validation=tmp_path / "new.csv", **options)
    assert run.task.classes == ("pos", "neg")
    assert run.metrics["validation"]["accuracy"].mean > 0.9
    assert run.evaluate(tmp_path / "new.csv").metrics["accuracy"].mean > 0.9


def test_where_no_class_is_positive_none_can_be_chosen():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": random.normal(size=40), "race": np.arange(40) // 4, "place": np.arange(40) % 4}
    )
    pairs = ep.load_rank_pairs(frame, by="race", target="place")
    with pytest.raises(ep.Refusal, match="positive is for two classes; got pairs of a ranking"):
        ep.fit(ep.Pairwise(ep.MLP(4)), pairs, positive="behind", epochs=1)

    def endless():
        while True:
            yield random.normal(size=2), int(random.integers(2))

    held = random.normal(size=(20, 2)), random.integers(0, 2, 20)
    with pytest.raises(ep.Refusal, match="positive needs all targets"):
        ep.fit(ep.MLP(4), endless(), validation=held, positive=0, epochs=1, batch_size=4)


def test_a_class_named_as_its_column_is_no_repeated_header(tmp_path):
    def read(text):
        (tmp_path / "a.csv").write_text(text)
        return ep.load_data(tmp_path / "a.csv", target="y")

    text = "a,y\n" + "".join(f"{i % 7}.5,{'yn'[i % 2]}\n" for i in range(60))
    found = read(text)
    assert found.samples == 60 and not any("header is there" in note for note in found.notes)
    again = read("a,y\n" + "1.5,yes\n2.5,no\n" * 20 + "a,y\n" + "1.5,yes\n2.5,no\n" * 20)
    assert again.samples == 80, again.notes
    assert any("header is there" in note for note in again.notes)
